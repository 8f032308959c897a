// SPDX-License-Identifier: GPL-2.0-or-later
import Testing

@testable import VeilEntropy

@Test func binRunIsSmall() {
    #expect(MemoryLayout<BinRun>.stride <= 20)
}

/// Bits of a hook's answer beyond the run's bins do not count.
@Test func answersAreCutToTheirRun() {
    final class All: BinHook {
        func begin(_ unit: BinUnit) {}
        func replace(_ run: BinRun) -> UInt32 { .max }
    }
    let box = HookBox(All())
    for count in 1...32 {
        let run = BinRun(.coeffSign, bins: 0, count: count)
        #expect(box.replacement(run) == UInt32((UInt64(1) << UInt64(count)) - 1))
    }
}
