// SPDX-License-Identifier: GPL-2.0-or-later

import VeilCore
import VeilSystem

/// The constant tables of the arithmetic coder (9.3.4.3), laid out for table look-ups by the one-byte context state
/// `pStateIdx << 1 | valMps`.
package struct CABACTables: Sendable {
    /// rangeTabLps (Table 9-52), index `pStateIdx << 2 | qRangeIdx`.
    package let lps: ConstantTable<UInt8>
    /// Next state, index `state << 1 | isLPS` (9.3.4.3.2.2).
    package let next: ConstantTable<UInt8>
    /// What a decoder needs of a state. At byte `8 * state` stand eight bytes: rangeTabLps for each qRangeIdx, then
    /// by how many bits each of the four is renormalized. At byte `pairs + 2 * state` stand the next state after an
    /// MPS, and what the one after an LPS differs by (xor).
    package let decoding: ConstantTable<UInt8>
    package static let pairs = 1024
    /// Cost of a bin in 1/32768 bit, index `state << 1 | isLPS`.
    package let cost: ConstantTable<UInt32>
    /// floor(2^40 / range) + 1, index `range - 256`: with it (v * r) >> 40 is v / range for v < 2^25.
    package let reciprocal: ConstantTable<UInt64>

    package static let shared = CABACTables()

    private init() {
        let lps = Self.rangeTabLps
        var next = [UInt8](repeating: 0, count: 256)
        var cost = [UInt32](repeating: 0, count: 256)
        for state in 0..<128 {
            let p = state >> 1
            let mps = state & 1
            next[state << 1] = UInt8(min(p + 1, 62) << 1 | mps)
            let lpsMps = p == 0 ? 1 - mps : mps
            next[state << 1 | 1] = UInt8(Int(Self.transIdxLps[p]) << 1 | lpsMps)
            // pStateIdx p stands for an LPS probability of 0.5 * (0.01875 / 0.5) ^ (p / 63).
            let probability = 0.5 * exp2(Double(p) / 63 * log2(0.01875 / 0.5))
            cost[state << 1] = UInt32((-log2(1 - probability) * 32768).rounded())
            cost[state << 1 | 1] = UInt32((-log2(probability) * 32768).rounded())
        }
        // State 63 belongs to terminating bins and never moves.
        next[126 << 1] = 126
        next[127 << 1] = 127
        var decoding = [UInt8](repeating: 0, count: Self.pairs + 256)
        for state in 0..<128 {
            for q in 0..<4 {
                let range = lps[(state >> 1) << 2 | q]
                decoding[8 * state + q] = range
                // To nine bits, whose highest is a one.
                decoding[8 * state + 4 + q] = UInt8(range.leadingZeroBitCount + 1)
            }
            let (mps, lps) = (next[state << 1], next[state << 1 | 1])
            decoding[Self.pairs + 2 * state] = mps
            decoding[Self.pairs + 2 * state + 1] = mps ^ lps
        }
        self.decoding = ConstantTable(decoding, alignment: 64)
        reciprocal = ConstantTable((256..<512).map { (1 << 40) / UInt64($0) + 1 })
        self.lps = ConstantTable(lps)
        self.next = ConstantTable(next)
        self.cost = ConstantTable(cost)
    }

    private static let rangeTabLps: [UInt8] = [
        128, 176, 208, 240, 128, 167, 197, 227, 128, 158, 187, 216, 123, 150, 178, 205,
        116, 142, 169, 195, 111, 135, 160, 185, 105, 128, 152, 175, 100, 122, 144, 166,
        95, 116, 137, 158, 90, 110, 130, 150, 85, 104, 123, 142, 81, 99, 117, 135,
        77, 94, 111, 128, 73, 89, 105, 122, 69, 85, 100, 116, 66, 80, 95, 110,
        62, 76, 90, 104, 59, 72, 86, 99, 56, 69, 81, 94, 53, 65, 77, 89,
        51, 62, 73, 85, 48, 59, 69, 80, 46, 56, 66, 76, 43, 53, 63, 72,
        41, 50, 59, 69, 39, 48, 56, 65, 37, 45, 54, 62, 35, 43, 51, 59,
        33, 41, 48, 56, 32, 39, 46, 53, 30, 37, 43, 50, 29, 35, 41, 48,
        27, 33, 39, 45, 26, 31, 37, 43, 24, 30, 35, 41, 23, 28, 33, 39,
        22, 27, 32, 37, 21, 26, 30, 35, 20, 24, 29, 33, 19, 23, 27, 31,
        18, 22, 26, 30, 17, 21, 25, 28, 16, 20, 23, 27, 15, 19, 22, 25,
        14, 18, 21, 24, 14, 17, 20, 23, 13, 16, 19, 22, 12, 15, 18, 21,
        12, 14, 17, 20, 11, 14, 16, 19, 11, 13, 15, 18, 10, 12, 15, 17,
        10, 12, 14, 16, 9, 11, 13, 15, 9, 11, 12, 14, 8, 10, 12, 14,
        8, 9, 11, 13, 7, 9, 11, 12, 7, 9, 10, 12, 7, 8, 10, 11,
        6, 8, 9, 11, 6, 7, 9, 10, 6, 7, 8, 9, 2, 2, 2, 2,
    ]

    private static let transIdxLps: [UInt8] = [
        0, 0, 1, 2, 2, 4, 4, 5, 6, 7, 8, 9, 9, 11, 11, 12,
        13, 13, 15, 15, 16, 16, 18, 18, 19, 19, 21, 21, 22, 22, 23, 24,
        24, 25, 26, 26, 27, 27, 28, 29, 29, 30, 30, 30, 31, 32, 32, 33,
        33, 33, 34, 34, 35, 35, 35, 36, 36, 36, 37, 37, 37, 38, 38, 63,
    ]
}
