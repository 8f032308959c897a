// SPDX-License-Identifier: GPL-2.0-or-later
import Foundation

/// One decoded (or being decoded) picture of one layer: samples, motion, and how far it has got.
package final class CodedPicture: @unchecked Sendable {
    package let frame: FrameBuffer
    package let motion: MotionField
    package var poc: Int32 = 0
    package var nuhLayerId = 0
    package var temporalId = 0

    private let condition = NSCondition()
    private nonisolated(unsafe) var rowsDone = 0

    package init(frame: FrameBuffer, motion: MotionField) {
        self.frame = frame
        self.motion = motion
    }

    /// Luma rows 0 ..< count have their final samples and motion, margins included; called in increasing order.
    package func publish(rows count: Int) {
        condition.lock()
        if count > rowsDone {
            rowsDone = count
            condition.broadcast()
        }
        condition.unlock()
    }

    /// The whole picture is final.
    package func publishAll() { publish(rows: Int.max) }

    /// Waits until luma rows 0 ..< count are final. Rows beyond the picture are met by `publishAll`.
    package func wait(rows count: Int) {
        let wanted = min(max(count, 1), frame.height)
        condition.lock()
        while rowsDone < wanted { condition.wait() }
        condition.unlock()
    }

    /// Makes a recycled picture unfinished again.
    package func resetProgress() {
        condition.lock()
        rowsDone = 0
        condition.unlock()
    }
}
