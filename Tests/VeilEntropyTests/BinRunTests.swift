// SPDX-License-Identifier: GPL-2.0-or-later
import Testing

@testable import VeilEntropy

@Test func binRunIsSmall() {
    #expect(MemoryLayout<BinRun>.stride <= 20)
}
