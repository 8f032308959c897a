// SPDX-License-Identifier: GPL-2.0-or-later
import Foundation
import VeilBitstream

/// Writes the layers of a stream into one track of an ISO base media file: `hvc1` with the base layer's parameter sets
/// in `hvcC` and those of upper layers in `lhvC` (L-HEVC, ISO/IEC 14496-15, 9.5), beside tracks of other media copied
/// from another file. The tables come first (`moov`), so that players can begin before the file is whole.
package final class IsoMediaWriter {
    private let path: String
    private let output: OutputFile
    private var track: OutputTrack
    private var others: [OutputTrack] = []
    /// Parameter sets as they go into the sample entry, by type, layer and identifier.
    private var parameterSets: [ParameterSetKey: NALUnit] = [:]
    private var setOrder: [ParameterSetKey] = []
    private var displayIndices: [Int] = []
    private var written = 0

    private struct ParameterSetKey: Hashable {
        let type: UInt8
        let layer: Int
        let id: Int
    }

    /// - Parameter frameRate: frames per second.
    package init(path: String, frameRate: (numerator: Int, denominator: Int)) throws {
        self.path = path
        output = try OutputFile(path: path)
        // Fine enough for whole ticks a frame.
        let scale = max(1, (12800 + frameRate.numerator - 1) / max(frameRate.numerator, 1))
        var header = BoxWriter()
        header.fullBox("vmhd", flags: 1) { $0.zeros(8) }
        track = OutputTrack(
            handler: "vide", timeScale: frameRate.numerator * scale, descriptions: [], mediaHeader: header.bytes,
            file: try Self.scratch(beside: path))
        frameDuration = frameRate.denominator * scale
    }

    private let frameDuration: Int

    /// A file without a name for what must wait until the tables are known.
    private static func scratch(beside path: String) throws -> FileHandle {
        let folder = (path as NSString).deletingLastPathComponent
        var name = Array(((folder.isEmpty ? "." : folder) + "/.veil-XXXXXX").utf8CString)
        let descriptor = mkstemp(&name)
        guard descriptor >= 0 else {
            throw MediaError.writeFailed(path: path, reason: String(cString: strerror(errno)))
        }
        unlink(name)
        return FileHandle(fileDescriptor: descriptor, closeOnDealloc: true)
    }

    /// Adds an access unit, in decoding order.
    /// - Parameter displayIndex: its place in display order, in frames.
    package func write(_ unit: [NALUnit], displayIndex: Int) throws {
        var sample: [UInt8] = []
        var isSync = false
        for nal in unit {
            if let key = try key(of: nal) {
                if let known = parameterSets[key] {
                    guard known.bytes == nal.bytes else {
                        throw MediaError.notSupported(
                            path: path,
                            what: "\(nal.header.nalUnitType) changes within the stream, which hvc1 cannot hold")
                    }
                } else {
                    parameterSets[key] = nal
                    setOrder.append(key)
                }
                continue
            }
            if nal.header.nalUnitType.isIRAP, nal.header.nuhLayerId == 0 { isSync = true }
            sample += (0..<4).map { UInt8(truncatingIfNeeded: nal.bytes.count >> (24 - 8 * $0)) }
            sample += nal.bytes
        }
        guard !sample.isEmpty else { return }
        do { try track.file.write(contentsOf: sample) } catch {
            throw MediaError.writeFailed(path: path, reason: "\(error.localizedDescription)")
        }
        track.samples.append(
            OutputTrack.Sample(
                offset: written, size: sample.count, duration: frameDuration, compositionOffset: 0, isSync: isSync))
        displayIndices.append(displayIndex)
        written += sample.count
    }

    private func key(of nal: NALUnit) throws -> ParameterSetKey? {
        let layer = nal.header.nuhLayerId
        let id: Int
        switch nal.header.nalUnitType {
        case .vps: id = try VideoParameterSet(rbsp: nal.rbsp).vpsVideoParameterSetId
        case .sps: id = try SequenceParameterSet(rbsp: nal.rbsp, nuhLayerId: layer).spsSeqParameterSetId
        case .pps: id = try PictureParameterSet(rbsp: nal.rbsp, nuhLayerId: layer).ppsPicParameterSetId
        default: return nil
        }
        return ParameterSetKey(type: nal.header.nalUnitType.rawValue, layer: layer, id: id)
    }

    /// Copies the tracks of another ISO base media file that are no video: sound and subtitles.
    /// Returns what they are.
    @discardableResult
    package func copyTracks(from file: FileHandle) throws -> [FourCC] {
        let more = try CopiedTracks.read(file)
        others += more
        return more.map(\.handler)
    }

    /// Puts the file together and gives it its name.
    package func finish() throws {
        guard let first = displayIndices.min() else {
            throw MediaError.writeFailed(path: path, reason: "there are no pictures")
        }
        // Composition times count from the first decoding time; as much of the track lies before the presentation.
        let delay = displayIndices.enumerated().map { $0.offset - ($0.element - first) }.max() ?? 0
        for i in track.samples.indices {
            track.samples[i].compositionOffset = (displayIndices[i] - first + delay - i) * frameDuration
        }
        track.mediaStart = delay * frameDuration
        let description = try HEVCSampleDescription(
            units: setOrder.compactMap { parameterSets[$0] })
        track.descriptions = description.stsd
        track.size = description.shownSize
        try write(tracks: [track] + others)
    }

    private func write(tracks: [OutputTrack]) throws {
        var order: [(track: Int, range: Range<Int>, start: Double)] = []
        for (i, track) in tracks.enumerated() {
            order += track.chunks().map { (i, $0.range, $0.start) }
        }
        order.sort { ($0.start, $0.track) < ($1.start, $1.track) }
        let fileType = Self.fileType
        // Once to know how large it is, once with the places that follow from it.
        let draft = Self.movie(tracks, order, dataStart: 0)
        let start = fileType.count + draft.count + 16
        try output.write(fileType)
        try output.write(Self.movie(tracks, order, dataStart: start))
        let total = tracks.reduce(0) { $0 + $1.samples.reduce(0) { $0 + $1.size } }
        var header = BoxWriter()
        header.u32(1)
        header.fourCC("mdat")
        header.u64(total + 16)
        try output.write(header.bytes)
        for chunk in order {
            for sample in tracks[chunk.track].samples[chunk.range] {
                let file = tracks[chunk.track].file
                try file.seek(toOffset: UInt64(sample.offset))
                let data = try file.read(upToCount: sample.size) ?? Data()
                guard data.count == sample.size else {
                    throw MediaError.writeFailed(path: path, reason: "a sample cannot be read back")
                }
                try output.write([UInt8](data))
            }
        }
        try output.finish()
    }

    private static let fileType: [UInt8] = {
        var w = BoxWriter()
        w.box("ftyp") {
            $0.fourCC("isom")
            $0.u32(0x200)
            for brand in ["isom", "iso6", "hvc1", "mp41"] as [FourCC] { $0.fourCC(brand) }
        }
        return w.bytes
    }()

    private static func movie(
        _ tracks: [OutputTrack], _ order: [(track: Int, range: Range<Int>, start: Double)], dataStart: Int
    ) -> [UInt8] {
        var places: [[(range: Range<Int>, offset: Int)]] = tracks.map { _ in [] }
        var at = dataStart
        for chunk in order {
            places[chunk.track].append((chunk.range, at))
            at += tracks[chunk.track].samples[chunk.range].reduce(0) { $0 + $1.size }
        }
        let scale = 1000
        let longest = tracks.map { $0.duration * scale / $0.timeScale }.max() ?? 0
        var w = BoxWriter()
        w.box("moov") {
            $0.fullBox("mvhd") {
                $0.zeros(8)
                $0.u32(scale)
                $0.u32(longest)
                $0.u32(0x10000)
                $0.u16(0x100)
                $0.zeros(10)
                $0.unityMatrix()
                $0.zeros(24)
                $0.u32(tracks.count + 1)
            }
            for (i, track) in tracks.enumerated() {
                track.box(id: i + 1, chunks: places[i], movieScale: scale, into: &$0)
            }
        }
        return w.bytes
    }

    package var bytesWritten: Int { output.bytesWritten }
}
