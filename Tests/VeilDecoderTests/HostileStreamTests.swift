// SPDX-License-Identifier: GPL-2.0-or-later
import TestSupport
import Testing
import VeilBitstream

@testable import VeilDecoder

/// Streams made to hurt: nothing of one picture is looked up by the places of another, and what a stream costs stays
/// in proportion to what it sends.
@Suite struct HostileStreamTests {
    private func decode(
        _ units: [NALUnit], threads: Int = 1, limits: StreamLimits = StreamLimits(keepsToLevel: false)
    ) throws -> (frames: [DecodedFrame], report: DecodeReport) {
        var options = Decoder.Options()
        options.threads = threads
        options.limits = limits
        var frames: [DecodedFrame] = []
        let decoder = Decoder(options: options) { frames.append($0) }
        for unit in units { try decoder.push(unit) }
        try decoder.finish()
        return (frames, decoder.report)
    }

    /// The collocated picture, the other references and what stands in for lost CTUs are of the old size.
    @Test func layerThatChangesItsSize() throws {
        let one = try decodeAllLayers(ForeignStreams.resized)
        #expect(one.report.missingReferences > 0 && one.frames[1] ?? 0 > 0, "\(one.report)")
        #expect(try decodeAllLayers(ForeignStreams.resized, threads: 3).md5 == one.md5)
    }

    @Test func levelAndSizeAreLimits() throws {
        let units = try AnnexBReader.units(of: ForeignStreams.missingReferences)
        #expect(throws: LimitError.level(8192 * 4352, level: 3.1, limit: 983_040)) {
            try decode(units, limits: StreamLimits())
        }
        #expect(throws: LimitError.pixels(8192 * 4352, limit: 1_000_000)) {
            try decode(units, limits: StreamLimits(maxPixels: 1_000_000, keepsToLevel: false))
        }
        let small = try AnnexBReader.units(of: ParallelStreams.reordered)
        #expect(throws: LimitError.pixels(128 * 64, limit: 8191)) {
            try decode(small, limits: StreamLimits(maxPixels: 8191))
        }
        #expect(try decode(small, limits: StreamLimits(maxPixels: 8192)).report.isClean)
    }

    @Test func buffersOfALevel() throws {
        let sps = SequenceParameterSet()
        sps.picWidthInLumaSamples = 4096
        sps.picHeightInLumaSamples = 2176
        sps.profileTierLevel.generalLevelIdc = 153
        sps.subLayerOrdering = [.init(maxDecPicBufferingMinus1: 5)]
        try StreamLimits().check(sps)
        sps.subLayerOrdering = [.init(maxDecPicBufferingMinus1: 6)]
        #expect(throws: LimitError.buffers(7, level: 5.1, limit: 6)) { try StreamLimits().check(sps) }
        sps.profileTierLevel.generalLevelIdc = 183
        try StreamLimits().check(sps)
    }

    /// Fifteen lost pictures are one picture in memory.
    @Test func lostPicturesShareTheirSamples() throws {
        let result = try decode(try AnnexBReader.units(of: ForeignStreams.missingReferences))
        #expect(result.report.missingReferences == 15)
        #expect(Set(result.frames.map { ObjectIdentifier($0.picture.frame) }).count <= 3)
    }

    /// Parameter sets of a 4096x4096 stream, and a slice segment of six bytes by its address.
    private func parameterSets() throws -> [NALUnit] {
        try [
            "40010c01ffff01600000030090000003000003005d97024000",
            "42010101600000030090000003000003005da0008008004005965eaf0820", "4401c0718012",
        ].map { hex in
            let digits = Array(hex)
            let bytes = stride(from: 0, to: digits.count, by: 2).compactMap {
                UInt8(String(digits[$0..<$0 + 2]), radix: 16)
            }
            return NALUnit(header: try NALUnitHeader(bytes[0], bytes[1]), bytes: bytes)
        }
    }

    private func slice(_ address: Int) throws -> NALUnit {
        let head: [UInt8]
        if address == 0 {
            head = [0x26, 0x01, 0xAF]
        } else {
            let value = 0x20_000F + address * 0x20
            head = [0x26, 0x01, UInt8(value >> 16), UInt8(value >> 8 & 255), UInt8(value & 255)]
        }
        return NALUnit(header: try NALUnitHeader(0x26, 0x01), bytes: head + [0xA5, 0x5A, 0x80])
    }

    /// A picture of nearly nothing, hundreds of times: after some of them nothing more is made up.
    @Test func picturesThatNothingPaysFor() throws {
        let units = try parameterSets() + (0..<300).map { _ in try slice(0) }
        let clock = ContinuousClock()
        var reports: [DecodeReport] = []
        for threads in [1, 3] {
            let began = clock.now
            let result = try decode(units, threads: threads)
            #expect(clock.now - began < .seconds(20))
            #expect(result.report.picturesDecoded < 20 && result.frames.count == result.report.picturesDecoded)
            #expect(result.report.messages.contains { $0.contains("passed over") })
            reports.append(result.report)
        }
        #expect(reports[0].picturesDecoded == reports[1].picturesDecoded)
        #expect(reports[0].concealedCTUs == reports[1].concealedCTUs)
    }

    /// Four thousand slices of a picture cost four thousand times what one costs, not its square.
    @Test func manySlices() throws {
        let units = try parameterSets() + (0..<4000).map { try slice($0) }
        let clock = ContinuousClock()
        let began = clock.now
        let result = try decode(units)
        #expect(clock.now - began < .seconds(10))
        #expect(result.report.picturesDecoded == 1 && result.report.failedSlices == 4000, "\(result.report)")
    }

    /// All slices of a picture have one PPS: another one's picture size would not be that of the picture.
    @Test func slicesOfOnePictureHaveOnePPS() throws {
        var units = try AnnexBReader.units(of: ParallelStreams.tileSlices)
        let at = try #require(units.firstIndex { $0.header.nalUnitType == .pps })
        let pps = try PictureParameterSet(rbsp: units[at].rbsp, nuhLayerId: 0)
        pps.ppsPicParameterSetId = 1
        units.insert(NALUnit(header: units[at].header, rbsp: pps.rbsp()), at: at)
        let second = try #require(
            units.firstIndex { $0.header.nalUnitType.isSlice && $0.bytes[2] & 0x80 == 0 })
        let sets = ParameterSetCollection()
        for unit in units where !unit.header.nalUnitType.isVCL { try? sets.insert(unit) }
        var header = try SliceSegmentHeader(
            nal: units[second].header, rbsp: units[second].rbsp, sets: sets, previous: nil)
        let data = Array(units[second].rbsp[header.byteCount...])
        header.slicePicParameterSetId = 1
        var w = BitWriter()
        let active = try ActiveParameterSets(sets, ppsId: 1, layerId: 0)
        header.write(to: &w, pps: active.pps, sps: active.sps, vps: nil)
        w.append(bytes: data)
        units[second] = NALUnit(header: units[second].header, rbsp: w.bytes)
        let result = try decode(units)
        #expect(result.report.damagedUnits == 1 && result.report.concealedCTUs > 0, "\(result.report)")
        #expect(result.report.messages.first?.contains("slice_pic_parameter_set_id = 1") == true)
    }

    /// Pictures smaller than a CTU, a transform block and every SIMD register, of random slice data with all tools on:
    /// whatever comes of them, it is the same on any number of threads.
    @Test func tinyPictures() throws {
        var random = SplitMix(state: 7)
        var decoded = 0
        for width in stride(from: 8, through: 72, by: 8) {
            for height in stride(from: 8, through: 72, by: 8) {
                let sets = try parameterSets()
                let sps = try SequenceParameterSet(rbsp: sets[1].rbsp, nuhLayerId: 0)
                sps.picWidthInLumaSamples = width
                sps.picHeightInLumaSamples = height
                sps.conformanceWindow = [0, width / 2 - 1, 0, height / 2 - 1]
                sps.log2MinLumaCodingBlockSizeMinus3 = 0
                sps.log2DiffMaxMinLumaCodingBlockSize = 1 + Int(random.next() % 3)
                sps.log2MinLumaTransformBlockSizeMinus2 = 0
                sps.log2DiffMaxMinLumaTransformBlockSize = 2
                sps.sampleAdaptiveOffsetEnabledFlag = true
                sps.strongIntraSmoothingEnabledFlag = true
                sps.ampEnabledFlag = true
                sps.bitDepthLumaMinus8 = Int(random.next() % 2) * 2
                sps.bitDepthChromaMinus8 = Int(random.next() % 2) * 2
                var units = [sets[0], NALUnit(header: sets[1].header, rbsp: sps.rbsp()), sets[2]]
                for _ in 0..<3 {
                    let data = (0..<120).map { _ in UInt8(truncatingIfNeeded: random.next() >> 20) }
                    units.append(NALUnit(header: NALUnitHeader(nalUnitType: .idrWRADL), rbsp: [0xAF] + data + [0x80]))
                }
                let one = try decode(units)
                let three = try decode(units, threads: 3)
                #expect(
                    one.frames.count == three.frames.count && one.report.concealedCTUs == three.report.concealedCTUs)
                for (a, b) in zip(one.frames, three.frames) {
                    #expect(a.width == 2 && a.height == 2)
                    for c in 0..<3 {
                        let (p, q) = (a.picture.frame.plane(c), b.picture.frame.plane(c))
                        for y in 0..<p.height {
                            #expect(p.values(row: y) == q.values(row: y))
                        }
                    }
                }
                decoded += one.report.picturesDecoded
            }
        }
        #expect(decoded > 100)
    }

    /// The layers below one are lost, one at a time and all: it is decoded from what is left, and the others as ever.
    @Test(arguments: [[0], [1], [0, 1]]) func lostReferenceLayers(lost: [Int]) throws {
        let stream = try #require(ReferenceStream.own.first { $0.name.contains("three_layers") })
        let all = try AnnexBReader.units(of: try stream.bytes())
        let whole = try decode(all)
        var first = Set(lost)
        let left = all.filter { nal in
            guard nal.header.nalUnitType.isSlice, lost.contains(nal.header.nuhLayerId) else { return true }
            // The first picture of a layer stays.
            return first.remove(nal.header.nuhLayerId) != nil
        }
        #expect(left.count < all.count)
        let one = try decode(left)
        #expect(one.frames.count == whole.frames.count, "\(one.report)")
        #expect(one.report.messages.contains { $0.contains("no picture of layer") }, "\(one.report)")
        let three = try decode(left, threads: 3)
        #expect(three.frames.count == one.frames.count && three.report.messages == one.report.messages)
    }
}
