// SPDX-License-Identifier: GPL-2.0-or-later
import VeilEntropy
import VeilProtection

/// Known plaintext when a nonce is used twice with one key: from a stream that the attacker knows in the clear and
/// encrypted, the keystream of every unit follows, and with it another stream's bins, as far as the known one's units
/// reach.
enum NonceReuse {
    /// One unit of a layer.
    struct UnitName: Hashable {
        let layer: Int
        let period: Int
        let pocDelta: Int
        let address: Int
        init(_ unit: BinUnit) {
            layer = unit.layer
            period = unit.period
            pocDelta = unit.pocDelta
            address = unit.ctuAddress
        }
    }

    /// The encryptable values of a unit, in order.
    struct Values {
        var values: [UInt32] = []
        var counts: [UInt8] = []
    }

    /// Collects the encryptable values of a stream; changes nothing.
    final class Recorder: BinHookProvider, @unchecked Sendable {
        let profile: ElementProfile
        var units: [UnitName: Values] = [:]
        init(profile: ElementProfile) { self.profile = profile }
        func makeHook(layer: Int) -> (any BinHook)? { Hook(owner: self, layer: layer) }

        private final class Hook: BinHook {
            let owner: Recorder
            let rule: EncryptableBins
            var name: UnitName?
            var current = Values()
            init(owner: Recorder, layer: Int) {
                self.owner = owner
                rule = EncryptableBins(profile: owner.profile, elements: owner.profile == .maximal ? .maximal : .paper)
            }
            deinit { store() }
            func store() { if let name { owner.units[name] = current } }
            func begin(_ unit: BinUnit) {
                store()
                name = UnitName(unit)
                current = Values()
            }
            func replace(_ run: BinRun) -> UInt32 {
                if case .mask(let mask) = rule.choice(run) {
                    current.values.append(MaskedBins.gather(run.bins, mask))
                    current.counts.append(UInt8(mask.nonzeroBitCount))
                }
                return run.bins
            }
        }
    }

    /// Keystream bits of a unit, one a byte. The first run's are the sum of k_0 and the unit's start value under
    /// feedback.
    static func keystream(clear: Values, encrypted: Values, feedback: Bool) -> [UInt8] {
        var bits: [UInt8] = []
        var previous: UInt32 = 0
        for i in 0..<min(clear.values.count, encrypted.values.count) {
            let count = UInt32(clear.counts[i])
            let key = (clear.values[i] ^ encrypted.values[i]) &- (feedback ? previous : 0)
            for bit in 0..<count { bits.append(UInt8(key >> bit & 1)) }
            previous = encrypted.values[i]
        }
        return bits
    }

    /// Decrypts another stream's units with recovered keystreams; what they do not reach stays as it is.
    final class Recovery: BinHookProvider, @unchecked Sendable {
        let profile: ElementProfile
        let feedback: Bool
        let keystreams: [UnitName: [UInt8]]
        init(profile: ElementProfile, feedback: Bool, keystreams: [UnitName: [UInt8]]) {
            self.profile = profile
            self.feedback = feedback
            self.keystreams = keystreams
        }
        func makeHook(layer: Int) -> (any BinHook)? { Hook(owner: self, layer: layer) }

        private final class Hook: BinHook {
            let owner: Recovery
            let rule: EncryptableBins
            var bits: [UInt8] = []
            var at = 0
            var previous: UInt32 = 0
            init(owner: Recovery, layer: Int) {
                self.owner = owner
                rule = EncryptableBins(profile: owner.profile, elements: owner.profile == .maximal ? .maximal : .paper)
            }
            func begin(_ unit: BinUnit) {
                bits = owner.keystreams[UnitName(unit)] ?? []
                at = 0
                previous = 0
            }
            func replace(_ run: BinRun) -> UInt32 {
                guard case .mask(let mask) = rule.choice(run) else { return run.bins }
                let count = mask.nonzeroBitCount
                guard at + count <= bits.count else {
                    at = bits.count
                    return run.bins
                }
                var key: UInt32 = 0
                for i in 0..<count { key |= UInt32(bits[at + i]) << UInt32(i) }
                at += count
                let value = MaskedBins.gather(run.bins, mask)
                let low = UInt32(truncatingIfNeeded: (UInt64(1) << UInt64(count)) - 1)
                let plain = value ^ (key &+ (owner.feedback ? previous : 0)) & low
                previous = value
                return run.bins & ~mask | MaskedBins.scatter(plain, mask)
            }
        }
    }

    /// All encryptable values of a stream in a file.
    static func values(_ stream: String, profile: ElementProfile) throws -> [UnitName: Values] {
        let recorder = Recorder(profile: profile)
        try record(stream, recorder)
        return recorder.units
    }

    private static func record(_ stream: String, _ recorder: Recorder) throws {
        // The hooks hand over their last unit when the transcoder lets go of them.
        try StreamWork.transcode(stream, to: nil, mode: .hooks(recorder), threads: 1)
    }

    /// What an attack recovered.
    struct Outcome: Codable, Sendable {
        /// Encryptable bits of the secret stream.
        var bits = 0
        /// Of those, bits within the reach of recovered keystream.
        var reached = 0
        /// Bits that are right after the attack, of all; encrypted ones are right half of the time by chance.
        var right = 0
    }

    /// Recovers `secret` (encrypted) into `output`, knowing `knownClear` and `knownEncrypted`; `clear` is the truth
    /// that the outcome is measured with.
    static func attack(
        knownClear: String, knownEncrypted: String, secret: String, clear: String, output: String,
        profile: ElementProfile,
        feedback: Bool
    ) throws -> Outcome {
        let plain = try values(knownClear, profile: profile)
        let cipher = try values(knownEncrypted, profile: profile)
        var keystreams: [UnitName: [UInt8]] = [:]
        for (name, values) in plain {
            if let other = cipher[name] {
                keystreams[name] = keystream(clear: values, encrypted: other, feedback: feedback)
            }
        }
        try StreamWork.transcode(
            secret, to: output, mode: .hooks(Recovery(profile: profile, feedback: feedback, keystreams: keystreams)),
            threads: 1)
        var outcome = Outcome()
        let recovered = try values(output, profile: profile)
        for (name, truth) in try values(clear, profile: profile) {
            guard let found = recovered[name] else { continue }
            var at = 0
            for i in 0..<min(truth.values.count, found.values.count) {
                let count = Int(truth.counts[i])
                outcome.bits += count
                outcome.right += count - (truth.values[i] ^ found.values[i]).nonzeroBitCount
                at += count
                if at <= keystreams[name]?.count ?? 0 { outcome.reached += count }
            }
        }
        return outcome
    }
}
