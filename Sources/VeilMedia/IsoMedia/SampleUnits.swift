// SPDX-License-Identifier: GPL-2.0-or-later
import VeilBitstream

/// Access units on their way into samples, in decoding order, and when their pictures are shown.
struct SampleUnits {
    private(set) var order = DisplayOrder()
    private var waiting: [NALUnit] = []
    /// Access units before the first that can be decoded.
    private var leading = 0
    /// A picture of some layer was sealed whole.
    private var sawSealed = false

    /// The units of a sample. Nil for an access unit without a picture, which goes to the next one.
    mutating func gather(_ unit: [NALUnit]) -> [NALUnit]? {
        waiting += unit
        guard unit.contains(where: { $0.header.nalUnitType.isSlice }) else { return nil }
        defer { waiting = [] }
        return waiting
    }

    /// Where the picture of a sample is shown; nil before the first IRAP picture.
    mutating func place(_ unit: [NALUnit]) throws -> DisplayOrder.Place? { try order.place(of: unit) }

    /// Both, and whether decoding can begin there; nil where there is no sample to be written.
    mutating func sample(
        completedBy unit: [NALUnit]
    ) throws -> (units: [NALUnit], place: DisplayOrder.Place, isSync: Bool)? {
        guard let units = gather(unit) else { return nil }
        if units.layerWithoutSlices != nil || units.beginsSealed { sawSealed = true }
        guard let place = try place(units) else {
            // Whoever opens what is sealed would miss the rest.
            if sawSealed { throw SealedBeginning() }
            leading += 1
            return nil
        }
        let isSync = units.contains { $0.header.nalUnitType.isIRAP && $0.header.nuhLayerId == 0 }
        return (units, place, isSync)
    }

    /// Passes over a sample whose times and bounds are those of the stream's source.
    mutating func pass(_ sample: CarriedSample) { order.pass(sample.entryUnits.map(\.nal) + sample.units) }

    /// What is not written, a line each.
    var notes: [String] {
        leading > 0 ? ["\(leading) pictures before the first IRAP picture are left out"] : []
    }
}

/// A stream whose first pictures cannot be decoded, for one of them is sealed: all of it is needed to open it.
struct SealedBeginning: Error, CustomStringConvertible {
    var description: String {
        "the first pictures are sealed (--damaged seal), and a file cannot begin with them: write a byte stream"
    }
}
