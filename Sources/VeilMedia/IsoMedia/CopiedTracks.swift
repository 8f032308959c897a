// SPDX-License-Identifier: GPL-2.0-or-later
import Foundation

/// The tracks of an ISO base media file that are no video, to be written into another as they are.
enum CopiedTracks {
    /// - Returns: the tracks, `udta` of the movie, and the kinds of tracks that are neither copied nor video.
    static func read(_ file: FileHandle) throws -> (tracks: [OutputTrack], userData: [UInt8]?, left: [FourCC]) {
        let size = Int(truncatingIfNeeded: try file.seekToEnd())
        guard let moov = try IsoMediaReader.movie(of: file, fileSize: size) else {
            throw IsoMediaError.missing(box: "moov", in: "file")
        }
        let movieScale = try Self.movieScale(moov)
        var tracks: [OutputTrack] = []
        var left: [FourCC] = []
        for trak in try moov.children() where trak.type == "trak" {
            if let copy = try track(trak, file: file, fileSize: size, movieScale: movieScale) {
                tracks.append(copy)
            } else {
                let handler = try trak.required("mdia").handler()
                if handler != "vide" && handler != "auxv" { left.append(handler) }
            }
        }
        return (tracks, try moov.child("udta")?.whole, left)
    }

    /// Ticks a second of the movie.
    static func movieScale(_ moov: Box) throws -> Int {
        var mvhd = try moov.required("mvhd")
        try mvhd.skip(try mvhd.versionAndFlags().version == 1 ? 16 : 8)
        return max(try mvhd.u32(), 1)
    }

    private static func track(
        _ trak: Box, file: FileHandle, fileSize: Int, movieScale: Int
    ) throws -> OutputTrack? {
        let mdia = try trak.required("mdia")
        let handler = try mdia.handler()
        // Others refer to what is not copied (time codes, hints, chapters' text).
        guard ["soun", "sbtl", "subt", "text"].contains(handler) else { return nil }
        let minf = try mdia.required("minf")
        let stbl = try minf.required("stbl")
        let samples = try SampleTable.samples(stbl, fileSize: fileSize)
        guard !samples.isEmpty, samples.allSatisfy({ $0.descriptionIndex == samples[0].descriptionIndex }) else {
            return nil
        }
        guard let header = try minf.children().first(where: { ["smhd", "sthd", "nmhd"].contains($0.type) }) else {
            throw IsoMediaError.missing(box: "smhd", in: "minf")
        }
        let media = try mdia.mediaHeader()
        var result = OutputTrack(
            handler: handler, timeScale: media.timeScale, descriptions: try stbl.required("stsd").whole,
            mediaHeader: header.whole, language: media.language, file: file)
        for (i, sample) in samples.enumerated() {
            let next = i + 1 < samples.count ? samples[i + 1].decodeTime : nil
            let last = result.samples.last?.duration ?? 1
            result.samples.append(
                OutputTrack.Sample(
                    offset: sample.offset, size: sample.size,
                    duration: next.map { $0 - sample.decodeTime } ?? last,
                    compositionOffset: sample.compositionOffset, isSync: sample.isSync))
        }
        let edits = try Self.edits(trak, movieScale: movieScale, timeScale: result.timeScale)
        (result.mediaStart, result.emptyStart) = (min(edits.mediaStart, result.duration), edits.emptyStart)
        result.shown = edits.shown
        let tkhd = try trackHeader(trak)
        (result.sourceId, result.isEnabled) = (tkhd.id, tkhd.isEnabled)
        return result
    }

    /// track_ID, track_enabled and the matrix.
    static func trackHeader(_ trak: Box) throws -> (id: Int, isEnabled: Bool, matrix: [UInt8]?) {
        var tkhd = try trak.required("tkhd")
        let (version, flags) = try tkhd.versionAndFlags()
        try tkhd.skip(version == 1 ? 16 : 8)
        let id = try tkhd.u32()
        try? tkhd.skip(version == 1 ? 28 : 24)
        return (id, flags & 1 != 0, try? tkhd.bytes(36))
    }

    /// The first edit, behind an empty one if there is one; further ones are not kept.
    /// - Returns: ticks of the track before and without a presentation, and how many are shown, where it says so.
    static func edits(
        _ trak: Box, movieScale: Int, timeScale: Int
    ) throws -> (mediaStart: Int, emptyStart: Int, shown: Int?) {
        var result = (mediaStart: 0, emptyStart: 0, shown: Int?.none)
        guard var elst = try trak.child("edts")?.child("elst") else { return result }
        let isLong = try elst.versionAndFlags().version == 1
        for _ in 0..<min(try elst.u32(), 2) {
            let duration = isLong ? try elst.u64() : try elst.u32()
            let raw =
                isLong ? Int(truncatingIfNeeded: try elst.read(8)) : Int(Int32(truncatingIfNeeded: try elst.u32()))
            try elst.skip(4)
            let ticks = OutputTrack.scaled(duration, timeScale, movieScale)
            if raw < 0 {
                result.emptyStart = ticks
            } else {
                result.mediaStart = raw
                // 0 of a fragmented file is all there is.
                result.shown = ticks > 0 ? ticks : nil
                return result
            }
        }
        return result
    }
}
