// SPDX-License-Identifier: GPL-2.0-or-later
import VeilSystem

/// Files that are joined, when each is presented, and what all of them say.
struct JoinedMovies {
    /// Each with the access unit of the whole that it begins with; nil: no such file.
    private var parts: [(movie: (any PresentedSource)?, first: Int)] = []

    var isEmpty: Bool { parts.isEmpty }
    var movies: [SourceMovie] { parts.compactMap { $0.movie as? SourceMovie } }

    mutating func begin(_ movie: (any PresentedSource)?, at first: Int) { parts.append((movie, first)) }

    /// What all parts say of the video and of the whole is said of these, too.
    struct Meaning {
        var matrix: [UInt8]?
        var language: Int?
        var videoName: [UInt8]?
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
        result.videoName = common({ $0.videoName }) ?? nil
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

    private struct PartTimes {
        var shown: [Int]
        var length: Int
        var lastDuration: Int
        var presented: Range<Double>
        var cut: Double
        /// In its own ticks.
        var own: [Int]
        var ownLastDuration: Int
    }

    /// What is known of each part: ticks of the first one's scale from its first picture on, and when it presents them
    /// itself, and what it cuts off of them, in seconds. Nil where some part is no such file, or its pictures are not
    /// those that were joined.
    private func times(_ places: [DisplayOrder.Place]) -> [PartTimes]? {
        guard let scale = parts.first?.movie?.timeScale else { return nil }
        var result: [PartTimes] = []
        for (i, part) in parts.enumerated() {
            let own = places[part.first..<(i + 1 < parts.count ? parts[i + 1].first : places.count)]
            // Leading pictures of later parts may have been left out, and then nothing tells which.
            guard let movie = part.movie, movie.count == own.count,
                let (times, lastDuration) = movie.shown(own, from: 0),
                let first = times.min(), let last = times.max()
            else { return nil }
            let (begin, end) = (movie.presented(first), movie.presented(last + lastDuration))
            result.append(
                PartTimes(
                    shown: times.map { OutputTrack.scaled($0 - first, scale, movie.timeScale) },
                    length: OutputTrack.scaled(last + lastDuration - first, scale, movie.timeScale),
                    lastDuration: OutputTrack.scaled(lastDuration, scale, movie.timeScale),
                    presented: begin..<max(end, begin),
                    cut: Double(movie.cut(before: first)) / Double(movie.timeScale), own: times,
                    ownLastDuration: lastDuration))
        }
        return result
    }

    /// Seconds of sound that are not worth a word: packets end where they do.
    private static let shortSound = 0.1

    /// What of a part is not as it was, a line each.
    private func notes(
        _ movie: any PresentedSource, _ own: CopiedTracks.Contents?, _ times: [Int], _ lastDuration: Int, isFirst: Bool,
        isLast: Bool
    ) -> [String] {
        var result: [String] = []
        let scale = Double(movie.timeScale)
        func seconds(_ value: Double) -> String { String(printf: "%.3f s", value) }
        guard let first = times.min(), let last = times.max() else { return [] }
        let hidden = Double(movie.cut(before: first) + movie.cut(after: last + lastDuration)) / scale
        if movie.edits != nil {
            result.append(
                "\(movie.name): all of its pictures are shown, whatever the pieces of its edit list"
            )
        } else if hidden > 0 {
            result.append("\(movie.name): pictures that its edit list hides are shown (\(seconds(hidden)))")
        }
        let sounds = own?.tracks.filter { $0.handler == "soun" } ?? []
        let before =
            movie.presented(first)
            - (sounds.map { Double($0.emptyStart) / Double($0.timeScale) }.min() ?? .infinity)
        if !isFirst, before > Self.shortSound {
            result.append("\(movie.name): its sound before the first picture is left out (\(seconds(before)))")
        }
        let end = sounds.map {
            Double($0.emptyStart + ($0.shown ?? $0.duration - $0.mediaStart)) / Double($0.timeScale)
        }
        let behind = (end.max() ?? 0) - movie.presented(last + lastDuration)
        if !isLast, behind > Self.shortSound {
            result.append("\(movie.name): its sound behind the last picture is left out (\(seconds(behind)))")
        }
        let lists = own?.tracks.filter { $0.edits != nil }.map(\.handler.kind) ?? []
        if !lists.isEmpty { result.append("\(movie.name): " + EditList.lost(lists)) }
        return result
    }

    /// The whole's times, its other tracks, its list of chapters, and what is not as it was. Nil where they cannot be
    /// told. What plays before the first picture of all and behind the last stays.
    func joined(
        _ places: [DisplayOrder.Place], beside path: String
    ) throws -> (timeline: SampleTimeline, others: JoinedTracks, chapters: ChapterList, notes: [String])? {
        guard let scale = parts.first?.movie?.timeScale, let times = times(places) else { return nil }
        var shown: [Int] = []
        var start = 0
        var others = JoinedTracks(beside: path)
        var chapters = ChapterList()
        var notes: [String] = []
        let delay = times.first?.presented.lowerBound ?? 0
        for (i, (part, time)) in zip(parts, times).enumerated() {
            let (isFirst, isLast) = (i == 0, i == parts.count - 1)
            let range = (isFirst ? 0 : time.presented.lowerBound)..<(isLast ? .infinity : time.presented.upperBound)
            shown += time.shown.map { start + $0 }
            if let movie = part.movie {
                // Pictures that an edit list cuts off are shown in what is joined: the rest begins behind them.
                let seconds = (isFirst ? 0 : delay) + Double(start) / Double(scale) + time.cut
                let own = try movie.contents()
                if let own { try others.append(own, presented: range, at: seconds) }
                notes += self.notes(
                    movie, own, time.own, time.ownLastDuration, isFirst: isFirst, isLast: isLast)
                if let list = movie.userData.flatMap({ ChapterList(userData: $0) }) {
                    chapters.append(list, presented: range, at: seconds)
                }
            }
            start += time.length
        }
        let timeline = SampleTimeline(shown: shown, lastDuration: times.last?.lastDuration ?? 1, timeScale: scale)
            .delayed(by: delay)
        return (timeline, others, chapters, notes)
    }
}
