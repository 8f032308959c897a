// SPDX-License-Identifier: GPL-2.0-or-later
import Synchronization
import VeilCore
import VeilSystem

/// Which CTB rows are whole: CTUs come from several threads, in tile scan, perhaps with gaps. Runs the in-loop
/// filters behind them.
package final class RowCompletion: @unchecked Sendable {
    private let widthInCtbs: Int
    private let rows: Int
    private let done: Buffer<Atomic<Int>>
    private let lock = Lock()
    private var isFiltering = false
    private var whole = 0
    private let filter: (Int) -> Void

    /// `filter` is called with how many rows are whole from the top, by one thread at a time.
    package init(widthInCtbs: Int, heightInCtbs: Int, filter: @escaping (Int) -> Void) {
        self.widthInCtbs = widthInCtbs
        self.filter = filter
        rows = heightInCtbs
        done = Buffer(count: heightInCtbs) { _ in Atomic(0) }
    }

    /// Counts a CTB; whoever completes a row filters what has become ready, unless somebody is at it, who will see
    /// the row.
    @inline(__always)
    package func finish(ctb rs: Int) {
        let row = rs / widthInCtbs
        if done[row].wrappingAdd(1, ordering: .acquiringAndReleasing).newValue == widthInCtbs { advance() }
    }

    /// The same where one thread made a whole row.
    package func finish(row: Int) {
        done[row].store(widthInCtbs, ordering: .releasing)
        advance()
    }

    private func advance() {
        lock.lock()
        if isFiltering {
            lock.unlock()
            return
        }
        isFiltering = true
        while true {
            let before = whole
            while whole < rows && done[whole].load(ordering: .acquiring) == widthInCtbs { whole += 1 }
            if whole == before { break }
            let ready = whole
            lock.unlock()
            filter(ready)
            lock.lock()
        }
        isFiltering = false
        lock.unlock()
    }
}
