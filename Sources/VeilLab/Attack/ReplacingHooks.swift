// SPDX-License-Identifier: GPL-2.0-or-later
import VeilEntropy
import VeilProtection

/// What an attacker without the key puts in place of encrypted bins, since anything is as good as what stands there.
package enum Replacement: String, CaseIterable, Sendable {
    /// Signs positive, suffixes all zero: the smallest value of each class.
    case constants
    /// Signs positive, suffixes in the middle of their class: the most likely magnitude.
    case means
}

/// Decodes a stream with its encrypted bins replaced. The attacker knows the rule, which is public, and the layers,
/// which the stream tells.
final class ReplacingHooks: BinHookProvider, @unchecked Sendable {
    private let layers: Set<Int>
    private let profile: ElementProfile
    private let elements: ElementSet
    private let replacement: Replacement

    init(layers: Set<Int>, profile: ElementProfile, replacement: Replacement) {
        self.layers = layers
        self.profile = profile
        elements = profile == .maximal ? .maximal : .paper
        self.replacement = replacement
    }

    func makeHook(layer: Int) -> (any BinHook)? {
        guard layers.contains(layer) else { return nil }
        return Hook(rule: EncryptableBins(profile: profile, elements: elements), replacement: replacement)
    }

    private final class Hook: BinHook {
        let rule: EncryptableBins
        let replacement: Replacement
        init(rule: EncryptableBins, replacement: Replacement) {
            self.rule = rule
            self.replacement = replacement
        }

        func begin(_ unit: BinUnit) {}

        func replace(_ run: BinRun) -> UInt32 {
            let isSuffix = run.element == .coeffSuffix || run.element == .mvdSuffix
            let choice = rule.choice(run)
            if case .mask(let mask) = choice {
                let middle: UInt32 = isSuffix && replacement == .means ? 1 << UInt32(31 - mask.leadingZeroBitCount) : 0
                return run.bins & ~mask | middle
            }
            if case .permutation(let first, let count) = choice {
                return first + (replacement == .means && isSuffix ? count / 2 : 0)
            }
            return run.bins
        }
    }
}

/// Bins of a mask moved together, and back.
enum MaskedBins {
    static func gather(_ value: UInt32, _ mask: UInt32) -> UInt32 {
        var result: UInt32 = 0
        var at: UInt32 = 0
        for bit in 0..<UInt32(32) where mask >> bit & 1 != 0 {
            result |= (value >> bit & 1) << at
            at += 1
        }
        return result
    }

    static func scatter(_ value: UInt32, _ mask: UInt32) -> UInt32 {
        var result: UInt32 = 0
        var at: UInt32 = 0
        for bit in 0..<UInt32(32) where mask >> bit & 1 != 0 {
            result |= (value >> at & 1) << bit
            at += 1
        }
        return result
    }
}
