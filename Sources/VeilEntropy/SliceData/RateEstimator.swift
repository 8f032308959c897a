// SPDX-License-Identifier: GPL-2.0-or-later
import VeilCore

/// What syntax would cost, in 1/32768 bit, against a snapshot of context variables: the mode decision's view of the
/// syntax layer.
///
/// Costs do not move the snapshot on, except within one call; `adapt` does.
package final class RateEstimator {
    private let snapshot = ContextSet()
    private let working = ContextSet()
    private let lines: AboveContext
    private let scratch = SyntaxScratch()
    private var syntax: SliceDataSyntax<BitCounter>
    /// The same upon the snapshot itself.
    private var follower: SliceDataSyntax<BitCounter>
    private let table = CABACTables.shared.cost

    package init(parameters: SliceParameters) {
        lines = AboveContext(picWidthInMinCbs: parameters.picWidthInLumaSamples >> parameters.minCbLog2SizeY)
        syntax = SliceDataSyntax(
            coder: BitCounter(contexts: working.states), parameters: parameters, lines: lines, scratch: scratch)
        follower = SliceDataSyntax(
            coder: BitCounter(contexts: snapshot.states), parameters: parameters, lines: lines, scratch: scratch)
    }

    /// Takes the contexts that the next CTU will be coded with.
    package func begin(contexts: BufferView<UInt8>, parameters: SliceParameters) {
        snapshot.copy(from: contexts)
        syntax.p = parameters
        follower.p = parameters
    }

    /// Moves the snapshot on by one bin.
    package func adapt(_ bin: Int, _ context: Int) { _ = follower.coder.decision(bin, context) }

    /// Moves the snapshot on by the first coding unit of a record. See `SliceDataSyntax.codeUnit`.
    package func adapt(
        _ ctu: CodingTreeUnit, cqtDepth: Int, skipContext: Int, modes: (left: (UInt8, UInt8), above: (UInt8, UInt8))
    ) {
        follower.codeUnit(ctu, cqtDepth: cqtDepth, skipContext: UInt8(truncatingIfNeeded: skipContext), modes: modes)
    }

    package func save(to contexts: ContextSet) { contexts.copy(from: snapshot.states.reading) }
    package func restore(from contexts: ContextSet) { snapshot.copy(from: contexts.states.reading) }

    /// Cost of one context-coded bin in the snapshot.
    @inline(__always)
    package func bin(_ bin: Int, _ context: Int) -> UInt64 {
        let state = Int(snapshot.states[context])
        return UInt64(table[state << 1 | ((state & 1) ^ bin)])
    }

    /// residual_coding() of the dense levels at `start` of a record; `skipsTransform`: transform_skip_flag, where it
    /// is coded.
    package func residual(
        _ ctu: CodingTreeUnit, start: Int, log2: Int, cIdx: Int, scanIdx: Int, skipsTransform: Bool = false
    ) -> UInt64 {
        working.copy(from: snapshot.states.reading)
        syntax.coder.cost = 0
        var block = ResidualBlock()
        block.start = Int32(truncatingIfNeeded: start)
        var skip: UInt8 = skipsTransform ? 1 &<< UInt8(truncatingIfNeeded: cIdx) : 0
        syntax.residualCoding(ctu, &block, &skip, log2: log2, cIdx: cIdx, scanIdx: scanIdx, mode: 0)
        return syntax.coder.cost
    }

    /// mvd_coding(), without regard to adaptation.
    package func mvd(_ x: Int, _ y: Int) -> UInt64 {
        func component(_ v: Int) -> UInt64 {
            let a = abs(v)
            if a == 0 { return bin(0, Context.absMvdGreater0Flag) }
            let base = bin(1, Context.absMvdGreater0Flag) &+ 32768
            if a == 1 { return base &+ bin(0, Context.absMvdGreater1Flag) }
            // n ones, a zero, n + 1 suffix bins.
            let n = Int.bitWidth &- 2 &- a.leadingZeroBitCount
            return base &+ bin(1, Context.absMvdGreater1Flag) &+ UInt64(2 &* n &+ 2) &* 32768
        }
        return component(x) &+ component(y)
    }

    /// merge_idx.
    package func mergeIdx(_ index: Int, maxNumMergeCand: Int) -> UInt64 {
        if maxNumMergeCand <= 1 { return 0 }
        if index == 0 { return bin(0, Context.mergeIdx) }
        return bin(1, Context.mergeIdx) &+ UInt64(min(index, maxNumMergeCand &- 2)) &* 32768
    }

    /// ref_idx_lX.
    package func refIdx(_ index: Int, active: Int) -> UInt64 {
        if active <= 1 { return 0 }
        var cost: UInt64 = 0
        for n in 0..<min(index &+ 1, active &- 1) {
            let one = n < index ? 1 : 0
            cost &+= n < 2 ? bin(one, Context.refIdx &+ n) : 32768
        }
        return cost
    }
}
