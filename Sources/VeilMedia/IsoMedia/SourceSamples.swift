// SPDX-License-Identifier: GPL-2.0-or-later
import VeilBitstream

/// Where the samples of a movie's video lie in the byte stream that is read from it: what is made of the stream unit by
/// unit can be cut into the same samples again, whatever its slices say.
struct SourceSamples {
    struct Sample {
        /// Of its first start code in the stream.
        var start: Int
        /// Its sample entries, in `entries`.
        var entry: Int
        /// It holds no unit.
        var isEmpty: Bool
    }

    /// Sample entries that are in force together.
    struct Entry: Equatable {
        /// One a track, numbered from 1; 0 where no sample came yet.
        var numbers: [Int]
        /// Bytes of the length before each unit, in the base layer's track.
        var lengthSize: Int
        /// Parameter sets may be in samples.
        var inBand: Bool
    }

    private(set) var samples: [Sample] = []
    private(set) var entries: [Entry] = []
    /// The track of units that lay in a sample entry, by their ``NALUnit/offset`` in the stream.
    private(set) var entryUnits: [Int: Int] = [:]
    /// Zero bytes at the end of units, which a byte stream tells apart from none, by offsets likewise.
    private(set) var zeros: [Int: Int] = [:]
    /// Bytes of the stream so far.
    private var length = 0

    /// Takes the next sample.
    mutating func append(_ units: [SourceUnit], entry: Entry) {
        if entries.last != entry { entries.append(entry) }
        samples.append(
            Sample(start: length, entry: entries.count - 1, isEmpty: !units.contains { $0.entryTrack == nil }))
        for unit in units {
            let offset = length + unit.nal.startCodeLength
            entryUnits[offset] = unit.entryTrack
            if unit.zeros > 0 { zeros[offset] = unit.zeros }
            length = offset + unit.nal.bytes.count
        }
    }
}

/// A unit of a movie's video.
struct SourceUnit {
    var nal: NALUnit
    /// The track in whose sample entry it lay; nil in samples.
    var entryTrack: Int?
    /// Zero bytes at its end.
    var zeros = 0

    /// Ends of sequences and of the bitstream end an access unit.
    fileprivate var endRank: Int? {
        switch nal.header.nalUnitType {
        case .endOfSequence: 1
        case .endOfBitstream: 2
        default: nil
        }
    }

    /// The units of an access unit out of the samples of several tracks: what ends it comes behind the pictures of all
    /// layers (7.4.2.4.4).
    static func accessUnit(_ parts: [[SourceUnit]]) -> [SourceUnit] {
        guard parts.count > 1 else { return parts.flatMap { $0 } }
        var units: [SourceUnit] = []
        var ends: [SourceUnit] = []
        for part in parts {
            let last = part.lastIndex { $0.nal.header.nalUnitType.isVCL } ?? -1
            for (i, unit) in part.enumerated() {
                if i > last, unit.endRank != nil { ends.append(unit) } else { units.append(unit) }
            }
        }
        return units + ends.filter { $0.endRank == 1 } + ends.filter { $0.endRank == 2 }
    }
}

/// A sample as it is to be written: what became of the units of one of the source's.
package struct CarriedSample {
    /// Which one, in decoding order.
    var index: Int
    /// Units of the sample entries that came before it, and the track of each.
    var entryUnits: [(track: Int, nal: NALUnit)] = []
    /// As they stand in the sample, zeros at their ends included.
    var units: [NALUnit] = []
}

/// Cuts what was made of a movie's stream into the samples that its units were in. Units keep the offsets they had
/// (``NALUnit/offset``); those without one were put in: tags belong to what they follow, others to what follows them.
package struct SampleCarrier {
    private let movie: SourceMovie
    private var current = CarriedSample(index: 0)
    /// Put in before the next unit.
    private var waiting: [NALUnit] = []

    package init(_ movie: SourceMovie) { self.movie = movie }

    /// Takes the next unit; returns the samples that end before it.
    package mutating func push(_ nal: NALUnit) -> [CarriedSample] {
        if nal.offset == 0 {
            if nal.bytes.isEmpty { return [] }
            if nal.header.nalUnitType == .suffixSEI {
                current.units += waiting + [nal]
                waiting = []
            } else {
                waiting.append(nal)
            }
            return []
        }
        var ended: [CarriedSample] = []
        while let next = next(), next.start < nal.offset { ended.append(end()) }
        if let track = movie.bounds.entryUnits[nal.offset] {
            current.entryUnits.append((track, nal))
        } else {
            var nal = nal
            if let zeros = movie.bounds.zeros[nal.offset] { nal.bytes += [UInt8](repeating: 0, count: zeros) }
            current.units += waiting + [nal]
            waiting = []
        }
        return ended
    }

    /// Ends the stream; returns the samples left.
    package mutating func finish() -> [CarriedSample] {
        current.units += waiting
        waiting = []
        var ended: [CarriedSample] = []
        // Where it was stopped what was read may not have come through.
        while !Interruption.isRequested, next() != nil { ended.append(end()) }
        return ended + [end()]
    }

    private func next() -> SourceSamples.Sample? {
        let samples = movie.bounds.samples
        return current.index + 1 < samples.count ? samples[current.index + 1] : nil
    }

    private mutating func end() -> CarriedSample {
        defer { current = CarriedSample(index: current.index + 1) }
        return current
    }
}
