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

private func isMessage(_ nal: NALUnit) -> Bool {
    nal.header.nalUnitType == .prefixSEI && (try? ProtectionSEI.message(in: nal)) ?? nil != nil
}

/// Two layers, with intra pictures on the way.
private func layers() throws -> [NALUnit] {
    let stream = try #require(ReferenceStream.own.first { $0.name.hasSuffix("/ra_2x") })
    return try AnnexBReader.units(of: stream.bytes())
}

private func encryption(
    _ stream: [NALUnit], _ hiding: HiddenPictures, scheme: Scheme = .all, tags: Bool = false, irapOnly: Bool = false
) throws -> Encryption {
    let vps = try #require(stream.first { $0.header.nalUnitType == .vps })
    var options = Encryption.Options()
    options.scheme = scheme
    options.hiding = hiding
    options.authenticates = tags
    options.selection.irapOnly = irapOnly
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
            for sample in plane.values(row: y).prefix(decoded.width) {
                low = min(low, sample)
                high = max(high, sample)
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
        #expect(sealed.count == clear.filter { hiding.includes($0.header, EncryptionScope()) }.count && !sealed.isEmpty)
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
        let clear = try layers()
        let plain = try transcode(clear, .encrypt(encryption(clear, .none)))
        var opened: [NALUnit] = []
        let opening = PictureOpening(Decryption(keys: keys)) { opened.append($0) }
        for nal in try stored(transcode(clear, .encrypt(encryption(clear, .irap)))) { try opening.push(nal) }
        try opening.finish()
        // But for the messages, which say what is hidden.
        #expect(opened.count == plain.count && bytes(opened) != bytes(plain))
        #expect(bytes(opened.filter { !isMessage($0) }) == bytes(plain.filter { !isMessage($0) }))
        for (a, b) in zip(opened, plain) where isMessage(a) {
            var message = try #require(try ProtectionSEI.message(in: a))
            #expect(message.hiding == .irap && message.payload[21] >> 5 == 1)
            message.hiding = .none
            message.keyCheck = try #require(try ProtectionSEI.message(in: b)).keyCheck
            #expect(message == (try ProtectionSEI.message(in: b)))
        }
    }

    @Test func flagsThatNobodyKnowsAreRefused() throws {
        var message = ProtectionMessage()
        message.keyId = "k"
        message.hiding = .all
        #expect(try ProtectionMessage(payload: message.payload) == message)
        var payload = message.payload
        payload[21] |= 128
        #expect(throws: ProtectionMessage.ParseError.self) { try ProtectionMessage(payload: payload) }
        // Nothing was hidden in version 1.
        payload[21] = 32
        payload[16] = 1
        #expect(throws: ProtectionMessage.ParseError.self) { try ProtectionMessage(payload: payload) }
    }

    /// With tags too: those of the upper layer are about a picture below that nobody sees.
    @Test(arguments: [false, true])
    func layersWithoutAKeyStayHidden(tags: Bool) throws {
        let clear = try layers()
        let hidden = try stored(transcode(clear, .encrypt(encryption(clear, .irap, tags: tags))))
        func slices(_ nals: [NALUnit], _ layer: Int) -> [[UInt8]] {
            nals.filter { $0.header.nalUnitType.isSlice && $0.header.nuhLayerId == layer }.map(\.bytes)
        }
        for (own, other) in [(0, 1), (1, 0)] {
            let ring = KeyRing(layers: [try keys.key(layer: own)])
            let partly = try transcode(hidden, .decrypt(Decryption(keys: ring, lenient: true)))
            let left = partly.filter { SealedUnit.isOne($0, kind: .hidden) }
            #expect(!left.isEmpty && left.allSatisfy { $0.header.nuhLayerId == other })
            #expect(slices(partly, own) == slices(clear, own) && slices(partly, other) == slices(hidden, other))
        }
        if tags { return }
        // The other key opens the rest.
        let base = KeyRing(layers: [try keys.key(layer: 0)])
        let rest = KeyRing(layers: [try keys.key(layer: 1)])
        let partly = try transcode(hidden, .decrypt(Decryption(keys: base, lenient: true)))
        #expect(try bytes(transcode(stored(partly), .decrypt(Decryption(keys: rest)))) == bytes(clear))
    }

    @Test(arguments: [(HiddenPictures.none, HiddenPictures.all), (.irap, .lowestSubLayer), (.all, .none)])
    func keysAreExchanged(from: HiddenPictures, to: HiddenPictures) throws {
        let clear = try layers()
        let old = try stored(transcode(clear, .encrypt(encryption(clear, from, tags: true))))
        var options = Encryption.Options()
        options.hiding = to
        options.authenticates = true
        let others = KeyRing(
            layers: (0..<2).map {
                LayerKey(layer: $0, id: "n\($0)", key: SecretBytes(Array(40..<72)), cipher: .chacha20)
            })
        let new = try stored(
            transcode(
                old, .rekeyPlan(Decryption(keys: keys), ProtectionPlan(options: options, keys: others)), threads: 3))
        let sealed = new.filter { SealedUnit.isOne($0, kind: .hidden) }.count
        #expect(sealed == clear.filter { to.includes($0.header, EncryptionScope()) }.count)
        #expect(try bytes(transcode(new, .decrypt(Decryption(keys: others)))) == bytes(clear))
    }

    @Test func messagesKeptElsewhere() throws {
        let clear = try layers()
        let other = try encryption(clear, .irap).sidecar.text
        let encryption = try encryption(clear, .all)
        var hidden: [NALUnit] = []
        let transcoder = StreamTranscoder(mode: .encrypt(encryption), threads: 1, signals: false) { hidden.append($0) }
        for nal in clear { try transcoder.push(nal) }
        try transcoder.finish()
        #expect(transcoder.hidden.pictures == clear.filter { $0.beginsPicture }.count)
        #expect(transcoder.hidden.bytes == bytes(hidden).count - bytes(clear).count)
        let decryption = Decryption(keys: keys)
        try decryption.add(Sidecar(text: encryption.sidecar.text, source: "sidecar"))
        #expect(try bytes(transcode(stored(hidden), .decrypt(decryption))) == bytes(clear))
        // Lines of two encryptions: one of them would give garbage.
        #expect(throws: KeyError.self) { try Sidecar(text: encryption.sidecar.text + other, source: "two") }
        let twice = try Sidecar(text: encryption.sidecar.text + encryption.sidecar.text, source: "twice")
        #expect(twice.messages.count == 2 * encryption.sidecar.messages.count)
    }

    @Test func picturesThatAreNotSelectedStayOpen() throws {
        let clear = try layers()
        let hidden = try transcode(clear, .encrypt(encryption(clear, .irap, irapOnly: true)))
        let sealed = hidden.filter { SealedUnit.isOne($0, kind: .hidden) }
        #expect(sealed.count == clear.filter(\.header.nalUnitType.isIRAP).count)
        #expect(try bytes(transcode(stored(hidden), .decrypt(Decryption(keys: keys)))) == bytes(clear))
    }

    /// Pictures of the layers that the scheme covers are hidden; the others are as they were.
    @Test(arguments: [Scheme.bl, .el]) func layersOutsideOfTheSchemeStayOpen(scheme: Scheme) throws {
        let clear = try layers()
        let hidden = try stored(transcode(clear, .encrypt(encryption(clear, .all, scheme: scheme))))
        let (own, other) = scheme == .bl ? (0, 1) : (1, 0)
        func slices(_ nals: [NALUnit], _ layer: Int) -> [[UInt8]] {
            nals.filter { $0.header.nalUnitType.isSlice && $0.header.nuhLayerId == layer }.map(\.bytes)
        }
        #expect(slices(hidden, other) == slices(clear, other))
        let sealed = hidden.filter { SealedUnit.isOne($0, kind: .hidden) }
        #expect(sealed.count == slices(clear, own).count && sealed.allSatisfy { $0.header.nuhLayerId == own })
        let seen = try pictures(hidden)
        #expect(seen.report.failedSlices == 0)
        if scheme == .el {
            #expect(try seen.luma[0] == pictures(clear).luma[0])
        } else {
            #expect(seen.luma[0]?.allSatisfy { $0.lowerBound == $0.upperBound } == true)
        }
        #expect(try bytes(transcode(hidden, .decrypt(Decryption(keys: keys)))) == bytes(clear))
    }

    /// Whole, a picture without its stand-in, a stand-in without its picture.
    @Test func lossesAreTold() throws {
        let clear = try layers()
        let hidden = try stored(transcode(clear, .encrypt(encryption(clear, .all))))
        func decrypted(
            _ nals: [NALUnit], strict: Bool = false
        ) throws -> (bytes: [UInt8], report: VerificationReport) {
            var options = VerificationOptions()
            options.isStrict = strict
            let decryption = Decryption(keys: keys, verification: options)
            return (bytes(try transcode(nals, .decrypt(decryption))), decryption.report)
        }
        let whole = try decrypted(hidden, strict: true)
        #expect(whole.bytes == bytes(clear) && whole.report.isWhole)
        let last = try #require(hidden.lastIndex { SealedUnit.isOne($0, kind: .hidden) })
        var other = hidden
        other.remove(at: last - 1)
        #expect(hidden[last - 1].header.nalUnitType.isSlice)
        let alone = try decrypted(other)
        #expect(alone.bytes == bytes(clear) && alone.report.isWhole)
        other = hidden
        other.remove(at: last)
        let cut = try decrypted(other)
        var rest = clear
        rest.remove(at: try #require(clear.lastIndex { $0.header.nalUnitType.isSlice }))
        #expect(cut.bytes == bytes(rest))
        #expect(!cut.report.isWhole && cut.report.lines == ["layer 1: 1 hidden picture is missing"])
        #expect(throws: KeyError.self) { try decrypted(other, strict: true) }
    }

    @Test func changesAreFound() throws {
        let clear = try layers()
        let hidden = try stored(transcode(clear, .encrypt(encryption(clear, .irap, tags: true))))
        func refused(_ nals: [NALUnit], strict: Bool = false) -> Bool {
            do {
                var options = VerificationOptions()
                options.isStrict = strict
                _ = try transcode(nals, .decrypt(Decryption(keys: keys, verification: options)))
                return false
            } catch KeyError.tampered { return true } catch { return false }
        }
        let first = try #require(hidden.firstIndex { SealedUnit.isOne($0, kind: .hidden) })
        var changed = hidden
        var data = hidden[first].bytes
        data[data.count / 2] ^= 1
        changed[first] = NALUnit(header: hidden[first].header, bytes: data, startCodeLength: 4)
        #expect(refused(changed))
        // The stand-in alone is no picture.
        #expect(refused(hidden.filter { !SealedUnit.isOne($0, kind: .hidden) }, strict: true))
        // A sealed unit for what could not be encrypted is none of these.
        data = hidden[first].bytes
        data[5] = 0x53
        changed[first] = NALUnit(header: hidden[first].header, bytes: data, startCodeLength: 4)
        #expect(refused(changed))
        // One picture in another's place.
        let second = try #require(
            hidden[(first + 1)...].firstIndex {
                SealedUnit.isOne($0, kind: .hidden) && $0.header.nuhLayerId == hidden[first].header.nuhLayerId
            })
        changed = hidden
        changed[second] = hidden[first]
        #expect(refused(changed))
        #expect(!refused(hidden, strict: true))
    }

    /// What is hidden is never what a selection leaves clear.
    @Test func hidingAndSelectionsThatContradictIt() throws {
        func isRefused(_ hiding: HiddenPictures, _ change: (inout Encryption.Options) -> Void) -> Bool {
            var options = Encryption.Options()
            options.hiding = hiding
            change(&options)
            do { _ = try Encryption(options: options, layers: [0, 1], keys: keys) } catch KeyError.unsupported {
                return true
            } catch { return false }
            return false
        }
        for hiding in HiddenPictures.allCases {
            let hides = hiding != .none
            let region = EncryptionScope.Region(x: 0, y: 0, width: 16, height: 16)
            #expect(isRefused(hiding) { $0.selection.regions = [region] } == hides)
            #expect(isRefused(hiding) { $0.tiles = [0] } == hides)
            #expect(isRefused(hiding) { $0.selection.minTemporalId = 1 } == hides)
            #expect(isRefused(hiding) { $0.selection.irapOnly = true } == (hides && hiding != .irap))
            #expect(!isRefused(hiding) { $0.elements = [] })
            for scheme in [Scheme.bl, .all, .el] { #expect(!isRefused(hiding) { $0.scheme = scheme }) }
        }
    }

    /// Nor does what remains of a selection when keys are exchanged.
    @Test func keysOfASelectionAreNotExchangedForHiding() throws {
        let clear = try layers()
        let old = try stored(transcode(clear, .encrypt(encryption(clear, .none, irapOnly: true))))
        for (hiding, isRefused) in [(HiddenPictures.irap, false), (.all, true)] {
            var options = Encryption.Options()
            options.hiding = hiding
            let plan = StreamTranscoder.Mode.rekeyPlan(
                Decryption(keys: keys), ProtectionPlan(options: options, keys: keys))
            #expect(((try? transcode(old, plan)) == nil) == isRefused)
        }
    }

    /// A stand-in's header tells of references and order, and of nothing else.
    @Test func standInsAreSmallAndTellNothing() throws {
        for stream in ReferenceStream.own {
            let clear = try AnnexBReader.units(of: stream.bytes())
            let hidden = try stored(transcode(clear, .encrypt(encryption(clear, .all))))
            let sets = ParameterSetCollection()
            var count = 0
            for nal in hidden {
                if [.vps, .sps, .pps].contains(nal.header.nalUnitType) { try sets.insert(nal) }
                guard nal.header.nalUnitType.isSlice else { continue }
                let h = try SliceSegmentHeader(nal: nal.header, rbsp: nal.rbsp, sets: sets, previous: nil)
                let pps = try sets.pictureParameterSet(id: h.slicePicParameterSetId)
                let sps = try sets.sequenceParameterSet(id: pps.ppsSeqParameterSetId, layerId: nal.header.nuhLayerId)
                count += 1
                if pps.sliceSegmentHeaderExtensionPresentFlag { continue }
                #expect(!h.sliceSaoLumaFlag && !h.sliceSaoChromaFlag && h.sliceQpDelta == 0)
                let weights = (h.predWeights?.0 ?? []) + (h.predWeights?.1 ?? [])
                #expect(weights.allSatisfy { !$0.lumaWeightFlag && !$0.chromaWeightFlag })
                if h.sliceType == .i { continue }
                #expect(h.maxNumMergeCand == 1)
                // At most two bins of a unit, which adapt, and three bytes where a substream ends.
                let substreams = h.entryPointOffsets.count + 1
                #expect(nal.rbsp.count - h.byteCount <= 3 * substreams + sps.picSizeInCtbsY / 2 + 8, "\(stream.name)")
            }
            #expect(count == clear.filter(\.beginsPicture).count)
        }
    }
}
