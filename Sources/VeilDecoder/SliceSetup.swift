// SPDX-License-Identifier: GPL-2.0-or-later
import VeilBins
import VeilRecon
import VeilSyntax

extension SliceConstants {
    /// The constants of a slice from its parameter sets and header.
    init(header h: SliceSegmentHeader, sets: ActiveSets) {
        let sps = sets.sps
        let pps = sets.pps
        self.init()
        bitDepthLuma = sps.bitDepthY
        bitDepthChroma = sps.bitDepthC
        log2MinCbSize = sps.minCbLog2SizeY
        strongIntraSmoothingEnabledFlag = sps.strongIntraSmoothingEnabledFlag
        pcmBitDepthLuma = sps.pcmSampleBitDepthLumaMinus1 + 1
        pcmBitDepthChroma = sps.pcmSampleBitDepthChromaMinus1 + 1
        pcmLoopFilterDisabledFlag = sps.pcmLoopFilterDisabledFlag
        scalingFactors = sets.scalingFactors
        constrainedIntraPredFlag = pps.constrainedIntraPredFlag
        log2ParMrgLevel = pps.log2ParallelMergeLevelMinus2 + 2
        transquantBypassEnabledFlag = pps.transquantBypassEnabledFlag
        loopFilterAcrossTilesEnabledFlag = pps.loopFilterAcrossTilesEnabledFlag
        entropyCodingSyncEnabledFlag = pps.entropyCodingSyncEnabledFlag
        sliceType = h.sliceType == .i ? .i : h.sliceType == .p ? .p : .b
        sliceAddrRs = h.sliceAddrRs
        sliceQpY = 26 + pps.initQpMinus26 + h.sliceQpDelta
        cbQpOffset = pps.ppsCbQpOffset + h.sliceCbQpOffset
        crQpOffset = pps.ppsCrQpOffset + h.sliceCrQpOffset
        ppsCbQpOffset = pps.ppsCbQpOffset
        ppsCrQpOffset = pps.ppsCrQpOffset
        sliceDeblockingFilterDisabledFlag = h.sliceDeblockingFilterDisabledFlag
        sliceBetaOffsetDiv2 = h.sliceBetaOffsetDiv2
        sliceTcOffsetDiv2 = h.sliceTcOffsetDiv2
        sliceLoopFilterAcrossSlicesEnabledFlag = h.sliceLoopFilterAcrossSlicesEnabledFlag
        sliceSaoLumaFlag = h.sliceSaoLumaFlag
        sliceSaoChromaFlag = h.sliceSaoChromaFlag
        sliceTemporalMvpEnabledFlag = h.sliceTemporalMvpEnabledFlag
        collocatedFromL0Flag = h.collocatedFromL0Flag
        collocatedRefIdx = h.collocatedRefIdx
        mvdL1ZeroFlag = h.mvdL1ZeroFlag
        maxNumMergeCand = h.maxNumMergeCand
        weightedPredFlag = h.predWeights != nil
        lumaLog2WeightDenom = h.lumaLog2WeightDenom
        chromaLog2WeightDenom = h.chromaLog2WeightDenom
    }
}

extension SliceContext {
    /// Weights of a slice as flat tables, offsets scaled to the bit depth (7.4.7.3, 8.5.3.3.4.3).
    static func weights(_ h: SliceSegmentHeader, sps: SequenceParameterSet) -> ([[PredictionWeight]], [[PredictionWeight]]) {
        guard let given = h.predWeights else { return ([], []) }
        func flat(_ list: [PredWeight]) -> [[PredictionWeight]] {
            list.map { w in
                func entry(_ v: (weight: Int, offset: Int), _ depth: Int) -> PredictionWeight {
                    PredictionWeight(
                        weight: Int16(clamping: v.weight), offset: Int16(clamping: v.offset << (depth - 8)))
                }
                return [entry(w.luma, sps.bitDepthY), entry(w.chroma.0, sps.bitDepthC), entry(w.chroma.1, sps.bitDepthC)]
            }
        }
        return (flat(given.0), flat(given.1))
    }
}
