// SPDX-License-Identifier: GPL-2.0-or-later
import Crypto
import Foundation

/// The keys of one layer of one stream, derived from the layer's key and the stream's nonce (HKDF-SHA256, RFC 5869): salt is the nonce;
/// info is a label, the layer and the cipher as one byte each.
struct StreamKey {
    /// 32 bytes for the keystream generator.
    let keystream: [UInt8]
    /// 8 bytes that tell a wrong key.
    let check: [UInt8]

    init(key: SecretBytes, nonce: [UInt8], layer: Int, cipher: CipherKind) {
        func derive(_ label: String, _ count: Int) -> [UInt8] {
            HKDF<SHA256>.deriveKey(
                inputKeyMaterial: SymmetricKey(data: key.bytes), salt: nonce,
                info: Data(label.utf8) + [UInt8(layer), cipher.rawValue], outputByteCount: count
            ).withUnsafeBytes { Array($0) }
        }
        keystream = derive("Veil keystream 1", 32)
        check = derive("Veil key check 1", 8)
    }
}
