// SPDX-License-Identifier: GPL-2.0-or-later
import CVeilKernels
import VeilCore
import VeilEntropy
import VeilRecon

/// How hard to search for motion.
package struct SearchEffort: Equatable, Sendable {
    package enum Pattern: Equatable, Sendable {
        case diamond
        case hexagon
    }
    package var pattern = Pattern.hexagon
    /// Most moves of the pattern.
    package var steps = 16
    /// Rounds with eight instead of four neighbours at half and quarter samples.
    package var square = false
    /// Whole-sample vectors that cost this much more than what is known already are not refined.
    package var refineRatio = 2.0
    /// Stops at half samples.
    package var quarter = true
    package init() {}
}

/// The search for motion vectors. One per worker.
final class MotionSearch {
    /// A prediction, of samples of one byte or two.
    private let block = Buffer<UInt16>(repeating: 0, count: 4096, alignment: 64)
    private let widened = Buffer<UInt16>(repeating: 0, count: 4096, alignment: 64)
    private let pointers = Buffer<UnsafeRawPointer?>(repeating: nil, count: 4)
    private let sums = Buffer<UInt32>(repeating: 0, count: 4)
    /// Bits of a component of a vector difference, by its magnitude in quarter samples.
    private let rates = Buffer<Float>(repeating: 0, count: MotionSearch.rateCount)
    private static let rateCount = 2048
    /// What a bit is worth in SAD and SATD.
    @exclusivity(unchecked) var lambda: Float = 0

    /// Prepares for searches with the context states at hand.
    func begin(rate: RateEstimator) {
        let zero = Float(rate.mvd(0, 0)) / 65536
        for i in 0..<Self.rateCount { rates[i] = Float(rate.mvd(i, 0) &- rate.mvd(0, 0)) / 32768 + zero }
    }

    @inline(__always)
    private func rate(_ d: Int) -> Float { rates[min(abs(d), Self.rateCount &- 1)] }

    /// First sample of a block displaced by whole samples, clamped into the margins as the decoder does.
    @inline(__always)
    static func at(_ plane: Plane, _ x: Int, _ y: Int, _ w: Int, _ h: Int) -> UnsafeMutableRawPointer {
        let limit = plane.margin &- 8
        return plane.address(
            min(max(x, 0 &- limit), plane.width &+ limit &- w), min(max(y, 0 &- limit), plane.height &+ limit &- h))
    }

    /// What to search for, and where.
    struct Target {
        /// Samples as large as those of `plane`; of two bytes where `isDifference`.
        var source: UnsafeRawPointer
        var sourceStride: Int
        var plane: Plane
        var x: Int
        var y: Int
        var width: Int
        var height: Int
        var predictors: (MotionVector, MotionVector)
        var bitDepth: Int
        /// Greatest vertical component in whole samples.
        var maxY: Int
        /// The source is what one prediction of two leaves to the other, which has no bounds of samples.
        var isDifference = false
    }

    /// A search's outcome: vector, its predictor's flag, and its SATD plus the rate of its difference.
    struct Result {
        var mv = MotionVector()
        var mvpFlag = 0
        var cost = Double.infinity
    }

    @inline(__always)
    private func rate(_ t: Target, _ x: Int, _ y: Int) -> (Float, Int) {
        let a = rate(x &- Int(t.predictors.0.x)) + rate(y &- Int(t.predictors.0.y))
        let b = rate(x &- Int(t.predictors.1.x)) + rate(y &- Int(t.predictors.1.y))
        return a <= b ? (a * lambda, 0) : (b * lambda, 1)
    }

    /// The better of two predictors of a vector.
    @inline(__always)
    func predictor(_ mv: MotionVector, _ predictors: (MotionVector, MotionVector)) -> Int {
        func bits(_ p: MotionVector) -> Float { rate(Int(mv.x) &- Int(p.x)) + rate(Int(mv.y) &- Int(p.y)) }
        return bits(predictors.0) <= bits(predictors.1) ? 0 : 1
    }

    @inline(__always)
    private func integerCost(_ t: Target, _ mx: Int, _ my: Int) -> Float {
        let from = Self.at(t.plane, t.x &+ mx, t.y &+ my, t.width, t.height)
        let sad = veil_any_sad(
            t.plane.isNarrow, t.source, t.sourceStride, from, t.plane.stride, Int32(truncatingIfNeeded: t.width),
            Int32(truncatingIfNeeded: t.height))
        return Float(sad) + rate(t, mx &* 4, my &* 4).0
    }

    private struct Best {
        var x = 0
        var y = 0
        var cost = Float.infinity
    }

    /// Four neighbours at once; returns whether one is better.
    @inline(__always)
    private func evaluateFour(
        _ t: Target, _ best: inout Best, _ cx: Int, _ cy: Int, _ a: (Int, Int), _ b: (Int, Int), _ c: (Int, Int),
        _ d: (Int, Int)
    ) -> Bool {
        @inline(__always)
        func set(_ i: Int, _ o: (Int, Int)) {
            pointers[i] = UnsafeRawPointer(Self.at(t.plane, t.x &+ cx &+ o.0, t.y &+ cy &+ o.1, t.width, t.height))
        }
        set(0, a)
        set(1, b)
        set(2, c)
        set(3, d)
        veil_any_sad_x4(
            t.plane.isNarrow, sums.base, t.source, t.sourceStride, pointers.base, t.plane.stride,
            Int32(truncatingIfNeeded: t.width),
            Int32(truncatingIfNeeded: t.height))
        var moved = false
        @inline(__always)
        func consider(_ i: Int, _ o: (Int, Int)) {
            let x = cx &+ o.0
            let y = cy &+ o.1
            let sad = Float(sums[i])
            if sad >= best.cost || y > t.maxY { return }
            let cost = sad + rate(t, x &* 4, y &* 4).0
            if cost < best.cost {
                best = Best(x: x, y: y, cost: cost)
                moved = true
            }
        }
        consider(0, a)
        consider(1, b)
        consider(2, c)
        consider(3, d)
        return moved
    }

    /// Finds a vector for a block: predictors and given starts, a pattern on whole samples, then half and quarter
    /// samples by SATD.
    ///
    /// `bound`: cost of what is known already; a search that stays far above it is not refined.
    func search(
        _ t: Target, starts: BufferView<MotionVector>, startCount: Int, bound: Double, effort: SearchEffort
    ) -> Result {
        var best = Best()
        best.cost = integerCost(t, 0, 0)
        @inline(__always)
        func start(_ mv: MotionVector) {
            let mx = (Int(mv.x) &+ 2) &>> 2
            let my = (Int(mv.y) &+ 2) &>> 2
            if (mx == 0 && my == 0) || (mx == best.x && my == best.y) || my > t.maxY { return }
            let cost = integerCost(t, mx, my)
            if cost < best.cost { best = Best(x: mx, y: my, cost: cost) }
        }
        start(t.predictors.0)
        if t.predictors.1 != t.predictors.0 { start(t.predictors.1) }
        for i in 0..<startCount { start(starts[i]) }
        var steps = 0
        // Nothing to gain where the difference is rounding noise.
        let enough = Float(t.width &* t.height) * 0.5
        if best.cost > enough {
            if effort.pattern == .diamond {
                while steps < effort.steps,
                    evaluateFour(t, &best, best.x, best.y, (0, -1), (-1, 0), (1, 0), (0, 1))
                { steps &+= 1 }
            } else {
                while steps < effort.steps {
                    let cx = best.x
                    let cy = best.y
                    let a = evaluateFour(t, &best, cx, cy, (-2, 0), (2, 0), (-1, -2), (1, 2))
                    let b = evaluateFour(t, &best, cx, cy, (1, -2), (-1, 2), (0, -3), (0, 3))
                    if !a && !b { break }
                    steps &+= 1
                }
                let cx = best.x
                let cy = best.y
                _ = evaluateFour(t, &best, cx, cy, (0, -1), (-1, 0), (1, 0), (0, 1))
                _ = evaluateFour(t, &best, cx, cy, (-1, -1), (1, -1), (-1, 1), (1, 1))
            }
        }
        var result = Result()
        fractional(t, best.x &* 4, best.y &* 4, &result)
        if result.cost > bound * effort.refineRatio && result.cost > Double(enough) { return result }
        refine(t, 2, &result, square: effort.square)
        if effort.quarter { refine(t, 1, &result, square: effort.square) }
        return result
    }

    /// Moves a vector of a pair by whole, half and quarter samples. `t` has what the other prediction leaves, twice
    /// as large as it counts in the mean of both, so that bits count twice as much as well.
    func refine(_ t: Target, from start: MotionVector) -> Result {
        lambda *= 2
        defer { lambda /= 2 }
        var result = Result()
        fractional(t, Int(start.x), Int(start.y), &result)
        for step in [4, 2, 1] {
            for _ in 0..<4 {
                let before = result.mv
                refine(t, step, &result, square: true)
                if result.mv == before { break }
            }
        }
        return result
    }

    @inline(__always)
    private func refine(_ t: Target, _ step: Int, _ result: inout Result, square: Bool) {
        let x = Int(result.mv.x)
        let y = Int(result.mv.y)
        fractional(t, x &- step, y, &result)
        fractional(t, x &+ step, y, &result)
        fractional(t, x, y &- step, &result)
        fractional(t, x, y &+ step, &result)
        if square {
            fractional(t, x &- step, y &- step, &result)
            fractional(t, x &+ step, y &- step, &result)
            fractional(t, x &- step, y &+ step, &result)
            fractional(t, x &+ step, y &+ step, &result)
        } else if Int(result.mv.x) != x || Int(result.mv.y) != y {
            // The diagonal between the two better neighbours.
            let dx = Int(result.mv.x) &- x
            let dy = Int(result.mv.y) &- y
            if dx != 0 {
                fractional(t, x &+ dx, y &- step, &result)
                fractional(t, x &+ dx, y &+ step, &result)
            } else {
                fractional(t, x &- step, y &+ dy, &result)
                fractional(t, x &+ step, y &+ dy, &result)
            }
        }
    }

    private func fractional(_ t: Target, _ x: Int, _ y: Int, _ result: inout Result) {
        if y > t.maxY &* 4 || abs(x) > 32000 || abs(y) > 32000 { return }
        let (rate, flag) = rate(t, x, y)
        if Double(rate) >= result.cost { return }
        let from = Self.at(t.plane, t.x &+ (x &>> 2), t.y &+ (y &>> 2), t.width, t.height)
        let fx = Int32(truncatingIfNeeded: x & 3)
        let fy = Int32(truncatingIfNeeded: y & 3)
        let w = Int32(truncatingIfNeeded: t.width)
        let h = Int32(truncatingIfNeeded: t.height)
        let narrow = t.plane.isNarrow
        var prediction = from
        var stride = t.plane.stride
        if fx | fy != 0 {
            veil_any_luma_put(
                narrow, block.base, 64, from, stride, w, h, fx, fy, Int32(truncatingIfNeeded: t.bitDepth))
            prediction = UnsafeMutableRawPointer(block.base)
            stride = 64
        }
        let satd: UInt32
        if narrow && t.isDifference {
            veil_widen(widened.base, 64, prediction.assumingMemoryBound(to: UInt8.self), stride, w, h)
            satd = veil_any_satd(false, t.source, t.sourceStride, widened.base, 64, w, h)
        } else {
            satd = veil_any_satd(narrow, t.source, t.sourceStride, prediction, stride, w, h)
        }
        let cost = Double(satd) + Double(rate)
        if cost < result.cost {
            result = Result(mv: MotionVector(x: Int16(clamping: x), y: Int16(clamping: y)), mvpFlag: flag, cost: cost)
        }
    }
}
