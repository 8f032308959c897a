// SPDX-License-Identifier: GPL-2.0-or-later
import Foundation

/// Sound and subtitles of several files, one after the other: each file's go with its pictures.
struct JoinedTracks {
    private(set) var tracks: [OutputTrack] = []
    /// What was left out, a line each.
    private(set) var notes: [String] = []
    private let path: String

    /// - Parameter path: of what is being written; samples wait in files without a name beside it.
    init(beside path: String) { self.path = path }

    /// Adds the tracks of the next file.
    /// - Parameters:
    ///   - presented: when that file presents its pictures, in seconds.
    ///   - start: when they are presented in the whole.
    mutating func append(_ others: [OutputTrack], presented: Range<Double>, at start: Double) throws {
        var counts: [FourCC: Int] = [:]
        let isFirst = tracks.isEmpty && notes.isEmpty
        for other in others {
            let number = counts[other.handler, default: 0]
            counts[other.handler] = number + 1
            guard let next = other.part(presented) else { continue }
            let same = tracks.indices.filter { tracks[$0].handler == other.handler }
            if number < same.count {
                let index = same[number]
                guard tracks[index].descriptions == next.descriptions, tracks[index].timeScale == next.timeScale else {
                    let note = "a track of kind \(other.handler) changes its format, and is left out where it does"
                    if !notes.contains(note) { notes.append(note) }
                    continue
                }
                try add(next, to: index, at: start)
            } else {
                var empty = next
                empty.samples = []
                empty.file = try IsoMediaWriter.scratch(beside: path)
                // They refer to tracks of their own file.
                (empty.sourceId, empty.chapters) = (nil, [])
                (empty.emptyStart, empty.mediaStart, empty.shown) = (0, isFirst ? next.mediaStart : 0, nil)
                if !isFirst { empty.sampleGroups = [] }
                tracks.append(empty)
                try add(next, to: tracks.count - 1, at: start)
            }
        }
    }

    private mutating func add(_ next: OutputTrack, to index: Int, at start: Double) throws {
        var samples = next.samples
        var before = next.mediaStart
        if !tracks[index].samples.isEmpty {
            // What a decoder takes before it begins has nothing to do in the middle.
            while let first = samples.first, first.duration <= before {
                before -= first.duration
                samples.removeFirst()
            }
        }
        let place = Int(min(start * Double(next.timeScale), 1e15).rounded()) + next.emptyStart - before
        var end = tracks[index].emptyStart - tracks[index].mediaStart + tracks[index].duration
        if tracks[index].samples.isEmpty {
            tracks[index].emptyStart = max(place + tracks[index].mediaStart, 0)
        } else {
            while let last = tracks[index].samples.last, end - last.duration >= place {
                end -= last.duration
                tracks[index].samples.removeLast()
            }
            if !tracks[index].samples.isEmpty {
                tracks[index].samples[tracks[index].samples.count - 1].duration += place - end
            }
        }
        var offset = Int(truncatingIfNeeded: try tracks[index].file.seekToEnd())
        for var sample in samples {
            try next.file.seek(toOffset: UInt64(sample.offset))
            let bytes = try next.file.read(upToCount: sample.size) ?? Data()
            guard bytes.count == sample.size else { throw IsoMediaError.truncated(box: "mdat", offset: sample.offset) }
            try tracks[index].file.write(contentsOf: bytes)
            sample.offset = offset
            offset += sample.size
            tracks[index].samples.append(sample)
        }
    }
}

/// Files that are joined, and when each is presented.
struct JoinedMovies {
    /// Each with the access unit of the whole that it begins with; nil: no such file.
    private var parts: [(movie: SourceMovie?, first: Int)] = []

    var isEmpty: Bool { parts.isEmpty }

    mutating func begin(_ movie: SourceMovie?, at first: Int) { parts.append((movie, first)) }

    /// What is known of each part: ticks of the first one's scale from its first picture on, and when it presents them
    /// itself, in seconds. Nil where some part is no such file, or its pictures are not those that were joined.
    private func times(
        units: Int
    ) -> [(shown: [Int], length: Int, lastDuration: Int, presented: Range<Double>)]? {
        guard let scale = parts.first?.movie?.timeScale else { return nil }
        var result: [(shown: [Int], length: Int, lastDuration: Int, presented: Range<Double>)] = []
        for (i, part) in parts.enumerated() {
            let count = (i + 1 < parts.count ? parts[i + 1].first : units) - part.first
            guard let movie = part.movie else { return nil }
            // Leading pictures of later parts may have been left out, and then nothing tells which.
            let times = movie.times(maxTemporalId: 6)
            guard times.count == count, let first = times.map(\.shown).min(),
                let last = times.max(by: { $0.shown < $1.shown })
            else { return nil }
            let length = OutputTrack.scaled(last.shown + last.duration - first, scale, movie.timeScale)
            result.append(
                (
                    times.map { OutputTrack.scaled($0.shown - first, scale, movie.timeScale) }, length,
                    OutputTrack.scaled(last.duration, scale, movie.timeScale),
                    movie.presented(first)..<max(movie.presented(last.shown + last.duration), movie.presented(first))
                ))
        }
        return result
    }

    /// The whole's times, and its other tracks. Nil where they cannot be told.
    func joined(units: Int, beside path: String) throws -> (timeline: SampleTimeline, others: JoinedTracks)? {
        guard let scale = parts.first?.movie?.timeScale, let times = times(units: units) else { return nil }
        var shown: [Int] = []
        var start = 0
        var others = JoinedTracks(beside: path)
        for (part, time) in zip(parts, times) {
            shown += time.shown.map { start + $0 }
            if let movie = part.movie {
                try others.append(
                    try CopiedTracks.read(movie.file).tracks, presented: time.presented,
                    at: Double(start) / Double(scale))
            }
            start += time.length
        }
        let timeline = SampleTimeline(shown: shown, lastDuration: times.last?.lastDuration ?? 1, timeScale: scale)
        return (timeline, others)
    }
}
