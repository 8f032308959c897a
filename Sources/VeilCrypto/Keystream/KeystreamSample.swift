// SPDX-License-Identifier: GPL-2.0-or-later
import Crypto
import Foundation

/// Keystream for tests and measurements.
public enum KeystreamSample {
    /// The first words of the first unit's keystream under a key made from a seed and an index (SHA-256 of both, big endian).
    /// `count` is rounded up to what the generator makes at once.
    public static func words(_ cipher: CipherKind, seed: UInt64, index: Int, count: Int) -> [UInt32] {
        var stream = cipher.makeKeystream(key: key(seed: seed, index: index))
        stream.start(UnitNonce(irapIndex: 0, pocDelta: 0, ctuAddress: 0))
        var words = [UInt32](repeating: 0, count: (count + 511) / 512 * 512)
        words.withUnsafeMutableBufferPointer { all in
            for at in stride(from: 0, to: all.count, by: 512) {
                stream.fill(UnsafeMutableBufferPointer(rebasing: all[at..<(at + 512)]))
            }
        }
        return words
    }

    static func key(seed: UInt64, index: Int) -> [UInt8] {
        var message = Data()
        for value in [seed, UInt64(index)] { for i in 0..<8 { message.append(UInt8(truncatingIfNeeded: value >> UInt64(56 - 8 * i))) } }
        return Array(SHA256.hash(data: message))
    }
}
