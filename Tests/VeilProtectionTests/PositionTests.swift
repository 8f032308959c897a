// SPDX-License-Identifier: GPL-2.0-or-later
import Foundation
import TestSupport
import Testing
import VeilBitstream
import VeilEntropy

@testable import VeilProtection

/// The periods that an encryptor numbers, and how a decryptor follows them.
@Suite struct PositionTests {
    private func header(
        _ lsb: Int, _ type: NALUnitType = .trailR, layer: Int = 0, reset: Int = 0, resetPeriod: Int = 0
    ) -> SliceSegmentHeader {
        var h = SliceSegmentHeader()
        h.nalUnitType = type
        h.nuhLayerId = layer
        h.slicePicOrderCntLsb = lsb
        h.pocResetIdc = reset
        h.pocResetPeriodId = resetPeriod
        return h
    }

    /// What an encryptor calls the pictures, and what it announces.
    private struct Encryptor {
        var stream = StreamPosition()
        var numbering = PeriodNumbering()
        mutating func next(_ h: SliceSegmentHeader) throws -> (position: PicturePosition, start: PeriodStart?) {
            let position = try numbering.next(
                stream.next(h, log2MaxPicOrderCntLsb: 4), layer: h.nuhLayerId, isIRAP: h.nalUnitType.isIRAP)
            return (
                position,
                position.beginsPeriod
                    ? PeriodStart(period: UInt32(position.period), pocLsb: h.slicePicOrderCntLsb) : nil
            )
        }
    }

    private struct Name: Hashable {
        let layer: Int
        let period: Int
        let count: Int
    }

    /// Streams of three layers with everything that makes counts repeat: IDR, CRA and BLA pictures, leading pictures,
    /// ends of sequences, POC resets, first pictures of any type, and counts repeated outright.
    @Test(arguments: 0..<40)
    func noTwoPicturesShareAPosition(seed: Int) throws {
        var random = SplitMix(state: UInt64(seed))
        func number(_ below: Int) -> Int { Int(random.next() % UInt64(below)) }
        var encryptor = Encryptor()
        var decryptor = StreamPosition()
        var names: Set<Name> = []
        var lsb = 0
        for _ in 0..<400 {
            let types: [NALUnitType] = [
                .trailR, .trailN, .trailR, .raslN, .radlN, .trailR, .idrNLP, .cra, .blaNLP, .trailR, .trailR,
            ]
            let type = types[number(types.count)]
            if number(5) > 0 { lsb = (lsb + 1 + number(3)) & 15 }
            if number(30) == 0 {
                encryptor.stream.endOfSequence(layer: 0)
                decryptor.endOfSequence(layer: 0)
            }
            let reset = !type.isIDR && number(12) == 0 ? 1 + number(2) : 0
            encryptor.stream.boundary()
            decryptor.boundary()
            for layer in 0..<3 where layer == 0 || number(6) > 0 {
                let h = header(type.isIDR ? 0 : lsb, type, layer: layer, reset: reset, resetPeriod: number(4))
                let (position, start) = try encryptor.next(h)
                let name = Name(layer: layer, period: position.period, count: position.pocDelta)
                #expect(names.insert(name).inserted, "\(name)")
                let read = decryptor.next(h, log2MaxPicOrderCntLsb: 4) { _, _ in start }
                #expect(read.period == position.period && read.pocDelta == position.pocDelta)
            }
        }
    }

    /// The picture that a period begins with is lost, or its message is, and the rest is still found.
    @Test func lossesAreBridged() throws {
        let stream =
            [header(0, .idrNLP)] + (1..<10).map { header($0) } + [header(10, .cra), header(8, .raslN)]
            + (11..<20).map { header($0 & 15) } + [header(0, .idrNLP)] + (1..<9).map { header($0) }
        for lost in [10, 21] {
            for losesMessage in [false, true] {
                var encryptor = Encryptor()
                var decryptor = StreamPosition()
                var pending: PeriodStart?
                for (i, h) in stream.enumerated() {
                    let (position, start) = try encryptor.next(h)
                    if !(losesMessage && i == lost) { pending = start ?? pending }
                    if i == lost && !losesMessage { continue }
                    let read = decryptor.next(h, log2MaxPicOrderCntLsb: 4) { _, _ in
                        defer { pending = nil }
                        return pending
                    }
                    #expect(read.period == position.period && read.pocDelta == position.pocDelta, "picture \(i)")
                }
            }
        }
    }

    @Test func periodsRunOut() throws {
        var stream = StreamPosition()
        var numbering = PeriodNumbering(first: Int(UInt32.max))
        let first = stream.next(header(0, .idrNLP), log2MaxPicOrderCntLsb: 4)
        #expect(try numbering.next(first, layer: 0, isIRAP: true).period == Int(UInt32.max))
        let second = stream.next(header(0, .idrNLP), log2MaxPicOrderCntLsb: 4)
        #expect(throws: PositionError.self) { try numbering.next(second, layer: 0, isIRAP: true) }
    }

    /// Where nothing can be announced, a repeated count is an error and not a keystream used twice.
    @Test func silentNumberingRefusesRepeatedCounts() throws {
        var stream = StreamPosition()
        var numbering = PeriodNumbering(isSilent: true)
        func next(_ h: SliceSegmentHeader) throws -> PicturePosition {
            try numbering.next(
                stream.next(h, log2MaxPicOrderCntLsb: 4), layer: 0, isIRAP: h.nalUnitType.isIRAP)
        }
        _ = try next(header(0, .idrNLP))
        #expect(try next(header(1)).pocDelta == 1)
        #expect(throws: PositionError.self) { try next(header(1)) }
    }

    @Test func intervalsAreASet() {
        var random = SplitMix(state: 7)
        var intervals = IntervalSet()
        var plain: Set<Int> = []
        for _ in 0..<3000 {
            let value = Int(random.next() % 500) - 250
            #expect(intervals.insert(value) == plain.insert(value).inserted)
        }
    }

    /// The values of Docs/Format.md.
    @Test func thePageHasTheTestVectors() throws {
        let key = SecretBytes(Array(0..<32))
        var message = ProtectionMessage()
        message.layer = 1
        message.isAuthenticated = true
        message.period = 3
        message.pocLsb = 5
        message.protectedLayers = 3
        message.nonce = Array(0..<16)
        message.keyId = "k"
        let keys = StreamKey(key: key, message: message)
        message.keyCheck = keys.check(message)
        func hash(_ text: String) -> [UInt8] { PictureFollower.hash(Array(text.utf8)) }
        var position = PicturePosition(poc: 12, period: 3, periodPoc: 10)
        position.beginsPeriod = false
        let picture = PictureFollower.Picture(
            layer: 1, temporalId: 0, offset: 0, isIRAP: false, position: position,
            messageHash: PictureFollower.hash(message.payload), vpsHash: hash("vps"), spsHash: hash("sps"),
            ppsHash: hash("pps"), slices: [hash("slice")], lowerDigest: [UInt8](repeating: 0, count: 16),
            hasLower: false, lowerHeaders: [])
        var tag = AuthenticationMessage(layer: 1, tag: [])
        tag.index = 7
        tag.sliceCount = 1
        tag.sign(picture, sealed: [], key: keys.authentication)
        var end = AuthenticationMessage(layer: 1, tag: [])
        end.kind = .end
        end.index = 9
        end.sign(sealed: [], key: keys.authentication)
        var below = tag
        below.lowerLayer = 0
        below.followsEnd = true
        var lower = PictureFollower.Picture(
            layer: 0, temporalId: 0, offset: 0, isIRAP: false, position: position, messageHash: [],
            vpsHash: hash("vps"), spsHash: hash("sps"), ppsHash: hash("pps"), lowerDigest: picture.lowerDigest,
            hasLower: false, lowerHeaders: [])
        lower.slices = [hash("slice")]
        below.sign(lower, sealed: [], key: keys.authentication)
        var runEnd = end
        runEnd.kind = .runEnd
        runEnd.lowerLayer = 0
        runEnd.sign(sealed: [], key: keys.authentication)
        let page = try String(
            contentsOf: URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
                .deletingLastPathComponent().appendingPathComponent("Docs/Format.md"), encoding: .utf8)
        for value in [
            ("commitment", message.keyCheck), ("tag of a picture", tag.tag), ("tag of an end", end.tag),
            ("tag of a picture of layer 0 below, after an end of sequence", below.tag),
            ("tag of a run's end in layer 0 below", runEnd.tag),
            ("Veil keystream 2", keys.keystream.bytes), ("Veil authentication 2", keys.authentication.bytes),
        ] {
            #expect(page.contains("| \(value.0) | \(Hexadecimal.encode(value.1)) |"), "\(value.0)")
        }
        #expect(try ProtectionMessage(payload: message.payload) == message)
        #expect(try AuthenticationMessage(payload: tag.payload) == tag)
        #expect(try AuthenticationMessage(payload: end.payload) == end)
        #expect(try AuthenticationMessage(payload: below.payload) == below)
        #expect(try AuthenticationMessage(payload: runEnd.payload) == runEnd)
    }
}
