// SPDX-License-Identifier: GPL-2.0-or-later
import TestSupport
import Testing
import VeilBitstream
import VeilEntropy

@testable import VeilProtection

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

@Suite struct VectorTests {
    @Test(arguments: ReferenceStream.all + ReferenceStream.rangeExtensions, ElementProfile.allCases)
    func decryptionRestoresTheStream(stream: ReferenceStream, profile: ElementProfile) throws {
        let clear = try AnnexBReader.units(of: stream.bytes())
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

    /// Each of the range extensions' tools is on in some stream, and every chroma format and 8 to 12 bits occur.
    @Test func rangeExtensionsOccur() throws {
        var formats: Set<Int> = []
        var depths: Set<Int> = []
        var tools: [Int] = Array(repeating: 0, count: 9)
        var others: [Int] = Array(repeating: 0, count: 3)
        for stream in ReferenceStream.rangeExtensions {
            for nal in try AnnexBReader.units(of: stream.bytes()) {
                switch nal.header.nalUnitType {
                case .sps:
                    let sps = try SequenceParameterSet(rbsp: nal.rbsp, nuhLayerId: 0)
                    formats.insert(sps.chromaFormatIdc)
                    depths.insert(sps.bitDepthY)
                    let e = sps.rangeExtension
                    let flags = [
                        e.transformSkipRotationEnabledFlag, e.transformSkipContextEnabledFlag,
                        e.implicitRdpcmEnabledFlag, e.explicitRdpcmEnabledFlag, e.extendedPrecisionProcessingFlag,
                        e.intraSmoothingDisabledFlag, e.highPrecisionOffsetsEnabledFlag,
                        e.persistentRiceAdaptationEnabledFlag, e.cabacBypassAlignmentEnabledFlag,
                    ]
                    for (i, flag) in flags.enumerated() where flag { tools[i] += 1 }
                case .pps:
                    let e = try PictureParameterSet(rbsp: nal.rbsp, nuhLayerId: 0).rangeExtension
                    if e.log2MaxTransformSkipBlockSizeMinus2 > 0 { others[0] += 1 }
                    if e.crossComponentPredictionEnabledFlag { others[1] += 1 }
                    if !e.chromaQpOffsetList.isEmpty { others[2] += 1 }
                default: break
                }
            }
        }
        #expect(formats == [0, 1, 2, 3] && depths == [8, 10, 12])
        #expect(!tools.contains(0) && !others.contains(0), "\(tools) \(others)")
    }

    /// The repository's streams have every element that an encryption may change, so that the tests above see it.
    @Test func everyElementOccurs() throws {
        let seen = ElementsSeen()
        for stream in ReferenceStream.own {
            let parser = StreamTranscoder(mode: .hooks(seen), threads: 1) { _ in }
            for nal in try AnnexBReader.units(of: stream.bytes()) { try parser.push(nal) }
            try parser.finish()
        }
        for element in BinElement.allCases { #expect(seen.counts[element, default: 0] > 0, "\(element)") }
    }
}

/// Counts the runs of each element.
private final class ElementsSeen: BinHook, BinHookProvider, @unchecked Sendable {
    var counts: [BinElement: Int] = [:]
    func makeHook(layer: Int) -> (any BinHook)? { self }
    func begin(_ unit: BinUnit) {}
    func beginCTU(address: Int, x: Int, y: Int) {}
    func replace(_ run: BinRun) -> UInt32 {
        counts[run.element, default: 0] += 1
        return run.bins
    }
}
