// SPDX-License-Identifier: GPL-2.0-or-later
import CVeilKernels
import Foundation
import Synchronization
import VeilCore
import VeilEntropy

/// How far each of a picture's jobs has got, for those that read what it makes.
final class SubstreamProgress: @unchecked Sendable {
    /// Twice the number of CTUs done, plus one when there will be no more.
    private let counts: UnsafeMutablePointer<Atomic<Int>>
    private let jobs: Int
    private let eventCount = EventCount()

    /// How often a waiting thread looks before it sleeps: a CTU takes some ten microseconds.
    private static let looks = 400
    /// A sleeper stays until there are this many CTUs more than it needs: waking it for each costs more than the CTU.
    private static let lead = 4

    init(jobs: Int) {
        self.jobs = jobs
        counts = .allocate(capacity: jobs)
        for i in 0..<jobs { (counts + i).initialize(to: Atomic(0)) }
    }

    deinit {
        counts.deinitialize(count: jobs)
        counts.deallocate()
    }

    /// `count` CTUs of a job are reconstructed.
    func advance(_ job: Int, to count: Int) { set(job, count << 1) }

    /// A job has come to its end, after `count` CTUs, whether or not that is all of them.
    func end(_ job: Int, at count: Int) { set(job, count << 1 | 1) }

    private func set(_ job: Int, _ value: Int) {
        counts[job].store(value, ordering: .sequentiallyConsistent)
        eventCount.wake()
    }

    /// Waits until `count` CTUs of a job are reconstructed; false when it ended before.
    @inline(__always)
    func wait(_ job: Int, for count: Int) -> Bool {
        let value = counts[job].load(ordering: .acquiring)
        return value >> 1 >= count || (value & 1 == 0 && block(job, count))
    }

    @inline(never)
    private func block(_ job: Int, _ count: Int) -> Bool {
        for look in 0..<Self.looks {
            let value = counts[job].load(ordering: .acquiring)
            if value >> 1 >= count { return true }
            if value & 1 != 0 { return false }
            veil_pause()
            // The other thread may need this core.
            if look % 16 == 15 { sched_yield() }
        }
        var value = 0
        eventCount.sleep {
            value = counts[job].load(ordering: .sequentiallyConsistent)
            return value & 1 != 0 || value >> 1 >= count + Self.lead
        }
        return value >> 1 >= count
    }
}
