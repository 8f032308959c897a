// SPDX-License-Identifier: GPL-2.0-or-later

/// vui_parameters() (E.2.1), as far as anything here uses it; the bits are kept to be written again.
package struct VUIParameters: Sendable {
    package var videoFullRangeFlag = false
    package var colourDescription: (primaries: Int, transfer: Int, matrix: Int)?
    /// vui_num_units_in_tick and vui_time_scale.
    package var timing: (numUnitsInTick: Int, timeScale: Int)?
    package var sampleAspectRatio: (Int, Int)?
    private var bits: (bytes: [UInt8], start: Int, count: Int)?

    /// For writers: timing only.
    package init(numUnitsInTick: Int, timeScale: Int) { timing = (numUnitsInTick, timeScale) }

    init(_ r: inout BitReader, maxSubLayersMinus1: Int) throws {
        let start = r.position
        if try r.flag("aspect_ratio_info_present_flag") {
            if try r.u(8, "aspect_ratio_idc") == 255 {
                sampleAspectRatio = (try r.u(16, "sar_width"), try r.u(16, "sar_height"))
            }
        }
        if try r.flag("overscan_info_present_flag") { _ = try r.flag("overscan_appropriate_flag") }
        if try r.flag("video_signal_type_present_flag") {
            _ = try r.u(3, "video_format")
            videoFullRangeFlag = try r.flag("video_full_range_flag")
            if try r.flag("colour_description_present_flag") {
                colourDescription = (
                    try r.u(8, "colour_primaries"), try r.u(8, "transfer_characteristics"), try r.u(8, "matrix_coeffs")
                )
            }
        }
        if try r.flag("chroma_loc_info_present_flag") {
            _ = try r.ue("chroma_sample_loc_type_top_field")
            _ = try r.ue("chroma_sample_loc_type_bottom_field")
        }
        try r.skip(3, "neutral_chroma_indication_flag")
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
        // No aspect ratio, overscan, signal type, chroma location; three flags; no display window.
        w.u(0, 4)
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
}
