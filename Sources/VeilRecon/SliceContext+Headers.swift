// SPDX-License-Identifier: GPL-2.0-or-later
import VeilBitstream
import VeilCore
import VeilEntropy

extension SliceConstants {
    /// The constants of a slice. `scalingFactors`: `ScalingFactors(sps:pps:inherited:)`, made once per pair of
    /// parameter sets.
    package init(
        sps: SequenceParameterSet, pps: PictureParameterSet, header: SliceSegmentHeader, scalingFactors: ScalingFactors?
    ) {
        self.init()
        bitDepthLuma = sps.bitDepthY
        bitDepthChroma = sps.bitDepthC
        log2MinCbSize = sps.minCbLog2SizeY
        strongIntraSmoothingEnabledFlag = sps.strongIntraSmoothingEnabledFlag
        pcmBitDepthLuma = sps.pcmSampleBitDepthLumaMinus1 + 1
        pcmBitDepthChroma = sps.pcmSampleBitDepthChromaMinus1 + 1
        pcmLoopFilterDisabledFlag = sps.pcmLoopFilterDisabledFlag
        self.scalingFactors = scalingFactors
        constrainedIntraPredFlag = pps.constrainedIntraPredFlag
        log2ParMrgLevel = pps.log2ParallelMergeLevelMinus2 + 2
        transquantBypassEnabledFlag = pps.transquantBypassEnabledFlag
        loopFilterAcrossTilesEnabledFlag = pps.loopFilterAcrossTilesEnabledFlag
        entropyCodingSyncEnabledFlag = pps.entropyCodingSyncEnabledFlag
        sliceType = header.sliceType
        sliceAddrRs = header.sliceAddrRs
        sliceQpY = 26 + pps.initQpMinus26 + header.sliceQpDelta
        cbQpOffset = pps.ppsCbQpOffset + header.sliceCbQpOffset
        crQpOffset = pps.ppsCrQpOffset + header.sliceCrQpOffset
        ppsCbQpOffset = pps.ppsCbQpOffset
        ppsCrQpOffset = pps.ppsCrQpOffset
        sliceDeblockingFilterDisabledFlag = header.sliceDeblockingFilterDisabledFlag
        sliceBetaOffsetDiv2 = header.sliceBetaOffsetDiv2
        sliceTcOffsetDiv2 = header.sliceTcOffsetDiv2
        sliceLoopFilterAcrossSlicesEnabledFlag = header.sliceLoopFilterAcrossSlicesEnabledFlag
        sliceSaoLumaFlag = header.sliceSaoLumaFlag
        sliceSaoChromaFlag = header.sliceSaoChromaFlag
        sliceTemporalMvpEnabledFlag = header.sliceTemporalMvpEnabledFlag
        collocatedFromL0Flag = header.collocatedFromL0Flag
        collocatedRefIdx = header.collocatedRefIdx
        mvdL1ZeroFlag = header.mvdL1ZeroFlag
        maxNumMergeCand = header.maxNumMergeCand
        weightedPredFlag =
            header.sliceType == .p ? pps.weightedPredFlag : header.sliceType == .b ? pps.weightedBipredFlag : false
        lumaLog2WeightDenom = header.lumaLog2WeightDenom
        chromaLog2WeightDenom = header.chromaLog2WeightDenom
    }
}

extension ScalingFactors {
    /// The factors in force for pictures that use the parameter sets; nil when scaling is flat
    /// (scaling_list_enabled_flag 0). `inherited`: the list of a reference layer, where the sets infer theirs
    /// (sps_infer_scaling_list_flag).
    package convenience init?(sps: SequenceParameterSet, pps: PictureParameterSet, inherited: ScalingList? = nil) {
        guard sps.scalingListEnabledFlag else { return nil }
        let list = pps.scalingList ?? sps.scalingList ?? inherited ?? ScalingList.defaults
        self.init { sizeId, matrixId in list.factors(log2Size: sizeId + 2, matrixId: matrixId) }
    }
}

extension SliceContext {
    /// Explicit weights of a slice header, as the initializer takes them: offsets scaled to the bit depth (7.4.7.3).
    package static func weights(
        _ header: SliceSegmentHeader, bitDepthLuma: Int, bitDepthChroma: Int
    ) -> ([[PredictionWeight]], [[PredictionWeight]]) {
        guard let given = header.predWeights else { return ([], []) }
        func entry(_ w: (weight: Int, offset: Int), _ bitDepth: Int) -> PredictionWeight {
            PredictionWeight(
                weight: Int16(truncatingIfNeeded: w.weight),
                offset: Int16(truncatingIfNeeded: w.offset << (bitDepth - 8)))
        }
        func list(_ weights: [PredWeight]) -> [[PredictionWeight]] {
            weights.map {
                [entry($0.luma, bitDepthLuma), entry($0.chroma.0, bitDepthChroma), entry($0.chroma.1, bitDepthChroma)]
            }
        }
        return (list(given.0), list(given.1))
    }
}
