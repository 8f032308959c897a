// SPDX-License-Identifier: GPL-2.0-or-later
import VeilBitstream
import VeilSystem

/// Puts the access units of a single-layer HEVC stream into a movie that goes through a pipe: so other programs can put
/// it into Matroska and MPEG-TS without decoding it, and know of every picture when it is decoded and shown. Parameter
/// sets and messages stay in samples.
///
/// Access units wait in a file without a name until all are known, for only then it is told when each is shown.
package final class PipedMovieWriter {
    /// Set before the first access unit: in place of what the stream says; 25 when neither tells.
    package var fps: (numerator: Int, denominator: Int)?
    /// What the stream was taken out of, whose times it is to keep, and which sub-layers of it are written.
    private var source: SourceMovie?
    private var maxTemporalId = 6
    /// The source's access unit that this file, one of several parts, begins with.
    private var firstSourceUnit: Int?
    /// Of another container: when its pictures are shown, and seconds before the first one.
    private var frameTimes: FrameTimes?
    private var start = 0.0
    private var setUnits = ParameterSetUnits()
    private var order = DisplayOrder()
    private var track: OutputTrack
    private var places: [DisplayOrder.Place] = []
    /// Access units before the first that can be decoded, which are not written.
    private var leading = 0
    private let path: String

    /// - Parameters:
    ///   - path: of what is being written.
    ///   - fps: frames a second.
    package init(beside path: String, fps: (numerator: Int, denominator: Int)?) throws {
        self.path = path
        self.fps = fps
        track = try OutputTrack.video(beside: path)
        track.name = []
    }

    /// The stream comes out of an MP4 file; with the sub-layers that are kept, and the access unit that a part begins
    /// with.
    package func keep(_ movie: SourceMovie?, maxTemporalId: Int, from first: Int?) {
        (source, self.maxTemporalId, firstSourceUnit) = (movie, maxTemporalId, first)
        guard let movie else { return }
        track.language = movie.language
        track.name = movie.videoName ?? []
    }

    /// What another container says of the video.
    package func keep(_ title: FFmpeg.Contents.Title) {
        track.language = title.packedLanguage
        track.name = title.name.map { Array($0.utf8) } ?? []
    }

    /// When another container shows its pictures, and seconds before the first one in which other tracks may play.
    package func keep(_ times: FrameTimes?, start: Double) { (frameTimes, self.start) = (times, start) }

    /// Takes an access unit. One without a picture that can be decoded is left out.
    package func add(_ unit: [NALUnit]) throws {
        for nal in unit { setUnits.insert(nal) }
        let place = try order.place(of: unit)
        guard let slice = unit.first(where: { $0.header.nalUnitType.isSlice }) else { return }
        guard let place, let sps = order.sps else {
            leading += 1
            return
        }
        if places.isEmpty { try describe(sps) }
        try track.append(
            unit.filter { $0.header.nalUnitType != .accessUnitDelimiter }, isSync: slice.header.nalUnitType.isIRAP,
            description: 1, path: path)
        places.append(place)
    }

    private func describe(_ sps: SequenceParameterSet) throws {
        let id = sps.spsSeqParameterSetId
        guard let own = setUnits[ParameterSetKey(.sps, id)] else { throw SyntaxError.missing(set: "SPS", id: id) }
        let units = setUnits.units(besides: []).filter { $0.header.nuhLayerId == 0 }
        if let unit = units.first(where: { $0.bytes.count > Int(UInt16.max) }) {
            throw MediaError.notSupported(path: "Matroska", what: SampleEntries.tooLong(unit))
        }
        let description = try HEVCSampleDescription(
            units: units, inBand: true, first: own, described: ColourDescription())
        track.descriptions = HEVCSampleDescription.box([description.entry])
        track.size = description.shownSize
    }

    /// Gives the movie, piece by piece.
    /// - Parameter body: is given the bytes.
    package func write(_ times: Times, to body: ([UInt8]) throws -> Void) throws {
        track.timeScale = times.timeline.timeScale
        for i in track.samples.indices {
            track.samples[i].duration = times.timeline.duration(i)
            track.samples[i].compositionOffset = times.timeline.compositionOffset(i)
        }
        if track.samples.contains(where: { UInt32(exactly: $0.duration) == nil }) {
            throw MediaError.notSupported(path: path, what: "a picture lasts longer than the time scale can tell")
        }
        for piece in IsoMediaWriter.beginning(of: track) { try body(piece) }
        try track.file.seek(toOffset: 0)
        for sample in track.samples {
            let data = try track.file.read(upToCount: sample.size) ?? Data()
            guard data.count == sample.size else { throw IsoMediaError.truncated(box: "mdat", offset: sample.offset) }
            try body([UInt8](data))
        }
    }

    // MARK: Times

    /// When pictures are decoded and shown.
    package struct Times {
        fileprivate var timeline: SampleTimeline
        /// Seconds from the beginning of the movie's own clock to the same on that of what plays beside it.
        package fileprivate(set) var start: Double
        /// The same to the end of the last picture.
        package let end: Double
        /// What is not kept, a line each.
        package fileprivate(set) var notes: [String] = []

        /// - Parameter start: when the presentation begins that the timeline tells.
        fileprivate init(_ timeline: SampleTimeline, start: Double) {
            self.timeline = timeline
            end = start + Double(timeline.length) / Double(timeline.timeScale)
            self.start = start + Double(timeline.emptyStart - timeline.mediaStart) / Double(timeline.timeScale)
        }
    }

    package func times() -> Times {
        if let source {
            if let known = times(of: source) { return known }
        } else if let frameTimes, let known = times(of: frameTimes) {
            return known
        }
        var result = Times(
            SampleTimeline(indices: DisplayOrder.indices(places), rate: fps ?? order.rate),
            start: firstSourceUnit == nil ? start : 0)
        if source != nil || frameTimes != nil {
            result.notes.append("its pictures are not those of the source: they are shown at a constant rate")
        }
        return result
    }

    private func times(of source: SourceMovie) -> Times? {
        if let firstSourceUnit {
            guard let (shown, last) = source.shown(places[...], from: firstSourceUnit) else { return nil }
            return Times(SampleTimeline(shown: shown, lastDuration: last, timeScale: source.timeScale), start: 0)
        }
        let all = source.times(maxTemporalId: maxTemporalId).dropFirst(leading)
        guard all.count == places.count || Interruption.isRequested, all.count >= places.count else { return nil }
        let own = Array(all.prefix(places.count))
        var result = Times(SampleTimeline(own, of: source), start: 0)
        if let lost = source.lostEdits {
            result.notes.append(lost)
        } else {
            let hidden = own.filter { source.cut(before: $0.shown) > 0 || source.cut(after: $0.shown) > 0 }.count
            if hidden > 0 { result.notes.append("pictures that its edit list hides are shown: \(hidden)") }
        }
        return result
    }

    private func times(of frameTimes: FrameTimes) -> Times? {
        let all = frameTimes.shown
        let first = firstSourceUnit ?? leading
        let isPart = firstSourceUnit != nil || Interruption.isRequested
        guard isPart || all.count == leading + places.count, !places.isEmpty, first + places.count <= all.count else {
            return nil
        }
        let shown = DisplayOrder.ranks(places).map { all[first + $0] }
        // Of the whole the first picture is at 0.
        let begin = firstSourceUnit == nil ? Double(all[first]) / Double(frameTimes.timeScale) + start : 0
        return Times(
            SampleTimeline(shown: shown, lastDuration: frameTimes.lastDuration, timeScale: frameTimes.timeScale),
            start: begin)
    }
}
