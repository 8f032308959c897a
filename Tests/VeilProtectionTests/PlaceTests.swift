// SPDX-License-Identifier: GPL-2.0-or-later
import TestSupport
import Testing
import VeilBitstream
import VeilEncoder

@testable import VeilProtection

/// Where pictures, layers and sealed units stand in an authenticated stream: what is moved, exchanged or cut out is
/// refused or told, whichever layer it is of.
@Suite struct PlaceTests: ProtectedClips {
    private func strict(_ nals: [NALUnit]) -> Bool { decrypt(nals, strict: true) != nil }

    /// Behind a joint decoders begin anew: with an IDR or BLA picture, or behind an end of sequence.
    @Test func jointsBeginAnew() throws {
        func clip(_ qp: String) throws -> [NALUnit] {
            try encode(
                [ClipLayer(width: 64, height: 48)], frames: 8,
                options: [("keyint", "4"), ("min-keyint", "4"), ("bframes", "1"), ("qp", qp), ("open-gop", "1")]
            ) { $0.sendsHashes = false }.nals
        }
        let first = try encrypt(try clip("30"), tagged)
        let units = accessUnits(try clip("34"))
        let at = try #require(
            units.indices.first { at in at > 0 && units[at].contains { $0.header.nalUnitType == .cra } })
        let sets = units[0].filter { [.vps, .sps, .pps].contains($0.header.nalUnitType) }
        let second = try encrypt(sets + Array(units[at...].joined()), tagged)
        let end = NALUnit(header: NALUnitHeader(nalUnitType: .endOfSequence), rbsp: [])
        func opens(_ nals: [NALUnit]) -> Bool {
            (try? transcode(nals, .decrypt(decryption { $0.allowsJoined = true }))) != nil
        }
        #expect(!opens(first + second))
        #expect(opens(first + [end] + second))
        #expect(opens(second + first))
    }

    /// Sealed pictures stand before the first one that can be read: nobody sees that decoding begins anew with it.
    @Test func jointsBeforeSealedPictures() throws {
        let first = try encrypt(try clip(1, qp: "34"), tagged)
        let sealed = try damagedClip(1, damaged: (0..<4).map { ($0, 0) })
        let second = try encrypt(sealed, damaged: .seal, tagged)
        let joined = try join([first, second])
        #expect(joined.contains(where: isEnd))
        let options = decryption {
            $0.allowsJoined = true
            $0.isStrict = true
        }
        #expect(!(try transcode(joined, .decrypt(options))).isEmpty)
        // All that there is may be sealed, under tags of its end.
        let all = try encrypt(try damagedClip(1, damaged: (0..<8).map { ($0, 0) }), damaged: .seal, tagged)
        #expect(!(try transcode(all, .decrypt(decryption { $0.requiresTags = true }))).isEmpty)
    }

    /// The upper layer's parameter sets come behind the first base picture: regions are scaled all the same, by the
    /// sizes that the VPS tells.
    @Test func regionsBeforeParameterSets() throws {
        let stream = try #require(ReferenceStream.own.first { $0.name.hasSuffix("/ra_2x_wpp") })
        let nals = try AnnexBReader.units(of: stream.bytes())
        let pps = try #require(
            nals.firstIndex { $0.header.nalUnitType == .pps && $0.header.nuhLayerId == 1 })
        #expect(nals[..<pps].contains { isSlice($0, 0) })
        let region = EncryptionScope.Region(x: 70, y: 10, width: 16, height: 16)
        let whole = try encrypt(nals) { $0.selection.regions = [region] }
        let messages = try whole.compactMap { try ProtectionSEI.message(in: $0) }
        #expect(Set(messages.map(\.nonce)).count == 1)
        for message in messages {
            #expect(
                message.selection.regions
                    == [message.layer == 1 ? region : EncryptionScope.Region(x: 35, y: 5, width: 8, height: 8)])
        }
        #expect(bytes(try #require(decrypt(whole)).given) == bytes(nals))
    }

    /// Of the lower layer, in the clear, all of the last run is gone: a loss, though it has no message of its own.
    @Test func clearLayersOfLaterRuns() throws {
        let one = try clip(1)
        let two = try clip(2, qp: "34")
        let whole = try encrypt(one + two, elOnly)
        #expect(strict(whole))
        let message = try #require(
            whole.lastIndex { ((try? ProtectionSEI.message(in: $0)) ?? nil)?.period == 0 && $0.header.nuhLayerId == 1 })
        let cut = whole.enumerated().filter { at, nal in
            at < message || nal.header.nuhLayerId != 0 || [.vps, .sps, .pps].contains(nal.header.nalUnitType)
        }.map(\.element)
        // Whoever wants the base layer alone is told.
        func report(_ nals: [NALUnit]) throws -> VerificationReport {
            let decryption = Decryption(keys: Self.keys(), wanted: [0])
            _ = try transcode(nals, .decrypt(decryption))
            return decryption.report
        }
        #expect(try report(whole).isWhole)
        #expect(try !report(cut).isWhole)
        #expect(try !report(cut.filter { $0.header.nuhLayerId == 0 || $0.header.nalUnitType == .prefixSEI }).isWhole)
    }

    /// A picture that the encryption did not hide is exchanged for one that looks as if it had.
    @Test func madeUpHiddenPictures() throws {
        let upper = try Self.keys().only(layer: 1)
        func hidden(_ qp: String) throws -> [[NALUnit]] {
            accessUnits(
                try encrypt(try clip(qp: qp)) {
                    $0.authenticates = true
                    $0.hiding = .irap
                })
        }
        var units = try hidden("30")
        let opened = decryption(upper, lenient: true) { $0.isStrict = true }
        _ = try transcode(Array(units.joined()), .decrypt(opened))
        #expect(opened.report.isWhole && opened.report.verifiedPictures == 8)
        // An IRAP picture's stand-in and sealed unit in place of a picture that was sent as it is.
        let at = try #require(units[2].firstIndex { isSlice($0, 0) })
        let own = units[0].filter { isSlice($0, 0) || SealedUnit.isOne($0, kind: .hidden) && $0.header.nuhLayerId == 0 }
        #expect(own.count == 2)
        units[2].replaceSubrange(at...at, with: own)
        // As the counts differ it may be of an access unit of its own: then the true one is missing.
        let told = decryption(upper, lenient: true)
        if (try? transcode(Array(units.joined()), .decrypt(told))) != nil { #expect(!told.report.isWhole) }
        #expect(throws: KeyError.self) {
            _ = try transcode(
                Array(units.joined()), .decrypt(decryption(upper, lenient: true) { $0.isStrict = true }))
        }
    }

    /// A sealed picture is moved over pictures of the other layer, or parted from them.
    @Test(arguments: [0, 1])
    func sealedUnitsAmongOtherLayers(layer: Int) throws {
        var clear = try clip(2)
        let slices = clear.indices.filter { isSlice(clear[$0], layer) }
        let damaged = NALUnit(header: clear[slices[2]].header, rbsp: [0x80, 0xFF, 0xFF, 0x80])
        clear[slices[2]] = damaged
        let whole = try encrypt(clear, damaged: .seal, tagged)
        #expect(bytes(try #require(decrypt(whole, strict: true)).given) == bytes(clear))
        let place = try #require(whole.firstIndex { SealedUnit.isOne($0) })
        let others = whole.indices.filter { isSlice(whole[$0], 1 - layer) }
        var accepted: [Int] = []
        for target in [others.last { $0 < place }, others.first { $0 > place }.map { $0 + 1 }] {
            // Behind the tag of the picture there.
            var at = try #require(target)
            if at > place, whole[at].header.nalUnitType == .suffixSEI { at += 1 }
            var moved = whole
            moved.insert(moved.remove(at: place), at: at - (at > place ? 1 : 0))
            if strict(moved) { accepted.append(at) }
        }
        #expect(accepted.isEmpty, "sealed at \(place)")
        if layer == 0 {
            let delimiter = NALUnit(header: NALUnitHeader(nalUnitType: .accessUnitDelimiter), rbsp: [0x50])
            #expect(!strict(Array(whole[...place]) + [delimiter] + Array(whole[(place + 1)...])))
        }
    }

    /// Each layer keeps its own elements under new keys.
    @Test func newKeysKeepTheElementsOfEachLayer() throws {
        func keys(_ fill: UInt8) -> KeyRing {
            KeyRing(
                layers: (0..<2).map {
                    LayerKey(
                        layer: $0, id: "k\(fill)\($0)", key: SecretBytes([UInt8](repeating: fill, count: 32)),
                        cipher: .aes256, profile: $0 == 0 ? .maximal : .paper)
                })
        }
        let old = try transcode(
            try clip(), .plan(ProtectionPlan(options: Encryption.Options(), keys: keys(1))))
        // Whatever the new keys would choose.
        let new = try transcode(
            old,
            .rekeyPlan(Decryption(keys: keys(1)), ProtectionPlan(options: Encryption.Options(), keys: Self.keys(20))))
        let messages = try new.compactMap { try ProtectionSEI.message(in: $0) }
        #expect(Set(messages.map(\.layer)) == [0, 1] && Set(messages.map(\.nonce)).count == 1)
        for message in messages { #expect(message.profile == (message.layer == 0 ? .maximal : .paper)) }
        // Hidden pictures stay hidden unless fewer are asked for.
        let hidden = try encrypt(try clip()) { $0.hiding = .all }
        for isAsked in [false, true] {
            var options = Encryption.Options()
            if isAsked { options.hiding = .none }
            let fewer = try transcode(
                hidden, .rekeyPlan(decryption(), ProtectionPlan(options: options, keys: Self.keys(20))))
            #expect(fewer.contains { SealedUnit.isOne($0, kind: .hidden) } == !isAsked)
        }
    }

    /// A VPS that cannot be read leaves the one before it in force, for encryption as for what checks tags.
    @Test(arguments: [false, true])
    func unreadableVPS(authenticates: Bool) throws {
        var clear = try clip(2)
        let vps = try #require(clear.first { $0.header.nalUnitType == .vps })
        let cut = NALUnit(header: vps.header, rbsp: Array(vps.rbsp.prefix(9)) + [0x80])
        clear.insert(cut, at: try #require(accessUnits(clear).prefix(3).map(\.count).reduce(0, +)))
        let whole = try encrypt(clear, damaged: .seal) { $0.authenticates = authenticates }
        #expect(bytes(try #require(decrypt(whole, strict: true)).given) == bytes(clear))
    }

    /// A second VPS, of more layers, that no SPS names asks for no keys.
    @Test func unusedVPS() throws {
        var clear = try clip(1)
        var other = try #require(try clip(3).first { $0.header.nalUnitType == .vps })
        var rbsp = other.rbsp
        // vps_video_parameter_set_id, u(4), is 1.
        rbsp[0] = rbsp[0] & 0x0F | 0x10
        other = NALUnit(header: other.header, rbsp: rbsp)
        clear.insert(other, at: 1)
        var options = Encryption.Options()
        options.scheme = .el
        let keys = KeyRing(layers: Self.keys().layers.filter { $0.layer == 0 })
        let whole = try transcode(clear, .plan(ProtectionPlan(options: options, keys: keys)))
        #expect(bytes(whole) != bytes(clear))
        #expect(bytes(try transcode(whole, .decrypt(Decryption(keys: keys)))) == bytes(clear))
    }

    /// The first slice of a run's first picture is left out: what is left of it goes on no picture of the run before.
    @Test func picturesEndWithTheirRun() throws {
        let one = accessUnits(try clip(1))
        let vps = try #require(try clip(2).first { $0.header.nalUnitType == .vps })
        let slice = try #require(one[0].first { isSlice($0, 0) })
        var rbsp = slice.rbsp
        // Not the first slice of its picture, of which nothing else is there.
        rbsp[0] &= 0x7F
        let rest = NALUnit(header: slice.header, rbsp: rbsp)
        let clear = one[0] + [vps, NALUnit(header: slice.header, rbsp: [0x80, 0xFF, 0x80]), rest] + one[1]
        let whole = try encrypt(clear, damaged: .drop) { _ in }
        let given = try #require(decrypt(whole)).given
        for nal in given { #expect(clear.contains { $0.bytes == nal.bytes }) }
    }

    /// Some decoders read what is no NAL unit: a stream's own are sealed, others were put in.
    @Test(arguments: [NALUnitType.vps, .sps, .pps, .idrWRADL, .endOfSequence])
    func unitsWithForbiddenHeaders(type: NALUnitType) throws {
        let clear = accessUnits(try clip(2))
        let whole = accessUnits(try encrypt(clear.flatMap { $0 }, tagged))
        let own =
            clear.joined().first { $0.header.nalUnitType == type }
            ?? NALUnit(header: NALUnitHeader(nalUnitType: type), rbsp: [])
        let rest = Array(own.bytes.dropFirst(2))
        let forbidden = [
            [own.bytes[0] | 0x80, own.bytes[1]] + rest, [own.bytes[0], own.bytes[1] & 0xF8] + rest, [own.bytes[0]], [],
        ]
        for content in forbidden {
            let unit = NALUnit(malformed: content, startCodeLength: 3, offset: 0)
            for at in [0, 3, whole.count] {
                func with(_ units: [[NALUnit]]) -> [NALUnit] { units[..<at].joined() + [unit] + units[at...].joined() }
                #expect(decrypt(with(whole)) == nil, "at \(at)")
                let damaged = with(clear)
                let sealed = try encrypt(damaged, damaged: .seal, tagged)
                #expect(bytes(try #require(decrypt(sealed, strict: true)).given) == bytes(damaged), "at \(at)")
                #expect(!sealed.contains { $0.bytes == unit.bytes })
                if type.isSlice && content.count > 1 {
                    #expect(throws: ProtectionError.self) { try encrypt(damaged, tagged) }
                }
            }
        }
    }

    // MARK: Sealed units

    /// A clip in which some slices cannot be read, and where its access units begin.
    private func damagedClip(
        _ layers: Int, ends: Set<Int> = [], damaged: [(unit: Int, layer: Int)]
    ) throws -> [NALUnit] {
        accessUnits(try clip(layers)).enumerated().flatMap { at, unit in
            (ends.contains(at) ? [NALUnit(header: NALUnitHeader(nalUnitType: .endOfSequence), rbsp: [])] : [])
                + unit.map { nal in
                    damaged.contains { $0.unit == at && isSlice(nal, $0.layer) }
                        ? NALUnit(header: nal.header, rbsp: [0x80, 0xFF, 0xFF, 0x80]) : nal
                }
        }
    }

    private func isEnd(_ nal: NALUnit) -> Bool { nal.header.nalUnitType == .endOfSequence }

    /// An end of sequence is moved over a sealed picture, or put in front of the last one.
    @Test func endsAroundSealedUnits() throws {
        let clear = try damagedClip(1, ends: [4], damaged: [(4, 0)])
        var whole = try encrypt(clear, damaged: .seal, tagged)
        #expect(bytes(try #require(decrypt(whole, strict: true)).given) == bytes(clear))
        let end = try #require(whole.firstIndex(where: isEnd))
        let place = try #require(whole.firstIndex { SealedUnit.isOne($0) })
        #expect(end < place)
        whole.insert(whole.remove(at: end), at: place)
        #expect(!strict(whole))
        var last = try encrypt(try damagedClip(1, damaged: [(7, 0)]), damaged: .seal, tagged)
        #expect(strict(last))
        last.insert(
            NALUnit(header: NALUnitHeader(nalUnitType: .endOfSequence), rbsp: []),
            at: try #require(last.firstIndex { SealedUnit.isOne($0) }))
        #expect(!strict(last))
    }

    /// Sealed units of two pictures, or of all layers of one, change places or access units.
    @Test func sealedUnitsOfTwoAccessUnits() throws {
        var whole = try encrypt(try damagedClip(2, damaged: [(1, 1), (2, 0)]), damaged: .seal, tagged)
        #expect(strict(whole))
        let places = whole.indices.filter { SealedUnit.isOne(whole[$0]) }
        whole.swapAt(places[0], places[1])
        #expect(!strict(whole))
        var three = try encrypt(try damagedClip(3, damaged: [(2, 0), (2, 1), (2, 2)]), damaged: .seal, tagged)
        #expect(strict(three))
        let all = three.indices.filter { SealedUnit.isOne(three[$0]) }
        let next = try #require(three.indices.first { $0 > all[2] && isSlice(three[$0], 0) })
        // Behind the next base picture and its tag.
        let moved = three.remove(at: all[2])
        three.insert(moved, at: next + 1)
        #expect(!strict(three))
    }

    /// Authentic streams are: with the upper key alone above hidden pictures, joined in front of and behind sealed
    /// ones.
    @Test func sealedUnitsAlarmNobody() throws {
        let upper = try Self.keys().only(layer: 1)
        let hidden = try encrypt(try damagedClip(2, damaged: [(2, 1)]), damaged: .seal) {
            $0.authenticates = true
            $0.hiding = .all
        }
        let opened = decryption(upper, lenient: true) { $0.isStrict = true }
        _ = try transcode(hidden, .decrypt(opened))
        #expect(opened.report.isWhole && opened.report.verifiedPictures == 7)
        let tail = try encrypt(try damagedClip(2, damaged: [(7, 0), (7, 1)]), damaged: .seal, tagged)
        for first in [[(0, 0)], [(0, 1)], []] as [[(unit: Int, layer: Int)]] {
            let second = try encrypt(try damagedClip(2, damaged: first), damaged: .seal, tagged)
            let joined = try join([tail, second])
            let all = decryption { $0.allowsJoined = true }
            #expect(throws: Never.self, "\(first)") { try transcode(joined, .decrypt(all)) }
            #expect(all.report.isWhole)
            // Without the end of sequence it is refused, where the first picture cannot tell that it begins anew.
            if joined.contains(where: isEnd) {
                let without = joined.filter { !isEnd($0) }
                #expect(throws: KeyError.self) {
                    try transcode(without, .decrypt(decryption { $0.allowsJoined = true }))
                }
            }
            #expect(joined.contains(where: isEnd) == !first.isEmpty)
        }
    }
}
