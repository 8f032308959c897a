// SPDX-License-Identifier: GPL-2.0-or-later
import TestSupport
import Testing
import VeilBitstream
import VeilCore

@testable import VeilEntropy

@Suite struct SliceParametersTests {
    private let header: SliceSegmentHeader
    private let sps: SequenceParameterSet
    private let pps: PictureParameterSet
    private let grid: CTBGrid

    init() throws {
        let units = try AnnexBReader.units(of: #require(ReferenceStream.own.first).bytes())
        let sets = ParameterSetCollection()
        for unit in units where !unit.header.nalUnitType.isVCL { try sets.insert(unit) }
        let slice = try #require(units.first { $0.header.nalUnitType.isSlice && $0.header.nuhLayerId == 0 })
        header = try SliceSegmentHeader(nal: slice.header, rbsp: slice.rbsp, sets: sets, previous: nil)
        pps = try sets.pictureParameterSet(id: header.slicePicParameterSetId)
        sps = try sets.sequenceParameterSet(id: pps.ppsSeqParameterSetId, layerId: 0)
        grid = try CTBGrid(sps: sps, pps: pps)
    }

    private func parameters(_ header: SliceSegmentHeader) -> SliceParameters {
        SliceParameters(header: header, sps: sps, pps: pps, grid: grid)
    }

    /// A damaged stream may give a dependent slice segment the slice of a larger picture: tables are looked up with its
    /// address.
    @Test func sliceAddressesStayInThePicture() {
        var damaged = header
        damaged.dependentSliceSegmentFlag = true
        for (address, wanted) in [
            (0, 0), (grid.count - 1, grid.count - 1), (grid.count, grid.count - 1), (1 << 30, grid.count - 1),
        ] {
            damaged.sliceAddrRs = address
            #expect(parameters(damaged).sliceAddrRs == wanted, "\(address) of \(grid.count)")
        }
    }

    /// initType (9-7) and SliceQpY (7-54).
    @Test func contextsBeginAsTheHeaderSays() {
        var h = header
        for (type, flag, wanted) in [
            (SliceType.i, false, 0), (.p, false, 1), (.p, true, 2), (.b, false, 2), (.b, true, 1),
        ] {
            h.sliceType = type
            h.cabacInitFlag = flag
            h.sliceQpDelta = -7
            #expect(parameters(h).initType == wanted && parameters(h).sliceType == type)
            #expect(parameters(h).sliceQpY == 26 + pps.initQpMinus26 - 7)
        }
    }

    /// What all slices of a picture share is the grid's.
    @Test func sizesAreThoseOfTheGrid() {
        let p = parameters(header)
        #expect(p.picWidthInLumaSamples == sps.picWidthInLumaSamples)
        #expect(p.picHeightInLumaSamples == sps.picHeightInLumaSamples)
        #expect(p.picWidthInCtbsY == sps.picWidthInCtbsY && p.picHeightInCtbsY == sps.picHeightInCtbsY)
        #expect(p.ctbLog2SizeY == sps.ctbLog2SizeY)
    }
}
