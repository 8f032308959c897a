// SPDX-License-Identifier: GPL-2.0-or-later
import VeilBins

/// Makes levels fit sign data hiding (7.3.8.11): in a 4x4 sub-block whose first and last levels lie more than three places apart, the parity
/// of the sum of levels stands for the sign of the first one in scan order.
enum SignHiding {
    /// - Parameters:
    ///   - coefficients: what was quantised; its signs are those of levels that become 1.
    ///   - remainders: what the levels leave of the coefficients, in 1/256 step.
    static func apply(
        levels: UnsafeMutablePointer<Int16>, coefficients: UnsafePointer<Int16>, remainders: UnsafePointer<Int32>, log2: Int, scanIdx: Int
    ) {
        let scans = ScanTables.shared
        let positions = scans.position4 + (scanIdx &<< 4)
        let blocks = 1 &<< (2 &* (log2 &- 2))
        let perRow = 1 &<< (log2 &- 2)
        for i in 0..<blocks {
            let origin = ((i / perRow) &<< (log2 &+ 2)) | ((i % perRow) &<< 2)
            let base = levels + origin
            var any: UInt64 = 0
            for y in 0..<4 { any |= UnsafeRawPointer(base + (y &<< log2)).loadUnaligned(as: UInt64.self) }
            if any == 0 { continue }
            var first = -1
            var last = -1
            var sum = 0
            for n in 0..<16 {
                let pos = Int(positions[n])
                let level = Int(base[((pos &>> 2) &<< log2) | (pos & 3)])
                if level != 0 {
                    if first < 0 { first = n }
                    last = n
                    sum &+= abs(level)
                }
            }
            if last &- first < 4 { continue }
            let firstPos = Int(positions[first])
            let isNegative = base[((firstPos &>> 2) &<< log2) | (firstPos & 3)] < 0
            if (sum & 1 != 0) == isNegative { continue }
            adjust(
                base, coefficients + origin, remainders + origin, log2: log2, positions: positions, first: first, last: last)
        }
    }

    /// Changes the level of a sub-block by one that costs least.
    @inline(__always)
    private static func adjust(
        _ base: UnsafeMutablePointer<Int16>, _ coefficients: UnsafePointer<Int16>, _ remainders: UnsafePointer<Int32>, log2: Int,
        positions: UnsafePointer<UInt8>, first: Int, last: Int
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
            // Distortion grows by 256 -/+ 2 rest, in 1/256 squared step; a new level costs bits, a vanishing one frees some.
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
