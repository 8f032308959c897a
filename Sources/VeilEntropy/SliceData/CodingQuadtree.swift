// SPDX-License-Identifier: GPL-2.0-or-later
import VeilCore

extension SliceDataSyntax {
    /// coding_quadtree() (7.3.8.4).
    mutating func codingQuadtree(_ ctu: CodingTreeUnit, x0: Int, y0: Int, log2CbSize: Int, cqtDepth: Int) {
        let size = 1 << log2CbSize
        var split: Bool
        if x0 + size <= p.picWidthInLumaSamples && y0 + size <= p.picHeightInLumaSamples
            && log2CbSize > p.minCbLog2SizeY
        {
            split = !C.reads && Int(ctu.cus[cuCursor].log2CbSize) < log2CbSize
            split = coder.decision(split ? 1 : 0, Context.splitCuFlag + splitContext(x0, y0, cqtDepth)) != 0
        } else {
            split = log2CbSize > p.minCbLog2SizeY
        }
        if p.cuQpDeltaEnabledFlag && log2CbSize >= p.log2MinCuQpDeltaSize {
            isCuQpDeltaCoded = false
            cuQpDeltaVal = 0
        }
        if p.cuChromaQpOffsetEnabledFlag && log2CbSize >= p.log2MinCuChromaQpOffsetSize {
            isCuChromaQpOffsetCoded = false
        }
        if split {
            let half = size >> 1
            let x1 = x0 + half
            let y1 = y0 + half
            codingQuadtree(ctu, x0: x0, y0: y0, log2CbSize: log2CbSize - 1, cqtDepth: cqtDepth + 1)
            if x1 < p.picWidthInLumaSamples {
                codingQuadtree(ctu, x0: x1, y0: y0, log2CbSize: log2CbSize - 1, cqtDepth: cqtDepth + 1)
            }
            if y1 < p.picHeightInLumaSamples {
                codingQuadtree(ctu, x0: x0, y0: y1, log2CbSize: log2CbSize - 1, cqtDepth: cqtDepth + 1)
            }
            if x1 < p.picWidthInLumaSamples && y1 < p.picHeightInLumaSamples {
                codingQuadtree(ctu, x0: x1, y0: y1, log2CbSize: log2CbSize - 1, cqtDepth: cqtDepth + 1)
            }
        } else {
            codingUnit(ctu, x0: x0, y0: y0, log2CbSize: log2CbSize, cqtDepth: cqtDepth)
        }
    }

    /// ctxInc of split_cu_flag: neighbours of greater depth (9.3.4.2.2).
    @inline(__always)
    private func splitContext(_ x0: Int, _ y0: Int, _ cqtDepth: Int) -> Int {
        let (column, row) = minCbPosition(x0, y0)
        return (Int(scratch.leftDepth[row]) > cqtDepth ? 1 : 0) + (Int(aboveDepth[column]) > cqtDepth ? 1 : 0)
    }

    /// Minimum-CB column in the picture and row in the CTB.
    @inline(__always)
    func minCbPosition(_ x0: Int, _ y0: Int) -> (Int, Int) {
        (x0 >> p.minCbLog2SizeY, (y0 & ((1 << p.ctbLog2SizeY) &- 1)) >> p.minCbLog2SizeY)
    }

    /// coding_unit() of the first unit of a writer's record, outside its quadtree: what lies around it is given.
    /// Without delta QP.
    ///
    /// `skipContext`: neighbours that are skipped; `modes`: intra modes beside and above its first and, of 8x8 units,
    /// its second quarters.
    mutating func codeUnit(
        _ ctu: CodingTreeUnit, cqtDepth: Int, skipContext: UInt8, modes: (left: (UInt8, UInt8), above: (UInt8, UInt8))
    ) {
        let cu = ctu.cus[0]
        let x0 = Int(cu.x0)
        let y0 = Int(cu.y0)
        let (column, row) = minCbPosition(x0, y0)
        scratch.leftSkip[row] = skipContext
        aboveSkip[column] = 0
        let mask = (1 << p.ctbLog2SizeY) - 1
        let at = scratch.modes + (((y0 & mask) >> 2) * SyntaxScratch.modeStride + ((x0 & mask) >> 2) + 1)
        at[-1] = modes.left.0
        at[SyntaxScratch.modeStride - 1] = modes.left.1
        if y0 & mask > 0 {
            at[-SyntaxScratch.modeStride] = modes.above.0
            at[1 - SyntaxScratch.modeStride] = modes.above.1
        }
        cuCursor = 0
        isCuQpDeltaCoded = true
        codingUnit(ctu, x0: x0, y0: y0, log2CbSize: Int(cu.log2CbSize), cqtDepth: cqtDepth)
    }

    /// coding_unit() (7.3.8.5).
    private mutating func codingUnit(_ ctu: CodingTreeUnit, x0: Int, y0: Int, log2CbSize: Int, cqtDepth: Int) {
        var cu = C.reads ? CodingUnit() : ctu.cus[cuCursor]
        cu.x0 = Int32(truncatingIfNeeded: x0)
        cu.y0 = Int32(truncatingIfNeeded: y0)
        cu.log2CbSize = UInt8(truncatingIfNeeded: log2CbSize)
        let qgMask = (1 << p.log2MinCuQpDeltaSize) - 1
        cu.xQg = Int32(truncatingIfNeeded: x0 & ~qgMask)
        cu.yQg = Int32(truncatingIfNeeded: y0 & ~qgMask)
        cu.startsQuantizationGroup = (x0 & qgMask) == 0 && (y0 & qgMask) == 0
        if C.reads {
            cu.firstPU = Int32(truncatingIfNeeded: ctu.puCount)
            cu.firstTU = Int32(truncatingIfNeeded: ctu.tuCount)
        }
        let (column, row) = minCbPosition(x0, y0)
        let cells = 1 << (log2CbSize - p.minCbLog2SizeY)
        if p.transquantBypassEnabledFlag {
            cu.cuTransquantBypassFlag =
                coder.decision(cu.cuTransquantBypassFlag ? 1 : 0, Context.cuTransquantBypassFlag) != 0
        }
        cuTransquantBypass = cu.cuTransquantBypassFlag
        if p.sliceType != .i {
            let inc = Int(scratch.leftSkip[row]) + Int(aboveSkip[column])
            cu.cuSkipFlag = coder.decision(cu.cuSkipFlag ? 1 : 0, Context.cuSkipFlag + inc) != 0
        }
        if cu.cuSkipFlag {
            cu.predMode = .inter
            cu.partMode = .part2Nx2N
            var pu = C.reads ? PredictionUnit() : ctu.pus[Int(cu.firstPU)]
            place(&pu, x0, y0, 1 << log2CbSize, 1 << log2CbSize)
            pu.mergeFlag = true
            pu.mergeIdx = mergeIdx(pu.mergeIdx)
            if C.reads { append(pu, to: ctu) } else { ctu.pus[Int(cu.firstPU)] = pu }
        } else {
            if p.sliceType != .i {
                cu.predMode = coder.decision(cu.predMode == .intra ? 1 : 0, Context.predModeFlag) != 0 ? .intra : .inter
            } else {
                cu.predMode = .intra
            }
            if cu.predMode != .intra || log2CbSize == p.minCbLog2SizeY {
                cu.partMode = partMode(cu, log2CbSize: log2CbSize)
            }
            if cu.predMode == .intra {
                intraSyntax(ctu, &cu, x0: x0, y0: y0, log2CbSize: log2CbSize)
            } else {
                interPartitions(ctu, &cu, x0: x0, y0: y0, size: 1 << log2CbSize, cqtDepth: cqtDepth)
            }
            if !cu.pcmFlag {
                if cu.predMode != .intra {
                    let merged2Nx2N = cu.partMode == .part2Nx2N && ctu.pus[Int(cu.firstPU)].mergeFlag
                    cu.rqtRootCbf = merged2Nx2N || coder.decision(cu.rqtRootCbf ? 1 : 0, Context.rqtRootCbf) != 0
                } else {
                    cu.rqtRootCbf = true
                }
                if cu.rqtRootCbf {
                    cuIsIntra = cu.predMode == .intra
                    cuPartMode = cu.partMode
                    intraSplit = cuIsIntra && cu.partMode == .partNxN
                    maxTrafoDepth =
                        cuIsIntra
                        ? p.maxTransformHierarchyDepthIntra + (intraSplit ? 1 : 0) : p.maxTransformHierarchyDepthInter
                    intraModes = cu.intraPredModeY
                    intraModeC = cu.intraPredModeC
                    if !C.reads { tuCursor = Int(cu.firstTU) }
                    transformTree(
                        ctu,
                        TransformNode(
                            x0: x0, y0: y0, xBase: x0, yBase: y0, log2Size: log2CbSize, depth: 0, blkIdx: 0,
                            cbfCb: p.chromaArrayType == 0 ? 0 : 1, cbfCr: p.chromaArrayType == 0 ? 0 : 1))
                }
            }
        }
        cu.cuQpDeltaVal = C.reads ? Int8(truncatingIfNeeded: cuQpDeltaVal) : cu.cuQpDeltaVal
        if cu.predMode != .intra || cu.pcmFlag { fillModes(x0: x0, y0: y0, size: 1 << log2CbSize, mode: 1) }
        fillCells(scratch.leftSkip + row, cu.cuSkipFlag ? 1 : 0, cells)
        fillCells(aboveSkip + column, cu.cuSkipFlag ? 1 : 0, cells)
        fillCells(scratch.leftDepth + row, UInt8(truncatingIfNeeded: cqtDepth), cells)
        fillCells(aboveDepth + column, UInt8(truncatingIfNeeded: cqtDepth), cells)
        if C.reads {
            cu.puCount = Int32(truncatingIfNeeded: ctu.puCount) - cu.firstPU
            cu.tuCount = Int32(truncatingIfNeeded: ctu.tuCount) - cu.firstTU
            ctu.cus[ctu.cuCount] = cu
            ctu.cuCount += 1
        } else {
            ctu.cus[cuCursor] = cu
            cuCursor += 1
        }
    }

    /// part_mode (Table 9-41 and 9.3.4.2).
    private mutating func partMode(_ cu: CodingUnit, log2CbSize: Int) -> PartMode {
        let mode = cu.partMode
        if coder.decision(mode == .part2Nx2N ? 1 : 0, Context.partMode) != 0 { return .part2Nx2N }
        if cu.predMode == .intra { return .partNxN }
        if log2CbSize == p.minCbLog2SizeY {
            if coder.decision(mode == .part2NxN ? 1 : 0, Context.partMode + 1) != 0 { return .part2NxN }
            if log2CbSize == 3 { return .partNx2N }
            return coder.decision(mode == .partNx2N ? 1 : 0, Context.partMode + 2) != 0 ? .partNx2N : .partNxN
        }
        let isHorizontal = mode == .part2NxN || mode == .part2NxnU || mode == .part2NxnD
        let horizontal = coder.decision(isHorizontal ? 1 : 0, Context.partMode + 1) != 0
        let symmetric: PartMode = horizontal ? .part2NxN : .partNx2N
        if !p.ampEnabledFlag { return symmetric }
        if coder.decision(mode == symmetric ? 1 : 0, Context.partMode + 3) != 0 { return symmetric }
        let second = coder.run(BinRun(.partMode, bins: mode == .part2NxnD || mode == .partnRx2N ? 1 : 0, count: 1)) != 0
        return horizontal ? (second ? .part2NxnD : .part2NxnU) : (second ? .partnRx2N : .partnLx2N)
    }

    private mutating func intraSyntax(_ ctu: CodingTreeUnit, _ cu: inout CodingUnit, x0: Int, y0: Int, log2CbSize: Int)
    {
        if cu.partMode == .part2Nx2N && p.pcmEnabledFlag && log2CbSize >= p.log2MinIpcmCbSizeY
            && log2CbSize <= p.log2MaxIpcmCbSizeY
        {
            cu.pcmFlag = coder.terminate(cu.pcmFlag ? 1 : 0) != 0
        }
        if cu.pcmFlag {
            let count = 1 << (2 * log2CbSize)
            // Both components: a half, the same or twice the luma samples.
            let chromaCount = p.chromaArrayType == 0 ? 0 : (count << p.chromaArrayType) >> 2
            if C.reads {
                cu.pcmStart = Int32(truncatingIfNeeded: ctu.pcmCount)
                ctu.pcmCount += count + chromaCount
            }
            coder.pcmSamples(
                ctu.pcmSamples + Int(cu.pcmStart), lumaCount: count, lumaBits: p.pcmBitDepthLuma,
                chromaCount: chromaCount,
                chromaBits: p.pcmBitDepthChroma)
            return
        }
        intraModes(&cu, x0: x0, y0: y0, log2CbSize: log2CbSize)
    }

    /// prev_intra_luma_pred_flag, mpm_idx, rem_intra_luma_pred_mode, intra_chroma_pred_mode, with the derivation of
    /// 8.4.2 and 8.4.3.
    private mutating func intraModes(_ cu: inout CodingUnit, x0: Int, y0: Int, log2CbSize: Int) {
        let parts = cu.partMode == .partNxN ? 4 : 1
        let partSize = (1 << log2CbSize) >> (parts == 4 ? 1 : 0)
        let scanFlags: BinRun.Flags = p.scansAreIndependent ? .scanIndependent : []
        var wanted = cu.intraPredModeY
        var prevFlags: (Bool, Bool, Bool, Bool) = (false, false, false, false)
        withUnsafeMutableBytes(of: &wanted) { modes in
            withUnsafeMutableBytes(of: &prevFlags) { prev in
                if C.reads {
                    for i in 0..<parts { prev[i] = UInt8(coder.decision(0, Context.prevIntraLumaPredFlag)) }
                } else {
                    // A writer must know the candidates of all partitions before the first flag: modes are final
                    // already.
                    for i in 0..<parts {
                        let x = x0 + (i & 1) * partSize
                        let y = y0 + (i >> 1) * partSize
                        let c = candidates(x, y)
                        prev[i] = modes[i] == c.0 || modes[i] == c.1 || modes[i] == c.2 ? 1 : 0
                        fillModes(x0: x, y0: y, size: partSize, mode: modes[i])
                    }
                    for i in 0..<parts { _ = coder.decision(Int(prev[i]), Context.prevIntraLumaPredFlag) }
                }
                for i in 0..<parts {
                    let x = x0 + (i & 1) * partSize
                    let y = y0 + (i >> 1) * partSize
                    var c = candidates(x, y)
                    if prev[i] != 0 {
                        let index = modes[i] == c.0 ? 0 : modes[i] == c.1 ? 1 : 2
                        switch truncatedUnary(index, cMax: 2, .intraLumaMode, flags: scanFlags) {
                        case 0: modes[i] = c.0
                        case 1: modes[i] = c.1
                        default: modes[i] = c.2
                        }
                    } else {
                        if c.0 > c.1 { swap(&c.0, &c.1) }
                        if c.0 > c.2 { swap(&c.0, &c.2) }
                        if c.1 > c.2 { swap(&c.1, &c.2) }
                        var rem = modes[i]
                        if !C.reads {
                            rem = rem &- (rem > c.0 ? 1 : 0) &- (modes[i] > c.1 ? 1 : 0) &- (modes[i] > c.2 ? 1 : 0)
                        }
                        rem = UInt8(
                            truncatingIfNeeded: coder.run(
                                BinRun(.intraLumaMode, bins: UInt32(rem), count: 5, flags: scanFlags)))
                        if C.reads {
                            rem &+= rem >= c.0 ? 1 : 0
                            rem &+= rem >= c.1 ? 1 : 0
                            rem &+= rem >= c.2 ? 1 : 0
                            modes[i] = rem
                        }
                    }
                    fillModes(x0: x, y0: y, size: partSize, mode: modes[i])
                }
            }
        }
        cu.intraPredModeY = wanted
        if parts == 1 { cu.intraPredModeY = (wanted.0, wanted.0, wanted.0, wanted.0) }
        if p.chromaArrayType == 0 { return }
        let chroma = intraChromaPredMode(Int(cu.intraChromaPredMode), flags: scanFlags)
        cu.intraChromaPredMode = UInt8(chroma)
        cu.intraPredModeC = Self.intraPredModeC(intraChromaPredMode: chroma, intraPredModeY: wanted.0)
        if p.chromaArrayType == 1 { return }
        chromaFollowsLuma = chroma == 4 ? 15 : 0
        if p.chromaArrayType == 2 {
            cu.intraPredModeC = IntraModes.process422[Int(cu.intraPredModeC)]
        } else if parts == 1 {
            intraModesC = (cu.intraPredModeC, cu.intraPredModeC, cu.intraPredModeC, cu.intraPredModeC)
        } else {
            chromaFollowsLuma &= 1
            func mode(_ i: Int, _ luma: UInt8) -> UInt8 {
                let chroma = intraChromaPredMode(Int(cu.intraChromaPredMode), flags: scanFlags)
                if chroma == 4 { chromaFollowsLuma |= 1 << UInt8(i) }
                return Self.intraPredModeC(intraChromaPredMode: chroma, intraPredModeY: luma)
            }
            intraModesC = (cu.intraPredModeC, mode(1, wanted.1), mode(2, wanted.2), mode(3, wanted.3))
        }
    }

    private mutating func intraChromaPredMode(_ wanted: Int, flags: BinRun.Flags) -> Int {
        if coder.decision(wanted == 4 ? 0 : 1, Context.intraChromaPredMode) == 0 { return 4 }
        return Int(coder.run(BinRun(.intraChromaMode, bins: UInt32(wanted & 3), count: 2, flags: flags)))
    }

    /// IntraPredModeC for 4:2:0 and 4:4:4 (Table 8-2).
    package static func intraPredModeC(intraChromaPredMode: Int, intraPredModeY: UInt8) -> UInt8 {
        let explicit: UInt8
        switch intraChromaPredMode {
        case 0: explicit = 0
        case 1: explicit = 26
        case 2: explicit = 10
        case 3: explicit = 1
        default: return intraPredModeY
        }
        return explicit == intraPredModeY ? 34 : explicit
    }

    /// candModeList (8.4.2).
    @inline(__always)
    func candidates(_ x: Int, _ y: Int) -> (UInt8, UInt8, UInt8) {
        let mask = (1 << p.ctbLog2SizeY) - 1
        let column = (x & mask) >> 2
        let row = (y & mask) >> 2
        let at = scratch.modes + (row * SyntaxScratch.modeStride + column + 1)
        let a = at[-1]
        let b = row > 0 ? at[-SyntaxScratch.modeStride] : 1
        if a == b {
            if a < 2 { return (0, 1, 26) }
            return (a, 2 &+ ((a &+ 29) & 31), 2 &+ ((a &- 2 &+ 1) & 31))
        }
        let third: UInt8 = a != 0 && b != 0 ? 0 : a != 1 && b != 1 ? 1 : 26
        return (a, b, third)
    }

    @inline(__always)
    func fillModes(x0: Int, y0: Int, size: Int, mode: UInt8) {
        let mask = (1 << p.ctbLog2SizeY) - 1
        let at = scratch.modes + (((y0 & mask) >> 2) * SyntaxScratch.modeStride + ((x0 & mask) >> 2) + 1)
        let cells = size >> 2
        for row in 0..<cells { fillCells(at + row &* SyntaxScratch.modeStride, mode, cells) }
    }
}

/// Tables of intra modes.
package enum IntraModes {
    /// The mode of 4:2:2 chroma, whose samples are twice as wide as high (Table 8-3).
    package static let process422: [UInt8] = [
        0, 1, 2, 2, 2, 2, 3, 5, 7, 8, 10, 12, 13, 15, 17, 18, 19, 20, 21, 22, 23, 23, 24, 24, 25, 25, 26, 27, 27, 28,
        28, 29, 29, 30, 31,
    ]
}
