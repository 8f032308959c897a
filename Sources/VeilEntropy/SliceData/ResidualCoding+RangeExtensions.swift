// SPDX-License-Identifier: GPL-2.0-or-later
import VeilCore

// What the range extensions add to residual_coding() (7.3.8.11).

extension SliceDataSyntax {
    /// explicit_rdpcm_flag and explicit_rdpcm_dir_flag, and what the levels are coded with. Returns whether residual
    /// DPCM keeps signs from being hidden.
    @inline(never)
    mutating func beginExtended(_ c: inout C, isSkipped: Bool, cIdx: Int, mode: UInt8) -> Bool {
        let hasNoTransform = isSkipped || cuTransquantBypass
        rdpcm = 0
        if !cuIsIntra && p.explicitRdpcmEnabledFlag && hasNoTransform {
            let offset = cIdx > 0 ? 1 : 0
            if c.decision(0, Context.explicitRdpcmFlag + offset) != 0 {
                rdpcm = c.decision(0, Context.explicitRdpcmDirFlag + offset) != 0 ? 2 : 1
            }
        } else if cuIsIntra && p.implicitRdpcmEnabledFlag && hasNoTransform {
            rdpcm = mode == 10 ? 1 : mode == 26 ? 2 : 0
        }
        log2Range = p.log2TransformRange(cIdx: cIdx)
        if p.persistentRiceAdaptationEnabledFlag {
            statCoeff = Context.statCoeff + (cIdx == 0 ? 2 : 0) + (hasNoTransform ? 1 : 0)
            largestRice = Int.max
        }
        return rdpcm != 0
    }

    /// StatCoeff after the first coeff_abs_level_remaining of a sub-block (9.3.3.11).
    @inline(never)
    mutating func adaptRice(_ c: inout C, _ value: Int) {
        let statistic = c.contexts[statCoeff]
        let rice = Int(statistic >> 2)
        if value >= 3 << rice {
            // Levels have at most 22 bits: it stays far below the greatest byte.
            c.contexts[statCoeff] = min(statistic &+ 1, 4 * 24)
        } else if 2 * value < 1 << rice && statistic > 0 {
            c.contexts[statCoeff] = statistic &- 1
        }
    }

    /// coeff_abs_level_remaining where extended_precision_processing_flag is 1: the prefix is limited so that no code
    /// has more than 32 bins (9.3.3.12).
    @inline(never)
    mutating func limitedRemaining(_ c: inout C, _ value: Int, rice: Int) -> (prefix: Int, bits: Int, suffix: UInt32) {
        let longest = 32 &- log2Range
        var wanted = 0
        if !C.reads {
            while wanted < longest && value >= Self.firstValue(wanted &+ 1, rice) { wanted &+= 1 }
        }
        var prefix = 0
        while prefix < longest && c.bypass(prefix < wanted ? 1 : 0) != 0 { prefix &+= 1 }
        let bits = prefix == longest ? log2Range : rice &+ max(prefix &- 3, 0)
        if bits > 32 {
            failed = true
            return (0, 0, 0)
        }
        let suffix = C.reads ? 0 : UInt32(truncatingIfNeeded: value &- Self.firstValue(prefix, rice))
        return (prefix, bits, c.bypassBits(suffix, bits))
    }

    /// The least value of a prefix.
    @inline(__always)
    static func firstValue(_ prefix: Int, _ rice: Int) -> Int { BinRun.firstValue(prefix, rice) }

    /// Says in the suffix of a remaining level what must not change, and why it may be as it is.
    @inline(never)
    func constrain(_ run: inout BinRun, isFirst: Bool) {
        if p.extendedPrecisionProcessingFlag { run.flags.insert(.extendedPrecision) }
        if p.persistentRiceAdaptationEnabledFlag { run.flags.insert(.persistentRice) }
        run.freeze(log2Range: log2Range, movesStatCoeff: isFirst && statCoeff >= 0)
    }
}

extension BinRun {
    /// The least value of a prefix of coeff_abs_level_remaining.
    @inline(__always)
    static func firstValue(_ prefix: Int, _ rice: Int) -> Int {
        prefix <= 3 ? prefix << rice : ((1 << (prefix &- 3)) &+ 2) << rice
    }

    /// Freezes what must not change in the suffix of a coeff_abs_level_remaining: all of it where levels of the class
    /// reach beyond what they may be (`log2Range` bits); and the first bin of a level with prefix 0 that moves
    /// StatCoeff (it tells values below 2^(p - 1), for which StatCoeff shrinks; whether it grows depends on the prefix
    /// alone).
    package mutating func freeze(log2Range: Int, movesStatCoeff: Bool) {
        let all = (UInt64(1) << UInt64(count)) - 1
        let largest = Int(baseLevel) + Self.firstValue(Int(prefix), Int(riceParam)) + Int(all)
        if largest >= 1 << log2Range {
            frozen = UInt32(truncatingIfNeeded: all)
        } else if movesStatCoeff && prefix == 0 && count > 0 {
            frozen = 1 << (UInt32(count) - 1)
        }
    }
}
