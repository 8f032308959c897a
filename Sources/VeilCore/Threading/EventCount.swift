// SPDX-License-Identifier: GPL-2.0-or-later
import Synchronization
import VeilSystem

/// Threads that sleep until others have got further with a picture. Where nobody sleeps, waking costs a load.
package final class EventCount: Sendable {
    private let count = Atomic<Int>(0)
    private let condition = Condition()

    package init() {}

    /// To be called after what they wait for was stored, sequentially consistent.
    package func wake() {
        if count.load(ordering: .sequentiallyConsistent) > 0 {
            condition.lock()
            condition.broadcast()
            condition.unlock()
        }
    }

    /// Returns when `isDone` does, which must load what it looks at sequentially consistent.
    package func sleep(until isDone: () -> Bool) {
        condition.lock()
        count.wrappingAdd(1, ordering: .sequentiallyConsistent)
        while !isDone() { condition.wait() }
        count.wrappingSubtract(1, ordering: .sequentiallyConsistent)
        condition.unlock()
    }
}
