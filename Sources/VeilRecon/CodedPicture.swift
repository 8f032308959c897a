// SPDX-License-Identifier: GPL-2.0-or-later
import Synchronization
import VeilBitstream
import VeilCore
import VeilEntropy
import VeilSystem

/// One decoded (or being decoded) picture of one layer: samples, motion, and how far it has got.
package final class CodedPicture: @unchecked Sendable {
    package let frame: FrameBuffer
    package let motion: MotionField
    /// PicOrderCntVal when the picture was decoded: what its motion is relative to.
    package var poc: Int32 = 0
    /// What POC resets have taken off since then; for the thread that reads headers.
    package var pocDecrement: Int32 = 0
    /// PicOrderCntVal for pictures that refer to this one.
    var referencePoc: Int32 { poc &- pocDecrement }
    package var nuhLayerId = 0
    package var temporalId = 0

    /// Of inter-layer reference pictures: makes their parts when they are needed. Such pictures are never published.
    @exclusivity(unchecked) package internal(set) var producer: InterLayerProducer?

    private let condition = Condition()
    /// Written under the lock, read without it first: waiting for rows that are there costs one load.
    private let rowsDone = Atomic<Int>(0)

    /// The picture whose samples these are, and which therefore says when they are there; nil for pictures of their
    /// own.
    private let original: CodedPicture?

    /// `motion` is that of a picture of the size of `frame`, or `MotionField.none`.
    package init(frame: FrameBuffer, motion: MotionField) {
        precondition(
            motion === MotionField.none
                || (motion.width4 == (frame.width + 3) / 4 && motion.height4 == (frame.height + 3) / 4),
            "motion of another picture size")
        self.frame = frame
        self.motion = motion
        original = nil
    }

    /// A picture that shows what `source` shows, without copying it, and has no motion: stands in for a lost one.
    package init(showing source: CodedPicture) {
        original = source.original ?? source
        frame = source.frame
        motion = .none
    }

    /// Luma rows 0 ..< count have their final samples and motion, margins included; called in increasing order.
    package func publish(rows count: Int) {
        condition.lock()
        if count > rowsDone.load(ordering: .relaxed) {
            rowsDone.store(count, ordering: .releasing)
            condition.broadcast()
        }
        condition.unlock()
    }

    /// The whole picture is final.
    package func publishAll() { publish(rows: Int.max) }

    /// Whether the whole picture is final.
    package var isFinished: Bool { original?.isFinished ?? (rowsDone.load(ordering: .acquiring) == Int.max) }

    /// Waits until luma rows 0 ..< count are final. Rows beyond the picture are met by `publishAll`.
    @inline(__always)
    package func wait(rows count: Int) {
        let wanted = min(max(count, 1), frame.height)
        if rowsDone.load(ordering: .acquiring) < wanted { block(until: wanted) }
    }

    /// The planes in which the CTB at a place of the current picture finds its samples in an inter-layer reference:
    /// made in `patches`, unless the picture is the lower layer's own. Nil for other references.
    package func interLayerPlanes(xCtb: Int, yCtb: Int, patches: InterLayerBlockCache) -> (Plane, Plane, Plane)? {
        guard let producer else { return nil }
        if let planes = producer.planes(mv: MotionVector(), x: xCtb, y: yCtb, patches: patches) {
            return (planes[0], planes[1], planes[2])
        }
        producer.prepare(mv: MotionVector(), x: xCtb, y: yCtb, height: 1)
        return (frame.plane(0), frame.plane(1), frame.plane(2))
    }

    /// Waits until what a block is predicted from is there: rows 0 ..< count, or its part of an inter-layer reference.
    @inline(__always)
    func prepare(rows count: Int, mv: MotionVector, x: Int, y: Int, height: Int) {
        if let producer {
            producer.prepare(mv: mv, x: x, y: y, height: height)
        } else {
            wait(rows: count)
        }
    }

    /// Waits until the motion of luma rows 0 ..< count is there.
    @inline(__always)
    func prepareMotion(rows count: Int) {
        if let producer {
            producer.prepareMotion(rows: count)
        } else {
            wait(rows: count)
        }
    }

    @inline(never)
    private func block(until wanted: Int) {
        if let original { return original.block(until: wanted) }
        condition.lock()
        while rowsDone.load(ordering: .acquiring) < wanted { condition.wait() }
        condition.unlock()
    }

    /// Waits until the whole picture is final.
    package func waitUntilFinished() { block(until: Int.max) }
}

extension SequenceParameterSet {
    /// Of the pictures that refer to it.
    package var format: PictureFormat {
        PictureFormat(
            width: picWidthInLumaSamples, height: picHeightInLumaSamples, bitDepthLuma: bitDepthY,
            bitDepthChroma: bitDepthC, chromaFormat: ChromaFormat(rawValue: UInt8(chromaFormatIdc)) ?? .yuv420)
    }
}
