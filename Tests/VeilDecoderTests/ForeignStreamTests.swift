// SPDX-License-Identifier: GPL-2.0-or-later
import TestSupport
import Testing
import VeilBitstream

@testable import VeilDecoder

/// Streams that are not quite as the standard has them, and decode all the same. The hashes are those of FFmpeg.
@Suite struct ForeignStreamTests {
    /// A prefix SEI message of layer 0 between the pictures of an access unit does not end it (F.7.4.2.4.4).
    @Test func messageAmidAnAccessUnit() throws {
        let result = try decodeAllLayers(ForeignStreams.stereo)
        #expect(result.md5 == [0: "8c00ea30a24a45363a3c7aab43bc05be", 1: "56a78e04312595863864915b8f8f6cef"])
        #expect(result.report.isClean, "\(result.report)")
        var grouping = AccessUnitGrouping()
        var units: [[NALUnit]] = []
        let all = try AnnexBReader.units(of: ForeignStreams.stereo)
        for nal in all { if let unit = grouping.push(nal) { units.append(unit) } }
        if let unit = grouping.finish() { units.append(unit) }
        #expect(units.count == 10 && units.joined().map(\.offset) == all.map(\.offset))
        #expect(
            units.allSatisfy { $0.filter { $0.header.nalUnitType.isSlice }.map(\.header.nuhLayerId) == [0, 1] })
    }

    /// What stands before a picture of the base layer goes with it; a delimiter ends what came before.
    @Test func unitsGoWithTheirAccessUnit() throws {
        func unit(_ type: NALUnitType, _ layer: Int = 0) -> NALUnit {
            let header = NALUnitHeader(nalUnitType: type, nuhLayerId: layer)
            return NALUnit(header: header, bytes: header.bytes + [0x80])
        }
        var grouping = AccessUnitGrouping()
        var counts: [Int] = []
        for nal in [
            unit(.sps), unit(.trailR), unit(.prefixSEI), unit(.trailR, 1), unit(.suffixSEI, 1), unit(.prefixSEI),
            unit(.prefixSEI, 1), unit(.trailR), unit(.accessUnitDelimiter), unit(.trailR, 1), unit(.trailR, 1),
            unit(.endOfSequence), unit(.pps), unit(.trailR),
        ] {
            if let ended = grouping.push(nal) { counts.append(ended.count) }
        }
        #expect(counts == [5, 3, 2, 2] && grouping.finish()?.count == 2)
    }

    /// Pictures in front of the parameter sets are decoded once these are there, to the end of the stream at most.
    @Test(arguments: [1, 4, 1000]) func lateParameterSets(pictures: Int) throws {
        let units = try AnnexBReader.units(of: ForeignStreams.smallBuffer)
        let sets = units.filter { [.vps, .sps, .pps].contains($0.header.nalUnitType) }
        var moved: [NALUnit] = []
        var count = 0
        for nal in units where ![.vps, .sps, .pps].contains(nal.header.nalUnitType) {
            if nal.header.nalUnitType.isSlice && nal.beginsPicture {
                if count == pictures { moved += sets }
                count += 1
            }
            moved.append(nal)
        }
        if count <= pictures { moved += sets }
        var bytes: [UInt8] = []
        for nal in moved { bytes.append(annexB: nal) }
        let result = try decodeAllLayers(bytes)
        #expect(result.frames == [0: 40] && result.md5[0] == "3e53b407754036e58af857d57df5addb")
        #expect(result.report.isClean, "\(result.report)")
    }

    @Test func bufferSmallerThanReferenceSets() throws {
        let result = try decodeAllLayers(ForeignStreams.smallBuffer)
        #expect(result.frames == [0: 40] && result.md5[0] == "3e53b407754036e58af857d57df5addb")
        #expect(result.report.isClean, "\(result.report)")
        #expect(result.report.messages.filter { $0.contains("sps_max_dec_pic_buffering_minus1") }.count == 1)
    }

    /// The extension of this VPS ends where representation formats should be: the layers need none of them.
    @Test func alphaWithoutFormats() throws {
        let bytes = ForeignStreams.alphaVps
        let nal = NALUnit(header: try NALUnitHeader(bytes[0], bytes[1]), bytes: bytes)
        let vps = try VideoParameterSet(rbsp: nal.rbsp)
        #expect(vps.layerIds == [0, 1] && vps.auxId(ofLayer: 1) == 1 && vps.directReferenceLayers(of: 1).isEmpty)
        #expect(vps.ext?.unreadable != nil && vps.ext?.pocLsbNotPresentFlag == [false, true])
        #expect(NALUnit(header: nal.header, rbsp: vps.rbsp()).bytes == bytes)
    }

    @Test func missingVPS() throws {
        let units = try AnnexBReader.units(of: ParallelStreams.reordered)
        var stream: [UInt8] = []
        for unit in units where unit.header.nalUnitType != .vps { stream.append(annexB: unit) }
        let result = try decodeAllLayers(stream)
        #expect(result.md5 == (try decodeAllLayers(ParallelStreams.reordered)).md5 && result.report.isClean)
    }

    /// The parameter sets come after the first pictures, which wait for them; where none come that is said once.
    @Test func slicesBeforeTheirParameterSets() throws {
        let units = try AnnexBReader.units(of: ParallelStreams.reordered)
        var stream: [UInt8] = []
        for unit in units where unit.header.nalUnitType.isSlice { stream.append(annexB: unit) }
        let late = try decodeAllLayers(stream + ParallelStreams.reordered)
        #expect(late.md5 == (try decodeAllLayers(ParallelStreams.reordered + ParallelStreams.reordered)).md5)
        #expect(late.report.isClean, "\(late.report)")
        let result = try decodeAllLayers(stream)
        #expect(result.frames.isEmpty)
        #expect(result.report.messages.filter { $0.contains("PPS 0 is missing") }.count == 1, "\(result.report)")
        #expect(result.report.damagedUnits > 2)
    }

    /// A stream that begins amid a period: nothing before the first IRAP picture is decoded, which is said once.
    @Test func beginsAtAnyPicture() throws {
        let units = try AnnexBReader.units(of: ParallelStreams.reordered)
        let sets = units.filter { !$0.header.nalUnitType.isVCL && $0.header.nalUnitType != .suffixSEI }
        let tail = units.filter { $0.header.nalUnitType.isSlice && !$0.header.nalUnitType.isIRAP }
        var stream: [UInt8] = []
        for unit in sets + tail { stream.append(annexB: unit) }
        let result = try decodeAllLayers(stream + ParallelStreams.reordered)
        #expect(result.md5 == (try decodeAllLayers(ParallelStreams.reordered)).md5)
        #expect(result.report.messages.filter { $0.contains("before any IRAP picture") }.count <= 3)
    }

    private func units(_ change: (Int, NALUnit) -> [NALUnit]) throws -> [UInt8] {
        var stream: [UInt8] = []
        var slices = 0
        for unit in try AnnexBReader.units(of: ParallelStreams.reordered) {
            for made in change(slices, unit) { stream.append(annexB: made) }
            if unit.header.nalUnitType.isSlice { slices += 1 }
        }
        return stream
    }

    private func unit(_ type: NALUnitType, _ payload: [UInt8]) -> NALUnit {
        let header = NALUnitHeader(nalUnitType: type)
        return NALUnit(header: header, bytes: header.bytes + payload)
    }

    /// What surrounds the syntax and means nothing: the pictures are those of the stream without it, and nothing is
    /// said of it.
    @Test func whatMeansNothing() throws {
        let whole = try decodeAllLayers(ParallelStreams.reordered)
        let streams: [String: [UInt8]] = [
            "data behind SPS and PPS": try units { _, unit in
                let type = unit.header.nalUnitType
                return type == .sps || type == .pps
                    ? [NALUnit(header: unit.header, bytes: unit.bytes + [0x11, 0x22, 0x80])] : [unit]
            },
            "cabac_zero_words": try units { _, unit in
                unit.header.nalUnitType.isSlice
                    ? [NALUnit(header: unit.header, bytes: unit.bytes + [0, 0, 3, 0, 0, 3])] : [unit]
            },
            "garbage behind slices": try units { _, unit in
                unit.header.nalUnitType.isSlice
                    ? [NALUnit(header: unit.header, bytes: unit.bytes + Array("garbage".utf8))] : [unit]
            },
            "empty units": try units { _, unit in [NALUnit(malformed: [], startCodeLength: 3, offset: 0), unit] },
            "units of one byte": try units { _, unit in
                [unit, NALUnit(malformed: [0x4E], startCodeLength: 4, offset: 0)]
            },
            "prefix SEI that overruns": try units { n, unit in
                n == 1 && unit.header.nalUnitType.isSlice
                    ? [self.unit(.prefixSEI, [5, 255, 255, 16, 97, 98, 0x80]), unit] : [unit]
            },
            "SEI without messages": try units { _, unit in
                unit.header.nalUnitType.isSlice ? [self.unit(.prefixSEI, []), unit] : [unit]
            },
            "reserved and unspecified types": try units { _, unit in
                unit.header.nalUnitType.isSlice
                    ? [41, 47, 48, 55, 56, 63].map { self.unit(NALUnitType(rawValue: $0), [1, 2, 0x80]) } + [unit]
                    : [unit]
            },
            "mixed start codes": try units { n, unit in
                var unit = unit
                unit.startCodeLength = 3 + n % 4
                return [unit]
            },
            "zeros around it": [UInt8](repeating: 0, count: 99) + ParallelStreams.reordered
                + [UInt8](repeating: 0, count: 99),
        ]
        for (what, stream) in streams {
            let result = try decodeAllLayers(stream)
            #expect(result.md5 == whole.md5 && result.frames == whole.frames, "\(what)")
            #expect(result.report.isClean && result.report.messages.isEmpty, "\(what): \(result.report)")
        }
    }

    /// A hash message that overruns is damage that is told of, and costs no picture.
    @Test func hashThatOverruns() throws {
        let whole = try decodeAllLayers(ParallelStreams.reordered)
        let result = try decodeAllLayers(
            try units { n, unit in n == 1 ? [unit, self.unit(.suffixSEI, [132, 255, 255, 7, 0x80])] : [unit] })
        #expect(result.md5 == whole.md5)
        #expect(result.report.messages.allSatisfy { $0.contains("sei_payload") })
    }

    /// A picture that comes twice is shown once; so do players.
    @Test(arguments: [1, 3]) func repeatedOrderCounts(threads: Int) throws {
        let whole = try decodeAllLayers(ParallelStreams.reordered)
        let twice = try units { n, unit in
            unit.header.nalUnitType.isSlice && !unit.header.nalUnitType.isIRAP ? [unit, unit] : [unit]
        }
        let result = try decodeAllLayers(twice, threads: threads)
        #expect(result.md5 == whole.md5 && result.frames == whole.frames)
        #expect(
            result.report.messages == ["layer 0: pictures that repeat the order count of one still at hand, skipped"])
    }
}
