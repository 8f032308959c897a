// SPDX-License-Identifier: GPL-2.0-or-later
import VeilBins

/// Fractional sample interpolation and weighted prediction (8.5.3.3) of whole prediction blocks. One per worker thread.
package final class MotionCompensation {
    /// predSamplesL0 and L1 of one component, 64 samples a row.
    private let samples0: UnsafeMutablePointer<Int16>
    private let samples1: UnsafeMutablePointer<Int16>
    static let stride = 64

    package init() {
        samples0 = .allocate(capacity: 64 * 64)
        samples0.initialize(repeating: 0, count: 64 * 64)
        samples1 = .allocate(capacity: 64 * 64)
        samples1.initialize(repeating: 0, count: 64 * 64)
    }

    deinit {
        samples0.deallocate()
        samples1.deallocate()
    }

    /// Predicts all three components of a block of `frame` from the slice's references. Waits until the references have got far enough.
    package func predict(
        _ motion: MotionInfo, x: Int, y: Int, width: Int, height: Int, slice: SliceContext, into frame: FrameBuffer
    ) {
        guard let references = slice.references else { return }
        let first = motion.refIdx0 >= 0 ? references + Int(motion.refIdx0) : nil
        let second = motion.refIdx1 >= 0 ? references + (16 &+ Int(motion.refIdx1)) : nil
        if let first { Self.wait(first, motion.mv0, y: y, height: height, frame: frame) }
        if let second { Self.wait(second, motion.mv1, y: y, height: height, frame: frame) }
        for cIdx in 0..<3 {
            let shift = cIdx == 0 ? 0 : 1
            let bitDepth = frame.bitDepth(cIdx)
            let plane = frame.plane(cIdx)
            let w = width &>> shift
            let h = height &>> shift
            let to = plane.at(x &>> shift, y &>> shift)
            let weights = slice.weights
            if let first, let second {
                interpolate(first, motion.mv0, cIdx, x &>> shift, y &>> shift, w, h, bitDepth, into: samples0)
                interpolate(second, motion.mv1, cIdx, x &>> shift, y &>> shift, w, h, bitDepth, into: samples1)
                if let weights {
                    let w0 = weights[Int(motion.refIdx0) &* 3 &+ cIdx]
                    let w1 = weights[(16 &+ Int(motion.refIdx1)) &* 3 &+ cIdx]
                    let denom = cIdx == 0 ? slice.constants.lumaLog2WeightDenom : slice.constants.chromaLog2WeightDenom
                    Kernels.weightedBi(to, plane.stride, samples0, samples1, w, h, w0, w1, denom, bitDepth)
                } else {
                    Kernels.averageBi(to, plane.stride, samples0, samples1, w, h, bitDepth)
                }
            } else if let reference = first ?? second {
                let mv = first != nil ? motion.mv0 : motion.mv1
                interpolate(reference, mv, cIdx, x &>> shift, y &>> shift, w, h, bitDepth, into: samples0)
                if let weights {
                    let index = first != nil ? Int(motion.refIdx0) : 16 &+ Int(motion.refIdx1)
                    let denom = cIdx == 0 ? slice.constants.lumaLog2WeightDenom : slice.constants.chromaLog2WeightDenom
                    Kernels.weightedUni(to, plane.stride, samples0, w, h, weights[index &* 3 &+ cIdx], denom, bitDepth)
                } else {
                    Kernels.putUni(to, plane.stride, samples0, w, h, bitDepth)
                }
            }
        }
    }

    /// The rows a vector reaches, interpolation taps included.
    @inline(__always)
    private static func wait(
        _ reference: UnsafeMutablePointer<ReferenceEntry>, _ mv: MotionVector, y: Int, height: Int, frame: FrameBuffer
    ) {
        let last = y &+ height &+ (Int(mv.y) &>> 2) &+ 5
        reference.pointee.picture._withUnsafeGuaranteedRef { $0.wait(rows: min(max(last, 1), frame.height)) }
    }

    /// predSamplesLX of one component. Positions are clamped into the margins, where all samples repeat the border.
    @inline(__always)
    private func interpolate(
        _ reference: UnsafeMutablePointer<ReferenceEntry>, _ mv: MotionVector, _ cIdx: Int, _ x: Int, _ y: Int, _ w: Int, _ h: Int,
        _ bitDepth: Int, into out: UnsafeMutablePointer<Int16>
    ) {
        let plane = cIdx == 0 ? reference.pointee.planes.0 : cIdx == 1 ? reference.pointee.planes.1 : reference.pointee.planes.2
        let fractionBits = cIdx == 0 ? 2 : 3
        let mask = (1 &<< fractionBits) &- 1
        let limit = plane.margin &- 8
        let xInt = min(max(x &+ (Int(mv.x) &>> fractionBits), 0 &- limit), plane.width &+ limit &- w)
        let yInt = min(max(y &+ (Int(mv.y) &>> fractionBits), 0 &- limit), plane.height &+ limit &- h)
        let from = plane.at(xInt, yInt)
        if cIdx == 0 {
            Kernels.interpolateLuma(out, from, plane.stride, w, h, Int(mv.x) & mask, Int(mv.y) & mask, bitDepth)
        } else {
            Kernels.interpolateChroma(out, from, plane.stride, w, h, Int(mv.x) & mask, Int(mv.y) & mask, bitDepth)
        }
    }
}
