// SPDX-License-Identifier: GPL-2.0-or-later
import Foundation
import VeilBitstream

/// What an ISO base media file says of its video beside the stream: when each picture is shown, which units lie outside
/// of samples, how the picture is turned. Whoever writes what was made of the stream into such a file again asks for
/// it.
package final class SourceMovie {
    package struct Time: Sendable {
        /// In ticks of the track.
        var decode: Int
        var compositionOffset: Int
        var duration: Int

        var shown: Int { decode &+ compositionOffset }
    }

    package let file: FileHandle
    let timeScale: Int
    /// Ticks before the presentation begins, and such in which nothing is presented at its beginning.
    let mediaStart: Int
    let emptyStart: Int
    /// Ticks that are presented, where it says so.
    let shown: Int?
    let language: Int
    let matrix: [UInt8]?
    /// Tracks with the chapters.
    let chapters: [Int]
    /// `udta` of the movie, whole: titles and the like.
    let userData: [UInt8]?
    package var hasTitles: Bool { userData != nil }
    /// Kinds of the tracks that hold no video.
    package let otherTracks: [FourCC]
    /// Whether parameter sets may be in samples (`hev1`).
    let inBand: Bool
    /// Units of the sample entries.
    let outOfBand: [NALUnit]
    /// Further boxes of its first sample entry.
    let entryBoxes: [(type: FourCC, bytes: [UInt8])]
    /// Of the access units of the base layer's track, in decoding order.
    private let samples: [Time]
    /// TemporalId of the access units that were read.
    private(set) var temporalIds: [Int] = []

    init(file: FileHandle, moov: Box, trak: Box, track: MediaTrack, tracks: [MediaTrack]) throws {
        self.file = file
        timeScale = track.timeScale
        // What is not there or cannot be read is as if nothing was said.
        let scale = (try? CopiedTracks.movieScale(moov)) ?? 1000
        let edits = try? CopiedTracks.edits(trak, movieScale: scale, timeScale: track.timeScale)
        (mediaStart, emptyStart, shown) = edits ?? (0, 0, nil)
        language = try trak.required("mdia").mediaHeader().language
        matrix = try CopiedTracks.trackHeader(trak).matrix
        chapters = try CopiedTracks.chapterTracks(trak)
        otherTracks = try moov.children().filter { $0.type == "trak" }.map { try $0.required("mdia").handler() }
            .filter { $0 != "vide" && $0 != "auxv" }
        userData = try moov.child("udta")?.whole
        inBand = track.entries.contains { ["hev1", "hev2", "lhe1", "dvhe"].contains($0?.type) }
        outOfBand = tracks.flatMap { $0.entries.flatMap { $0?.parameterSets ?? [] } }
        entryBoxes = track.entries.compactMap { $0 }.first?.others ?? []
        var times: [Time] = []
        for (i, sample) in track.samples.enumerated() {
            let next = i + 1 < track.samples.count ? track.samples[i + 1].decodeTime : nil
            times.append(
                Time(
                    decode: sample.decodeTime, compositionOffset: sample.compositionOffset,
                    duration: next.map { $0 - sample.decodeTime } ?? sample.duration))
        }
        samples = times
    }

    /// The language's ISO 639-2 code, and whether pictures are turned.
    package var languageCode: String {
        let letters = [10, 5, 0].map { UInt8(truncatingIfNeeded: (language >> $0 & 31) + 0x60) }
        return letters.allSatisfy { (0x61...0x7A).contains($0) } ? String(decoding: letters, as: UTF8.self) : "und"
    }
    package var isTurned: Bool { matrix.map { $0 != BoxWriter.unity } ?? false }

    /// When ticks of the track are presented, in seconds, none of them before the presentation begins.
    func presented(_ ticks: Int) -> Double { max(Double(ticks - mediaStart + emptyStart) / Double(timeScale), 0) }

    /// An access unit was read.
    func read(temporalId: Int) { temporalIds.append(temporalId) }

    /// Times of the access units read so far of some temporal sub-layers.
    func times(maxTemporalId: Int) -> [Time] {
        zip(samples, temporalIds).filter { $0.1 <= maxTemporalId }.map(\.0)
    }
}
