// SPDX-License-Identifier: GPL-2.0-or-later
import VeilSystem

/// Sound, subtitles and chapters of several files, one after the other: each file's go with its pictures.
struct JoinedTracks {
    private(set) var tracks: [OutputTrack] = []
    /// `sourceId` of those tracks that hold the chapters of the video.
    private(set) var chapters: [Int] = []
    /// What was left out, a line each.
    private(set) var notes: [String] = []
    private var roles: [Role] = []
    private let path: String

    /// Tracks of one role are joined in their order.
    private struct Role: Hashable {
        var handler: FourCC
        var isChapters: Bool
    }

    /// - Parameter path: of what is being written; samples wait in files without a name beside it.
    init(beside path: String) { self.path = path }

    /// Adds the tracks of the next file.
    /// - Parameters:
    ///   - presented: when that file presents its pictures, in seconds.
    ///   - start: when they are presented in the whole.
    mutating func append(_ contents: CopiedTracks.Contents, presented: Range<Double>, at start: Double) throws {
        var counts: [Role: Int] = [:]
        /// Where the tracks of this file are, by their track_ID, and new ones with what they refer to.
        var places: [Int: Int] = [:]
        var made: [(index: Int, chapters: [Int])] = []
        let chapterTracks = contents.chapters + contents.tracks.flatMap(\.chapters)
        for other in contents.tracks {
            let role = Role(
                handler: other.handler, isChapters: other.sourceId.map { chapterTracks.contains($0) } ?? false)
            let number = counts[role, default: 0]
            counts[role] = number + 1
            guard let next = other.part(presented) else { continue }
            let same = tracks.indices.filter { roles[$0] == role }
            let index: Int
            if number < same.count {
                index = same[number]
                guard joinFormat(of: next, into: index) else {
                    let note = "a track of \(role.handler.kind) changes its format, and is left out where it does"
                    if !notes.contains(note) { notes.append(note) }
                    continue
                }
            } else {
                var empty = next
                empty.samples = []
                empty.file = try IsoMediaWriter.scratch(beside: path)
                (empty.emptyStart, empty.shown) = (0, nil)
                // They refer to tracks of their own file.
                empty.chapters = []
                index = tracks.count
                empty.sourceId = index + 1
                tracks.append(empty)
                roles.append(role)
                made.append((index, other.chapters))
            }
            if let id = other.sourceId { places[id] = index }
            try add(next, to: index, at: start)
        }
        for (index, ids) in made { tracks[index].chapters = ids.compactMap { places[$0].map { $0 + 1 } } }
        for id in contents.chapters {
            if let index = places[id], !chapters.contains(index + 1) { chapters.append(index + 1) }
        }
    }

    /// Whether samples can go on in a track: they are of one format, whatever their bit rates are.
    private mutating func joinFormat(of next: OutputTrack, into index: Int) -> Bool {
        guard tracks[index].timeScale == next.timeScale else { return false }
        if tracks[index].descriptions == next.descriptions { return true }
        guard next.handler == "soun", let known = SoundDescription(tracks[index].descriptions),
            let new = SoundDescription(next.descriptions)
        else { return false }
        let (a, b) = (known.rates, new.rates)
        let rates = SoundDescription.Rates(buffer: max(a.buffer, b.buffer), most: max(a.most, b.most))
        guard known.with(rates) == new.with(rates) else { return false }
        tracks[index].descriptions = known.with(rates)
        return true
    }

    private mutating func add(_ next: OutputTrack, to index: Int, at start: Double) throws {
        var samples = next.samples
        var before = next.mediaStart
        let isFirst = tracks[index].samples.isEmpty
        if !isFirst {
            // What a decoder takes before it begins, it takes in the middle as well, in place of the end of what was
            // before; but no more than the one sample that overlaps the first one that is heard.
            while samples.count > 1, samples[0].duration + samples[1].duration <= before {
                before -= samples[0].duration
                samples.removeFirst()
            }
        }
        let place = Int(min(start * Double(next.timeScale), 1e15).rounded()) + next.emptyStart - before
        if isFirst {
            tracks[index].emptyStart = max(place + before, 0)
            tracks[index].mediaStart = before
        } else {
            try fill(index, upTo: place)
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

    /// Ends what a track has where the next film's begins: samples that begin later go, and the last one lasts until
    /// then. Of a text something without one is shown in between.
    private mutating func fill(_ index: Int, upTo place: Int) throws {
        var end = tracks[index].emptyStart - tracks[index].mediaStart + tracks[index].duration
        while let last = tracks[index].samples.last, end - last.duration >= place {
            end -= last.duration
            tracks[index].samples.removeLast()
        }
        guard let last = tracks[index].samples.last else { return }
        let isCaption = roles[index].handler != "soun" && !roles[index].isChapters
        if end < place, isCaption, let empty = Self.emptySample(tracks[index].descriptions), last.size != empty.count {
            let offset = Int(truncatingIfNeeded: try tracks[index].file.seekToEnd())
            try tracks[index].file.write(contentsOf: empty)
            tracks[index].samples.append(
                OutputTrack.Sample(
                    offset: offset, size: empty.count, duration: place - end, compositionOffset: 0, isSync: true))
        } else {
            tracks[index].samples[tracks[index].samples.count - 1].duration += place - end
        }
    }

    /// The sample of a text format that shows nothing; nil of formats that are not known here.
    private static func emptySample(_ descriptions: [UInt8]) -> [UInt8]? {
        guard var stsd = try? Box(type: "file", bytes: descriptions[...], offset: 0).child("stsd"),
            (try? stsd.skip(8)) != nil, let entry = try? stsd.nextChild()
        else { return nil }
        switch entry.type {
        case "tx3g", "text": return [0, 0]
        case "wvtt": return [0, 0, 0, 8] + Array("vtte".utf8)
        default: return nil
        }
    }
}
