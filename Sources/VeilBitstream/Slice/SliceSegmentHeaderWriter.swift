// SPDX-License-Identifier: GPL-2.0-or-later

extension SliceSegmentHeader {
    /// Writes the header up to and including byte_alignment(). Entry points are written from `entryPointOffsets`.
    package func write(
        to w: inout BitWriter, pps: PictureParameterSet, sps: SequenceParameterSet, vps: VideoParameterSet?
    ) {
        w.flag(firstSliceSegmentInPicFlag)
        if nalUnitType.isIRAP { w.flag(noOutputOfPriorPicsFlag) }
        w.ue(slicePicParameterSetId)
        if !firstSliceSegmentInPicFlag {
            if pps.dependentSliceSegmentsEnabledFlag { w.flag(dependentSliceSegmentFlag) }
            w.u(sliceSegmentAddress, VPSExtension.bits(for: sps.picSizeInCtbsY))
        }
        if !dependentSliceSegmentFlag { writeSlice(to: &w, pps: pps, sps: sps, vps: vps) }
        if pps.tilesEnabledFlag || pps.entropyCodingSyncEnabledFlag { Self.writeEntryPoints(entryPointOffsets, to: &w) }
        if pps.sliceSegmentHeaderExtensionPresentFlag { w.ue(0) }
        w.trailingBits()
    }

    /// num_entry_point_offsets and what follows it, with the shortest offset_len_minus1, or at least `minimumLength`
    /// bits.
    package static func writeEntryPoints(_ offsets: [Int], minimumLength: Int = 1, to w: inout BitWriter) {
        w.ue(offsets.count)
        guard let largest = offsets.max() else { return }
        let length = max(Int.bitWidth - (largest - 1).leadingZeroBitCount, minimumLength, 1)
        w.ue(length - 1)
        for offset in offsets { w.u(offset - 1, length) }
    }

    private func writeSlice(
        to w: inout BitWriter, pps: PictureParameterSet, sps: SequenceParameterSet, vps: VideoParameterSet?
    ) {
        for i in 0..<pps.numExtraSliceHeaderBits {
            w.flag(nuhLayerId > 0 && (i == 0 ? discardableFlag : i == 1 ? crossLayerBlaFlag : false))
        }
        w.ue(sliceType.rawValue)
        if pps.outputFlagPresentFlag { w.flag(picOutputFlag) }
        if nuhLayerId > 0 || !nalUnitType.isIDR { w.u(slicePicOrderCntLsb, sps.log2MaxPicOrderCntLsb) }
        if !nalUnitType.isIDR {
            w.flag(shortTermRefPicSetSpsFlag)
            if shortTermRefPicSetSpsFlag {
                w.u(shortTermRefPicSetIdx, VPSExtension.bits(for: sps.shortTermRefPicSets.count))
            } else {
                shortTermRefPicSet.write(to: &w, index: sps.shortTermRefPicSets.count)
            }
            if sps.longTermRefPicsPresentFlag { writeLongTerm(to: &w, sps: sps) }
            if sps.spsTemporalMvpEnabledFlag { w.flag(sliceTemporalMvpEnabledFlag) }
        }
        if nuhLayerId > 0, let vps, let ext = vps.ext {
            let direct = vps.directReferenceLayers(of: nuhLayerId)
            if !ext.defaultRefLayersActiveFlag && !direct.isEmpty {
                w.flag(interLayerPredEnabledFlag)
                if interLayerPredEnabledFlag && direct.count > 1 {
                    let length = VPSExtension.bits(for: direct.count)
                    if !ext.maxOneActiveRefLayerFlag { w.u(refPicLayerId.count - 1, length) }
                    if refPicLayerId.count != direct.count {
                        for id in refPicLayerId { w.u(direct.firstIndex(of: id) ?? 0, length) }
                    }
                }
            }
        }
        if sps.sampleAdaptiveOffsetEnabledFlag {
            w.flag(sliceSaoLumaFlag)
            if sps.chromaFormatIdc != 0 { w.flag(sliceSaoChromaFlag) }
        }
        if sliceType != .i { writeInter(to: &w, pps: pps, sps: sps) }
        w.se(sliceQpDelta)
        if pps.ppsSliceChromaQpOffsetsPresentFlag {
            w.se(sliceCbQpOffset)
            w.se(sliceCrQpOffset)
        }
        if !pps.rangeExtension.chromaQpOffsetList.isEmpty { w.flag(cuChromaQpOffsetEnabledFlag) }
        if pps.deblockingFilterOverrideEnabledFlag { w.flag(deblockingFilterOverrideFlag) }
        if deblockingFilterOverrideFlag {
            w.flag(sliceDeblockingFilterDisabledFlag)
            if !sliceDeblockingFilterDisabledFlag {
                w.se(sliceBetaOffsetDiv2)
                w.se(sliceTcOffsetDiv2)
            }
        }
        if pps.ppsLoopFilterAcrossSlicesEnabledFlag
            && (sliceSaoLumaFlag || sliceSaoChromaFlag || !sliceDeblockingFilterDisabledFlag)
        {
            w.flag(sliceLoopFilterAcrossSlicesEnabledFlag)
        }
    }

    private func writeInter(to w: inout BitWriter, pps: PictureParameterSet, sps: SequenceParameterSet) {
        let defaults = (
            pps.numRefIdxL0DefaultActiveMinus1 + 1, sliceType == .b ? pps.numRefIdxL1DefaultActiveMinus1 + 1 : 0
        )
        w.flag(defaults != numRefIdxActive)
        if defaults != numRefIdxActive {
            w.ue(numRefIdxActive.0 - 1)
            if sliceType == .b { w.ue(numRefIdxActive.1 - 1) }
        }
        let total = numPicTotalCurr
        if pps.listsModificationPresentFlag && total > 1 {
            let length = VPSExtension.bits(for: total)
            w.flag(listEntryL0 != nil)
            for entry in listEntryL0 ?? [] { w.u(entry, length) }
            if sliceType == .b {
                w.flag(listEntryL1 != nil)
                for entry in listEntryL1 ?? [] { w.u(entry, length) }
            }
        }
        if sliceType == .b { w.flag(mvdL1ZeroFlag) }
        if pps.cabacInitPresentFlag { w.flag(cabacInitFlag) }
        if sliceTemporalMvpEnabledFlag {
            if sliceType == .b { w.flag(collocatedFromL0Flag) }
            let count = collocatedFromL0Flag ? numRefIdxActive.0 : numRefIdxActive.1
            if count > 1 { w.ue(collocatedRefIdx) }
        }
        if (pps.weightedPredFlag && sliceType == .p) || (pps.weightedBipredFlag && sliceType == .b) {
            writeWeights(to: &w, sps: sps)
        }
        w.ue(5 - maxNumMergeCand)
    }

    /// All long-term pictures as pictures of the header, none by way of the SPS.
    private func writeLongTerm(to w: inout BitWriter, sps: SequenceParameterSet) {
        if !sps.ltRefPicPocLsbSps.isEmpty { w.ue(0) }
        w.ue(longTermRefPics.count)
        var previous = 0
        for pic in longTermRefPics {
            w.u(pic.pocLsbLt, sps.log2MaxPicOrderCntLsb)
            w.flag(pic.usedByCurrPicLt)
            w.flag(pic.deltaPocMsbPresentFlag)
            if pic.deltaPocMsbPresentFlag { w.ue(pic.deltaPocMsbCycleLt - previous) }
            previous = pic.deltaPocMsbCycleLt
        }
    }

    /// pred_weight_table() from `predWeights` (7.3.6.3).
    private func writeWeights(to w: inout BitWriter, sps: SequenceParameterSet) {
        let hasChroma = sps.chromaFormatIdc != 0
        let halfC = 1 << (sps.rangeExtension.highPrecisionOffsetsEnabledFlag ? sps.bitDepthC - 1 : 7)
        w.ue(lumaLog2WeightDenom)
        if hasChroma { w.se(chromaLog2WeightDenom - lumaLog2WeightDenom) }
        func list(_ weights: [PredWeight]) {
            for entry in weights { w.flag(entry.lumaWeightFlag) }
            if hasChroma { for entry in weights { w.flag(entry.chromaWeightFlag) } }
            for entry in weights {
                if entry.lumaWeightFlag {
                    w.se(entry.luma.weight - (1 << lumaLog2WeightDenom))
                    w.se(entry.luma.offset)
                }
                if entry.chromaWeightFlag {
                    for component in [entry.chroma.0, entry.chroma.1] {
                        w.se(component.weight - (1 << chromaLog2WeightDenom))
                        w.se(component.offset - halfC + ((halfC * component.weight) >> chromaLog2WeightDenom))
                    }
                }
            }
        }
        list(predWeights?.0 ?? [])
        if sliceType == .b { list(predWeights?.1 ?? []) }
    }
}
