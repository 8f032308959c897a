// SPDX-License-Identifier: GPL-2.0-or-later
import Foundation
import Synchronization
import Testing
import VeilCore

/// What several threads write down.
private final class Log: @unchecked Sendable {
    private let lock = NSLock()
    private var entries: [Int] = []
    func add(_ entry: Int) { lock.withLock { entries.append(entry) } }
    var all: [Int] { lock.withLock { entries } }
}

@Suite struct WorkerPoolTests {
    /// Every job runs once, and what follows a group comes after all of its jobs.
    @Test(arguments: [1, 2, 3, 8]) func everyJobRunsOnce(threads: Int) {
        let pool = WorkerPool(threads: threads)
        defer { pool.stop() }
        let log = Log()
        for group in 0..<40 {
            let count = 1 + group % 7
            pool.submit(
                WorkerPool.Group(
                    count: count, run: { log.add(group * 100 + $0) }, finish: { log.add(group * 100 + 99) }))
        }
        pool.wait(unfinishedAtMost: 0)
        let all = log.all
        var wanted: [Int] = []
        for group in 0..<40 {
            for job in 0...group % 7 { wanted.append(group * 100 + job) }
            wanted.append(group * 100 + 99)
        }
        #expect(all.sorted() == wanted)
        for group in 0..<40 { #expect(all.last { $0 / 100 == group } == group * 100 + 99, "group \(group)") }
        if threads == 1 { #expect(all == wanted) }
    }

    /// A job may wait for earlier jobs of its group and for earlier groups, whatever the number of threads.
    @Test(arguments: [2, 3, 8]) func laterJobsMayWaitForEarlierOnes(threads: Int) {
        let pool = WorkerPool(threads: threads)
        defer { pool.stop() }
        let groups = 12
        let jobs = 9
        let progress = ProgressCounters(count: groups * jobs)
        let log = Log()
        for group in 0..<groups {
            pool.submit(
                WorkerPool.Group(
                    count: jobs,
                    run: { job in
                        let own = group * jobs + job
                        for step in 1...20 {
                            // A wavefront: one step behind the job above, and behind the same job of the group before.
                            if job > 0 && !progress.wait(own - 1, for: step) { log.add(own) }
                            if group > 0 && !progress.wait(own - jobs, for: step) { log.add(own) }
                            progress.advance(own, to: step)
                        }
                        progress.end(own, at: 20)
                    }, finish: {}))
        }
        pool.wait(unfinishedAtMost: 0)
        #expect(log.all.isEmpty)
    }

    @Test func waitsUntilFewEnoughAreLeft() {
        let pool = WorkerPool(threads: 2)
        defer { pool.stop() }
        let gate = ProgressCounters(count: 1)
        let done = Atomic<Int>(0)
        for _ in 0..<3 {
            pool.submit {
                gate.wait(0, for: 1)
                done.add(1, ordering: .sequentiallyConsistent)
            }
        }
        pool.wait(unfinishedAtMost: 3)
        #expect(done.load(ordering: .sequentiallyConsistent) == 0)
        gate.end(0, at: 1)
        pool.wait(unfinishedAtMost: 0)
        #expect(done.load(ordering: .sequentiallyConsistent) == 3)
    }

    /// Hooks count what they did when they are let go.
    @Test func jobsAreLetGoBeforeTheirGroupEnds() {
        final class Held: Sendable {}
        let pool = WorkerPool(threads: 4)
        defer { pool.stop() }
        var kept = 0
        for _ in 0..<5000 {
            weak var held: Held?
            func submit() {
                let thing = Held()
                held = thing
                pool.submit(WorkerPool.Group(count: 6, run: { _ in _ = thing }, finish: { _ = thing }))
            }
            submit()
            pool.wait(unfinishedAtMost: 0)
            if held != nil { kept += 1 }
        }
        #expect(kept == 0)
    }

    @Test func countsOfThreadsAreBounded() {
        #expect(WorkerPool(threads: -4).threadCount == 1)
        let many = WorkerPool(threads: 100_000)
        #expect(many.threadCount == WorkerPool.mostThreads)
        many.stop()
    }
}

@Suite struct ProgressCountersTests {
    @Test func tellsWhetherItCame() {
        let progress = ProgressCounters(count: 2)
        progress.advance(0, to: 3)
        #expect(progress.wait(0, for: 3) && progress.wait(0, for: 0))
        progress.end(0, at: 4)
        #expect(progress.wait(0, for: 4) && !progress.wait(0, for: 5))
        progress.end(1, at: 0)
        #expect(!progress.wait(1, for: 1))
    }

    /// A thread that has gone to sleep is woken by what it waits for, and by an end before it.
    @Test(arguments: [true, false]) func sleepersWake(comes: Bool) {
        let progress = ProgressCounters(count: 1)
        let pool = WorkerPool(threads: 2)
        defer { pool.stop() }
        let log = Log()
        pool.submit { log.add(progress.wait(0, for: 10) ? 1 : 0) }
        for step in 1...(comes ? 10 : 9) {
            Thread.sleep(forTimeInterval: 0.002)
            #expect(log.all.isEmpty)
            progress.advance(0, to: step)
        }
        progress.end(0, at: comes ? 10 : 9)
        pool.wait(unfinishedAtMost: 0)
        #expect(log.all == [comes ? 1 : 0])
    }
}

@Suite struct ObjectPoolTests {
    @Test func objectsAreUsedAgain() {
        final class Thing: Sendable {}
        let given = Thing()
        let made = Atomic<Int>(0)
        let pool = ObjectPool<Thing>([given]) {
            made.add(1, ordering: .relaxed)
            return Thing()
        }
        let first = pool.borrow()
        #expect(first === given)
        let second = pool.borrow()
        #expect(second !== given && made.load(ordering: .relaxed) == 1)
        pool.giveBack(first)
        #expect(pool.borrow() === given && made.load(ordering: .relaxed) == 1)
    }
}
