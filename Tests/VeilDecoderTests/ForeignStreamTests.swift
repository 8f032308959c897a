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

    /// The parameter sets come after the first pictures: those are skipped, which is said once.
    @Test func slicesBeforeTheirParameterSets() throws {
        let units = try AnnexBReader.units(of: ParallelStreams.reordered)
        var stream: [UInt8] = []
        for unit in units where unit.header.nalUnitType.isSlice { stream.append(annexB: unit) }
        let result = try decodeAllLayers(stream + ParallelStreams.reordered)
        #expect(result.md5 == (try decodeAllLayers(ParallelStreams.reordered)).md5)
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
}
