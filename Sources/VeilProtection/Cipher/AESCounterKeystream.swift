// SPDX-License-Identifier: GPL-2.0-or-later
import Crypto
import CryptoExtras
import VeilSystem

/// AES in counter mode (NIST SP 800-38A): the counter block is the unit's nonce (12 bytes) and a block counter (4
/// bytes, big endian) from 0; each four bytes of output are one word, least significant byte first.
public struct AESCounterKeystream: Keystream {
    private let key: SymmetricKey
    private var nonce: [UInt8] = Array(repeating: 0, count: 16)
    private var block: UInt32 = 0

    /// - Parameter key: 16 or 32 bytes.
    public init(key: [UInt8]) { self.key = SymmetricKey(data: key) }

    public mutating func start(_ unit: UnitNonce) {
        nonce = unit.bytes + [0, 0, 0, 0]
        block = 0
    }

    /// `words.count` must be a multiple of 4.
    public mutating func fill(_ words: UnsafeMutableBufferPointer<UInt32>) {
        precondition(words.count % 4 == 0, "AES makes blocks of four words")
        for i in 0..<4 { nonce[12 + i] = UInt8(truncatingIfNeeded: block >> (24 - 8 * UInt32(i))) }
        block &+= UInt32(words.count / 4)
        guard let counter = try? AES._CTR.Nonce(nonceBytes: nonce),
            let stream = try? AES._CTR.encrypt(Data(count: words.count * 4), using: key, nonce: counter)
        else { fatalError("AES-CTR refused a key of \(key.bitCount) bits") }
        words.fillLittleEndian(from: stream)
    }
}

/// ChaCha20 (RFC 8439): the unit's nonce (12 bytes), a block counter from 0; words as the cipher's own, least
/// significant byte first.
public struct ChaCha20Keystream: Keystream {
    private let key: SymmetricKey
    private var nonce: [UInt8] = Array(repeating: 0, count: 12)
    private var block: UInt32 = 0

    /// - Parameter key: 32 bytes.
    public init(key: [UInt8]) { self.key = SymmetricKey(data: key) }

    public mutating func start(_ unit: UnitNonce) {
        nonce = unit.bytes
        block = 0
    }

    /// `words.count` must be a multiple of 16.
    public mutating func fill(_ words: UnsafeMutableBufferPointer<UInt32>) {
        precondition(words.count % 16 == 0, "ChaCha20 makes blocks of sixteen words")
        guard let counter = try? Insecure.ChaCha20CTR.Counter(offset: block),
            let nonce = try? Insecure.ChaCha20CTR.Nonce(data: nonce),
            let stream = try? Insecure.ChaCha20CTR.encrypt(
                Data(count: words.count * 4), using: key, counter: counter, nonce: nonce)
        else { fatalError("ChaCha20 refused a key of \(key.bitCount) bits") }
        block &+= UInt32(words.count / 16)
        words.fillLittleEndian(from: stream)
    }
}

extension UnsafeMutableBufferPointer<UInt32> {
    fileprivate func fillLittleEndian(from data: Data) {
        data.withUnsafeBytes { bytes in
            for i in indices {
                self[i] = UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: i * 4, as: UInt32.self))
            }
        }
    }
}
