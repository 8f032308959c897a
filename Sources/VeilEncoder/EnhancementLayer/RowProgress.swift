// SPDX-License-Identifier: GPL-2.0-or-later
import Synchronization
import VeilCore
import VeilEntropy

/// How far each CTB row of a picture has got, for a wavefront of workers. Whoever has to wait spins first and then
/// sleeps.
final class RowProgress: Sendable {
    private let rows: [Row]
    private let next = Atomic<Int>(0)
    private let eventCount = EventCount()

    private final class Row: Sendable {
        let done = Atomic<Int>(0)
    }

    init(rows count: Int) { rows = (0..<count).map { _ in Row() } }

    /// The next row to be worked on, nil when all are taken.
    func take() -> Int? {
        let row = next.wrappingAdd(1, ordering: .relaxed).oldValue
        return row < rows.count ? row : nil
    }

    /// One more CTU of a row is done.
    func advance(row: Int) {
        rows[row].done.wrappingAdd(1, ordering: .sequentiallyConsistent)
        eventCount.wake()
    }

    func count(row: Int) -> Int { rows[row].done.load(ordering: .acquiring) }

    /// Waits until `count` CTUs of a row are done.
    func wait(row: Int, count: Int) {
        let done = rows[row]
        for _ in 0..<2000 {
            if done.done.load(ordering: .acquiring) >= count { return }
        }
        eventCount.sleep { done.done.load(ordering: .sequentiallyConsistent) >= count }
    }
}
