// SPDX-License-Identifier: GPL-2.0-or-later
import VeilBitstream
import VeilSystem

/// What an ISO base media file says of its video beside the stream: when each picture is shown, which units lie outside
/// of samples, how the picture is turned. Whoever writes what was made of the stream into such a file again asks for
/// it.
package final class SourceMovie {
    package struct Time: Sendable {
        /// In ticks of the track.
        var decode: Int
        var compositionOffset: Int
        var duration: Int
        var isSync: Bool

        var shown: Int { decode &+ compositionOffset }
    }

    package let file: OpenFile
    /// What it is called, in messages.
    package var name = ""
    let timeScale: Int
    /// Ticks before the presentation begins, and such in which nothing is presented at its beginning.
    let mediaStart: Int
    let emptyStart: Int
    /// Ticks that are presented, where it says so.
    let shown: Int?
    /// All pieces that are presented, where the three above do not tell them.
    let edits: EditList?
    let language: Int
    /// What `hdlr` calls the track.
    let videoName: [UInt8]?
    /// When the track was made and changed.
    let creation: (made: Int, changed: Int)
    /// What else its tables say of samples, and `tapt` of QuickTime.
    let details: SampleDetails
    let apertures: [UInt8]
    let matrix: [UInt8]?
    /// Tracks with the chapters.
    let chapters: [Int]
    /// `udta` of the movie, whole: titles and the like.
    let userData: [UInt8]?
    /// What it holds beside its video, in words: tracks, chapters, titles.
    package let others: [String]
    /// The brand of its `ftyp`; nil where it has none, as old QuickTime files.
    package let brand: String?
    /// Kind and format of each track.
    package let tracks: [(kind: String, format: String)]
    /// Whether parameter sets may be in samples (`hev1`).
    let inBand: Bool
    /// Units of the sample entries.
    let outOfBand: [NALUnit]
    /// Further boxes of its first sample entry.
    let entryBoxes: [(type: FourCC, bytes: [UInt8])]
    /// Boxes of sample entries that are not known.
    package let unknownBoxes: [String]
    /// What of its samples cannot be told in a byte stream, or was not found where the standard has it: the first of
    /// it. What is made of such a stream does not give the same samples again.
    package private(set) var irregularity: String?
    /// Of that, what is wrong with its samples.
    package private(set) var damage: String?
    /// Of the access units of the base layer's track, in decoding order.
    let samples: [Time]
    /// TemporalId of the access units that were read.
    private(set) var temporalIds: [Int] = []
    /// Where these lie in the stream.
    private(set) var bounds = SourceSamples()

    init(file: OpenFile, moov: Box, trak: Box, track: MediaTrack, tracks: [MediaTrack]) throws {
        self.file = file
        timeScale = track.timeScale
        // What is not there or cannot be read is as if nothing was said.
        let scale = (try? CopiedTracks.movieScale(moov)) ?? 1000
        let list = try? EditList(trak, movieScale: scale)
        (mediaStart, emptyStart, shown) = list?.first(timeScale: track.timeScale) ?? (0, 0, nil)
        edits = list.flatMap { $0.isSimple ? nil : $0 }
        let mdia = try trak.required("mdia")
        let header = try mdia.mediaHeader()
        (language, creation) = (header.language, header.creation)
        videoName = try? mdia.handlerName()
        details =
            (try? mdia.child("minf")?.child("stbl").map { try SampleDetails($0, samples: track.samples.count) })
            ?? SampleDetails()
        let tapt = (try? trak.child("tapt"))?.whole ?? []
        apertures = tapt.count <= Self.longestApertures ? tapt : []
        matrix = (try? CopiedTracks.trackHeader(trak))?.matrix
        chapters = (try? CopiedTracks.chapterTracks(trak)) ?? []
        userData = try moov.child("udta")?.whole
        others = try Self.others(moov, userData: userData)
        brand = Self.brand(file)
        let traks = try moov.children().filter { $0.type == "trak" }
        let chapterIds = Set(traks.flatMap { (try? CopiedTracks.chapterTracks($0)) ?? [] })
        self.tracks = traks.map { trak in
            var stsd = try? trak.child("mdia")?.child("minf")?.child("stbl")?.child("stsd")
            try? stsd?.skip(8)
            let entry = try? stsd?.nextChild()
            let id = try? CopiedTracks.trackHeader(trak).id
            let kind = Self.kind(of: trak)
            return (id.map { chapterIds.contains($0) } ?? false ? "chapters" : kind, entry?.type.description ?? "")
        }
        inBand = track.entries.contains { $0?.isInBand ?? false }
        outOfBand = tracks.flatMap { $0.entries.flatMap { $0?.parameterSets ?? [] } }
        entryBoxes = track.entries.compactMap { $0 }.first?.others ?? []
        unknownBoxes = tracks.flatMap { $0.entries.flatMap { $0?.unknown ?? [] } }.map(\.description)
            .reduce(into: []) { if !$0.contains($1) { $0.append($1) } }
        var times: [Time] = []
        for (i, sample) in track.samples.enumerated() {
            let next = i + 1 < track.samples.count ? track.samples[i + 1].decodeTime : nil
            times.append(
                Time(
                    decode: sample.decodeTime, compositionOffset: sample.compositionOffset,
                    duration: next.map { $0 - sample.decodeTime } ?? sample.duration, isSync: sample.isSync))
        }
        samples = times
    }

    /// That only the first piece of its edit list can be kept; nil where there is no other.
    package var lostEdits: String? { edits.map { _ in EditList.lost(["video"]) } }

    /// Whether pictures are turned.
    package var isTurned: Bool { matrix.map { $0 != BoxWriter.unity } ?? false }

    /// How players turn its pictures, in words; nil where they do not.
    package var turning: String? {
        guard isTurned, let matrix, matrix.count == 36 else { return nil }
        // a, b, u; c, d, v; x, y, w, of which a point (x, y) becomes (ax + cy, bx + dy), y down (14496-12, 8.3.2).
        let v = (0..<5).map { i in
            Double(Int32(truncatingIfNeeded: matrix[4 * i..<4 * i + 4].reduce(0) { $0 << 8 | Int($1) }))
        }
        let (a, b, c, d) = (v[0], v[1], v[3], v[4])
        if a * d - b * c < 0 { return "mirrored" }
        let degrees = Int((atan2(b, a) * 180 / .pi).rounded())
        return degrees == 0 ? "of another size" : "turned by \((degrees + 360) % 360) degrees clockwise"
    }

    /// How players turn its pictures, where that is by right angles, or mirror them: a point (x, y), y down, becomes
    /// (ax + cy, bx + dy). Nil where they do neither, and where they do something else.
    package var quarterTurn: QuarterTurn? {
        guard isTurned, let matrix, matrix.count == 36 else { return nil }
        let numbers = [0, 1, 3, 4].map { i in
            Int(Int32(truncatingIfNeeded: matrix[4 * i..<4 * i + 4].reduce(0) { $0 << 8 | Int($1) }))
        }
        guard numbers.allSatisfy({ [0, 65536, -65536].contains($0) }) else { return nil }
        let (a, b, c, d) = (numbers[0] / 65536, numbers[1] / 65536, numbers[2] / 65536, numbers[3] / 65536)
        return abs(a * d - b * c) == 1 && a * b == 0 ? QuarterTurn(a: a, b: b, c: c, d: d) : nil
    }

    /// When ticks of the track are presented, in seconds, none of them before the presentation begins.
    func presented(_ ticks: Int) -> Double { max(Double(ticks - mediaStart + emptyStart) / Double(timeScale), 0) }

    func cut(before ticks: Int) -> Int { max(mediaStart - emptyStart - ticks, 0) }

    func cut(after ticks: Int) -> Int {
        guard let shown else { return 0 }
        let hidden = ticks - mediaStart - shown
        // The movie's clock may be coarse: it counts milliseconds.
        return hidden > timeScale / 500 ? hidden : 0
    }

    /// Three boxes with two numbers each (14496-12 has none; QuickTime File Format).
    private static let longestApertures = 128

    private static func brand(_ file: OpenFile) -> String? {
        guard (try? file.seek(toOffset: 0)) != nil, let head = try? file.read(upToCount: 12), head.count == 12,
            head[4..<8].elementsEqual("ftyp".utf8)
        else { return nil }
        return FourCC(head[8..<12].reduce(0) { $0 << 8 | UInt32($1) }).description
    }

    /// In words, of a track that may be damaged.
    private static func kind(of trak: Box) -> String {
        (try? trak.required("mdia").handler().kind) ?? "a track that does not tell what it holds"
    }

    private static func others(_ moov: Box, userData: [UInt8]?) throws -> [String] {
        let traks = try moov.children().filter { $0.type == "trak" }
        let chapterIds = Set(traks.flatMap { (try? CopiedTracks.chapterTracks($0)) ?? [] })
        var result: [String] = []
        for trak in traks {
            let handler = try? trak.required("mdia").handler()
            if handler == "vide" || handler == "auxv" { continue }
            let id = try? CopiedTracks.trackHeader(trak).id
            let kind = id.map { chapterIds.contains($0) } ?? false ? "chapters" : Self.kind(of: trak)
            if kind != "chapters" || !result.contains(kind) { result.append(kind) }
        }
        if let userData {
            if !result.contains("chapters"), ChapterList(userData: userData)?.chapters.isEmpty == false {
                result.append("chapters")
            }
            if ChapterList().inserted(into: userData) != nil { result.append("titles") }
        }
        return result
    }

    /// The further boxes of its sample entry, for what holds so many of its layers: what is said of stereo is not true
    /// of one view.
    func entryBoxes(layers: Int) -> [UInt8] { Self.bytes(of: entryBoxes, layers: layers) }

    static func bytes(of boxes: [(type: FourCC, bytes: [UInt8])], layers: Int) -> [UInt8] {
        boxes.filter { $0.type != "vexu" && $0.type != "hfov" || layers > 1 }.flatMap(\.bytes)
    }

    /// What it says of its video that only such a file can hold, in words.
    package var meaning: [String] {
        let types = entryBoxes.map(\.type.description)
        return (isTurned ? ["that its pictures are to be turned"] : [])
            + (types.isEmpty ? [] : ["what its sample entry says (\(types.joined(separator: ", ")))"])
    }

    func note(damage what: String) {
        if damage == nil { damage = what }
        note(irregularity: what)
    }

    func note(irregularity what: String) { if irregularity == nil { irregularity = what } }

    /// An access unit was read.
    func read(_ units: [SourceUnit], entry: SourceSamples.Entry) {
        let slice = units.first { $0.nal.header.nalUnitType.isSlice }
        temporalIds.append(slice?.nal.header.temporalId ?? 0)
        bounds.append(units, entry: entry)
    }

    /// Times of the access units read so far of some temporal sub-layers.
    package func times(maxTemporalId: Int) -> [Time] {
        zip(samples, temporalIds).filter { $0.1 <= maxTemporalId }.map(\.0)
    }
}
