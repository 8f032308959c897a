// SPDX-License-Identifier: GPL-2.0-or-later
import VeilBitstream
import VeilCore
import VeilEntropy

extension SliceConstants {
    /// The constants of a slice. `scalingFactors`: `ScalingFactors(sps:list:)`, made once per pair of
    /// parameter sets.
    package init(
        _ parameters: SliceParameters, sps: SequenceParameterSet, pps: PictureParameterSet, header: SliceSegmentHeader,
        scalingFactors: ScalingFactors?
    ) {
        self.init(parameters)
        strongIntraSmoothingEnabledFlag = sps.strongIntraSmoothingEnabledFlag
        pcmLoopFilterDisabledFlag = sps.pcmLoopFilterDisabledFlag
        self.scalingFactors = scalingFactors
        rangeExtension = sps.rangeExtension
        ppsRangeExtension = pps.rangeExtension
        constrainedIntraPredFlag = pps.constrainedIntraPredFlag
        log2ParMrgLevel = pps.log2ParallelMergeLevelMinus2 + 2
        loopFilterAcrossTilesEnabledFlag = pps.loopFilterAcrossTilesEnabledFlag
        cbQpOffset = pps.ppsCbQpOffset + header.sliceCbQpOffset
        crQpOffset = pps.ppsCrQpOffset + header.sliceCrQpOffset
        ppsCbQpOffset = pps.ppsCbQpOffset
        ppsCrQpOffset = pps.ppsCrQpOffset
        sliceDeblockingFilterDisabledFlag = header.sliceDeblockingFilterDisabledFlag
        sliceBetaOffsetDiv2 = header.sliceBetaOffsetDiv2
        sliceTcOffsetDiv2 = header.sliceTcOffsetDiv2
        sliceLoopFilterAcrossSlicesEnabledFlag = header.sliceLoopFilterAcrossSlicesEnabledFlag
        sliceTemporalMvpEnabledFlag = header.sliceTemporalMvpEnabledFlag
        collocatedFromL0Flag = header.collocatedFromL0Flag
        collocatedRefIdx = header.collocatedRefIdx
        weightedPredFlag =
            header.sliceType == .p ? pps.weightedPredFlag : header.sliceType == .b ? pps.weightedBipredFlag : false
        lumaLog2WeightDenom = header.lumaLog2WeightDenom
        chromaLog2WeightDenom = header.chromaLog2WeightDenom
    }
}

extension ScalingFactors {
    /// The factors in force for pictures that use the parameter sets; nil when scaling is flat
    /// (scaling_list_enabled_flag 0). `list`: of the PPS, else of the SPS; nil: the default one.
    package convenience init?(sps: SequenceParameterSet, list: ScalingList?) {
        guard sps.scalingListEnabledFlag else { return nil }
        let list = list ?? ScalingList.defaults
        self.init { sizeId, matrixId in list.factors(log2Size: sizeId + 2, matrixId: matrixId) }
    }
}

extension SliceContext {
    /// The context of a slice by its header. `reference`: the picture behind an entry of the reference picture lists;
    /// nil where there is none.
    package convenience init(
        _ header: SliceSegmentHeader, constants: SliceConstants, sliceIndex: Int, currPoc: Int32,
        reference: (SliceSegmentHeader.ReferenceSource) -> CodedPicture?
    ) {
        let lists = (0..<2).map { header.sliceType == .i ? [] : header.refPicList($0) }
        let parameters = constants.parameters
        self.init(
            constants: constants, sliceIndex: sliceIndex, currPoc: currPoc,
            refPicList: (lists[0].map(reference), lists[1].map(reference)),
            isLongTerm: (lists[0].map(\.isLongTerm), lists[1].map(\.isLongTerm)),
            isInterLayer: (lists[0].map(\.isInterLayer), lists[1].map(\.isInterLayer)),
            weights: Self.weights(
                header, bitDepthLuma: parameters.bitDepthY, bitDepthChroma: parameters.bitDepthC,
                highPrecision: constants.rangeExtension.highPrecisionOffsetsEnabledFlag))
    }

    /// Explicit weights of a slice header, as the initializer takes them: offsets scaled to the bit depth (7.4.7.3),
    /// which those of high precision have already.
    private static func weights(
        _ header: SliceSegmentHeader, bitDepthLuma: Int, bitDepthChroma: Int, highPrecision: Bool
    ) -> ([[PredictionWeight]], [[PredictionWeight]]) {
        guard let given = header.predWeights else { return ([], []) }
        func entry(_ w: (weight: Int, offset: Int), _ bitDepth: Int) -> PredictionWeight {
            PredictionWeight(
                weight: Int16(truncatingIfNeeded: w.weight),
                offset: Int16(truncatingIfNeeded: w.offset << (highPrecision ? 0 : bitDepth - 8)))
        }
        func list(_ weights: [PredWeight]) -> [[PredictionWeight]] {
            weights.map {
                [entry($0.luma, bitDepthLuma), entry($0.chroma.0, bitDepthChroma), entry($0.chroma.1, bitDepthChroma)]
            }
        }
        return (list(given.0), list(given.1))
    }
}
