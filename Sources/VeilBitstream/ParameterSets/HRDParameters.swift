// SPDX-License-Identifier: GPL-2.0-or-later

/// hrd_parameters() (E.2.2): checked and passed over, since nothing here depends on it.
enum HRDParameters {
    static func skip(_ r: inout BitReader, commonInfPresent: Bool, maxSubLayersMinus1: Int) throws {
        var nal = false
        var vcl = false
        var subPic = false
        if commonInfPresent {
            nal = try r.flag("nal_hrd_parameters_present_flag")
            vcl = try r.flag("vcl_hrd_parameters_present_flag")
            if nal || vcl {
                subPic = try r.flag("sub_pic_hrd_params_present_flag")
                if subPic { try r.skip(8 + 5 + 1 + 5, "tick_divisor_minus2") }
                try r.skip(8, "bit_rate_scale")
                if subPic { try r.skip(4, "cpb_size_du_scale") }
                try r.skip(15, "initial_cpb_removal_delay_length_minus1")
            }
        }
        for _ in 0...maxSubLayersMinus1 {
            var fixedWithinCvs = true
            if try !r.flag("fixed_pic_rate_general_flag") {
                fixedWithinCvs = try r.flag("fixed_pic_rate_within_cvs_flag")
            }
            var lowDelay = false
            if fixedWithinCvs {
                _ = try r.ue("elemental_duration_in_tc_minus1")
            } else {
                lowDelay = try r.flag("low_delay_hrd_flag")
            }
            var cpbCount = 1
            if !lowDelay { cpbCount = try r.ue("cpb_cnt_minus1", in: 0...31) + 1 }
            for present in [nal, vcl] where present {
                for _ in 0..<cpbCount {
                    _ = try r.ue("bit_rate_value_minus1")
                    _ = try r.ue("cpb_size_value_minus1")
                    if subPic {
                        _ = try r.ue("cpb_size_du_value_minus1")
                        _ = try r.ue("bit_rate_du_value_minus1")
                    }
                    _ = try r.flag("cbr_flag")
                }
            }
        }
    }
}
