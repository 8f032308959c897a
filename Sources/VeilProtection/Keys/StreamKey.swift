// SPDX-License-Identifier: GPL-2.0-or-later
import Crypto
import VeilSystem

/// The keys of one layer of one run, derived from the layer's key and the run's nonce (HKDF-SHA256, RFC 5869): salt
/// is the nonce; info is a label, the layer and the cipher as one byte each. Labels: "Veil keystream 2", "Veil key
/// check 2", "Veil authentication 2"; of version 1 with a 1 in place of the 2.
struct StreamKey: Sendable {
    /// 32 bytes for the keystream generator.
    let keystream: SecretBytes
    /// 32 bytes for the tags of pictures.
    let authentication: SecretBytes
    private let check: SecretBytes

    /// - Parameter message: gives version, nonce, layer and cipher; its key check value is not looked at.
    init(key: SecretBytes, message: ProtectionMessage) {
        let material = key.symmetricKey
        func derive(_ label: String) -> SecretBytes {
            HKDF<SHA256>.deriveKey(
                inputKeyMaterial: material, salt: message.nonce,
                info: Data("\(label) \(message.version)".utf8)
                    + [UInt8(truncatingIfNeeded: message.layer), message.cipher.rawValue],
                outputByteCount: 32
            ).withUnsafeBytes { bytes in
                var copy = Array(bytes)
                defer { copy.wipe() }
                return SecretBytes(copy)
            }
        }
        keystream = derive("Veil keystream")
        authentication = derive("Veil authentication")
        check = derive("Veil key check")
    }

    /// The key check value of a message: it tells a wrong key, or that the message was changed.
    func check(_ message: ProtectionMessage) -> [UInt8] {
        let mac = HMAC<SHA256>.authenticationCode(for: message.checkedFields, using: check.symmetricKey)
        return Array(mac.prefix(ProtectionMessage.checkBytes(version: message.version)))
    }
}
