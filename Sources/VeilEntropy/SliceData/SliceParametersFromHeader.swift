// SPDX-License-Identifier: GPL-2.0-or-later
import VeilBitstream
import VeilCore

extension CTBGrid {
    /// The grid of pictures that use the parameter sets. Throws where the tiles do not suit the picture.
    package convenience init(sps: SequenceParameterSet, pps: PictureParameterSet) throws {
        self.init(try Layout(sps: sps, pps: pps))
    }
}

extension CTBGrid.Layout {
    package init(sps: SequenceParameterSet, pps: PictureParameterSet) throws {
        let tiles = try pps.tileBoundaries(picWidthInCtbs: sps.picWidthInCtbsY, picHeightInCtbs: sps.picHeightInCtbsY)
        func sizes(_ boundaries: [Int]) -> [Int] { zip(boundaries.dropFirst(), boundaries).map(-) }
        self.init(
            width: sps.picWidthInLumaSamples, height: sps.picHeightInLumaSamples, log2CtbSize: sps.ctbLog2SizeY,
            columnWidths: sizes(tiles.columns), rowHeights: sizes(tiles.rows))
    }
}

extension SliceParameters {
    /// What slice data of this header is coded with.
    package init(header h: SliceSegmentHeader, sps: SequenceParameterSet, pps: PictureParameterSet, grid: CTBGrid) {
        self.init(grid: grid)
        sliceType = h.sliceType
        sliceQpY = 26 + pps.initQpMinus26 + h.sliceQpDelta
        switch h.sliceType {
        case .i: initType = 0
        case .p: initType = h.cabacInitFlag ? 2 : 1
        case .b: initType = h.cabacInitFlag ? 1 : 2
        }
        minCbLog2SizeY = sps.minCbLog2SizeY
        minTbLog2SizeY = sps.minTbLog2SizeY
        maxTbLog2SizeY = sps.maxTbLog2SizeY
        maxTransformHierarchyDepthInter = sps.maxTransformHierarchyDepthInter
        maxTransformHierarchyDepthIntra = sps.maxTransformHierarchyDepthIntra
        ampEnabledFlag = sps.ampEnabledFlag
        pcmEnabledFlag = sps.pcmEnabledFlag
        pcmBitDepthLuma = sps.pcmSampleBitDepthLumaMinus1 + 1
        pcmBitDepthChroma = sps.pcmSampleBitDepthChromaMinus1 + 1
        log2MinIpcmCbSizeY = sps.log2MinIpcmCbSizeY
        log2MaxIpcmCbSizeY = min(sps.log2MaxIpcmCbSizeY, sps.ctbLog2SizeY, 5)
        sliceSaoLumaFlag = h.sliceSaoLumaFlag
        sliceSaoChromaFlag = h.sliceSaoChromaFlag
        transquantBypassEnabledFlag = pps.transquantBypassEnabledFlag
        cuQpDeltaEnabledFlag = pps.cuQpDeltaEnabledFlag
        log2MinCuQpDeltaSize = max(sps.ctbLog2SizeY - pps.diffCuQpDeltaDepth, 3)
        transformSkipEnabledFlag = pps.transformSkipEnabledFlag
        signDataHidingEnabledFlag = pps.signDataHidingEnabledFlag
        numRefIdxL0Active = h.numRefIdxActive.0
        numRefIdxL1Active = h.numRefIdxActive.1
        mvdL1ZeroFlag = h.mvdL1ZeroFlag
        maxNumMergeCand = h.maxNumMergeCand
        chromaArrayType = sps.chromaFormatIdc
        let tools = sps.rangeExtension
        usesRangeExtension = tools != SequenceParameterSet.RangeExtension()
        transformSkipContextEnabledFlag = tools.transformSkipContextEnabledFlag
        implicitRdpcmEnabledFlag = tools.implicitRdpcmEnabledFlag
        explicitRdpcmEnabledFlag = tools.explicitRdpcmEnabledFlag
        extendedPrecisionProcessingFlag = tools.extendedPrecisionProcessingFlag
        persistentRiceAdaptationEnabledFlag = tools.persistentRiceAdaptationEnabledFlag
        cabacBypassAlignmentEnabledFlag = tools.cabacBypassAlignmentEnabledFlag
        log2MaxTransformSkipSize = pps.rangeExtension.log2MaxTransformSkipBlockSizeMinus2 + 2
        crossComponentPredictionEnabledFlag = pps.rangeExtension.crossComponentPredictionEnabledFlag
        cuChromaQpOffsetEnabledFlag = h.cuChromaQpOffsetEnabledFlag
        log2MinCuChromaQpOffsetSize = max(
            sps.ctbLog2SizeY - pps.rangeExtension.diffCuChromaQpOffsetDepth, sps.minCbLog2SizeY)
        extendsRecords =
            chromaArrayType > 1 || usesRangeExtension || crossComponentPredictionEnabledFlag
            || cuChromaQpOffsetEnabledFlag
        chromaQpOffsetListLenMinus1 = max(pps.rangeExtension.chromaQpOffsetList.count - 1, 0)
        bitDepthY = sps.bitDepthY
        bitDepthC = sps.bitDepthC
        entropyCodingSyncEnabledFlag = pps.entropyCodingSyncEnabledFlag
        tilesEnabledFlag = pps.tilesEnabledFlag
        dependentSliceSegmentsEnabledFlag = pps.dependentSliceSegmentsEnabledFlag
        dependentSliceSegmentFlag = h.dependentSliceSegmentFlag
        // A dependent slice segment has its slice's address, which a damaged stream may give for a larger picture.
        sliceAddrRs = min(h.sliceAddrRs, grid.count - 1)
        sliceSegmentAddress = h.sliceSegmentAddress
        if h.sliceType != .i {
            for (i, source) in h.refPicList(0).enumerated() where source.isLongTerm { longTermMaskL0 |= 1 << UInt16(i) }
            for (i, source) in h.refPicList(1).enumerated() where source.isLongTerm { longTermMaskL1 |= 1 << UInt16(i) }
        }
    }
}
