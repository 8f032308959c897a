// SPDX-License-Identifier: GPL-2.0-or-later
import Foundation

/// Files that are joined, when each is presented, and what all of them say.
struct JoinedMovies {
    /// Each with the access unit of the whole that it begins with; nil: no such file.
    private var parts: [(movie: (any PresentedSource)?, first: Int)] = []

    var isEmpty: Bool { parts.isEmpty }

    mutating func begin(_ movie: (any PresentedSource)?, at first: Int) { parts.append((movie, first)) }

    /// What all parts say of the video and of the whole is said of these, too.
    struct Meaning {
        var matrix: [UInt8]?
        var language: Int?
        /// Further boxes of the sample entry.
        fileprivate(set) var entryBoxes: [(type: FourCC, bytes: [UInt8])] = []
        /// `udta`, without the list of chapters, whose times change.
        var userData: [UInt8]?
        /// What is left out because it is not that of all, a line each.
        var notes: [String] = []

        /// For what holds so many layers.
        func boxes(layers: Int) -> [UInt8] { SourceMovie.bytes(of: entryBoxes, layers: layers) }
    }

    func meaning() -> Meaning {
        var result = Meaning()
        /// What all have; nil where they differ.
        func common<T: Equatable>(_ value: (any PresentedSource) -> T) -> T? {
            let values = parts.map { $0.movie.map(value) }
            return values.allSatisfy { $0 == values.first } ? values.first ?? nil : nil
        }
        func left(_ what: String) { result.notes.append("\(what): the parts differ in it, and it is left out") }
        let movies = parts.compactMap(\.movie)
        if let matrix = common({ $0.isTurned ? $0.matrix : nil }) {
            result.matrix = matrix
        } else if movies.contains(where: \.isTurned) {
            left("how pictures are to be turned")
        }
        result.language = common(\.language)
        let types = movies.flatMap { $0.entryBoxes.map(\.type) }.reduce(into: [FourCC]()) {
            if !$0.contains($1) { $0.append($1) }
        }
        for type in types {
            let own = { (movie: any PresentedSource) in movie.entryBoxes.filter { $0.type == type }.map(\.bytes) }
            if let boxes = common(own) {
                result.entryBoxes += boxes.map { (type, $0) }
            } else {
                left("what the sample entry says (\(type))")
            }
        }
        let titles = { (movie: any PresentedSource) in movie.userData.flatMap { ChapterList().inserted(into: $0) } }
        if let all = common(titles) {
            result.userData = all
        } else if movies.contains(where: { titles($0) != nil }) {
            left("titles")
        }
        return result
    }

    /// What is known of each part: ticks of the first one's scale from its first picture on, and when it presents them
    /// itself, and what it cuts off of them, in seconds. Nil where some part is no such file, or its pictures are not
    /// those that were joined.
    private func times(
        _ places: [DisplayOrder.Place]
    ) -> [(shown: [Int], length: Int, lastDuration: Int, presented: Range<Double>, cut: Double)]? {
        guard let scale = parts.first?.movie?.timeScale else { return nil }
        var result: [(shown: [Int], length: Int, lastDuration: Int, presented: Range<Double>, cut: Double)] = []
        for (i, part) in parts.enumerated() {
            let own = places[part.first..<(i + 1 < parts.count ? parts[i + 1].first : places.count)]
            // Leading pictures of later parts may have been left out, and then nothing tells which.
            guard let movie = part.movie, movie.count == own.count,
                let (times, lastDuration) = movie.shown(own, from: 0),
                let first = times.min(), let last = times.max()
            else { return nil }
            result.append(
                (
                    times.map { OutputTrack.scaled($0 - first, scale, movie.timeScale) },
                    OutputTrack.scaled(last + lastDuration - first, scale, movie.timeScale),
                    OutputTrack.scaled(lastDuration, scale, movie.timeScale),
                    movie.presented(first)..<max(movie.presented(last + lastDuration), movie.presented(first)),
                    Double(movie.cut(before: first)) / Double(movie.timeScale)
                ))
        }
        return result
    }

    /// The whole's times, its other tracks, and its list of chapters. Nil where they cannot be told.
    func joined(
        _ places: [DisplayOrder.Place], beside path: String
    ) throws -> (timeline: SampleTimeline, others: JoinedTracks, chapters: ChapterList)? {
        guard let scale = parts.first?.movie?.timeScale, let times = times(places) else { return nil }
        var shown: [Int] = []
        var start = 0
        var others = JoinedTracks(beside: path)
        var chapters = ChapterList()
        for (part, time) in zip(parts, times) {
            shown += time.shown.map { start + $0 }
            if let movie = part.movie {
                // Pictures that an edit list cuts off are shown in what is joined: the rest begins behind them.
                let seconds = Double(start) / Double(scale) + time.cut
                if let own = try movie.contents() {
                    try others.append(own, presented: time.presented, at: seconds)
                }
                if let list = movie.userData.flatMap({ ChapterList(userData: $0) }) {
                    chapters.append(list, presented: time.presented, at: seconds)
                }
            }
            start += time.length
        }
        let timeline = SampleTimeline(shown: shown, lastDuration: times.last?.lastDuration ?? 1, timeScale: scale)
        return (timeline, others, chapters)
    }
}
