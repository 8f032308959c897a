// SPDX-License-Identifier: GPL-2.0-or-later
import Crypto
import VeilBitstream

/// Which pictures of encrypted layers are hidden: sealed whole, so that nothing of their syntax can be read, with a
/// ``StandInPicture`` for decoders without the key.
public enum HiddenPictures: Int, Sendable, CaseIterable {
    /// None: selective encryption alone.
    case none = 0
    /// IRAP pictures: what shows whole scenes.
    case irap = 1
    /// Those of the lowest temporal sub-layer as well.
    case lowestSubLayer = 2
    /// All.
    case all = 3

    func includes(_ h: NALUnitHeader) -> Bool {
        guard h.nalUnitType.isVCL else { return false }
        switch self {
        case .none: return false
        case .irap: return h.nalUnitType.isIRAP
        case .lowestSubLayer: return h.nalUnitType.isIRAP || h.temporalId == 0
        case .all: return true
        }
    }
}

/// Hides pictures of an encrypted stream as it leaves: after encryption and tags, so that what is sealed is what an
/// encryption without hiding would have sent. Before the first sealed slice of a picture its stand-in is sent.
package final class PictureHiding {
    package var encryption: Encryption?
    private let deliver: (NALUnit) throws -> Void
    private let sets = ParameterSetCollection()

    package init(_ encryption: Encryption? = nil, deliver: @escaping (NALUnit) throws -> Void) {
        self.encryption = encryption
        self.deliver = deliver
    }

    package func push(_ nal: NALUnit) throws {
        if nal.isMalformed {
            try deliver(nal)
            return
        }
        switch nal.header.nalUnitType {
        // A set that cannot be read has no pictures that could stand in.
        case .vps, .sps, .pps: try? sets.insertOrRemove(nal)
        default: break
        }
        guard let encryption, encryption.options.hiding.includes(nal.header),
            encryption.encryptedLayers.contains(nal.header.nuhLayerId)
        else {
            try deliver(nal)
            return
        }
        // first_slice_segment_in_pic_flag
        if nal.header.nalUnitType.isSlice, nal.bytes.count > 2, nal.bytes[2] & 0x80 != 0,
            let standIn = try? StandInPicture.make(nal, sets: sets)
        {
            try deliver(standIn)
        }
        try deliver(encryption.seal(nal, layer: nal.header.nuhLayerId, as: .hidden))
    }
}

/// Opens the hidden pictures of a stream as it comes in, and takes their stand-ins out: what follows sees the stream as
/// it was before hiding. Layers without a key stay as they are.
package final class PictureOpening {
    private let decryption: Decryption
    private let deliver: (NALUnit) throws -> Void
    private var keys: [Int: SymmetricKey] = [:]
    /// The last slice, which is a stand-in if a sealed one of its layer comes next.
    private var held: NALUnit?
    private var hasBegun = false

    package init(_ decryption: Decryption, deliver: @escaping (NALUnit) throws -> Void) {
        self.decryption = decryption
        self.deliver = deliver
    }

    package func push(_ nal: NALUnit) throws {
        if !hasBegun {
            hasBegun = true
            for message in decryption.givenMessages { try take(message) }
        }
        if SealedUnit.isOne(nal, kind: .hidden) {
            try open(nal)
            return
        }
        try release()
        if nal.isMalformed {
            try deliver(nal)
            return
        }
        if nal.header.nalUnitType == .prefixSEI, let message = try ProtectionSEI.message(in: nal) { try take(message) }
        if nal.header.nalUnitType.isVCL && keys[nal.header.nuhLayerId] != nil { held = nal } else { try deliver(nal) }
    }

    package func finish() throws { try release() }

    private func release() throws {
        guard let nal = held else { return }
        held = nil
        try deliver(nal)
    }

    private func take(_ message: ProtectionMessage) throws {
        keys[message.layer] = try decryption.sealingKey(message)
    }

    private func open(_ nal: NALUnit) throws {
        let layer = nal.header.nuhLayerId
        guard let key = keys[layer] else {
            // Without the key the stand-in is what there is to see.
            try release()
            try deliver(nal)
            return
        }
        guard let opened = SealedUnit.open(nal, key: key, kind: .hidden), opened.header.nuhLayerId == layer else {
            throw KeyError.tampered(layer: layer, offset: nal.offset, reason: "a hidden picture was changed")
        }
        if held?.header.nuhLayerId == layer { held = nil }
        try release()
        try deliver(opened)
    }
}
