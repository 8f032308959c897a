// SPDX-License-Identifier: GPL-2.0-or-later
import Crypto
import Foundation

/// The keys of one layer of one stream, derived from the layer's key and the stream's nonce (HKDF-SHA256, RFC 5869):
/// salt is the nonce; info is a label, the layer and the cipher as one byte each. Labels: "Veil keystream 1", "Veil
/// key check 1", "Veil authentication 1".
struct StreamKey {
    /// 32 bytes for the keystream generator.
    let keystream: [UInt8]
    /// 32 bytes for the tags of pictures.
    let authentication: [UInt8]
    /// 8 bytes that tell a wrong key, or a message that was changed: the first of an HMAC-SHA-256 of the message's
    /// other fields.
    let check: [UInt8]

    /// - Parameter message: gives nonce, layer and cipher; its key check value is not looked at.
    init(key: SecretBytes, message: ProtectionMessage) {
        func derive(_ label: String) -> [UInt8] {
            HKDF<SHA256>.deriveKey(
                inputKeyMaterial: SymmetricKey(data: key.bytes), salt: message.nonce,
                info: Data(label.utf8) + [UInt8(message.layer), message.cipher.rawValue], outputByteCount: 32
            ).withUnsafeBytes { Array($0) }
        }
        keystream = derive("Veil keystream 1")
        authentication = derive("Veil authentication 1")
        let mac = HMAC<SHA256>.authenticationCode(
            for: message.checkedFields, using: SymmetricKey(data: derive("Veil key check 1")))
        check = Array(mac.prefix(8))
    }
}
