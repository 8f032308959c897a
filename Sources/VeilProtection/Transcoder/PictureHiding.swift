// SPDX-License-Identifier: GPL-2.0-or-later
import Crypto
import VeilBitstream
import VeilEntropy

/// Which pictures of encrypted layers are hidden: sealed whole, so that nothing of their syntax can be read, with a
/// `StandInPicture` for decoders without the key.
public enum HiddenPictures: Int, Sendable, CaseIterable {
    /// None: selective encryption alone.
    case none = 0
    /// IRAP pictures: what shows whole scenes.
    case irap = 1
    /// Those of the lowest temporal sub-layer as well.
    case lowestSubLayer = 2
    /// All.
    case all = 3

    /// Why pictures that are hidden and those that a selection leaves clear do not go together; nil where they do.
    package func contradiction(of selection: EncryptionScope) -> String? {
        switch self {
        case .none: nil
        case _ where !selection.regions.isEmpty: "hidden pictures have no regions"
        case _ where selection.minTemporalId > 0:
            "IRAP pictures would be hidden, and a lowest temporal sub-layer above 0 leaves them clear"
        case .lowestSubLayer, .all:
            selection.irapOnly ? "pictures that are not IRAP pictures would be hidden and left clear (hide 1)" : nil
        case .irap: nil
        }
    }

    /// Whether a unit is of a hidden picture, where the pictures that are encrypted at all are those of `scope`.
    func includes(_ h: NALUnitHeader, _ scope: EncryptionScope) -> Bool {
        h.nalUnitType.isVCL && scope.includes(h) && includes(isIRAP: h.nalUnitType.isIRAP, temporalId: h.temporalId)
    }

    /// The same of a unit that is encrypted.
    func includes(_ unit: BinUnit) -> Bool { includes(isIRAP: unit.isIRAP, temporalId: unit.temporalId) }

    private func includes(isIRAP: Bool, temporalId: Int) -> Bool {
        switch self {
        case .none: false
        case .irap: isIRAP
        case .lowestSubLayer: isIRAP || temporalId == 0
        case .all: true
        }
    }
}

/// Hides pictures of an encrypted stream as it leaves: after encryption and tags, so that what is sealed is what an
/// encryption without hiding would have sent. Before the first sealed slice of a picture its stand-in is sent.
package final class PictureHiding {
    package var encryption: Encryption?
    /// Pictures that were hidden, and how many bytes that added.
    package private(set) var count = 0
    package private(set) var bytes = 0
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
        case .vps, .sps, .pps: _ = try? sets.insertOrRemove(nal)
        default: break
        }
        guard let encryption, encryption.hides(nal.header) else {
            try deliver(nal)
            return
        }
        if nal.beginsPicture {
            count += 1
            if let standIn = try? StandInPicture.make(nal, sets: sets) {
                bytes += standIn.startCodeLength + standIn.bytes.count
                try deliver(standIn)
            }
        }
        let sealed = try encryption.seal(nal, layer: nal.header.nuhLayerId, as: .hidden)
        bytes += sealed.bytes.count - nal.bytes.count
        try deliver(sealed)
    }
}

/// Opens the hidden pictures of a stream as it comes in, and takes their stand-ins out: what follows sees the stream as
/// it was before hiding. Layers without a key stay as they are.
package final class PictureOpening {
    private struct Layer {
        let key: SymmetricKey
        let message: ProtectionMessage
    }

    private let decryption: Decryption
    private let deliver: (NALUnit) throws -> Void
    private var layers: [Int: Layer] = [:]
    /// The last slice of what should be hidden: a stand-in, whose sealed unit comes next.
    private var held: NALUnit?
    private var hasBegun = false

    package init(_ decryption: Decryption, deliver: @escaping (NALUnit) throws -> Void) {
        self.decryption = decryption
        self.deliver = deliver
    }

    private func begin() throws {
        if hasBegun { return }
        hasBegun = true
        try decryption.begin()
        for message in decryption.givenMessages { try setKey(of: message) }
    }

    package func push(_ nal: NALUnit) throws {
        try begin()
        if SealedUnit.isOne(nal, kind: .hidden) {
            try open(nal)
            return
        }
        try loseHeld()
        if nal.isMalformed {
            try deliver(nal)
            return
        }
        if nal.header.nalUnitType == .prefixSEI, let message = try ProtectionSEI.message(in: nal) {
            try setKey(of: message)
        }
        if let message = layers[nal.header.nuhLayerId]?.message,
            message.hiding.includes(nal.header, message.selection)
        {
            held = nal
        } else {
            try deliver(nal)
        }
    }

    /// - Parameter isCut: whoever sent the stream was stopped: what a stand-in stands for may be what is missing.
    package func finish(isCut: Bool = false) throws {
        try begin()
        if isCut { held = nil }
        try loseHeld()
    }

    /// A stand-in without a picture is no picture: given out, it would look like one.
    private func loseHeld() throws {
        guard let nal = held else { return }
        held = nil
        try decryption.loseHidden(layer: nal.header.nuhLayerId, offset: nal.offset)
    }

    private func setKey(of message: ProtectionMessage) throws {
        let key = try decryption.sealingKey(message)
        layers[message.layer] = key.map { Layer(key: $0, message: message) }
        if key == nil { return }
        // Another run, which need not protect all that the last one did.
        for (id, known) in layers where known.message.nonce != message.nonce && message.leavesClear(layer: id) {
            layers[id] = nil
        }
    }

    private func open(_ nal: NALUnit) throws {
        let layer = nal.header.nuhLayerId
        guard let key = layers[layer]?.key else {
            try loseHeld()
            // Without the key the stand-in is what there is to see.
            try deliver(nal)
            return
        }
        guard let opened = SealedUnit.open(nal, key: key, kind: .hidden), opened.header.nuhLayerId == layer else {
            throw KeyError.tampered(layer: layer, offset: nal.offset, reason: "a hidden picture was changed")
        }
        if held?.header.nuhLayerId == layer { held = nil }
        try loseHeld()
        try deliver(opened)
    }
}
