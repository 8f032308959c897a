// SPDX-License-Identifier: GPL-2.0-or-later
import Synchronization
import VeilSystem

/// Runs groups of jobs on a fixed number of threads.
///
/// Groups begin in the order they were given, and so do the jobs of a group. The worker that begins a group stays
/// with it until all of its jobs have begun; others begin the next group, or help with the oldest where there is none
/// or enough are under way (pictures beside each other share less than parts of one, so they come first). A job may
/// wait for earlier jobs of its group and for earlier groups: the oldest group has a worker of its own and waits for
/// nobody, hence the pool cannot lock up. With one thread jobs run at once, on the caller's.
package final class WorkerPool: @unchecked Sendable {
    /// Jobs 0 ..< count, and what follows when all of them have ended, by whichever thread ran the last. What they
    /// hold is let go before the group counts as ended: hooks that count when they go have counted for who waited.
    package final class Group: @unchecked Sendable {
        let count: Int
        /// nil when the group has ended.
        private var run: (@Sendable (Int) -> Void)?
        private var finish: (@Sendable () -> Void)?
        private let running: Atomic<Int>
        /// The next job to begin; the pool's lock guards it.
        fileprivate var next = 0
        fileprivate var hasMore: Bool { next < count }

        package init(count: Int, run: @escaping @Sendable (Int) -> Void, finish: @escaping @Sendable () -> Void) {
            self.count = count
            self.run = run
            self.finish = finish
            running = Atomic(count)
        }

        /// Runs a job; true when the group has ended with it.
        func perform(_ job: Int) -> Bool {
            call(job)
            guard running.wrappingSubtract(1, ordering: .acquiringAndReleasing).newValue == 0 else { return false }
            // All others have come back from their jobs.
            run = nil
            finish?()
            finish = nil
            return true
        }

        /// By itself, so that the thread holds nothing of the job when it counts as done.
        @inline(never)
        private func call(_ job: Int) { run?(job) }
    }

    private let condition = Condition()
    /// Groups that have not begun.
    private var queue: [Group] = []
    /// Groups some of whose jobs have begun, but not all; the oldest first.
    private var open: [Group] = []
    /// Groups that have begun and not ended.
    private var underWay = 0
    /// How many groups are under way before workers help rather than begin another.
    private let enough: Int
    private var unfinished = 0
    private var stopping = false
    package let threadCount: Int

    /// More threads than these are no faster, and more than a system lets a process have end it.
    package static let mostThreads = 256

    package init(threads: Int) {
        threadCount = min(max(1, threads), Self.mostThreads)
        enough = max(2, (threadCount + 1) / 2)
        if threadCount > 1 {
            for _ in 0..<threadCount {
                // Recursion over quadtrees is not deep.
                SystemThread.start(stackSize: 2 << 20) { [self] in work() }
            }
        }
    }

    /// A group of one job or more.
    package func submit(_ group: Group) {
        precondition(group.count > 0, "a group without jobs")
        if threadCount == 1 {
            for job in 0..<group.count { _ = group.perform(job) }
            return
        }
        condition.lock()
        queue.append(group)
        unfinished += 1
        condition.broadcast()
        condition.unlock()
    }

    /// One job by itself.
    package func submit(_ job: @escaping @Sendable () -> Void) {
        submit(Group(count: 1, run: { _ in job() }, finish: {}))
    }

    /// Waits until at most `limit` groups are unfinished.
    package func wait(unfinishedAtMost limit: Int) {
        condition.lock()
        while unfinished > limit { condition.wait() }
        condition.unlock()
    }

    /// Ends the threads when their queue is empty. The pool is of no use afterwards.
    package func stop() {
        condition.lock()
        stopping = true
        condition.broadcast()
        condition.unlock()
    }

    private func work() {
        var own: Group?
        condition.lock()
        while true {
            if own?.hasMore != true { own = nil }
            guard let group = own ?? choose(&own) else {
                if stopping { break }
                condition.wait()
                continue
            }
            let job = group.next
            group.next += 1
            if !group.hasMore { open.removeAll { $0 === group } }
            condition.unlock()
            let ended = group.perform(job)
            condition.lock()
            if ended {
                underWay -= 1
                unfinished -= 1
                condition.broadcast()
            }
        }
        condition.unlock()
    }

    /// A group to help with, or to begin, which is then the worker's own.
    private func choose(_ own: inout Group?) -> Group? {
        if let oldest = open.first, underWay >= enough || queue.isEmpty { return oldest }
        if queue.isEmpty { return nil }
        let group = queue.removeFirst()
        underWay += 1
        open.append(group)
        own = group
        return group
    }
}
