// SPDX-License-Identifier: GPL-2.0-or-later
import Foundation

/// Runs jobs on a fixed number of threads, in the order they were given.
///
/// A job may wait for what earlier jobs produce: jobs start in order, so the oldest unfinished one never waits for one that has not
/// started, and the pool cannot lock up. With one thread jobs run at once, on the caller's.
package final class WorkerPool: @unchecked Sendable {
    private let condition = NSCondition()
    private var queue: [(@Sendable () -> Void)?] = []
    private var head = 0
    private var unfinished = 0
    private var stopping = false
    package let threadCount: Int

    package init(threads: Int) {
        threadCount = max(1, threads)
        if threadCount > 1 {
            for _ in 0..<threadCount {
                let thread = Thread { [self] in work() }
                // Deep recursion over quadtrees is small, but the default of secondary threads is smaller than it needs to be.
                thread.stackSize = 2 << 20
                thread.start()
            }
        }
    }

    package func submit(_ job: @escaping @Sendable () -> Void) {
        if threadCount == 1 {
            job()
            return
        }
        condition.lock()
        queue.append(job)
        unfinished += 1
        condition.broadcast()
        condition.unlock()
    }

    /// Waits until at most `limit` jobs are unfinished.
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
        while true {
            condition.lock()
            while head == queue.count && !stopping { condition.wait() }
            if head == queue.count {
                condition.unlock()
                return
            }
            // The slot is emptied: a job holds on to its picture.
            var job = queue[head]
            queue[head] = nil
            head += 1
            if head > 64 && head * 2 > queue.count {
                queue.removeFirst(head)
                head = 0
            }
            condition.unlock()
            job?()
            job = nil
            condition.lock()
            unfinished -= 1
            condition.broadcast()
            condition.unlock()
        }
    }
}
