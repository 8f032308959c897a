// SPDX-License-Identifier: GPL-2.0-or-later

/// seq_parameter_set_rbsp() (7.3.2.2, F.7.3.2.2). Immutable once parsed, hence shared by threads.
package final class SequenceParameterSet: @unchecked Sendable {
    package var nuhLayerId = 0
    package var spsVideoParameterSetId = 0
    /// sps_ext_or_max_sub_layers_minus1 is 7: size, depth and ordering come from the VPS.
    package var multiLayerExtSpsFlag = false
    package var spsMaxSubLayersMinus1 = 0
    package var spsTemporalIdNestingFlag = true
    package var profileTierLevel = ProfileTierLevel()
    package var spsSeqParameterSetId = 0
    package var updateRepFormatFlag = false
    package var spsRepFormatIdx = 0
    package var chromaFormatIdc = 1
    package var picWidthInLumaSamples = 0
    package var picHeightInLumaSamples = 0
    /// conf_win offsets in chroma units: left, right, top, bottom.
    package var conformanceWindow: [Int]?
    package var bitDepthLumaMinus8 = 0
    package var bitDepthChromaMinus8 = 0
    package var log2MaxPicOrderCntLsbMinus4 = 4
    package var spsSubLayerOrderingInfoPresentFlag = true
    package var subLayerOrdering: [VideoParameterSet.SubLayerOrdering] = [.init()]
    package var log2MinLumaCodingBlockSizeMinus3 = 0
    package var log2DiffMaxMinLumaCodingBlockSize = 3
    package var log2MinLumaTransformBlockSizeMinus2 = 0
    package var log2DiffMaxMinLumaTransformBlockSize = 3
    package var maxTransformHierarchyDepthInter = 0
    package var maxTransformHierarchyDepthIntra = 0
    package var scalingListEnabledFlag = false
    package var spsInferScalingListFlag = false
    package var spsScalingListRefLayerId = 0
    package var scalingList: ScalingList?
    package var ampEnabledFlag = false
    package var sampleAdaptiveOffsetEnabledFlag = false
    package var pcmEnabledFlag = false
    package var pcmSampleBitDepthLumaMinus1 = 7
    package var pcmSampleBitDepthChromaMinus1 = 7
    package var log2MinPcmLumaCodingBlockSizeMinus3 = 0
    package var log2DiffMaxMinPcmLumaCodingBlockSize = 0
    package var pcmLoopFilterDisabledFlag = false
    package var shortTermRefPicSets: [ShortTermRefPicSet] = []
    package var longTermRefPicsPresentFlag = false
    package var ltRefPicPocLsbSps: [Int] = []
    package var usedByCurrPicLtSpsFlag: [Bool] = []
    package var spsTemporalMvpEnabledFlag = true
    package var strongIntraSmoothingEnabledFlag = false
    package var vui: VUIParameters?
    /// sps_range_extension(); nil where there is none.
    package var writtenRangeExtension: RangeExtension?
    /// The range extension's tools, all off where there is none.
    package var rangeExtension: RangeExtension { writtenRangeExtension ?? RangeExtension() }
    package var spsMultilayerExtensionFlag = false
    package var interViewMvVertConstraintFlag = false

    package init() {}

    package convenience init(rbsp: [UInt8], nuhLayerId: Int) throws {
        var r = BitReader(rbsp)
        try self.init(head: &r, nuhLayerId: nuhLayerId)
        if multiLayerExtSpsFlag {
            updateRepFormatFlag = try r.flag("update_rep_format_flag")
            if updateRepFormatFlag { spsRepFormatIdx = try r.u(8, "sps_rep_format_idx") }
        } else {
            try readFormat(&r)
        }
        try readRest(&r)
    }

    /// sps_seq_parameter_set_id, of a set that may not be readable beyond it.
    package static func identifier(rbsp: [UInt8], nuhLayerId: Int) -> Int? {
        var r = BitReader(rbsp)
        return (try? SequenceParameterSet(head: &r, nuhLayerId: nuhLayerId))?.spsSeqParameterSetId
    }

    /// Up to sps_seq_parameter_set_id.
    private init(head r: inout BitReader, nuhLayerId: Int) throws {
        self.nuhLayerId = nuhLayerId
        spsVideoParameterSetId = try r.u(4, "sps_video_parameter_set_id")
        if nuhLayerId == 0 {
            spsMaxSubLayersMinus1 = try r.u(3, "sps_max_sub_layers_minus1", in: 0...6)
        } else {
            let value = try r.u(3, "sps_ext_or_max_sub_layers_minus1")
            multiLayerExtSpsFlag = value == 7
            spsMaxSubLayersMinus1 = multiLayerExtSpsFlag ? 0 : value
        }
        if !multiLayerExtSpsFlag {
            spsTemporalIdNestingFlag = try r.flag("sps_temporal_id_nesting_flag")
            profileTierLevel = try ProfileTierLevel(&r, profilePresent: true, maxSubLayersMinus1: spsMaxSubLayersMinus1)
        }
        spsSeqParameterSetId = try r.ue("sps_seq_parameter_set_id", in: 0...15)
    }

    private func readRest(_ r: inout BitReader) throws {
        log2MaxPicOrderCntLsbMinus4 = try r.ue("log2_max_pic_order_cnt_lsb_minus4", in: 0...12)
        if !multiLayerExtSpsFlag {
            spsSubLayerOrderingInfoPresentFlag = try r.flag("sps_sub_layer_ordering_info_present_flag")
            subLayerOrdering = try VideoParameterSet.readOrdering(
                &r, present: spsSubLayerOrderingInfoPresentFlag, maxSubLayersMinus1: spsMaxSubLayersMinus1,
                prefix: "sps")
        }
        log2MinLumaCodingBlockSizeMinus3 = try r.ue("log2_min_luma_coding_block_size_minus3", in: 0...3)
        log2DiffMaxMinLumaCodingBlockSize = try r.ue(
            "log2_diff_max_min_luma_coding_block_size", in: 0...(3 - log2MinLumaCodingBlockSizeMinus3))
        if ctbLog2SizeY < 4 {
            throw SyntaxError.unsupported(element: "log2_diff_max_min_luma_coding_block_size", value: 0)
        }
        log2MinLumaTransformBlockSizeMinus2 = try r.ue(
            "log2_min_luma_transform_block_size_minus2", in: 0...log2MinLumaCodingBlockSizeMinus3)
        log2DiffMaxMinLumaTransformBlockSize = try r.ue(
            "log2_diff_max_min_luma_transform_block_size", in: 0...(min(5, ctbLog2SizeY) - minTbLog2SizeY))
        let maxDepth = ctbLog2SizeY - minTbLog2SizeY
        maxTransformHierarchyDepthInter = try r.ue("max_transform_hierarchy_depth_inter", in: 0...maxDepth)
        maxTransformHierarchyDepthIntra = try r.ue("max_transform_hierarchy_depth_intra", in: 0...maxDepth)
        scalingListEnabledFlag = try r.flag("scaling_list_enabled_flag")
        if scalingListEnabledFlag {
            if multiLayerExtSpsFlag { spsInferScalingListFlag = try r.flag("sps_infer_scaling_list_flag") }
            if spsInferScalingListFlag {
                spsScalingListRefLayerId = try r.u(6, "sps_scaling_list_ref_layer_id")
            } else if try r.flag("sps_scaling_list_data_present_flag") {
                scalingList = try ScalingList(&r)
            }
        }
        ampEnabledFlag = try r.flag("amp_enabled_flag")
        sampleAdaptiveOffsetEnabledFlag = try r.flag("sample_adaptive_offset_enabled_flag")
        pcmEnabledFlag = try r.flag("pcm_enabled_flag")
        if pcmEnabledFlag {
            pcmSampleBitDepthLumaMinus1 = try r.u(4, "pcm_sample_bit_depth_luma_minus1")
            pcmSampleBitDepthChromaMinus1 = try r.u(4, "pcm_sample_bit_depth_chroma_minus1")
            if !multiLayerExtSpsFlag {
                if pcmSampleBitDepthLumaMinus1 >= 8 + bitDepthLumaMinus8 {
                    throw SyntaxError.outOfRange(
                        element: "pcm_sample_bit_depth_luma_minus1", value: pcmSampleBitDepthLumaMinus1)
                }
                if pcmSampleBitDepthChromaMinus1 >= 8 + bitDepthChromaMinus8 {
                    throw SyntaxError.outOfRange(
                        element: "pcm_sample_bit_depth_chroma_minus1", value: pcmSampleBitDepthChromaMinus1)
                }
            }
            log2MinPcmLumaCodingBlockSizeMinus3 = try r.ue("log2_min_pcm_luma_coding_block_size_minus3", in: 0...2)
            log2DiffMaxMinPcmLumaCodingBlockSize = try r.ue(
                "log2_diff_max_min_pcm_luma_coding_block_size", in: 0...(2 - log2MinPcmLumaCodingBlockSizeMinus3))
            if log2MinPcmLumaCodingBlockSizeMinus3 + 3 < minCbLog2SizeY {
                throw SyntaxError.outOfRange(
                    element: "log2_min_pcm_luma_coding_block_size_minus3", value: log2MinPcmLumaCodingBlockSizeMinus3)
            }
            pcmLoopFilterDisabledFlag = try r.flag("pcm_loop_filter_disabled_flag")
        }
        let sets = try r.ue("num_short_term_ref_pic_sets", in: 0...64)
        for i in 0..<sets {
            shortTermRefPicSets.append(
                try ShortTermRefPicSet(&r, index: i, previous: shortTermRefPicSets, setCount: sets))
        }
        longTermRefPicsPresentFlag = try r.flag("long_term_ref_pics_present_flag")
        if longTermRefPicsPresentFlag {
            for _ in 0..<(try r.ue("num_long_term_ref_pics_sps", in: 0...32)) {
                ltRefPicPocLsbSps.append(try r.u(log2MaxPicOrderCntLsb, "lt_ref_pic_poc_lsb_sps"))
                usedByCurrPicLtSpsFlag.append(try r.flag("used_by_curr_pic_lt_sps_flag"))
            }
        }
        spsTemporalMvpEnabledFlag = try r.flag("sps_temporal_mvp_enabled_flag")
        strongIntraSmoothingEnabledFlag = try r.flag("strong_intra_smoothing_enabled_flag")
        if try r.flag("vui_parameters_present_flag") {
            vui = try VUIParameters(&r, maxSubLayersMinus1: spsMaxSubLayersMinus1)
        }
        if try r.flag("sps_extension_present_flag") {
            let range = try r.flag("sps_range_extension_flag")
            spsMultilayerExtensionFlag = try r.flag("sps_multilayer_extension_flag")
            let threeD = try r.flag("sps_3d_extension_flag")
            let scc = try r.flag("sps_scc_extension_flag")
            _ = try r.u(4, "sps_extension_4bits")
            if range {
                writtenRangeExtension = try RangeExtension(&r)
            }
            if spsMultilayerExtensionFlag {
                interViewMvVertConstraintFlag = try r.flag("inter_view_mv_vert_constraint_flag")
            }
            if threeD { throw SyntaxError.unsupported(element: "sps_3d_extension_flag", value: 1) }
            if scc { throw SyntaxError.unsupported(element: "sps_scc_extension_flag", value: 1) }
        }
    }

    private func readFormat(_ r: inout BitReader) throws {
        chromaFormatIdc = try r.ue("chroma_format_idc", in: 0...3)
        // Three planes coded as pictures of their own would share positions, which nonces are made of.
        if chromaFormatIdc == 3, try r.flag("separate_colour_plane_flag") {
            throw SyntaxError.unsupported(element: "separate_colour_plane_flag", value: 1)
        }
        picWidthInLumaSamples = try r.ue("pic_width_in_luma_samples", in: 1...16384)
        picHeightInLumaSamples = try r.ue("pic_height_in_luma_samples", in: 1...16384)
        if try r.flag("conformance_window_flag") {
            var window: [Int] = []
            for side in ["left", "right", "top", "bottom"] {
                window.append(try r.ue("conf_win_\(side)_offset", in: 0...8191))
            }
            conformanceWindow = window
        }
        bitDepthLumaMinus8 = try r.ue("bit_depth_luma_minus8", in: 0...8)
        bitDepthChromaMinus8 = try r.ue("bit_depth_chroma_minus8", in: 0...8)
        try checkFormat()
    }

    private func checkFormat() throws {
        if bitDepthLumaMinus8 > 8 {
            throw SyntaxError.outOfRange(element: "bit_depth_luma_minus8", value: bitDepthLumaMinus8)
        }
        if bitDepthChromaMinus8 > 8 {
            throw SyntaxError.outOfRange(element: "bit_depth_chroma_minus8", value: bitDepthChromaMinus8)
        }
        if let w = conformanceWindow {
            if subWidthC * (w[0] + w[1]) >= picWidthInLumaSamples {
                throw SyntaxError.outOfRange(element: "conf_win_right_offset", value: w[1])
            }
            if subHeightC * (w[2] + w[3]) >= picHeightInLumaSamples {
                throw SyntaxError.outOfRange(element: "conf_win_bottom_offset", value: w[3])
            }
        }
    }

    /// Sizes and depths as the VPS has them (F.7.4.3.1.1).
    package func apply(_ format: VPSExtension.RepFormat) {
        chromaFormatIdc = format.chromaFormatVpsIdc
        picWidthInLumaSamples = format.picWidthVpsInLumaSamples
        picHeightInLumaSamples = format.picHeightVpsInLumaSamples
        bitDepthLumaMinus8 = format.bitDepthVpsLumaMinus8
        bitDepthChromaMinus8 = format.bitDepthVpsChromaMinus8
        conformanceWindow = format.conformanceWindow
    }

    /// The SPS as a layer uses it: with size, depth and limits from the VPS where it leaves them to the VPS
    /// (F.7.4.3.2.1). Throws when the size does not suit the coding block size.
    package func resolved(forLayer layerId: Int, vps: VideoParameterSet?) throws -> SequenceParameterSet {
        var sps = self
        if multiLayerExtSpsFlag {
            guard let vps, let ext = vps.ext, let index = vps.layerIndex(ofLayer: layerId) else {
                throw SyntaxError.missing(set: "VPS extension for layer \(layerId), VPS", id: spsVideoParameterSetId)
            }
            let format =
                updateRepFormatFlag
                ? (ext.repFormats.indices.contains(spsRepFormatIdx) ? ext.repFormats[spsRepFormatIdx] : nil)
                : ext.repFormat(ofLayerIndex: index)
            guard let format else {
                throw SyntaxError.outOfRange(element: "sps_rep_format_idx", value: spsRepFormatIdx)
            }
            sps = copy()
            sps.apply(format)
            sps.subLayerOrdering = vps.subLayerOrdering
            sps.spsMaxSubLayersMinus1 = vps.vpsMaxSubLayersMinus1
            try sps.checkFormat()
        }
        let mask = (1 << sps.minCbLog2SizeY) - 1
        if sps.picWidthInLumaSamples == 0 || sps.picWidthInLumaSamples > 16384 || sps.picWidthInLumaSamples & mask != 0
        {
            throw SyntaxError.outOfRange(element: "pic_width_in_luma_samples", value: sps.picWidthInLumaSamples)
        }
        if sps.picHeightInLumaSamples == 0 || sps.picHeightInLumaSamples > 16384
            || sps.picHeightInLumaSamples & mask != 0
        {
            throw SyntaxError.outOfRange(element: "pic_height_in_luma_samples", value: sps.picHeightInLumaSamples)
        }
        // No level allows more: what a damaged size asks for stays bounded.
        if sps.picWidthInLumaSamples * sps.picHeightInLumaSamples > Self.maxLumaPs {
            throw SyntaxError.outOfRange(element: "pic_height_in_luma_samples", value: sps.picHeightInLumaSamples)
        }
        if sps.pcmEnabledFlag && sps.pcmSampleBitDepthLumaMinus1 >= sps.bitDepthY {
            throw SyntaxError.outOfRange(
                element: "pcm_sample_bit_depth_luma_minus1", value: sps.pcmSampleBitDepthLumaMinus1)
        }
        if sps.pcmEnabledFlag && sps.pcmSampleBitDepthChromaMinus1 >= sps.bitDepthC {
            throw SyntaxError.outOfRange(
                element: "pcm_sample_bit_depth_chroma_minus1", value: sps.pcmSampleBitDepthChromaMinus1)
        }
        let window = sps.window
        if window.left + window.right >= sps.picWidthInLumaSamples
            || window.top + window.bottom >= sps.picHeightInLumaSamples
        {
            throw SyntaxError.outOfRange(element: "conf_win_right_offset", value: sps.conformanceWindow?[1] ?? 0)
        }
        return sps
    }

    /// MaxLumaPs of level 6.2 (Table A.8).
    static let maxLumaPs = 35_651_584

    // MARK: Derived variables (7.4.3.2.1)

    /// Luma samples a chroma sample in each direction (Table 6-1); 1 for monochrome.
    package var subWidthC: Int { chromaFormatIdc == 1 || chromaFormatIdc == 2 ? 2 : 1 }
    package var subHeightC: Int { chromaFormatIdc == 1 ? 2 : 1 }
    package var bitDepthY: Int { 8 + bitDepthLumaMinus8 }
    package var bitDepthC: Int { 8 + bitDepthChromaMinus8 }
    package var qpBdOffsetY: Int { 6 * bitDepthLumaMinus8 }
    package var qpBdOffsetC: Int { 6 * bitDepthChromaMinus8 }
    package var log2MaxPicOrderCntLsb: Int { log2MaxPicOrderCntLsbMinus4 + 4 }
    package var minCbLog2SizeY: Int { log2MinLumaCodingBlockSizeMinus3 + 3 }
    package var ctbLog2SizeY: Int { minCbLog2SizeY + log2DiffMaxMinLumaCodingBlockSize }
    package var minTbLog2SizeY: Int { log2MinLumaTransformBlockSizeMinus2 + 2 }
    package var maxTbLog2SizeY: Int { minTbLog2SizeY + log2DiffMaxMinLumaTransformBlockSize }
    package var ctbSizeY: Int { 1 << ctbLog2SizeY }
    package var picWidthInCtbsY: Int { (picWidthInLumaSamples + ctbSizeY - 1) >> ctbLog2SizeY }
    package var picHeightInCtbsY: Int { (picHeightInLumaSamples + ctbSizeY - 1) >> ctbLog2SizeY }
    package var picSizeInCtbsY: Int { picWidthInCtbsY * picHeightInCtbsY }
    package var picWidthInMinCbsY: Int { picWidthInLumaSamples >> minCbLog2SizeY }
    package var log2MinIpcmCbSizeY: Int { log2MinPcmLumaCodingBlockSizeMinus3 + 3 }
    package var log2MaxIpcmCbSizeY: Int { log2MinIpcmCbSizeY + log2DiffMaxMinPcmLumaCodingBlockSize }
    /// Luma samples within the conformance window.
    package var shownSize: (width: Int, height: Int) {
        let window = self.window
        return (
            picWidthInLumaSamples - window.left - window.right, picHeightInLumaSamples - window.top - window.bottom
        )
    }

    /// Conformance window in luma samples.
    package var window: (left: Int, right: Int, top: Int, bottom: Int) {
        guard let w = conformanceWindow else { return (0, 0, 0, 0) }
        return (subWidthC * w[0], subWidthC * w[1], subHeightC * w[2], subHeightC * w[3])
    }
}
