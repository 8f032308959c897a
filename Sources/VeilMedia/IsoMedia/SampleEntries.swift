// SPDX-License-Identifier: GPL-2.0-or-later
import VeilBitstream

/// The sample entries of a stream that is being written: which units go there, and which into samples. Where a
/// parameter set is replaced by another of its identifier a new entry begins.
struct SampleEntries {
    /// Sets of one kind replace each other by their identifier, whatever their layer (F.7.4.1.4.1).
    private struct Key: Hashable {
        let type: UInt8
        let id: Int
    }

    private struct Entry {
        var order: [Key] = []
        var sets: [Key: NALUnit] = [:]
        var messages: [NALUnit] = []
        /// The base layer's first SPS in samples.
        var firstInBand: NALUnit?
        var described = ColourDescription()
        /// Which views are for which eye, where the stream tells.
        var eyes: ReferenceDisplays?
        var isUsed = false

        /// Takes down what a message says of the whole stream.
        mutating func describe(_ message: NALUnit) {
            SEIMessage.describe(message, &described)
            eyes = ReferenceDisplays(of: message) ?? eyes
        }

        /// `vexu`, as Apple's players want it: the views of the base layer and of one above are those of both eyes.
        /// Empty where they are not.
        var stereo: [UInt8] {
            guard let eyes, let unit = sets.values.first(where: { $0.header.nalUnitType == .vps }),
                let vps = try? VideoParameterSet(rbsp: unit.rbsp),
                sets.values.contains(where: { $0.header.nuhLayerId > 0 })
            else { return [] }
            let views = vps.layerIds.filter { vps.auxId(ofLayer: $0) == 0 }.map { vps.viewId(ofLayer: $0) }
            guard Set(views) == [eyes.leftViewId, eyes.rightViewId], Set(views).count == 2 else { return [] }
            // has_left_eye_view, has_right_eye_view; eye_views_reversed where the base layer is the right eye's.
            let flags = views[0] == eyes.leftViewId ? 3 : 11
            var w = BoxWriter()
            w.box("vexu") { $0.box("eyes") { $0.fullBox("stri") { $0.u8(flags) } } }
            return w.bytes
        }

        /// The same for the samples that follow.
        var unused: Entry {
            var copy = self
            copy.isUsed = false
            return copy
        }
    }

    /// Parameter sets may be in samples (`hev1`).
    var inBand = false
    /// Units that lay in sample entries of the stream's source, which is where they go again.
    var outOfBand: [NALUnit] = []
    /// The stream has such a source, whose samples may repeat parameter sets, as some writers leave them.
    var keepsRepetitions = false
    private var entries = [Entry()]
    private var hadPicture = false

    static let mostEntries = 256

    /// The number of the last sample's entry.
    var count: Int { entries.count }

    /// Adds the parameter sets of an access unit to the entries; the units that stay in its sample.
    /// - Parameter beginsAnew: decoding can begin at it.
    mutating func addSample(_ unit: [NALUnit], beginsAnew: Bool, path: String) throws -> [NALUnit] {
        var result: [NALUnit] = []
        var hadSlice = false
        for nal in unit {
            let type = nal.header.nalUnitType
            if type.isSlice { hadSlice = true }
            if type == .prefixSEI, !hadSlice, let index = outOfBand.firstIndex(where: { $0.bytes == nal.bytes }) {
                if !entries[count - 1].messages.contains(where: { $0.bytes == nal.bytes }) {
                    outOfBand.remove(at: index)
                    entries[count - 1].messages.append(nal)
                    entries[count - 1].describe(nal)
                    continue
                }
            }
            guard let key = try Self.key(of: nal) else {
                if type == .prefixSEI, nal.header.nuhLayerId == 0, !hadPicture {
                    entries[count - 1].describe(nal)
                }
                result.append(nal)
                continue
            }
            if inBand {
                // An entry's sets come first, some of them changed.
                if !hadPicture, let index = outOfBand.firstIndex(where: { (try? Self.key(of: $0)) == key }),
                    entries[0].sets[key] == nil
                {
                    outOfBand.remove(at: index)
                    add(nal, key)
                } else {
                    if type == .sps, nal.header.nuhLayerId == 0, entries[0].firstInBand == nil {
                        entries[0].firstInBand = nal
                    }
                    result.append(nal)
                }
                continue
            }
            guard nal.bytes.count <= Int(UInt16.max) else {
                throw MediaError.notSupported(path: path, what: Self.tooLong(nal))
            }
            let wasOutOfBand = takeOutOfBand(nal)
            guard let known = entries[count - 1].sets[key] else {
                add(nal, key)
                continue
            }
            if known.bytes == nal.bytes {
                // Said again. In a sample of the stream's source it stays, so that the sample is the same again.
                if keepsRepetitions && !wasOutOfBand { result.append(nal) }
                continue
            }
            guard beginsAnew else {
                throw MediaError.notSupported(
                    path: path, what: "\(type) changes between IRAP pictures, which hvc1 cannot hold")
            }
            if entries[count - 1].isUsed {
                // Each holds all sets again.
                guard count < Self.mostEntries else {
                    throw MediaError.notSupported(
                        path: path, what: "parameter sets change more than \(Self.mostEntries) times: name it .hevc")
                }
                entries.append(entries[count - 1].unused)
            }
            entries[count - 1].sets[key] = nal
        }
        hadPicture = true
        entries[count - 1].isUsed = true
        return result
    }

    /// What sample entries, and Matroska's like them, cannot hold: lengths have 16 bits there.
    static func tooLong(_ set: NALUnit) -> String {
        "\(set.header.nalUnitType) of \(set.bytes.count) bytes: a sample entry holds no more than 65535"
    }

    /// Whether a unit lay in a sample entry of the source, each once.
    private mutating func takeOutOfBand(_ nal: NALUnit) -> Bool {
        guard let index = outOfBand.firstIndex(where: { $0.bytes == nal.bytes }) else { return false }
        outOfBand.remove(at: index)
        return true
    }

    private mutating func add(_ nal: NALUnit, _ key: Key) {
        entries[count - 1].sets[key] = nal
        entries[count - 1].order.append(key)
    }

    /// - Parameter further: boxes of the source's entry.
    func descriptions(further: [UInt8] = []) throws -> [HEVCSampleDescription] {
        try entries.map { entry in
            try HEVCSampleDescription(
                units: entry.order.compactMap { entry.sets[$0] } + entry.messages, inBand: inBand,
                first: entry.firstInBand, described: entry.described,
                further: further.isEmpty ? entry.stereo : further)
        }
    }

    /// The entries of a layer above the base layer, in a track of its own.
    /// - Parameter sps: an SPS by identifier with what the VPS says of it.
    func descriptions(
        base: UInt8, sps: (Int) throws -> SequenceParameterSet
    ) throws -> [HEVCSampleDescription] {
        try entries.map { entry in
            guard let key = entry.order.first(where: { $0.type == NALUnitType.sps.rawValue }) else {
                throw SyntaxError.missing(set: "SPS", id: 0)
            }
            return HEVCSampleDescription(
                layer: entry.order.compactMap { entry.sets[$0] } + entry.messages, sps: try sps(key.id),
                described: entry.described, base: base)
        }
    }

    /// The first SPS of a layer, with what the VPS says of it.
    func firstSps(of layer: Int, in sets: ParameterSetCollection) throws -> SequenceParameterSet? {
        try entries[0].order.first { $0.type == NALUnitType.sps.rawValue }.map {
            try sets.sequenceParameterSet(id: $0.id, layerId: layer)
        }
    }

    private static func key(of nal: NALUnit) throws -> Key? {
        let layer = nal.header.nuhLayerId
        let id: Int
        switch nal.header.nalUnitType {
        case .vps: id = try VideoParameterSet(rbsp: nal.rbsp).vpsVideoParameterSetId
        case .sps: id = try SequenceParameterSet(rbsp: nal.rbsp, nuhLayerId: layer).spsSeqParameterSetId
        case .pps: id = try PictureParameterSet(rbsp: nal.rbsp, nuhLayerId: layer).ppsPicParameterSetId
        default: return nil
        }
        return Key(type: nal.header.nalUnitType.rawValue, id: id)
    }
}
