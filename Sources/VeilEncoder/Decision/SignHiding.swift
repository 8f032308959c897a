// SPDX-License-Identifier: GPL-2.0-or-later
import VeilCore
import VeilEntropy

/// Makes levels fit sign data hiding (7.3.8.11): in a 4x4 sub-block whose first and last levels lie more than three
/// places apart, the parity of the sum of levels stands for the sign of the first one in scan order.
enum SignHiding {
    /// - Parameters:
    ///   - coefficients: what was quantized; its signs are those of levels that become 1.
    ///   - remainders: what the levels leave of the coefficients, in 1/256 step.
    static func apply(
        levels: MutableBufferView<Int16>, coefficients: BufferView<Int16>, remainders: BufferView<Int32>,
        log2: Int, scanIdx: Int
    ) {
        let scans = ScanTables.shared
        let positions = scans.position4 + (scanIdx &<< 4)
        let blocks = 1 &<< (2 &* (log2 &- 2))
        let perRow = 1 &<< (log2 &- 2)
        let ranks = Self.ranks + (scanIdx &<< 6)
        for i in 0..<blocks {
            let origin = ((i / perRow) &<< (log2 &+ 2)) | ((i % perRow) &<< 2)
            let base = levels + origin
            let rows = (
                Self.row(levels.reading, origin, 0, log2), Self.row(levels.reading, origin, 1, log2),
                Self.row(levels.reading, origin, 2, log2), Self.row(levels.reading, origin, 3, log2)
            )
            if rows.0 | rows.1 | rows.2 | rows.3 == 0 { continue }
            // Places of the scan that have levels.
            let mask =
                ranks[Self.nibble(rows.0)] | ranks[16 &+ Self.nibble(rows.1)] | ranks[32 &+ Self.nibble(rows.2)]
                | ranks[48 &+ Self.nibble(rows.3)]
            let first = mask.trailingZeroBitCount
            let last = 15 &- mask.leadingZeroBitCount
            if last &- first < 4 { continue }
            let firstPos = Int(positions[first])
            let isNegative = base[((firstPos &>> 2) &<< log2) | (firstPos & 3)] < 0
            // The lowest bits say whether the sum is odd.
            let odd = (rows.0 ^ rows.1 ^ rows.2 ^ rows.3) & 0x0001_0001_0001_0001
            if (odd.nonzeroBitCount & 1 != 0) == isNegative { continue }
            adjust(
                base, coefficients + origin, remainders + origin, log2: log2, positions: positions, first: first,
                last: last)
        }
    }

    @inline(__always)
    private static func row(_ levels: BufferView<Int16>, _ origin: Int, _ y: Int, _ log2: Int) -> UInt64 {
        (levels + origin + (y &<< log2)).bytes(8).loadUnaligned(as: UInt64.self)
    }

    /// Which of four levels are not zero: a bit each.
    @inline(__always)
    private static func nibble(_ row: UInt64) -> Int {
        Int(truncatingIfNeeded: ((LevelOptimizer.nonZero(row) &>> 15) &* 0x0001_0002_0004_0008) &>> 48)
    }

    /// Places of the scan, a bit each, of a row's samples: index scanIdx << 6 | y << 4 | samples (the leftmost being
    /// bit 0).
    private static let ranks = ConstantTable<UInt16>(
        (0..<192).map { i in
            (0..<4).reduce(0) { mask, x in
                i & (1 << x) == 0
                    ? mask : mask | 1 << UInt16(ScanTables.shared.scanPos4[(i >> 6) << 4 | (i >> 4 & 3) << 2 | x])
            }
        })

    /// Changes the level of a sub-block by one that costs least.
    @inline(__always)
    private static func adjust(
        _ base: MutableBufferView<Int16>, _ coefficients: BufferView<Int16>, _ remainders: BufferView<Int32>,
        log2: Int,
        positions: BufferView<UInt8>, first: Int, last: Int
    ) {
        var bestCost = Int.max
        var bestAt = 0
        var bestChange = 0
        var n = last
        while n >= first {
            let pos = Int(positions[n])
            let at = ((pos &>> 2) &<< log2) | (pos & 3)
            let level = abs(Int(base[at]))
            let rest = Int(remainders[at])
            // Distortion grows by 256 -/+ 2 rest, in 1/256 squared step; a new level costs bits, a vanishing one
            // frees some.
            var cost: Int
            var change: Int
            if level == 0 {
                cost = 256 &- 2 &* rest &+ 160
                change = 1
            } else if rest > 0 {
                cost = 256 &- 2 &* rest &+ 20
                change = 1
            } else {
                cost = 256 &+ 2 &* rest &- (level == 1 ? 120 : 20)
                change = -1
                if level == 1 && (n == first || n == last) { cost = Int.max }
            }
            if level == 32767 && change > 0 { cost = Int.max }
            if cost < bestCost {
                bestCost = cost
                bestAt = at
                bestChange = change
            }
            n &-= 1
        }
        let level = Int(base[bestAt])
        if level == 0 {
            base[bestAt] = coefficients[bestAt] < 0 ? -1 : 1
        } else {
            base[bestAt] = Int16(truncatingIfNeeded: level < 0 ? level &- bestChange : level &+ bestChange)
        }
    }
}
