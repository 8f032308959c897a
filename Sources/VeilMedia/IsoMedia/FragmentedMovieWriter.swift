// SPDX-License-Identifier: GPL-2.0-or-later
import VeilBitstream
import VeilSystem

/// Writes the layers of a stream into one track of an ISO base media file as they come: a movie fragment (ISO/IEC
/// 14496-12, 8.8; CMAF) for the pictures from one IRAP picture to the next, for pipes and for what goes on air.
///
/// Times are those of a constant rate. Decoding runs ahead of presentation by as many pictures as the SPS says may be
/// reordered, which the edit list tells. Of one file all parameter sets lie in its sample entry.
package final class FragmentedMovieWriter {
    /// Pictures a fragment, at most, where no IRAP picture comes.
    private static let longestFragment = 300

    private let path: String
    private let output: OutputFile
    /// Set before the first access unit.
    package var frameRate: (numerator: Int, denominator: Int)?
    private var entries = SampleEntries()
    private var units = SampleUnits()
    private var source: SourceMovie?
    /// Of a stream in the samples of its source.
    private var exact = CarriedEntries()
    private var layers: Set<Int> = []
    /// The fragment that is being gathered.
    private var track: OutputTrack
    private var data: [UInt8] = []
    private var places: [(place: DisplayOrder.Place, displayIndex: Int?)] = []
    private var fragments = 0
    /// Pictures of the fragments before.
    private var written = 0
    /// Pictures by which decoding runs ahead.
    private var delay = 0

    /// - Parameters:
    ///   - path: "-" for standard output.
    ///   - frameRate: frames per second; nil: what the stream says, or 25.
    package init(path: String, frameRate: (numerator: Int, denominator: Int)?) throws {
        self.path = path
        self.frameRate = frameRate
        output = try OutputFile(path: path)
        track = OutputTrack.video(in: .null)
    }

    /// The stream was taken out of another file, which says how pictures are turned, and which eyes they are for.
    package func keep(_ movie: SourceMovie) {
        source = movie
        track.matrix = movie.matrix
        track.language = movie.language
    }

    package var bytesWritten: Int { output.bytesWritten }

    /// Adds an access unit, in decoding order. One without a picture goes to the next one.
    /// - Parameter displayIndex: its place in display order, in frames; nil: as picture order counts tell.
    package func write(_ unit: [NALUnit], displayIndex: Int? = nil) throws {
        guard let (unit, place, isSync) = try units.sample(completedBy: unit) else { return }
        if isSync || places.count == Self.longestFragment { try endFragment() }
        for nal in unit where nal.header.nalUnitType.isSlice { layers.insert(nal.header.nuhLayerId) }
        let sample = OutputTrack.bytes(of: try entries.addSample(unit, beginsAnew: isSync, path: path))
        try append(sample, place, displayIndex: displayIndex, isSync: isSync, entries: entries.count)
    }

    private func append(
        _ sample: [UInt8], _ place: DisplayOrder.Place, displayIndex: Int? = nil, isSync: Bool, entries: Int
    ) throws {
        if entries > 1 {
            throw MediaError.notSupported(
                path: path, what: "parameter sets change, which the one sample entry of a file in fragments cannot hold"
            )
        }
        track.samples.append(
            OutputTrack.Sample(
                offset: data.count, size: sample.count, duration: 0, compositionOffset: 0, isSync: isSync))
        data += sample
        places.append((place, displayIndex))
    }

    /// Adds what became of a sample of the source. One that had units, and has none any more, is left out.
    package func write(_ sample: CarriedSample) throws {
        guard let source, sample.index < source.bounds.samples.count else { return }
        let bounds = source.bounds.samples[sample.index]
        guard bounds.isEmpty || !sample.units.isEmpty else { return }
        let time = source.samples[sample.index]
        if time.isSync || places.count == Self.longestFragment { try endFragment() }
        units.pass(sample)
        for nal in sample.units where nal.header.nalUnitType.isSlice { layers.insert(nal.header.nuhLayerId) }
        let (bytes, _) = try exact.add(sample, form: source.bounds.entries[bounds.entry], path: path)
        // Which comes before which the source's times tell.
        try append(
            bytes, DisplayOrder.Place(sequence: 0, poc: time.shown, begins: time.isSync), isSync: time.isSync,
            entries: exact.count)
    }

    /// Ends the file. Returns what could not be kept, a line each.
    package func finish() throws -> [String] {
        try endFragment()
        if written == 0 { throw MediaError.writeFailed(path: path, reason: "there are no pictures") }
        try output.finish()
        return units.notes
    }

    private func endFragment() throws {
        guard !places.isEmpty else { return }
        let ticks = SampleTimeline.ticks(frameRate ?? units.order.rate)
        let shown = displayIndices
        if fragments == 0 { delay = units.order.sps?.subLayerOrdering.last?.maxNumReorderPics ?? 0 }
        for i in track.samples.indices {
            track.samples[i].duration = ticks.frame
            track.samples[i].compositionOffset = (shown[i] - written - i + delay) * ticks.frame
        }
        track.timeScale = ticks.scale
        if fragments == 0 {
            track.mediaStart = delay * ticks.frame
            let further = source?.entryBoxes(layers: layers.count) ?? []
            let descriptions =
                try exact.count > 0
                ? exact.descriptions(further: further) : entries.descriptions(further: further)
            track.descriptions = HEVCSampleDescription.box(descriptions.map(\.entry))
            track.size = descriptions[0].shownSize
            try output.write(FragmentedTrack.initialization([fragment]))
        }
        fragments += 1
        try output.write(fragment.segment(0..<track.samples.count, number: fragments, data: data))
        try output.endUnit()
        written += places.count
        track.samples = []
        places = []
        data = []
    }

    private var fragment: FragmentedTrack {
        FragmentedTrack(
            track: track, id: 1, decoded: track.samples.indices.map { (written + $0) * (track.samples[$0].duration) })
    }

    /// Where each picture of the fragment comes in the display order of the whole: those of a fragment come after
    /// those of the fragment before.
    private var displayIndices: [Int] {
        let given = places.compactMap(\.displayIndex)
        if given.count == places.count { return given }
        return DisplayOrder.ranks(places.map(\.place)).map { written + $0 }
    }
}
