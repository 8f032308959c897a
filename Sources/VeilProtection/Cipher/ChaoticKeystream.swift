// SPDX-License-Identifier: GPL-2.0-or-later
import Crypto
import VeilSystem

/// The paper's chaotic generator: a skew tent map (1) and a PWLCM (2) on 32 bits in parallel, each disturbed by a
/// linear feedback shift register.
///
/// The paper leaves the perturbation, the combination's details and the key schedule open; here they are:
///
/// - Seed: SHA-256-HMAC of the unit's 12 nonce bytes under the 32-byte key, read as eight big-endian words s0 ... s7.
/// - P1 = 2^30 + s1 / 2 (rounded down) and P2 = 2^29 + s3 / 4: the middle half of the paper's ranges. Near the ends a
///   map is almost the identity or almost flat, and the sequence fails simple tests.
/// - X1 = s0, X2 = s2, L1 = s4 (degree 32), L2 = the low 31 bits of s5 (degree 31), where 0 becomes 1.
/// - Each step, every register advances eight bits, then X1 = F1(X1) xor L1, X2 = F2(X2) xor L2.
/// - The output of a step is X1 + X2 mod 2^32 where they differ, and X1 xor X2 (which is 0) where they are equal, as
///   the paper says, xor its own upper half shifted down by 16, so that the low bits, which the encryption of short
///   elements uses, depend on all.
/// - The first 16 outputs are dropped.
///
/// It is **not** a cipher with a security proof or with decades of analysis behind it: the maps are piecewise linear,
/// and the registers are linear. Take AES or ChaCha20 where secrecy matters.
public struct ChaoticKeystream: Keystream {
    /// Keyed once: that takes as long as a unit's code itself.
    private let keyed: HMAC<SHA256>
    private var first = SkewTentMap(parameter: 1 << 31)
    private var second = PiecewiseLinearMap(parameter: 1 << 30)
    private var x1: UInt32 = 0
    private var x2: UInt32 = 0
    private var register1 = ShiftRegister32(1)
    private var register2 = ShiftRegister31(1)

    /// How many outputs after the seed are dropped.
    static let discarded = 16

    /// - Parameter key: 32 bytes.
    public init(key: [UInt8]) { keyed = HMAC(key: SymmetricKey(data: key)) }

    public mutating func start(_ nonce: UnitNonce) {
        var code = keyed
        code.update(data: nonce.bytes)
        seed(
            code.finalize().withUnsafeBytes { bytes in
                (0..<8).map { UInt32(bigEndian: bytes.loadUnaligned(fromByteOffset: 4 * $0, as: UInt32.self)) }
            })
    }

    /// Sets the state from eight words, as the type's description says.
    mutating func seed(_ s: [UInt32]) {
        first = SkewTentMap(parameter: (1 << 30) + s[1] >> 1)
        second = PiecewiseLinearMap(parameter: (1 << 29) + s[3] >> 2)
        x1 = s[0]
        x2 = s[2]
        register1 = ShiftRegister32(s[4])
        register2 = ShiftRegister31(s[5])
        for _ in 0..<Self.discarded { _ = next() }
    }

    @inline(__always)
    private mutating func next() -> UInt32 {
        x1 = first(x1) ^ register1.advance()
        x2 = second(x2) ^ register2.advance()
        let sum = x1 == x2 ? 0 : x1 &+ x2
        return sum ^ sum >> 16
    }

    public mutating func fill(_ words: UnsafeMutableBufferPointer<UInt32>) {
        for i in words.indices { words[i] = next() }
    }
}
