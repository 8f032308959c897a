// SPDX-License-Identifier: GPL-2.0-or-later

/// What a slice segment header is read against.
package protocol ParameterSetSource {
    func pictureParameterSet(id: Int) throws -> PictureParameterSet
    /// Resolved for the layer: see `SequenceParameterSet.resolved`.
    func sequenceParameterSet(id: Int, layerId: Int) throws -> SequenceParameterSet
    func videoParameterSet(id: Int) -> VideoParameterSet?
}

extension SliceSegmentHeader {
    private static func bits(for n: Int) -> Int { VPSExtension.bits(for: n) }

    /// Reads the header of a slice NAL unit. `previous` is the header before it in the same picture: dependent
    /// segments take over its fields.
    package init(
        nal: NALUnitHeader, rbsp: [UInt8], sets: some ParameterSetSource, previous: SliceSegmentHeader?
    ) throws {
        var r = BitReader(rbsp)
        let first = try r.flag("first_slice_segment_in_pic_flag")
        var noOutput = false
        if nal.nalUnitType.isIRAP { noOutput = try r.flag("no_output_of_prior_pics_flag") }
        let ppsId = try r.ue("slice_pic_parameter_set_id", in: 0...63)
        let pps = try sets.pictureParameterSet(id: ppsId)
        let sps = try sets.sequenceParameterSet(id: pps.ppsSeqParameterSetId, layerId: nal.nuhLayerId)
        let vps = sets.videoParameterSet(id: sps.spsVideoParameterSetId)
        try pps.check(against: sps)
        var dependent = false
        var address = 0
        if !first {
            if pps.dependentSliceSegmentsEnabledFlag { dependent = try r.flag("dependent_slice_segment_flag") }
            let count = sps.picSizeInCtbsY
            address = try r.u(Self.bits(for: count), "slice_segment_address", in: 0...(count - 1))
        }
        if dependent {
            guard let previous, previous.slicePicParameterSetId == ppsId else {
                throw SyntaxError.outOfRange(element: "dependent_slice_segment_flag", value: 1)
            }
            self = previous
        } else {
            self.init()
            sliceAddrRs = address
        }
        nalUnitType = nal.nalUnitType
        nuhLayerId = nal.nuhLayerId
        temporalId = nal.temporalId
        firstSliceSegmentInPicFlag = first
        noOutputOfPriorPicsFlag = noOutput
        slicePicParameterSetId = ppsId
        dependentSliceSegmentFlag = dependent
        sliceSegmentAddress = address
        if !dependent { try readSlice(&r, pps: pps, sps: sps, vps: vps) }
        entryPointsPosition = r.position
        entryPointOffsets = []
        offsetLenMinus1 = 0
        if pps.tilesEnabledFlag || pps.entropyCodingSyncEnabledFlag { try readEntryPoints(&r, pps: pps, sps: sps) }
        afterEntryPointsPosition = r.position
        if pps.sliceSegmentHeaderExtensionPresentFlag { try readExtension(&r, pps: pps, sps: sps, vps: vps) }
        if try r.u(1, "alignment_bit_equal_to_one") != 1 {
            throw SyntaxError.outOfRange(element: "alignment_bit_equal_to_one", value: 0)
        }
        r.alignToByte()
        byteCount = r.position / 8
    }

    private mutating func readSlice(
        _ r: inout BitReader, pps: PictureParameterSet, sps: SequenceParameterSet, vps: VideoParameterSet?
    ) throws {
        for i in 0..<pps.numExtraSliceHeaderBits {
            let bit = try r.flag("slice_reserved_flag")
            if nuhLayerId > 0 && i == 0 { discardableFlag = bit }
            if nuhLayerId > 0 && i == 1 { crossLayerBlaFlag = bit }
        }
        let type = try r.ue("slice_type", in: 0...2)
        sliceType = SliceType(rawValue: type) ?? .i
        if nalUnitType.isIRAP && nuhLayerId == 0 && sliceType != .i {
            throw SyntaxError.outOfRange(element: "slice_type", value: type)
        }
        if pps.outputFlagPresentFlag { picOutputFlag = try r.flag("pic_output_flag") }
        let layerIndex = vps?.layerIndex(ofLayer: nuhLayerId)
        let ext = vps?.ext
        let lsbNotPresent = layerIndex.flatMap { i in
            ext.map { $0.pocLsbNotPresentFlag.indices.contains(i) && $0.pocLsbNotPresentFlag[i] }
        }
        if (nuhLayerId > 0 && !(lsbNotPresent ?? false)) || !nalUnitType.isIDR {
            slicePicOrderCntLsb = try r.u(sps.log2MaxPicOrderCntLsb, "slice_pic_order_cnt_lsb")
        }
        if !nalUnitType.isIDR { try readReferenceSets(&r, sps: sps) }
        if nuhLayerId > 0, let vps { try readInterLayer(&r, vps: vps) }
        if sps.sampleAdaptiveOffsetEnabledFlag {
            sliceSaoLumaFlag = try r.flag("slice_sao_luma_flag")
            if sps.chromaFormatIdc != 0 { sliceSaoChromaFlag = try r.flag("slice_sao_chroma_flag") }
        }
        if sliceType != .i { try readInter(&r, pps: pps, sps: sps) }
        sliceQpDelta = try r.se("slice_qp_delta", in: -100...100)
        let qp = 26 + pps.initQpMinus26 + sliceQpDelta
        if qp < -sps.qpBdOffsetY || qp > 51 {
            throw SyntaxError.outOfRange(element: "slice_qp_delta", value: sliceQpDelta)
        }
        if pps.ppsSliceChromaQpOffsetsPresentFlag {
            sliceCbQpOffset = try r.se("slice_cb_qp_offset", in: -12...12)
            sliceCrQpOffset = try r.se("slice_cr_qp_offset", in: -12...12)
        }
        if !pps.rangeExtension.chromaQpOffsetList.isEmpty {
            cuChromaQpOffsetEnabledFlag = try r.flag("cu_chroma_qp_offset_enabled_flag")
        }
        if pps.deblockingFilterOverrideEnabledFlag {
            deblockingFilterOverrideFlag = try r.flag("deblocking_filter_override_flag")
        }
        sliceDeblockingFilterDisabledFlag = pps.ppsDeblockingFilterDisabledFlag
        sliceBetaOffsetDiv2 = pps.ppsBetaOffsetDiv2
        sliceTcOffsetDiv2 = pps.ppsTcOffsetDiv2
        if deblockingFilterOverrideFlag {
            sliceDeblockingFilterDisabledFlag = try r.flag("slice_deblocking_filter_disabled_flag")
            if !sliceDeblockingFilterDisabledFlag {
                sliceBetaOffsetDiv2 = try r.se("slice_beta_offset_div2", in: -6...6)
                sliceTcOffsetDiv2 = try r.se("slice_tc_offset_div2", in: -6...6)
            }
        }
        sliceLoopFilterAcrossSlicesEnabledFlag = pps.ppsLoopFilterAcrossSlicesEnabledFlag
        if pps.ppsLoopFilterAcrossSlicesEnabledFlag
            && (sliceSaoLumaFlag || sliceSaoChromaFlag || !sliceDeblockingFilterDisabledFlag)
        {
            sliceLoopFilterAcrossSlicesEnabledFlag = try r.flag("slice_loop_filter_across_slices_enabled_flag")
        }
    }

    private mutating func readReferenceSets(_ r: inout BitReader, sps: SequenceParameterSet) throws {
        let sets = sps.shortTermRefPicSets
        shortTermRefPicSetSpsFlag = try r.flag("short_term_ref_pic_set_sps_flag")
        if !shortTermRefPicSetSpsFlag {
            shortTermRefPicSet = try ShortTermRefPicSet(
                &r, index: sets.count, previous: sets, setCount: sets.count)
        } else {
            if sets.isEmpty { throw SyntaxError.outOfRange(element: "short_term_ref_pic_set_sps_flag", value: 1) }
            if sets.count > 1 {
                shortTermRefPicSetIdx = try r.u(
                    Self.bits(for: sets.count), "short_term_ref_pic_set_idx", in: 0...(sets.count - 1))
            }
            shortTermRefPicSet = sets[shortTermRefPicSetIdx]
        }
        if sps.longTermRefPicsPresentFlag {
            var fromSps = 0
            if !sps.ltRefPicPocLsbSps.isEmpty { fromSps = try r.ue("num_long_term_sps", in: 0...32) }
            let inHeader = try r.ue("num_long_term_pics", in: 0...32)
            if fromSps + inHeader + shortTermRefPicSet.numDeltaPocs > 16 {
                throw SyntaxError.outOfRange(element: "num_long_term_pics", value: inHeader)
            }
            for i in 0..<(fromSps + inHeader) {
                var pic = LongTermRefPic()
                if i < fromSps {
                    let count = sps.ltRefPicPocLsbSps.count
                    let index = count > 1 ? try r.u(Self.bits(for: count), "lt_idx_sps", in: 0...(count - 1)) : 0
                    pic.pocLsbLt = sps.ltRefPicPocLsbSps[index]
                    pic.usedByCurrPicLt = sps.usedByCurrPicLtSpsFlag[index]
                } else {
                    pic.pocLsbLt = try r.u(sps.log2MaxPicOrderCntLsb, "poc_lsb_lt")
                    pic.usedByCurrPicLt = try r.flag("used_by_curr_pic_lt_flag")
                }
                pic.deltaPocMsbPresentFlag = try r.flag("delta_poc_msb_present_flag")
                if pic.deltaPocMsbPresentFlag {
                    pic.deltaPocMsbCycleLt = try r.ue("delta_poc_msb_cycle_lt", in: 0...(1 << 28))
                }
                if i != 0 && i != fromSps { pic.deltaPocMsbCycleLt += longTermRefPics[i - 1].deltaPocMsbCycleLt }
                longTermRefPics.append(pic)
            }
        }
        if sps.spsTemporalMvpEnabledFlag { sliceTemporalMvpEnabledFlag = try r.flag("slice_temporal_mvp_enabled_flag") }
    }

    private mutating func readInterLayer(_ r: inout BitReader, vps: VideoParameterSet) throws {
        guard let ext = vps.ext, let index = vps.layerIndex(ofLayer: nuhLayerId) else { return }
        let direct = vps.directReferenceLayers(of: nuhLayerId)
        // Reference layers that have a picture at this temporal sub-layer (refLayerPicIdc).
        var idc: [Int] = []
        for (i, id) in direct.enumerated() {
            guard let ref = vps.layerIndex(ofLayer: id) else { continue }
            let maxSub = ext.subLayersVpsMaxMinus1?[ref] ?? vps.vpsMaxSubLayersMinus1
            let maxTid = ext.maxTidIlRefPicsPlus1.map { $0[ref][index] } ?? 7
            if maxSub >= temporalId && (temporalId == 0 || maxTid > temporalId) { idc.append(i) }
        }
        var active = 0
        if !ext.defaultRefLayersActiveFlag && !direct.isEmpty {
            interLayerPredEnabledFlag = try r.flag("inter_layer_pred_enabled_flag")
            if interLayerPredEnabledFlag {
                active = 1
                if direct.count > 1 {
                    let length = Self.bits(for: direct.count)
                    if !ext.maxOneActiveRefLayerFlag {
                        active = try r.u(length, "num_inter_layer_ref_pics_minus1", in: 0...(direct.count - 1)) + 1
                    }
                    if active != direct.count {
                        var last = -1
                        idc = []
                        for _ in 0..<active {
                            last = try r.u(
                                length, "inter_layer_pred_layer_idc", in: (last + 1)...max(direct.count - 1, last + 1))
                            if last >= direct.count {
                                throw SyntaxError.outOfRange(element: "inter_layer_pred_layer_idc", value: last)
                            }
                            idc.append(last)
                        }
                    }
                }
            }
        } else if !direct.isEmpty {
            interLayerPredEnabledFlag = true
            active = idc.count
        }
        refPicLayerId = idc.prefix(active).map { direct[$0] }
    }

    private mutating func readInter(
        _ r: inout BitReader, pps: PictureParameterSet, sps: SequenceParameterSet
    ) throws {
        numRefIdxActive = (
            pps.numRefIdxL0DefaultActiveMinus1 + 1, sliceType == .b ? pps.numRefIdxL1DefaultActiveMinus1 + 1 : 0
        )
        if try r.flag("num_ref_idx_active_override_flag") {
            numRefIdxActive.0 = try r.ue("num_ref_idx_l0_active_minus1", in: 0...14) + 1
            if sliceType == .b { numRefIdxActive.1 = try r.ue("num_ref_idx_l1_active_minus1", in: 0...14) + 1 }
        }
        let total = numPicTotalCurr
        if total == 0 { throw SyntaxError.outOfRange(element: "NumPicTotalCurr", value: 0) }
        if pps.listsModificationPresentFlag && total > 1 {
            let length = Self.bits(for: total)
            if try r.flag("ref_pic_list_modification_flag_l0") {
                listEntryL0 = []
                for _ in 0..<numRefIdxActive.0 {
                    listEntryL0?.append(try r.u(length, "list_entry_l0", in: 0...(total - 1)))
                }
            }
            if sliceType == .b, try r.flag("ref_pic_list_modification_flag_l1") {
                listEntryL1 = []
                for _ in 0..<numRefIdxActive.1 {
                    listEntryL1?.append(try r.u(length, "list_entry_l1", in: 0...(total - 1)))
                }
            }
        }
        if sliceType == .b { mvdL1ZeroFlag = try r.flag("mvd_l1_zero_flag") }
        if pps.cabacInitPresentFlag { cabacInitFlag = try r.flag("cabac_init_flag") }
        if sliceTemporalMvpEnabledFlag {
            if sliceType == .b { collocatedFromL0Flag = try r.flag("collocated_from_l0_flag") }
            let count = collocatedFromL0Flag ? numRefIdxActive.0 : numRefIdxActive.1
            if count > 1 { collocatedRefIdx = try r.ue("collocated_ref_idx", in: 0...(count - 1)) }
        }
        if (pps.weightedPredFlag && sliceType == .p) || (pps.weightedBipredFlag && sliceType == .b) {
            try readWeights(&r, sps: sps)
        }
        maxNumMergeCand = 5 - (try r.ue("five_minus_max_num_merge_cand", in: 0...4))
    }

    /// pred_weight_table() (7.3.6.3, F.7.3.6.3).
    private mutating func readWeights(_ r: inout BitReader, sps: SequenceParameterSet) throws {
        let hasChroma = sps.chromaFormatIdc != 0
        let isPrecise = sps.rangeExtension.highPrecisionOffsetsEnabledFlag
        // WpOffsetHalfRangeY and WpOffsetHalfRangeC
        let halfY = 1 << (isPrecise ? sps.bitDepthY - 1 : 7)
        let halfC = 1 << (isPrecise ? sps.bitDepthC - 1 : 7)
        lumaLog2WeightDenom = try r.ue("luma_log2_weight_denom", in: 0...7)
        chromaLog2WeightDenom = lumaLog2WeightDenom
        if hasChroma { chromaLog2WeightDenom += try r.se("delta_chroma_log2_weight_denom", in: -7...7) }
        if !(0...7).contains(chromaLog2WeightDenom) {
            throw SyntaxError.outOfRange(
                element: "delta_chroma_log2_weight_denom", value: chromaLog2WeightDenom - lumaLog2WeightDenom)
        }
        func list(_ count: Int, _ lumaDenom: Int, _ chromaDenom: Int) throws -> [PredWeight] {
            var weights = (0..<count).map { _ in PredWeight() }
            for i in 0..<count { weights[i].lumaWeightFlag = try r.flag("luma_weight_flag") }
            if hasChroma {
                for i in 0..<count { weights[i].chromaWeightFlag = try r.flag("chroma_weight_flag") }
            }
            for i in 0..<count {
                weights[i].luma = (1 << lumaDenom, 0)
                weights[i].chroma = ((1 << chromaDenom, 0), (1 << chromaDenom, 0))
                if weights[i].lumaWeightFlag {
                    let delta = try r.se("delta_luma_weight", in: -128...127)
                    weights[i].luma = ((1 << lumaDenom) + delta, try r.se("luma_offset", in: -halfY...(halfY - 1)))
                }
                if weights[i].chromaWeightFlag {
                    func component() throws -> (weight: Int, offset: Int) {
                        let weight = (1 << chromaDenom) + (try r.se("delta_chroma_weight", in: -128...127))
                        let delta = try r.se("delta_chroma_offset", in: (-4 * halfC)...(4 * halfC - 1))
                        let offset = min(max(halfC + delta - ((halfC * weight) >> chromaDenom), -halfC), halfC - 1)
                        return (weight, offset)
                    }
                    weights[i].chroma = (try component(), try component())
                }
            }
            return weights
        }
        let l0 = try list(numRefIdxActive.0, lumaLog2WeightDenom, chromaLog2WeightDenom)
        let l1 = sliceType == .b ? try list(numRefIdxActive.1, lumaLog2WeightDenom, chromaLog2WeightDenom) : []
        predWeights = (l0, l1)
    }

    private mutating func readEntryPoints(
        _ r: inout BitReader, pps: PictureParameterSet, sps: SequenceParameterSet
    ) throws {
        let rows = sps.picHeightInCtbsY
        let tiles = (pps.numTileColumnsMinus1 + 1) * (pps.numTileRowsMinus1 + 1)
        let limit: Int
        if pps.tilesEnabledFlag && pps.entropyCodingSyncEnabledFlag {
            limit = (pps.numTileColumnsMinus1 + 1) * rows - 1
        } else {
            limit = pps.tilesEnabledFlag ? tiles - 1 : rows - 1
        }
        let count = try r.ue("num_entry_point_offsets", in: 0...max(limit, 0))
        if count > 0 {
            offsetLenMinus1 = try r.ue("offset_len_minus1", in: 0...31)
            entryPointOffsets.reserveCapacity(count)
            for _ in 0..<count {
                entryPointOffsets.append(try r.u(offsetLenMinus1 + 1, "entry_point_offset_minus1") + 1)
            }
        }
    }

    private mutating func readExtension(
        _ r: inout BitReader, pps: PictureParameterSet, sps: SequenceParameterSet, vps: VideoParameterSet?
    ) throws {
        let length = try r.ue("slice_segment_header_extension_length", in: 0...256)
        let end = r.position + length * 8
        if length * 8 > r.bitsLeft {
            throw SyntaxError.truncated(element: "slice_segment_header_extension", bit: r.position)
        }
        if nuhLayerId > 0 || pps.pocResetInfoPresentFlag {
            if pps.pocResetInfoPresentFlag && end - r.position >= 2 {
                pocResetIdc = try r.u(2, "poc_reset_idc")
                if pocResetIdc != 0 { pocResetPeriodId = try r.u(6, "poc_reset_period_id") }
                if pocResetIdc == 3 {
                    fullPocResetFlag = try r.flag("full_poc_reset_flag")
                    pocLsbVal = try r.u(sps.log2MaxPicOrderCntLsb, "poc_lsb_val")
                }
            }
            if let ext = vps?.ext, r.position < end {
                let crossLayerIRAP = nalUnitType.isIRAP && !nalUnitType.isIDR
                // PocMsbValRequiredFlag: CRA or BLA pictures when the layers' POC LSBs need not be aligned.
                let required =
                    crossLayerIRAP
                    && (!ext.vpsPocLsbAlignedFlag || vps?.directReferenceLayers(of: nuhLayerId).isEmpty == true)
                var present = required
                if !required && ext.vpsPocLsbAlignedFlag { present = try r.flag("poc_msb_cycle_val_present_flag") }
                if present && r.position < end { pocMsbCycleVal = try r.ue("poc_msb_cycle_val", in: 0...(1 << 28)) }
            }
        }
        if r.position > end {
            throw SyntaxError.outOfRange(element: "slice_segment_header_extension_length", value: length)
        }
        try r.skip(end - r.position, "slice_segment_header_extension_data_bit")
    }
}
