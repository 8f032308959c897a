// SPDX-License-Identifier: GPL-2.0-or-later
import CVeilKernels
import Synchronization
import VeilSystem

/// How far each of several runs of work (CTB rows, substreams) has got, for those that need what they make. Whoever
/// has to wait looks a while before it sleeps.
package final class ProgressCounters: Sendable {
    /// Twice the number of units done, plus one when there will be no more.
    private let values: Buffer<Atomic<Int>>
    private let eventCount = EventCount()

    /// How often a waiting thread looks before it sleeps: a CTU takes some ten microseconds.
    private static let looks = 400
    /// A sleeper stays until there are this many units more than it needs: waking it for each costs more than the
    /// unit.
    private static let lead = 4

    package init(count: Int) { values = Buffer(count: count) { _ in Atomic(0) } }

    /// `count` units of a run are done; more will follow, or `end`.
    package func advance(_ run: Int, to count: Int) { set(run, count << 1) }

    /// A run has come to its end, after `count` units, whether or not that is all of them.
    package func end(_ run: Int, at count: Int) { set(run, count << 1 | 1) }

    private func set(_ run: Int, _ value: Int) {
        values[run].store(value, ordering: .sequentiallyConsistent)
        eventCount.wake()
    }

    /// Waits until `count` units of a run are done; false when it ended before.
    @inline(__always)
    @discardableResult
    package func wait(_ run: Int, for count: Int) -> Bool {
        let value = values[run].load(ordering: .acquiring)
        return value >> 1 >= count || (value & 1 == 0 && block(run, count))
    }

    @inline(never)
    private func block(_ run: Int, _ count: Int) -> Bool {
        for look in 0..<Self.looks {
            let value = values[run].load(ordering: .acquiring)
            if value >> 1 >= count { return true }
            if value & 1 != 0 { return false }
            veil_pause()
            // The other thread may need this core.
            if look % 16 == 15 { sched_yield() }
        }
        var value = 0
        eventCount.sleep {
            value = values[run].load(ordering: .sequentiallyConsistent)
            return value & 1 != 0 || value >> 1 >= count + Self.lead
        }
        return value >> 1 >= count
    }
}
