// SPDX-License-Identifier: GPL-2.0-or-later
import TestSupport
import Testing
import VeilBitstream

@testable import VeilDecoder

/// Which layers come out: output layer sets, alternative output layers, auxiliary layers, pictures that are not to be
/// shown.
@Suite struct SelectionTests {
    private func decode(
        _ units: [NALUnit], _ output: Decoder.OutputLayers
    ) throws -> (layers: [Int], poc: [Int32], report: DecodeReport) {
        var options = Decoder.Options()
        options.output = output
        options.verify = true
        var layers: [Int] = []
        var poc: [Int32] = []
        let decoder = Decoder(options: options) {
            layers.append($0.info.nuhLayerId)
            poc.append($0.info.poc)
        }
        for unit in units { try decoder.push(unit) }
        try decoder.finish()
        return (layers, poc, decoder.report)
    }

    private func twoLayers(_ change: (inout VPSExtension) -> Void = { _ in }) throws -> [NALUnit] {
        try AnnexBReader.units(of: ParallelStreams.wppSegments).map { unit in
            guard unit.header.nalUnitType == .vps else { return unit }
            let vps = try VideoParameterSet(rbsp: unit.rbsp)
            if var ext = vps.ext {
                change(&ext)
                vps.ext = ext
            }
            return NALUnit(header: unit.header, rbsp: vps.rbsp())
        }
    }

    @Test func outputLayerSets() throws {
        let units = try twoLayers()
        #expect(try decode(units, .outputLayerSet(0)).layers == [0, 0, 0])
        #expect(try decode(units, .outputLayerSet(1)).layers == [1, 1, 1])
        #expect(throws: SelectionError.outputLayerSet(2, count: 2)) { try decode(units, .outputLayerSet(2)) }
    }

    @Test(arguments: [false, true]) func alternativeOutputLayer(flag: Bool) throws {
        var units = try twoLayers { $0.outputLayerSets[1].altOutputLayerFlag = flag }
        // The last access unit without its enhancement layer.
        let last = try #require(units.lastIndex { $0.header.nalUnitType.isSlice && $0.header.nuhLayerId == 0 })
        units.removeSubrange((last + 1)...)
        let result = try decode(units, .outputLayerSet(1))
        #expect(result.layers == (flag ? [1, 1, 0] : [1, 1]))
        #expect(result.poc == result.poc.sorted() && result.report.isClean, "\(result.report)")
    }

    /// Sets that come last are those of pictures that never came: how many layers there are stays what it was.
    @Test func streamsMayEndWithParameterSets() throws {
        let units = try twoLayers()
        let sets = units.filter { [.vps, .sps, .pps].contains($0.header.nalUnitType) }
        var counts: [Int?] = []
        weak var current: Decoder?
        let decoder = Decoder(options: Decoder.Options()) { _ in counts.append(current?.outputLayerCount) }
        current = decoder
        for unit in units + sets { try decoder.push(unit) }
        try decoder.finish()
        #expect(counts == [1, 1, 1])
    }

    @Test func auxiliaryLayersAreSkipped() throws {
        let units = try twoLayers {
            $0.scalabilityMask = 1 << 3
            $0.dimensionIdLenMinus1 = [0]
            $0.dimensionId = [[0], [1]]
        }
        let result = try decode(units, .highest)
        #expect(result.layers == [0, 0, 0] && result.report.isClean)
        #expect(result.report.messages == ["layer 1: auxiliary pictures (AuxId = 1), skipped"])
        // Asked for, they are decoded.
        let asked = try decode(units, .layer(1))
        #expect(asked.layers == [1, 1, 1] && asked.report.isClean, "\(asked.report)")
    }

    /// Of two views the highest layer of the base layer's comes out; the other where it is asked for.
    @Test(arguments: [true, false]) func otherViewsAreNoBetterPictures(otherView: Bool) throws {
        let units = try twoLayers {
            $0.scalabilityMask = 1 << 1
            $0.dimensionIdLenMinus1 = [0]
            $0.dimensionId = [[0], [1]]
            $0.viewIdLen = 1
            $0.viewIdVal = [0, otherView ? 1 : 0]
        }
        let result = try decode(units, .highest)
        #expect(result.layers == (otherView ? [0, 0, 0] : [1, 1, 1]) && result.report.isClean, "\(result.report)")
        #expect(try decode(units, .layer(1)).layers == [1, 1, 1])
    }

    /// The stream twice: the second IDR picture says whether what still waits of the first is shown (C.5.2.2).
    @Test func noOutputOfPriorPictures() throws {
        let first = try AnnexBReader.units(of: ParallelStreams.reordered)
        let kept = try decode(first + first, .highest)
        let again = first.map { unit in
            var unit = unit
            // no_output_of_prior_pics_flag follows first_slice_segment_in_pic_flag.
            if unit.header.nalUnitType.isIDR { unit.bytes[2] |= 0x40 }
            return unit
        }
        let dropped = try decode(first + again, .highest)
        let count = kept.layers.count / 2
        #expect(kept.report.isClean && dropped.report.isClean)
        #expect(dropped.layers.count < 2 * count && dropped.layers.count > count)
        #expect(Array(dropped.poc.suffix(count)) == Array(kept.poc.suffix(count)))
    }
}
