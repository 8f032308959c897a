// SPDX-License-Identifier: GPL-2.0-or-later
import CVeilKernels
import VeilCore
import VeilEntropy
import VeilRecon

/// Inter prediction into block buffers for the mode decision. One per worker.
final class DecisionPrediction {
    private let pred0: UnsafeMutablePointer<Int16>
    private let scratch: UnsafeMutablePointer<UInt16>

    init() {
        pred0 = UnsafeMutableRawPointer.allocate(byteCount: 8192, alignment: 64).bindMemory(
            to: Int16.self, capacity: 4096)
        pred0.initialize(repeating: 0, count: 4096)
        scratch = UnsafeMutableRawPointer.allocate(byteCount: 8192, alignment: 64).bindMemory(
            to: UInt16.self, capacity: 4096)
        scratch.initialize(repeating: 0, count: 4096)
    }

    deinit {
        pred0.deallocate()
        scratch.deallocate()
    }

    @inline(__always)
    private static func plane(_ r: UnsafeMutablePointer<ReferenceEntry>, _ cIdx: Int) -> Plane {
        cIdx == 0 ? r.pointee.planes.0 : cIdx == 1 ? r.pointee.planes.1 : r.pointee.planes.2
    }

    /// SATD of the source at `at` against the luma prediction of a block, which is not kept.
    @inline(__always)
    func satd(
        _ motion: MotionInfo, references: UnsafeMutablePointer<ReferenceEntry>, bitDepth: Int, x: Int, y: Int,
        width: Int, height: Int,
        source at: UnsafePointer<UInt16>, stride: Int
    ) -> UInt32 {
        let w = Int32(truncatingIfNeeded: width)
        let h = Int32(truncatingIfNeeded: height)
        if (motion.refIdx0 < 0) != (motion.refIdx1 < 0) {
            // One list and a whole vector: the reference's own samples.
            let first = motion.refIdx0 >= 0
            let mv = first ? motion.mv0 : motion.mv1
            if (mv.x | mv.y) & 3 == 0 {
                let plane = references[first ? Int(motion.refIdx0) : 16 &+ Int(motion.refIdx1)].planes.0
                let from = MotionSearch.at(plane, x &+ (Int(mv.x) &>> 2), y &+ (Int(mv.y) &>> 2), width, height)
                return veil_satd(at, stride, from, plane.stride, w, h)
            }
        }
        predict(
            motion, references: references, bitDepth: bitDepth, cIdx: 0, x: x, y: y, width: width, height: height,
            to: scratch, stride: 64)
        return veil_satd(at, stride, scratch, 64, w, h)
    }

    /// Predicts one component of a block; `x`, `y`, `width`, `height` are in luma samples.
    @inline(__always)
    func predict(
        _ motion: MotionInfo, references: UnsafeMutablePointer<ReferenceEntry>, bitDepth: Int, cIdx: Int, x: Int,
        y: Int, width: Int,
        height: Int, to: UnsafeMutablePointer<UInt16>, stride: Int
    ) {
        let s = cIdx == 0 ? 0 : 1
        let bits = cIdx == 0 ? 2 : 3
        let mask = (1 &<< bits) &- 1
        let depth = Int32(truncatingIfNeeded: bitDepth)
        let w = width &>> s
        let h = height &>> s
        let w32 = Int32(truncatingIfNeeded: w)
        let h32 = Int32(truncatingIfNeeded: h)
        let isFirst = motion.refIdx0 >= 0
        let a = references + (isFirst ? Int(motion.refIdx0) : 16 &+ Int(motion.refIdx1))
        let mvA = isFirst ? motion.mv0 : motion.mv1
        let planeA = Self.plane(a, cIdx)
        let fromA = MotionSearch.at(
            planeA, (x &>> s) &+ (Int(mvA.x) &>> bits), (y &>> s) &+ (Int(mvA.y) &>> bits), w, h)
        let ax = Int32(truncatingIfNeeded: Int(mvA.x) & mask)
        let ay = Int32(truncatingIfNeeded: Int(mvA.y) & mask)
        if isFirst && motion.refIdx1 >= 0 {
            let mvB = motion.mv1
            let planeB = Self.plane(references + (16 &+ Int(motion.refIdx1)), cIdx)
            let fromB = MotionSearch.at(
                planeB, (x &>> s) &+ (Int(mvB.x) &>> bits), (y &>> s) &+ (Int(mvB.y) &>> bits), w, h)
            let bx = Int32(truncatingIfNeeded: Int(mvB.x) & mask)
            let by = Int32(truncatingIfNeeded: Int(mvB.y) & mask)
            if cIdx == 0 {
                veil_luma_pred(pred0, fromA, planeA.stride, w32, h32, ax, ay, depth)
                veil_luma_bi(to, stride, pred0, fromB, planeB.stride, w32, h32, bx, by, depth)
            } else {
                veil_chroma_pred(pred0, fromA, planeA.stride, w32, h32, ax, ay, depth)
                veil_chroma_bi(to, stride, pred0, fromB, planeB.stride, w32, h32, bx, by, depth)
            }
        } else if ax | ay == 0 {
            veil_copy(to, stride, fromA, planeA.stride, w32, h32)
        } else if cIdx == 0 {
            veil_luma_put(to, stride, fromA, planeA.stride, w32, h32, ax, ay, depth)
        } else {
            veil_chroma_put(to, stride, fromA, planeA.stride, w32, h32, ax, ay, depth)
        }
    }
}
