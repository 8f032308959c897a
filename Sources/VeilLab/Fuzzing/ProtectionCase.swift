// SPDX-License-Identifier: GPL-2.0-or-later
import VeilBitstream
import VeilProtection

/// Encrypts a stream, whole or damaged, and decrypts it again, and says where encryption does not keep its promises:
///
/// - no VCL NAL unit of a layer to be encrypted leaves as it came, unless it is counted as one in which nothing can be
///   encrypted, or was let through (``DamagePolicy/pass``);
/// - what encryption accepts, decryption gives back byte for byte, but for what was left out, and finds whole;
/// - where damage is sealed, everything is accepted.
package struct ProtectionCase {
    /// What happened, and what must not happen.
    package struct Outcome: Equatable, Sendable {
        package var encryptions = 0
        package var accepted = 0
        package var sealed = 0
        package var dropped = 0
        package var passed = 0
        package var unchanged = 0
        package var violations: [String] = []
        package init() {}

        package mutating func add(_ other: Outcome) {
            encryptions += other.encryptions
            accepted += other.accepted
            sealed += other.sealed
            dropped += other.dropped
            passed += other.passed
            unchanged += other.unchanged
            violations += other.violations
        }
    }

    package let stream: [UInt8]
    /// Chooses among ciphers, schemes, elements and numbers of threads.
    package let variant: UInt64

    package init(stream: [UInt8], variant: UInt64) {
        self.stream = stream
        self.variant = variant
    }

    private struct Result {
        var bytes: [UInt8] = []
        var report = TranscodeReport()
    }

    /// Keys for every layer there can be.
    private static func keys(_ name: String, _ fill: UInt8) -> KeyRing {
        KeyRing(
            layers: (0..<63).map {
                let key = [UInt8](repeating: fill, count: 31) + [UInt8($0)]
                return LayerKey(layer: $0, id: "\(name)\($0)", key: SecretBytes(key))
            })
    }
    private static let old = keys("old", 1)
    private static let new = keys("new", 2)

    private var scheme: Scheme { variant % 8 == 6 ? .bl : variant % 8 == 7 ? .el : .all }

    private func options(_ nonce: UInt8) -> Encryption.Options {
        var options = Encryption.Options()
        options.nonce = [UInt8](repeating: nonce, count: 16)
        options.cipher = [.aes128, .chacha20, .chaotic, .aes256][Int(variant / 8 % 4)]
        options.profile = variant / 32 % 2 == 0 ? .paper : .maximal
        options.scheme = scheme
        options.authenticates = variant / 8192 % 3 == 1
        if variant / 64 % 8 == 5 { options.selection.irapOnly = true }
        if variant / 64 % 8 == 6 {
            options.selection.regions = [EncryptionScope.Region(x: 20, y: 10, width: 30, height: 20)]
        } else {
            let level = Int(variant / 32768 % 4)
            // Others than IRAP pictures cannot be hidden and left clear.
            options.hiding = HiddenPictures(rawValue: options.selection.irapOnly ? min(level, 1) : level) ?? .none
        }
        return options
    }

    private func transcode(
        _ bytes: [UInt8], _ mode: StreamTranscoder.Mode, threads: Int, damaged: DamagePolicy = .error
    ) throws -> Result {
        var result = Result()
        let transcoder = StreamTranscoder(mode: mode, threads: threads, damaged: damaged) {
            result.bytes.append(annexB: $0)
        }
        var reader = AnnexBReader(.passingOn, bytes: bytes)
        while let unit = try reader.nextUnit() { try transcoder.push(unit) }
        try transcoder.finish()
        try transcoder.checkSelection()
        result.report = transcoder.report
        return result
    }

    package func run() -> Outcome {
        var outcome = Outcome()
        check(.seal, &outcome)
        let policy: DamagePolicy = [.error, .drop, .pass, .error][Int(variant / 512 % 4)]
        if policy != .pass || !options(7).authenticates { check(policy, &outcome) }
        // What it takes to see the same again.
        outcome.violations = outcome.violations.map { "variant \(variant), scheme \(scheme.name), \($0)" }
        return outcome
    }

    private func check(_ policy: DamagePolicy, _ outcome: inout Outcome) {
        outcome.encryptions += 1
        let threads = variant % 3 == 0 ? 3 : 1
        let encrypted: Result
        do {
            encrypted = try transcode(
                stream, .plan(ProtectionPlan(options: options(7), keys: Self.old)), threads: threads, damaged: policy)
        } catch is StreamError {
            return
        } catch ProtectionError.nothing {
            return
        } catch {
            if policy == .seal { outcome.violations.append("sealing refuses: \(error)") }
            return
        }
        let report = encrypted.report
        outcome.accepted += 1
        outcome.sealed += report.sealedSlices
        outcome.dropped += report.droppedSlices
        outcome.passed += report.failedSlices
        let unchanged = report.unchangedSlices.values.reduce(0, +)
        outcome.unchanged += unchanged
        if options(7).selection.isEverything && scheme == .all {
            let left = clearUnits(in: encrypted.bytes)
            if left > unchanged + report.failedSlices {
                outcome.violations.append(
                    "\(policy): \(left) units leave in the clear, \(unchanged) + \(report.failedSlices) reported")
            }
        }
        if policy == .seal && report.failedSlices > 0 { outcome.violations.append("sealing lets slices through") }
        do {
            let decryption = Decryption(keys: Self.old)
            let again = try transcode(encrypted.bytes, .decrypt(decryption), threads: 4 - threads)
            restored(again.bytes, policy, report, "decryption", &outcome)
            if !decryption.report.isWhole {
                outcome.violations.append("\(policy): something is missing: \(decryption.report.lines)")
            }
            if policy == .pass || variant / 4096 % 3 != 0 { return }
            let mode = StreamTranscoder.Mode.rekeyPlan(
                Decryption(keys: Self.old), ProtectionPlan(options: options(9), keys: Self.new))
            let rekeyed = try transcode(encrypted.bytes, mode, threads: threads, damaged: policy)
            if rekeyed.report.failedSlices > 0 { outcome.violations.append("\(policy): rekeying lets slices through") }
            let renewed = Decryption(keys: Self.new)
            let last = try transcode(rekeyed.bytes, .decrypt(renewed), threads: threads)
            restored(last.bytes, policy, report, "rekeying", &outcome)
            if !renewed.report.isWhole {
                outcome.violations.append("\(policy): something is missing with new keys: \(renewed.report.lines)")
            }
        } catch {
            outcome.violations.append("\(policy): what was encrypted is refused: \(error)")
        }
    }

    private func restored(
        _ bytes: [UInt8], _ policy: DamagePolicy, _ report: TranscodeReport, _ what: String, _ outcome: inout Outcome
    ) {
        if report.droppedSlices == 0 {
            if bytes != stream {
                let at = zip(bytes, stream).enumerated().first { $0.1.0 != $0.1.1 }?.0 ?? min(bytes.count, stream.count)
                outcome.violations.append(
                    "\(policy): \(what) gives another stream from byte \(at) on (\(bytes.count) of \(stream.count))")
            }
            return
        }
        // What is left, in order.
        guard let all = try? AnnexBReader.units(of: stream, for: .passingOn),
            let kept = try? AnnexBReader.units(of: bytes, for: .passingOn)
        else { return outcome.violations.append("\(policy): \(what) gives no stream") }
        var rest = all[...]
        for unit in kept {
            guard let at = rest.firstIndex(where: { $0.bytes == unit.bytes }) else {
                return outcome.violations.append("\(policy): \(what) gives a unit that was not there")
            }
            rest = rest[(at + 1)...]
        }
        if all.count - kept.count != report.droppedSlices {
            outcome.violations.append(
                "\(policy): \(what): \(all.count - kept.count) units are missing, \(report.droppedSlices) left out")
        }
    }

    /// How many units of the stream that are VCL NAL units, or may have been, are in another one as they were.
    private func clearUnits(in bytes: [UInt8]) -> Int {
        func slices(_ bytes: [UInt8]) -> [[UInt8]: Int] {
            let units = (try? AnnexBReader.units(of: bytes, for: .passingOn)) ?? []
            return units.reduce(into: [:]) { counts, unit in
                if unit.bytes.count > 2, unit.bytes[0] >> 1 & 63 < 32 { counts[unit.bytes, default: 0] += 1 }
            }
        }
        let there = slices(bytes)
        return slices(stream).reduce(0) { $0 + min($1.value, there[$1.key] ?? 0) }
    }
}
