// SPDX-License-Identifier: GPL-2.0-or-later
import VeilCore

extension SliceDataSyntax {
    @inline(__always)
    func place(_ pu: inout PredictionUnit, _ x: Int, _ y: Int, _ width: Int, _ height: Int) {
        pu.x0 = Int32(truncatingIfNeeded: x)
        pu.y0 = Int32(truncatingIfNeeded: y)
        pu.width = UInt8(truncatingIfNeeded: width)
        pu.height = UInt8(truncatingIfNeeded: height)
    }

    @inline(__always)
    func append(_ pu: PredictionUnit, to ctu: CodingTreeUnit) {
        ctu.pus[ctu.puCount] = pu
        ctu.puCount += 1
    }

    mutating func mergeIdx(_ value: UInt8) -> UInt8 {
        if p.maxNumMergeCand <= 1 { return 0 }
        if coder.decision(value > 0 ? 1 : 0, Context.mergeIdx) == 0 { return 0 }
        return UInt8(truncatedUnary(Int(value), cMax: p.maxNumMergeCand - 1, from: 1, .mergeIdx))
    }

    /// The prediction_unit()s of a CU in the order of 7.3.8.5.
    mutating func interPartitions(
        _ ctu: CodingTreeUnit, _ cu: inout CodingUnit, x0: Int, y0: Int, size: Int, cqtDepth: Int
    ) {
        let half = size / 2
        let quarter = size / 4
        var index = Int(cu.firstPU)
        func unit(_ x: Int, _ y: Int, _ w: Int, _ h: Int, _ s: inout Self) {
            s.predictionUnit(ctu, index: index, x0 + x, y0 + y, w, h, cqtDepth: cqtDepth)
            index += 1
        }
        switch cu.partMode {
        case .part2Nx2N:
            unit(0, 0, size, size, &self)
        case .part2NxN:
            unit(0, 0, size, half, &self)
            unit(0, half, size, half, &self)
        case .partNx2N:
            unit(0, 0, half, size, &self)
            unit(half, 0, half, size, &self)
        case .part2NxnU:
            unit(0, 0, size, quarter, &self)
            unit(0, quarter, size, size - quarter, &self)
        case .part2NxnD:
            unit(0, 0, size, size - quarter, &self)
            unit(0, size - quarter, size, quarter, &self)
        case .partnLx2N:
            unit(0, 0, quarter, size, &self)
            unit(quarter, 0, size - quarter, size, &self)
        case .partnRx2N:
            unit(0, 0, size - quarter, size, &self)
            unit(size - quarter, 0, quarter, size, &self)
        case .partNxN:
            unit(0, 0, half, half, &self)
            unit(half, 0, half, half, &self)
            unit(0, half, half, half, &self)
            unit(half, half, half, half, &self)
        }
    }

    /// prediction_unit() (7.3.8.6).
    private mutating func predictionUnit(
        _ ctu: CodingTreeUnit, index: Int, _ x: Int, _ y: Int, _ width: Int, _ height: Int, cqtDepth: Int
    ) {
        var pu = C.reads ? PredictionUnit() : ctu.pus[index]
        place(&pu, x, y, width, height)
        pu.mergeFlag = coder.decision(pu.mergeFlag ? 1 : 0, Context.mergeFlag) != 0
        if pu.mergeFlag {
            pu.mergeIdx = mergeIdx(pu.mergeIdx)
        } else {
            if p.sliceType == .b {
                pu.interPredIdc = interPredIdc(pu.interPredIdc, width + height, cqtDepth)
            } else {
                pu.interPredIdc = 0
            }
            if pu.interPredIdc != 1 {
                pu.refIdxL0 = refIdx(pu.refIdxL0, p.numRefIdxL0Active, p.longTermMaskL0)
                mvdCoding(&pu.mvdL0, longTerm: p.longTermMaskL0 >> UInt16(pu.refIdxL0) & 1 != 0)
                pu.mvpL0Flag = UInt8(coder.decision(Int(pu.mvpL0Flag), Context.mvpFlag))
            } else if C.reads {
                pu.refIdxL0 = -1
            }
            if pu.interPredIdc != 0 {
                pu.refIdxL1 = refIdx(pu.refIdxL1, p.numRefIdxL1Active, p.longTermMaskL1)
                if p.mvdL1ZeroFlag && pu.interPredIdc == 2 {
                    pu.mvdL1 = MotionVector()
                } else {
                    mvdCoding(&pu.mvdL1, longTerm: p.longTermMaskL1 >> UInt16(pu.refIdxL1) & 1 != 0)
                }
                pu.mvpL1Flag = UInt8(coder.decision(Int(pu.mvpL1Flag), Context.mvpFlag))
            } else if C.reads {
                pu.refIdxL1 = -1
            }
        }
        if C.reads { append(pu, to: ctu) } else { ctu.pus[index] = pu }
    }

    /// inter_pred_idc (9.3.3.7, 9.3.4.2): PRED_BI is not allowed for 8x4 and 4x8.
    private mutating func interPredIdc(_ value: UInt8, _ sides: Int, _ cqtDepth: Int) -> UInt8 {
        if sides != 12 {
            if coder.decision(value == 2 ? 1 : 0, Context.interPredIdc + cqtDepth) != 0 { return 2 }
        }
        return UInt8(coder.decision(Int(value), Context.interPredIdc + 4))
    }

    /// ref_idx_lX: TR, two context-coded bins, the rest bypass.
    private mutating func refIdx(_ value: Int8, _ active: Int, _ longTermMask: UInt16) -> Int8 {
        let cMax = active - 1
        let wanted = Int(value)
        var n = 0
        while n < min(cMax, 2) {
            if coder.decision(n < wanted ? 1 : 0, Context.refIdx + n) == 0 { return Int8(truncatingIfNeeded: n) }
            n += 1
        }
        if n == cMax { return Int8(truncatingIfNeeded: n) }
        // Long-term pictures (inter-layer ones among them) and others are not exchanged: vectors are predicted
        // otherwise.
        let frozen: UInt32 = longTermMask >> UInt16(truncatingIfNeeded: cMax - 1) & 3 != 0 ? 1 : 0
        return Int8(truncatingIfNeeded: truncatedUnary(wanted, cMax: cMax, from: n, .refIdx, frozen: frozen))
    }

    /// mvd_coding() (7.3.8.9).
    private mutating func mvdCoding(_ mvd: inout MotionVector, longTerm: Bool) {
        let ax = abs(Int(mvd.x))
        let ay = abs(Int(mvd.y))
        let x0 = coder.decision(ax > 0 ? 1 : 0, Context.absMvdGreater0Flag)
        let y0 = coder.decision(ay > 0 ? 1 : 0, Context.absMvdGreater0Flag)
        let x1 = x0 != 0 ? coder.decision(ax > 1 ? 1 : 0, Context.absMvdGreater1Flag) : 0
        let y1 = y0 != 0 ? coder.decision(ay > 1 ? 1 : 0, Context.absMvdGreater1Flag) : 0
        mvd.x = mvdComponent(mvd.x, x0, x1, longTerm)
        mvd.y = mvdComponent(mvd.y, y0, y1, longTerm)
    }

    private mutating func mvdComponent(_ value: Int16, _ greater0: Int, _ greater1: Int, _ longTerm: Bool) -> Int16 {
        if greater0 == 0 { return 0 }
        let flags: BinRun.Flags = longTerm ? .longTermReference : []
        var magnitude = 1
        if greater1 != 0 {
            // abs_mvd_minus2, EG1: with n ones in the prefix |mvd| lies in 2^(n+1) ... 2^(n+2) - 1 and the suffix has
            // n + 1 bins.
            let wanted = abs(Int(value))
            let wantedPrefix = C.reads ? 0 : (Int.bitWidth &- 2 &- wanted.leadingZeroBitCount)
            var prefix = 0
            while coder.bypass(prefix < wantedPrefix ? 1 : 0) != 0 {
                prefix += 1
                if prefix > 15 {
                    failed = true
                    return 0
                }
            }
            let count = prefix + 1
            let suffix = coder.run(
                BinRun(
                    .mvdSuffix, bins: UInt32(truncatingIfNeeded: wanted & ((1 << count) &- 1)), count: count,
                    value: Int32(truncatingIfNeeded: wanted), prefix: UInt8(truncatingIfNeeded: prefix), flags: flags))
            magnitude = 1 << count + Int(suffix)
        }
        let sign = coder.run(
            BinRun(
                .mvdSign, bins: value < 0 ? 1 : 0, count: 1, value: Int32(truncatingIfNeeded: magnitude), flags: flags))
        if C.reads && magnitude > (sign != 0 ? 32768 : 32767) {
            failed = true
            return 0
        }
        return Int16(truncatingIfNeeded: sign != 0 ? -magnitude : magnitude)
    }
}
