// SPDX-License-Identifier: GPL-2.0-or-later
import Foundation
import VeilEntropy

/// Counts the bits that an encryption covers, without keys: the rule finds the same bins in an encrypted stream as in
/// the clear one.
public final class SpaceCounting: BinHookProvider, @unchecked Sendable {
    private let lock = NSLock()
    private var messages: [Int: ProtectionMessage] = [:]
    private var statistics: [Int: EncryptionStatistics] = [:]

    public init() {}

    /// What a layer is encrypted with. Layers without a message are counted as the paper's profile would encrypt them.
    public func take(_ message: ProtectionMessage) { lock.withLock { messages[message.layer] = message } }

    public func makeHook(layer: Int) -> (any BinHook)? {
        lock.withLock {
            let message = messages[layer] ?? ProtectionMessage()
            let known = statistics[layer] ?? EncryptionStatistics()
            statistics[layer] = known
            return CountingHook(message, known)
        }
    }

    /// Once the hooks are gone.
    public func counts(layer: Int) -> ElementCounts { lock.withLock { statistics[layer]?.counts ?? ElementCounts() } }
}

private final class CountingHook: BinHook {
    private let rule: EncryptableBins
    private let selection: EncryptionScope
    private let statistics: EncryptionStatistics
    private var counts = ElementCounts()
    private var unitActive = false
    private var active = false
    private var ctbSize = 64

    init(_ message: ProtectionMessage, _ statistics: EncryptionStatistics) {
        rule = EncryptableBins(profile: message.profile, elements: message.elements)
        selection = message.selection
        self.statistics = statistics
    }

    deinit { statistics.add(counts) }

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
            case .mask(let mask): counts.add(run.element, mask.nonzeroBitCount)
            case .flip, .permutation: counts.add(run.element, 1)
            }
        }
        return run.bins
    }
}
