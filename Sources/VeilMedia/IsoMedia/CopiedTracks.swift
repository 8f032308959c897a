// SPDX-License-Identifier: GPL-2.0-or-later
import Foundation

/// The tracks of an ISO base media file that are no video, to be written into another as they are.
enum CopiedTracks {
    static func read(_ file: FileHandle) throws -> [OutputTrack] {
        let size = Int(truncatingIfNeeded: try file.seekToEnd())
        guard let moov = try IsoMediaReader.movie(of: file, fileSize: size) else {
            throw IsoMediaError.missing(box: "moov", in: "file")
        }
        var mvhd = try moov.required("mvhd")
        try mvhd.skip(try mvhd.versionAndFlags().version == 1 ? 16 : 8)
        let movieScale = max(try mvhd.u32(), 1)
        return try moov.children().filter { $0.type == "trak" }.compactMap {
            try track($0, file: file, fileSize: size, movieScale: movieScale)
        }
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
        try readEdits(trak, movieScale: movieScale, into: &result)
        return result
    }

    /// The first edit, behind an empty one if there is one; further ones are not kept.
    private static func readEdits(_ trak: Box, movieScale: Int, into track: inout OutputTrack) throws {
        guard var elst = try trak.child("edts")?.child("elst") else { return }
        let isLong = try elst.versionAndFlags().version == 1
        for _ in 0..<min(try elst.u32(), 2) {
            let duration = isLong ? try elst.u64() : try elst.u32()
            let raw =
                isLong ? Int(truncatingIfNeeded: try elst.read(8)) : Int(Int32(truncatingIfNeeded: try elst.u32()))
            try elst.skip(4)
            if raw < 0 {
                let (ticks, overflows) = duration.multipliedReportingOverflow(by: track.timeScale)
                if !overflows { track.emptyStart = ticks / movieScale }
            } else {
                track.mediaStart = min(raw, track.duration)
                return
            }
        }
    }
}
