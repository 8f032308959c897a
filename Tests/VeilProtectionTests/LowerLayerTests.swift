// SPDX-License-Identifier: GPL-2.0-or-later
import Foundation
import Testing
import VeilBitstream
import VeilEncoder

@testable import VeilProtection

/// What an authenticated layer is predicted from has tags under its key; and ends of sequences, and keystreams that
/// never restart, do not lose pictures without a word.
@Suite struct LowerLayerTests: ProtectedClips {
    /// Pictures of clear layers, put in, exchanged, repeated, without tags: all refused. They come back byte for byte.
    @Test(arguments: [2, 3])
    func clearLayersBelowHaveTags(layers: Int) throws {
        let clear = try clip(layers)
        let whole = try encrypt(clear, elOnly)
        let result = try #require(decrypt(whole, strict: true))
        #expect(bytes(result.given) == bytes(clear) && result.report.isWhole)
        // Whole pictures of every layer.
        #expect(result.report.verifiedPictures == 8 * layers)
        let units = accessUnits(whole)
        let others = accessUnits(try clip(layers, qp: "40"))
        for below in 0..<layers - 1 {
            for at in 0..<units.count {
                // Another clip's picture of a layer below in front of an access unit, alone.
                let foreign = others[0].filter { isSlice($0, below) }
                #expect(decrypt(Array(units[..<at].joined()) + foreign + Array(units[at...].joined())) == nil, "\(at)")
                // In place of the true one.
                var exchanged = units
                if let place = exchanged[at].firstIndex(where: { isSlice($0, below) }) {
                    exchanged[at][place] = others[at].first { isSlice($0, below) } ?? exchanged[at][place]
                    #expect(decrypt(Array(exchanged.joined())) == nil, "exchanged at \(at)")
                }
            }
            // One of its own, repeated with its tag, alone in an access unit.
            let own = units[2].filter { $0.header.nuhLayerId == below }
            #expect(decrypt(Array(units[..<4].joined()) + own + Array(units[4...].joined())) == nil)
        }
        // The clip of somebody else in front.
        #expect(decrypt(others[..<4].joined().filter { $0.header.nuhLayerId < layers - 1 } + whole) == nil)
        // A base picture lost is a loss.
        var lost = units
        lost[5].removeAll {
            $0.header.nuhLayerId == 0 && ($0.header.nalUnitType.isSlice || $0.header.nalUnitType == .suffixSEI)
        }
        let report = try #require(decrypt(Array(lost.joined()))).report
        #expect(report.missingPictures[0] == 1 && !report.isWhole)
        #expect(decrypt(Array(lost.joined()), strict: true) == nil)
    }

    /// A stream is entered at any IRAP picture, where the message stands behind the picture below: what is left of it
    /// decrypts to what is left of the clear one.
    @Test(arguments: [2, 3])
    func streamsAreEnteredAnywhere(layers: Int) throws {
        let clear = try clip(layers)
        let whole = try encrypt(clear, elOnly)
        func part(_ nals: [NALUnit]) -> [NALUnit] {
            let units = accessUnits(nals)
            let sets = nals.filter { [.vps, .sps, .pps].contains($0.header.nalUnitType) }
            return sets + units[4...].joined().filter { ![.vps, .sps, .pps].contains($0.header.nalUnitType) }
        }
        let result = try #require(decrypt(part(whole)))
        #expect(bytes(result.given) == bytes(part(clear)))
        #expect(result.report.missingPictures.count == layers && !result.report.isWhole)
        #expect(result.report.verifiedPictures == 4 * layers)
        // The base layer alone is wanted: its tags are under a key that is held.
        let base = Decryption(keys: Self.keys(), wanted: [0])
        var given = 0
        let verified = VerifiedStream(base) { if isSlice($0, 0) { given += 1 } }
        for nal in whole { try verified.push(nal) }
        try verified.finish()
        #expect(given == 8 && base.report.verifiedPictures == 8 && base.report.isWhole)
        let others = accessUnits(try clip(layers, qp: "40")).flatMap { $0.filter { isSlice($0, 0) } }
        var forged = whole
        for (n, at) in whole.indices.filter({ isSlice(whole[$0], 0) }).enumerated() { forged[at] = others[n] }
        let refusing = VerifiedStream(Decryption(keys: Self.keys(), wanted: [0])) { _ in }
        #expect(throws: KeyError.self) {
            for nal in forged { try refusing.push(nal) }
            try refusing.finish()
        }
        // Nothing that could be checked is nothing authenticated.
        var demanding = VerificationOptions()
        demanding.requiresTags = true
        let empty = VerifiedStream(Decryption(keys: Self.keys(), wanted: [0], verification: demanding)) { _ in }
        let foreign = accessUnits(try clip()).joined().filter { $0.header.nuhLayerId == 0 }
        #expect(throws: KeyError.self) {
            for nal in foreign { try empty.push(nal) }
            try empty.finish()
        }
    }

    /// A slice of a clear layer that cannot be read cannot have a tag: it is sealed, or stops the encryption.
    @Test func damagedSlicesBelowAreSealed() throws {
        var clear = try clip()
        let places = clear.indices.filter { isSlice(clear[$0], 0) }
        clear[places[3]].bytes.removeSubrange(3...)
        #expect(throws: ProtectionError.self) { try encrypt(clear, elOnly) }
        let sealed = try encrypt(clear, damaged: .seal, elOnly)
        let result = try #require(decrypt(sealed))
        #expect(bytes(result.given) == bytes(clear))
    }

    /// Ends of sequences are where the tags say; put in they are reported, since decoders leave pictures out.
    @Test func endsOfSequences() throws {
        let clear = try clip()
        let whole = try encrypt(clear) { $0.authenticates = true }
        let units = accessUnits(whole)
        for type in [NALUnitType.endOfSequence, .endOfBitstream] {
            let end = NALUnit(header: NALUnitHeader(nalUnitType: type), bytes: NALUnitHeader(nalUnitType: type).bytes)
            for at in 1..<units.count {
                let put = Array(units[..<at].joined()) + [end] + Array(units[at...].joined())
                #expect(decrypt(put).map { !$0.report.isWhole } ?? true, "\(type) at \(at)")
                #expect(decrypt(put, strict: true) == nil, "\(type) at \(at)")
            }
            // Where the encryptor saw it, it belongs there.
            var own = accessUnits(clear)
            own[3].append(end)
            let tagged = try encrypt(Array(own.joined())) { $0.authenticates = true }
            let result = try #require(decrypt(tagged, strict: true))
            #expect(bytes(result.given) == bytes(Array(own.joined())))
            #expect(decrypt(tagged.filter { $0.header.nalUnitType != type }) == nil)
        }
        // A delimiter between a picture and the one below it parts them.
        let delimiter = NALUnit(header: NALUnitHeader(nalUnitType: .accessUnitDelimiter), rbsp: [0x50])
        let upper = try #require(units[4].firstIndex { isSlice($0, 1) })
        var parted = units
        parted[4].insert(delimiter, at: upper)
        #expect(decrypt(Array(parted.joined()), strict: true) == nil)
        #expect(decrypt(Array(parted.joined())).map { !$0.report.isWhole } ?? true)
    }

    /// Between the runs of one encryption, too.
    @Test func endsOfSequencesBetweenRuns() throws {
        let end = NALUnit(
            header: NALUnitHeader(nalUnitType: .endOfSequence),
            bytes: NALUnitHeader(nalUnitType: .endOfSequence).bytes)
        let (single, double) = (try clip(1), try clip(2))
        for scheme in [Scheme.all, .el] {
            let whole = try encrypt(single + [end] + double + double) {
                $0.scheme = scheme
                $0.authenticates = true
            }
            #expect(decrypt(whole, strict: true) != nil, "\(scheme)")
            #expect(decrypt(whole.filter { $0.header.nalUnitType != .endOfSequence }) == nil, "\(scheme)")
            let joined = try encrypt(single + double) {
                $0.scheme = scheme
                $0.authenticates = true
            }
            #expect(decrypt(joined, strict: true) != nil, "\(scheme)")
            let units = accessUnits(joined)
            let put = Array(units[..<8].joined()) + [end] + Array(units[8...].joined())
            #expect(decrypt(put, strict: true) == nil, "\(scheme)")
        }
    }

    /// A keystream that never restarts gives nothing behind a gap, with tags and without.
    @Test(arguments: [false, true])
    func chainsDoNotGoOnBehindGaps(tags: Bool) throws {
        let whole = try encrypt(try clip()) {
            $0.resynchronization = .stream
            $0.authenticates = tags
        }
        let units = accessUnits(whole)
        #expect(decrypt(whole) != nil)
        #expect(decrypt(Array(units[4...].joined())) == nil)
        if tags { #expect(decrypt(Array((units[..<2] + units[3...]).joined())) == nil) }
    }

    /// What is encrypted already is not encrypted again, messages or not.
    @Test func twiceIsRefused() throws {
        let once = try encrypt(try clip()) { _ in }
        var options = Encryption.Options()
        options.nonce = [UInt8](repeating: 9, count: 16)
        let silent = StreamTranscoder(
            mode: .plan(ProtectionPlan(options: options, keys: Self.keys(40))), threads: 1, signals: false
        ) { _ in }
        #expect(throws: KeyError.self) {
            for nal in once { try silent.push(nal) }
            try silent.finish()
        }
    }

    /// A run that ends before its first picture: its messages come before its end all the same.
    @Test func runsWithoutPictures() throws {
        var options = Encryption.Options()
        options.authenticates = true
        options.nonce = [UInt8](repeating: 3, count: 16)
        let plan = ProtectionPlan(options: options, keys: Self.keys())
        let first = try #require(try plan.next(layers: [0]))
        var out: [NALUnit] = []
        let authenticator = StreamAuthenticator(first) { out.append($0) }
        let message = ProtectionSEI.unit(try #require(first.message(layer: 0, period: 0)))
        try authenticator.push(message)
        let second = try #require(try plan.next(layers: [0, 1]))
        try authenticator.begin(second)
        #expect(out.first?.bytes == message.bytes)
        let ends = try out.compactMap { try ProtectionSEI.authentication(in: $0) }
        #expect(out.count == 2 && ends.map(\.kind) == [.runEnd])
    }

    /// New keys change keys: tags, elements, pictures selected and the scheme stay.
    @Test func rekeyingKeepsTheRest() throws {
        let old = try encrypt(try clip()) {
            elOnly(&$0)
            $0.profile = .maximal
            $0.selection.irapOnly = true
        }
        var options = Encryption.Options()
        options.keepsScheme = true
        let new = try transcode(
            old, .rekeyPlan(Decryption(keys: Self.keys()), ProtectionPlan(options: options, keys: Self.keys(20))))
        let messages = try new.compactMap { try ProtectionSEI.message(in: $0) }
        #expect(!messages.isEmpty)
        for message in messages {
            #expect(message.scheme == .el && message.isAuthenticated && message.tagsLowerLayers)
            #expect(message.profile == .maximal && message.elements == .maximal && message.selection.irapOnly)
            #expect(message.keyId.hasPrefix("k20"))
        }
        let clear = try transcode(new, .decrypt(Decryption(keys: Self.keys(20))))
        #expect(try bytes(clear) == bytes(clip()))
    }

    // MARK: Runs, streams put into others, what is sealed

    /// New keys for two encrypted streams, joined: two runs of one encryption.
    private func twoRuns() throws -> [NALUnit] {
        let both = try encrypt(try clip(), tagged) + encrypt(try clip(qp: "34"), tagged)
        return try transcode(
            both,
            .rekeyPlan(
                decryption { $0.allowsJoined = true },
                ProtectionPlan(options: Encryption.Options(), keys: Self.keys())))
    }

    /// An upper layer that ends with a run that is not the last was cut off.
    @Test func layersOfLaterRuns() throws {
        let whole = try twoRuns()
        let ends = whole.indices.filter {
            (try? ProtectionSEI.authentication(in: whole[$0]))??.kind == .runEnd
        }
        #expect(ends.count == 2)
        let cut = whole.enumerated().filter { index, nal in
            index <= ends[1] || nal.header.nuhLayerId == 0 || [.sps, .pps].contains(nal.header.nalUnitType)
        }.map(\.element)
        #expect(cut.count < whole.count - 8)
        #expect(try #require(decrypt(whole, strict: true)).report.isWhole)
        #expect(decrypt(cut, strict: true) == nil)
        // Of the first run the upper layer alone, messages and all.
        let early = whole.enumerated().filter { $0 > ends[1] || $1.header.nuhLayerId == 0 }.map(\.element)
        #expect(decrypt(early, strict: true) == nil)
        let report = try #require(decrypt(cut)).report
        #expect(
            !report.isWhole && report.losses.contains { $0.hasPrefix("layer 1: what follows picture 8") }, "\(report)")
    }

    /// Joins may be allowed; a stream put into another's middle is none.
    @Test func streamsWithinStreams() throws {
        let outer = accessUnits(try encrypt(try clip(), tagged))
        let inner = try encrypt(try clip(qp: "34"), tagged)
        let head = outer[0].filter {
            [.vps, .sps, .pps].contains($0.header.nalUnitType) || (try? ProtectionSEI.message(in: $0)) != nil
        }
        let mixed = outer[0] + inner + head + Array(outer[1...].joined())
        let after = Array(outer.joined()) + inner
        #expect(throws: KeyError.self) {
            try transcode(mixed, .decrypt(decryption { $0.allowsJoined = true }))
        }
        // Between periods it is: a programme goes on behind another one.
        let between = Array(outer[..<4].joined()) + inner + Array(outer[4...].joined())
        #expect(throws: Never.self) { try transcode(between, .decrypt(decryption { $0.allowsJoined = true })) }
        #expect(throws: Never.self) { try transcode(after, .decrypt(decryption { $0.allowsJoined = true })) }
    }

    /// Who asks for tags gets no layer without them whose key there is: anybody could have put it on top.
    @Test func clearLayersWhereTagsAreAskedFor() throws {
        let base = try encrypt(try clip()) {
            $0.scheme = .bl
            $0.authenticates = true
        }
        #expect(throws: KeyError.self) { try transcode(base, .decrypt(decryption { $0.requiresTags = true })) }
        #expect(throws: Never.self) {
            try transcode(base, .decrypt(decryption(try Self.keys().only(layer: 0)) { $0.requiresTags = true }))
        }
    }

    /// A VPS of more layers, which decoders would take the highest of, has no place in a stream of one.
    @Test func layersThatAVPSMakesUp() throws {
        let units = accessUnits(try encrypt(try clip(1), tagged))
        let vps = try #require(try clip(2).first { $0.header.nalUnitType == .vps })
        let forged = Array(units[..<4].joined()) + [vps] + Array(units[4...].joined())
        #expect(decrypt(Array(units.joined()), strict: true) != nil)
        #expect(decrypt(forged) == nil)
    }

    /// New keys for a stream without tags that one with tags was joined to: these keep theirs.
    @Test func laterRunsKeepTheirTags() throws {
        let both = try encrypt(try clip()) { _ in } + encrypt(try clip(qp: "34"), tagged)
        let options = Encryption.Options()
        let new = try transcode(
            both,
            .rekeyPlan(
                decryption { $0.allowsJoined = true }, ProtectionPlan(options: options, keys: Self.keys(20))))
        let opened = decryption(Self.keys(20)) { $0.allowsJoined = true }
        #expect(try bytes(transcode(new, .decrypt(opened))) == bytes(clip() + clip(qp: "34")))
        #expect(opened.report.verifiedPictures == 16)
    }

    /// What looks like a hidden picture excuses nothing where the encryption hides none; where it does, whoever lacks
    /// the lower layer's key is told of no loss.
    @Test func hiddenBelow() throws {
        let upper = try Self.keys().only(layer: 1)
        let units = accessUnits(try encrypt(try clip(), tagged))
        let others = accessUnits(try encrypt(try clip(qp: "40"), tagged))
        let planted = NALUnit(
            header: NALUnitHeader(nalUnitType: NALUnitType(rawValue: 60), nuhLayerId: 0),
            rbsp: [0x56, 0x65, 0x69, 0x48, 0] + [UInt8](repeating: 7, count: 40))
        for plants in [false, true] {
            var changed = units
            let at = try #require(changed[2].firstIndex { isSlice($0, 0) })
            changed[2][at] = try #require(others[2].first { isSlice($0, 0) })
            if plants { changed[2].insert(planted, at: at + 1) }
            #expect(throws: KeyError.self, "\(plants)") {
                try transcode(Array(changed.joined()), .decrypt(decryption(upper, lenient: true)))
            }
        }
        let hidden = try encrypt(try clip()) {
            $0.authenticates = true
            $0.hiding = .all
        }
        let opened = decryption(upper, lenient: true) { $0.isStrict = true }
        _ = try transcode(hidden, .decrypt(opened))
        #expect(opened.report.verifiedPictures == 8 && opened.report.missingPictures.isEmpty)
    }

    /// Where a sealed unit stands, and the parameter sets around it, are covered by the next tag.
    @Test func sealedUnitsHaveAPlace() throws {
        var clear = try clip(1)
        let slices = clear.indices.filter { isSlice(clear[$0], 0) }
        // A slice that cannot be read, in an access unit of its own.
        clear[slices[2]] = NALUnit(header: clear[slices[2]].header, rbsp: [0x80, 0xFF, 0xFF, 0x80])
        clear.insert(
            NALUnit(header: NALUnitHeader(nalUnitType: .accessUnitDelimiter, nuhLayerId: 0), rbsp: [0x50]),
            at: slices[2])
        let whole = try encrypt(clear, damaged: .seal, tagged)
        #expect(bytes(try #require(decrypt(whole, strict: true)).given) == bytes(clear))
        let place = try #require(whole.firstIndex { SealedUnit.isOne($0) })
        let pps = try #require(whole.first { $0.header.nalUnitType == .pps })
        // In front of the slice before it, and behind the one after it.
        let own = whole.indices.filter { isSlice(whole[$0], 0) }
        for target in [own.last { $0 < place }, own.first { $0 > place }.map { $0 + 1 }] {
            var moved = whole
            moved.insert(moved.remove(at: place), at: try #require(target) - (try #require(target) > place ? 1 : 0))
            #expect(decrypt(moved, strict: true) == nil)
        }
        // Another PPS for it alone.
        var rbsp = pps.rbsp
        // sign_data_hiding_enabled_flag.
        rbsp[0] ^= 1
        let other = NALUnit(header: pps.header, rbsp: rbsp)
        #expect(decrypt(Array(whole[..<place]) + [other, whole[place], pps] + Array(whole[(place + 1)...])) == nil)
        // The same one again changes nothing.
        #expect(decrypt(Array(whole[..<place]) + [pps] + Array(whole[place...])) != nil)
    }

    /// New keys leave nothing clear that was encrypted, and keep tags where messages can say so only.
    @Test func newKeysCoverWhatWasEncrypted() throws {
        let old = try encrypt(try clip()) {
            $0.authenticates = true
            $0.profile = .maximal
            $0.hiding = .all
        }
        func rekey(signals: Bool = true, _ change: (inout Encryption.Options) -> Void) throws {
            var options = Encryption.Options()
            change(&options)
            let transcoder = StreamTranscoder(
                mode: .rekeyPlan(decryption(), ProtectionPlan(options: options, keys: Self.keys(20))), threads: 1,
                signals: signals
            ) { _ in }
            for nal in old { try transcoder.push(nal) }
            try transcoder.finish()
        }
        #expect(throws: Never.self) { try rekey { _ in } }
        #expect(throws: KeyError.self) { try rekey { $0.selection.irapOnly = true } }
        #expect(throws: KeyError.self) { try rekey { $0.selection.minTemporalId = 1 } }
        #expect(throws: KeyError.self) { try rekey { $0.profile = .paper } }
        #expect(throws: KeyError.self) {
            try rekey { $0.selection.regions = [EncryptionScope.Region(x: 0, y: 0, width: 16, height: 16)] }
        }
        #expect(throws: ProtectionError.self) { try rekey(signals: false) { _ in } }
    }

    /// The number of layers grows: layers that were encrypted before, and are clear now, say so themselves.
    @Test(arguments: [false, true]) func layersThatAreClearFromARunOn(isTagged: Bool) throws {
        let clear = try clip() + clip(3)
        let whole = try encrypt(clear) {
            $0.scheme = .el
            $0.authenticates = isTagged
        }
        #expect(bytes(try #require(decrypt(whole, strict: true)).given) == bytes(clear))
        for layer in isTagged ? 1...1 : 0...2 {
            func extracted(_ nals: [NALUnit]) -> [NALUnit] {
                var extraction = LayerExtraction(layer: layer)
                return nals.compactMap { extraction.extract($0) }
            }
            // Of the base layer alone nothing tells that it is clear.
            let decryption = decryption { $0.allowsClear = layer == 0 }
            let given = bytes(try transcode(extracted(whole), .decrypt(decryption)))
            #expect(given == bytes(extracted(clear)), "layer \(layer)")
            // The layer above is missing.
            #expect(decryption.report.isWhole == !isTagged, "layer \(layer)")
        }
        // And who has the key of the layer below only.
        let keys = try Self.keys().only(layer: 1)
        if !isTagged {
            let given = try transcode(whole, .decrypt(Decryption(keys: keys, lenient: true)))
            let own = clear.filter { $0.header.nalUnitType.isSlice && $0.header.nuhLayerId < 2 }
            #expect(own.map(\.bytes) == given.filter { isSlice($0, 0) || isSlice($0, 1) }.map(\.bytes))
        }
    }
}
