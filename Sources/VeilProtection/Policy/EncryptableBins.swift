// SPDX-License-Identifier: GPL-2.0-or-later
import VeilEntropy

/// How much of each element is encrypted.
public enum ElementProfile: UInt8, Sendable, CaseIterable {
    /// What the paper encrypts: Algorithm 3.1 for the truncated Rice suffix.
    case paper = 1
    /// Everything that provably changes no later parse.
    case maximal = 2

    public var name: String { self == .paper ? "paper" : "maximal" }
    public init?(name: String) {
        guard let profile = Self.allCases.first(where: { $0.name == name }) else { return nil }
        self = profile
    }
}

/// The bins of a run that may change without changing what is parsed after it (the encryption rule).
///
/// **The rule.** A bypass bin may take another value when, for every value it can take, (a) the decoder parses the
/// same bins with the same contexts afterwards, (b) every derived value stays in the range that the standard gives
/// it, and (c) a decryptor, who sees the new values, finds the same bins again. Bypass bins move neither contexts nor
/// the arithmetic decoder's interval (9.3.4.3.4), so (a) is about syntax alone: conditions in 7.3.8, binarizations in
/// 9.3.3 and context choices in 9.3.4.2. What follows is the proof for each element. In HEVC version 1 and its
/// scalable extension the syntax of slice data depends on decoded values through: slice, tile and CTB structure;
/// split, skip, prediction and partition modes; cbf flags; cRiceParam; the position of the last coefficient; scanIdx;
/// and the number of elements a flag announces. Motion, QPs, SAO parameters and sample values steer nothing.
///
/// - **mvdSign, mvdSuffix** (paper). Vectors steer no parsing. The EG1 suffix keeps its prefix, so |mvd| stays in 2^n
///   ..< 2^(n+1) and the decryptor finds as many bins. For n = 15 only -2^15 is in range: nothing changes there.
///   Vectors wrap (8-94 ff.), so any sum of predictor and difference is in range. **A vector into an inter-layer
///   reference picture must be zero** (H.8.3.4): its difference and predictor must not change. The predictor of a
///   vector into a long-term picture comes from such vectors alone (8.5.3.2.7, 8.5.3.2.8: LongTermRefPic must agree),
///   in this picture, in the collocated one and, for inter-layer motion, in the layer below; an inter-layer picture
///   counts as long-term. So *vectors into long-term pictures stay as they are in every layer*, and by induction over
///   pictures their predictors do. (Merge candidates carry vector and picture together. Where a stream uses real
///   long-term pictures with non-zero vectors beside inter-layer ones, a merge list that other vectors moved could
///   pair them; no encoder we know makes such streams.)
/// - **coeffSign** (paper). No context and no condition depends on signs; a hidden sign (9.3.4.3, sign data hiding)
///   depends on the parity of the sum of magnitudes. -32768 has no mirror in 16 bits: the codec freezes that bin.
/// - **coeffSuffix** (paper: Algorithm 3.1; maximal). Magnitudes reach the parse in one way: cRiceParam of the
///   sub-block's next coeff_abs_level_remaining grows when baseLevel + Rem > 3 * 2^p (9.3.3.11), up to 4, and starts
///   again at 0 in the next sub-block. The paper's mask keeps the side of that threshold. Beyond it, in `maximal`:
///   with p = 4, or when no further element of the sub-block follows, nothing depends on the value and the whole
///   suffix is free; otherwise values that share prefix and side are permuted among themselves
///   (`split(p:baseLevel:rem:)`). Escapes (prefix above 3) begin at 4 * 2^p, above the threshold: free, as long as
///   the class ends at 32767. Whether an element is the last is known before its value: flags say which levels have a
///   remainder. **Persistent Rice adaptation**: the first element of a sub-block also moves StatCoeff, with which
///   later sub-blocks begin: up when its value is 3 * 2^p or more (its prefix alone says so), down when it is below
///   2^(p - 1), which the first suffix bin of prefix 0 says: the codec freezes that bin. p has no upper limit then, so
///   that nothing is freer for p = 4. **Extended precision**: escapes take at most 32 bins, and levels more than 15
///   bits; the codec freezes classes that reach beyond Log2TransformRange bits.
///   **Bypass alignment** makes the interval 256 wide where flags announce a remainder, whatever its value.
/// - **dqpSign** (paper), **dqpSuffix** (maximal). QPs steer no parsing (contexts start from SliceQpY), and QpY
///   wraps. CuQpDeltaVal lies in -(26 + QpBdOffset / 2) ... 25 + QpBdOffset / 2: its lowest value has no mirror and
///   stays, and suffixes are permuted within the values of their prefix that have both signs.
/// - **saoOffsetSign, saoBandPosition, saoEoClass, saoOffset** (maximal). Of fixed length, and any value is allowed.
///   A sign follows only offsets that are not 0; saoOffset exchanges cMax - 1 and cMax, of equal length and never 0.
/// - **pcmSample** (maximal). Raw bits of fixed length; any sample value is allowed.
/// - **mergeIdx, refIdx** (maximal). The last bin of a truncated unary code whose other bins are ones tells the two
///   longest codes apart, which are equally long. Motion data steer no parsing; every index below the active number
///   is allowed. Exchanged reference pictures are both short-term (the codec freezes the others), because of the
///   condition on vectors above.
/// - **partMode** (maximal). Mirrors an asymmetric partition. Both have two units, no unit is 8x4 or 4x8 (asymmetric
///   CUs are at least 16x16), and inter_pred_idc's context takes the tree's depth; the transform tree asks only for
///   2Nx2N.
/// - **intraChromaMode** (maximal). The mode reaches the parse through scanIdx of 4x4 chroma blocks (7.4.9.11), and
///   nothing else: no candidate list holds chroma modes. Planar (0) and DC (3), or mode 34 in place of whichever
///   equals the luma mode, scan diagonally: they are exchanged. Vertical (1) and horizontal (2) scan each in its own
///   way and stay. All four are free where no block is small enough to matter. In 4:4:4 every partition has a mode and
///   8x8 chroma blocks have scans too; 4:2:2 maps modes (Table 8-3), and planar, DC and what stands for 34 still scan
///   diagonally. Cross-component prediction asks for mode 4 alone, which the bypass bins never say. With implicit RDPCM
///   modes 10 and 26 keep signs from being hidden in blocks without a transform: none of the exchanged modes is one of
///   these, and scanIndependent is then never said.
/// - **intraLumaMode** (maximal). A luma mode chooses the scan of its own small blocks and, through the candidate
///   list of 8.4.2, the modes of blocks to the right and below, whose scans must not change either: one changed
///   candidate can move any later mode across a border of 7.4.9.11. It is free only where no block is small enough
///   (scanIndependent), which is a property of the SPS.
///
/// The other range extensions change no bin's role: chroma QP offsets, cross-component prediction and explicit RDPCM
/// are context-coded and stay; transform skip of larger blocks, rotation and one context for sig_coeff_flag depend on
/// flags; more chroma blocks repeat what is said above.
///
/// Not encryptable at equal size, with the reason: context-coded elements (their probability), unary prefixes (their
/// length), the second bin of sao_type_idx and the last-coefficient suffix (they change the parse), end_of_slice
/// flags.
public struct EncryptableBins: Sendable {
    public let profile: ElementProfile
    public let elements: ElementSet

    public init(profile: ElementProfile, elements: ElementSet) {
        self.profile = profile
        self.elements = elements
    }

    /// What may happen to a run.
    public enum Choice: Equatable, Sendable {
        case none
        /// The bins of this mask may take any values.
        case mask(UInt32)
        /// The value may become any of `first ..< first + count`, where bins are a number.
        case permutation(first: UInt32, count: UInt32)
        /// The bins of this mask may change, all or none of them.
        case flip(UInt32)
    }

    /// The rule for one run.
    @inline(__always)
    public func choice(_ run: BinRun) -> Choice {
        if elements.rawValue & (1 << UInt16(run.element.rawValue)) == 0 { return .none }
        let all = UInt32(truncatingIfNeeded: (UInt64(1) << UInt64(run.count)) &- 1)
        switch run.element {
        case .coeffSign:
            return Self.masked(all & ~run.frozen)
        case .coeffSuffix:
            return coefficient(run, all)
        case .mvdSuffix:
            return run.count >= 15 || isFixedVector(run) ? .none : .mask(all)
        case .mvdSign:
            return run.value >= 32768 || isFixedVector(run) ? .none : .mask(1)
        case .dqpSign, .saoOffsetSign, .saoBandPosition, .saoEoClass, .saoOffset, .pcmSample, .mergeIdx, .refIdx,
            .partMode:
            return Self.masked(all & ~run.frozen)
        case .intraLumaMode:
            return run.flags.contains(.scanIndependent) ? .mask(all) : .none
        case .intraChromaMode:
            if run.flags.contains(.scanIndependent) { return .mask(all) }
            return run.bins == 0 || run.bins == 3 ? .flip(3) : .none
        case .dqpSuffix:
            return Self.delta(run, all)
        }
    }

    /// cu_qp_delta_abs within the values of its prefix that have both signs.
    private static func delta(_ run: BinRun, _ all: UInt32) -> Choice {
        let limit = Int(run.baseLevel)
        let first = Int(run.value) - Int(run.bins)
        if first + Int(all) <= limit { return .mask(all) }
        let count = limit - first + 1
        return Int(run.value) > limit || count < 2 ? .none : .permutation(first: 0, count: UInt32(count))
    }

    @inline(__always)
    private static func masked(_ mask: UInt32) -> Choice { mask == 0 ? .none : .mask(mask) }

    /// Vectors into long-term pictures, inter-layer ones among them.
    @inline(__always)
    private func isFixedVector(_ run: BinRun) -> Bool { run.flags.contains(.longTermReference) }

    @inline(__always)
    private func coefficient(_ run: BinRun, _ all: UInt32) -> Choice {
        if run.count == 0 || run.frozen == all { return .none }
        let p = Int(run.riceParam)
        let base = Int(run.baseLevel)
        if run.prefix > 3 {
            // EGk: the Rice parameter grows whatever the suffix. The class ends at its prefix's last value.
            let largest = base &+ Int(run.value) &- Int(run.bins & all) &+ Int(all)
            return largest > 32767 && !run.flags.contains(.extendedPrecision) ? .none : .mask(all)
        }
        let rem = Int(run.value)
        if profile == .paper {
            return Self.masked(Self.algorithm31(p: p, baseLevel: base, rem: rem) & ~run.frozen)
        }
        // The next level's parameter does not depend on this one, or cannot grow any more.
        if run.flags.contains(.lastInSubBlock) || (p == 4 && !run.flags.contains(.persistentRice)) || run.prefix == 0 {
            return Self.masked(all & ~run.frozen)
        }
        return Self.split(p: p, baseLevel: base, rem: rem)
    }

    /// Algorithm 3.1: the encryptable bins of the truncated Rice suffix of coeff_abs_level_remaining, as a mask of
    /// the p suffix bins. Its "first" bins are the least significant ones: for p = 2, baseLevel 2, Rem 8 and 9 differ
    /// in that bin and neither grows p.
    public static func algorithm31(p: Int, baseLevel: Int, rem: Int) -> UInt32 {
        if p == 0 { return 0 }
        let all: UInt32 = (1 << UInt32(p)) - 1
        if baseLevel == 1 { return all }
        switch p {
        case 1:
            return baseLevel == 2 && (rem == 4 || rem == 5) ? 0 : all
        case 2:
            if rem <= 7 || rem >= 12 { return all }
            return baseLevel == 2 && (rem == 10 || rem == 11) ? 0 : 1
        case 3:
            if rem <= 15 || rem >= 24 { return all }
            if rem <= 19 { return 3 }
            return baseLevel == 2 && (rem == 22 || rem == 23) ? 0 : 1
        case 4:
            if rem <= 31 || rem >= 48 { return all }
            if rem <= 39 { return 7 }
            if rem <= 43 { return 3 }
            return baseLevel == 2 && (rem == 46 || rem == 47) ? 0 : 1
        default:
            // Only with persistent Rice adaptation, which the paper does not know: the half of prefix 2 that lies
            // below the threshold whatever the base level.
            let half = 1 << (p - 1)
            if rem < 4 * half || rem >= 6 * half { return all }
            return rem < 5 * half ? UInt32(half - 1) : 0
        }
    }

    /// Values of one prefix on either side of the threshold at which the Rice parameter grows: each side is permuted
    /// within itself. The prefix's values are prefix * 2^p ..< (prefix + 1) * 2^p; those from 3 * 2^p - baseLevel + 1
    /// on let p grow.
    static func split(p: Int, baseLevel: Int, rem: Int) -> Choice {
        let size = 1 << p
        let low = rem & ~(size - 1)
        let threshold = 3 * size - baseLevel + 1 - low
        if threshold <= 0 || threshold >= size { return .mask(UInt32(size - 1)) }
        let index = rem - low
        let first = index < threshold ? 0 : threshold
        let count = index < threshold ? threshold : size - threshold
        return count < 2 ? .none : .permutation(first: UInt32(first), count: UInt32(count))
    }
}
