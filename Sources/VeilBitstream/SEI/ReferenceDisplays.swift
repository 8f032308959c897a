// SPDX-License-Identifier: GPL-2.0-or-later

/// What a three_dimensional_reference_displays_info() message (G.14.3.3) says of the views: which are for which eye, on
/// its first display.
package struct ReferenceDisplays: Equatable, Sendable {
    package static let payloadType = 176

    /// ViewId for the left and for the right eye.
    package let leftViewId: Int
    package let rightViewId: Int

    package init(payload: [UInt8]) throws {
        var r = BitReader(payload)
        _ = try r.ue("prec_ref_display_width", in: 0...31)
        if try r.flag("ref_viewing_distance_flag") { _ = try r.ue("prec_ref_viewing_dist", in: 0...31) }
        _ = try r.ue("num_ref_displays_minus1", in: 0...31)
        leftViewId = try r.ue("left_view_id", in: 0...1023)
        rightViewId = try r.ue("right_view_id", in: 0...1023)
    }
}
