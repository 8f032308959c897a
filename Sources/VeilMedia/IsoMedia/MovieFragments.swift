// SPDX-License-Identifier: GPL-2.0-or-later

/// Movie fragments (ISO/IEC 14496-12, 8.8): samples that `moof` boxes add to the tracks of a movie.
struct MovieFragments {
    private struct Defaults {
        var descriptionIndex = 1
        var duration = 0
        var size = 0
        var flags = 0
    }

    /// What `trex` says of each track.
    private var defaults: [Int: Defaults] = [:]
    /// Where each track's next sample begins, unless `tfdt` says.
    private var nextTime: [Int: Int] = [:]
    private var totalSize = 0
    private var totalCount = 0
    private let fileSize: Int

    /// track_IDs of the movie; empty where one cannot be read.
    private var tracks: Set<Int> = []

    /// - Parameters:
    ///   - moov: whose `mvex`, if any, holds the defaults.
    ///   - flaws: what cannot be read of them is added.
    init(moov: Box, fileSize: Int, flaws: inout [IsoMediaError]) throws {
        self.fileSize = fileSize
        let traks = try moov.children().filter { $0.type == "trak" }
        let ids = traks.compactMap { try? CopiedTracks.trackHeader($0).id }
        if ids.count == traks.count { tracks = Set(ids) }
        do {
            for box in try moov.child("mvex")?.children() ?? [] where box.type == "trex" {
                var box = box
                _ = try box.versionAndFlags()
                let id = try box.u32()
                defaults[id] = Defaults(
                    descriptionIndex: try box.u32(), duration: try box.u32(), size: try box.u32(),
                    flags: try box.u32())
            }
        } catch let error as IsoMediaError { flaws.append(error) }
    }

    /// Gives a fragment's samples, each with the track_ID of its track. Of one that is damaged those that are whole:
    /// each track's part may be read without the others', and each fragment without those before it.
    /// - Returns: what is damaged, or lies behind the end of the file.
    mutating func read(_ moof: Box, _ body: (Int, MediaSample) -> Void) throws -> [IsoMediaError] {
        var previousEnd = moof.offset
        var flaws: [IsoMediaError] = []
        let whole = moof.tolerant
        do { _ = try moof.children() } catch let error as IsoMediaError { flaws.append(error) }
        for part in try whole.children().map(\.strict) {
            do {
                if part.type == "traf" {
                    try read(part, of: moof, previousEnd: &previousEnd, body)
                } else if (try? part.children().first?.type) == "tfhd" {
                    throw IsoMediaError.invalid(
                        box: part.type, offset: part.offset, what: "holds what only 'traf' does")
                }
            } catch let error as IsoMediaError { flaws.append(error) }
        }
        return flaws
    }

    private mutating func read(
        _ traf: Box, of moof: Box, previousEnd: inout Int, _ body: (Int, MediaSample) -> Void
    ) throws {
        var tfhd = try traf.required("tfhd")
        let flags = try tfhd.versionAndFlags().flags
        let id = try tfhd.u32()
        guard tracks.isEmpty || tracks.contains(id) else {
            throw IsoMediaError.invalid(box: "tfhd", offset: tfhd.offset, what: "there is no track \(id)")
        }
        var own = defaults[id] ?? Defaults()
        // Without a base-data-offset: the fragment's first byte, or in the old way the end of the last track's.
        var base = flags & 0x20000 != 0 ? moof.offset : previousEnd
        if flags & 1 != 0 { base = try tfhd.u64() }
        if flags & 2 != 0 { own.descriptionIndex = try tfhd.u32() }
        if flags & 8 != 0 { own.duration = try tfhd.u32() }
        if flags & 16 != 0 { own.size = try tfhd.u32() }
        if flags & 32 != 0 { own.flags = try tfhd.u32() }
        var time = nextTime[id] ?? 0
        if var tfdt = try traf.child("tfdt") {
            time = try MediaTicks.checked(
                try tfdt.versionAndFlags().version == 1 ? tfdt.u64() : tfdt.u32(), "tfdt", offset: tfdt.offset)
        }
        var at = base
        defer {
            previousEnd = at
            nextTime[id] = time
        }
        let parts = try traf.children()
        // duration-is-empty
        if flags & 0x10000 == 0, !parts.contains(where: { $0.type == "trun" }) {
            throw IsoMediaError.missing(box: "trun", in: "traf")
        }
        for trun in parts where trun.type == "trun" {
            try read(trun, own, base: base, at: &at, time: &time) { body(id, $0) }
        }
    }

    private mutating func read(
        _ trun: Box, _ own: Defaults, base: Int, at: inout Int, time: inout Int, _ body: (MediaSample) -> Void
    ) throws {
        var box = trun
        let flags = try box.versionAndFlags().flags
        let count = try box.u32()
        func invalid(_ what: String) -> IsoMediaError { .invalid(box: "trun", offset: trun.offset, what: what) }
        if flags & 1 != 0 {
            let (start, overflows) = base.addingReportingOverflow(Int(Int32(truncatingIfNeeded: try box.u32())))
            if overflows { throw invalid("data offset out of range") }
            at = start
        }
        let first = flags & 4 != 0 ? try box.u32() : nil
        // What a sample takes in the box; those that take nothing are no more than the file has bytes.
        guard count <= max(fileSize, IsoMediaReader.possibleSamples) else {
            throw IsoMediaError.impossible(box: "trun", offset: trun.offset, samples: count)
        }
        let each = [0x100, 0x200, 0x400, 0x800].reduce(0) { $0 + (flags & $1 != 0 ? 4 : 0) }
        guard each == 0 ? count <= fileSize - totalCount : count <= box.bytesLeft / each else {
            throw IsoMediaError.truncated(box: "trun", offset: trun.offset)
        }
        if each == 0 { totalCount += count }
        for i in 0..<count {
            let duration = flags & 0x100 != 0 ? try box.u32() : own.duration
            let size = flags & 0x200 != 0 ? try box.u32() : own.size
            let sampleFlags = flags & 0x400 != 0 ? try box.u32() : i == 0 ? first ?? own.flags : own.flags
            // Signed in version 0 as well, where QuickTime and others have negative ones.
            let raw = flags & 0x800 != 0 ? try box.u32() : 0
            guard size <= fileSize - totalSize, at >= 0, size <= fileSize, at <= fileSize - size else {
                throw IsoMediaError.cut(
                    box: "trun", offset: trun.offset, what: "sample \(i + 1) lies outside the file")
            }
            totalSize += size
            // sample_is_non_sync_sample
            body(
                MediaSample(
                    offset: at, size: size, descriptionIndex: own.descriptionIndex, decodeTime: time,
                    duration: duration, compositionOffset: Int(Int32(truncatingIfNeeded: raw)),
                    isSync: sampleFlags & 0x10000 == 0))
            at += size
            time = try MediaTicks.checked(time + duration, "trun", offset: trun.offset)
        }
    }
}
