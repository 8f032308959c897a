// SPDX-License-Identifier: GPL-2.0-or-later
import VeilCore

/// Counts what bins would cost, in 1/32768 bit, moving its own copy of the contexts on.
package struct BitCounter: BinCoder {
    package static var reads: Bool { false }
    package let contexts: MutableBufferView<UInt8>
    /// Cost so far in 1/32768 bit.
    package var cost: UInt64 = 0
    private let table: ConstantTable<UInt32>
    private let next: ConstantTable<UInt8>

    package init(contexts: MutableBufferView<UInt8>) {
        self.contexts = contexts
        table = CABACTables.shared.cost
        next = CABACTables.shared.next
    }

    @inline(__always)
    package mutating func decision(_ bin: Int, _ context: Int) -> Int {
        let state = Int(contexts[context])
        let index = state << 1 | ((state & 1) ^ bin)
        cost &+= UInt64(table[index])
        contexts[context] = next[index]
        return bin
    }

    @inline(__always)
    package mutating func bypass(_ bin: Int) -> Int {
        cost &+= 32768
        return bin
    }

    @inline(__always)
    package mutating func bypassBits(_ bins: UInt32, _ count: Int) -> UInt32 {
        cost &+= UInt64(truncatingIfNeeded: count) << 15
        return bins
    }

    @inline(__always)
    package mutating func terminate(_ bin: Int) -> Int {
        // The LPS of the terminating bin has a range of 2 of about 384: its MPS costs next to nothing.
        cost &+= bin != 0 ? 7 << 15 : 250
        return bin
    }

    package mutating func pcmSamples(
        _ samples: MutableBufferView<UInt16>, lumaCount: Int, lumaBits: Int, chromaCount: Int, chromaBits: Int
    ) {
        cost &+= UInt64(lumaCount * lumaBits + chromaCount * chromaBits) << 15
    }
}
