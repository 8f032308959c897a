// SPDX-License-Identifier: GPL-2.0-or-later
import VeilBitstream

/// When pictures are shown, as the picture order counts of a stream's lowest layer tell it.
struct DisplayOrder {
    /// A picture's place: which coded video sequence it belongs to, and its PicOrderCntVal there.
    struct Place {
        var sequence: Int
        var poc: Int
        /// Whether the picture begins the sequence.
        var begins: Bool
    }

    private let sets = ParameterSetCollection()
    private var positions = StreamPosition()
    private var sequence = -1
    /// Of the last picture.
    private(set) var sps: SequenceParameterSet?

    /// Where the picture of the next access unit is shown. Nil for a unit without one, and before the first IRAP
    /// picture.
    mutating func place(of unit: [NALUnit]) throws -> Place? {
        let first = unit.firstIndex { $0.header.nalUnitType.isSlice } ?? unit.count
        func passEnds(_ units: ArraySlice<NALUnit>) {
            for nal in units where [.endOfSequence, .endOfBitstream].contains(nal.header.nalUnitType) {
                positions.endOfSequence(layer: nal.header.nuhLayerId)
            }
        }
        for nal in unit { try sets.insert(nal) }
        passEnds(unit[..<first])
        defer { passEnds(unit[first...]) }
        guard first < unit.count else { return nil }
        positions.boundary()
        let (position, sps) = try self.position(unit[first])
        // Of an access unit whose lowest picture is sealed or lost the next one's count tells: all are followed.
        var layers: Set<Int> = [unit[first].header.nuhLayerId]
        for slice in unit[first...] where slice.header.nalUnitType.isSlice {
            if layers.insert(slice.header.nuhLayerId).inserted { _ = try? self.position(slice) }
        }
        if position.precedesIRAP { return nil }
        self.sps = sps
        if position.restarts { sequence += 1 }
        return Place(sequence: sequence, poc: Int(position.poc), begins: position.restarts)
    }

    /// Passes over the access unit of a sample whose times are known. What cannot be read does not matter.
    mutating func pass(_ unit: [NALUnit]) {
        for nal in unit where !nal.isMalformed { try? sets.insert(nal) }
        if sps == nil, let slice = unit.first(where: { $0.header.nalUnitType.isSlice }) {
            sps = try? position(slice).1
        }
    }

    private mutating func position(_ slice: NALUnit) throws -> (PicturePosition, SequenceParameterSet) {
        let header = try SliceSegmentHeader(nal: slice.header, rbsp: slice.rbsp, sets: sets, previous: nil)
        let pps = try sets.pictureParameterSet(id: header.slicePicParameterSetId)
        let sps = try sets.sequenceParameterSet(id: pps.ppsSeqParameterSetId, layerId: slice.header.nuhLayerId)
        return (positions.next(header, log2MaxPicOrderCntLsb: sps.log2MaxPicOrderCntLsb), sps)
    }

    /// Frames a second as VUI or VPS tell.
    var frameRate: FrameRate? { FrameRate(timing: sps?.vui?.timing ?? sets.anyVps?.timing) }

    /// The same; 25 where nothing tells.
    var rate: (numerator: Int, denominator: Int) { frameRate?.fraction ?? (25, 1) }

    /// What a track says of its layers, as the last parameter sets have them.
    func sampleGroups(layers: [Int], samples: Int) -> [UInt8] {
        guard layers.count > 1, let vps = sets.anyVps else { return [] }
        return OperatingPoints.sampleGroups(vps, layers: layers, samples: samples)
    }

    /// How many of some pictures are shown before each of them.
    static func ranks(_ places: [Place]) -> [Int] {
        let sorted = places.indices.sorted {
            (places[$0].sequence, places[$0].poc) < (places[$1].sequence, places[$1].poc)
        }
        var result = [Int](repeating: 0, count: places.count)
        for (rank, i) in sorted.enumerated() { result[i] = rank }
        return result
    }

    /// Places of all pictures in one order: sequences come one after the other.
    static func indices(_ places: [Place]) -> [Int] {
        var ranges: [Int: ClosedRange<Int>] = [:]
        for place in places {
            let known = ranges[place.sequence] ?? place.poc...place.poc
            ranges[place.sequence] = min(known.lowerBound, place.poc)...max(known.upperBound, place.poc)
        }
        var starts: [Int: Int] = [:]
        var next = 0
        for (sequence, range) in ranges.sorted(by: { $0.key < $1.key }) {
            starts[sequence] = next - range.lowerBound
            next += range.upperBound - range.lowerBound + 1
        }
        return places.map { (starts[$0.sequence] ?? 0) + $0.poc }
    }
}
