// SPDX-License-Identifier: GPL-2.0-or-later

/// Where access units begin (7.4.2.4.4, F.7.4.2.4.4).
///
/// With several layers a parameter set or an SEI message amid the pictures of an access unit begins none: it belongs
/// to the next access unit only if a picture that begins one follows.
package struct AccessUnitBoundary: Sendable {
    private var lastVclLayer = -1
    private var hasEnded = false

    package init() {}

    /// A unit came that holds no slice.
    package mutating func pass(_ header: NALUnitHeader) {
        if header.endsAccessUnit { end() }
    }

    /// The access unit ended.
    package mutating func end() { hasEnded = true }

    /// Whether the picture of a layer, whose first slice came, begins an access unit.
    package mutating func begins(pictureOf layer: Int) -> Bool {
        defer {
            lastVclLayer = layer
            hasEnded = false
        }
        return hasEnded || lastVclLayer < 0 || layer <= lastVclLayer
    }
}

extension NALUnitHeader {
    /// Nothing of the access unit before follows: a delimiter, or the end of a sequence or stream.
    package var endsAccessUnit: Bool {
        (nalUnitType == .accessUnitDelimiter && nuhLayerId == 0) || nalUnitType == .endOfSequence
            || nalUnitType == .endOfBitstream
    }
}

/// Gathers NAL units into access units (7.4.2.4.4, F.7.4.2.4.4): all pictures of one instant, one a layer, with what
/// goes before and after them.
package struct AccessUnitGrouping {
    private var units: [NALUnit] = []
    private var boundary = AccessUnitBoundary()
    private var hasPicture = false
    /// The first unit after the last slice that goes to the next access unit, if the next picture begins one.
    private var opening: Int?

    package init() {}

    /// Takes the next NAL unit. Returns the access unit that turns out to have ended, if one has.
    package mutating func push(_ nal: NALUnit) -> [NALUnit]? {
        defer { units.append(nal) }
        guard nal.header.nalUnitType.isVCL else {
            boundary.pass(nal.header)
            if hasPicture && opening == nil && nal.header.nuhLayerId == 0 && nal.header.nalUnitType.opensAccessUnit {
                opening = units.count
            }
            return nil
        }
        // first_slice_segment_in_pic_flag is the first bit after the header.
        let begins =
            nal.bytes.count > 2 && nal.bytes[2] & 0x80 != 0 && boundary.begins(pictureOf: nal.header.nuhLayerId)
        let at = opening ?? units.count
        opening = nil
        guard begins && hasPicture else {
            hasPicture = true
            return nil
        }
        let ended = Array(units[..<at])
        units.removeFirst(at)
        return ended
    }

    /// The last access unit; nil when nothing is left.
    package mutating func finish() -> [NALUnit]? {
        defer {
            units = []
            hasPicture = false
            opening = nil
        }
        return units.isEmpty ? nil : units
    }
}
