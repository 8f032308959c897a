// SPDX-License-Identifier: GPL-2.0-or-later
import VeilEntropy

/// Encrypts or decrypts the runs of one layer's units: equations (3) and (4) over a keystream.
///
/// c_i = r_i xor (k_i + c_(i-1)), where r_i are the encryptable bins of a run (the signs of one sub-block are one
/// r_i), k_i as many keystream bits, and c_(i-1) the previous encrypted value, of which the addition keeps the bits
/// that r_i has. The first c_(i-1) of a unit, the paper's IV, is the first word of the unit's keystream. A value in a
/// permuted range of m values becomes (r_i + floor(k_i * m / 2^32) + c_(i-1)) mod m with 32 bits of k_i; bins that
/// change together are one bit, the lowest. Without feedback c_(i-1) counts as 0.
public final class BinCipher: BinHook {
    private let rule: EncryptableBins
    private let decrypts: Bool
    private let feedback: Bool
    private let selection: EncryptionScope
    private let continuous: Bool
    private var keystream: any Keystream
    private let words: UnsafeMutableBufferPointer<UInt32>
    /// Words made and taken.
    private var filled = 0
    private var taken = 0
    private var chunk = BinCipher.firstChunk
    private var pool: UInt64 = 0
    private var available = 0
    private var previous: UInt32 = 0
    private var active = false
    private var unitActive = false
    private var unit: BinUnit?
    private var ctbSize = 64
    private var started = false
    private var counts = ElementCounts()
    /// Any bin of the unit became another one.
    private var hasChanged = false
    private let statistics: EncryptionStatistics?
    /// Which pictures are sealed whole when they leave.
    private let hiding: HiddenPictures

    private static let firstChunk = 32
    private static let largestChunk = 512

    /// - Parameters:
    ///   - continuous: one chain over the whole layer: the keystream starts once, at the first unit.
    init(
        rule: EncryptableBins, keystream: any Keystream, decrypts: Bool, feedback: Bool, selection: EncryptionScope,
        continuous: Bool, hiding: HiddenPictures = .none,
        statistics: EncryptionStatistics?
    ) {
        self.rule = rule
        self.keystream = keystream
        self.decrypts = decrypts
        self.feedback = feedback
        self.selection = selection
        self.continuous = continuous
        self.hiding = hiding
        self.statistics = statistics
        words = .allocate(capacity: Self.largestChunk)
        words.initialize(repeating: 0)
    }

    deinit {
        flush()
        words.deallocate()
    }

    /// Adds what was counted to the layer's statistics.
    func flush() {
        statistics?.add(counts, of: unit, hasChanged: hasChanged)
        counts = ElementCounts()
        hasChanged = false
    }

    public func begin(_ unit: BinUnit) {
        flush()
        unitActive = selection.includes(unit)
        self.unit = unitActive && !hiding.includes(unit) ? unit : nil
        ctbSize = unit.ctbSize
        active = unitActive
        if continuous {
            if started { return }
            started = true
            restart(UnitNonce(period: 0, pocDelta: 0, ctuAddress: 0))
        } else if unitActive {
            restart(
                UnitNonce(
                    period: UInt32(truncatingIfNeeded: unit.period),
                    pocDelta: UInt32(truncatingIfNeeded: unit.pocDelta),
                    ctuAddress: UInt32(truncatingIfNeeded: unit.ctuAddress)))
        }
    }

    private func restart(_ nonce: UnitNonce) {
        keystream.start(nonce)
        filled = 0
        taken = 0
        chunk = Self.firstChunk
        pool = 0
        available = 0
        previous = nextBits(32)
    }

    public func beginCTU(address: Int, x: Int, y: Int) {
        if !selection.regions.isEmpty { active = unitActive && selection.touches(x, y, size: ctbSize) }
    }

    /// The next `count` keystream bits, 1 ... 32, the first one lowest.
    @inline(__always)
    private func nextBits(_ count: Int) -> UInt32 {
        if available < count {
            if taken == filled { refill() }
            pool |= UInt64(words[taken]) << UInt64(available)
            taken &+= 1
            available &+= 32
        }
        let bits = UInt32(truncatingIfNeeded: pool) & UInt32(truncatingIfNeeded: (UInt64(1) << UInt64(count)) &- 1)
        pool >>= UInt64(count)
        available &-= count
        return bits
    }

    @inline(never)
    private func refill() {
        keystream.fill(UnsafeMutableBufferPointer(rebasing: words[0..<chunk]))
        filled = chunk
        taken = 0
        chunk = min(chunk * 2, Self.largestChunk)
    }

    public func replace(_ run: BinRun) -> UInt32 {
        guard active else { return run.bins }
        switch rule.choice(run) {
        case .none:
            return run.bins
        case .mask(let mask):
            let count = mask.nonzeroBitCount
            counts.add(run.element, count)
            let key = feedback ? nextBits(count) &+ previous : nextBits(count)
            let low = UInt32(truncatingIfNeeded: (UInt64(1) << UInt64(count)) &- 1)
            // Masks other than the low bits come from frozen signs and are rare.
            let value = mask == low ? run.bins & low : Self.gather(run.bins, mask)
            let changed = value ^ (key & low)
            hasChanged = hasChanged || key & low != 0
            previous = decrypts ? value : changed
            return mask == low ? run.bins & ~mask | changed : run.bins & ~mask | Self.scatter(changed, mask)
        case .flip(let mask):
            counts.add(run.element, 1)
            let key = (feedback ? nextBits(1) &+ previous : nextBits(1)) & 1
            let changed = key != 0 ? run.bins ^ mask : run.bins
            hasChanged = hasChanged || key != 0
            previous = (decrypts ? run.bins : changed) & 1
            return changed
        case .permutation(let first, let size):
            counts.add(run.element, 1)
            let step =
                UInt32(truncatingIfNeeded: (UInt64(nextBits(32)) &* UInt64(size)) >> 32)
                &+ (feedback ? previous % size : 0)
            let value = (run.bins &- first) % size
            let changed = decrypts ? (value &+ 2 &* size &- step) % size : (value &+ step) % size
            hasChanged = hasChanged || changed != value
            previous = decrypts ? value : changed
            return first &+ changed
        }
    }

    /// The bits of `value` that `mask` has, moved together.
    private static func gather(_ value: UInt32, _ mask: UInt32) -> UInt32 {
        var rest = mask
        var result: UInt32 = 0
        var at: UInt32 = 0
        while rest != 0 {
            let bit = rest & (0 &- rest)
            if value & bit != 0 { result |= 1 << at }
            at &+= 1
            rest &= rest &- 1
        }
        return result
    }

    /// The opposite of `gather`.
    private static func scatter(_ value: UInt32, _ mask: UInt32) -> UInt32 {
        var rest = mask
        var result: UInt32 = 0
        var at: UInt32 = 0
        while rest != 0 {
            if value >> at & 1 != 0 { result |= rest & (0 &- rest) }
            at &+= 1
            rest &= rest &- 1
        }
        return result
    }
}
