// SPDX-License-Identifier: GPL-2.0-or-later
import CVeilKernels
import VeilBins
import VeilRecon

/// Inter prediction into block buffers and the search for motion vectors. One per worker.
final class MotionSearch {
    private let pred0: UnsafeMutablePointer<Int16>
    private let block: UnsafeMutablePointer<UInt16>

    init() {
        pred0 = UnsafeMutableRawPointer.allocate(byteCount: 8192, alignment: 64).bindMemory(to: Int16.self, capacity: 4096)
        pred0.initialize(repeating: 0, count: 4096)
        block = UnsafeMutableRawPointer.allocate(byteCount: 8192, alignment: 64).bindMemory(to: UInt16.self, capacity: 4096)
        block.initialize(repeating: 0, count: 4096)
    }

    deinit {
        pred0.deallocate()
        block.deallocate()
    }

    /// First sample of a block displaced by whole samples, clamped into the margins as the decoder does.
    @inline(__always)
    private static func at(_ plane: Plane, _ x: Int, _ y: Int, _ w: Int, _ h: Int) -> UnsafeMutablePointer<UInt16> {
        let limit = plane.margin &- 8
        return plane.at(min(max(x, 0 &- limit), plane.width &+ limit &- w), min(max(y, 0 &- limit), plane.height &+ limit &- h))
    }

    @inline(__always)
    private static func plane(_ r: UnsafeMutablePointer<ReferenceEntry>, _ cIdx: Int) -> Plane {
        cIdx == 0 ? r.pointee.planes.0 : cIdx == 1 ? r.pointee.planes.1 : r.pointee.planes.2
    }

    /// Predicts `components` (the first so many of Y, Cb, Cr) of a block of a CU into `out`.
    func predict(
        _ motion: MotionInfo, slice: SliceContext, x: Int, y: Int, width: Int, height: Int, components: Int, into out: BlockSamples
    ) {
        guard let references = slice.references else { return }
        let first = motion.refIdx0 >= 0 ? references + Int(motion.refIdx0) : nil
        let second = motion.refIdx1 >= 0 ? references + (16 + Int(motion.refIdx1)) : nil
        for cIdx in 0..<components {
            let s = cIdx == 0 ? 0 : 1
            let bits = cIdx == 0 ? 2 : 3
            let mask = (1 << bits) - 1
            let depth = Int32(cIdx == 0 ? slice.bitDepthLuma : slice.bitDepthChroma)
            let w = width >> s
            let h = height >> s
            let to = out.plane(cIdx)
            let stride = BlockSamples.stride(cIdx)
            func source(_ r: UnsafeMutablePointer<ReferenceEntry>, _ mv: MotionVector) -> (UnsafeMutablePointer<UInt16>, Int, Int32, Int32) {
                let plane = Self.plane(r, cIdx)
                let from = Self.at(plane, (x >> s) + (Int(mv.x) >> bits), (y >> s) + (Int(mv.y) >> bits), w, h)
                return (from, plane.stride, Int32(Int(mv.x) & mask), Int32(Int(mv.y) & mask))
            }
            if let first, let second {
                let (a, aStride, ax, ay) = source(first, motion.mv0)
                let (b, bStride, bx, by) = source(second, motion.mv1)
                if cIdx == 0 {
                    veil_luma_pred(pred0, a, aStride, Int32(w), Int32(h), ax, ay, depth)
                    veil_luma_bi(to, stride, pred0, b, bStride, Int32(w), Int32(h), bx, by, depth)
                } else {
                    veil_chroma_pred(pred0, a, aStride, Int32(w), Int32(h), ax, ay, depth)
                    veil_chroma_bi(to, stride, pred0, b, bStride, Int32(w), Int32(h), bx, by, depth)
                }
            } else if let one = first ?? second {
                let (a, aStride, ax, ay) = source(one, first != nil ? motion.mv0 : motion.mv1)
                if cIdx == 0 {
                    veil_luma_put(to, stride, a, aStride, Int32(w), Int32(h), ax, ay, depth)
                } else {
                    veil_chroma_put(to, stride, a, aStride, Int32(w), Int32(h), ax, ay, depth)
                }
            }
        }
    }

    /// A search's outcome: vector, its predictor's flag, and its SATD plus rate.
    struct Result {
        var mv = MotionVector()
        var mvpFlag = 0
        var cost = Double.infinity
    }

    /// Finds a vector for a block: predictors and given starts, a hexagon on whole samples, then half and quarter samples by SATD.
    func search(
        source: UnsafePointer<UInt16>, sourceStride: Int, reference: UnsafeMutablePointer<ReferenceEntry>, x: Int, y: Int, size: Int,
        predictors: (MotionVector, MotionVector), starts: [MotionVector], bitDepth: Int, lambda: Double, rate: RateEstimator,
        effort: SearchEffort
    ) -> Result {
        let plane = reference.pointee.planes.0
        let n = Int32(size)
        func rateOf(_ mv: MotionVector) -> (Double, Int) {
            let a = rate.mvd(Int(mv.x) - Int(predictors.0.x), Int(mv.y) - Int(predictors.0.y))
            let b = rate.mvd(Int(mv.x) - Int(predictors.1.x), Int(mv.y) - Int(predictors.1.y))
            return a <= b ? (Double(a) / 32768, 0) : (Double(b) / 32768, 1)
        }
        func integerCost(_ mx: Int, _ my: Int) -> Double {
            let from = Self.at(plane, x + mx, y + my, size, size)
            let sad = veil_sad(source, sourceStride, from, plane.stride, n, n)
            return Double(sad) + lambda * rateOf(MotionVector(x: Int16(clamping: mx * 4), y: Int16(clamping: my * 4))).0
        }
        var bestX = 0
        var bestY = 0
        var best = integerCost(0, 0)
        func consider(_ mx: Int, _ my: Int) -> Bool {
            let cost = integerCost(mx, my)
            if cost < best {
                best = cost
                bestX = mx
                bestY = my
                return true
            }
            return false
        }
        for mv in [predictors.0, predictors.1] + starts {
            let mx = (Int(mv.x) + 2) >> 2
            let my = (Int(mv.y) + 2) >> 2
            if mx != bestX || my != bestY { _ = consider(mx, my) }
        }
        // Hexagon until the centre is best, then the eight neighbours.
        var steps = 0
        var moved = true
        while moved && steps < effort.hexagonSteps {
            moved = false
            let cx = bestX
            let cy = bestY
            for (dx, dy) in [(-2, 0), (-1, -2), (1, -2), (2, 0), (1, 2), (-1, 2)] where consider(cx + dx, cy + dy) { moved = true }
            steps += 1
        }
        let cx = bestX
        let cy = bestY
        for (dx, dy) in [(-1, 0), (1, 0), (0, -1), (0, 1), (-1, -1), (1, -1), (-1, 1), (1, 1)] { _ = consider(cx + dx, cy + dy) }
        // Fractions.
        var result = Result()
        func fractional(_ mv: MotionVector) {
            let from = Self.at(plane, x + (Int(mv.x) >> 2), y + (Int(mv.y) >> 2), size, size)
            let fx = Int32(Int(mv.x) & 3)
            let fy = Int32(Int(mv.y) & 3)
            let satd: UInt32
            if fx == 0 && fy == 0 {
                satd = veil_satd(source, sourceStride, from, plane.stride, n, n)
            } else {
                veil_luma_put(block, 64, from, plane.stride, n, n, fx, fy, Int32(bitDepth))
                satd = veil_satd(source, sourceStride, block, 64, n, n)
            }
            let (bits, flag) = rateOf(mv)
            let cost = Double(satd) + lambda * bits
            if cost < result.cost { result = Result(mv: mv, mvpFlag: flag, cost: cost) }
        }
        fractional(MotionVector(x: Int16(clamping: bestX * 4), y: Int16(clamping: bestY * 4)))
        for step in effort.fractionalSteps {
            let centre = result.mv
            for (dx, dy) in effort.diamond
                ? [(-1, 0), (1, 0), (0, -1), (0, 1)] : [(-1, 0), (1, 0), (0, -1), (0, 1), (-1, -1), (1, -1), (-1, 1), (1, 1)]
            {
                fractional(
                    MotionVector(x: Int16(clamping: Int(centre.x) + dx * step), y: Int16(clamping: Int(centre.y) + dy * step)))
            }
        }
        return result
    }
}

/// How hard to search for motion.
package struct SearchEffort: Equatable, Sendable {
    package var hexagonSteps = 8
    /// Steps in quarter samples, one refinement round each.
    package var fractionalSteps = [2, 1]
    /// Four instead of eight neighbours in fractional rounds.
    package var diamond = false
    package init(hexagonSteps: Int = 8, fractionalSteps: [Int] = [2, 1], diamond: Bool = false) {
        self.hexagonSteps = hexagonSteps
        self.fractionalSteps = fractionalSteps
        self.diamond = diamond
    }
}
