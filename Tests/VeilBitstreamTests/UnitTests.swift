// SPDX-License-Identifier: GPL-2.0-or-later
import TestSupport
import Testing
import VeilBitstream

@Suite struct UnitTests {
    /// 7.3.1.2.
    @Test func headersOfTwoBytes() throws {
        for type in UInt8(0)..<64 {
            for layer in [0, 1, 31, 32, 63] {
                for temporal in 1...7 {
                    let header = NALUnitHeader(
                        nalUnitType: NALUnitType(rawValue: type), nuhLayerId: layer, nuhTemporalIdPlus1: temporal)
                    let word = Int(type) << 9 | layer << 3 | temporal
                    #expect(header.bytes == [UInt8(word >> 8), UInt8(word & 255)])
                    #expect(try NALUnitHeader(header.bytes[0], header.bytes[1]) == header)
                }
            }
        }
        #expect(throws: SyntaxError.self) { try NALUnitHeader(0x80, 1) }
        #expect(throws: SyntaxError.self) { try NALUnitHeader(0x40, 0) }
    }

    /// However the bytes of a stream arrive, its units are the same, and together they are the stream.
    @Test(arguments: ReferenceStream.own.prefix(4)) func unitsDoNotDependOnChunks(stream: ReferenceStream) throws {
        let bytes = try stream.bytes()
        let whole = try AnnexBReader.units(of: bytes, for: .passingOn)
        #expect(whole.count > 5)
        var written: [UInt8] = []
        for unit in whole { written.append(annexB: unit) }
        #expect(written == bytes)
        var random = SplitMix(state: UInt64(bytes.count))
        for longest in [1, 3, 17, 5000] {
            var splitter = ByteStreamSplitter(.passingOn)
            var units: [NALUnit] = []
            var at = 0
            while at < bytes.count {
                let next = min(bytes.count, at + Int.random(in: 1...longest, using: &random))
                units += try splitter.push(bytes[at..<next])
                at = next
            }
            if let last = try splitter.finish() { units.append(last) }
            #expect(units.map(\.bytes) == whole.map(\.bytes), "chunks of up to \(longest)")
            #expect(units.map(\.offset) == whole.map(\.offset))
            #expect(units.map(\.trailingZeros) == whole.map(\.trailingZeros))
        }
    }

    /// A set that cannot be read takes the one it was to replace away; identifiers and generations tell.
    @Test func parameterSetsAreReplaced() throws {
        let bytes = try #require(ReferenceStream.own.first).bytes()
        let units = try AnnexBReader.units(of: bytes)
        let sets = ParameterSetCollection()
        for unit in units where !unit.header.nalUnitType.isVCL {
            let before = sets.generation
            let id = try sets.insert(unit)
            let isSet = [NALUnitType.vps, .sps, .pps].contains(unit.header.nalUnitType)
            #expect((id != nil) == isSet && sets.generation == before + (isSet ? 1 : 0))
            if let id {
                #expect(ParameterSetCollection.identifier(of: unit) == id)
                #expect(sets.has(unit.header.nalUnitType, id: id))
            }
        }
        let pps = try #require(units.first { $0.header.nalUnitType == .pps })
        let id = try #require(ParameterSetCollection.identifier(of: pps))
        var cut = pps
        cut.bytes.removeLast(cut.bytes.count - 3)
        let generation = sets.generation
        #expect(throws: SyntaxError.self) { try sets.insert(cut) }
        #expect(sets.has(.pps, id: id) && sets.generation == generation)
        #expect(throws: SyntaxError.self) { try sets.insertOrRemove(cut) }
        #expect(!sets.has(.pps, id: id) && sets.generation > generation)
        #expect(throws: SyntaxError.missing(set: "PPS", id: id)) { try sets.pictureParameterSet(id: id) }
        try sets.insertOrRemove(pps)
        #expect(try sets.pictureParameterSet(id: id).ppsPicParameterSetId == id)
    }

    /// Slice headers are written so that they say the same when they are read again.
    @Test(arguments: ReferenceStream.own) func sliceHeadersAreWrittenAsRead(stream: ReferenceStream) throws {
        let sets = ParameterSetCollection()
        var previous: SliceSegmentHeader?
        var compared = 0
        for unit in try AnnexBReader.units(of: stream.bytes()) {
            if !unit.header.nalUnitType.isVCL { try sets.insert(unit) }
            guard unit.header.nalUnitType.isSlice else { continue }
            let rbsp = unit.rbsp
            let header = try SliceSegmentHeader(nal: unit.header, rbsp: rbsp, sets: sets, previous: previous)
            previous = header
            // What dependent segments and entry points take from elsewhere is not the writer's.
            if header.dependentSliceSegmentFlag || !header.entryPointOffsets.isEmpty { continue }
            let pps = try sets.pictureParameterSet(id: header.slicePicParameterSetId)
            let sps = try sets.sequenceParameterSet(id: pps.ppsSeqParameterSetId, layerId: header.nuhLayerId)
            var w = BitWriter()
            header.write(
                to: &w, pps: pps, sps: sps, vps: sets.videoParameterSet(id: sps.spsVideoParameterSetId))
            let again = try SliceSegmentHeader(
                nal: unit.header, rbsp: w.bytes + rbsp[header.byteCount...], sets: sets, previous: nil)
            #expect(again.byteCount == w.bytes.count)
            #expect(again.sliceQpDelta == header.sliceQpDelta && again.sliceType == header.sliceType)
            #expect(again.shortTermRefPicSet == header.shortTermRefPicSet)
            #expect(again.refPicList(0) == header.refPicList(0) && again.refPicList(1) == header.refPicList(1))
            #expect(again.slicePicOrderCntLsb == header.slicePicOrderCntLsb)
            #expect(again.maxNumMergeCand == header.maxNumMergeCand)
            compared += 1
        }
        #expect(compared > 0 || stream.name.contains("wpp") || stream.name.contains("tiles"))
    }
}
