// SPDX-License-Identifier: GPL-2.0-or-later

/// Gathers NAL units into access units (7.4.2.4.4, F.7.4.2.4.4): all pictures of one instant, one a layer, with what
/// goes before and after them.
package struct AccessUnitGrouping {
    private var units: [NALUnit] = []
    private var lastVclLayer = -1

    package init() {}

    /// Takes the next NAL unit. Returns the access unit that it ends by beginning the next, if it does.
    package mutating func push(_ nal: NALUnit) -> [NALUnit]? {
        let begins = lastVclLayer >= 0 && beginsAccessUnit(nal)
        defer {
            units.append(nal)
            if nal.header.nalUnitType.isVCL { lastVclLayer = nal.header.nuhLayerId }
        }
        guard begins else { return nil }
        defer {
            units = []
            lastVclLayer = -1
        }
        return units
    }

    /// The last access unit; nil when nothing is left.
    package mutating func finish() -> [NALUnit]? {
        defer { units = [] }
        return units.isEmpty ? nil : units
    }

    private func beginsAccessUnit(_ nal: NALUnit) -> Bool {
        let type = nal.header.nalUnitType
        if type.isVCL {
            // first_slice_segment_in_pic_flag is the first bit after the header.
            return nal.bytes.count > 2 && nal.bytes[2] & 0x80 != 0 && nal.header.nuhLayerId <= lastVclLayer
        }
        guard nal.header.nuhLayerId == 0 else { return false }
        switch type.rawValue {
        case 32...35, 39, 41...44, 48...55: return true
        default: return false
        }
    }
}

/// The parameter sets in force, as they stood in the stream.
package struct ParameterSetUnits {
    /// Sets of one kind replace each other by their identifier, whatever their layer (F.7.4.1.4.1).
    private struct Key: Hashable {
        let type: UInt8
        let id: Int
    }

    private var sets: [Key: NALUnit] = [:]

    package init() {}

    private static func key(_ nal: NALUnit) throws -> Key? {
        let type = nal.header.nalUnitType
        switch type {
        case .vps: return Key(type: type.rawValue, id: Int((nal.bytes.count > 2 ? nal.bytes[2] : 0) >> 4))
        case .sps:
            return Key(
                type: type.rawValue,
                id: try SequenceParameterSet(rbsp: nal.rbsp, nuhLayerId: nal.header.nuhLayerId).spsSeqParameterSetId)
        case .pps:
            var r = BitReader(nal.rbsp)
            return Key(type: type.rawValue, id: try r.ue("pps_pic_parameter_set_id", in: 0...63))
        default: return nil
        }
    }

    /// Takes a parameter set; others are ignored. Returns whether the same one was in force already.
    @discardableResult
    package mutating func take(_ nal: NALUnit) throws -> Bool {
        guard let key = try Self.key(nal) else { return false }
        defer { sets[key] = nal }
        return sets[key].map { $0.bytes == nal.bytes } ?? false
    }

    /// All of them, VPS first, leaving out those for which `units` hold a replacement.
    package func units(besides units: [NALUnit]) throws -> [NALUnit] {
        let replaced = Set(try units.compactMap { try Self.key($0) })
        return sets.filter { !replaced.contains($0.key) }.sorted { ($0.key.type, $0.key.id) < ($1.key.type, $1.key.id) }
            .map(\.value)
    }
}
