// SPDX-License-Identifier: GPL-2.0-or-later
import VeilBitstream

/// What comes in front of a stream's first parameter sets: slices that can be decoded once these are there, as in
/// streams that were cut and put together again, of which decoders that look ahead show all pictures.
struct EarlyUnits {
    /// As many bytes wait; what is longer comes without its parameter sets.
    static let most = 16 << 20
    private var units: [NALUnit] = []
    private var bytes = 0
    private var hasSPS = false
    private var hasPPS = false

    /// Whether a unit is to be decoded later.
    mutating func holds(_ nal: NALUnit) -> Bool {
        switch nal.header.nalUnitType {
        case .vps: return false
        case .sps: hasSPS = true
        case .pps: hasPPS = true
        default:
            if hasSPS && hasPPS || units.isEmpty && !nal.header.nalUnitType.isSlice || bytes > Self.most {
                return false
            }
            units.append(nal)
            // What a unit takes beside its bytes.
            bytes += nal.bytes.count + 256
            return true
        }
        return false
    }

    /// What waits, in the order in which it came.
    mutating func take() -> [NALUnit] {
        defer { units = [] }
        return units
    }
}
