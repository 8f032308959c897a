// SPDX-License-Identifier: GPL-2.0-or-later
import VeilBitstream

/// Encryption messages as NAL units: a prefix SEI of the layer they tell about, alone in its unit.
package enum ProtectionSEI {
    /// What the UUIDs of all of Veil's messages begin with.
    private static let uuidStart: [UInt8] = [0x76, 0x65, 0x69, 0x6C]

    /// The user data of an SEI unit that holds one of Veil's messages, whatever it says, and nothing else: such a
    /// unit is put in by encryption and taken out by decryption. Others pass, damaged ones too.
    package static func ownPayload(in nal: NALUnit) -> [UInt8]? {
        guard nal.header.nalUnitType == .prefixSEI || nal.header.nalUnitType == .suffixSEI, nal.isCanonical,
            let sei = SEIMessage.only(rbsp: nal.rbsp), sei.payloadType == SEIMessage.userDataUnregistered,
            sei.payload.count >= 16, sei.payload.starts(with: uuidStart)
        else { return nil }
        return sei.payload
    }

    /// What kind of user data a message holds; nil of other messages, and of Veil's own.
    package static func userDataKind(_ message: SEIMessage) -> String? {
        switch message.payloadType {
        case SEIMessage.userDataUnregistered:
            return message.payload.starts(with: uuidStart) ? nil : "unregistered"
        case SEIMessage.userDataRegistered:
            if message.isCaptions { return "captions" }
            // Country (United States), provider, and what the provider goes by: SMPTE ST 2094-40 as CTA-861 wraps it.
            if message.payload.starts(with: [0xB5, 0x00, 0x3C, 0x00, 0x01, 0x04]) { return "HDR10+" }
            return "ITU-T T.35"
        default: return nil
        }
    }

    /// - Parameter carriedBy: the unit's nuh_layer_id, where it is not the layer that the message is about.
    package static func unit(_ message: ProtectionMessage, carriedBy layer: Int? = nil) -> NALUnit {
        let sei = SEIMessage(payloadType: SEIMessage.userDataUnregistered, payload: message.payload)
        return NALUnit(
            header: NALUnitHeader(nalUnitType: .prefixSEI, nuhLayerId: layer ?? message.layer),
            rbsp: SEIMessage.rbsp([sei]))
    }

    /// The suffix SEI unit of an authentication message: of the picture's layer and sub-layer.
    package static func unit(_ message: AuthenticationMessage, temporalId: Int) -> NALUnit {
        let sei = SEIMessage(payloadType: SEIMessage.userDataUnregistered, payload: message.payload)
        return NALUnit(
            header: NALUnitHeader(
                nalUnitType: .suffixSEI, nuhLayerId: message.pictureLayer, nuhTemporalIdPlus1: temporalId + 1),
            rbsp: SEIMessage.rbsp([sei]))
    }

    /// The authentication message of a suffix SEI unit, or nil when it holds none.
    package static func authentication(in nal: NALUnit) throws -> AuthenticationMessage? {
        guard let payload = ownPayload(in: nal) else { return nil }
        do { return try AuthenticationMessage(payload: payload) } catch let error as ProtectionMessage.ParseError {
            throw KeyError.unsupported(layer: nal.header.nuhLayerId, reason: error.description)
        }
    }

    /// The encryption message of a prefix SEI unit, or nil when it holds none.
    package static func message(in nal: NALUnit) throws -> ProtectionMessage? {
        guard let payload = ownPayload(in: nal) else { return nil }
        do { return try ProtectionMessage(payload: payload) } catch let error as ProtectionMessage.ParseError {
            throw KeyError.unsupported(layer: nal.header.nuhLayerId, reason: error.description)
        }
    }
}
