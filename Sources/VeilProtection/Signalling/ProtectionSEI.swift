// SPDX-License-Identifier: GPL-2.0-or-later
import VeilBitstream

/// Encryption messages as NAL units: a prefix SEI of the layer they tell about, alone in its unit.
package enum ProtectionSEI {
    package static func unit(_ message: ProtectionMessage) -> NALUnit {
        let sei = SEIMessage(payloadType: SEIMessage.userDataUnregistered, payload: message.payload)
        return NALUnit(
            header: NALUnitHeader(nalUnitType: .prefixSEI, nuhLayerId: message.layer), rbsp: SEIMessage.rbsp([sei]))
    }

    /// The suffix SEI unit of an authentication message: of the picture's layer and sub-layer.
    package static func unit(_ message: AuthenticationMessage, temporalId: Int) -> NALUnit {
        let sei = SEIMessage(payloadType: SEIMessage.userDataUnregistered, payload: message.payload)
        return NALUnit(
            header: NALUnitHeader(
                nalUnitType: .suffixSEI, nuhLayerId: message.layer, nuhTemporalIdPlus1: temporalId + 1),
            rbsp: SEIMessage.rbsp([sei]))
    }

    /// The authentication message of a suffix SEI unit, or nil when it holds none.
    package static func authentication(in nal: NALUnit) throws -> AuthenticationMessage? {
        for sei in try SEIMessage.messages(rbsp: nal.rbsp) where sei.payloadType == SEIMessage.userDataUnregistered {
            do {
                if let message = try AuthenticationMessage(payload: sei.payload) { return message }
            } catch let error as ProtectionMessage.ParseError {
                throw KeyError.unsupported(layer: nal.header.nuhLayerId, reason: error.description)
            }
        }
        return nil
    }

    /// The encryption message of a prefix SEI unit, or nil when it holds none.
    package static func message(in nal: NALUnit) throws -> ProtectionMessage? {
        for sei in try SEIMessage.messages(rbsp: nal.rbsp) where sei.payloadType == SEIMessage.userDataUnregistered {
            do {
                if let message = try ProtectionMessage(payload: sei.payload) { return message }
            } catch let error as ProtectionMessage.ParseError {
                throw KeyError.unsupported(layer: nal.header.nuhLayerId, reason: error.description)
            }
        }
        return nil
    }
}
