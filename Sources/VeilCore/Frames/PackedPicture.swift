// SPDX-License-Identifier: GPL-2.0-or-later
import CVeilKernels

/// A picture that waits: without margins and, where its samples fit, one byte a sample, which is under half of a
/// ``FrameBuffer``.
package final class PackedPicture: @unchecked Sendable {
    private let width: Int
    private let height: Int
    private let bitDepthLuma: Int
    private let bitDepthChroma: Int
    private let isNarrow: Bool
    private let memory: UnsafeMutableRawPointer
    private let byteCount: Int

    package init(_ frame: FrameBuffer) {
        width = frame.width
        height = frame.height
        bitDepthLuma = frame.bitDepthLuma
        bitDepthChroma = frame.bitDepthChroma
        isNarrow = bitDepthLuma == 8 && bitDepthChroma == 8
        let samples = (0..<3).reduce(0) { $0 + frame.plane($1).width * frame.plane($1).height }
        byteCount = samples * (isNarrow ? 1 : 2)
        memory = MemoryPool.shared.borrow(byteCount: byteCount)
        forEachPlane(of: frame) { plane, at in
            let width = Int32(plane.width)
            let height = Int32(plane.height)
            if frame.isNarrow {
                veil_any_copy(true, memory + at, plane.width, plane.base, plane.stride, width, height)
            } else if isNarrow {
                veil_narrow(
                    (memory + at).assumingMemoryBound(to: UInt8.self), plane.width, plane.origin, plane.stride, width,
                    height, 0)
            } else {
                veil_copy(
                    (memory + 2 * at).assumingMemoryBound(to: UInt16.self), plane.width, plane.origin, plane.stride,
                    width, height)
            }
        }
    }

    deinit { MemoryPool.shared.giveBack(memory, byteCount: byteCount) }

    /// The picture again. Its margins are undefined.
    package func unpacked() -> FrameBuffer {
        let frame = FrameBuffer(
            PictureFormat(
                width: width, height: height, bitDepthLuma: bitDepthLuma, bitDepthChroma: bitDepthChroma),
            margin: FrameBuffer.sourceMargin)
        forEachPlane(of: frame) { plane, at in
            let width = Int32(plane.width)
            let height = Int32(plane.height)
            if frame.isNarrow {
                veil_any_copy(true, plane.base, plane.stride, memory + at, plane.width, width, height)
            } else if isNarrow {
                veil_widen(
                    plane.origin, plane.stride, (memory + at).assumingMemoryBound(to: UInt8.self), plane.width, width,
                    height)
            } else {
                veil_copy(
                    plane.origin, plane.stride, (memory + 2 * at).assumingMemoryBound(to: UInt16.self), plane.width,
                    width, height)
            }
        }
        return frame
    }

    /// Every plane of a picture of this size, and how many samples lie before it.
    private func forEachPlane(of frame: FrameBuffer, _ body: (Plane, Int) -> Void) {
        var at = 0
        for c in 0..<3 {
            let plane = frame.plane(c)
            body(plane, at)
            at += plane.width * plane.height
        }
    }
}
