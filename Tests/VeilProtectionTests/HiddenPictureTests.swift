// SPDX-License-Identifier: GPL-2.0-or-later
import TestSupport
import Testing
import VeilBitstream
import VeilCore
import VeilDecoder

@testable import VeilProtection

private let keys = KeyRing(
    layers: (0..<4).map {
        LayerKey(
            layer: $0, id: "k\($0)", key: SecretBytes([UInt8](repeating: UInt8($0 + 7), count: 32)), cipher: .aes128)
    })

private func transcode(_ nals: [NALUnit], _ mode: StreamTranscoder.Mode, threads: Int = 2) throws -> [NALUnit] {
    var result: [NALUnit] = []
    let transcoder = StreamTranscoder(mode: mode, threads: threads) { result.append($0) }
    for nal in nals { try transcoder.push(nal) }
    try transcoder.finish()
    return result
}

private func bytes(_ nals: [NALUnit]) -> [UInt8] { nals.reduce(into: []) { $0.append(annexB: $1) } }

/// What is written and read again.
private func stored(_ nals: [NALUnit]) throws -> [NALUnit] { try AnnexBReader.units(of: bytes(nals)) }

private func encryption(
    _ stream: [NALUnit], _ hiding: HiddenPictures, scheme: Scheme = .all, tags: Bool = false
) throws -> Encryption {
    let vps = try #require(stream.first { $0.header.nalUnitType == .vps })
    var options = Encryption.Options()
    options.scheme = scheme
    options.hiding = hiding
    options.authenticates = tags
    options.nonce = Array(0..<16)
    return try Encryption(options: options, layers: VideoParameterSet(rbsp: vps.rbsp).layerIds, keys: keys)
}

/// Pictures of every layer, and the lowest and highest luma sample of each.
private func pictures(_ nals: [NALUnit]) throws -> (report: DecodeReport, luma: [Int: [ClosedRange<UInt16>]]) {
    var luma: [Int: [ClosedRange<UInt16>]] = [:]
    var options = Decoder.Options()
    options.output = .all
    let decoder = Decoder(options: options) { decoded in
        let plane = decoded.picture.frame.plane(0)
        var low = UInt16.max
        var high = UInt16.min
        for y in 0..<decoded.height {
            for x in 0..<decoded.width {
                low = min(low, plane.row(y)[x])
                high = max(high, plane.row(y)[x])
            }
        }
        luma[decoded.info.nuhLayerId, default: []].append(low...high)
    }
    for nal in nals { try decoder.push(nal) }
    try decoder.finish()
    return (decoder.report, luma)
}

@Suite struct HiddenPictureTests {
    @Test(arguments: ReferenceStream.own, [HiddenPictures.irap, .lowestSubLayer, .all])
    func hidingIsUndone(stream: ReferenceStream, hiding: HiddenPictures) throws {
        let clear = try AnnexBReader.units(of: stream.bytes())
        let tags = hiding == .lowestSubLayer
        let hidden = try stored(
            transcode(clear, .encrypt(encryption(clear, hiding, tags: tags)), threads: 3))
        #expect(try bytes(transcode(hidden, .decrypt(Decryption(keys: keys)))) == bytes(clear))
        // Nothing of what is hidden is left to read.
        let sealed = hidden.filter { SealedUnit.isOne($0, kind: .hidden) }
        #expect(sealed.count == clear.filter { hiding.includes($0.header) }.count && !sealed.isEmpty)
        // Without the key: as many pictures, and no decoder notices.
        let before = try pictures(clear)
        let after = try pictures(hidden)
        #expect(after.report.failedSlices == 0 && after.report.concealedCTUs == 0)
        #expect(after.report.missingReferences == before.report.missingReferences)
        #expect(after.report.damagedUnits == before.report.damagedUnits)
        #expect(after.luma.mapValues(\.count) == before.luma.mapValues(\.count))
        if hiding == .all {
            for range in after.luma.values.joined() { #expect(range.lowerBound == range.upperBound) }
        }
    }

    @Test func stoppingShortOfHidingIsSelectiveEncryption() throws {
        let stream = try #require(ReferenceStream.own.first { $0.name.hasSuffix("ldp_2x") })
        let clear = try AnnexBReader.units(of: stream.bytes())
        let plain = try transcode(clear, .encrypt(encryption(clear, .none)))
        var opened: [NALUnit] = []
        let opening = PictureOpening(Decryption(keys: keys)) { opened.append($0) }
        for nal in try stored(transcode(clear, .encrypt(encryption(clear, .irap)))) { try opening.push(nal) }
        try opening.finish()
        #expect(bytes(opened) == bytes(plain))
    }

    @Test func layersWithoutAKeyStayHidden() throws {
        let stream = try #require(ReferenceStream.own.first { $0.name.hasSuffix("ldp_2x") })
        let clear = try AnnexBReader.units(of: stream.bytes())
        let hidden = try stored(transcode(clear, .encrypt(encryption(clear, .irap))))
        let base = KeyRing(layers: [try keys.key(layer: 0)])
        let partly = try transcode(hidden, .decrypt(Decryption(keys: base, lenient: true)))
        #expect(partly.filter { SealedUnit.isOne($0, kind: .hidden) }.allSatisfy { $0.header.nuhLayerId == 1 })
        #expect(partly.contains { SealedUnit.isOne($0, kind: .hidden) })
        func slices(_ nals: [NALUnit]) -> [[UInt8]] {
            nals.filter { $0.header.nalUnitType.isSlice && $0.header.nuhLayerId == 0 }.map(\.bytes)
        }
        #expect(slices(partly) == slices(clear))
        // The other key opens the rest.
        let rest = KeyRing(layers: [try keys.key(layer: 1)])
        #expect(try bytes(transcode(stored(partly), .decrypt(Decryption(keys: rest)))) == bytes(clear))
    }

    @Test func changesAreFound() throws {
        let stream = try #require(ReferenceStream.own.first { $0.name.hasSuffix("ldp_2x") })
        let clear = try AnnexBReader.units(of: stream.bytes())
        let hidden = try stored(transcode(clear, .encrypt(encryption(clear, .irap, tags: true))))
        func refused(_ nals: [NALUnit]) -> Bool {
            do {
                _ = try transcode(nals, .decrypt(Decryption(keys: keys)))
                return false
            } catch KeyError.tampered { return true } catch { return false }
        }
        let first = try #require(hidden.firstIndex { SealedUnit.isOne($0, kind: .hidden) })
        var changed = hidden
        var data = hidden[first].bytes
        data[data.count / 2] ^= 1
        changed[first] = NALUnit(header: hidden[first].header, bytes: data, startCodeLength: 4)
        #expect(refused(changed))
        // The stand-in alone is no picture that has a tag.
        #expect(refused(hidden.filter { !SealedUnit.isOne($0, kind: .hidden) }))
        // A sealed unit for what could not be encrypted is none of these.
        data = hidden[first].bytes
        data[5] = 0x53
        changed[first] = NALUnit(header: hidden[first].header, bytes: data, startCodeLength: 4)
        #expect(refused(changed))
        #expect(!refused(hidden))
    }

    @Test func hidingKnowsNoRegions() throws {
        var options = Encryption.Options()
        options.hiding = .irap
        options.selection.regions = [EncryptionScope.Region(x: 0, y: 0, width: 16, height: 16)]
        #expect(throws: KeyError.self) { try Encryption(options: options, layers: [0], keys: keys) }
    }
}
