// SPDX-License-Identifier: GPL-2.0-or-later
import VeilBitstream
import VeilSystem

/// Writes a stream as segments of its layers, each layer a representation of its own, with a DASH manifest (ISO/IEC
/// 23009-1): whoever may see the base layer only fetches no other.
package final class LayerPackage {
    /// How a layer is encrypted, as a packager wants to know it.
    package struct Protection: Sendable, Equatable {
        package var keyId: String
        package var cipher: String
        package var scheme: String

        package init(keyId: String, cipher: String, scheme: String) {
            self.keyId = keyId
            self.cipher = cipher
            self.scheme = scheme
        }
    }

    /// A layer's samples, which wait in a file without a name.
    private final class Layer {
        var track: OutputTrack
        var entries = SampleEntries()
        /// The access unit of each sample.
        var units: [Int] = []

        init(_ track: OutputTrack) { self.track = track }
    }

    private let folder: String
    private let files: PackageFolder
    private let seconds: Double
    /// Set before the first access unit.
    package var frameRate: (numerator: Int, denominator: Int)?
    private var layers: [Int: Layer] = [:]
    private var units = SampleUnits()
    private let sets = ParameterSetCollection()
    /// Which view is for which eye.
    private var displays: ReferenceDisplays?
    private var places: [DisplayOrder.Place] = []
    private var source: SourceMovie?
    private var carried: CarriedTracks?
    /// Of which the times are, and what plays beside the pictures.
    private var presented: (any PresentedSource)? { source ?? carried }
    private var firstByte: UInt8 = 1
    /// What the source holds beside its pictures, in words; set before ``finish()``.
    package var others: [String] = []
    /// By nuh_layer_id; set before ``finish()``.
    package var protection: [Int: Protection] = [:]

    /// - Parameters:
    ///   - folder: is made, or empty, or holds a package, which this one replaces when it is whole.
    ///   - seconds: of a segment, at least, but for the last.
    ///   - frameRate: nil: what the stream says, or 25.
    package init(folder: String, seconds: Double, frameRate: (numerator: Int, denominator: Int)?) throws {
        self.folder = folder
        self.seconds = seconds
        self.frameRate = frameRate
        files = try PackageFolder(path: folder)
    }

    /// The path of the manifest.
    package var manifest: String { folder + "/" + PackageFolder.manifest }

    /// Files that are there and go.
    package var replaced: [String] { files.replaced }

    /// The stream was taken out of another file, whose times it is to keep.
    package func keep(_ movie: SourceMovie) { source = movie }

    /// Likewise out of a container that ffmpeg opens.
    package func keep(_ container: CarriedTracks) { carried = container }

    /// Adds an access unit, in decoding order.
    package func write(_ unit: [NALUnit]) throws {
        guard let unit = units.gather(unit) else { return }
        // Behind a sealed base picture an access unit goes on: a layer has two pictures in it.
        let begun = unit.filter { $0.header.nalUnitType.isSlice && $0.beginsPicture }.map(\.header.nuhLayerId)
        let twice = begun.first { id in begun.filter { $0 == id }.count > 1 }
        if let layer = unit.layerWithoutSlices ?? twice ?? unit.layerBehindHigher {
            throw MediaError.notSupported(
                path: folder,
                what:
                    "layer \(layer): a picture of the access unit is sealed whole (--damaged seal) or lost; segments "
                    + "of a layer cannot tell where it was: deliver the stream as MP4 or as it is")
        }
        for nal in unit {
            try sets.insert(nal)
            displays = ReferenceDisplays(of: nal) ?? displays
            if nal.header.nalUnitType == .sps, nal.header.nuhLayerId == 0, let first = nal.rbsp.first {
                firstByte = first
            }
        }
        guard let place = try units.place(unit) else {
            throw MediaError.notSupported(path: folder, what: "the stream does not begin with an IRAP picture")
        }
        for id in Set(unit.map(\.header.nuhLayerId)).sorted() {
            try write(unit.filter { $0.header.nuhLayerId == id }, layer: id)
        }
        places.append(place)
    }

    private func write(_ unit: [NALUnit], layer id: Int) throws {
        let layer = try layers[id] ?? Layer(OutputTrack.video(beside: manifest))
        layers[id] = layer
        let slices = unit.filter { $0.header.nalUnitType.isSlice }
        let isSync = !slices.isEmpty && slices.allSatisfy { $0.header.nalUnitType.isIRAP }
        let sample = try layer.entries.addSample(unit, beginsAnew: isSync, path: folder)
        // A layer without a picture in the access unit leaves its messages out of segments.
        guard !slices.isEmpty else { return }
        try layer.track.append(sample, isSync: isSync, description: layer.entries.count, path: folder)
        layer.units.append(places.count)
    }

    /// Writes segments, manifest and page. Returns what could not be kept, a line each.
    package func finish() throws -> [String] {
        guard !places.isEmpty, layers[0]?.track.samples.isEmpty == false else {
            throw MediaError.writeFailed(path: folder, reason: "there are no pictures")
        }
        var notes: [String] = []
        let timeline = self.timeline(&notes)
        let ids = layers.keys.sorted().filter { layers[$0]?.track.samples.isEmpty == false }
        let tracks = try ids.map { try track($0, ids, timeline) }
        // All layers are cut where the base layer is, by access units.
        let base = tracks[0].segments(seconds: seconds)
        let firstUnits = base.map { layers[0]?.units[$0.lowerBound] ?? 0 } + [places.count]
        var manifest = DASHManifest(
            timeScale: timeline.timeScale,
            seconds: Double(tracks[0].end - timeline.cut - timeline.cutEnd) / Double(timeline.timeScale))
        var bytes: [Int: Int] = [:]
        for (i, id) in ids.enumerated() {
            let units = layers[id]?.units ?? []
            let cuts = firstUnits.map { unit in units.firstIndex { $0 >= unit } ?? units.count }
            let segments = zip(cuts, cuts.dropFirst()).map { $0..<$1 }
            let needed = neededLayers(id).compactMap { ids.firstIndex(of: $0) }
            try files.write(
                FragmentedTrack.initialization(try needed.map { try described(tracks[$0], needed.count) }),
                name: "layer\(id)-init.mp4")
            var sizes: [Int] = []
            for (number, range) in segments.enumerated() {
                let bytes = try tracks[i].segment(range, number: number + 1)
                sizes.append(bytes.count)
                try files.write(bytes, name: "layer\(id)-\(number + 1).m4s")
            }
            // Segments of all layers last as long as those of the base layer, whatever pictures a layer lacks.
            let starts = base.map { tracks[0].start(of: $0) } + [tracks[0].end]
            bytes[id] = sizes.reduce(0, +)
            // The rate of a representation is that of all it takes (ISO/IEC 23009-1, 5.3.5.2).
            let all = neededLayers(id).reduce(0) { $0 + (bytes[$1] ?? 0) }
            manifest.representations.append(
                try representation(
                    id, needed: neededLayers(id).filter { $0 != id }, starts: starts, bytes: all,
                    seconds: manifest.seconds))
        }
        if let presented, let copied = try presented.contents() {
            let starts = base.map { Double(tracks[0].start(of: $0)) / Double(timeline.timeScale) }
            let sounds = copied.tracks.filter { $0.handler == "soun" }
            let lists =
                (presented.edits == nil ? [] : ["video"]) + sounds.filter { $0.edits != nil }.map(\.handler.kind)
            if !lists.isEmpty { notes.append(EditList.lost(lists)) }
            for (i, sound) in sounds.enumerated() {
                try write(sound, number: i, starts: starts, into: &manifest)
            }
            let further = copied.left.map(\.kind).filter { !others.contains($0) }
            let left = others.filter { $0 != FourCC("soun").kind } + further
            if !left.isEmpty { notes.append("left out: \(left.joined(separator: ", "))") }
        }
        try files.write(Array(manifest.text.utf8), name: PackageFolder.manifest)
        try files.write(Array(PackagePage.text(manifest).utf8), name: PackageFolder.page)
        try files.finish()
        return notes
    }

    private func timeline(_ notes: inout [String]) -> SampleTimeline {
        if let presented {
            if let (times, lastDuration) = presented.shown(places[...], from: 0) {
                // Sound may play before the first picture.
                return SampleTimeline.part(shown: times, lastDuration: lastDuration, of: presented, delay: true)
            }
            notes.append("its pictures are not those of the source: they are shown at a constant rate")
        }
        return SampleTimeline(
            indices: DisplayOrder.indices(places),
            rate: frameRate ?? units.order.rate)
    }

    private func neededLayers(_ id: Int) -> [Int] {
        guard let vps = sets.anyVps else { return id == 0 ? [0] : [0, id] }
        // Nobody shows auxiliary pictures alone; and what their layer is for is said beside the base layer.
        let primary = vps.auxId(ofLayer: id) > 0 ? [0] : []
        return Set(vps.layersNeeded(for: id) + primary).sorted()
    }

    /// A layer's track with its times.
    private func track(_ id: Int, _ ids: [Int], _ timeline: SampleTimeline) throws -> FragmentedTrack {
        guard let layer = layers[id] else { throw SyntaxError.missing(set: "SPS", id: id) }
        var track = layer.track
        track.timeScale = timeline.timeScale
        track.mediaStart = timeline.mediaStart
        for i in track.samples.indices {
            let unit = layer.units[i]
            let next = i + 1 < layer.units.count ? layer.units[i + 1] : unit + 1
            track.samples[i].duration = (unit..<next).reduce(0) { $0 + timeline.duration($1) }
            track.samples[i].compositionOffset = timeline.compositionOffset(unit)
        }
        let descriptions =
            id == 0
            ? try layer.entries.descriptions(further: source?.entryBoxes(layers: 1) ?? [])
            : try layer.entries.descriptions(base: firstByte) { try sets.sequenceParameterSet(id: $0, layerId: id) }
        track.descriptions = HEVCSampleDescription.box(descriptions.map(\.entry))
        track.size = descriptions[0].shownSize
        track.matrix = source?.matrix
        track.bases = neededLayers(id).filter { $0 != id }.compactMap { ids.firstIndex(of: $0) }.map { $0 + 1 }
        return FragmentedTrack(
            track: track, id: (ids.firstIndex(of: id) ?? 0) + 1,
            decoded: layer.units.map { timeline.emptyStart + timeline.decoded[$0] })
    }

    /// A track as an initialization segment of so many layers describes it: what is said of both eyes is said beside
    /// both only.
    private func described(_ track: FragmentedTrack, _ count: Int) throws -> FragmentedTrack {
        guard count > 1, track.track.bases.isEmpty, let source, let base = layers[0] else { return track }
        var all = track.track
        all.descriptions = HEVCSampleDescription.box(
            try base.entries.descriptions(further: source.entryBoxes(layers: count)).map(\.entry))
        return FragmentedTrack(track: all, id: track.id, decoded: track.decoded)
    }

    private func representation(
        _ id: Int, needed: [Int], starts: [Int], bytes: Int, seconds: Double
    ) throws -> DASHManifest.Representation {
        let profile = sets.anyVps?.profileTierLevel(ofLayer: id) ?? ProfileTierLevel()
        guard let sps = try layers[id]?.entries.firstSps(of: id, in: sets) else {
            throw SyntaxError.missing(set: "SPS", id: id)
        }
        return DASHManifest.Representation(
            layer: id, codecs: profile.codecs(id == 0 ? "hvc1" : "lhv1"), width: sps.shownSize.width,
            height: sps.shownSize.height, sampleAspect: sps.vui?.colour.sampleAspect,
            bandwidth: max(Int(Double(bytes) * 8 / max(seconds, 0.001)), 1), dependencies: needed, starts: starts,
            protection: protection[id], content: content(of: id))
    }

    private func content(of id: Int) -> DASHManifest.Content {
        guard let vps = sets.anyVps else { return DASHManifest.Content() }
        let view = vps.viewId(ofLayer: id)
        let eye = displays.flatMap { view == $0.leftViewId ? "l0" : view == $0.rightViewId ? "r0" : nil }
        return DASHManifest.Content(auxId: vps.auxId(ofLayer: id), viewId: view, eye: eye)
    }

    /// Seconds of sound before the first that is heard: AAC takes a packet, Opus 80 ms.
    private static let preparation = 0.1

    private func write(
        _ all: OutputTrack, number: Int, starts: [Double], into manifest: inout DASHManifest
    ) throws {
        // What is decoded and not heard stays behind the edit list as far as it prepares the decoder.
        var sound = all
        let prepares = Int(Self.preparation * Double(all.timeScale))
        while sound.samples.count > 1, sound.mediaStart - sound.samples[0].duration >= prepares {
            sound.mediaStart -= sound.samples.removeFirst().duration
        }
        var decoded: [Int] = []
        var time = all.emptyStart
        for sample in sound.samples {
            decoded.append(time)
            time += sample.duration
        }
        let heard = Double(all.emptyStart + (all.shown ?? time - all.emptyStart - sound.mediaStart))
        manifest.seconds = max(manifest.seconds, heard / Double(all.timeScale))
        let track = FragmentedTrack(track: sound, id: 64 + number, decoded: decoded)
        try files.write(FragmentedTrack.initialization([track]), name: "sound\(number)-init.mp4")
        var bytes = 0
        let segments = track.segments(startingAt: starts).filter { !$0.isEmpty }
        for (i, range) in segments.enumerated() {
            let segment = try track.segment(range, number: i + 1)
            bytes += segment.count
            try files.write(segment, name: "sound\(number)-\(i + 1).m4s")
        }
        manifest.sounds.append(
            DASHManifest.Sound(
                number: number, codecs: SoundDescription(sound.descriptions)?.codecs, timeScale: sound.timeScale,
                starts: segments.map { track.start(of: $0) } + [track.end],
                bandwidth: max(Int(Double(bytes) * 8 / max(manifest.seconds, 0.001)), 1),
                language: OutputTrack.language(of: sound.language),
                name: sound.name.flatMap { String(validating: $0, as: UTF8.self) }
                    .flatMap { $0.isEmpty || $0.hasSuffix("Handler") ? nil : $0 }))
    }

}

extension ProfileTierLevel {
    /// The `codecs` parameter (ISO/IEC 14496-15, E.3).
    func codecs(_ entry: String) -> String {
        var reversed: UInt32 = 0
        for bit in 0..<32 where generalProfileCompatibilityFlags >> bit & 1 != 0 { reversed |= 1 << (31 - bit) }
        var constraints = (0..<6).map { UInt8(truncatingIfNeeded: generalConstraintFlags >> (40 - 8 * $0)) }
        while constraints.last == 0 { constraints.removeLast() }
        let space = ["", "A", "B", "C"][generalProfileSpace & 3]
        let parts =
            [
                entry, "\(space)\(generalProfileIdc)", String(reversed, radix: 16, uppercase: true),
                "\(generalTierFlag ? "H" : "L")\(generalLevelIdc)",
            ] + constraints.map { String($0, radix: 16, uppercase: true) }
        return parts.joined(separator: ".")
    }
}
