// SPDX-License-Identifier: GPL-2.0-or-later

/// vui_parameters() (E.2.1), as far as anything here uses it; the bits are kept to be written again.
package struct VUIParameters: Sendable {
    package var videoFullRangeFlag = false
    package var colourDescription: (primaries: Int, transfer: Int, matrix: Int)?
    /// vui_num_units_in_tick and vui_time_scale.
    package var timing: (numUnitsInTick: Int, timeScale: Int)?
    package var sampleAspectRatio: (Int, Int)?
    /// video_signal_type_present_flag.
    package var hasSignalType = false
    /// chroma_sample_loc_type_top_field.
    package var chromaSampleLocType: Int?
    package private(set) var fieldSeqFlag = false
    private var bits: (bytes: [UInt8], start: Int, count: Int)?

    /// For writers: timing only.
    package init(numUnitsInTick: Int, timeScale: Int) { timing = (numUnitsInTick, timeScale) }

    /// For writers: what samples mean, and nothing else.
    package init(_ colour: ColourDescription) {
        sampleAspectRatio = colour.sampleAspect
        videoFullRangeFlag = colour.isFullRange ?? false
        if colour.primaries != nil || colour.transfer != nil || colour.matrix != nil {
            colourDescription = (colour.primaries ?? 2, colour.transfer ?? 2, colour.matrix ?? 2)
        }
        hasSignalType = colour.isFullRange != nil || colourDescription != nil
        chromaSampleLocType = colour.chromaLocation
    }

    /// What the samples of the layer mean, as far as these parameters tell.
    package var colour: ColourDescription {
        var result = ColourDescription()
        if let c = colourDescription {
            result.primaries = c.primaries
            result.transfer = c.transfer
            result.matrix = c.matrix
        }
        if hasSignalType { result.isFullRange = videoFullRangeFlag }
        result.chromaLocation = chromaSampleLocType
        if let (width, height) = sampleAspectRatio, width > 0, height > 0 { result.sampleAspect = (width, height) }
        return result
    }

    /// Table E.1, aspect_ratio_idc 1 to 16.
    private static let sampleAspectRatios = [
        (1, 1), (12, 11), (10, 11), (16, 11), (40, 33), (24, 11), (20, 11), (32, 11), (80, 33), (18, 11), (15, 11),
        (64, 33), (160, 99), (4, 3), (3, 2), (2, 1),
    ]

    init(_ r: inout BitReader, maxSubLayersMinus1: Int) throws {
        let start = r.position
        if try r.flag("aspect_ratio_info_present_flag") {
            let idc = try r.u(8, "aspect_ratio_idc")
            if idc == 255 {
                sampleAspectRatio = (try r.u(16, "sar_width"), try r.u(16, "sar_height"))
            } else if (1...Self.sampleAspectRatios.count).contains(idc) {
                sampleAspectRatio = Self.sampleAspectRatios[idc - 1]
            }
        }
        if try r.flag("overscan_info_present_flag") { _ = try r.flag("overscan_appropriate_flag") }
        if try r.flag("video_signal_type_present_flag") {
            hasSignalType = true
            _ = try r.u(3, "video_format")
            videoFullRangeFlag = try r.flag("video_full_range_flag")
            if try r.flag("colour_description_present_flag") {
                colourDescription = (
                    try r.u(8, "colour_primaries"), try r.u(8, "transfer_characteristics"), try r.u(8, "matrix_coeffs")
                )
            }
        }
        if try r.flag("chroma_loc_info_present_flag") {
            let type = try r.ue("chroma_sample_loc_type_top_field")
            chromaSampleLocType = (0...5).contains(type) ? type : nil
            _ = try r.ue("chroma_sample_loc_type_bottom_field")
        }
        try r.skip(1, "neutral_chroma_indication_flag")
        fieldSeqFlag = try r.flag("field_seq_flag")
        try r.skip(1, "frame_field_info_present_flag")
        if try r.flag("default_display_window_flag") { for _ in 0..<4 { _ = try r.ue("def_disp_win_offset") } }
        if try r.flag("vui_timing_info_present_flag") {
            timing = (try r.u(32, "vui_num_units_in_tick"), try r.u(32, "vui_time_scale"))
            if try r.flag("vui_poc_proportional_to_timing_flag") { _ = try r.ue("vui_num_ticks_poc_diff_one_minus1") }
            if try r.flag("vui_hrd_parameters_present_flag") {
                try HRDParameters.skip(&r, commonInfPresent: true, maxSubLayersMinus1: maxSubLayersMinus1)
            }
        }
        if try r.flag("bitstream_restriction_flag") {
            try r.skip(3, "tiles_fixed_structure_flag")
            for element in [
                "min_spatial_segmentation_idc", "max_bytes_per_pic_denom", "max_bits_per_min_cu_denom",
                "log2_max_mv_length_horizontal", "log2_max_mv_length_vertical",
            ] { _ = try r.ue(element) }
        }
        bits = (r.source, start, r.position - start)
    }

    func write(to w: inout BitWriter) {
        if let b = bits {
            w.copy(b.bytes, from: b.start, count: b.count)
            return
        }
        writeAspectAndColour(to: &w)
        // Three flags; no display window.
        w.u(0, 3)
        w.flag(false)
        w.flag(timing != nil)
        if let timing {
            w.u(timing.numUnitsInTick, 32)
            w.u(timing.timeScale, 32)
            w.flag(false)
            w.flag(false)
        }
        w.flag(false)
    }

    private func writeAspectAndColour(to w: inout BitWriter) {
        w.flag(sampleAspectRatio != nil)
        if let (width, height) = sampleAspectRatio {
            if let index = Self.sampleAspectRatios.firstIndex(where: { $0 == (width, height) }) {
                w.u(index + 1, 8)
            } else {
                w.u(255, 8)
                w.u(width, 16)
                w.u(height, 16)
            }
        }
        // overscan_info_present_flag
        w.flag(false)
        w.flag(hasSignalType)
        if hasSignalType {
            // video_format 5: unspecified.
            w.u(5, 3)
            w.flag(videoFullRangeFlag)
            w.flag(colourDescription != nil)
            if let c = colourDescription {
                w.u(c.primaries, 8)
                w.u(c.transfer, 8)
                w.u(c.matrix, 8)
            }
        }
        w.flag(chromaSampleLocType != nil)
        if let chromaSampleLocType {
            w.ue(chromaSampleLocType)
            w.ue(chromaSampleLocType)
        }
    }
}
