// SPDX-License-Identifier: GPL-2.0-or-later
import Foundation
import Testing
import VeilBitstream
import VeilEntropy

@testable import VeilProtection

private let folder: URL = {
    if let path = ProcessInfo.processInfo.environment["VEIL_SHARED"] { return URL(fileURLWithPath: path) }
    return URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent()
        .deletingLastPathComponent().appendingPathComponent("shared")
}()

private let names: [String] =
    ((try? FileManager.default.contentsOfDirectory(atPath: folder.appendingPathComponent("vectors").path)) ?? [])
    .filter { $0.hasSuffix(".bit") }.sorted()

private func units(_ name: String) throws -> [NALUnit] {
    try AnnexBReader.units(of: [UInt8](try Data(contentsOf: folder.appendingPathComponent("vectors/\(name)"))))
}

private let keys = KeyRing.generate(layers: 4)

private func transcode(_ nals: [NALUnit], _ mode: StreamTranscoder.Mode, threads: Int) throws -> [UInt8] {
    var bytes: [UInt8] = []
    let transcoder = StreamTranscoder(mode: mode, threads: threads) { bytes.append(annexB: $0) }
    for nal in nals { try transcoder.push(nal) }
    try transcoder.finish()
    #expect(transcoder.report.failedSlices == 0, "\(transcoder.report.messages)")
    return bytes
}

/// The bins that a decoder parses, hashed: everything but the values of encryptable bins.
private final class BinTrace: BinHook, BinHookProvider, @unchecked Sendable {
    var hash: UInt64 = 14_695_981_039_346_656_037
    var runs = 0
    func makeHook(layer: Int) -> (any BinHook)? { self }
    func begin(_ unit: BinUnit) { mix(UInt64(unit.ctuAddress)) }
    func beginCTU(address: Int, x: Int, y: Int) { mix(UInt64(address)) }
    func mix(_ value: UInt64) { hash = (hash ^ value) &* 1_099_511_628_211 }
    func replace(_ run: BinRun) -> UInt32 {
        runs += 1
        for value in [
            Int(run.element.rawValue), Int(run.count), Int(run.riceParam), Int(run.baseLevel), Int(run.prefix),
            Int(run.flags.rawValue),
        ] {
            mix(UInt64(value))
        }
        return run.bins
    }
}

@Suite(.enabled(if: !names.isEmpty, "reference streams (shared/vectors) are not here"))
struct VectorTests {
    @Test(arguments: names, ElementProfile.allCases)
    func decryptionRestoresTheStream(name: String, profile: ElementProfile) throws {
        let clear = try units(name)
        var original: [UInt8] = []
        for nal in clear { original.append(annexB: nal) }
        let vps = try #require(clear.first { $0.header.nalUnitType == .vps })
        var options = Encryption.Options()
        options.profile = profile
        options.cipher = profile == .paper ? .chaotic : .aes128
        let layers = try VideoParameterSet(rbsp: vps.rbsp).layerIds
        let encrypted = try transcode(
            clear, .encrypt(try Encryption(options: options, layers: layers, keys: keys)), threads: 3)
        #expect(encrypted != original)
        let again = try transcode(try AnnexBReader.units(of: encrypted), .decrypt(Decryption(keys: keys)), threads: 2)
        #expect(again == original)
        // Both parse to the same bins, but for those encrypted.
        let before = BinTrace()
        let after = BinTrace()
        for (nals, trace) in [(clear, before), (try AnnexBReader.units(of: encrypted), after)] {
            let parser = StreamTranscoder(mode: .hooks(trace), threads: 1) { _ in }
            for nal in nals { try parser.push(nal) }
            try parser.finish()
            #expect(parser.report.failedSlices == 0)
        }
        #expect(before.hash == after.hash && before.runs == after.runs && before.runs > 0)
    }
}
