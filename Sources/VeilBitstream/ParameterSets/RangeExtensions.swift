// SPDX-License-Identifier: GPL-2.0-or-later

extension SequenceParameterSet {
    /// sps_range_extension() (7.3.2.2.2).
    package struct RangeExtension: Equatable, Sendable {
        package var transformSkipRotationEnabledFlag = false
        package var transformSkipContextEnabledFlag = false
        package var implicitRdpcmEnabledFlag = false
        package var explicitRdpcmEnabledFlag = false
        package var extendedPrecisionProcessingFlag = false
        package var intraSmoothingDisabledFlag = false
        package var highPrecisionOffsetsEnabledFlag = false
        package var persistentRiceAdaptationEnabledFlag = false
        package var cabacBypassAlignmentEnabledFlag = false

        package init() {}

        init(_ r: inout BitReader) throws {
            for (element, flag) in Self.flags { self[keyPath: flag] = try r.flag(element) }
        }

        func write(to w: inout BitWriter) {
            for (_, flag) in Self.flags { w.flag(self[keyPath: flag]) }
        }

        /// Every flag with its name, in the order they are coded in.
        static var flags: [(String, WritableKeyPath<RangeExtension, Bool>)] {
            [
                ("transform_skip_rotation_enabled_flag", \.transformSkipRotationEnabledFlag),
                ("transform_skip_context_enabled_flag", \.transformSkipContextEnabledFlag),
                ("implicit_rdpcm_enabled_flag", \.implicitRdpcmEnabledFlag),
                ("explicit_rdpcm_enabled_flag", \.explicitRdpcmEnabledFlag),
                ("extended_precision_processing_flag", \.extendedPrecisionProcessingFlag),
                ("intra_smoothing_disabled_flag", \.intraSmoothingDisabledFlag),
                ("high_precision_offsets_enabled_flag", \.highPrecisionOffsetsEnabledFlag),
                ("persistent_rice_adaptation_enabled_flag", \.persistentRiceAdaptationEnabledFlag),
                ("cabac_bypass_alignment_enabled_flag", \.cabacBypassAlignmentEnabledFlag),
            ]
        }
    }

    /// Throws what can be parsed (and so encrypted) but not decoded, by name.
    package func checkDecodable() throws {
        try check(mostBits: 12)
        if rangeExtension.extendedPrecisionProcessingFlag {
            throw SyntaxError.unsupported(element: "extended_precision_processing_flag", value: 1)
        }
    }

    private func check(mostBits: Int) throws {
        if bitDepthY > mostBits {
            throw SyntaxError.unsupported(element: "bit_depth_luma_minus8", value: bitDepthLumaMinus8)
        }
        if bitDepthC > mostBits {
            throw SyntaxError.unsupported(element: "bit_depth_chroma_minus8", value: bitDepthChromaMinus8)
        }
    }

    /// Throws what version 1 of the standard does not have, by name: 4:2:0 of up to 10 bits without the tools of the
    /// range extensions is left.
    package func checkPlain() throws {
        if chromaFormatIdc != 1 { throw SyntaxError.unsupported(element: "chroma_format_idc", value: chromaFormatIdc) }
        try check(mostBits: 10)
        for (element, flag) in RangeExtension.flags where rangeExtension[keyPath: flag] {
            throw SyntaxError.unsupported(element: element, value: 1)
        }
    }
}

extension PictureParameterSet {
    /// pps_range_extension() (7.3.2.3.2).
    package struct RangeExtension: Equatable, Sendable {
        package var log2MaxTransformSkipBlockSizeMinus2 = 0
        package var crossComponentPredictionEnabledFlag = false
        package var diffCuChromaQpOffsetDepth = 0
        /// cb_qp_offset_list and cr_qp_offset_list; empty where chroma_qp_offset_list_enabled_flag is 0.
        package var chromaQpOffsetList: [[Int]] = []
        package var log2SaoOffsetScaleLuma = 0
        package var log2SaoOffsetScaleChroma = 0

        package init() {}

        init(_ r: inout BitReader, transformSkip: Bool) throws {
            if transformSkip {
                log2MaxTransformSkipBlockSizeMinus2 = try r.ue("log2_max_transform_skip_block_size_minus2", in: 0...3)
            }
            crossComponentPredictionEnabledFlag = try r.flag("cross_component_prediction_enabled_flag")
            if try r.flag("chroma_qp_offset_list_enabled_flag") {
                diffCuChromaQpOffsetDepth = try r.ue("diff_cu_chroma_qp_offset_depth", in: 0...3)
                for _ in 0...(try r.ue("chroma_qp_offset_list_len_minus1", in: 0...5)) {
                    chromaQpOffsetList.append([
                        try r.se("cb_qp_offset_list", in: -12...12), try r.se("cr_qp_offset_list", in: -12...12),
                    ])
                }
            }
            log2SaoOffsetScaleLuma = try r.ue("log2_sao_offset_scale_luma", in: 0...6)
            log2SaoOffsetScaleChroma = try r.ue("log2_sao_offset_scale_chroma", in: 0...6)
        }

        func write(to w: inout BitWriter, transformSkip: Bool) {
            if transformSkip { w.ue(log2MaxTransformSkipBlockSizeMinus2) }
            w.flag(crossComponentPredictionEnabledFlag)
            w.flag(!chromaQpOffsetList.isEmpty)
            if !chromaQpOffsetList.isEmpty {
                w.ue(diffCuChromaQpOffsetDepth)
                w.ue(chromaQpOffsetList.count - 1)
                for offsets in chromaQpOffsetList { for v in offsets { w.se(v) } }
            }
            w.ue(log2SaoOffsetScaleLuma)
            w.ue(log2SaoOffsetScaleChroma)
        }
    }

    /// As `SequenceParameterSet.checkPlain`.
    package func checkPlain() throws {
        let e = rangeExtension
        func check(_ element: String, _ value: Int) throws {
            if value != 0 { throw SyntaxError.unsupported(element: element, value: value) }
        }
        try check("log2_max_transform_skip_block_size_minus2", e.log2MaxTransformSkipBlockSizeMinus2)
        try check("cross_component_prediction_enabled_flag", e.crossComponentPredictionEnabledFlag ? 1 : 0)
        try check("chroma_qp_offset_list_enabled_flag", e.chromaQpOffsetList.isEmpty ? 0 : 1)
        try check("log2_sao_offset_scale_luma", e.log2SaoOffsetScaleLuma)
        try check("log2_sao_offset_scale_chroma", e.log2SaoOffsetScaleChroma)
    }
}
