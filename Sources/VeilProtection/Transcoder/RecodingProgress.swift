// SPDX-License-Identifier: GPL-2.0-or-later
import Synchronization
import VeilCore
import VeilEntropy

/// Which CTBs of a picture have been recoded: substreams wait for those above them. Whoever has to wait spins first
/// and then sleeps.
final class RecodingProgress: @unchecked Sendable {
    private let done: UnsafeMutablePointer<Atomic<Bool>>
    private let count: Int
    private let eventCount = EventCount()

    init(ctbCount: Int) {
        count = ctbCount
        done = .allocate(capacity: ctbCount)
        for i in 0..<ctbCount { (done + i).initialize(to: Atomic(false)) }
    }

    deinit {
        done.deinitialize(count: count)
        done.deallocate()
    }

    /// - Parameter addresses: raster-scan addresses.
    func finish(_ addresses: some Sequence<Int>) {
        for rs in addresses { done[rs].store(true, ordering: .sequentiallyConsistent) }
        eventCount.wake()
    }

    func isDone(_ rs: Int) -> Bool { done[rs].load(ordering: .acquiring) }

    /// Waits for a CTB.
    func wait(for rs: Int) {
        for _ in 0..<20_000 where done[rs].load(ordering: .acquiring) { return }
        eventCount.sleep { done[rs].load(ordering: .sequentiallyConsistent) }
    }
}
