// SPDX-License-Identifier: GPL-2.0-or-later
import Testing
import VeilCore

@testable import VeilEntropy

@Suite struct CABACDecoderTests {
    /// An ivlOffset of 510 or 511 (9.3.2.5): said to be damage, and no run of bins is longer than it was asked to be.
    @Test func codeBeyondItsInterval() {
        let contexts = ContextSet()
        for first in [0xFF, 0xFE] as [UInt8] {
            let bytes: [UInt8] = [first, 0xFF] + Array(repeating: 0xFF, count: 30)
            let data = Buffer(count: bytes.count) { bytes[$0] }
            var decoder = CABACDecoder(contexts: contexts.states, data: data.view.reading, count: data.count)
            // 0xFE and a one: nine bits of 509 are the greatest that an encoder makes.
            #expect(decoder.overrun == (first == 0xFF))
            for count in [5, 1, 16, 2] { #expect(decoder.bypassBits(0, count) < 1 << UInt32(count)) }
        }
    }
}
