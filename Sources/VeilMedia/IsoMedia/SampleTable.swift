// SPDX-License-Identifier: GPL-2.0-or-later

/// Where one sample lies in the file, and when it is decoded and shown.
package struct MediaSample: Sendable, Equatable {
    package var offset: Int
    package var size: Int
    /// 1 for the first sample entry of `stsd`.
    package var descriptionIndex: Int
    /// In ticks of the track's time scale.
    package var decodeTime: Int
    package var duration: Int
    package var compositionOffset: Int
    package var isSync: Bool
}

/// Times that are taken from a file: sums and differences of a few of them are in range, in any time scale.
enum MediaTicks {
    /// Some decades in nanoseconds: live streams count from 1970.
    static let most = 1 << 61

    static func checked(_ ticks: Int, _ box: FourCC, offset: Int) throws -> Int {
        guard (-most...most).contains(ticks) else {
            throw IsoMediaError.invalid(box: box, offset: offset, what: "time out of range")
        }
        return ticks
    }
}

/// The samples of a track as `stbl` tells them (ISO/IEC 14496-12, 8.5 to 8.7).
///
/// Tables may say more in a few bytes than a file can hold: what lies outside the file is refused, so that time and
/// memory are bounded by its size.
enum SampleTable {
    /// The samples in front of the first one that lies outside the file.
    /// - Parameter cut: set where there is one.
    static func samples(_ stbl: Box, fileSize: Int, cut: inout IsoMediaError?) throws -> [MediaSample] {
        let sizes = try Sizes(stbl)
        var result: [MediaSample] = []
        guard sizes.count > 0 else { return result }
        let chunks = try chunkOffsets(stbl)
        let runs = try chunkRuns(stbl)
        var times = try Runs(stbl.required("stts"), isSigned: false)
        var offsets = try stbl.child("ctts").map { try Runs($0, isSigned: true) }
        let sync = try stbl.child("stss").map { try Set(numbers($0)) }
        result.reserveCapacity(min(sizes.count, fileSize))
        var time = 0
        var run = 0
        var total = 0
        for (i, chunk) in chunks.enumerated() {
            while run + 1 < runs.count, runs[run + 1].firstChunk <= i + 1 { run += 1 }
            guard run < runs.count, runs[run].firstChunk <= i + 1 else {
                throw IsoMediaError.invalid(box: "stsc", offset: stbl.offset, what: "chunk \(i + 1) has no entry")
            }
            var at = chunk
            for _ in 0..<runs[run].samplesPerChunk {
                guard result.count < sizes.count else { return result }
                let size = try sizes.size(result.count)
                total += size
                // Chunks that lie over each other would make a small file describe a huge stream.
                guard total <= fileSize else {
                    throw IsoMediaError.invalid(
                        box: "stsz", offset: stbl.offset, what: "the samples are larger than the file")
                }
                guard at >= 0, size <= fileSize, at <= fileSize - size else {
                    cut = IsoMediaError.cut(
                        box: "stsz", offset: stbl.offset, what: "sample \(result.count + 1) lies outside the file")
                    return result
                }
                let duration = try times.next()
                result.append(
                    MediaSample(
                        offset: at, size: size, descriptionIndex: runs[run].descriptionIndex, decodeTime: time,
                        duration: duration, compositionOffset: try offsets?.next() ?? 0,
                        isSync: sync?.contains(result.count + 1) ?? true))
                at += size
                time = try MediaTicks.checked(time + duration, "stts", offset: stbl.offset)
            }
        }
        guard result.count == sizes.count else {
            throw IsoMediaError.invalid(
                box: "stsc", offset: stbl.offset, what: "places \(result.count) of \(sizes.count) samples")
        }
        return result
    }

    /// `stsz` or `stz2`. A size that all samples have in common cannot make more of them than the file has bytes.
    private struct Sizes {
        let count: Int
        private let common: Int
        private let list: [Int]

        init(_ stbl: Box) throws {
            if var box = try stbl.child("stsz") {
                _ = try box.versionAndFlags()
                common = try box.u32()
                count = try box.u32()
                list = common == 0 ? try SampleTable.list(&box, count, bytes: 4) : []
            } else {
                var box = try stbl.required("stz2")
                _ = try box.versionAndFlags()
                let width = Int(try box.read(4) & 0xFF)
                count = try box.u32()
                common = 0
                switch width {
                case 4:
                    let pairs = try SampleTable.list(&box, (count + 1) / 2, bytes: 1)
                    list = Array(pairs.flatMap { [$0 >> 4, $0 & 15] }.prefix(count))
                case 8, 16: list = try SampleTable.list(&box, count, bytes: width / 8)
                default:
                    throw IsoMediaError.invalid(box: "stz2", offset: box.offset, what: "field size \(width)")
                }
            }
        }

        func size(_ index: Int) throws -> Int { common > 0 ? common : list[index] }
    }

    /// A table of numbers of the same width; refused before it is allocated where the box has no room for it.
    private static func list(_ box: inout Box, _ count: Int, bytes: Int) throws -> [Int] {
        guard count <= box.bytesLeft / bytes else { throw IsoMediaError.truncated(box: box.type, offset: box.offset) }
        var result: [Int] = []
        result.reserveCapacity(count)
        for _ in 0..<count { result.append(Int(truncatingIfNeeded: try box.read(bytes))) }
        return result
    }

    private static func numbers(_ box: Box) throws -> [Int] {
        var box = box
        _ = try box.versionAndFlags()
        return try list(&box, try box.u32(), bytes: 4)
    }

    private static func chunkOffsets(_ stbl: Box) throws -> [Int] {
        if let box = try stbl.child("stco") { return try numbers(box) }
        var box = try stbl.required("co64")
        _ = try box.versionAndFlags()
        return try list(&box, try box.u32(), bytes: 8)
    }

    private static func chunkRuns(
        _ stbl: Box
    ) throws -> [(firstChunk: Int, samplesPerChunk: Int, descriptionIndex: Int)] {
        var box = try stbl.required("stsc")
        _ = try box.versionAndFlags()
        let count = try box.u32()
        guard count <= box.bytesLeft / 12 else { throw IsoMediaError.truncated(box: box.type, offset: box.offset) }
        return try (0..<count).map { _ in (try box.u32(), try box.u32(), try box.u32()) }
    }

    /// Values told with how often each is repeated (`stts`, `ctts`). What is missing at the end repeats the last one.
    private struct Runs {
        private var box: Box
        private var entries: Int
        private let isSigned: Bool
        private var left = 0
        private var value = 0

        init(_ box: Box, isSigned: Bool) throws {
            self.box = box
            _ = try self.box.versionAndFlags()
            self.isSigned = isSigned
            entries = try self.box.u32()
        }

        mutating func next() throws -> Int {
            while left == 0 && entries > 0 {
                entries -= 1
                left = try box.u32()
                let raw = try box.u32()
                // QuickTime and others put negative offsets into version 0 too, where none could be so large.
                value = isSigned ? Int(Int32(truncatingIfNeeded: raw)) : raw
            }
            if left > 0 { left -= 1 }
            return value
        }
    }
}
