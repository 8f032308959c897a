// SPDX-License-Identifier: GPL-2.0-or-later
import Foundation
import Testing
import VeilBitstream
import VeilEncoder

@testable import VeilProtection

private let keys = KeyRing(
    layers: (0..<2).map {
        LayerKey(
            layer: $0, id: "k\($0)", key: SecretBytes([UInt8](repeating: UInt8($0 + 1), count: 32)), cipher: .aes256)
    })

private enum Outcome: String {
    case accepted, reported, refused
}

/// A two-layer clip in all forms that a forger may have: three periods of three pictures, the upper layer in two slices
/// a picture.
private struct Streams {
    var clear: [NALUnit]
    /// Authenticated.
    var whole: [NALUnit]
    /// The same under another nonce.
    var other: [NALUnit]
    /// Encrypted without tags.
    var untagged: [NALUnit]
}

private func transcode(_ nals: [NALUnit], _ mode: StreamTranscoder.Mode) throws -> [NALUnit] {
    var result: [NALUnit] = []
    let transcoder = StreamTranscoder(mode: mode, threads: 2) { result.append($0) }
    for nal in nals { try transcoder.push(nal) }
    try transcoder.finish()
    return result
}

private func encrypt(_ nals: [NALUnit], _ nonce: UInt8, tags: Bool, scheme: Scheme = .all) throws -> [NALUnit] {
    var options = Encryption.Options()
    options.scheme = scheme
    options.nonce = [UInt8](repeating: nonce, count: 16)
    options.authenticates = tags
    return try transcode(nals, .encrypt(try Encryption(options: options, layers: [0, 1], keys: keys)))
}

private func accessUnits(_ nals: [NALUnit]) -> [[NALUnit]] {
    var grouping = AccessUnitGrouping()
    var result = nals.compactMap { grouping.push($0) }
    if let last = grouping.finish() { result.append(last) }
    return result
}

private func bytes(_ nals: [NALUnit]) -> [UInt8] { nals.reduce(into: []) { $0.append(annexB: $1) } }

private func isTag(_ nal: NALUnit) -> Bool { (try? ProtectionSEI.authentication(in: nal)) ?? nil != nil }
private func isMessage(_ nal: NALUnit) -> Bool {
    nal.header.nalUnitType == .prefixSEI && (try? ProtectionSEI.message(in: nal)) ?? nil != nil
}
private func isEnd(_ nal: NALUnit) -> Bool {
    (((try? ProtectionSEI.authentication(in: nal)) ?? nil)?.kind ?? .picture) != .picture
}
private func isSlice(_ nal: NALUnit, _ layer: Int) -> Bool {
    nal.header.nalUnitType.isSlice && nal.header.nuhLayerId == layer
}
private func begins(_ nal: NALUnit) -> Bool { nal.bytes[2] & 0x80 != 0 }

extension Array where Element == NALUnit {
    /// Changes the `n`th unit that fits.
    fileprivate func changing(
        _ fits: (NALUnit) -> Bool, _ n: Int = 0, _ change: (inout NALUnit) -> Void
    ) -> [NALUnit] {
        var copy = self
        var count = 0
        for i in indices where fits(self[i]) {
            if count == n { change(&copy[i]) }
            count += 1
        }
        return copy
    }

    fileprivate func dropping(_ fits: (NALUnit) -> Bool, _ n: Int) -> [NALUnit] {
        var count = -1
        return filter {
            guard fits($0) else { return true }
            count += 1
            return count != n
        }
    }
}

@Suite struct ForgeryTests: LayeredClips {
    private func streams() throws -> Streams {
        let clip = try encode(
            [ClipLayer(width: 64, height: 48), ClipLayer(width: 128, height: 96)], frames: 9,
            options: [("keyint", "3"), ("min-keyint", "3"), ("bframes", "0"), ("qp", "30"), ("open-gop", "0")]
        ) {
            $0.sendsHashes = false
            $0.enhancements[0].slices = 2
        }
        return Streams(
            clear: clip.nals, whole: try encrypt(clip.nals, 1, tags: true),
            other: try encrypt(clip.nals, 2, tags: true),
            untagged: try encrypt(clip.nals, 3, tags: false))
    }

    /// What became of a stream, and what was given out of it.
    private func decrypt(
        _ nals: [NALUnit], _ options: VerificationOptions = VerificationOptions(), lenient: Bool = false
    ) -> (outcome: Outcome, given: [NALUnit], why: String) {
        var given: [NALUnit] = []
        let decryption = Decryption(keys: keys, lenient: lenient, verification: options)
        let transcoder = StreamTranscoder(mode: .decrypt(decryption), threads: 1) { given.append($0) }
        do {
            // As from a file.
            for nal in try AnnexBReader.units(of: bytes(nals), for: .passingOn) { try transcoder.push(nal) }
            try transcoder.finish()
        } catch {
            return (.refused, given, "\(error)")
        }
        return (
            decryption.report.isWhole ? .accepted : .reported, given, decryption.report.lines.joined(separator: "; ")
        )
    }

    @Test func everyForgeryIsRefusedOrReported() throws {
        let s = try streams()
        let whole = accessUnits(s.whole)
        let clear = accessUnits(s.clear)
        let other = accessUnits(s.other)
        let untagged = accessUnits(s.untagged)
        #expect(whole.count == 9 && clear.count == 9)
        func all(_ units: [NALUnit]...) -> [NALUnit] { Array(units.joined()) }
        func range(_ range: Range<Int>) -> [NALUnit] { Array(whole[range].joined()) }
        func swapped(_ i: Int, _ j: Int, layer: Int) -> [NALUnit] {
            var copy = whole
            let own = { (nal: NALUnit) in
                nal.header.nuhLayerId == layer && (nal.header.nalUnitType.isSlice || isTag(nal) || isMessage(nal))
            }
            copy[i] = whole[i].filter { !own($0) } + whole[j].filter(own)
            copy[j] = whole[j].filter { !own($0) } + whole[i].filter(own)
            return Array(copy.joined())
        }
        func message(_ at: Int, _ change: (inout [UInt8]) -> Void) -> [NALUnit] {
            s.whole.changing(isMessage, at) { nal in
                guard var payload = ProtectionSEI.ownPayload(in: nal) else { return }
                change(&payload)
                let sei = SEIMessage(payloadType: SEIMessage.userDataUnregistered, payload: payload)
                nal = NALUnit(header: nal.header, rbsp: SEIMessage.rbsp([sei]))
            }
        }
        func tag(_ at: Int, _ change: (inout AuthenticationMessage) -> Void) -> [NALUnit] {
            s.whole.changing(isTag, at) { nal in
                guard var tag = try? ProtectionSEI.authentication(in: nal) else { return }
                change(&tag)
                nal = ProtectionSEI.unit(tag, temporalId: nal.header.temporalId)
            }
        }
        let periods = [Array(whole[0..<3].joined()), Array(whole[3..<6].joined()), Array(whole[6..<9].joined())]
        let tagCount = s.whole.filter(isTag).count
        #expect(tagCount == 2 * 9 + 2)
        let upperSlice = { (nal: NALUnit) in isSlice(nal, 1) }
        let baseSlice = { (nal: NALUnit) in isSlice(nal, 0) }
        let firstUpper = { (nal: NALUnit) in isSlice(nal, 1) && begins(nal) }
        let laterUpper = { (nal: NALUnit) in isSlice(nal, 1) && !begins(nal) }

        var cases: [(name: String, nals: [NALUnit], expected: Outcome)] = [
            ("as it is", s.whole, .accepted),
            ("clear pictures in front", Array(clear[0..<3].joined()) + s.whole, .refused),
            ("clear pictures behind", s.whole + Array(clear[0..<3].joined()), .refused),
            ("clear pictures in the middle", periods[0] + Array(clear[3..<6].joined()) + periods[2], .refused),
            ("messages and tags stripped", s.whole.filter { !isTag($0) && !isMessage($0) }, .refused),
            ("messages stripped", s.whole.filter { !isMessage($0) }, .refused),
            ("tags stripped", s.whole.filter { !isTag($0) }, .refused),
            ("one tag stripped", s.whole.dropping(isTag, 7), .refused),
            ("the first message stripped", s.whole.dropping(isMessage, 0), .refused),
            ("a later message stripped", s.whole.dropping(isMessage, 3), .refused),
            (
                "the upper layer in the clear",
                zip(whole, clear).flatMap { $0.filter { $0.header.nuhLayerId == 0 } + $1.filter(upperSlice) }, .refused
            ),
            ("a slice in the clear", s.whole.changing(baseSlice, 4) { $0 = s.clear.filter(baseSlice)[4] }, .refused),
            ("periods exchanged", periods[0] + periods[2] + periods[1], .refused),
            ("a period repeated", periods[0] + periods[1] + periods[1] + periods[2], .refused),
            ("the whole repeated", s.whole + s.whole, .refused),
            ("a picture repeated", all(range(0..<5), range(4..<9)), .refused),
            ("pictures exchanged", all(range(0..<4), whole[5], whole[4], range(6..<9)), .refused),
            ("a period dropped", periods[0] + periods[2], .reported),
            ("the first period dropped", periods[1] + periods[2], .refused),
            ("an access unit dropped", all(range(0..<4), range(5..<9)), .reported),
            (
                "an upper picture dropped",
                all(range(0..<4), whole[4].filter { $0.header.nuhLayerId == 0 }, range(5..<9)), .reported
            ),
            (
                "a lower picture dropped",
                all(range(0..<4), whole[4].filter { $0.header.nuhLayerId == 1 }, range(5..<9)), .reported
            ),
            ("the end cut", Array(whole[0..<8].joined()), .reported),
            ("the marked end cut", s.whole.filter { !isEnd($0) }, .reported),
            ("the upper layer dropped", s.whole.filter { $0.header.nuhLayerId == 0 }, .reported),
            ("a slice changed", s.whole.changing(upperSlice, 6) { $0.bytes[$0.bytes.count - 3] ^= 4 }, .refused),
            (
                "a slice behind its tag",
                whole.flatMap { unit in
                    unit.flatMap { nal in
                        isTag(nal) && nal.header.nuhLayerId == 1 ? [nal] + unit.filter(laterUpper) : [nal]
                    }
                }, .refused
            ),
            ("a slice dropped", s.whole.dropping(laterUpper, 3), .refused),
            (
                "the first slice and the tag dropped",
                s.whole.dropping(firstUpper, 2).dropping({ isTag($0) && $0.header.nuhLayerId == 1 }, 2), .refused
            ),
            (
                "a picture's slices repeated",
                s.whole.flatMap { laterUpper($0) ? [$0, $0] : [$0] }, .refused
            ),
            ("upper pictures exchanged", swapped(1, 2, layer: 1), .refused),
            ("upper IRAP pictures exchanged", swapped(3, 6, layer: 1), .refused),
            ("lower pictures exchanged", swapped(4, 5, layer: 0), .refused),
            (
                "lower slices of another stream",
                s.whole.changing(baseSlice, 4) { $0 = s.other.filter(baseSlice)[4] }, .refused
            ),
            ("a part without tags", periods[0] + Array(untagged[3..<6].joined()) + periods[2], .refused),
            ("another stream behind", s.whole + s.other, .reported),
            ("another stream in the middle", periods[0] + Array(other[3..<6].joined()) + periods[2], .reported),
            ("a stream without tags in front", s.untagged + s.whole, .reported),
            (
                "parameter set changed",
                s.whole.changing({ $0.header.nalUnitType == .pps && $0.header.nuhLayerId == 1 }) {
                    $0.bytes[$0.bytes.count - 1] ^= 0x60
                }, .refused
            ),
            (
                "unit type changed",
                s.whole.changing({ $0.header.nalUnitType == .trailR && $0.header.nuhLayerId == 0 }, 1) {
                    $0.header.nalUnitType = .trailN
                    $0.bytes[0] = 0
                }, .refused
            ),
            (
                "a reserved picture put in",
                s.whole.flatMap { nal -> [NALUnit] in
                    guard isTag(nal), nal.header.nuhLayerId == 0 else { return [nal] }
                    return [
                        nal, NALUnit(header: NALUnitHeader(nalUnitType: NALUnitType(rawValue: 22)), rbsp: [0x80, 1]),
                    ]
                }, .refused
            ),
            ("a picture's tag put behind another", tag(9) { $0.tag = [UInt8](repeating: 7, count: 16) }, .refused),
            ("an index changed", tag(9) { $0.index += 1 }, .refused),
            ("a number of slices changed", tag(9) { $0.sliceCount += 1 }, .refused),
            ("a digest changed", tag(9) { $0.lowerDigest[0] ^= 1 }, .refused),
            ("the end's number changed", tag(tagCount - 1) { $0.index += 1 }, .refused),
            (
                "the end of the first period",
                s.whole.flatMap { nal -> [NALUnit] in
                    isSlice(nal, 0) && nal.bytes == s.whole.filter(baseSlice)[4].bytes
                        ? s.whole.filter(isEnd) + [nal] : [nal]
                }, .refused
            ),
        ]
        // Every byte of a message is covered.
        let length = try #require(s.whole.first(where: isMessage).flatMap { ProtectionSEI.ownPayload(in: $0) }).count
        for at in 16..<length {
            cases.append(("byte \(at) of a message changed", message(2) { $0[at] ^= 1 }, .refused))
        }
        for (name, nals, expected) in cases {
            let (outcome, given, why) = decrypt(nals)
            #expect(outcome == expected, "\(name): \(why)")
            if outcome == .refused {
                // Nothing was given out that is not the encryptor's: pictures of one access unit of its, whole. What
                // is missing is a loss, of the last one also what still waited when the next was refused.
                let slices = { (unit: [NALUnit], layer: Int) in unit.filter { isSlice($0, layer) } }
                let units = accessUnits(given).filter { $0.contains { $0.header.nalUnitType.isSlice } }
                for (i, unit) in units.enumerated() {
                    let isKnown = clear.contains { whole in
                        [0, 1].allSatisfy { layer in
                            let own = slices(unit, layer)
                            let all = slices(whole, layer)
                            let wanted = own.isEmpty || i == units.count - 1 ? Array(all.prefix(own.count)) : all
                            return bytes(own) == bytes(wanted)
                        }
                    }
                    #expect(isKnown, "\(name)")
                }
            }
        }
        #expect(cases.filter { $0.expected != .accepted }.count >= 25)
        #expect(bytes(decrypt(s.whole).given) == bytes(s.clear))
    }

    @Test func whatIsAllowedPasses() throws {
        let s = try streams()
        let clear = accessUnits(s.clear)
        var joined = VerificationOptions()
        joined.allowsJoined = true
        #expect(decrypt(s.whole + s.other, joined).outcome == .accepted)
        var open = VerificationOptions()
        open.allowsClear = true
        #expect(decrypt(clear[0] + s.untagged, open).outcome == .accepted)
        #expect(decrypt(s.clear, open).outcome == .accepted)
        #expect(decrypt(s.clear).outcome == .refused)
        // Layers that the scheme leaves clear are no forgery.
        for scheme in [Scheme.bl, .el] {
            for tags in [false, true] {
                let part = try encrypt(s.clear, 9, tags: tags, scheme: scheme)
                let result = decrypt(part)
                #expect(result.outcome == .accepted, "\(scheme) \(tags): \(result.why)")
                #expect(bytes(result.given) == bytes(s.clear))
            }
        }
        var strict = VerificationOptions()
        strict.isStrict = true
        let units = accessUnits(s.whole)
        #expect(decrypt(s.whole, strict).outcome == .accepted)
        #expect(decrypt(Array((units[0..<4] + units[5...]).joined()), strict).outcome == .refused)
        #expect(decrypt(Array(units[0..<8].joined()), strict).outcome == .refused)
        #expect(decrypt(s.whole + s.other, strict).outcome == .refused)
    }

    /// Parts put together again are whole; each alone is reported as a part.
    @Test func partsAreWholeTogether() throws {
        let s = try streams()
        var splitting = StreamSplitting(every: 1)
        var parts: [[NALUnit]] = []
        func add(_ unit: [NALUnit]?) {
            guard let unit else { return }
            while parts.count <= splitting.part { parts.append([]) }
            parts[splitting.part] += unit
        }
        for nal in s.whole { add(try splitting.push(nal)) }
        add(try splitting.finish())
        #expect(parts.count == 3)
        for part in parts { #expect(decrypt(part).outcome == .reported) }
        let result = decrypt(try join(parts, continuous: true))
        #expect(result.outcome == .accepted, "\(result.why)")
        #expect(bytes(result.given) == bytes(s.clear))
    }

    /// What no tag covers cannot be put in, and what one encryption wrote is no joined stream.
    @Test func nothingIsPutIn() throws {
        let s = try streams()
        let units = accessUnits(s.whole)
        func whole(with nal: NALUnit, before index: Int) -> [NALUnit] {
            Array(units[..<index].joined()) + [nal] + Array(units[index...].joined())
        }
        let clear = try #require(s.clear.first { isSlice($0, 0) })
        for layer in [2, 7, 62] {
            var foreign = clear
            foreign.header.nuhLayerId = layer
            foreign.bytes.replaceSubrange(0..<2, with: foreign.header.bytes)
            #expect(decrypt(whole(with: foreign, before: 2)).outcome == .refused, "layer \(layer)")
        }
        for type in [NALUnitType.vps, .sps, .pps] {
            var cut = try #require(s.whole.first { $0.header.nalUnitType == type })
            cut.bytes.removeLast(cut.bytes.count - 3)
            #expect(decrypt(whole(with: cut, before: 3)).outcome == .refused, "\(type)")
        }
        var demanding = VerificationOptions()
        demanding.requiresTags = true
        #expect(decrypt(s.whole, demanding).outcome == .accepted)
        #expect(decrypt(s.untagged, demanding).outcome == .refused)
        // An unknown key's message is no cover for slices of a layer whose key is held.
        var message = try #require(try s.untagged.lazy.compactMap { try ProtectionSEI.message(in: $0) }.first)
        message.keyId = "unknown"
        #expect(decrypt([ProtectionSEI.unit(message)] + s.clear, lenient: true).outcome == .refused)
        #expect(decrypt(whole(with: ProtectionSEI.unit(message), before: 4), lenient: true).outcome == .refused)
    }

    @Test func sealedUnitsKeepTheirPlaces() throws {
        let s = try streams()
        var damaged = s.clear
        for (n, i) in damaged.indices.filter({ isSlice(damaged[$0], 1) }).enumerated() where n % 5 == 2 {
            damaged[i].bytes.removeLast(3)
        }
        var options = Encryption.Options()
        options.authenticates = true
        var sealed: [NALUnit] = []
        let plan = ProtectionPlan(options: options, keys: keys)
        let transcoder = StreamTranscoder(mode: .plan(plan), threads: 1, damaged: .seal) { sealed.append($0) }
        for nal in damaged { try transcoder.push(nal) }
        try transcoder.finish()
        let places = sealed.indices.filter { SealedUnit.isOne(sealed[$0]) }
        try #require(places.count >= 3)
        let result = decrypt(sealed)
        #expect(result.outcome == .accepted && bytes(result.given) == bytes(damaged), "\(result.why)")
        let unit = sealed[places[1]]
        #expect(decrypt(sealed + [unit]).outcome == .refused)
        for at in stride(from: places[1] + 1, to: sealed.count, by: 3) {
            var copy = sealed
            copy.insert(unit, at: at)
            #expect(decrypt(copy).outcome == .refused, "repeated at \(at)")
            copy.remove(at: places[1])
            if at > places[1] + 1 { #expect(decrypt(copy).outcome == .refused, "moved to \(at)") }
        }
    }

    /// One encryption's runs follow from each other.
    @Test func runsOfOneEncryptionBelongTogether() throws {
        let s = try streams()
        let single = try encode(
            [ClipLayer(width: 64, height: 48)], frames: 3, options: [("qp", "30"), ("bframes", "0")])
        var options = Encryption.Options()
        options.authenticates = true
        var whole: [NALUnit] = []
        let plan = ProtectionPlan(options: options, keys: keys)
        let transcoder = StreamTranscoder(mode: .plan(plan), threads: 1) { whole.append($0) }
        let clear = s.clear + single.nals + s.clear
        for nal in clear { try transcoder.push(nal) }
        try transcoder.finish()
        let result = decrypt(whole)
        #expect(result.outcome == .accepted && bytes(result.given) == bytes(clear), "\(result.why)")
        // By run: the ends of one come before whatever is the next one's.
        var parted: [[NALUnit]] = [[]]
        for (i, nal) in whole.enumerated() {
            parted[parted.count - 1].append(nal)
            if isEnd(nal), i + 1 < whole.count, !isEnd(whole[i + 1]) { parted.append([]) }
        }
        try #require(parted.count == 3)
        #expect(decrypt(Array(parted.joined())).outcome == .accepted)
        #expect(decrypt(parted[0] + parted[2]).why.contains("1 run is missing"))
        // A run alone is no whole: what came before is counted, and what follows is announced.
        #expect(decrypt(parted[0]).why.contains("was cut off"))
        #expect(decrypt(parted[0] + parted[1]).why.contains("was cut off"))
        #expect(decrypt(parted[1] + parted[2]).why.contains("9 pictures are missing"))
        #expect(decrypt(parted[2]).why.contains("pictures are missing"))
        for kept in [[0], [1], [2], [0, 1], [1, 2], [0, 2]] {
            var strict = VerificationOptions()
            strict.isStrict = true
            #expect(decrypt(kept.flatMap { parted[$0] }, strict).outcome == .refused, "\(kept)")
        }
        #expect(decrypt(parted[0] + parted[1] + parted[0]).outcome == .refused)
        #expect(decrypt(parted[1] + parted[0] + parted[2]).outcome != .accepted)
    }

    /// The last pictures of a stream end where its last unit says, whatever follows them.
    @Test func endsOfSequencesStayLast() throws {
        let s = try streams()
        let end = NALUnit(
            header: NALUnitHeader(nalUnitType: .endOfSequence),
            bytes: NALUnitHeader(nalUnitType: .endOfSequence).bytes)
        let clear = s.clear + [end]
        let tagged = try encrypt(clear, 1, tags: true)
        #expect(tagged.last?.header.nalUnitType == .endOfSequence)
        let result = decrypt(tagged)
        #expect(result.outcome == .accepted, "\(result.why)")
        #expect(bytes(result.given) == bytes(clear))
    }

    /// Streams of version 1 that authenticate are read, and forged ones refused or reported.
    @Test(arguments: [
        "v.auth", "10_prepend_clear", "11_all_stripped", "13_el_replaced_clear", "14_gops_swapped", "15_gop_replayed",
        "16_gop_dropped", "20_downgraded", "23_second_slice_after_tag", "25_first_slice_and_tag_cut",
    ])
    func firstVersion(name: String) throws {
        let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .appendingPathComponent("Fixtures/authenticate")
        guard FileManager.default.fileExists(atPath: folder.appendingPathComponent("\(name).hevc").path) else {
            Issue.record("\(name).hevc is missing")
            return
        }
        let stream = [UInt8](try Data(contentsOf: folder.appendingPathComponent("\(name).hevc")))
        let ring = try KeyRing(reference: folder.appendingPathComponent("keys.json").path)
        let decryption = Decryption(keys: ring)
        var given: [NALUnit] = []
        let transcoder = StreamTranscoder(mode: .decrypt(decryption), threads: 2) { given.append($0) }
        var isRefused = false
        do {
            for nal in try AnnexBReader.units(of: stream) { try transcoder.push(nal) }
            try transcoder.finish()
        } catch is KeyError {
            isRefused = true
        }
        if name == "v.auth" {
            #expect(!isRefused && decryption.report.isWhole)
            #expect(decryption.report.warnings.count == 1)
            let clear = [UInt8](try Data(contentsOf: folder.appendingPathComponent("v.clear.hevc")))
            #expect(bytes(given) == clear)
        } else {
            #expect(isRefused || !decryption.report.isWhole)
        }
    }
}
