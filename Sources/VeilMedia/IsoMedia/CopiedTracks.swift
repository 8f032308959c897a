// SPDX-License-Identifier: GPL-2.0-or-later
import VeilSystem

/// The tracks of an ISO base media file that are no video, to be written into another as they are.
package enum CopiedTracks {
    struct Contents {
        var tracks: [OutputTrack]
        /// track_IDs of those that hold the chapters of the video.
        var chapters: [Int]
        /// The video's, as `mdhd` packs it; and its name.
        var language: Int?
        var videoName: [UInt8]?
        /// `udta` of the movie: titles and the like.
        var userData: [UInt8]?
        /// Kinds of tracks that are neither copied nor video.
        var left: [FourCC]
        /// When the movie was made and changed.
        var creation = (made: 0, changed: 0)
        /// Tracks that are not whole, with the reason, a line each.
        var damage: [String] = []

        /// What the copied tracks hold, in words.
        var kinds: [String] {
            let ids = chapters + tracks.flatMap(\.chapters)
            return tracks.map { track in
                track.sourceId.map { ids.contains($0) } ?? false ? "chapters" : track.handler.kind
            }
        }
    }

    static func read(_ file: OpenFile) throws -> Contents {
        let size = Int(truncatingIfNeeded: try file.seekToEnd())
        var movie: Box?
        var fragments: [Int: [MediaSample]] = [:]
        let found = try IsoMediaReader.movie(
            of: file, fileSize: size, tables: { movie = $0 },
            sample: { id, sample in fragments[id, default: []].append(sample) })
        guard let moov = movie else { throw IsoMediaError.missing(box: "moov", in: "file") }
        let movieScale = (try? Self.movieScale(moov)) ?? 1000
        var damage = found.damage.map(\.description)
        var tracks: [OutputTrack] = []
        var chapters: [Int] = []
        var left: [FourCC] = []
        var upper: [(id: Int, below: [Int])] = []
        var chosen = Set<Int>()
        var samples: [MediaSample] = []
        var hasVideo = false
        var language: Int?
        var videoName: [UInt8]?
        let traks = try moov.children().filter { $0.type == "trak" }
        for trak in traks {
            let handler = try? trak.required("mdia").handler()
            if let handler, handler == "vide" || handler == "auxv" {
                if chapters.isEmpty { chapters = (try? chapterTracks(trak)) ?? [] }
                // One is what is coded, with the layers above it in tracks of their own.
                let below = (try? layersBelow(trak)) ?? []
                let id = (try? trackHeader(trak).id) ?? 0
                samples += self.samples(of: trak, fileSize: size) + (fragments[id] ?? [])
                if !below.isEmpty {
                    upper.append((id, below))
                } else if handler == "vide" && !hasVideo {
                    language = try? trak.required("mdia").mediaHeader().language
                    videoName = try? trak.required("mdia").handlerName()
                    if let cut = cut(trak, fileSize: size) { damage.append(cut.description) }
                    chosen.insert(id)
                    hasVideo = true
                } else {
                    left.append(handler)
                }
            }
        }
        while let next = upper.firstIndex(where: { !chosen.isDisjoint(with: $0.below) }) {
            chosen.insert(upper.remove(at: next).id)
        }
        left += upper.map { _ in "vide" }
        let pictures = FileRanges(samples)
        for trak in traks {
            // One that cannot be read is no reason to leave the others.
            guard let handler = try? trak.required("mdia").handler(), handler != "vide", handler != "auxv" else {
                continue
            }
            let id = (try? trackHeader(trak).id) ?? 0
            var cut: IsoMediaError?
            var copy: OutputTrack?
            do {
                copy = try track(
                    trak, file: file, fileSize: size, movieScale: movieScale, fragments: fragments[id] ?? [],
                    cut: &cut)
            } catch let error as IsoMediaError where !found.damage.contains(error) {
                damage.append("\(handler.kind): \(error)")
            } catch is IsoMediaError {}
            if let cut { damage.append("\(handler.kind): \(cut)") }
            // What lies where the pictures do shows them, whatever it is called.
            if let copy, !pictures.overlap(copy.samples.map { ($0.offset, $0.size) }) {
                tracks.append(copy)
            } else {
                left.append(handler)
            }
        }
        return Contents(
            tracks: tracks, chapters: chapters, language: language, videoName: videoName,
            userData: try moov.child("udta")?.whole, left: left, creation: (try? creation(of: moov)) ?? (0, 0),
            damage: damage)
    }

    /// Notes what is damaged of a movie's tracks, where others copy them: ffmpeg leaves such sound out and says
    /// nothing.
    package static func noteDamage(of input: InputFile) throws {
        do {
            for line in try read(try input.seekable()).damage { FoundDamage.note("\(input.name): \(line)") }
        } catch let error as IsoMediaError { FoundDamage.note("\(input.name): \(error)") }
    }

    /// track_IDs of the tracks with the layers that a track's are above.
    static func layersBelow(_ trak: Box) throws -> [Int] {
        try trak.child("tref")?.children().flatMap { box -> [Int] in
            guard ["sbas", "scal", "oref"].contains(box.type) else { return [] }
            var box = box
            return try (0..<box.bytesLeft / 4).map { _ in try box.u32() }
        } ?? []
    }

    /// None of a track that cannot be read.
    private static func samples(of trak: Box, fileSize: Int) -> [MediaSample] {
        guard let stbl = try? trak.required("mdia").required("minf").required("stbl") else { return [] }
        var cut: IsoMediaError?
        return (try? SampleTable.samples(stbl, fileSize: fileSize, cut: &cut)) ?? []
    }

    /// Whether samples of a track lie outside the file.
    private static func cut(_ trak: Box, fileSize: Int) -> IsoMediaError? {
        var cut: IsoMediaError?
        guard let stbl = try? trak.required("mdia").required("minf").required("stbl") else { return nil }
        _ = try? SampleTable.samples(stbl, fileSize: fileSize, cut: &cut)
        return cut
    }

    /// Whether a sample entry is that of pictures, by its name or by what configures a video decoder.
    private static func isVisual(_ entry: Box) -> Bool {
        if HEVCSampleEntry.types.contains(entry.type) || visual.contains(entry.type) { return true }
        return ["hvcC", "lhvC", "avcC", "vvcC", "av1C", "vpcC"].contains { name in
            entry.whole.indices.dropLast(7).contains { entry.whole[$0...].starts(with: Array(name.utf8)) }
        }
    }
    private static let visual: Set<FourCC> = [
        "avc1", "avc2", "avc3", "avc4", "svc1", "mvc1", "vvc1", "vvi1", "av01", "vp08", "vp09", "mp4v", "s263", "jpeg",
        "mjpa", "mjpb", "mjp2", "png ", "apcn", "apch", "apcs", "apco", "ap4h", "ap4x", "raw ", "dvav", "dva1",
    ]

    /// A box without those that a path of types leads to; nil where there are none.
    static func without(_ whole: [UInt8], _ path: [FourCC]) throws -> [UInt8]? {
        var found = false
        func copy(_ box: Box, _ path: [FourCC], into w: inout BoxWriter) throws {
            guard let type = path.first, box.type == type, path.count > 1 else { return w.append(box.whole) }
            var body = box
            try w.box(type) {
                if type == "meta" { $0.append(try body.bytes(4)) }
                for child in try body.children() {
                    if path.count == 2 && child.type == path[1] {
                        found = true
                    } else {
                        try copy(child, Array(path.dropFirst()), into: &$0)
                    }
                }
            }
        }
        var w = BoxWriter()
        for box in try Box(type: "file", bytes: whole[...], offset: 0).children() { try copy(box, path, into: &w) }
        return found ? w.bytes : nil
    }

    /// track_IDs of the tracks that hold a track's chapters.
    static func chapterTracks(_ trak: Box) throws -> [Int] {
        guard var box = try trak.child("tref")?.child("chap") else { return [] }
        return try (0..<box.bytesLeft / 4).map { _ in try box.u32() }
    }

    private static func creation(of moov: Box) throws -> (made: Int, changed: Int) {
        var mvhd = try moov.required("mvhd")
        return try mvhd.creation(isLong: try mvhd.versionAndFlags().version == 1)
    }

    /// Ticks a second of the movie.
    static func movieScale(_ moov: Box) throws -> Int {
        var mvhd = try moov.required("mvhd")
        try mvhd.skip(try mvhd.versionAndFlags().version == 1 ? 16 : 8)
        return max(try mvhd.u32(), 1)
    }

    private static func track(
        _ trak: Box, file: OpenFile, fileSize: Int, movieScale: Int, fragments: [MediaSample],
        cut: inout IsoMediaError?
    ) throws -> OutputTrack? {
        let mdia = try trak.required("mdia")
        let handler = try mdia.handler()
        // Others refer to what is not copied (time codes, hints, chapters' text).
        guard ["soun", "sbtl", "subt", "text"].contains(handler) else { return nil }
        let minf = try mdia.required("minf")
        let stbl = try minf.required("stbl")
        var stsd = try stbl.required("stsd")
        try stsd.skip(8)
        guard try !stsd.children().contains(where: isVisual) else { return nil }
        let samples = try SampleTable.samples(stbl, fileSize: fileSize, cut: &cut) + fragments
        guard !samples.isEmpty, samples.allSatisfy({ $0.descriptionIndex == samples[0].descriptionIndex }) else {
            return nil
        }
        guard let header = try minf.children().first(where: { ["smhd", "sthd", "nmhd", "gmhd"].contains($0.type) })
        else {
            throw IsoMediaError.missing(box: "smhd", in: "minf")
        }
        let media = try mdia.mediaHeader()
        var result = OutputTrack(
            handler: handler, timeScale: media.timeScale, descriptions: try stbl.required("stsd").whole,
            mediaHeader: header.whole, language: media.language, file: file)
        result.name = try? mdia.handlerName()
        result.creation = media.creation
        result.chapters = try chapterTracks(trak)
        // What groups of samples have in common, as sound that takes samples before it to begin (`roll`).
        result.sampleGroups = try stbl.children().filter { ["sgpd", "sbgp"].contains($0.type) }.flatMap(\.whole)
        for (i, sample) in samples.enumerated() {
            let next = i + 1 < samples.count ? samples[i + 1].decodeTime : nil
            result.samples.append(
                OutputTrack.Sample(
                    offset: sample.offset, size: sample.size,
                    duration: next.map { $0 - sample.decodeTime } ?? sample.duration,
                    compositionOffset: sample.compositionOffset, isSync: sample.isSync))
        }
        let list = try EditList(trak, movieScale: movieScale)
        let edits = list.first(timeScale: result.timeScale)
        // Of fragments that do not begin at 0, what is before them is silence.
        let first = samples[0].decodeTime
        (result.mediaStart, result.emptyStart) = (
            min(max(edits.mediaStart - first, 0), result.duration),
            edits.emptyStart + max(first - edits.mediaStart, 0)
        )
        result.shown = cut == nil ? edits.shown : nil
        if !list.isSimple, first == 0 { result.edits = list }
        if try trak.child("tkhd") != nil {
            let tkhd = try trackHeader(trak)
            (result.sourceId, result.isEnabled, result.alternateGroup) = (tkhd.id, tkhd.isEnabled, tkhd.alternateGroup)
        }
        return result
    }

    /// track_ID, track_enabled, alternate_group and the matrix.
    static func trackHeader(
        _ trak: Box
    ) throws -> (id: Int, isEnabled: Bool, alternateGroup: Int, matrix: [UInt8]?) {
        var tkhd = try trak.required("tkhd")
        let (version, flags) = try tkhd.versionAndFlags()
        try tkhd.skip(version == 1 ? 16 : 8)
        let id = try tkhd.u32()
        try? tkhd.skip(version == 1 ? 22 : 18)
        let group = (try? tkhd.u16()) ?? 0
        try? tkhd.skip(4)
        return (id, flags & 1 != 0, group, try? tkhd.bytes(36))
    }
}
