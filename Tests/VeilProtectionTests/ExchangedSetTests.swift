// SPDX-License-Identifier: GPL-2.0-or-later
import Testing
import VeilBitstream

@testable import VeilProtection

/// Parameter sets and ends of sequences put between the pictures of authenticated streams: no tag is of them, but what
/// decoders make of the pictures behind them is not the same.
@Suite struct ExchangedSetTests: ProtectedClips {
    private func tagged(_ options: inout Encryption.Options) { options.authenticates = true }

    /// A parameter set of the base layer with one flag changed.
    private func changed(_ type: NALUnitType, _ nals: [NALUnit]) throws -> NALUnit {
        let own = try #require(nals.first { $0.header.nalUnitType == type && $0.header.nuhLayerId == 0 })
        var rbsp = own.rbsp
        switch type {
        // vps_temporal_id_nesting_flag; sps_temporal_id_nesting_flag; dependent_slice_segments_enabled_flag.
        case .vps: rbsp[1] ^= 0x01
        case .sps: rbsp[0] ^= 0x01
        default: rbsp[0] ^= 0x20
        }
        return NALUnit(header: own.header, rbsp: rbsp)
    }

    private func own(_ type: NALUnitType, _ nals: [NALUnit]) throws -> NALUnit {
        try #require(nals.first { $0.header.nalUnitType == type && $0.header.nuhLayerId == 0 })
    }

    /// Units put in front of an access unit, or, with two layers, between its pictures.
    private func put(_ nals: [NALUnit], into stream: [NALUnit], unit: Int, behind layer: Int? = nil) throws -> [NALUnit]
    {
        var units = accessUnits(stream)
        let tags = units[unit].indices.filter {
            units[unit][$0].header.nalUnitType == .suffixSEI && units[unit][$0].header.nuhLayerId == layer
        }
        units[unit].insert(contentsOf: nals, at: layer == nil ? 0 : try #require(tags.last) + 1)
        return Array(units.joined())
    }

    @Test(arguments: [1, 2]) func setsPutInAreNoticed(layers: Int) throws {
        let clear = try clip(layers)
        let whole = try encrypt(clear, tagged)
        #expect(bytes(try #require(decrypt(whole, strict: true)).given) == bytes(clear))
        for unit in [2, 3, 5] {
            // A VPS, with and without the true one behind it.
            let vps = try changed(.vps, clear)
            #expect(decrypt(try put([vps], into: whole, unit: unit)) == nil)
            #expect(decrypt(try put([vps, try own(.vps, clear)], into: whole, unit: unit)) == nil)
            for type in [NALUnitType.sps, .pps] {
                let pair = [try changed(type, clear), try own(type, clear)]
                let forged = try put(pair, into: whole, unit: unit)
                #expect(decrypt(forged, strict: true) == nil)
                #expect(try #require(decrypt(forged)).report.losses.count == 1)
                #expect(decrypt(try put([pair[0]], into: whole, unit: unit)) == nil)
            }
        }
        if layers < 2 { return }
        // The base picture under another VPS.
        let there = try put([try changed(.vps, clear)], into: whole, unit: 3)
        #expect(decrypt(try put([try own(.vps, clear)], into: there, unit: 3, behind: 0)) == nil)
    }

    /// What takes the place of a parameter set and cannot be read, with the true one of its layer behind it: pictures
    /// that nobody could decrypt are not given out as if they were right.
    @Test(arguments: [false, true]) func unreadableSetsInPlaceOfOthers(isEntropic: Bool) throws {
        let clear = try clip()
        let whole = try encrypt(clear) {
            $0.authenticates = true
            // Which pictures are encrypted does not matter.
            $0.selection.irapOnly = isEntropic
        }
        // Of layer 1, with the identifier of the base layer's.
        for (type, rbsp) in [(NALUnitType.sps, [0x0F] as [UInt8]), (.pps, [0x80])] {
            let unreadable = NALUnit(header: NALUnitHeader(nalUnitType: type, nuhLayerId: 1), rbsp: rbsp)
            #expect(ParameterSetCollection.identifier(of: unreadable) == 0)
            let own = try #require(clear.first { $0.header.nalUnitType == type && $0.header.nuhLayerId == 1 })
            for unit in 0..<8 {
                let forged = try put([unreadable, own], into: whole, unit: unit)
                // The stream's own sets follow where it begins, and again with each intra picture.
                let given = decrypt(forged)
                let isRepeated = accessUnits(whole)[unit].contains { $0.header.nalUnitType == type }
                #expect((given == nil) == !isRepeated, "\(type), unit \(unit)")
                if let given {
                    #expect(bytes(given.given) == bytes(try put([unreadable, own], into: clear, unit: unit)))
                }
            }
        }
    }

    /// Sets that come and go, readable or not, around slices that are sealed for them: whoever encrypts begins runs
    /// where whoever checks counts exchanges.
    @Test func exchangesAroundSealedSlices() throws {
        let clear = try clip()
        let own = try self.own(.pps, clear)
        let upper = try #require(clear.first { $0.header.nalUnitType == .pps && $0.header.nuhLayerId == 1 })
        let unreadable = NALUnit(header: own.header, rbsp: [0x80])
        let above = NALUnit(header: upper.header, rbsp: [0x80])
        var units = accessUnits(clear)
        // In place of the first one.
        units[0] = units[0].map { $0.bytes == own.bytes ? unreadable : $0 }
        units[1].insert(contentsOf: [above, own], at: 0)
        var streams = [Array(units.joined())]
        let choices = [own, upper, unreadable, above, try changed(.pps, clear), try self.own(.sps, clear)]
        for seed in 0..<24 {
            var state = UInt32(seed) &* 2_654_435_761 &+ 12345
            func random(_ n: Int) -> Int {
                state = state &* 1_664_525 &+ 1_013_904_223
                return Int(state >> 16) % n
            }
            var units = accessUnits(clear)
            for i in units.indices {
                for _ in 0..<random(4) {
                    units[i].insert(choices[random(choices.count)], at: random(2) == 0 ? 0 : units[i].count)
                }
            }
            streams.append(Array(units.joined()))
        }
        for (i, stream) in streams.enumerated() {
            let whole = try encrypt(stream, damaged: .seal, tagged)
            let given = try #require(decrypt(whole, strict: true), "case \(i)")
            #expect(bytes(given.given) == bytes(stream), "case \(i)")
        }
    }

    /// What the clear stream does itself alarms nobody: another run of the encryption begins there.
    @Test(arguments: [1, 2]) func theStreamsOwnExchanges(layers: Int) throws {
        let clear = try clip(layers)
        var cases: [[NALUnit]] = []
        for type in [NALUnitType.vps, .sps, .pps] {
            cases.append(try put([try changed(type, clear), try own(type, clear)], into: clear, unit: 3))
        }
        cases.append(try put([try changed(.vps, clear)], into: clear, unit: 4))
        for (i, stream) in cases.enumerated() {
            let whole = try encrypt(stream, tagged)
            let given = try #require(decrypt(whole, strict: true), "case \(i)")
            #expect(bytes(given.given) == bytes(stream) && given.report.losses.isEmpty, "case \(i)")
            let again = try transcode(
                whole, .rekeyPlan(decryption(), ProtectionPlan(options: Encryption.Options(), keys: Self.keys(20))))
            let back = try transcode(again, .decrypt(decryption(Self.keys(20)) { $0.isStrict = true }))
            #expect(bytes(back) == bytes(stream), "case \(i)")
        }
    }

    /// Of layers that there are not; decoders leave pictures out at any.
    @Test(arguments: [NALUnitType.endOfSequence, .endOfBitstream]) func endsOfOtherLayers(type: NALUnitType) throws {
        let whole = try encrypt(try clip(1), tagged)
        for layer in [1, 5, 62] {
            let end = NALUnit(header: NALUnitHeader(nalUnitType: type, nuhLayerId: layer), rbsp: [])
            let forged = try put([end], into: whole, unit: 4)
            #expect(decrypt(forged, strict: true) == nil)
            #expect(try #require(decrypt(forged)).report.losses.count == 1)
        }
    }

    /// The clear stream's own are sealed, so that nobody takes them for such.
    @Test(arguments: [NALUnitType.endOfSequence, .endOfBitstream]) func ownEndsOfOtherLayers(type: NALUnitType) throws {
        let end = NALUnit(header: NALUnitHeader(nalUnitType: type, nuhLayerId: 5), rbsp: [])
        let stream = try put([end], into: try clip(), unit: 4)
        let given = try #require(decrypt(try encrypt(stream, tagged), strict: true))
        #expect(bytes(given.given) == bytes(stream) && given.report.isWhole)
    }

    /// A last run of which no picture is left has its message and its end all the same.
    @Test func lastRunsWithoutPictures() throws {
        let clear = try clip()
        var units = accessUnits(try put([try changed(.vps, clear)], into: clear, unit: 7))
        units[7] = units[7].map { nal in
            var cut = nal
            if nal.header.nalUnitType.isSlice { cut.bytes.removeLast(4) }
            return cut
        }
        let whole = try encrypt(Array(units.joined()), damaged: .drop, tagged)
        let given = try #require(decrypt(whole, strict: true))
        #expect(given.report.isWhole && given.report.losses.isEmpty)
        #expect(
            given.given.contains { $0.bytes == units[7][0].bytes }
                && !given.given.contains { isSlice($0, 1) && $0.bytes == units[7].last?.bytes })
    }

    /// New keys for a stream whose upper layer begins later than the lower one: its elements are taken for the same.
    @Test func layersThatBeginLater() throws {
        var units = accessUnits(try clip())
        units[0].removeAll { isSlice($0, 1) }
        let stream = Array(units.joined())
        let old = try encrypt(stream) { $0.profile = .maximal }
        let again = try transcode(
            old, .rekeyPlan(decryption(), ProtectionPlan(options: Encryption.Options(), keys: Self.keys(20))))
        #expect(bytes(try transcode(again, .decrypt(decryption(Self.keys(20))))) == bytes(stream))
    }

    /// Who sends is stopped: what is not whole of the last access unit is missing, not forged.
    @Test(arguments: [HiddenPictures.none, .all]) func cutAnywhere(hiding: HiddenPictures) throws {
        let clear = try clip()
        let whole = try encrypt(clear) {
            $0.authenticates = true
            $0.hiding = hiding
        }
        for count in whole.indices.dropFirst(accessUnits(whole)[0].count) {
            var given: [NALUnit] = []
            let transcoder = StreamTranscoder(mode: .decrypt(decryption()), threads: 1) { given.append($0) }
            for nal in whole[..<count] { try transcoder.push(nal) }
            try transcoder.finish(isCut: true)
            #expect(bytes(clear).starts(with: bytes(given)), "\(count) units")
            #expect(transcoder.decryption?.report.isWhole == false)
        }
    }
}
