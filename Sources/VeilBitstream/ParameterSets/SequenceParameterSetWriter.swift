// SPDX-License-Identifier: GPL-2.0-or-later

extension SequenceParameterSet {
    /// The RBSP, trailing bits included. Scaling lists are written for the flat and default cases only.
    package func rbsp() -> [UInt8] {
        var w = BitWriter()
        w.u(spsVideoParameterSetId, 4)
        w.u(multiLayerExtSpsFlag ? 7 : spsMaxSubLayersMinus1, 3)
        if !multiLayerExtSpsFlag {
            w.flag(spsTemporalIdNestingFlag)
            profileTierLevel.write(to: &w, profilePresent: true, maxSubLayersMinus1: spsMaxSubLayersMinus1)
        }
        w.ue(spsSeqParameterSetId)
        if multiLayerExtSpsFlag {
            w.flag(updateRepFormatFlag)
            if updateRepFormatFlag { w.u(spsRepFormatIdx, 8) }
        } else {
            w.ue(chromaFormatIdc)
            if chromaFormatIdc == 3 { w.flag(false) }
            w.ue(picWidthInLumaSamples)
            w.ue(picHeightInLumaSamples)
            w.flag(conformanceWindow != nil)
            for v in conformanceWindow ?? [] { w.ue(v) }
            w.ue(bitDepthLumaMinus8)
            w.ue(bitDepthChromaMinus8)
        }
        w.ue(log2MaxPicOrderCntLsbMinus4)
        if !multiLayerExtSpsFlag {
            w.flag(spsSubLayerOrderingInfoPresentFlag)
            VideoParameterSet.writeOrdering(subLayerOrdering, present: spsSubLayerOrderingInfoPresentFlag, to: &w)
        }
        w.ue(log2MinLumaCodingBlockSizeMinus3)
        w.ue(log2DiffMaxMinLumaCodingBlockSize)
        w.ue(log2MinLumaTransformBlockSizeMinus2)
        w.ue(log2DiffMaxMinLumaTransformBlockSize)
        w.ue(maxTransformHierarchyDepthInter)
        w.ue(maxTransformHierarchyDepthIntra)
        w.flag(scalingListEnabledFlag)
        if scalingListEnabledFlag {
            if multiLayerExtSpsFlag { w.flag(spsInferScalingListFlag) }
            if spsInferScalingListFlag {
                w.u(spsScalingListRefLayerId, 6)
            } else {
                w.flag(scalingList != nil)
                scalingList?.write(to: &w)
            }
        }
        w.flag(ampEnabledFlag)
        w.flag(sampleAdaptiveOffsetEnabledFlag)
        w.flag(pcmEnabledFlag)
        if pcmEnabledFlag {
            w.u(pcmSampleBitDepthLumaMinus1, 4)
            w.u(pcmSampleBitDepthChromaMinus1, 4)
            w.ue(log2MinPcmLumaCodingBlockSizeMinus3)
            w.ue(log2DiffMaxMinPcmLumaCodingBlockSize)
            w.flag(pcmLoopFilterDisabledFlag)
        }
        w.ue(shortTermRefPicSets.count)
        for (i, set) in shortTermRefPicSets.enumerated() { set.write(to: &w, index: i) }
        w.flag(longTermRefPicsPresentFlag)
        if longTermRefPicsPresentFlag {
            w.ue(ltRefPicPocLsbSps.count)
            for (lsb, used) in zip(ltRefPicPocLsbSps, usedByCurrPicLtSpsFlag) {
                w.u(lsb, log2MaxPicOrderCntLsb)
                w.flag(used)
            }
        }
        w.flag(spsTemporalMvpEnabledFlag)
        w.flag(strongIntraSmoothingEnabledFlag)
        w.flag(vui != nil)
        vui?.write(to: &w)
        w.flag(spsMultilayerExtensionFlag || writtenRangeExtension != nil)
        if spsMultilayerExtensionFlag || writtenRangeExtension != nil {
            w.flag(writtenRangeExtension != nil)
            w.flag(spsMultilayerExtensionFlag)
            // 3d, scc, 4 bits
            w.u(0, 6)
            writtenRangeExtension?.write(to: &w)
            if spsMultilayerExtensionFlag { w.flag(interViewMvVertConstraintFlag) }
        }
        w.trailingBits()
        return w.bytes
    }

    /// A copy that may be changed before it is shared.
    package func copy() -> SequenceParameterSet {
        let c = SequenceParameterSet()
        c.nuhLayerId = nuhLayerId
        c.spsVideoParameterSetId = spsVideoParameterSetId
        c.multiLayerExtSpsFlag = multiLayerExtSpsFlag
        c.spsMaxSubLayersMinus1 = spsMaxSubLayersMinus1
        c.spsTemporalIdNestingFlag = spsTemporalIdNestingFlag
        c.profileTierLevel = profileTierLevel
        c.spsSeqParameterSetId = spsSeqParameterSetId
        c.updateRepFormatFlag = updateRepFormatFlag
        c.spsRepFormatIdx = spsRepFormatIdx
        c.chromaFormatIdc = chromaFormatIdc
        c.picWidthInLumaSamples = picWidthInLumaSamples
        c.picHeightInLumaSamples = picHeightInLumaSamples
        c.conformanceWindow = conformanceWindow
        c.bitDepthLumaMinus8 = bitDepthLumaMinus8
        c.bitDepthChromaMinus8 = bitDepthChromaMinus8
        c.log2MaxPicOrderCntLsbMinus4 = log2MaxPicOrderCntLsbMinus4
        c.spsSubLayerOrderingInfoPresentFlag = spsSubLayerOrderingInfoPresentFlag
        c.subLayerOrdering = subLayerOrdering
        c.log2MinLumaCodingBlockSizeMinus3 = log2MinLumaCodingBlockSizeMinus3
        c.log2DiffMaxMinLumaCodingBlockSize = log2DiffMaxMinLumaCodingBlockSize
        c.log2MinLumaTransformBlockSizeMinus2 = log2MinLumaTransformBlockSizeMinus2
        c.log2DiffMaxMinLumaTransformBlockSize = log2DiffMaxMinLumaTransformBlockSize
        c.maxTransformHierarchyDepthInter = maxTransformHierarchyDepthInter
        c.maxTransformHierarchyDepthIntra = maxTransformHierarchyDepthIntra
        c.scalingListEnabledFlag = scalingListEnabledFlag
        c.spsInferScalingListFlag = spsInferScalingListFlag
        c.spsScalingListRefLayerId = spsScalingListRefLayerId
        c.scalingList = scalingList
        c.ampEnabledFlag = ampEnabledFlag
        c.sampleAdaptiveOffsetEnabledFlag = sampleAdaptiveOffsetEnabledFlag
        c.pcmEnabledFlag = pcmEnabledFlag
        c.pcmSampleBitDepthLumaMinus1 = pcmSampleBitDepthLumaMinus1
        c.pcmSampleBitDepthChromaMinus1 = pcmSampleBitDepthChromaMinus1
        c.log2MinPcmLumaCodingBlockSizeMinus3 = log2MinPcmLumaCodingBlockSizeMinus3
        c.log2DiffMaxMinPcmLumaCodingBlockSize = log2DiffMaxMinPcmLumaCodingBlockSize
        c.pcmLoopFilterDisabledFlag = pcmLoopFilterDisabledFlag
        c.shortTermRefPicSets = shortTermRefPicSets
        c.longTermRefPicsPresentFlag = longTermRefPicsPresentFlag
        c.ltRefPicPocLsbSps = ltRefPicPocLsbSps
        c.usedByCurrPicLtSpsFlag = usedByCurrPicLtSpsFlag
        c.spsTemporalMvpEnabledFlag = spsTemporalMvpEnabledFlag
        c.strongIntraSmoothingEnabledFlag = strongIntraSmoothingEnabledFlag
        c.vui = vui
        c.writtenRangeExtension = writtenRangeExtension
        c.spsMultilayerExtensionFlag = spsMultilayerExtensionFlag
        c.interViewMvVertConstraintFlag = interViewMvVertConstraintFlag
        return c
    }
}

extension ScalingList {
    /// Writes every list explicitly (scaling_list_pred_mode_flag = 1).
    func write(to w: inout BitWriter) {
        for sizeId in 0..<4 {
            for matrix in lists[sizeId].indices {
                w.flag(true)
                var previous = 8
                if sizeId > 1 {
                    previous = Int(dc[sizeId][matrix])
                    w.se(previous - 8)
                }
                for value in lists[sizeId][matrix] {
                    var delta = Int(value) - previous
                    if delta > 127 { delta -= 256 }
                    if delta < -128 { delta += 256 }
                    w.se(delta)
                    previous = Int(value)
                }
            }
        }
    }
}
