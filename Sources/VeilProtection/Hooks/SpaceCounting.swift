// SPDX-License-Identifier: GPL-2.0-or-later
import VeilEntropy
import VeilSystem

/// Counts the bits that an encryption covers, without keys: the rule finds the same bins in an encrypted stream as in
/// the clear one.
public final class SpaceCounting: BinHookProvider, @unchecked Sendable {
    private let lock = Lock()
    private var messages: [Int: ProtectionMessage] = [:]
    private var layers: [Int: Layer] = [:]

    /// What one hook counted.
    fileprivate final class Tally { var counts = ElementCounts() }

    private struct Layer {
        /// Of hooks that are gone.
        var counts = ElementCounts()
        /// Of others, which may be held for a while after the last slice was counted.
        var tallies: [Tally] = []
        static let many = 256

        mutating func fold() {
            var held: [Tally] = []
            while var tally = tallies.popLast() {
                if isKnownUniquelyReferenced(&tally) { counts.add(tally.counts) } else { held.append(tally) }
            }
            tallies = held
        }
    }

    public init() {}

    /// What a layer is encrypted with. Layers without a message are counted as the paper's profile would encrypt them.
    public func setProtection(of message: ProtectionMessage) { lock.withLock { messages[message.layer] = message } }

    public func makeHook(layer: Int) -> (any BinHook)? {
        let tally = Tally()
        return lock.withLock {
            if layers[layer, default: Layer()].tallies.count >= Layer.many { layers[layer]?.fold() }
            layers[layer, default: Layer()].tallies.append(tally)
            return CountingHook(messages[layer] ?? ProtectionMessage(), tally)
        }
    }

    /// When nothing is being coded.
    public func counts(layer: Int) -> ElementCounts {
        lock.withLock {
            guard let known = layers[layer] else { return ElementCounts() }
            var sum = known.counts
            for tally in known.tallies { sum.add(tally.counts) }
            return sum
        }
    }
}

private final class CountingHook: BinHook {
    private let rule: EncryptableBins
    private let selection: EncryptionScope
    private let tally: SpaceCounting.Tally
    private var unitActive = false
    private var active = false
    private var ctbSize = 64

    init(_ message: ProtectionMessage, _ tally: SpaceCounting.Tally) {
        rule = EncryptableBins(profile: message.profile, elements: message.elements)
        selection = message.selection
        self.tally = tally
    }

    func begin(_ unit: BinUnit) {
        unitActive = selection.includes(unit)
        active = unitActive
        ctbSize = unit.ctbSize
    }

    func beginCTU(address: Int, x: Int, y: Int) {
        if !selection.regions.isEmpty { active = unitActive && selection.touches(x, y, size: ctbSize) }
    }

    func replace(_ run: BinRun) -> UInt32 {
        if active {
            switch rule.choice(run) {
            case .none: break
            case .mask(let mask): tally.counts.add(run.element, mask.nonzeroBitCount)
            case .flip, .permutation: tally.counts.add(run.element, 1)
            }
        }
        return run.bins
    }
}
