// SPDX-License-Identifier: GPL-2.0-or-later
import VeilCore

/// Context variables kept between the substreams and slice segments of one picture (9.3.1).
///
/// One set a CTB row for WPP (a row reads what the row above stored, so rows may run on several threads), one for
/// dependent slice segments.
package final class ContextStore: @unchecked Sendable {
    let wpp: [ContextSet]
    let dependent = ContextSet()

    package init(picHeightInCtbs: Int) { wpp = (0..<picHeightInCtbs).map { _ in ContextSet() } }

    /// The same rows, for substreams that run beside others: what dependent slice segments go on from is their own.
    package init(sharingRowsOf other: ContextStore) { wpp = other.wpp }
}

/// What stands after a CTU.
package enum SubstreamStep: Sendable {
    /// Another CTU of the same substream.
    case more
    /// The substream is over; the slice segment goes on in the next one.
    case endOfSubstream
    case endOfSegment
    /// A value out of range or the end of the data was met.
    case failed
}

/// Slice segment data (7.3.8.1) of consecutive substreams, read, written or recoded CTU by CTU.
package protocol SliceDataCoding: AnyObject {
    /// Prepares for the CTU that a substream (or a slice segment) begins with. `first` says that it begins the slice
    /// segment.
    func begin(ctbAddrRs: Int, first: Bool)

    /// Codes one CTU (whose record was reset to its address) and the end flags after it.
    /// `last` is what a writer says: the slice segment ends here.
    func code(_ ctu: CodingTreeUnit, last: Bool) -> SubstreamStep

    /// A copy of the bytes written so far over all substreams; once the segment has ended, for a recoder.
    func outputBytes() -> [UInt8]

    /// How many bytes have been written: after `endOfSubstream`, where the next substream begins.
    var outputCount: Int { get }

    /// Of a reader: how many bits have been read, to a few.
    var bitsRead: Int { get }

    /// Of a recoder, once the segment has ended: whether recoding its output gives back its input.
    var isRegular: Bool { get }
}

extension SliceDataCoding {
    /// Codes one CTU for a reader or recoder, which learns from the stream where the segment ends.
    package func code(_ ctu: CodingTreeUnit) -> SubstreamStep { code(ctu, last: false) }
}

/// Makes the kinds of ``SliceDataCoding``.
package enum SliceData {
    /// Reads slice segment data. `data` must outlive the substream; `hook` decrypts.
    package static func reader(
        parameters: SliceParameters, data: UnsafeBufferPointer<UInt8>, store: ContextStore, lines: AboveContext,
        scratch: SyntaxScratch, contexts: ContextSet, hook: HookBox? = nil, unit: BinUnit? = nil
    ) -> any SliceDataCoding {
        coding(
            CABACDecoder(contexts: contexts.states, data: view(data), count: data.count),
            parameters, store, lines, scratch, contexts, hook, unit)
    }

    /// Writes slice segment data from CTU records; `hook` encrypts.
    package static func writer(
        parameters: SliceParameters, store: ContextStore, lines: AboveContext, scratch: SyntaxScratch,
        contexts: ContextSet,
        hook: HookBox? = nil, unit: BinUnit? = nil
    ) -> any SliceDataCoding {
        coding(
            CABACEncoder(contexts: contexts.states, sink: ByteSink()), parameters, store, lines, scratch, contexts,
            hook,
            unit)
    }

    /// With a hook or without.
    private static func coding<Coder: BinCoder>(
        _ coder: Coder, _ parameters: SliceParameters, _ store: ContextStore, _ lines: AboveContext,
        _ scratch: SyntaxScratch, _ contexts: ContextSet, _ hook: HookBox?, _ unit: BinUnit?
    ) -> any SliceDataCoding {
        if let hook {
            return SliceDataCoder(
                coder: HookedCoder(coder, box: hook), parameters: parameters, store: store, lines: lines,
                scratch: scratch, owned: [contexts, hook], unit: unit)
        }
        return SliceDataCoder(
            coder: coder, parameters: parameters, store: store, lines: lines, scratch: scratch, owned: [contexts],
            unit: unit)
    }

    /// Reads slice segment data and makes it again, with the runs that `hook` replaces. CTU records are left without
    /// coefficients.
    package static func recoder(
        parameters: SliceParameters, data: UnsafeBufferPointer<UInt8>, store: ContextStore, lines: AboveContext,
        scratch: SyntaxScratch, contexts: ContextSet, hook: HookBox?, unit: BinUnit?
    ) -> any SliceDataCoding {
        let decoder = CABACDecoder(contexts: contexts.states, data: view(data), count: data.count)
        let bytes = CodeString.copy(view(data), count: data.count)
        return SliceDataCoder(
            coder: RecodingCoder(decoder: decoder, code: CodeString(in: bytes), box: hook), parameters: parameters,
            store: store, lines: lines, scratch: scratch,
            owned: hook.map { [contexts, bytes, $0] } ?? [contexts, bytes], unit: unit)
    }

    private static func view(_ data: UnsafeBufferPointer<UInt8>) -> BufferView<UInt8> {
        data.baseAddress.map { BufferView($0, count: data.count) } ?? noData.view
    }

    private static let noData = ConstantTable<UInt8>([0])
}

/// The one implementation, generic over the bin coder.
final class SliceDataCoder<C: BinCoder>: SliceDataCoding {
    private let parameters: SliceParameters
    private let store: ContextStore
    @exclusivity(unchecked) private var syntax: SliceDataSyntax<C>
    private let unit: BinUnit?
    private let lines: AboveContext
    private let scratch: SyntaxScratch
    /// Keeps alive what the coder points to.
    private let owned: [AnyObject]

    init(
        coder: C, parameters: SliceParameters, store: ContextStore, lines: AboveContext, scratch: SyntaxScratch,
        owned: [AnyObject],
        unit: BinUnit?
    ) {
        syntax = SliceDataSyntax(coder: coder, parameters: parameters, lines: lines, scratch: scratch)
        self.unit = unit
        self.lines = lines
        self.scratch = scratch
        self.owned = owned
        self.parameters = parameters
        self.store = store
    }

    func begin(ctbAddrRs rs: Int, first: Bool) {
        let grid = parameters.grid
        let width = parameters.picWidthInCtbsY
        let column = rs % width
        let firstInTile = grid.beginsTile(Int(grid.ctbAddrRsToTs[rs]))
        let firstInRow = grid.isFirstOfTile(column: column)
        let contexts = syntax.coder.contexts
        if firstInTile {
            syntax.initializeContexts()
        } else if parameters.entropyCodingSyncEnabledFlag && firstInRow {
            // The CTB above and to the right must belong to the slice and the tile (6.4.1).
            let aboveRight = rs - width + 1
            let sliceTs = Int(grid.ctbAddrRsToTs[parameters.sliceAddrRs])
            if aboveRight > 0, column + 1 < width, Int(grid.ctbAddrRsToTs[aboveRight]) >= sliceTs,
                grid.areInSameTile(aboveRight, rs)
            {
                contexts.update(from: store.wpp[rs / width - 1].states, count: Context.count)
            } else {
                syntax.initializeContexts()
            }
        } else if first && parameters.dependentSliceSegmentFlag {
            contexts.update(from: store.dependent.states, count: Context.count)
        } else {
            syntax.initializeContexts()
        }
        if var unit {
            unit.ctuAddress = rs
            syntax.coder.begin(unit)
        }
    }

    @_specialize(where C == CABACDecoder)
    @_specialize(where C == HookedCoder<CABACDecoder>)
    @_specialize(where C == CABACEncoder)
    @_specialize(where C == HookedCoder<CABACEncoder>)
    @_specialize(where C == RecodingCoder)
    func code(_ ctu: CodingTreeUnit, last: Bool) -> SubstreamStep {
        syntax.codingTreeUnit(ctu)
        if syntax.failed || syntax.coder.overrun { return .failed }
        let grid = parameters.grid
        let rs = ctu.ctbAddrRs
        let width = parameters.picWidthInCtbsY
        let column = rs % width
        if parameters.entropyCodingSyncEnabledFlag && grid.isSecondOfTile(column: column) {
            store.wpp[rs / width].copy(from: syntax.coder.contexts.reading)
        }
        let nextTs = Int(grid.ctbAddrRsToTs[rs]) + 1
        let end = syntax.terminate(last || nextTs == grid.count)
        if end {
            if parameters.dependentSliceSegmentsEnabledFlag {
                store.dependent.copy(from: syntax.coder.contexts.reading)
            }
            syntax.coder.endSubstream()
            return .endOfSegment
        }
        if nextTs >= grid.count { return .failed }
        if grid.beginsSubstream(nextTs, wpp: parameters.entropyCodingSyncEnabledFlag) {
            if !syntax.terminate(true) { return .failed }
            syntax.coder.endSubstream()
            return .endOfSubstream
        }
        return .more
    }

    func outputBytes() -> [UInt8] { Array(syntax.coder.output) }

    var outputCount: Int { syntax.coder.outputEnd }

    var bitsRead: Int { syntax.coder.mark }

    var isRegular: Bool { syntax.coder.isRegular }
}
