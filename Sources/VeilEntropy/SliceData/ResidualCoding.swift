// SPDX-License-Identifier: GPL-2.0-or-later
import VeilCore

extension SliceDataSyntax {
    /// residual_coding() (7.3.8.11) of one transform block of 1 << log2 samples a side. `mode`: of intra blocks,
    /// predModeIntra.
    package mutating func residualCoding(
        _ ctu: CodingTreeUnit, _ block: inout ResidualBlock, _ transformSkip: inout UInt8, log2: Int, cIdx: Int,
        scanIdx: Int, mode: UInt8
    ) {
        var c = coder
        let levels = ctu.levels + Int(C.reads ? 0 : block.start)
        if p.transformSkipEnabledFlag && !cuTransquantBypass && log2 <= p.log2MaxTransformSkipSize {
            let flag = c.decision(Int(transformSkip >> UInt8(cIdx) & 1), Context.transformSkipFlag + (cIdx > 0 ? 1 : 0))
            if C.reads { transformSkip |= UInt8(flag << cIdx) }
        }
        var hidesSigns = p.signDataHidingEnabledFlag && !cuTransquantBypass
        var hasOneContext = false
        let isExtended = p.usesRangeExtension
        if isExtended {
            let isSkipped = transformSkip >> UInt8(cIdx) & 1 != 0
            if beginExtended(&c, isSkipped: isSkipped, cIdx: cIdx, mode: mode) { hidesSigns = false }
            hasOneContext = p.transformSkipContextEnabledFlag && (isSkipped || cuTransquantBypass)
        }
        let log2Sb = log2 - 2
        let subBlocks = scans.subBlock + (log2Sb * 192 + scanIdx * 64)
        let positions = scans.position4 + (scanIdx << 4)

        // The last significant coefficient: where it is and at which place in the scan.
        var lastX = 0
        var lastY = 0
        var lastSubBlock = 0
        var lastScanPos = 0
        if !C.reads {
            (lastSubBlock, lastScanPos) = Self.findLast(
                levels.reading, log2: log2, subBlocks: subBlocks, positions: positions)
            let sb = Int(subBlocks[lastSubBlock])
            let pos = Int(positions[lastScanPos])
            lastX = (sb & 7) << 2 | (pos & 3)
            lastY = (sb >> 3) << 2 | (pos >> 2)
            if scanIdx == 2 { swap(&lastX, &lastY) }
        }
        (lastX, lastY) = Self.lastPosition(&c, lastX, lastY, log2: log2, cIdx: cIdx)
        if C.reads {
            if scanIdx == 2 { swap(&lastX, &lastY) }
            lastSubBlock = Int(scans.subBlockIndex[log2Sb * 192 + scanIdx * 64 + ((lastY >> 2) << 3 | lastX >> 2)])
            lastScanPos = Int(scans.scanPos4[scanIdx << 4 | (lastY & 3) << 2 | (lastX & 3)])
        }

        // Coded sub-block flags, bit y << 3 | x. A right neighbour never lies in column 0.
        var coded: UInt64 = 0
        let notFirstColumn: UInt64 = 0xfefe_fefe_fefe_fefe

        let sigBase: Int
        if cIdx == 0 {
            sigBase = Context.sigCoeffFlag + (log2 == 2 ? 0 : log2 == 3 ? (scanIdx == 0 ? 9 : 15) : 21)
        } else {
            sigBase = Context.sigCoeffFlag + 27 + (log2 == 2 ? 0 : log2 == 3 ? 9 : 12)
        }
        let magnitude = scratch.magnitude
        // Whether the last sub-block with coefficients had a level above 1 among its first eight.
        var hadGreater1 = false
        var entry = ctu.coefficients + ctu.coefficientCount

        var i = lastSubBlock
        while i >= 0 {
            let sb = Int(subBlocks[i])
            let xS = sb & 7
            let yS = sb >> 3
            let right = Int(truncatingIfNeeded: ((coded & notFirstColumn) &>> UInt64(truncatingIfNeeded: sb)) >> 1 & 1)
            let below = Int(truncatingIfNeeded: (coded &>> UInt64(truncatingIfNeeded: sb)) >> 8 & 1)
            let sbLevels = levels + ((yS << (log2 &+ 2)) | xS << 2)
            var inferSbDc = false
            if i < lastSubBlock && i > 0 {
                let wanted = !C.reads && !Self.isZero(sbLevels.reading, stride: 1 << log2) ? 1 : 0
                if c.decision(wanted, Context.codedSubBlockFlag + (right | below) + (cIdx > 0 ? 2 : 0)) == 0 {
                    i -= 1
                    continue
                }
                inferSbDc = true
            }
            coded |= 1 &<< UInt64(truncatingIfNeeded: sb)

            // sig_coeff_flag: bit n of the mask is the coefficient at scan position n.
            var significant = 0
            var count = 0
            var n = 15
            if i == lastSubBlock {
                significant = 1 &<< lastScanPos
                count = 1
                n = lastScanPos - 1
            }
            var ctxTable = scans.sigCtxInScan + (scanIdx &* 80 &+ (log2 == 2 ? 64 : (right | below << 1) << 4))
            var sbBase = sigBase + (cIdx == 0 && log2 > 2 && i > 0 ? 3 : 0)
            if hasOneContext {
                ctxTable = scans.oneContext.view
                sbBase = Context.sigCoeffFlagSkipped + (cIdx > 0 ? 1 : 0)
            }
            if n > 0 {
                let mask = c.significance(
                    C.reads ? 0 : Self.nonZero(sbLevels.reading, positions, log2), from: n, ctxTable, sbBase)
                significant |= mask
                count &+= mask.nonzeroBitCount
                n = 0
            }
            if n == 0 {
                // The first position of a sub-block is inferred when nothing else in a coded sub-block was significant.
                var sig = 1
                if !(inferSbDc && count == 0) {
                    let context =
                        i == 0 && !hasOneContext
                        ? (cIdx == 0 ? Context.sigCoeffFlag : Context.sigCoeffFlag + 27) : sbBase + Int(ctxTable[0])
                    sig = c.decision(!C.reads && sbLevels[0] != 0 ? 1 : 0, context)
                }
                significant |= sig
                count &+= sig
            }
            if count == 0 {
                i -= 1
                continue
            }
            var signs: UInt32 = 0
            if !C.reads {
                var rest = significant
                for k in 0..<count {
                    let level = Self.level(sbLevels.reading, Int(positions[Self.removeHighest(&rest)]), log2)
                    magnitude[k] = abs(level)
                    signs = signs << 1 | (level < 0 ? 1 : 0)
                }
            }

            // coeff_abs_level_greater1_flag and greater2_flag
            var ctxSet = i == 0 || cIdx > 0 ? 0 : 2
            if hadGreater1 { ctxSet += 1 }
            let flags1 = min(count, 8)
            var greater1 = 0
            if !C.reads { for k in 0..<flags1 where magnitude[k] > 1 { greater1 |= 1 &<< k } }
            greater1 = c.greater1(
                greater1, flags1, Context.coeffAbsLevelGreater1Flag + (ctxSet << 2) + (cIdx > 0 ? 16 : 0))
            hadGreater1 = greater1 != 0
            // Levels that have a remainder: bit k for the k-th coefficient coded.
            var more = UInt32(truncatingIfNeeded: greater1)
            var firstGreater1 = -1
            var greater2 = 0
            if greater1 != 0 {
                firstGreater1 = greater1.trailingZeroBitCount
                greater2 = c.decision(
                    !C.reads && magnitude[firstGreater1] > 2 ? 1 : 0,
                    Context.coeffAbsLevelGreater2Flag + ctxSet + (cIdx > 0 ? 4 : 0))
                if greater2 == 0 { more &= more &- 1 }
            }
            more |= ((1 &<< UInt32(truncatingIfNeeded: count)) &- 1) & ~255
            if C.reads && C.records {
                for k in 0..<count { magnitude[k] = Int32(truncatingIfNeeded: 1 &+ (greater1 &>> k & 1)) }
                if greater2 != 0 { magnitude[firstGreater1] = 3 }
            }

            // Signs, then the remaining levels.
            let hidden =
                hidesSigns
                && Int.bitWidth &- 1 &- significant.leadingZeroBitCount &- significant.trailingZeroBitCount > 3
            let signCount = hidden ? count &- 1 : count
            // escapeDataPresent is 1 exactly where a remaining level follows.
            if isExtended && p.cabacBypassAlignmentEnabledFlag && more != 0 { c.align() }
            if C.hooked {
                signs = hookedBypass(
                    &c, count: count, signCount: signCount, signs: signs, more: more, firstGreater1: firstGreater1)
            } else {
                signs = c.bypassBits(hidden ? signs >> 1 : signs, signCount)
                plainRemaining(&c, more: more, firstGreater1: firstGreater1)
            }
            if C.reads && C.records {
                var sum: Int32 = 0
                var mask: UInt32 = signCount > 0 ? 1 << UInt32(truncatingIfNeeded: signCount &- 1) : 0
                var rest = significant
                for k in 0..<count {
                    let pos = Int(positions[Self.removeHighest(&rest)])
                    var level = magnitude[k]
                    sum &+= level
                    if k < signCount {
                        if signs & mask != 0 { level = 0 &- level }
                        mask >>= 1
                    } else if sum & 1 != 0 {
                        level = 0 &- level
                    }
                    entry.pointee = CoefficientEntry(
                        position: UInt16(truncatingIfNeeded: (yS << 2 &+ pos >> 2) << log2 | (xS << 2 &+ (pos & 3))),
                        level: Int16(truncatingIfNeeded: min(level, 32767)))
                    entry += 1
                }
            }
            i -= 1
        }
        if C.reads && C.records {
            block.start = Int32(truncatingIfNeeded: ctu.coefficientCount)
            let total = entry - ctu.coefficients.view
            block.count = Int32(truncatingIfNeeded: total - ctu.coefficientCount)
            ctu.coefficientCount = total
        }
        coder = c
    }

    /// last_sig_coeff_{x,y}_{prefix,suffix} (9.3.3.2, 9.3.4.2.3).
    @inline(__always)
    private static func lastPosition(_ c: inout C, _ x: Int, _ y: Int, log2: Int, cIdx: Int) -> (Int, Int) {
        let offset = cIdx == 0 ? 3 * (log2 - 2) + ((log2 - 1) >> 2) : 15
        let shift = cIdx == 0 ? (log2 + 1) >> 2 : log2 - 2
        let cMax = (log2 << 1) - 1
        @inline(__always)
        func prefixOf(_ v: Int) -> Int {
            if v < 4 { return v }
            let top = Int.bitWidth - 1 - v.leadingZeroBitCount
            return top << 1 | (v >> (top - 1) & 1)
        }
        let px = c.unary(C.reads ? 0 : prefixOf(x), cMax, Context.lastSigCoeffXPrefix &+ offset, shift: shift)
        let py = c.unary(C.reads ? 0 : prefixOf(y), cMax, Context.lastSigCoeffYPrefix &+ offset, shift: shift)
        @inline(__always)
        func position(_ prefix: Int, _ wanted: Int, _ c: inout C) -> Int {
            if prefix <= 3 { return prefix }
            let bits = (prefix >> 1) - 1
            let base = (2 + (prefix & 1)) << bits
            return base + Int(c.bypassBits(UInt32(truncatingIfNeeded: C.reads ? 0 : wanted - base), bits))
        }
        let rx = position(px, x, &c)
        let ry = position(py, y, &c)
        return (rx, ry)
    }

    /// Sub-block index and scan position of the last non-zero level; the block must have one.
    private static func findLast(
        _ levels: BufferView<Int16>, log2: Int, subBlocks: BufferView<UInt8>, positions: BufferView<UInt8>
    ) -> (Int, Int) {
        var i = (1 << (2 * (log2 - 2))) - 1
        while i > 0 {
            let sb = Int(subBlocks[i])
            if !isZero(levels + ((sb >> 3) << (log2 &+ 2) | (sb & 7) << 2), stride: 1 << log2) { break }
            i -= 1
        }
        let sb = Int(subBlocks[i])
        let base = levels + ((sb >> 3) << (log2 &+ 2) | (sb & 7) << 2)
        var n = 15
        while n > 0 {
            let pos = Int(positions[n])
            if base[(pos >> 2) << log2 | (pos & 3)] != 0 { break }
            n -= 1
        }
        return (i, n)
    }

    @inline(__always)
    private static func isZero(_ base: BufferView<Int16>, stride: Int) -> Bool {
        var any: UInt64 = 0
        for y in 0..<4 { any |= (base + y * stride).bytes(8).loadUnaligned(as: UInt64.self) }
        return any == 0
    }

    /// Greatest level that the greater1 and greater2 flags can say of coefficient k: reaching it means a remainder
    /// follows.
    @inline(__always)
    private func baseLevel(_ k: Int, _ firstGreater1: Int) -> Int32 { k < 8 ? (k == firstGreater1 ? 3 : 2) : 1 }

    @inline(__always)
    private static func level(_ subBlock: BufferView<Int16>, _ pos: Int, _ log2: Int) -> Int32 {
        Int32(subBlock[(pos >> 2) << log2 | (pos & 3)])
    }

    /// The scan positions of a sub-block's levels that are not 0, but for the first position.
    @inline(__always)
    private static func nonZero(_ subBlock: BufferView<Int16>, _ positions: BufferView<UInt8>, _ log2: Int) -> Int {
        var mask = 0
        for n in 1..<16 { mask |= (level(subBlock, Int(positions[n]), log2) != 0 ? 1 : 0) &<< n }
        return mask
    }

    /// The index of the highest bit, which is taken away.
    @inline(__always)
    private static func removeHighest(_ mask: inout Int) -> Int {
        let index = Int.bitWidth &- 1 &- mask.leadingZeroBitCount
        mask ^= 1 &<< index
        return index
    }

    /// The index of the lowest bit, which is taken away.
    @inline(__always)
    private static func removeLowest(_ mask: inout UInt32) -> Int {
        let index = mask.trailingZeroBitCount
        mask &= mask &- 1
        return index
    }

    /// The coeff_abs_level_remaining elements of a sub-block when no hook looks on; `more` says which levels have one.
    @inline(__always)
    private mutating func plainRemaining(_ c: inout C, more: UInt32, firstGreater1: Int) {
        let magnitude = scratch.magnitude
        var isFirst = statCoeff >= 0
        var rice = isFirst ? Int(c.contexts[statCoeff] >> 2) : 0
        let largestRice = self.largestRice
        var rest = more
        while rest != 0 {
            let k = Self.removeLowest(&rest)
            let base = baseLevel(k, firstGreater1)
            if C.reads {
                let value = remaining(&c, 0, rice: rice)
                let level = Int(base) &+ value
                if isFirst {
                    adaptRice(&c, value)
                    isFirst = false
                }
                magnitude[k] = Int32(truncatingIfNeeded: min(level, 32768))
                if level > 3 << rice { rice = min(rice &+ 1, largestRice) }
            } else {
                _ = remaining(&c, Int(magnitude[k] &- base), rice: rice)
                if isFirst {
                    adaptRice(&c, Int(magnitude[k] &- base))
                    isFirst = false
                }
                if Int(magnitude[k]) > 3 << rice { rice = min(rice &+ 1, largestRice) }
            }
        }
    }

    /// Prefix length and number of suffix bins of a remainder (9.3.3.11).
    @inline(__always)
    private static func prefixOf(_ value: Int, rice: Int) -> Int {
        let q = value >> rice
        if q < 4 { return q }
        // Escape: value lies in ((1 << e) + 2) << rice ... ((2 << e) + 2) << rice - 1 with e = prefix - 3.
        let e = Int.bitWidth &- 1 &- (q &- 2).leadingZeroBitCount
        return e &+ 3
    }

    /// coeff_abs_level_remaining without a hook.
    @inline(__always)
    private mutating func remaining(_ c: inout C, _ value: Int, rice: Int) -> Int {
        if C.peeks && !p.extendedPrecisionProcessingFlag {
            let code = Self.peekedRemaining(&c, rice: rice)
            if code.prefix >= 0 { return Self.firstValue(code.prefix, rice) &+ Int(code.suffix) }
        }
        if p.extendedPrecisionProcessingFlag {
            let code = limitedRemaining(&c, value, rice: rice)
            return Self.firstValue(code.prefix, rice) &+ Int(code.suffix)
        }
        let wanted = C.reads ? 0 : Self.prefixOf(value, rice: rice)
        var prefix = 0
        while c.bypass(prefix < wanted ? 1 : 0) != 0 {
            prefix &+= 1
            if prefix > 31 {
                failed = true
                return 0
            }
        }
        if max(prefix &- 3, 0) &+ rice > 32 {
            failed = true
            return 0
        }
        if prefix <= 3 {
            return prefix << rice | Int(c.bypassBits(UInt32(truncatingIfNeeded: value & ((1 << rice) &- 1)), rice))
        }
        let bits = prefix &- 3 &+ rice
        let base = ((1 << (prefix &- 3)) &+ 2) << rice
        return base &+ Int(c.bypassBits(UInt32(truncatingIfNeeded: C.reads ? 0 : value &- base), bits))
    }

    /// coeff_abs_level_remaining from bins read all at once; a prefix of -1 where it takes more than sixteen, and
    /// nothing was read.
    @inline(__always)
    private static func peekedRemaining(_ c: inout C, rice: Int) -> (prefix: Int, bits: Int, suffix: UInt32) {
        let bins = c.peek16()
        let prefix = (~(bins << 16)).leadingZeroBitCount
        let bits = rice &+ max(prefix &- 3, 0)
        let length = prefix &+ 1 &+ bits
        if length > 16 { return (-1, 0, 0) }
        c.consume(length, of: bins)
        let suffix =
            (bins &>> UInt32(truncatingIfNeeded: 16 &- length)) & ((1 &<< UInt32(truncatingIfNeeded: bits)) &- 1)
        return (prefix, bits, suffix)
    }

    /// Signs and remainders when a hook looks on. A reader takes everything first: whether a sign may change depends
    /// on the level.
    private mutating func hookedBypass(
        _ c: inout C, count: Int, signCount: Int, signs: UInt32, more: UInt32, firstGreater1: Int
    ) -> UInt32 {
        let magnitude = scratch.magnitude
        let pending = scratch.pending
        var pendingCount = 0
        var rice = statCoeff >= 0 ? Int(c.contexts[statCoeff] >> 2) : 0
        let largestLevel = (1 << log2Range) - 1
        var coded: UInt32 = C.reads ? c.bypassBits(0, signCount) : signCount < count ? signs >> 1 : signs
        let signMark = c.mark
        var frozen: UInt32 = 0
        var rest = more
        while rest != 0 {
            let k = Self.removeLowest(&rest)
            let base = Int(baseLevel(k, firstGreater1))
            let value = C.reads ? 0 : Int(magnitude[k]) &- base
            var prefix = C.reads ? -1 : Self.prefixOf(value, rice: rice)
            var bits = 0
            var suffix: UInt32 = 0
            if p.extendedPrecisionProcessingFlag {
                if C.reads { (prefix, bits, suffix) = limitedRemaining(&c, 0, rice: rice) }
            } else if C.peeks {
                (prefix, bits, suffix) = Self.peekedRemaining(&c, rice: rice)
            }
            if C.reads && prefix < 0 {
                prefix = 0
                while c.bypass(0) != 0 {
                    prefix += 1
                    if prefix > 31 {
                        failed = true
                        return 0
                    }
                }
                bits = rice &+ max(prefix &- 3, 0)
                if bits > 32 {
                    failed = true
                    return 0
                }
                suffix = c.bypassBits(0, bits)
            }
            let start = Self.firstValue(prefix, rice)
            if !C.reads {
                bits = rice &+ max(prefix &- 3, 0)
                suffix = UInt32(truncatingIfNeeded: value &- start)
            }
            let level = base &+ start &+ Int(suffix)
            if level > largestLevel && k < signCount { frozen |= 1 << UInt32(truncatingIfNeeded: signCount &- 1 &- k) }
            pending[pendingCount] = SyntaxScratch.PendingLevel(
                index: UInt8(truncatingIfNeeded: k), prefix: UInt8(truncatingIfNeeded: prefix),
                riceParam: UInt8(truncatingIfNeeded: rice), baseLevel: UInt8(truncatingIfNeeded: base),
                suffixCount: UInt8(truncatingIfNeeded: bits), suffix: suffix, mark: c.mark)
            if pendingCount == 0 && statCoeff >= 0 { adaptRice(&c, level &- base) }
            pendingCount += 1
            if level > 3 << rice { rice = min(rice + 1, largestRice) }
        }
        if signCount > 0 {
            let run = BinRun(.coeffSign, bins: coded, count: signCount, frozen: frozen)
            coded = C.reads ? c.emitRun(run, at: signMark) : c.run(run)
        }
        for j in 0..<pendingCount {
            let e = pending[j]
            let prefix = Int(e.prefix)
            if !C.reads { _ = c.bypassBits(UInt32(truncatingIfNeeded: (1 << (prefix &+ 1)) &- 2), prefix + 1) }
            var suffix = e.suffix
            if e.suffixCount > 0 {
                var run = BinRun(
                    .coeffSuffix, bins: e.suffix, count: Int(e.suffixCount), riceParam: e.riceParam,
                    baseLevel: e.baseLevel,
                    prefix: e.prefix, flags: j == pendingCount - 1 ? .lastInSubBlock : [])
                if p.usesRangeExtension { constrain(&run, isFirst: j == 0) }
                suffix = C.reads ? c.emitRun(run, at: e.mark) : c.run(run)
            }
            if C.reads && C.records {
                let start = Self.firstValue(prefix, Int(e.riceParam))
                magnitude[Int(e.index)] = Int32(
                    truncatingIfNeeded: min(Int(e.baseLevel) &+ start &+ Int(suffix), 32768))
            }
        }
        return coded
    }
}
