// SPDX-License-Identifier: GPL-2.0-or-later
import VeilCore
import VeilEntropy

/// Rate-distortion optimized levels of one transform block. One per worker.
///
/// Coefficients are gone through in coding order. Each takes the level nearest to it, the next lower one or zero,
/// whichever costs least with the contexts as they would then stand; sub-blocks that cost more than they bring are
/// dropped; and the last level is moved to where the whole costs least. All costs are bits, squared quantization
/// steps being worth so many, and count from that of a block without levels.
final class LevelOptimizer {
    private let cost = Buffer<Float>(repeating: 0, count: 1024)
    private let sigCost = Buffer<Float>(repeating: 0, count: 1024)
    private let subBlockCost = Buffer<Float>(repeating: 0, count: 64)
    /// Whether a sub-block has levels.
    private let isCoded = Buffer(repeating: false, count: 64)
    private let flags = Buffer<UInt8>(repeating: 0, count: 81)
    private let lastX = Buffer<Float>(repeating: 0, count: 10)
    private let lastY = Buffer<Float>(repeating: 0, count: 10)
    private let scans = ScanTables.shared
    /// Bits of both values of a bin in every context, index context << 1 | bin.
    private let binBits = Buffer<Float>(repeating: 0, count: Context.count * 2)
    /// The context states are others by now than those taken: `begin` is due before the next block.
    @exclusivity(unchecked) var isStale = true

    /// Takes the context states that a CTU or a unit is estimated with.
    func begin(rate: RateEstimator) {
        isStale = false
        for i in 0..<Context.count {
            binBits[2 * i] = Float(rate.bin(0, i)) / 32768
            binBits[2 * i + 1] = Float(rate.bin(1, i)) / 32768
        }
    }

    @inline(__always)
    private func bin(_ value: Int, _ context: Int) -> Float { binBits[context &<< 1 | value] }

    /// What the greater1, greater2 flags and Rice parameters of a sub-block's next level depend on.
    private struct State {
        var greater1Base = 0
        var greater2 = 0
        var greater1 = 1
        var coded = 0
        var hasGreater1 = false
        var rice = 0

        @inline(__always)
        mutating func advance(past level: Int) {
            if level > 3 &<< rice && level >= base { rice = min(rice &+ 1, 4) }
            if coded < 8 {
                if level > 1 {
                    greater1 = 0
                    hasGreater1 = true
                } else if greater1 > 0 && greater1 < 3 {
                    greater1 &+= 1
                }
            }
            coded &+= 1
        }

        @inline(__always)
        var base: Int { coded < 8 ? (hasGreater1 ? 2 : 3) : 1 }
    }

    /// Bits of a level's magnitude and sign.
    @inline(__always)
    private func levelBits(_ level: Int, _ s: State) -> Float {
        var bits: Float = 1
        let base = s.base
        if s.coded < 8 {
            bits += bin(level > 1 ? 1 : 0, s.greater1Base &+ s.greater1)
            if level > 1 && !s.hasGreater1 { bits += bin(level > 2 ? 1 : 0, s.greater2) }
        }
        if level >= base {
            let value = level &- base
            let q = value &>> s.rice
            if q < 4 {
                bits += Float(q &+ 1 &+ s.rice)
            } else {
                let e = Int.bitWidth &- 1 &- (q &- 2).leadingZeroBitCount
                bits += Float(2 &* e &+ 4 &+ s.rice)
            }
        }
        return bits
    }

    /// Improves the levels of a block, which are those nearest to the coefficients, and keeps what they leave of them
    /// up to date. Returns how many are not zero.
    ///
    /// `remainders`: what the levels leave of the coefficients' magnitudes, in 1/256 step; `lambda`: squared steps a
    /// bit.
    func optimize(
        levels: MutableBufferView<Int16>, remainders: MutableBufferView<Int32>, log2: Int, cIdx: Int,
        scanIdx: Int, lambda: Float
    ) -> Int {
        let log2Sb = log2 &- 2
        let subBlocks = scans.subBlock + (log2Sb &* 192 &+ scanIdx &* 64)
        let positions = scans.position4 + (scanIdx &<< 4)
        let last = lastSubBlock(levels.reading, log2, subBlocks)
        if last < 0 { return 0 }
        let side = 1 &<< log2Sb
        for y in 0...side { (flags + y &* 9).update(repeating: 0, count: side &+ 1) }
        let weight = 1 / lambda
        let sigBase: Int
        if cIdx == 0 {
            sigBase = Context.sigCoeffFlag &+ (log2 == 2 ? 0 : log2 == 3 ? (scanIdx == 0 ? 9 : 15) : 21)
        } else {
            sigBase = Context.sigCoeffFlag &+ 27 &+ (log2 == 2 ? 0 : log2 == 3 ? 9 : 12)
        }
        var total: Float = 0
        var started = false
        var greater1Ctx = 1
        var i = last
        while i >= 0 {
            let sb = Int(subBlocks[i])
            let cell = flags + ((sb &>> 3) &* 9 &+ (sb & 7))
            let right = Int(cell[1])
            let below = Int(cell[9])
            let at = ((sb &>> 3) &<< (log2 &+ 2)) | ((sb & 7) &<< 2)
            let here = levels + at
            let codedContext = Context.codedSubBlockFlag &+ (right | below) &+ (cIdx > 0 ? 2 : 0)
            isCoded[i] = false
            if i > 0 && i < last && isEmpty(here.reading, log2) {
                // Nothing to decide: the sub-block stays without a flag.
                subBlockCost[i] = bin(0, codedContext)
                total += subBlockCost[i]
                i &-= 1
                continue
            }
            let ctxTable = scans.sigCtx + (log2 == 2 ? 64 : (right | below &<< 1) &<< 4)
            let sbBase = sigBase &+ (cIdx == 0 && log2 > 2 && i > 0 ? 3 : 0)
            var ctxSet = i == 0 || cIdx > 0 ? 0 : 2
            if i != last && greater1Ctx == 0 { ctxSet &+= 1 }
            var state = State()
            state.greater1Base = Context.coeffAbsLevelGreater1Flag &+ (ctxSet &<< 2) &+ (cIdx > 0 ? 16 : 0)
            state.greater2 = Context.coeffAbsLevelGreater2Flag &+ ctxSet &+ (cIdx > 0 ? 4 : 0)
            var coded: Float = 0
            let costs = cost + i &* 16
            let sigCosts = sigCost + i &* 16
            var n = 15
            while n >= 0 {
                let pos = Int(positions[n])
                let offset = (pos &>> 2) &<< log2 | (pos & 3)
                let signed = Int(here[offset])
                let nearest = abs(signed)
                var sig0: Float = 0
                var sig1: Float = 0
                if started {
                    if !(n == 0 && i > 0 && i != last && state.coded == 0) {
                        let context =
                            n == 0 && i == 0
                            ? (cIdx == 0 ? Context.sigCoeffFlag : Context.sigCoeffFlag &+ 27)
                            : sbBase &+ Int(ctxTable[pos])
                        sig0 = bin(0, context)
                        sig1 = bin(1, context)
                    }
                } else if nearest == 0 {
                    // Beyond the last level.
                    costs[n] = 0
                    n &-= 1
                    continue
                }
                started = true
                if nearest == 0 {
                    costs[n] = sig0
                    sigCosts[n] = sig0
                    coded += sig0
                    n &-= 1
                    continue
                }
                // Levels l of a coefficient a change the squared error by l (l - 2 a).
                let twice = 2 * Float(nearest) + Float(remainders[at &+ offset]) * (1 / 128)
                var bestLevel = nearest
                var best = Float(nearest) * (Float(nearest) - twice) * weight + sig1 + levelBits(nearest, state)
                var bestSig = sig1
                if nearest > 1 {
                    let lower = nearest &- 1
                    let c = Float(lower) * (Float(lower) - twice) * weight + sig1 + levelBits(lower, state)
                    if c < best {
                        best = c
                        bestLevel = lower
                    }
                }
                if nearest <= 2 && sig0 <= best {
                    best = sig0
                    bestLevel = 0
                    bestSig = sig0
                }
                if bestLevel != nearest {
                    here[offset] = Int16(truncatingIfNeeded: signed < 0 ? 0 &- bestLevel : bestLevel)
                    remainders[at &+ offset] &+= Int32(truncatingIfNeeded: (nearest &- bestLevel) &<< 8)
                }
                if bestLevel > 0 { state.advance(past: bestLevel) }
                costs[n] = best
                sigCosts[n] = bestSig
                coded += best
                n &-= 1
            }
            if state.coded > 0 { greater1Ctx = state.greater1 }
            cell[0] = 1
            isCoded[i] = true
            subBlockCost[i] = 0
            // The flag of the sub-block.
            if i > 0 && i < last {
                let off = bin(0, codedContext)
                let on = bin(1, codedContext)
                if state.coded == 0 || off < coded + on {
                    cell[0] = 0
                    isCoded[i] = false
                    subBlockCost[i] = off
                    if state.coded > 0 { clear(here, remainders + at, log2, positions, after: -1) }
                    coded = 0
                } else {
                    subBlockCost[i] = on
                }
            }
            total += coded + subBlockCost[i]
            i &-= 1
        }
        return finish(
            levels: levels, remainders: remainders, log2: log2, cIdx: cIdx, scanIdx: scanIdx, last: last, total: total)
    }

    /// Chooses the last level and drops those behind it.
    @inline(__always)
    private func finish(
        levels: MutableBufferView<Int16>, remainders: MutableBufferView<Int32>, log2: Int, cIdx: Int,
        scanIdx: Int, last: Int,
        total: Float
    ) -> Int {
        let subBlocks = scans.subBlock + ((log2 &- 2) &* 192 &+ scanIdx &* 64)
        let positions = scans.position4 + (scanIdx &<< 4)
        prepareLast(log2: log2, cIdx: cIdx)
        // A block without levels.
        var best: Float = 0
        var bestLast = -1
        var rest = total
        var i = last
        search: while i >= 0 {
            rest -= subBlockCost[i]
            if !isCoded[i] {
                i &-= 1
                continue
            }
            let sb = Int(subBlocks[i])
            let here = levels + (((sb &>> 3) &<< (log2 &+ 2)) | ((sb & 7) &<< 2))
            var n = 15
            while n >= 0 {
                let index = i &* 16 &+ n
                let pos = Int(positions[n])
                let level = here[(pos &>> 2) &<< log2 | (pos & 3)]
                if level != 0 {
                    var x = (sb & 7) &<< 2 | (pos & 3)
                    var y = (sb &>> 3) &<< 2 | (pos &>> 2)
                    if scanIdx == 2 { swap(&x, &y) }
                    let c = rest - sigCost[index] + lastBits(x, lastX.view.reading) + lastBits(y, lastY.view.reading)
                    if c < best {
                        best = c
                        bestLast = index
                    }
                    if level > 1 || level < -1 { break search }
                }
                rest -= cost[index]
                n &-= 1
            }
            i &-= 1
        }
        var count = 0
        for i in 0...last where isCoded[i] {
            let sb = Int(subBlocks[i])
            let at = ((sb &>> 3) &<< (log2 &+ 2)) | ((sb & 7) &<< 2)
            if i &* 16 &+ 15 > bestLast {
                clear(levels + at, remainders + at, log2, positions, after: bestLast &- i &* 16)
            }
            for y in 0..<4 { count &+= Self.nonZero(Self.row((levels + at).reading, y, log2)).nonzeroBitCount }
        }
        return count
    }

    @inline(__always)
    private static func row(_ at: BufferView<Int16>, _ y: Int, _ log2: Int) -> UInt64 {
        (at + (y &<< log2)).bytes(8).loadUnaligned(as: UInt64.self)
    }

    /// The topmost bit of each of four levels that is not zero.
    @inline(__always)
    static func nonZero(_ row: UInt64) -> UInt64 {
        (((row & 0x7fff_7fff_7fff_7fff) &+ 0x7fff_7fff_7fff_7fff) | row) & 0x8000_8000_8000_8000
    }

    /// The last sub-block with levels, -1 when there is none.
    @inline(__always)
    private func lastSubBlock(_ levels: BufferView<Int16>, _ log2: Int, _ subBlocks: BufferView<UInt8>) -> Int {
        var i = (1 &<< (2 &* (log2 &- 2))) &- 1
        while i >= 0 {
            let sb = Int(subBlocks[i])
            if !isEmpty(levels + (((sb &>> 3) &<< (log2 &+ 2)) | ((sb & 7) &<< 2)), log2) { break }
            i &-= 1
        }
        return i
    }

    @inline(__always)
    private func isEmpty(_ at: BufferView<Int16>, _ log2: Int) -> Bool {
        Self.row(at, 0, log2) | Self.row(at, 1, log2) | Self.row(at, 2, log2) | Self.row(at, 3, log2) == 0
    }

    /// Zeroes the levels of a sub-block behind a place of the scan.
    @inline(__always)
    private func clear(
        _ at: MutableBufferView<Int16>, _ remainders: MutableBufferView<Int32>, _ log2: Int,
        _ positions: BufferView<UInt8>,
        after: Int
    ) {
        for n in max(after &+ 1, 0)..<16 {
            let pos = Int(positions[n])
            let offset = (pos &>> 2) &<< log2 | (pos & 3)
            remainders[offset] &+= Int32(at[offset].magnitude) &<< 8
            at[offset] = 0
        }
    }

    /// Bits of the prefixes of the last position.
    private func prepareLast(log2: Int, cIdx: Int) {
        let offset = cIdx == 0 ? 3 &* (log2 &- 2) &+ ((log2 &- 1) &>> 2) : 15
        let shift = cIdx == 0 ? (log2 &+ 1) &>> 2 : log2 &- 2
        let last = (log2 &<< 1) &- 1
        var x: Float = 0
        var y: Float = 0
        for n in 0...last {
            let cx = Context.lastSigCoeffXPrefix &+ offset &+ (n &>> shift)
            let cy = Context.lastSigCoeffYPrefix &+ offset &+ (n &>> shift)
            lastX[n] = x + (n < last ? bin(0, cx) : 0)
            lastY[n] = y + (n < last ? bin(0, cy) : 0)
            if n < last {
                x += bin(1, cx)
                y += bin(1, cy)
            }
        }
    }

    @inline(__always)
    private func lastBits(_ v: Int, _ prefixes: BufferView<Float>) -> Float {
        if v < 4 { return prefixes[v] }
        let top = Int.bitWidth &- 1 &- v.leadingZeroBitCount
        return prefixes[top &<< 1 | (v &>> (top &- 1) & 1)] + Float(top &- 1)
    }
}
