// SPDX-License-Identifier: GPL-2.0-or-later
import TestSupport
import Testing

@testable import VeilBitstream

/// Parameter sets of the range extensions are written as they were read.
@Test(arguments: ReferenceStream.rangeExtensions) func rangeExtensionsAreKept(stream: ReferenceStream) throws {
    var count = 0
    for nal in try AnnexBReader.units(of: stream.bytes()) {
        switch nal.header.nalUnitType {
        case .sps:
            // Reference picture sets predicted from others are written as what they are: the rest is compared.
            let sps = try SequenceParameterSet(rbsp: nal.rbsp, nuhLayerId: 0)
            let again = try SequenceParameterSet(rbsp: sps.rbsp(), nuhLayerId: 0)
            #expect(again.writtenRangeExtension == sps.writtenRangeExtension)
            #expect(again.chromaFormatIdc == sps.chromaFormatIdc && again.bitDepthC == sps.bitDepthC)
        case .pps: #expect(try PictureParameterSet(rbsp: nal.rbsp, nuhLayerId: 0).rbsp() == nal.rbsp)
        default: continue
        }
        count += 1
    }
    #expect(count == 2)
}
