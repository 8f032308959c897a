// SPDX-License-Identifier: GPL-2.0-or-later
import VeilBins

/// Rate-distortion optimised levels of one transform block. One per worker.
///
/// Coefficients are gone through in coding order. Each takes the level nearest to it, the next lower one or zero, whichever costs least with
/// the contexts as they would then stand; sub-blocks that cost more than they bring are dropped; and the last level is moved to where
/// the whole costs least. All costs are squared quantisation steps plus weighted bits.
final class LevelOptimiser {
    private let zeroCost: UnsafeMutablePointer<Float>
    private let cost: UnsafeMutablePointer<Float>
    private let sigCost: UnsafeMutablePointer<Float>
    private let subBlockCost: UnsafeMutablePointer<Float>
    private let flags: UnsafeMutablePointer<UInt8>
    private let lastX: UnsafeMutablePointer<Float>
    private let lastY: UnsafeMutablePointer<Float>
    private let scans = ScanTables.shared
    /// Bits of both values of a bin in every context, index context << 1 | bin.
    private let binBits: UnsafeMutablePointer<Float>

    init() {
        func make(_ count: Int) -> UnsafeMutablePointer<Float> {
            let memory = UnsafeMutablePointer<Float>.allocate(capacity: count)
            memory.initialize(repeating: 0, count: count)
            return memory
        }
        zeroCost = make(1024)
        cost = make(1024)
        sigCost = make(1024)
        subBlockCost = make(64)
        lastX = make(10)
        lastY = make(10)
        binBits = make(Context.count * 2)
        flags = .allocate(capacity: 81)
        flags.initialize(repeating: 0, count: 81)
    }

    deinit {
        for p in [zeroCost, cost, sigCost, subBlockCost, lastX, lastY, binBits] { p.deallocate() }
        flags.deallocate()
    }

    /// Takes the context states of a CTU.
    func begin(rate: RateEstimator) {
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
        mutating func take(_ level: Int) {
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

    /// Improves the levels of a block (quantised to the nearest), and says what they leave of the coefficients in `remainders` (1/256 step).
    /// Returns how many are not zero.
    ///
    /// `unit`: quantisation steps a unit of the coefficients; `lambda`: squared steps a bit.
    func optimise(
        levels: UnsafeMutablePointer<Int16>, coefficients: UnsafePointer<Int16>, remainders: UnsafeMutablePointer<Int32>, log2: Int,
        cIdx: Int, scanIdx: Int, unit: Float, lambda: Float
    ) -> Int {
        let log2Sb = log2 &- 2
        let subBlocks = scans.subBlock + (log2Sb &* 192 &+ scanIdx &* 64)
        let positions = scans.position4 + (scanIdx &<< 4)
        var last = (1 &<< (2 &* log2Sb)) &- 1
        while last >= 0 {
            if !isEmpty(levels + origin(subBlocks, last, log2), log2) { break }
            last &-= 1
        }
        if last < 0 { return 0 }
        let side = 1 &<< log2Sb
        for y in 0...side { (flags + y &* 9).update(repeating: 0, count: side &+ 1) }
        let sigBase: Int
        if cIdx == 0 {
            sigBase = Context.sigCoeffFlag &+ (log2 == 2 ? 0 : log2 == 3 ? (scanIdx == 0 ? 9 : 15) : 21)
        } else {
            sigBase = Context.sigCoeffFlag &+ 27 &+ (log2 == 2 ? 0 : log2 == 3 ? 9 : 12)
        }
        var total: Float = 0
        var allZero: Float = 0
        var started = false
        var greater1Ctx = 1
        var i = last
        while i >= 0 {
            let sb = Int(subBlocks[i])
            let cell = flags + ((sb &>> 3) &* 9 &+ (sb & 7))
            let right = Int(cell[1])
            let below = Int(cell[9])
            let at = origin(subBlocks, i, log2)
            if i > 0 && i < last && isEmpty(levels + at, log2) {
                // Nothing to decide: the sub-block stays without a flag.
                var zeros: Float = 0
                for n in 0..<16 {
                    let pos = Int(positions[n])
                    let a = Float(Int(coefficients[at &+ ((pos &>> 2) &<< log2 | (pos & 3))])) * unit
                    zeroCost[i &* 16 &+ n] = a * a
                    cost[i &* 16 &+ n] = a * a
                    sigCost[i &* 16 &+ n] = 0
                    zeros += a * a
                }
                subBlockCost[i] = lambda * bin(0, Context.codedSubBlockFlag &+ (right | below) &+ (cIdx > 0 ? 2 : 0))
                total += zeros + subBlockCost[i]
                allZero += zeros
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
            var zeros: Float = 0
            let first = i &* 16
            var n = 15
            while n >= 0 {
                let pos = Int(positions[n])
                let offset = at &+ ((pos &>> 2) &<< log2 | (pos & 3))
                let a = Float(abs(Int(coefficients[offset]))) * unit
                let zero = a * a
                zeroCost[first &+ n] = zero
                zeros += zero
                let nearest = abs(Int(levels[offset]))
                if !started && nearest == 0 {
                    // Beyond the last level.
                    cost[first &+ n] = zero
                    sigCost[first &+ n] = 0
                    coded += zero
                    n &-= 1
                    continue
                }
                let isLast = !started
                started = true
                var sig0: Float = 0
                var sig1: Float = 0
                if !isLast && !(n == 0 && i > 0 && i != last && state.coded == 0) {
                    let context = n == 0 && i == 0
                        ? (cIdx == 0 ? Context.sigCoeffFlag : Context.sigCoeffFlag &+ 27) : sbBase &+ Int(ctxTable[pos])
                    sig0 = lambda * bin(0, context)
                    sig1 = lambda * bin(1, context)
                }
                var bestLevel = 0
                var best = zero + sig0
                var bestSig = sig0
                if nearest > 0 {
                    let lowest = max(1, nearest &- 1)
                    if nearest > 2 { best = .infinity }
                    var level = nearest
                    while level >= lowest {
                        let e = a - Float(level)
                        let c = e * e + sig1 + lambda * levelBits(level, state)
                        if c < best {
                            best = c
                            bestLevel = level
                            bestSig = sig1
                        }
                        level &-= 1
                    }
                    levels[offset] = Int16(truncatingIfNeeded: bestLevel)
                }
                if bestLevel > 0 { state.take(bestLevel) }
                cost[first &+ n] = best
                sigCost[first &+ n] = bestSig
                coded += best
                n &-= 1
            }
            if state.coded > 0 { greater1Ctx = state.greater1 }
            // The flag of the sub-block.
            subBlockCost[i] = 0
            cell[0] = 1
            if i > 0 && i < last {
                let context = Context.codedSubBlockFlag &+ (right | below) &+ (cIdx > 0 ? 2 : 0)
                let off = lambda * bin(0, context)
                let on = lambda * bin(1, context)
                if state.coded == 0 || zeros + off < coded + on {
                    cell[0] = 0
                    subBlockCost[i] = off
                    for k in 0..<16 {
                        cost[first &+ k] = zeroCost[first &+ k]
                        sigCost[first &+ k] = 0
                    }
                    if state.coded > 0 { clear(levels + at, log2) }
                    coded = zeros
                } else {
                    subBlockCost[i] = on
                }
            }
            total += coded + subBlockCost[i]
            allZero += zeros
            i &-= 1
        }
        return finish(
            levels: levels, coefficients: coefficients, remainders: remainders, log2: log2, cIdx: cIdx, scanIdx: scanIdx, unit: unit,
            lambda: lambda, last: last, total: total, allZero: allZero)
    }

    /// Chooses the last level, drops those behind it, gives the others their signs.
    @inline(__always)
    private func finish(
        levels: UnsafeMutablePointer<Int16>, coefficients: UnsafePointer<Int16>, remainders: UnsafeMutablePointer<Int32>, log2: Int,
        cIdx: Int, scanIdx: Int, unit: Float, lambda: Float, last: Int, total: Float, allZero: Float
    ) -> Int {
        let subBlocks = scans.subBlock + ((log2 &- 2) &* 192 &+ scanIdx &* 64)
        let positions = scans.position4 + (scanIdx &<< 4)
        prepareLast(log2: log2, cIdx: cIdx)
        var best = allZero
        var bestLast = -1
        var rest = total
        var i = last
        search: while i >= 0 {
            let sb = Int(subBlocks[i])
            let at = origin(subBlocks, i, log2)
            rest -= subBlockCost[i]
            var n = 15
            while n >= 0 {
                let index = i &* 16 &+ n
                let pos = Int(positions[n])
                let level = levels[at &+ ((pos &>> 2) &<< log2 | (pos & 3))]
                if level != 0 {
                    var x = (sb & 7) &<< 2 | (pos & 3)
                    var y = (sb &>> 3) &<< 2 | (pos &>> 2)
                    if scanIdx == 2 { swap(&x, &y) }
                    let c = rest - sigCost[index] + lambda * (lastBits(x, lastX) + lastBits(y, lastY))
                    if c < best {
                        best = c
                        bestLast = index
                    }
                    if level > 1 || level < -1 { break search }
                }
                rest += zeroCost[index] - cost[index]
                n &-= 1
            }
            i &-= 1
        }
        var count = 0
        for i in 0...last {
            let at = origin(subBlocks, i, log2)
            for n in 0..<16 {
                let pos = Int(positions[n])
                let offset = at &+ ((pos &>> 2) &<< log2 | (pos & 3))
                var level = abs(Int(levels[offset]))
                if i &* 16 &+ n > bestLast { level = 0 }
                let c = Int(coefficients[offset])
                remainders[offset] = Int32((Float(abs(c)) * unit - Float(level)) * 256)
                if level != 0 { count &+= 1 }
                levels[offset] = Int16(truncatingIfNeeded: c < 0 ? 0 &- level : level)
            }
        }
        return count
    }

    @inline(__always)
    private func origin(_ subBlocks: UnsafePointer<UInt8>, _ i: Int, _ log2: Int) -> Int {
        let sb = Int(subBlocks[i])
        return (sb &>> 3) &<< (log2 &+ 2) | (sb & 7) &<< 2
    }

    @inline(__always)
    private func isEmpty(_ at: UnsafePointer<Int16>, _ log2: Int) -> Bool {
        var any: UInt64 = 0
        for y in 0..<4 { any |= UnsafeRawPointer(at + (y &<< log2)).loadUnaligned(as: UInt64.self) }
        return any == 0
    }

    @inline(__always)
    private func clear(_ at: UnsafeMutablePointer<Int16>, _ log2: Int) {
        for y in 0..<4 { (at + (y &<< log2)).update(repeating: 0, count: 4) }
    }

    /// Bits of the prefixes of the last position.
    private func prepareLast(log2: Int, cIdx: Int) {
        let offset = cIdx == 0 ? 3 &* (log2 &- 2) &+ ((log2 &- 1) &>> 2) : 15
        let shift = cIdx == 0 ? (log2 &+ 1) &>> 2 : log2 &- 2
        let most = (log2 &<< 1) &- 1
        var x: Float = 0
        var y: Float = 0
        for n in 0...most {
            let cx = Context.lastSigCoeffXPrefix &+ offset &+ (n &>> shift)
            let cy = Context.lastSigCoeffYPrefix &+ offset &+ (n &>> shift)
            lastX[n] = x + (n < most ? bin(0, cx) : 0)
            lastY[n] = y + (n < most ? bin(0, cy) : 0)
            if n < most {
                x += bin(1, cx)
                y += bin(1, cy)
            }
        }
    }

    @inline(__always)
    private func lastBits(_ v: Int, _ prefixes: UnsafePointer<Float>) -> Float {
        if v < 4 { return prefixes[v] }
        let top = Int.bitWidth &- 1 &- v.leadingZeroBitCount
        return prefixes[top &<< 1 | (v &>> (top &- 1) & 1)] + Float(top &- 1)
    }
}
