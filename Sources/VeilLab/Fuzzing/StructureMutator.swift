// SPDX-License-Identifier: GPL-2.0-or-later
import VeilBitstream

/// Changes syntax elements by name: a unit is parsed, a field or two set to values that are small, large or just out
/// of range, and the unit written again. Byte mutations hardly ever leave a structure that parses; these hardly ever
/// do not.
package struct StructureMutator {
    /// A syntax element that takes a number. What the writer cannot write is left out here.
    private struct Field<T> {
        let name: String
        let set: (inout T, Int) -> Void
        init(_ name: String, _ set: @escaping (inout T, Int) -> Void) {
            self.name = name
            self.set = set
        }
        /// Of an unsigned number, or a flag (odd: on).
        static func number(_ name: String, _ path: WritableKeyPath<T, Int>) -> Self {
            Self(name) { $0[keyPath: path] = max($1, 0) }
        }
        static func signed(_ name: String, _ path: WritableKeyPath<T, Int>) -> Self {
            Self(name) { $0[keyPath: path] = $1 }
        }
        static func flag(_ name: String, _ path: WritableKeyPath<T, Bool>) -> Self {
            Self(name) { $0[keyPath: path] = $1 & 1 != 0 }
        }
    }

    private static let values = [
        0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 15, 16, 17, 25, 26, 31, 32, 33, 51, 52, 62, 63, 64, 65, 127, 128, 255, 256,
        1023, 1024, 4095, 4096, 8191, 16383, 16384, 32767, 65535, 1 << 28, (1 << 32) - 2, -1, -2, -6, -7, -12, -13, -26,
        -75, -128, -32768,
    ]

    private let sets = ParameterSetCollection()
    private var previous: SliceSegmentHeader?

    private init() {}

    /// The stream with up to `count` units changed, each in one to three fields. What was changed, by name.
    package static func mutate(
        _ units: [NALUnit], _ random: inout CaseRandom
    ) -> (units: [NALUnit], changes: [String]) {
        var mutator = StructureMutator()
        var result: [NALUnit] = []
        var changes: [String] = []
        let chosen = Set((0..<(1 + random.below(3))).map { _ in random.below(units.count) })
        for (i, unit) in units.enumerated() {
            var own: [String] = []
            let changed = chosen.contains(i) ? mutator.change(unit, &own, &random) : nil
            if changed != nil { changes += own }
            result.append(changed ?? unit)
            // Slices are read as the sets before them say, changed or not.
            mutator.observe(changed ?? unit)
        }
        return (result, changes)
    }

    private mutating func observe(_ unit: NALUnit) {
        let type = unit.header.nalUnitType
        if type.isSlice {
            previous =
                (try? SliceSegmentHeader(nal: unit.header, rbsp: unit.rbsp, sets: sets, previous: previous))
                ?? previous
        } else {
            try? sets.insert(unit)
        }
    }

    private func change(_ unit: NALUnit, _ names: inout [String], _ random: inout CaseRandom) -> NALUnit? {
        func made(_ rbsp: [UInt8]) -> NALUnit { NALUnit(header: unit.header, rbsp: rbsp) }
        switch unit.header.nalUnitType {
        case .vps:
            guard var vps = try? VideoParameterSet(rbsp: unit.rbsp) else { return nil }
            if vps.ext != nil && random.below(2) == 0 {
                var ext = vps.ext ?? VPSExtension()
                Self.apply(Self.extensionFields, to: &ext, &names, &random)
                vps.ext = ext
            } else {
                Self.apply(Self.vpsFields, to: &vps, &names, &random)
            }
            return made(vps.rbsp())
        case .sps:
            guard var sps = try? SequenceParameterSet(rbsp: unit.rbsp, nuhLayerId: unit.header.nuhLayerId) else {
                return nil
            }
            Self.apply(Self.spsFields, to: &sps, &names, &random)
            return made(sps.rbsp())
        case .pps:
            guard var pps = try? PictureParameterSet(rbsp: unit.rbsp, nuhLayerId: unit.header.nuhLayerId) else {
                return nil
            }
            Self.apply(Self.ppsFields, to: &pps, &names, &random)
            return made(pps.rbsp())
        case .prefixSEI, .suffixSEI:
            guard var messages = try? SEIMessage.messages(rbsp: unit.rbsp), !messages.isEmpty else { return nil }
            let at = random.below(messages.count)
            names.append("sei_message")
            switch random.below(3) {
            case 0: messages[at].payloadType = random.below(300)
            case 1: messages[at].payload.removeLast(random.below(messages[at].payload.count + 1))
            default:
                messages[at].payload.append(
                    contentsOf: (0..<random.below(40)).map { _ in UInt8(truncatingIfNeeded: random.next()) })
            }
            return made(SEIMessage.rbsp(messages))
        default: return unit.header.nalUnitType.isSlice ? slice(unit, &names, &random) : nil
        }
    }

    private func slice(_ unit: NALUnit, _ names: inout [String], _ random: inout CaseRandom) -> NALUnit? {
        let rbsp = unit.rbsp
        guard
            var header = try? SliceSegmentHeader(nal: unit.header, rbsp: rbsp, sets: sets, previous: previous),
            let pps = try? sets.pictureParameterSet(id: header.slicePicParameterSetId),
            let sps = try? sets.sequenceParameterSet(id: pps.ppsSeqParameterSetId, layerId: unit.header.nuhLayerId)
        else { return nil }
        let data = rbsp[min(header.byteCount, rbsp.count)...]
        Self.apply(Self.sliceFields, to: &header, &names, &random)
        var w = BitWriter()
        header.write(to: &w, pps: pps, sps: sps, vps: sets.videoParameterSet(id: sps.spsVideoParameterSetId))
        w.append(bytes: data)
        return NALUnit(header: unit.header, rbsp: w.bytes)
    }

    private static func apply<T>(
        _ fields: [Field<T>], to target: inout T, _ names: inout [String], _ random: inout CaseRandom
    ) {
        for _ in 0..<(1 + random.below(3)) {
            let field = fields[random.below(fields.count)]
            let value = values[random.below(values.count)]
            field.set(&target, value)
            names.append("\(field.name) = \(value)")
        }
    }

    // MARK: Fields

    private static var vpsFields: [Field<VideoParameterSet>] {
        [
            .number("vps_video_parameter_set_id", \.vpsVideoParameterSetId),
            .flag("vps_base_layer_internal_flag", \.vpsBaseLayerInternalFlag),
            .flag("vps_base_layer_available_flag", \.vpsBaseLayerAvailableFlag),
            .number("vps_max_dec_pic_buffering_minus1", \.subLayerOrdering[0].maxDecPicBufferingMinus1),
            .number("vps_max_num_reorder_pics", \.subLayerOrdering[0].maxNumReorderPics),
            .number("vps_max_latency_increase_plus1", \.subLayerOrdering[0].maxLatencyIncreasePlus1),
            .number("general_level_idc", \.profileTierLevel.generalLevelIdc),
            Field("vps_extension_flag") { vps, _ in vps.ext = nil },
        ]
    }

    private static var extensionFields: [Field<VPSExtension>] {
        [
            Field("pic_width_vps_in_luma_samples") { e, v in
                for i in e.repFormats.indices where v & 1 == i & 1 {
                    e.repFormats[i].picWidthVpsInLumaSamples = max(v, 8)
                }
            },
            Field("pic_height_vps_in_luma_samples") { e, v in
                for i in e.repFormats.indices where v & 1 == i & 1 {
                    e.repFormats[i].picHeightVpsInLumaSamples = max(v, 8)
                }
            },
            Field("pic_vps_in_luma_samples of small pictures") { e, v in
                for i in e.repFormats.indices where v & 1 == i & 1 {
                    e.repFormats[i].picWidthVpsInLumaSamples = 8 * (1 + max(v, 0) % 9)
                    e.repFormats[i].picHeightVpsInLumaSamples = 8 * (1 + max(v, 0) / 9 % 9)
                }
            },
            Field("bit_depth_vps_luma_minus8") { e, v in
                for i in e.repFormats.indices { e.repFormats[i].bitDepthVpsLumaMinus8 = max(v, 0) & 15 }
            },
            Field("bit_depth_vps_chroma_minus8") { e, v in
                for i in e.repFormats.indices { e.repFormats[i].bitDepthVpsChromaMinus8 = max(v, 0) & 15 }
            },
            Field("chroma_format_vps_idc") { e, v in
                for i in e.repFormats.indices { e.repFormats[i].chromaFormatVpsIdc = max(v, 0) & 3 }
            },
            .flag("max_one_active_ref_layer_flag", \.maxOneActiveRefLayerFlag),
            .flag("default_ref_layers_active_flag", \.defaultRefLayersActiveFlag),
            .flag("vps_poc_lsb_aligned_flag", \.vpsPocLsbAlignedFlag),
            Field("direct_dependency_type") { e, v in
                for i in e.directDependencyType.indices {
                    for j in e.directDependencyType[i].indices { e.directDependencyType[i][j] = max(v, 0) & 3 }
                }
            },
            Field("rep_formats") { e, _ in e.repFormats.reverse() },
        ]
    }

    private static var spsFields: [Field<SequenceParameterSet>] {
        [
            .number("sps_video_parameter_set_id", \.spsVideoParameterSetId),
            .number("sps_seq_parameter_set_id", \.spsSeqParameterSetId),
            .number("sps_rep_format_idx", \.spsRepFormatIdx),
            .flag("update_rep_format_flag", \.updateRepFormatFlag),
            .number("general_level_idc", \.profileTierLevel.generalLevelIdc),
            .number("pic_width_in_luma_samples", \.picWidthInLumaSamples),
            .number("pic_height_in_luma_samples", \.picHeightInLumaSamples),
            Field("pic_width and pic_height of small pictures") { s, v in
                s.picWidthInLumaSamples = 8 * (1 + max(v, 0) % 9)
                s.picHeightInLumaSamples = 8 * (1 + max(v, 0) / 9 % 9)
                s.conformanceWindow = nil
            },
            Field("conformance_window_flag") { s, v in
                s.conformanceWindow = [max(v, 0) & 255, max(v, 0) & 15, max(v, 0) & 63, 1]
            },
            .number("bit_depth_luma_minus8", \.bitDepthLumaMinus8),
            .number("bit_depth_chroma_minus8", \.bitDepthChromaMinus8),
            .number("log2_max_pic_order_cnt_lsb_minus4", \.log2MaxPicOrderCntLsbMinus4),
            .number("sps_max_dec_pic_buffering_minus1", \.subLayerOrdering[0].maxDecPicBufferingMinus1),
            .number("sps_max_num_reorder_pics", \.subLayerOrdering[0].maxNumReorderPics),
            .number("sps_max_latency_increase_plus1", \.subLayerOrdering[0].maxLatencyIncreasePlus1),
            .number("log2_min_luma_coding_block_size_minus3", \.log2MinLumaCodingBlockSizeMinus3),
            .number("log2_diff_max_min_luma_coding_block_size", \.log2DiffMaxMinLumaCodingBlockSize),
            .number("log2_min_luma_transform_block_size_minus2", \.log2MinLumaTransformBlockSizeMinus2),
            .number("log2_diff_max_min_luma_transform_block_size", \.log2DiffMaxMinLumaTransformBlockSize),
            .number("max_transform_hierarchy_depth_inter", \.maxTransformHierarchyDepthInter),
            .number("max_transform_hierarchy_depth_intra", \.maxTransformHierarchyDepthIntra),
            .flag("scaling_list_enabled_flag", \.scalingListEnabledFlag),
            .flag("amp_enabled_flag", \.ampEnabledFlag),
            .flag("sample_adaptive_offset_enabled_flag", \.sampleAdaptiveOffsetEnabledFlag),
            .flag("pcm_enabled_flag", \.pcmEnabledFlag),
            .number("pcm_sample_bit_depth_luma_minus1", \.pcmSampleBitDepthLumaMinus1),
            .number("pcm_sample_bit_depth_chroma_minus1", \.pcmSampleBitDepthChromaMinus1),
            .number("log2_min_pcm_luma_coding_block_size_minus3", \.log2MinPcmLumaCodingBlockSizeMinus3),
            .number("log2_diff_max_min_pcm_luma_coding_block_size", \.log2DiffMaxMinPcmLumaCodingBlockSize),
            .flag("sps_temporal_mvp_enabled_flag", \.spsTemporalMvpEnabledFlag),
            .flag("strong_intra_smoothing_enabled_flag", \.strongIntraSmoothingEnabledFlag),
            .flag("long_term_ref_pics_present_flag", \.longTermRefPicsPresentFlag),
            Field("delta_poc_s0_minus1") { s, v in
                guard !s.shortTermRefPicSets.isEmpty else { return }
                s.shortTermRefPicSets[max(v, 0) % s.shortTermRefPicSets.count].s0 = (0..<(max(v, 0) & 15)).map {
                    (-1 - $0 * (1 + max(v, 0) & 7), true)
                }
            },
            Field("num_short_term_ref_pic_sets") { s, v in
                s.shortTermRefPicSets.removeLast(min(max(v, 0) & 7, s.shortTermRefPicSets.count))
            },
        ]
    }

    private static var ppsFields: [Field<PictureParameterSet>] {
        [
            .number("pps_pic_parameter_set_id", \.ppsPicParameterSetId),
            .number("pps_seq_parameter_set_id", \.ppsSeqParameterSetId),
            .flag("dependent_slice_segments_enabled_flag", \.dependentSliceSegmentsEnabledFlag),
            .flag("output_flag_present_flag", \.outputFlagPresentFlag),
            .number("num_extra_slice_header_bits", \.numExtraSliceHeaderBits),
            .flag("sign_data_hiding_enabled_flag", \.signDataHidingEnabledFlag),
            .flag("cabac_init_present_flag", \.cabacInitPresentFlag),
            .number("num_ref_idx_l0_default_active_minus1", \.numRefIdxL0DefaultActiveMinus1),
            .number("num_ref_idx_l1_default_active_minus1", \.numRefIdxL1DefaultActiveMinus1),
            .signed("init_qp_minus26", \.initQpMinus26),
            .flag("constrained_intra_pred_flag", \.constrainedIntraPredFlag),
            .flag("transform_skip_enabled_flag", \.transformSkipEnabledFlag),
            .flag("cu_qp_delta_enabled_flag", \.cuQpDeltaEnabledFlag),
            .number("diff_cu_qp_delta_depth", \.diffCuQpDeltaDepth),
            .signed("pps_cb_qp_offset", \.ppsCbQpOffset),
            .signed("pps_cr_qp_offset", \.ppsCrQpOffset),
            .flag("weighted_pred_flag", \.weightedPredFlag),
            .flag("weighted_bipred_flag", \.weightedBipredFlag),
            .flag("transquant_bypass_enabled_flag", \.transquantBypassEnabledFlag),
            .flag("entropy_coding_sync_enabled_flag", \.entropyCodingSyncEnabledFlag),
            Field("num_tile_columns_minus1, num_tile_rows_minus1") { p, v in
                p.tilesEnabledFlag = true
                p.uniformSpacingFlag = true
                p.numTileColumnsMinus1 = max(v, 0) & 31
                p.numTileRowsMinus1 = max(v, 0) >> 1 & 15
            },
            .flag("tiles_enabled_flag", \.tilesEnabledFlag),
            .flag("loop_filter_across_tiles_enabled_flag", \.loopFilterAcrossTilesEnabledFlag),
            .flag("pps_loop_filter_across_slices_enabled_flag", \.ppsLoopFilterAcrossSlicesEnabledFlag),
            .flag("deblocking_filter_control_present_flag", \.deblockingFilterControlPresentFlag),
            .flag("pps_deblocking_filter_disabled_flag", \.ppsDeblockingFilterDisabledFlag),
            .signed("pps_beta_offset_div2", \.ppsBetaOffsetDiv2),
            .signed("pps_tc_offset_div2", \.ppsTcOffsetDiv2),
            .flag("lists_modification_present_flag", \.listsModificationPresentFlag),
            .number("log2_parallel_merge_level_minus2", \.log2ParallelMergeLevelMinus2),
            .flag("slice_segment_header_extension_present_flag", \.sliceSegmentHeaderExtensionPresentFlag),
            .flag("pps_multilayer_extension_flag", \.ppsMultilayerExtensionFlag),
            .flag("poc_reset_info_present_flag", \.pocResetInfoPresentFlag),
            Field("scaled_ref_layer_offset, ref_region_offset, phases") { p, v in
                var offset = PictureParameterSet.RefLocOffset()
                offset.scaledRefLayerOffset = [v % 16384, -v % 16384, v & 255, v & 15]
                if v & 1 != 0 { offset.refRegionOffset = [-(v & 127), v & 63, v & 31, -(v & 7)] }
                if v & 2 != 0 { offset.resamplePhaseSet = [max(v, 0) & 31, 3, max(v, 0) & 63, 9] }
                p.ppsMultilayerExtensionFlag = true
                p.refLocOffsets = [offset]
            },
        ]
    }

    private static var sliceFields: [Field<SliceSegmentHeader>] {
        [
            .number("slice_pic_parameter_set_id", \.slicePicParameterSetId),
            .number("slice_segment_address", \.sliceSegmentAddress),
            .flag("first_slice_segment_in_pic_flag", \.firstSliceSegmentInPicFlag),
            .flag("no_output_of_prior_pics_flag", \.noOutputOfPriorPicsFlag),
            Field("slice_type") { h, v in h.sliceType = SliceType(rawValue: max(v, 0) % 3) ?? .i },
            .flag("pic_output_flag", \.picOutputFlag),
            .number("slice_pic_order_cnt_lsb", \.slicePicOrderCntLsb),
            .number("short_term_ref_pic_set_idx", \.shortTermRefPicSetIdx),
            Field("short_term_ref_pic_set") { h, v in
                h.shortTermRefPicSetSpsFlag = false
                h.shortTermRefPicSet.s0 = (0..<(max(v, 0) & 15)).map { (-1 - $0 * (1 + max(v, 0) & 3), $0 & 1 == 0) }
                if v & 1 != 0 { h.shortTermRefPicSet.s1 = [(1 + max(v, 0) & 7, true)] }
            },
            Field("num_long_term_pics") { h, v in
                h.longTermRefPics = (0..<(max(v, 0) & 7)).map { i in
                    var picture = LongTermRefPic()
                    picture.pocLsbLt = i + max(v, 0) & 15
                    picture.usedByCurrPicLt = i & 1 == 0
                    picture.deltaPocMsbPresentFlag = v & 2 != 0
                    picture.deltaPocMsbCycleLt = i
                    return picture
                }
            },
            .flag("slice_temporal_mvp_enabled_flag", \.sliceTemporalMvpEnabledFlag),
            .flag("inter_layer_pred_enabled_flag", \.interLayerPredEnabledFlag),
            .flag("slice_sao_luma_flag", \.sliceSaoLumaFlag),
            .flag("slice_sao_chroma_flag", \.sliceSaoChromaFlag),
            Field("num_ref_idx_active_minus1") { h, v in
                h.numRefIdxActive = (1 + max(v, 0) & 15, h.sliceType == .b ? 1 + max(v, 0) >> 2 & 15 : 0)
            },
            .flag("mvd_l1_zero_flag", \.mvdL1ZeroFlag),
            .flag("cabac_init_flag", \.cabacInitFlag),
            .flag("collocated_from_l0_flag", \.collocatedFromL0Flag),
            .number("collocated_ref_idx", \.collocatedRefIdx),
            Field("five_minus_max_num_merge_cand") { h, v in h.maxNumMergeCand = 5 - max(v, 0) % 6 },
            .signed("slice_qp_delta", \.sliceQpDelta),
            .signed("slice_cb_qp_offset", \.sliceCbQpOffset),
            .signed("slice_cr_qp_offset", \.sliceCrQpOffset),
            .flag("slice_deblocking_filter_disabled_flag", \.sliceDeblockingFilterDisabledFlag),
            .signed("slice_beta_offset_div2", \.sliceBetaOffsetDiv2),
            .flag("slice_loop_filter_across_slices_enabled_flag", \.sliceLoopFilterAcrossSlicesEnabledFlag),
            Field("entry_point_offset_minus1") { h, v in
                guard !h.entryPointOffsets.isEmpty else { return }
                h.entryPointOffsets[max(v, 0) % h.entryPointOffsets.count] = 1 + max(v, 0) % (1 << 31)
            },
            Field("num_entry_point_offsets") { h, v in
                h.entryPointOffsets.removeLast(min(max(v, 0) & 3, h.entryPointOffsets.count))
            },
        ]
    }
}
