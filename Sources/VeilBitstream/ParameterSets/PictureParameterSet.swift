// SPDX-License-Identifier: GPL-2.0-or-later

/// pic_parameter_set_rbsp() (7.3.2.3, F.7.3.2.3). Immutable once parsed.
package final class PictureParameterSet: @unchecked Sendable {
    package var nuhLayerId = 0
    package var ppsPicParameterSetId = 0
    package var ppsSeqParameterSetId = 0
    package var dependentSliceSegmentsEnabledFlag = false
    package var outputFlagPresentFlag = false
    package var numExtraSliceHeaderBits = 0
    package var signDataHidingEnabledFlag = false
    package var cabacInitPresentFlag = false
    package var numRefIdxL0DefaultActiveMinus1 = 0
    package var numRefIdxL1DefaultActiveMinus1 = 0
    package var initQpMinus26 = 0
    package var constrainedIntraPredFlag = false
    package var transformSkipEnabledFlag = false
    package var cuQpDeltaEnabledFlag = false
    package var diffCuQpDeltaDepth = 0
    package var ppsCbQpOffset = 0
    package var ppsCrQpOffset = 0
    package var ppsSliceChromaQpOffsetsPresentFlag = false
    package var weightedPredFlag = false
    package var weightedBipredFlag = false
    package var transquantBypassEnabledFlag = false
    package var tilesEnabledFlag = false
    package var entropyCodingSyncEnabledFlag = false
    package var numTileColumnsMinus1 = 0
    package var numTileRowsMinus1 = 0
    package var uniformSpacingFlag = true
    package var columnWidthMinus1: [Int] = []
    package var rowHeightMinus1: [Int] = []
    package var loopFilterAcrossTilesEnabledFlag = true
    package var ppsLoopFilterAcrossSlicesEnabledFlag = true
    package var deblockingFilterControlPresentFlag = false
    package var deblockingFilterOverrideEnabledFlag = false
    package var ppsDeblockingFilterDisabledFlag = false
    package var ppsBetaOffsetDiv2 = 0
    package var ppsTcOffsetDiv2 = 0
    package var scalingList: ScalingList?
    package var listsModificationPresentFlag = false
    package var log2ParallelMergeLevelMinus2 = 0
    package var sliceSegmentHeaderExtensionPresentFlag = false
    /// pps_range_extension(); nil where there is none.
    package var writtenRangeExtension: RangeExtension?
    /// What the range extension says, or nothing.
    package var rangeExtension: RangeExtension { writtenRangeExtension ?? RangeExtension() }
    // pps_multilayer_extension()
    package var ppsMultilayerExtensionFlag = false
    package var pocResetInfoPresentFlag = false
    package var ppsInferScalingListFlag = false
    package var ppsScalingListRefLayerId = 0
    package struct RefLocOffset: Equatable, Sendable {
        package var refLocOffsetLayerId = 0
        /// scaled_ref_layer offsets: left, top, right, bottom, in chroma units (2 luma samples in 4:2:0); nil when
        /// absent.
        package var scaledRefLayerOffset: [Int]?
        /// ref_region offsets, likewise.
        package var refRegionOffset: [Int]?
        /// phase_hor_luma, phase_ver_luma, phase_hor_chroma_plus8, phase_ver_chroma_plus8; nil when absent.
        package var resamplePhaseSet: [Int]?
        package init() {}
    }
    package var refLocOffsets: [RefLocOffset] = []

    package init() {}

    package init(rbsp: [UInt8], nuhLayerId: Int) throws {
        var r = BitReader(rbsp)
        self.nuhLayerId = nuhLayerId
        ppsPicParameterSetId = try r.ue("pps_pic_parameter_set_id", in: 0...63)
        ppsSeqParameterSetId = try r.ue("pps_seq_parameter_set_id", in: 0...15)
        dependentSliceSegmentsEnabledFlag = try r.flag("dependent_slice_segments_enabled_flag")
        outputFlagPresentFlag = try r.flag("output_flag_present_flag")
        numExtraSliceHeaderBits = try r.u(3, "num_extra_slice_header_bits")
        signDataHidingEnabledFlag = try r.flag("sign_data_hiding_enabled_flag")
        cabacInitPresentFlag = try r.flag("cabac_init_present_flag")
        numRefIdxL0DefaultActiveMinus1 = try r.ue("num_ref_idx_l0_default_active_minus1", in: 0...14)
        numRefIdxL1DefaultActiveMinus1 = try r.ue("num_ref_idx_l1_default_active_minus1", in: 0...14)
        initQpMinus26 = try r.se("init_qp_minus26", in: -74...25)
        constrainedIntraPredFlag = try r.flag("constrained_intra_pred_flag")
        transformSkipEnabledFlag = try r.flag("transform_skip_enabled_flag")
        cuQpDeltaEnabledFlag = try r.flag("cu_qp_delta_enabled_flag")
        if cuQpDeltaEnabledFlag { diffCuQpDeltaDepth = try r.ue("diff_cu_qp_delta_depth", in: 0...3) }
        ppsCbQpOffset = try r.se("pps_cb_qp_offset", in: -12...12)
        ppsCrQpOffset = try r.se("pps_cr_qp_offset", in: -12...12)
        ppsSliceChromaQpOffsetsPresentFlag = try r.flag("pps_slice_chroma_qp_offsets_present_flag")
        weightedPredFlag = try r.flag("weighted_pred_flag")
        weightedBipredFlag = try r.flag("weighted_bipred_flag")
        transquantBypassEnabledFlag = try r.flag("transquant_bypass_enabled_flag")
        tilesEnabledFlag = try r.flag("tiles_enabled_flag")
        entropyCodingSyncEnabledFlag = try r.flag("entropy_coding_sync_enabled_flag")
        if tilesEnabledFlag {
            numTileColumnsMinus1 = try r.ue("num_tile_columns_minus1", in: 0...1023)
            numTileRowsMinus1 = try r.ue("num_tile_rows_minus1", in: 0...1023)
            uniformSpacingFlag = try r.flag("uniform_spacing_flag")
            if !uniformSpacingFlag {
                for _ in 0..<numTileColumnsMinus1 {
                    columnWidthMinus1.append(try r.ue("column_width_minus1", in: 0...1023))
                }
                for _ in 0..<numTileRowsMinus1 { rowHeightMinus1.append(try r.ue("row_height_minus1", in: 0...1023)) }
            }
            loopFilterAcrossTilesEnabledFlag = try r.flag("loop_filter_across_tiles_enabled_flag")
        }
        ppsLoopFilterAcrossSlicesEnabledFlag = try r.flag("pps_loop_filter_across_slices_enabled_flag")
        deblockingFilterControlPresentFlag = try r.flag("deblocking_filter_control_present_flag")
        if deblockingFilterControlPresentFlag {
            deblockingFilterOverrideEnabledFlag = try r.flag("deblocking_filter_override_enabled_flag")
            ppsDeblockingFilterDisabledFlag = try r.flag("pps_deblocking_filter_disabled_flag")
            if !ppsDeblockingFilterDisabledFlag {
                ppsBetaOffsetDiv2 = try r.se("pps_beta_offset_div2", in: -6...6)
                ppsTcOffsetDiv2 = try r.se("pps_tc_offset_div2", in: -6...6)
            }
        }
        if try r.flag("pps_scaling_list_data_present_flag") { scalingList = try ScalingList(&r) }
        listsModificationPresentFlag = try r.flag("lists_modification_present_flag")
        log2ParallelMergeLevelMinus2 = try r.ue("log2_parallel_merge_level_minus2", in: 0...4)
        sliceSegmentHeaderExtensionPresentFlag = try r.flag("slice_segment_header_extension_present_flag")
        if try r.flag("pps_extension_present_flag") {
            let range = try r.flag("pps_range_extension_flag")
            ppsMultilayerExtensionFlag = try r.flag("pps_multilayer_extension_flag")
            let threeD = try r.flag("pps_3d_extension_flag")
            let scc = try r.flag("pps_scc_extension_flag")
            _ = try r.u(4, "pps_extension_4bits")
            if range {
                writtenRangeExtension = try RangeExtension(&r, transformSkip: transformSkipEnabledFlag)
            }
            if ppsMultilayerExtensionFlag { try readMultilayerExtension(&r) }
            if threeD { throw SyntaxError.unsupported(element: "pps_3d_extension_flag", value: 1) }
            if scc { throw SyntaxError.unsupported(element: "pps_scc_extension_flag", value: 1) }
        }
    }

    private func readMultilayerExtension(_ r: inout BitReader) throws {
        pocResetInfoPresentFlag = try r.flag("poc_reset_info_present_flag")
        ppsInferScalingListFlag = try r.flag("pps_infer_scaling_list_flag")
        if ppsInferScalingListFlag { ppsScalingListRefLayerId = try r.u(6, "pps_scaling_list_ref_layer_id") }
        for _ in 0..<(try r.ue("num_ref_loc_offsets", in: 0...62)) {
            var o = RefLocOffset()
            o.refLocOffsetLayerId = try r.u(6, "ref_loc_offset_layer_id")
            if try r.flag("scaled_ref_layer_offset_present_flag") {
                var v: [Int] = []
                for side in ["left", "top", "right", "bottom"] {
                    v.append(try r.se("scaled_ref_layer_\(side)_offset", in: -16384...16383))
                }
                o.scaledRefLayerOffset = v
            }
            if try r.flag("ref_region_offset_present_flag") {
                var v: [Int] = []
                for side in ["left", "top", "right", "bottom"] {
                    v.append(try r.se("ref_region_\(side)_offset", in: -16384...16383))
                }
                o.refRegionOffset = v
            }
            if try r.flag("resample_phase_set_present_flag") {
                o.resamplePhaseSet = [
                    try r.ue("phase_hor_luma", in: 0...31), try r.ue("phase_ver_luma", in: 0...31),
                    try r.ue("phase_hor_chroma_plus8", in: 0...63), try r.ue("phase_ver_chroma_plus8", in: 0...63),
                ]
            }
            refLocOffsets.append(o)
        }
        if try r.flag("colour_mapping_enabled_flag") {
            throw SyntaxError.unsupported(element: "colour_mapping_enabled_flag", value: 1)
        }
    }

    /// The RBSP, trailing bits included.
    package func rbsp() -> [UInt8] {
        var w = BitWriter()
        w.ue(ppsPicParameterSetId)
        w.ue(ppsSeqParameterSetId)
        w.flag(dependentSliceSegmentsEnabledFlag)
        w.flag(outputFlagPresentFlag)
        w.u(numExtraSliceHeaderBits, 3)
        w.flag(signDataHidingEnabledFlag)
        w.flag(cabacInitPresentFlag)
        w.ue(numRefIdxL0DefaultActiveMinus1)
        w.ue(numRefIdxL1DefaultActiveMinus1)
        w.se(initQpMinus26)
        w.flag(constrainedIntraPredFlag)
        w.flag(transformSkipEnabledFlag)
        w.flag(cuQpDeltaEnabledFlag)
        if cuQpDeltaEnabledFlag { w.ue(diffCuQpDeltaDepth) }
        w.se(ppsCbQpOffset)
        w.se(ppsCrQpOffset)
        w.flag(ppsSliceChromaQpOffsetsPresentFlag)
        w.flag(weightedPredFlag)
        w.flag(weightedBipredFlag)
        w.flag(transquantBypassEnabledFlag)
        w.flag(tilesEnabledFlag)
        w.flag(entropyCodingSyncEnabledFlag)
        if tilesEnabledFlag {
            w.ue(numTileColumnsMinus1)
            w.ue(numTileRowsMinus1)
            w.flag(uniformSpacingFlag)
            if !uniformSpacingFlag {
                for v in columnWidthMinus1 { w.ue(v) }
                for v in rowHeightMinus1 { w.ue(v) }
            }
            w.flag(loopFilterAcrossTilesEnabledFlag)
        }
        w.flag(ppsLoopFilterAcrossSlicesEnabledFlag)
        w.flag(deblockingFilterControlPresentFlag)
        if deblockingFilterControlPresentFlag {
            w.flag(deblockingFilterOverrideEnabledFlag)
            w.flag(ppsDeblockingFilterDisabledFlag)
            if !ppsDeblockingFilterDisabledFlag {
                w.se(ppsBetaOffsetDiv2)
                w.se(ppsTcOffsetDiv2)
            }
        }
        w.flag(scalingList != nil)
        scalingList?.write(to: &w)
        w.flag(listsModificationPresentFlag)
        w.ue(log2ParallelMergeLevelMinus2)
        w.flag(sliceSegmentHeaderExtensionPresentFlag)
        w.flag(ppsMultilayerExtensionFlag || writtenRangeExtension != nil)
        if ppsMultilayerExtensionFlag || writtenRangeExtension != nil {
            w.flag(writtenRangeExtension != nil)
            w.flag(ppsMultilayerExtensionFlag)
            w.u(0, 6)
            writtenRangeExtension?.write(to: &w, transformSkip: transformSkipEnabledFlag)
        }
        if ppsMultilayerExtensionFlag {
            w.flag(pocResetInfoPresentFlag)
            w.flag(ppsInferScalingListFlag)
            if ppsInferScalingListFlag { w.u(ppsScalingListRefLayerId, 6) }
            w.ue(refLocOffsets.count)
            for o in refLocOffsets {
                w.u(o.refLocOffsetLayerId, 6)
                for offsets in [o.scaledRefLayerOffset, o.refRegionOffset] {
                    w.flag(offsets != nil)
                    for v in offsets ?? [] { w.se(v) }
                }
                w.flag(o.resamplePhaseSet != nil)
                for v in o.resamplePhaseSet ?? [] { w.ue(v) }
            }
            w.flag(false)
        }
        w.trailingBits()
        return w.bytes
    }

    /// Throws what the SPS that the set is used with does not allow (7.4.3.3.1).
    func check(against sps: SequenceParameterSet) throws {
        if diffCuQpDeltaDepth > sps.log2DiffMaxMinLumaCodingBlockSize {
            throw SyntaxError.outOfRange(element: "diff_cu_qp_delta_depth", value: diffCuQpDeltaDepth)
        }
        if log2ParallelMergeLevelMinus2 + 2 > sps.ctbLog2SizeY {
            throw SyntaxError.outOfRange(
                element: "log2_parallel_merge_level_minus2", value: log2ParallelMergeLevelMinus2)
        }
        if rangeExtension.log2MaxTransformSkipBlockSizeMinus2 + 2 > sps.maxTbLog2SizeY {
            throw SyntaxError.outOfRange(
                element: "log2_max_transform_skip_block_size_minus2",
                value: rangeExtension.log2MaxTransformSkipBlockSizeMinus2)
        }
        if rangeExtension.crossComponentPredictionEnabledFlag && sps.chromaFormatIdc != 3 {
            throw SyntaxError.outOfRange(element: "cross_component_prediction_enabled_flag", value: 1)
        }
        if !rangeExtension.chromaQpOffsetList.isEmpty && sps.chromaFormatIdc == 0 {
            throw SyntaxError.outOfRange(element: "chroma_qp_offset_list_enabled_flag", value: 1)
        }
        if rangeExtension.diffCuChromaQpOffsetDepth > sps.log2DiffMaxMinLumaCodingBlockSize {
            throw SyntaxError.outOfRange(
                element: "diff_cu_chroma_qp_offset_depth", value: rangeExtension.diffCuChromaQpOffsetDepth)
        }
        if initQpMinus26 < -26 - sps.qpBdOffsetY {
            throw SyntaxError.outOfRange(element: "init_qp_minus26", value: initQpMinus26)
        }
    }

    /// Tile column and row boundaries in CTBs (6.5.1), from 0 to the picture's size.
    package func tileBoundaries(picWidthInCtbs: Int, picHeightInCtbs: Int) throws -> (columns: [Int], rows: [Int]) {
        guard tilesEnabledFlag else { return ([0, picWidthInCtbs], [0, picHeightInCtbs]) }
        func boundaries(_ minus1: Int, _ sizes: [Int], _ total: Int, _ element: String) throws -> [Int] {
            let count = minus1 + 1
            if count > total { throw SyntaxError.outOfRange(element: element, value: minus1) }
            if uniformSpacingFlag { return (0...count).map { $0 * total / count } }
            var result = [0]
            for size in sizes { result.append((result.last ?? 0) + size + 1) }
            if (result.last ?? 0) >= total { throw SyntaxError.outOfRange(element: element, value: minus1) }
            result.append(total)
            return result
        }
        return (
            try boundaries(numTileColumnsMinus1, columnWidthMinus1, picWidthInCtbs, "num_tile_columns_minus1"),
            try boundaries(numTileRowsMinus1, rowHeightMinus1, picHeightInCtbs, "num_tile_rows_minus1")
        )
    }
}
