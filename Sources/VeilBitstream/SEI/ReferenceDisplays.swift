// SPDX-License-Identifier: GPL-2.0-or-later

/// What a three_dimensional_reference_displays_info() message (G.14.3.3) says of the views: which are for which eye, on
/// its first display.
package struct ReferenceDisplays: Equatable, Sendable {
    package static let payloadType = 176

    /// ViewId for the left and for the right eye.
    package let leftViewId: Int
    package let rightViewId: Int

    package init(leftViewId: Int, rightViewId: Int) {
        self.leftViewId = leftViewId
        self.rightViewId = rightViewId
    }

    /// One display, whose width is not told.
    package var payload: [UInt8] {
        var w = BitWriter()
        // prec_ref_display_width, ref_viewing_distance_flag, num_ref_displays_minus1.
        w.ue(31)
        w.flag(false)
        w.ue(0)
        w.ue(leftViewId)
        w.ue(rightViewId)
        // exponent_ref_display_width, and mantissa_ref_display_width of as many bits as that precision has at 0.
        w.u(0, 6)
        w.u(0, 1)
        // additional_shift_present_flag, three_dimensional_reference_displays_extension_flag.
        w.flag(false)
        w.flag(false)
        w.trailingBits()
        return w.bytes
    }

    /// Of the last such message of a unit; nil where there is none that can be read.
    package init?(of unit: NALUnit) {
        guard unit.header.nalUnitType == .prefixSEI,
            let message = (try? SEIMessage.messages(rbsp: unit.rbsp))?.last(where: {
                $0.payloadType == Self.payloadType
            }), let displays = try? ReferenceDisplays(payload: message.payload)
        else { return nil }
        self = displays
    }

    package init(payload: [UInt8]) throws {
        var r = BitReader(payload)
        _ = try r.ue("prec_ref_display_width", in: 0...31)
        if try r.flag("ref_viewing_distance_flag") { _ = try r.ue("prec_ref_viewing_dist", in: 0...31) }
        _ = try r.ue("num_ref_displays_minus1", in: 0...31)
        leftViewId = try r.ue("left_view_id", in: 0...1023)
        rightViewId = try r.ue("right_view_id", in: 0...1023)
    }
}
