// SPDX-License-Identifier: GPL-2.0-or-later
import VeilCore

/// The slice-data syntax (7.3.8) over any bin coder: one place where every element, condition and context stands.
///
/// With a reading coder the CTU record is filled; with a writing one it is coded. The struct is the state of one
/// substream.
package struct SliceDataSyntax<C: BinCoder> {
    package var coder: C
    package var p: SliceParameters
    let scans = ScanTables.shared
    /// The current CTU row's lines, and those of the picture's first row.
    var aboveSkip: MutableBufferView<UInt8>
    var aboveDepth: MutableBufferView<UInt8>
    private let firstSkip: MutableBufferView<UInt8>
    private let firstDepth: MutableBufferView<UInt8>
    private let lineStride: Int
    let scratch: SyntaxScratch.Pointers
    /// Set when a value read is out of the range that the standard allows; the CTU must then be given up.
    package var failed = false
    /// Whether the CTBs to the left and above belong to the same slice and tile.
    var ctbLeftAvailable = false
    var ctbUpAvailable = false
    var isCuQpDeltaCoded = false
    var cuQpDeltaVal = 0
    var isCuChromaQpOffsetCoded = false
    /// The entry of the chroma QP offset lists in force, from 1; 0 for none.
    var cuChromaQpOffset: UInt8 = 0
    var xQg = 0
    var yQg = 0
    /// The CU being coded: what its transform tree needs.
    var cuTransquantBypass = false
    var cuIsIntra = false
    var cuPartMode = PartMode.part2Nx2N
    var maxTrafoDepth = 0
    var intraSplit = false
    var intraModes: (UInt8, UInt8, UInt8, UInt8) = (1, 1, 1, 1)
    var intraModeC: UInt8 = 1
    /// 4:4:4: IntraPredModeC of each partition, and bit i: intra_chroma_pred_mode of partition i is 4.
    var intraModesC: (UInt8, UInt8, UInt8, UInt8) = (1, 1, 1, 1)
    var chromaFollowsLuma: UInt8 = 0
    /// The block being coded, as the range extensions see it: where its StatCoeff stands among the contexts (-1:
    /// none), how far cRiceParam may grow, and how many bits its levels have.
    var statCoeff = -1
    var largestRice = 4
    var log2Range = 15
    /// Its residual DPCM: 0 none, 1 to the right, 2 down.
    var rdpcm: UInt8 = 0
    /// Writers: the next CU, PU and TU to code.
    var cuCursor = 0
    var tuCursor = 0

    package init(coder: C, parameters: SliceParameters, lines: AboveContext, scratch: SyntaxScratch) {
        self.coder = coder
        p = parameters
        firstSkip = lines.skip.view
        firstDepth = lines.depth.view
        aboveSkip = firstSkip
        aboveDepth = firstDepth
        lineStride = lines.stride
        self.scratch = scratch.pointers
    }

    /// Contexts as 9.3.2.2 initializes them.
    package mutating func initializeContexts() {
        coder.contexts.update(
            from: Context.initialStates(initType: p.initType, sliceQpY: p.sliceQpY), count: Context.count)
    }

    /// coding_tree_unit() (7.3.8.2). The record must have been reset to the CTU's address.
    ///
    /// The kinds of `SliceDataCoding` reach this through a witness table, which the compiler does not specialize by
    /// itself.
    @_specialize(where C == CABACDecoder)
    @_specialize(where C == HookedCoder<CABACDecoder>)
    @_specialize(where C == CABACEncoder)
    @_specialize(where C == HookedCoder<CABACEncoder>)
    @_specialize(where C == RecodingCoder)
    package mutating func codingTreeUnit(_ ctu: CodingTreeUnit) {
        let rs = ctu.ctbAddrRs
        let rx = rs % p.picWidthInCtbsY
        let ry = rs / p.picWidthInCtbsY
        let grid = p.grid
        let sliceTs = grid.ctbAddrRsToTs[p.sliceAddrRs]
        func inSliceAndTile(_ otherRs: Int) -> Bool {
            grid.ctbAddrRsToTs[otherRs] >= sliceTs && grid.areInSameTile(otherRs, rs)
        }
        ctbLeftAvailable = rx > 0 && inSliceAndTile(rs - 1)
        ctbUpAvailable = ry > 0 && inSliceAndTile(rs - p.picWidthInCtbsY)
        enterCTU(xCtb: ctu.xCtb, row: ry)
        cuCursor = 0
        tuCursor = 0
        coder.beginCTU(address: rs, x: ctu.xCtb, y: ctu.yCtb)
        if p.sliceSaoLumaFlag || p.sliceSaoChromaFlag { sao(ctu) }
        codingQuadtree(ctu, x0: ctu.xCtb, y0: ctu.yCtb, log2CbSize: p.ctbLog2SizeY, cqtDepth: 0)
    }

    /// Makes neighbour state right for a CTU: what is not available counts as not skipped, depth 0, INTRA_DC.
    private mutating func enterCTU(xCtb: Int, row: Int) {
        let columns = 1 << (p.ctbLog2SizeY - p.minCbLog2SizeY)
        let first = xCtb >> p.minCbLog2SizeY
        if lineStride > 0 {
            aboveSkip = firstSkip + row &* lineStride
            aboveDepth = firstDepth + row &* lineStride
            if ctbUpAvailable {
                (aboveSkip + first).update(from: aboveSkip + (first &- lineStride), count: columns)
                (aboveDepth + first).update(from: aboveDepth + (first &- lineStride), count: columns)
            }
        }
        if !ctbUpAvailable {
            fillCells(aboveSkip + first, 0, columns)
            fillCells(aboveDepth + first, 0, columns)
        }
        if !ctbLeftAvailable {
            fillCells(scratch.leftSkip, 0, 8)
            fillCells(scratch.leftDepth, 0, 8)
        }
        // Column 0 of the mode grid holds the left neighbours.
        let last = 1 << (p.ctbLog2SizeY - 2)
        for y in 0..<last {
            let row = scratch.modes + y * SyntaxScratch.modeStride
            row[0] = ctbLeftAvailable ? row[last] : 1
        }
    }

    /// end_of_slice_segment_flag or end_of_subset_one_bit (7.3.8.1).
    package mutating func terminate(_ bin: Bool) -> Bool { coder.terminate(bin ? 1 : 0) != 0 }

    // MARK: 7.3.8.3 sao()

    private mutating func sao(_ ctu: CodingTreeUnit) {
        if ctbLeftAvailable {
            ctu.sao.saoMergeLeftFlag = coder.decision(ctu.sao.saoMergeLeftFlag ? 1 : 0, Context.saoMergeFlag) != 0
            if ctu.sao.saoMergeLeftFlag { return }
        }
        if ctbUpAvailable {
            ctu.sao.saoMergeUpFlag = coder.decision(ctu.sao.saoMergeUpFlag ? 1 : 0, Context.saoMergeFlag) != 0
            if ctu.sao.saoMergeUpFlag { return }
        }
        if p.sliceSaoLumaFlag { saoComponent(&ctu.sao.components.0, first: nil, bitDepth: p.bitDepthY) }
        if p.sliceSaoChromaFlag {
            saoComponent(&ctu.sao.components.1, first: nil, bitDepth: p.bitDepthC, chroma: true)
            saoComponent(&ctu.sao.components.2, first: ctu.sao.components.1, bitDepth: p.bitDepthC, chroma: true)
        }
    }

    /// `first`: for Cr the parameters of Cb, whose type and edge class it shares.
    private mutating func saoComponent(
        _ c: inout SAOParameters.Component, first: SAOParameters.Component?, bitDepth: Int, chroma: Bool = false
    ) {
        if let first {
            c.saoTypeIdx = first.saoTypeIdx
        } else {
            var type = Int(c.saoTypeIdx)
            if coder.decision(type != 0 ? 1 : 0, Context.saoTypeIdx) == 0 {
                type = 0
            } else {
                type = 1 + coder.bypass(type == 2 ? 1 : 0)
            }
            c.saoTypeIdx = UInt8(type)
        }
        if c.saoTypeIdx == 0 { return }
        let flags: BinRun.Flags = chroma ? .chroma : []
        let cMax = (1 << (min(bitDepth, 10) - 5)) - 1
        var magnitudes: (Int, Int, Int, Int) = (0, 0, 0, 0)
        magnitudes.0 = truncatedUnary(abs(Int(c.offsets.0)), cMax: cMax, .saoOffset, flags: flags)
        magnitudes.1 = truncatedUnary(abs(Int(c.offsets.1)), cMax: cMax, .saoOffset, flags: flags)
        magnitudes.2 = truncatedUnary(abs(Int(c.offsets.2)), cMax: cMax, .saoOffset, flags: flags)
        magnitudes.3 = truncatedUnary(abs(Int(c.offsets.3)), cMax: cMax, .saoOffset, flags: flags)
        if c.saoTypeIdx == 1 {
            func signed(_ magnitude: Int, _ current: Int16, _ coder: inout C) -> Int16 {
                if magnitude == 0 { return 0 }
                let run = BinRun(
                    .saoOffsetSign, bins: current < 0 ? 1 : 0, count: 1, value: Int32(magnitude), flags: flags)
                return coder.run(run) != 0 ? Int16(-magnitude) : Int16(magnitude)
            }
            c.offsets.0 = signed(magnitudes.0, c.offsets.0, &coder)
            c.offsets.1 = signed(magnitudes.1, c.offsets.1, &coder)
            c.offsets.2 = signed(magnitudes.2, c.offsets.2, &coder)
            c.offsets.3 = signed(magnitudes.3, c.offsets.3, &coder)
            c.saoBandPosition = UInt8(
                coder.run(BinRun(.saoBandPosition, bins: UInt32(c.saoBandPosition), count: 5, flags: flags)))
        } else {
            c.offsets = (Int16(magnitudes.0), Int16(magnitudes.1), Int16(-magnitudes.2), Int16(-magnitudes.3))
            if let first {
                c.saoEoClass = first.saoEoClass
            } else {
                c.saoEoClass = UInt8(coder.run(BinRun(.saoEoClass, bins: UInt32(c.saoEoClass), count: 2, flags: flags)))
            }
        }
    }

    /// TR binarization with cRiceParam 0, all bins bypass (9.3.3.2). The last bin, which ends the code whatever it
    /// is, is shown to hooks as a run of `element`. `from`: how many bins of 1, coded otherwise, stand before.
    mutating func truncatedUnary(
        _ value: Int, cMax: Int, from: Int = 0, _ element: BinElement, flags: BinRun.Flags = [], frozen: UInt32 = 0
    ) -> Int {
        var n = from
        while n < cMax - 1 {
            if coder.bypass(n < value ? 1 : 0) == 0 { return n }
            n += 1
        }
        if n == cMax { return n }
        let last = BinRun(
            element, bins: n < value ? 1 : 0, count: 1, value: Int32(truncatingIfNeeded: cMax), flags: flags,
            frozen: frozen)
        return n + Int(coder.run(last))
    }
}

/// Fills 1, 2, 4, 8 or 16 bytes: too few to call anything for.
@inline(__always)
func fillCells(_ at: MutableBufferView<UInt8>, _ value: UInt8, _ count: Int) {
    let word = UInt64(value) &* 0x0101_0101_0101_0101
    switch count {
    case 1: at.pointee = value
    case 2: at.bytes(2).storeBytes(of: UInt16(truncatingIfNeeded: word), as: UInt16.self)
    case 4: at.bytes(4).storeBytes(of: UInt32(truncatingIfNeeded: word), as: UInt32.self)
    case 8: at.bytes(8).storeBytes(of: word, as: UInt64.self)
    default:
        at.bytes(8).storeBytes(of: word, as: UInt64.self)
        (at + 8).bytes(8).storeBytes(of: word, as: UInt64.self)
    }
}

/// Working memory of a `SliceDataSyntax`, kept outside the struct so that it is allocated once per worker.
package final class SyntaxScratch {
    static let modeStride = 17

    struct Pointers {
        /// IntraPredModeY on the 4x4 grid of the CTB, 16 rows of 17: column 0 is the left neighbour's.
        let modes: MutableBufferView<UInt8>
        let leftSkip: MutableBufferView<UInt8>
        let leftDepth: MutableBufferView<UInt8>
        /// Sub-block state of residual_coding.
        let magnitude: MutableBufferView<Int32>
        let pending: MutableBufferView<PendingLevel>
    }

    /// A coeff_abs_level_remaining that was read but not shown yet.
    struct PendingLevel {
        var index: UInt8
        var prefix: UInt8
        var riceParam: UInt8
        var baseLevel: UInt8
        var suffixCount: UInt8
        var suffix: UInt32
        /// Where the reader stood after it.
        var mark: Int
    }

    private let modes = Buffer<UInt8>(repeating: 1, count: 16 * SyntaxScratch.modeStride)
    private let leftSkip = Buffer<UInt8>(repeating: 0, count: 8)
    private let leftDepth = Buffer<UInt8>(repeating: 0, count: 8)
    private let magnitude = Buffer<Int32>(repeating: 0, count: 16)
    private let pending = Buffer(
        repeating: PendingLevel(
            index: 0, prefix: 0, riceParam: 0, baseLevel: 0, suffixCount: 0, suffix: 0, mark: 0), count: 16)

    var pointers: Pointers {
        Pointers(
            modes: modes.view, leftSkip: leftSkip.view, leftDepth: leftDepth.view, magnitude: magnitude.view,
            pending: pending.view)
    }

    package init() {}
}
