// SPDX-License-Identifier: GPL-2.0-or-later
import VeilSystem

/// A track cut into segments that are fetched one by one: movie fragments of ISO/IEC 14496-12, 8.8, as CMAF
/// (ISO/IEC 23000-19) has them.
struct FragmentedTrack {
    var track: OutputTrack
    let id: Int
    /// When each sample is decoded, in ticks. The track's edit list tells how much later presentation begins.
    let decoded: [Int]

    private static let brands: [FourCC] = ["iso6", "cmfc", "dash"]

    /// Ranges of samples that begin where decoding can, `seconds` or more each but for the last; and where the sample
    /// entry changes.
    func segments(seconds: Double) -> [Range<Int>] {
        var result: [Range<Int>] = []
        var first = 0
        for i in track.samples.indices.dropFirst() where track.samples[i].isSync {
            let isLong = Double(decoded[i] - decoded[first]) >= seconds * Double(track.timeScale)
            if isLong || track.samples[i].description != track.samples[i - 1].description {
                result.append(first..<i)
                first = i
            }
        }
        if first < track.samples.count { result.append(first..<track.samples.count) }
        return result
    }

    /// Where samples begin that lie in the same segment of other tracks.
    func segments(startingAt times: [Double]) -> [Range<Int>] {
        let seconds = decoded.map { Double($0) / Double(track.timeScale) + 1e-6 }
        var cuts = times.map { time in seconds.firstIndex { $0 >= time } ?? decoded.count } + [decoded.count]
        cuts[0] = 0
        return zip(cuts, cuts.dropFirst()).map { $0..<max($0, $1) }
    }

    func start(of segment: Range<Int>) -> Int {
        segment.lowerBound < decoded.count ? decoded[segment.lowerBound] : end
    }

    var end: Int { (decoded.last ?? 0) + (track.samples.last?.duration ?? 0) }

    /// The initialization segment of some tracks.
    static func initialization(_ tracks: [FragmentedTrack]) -> [UInt8] {
        var w = BoxWriter()
        w.box("ftyp") {
            $0.fourCC("iso6")
            $0.u32(0)
            for brand in brands { $0.fourCC(brand) }
        }
        w.box("moov") {
            $0.fullBox("mvhd") {
                $0.zeros(8)
                $0.u32(1000)
                $0.u32(0)
                $0.u32(0x10000)
                $0.u16(0x100)
                $0.zeros(10)
                $0.unityMatrix()
                $0.zeros(24)
                $0.u32((tracks.map(\.id).max() ?? 0) + 1)
            }
            for track in tracks {
                var empty = track.track
                empty.samples = []
                empty.emptyStart = 0
                empty.shown = nil
                empty.box(id: track.id, chunks: [], chapters: [], movieScale: 1000, into: &$0)
            }
            $0.box("mvex") {
                for track in tracks {
                    $0.fullBox("trex") {
                        $0.u32(track.id)
                        $0.u32(1)
                        $0.zeros(12)
                    }
                }
            }
        }
        return w.bytes
    }

    /// A media segment. Throws where the samples cannot be read back.
    /// - Parameter number: from 1.
    func segment(_ range: Range<Int>, number: Int) throws -> [UInt8] {
        var data: [UInt8] = []
        for sample in track.samples[range] {
            try track.file.seek(toOffset: UInt64(sample.offset))
            let bytes = try track.file.read(upToCount: sample.size) ?? Data()
            guard bytes.count == sample.size else { throw IsoMediaError.truncated(box: "mdat", offset: sample.offset) }
            data += bytes
        }
        return segment(range, number: number, data: data)
    }

    /// A media segment of samples whose bytes are at hand.
    func segment(_ range: Range<Int>, number: Int, data: [UInt8]) -> [UInt8] {
        var w = BoxWriter()
        w.box("styp") {
            $0.fourCC("iso6")
            $0.u32(0)
            for brand in Self.brands { $0.fourCC(brand) }
        }
        // Once to know how large it is, once with the place of the samples behind it.
        let size = fragment(range, number: number, dataOffset: 0).count
        w.append(fragment(range, number: number, dataOffset: size + 8))
        w.box("mdat") { $0.append(data) }
        return w.bytes
    }

    private func fragment(_ range: Range<Int>, number: Int, dataOffset: Int) -> [UInt8] {
        let description = range.isEmpty ? 1 : track.samples[range.lowerBound].description
        var w = BoxWriter()
        w.box("moof") {
            $0.fullBox("mfhd") { $0.u32(number) }
            $0.box("traf") {
                // default-base-is-moof, sample-description-index-present.
                $0.fullBox("tfhd", flags: 0x20002) {
                    $0.u32(id)
                    $0.u32(description)
                }
                $0.fullBox("tfdt", version: 1) { $0.u64(start(of: range)) }
                // Data offset; duration, size, flags and signed composition offset of each sample.
                $0.fullBox("trun", version: 1, flags: 0xF01) {
                    $0.u32(range.count)
                    $0.u32(dataOffset)
                    for sample in track.samples[range] {
                        $0.u32(sample.duration)
                        $0.u32(sample.size)
                        // Depends on no other sample; or on some, and decoding cannot begin there.
                        $0.u32(sample.isSync ? 0x200_0000 : 0x101_0000)
                        $0.u32(sample.compositionOffset)
                    }
                }
            }
        }
        return w.bytes
    }
}
