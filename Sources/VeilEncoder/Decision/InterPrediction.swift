// SPDX-License-Identifier: GPL-2.0-or-later
import CVeilKernels
import VeilCore
import VeilEntropy
import VeilRecon

/// Inter prediction into block buffers for the mode decision. One per worker.
final class DecisionPrediction {
    private let pred0 = Buffer<Int16>(repeating: 0, count: 4096, alignment: 64)
    /// Of samples of either size.
    private let scratch = Buffer<UInt16>(repeating: 0, count: 4096, alignment: 64)

    @inline(__always)
    private static func plane(_ r: MutableBufferView<ReferenceEntry>, _ cIdx: Int) -> Plane {
        cIdx == 0 ? r.pointee.planes.0 : cIdx == 1 ? r.pointee.planes.1 : r.pointee.planes.2
    }

    /// SATD of the source's luma plane against the luma prediction of a block, which is not kept.
    @inline(__always)
    func satd(
        _ motion: MotionInfo, references: MutableBufferView<ReferenceEntry>, bitDepth: Int, _ block: MotionBlock,
        source: Plane
    ) -> UInt32 {
        let (x, y, width, height) = (block.xPb, block.yPb, block.nPbW, block.nPbH)
        let w = Int32(truncatingIfNeeded: width)
        let h = Int32(truncatingIfNeeded: height)
        let at = source.address(x, y)
        if (motion.refIdx0 < 0) != (motion.refIdx1 < 0) {
            // One list and a whole vector: the reference's own samples.
            let first = motion.refIdx0 >= 0
            let mv = first ? motion.mv0 : motion.mv1
            if (mv.x | mv.y) & 3 == 0 {
                let plane = references[first ? Int(motion.refIdx0) : 16 &+ Int(motion.refIdx1)].planes.0
                let from = MotionSearch.at(plane, x &+ (Int(mv.x) &>> 2), y &+ (Int(mv.y) &>> 2), width, height)
                return veil_any_satd(plane.isNarrow, at, source.stride, from, plane.stride, w, h)
            }
        }
        predict(
            motion, references: references, bitDepth: bitDepth, cIdx: 0, block,
            to: SampleBlock(scratch.base, stride: 64, isNarrow: source.isNarrow))
        return veil_any_satd(source.isNarrow, at, source.stride, scratch.base, 64, w, h)
    }

    /// Predicts one component of a block.
    @inline(__always)
    func predict(
        _ motion: MotionInfo, references: MutableBufferView<ReferenceEntry>, bitDepth: Int, cIdx: Int,
        _ block: MotionBlock, to target: SampleBlock
    ) {
        let (to, stride) = (target.base, target.stride)
        let (x, y) = (block.xPb, block.yPb)
        let s = cIdx == 0 ? 0 : 1
        let bits = cIdx == 0 ? 2 : 3
        let mask = (1 &<< bits) &- 1
        let depth = Int32(truncatingIfNeeded: bitDepth)
        let w = block.nPbW &>> s
        let h = block.nPbH &>> s
        let w32 = Int32(truncatingIfNeeded: w)
        let h32 = Int32(truncatingIfNeeded: h)
        let isFirst = motion.refIdx0 >= 0
        let a = references + (isFirst ? Int(motion.refIdx0) : 16 &+ Int(motion.refIdx1))
        let mvA = isFirst ? motion.mv0 : motion.mv1
        let planeA = Self.plane(a, cIdx)
        // References have samples of the same size.
        let narrow = planeA.isNarrow
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
                veil_any_luma_pred(narrow, pred0.base, fromA, planeA.stride, w32, h32, ax, ay, depth)
                veil_any_luma_bi(narrow, to, stride, pred0.base, fromB, planeB.stride, w32, h32, bx, by, depth)
            } else {
                veil_any_chroma_pred(narrow, pred0.base, fromA, planeA.stride, w32, h32, ax, ay, depth)
                veil_any_chroma_bi(narrow, to, stride, pred0.base, fromB, planeB.stride, w32, h32, bx, by, depth)
            }
        } else if ax | ay == 0 {
            veil_any_copy(narrow, to, stride, fromA, planeA.stride, w32, h32)
        } else if cIdx == 0 {
            veil_any_luma_put(narrow, to, stride, fromA, planeA.stride, w32, h32, ax, ay, depth)
        } else {
            veil_any_chroma_put(narrow, to, stride, fromA, planeA.stride, w32, h32, ax, ay, depth)
        }
    }
}
