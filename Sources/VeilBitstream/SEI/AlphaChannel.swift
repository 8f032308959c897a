// SPDX-License-Identifier: GPL-2.0-or-later

/// What an alpha_channel_info() message (F.14.3.8) says of an auxiliary layer's samples.
package struct AlphaChannel: Equatable, Sendable {
    package static let payloadType = 165

    /// Bits a sample.
    package var bitDepth = 8
    /// The colours are multiplied by alpha already (alpha_channel_use_idc 1), or are to be (0).
    package var isPremultiplied = false

    package init(bitDepth: Int) { self.bitDepth = bitDepth }

    /// From 0, transparent, to the greatest value, opaque.
    package var payload: [UInt8] {
        var w = BitWriter()
        // alpha_channel_cancel_flag, alpha_channel_use_idc.
        w.flag(false)
        w.u(isPremultiplied ? 1 : 0, 3)
        w.u(bitDepth - 8, 3)
        // alpha_transparent_value, alpha_opaque_value.
        w.u(0, bitDepth + 1)
        w.u((1 << bitDepth) - 1, bitDepth + 1)
        // alpha_channel_incr_flag, alpha_channel_clip_flag.
        w.flag(false)
        w.flag(false)
        w.trailingBits()
        return w.bytes
    }
}
