// SPDX-License-Identifier: GPL-2.0-or-later
import VeilBitstream

/// The sample entries of a movie that holds the samples of another: as many as that has, with the same units.
struct CarriedEntries {
    private struct Entry {
        let form: SourceSamples.Entry
        var numbers: [Int]
        var units: [NALUnit]
        /// The base layer's first SPS in samples.
        var firstInBand: NALUnit?
        var described = ColourDescription()

        mutating func add(_ more: [NALUnit]) {
            units += more
            for nal in more where nal.header.nalUnitType == .prefixSEI { SEIMessage.describe(nal, &described) }
        }

        /// Whether it is the same in all tracks that are known.
        func matches(_ other: SourceSamples.Entry) -> Bool {
            form.lengthSize == other.lengthSize && form.inBand == other.inBand
                && zip(numbers, other.numbers).allSatisfy { $0 == $1 || $0 == 0 || $1 == 0 }
        }
    }

    private var entries: [Entry] = []
    /// The units in force, by track.
    private var units: [Int: [NALUnit]] = [:]
    private var hadSample = false

    /// The units of a sample, each behind its length, and the number of its entry, from 1.
    /// - Parameter form: the entries of the sample in its source.
    mutating func add(
        _ sample: CarriedSample, form: SourceSamples.Entry, path: String
    ) throws -> (bytes: [UInt8], entry: Int) {
        for track in Set(sample.entryUnits.map(\.track)) {
            units[track] = sample.entryUnits.filter { $0.track == track }.map(\.nal)
        }
        for (_, nal) in sample.entryUnits where !nal.belongsIntoEntries {
            throw MediaError.notSupported(
                path: path, what: "a unit of a sample entry is sealed, which no entry can hold: name it .hevc")
        }
        let all = units.sorted { $0.key < $1.key }.flatMap(\.value)
        let number: Int
        if let known = entries.lastIndex(where: { $0.matches(form) }) {
            number = known
            for track in form.numbers.indices where entries[known].numbers[track] == 0 && form.numbers[track] > 0 {
                entries[known].numbers[track] = form.numbers[track]
                entries[known].add(units[track] ?? [])
            }
        } else {
            number = entries.count
            guard number < SampleEntries.mostEntries else {
                throw MediaError.notSupported(
                    path: path, what: "more than \(SampleEntries.mostEntries) sample entries: name it .hevc")
            }
            entries.append(Entry(form: form, numbers: form.numbers, units: []))
            entries[number].add(all)
            if number > 0 { entries[number].described = entries[number - 1].described }
        }
        for nal in sample.units where !nal.isMalformed && nal.header.nuhLayerId == 0 {
            if nal.header.nalUnitType == .sps, entries[number].firstInBand == nil { entries[number].firstInBand = nal }
            if nal.header.nalUnitType == .prefixSEI, !hadSample {
                SEIMessage.describe(nal, &entries[number].described)
            }
        }
        hadSample = true
        guard let bytes = OutputTrack.bytes(of: sample.units, lengthSize: form.lengthSize) else {
            throw MediaError.notSupported(
                path: path,
                what:
                    "a NAL unit is longer than lengths of \(form.lengthSize) bytes, as the source has them, can tell: "
                    + "name it .hevc")
        }
        return (bytes, number + 1)
    }

    var count: Int { entries.count }

    /// - Parameter further: boxes of the source's entry.
    func descriptions(further: [UInt8]) throws -> [HEVCSampleDescription] {
        try entries.map {
            let isMessage = { (nal: NALUnit) in nal.header.nalUnitType == .prefixSEI }
            return try HEVCSampleDescription(
                units: $0.units.filter { !isMessage($0) } + $0.units.filter(isMessage), inBand: $0.form.inBand,
                first: $0.firstInBand, described: $0.described, further: further, lengthSize: $0.form.lengthSize)
        }
    }
}

extension NALUnit {
    /// Parameter sets and messages lie in sample entries (ISO/IEC 14496-15, 8.3.3.1).
    fileprivate var belongsIntoEntries: Bool {
        !isMalformed && NALUnitType.vps.rawValue..<48 ~= header.nalUnitType.rawValue
    }
}
