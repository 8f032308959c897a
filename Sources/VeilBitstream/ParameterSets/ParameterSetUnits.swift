// SPDX-License-Identifier: GPL-2.0-or-later

/// What tells parameter sets apart: sets of one type take each other's places by their identifier, whatever their layer
/// (F.7.4.1.4.1).
package struct ParameterSetKey: Hashable, Comparable, Sendable {
    /// Of the unit's type.
    package let type: UInt8
    package let id: Int

    package init(_ type: NALUnitType, _ id: Int) {
        self.type = type.rawValue
        self.id = id
    }

    /// Nil for units that are no parameter sets, or damaged ones, which nobody can refer to. The set may be unreadable
    /// beyond its identifier.
    package init?(_ nal: NALUnit) {
        guard let id = ParameterSetCollection.identifier(of: nal) else { return nil }
        self.init(nal.header.nalUnitType, id)
    }

    package static func < (a: Self, b: Self) -> Bool { (a.type, a.id) < (b.type, b.id) }
}

/// The parameter sets in force as they stood in the stream, for those who write them again.
/// ``ParameterSetCollection`` has what they say.
package struct ParameterSetUnits {
    private var sets: [ParameterSetKey: NALUnit] = [:]

    package init() {}

    /// Keeps a parameter set; others are ignored. Returns whether the same one was in force already.
    @discardableResult
    package mutating func insert(_ nal: NALUnit) -> Bool {
        guard let key = ParameterSetKey(nal) else { return false }
        defer { sets[key] = nal }
        return sets[key].map { $0.bytes == nal.bytes } ?? false
    }

    package subscript(key: ParameterSetKey) -> NALUnit? { sets[key] }

    /// All of them, VPS first, leaving out those for which `units` hold a replacement.
    package func units(besides units: [NALUnit]) -> [NALUnit] {
        let replaced = Set(units.compactMap { ParameterSetKey($0) })
        return sets.filter { !replaced.contains($0.key) }.sorted { $0.key < $1.key }.map(\.value)
    }
}
