// SPDX-License-Identifier: GPL-2.0-or-later
import Foundation

/// A track of a file that is being written: what its samples are, and where their bytes lie until then.
struct OutputTrack {
    struct Sample {
        /// In `file`.
        var offset: Int
        var size: Int
        /// Ticks to the next sample in decoding order, and from decoding to presentation.
        var duration: Int
        var compositionOffset: Int
        var isSync: Bool
    }

    var handler: FourCC
    var timeScale: Int
    /// Ticks of the media that lie before the presentation begins (edit list).
    var mediaStart = 0
    /// Ticks of the track that nothing is presented in at the beginning.
    var emptyStart = 0
    /// Shown size, of video.
    var size = (width: 0, height: 0)
    var isEnabled = true
    /// `stsd`, whole.
    var descriptions: [UInt8]
    /// The media header box: `vmhd`, `smhd`, `sthd` or `nmhd`, whole.
    var mediaHeader: [UInt8]
    /// ISO 639-2/T code as `mdhd` packs it.
    var language = 0x55C4
    var samples: [Sample] = []
    var file: FileHandle

    var duration: Int { samples.reduce(0) { $0 + $1.duration } }

    /// Samples in runs of about half a second, which the file interleaves with those of other tracks.
    func chunks() -> [(range: Range<Int>, start: Double)] {
        var result: [(range: Range<Int>, start: Double)] = []
        var first = 0
        var time = 0
        var start = 0
        for i in samples.indices {
            time += samples[i].duration
            if (time - start) * 2 >= timeScale || i == samples.count - 1 {
                result.append((first..<i + 1, Double(start) / Double(timeScale)))
                first = i + 1
                start = time
            }
        }
        return result
    }

    /// The `trak` box.
    /// - Parameters:
    ///   - chunks: the samples of each chunk, and where it lies in the file.
    ///   - movieScale: ticks a second of the movie.
    func box(
        id: Int, chunks: [(range: Range<Int>, offset: Int)], movieScale: Int, into w: inout BoxWriter
    ) {
        // Where decoding runs ahead of presentation the last pictures are shown as much later.
        let isReordered = samples.contains { $0.compositionOffset != 0 }
        let shown = (isReordered ? duration : duration - mediaStart) * movieScale / timeScale
        let empty = emptyStart * movieScale / timeScale
        w.box("trak") {
            $0.fullBox("tkhd", flags: isEnabled ? 3 : 2) {
                $0.zeros(8)
                $0.u32(id)
                $0.zeros(4)
                $0.u32(empty + shown)
                $0.zeros(8)
                $0.u16(0)
                $0.u16(0)
                $0.u16(handler == "soun" ? 0x100 : 0)
                $0.u16(0)
                $0.unityMatrix()
                $0.u32(size.width << 16)
                $0.u32(size.height << 16)
            }
            if mediaStart != 0 || empty != 0 {
                $0.box("edts") {
                    $0.fullBox("elst") {
                        $0.u32(empty > 0 ? 2 : 1)
                        if empty > 0 {
                            $0.u32(empty)
                            $0.u32(-1)
                            $0.u32(0x10000)
                        }
                        $0.u32(shown)
                        $0.u32(mediaStart)
                        $0.u32(0x10000)
                    }
                }
            }
            $0.box("mdia") {
                $0.fullBox("mdhd") {
                    $0.zeros(8)
                    $0.u32(timeScale)
                    $0.u32(duration)
                    $0.u16(language)
                    $0.u16(0)
                }
                $0.fullBox("hdlr") {
                    $0.u32(0)
                    $0.fourCC(handler)
                    $0.zeros(12)
                    $0.append("Veil\0".utf8)
                }
                $0.box("minf") {
                    $0.append(mediaHeader)
                    $0.box("dinf") {
                        $0.fullBox("dref") {
                            $0.u32(1)
                            $0.fullBox("url ", flags: 1) { _ in }
                        }
                    }
                    $0.box("stbl") { table(chunks, &$0) }
                }
            }
        }
    }

    /// Sample tables (8.6 and 8.7).
    private func table(_ chunks: [(range: Range<Int>, offset: Int)], _ w: inout BoxWriter) {
        w.append(descriptions)
        func runs(_ values: [Int]) -> [(count: Int, value: Int)] {
            values.reduce(into: []) { result, value in
                if result.last?.value == value {
                    result[result.count - 1].count += 1
                } else {
                    result.append((1, value))
                }
            }
        }
        func write(_ type: FourCC, version: Int = 0, _ runs: [(count: Int, value: Int)]) {
            w.fullBox(type, version: version) { box in
                box.u32(runs.count)
                for run in runs {
                    box.u32(run.count)
                    box.u32(run.value)
                }
            }
        }
        write("stts", runs(samples.map(\.duration)))
        if samples.contains(where: { $0.compositionOffset != 0 }) {
            let isSigned = samples.contains { $0.compositionOffset < 0 }
            write("ctts", version: isSigned ? 1 : 0, runs(samples.map(\.compositionOffset)))
        }
        if samples.contains(where: { !$0.isSync }) {
            let sync = samples.indices.filter { samples[$0].isSync }
            w.fullBox("stss") { box in
                box.u32(sync.count)
                for i in sync { box.u32(i + 1) }
            }
        }
        let counts = chunks.map(\.range.count)
        let firsts = counts.indices.filter { $0 == 0 || counts[$0] != counts[$0 - 1] }
        w.fullBox("stsc") { box in
            box.u32(firsts.count)
            for i in firsts {
                box.u32(i + 1)
                box.u32(counts[i])
                box.u32(1)
            }
        }
        w.fullBox("stsz") { box in
            box.u32(0)
            box.u32(samples.count)
            for sample in samples { box.u32(sample.size) }
        }
        // Always of 64 bits: the size of the tables must not depend on where the samples come to lie.
        w.fullBox("co64") { box in
            box.u32(chunks.count)
            for chunk in chunks { box.u64(chunk.offset) }
        }
    }
}
