// SPDX-License-Identifier: GPL-2.0-or-later
import VeilCore

/// A node of a transform tree (7.3.8.8), with the chroma coded block flags of its parent: bit 1 of these is that of the
/// lower block of 4:2:2.
struct TransformNode {
    let x0: Int
    let y0: Int
    let xBase: Int
    let yBase: Int
    let log2Size: Int
    let depth: Int
    let blkIdx: Int
    let cbfCb: UInt8
    let cbfCr: UInt8
}

extension SliceDataSyntax {
    /// Coded block flags of the TUs from `tuCursor` on that lie in a block: what a writer's inner nodes code.
    private func writtenCbf(_ ctu: CodingTreeUnit, log2Size: Int) -> UInt8 {
        var covered = 0
        let total = 1 << (2 * log2Size)
        var cbf: UInt8 = 0
        var i = tuCursor
        while covered < total {
            let tu = ctu.tus[i]
            cbf |= tu.cbf
            covered += 1 << (2 * Int(tu.log2TrafoSize))
            i += 1
        }
        return cbf
    }

    /// transform_tree() (7.3.8.8). Writers know no lower blocks of 4:2:2, nor what else only the range extensions have
    /// in a tree: theirs is always 0.
    mutating func transformTree(_ ctu: CodingTreeUnit, _ node: TransformNode) {
        let log2TrafoSize = node.log2Size
        let trafoDepth = node.depth
        let interSplit =
            p.maxTransformHierarchyDepthInter == 0 && !cuIsIntra && cuPartMode != .part2Nx2N && trafoDepth == 0
        var split: Bool
        if log2TrafoSize <= p.maxTbLog2SizeY && log2TrafoSize > p.minTbLog2SizeY && trafoDepth < maxTrafoDepth
            && !(intraSplit && trafoDepth == 0)
        {
            split = !C.reads && Int(ctu.tus[tuCursor].log2TrafoSize) < log2TrafoSize
            split = coder.decision(split ? 1 : 0, Context.splitTransformFlag + 5 - log2TrafoSize) != 0
        } else {
            split = log2TrafoSize > p.maxTbLog2SizeY || (intraSplit && trafoDepth == 0) || interSplit
            // interSplit only applies where a split is possible at all.
            if log2TrafoSize <= p.minTbLog2SizeY { split = false }
        }
        let written = C.reads ? 0 : writtenCbf(ctu, log2Size: log2TrafoSize)
        var cbfCb = node.cbfCb
        var cbfCr = node.cbfCr
        if log2TrafoSize > 2 || p.chromaArrayType == 3 {
            let context = trafoDepth < 4 ? Context.cbfChroma + trafoDepth : Context.cbfChromaDepth4
            let both = p.chromaArrayType == 2 && (!split || log2TrafoSize == 3)
            if node.cbfCb != 0 {
                cbfCb = UInt8(truncatingIfNeeded: coder.decision(Int(written >> 1 & 1), context))
                if both { cbfCb |= UInt8(truncatingIfNeeded: coder.decision(0, context) << 1) }
            }
            if node.cbfCr != 0 {
                cbfCr = UInt8(truncatingIfNeeded: coder.decision(Int(written >> 2 & 1), context))
                if both { cbfCr |= UInt8(truncatingIfNeeded: coder.decision(0, context) << 1) }
            }
        }
        if split {
            let half = 1 << (log2TrafoSize - 1)
            for i in 0..<4 {
                transformTree(
                    ctu,
                    TransformNode(
                        x0: node.x0 + (i & 1) * half, y0: node.y0 + (i >> 1) * half, xBase: node.x0, yBase: node.y0,
                        log2Size: log2TrafoSize - 1, depth: trafoDepth + 1, blkIdx: i, cbfCb: cbfCb, cbfCr: cbfCr))
            }
            return
        }
        var cbfLuma = true
        if cuIsIntra || trafoDepth != 0 || cbfCb | cbfCr != 0 {
            cbfLuma = coder.decision(Int(written & 1), Context.cbfLuma + (trafoDepth == 0 ? 1 : 0)) != 0
        }
        transformUnit(ctu, node, cbfLuma: cbfLuma, cbfCb: cbfCb, cbfCr: cbfCr)
    }

    /// transform_unit() (7.3.8.10). `cbfCb`, `cbfCr` are the parent's for 4x4 luma blocks.
    private mutating func transformUnit(
        _ ctu: CodingTreeUnit, _ node: TransformNode, cbfLuma: Bool, cbfCb: UInt8, cbfCr: UInt8
    ) {
        let (x0, y0, log2TrafoSize) = (node.x0, node.y0, node.log2Size)
        var tu = C.reads ? TransformUnit() : ctu.tus[tuCursor]
        tu.x0 = Int32(truncatingIfNeeded: x0)
        tu.y0 = Int32(truncatingIfNeeded: y0)
        tu.log2TrafoSize = UInt8(truncatingIfNeeded: log2TrafoSize)
        if C.reads {
            tu.partition = intraSplit ? partition(x0, y0) : 0
            let ownChroma = log2TrafoSize > 2 || p.chromaArrayType == 3
            tu.hasChroma = (ownChroma || node.blkIdx == 3) && p.chromaArrayType != 0
            tu.log2TrafoSizeC = UInt8(
                truncatingIfNeeded: p.chromaArrayType == 3 ? log2TrafoSize : max(2, log2TrafoSize - 1))
            tu.xBase = Int32(truncatingIfNeeded: ownChroma ? x0 : node.xBase)
            tu.yBase = Int32(truncatingIfNeeded: ownChroma ? y0 : node.yBase)
            tu.cbf = cbfLuma ? 1 : 0
            if tu.hasChroma { tu.cbf |= (cbfCb != 0 ? 2 : 0) | (cbfCr != 0 ? 4 : 0) }
            if C.records && p.extendsRecords { beginExtension(ctu, tu, cbfCb: cbfCb, cbfCr: cbfCr) }
        }
        if cbfLuma || cbfCb | cbfCr != 0 {
            if p.cuQpDeltaEnabledFlag && !isCuQpDeltaCoded { cuQpDelta(ctu) }
            if p.cuChromaQpOffsetEnabledFlag && cbfCb | cbfCr != 0 && !cuTransquantBypass && !isCuChromaQpOffsetCoded {
                chromaQpOffset()
            }
            if cbfLuma {
                let mode = cuIsIntra ? modeOfPartition(tu.partition) : 0
                residualCoding(
                    ctu, &tu.residual.0, &tu.transformSkip, log2: log2TrafoSize, cIdx: 0,
                    scanIdx: cuIsIntra && (log2TrafoSize == 2 || log2TrafoSize == 3) ? Self.scanIdx(mode) : 0,
                    mode: mode)
                if C.records && p.extendsRecords { extend(ctu, block: 0, transformSkip: tu.transformSkip & 1) }
            }
            if tu.hasChroma && (p.chromaArrayType != 1 || p.extendsRecords) {
                extendedChroma(ctu, &tu, cbfLuma: cbfLuma, cbfCb: cbfCb, cbfCr: cbfCr)
            } else if tu.hasChroma {
                let log2C = Int(tu.log2TrafoSizeC)
                let scan = cuIsIntra && log2C == 2 ? Self.scanIdx(intraModeC) : 0
                if cbfCb != 0 {
                    residualCoding(
                        ctu, &tu.residual.1, &tu.transformSkip, log2: log2C, cIdx: 1, scanIdx: scan, mode: intraModeC)
                }
                if cbfCr != 0 {
                    residualCoding(
                        ctu, &tu.residual.2, &tu.transformSkip, log2: log2C, cIdx: 2, scanIdx: scan, mode: intraModeC)
                }
            }
        }
        if !C.reads {
            tuCursor += 1
        } else if C.records {
            ctu.tus[ctu.tuCount] = tu
            ctu.tuCount += 1
        }
    }

    /// What the range extensions know of a transform unit before its blocks are read.
    @inline(never)
    private mutating func beginExtension(_ ctu: CodingTreeUnit, _ tu: TransformUnit, cbfCb: UInt8, cbfCr: UInt8) {
        var e = TransformUnitExtension()
        e.cbf = tu.cbf & 1
        if tu.hasChroma { e.cbf |= cbfCb << 1 | cbfCr << 3 }
        e.intraPredModeC = p.chromaArrayType == 3 ? Self.mode(intraModesC, tu.partition) : intraModeC
        ctu.extensions[ctu.tuCount] = e
    }

    /// What one block was coded with.
    @inline(never)
    private mutating func extend(_ ctu: CodingTreeUnit, block: Int, transformSkip: UInt8) {
        let e = ctu.extensions + ctu.tuCount
        let bit: UInt8 = 1 << UInt8(block)
        if transformSkip != 0 { e.pointee.transformSkip |= bit }
        if rdpcm != 0 { e.pointee.rdpcm |= bit }
        if rdpcm == 2 { e.pointee.rdpcmIsVertical |= bit }
        e.pointee.cuChromaQpOffset = cuChromaQpOffset
    }

    /// The chroma blocks of a transform unit of 4:2:2 (two of each component, one below the other) or 4:4:4, or of
    /// any format with other tools of the range extensions, and how they are predicted from luma.
    @inline(never)
    private mutating func extendedChroma(
        _ ctu: CodingTreeUnit, _ tu: inout TransformUnit, cbfLuma: Bool, cbfCb: UInt8, cbfCr: UInt8
    ) {
        let log2C = Int(tu.log2TrafoSizeC)
        let isFull = p.chromaArrayType == 3
        let mode = !cuIsIntra ? 0 : isFull ? Self.mode(intraModesC, tu.partition) : intraModeC
        let scan = cuIsIntra && (log2C == 2 || (log2C == 3 && isFull)) ? Self.scanIdx(mode) : 0
        let crosses =
            p.crossComponentPredictionEnabledFlag && isFull && cbfLuma
            && (!cuIsIntra || chromaFollowsLuma >> tu.partition & 1 != 0)
        for c in 0..<2 {
            if crosses { crossComponentPrediction(ctu, c) }
            let cbf = c == 0 ? cbfCb : cbfCr
            for i in 0..<2 where cbf >> UInt8(i) & 1 != 0 {
                var block = c == 0 ? tu.residual.1 : tu.residual.2
                var transformSkip: UInt8 = C.reads ? 0 : tu.transformSkip
                residualCoding(ctu, &block, &transformSkip, log2: log2C, cIdx: 1 + c, scanIdx: scan, mode: mode)
                if !C.reads || !C.records { continue }
                extend(ctu, block: 1 + 2 * c + i, transformSkip: transformSkip)
                switch (c, i) {
                case (0, 0): tu.residual.1 = block
                case (1, 0): tu.residual.2 = block
                case (0, _): ctu.extensions[ctu.tuCount].lower.0 = block
                default: ctu.extensions[ctu.tuCount].lower.1 = block
                }
            }
        }
    }

    /// cross_comp_pred() (7.3.8.12).
    private mutating func crossComponentPrediction(_ ctu: CodingTreeUnit, _ c: Int) {
        let magnitude = coder.unary(0, 4, Context.log2ResScaleAbsPlus1 + 4 * c, shift: 0)
        if magnitude == 0 { return }
        let isNegative = coder.decision(0, Context.resScaleSignFlag + c) != 0
        if !C.records { return }
        let scale = Int8(1 << (magnitude - 1)) * (isNegative ? -1 : 1)
        if c == 0 {
            ctu.extensions[ctu.tuCount].resScaleVal.0 = scale
        } else {
            ctu.extensions[ctu.tuCount].resScaleVal.1 = scale
        }
    }

    /// chroma_qp_offset() (7.3.8.14).
    private mutating func chromaQpOffset() {
        let flag = coder.decision(0, Context.cuChromaQpOffsetFlag)
        cuChromaQpOffset = flag != 0 ? 1 : 0
        if flag != 0 && p.chromaQpOffsetListLenMinus1 > 0 {
            // All bins share one context.
            cuChromaQpOffset += UInt8(
                coder.unary(0, p.chromaQpOffsetListLenMinus1, Context.cuChromaQpOffsetIdx, shift: 8))
        }
        isCuChromaQpOffsetCoded = true
    }

    @inline(__always)
    private func modeOfPartition(_ i: UInt8) -> UInt8 { Self.mode(intraModes, i) }

    @inline(__always)
    private static func mode(_ modes: (UInt8, UInt8, UInt8, UInt8), _ i: UInt8) -> UInt8 {
        switch i {
        case 0: return modes.0
        case 1: return modes.1
        case 2: return modes.2
        default: return modes.3
        }
    }

    /// Which quarter of the (NxN) CU a position lies in. NxN intra CUs are of the minimum size.
    @inline(__always)
    private func partition(_ x: Int, _ y: Int) -> UInt8 {
        let half = p.minCbLog2SizeY - 1
        return UInt8(truncatingIfNeeded: (y >> half & 1) << 1 | (x >> half & 1))
    }

    /// scanIdx from the intra mode of small blocks (7.4.9.11).
    @inline(__always)
    package static func scanIdx(_ mode: UInt8) -> Int { mode >= 6 && mode <= 14 ? 2 : mode >= 22 && mode <= 30 ? 1 : 0 }

    /// cu_qp_delta_abs and cu_qp_delta_sign_flag (7.3.8.14): TU prefix of at most five bins, EG0 suffix.
    private mutating func cuQpDelta(_ ctu: CodingTreeUnit) {
        let delta = C.reads ? 0 : Int(ctu.cus[cuCursor].cuQpDeltaVal)
        let wanted = abs(delta)
        var magnitude = 0
        while magnitude < 5 {
            let bin = magnitude < wanted ? 1 : 0
            if coder.decision(bin, Context.cuQpDeltaAbs + (magnitude == 0 ? 0 : 1)) == 0 { break }
            magnitude += 1
        }
        if magnitude == 5 {
            var k = 0
            var rest = wanted - 5
            var base = 0
            while coder.bypass(!C.reads && rest >= 1 << k ? 1 : 0) != 0 {
                base += 1 << k
                rest -= 1 << k
                k += 1
                if k > 6 {
                    failed = true
                    return
                }
            }
            magnitude = 5 + base
            if k > 0 {
                magnitude += Int(
                    coder.run(
                        BinRun(
                            .dqpSuffix, bins: UInt32(truncatingIfNeeded: max(rest, 0)), count: k,
                            value: Int32(truncatingIfNeeded: wanted),
                            baseLevel: UInt8(25 + p.qpBdOffsetY / 2))))
            }
        }
        isCuQpDeltaCoded = true
        cuQpDeltaVal = 0
        if magnitude > 0 {
            // -(26 + QpBdOffsetY / 2) has no positive counterpart (7.4.9.14).
            let limit = 26 + p.qpBdOffsetY / 2
            let sign = coder.run(
                BinRun(
                    .dqpSign, bins: delta < 0 ? 1 : 0, count: 1, value: Int32(truncatingIfNeeded: magnitude),
                    frozen: magnitude >= limit ? 1 : 0))
            if magnitude > limit || (magnitude == limit && sign == 0) {
                failed = true
                return
            }
            cuQpDeltaVal = sign != 0 ? -magnitude : magnitude
        }
    }
}
