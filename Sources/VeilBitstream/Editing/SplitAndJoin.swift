// SPDX-License-Identifier: GPL-2.0-or-later

/// What is wrong with a cut, in one line.
public enum CutError: Error, Sendable, CustomStringConvertible {
    case noIRAP(offset: Int)
    public var description: String {
        switch self {
        case .noIRAP(let offset):
            return "the first picture (at byte \(offset)) is no IRAP picture: nothing can be joined there"
        }
    }
}

extension Array where Element == NALUnit {
    /// A layer of which there is no slice in an access unit, but a unit of the type of sealed ones, which may hold one.
    package var layerWithoutSlices: Int? {
        let layers = Set(lazy.filter { $0.header.nalUnitType.isSlice }.map(\.header.nuhLayerId))
        return first { $0.header.nalUnitType == .sealed && !layers.contains($0.header.nuhLayerId) }?.header
            .nuhLayerId
    }

    /// A layer of which a unit of the type of sealed ones stands behind slices of a higher one: it may be a picture of
    /// the next access unit.
    package var layerBehindHigher: Int? {
        var highest = 0
        for nal in self {
            let layer = nal.header.nuhLayerId
            if nal.header.nalUnitType.isSlice { highest = Swift.max(highest, layer) }
            if nal.header.nalUnitType == .sealed, layer < highest { return layer }
        }
        return nil
    }

    /// Whether such a unit comes before any slice.
    package var beginsSealed: Bool {
        prefix { !$0.header.nalUnitType.isSlice }.contains { $0.header.nalUnitType == .sealed }
    }

    /// The first slice of the lowest layer.
    fileprivate var firstSlice: NALUnit? { first { $0.header.nalUnitType.isSlice } }
}

/// Cuts a stream before IRAP pictures of its base layer. Each part begins with the parameter sets in force, so that
/// it plays alone.
package struct StreamSplitting {
    private let every: Int
    private var grouping = AccessUnitGrouping()
    private var sets = ParameterSetUnits()
    private var iraps = 0
    /// Number of the part that the last access unit belongs to, from 0.
    package private(set) var part = 0

    /// - Parameter every: IRAP pictures a part, 1 or more.
    package init(every: Int) { self.every = max(every, 1) }

    /// Takes the next NAL unit. Returns an access unit that is complete, for part number ``part``.
    package mutating func push(_ nal: NALUnit) -> [NALUnit]? { grouping.push(nal).map { place($0) } }

    package mutating func finish() -> [NALUnit]? { grouping.finish().map { place($0) } }

    private mutating func place(_ unit: [NALUnit]) -> [NALUnit] {
        var result = unit
        if let slice = unit.firstSlice, slice.header.nuhLayerId == 0, slice.header.nalUnitType.isIRAP {
            if iraps > 0, iraps % every == 0 {
                part += 1
                let at = unit.first?.header.nalUnitType == .accessUnitDelimiter ? 1 : 0
                result.insert(contentsOf: sets.units(besides: unit), at: at)
            }
            iraps += 1
        }
        for nal in unit { sets.insert(nal) }
        return result
    }
}

/// Puts streams one after the other. Parts of one stream join to that stream again; different streams, encrypted or
/// not, under any keys, join because each announces its own parameter sets and keys.
package struct StreamJoining {
    private let continuous: Bool
    private var sets = ParameterSetUnits()
    private var grouping = AccessUnitGrouping()
    private var parts = 0
    private var isFirst = true

    /// - Parameter continuous: the streams are parts of one: leading pictures (RASL) refer across the joint, so that
    ///   no end of sequence is put there.
    package init(continuous: Bool) { self.continuous = continuous }

    /// A stream begins.
    package mutating func begin() {
        parts += 1
        isFirst = true
    }

    /// Takes the next NAL unit of the stream. Returns what goes on.
    package mutating func push(_ nal: NALUnit) throws -> [NALUnit] {
        try grouping.push(nal).map { try place($0) } ?? []
    }

    /// Ends the stream.
    package mutating func end() throws -> [NALUnit] {
        defer { grouping = AccessUnitGrouping() }
        return try grouping.finish().map { try place($0) } ?? []
    }

    private mutating func place(_ unit: [NALUnit]) throws -> [NALUnit] {
        defer { isFirst = false }
        guard isFirst, parts > 1 else {
            for nal in unit { sets.insert(nal) }
            return unit
        }
        var result: [NALUnit] = []
        guard let slice = unit.firstSlice, slice.header.nalUnitType.isIRAP else {
            throw CutError.noIRAP(offset: unit.firstSlice?.offset ?? 0)
        }
        let beginsAnew = unit.allSatisfy { !$0.header.nalUnitType.isVCL || $0.header.nalUnitType.isIDR }
        if !continuous && (!beginsAnew || unit.beginsSealed || unit.layerWithoutSlices != nil) {
            result.append(
                NALUnit(
                    header: NALUnitHeader(nalUnitType: .endOfSequence),
                    bytes: NALUnitHeader(nalUnitType: .endOfSequence).bytes))
        }
        // What is in force need not be said again; the reference decoder does not even survive it.
        for nal in unit where !sets.insert(nal) { result.append(nal) }
        return result
    }
}
