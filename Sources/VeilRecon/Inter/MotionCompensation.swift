// SPDX-License-Identifier: GPL-2.0-or-later
import CVeilKernels
import VeilCore
import VeilEntropy

/// Fractional sample interpolation and weighted prediction (8.5.3.3) of whole prediction blocks. One per worker thread.
package final class MotionCompensation {
    /// predSamplesL0 and L1 of one component, 64 samples a row.
    private let samples0 = Buffer<Int16>(repeating: 0, count: 64 * 64, alignment: 64)
    private let samples1 = Buffer<Int16>(repeating: 0, count: 64 * 64, alignment: 64)
    private let patches = InterLayerBlockCache()

    package init() {}

    /// Predicts all components of a block of `frame` from the slice's references. Waits until the references
    /// have got far enough.
    package func predict(
        _ motion: MotionInfo, x: Int, y: Int, width: Int, height: Int, slice: SliceContext, into frame: FrameBuffer
    ) {
        guard let references = slice.references else { return }
        let first = motion.refIdx0 >= 0 ? references + Int(motion.refIdx0) : nil
        let second = motion.refIdx1 >= 0 ? references + (16 &+ Int(motion.refIdx1)) : nil
        var a = first ?? references
        var mvA = motion.mv0
        var both = false
        if first == nil {
            guard let second else { return }
            a = second
            mvA = motion.mv1
        } else if let second,
            slice.weights != nil || second.pointee.pictureId != a.pointee.pictureId || motion.mv1 != mvA
        {
            // Without explicit weights the mean of a prediction and itself is the prediction.
            both = true
        }
        let planesA = planes(a, mvA, x: x, y: y, height: height, frame: frame)
        let planesB = both ? second.map { planes($0, motion.mv1, x: x, y: y, height: height, frame: frame) } : nil
        let format = frame.chromaFormat
        // References have samples of the same size.
        let narrow = frame.isNarrow
        for cIdx in 0..<format.planeCount {
            let shiftX = format.shiftX(cIdx)
            let shiftY = format.shiftY(cIdx)
            let plane = frame.plane(cIdx)
            let xC = x &>> shiftX
            let yC = y &>> shiftY
            let w = Int32(truncatingIfNeeded: width &>> shiftX)
            let h = Int32(truncatingIfNeeded: height &>> shiftY)
            let depth = Int32(truncatingIfNeeded: frame.bitDepth(cIdx))
            let to = plane.address(xC, yC)
            let from = Source(planesA, mvA, cIdx, xC, yC, Int(w), Int(h), format)
            let other = planesB.map { Source($0, motion.mv1, cIdx, xC, yC, Int(w), Int(h), format) }
            if let weights = slice.weights {
                let denom = Int32(
                    truncatingIfNeeded: cIdx == 0
                        ? slice.constants.lumaLog2WeightDenom : slice.constants.chromaLog2WeightDenom)
                let w0 = weights[(first != nil ? Int(motion.refIdx0) : 16 &+ Int(motion.refIdx1)) &* 3 &+ cIdx]
                let w1 = other == nil ? w0 : weights[(16 &+ Int(motion.refIdx1)) &* 3 &+ cIdx]
                if !w0.isOne(denom) || !w1.isOne(denom) {
                    let log2WD = denom &+ 14 &- depth
                    from.predict(into: samples0.view, cIdx, w, h, depth, narrow)
                    if let other {
                        other.predict(into: samples1.view, cIdx, w, h, depth, narrow)
                        veil_any_pred_weighted_bi(
                            narrow, to, plane.stride, samples0.base, samples1.base, w, h, log2WD, Int32(w0.weight),
                            Int32(w1.weight), Int32(w0.offset), Int32(w1.offset), depth)
                    } else {
                        veil_any_pred_weighted(
                            narrow, to, plane.stride, samples0.base, w, h, log2WD, Int32(w0.weight), Int32(w0.offset),
                            depth)
                    }
                    continue
                }
                // With weights of one the equations (8.5.3.3.4.3) give what those without weights do.
            }
            if let other {
                if from.isFull && other.isFull {
                    // ((a << s) + (b << s) + (1 << s)) >> (s + 1), of samples.
                    veil_any_average(narrow, to, plane.stride, from.at, from.stride, other.at, other.stride, w, h)
                    continue
                }
                from.predict(into: samples0.view, cIdx, w, h, depth, narrow)
                if cIdx == 0 {
                    veil_any_luma_bi(
                        narrow, to, plane.stride, samples0.base, other.at, other.stride, w, h, other.mx, other.my, depth
                    )
                } else {
                    veil_any_chroma_bi(
                        narrow, to, plane.stride, samples0.base, other.at, other.stride, w, h, other.mx, other.my, depth
                    )
                }
            } else if cIdx == 0 {
                veil_any_luma_put(narrow, to, plane.stride, from.at, from.stride, w, h, from.mx, from.my, depth)
            } else {
                veil_any_chroma_put(narrow, to, plane.stride, from.at, from.stride, w, h, from.mx, from.my, depth)
            }
        }
    }

    /// Where a block's samples are, once they are there: the rows that the vector reaches, interpolation taps
    /// included, of a picture, or the CTB of an inter-layer reference.
    @inline(__always)
    private func planes(
        _ reference: MutableBufferView<ReferenceEntry>, _ mv: MotionVector, x: Int, y: Int, height: Int,
        frame: FrameBuffer
    ) -> BufferView<Plane> {
        let last = y &+ height &+ (Int(mv.y) &>> 2) &+ 5
        return reference.pointee.picture._withUnsafeGuaranteedRef { picture in
            if let producer = picture.producer, let planes = producer.planes(mv: mv, x: x, y: y, patches: patches) {
                return planes
            }
            picture.prepare(rows: min(max(last, 1), frame.height), mv: mv, x: x, y: y, height: height)
            return ReferenceEntry.planes(of: reference)
        }
    }

    /// Where a component's block is read in its reference, and the fractional vector.
    private struct Source {
        let at: UnsafeMutableRawPointer
        let stride: Int
        let mx: Int32
        let my: Int32
        /// No interpolation.
        var isFull: Bool { mx | my == 0 }

        /// Positions are clamped into the margins, where all samples repeat the border.
        @inline(__always)
        init(
            _ planes: BufferView<Plane>, _ mv: MotionVector, _ cIdx: Int, _ x: Int, _ y: Int, _ w: Int, _ h: Int,
            _ format: ChromaFormat
        ) {
            let plane = planes + cIdx
            let bitsX = 2 &+ format.shiftX(cIdx)
            let bitsY = 2 &+ format.shiftY(cIdx)
            let limit = plane.pointee.margin &- 8
            let xInt = min(max(x &+ (Int(mv.x) &>> bitsX), 0 &- limit), plane.pointee.width &+ limit &- w)
            let yInt = min(max(y &+ (Int(mv.y) &>> bitsY), 0 &- limit), plane.pointee.height &+ limit &- h)
            at = plane.pointee.address(xInt, yInt)
            stride = plane.pointee.stride
            // Chroma vectors count eighths, also where chroma samples lie as close as luma samples.
            let most = cIdx == 0 ? 2 : 3
            mx = Int32(truncatingIfNeeded: (Int(mv.x) & ((1 &<< bitsX) &- 1)) &<< (most &- bitsX))
            my = Int32(truncatingIfNeeded: (Int(mv.y) & ((1 &<< bitsY) &- 1)) &<< (most &- bitsY))
        }

        /// predSamplesLX as the kernels keep it between them.
        @inline(__always)
        func predict(
            into out: MutableBufferView<Int16>, _ cIdx: Int, _ w: Int32, _ h: Int32, _ depth: Int32, _ narrow: Bool
        ) {
            if cIdx == 0 {
                veil_any_luma_pred(narrow, out.base, at, stride, w, h, mx, my, depth)
            } else {
                veil_any_chroma_pred(narrow, out.base, at, stride, w, h, mx, my, depth)
            }
        }
    }
}
