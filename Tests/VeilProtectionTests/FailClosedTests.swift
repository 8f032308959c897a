// SPDX-License-Identifier: GPL-2.0-or-later
import Foundation
import TestSupport
import Testing
import VeilBitstream

@testable import VeilProtection

private let keys = KeyRing(
    layers: (0..<8).map {
        LayerKey(
            layer: $0, id: "k\($0)", key: SecretBytes([UInt8](repeating: UInt8($0 + 1), count: 32)), cipher: .aes256)
    })

private let newKeys = KeyRing(
    layers: (0..<8).map {
        LayerKey(
            layer: $0, id: "n\($0)", key: SecretBytes([UInt8](repeating: UInt8($0 + 31), count: 32)), cipher: .aes256)
    })

private func fixture(_ name: String) throws -> [UInt8] {
    let tests = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    return [UInt8](try Data(contentsOf: tests.appendingPathComponent("Fixtures/damaged/\(name).hevc")))
}

private struct Transcoded {
    var bytes: [UInt8] = []
    var report = TranscodeReport()
    /// Slices that hold no encryptable bin, which are counted.
    var unchanged: Int { report.unchangedSlices.values.reduce(0, +) }
}

private func transcode(
    _ bytes: [UInt8], _ mode: StreamTranscoder.Mode, _ damaged: DamagePolicy = .error, threads: Int = 2
) throws -> Transcoded {
    var result = Transcoded()
    let transcoder = StreamTranscoder(mode: mode, threads: threads, damaged: damaged) {
        result.bytes.append(annexB: $0)
    }
    for nal in try AnnexBReader.units(of: bytes, for: .passingOn) { try transcoder.push(nal) }
    try transcoder.finish()
    try transcoder.checkSelection()
    result.report = transcoder.report
    return result
}

private func encrypt(
    _ bytes: [UInt8], _ damaged: DamagePolicy = .error, threads: Int = 2, keys: KeyRing = keys,
    _ set: (inout Encryption.Options) -> Void = { _ in }
) throws -> Transcoded {
    var options = Encryption.Options()
    set(&options)
    return try transcode(bytes, .plan(ProtectionPlan(options: options, keys: keys)), damaged, threads: threads)
}

private func decrypt(_ bytes: [UInt8], keys: KeyRing = keys, threads: Int = 1) throws -> [UInt8] {
    try transcode(bytes, .decrypt(Decryption(keys: keys)), threads: threads).bytes
}

private func units(_ bytes: [UInt8]) throws -> [NALUnit] { try AnnexBReader.units(of: bytes, for: .passingOn) }

private func joined(_ units: [NALUnit]) -> [UInt8] { units.reduce(into: []) { $0.append(annexB: $1) } }

/// How many units of a stream are what they were in another, of those that are VCL NAL units, or were before damage.
private func clear(_ before: [UInt8], in after: [UInt8]) throws -> Int {
    let known = Set(try units(before).map(\.bytes))
    return try units(after).filter { $0.bytes.count > 2 && $0.bytes[0] >> 1 & 63 < 32 && known.contains($0.bytes) }
        .count
}

/// A stream with its `count`th slice changed; also where the slice stands.
private func changed(
    _ stream: [UInt8], slice count: Int, _ change: (inout NALUnit) -> Void
) throws -> (bytes: [UInt8], offset: Int) {
    var all = try units(stream)
    let index = try #require(all.indices.filter { all[$0].header.nalUnitType.isSlice }.dropFirst(count).first)
    change(&all[index])
    let bytes = joined(all)
    return (bytes, try units(bytes).first { $0.bytes == all[index].bytes }?.offset ?? -1)
}

/// Kinds of damage that leave a slice which cannot be encrypted so that decryption restores it.
private enum Damage: CaseIterable {
    case cut, stopBit, emulationPrevention, reservedType, unknownSet, repeated, forbiddenBit, appended

    func apply(_ stream: [UInt8]) throws -> (bytes: [UInt8], offset: Int) {
        switch self {
        case .cut: return try changed(stream, slice: 2) { $0.bytes.removeLast(3) }
        case .stopBit:
            // The last 1 bit of the RBSP becomes two zeros and a 1: the code ends with another bit.
            return try changed(stream, slice: 2) { nal in
                let last = nal.bytes.count - 1
                let bit = nal.bytes[last].trailingZeroBitCount
                nal.bytes[last] &= ~(1 << UInt8(bit))
                if bit > 0 { nal.bytes[last] |= 1 } else { nal.bytes.append(1) }
            }
        case .emulationPrevention:
            return try changed(stream, slice: 2) { $0.bytes += [0, 0, 3, 9] }
        case .reservedType:
            return try changed(stream, slice: 2) { nal in
                nal.bytes[0] = 25 << 1
                nal.header.nalUnitType = NALUnitType(rawValue: 25)
            }
        case .unknownSet:
            // slice_pic_parameter_set_id 0, one bit, becomes a long code.
            return try changed(stream, slice: 2) { $0.bytes[2] = $0.bytes[2] & 0x80 | 0x03 }
        case .repeated:
            var all = try units(stream)
            let slices = all.indices.filter { all[$0].header.nalUnitType.isSlice && all[$0].bytes[2] & 0x80 == 0 }
            let at = try #require(slices.first)
            all.insert(all[at], at: at + 1)
            let bytes = joined(all)
            return (bytes, try units(bytes)[at + 1].offset)
        case .forbiddenBit: return try changed(stream, slice: 2) { $0.bytes[0] |= 0x80 }
        case .appended: return try changed(stream, slice: 2) { $0.bytes += [0x81, 0, 0, 3, 0, 0, 3] }
        }
    }
}

@Suite struct FailClosedTests {
    /// Nothing is encrypted by default, and the error names layer and byte; left out, sealed or let through otherwise.
    @Test(arguments: Damage.allCases)
    fileprivate func damageIsNeverInTheClear(damage: Damage) throws {
        let clean = ParallelStreams.tileSlices
        let (stream, offset) = try damage.apply(clean)
        do {
            _ = try encrypt(stream)
            Issue.record("\(damage) is accepted")
        } catch let error as ProtectionError {
            #expect("\(error)".contains("layer 0") && "\(error)".contains("byte \(offset)"), "\(error)")
        }
        for threads in [1, 3] {
            let sealed = try encrypt(stream, .seal, threads: threads)
            #expect(sealed.report.sealedSlices >= 1 && sealed.report.failedSlices == 0)
            #expect(try clear(stream, in: sealed.bytes) == sealed.unchanged)
            #expect(try decrypt(sealed.bytes, threads: 4 - threads) == stream)
            let dropped = try encrypt(stream, .drop, threads: threads)
            #expect(dropped.report.droppedSlices >= 1 && dropped.report.failedSlices == 0)
            #expect(try clear(stream, in: dropped.bytes) == dropped.unchanged)
            let kept = try units(try decrypt(dropped.bytes, threads: threads)).map(\.bytes)
            let all = try units(stream).map(\.bytes)
            #expect(kept.count == all.count - dropped.report.droppedSlices && Set(kept).isSubset(of: all))
            let passed = try encrypt(stream, .pass, threads: threads)
            #expect(passed.report.failedSlices >= 1)
            #expect(passed.report.messages.contains { $0.contains("byte \(offset)") && $0.contains("IN THE CLEAR") })
            #expect(try clear(stream, in: passed.bytes) == passed.report.failedSlices + passed.unchanged)
            #expect(try decrypt(passed.bytes) == stream)
        }
        // New keys keep what was sealed sealed. Slices of few bins may come out as they once were: nonces are given.
        let old = try encrypt(stream, .seal) { $0.nonce = [UInt8](repeating: 1, count: 16) }.bytes
        var options = Encryption.Options()
        options.nonce = [UInt8](repeating: 2, count: 16)
        let rekeyed = try transcode(
            old, .rekeyPlan(Decryption(keys: keys), ProtectionPlan(options: options, keys: newKeys)))
        #expect(try clear(stream, in: rekeyed.bytes) == rekeyed.unchanged)
        #expect(try decrypt(rekeyed.bytes, keys: newKeys) == stream)
        #expect(throws: KeyError.self) { try decrypt(rekeyed.bytes) }
    }

    /// Streams from elsewhere: refused, or restored; sealed, always restored.
    @Test(arguments: ["422", "joined", "headless", "truncated-last-slice", "no-layer", "sei", "d1"])
    func streamsFromElsewhere(name: String) throws {
        let stream = try fixture(name)
        let isWhole = name != "truncated-last-slice"
        do {
            let encrypted = try encrypt(stream)
            #expect(isWhole)
            #expect(try clear(stream, in: encrypted.bytes) == encrypted.unchanged)
            #expect(try decrypt(encrypted.bytes) == stream)
        } catch is ProtectionError {
            #expect(!isWhole)
        }
        let sealed = try encrypt(stream, .seal)
        #expect(try clear(stream, in: sealed.bytes) == sealed.unchanged)
        #expect(try decrypt(sealed.bytes, threads: 3) == stream)
    }

    /// Where the layers of a stream change, a run with another nonce begins; all layers are encrypted.
    @Test func aChangeOfLayersBeginsARun() throws {
        let stream = try fixture("joined")
        let plan = ProtectionPlan(options: Encryption.Options(), keys: keys)
        let encrypted = try transcode(stream, .plan(plan)).bytes
        #expect(plan.runs.map(\.encryptedLayers) == [[0], [0, 1]])
        let nonces = try units(encrypted).compactMap { try ProtectionSEI.message(in: $0)?.nonce }
        #expect(Set(nonces).count == 2)
        // With a nonce given the second is made from it.
        let fixed = try [0, 1].map { _ in
            try encrypt(stream) { $0.nonce = [UInt8](repeating: 5, count: 16) }.bytes
        }
        #expect(fixed[0] == fixed[1])
        let rekeyed = try transcode(
            encrypted, .rekeyPlan(Decryption(keys: keys), ProtectionPlan(options: Encryption.Options(), keys: newKeys)))
        #expect(try clear(stream, in: rekeyed.bytes) == 0 && clear(encrypted, in: rekeyed.bytes) == 0)
        #expect(try decrypt(rekeyed.bytes, keys: newKeys) == stream)
        // A layer that comes later and has no key.
        #expect(throws: KeyError.self) { try encrypt(stream, keys: try keys.only(layer: 0)) }
    }

    /// A layer that is encrypted is not left clear by new keys.
    @Test func newKeysCoverWhatOldOnesDid() throws {
        let encrypted = try encrypt(ParallelStreams.wppSegments).bytes
        var options = Encryption.Options()
        options.scheme = .bl
        #expect(throws: KeyError.self) {
            try transcode(
                encrypted, .rekeyPlan(Decryption(keys: keys), ProtectionPlan(options: options, keys: newKeys)))
        }
    }

    /// What is encrypted already, or looks like it, is not encrypted again; sealed it is restored.
    @Test func messagesInTheClearAreNoMessages() throws {
        let encrypted = try encrypt(ParallelStreams.tileSlices).bytes
        for policy in [DamagePolicy.error, .pass] {
            #expect(throws: KeyError.self) { try encrypt(encrypted, policy) }
        }
        let sealed = try encrypt(encrypted, .seal)
        #expect(sealed.report.sealedSlices > 0)
        #expect(try decrypt(sealed.bytes) == encrypted)
        // A sealed unit that somebody changed.
        var all = try units(sealed.bytes)
        let at = try #require(all.firstIndex { SealedUnit.isOne($0) })
        all[at].bytes[all[at].bytes.count - 4] ^= 1
        #expect(throws: KeyError.self) { try decrypt(joined(all)) }
        // And one moved to another run.
        let other = try encrypt(encrypted, .seal).bytes
        all[at] = try #require(try units(other).first { SealedUnit.isOne($0) })
        #expect(throws: KeyError.self) { try decrypt(joined(all)) }
    }

    /// No nonce of a sealed unit comes twice in a run.
    @Test func sealingCountersDoNotRepeat() throws {
        let (stream, _) = try Damage.unknownSet.apply(ParallelStreams.tileSlices)
        let sealed = try units(try encrypt(stream + ParallelStreams.wppSegments.dropLast(9), .seal).bytes)
        let heads = sealed.filter { SealedUnit.isOne($0) }.map { Array($0.rbsp[4..<13]) }
        #expect(!heads.isEmpty && Set(heads).count == heads.count)
    }

    /// Nothing is selected in the whole stream.
    @Test func selectingNothingIsAnError() throws {
        let stream = ParallelStreams.tileSlices
        func selects(_ set: (inout Encryption.Options) -> Void) throws { _ = try encrypt(stream, .error, set) }
        #expect(throws: ProtectionError.self) {
            try selects { $0.selection.regions = [.init(x: 4000, y: 0, width: 8, height: 8)] }
        }
        #expect(throws: ProtectionError.self) { try selects { $0.selection.minTemporalId = 5 } }
        #expect(throws: ProtectionError.self) { try selects { $0.elements = [.init(.pcmSample)] } }
        try selects { $0.selection.irapOnly = true }
        // No pictures of the layer, or none at all.
        #expect(throws: ProtectionError.self) { try encrypt([0, 0, 1, 0x46, 1, 0x10]) }
    }

    /// A single chain goes with nothing but whole streams.
    @Test func chainsAreWhole() throws {
        let stream = ParallelStreams.tileSlices
        let chained: (inout Encryption.Options) -> Void = { $0.resynchronization = .stream }
        #expect(try decrypt(try encrypt(stream, .error, chained).bytes) == stream)
        #expect(throws: ProtectionError.self) { try encrypt(stream, .seal, chained) }
    }

    /// Slices that are the same before and after are counted.
    @Test func unchangedSlicesAreCounted() throws {
        let stream = ParallelStreams.wppSegments
        let encrypted = try encrypt(stream) { $0.nonce = [UInt8](repeating: 3, count: 16) }
        let counted = encrypted.report.unchangedSlices.values.reduce(0, +)
        #expect(try clear(stream, in: encrypted.bytes) <= counted)
    }

    /// With new keys too, against the clear stream, though it is nowhere.
    @Test(arguments: [1, 3]) func unchangedSlicesAreCountedWithNewKeys(threads: Int) throws {
        let tiles = try #require(ReferenceStream.own.first { $0.name.hasSuffix("ldp_snr_tiles") }).bytes()
        var total = 0
        for (i, stream) in [tiles, ParallelStreams.wppSegments].enumerated() {
            for fill in 0..<12 {
                let encrypted = try encrypt(stream) { $0.nonce = [UInt8](repeating: UInt8(fill), count: 16) }
                var options = Encryption.Options()
                options.nonce = [UInt8](repeating: UInt8(fill + 100), count: 16)
                let rekeyed = try transcode(
                    encrypted.bytes,
                    .rekeyPlan(Decryption(keys: keys), ProtectionPlan(options: options, keys: newKeys)),
                    threads: threads)
                let left = try clear(stream, in: rekeyed.bytes)
                #expect(left == rekeyed.unchanged, "stream \(i), nonce \(fill)")
                total += left
            }
        }
        #expect(total > 0)
    }
}
