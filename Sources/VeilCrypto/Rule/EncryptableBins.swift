// SPDX-License-Identifier: GPL-2.0-or-later
import VeilBins

/// How much of each element is encrypted.
public enum Profile: UInt8, Sendable, CaseIterable {
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
/// A bin qualifies when, for every value it can take, the decoder parses the same bins with the same contexts afterwards and every
/// derived value stays in its range:
///
/// - **mvd_sign_flag, abs_mvd_minus2 suffix**: motion vectors steer no parsing. EG1 suffixes keep the prefix, so |mvd| stays in
///   [2^n, 2^(n+1)); for n = 15 the value -2^15 is the only legal one, so nothing changes there. A vector into an inter-layer reference
///   picture must be zero (H.8.3.2...); its predictor comes from long-term candidates alone (8.5.3.2.7), so in layers above the base all
///   vectors into long-term pictures stay as they are, and with them those predictors.
/// - **coeff_sign_flag**: no context depends on signs, and a hidden sign depends on the parity of the sum of magnitudes, not on signs.
///   The sign of 32768 stays (the codec freezes it).
/// - **coeff_abs_level_remaining suffix**: later bins depend on it only through cRiceParam, which grows when baseLevel + Rem > 3 * 2^p
///   (9.3.3.11). See ``split(_:)``. An escape whose class reaches beyond 32767 stays.
/// - **cu_qp_delta_sign_flag**: QPs steer no parsing. The mirror of the lowest delta is out of range (the codec freezes it).
/// - **SAO**: offsets, band positions and classes are of fixed length and steer nothing; the range of offsets is symmetric.
///
/// Luma intra modes are left alone: they choose the scan of coefficients of small blocks, here and, through the candidate list, in blocks
/// that follow.
public struct EncryptableBins: Sendable {
    public let profile: Profile
    public let elements: ElementSet
    /// nuh_layer_id of the layer the runs belong to.
    public let layer: Int

    public init(profile: Profile, elements: ElementSet, layer: Int) {
        self.profile = profile
        self.elements = elements
        self.layer = layer
    }

    /// What may happen to a run.
    public enum Choice: Equatable, Sendable {
        case none
        /// The bins of this mask may take any values.
        case mask(UInt32)
        /// The value may become any of `first ..< first + count`, where bins are a number.
        case permutation(first: UInt32, count: UInt32)
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
        case .dqpSign, .saoOffsetSign, .saoBandPosition, .saoEoClass:
            return Self.masked(all & ~run.frozen)
        case .intraLumaMode, .pcmSample:
            return .none
        }
    }

    @inline(__always)
    private static func masked(_ mask: UInt32) -> Choice { mask == 0 ? .none : .mask(mask) }

    /// Vectors of upper layers into long-term pictures, inter-layer ones among them.
    @inline(__always)
    private func isFixedVector(_ run: BinRun) -> Bool { layer > 0 && run.flags.contains(.longTermReference) }

    @inline(__always)
    private func coefficient(_ run: BinRun, _ all: UInt32) -> Choice {
        if run.count == 0 { return .none }
        let p = Int(run.riceParam)
        let base = Int(run.baseLevel)
        if run.prefix > 3 {
            // EGk: the Rice parameter grows whatever the suffix. The class ends at its prefix's last value.
            let largest = base &+ Int(run.value) &- Int(run.bins & all) &+ Int(all)
            return largest > 32767 ? .none : .mask(all)
        }
        let rem = Int(run.value)
        if profile == .paper { return Self.masked(Self.algorithm31(p: p, baseLevel: base, rem: rem)) }
        // The next level's parameter does not depend on this one, or cannot grow any more.
        if run.flags.contains(.lastInSubBlock) || p == 4 { return .mask(all) }
        return Self.split(p: p, baseLevel: base, rem: rem)
    }

    /// Algorithm 3.1: the encryptable bins of the truncated Rice suffix of coeff_abs_level_remaining, as a mask of the p suffix bins.
    /// Its "first" bins are the least significant ones: for p = 2, baseLevel 2, Rem 8 and 9 differ in that bin and neither grows p.
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
        default:
            if rem <= 31 || rem >= 48 { return all }
            if rem <= 39 { return 7 }
            if rem <= 43 { return 3 }
            return baseLevel == 2 && (rem == 46 || rem == 47) ? 0 : 1
        }
    }

    /// Values of one prefix on either side of the threshold at which the Rice parameter grows: each side is permuted within itself.
    /// The prefix's values are prefix * 2^p ..< (prefix + 1) * 2^p; those from 3 * 2^p - baseLevel + 1 on let p grow.
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
