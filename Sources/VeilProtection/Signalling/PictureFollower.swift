// SPDX-License-Identifier: GPL-2.0-or-later
import Crypto
import VeilBitstream
import VeilSystem

/// Follows the NAL units of an encrypted stream picture by picture, for tags: what each picture is decoded from, and
/// where it stands.
struct PictureFollower {
    struct Picture {
        let layer: Int
        let temporalId: Int
        let offset: Int
        let isIRAP: Bool
        var position: PicturePosition
        /// SHA-256 of the payload of the encryption message in force, and of the parameter sets in use.
        var messageHash: [UInt8]
        var vpsHash: [UInt8]
        var spsHash: [UInt8]
        var ppsHash: [UInt8]
        /// SHA-256 of each slice segment's NAL unit.
        var slices: [[UInt8]] = []
        /// Of the pictures that the layer refers to directly, in the access unit; and whether there are any.
        let lowerDigest: [UInt8]
        let hasLower: Bool
        /// NAL unit headers of those pictures.
        let lowerHeaders: [NALUnitHeader]
        /// An end of sequence or bitstream came since the layer's last picture.
        var followsEnd = false
        /// As of the picture's first slice.
        var history = ParameterSetHistory.Counts()
    }

    /// Of a sealed unit; and what it would be had an end of sequence come before it, or none: nil where that is known.
    struct SealedHash {
        let hash: [UInt8]
        let other: [UInt8]?
    }

    private let sets = ParameterSetCollection()
    /// SHA-256 of parameter sets by type and identifier, and the nuh_layer_id they came with.
    private var raw: [ParameterSetKey: [UInt8]] = [:]
    private var rawLayers: [ParameterSetKey: Int] = [:]
    private var positions = StreamPosition()
    /// Periods that messages announced and no picture began yet; of version 1 they wait for an IRAP picture.
    private var starts: [Int: (start: PeriodStart, waitsForIRAP: Bool)] = [:]
    private var messageHashes: [Int: [UInt8]] = [:]
    /// The message in force of each layer.
    private var messages: [Int: ProtectionMessage] = [:]
    /// Of parameter sets that cannot be read, by type and nuh_layer_id: nobody knows which ones they replace.
    private var unreadable: [NALUnitType: [Int: [UInt8]]] = [:]
    /// Sealed units by the layer of their key, since its last tag: SHA-256 of each with its place and parameter sets.
    private(set) var sealed: [Int: [SealedHash]] = [:]
    /// Layers of which a slice or sealed unit came since the stream was entered, or joined to another.
    private var placed: Set<Int> = []
    /// SHA-256 of the parameter sets, slices and sealed units of the access unit by layer.
    private var accessUnit: [Int: [[UInt8]]] = [:]
    /// Headers of its slices.
    private var headers: [Int: [NALUnitHeader]] = [:]
    /// Its first unit is a sealed one: where it ends, order counts alone do not tell.
    private var beganSealed = false
    /// The layer of its last slice or sealed unit, or what is above all.
    private var lastLayer = 64
    private(set) var open: Picture?
    /// Layers whose next picture follows an end of sequence; and whose next picture or sealed unit does.
    private var ended: Set<Int> = []
    private var endedBeforeUnit: Set<Int> = []
    /// Whether slices are hashed: only where there are tags.
    var hashesSlices = true
    private(set) var history = ParameterSetHistory()
    /// nuh_layer_ids of the VPS of the last picture.
    private(set) var layers = [0]

    private static let emptyHash = hash([])

    static func hash(_ bytes: [UInt8]) -> [UInt8] { Array(SHA256.hash(data: bytes)) }

    /// Whether the picture being followed ends before this unit.
    func ends(before nal: NALUnit) -> Bool {
        guard let open else { return false }
        let own = nal.header.nuhLayerId == open.layer
        if own && (nal.header.nalUnitType == .suffixSEI || SealedUnit.isOne(nal)) { return false }
        return !(own && nal.header.nalUnitType.isSlice && !nal.beginsPicture)
    }

    mutating func close() { open = nil }

    /// A tag covers the sealed units that came before it.
    mutating func takeSealed(for tag: AuthenticationMessage) -> [SealedHash] {
        // Of layers below it does not: the layer whose key it is under has tags of its own.
        tag.lowerLayer == nil ? sealed.removeValue(forKey: tag.layer) ?? [] : []
    }

    /// What a tag may be about: in front of the first units nobody knows what was there.
    static func candidates(_ sealed: [SealedHash]) -> [[[UInt8]]] {
        sealed.reduce([[]]) { lists, next in
            let others = lists.count < 64 ? next.other.map { other in lists.map { $0 + [other] } } ?? [] : []
            return lists.map { $0 + [next.hash] } + others
        }
    }

    /// Another stream begins.
    mutating func beginAnew() { placed = [] }

    /// An encryption message came.
    mutating func observe(_ message: ProtectionMessage) {
        starts[message.layer] = (message.periodStart, message.version == 1)
        messageHashes[message.layer] = Self.hash(message.payload)
        messages[message.layer] = message
    }

    /// Takes a unit that is no message. Throws where headers cannot be read.
    mutating func observe(_ nal: NALUnit) throws {
        let layer = nal.header.nuhLayerId
        switch nal.header.nalUnitType {
        case .vps, .sps, .pps:
            let hash = Self.hash(nal.bytes)
            history.record(nal, hash: hash)
            unreadable[nal.header.nalUnitType, default: [:]][layer] = hash
            // As those do who encrypt and decrypt: nothing is read with what an unreadable set replaced.
            guard let id = try sets.insertOrRemove(nal) else { return }
            unreadable[nal.header.nalUnitType]?[layer] = nil
            let key = ParameterSetKey(nal.header.nalUnitType, id)
            raw[key] = hash
            rawLayers[key] = layer
        case .accessUnitDelimiter:
            positions.boundary()
            endAccessUnit()
        case .endOfSequence, .endOfBitstream:
            positions.endOfSequence(layer: layer)
            endAccessUnit()
            for above in layer..<63 {
                ended.insert(above)
                endedBeforeUnit.insert(above)
            }
        case let type where type.isSlice:
            // Of a picture whose beginning is lost, or that was closed already, any slice begins another one.
            if nal.beginsPicture || open?.layer != layer { try begin(nal) }
            guard hashesSlices else { return }
            let hash = Self.hash(nal.bytes)
            open?.slices.append(hash)
            accessUnit[layer, default: []].append(hash)
            if headers[layer]?.last != nal.header { headers[layer, default: []].append(nal.header) }
        default:
            if hashesSlices, SealedUnit.isOne(nal), let key = SealedUnit.keyLayer(nal) { seal(nal, key) }
        }
    }

    private mutating func endAccessUnit() {
        beganSealed = false
        lastLayer = 64
    }

    /// Whether a unit of a layer that is about to come follows an end of sequence, of which no unit came since.
    func followsEnd(layer: Int) -> Bool { endedBeforeUnit.contains(layer) }

    /// A sealed unit under the key of a layer: where it stands, and what may be predicted from it. Units of an access
    /// unit have ascending layers, but for those of one picture.
    private mutating func seal(_ nal: NALUnit, _ key: Int) {
        let layer = nal.header.nuhLayerId
        history.useAll()
        let isWithin = open?.layer == layer
        let place = isWithin ? open?.slices.count ?? 0 : 0
        if !isWithin && layer <= lastLayer {
            accessUnit.removeAll()
            headers.removeAll()
            beganSealed = true
        }
        // Who has no key of a layer below sees stand-ins instead of its hidden pictures.
        let below = references(of: layer, sets.anyVps).filter { !isHidden($0, messages[key]) }
        let lower = lowerDigest(below, in: accessUnit) ?? Self.noLower
        let end: UInt8 = endedBeforeUnit.remove(layer) == nil ? 0 : 1
        let isFirst = placed.insert(layer).inserted
        let known =
            nal.bytes + AuthenticationMessage.word(UInt32(truncatingIfNeeded: place)) + setsDigest(of: layer) + lower
        sealed[key, default: []].append(
            SealedHash(hash: Self.hash(known + [end]), other: isFirst ? Self.hash(known + [1 - end]) : nil))
        accessUnit[layer, default: []].append(Self.hash(nal.bytes))
        lastLayer = layer
    }

    /// Whether the picture of a layer in the access unit is hidden, as a message of its run tells.
    private func isHidden(_ layer: Int, _ message: ProtectionMessage?) -> Bool {
        guard let message, message.version > 1, !message.leavesClear(layer: layer), let header = headers[layer]?.first
        else { return false }
        return message.hiding.includes(header, message.selection)
    }

    private mutating func begin(_ nal: NALUnit) throws {
        open = nil
        let layer = nal.header.nuhLayerId
        // Sealed units in front of a picture are of its access unit if theirs are of lower layers, or its first slice.
        let goesOn = beganSealed && (layer > lastLayer || layer == lastLayer && !nal.beginsPicture)
        let before = goesOn && layer == lastLayer ? accessUnit[layer] ?? [] : []
        // Whatever cannot be read, the picture's slices are not those of the last one.
        accessUnit[layer] = nil
        headers[layer] = nil
        endedBeforeUnit.remove(layer)
        placed.insert(layer)
        let header = try SliceSegmentHeader(nal: nal.header, rbsp: nal.rbsp, sets: sets, previous: nil)
        let pps = try sets.pictureParameterSet(id: header.slicePicParameterSetId)
        let sps = try sets.sequenceParameterSet(id: pps.ppsSeqParameterSetId, layerId: layer)
        let vps = sets.videoParameterSet(id: sps.spsVideoParameterSetId)
        history.use(pps: header.slicePicParameterSetId, sps: pps.ppsSeqParameterSetId)
        let starts = starts
        var taken = false
        let position = positions.next(header, log2MaxPicOrderCntLsb: sps.log2MaxPicOrderCntLsb) { layer, isIRAP in
            guard let announced = starts[layer], isIRAP || !announced.waitsForIRAP else { return nil }
            taken = true
            return announced.start
        }
        if taken { self.starts[layer] = nil }
        if position.beginsAccessUnit && !goesOn {
            accessUnit.removeAll()
            headers.removeAll()
            beganSealed = false
        }
        lastLayer = layer
        layers = StreamLayout.layers(sets.videoParameterSet(of: sps))
        let lowerLayers = references(of: layer, vps)
        let lower = lowerDigest(lowerLayers, in: accessUnit)
        let spsHash = hash(of: .sps, pps.ppsSeqParameterSetId, layer)
        let ppsHash = hash(of: .pps, header.slicePicParameterSetId, layer)
        if hashesSlices { accessUnit[layer] = [spsHash, ppsHash] + before }
        open = Picture(
            layer: layer, temporalId: nal.header.temporalId, offset: nal.offset, isIRAP: header.nalUnitType.isIRAP,
            position: position, messageHash: messageHashes[layer] ?? Self.emptyHash,
            vpsHash: hash(of: .vps, sps.spsVideoParameterSetId, layer), spsHash: spsHash, ppsHash: ppsHash,
            lowerDigest: lower ?? Self.noLower, hasLower: lower != nil,
            lowerHeaders: lowerLayers.flatMap { headers[$0] ?? [] }, followsEnd: ended.remove(layer) != nil,
            history: history.counts)
    }

    private static let noLower = [UInt8](repeating: 0, count: AuthenticationMessage.digestBytes)

    /// Of what there is of some layers; nil where there is nothing.
    private func lowerDigest(_ layers: [Int], in accessUnit: [Int: [[UInt8]]]) -> [UInt8]? {
        var hasher = SHA256()
        var isEmpty = true
        for id in layers {
            guard let hashes = accessUnit[id] else { continue }
            isEmpty = false
            hasher.update(data: [UInt8(truncatingIfNeeded: id)])
            for hash in hashes { hasher.update(data: hash) }
        }
        return isEmpty ? nil : Array(hasher.finalize().prefix(AuthenticationMessage.digestBytes))
    }

    /// SHA-256 of the parameter set in use; where others came that could not be read, of both.
    private func hash(of type: NALUnitType, _ id: Int, _ layer: Int) -> [UInt8] {
        let own = raw[ParameterSetKey(type, id)] ?? Self.emptyHash
        let others = (unreadable[type] ?? [:]).filter { $0.key <= layer }.sorted { $0.key < $1.key }
        return others.isEmpty ? own : Self.hash(own + others.flatMap(\.value))
    }

    /// SHA-256 of what a sealed unit of a layer may be decoded with, for nobody can tell which it is: the parameter
    /// sets that came last with its nuh_layer_id or 0; but not, in layer 0, the VPS, which extraction may change.
    private func setsDigest(of layer: Int) -> [UInt8] {
        var hasher = SHA256()
        func update(_ type: UInt8, _ id: Int, _ hash: [UInt8]) {
            if type == NALUnitType.vps.rawValue && layer == 0 { return }
            hasher.update(data: [type, UInt8(truncatingIfNeeded: id)] + hash)
        }
        for (key, hash) in raw.sorted(by: { $0.key < $1.key }) where [0, layer].contains(rawLayers[key]) {
            update(key.type, key.id, hash)
        }
        for (type, sets) in unreadable.sorted(by: { $0.key.rawValue < $1.key.rawValue }) {
            for (own, hash) in sets.sorted(by: { $0.key < $1.key }) where own == 0 || own == layer {
                update(type.rawValue, 255, hash)
            }
        }
        return Array(hasher.finalize())
    }

    /// The layers that a layer refers to directly, and those that they refer to where they are not protected: nothing
    /// else covers them. Ascending.
    private func references(of layer: Int, _ vps: VideoParameterSet?) -> [Int] {
        // Version 1 does not tell.
        let mask = messages[layer].flatMap { $0.version > 1 ? $0.protectedLayers : nil }
        var found: Set<Int> = []
        var waiting = vps?.directReferenceLayers(of: layer) ?? []
        while let next = waiting.popLast() {
            guard found.insert(next).inserted, let mask, mask >> UInt64(next & 63) & 1 == 0 else { continue }
            waiting += vps?.directReferenceLayers(of: next) ?? []
        }
        return found.sorted()
    }
}
