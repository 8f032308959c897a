// SPDX-License-Identifier: GPL-2.0-or-later
import VeilCore

extension SliceDataSyntax {
    /// Coded block flags of the TUs from `tuCursor` on that lie in a block: what a writer's inner nodes code.
    private func writtenCbf(_ ctu: CodingTreeUnit, x0: Int, y0: Int, log2Size: Int) -> UInt8 {
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

    /// transform_tree() (7.3.8.8).
    mutating func transformTree(
        _ ctu: CodingTreeUnit, x0: Int, y0: Int, xBase: Int, yBase: Int, log2TrafoSize: Int, trafoDepth: Int,
        blkIdx: Int,
        parentCbfCb: Bool, parentCbfCr: Bool
    ) {
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
        let written = C.reads ? 0 : writtenCbf(ctu, x0: x0, y0: y0, log2Size: log2TrafoSize)
        var cbfCb = parentCbfCb
        var cbfCr = parentCbfCr
        if log2TrafoSize > 2 {
            if parentCbfCb { cbfCb = coder.decision(Int(written >> 1 & 1), Context.cbfChroma + trafoDepth) != 0 }
            if parentCbfCr { cbfCr = coder.decision(Int(written >> 2 & 1), Context.cbfChroma + trafoDepth) != 0 }
        }
        if split {
            let half = 1 << (log2TrafoSize - 1)
            for i in 0..<4 {
                transformTree(
                    ctu, x0: x0 + (i & 1) * half, y0: y0 + (i >> 1) * half, xBase: x0, yBase: y0,
                    log2TrafoSize: log2TrafoSize - 1, trafoDepth: trafoDepth + 1, blkIdx: i, parentCbfCb: cbfCb,
                    parentCbfCr: cbfCr)
            }
            return
        }
        var cbfLuma = true
        if cuIsIntra || trafoDepth != 0 || cbfCb || cbfCr {
            cbfLuma = coder.decision(Int(written & 1), Context.cbfLuma + (trafoDepth == 0 ? 1 : 0)) != 0
        }
        transformUnit(
            ctu, x0: x0, y0: y0, xBase: xBase, yBase: yBase, log2TrafoSize: log2TrafoSize, trafoDepth: trafoDepth,
            blkIdx: blkIdx,
            cbfLuma: cbfLuma, cbfCb: cbfCb, cbfCr: cbfCr)
    }

    /// transform_unit() (7.3.8.10). `cbfCb`, `cbfCr` are the parent's for 4x4 luma blocks.
    private mutating func transformUnit(
        _ ctu: CodingTreeUnit, x0: Int, y0: Int, xBase: Int, yBase: Int, log2TrafoSize: Int, trafoDepth: Int,
        blkIdx: Int,
        cbfLuma: Bool, cbfCb: Bool, cbfCr: Bool
    ) {
        var tu = C.reads ? TransformUnit() : ctu.tus[tuCursor]
        tu.x0 = Int32(truncatingIfNeeded: x0)
        tu.y0 = Int32(truncatingIfNeeded: y0)
        tu.log2TrafoSize = UInt8(truncatingIfNeeded: log2TrafoSize)
        if C.reads {
            tu.partition = intraSplit ? partition(x0, y0) : 0
            tu.hasChroma = log2TrafoSize > 2 || blkIdx == 3
            tu.log2TrafoSizeC = UInt8(truncatingIfNeeded: max(2, log2TrafoSize - 1))
            tu.xBase = Int32(truncatingIfNeeded: log2TrafoSize > 2 ? x0 : xBase)
            tu.yBase = Int32(truncatingIfNeeded: log2TrafoSize > 2 ? y0 : yBase)
            tu.cbf = cbfLuma ? 1 : 0
            if tu.hasChroma { tu.cbf |= (cbfCb ? 2 : 0) | (cbfCr ? 4 : 0) }
        }
        if cbfLuma || cbfCb || cbfCr {
            if p.cuQpDeltaEnabledFlag && !isCuQpDeltaCoded { cuQpDelta(ctu) }
            if cbfLuma {
                let mode = cuIsIntra ? modeOfPartition(tu.partition) : 0
                residualCoding(
                    ctu, &tu.residual.0, &tu.transformSkip, log2: log2TrafoSize, cIdx: 0,
                    scanIdx: cuIsIntra && (log2TrafoSize == 2 || log2TrafoSize == 3) ? Self.scanIdx(mode) : 0)
            }
            if tu.hasChroma {
                let log2C = Int(tu.log2TrafoSizeC)
                let scan = cuIsIntra && log2C == 2 ? Self.scanIdx(intraModeC) : 0
                if cbfCb { residualCoding(ctu, &tu.residual.1, &tu.transformSkip, log2: log2C, cIdx: 1, scanIdx: scan) }
                if cbfCr { residualCoding(ctu, &tu.residual.2, &tu.transformSkip, log2: log2C, cIdx: 2, scanIdx: scan) }
            }
        }
        if !C.reads {
            tuCursor += 1
        } else if C.records {
            ctu.tus[ctu.tuCount] = tu
            ctu.tuCount += 1
        }
    }

    @inline(__always)
    private func modeOfPartition(_ i: UInt8) -> UInt8 {
        switch i {
        case 0: return intraModes.0
        case 1: return intraModes.1
        case 2: return intraModes.2
        default: return intraModes.3
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
