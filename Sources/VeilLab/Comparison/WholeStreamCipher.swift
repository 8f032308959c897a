// SPDX-License-Identifier: GPL-2.0-or-later
import Crypto
import CryptoExtras
import VeilBitstream
import VeilMedia
import VeilProtection
import VeilSystem

/// The naive way to encrypt a stream, for comparison: AES-256 in counter mode over the payload of every NAL unit,
/// whatever it is. NAL unit headers stay, and emulation prevention is put in anew, so that the result is still a byte
/// stream of NAL units. Each payload gets one more byte at its end, 0x80, since a unit must not end in a zero byte.
package struct WholeStreamCipher {
    private let key: SymmetricKey
    private let nonce: [UInt8]
    private var index: UInt32 = 0

    /// - Parameters:
    ///   - keys: the key of the lowest layer is what the cipher's key is derived from (HKDF-SHA-256).
    ///   - nonce: 16 bytes, of which the first eight are used.
    package init(keys: KeyRing, nonce: [UInt8]) throws {
        guard let first = keys.layers.first else { throw KeyError.noKeyForLayer(layer: 0, source: keys.source) }
        key = HKDF<SHA256>.deriveKey(
            inputKeyMaterial: SymmetricKey(data: first.key.bytes), salt: nonce, info: Data("Veil whole stream 1".utf8),
            outputByteCount: 32)
        self.nonce = Array(nonce.prefix(8))
    }

    /// The next unit, encrypted. Units are numbered, so both ways must see all of them in order.
    package mutating func encrypt(_ nal: NALUnit) throws -> NALUnit {
        replaced(nal, payload: try applied(nal.rbsp) + [0x80])
    }

    /// The next unit, decrypted.
    package mutating func decrypt(_ nal: NALUnit) throws -> NALUnit {
        replaced(nal, payload: try applied(Array(nal.rbsp.dropLast())))
    }

    private func replaced(_ nal: NALUnit, payload: [UInt8]) -> NALUnit {
        var result = NALUnit(header: nal.header, rbsp: payload, startCodeLength: nal.startCodeLength)
        result.trailingZeros = nal.trailingZeros
        return result
    }

    private mutating func applied(_ payload: [UInt8]) throws -> [UInt8] {
        let counter = nonce + (0..<4).map { UInt8(truncatingIfNeeded: index >> (24 - 8 * UInt32($0))) } + [0, 0, 0, 0]
        index += 1
        return Array(try AES._CTR.encrypt(Data(payload), using: key, nonce: AES._CTR.Nonce(nonceBytes: counter)))
    }

    /// A whole file.
    package static func run(
        _ input: String, to output: String, keys: KeyRing, nonce: [UInt8], decrypts: Bool = false
    ) throws {
        var cipher = try WholeStreamCipher(keys: keys, nonce: nonce)
        try StreamWork.rewrite(input, to: output) { nal, put in
            try put(decrypts ? cipher.decrypt(nal) : cipher.encrypt(nal))
        }
    }
}
