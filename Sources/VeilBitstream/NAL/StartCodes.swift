// SPDX-License-Identifier: GPL-2.0-or-later

/// Start codes for NAL units that had lengths in place of them: with the zero_byte that parameter sets and the first
/// unit of an access unit need (B.2.2), without it before all others.
package struct StartCodes {
    private var boundary = AccessUnitBoundary()
    private var isFirst = true
    /// A unit that begins the next access unit came, its picture did not yet.
    private var hasBegun = false

    package init() {}

    /// The next unit, with its start code.
    package mutating func placed(_ nal: NALUnit) -> NALUnit {
        let type = nal.header.nalUnitType
        var needsZero = isFirst || type == .vps || type == .sps || type == .pps
        isFirst = false
        if type.isVCL {
            if nal.beginsPicture, boundary.begins(pictureOf: nal.header.nuhLayerId), !hasBegun { needsZero = true }
            hasBegun = false
        } else {
            boundary.pass(nal.header)
            // Of several layers such units may stand amid an access unit, where a zero_byte more does no harm.
            if nal.header.nuhLayerId == 0, type.opensAccessUnit, !hasBegun {
                (needsZero, hasBegun) = (true, true)
            }
        }
        var result = nal
        result.startCodeLength = needsZero ? 4 : 3
        return result
    }
}
