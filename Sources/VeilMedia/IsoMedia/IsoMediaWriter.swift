// SPDX-License-Identifier: GPL-2.0-or-later
import VeilBitstream
import VeilSystem

/// Writes the layers of a stream into one track of an ISO base media file: `hvc1` with the base layer's parameter sets
/// in `hvcC` and those of upper layers in `lhvC` (L-HEVC, ISO/IEC 14496-15, 9.5), beside tracks of other media copied
/// from another file. The tables come first (`moov`), so that players can begin before the file is whole.
package final class IsoMediaWriter {
    private let path: String
    private let output: OutputFile
    private let frameRate: (numerator: Int, denominator: Int)?
    private var track: OutputTrack
    private var others: [OutputTrack] = []
    private var entries = SampleEntries()
    private var units = SampleUnits()
    private var layers: Set<Int> = []
    private var places: [DisplayOrder.Place] = []
    /// As the caller gave them.
    private var displayIndices: [Int] = []
    private var source: SourceMovie?
    /// Of a stream in the samples of its source: its entries, and which samples are written.
    private var exact = (entries: CarriedEntries(), samples: [Int]())
    private var carried: CarriedTracks?
    private var joined = JoinedMovies()
    private var userData: [UInt8]?
    private var leftUserData: [FourCC] = []
    /// When the movie was made and changed.
    private var creation = (made: 0, changed: 0)
    /// Which sub-layers of the source's are written.
    package var maxTemporalId = 6
    /// The source's access unit that this file, one of several parts, begins with.
    package var firstSourceUnit: Int?
    /// When the frames of what was encoded are shown, or the pictures of the stream, in display order.
    package var frameTimes: FrameTimes?
    /// Seconds before the first picture in which other tracks may play already.
    package var start = 0.0
    /// Other tracks end where the video ends.
    package var cutsOthers = false
    /// What shows the video's pictures in the clear, a cover, is left out.
    package var leavesCoverOut = false

    /// - Parameter frameRate: frames per second; nil: what the stream says, or 25.
    package init(path: String, frameRate: (numerator: Int, denominator: Int)?) throws {
        self.path = path
        self.frameRate = frameRate
        output = try OutputFile(path: path)
        track = try OutputTrack.video(beside: path)
    }

    /// The stream was taken out of another file, whose forms and times it is to keep.
    package func keep(_ movie: SourceMovie) {
        source = movie
        entries.inBand = movie.inBand
        entries.outOfBand = movie.outOfBand
        entries.keepsRepetitions = true
        track.matrix = movie.matrix
        track.chapters = movie.chapters
        track.language = movie.language
        track.name = movie.videoName
        track.creation = movie.creation
    }

    /// What another container says of the video.
    package func keep(_ title: FFmpeg.Contents.Title) {
        track.language = title.packedLanguage
        track.name = title.name.map { Array($0.utf8) }
    }

    /// The stream is cut out of a container that ffmpeg opens, whose times it is to keep, and its part of what plays
    /// beside.
    package func keep(_ container: CarriedTracks) throws {
        carried = container
        (track.language, track.name) = (container.language, container.videoName)
        if let contents = try container.contents() { try copyTracks(contents) }
    }

    /// A file without a name for what must wait until the tables are known.
    static func scratch(beside path: String) throws -> OpenFile {
        let folder = path.folderAbove
        var name = Array(((folder.isEmpty ? "." : folder) + "/.veil-XXXXXX").utf8CString)
        let descriptor = mkstemp(&name)
        guard descriptor >= 0 else {
            throw MediaError.writeFailed(path: path, reason: String(cString: strerror(errno)))
        }
        unlink(name)
        return OpenFile(fileDescriptor: descriptor, closeOnDealloc: true)
    }

    /// What comes next is out of another file, or no such file, which is joined to the ones before: with its times, and
    /// its sound.
    package func join(_ movie: SourceMovie?) { joined.begin(movie, at: places.count) }

    /// The same, out of a container that ffmpeg opens.
    package func join(_ container: CarriedTracks) { joined.begin(container, at: places.count) }

    /// Adds an access unit, in decoding order. One without a picture goes to the next one.
    /// - Parameter displayIndex: its place in display order, in frames; nil: as picture order counts tell.
    package func write(_ unit: [NALUnit], displayIndex: Int? = nil) throws {
        guard let (unit, shown, isSync) = try units.sample(completedBy: unit) else { return }
        for nal in unit where nal.header.nalUnitType.isSlice { layers.insert(nal.header.nuhLayerId) }
        let sample = try entries.addSample(unit, beginsAnew: isSync, path: path)
        try track.append(sample, isSync: isSync, description: entries.count, path: path)
        places.append(shown)
        if let displayIndex { displayIndices.append(displayIndex) }
    }

    /// Adds what became of a sample of the source. One that had units, and has none any more, is left out.
    package func write(_ sample: CarriedSample) throws {
        guard let source, sample.index < source.bounds.samples.count else { return }
        let bounds = source.bounds.samples[sample.index]
        guard bounds.isEmpty || !sample.units.isEmpty else { return }
        units.pass(sample)
        // Of a layer all of whose pictures are sealed there are sealed units.
        for nal in sample.units where nal.header.nalUnitType.isSlice || nal.header.nalUnitType == .sealed {
            if !nal.isMalformed { layers.insert(nal.header.nuhLayerId) }
        }
        let (bytes, entry) = try exact.entries.add(sample, form: source.bounds.entries[bounds.entry], path: path)
        try track.append(
            bytes, isSync: source.samples[sample.index].isSync, description: entry, path: path)
        exact.samples.append(sample.index)
    }

    /// What the tracks of others that it will hold are.
    package var copiedKinds: [String] {
        CopiedTracks.Contents(tracks: others, chapters: track.chapters, left: []).kinds
    }

    /// Copies the tracks of another ISO base media file that are no video, sound and subtitles, and what it says of the
    /// whole (`udta`). Returns what other tracks it has, and what is missing of those that are copied.
    @discardableResult
    package func copyTracks(from file: OpenFile) throws -> (left: [FourCC], damage: [String]) {
        let copied = try CopiedTracks.read(file)
        try copyTracks(copied)
        return (copied.left, copied.damage)
    }

    private func copyTracks(_ copied: CopiedTracks.Contents) throws {
        others += copied.tracks
        userData = copied.userData
        if leavesCoverOut, let all = userData {
            // What cannot be read is not text, either.
            (userData, leftUserData) = (try? TextualUserData.of(all)) ?? (nil, ["udta"])
        }
        if track.chapters.isEmpty { track.chapters = copied.chapters }
        if source == nil, let language = copied.language { track.language = language }
        track.name = copied.videoName ?? track.name
        creation = copied.creation
    }

    /// Puts the file together and gives it its name. Returns what could not be kept, a line each.
    @discardableResult
    package func finish() throws -> [String] {
        guard !track.samples.isEmpty else {
            throw MediaError.writeFailed(path: path, reason: "there are no pictures")
        }
        var notes: [String] = []
        let unknown = leftUserData.filter { $0 != "covr" }.map(\.description)
        if unknown.count < leftUserData.count {
            notes.append("the cover picture is left out: it would be in the clear")
        }
        if !unknown.isEmpty {
            notes.append(
                "user data that may show pictures is left out, for it would be in the clear: "
                    + unknown.prefix(8).joined(separator: ", "))
        }
        notes += units.notes
        let timeline: SampleTimeline
        var further = source?.entryBoxes(layers: layers.count) ?? []
        if !joined.isEmpty {
            let meaning = joined.meaning()
            (track.matrix, userData) = (meaning.matrix, meaning.userData)
            track.language = meaning.language ?? track.language
            track.name = meaning.videoName
            further = meaning.boxes(layers: layers.count)
            notes += meaning.notes
        }
        if let whole = try joined.joined(places, beside: path) {
            timeline = whole.timeline
            others = whole.others.tracks
            track.chapters = whole.others.chapters
            userData = whole.chapters.inserted(into: userData)
            notes += whole.others.notes + whole.notes
            if whole.chapters.chapters.count > ChapterList.most {
                notes.append("the list of chapters (chpl) holds the first \(ChapterList.most) only")
            }
        } else {
            timeline = self.timeline(&notes)
            if !joined.isEmpty { notes.append("the streams do not tell all times: it takes their video, at one rate") }
        }
        track.timeScale = timeline.timeScale
        (track.mediaStart, track.emptyStart) = (timeline.mediaStart, timeline.emptyStart)
        for i in track.samples.indices {
            track.samples[i].duration = timeline.duration(i)
            track.samples[i].compositionOffset = timeline.compositionOffset(i)
        }
        if track.samples.contains(where: { UInt32(exactly: $0.duration) == nil }) {
            throw MediaError.notSupported(path: path, what: "a picture lasts longer than the time scale can tell")
        }
        let isExact = !exact.samples.isEmpty
        let descriptions =
            try isExact ? exact.entries.descriptions(further: further) : entries.descriptions(further: further)
        track.descriptions = HEVCSampleDescription.box(descriptions.map(\.entry))
        track.size = descriptions[0].shownSize
        track.sampleGroups = units.order.sampleGroups(layers: layers.sorted(), samples: track.samples.count)
        keepDetails(&notes)
        var range = part
        if firstSourceUnit != nil, range == nil, !others.isEmpty {
            notes.append("its times are not known: what plays beside it is left out")
            others = []
        }
        if cutsOthers {
            // What is presented of the video.
            let (empty, shown) = track.presented(1_000_000)
            range = 0..<Double(empty + shown) / 1e6
        }
        let cutLists = range == nil ? [] : others.filter { $0.edits != nil }.map(\.handler.kind)
        if !cutLists.isEmpty { notes.append(EditList.lost(cutLists)) }
        if let range, let all = userData, let list = ChapterList(userData: all) {
            var own = ChapterList()
            own.append(list, presented: range, at: 0)
            userData = own.inserted(into: all)
        }
        try write(tracks: [track] + (range.map { range in others.compactMap { $0.part(range) } } ?? others))
        return notes
    }

    /// What the source's tables say of samples by their numbers, where these are the same.
    private func keepDetails(_ notes: inout [String]) {
        let movies = source.map { [$0] } ?? joined.movies
        var left = movies.flatMap(\.details.left)
        if let source, firstSourceUnit == nil, track.samples.count == source.samples.count {
            track.sampleGroups += source.details.boxes
            track.apertures = source.apertures
        } else {
            left += movies.flatMap { $0.details.kept + ($0.apertures.isEmpty ? [] : ["tapt"]) }
        }
        left = left.reduce(into: []) { if !$0.contains($1) { $0.append($1) } }
        // Of several parts the first tells it.
        if !left.isEmpty, firstSourceUnit ?? 0 == 0 {
            notes.append("left out of what is said of the samples: \(left.prefix(8).joined(separator: ", "))")
        }
    }

    /// All pieces that the source presents, of a whole whose first picture is its; else that only one is kept.
    private func keepEdits(_ source: SourceMovie, from first: Int, _ notes: inout [String]) {
        guard let edits = source.edits, !Interruption.isRequested else { return }
        if source.samples.first?.decode == 0, first == 0 {
            track.edits = edits
        } else {
            notes.append(EditList.lost(["video"]))
        }
    }

    /// The source's access units that are written, as far as they came.
    private func sourceTimes(_ source: SourceMovie) -> [SourceMovie.Time] {
        let times = source.times(maxTemporalId: maxTemporalId)
        return Interruption.isRequested ? Array(times.prefix(track.samples.count)) : times
    }

    /// What the source says of the pictures of a part; nil of a whole, and where it does not tell.
    private var partTimes: (source: any PresentedSource, times: [Int], lastDuration: Int, isLast: Bool)? {
        guard let first = firstSourceUnit, let all: any PresentedSource = source ?? carried,
            let (times, lastDuration) = all.shown(places[...], from: first)
        else { return nil }
        return (all, times, lastDuration, first + places.count >= all.count && !Interruption.isRequested)
    }

    /// When the source presents the pictures of a part, in seconds. The first part begins with the presentation, and
    /// the last one ends with it: there may be sound before the first picture and behind the last.
    private var part: Range<Double>? {
        guard let (source, times, lastDuration, isLast) = partTimes, let first = times.min(), let last = times.max()
        else {
            return nil
        }
        let begin = firstSourceUnit == 0 ? 0 : source.presented(first)
        return begin..<(isLast ? .infinity : max(source.presented(last + lastDuration), begin))
    }

    /// As in the file that the stream was taken out of, or at a constant rate.
    private func timeline(_ notes: inout [String]) -> SampleTimeline {
        if let source, !exact.samples.isEmpty {
            track.shown = Interruption.isRequested ? nil : source.shown
            keepEdits(source, from: source.samples[exact.samples[0]].decode, &notes)
            return SampleTimeline(exact.samples, of: source)
        }
        if firstSourceUnit != nil, source != nil || carried != nil {
            if let (source, times, lastDuration, _) = partTimes {
                let timeline = SampleTimeline.part(
                    shown: times, lastDuration: lastDuration, of: source, delay: firstSourceUnit == 0)
                if timeline.cut > 0 || timeline.cutEnd > 0 {
                    track.shown = timeline.length - timeline.cut - timeline.cutEnd
                }
                if source.edits != nil, firstSourceUnit == 0 { notes.append(EditList.lost(["video"])) }
                return timeline
            }
            notes.append("its pictures are not those of the source: they are shown at a constant rate")
        } else if let source {
            let times = sourceTimes(source)
            if times.count == track.samples.count {
                track.shown = Interruption.isRequested ? nil : source.shown
                keepEdits(source, from: times.first?.decode ?? 0, &notes)
                return SampleTimeline(times, of: source)
            }
            notes.append("its pictures are not those of the source: they are shown at a constant rate")
        }
        let isEncoded = displayIndices.count == places.count
        if let frameTimes {
            let indices = isEncoded ? displayIndices : DisplayOrder.ranks(places)
            let count = frameTimes.shown.count
            if isEncoded ? indices.allSatisfy({ $0 < count }) : indices.count == count {
                return SampleTimeline(
                    shown: indices.map { frameTimes.shown[$0] }, lastDuration: frameTimes.lastDuration,
                    timeScale: frameTimes.timeScale
                ).delayed(by: start)
            }
            notes.append("its pictures are not those of the source: they are shown at a constant rate")
        }
        let indices = isEncoded ? displayIndices : DisplayOrder.indices(places)
        return SampleTimeline(indices: indices, rate: frameRate ?? frameTimes?.frameRate?.fraction ?? units.order.rate)
            .delayed(by: start)
    }

    private func write(tracks: [OutputTrack]) throws {
        var order: [(track: Int, range: Range<Int>, start: Double)] = []
        for (i, track) in tracks.enumerated() {
            order += track.chunks().map { (i, $0.range, $0.start) }
        }
        order.sort { ($0.start, $0.track) < ($1.start, $1.track) }
        for piece in Self.beginning(tracks, order, userData: userData, creation: creation) { try output.write(piece) }
        for chunk in order {
            for sample in tracks[chunk.track].samples[chunk.range] {
                let file = tracks[chunk.track].file
                try file.seek(toOffset: UInt64(sample.offset))
                let data = try file.read(upToCount: sample.size) ?? Data()
                guard data.count == sample.size else {
                    throw MediaError.writeFailed(path: path, reason: "a sample cannot be read back")
                }
                try output.write([UInt8](data))
            }
        }
        try output.finish()
    }

    /// What goes before the samples of a file with one track, which follow in their order.
    static func beginning(of track: OutputTrack) -> [[UInt8]] {
        beginning([track], [(track: 0, range: track.samples.indices, start: 0)], userData: nil, creation: (0, 0))
    }

    /// What goes before the samples.
    private static func beginning(
        _ tracks: [OutputTrack], _ order: [(track: Int, range: Range<Int>, start: Double)], userData: [UInt8]?,
        creation: (made: Int, changed: Int)
    ) -> [[UInt8]] {
        func tables(_ dataStart: Int) -> [UInt8] {
            movie(tracks, order, userData: userData, creation: creation, dataStart: dataStart)
        }
        var header = BoxWriter()
        header.u32(1)
        header.fourCC("mdat")
        header.u64(tracks.reduce(0) { $0 + $1.samples.reduce(0) { $0 + $1.size } } + 16)
        // Once to know how large it is, once with the places that follow from it.
        let start = fileType.count + tables(0).count + header.bytes.count
        return [fileType, tables(start), header.bytes]
    }

    private static let fileType: [UInt8] = {
        var w = BoxWriter()
        w.box("ftyp") {
            $0.fourCC("isom")
            $0.u32(0x200)
            for brand in ["isom", "iso6", "hvc1", "mp41"] as [FourCC] { $0.fourCC(brand) }
        }
        return w.bytes
    }()

    private static func movie(
        _ tracks: [OutputTrack], _ order: [(track: Int, range: Range<Int>, start: Double)], userData: [UInt8]?,
        creation: (made: Int, changed: Int), dataStart: Int
    ) -> [UInt8] {
        var places: [[(range: Range<Int>, offset: Int)]] = tracks.map { _ in [] }
        var at = dataStart
        for chunk in order {
            places[chunk.track].append((chunk.range, at))
            at += tracks[chunk.track].samples[chunk.range].reduce(0) { $0 + $1.size }
        }
        // Lists of edits keep the clock that they were made by.
        let scale = tracks.compactMap { $0.edits?.movieScale }.max() ?? 1000
        let longest = tracks.map { $0.presented(scale) }.map { $0.empty + $0.shown }.max() ?? 0
        var w = BoxWriter()
        w.box("moov") {
            $0.timeBox("mvhd", longest: longest) {
                $0.time(creation.made)
                $0.time(creation.changed)
                $0.u32(scale)
                $0.time(longest)
                $0.u32(0x10000)
                $0.u16(0x100)
                $0.zeros(10)
                $0.unityMatrix()
                $0.zeros(24)
                $0.u32(tracks.count + 1)
            }
            for (i, track) in tracks.enumerated() {
                let chapters = track.chapters.compactMap { id in tracks.firstIndex { $0.sourceId == id }.map { $0 + 1 }
                }
                track.box(id: i + 1, chunks: places[i], chapters: chapters, movieScale: scale, into: &$0)
            }
            if let userData { $0.append(userData) }
        }
        return w.bytes
    }

    package var bytesWritten: Int { output.bytesWritten }
}
