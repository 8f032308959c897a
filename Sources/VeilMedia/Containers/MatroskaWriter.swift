// SPDX-License-Identifier: GPL-2.0-or-later
import VeilBitstream

/// Wraps the access units of a single-layer HEVC stream in Matroska (RFC 9559), which carries what a byte stream
/// lacks: when each picture is shown, and what it means. Written to a pipe, it lets other programs put the stream into
/// MPEG-TS without decoding it.
package struct MatroskaWriter {
    /// Set before the first access unit.
    package var fps: (numerator: Int, denominator: Int)?
    private var setUnits = ParameterSetUnits()
    private var order = DisplayOrder()
    private var begun = false
    /// What is added to picture order counts, which begin again at IDR pictures.
    private var base = 0
    private var nextBase = 0
    private var frameNanoseconds = 40_000_000.0

    /// - Parameter fps: in place of what the stream says; 25 when neither tells.
    package init(fps: (numerator: Int, denominator: Int)?) { self.fps = fps }

    /// ISO 639-2 code of the video's language; nothing said would mean English (RFC 9559, 5.1.4.1.19).
    package var language = "und"

    /// The bytes of an access unit, with what goes before the first. Empty for one without a picture.
    package mutating func write(_ unit: [NALUnit]) throws -> [UInt8] {
        for nal in unit { setUnits.insert(nal) }
        guard let place = try order.place(of: unit), let sps = order.sps,
            let slice = unit.first(where: { $0.header.nalUnitType.isSlice })
        else { return [] }
        var out: [UInt8] = []
        if !begun {
            begun = true
            out = try beginning(sps)
        }
        if place.begins, place.sequence > 0 { base = nextBase - place.poc }
        let shown = max(base + place.poc, 0)
        nextBase = max(nextBase, shown + 1)
        var data: [UInt8] = [0x81, 0, 0, slice.header.nalUnitType.isIRAP ? 0x80 : 0]
        for nal in unit where nal.header.nalUnitType != .accessUnitDelimiter {
            data += Self.word(nal.bytes.count, 4) + nal.bytes
        }
        let microseconds = Int(min(Double(shown) * frameNanoseconds / 1000, 9e15).rounded())
        return out
            + Self.element(
                [0x1F, 0x43, 0xB6, 0x75], Self.element([0xE7], Self.number(microseconds)) + Self.element([0xA3], data))
    }

    private mutating func beginning(_ sps: SequenceParameterSet) throws -> [UInt8] {
        if let fps = fps ?? order.frameRate?.fraction {
            frameNanoseconds = 1e9 * Double(fps.denominator) / Double(fps.numerator)
        }
        // An hour a frame is no video's: what a stream claims must not leave the range of times.
        frameNanoseconds = min(frameNanoseconds, 3.6e12)
        func text(_ t: String) -> [UInt8] { Array(t.utf8) }
        let ebml =
            Self.element([0x42, 0x86], [1]) + Self.element([0x42, 0xF7], [1]) + Self.element([0x42, 0xF2], [4])
            + Self.element([0x42, 0xF3], [8])
            + Self.element([0x42, 0x82], text("matroska")) + Self.element([0x42, 0x87], [4])
            + Self.element([0x42, 0x85], [2])
        let info =
            Self.element([0x2A, 0xD7, 0xB1], Self.number(1000)) + Self.element([0x4D, 0x80], text("veil"))
            + Self.element([0x57, 0x41], text("veil"))
        let (width, height) = sps.shownSize
        let video =
            Self.element([0xB0], Self.number(width)) + Self.element([0xBA], Self.number(height)) + Self.meaning(sps)
        let track =
            Self.element([0xD7], [1]) + Self.element([0x73, 0xC5], [1]) + Self.element([0x83], [1])
            + Self.element([0x86], text("V_MPEGH/ISO/HEVC"))
            + Self.element([0x23, 0xE3, 0x83], Self.number(Int(frameNanoseconds.rounded())))
            + Self.element([0x22, 0xB5, 0x9C], text(language)) + Self.element([0xE0], video)
            + Self.element([0x63, 0xA2], try configuration(sps))
        // The segment has no size: it ends with the stream.
        return Self.element([0x1A, 0x45, 0xDF, 0xA3], ebml) + [
            0x18, 0x53, 0x80, 0x67, 0x01, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF,
        ]
            + Self.element([0x15, 0x49, 0xA9, 0x66], info)
            + Self.element([0x16, 0x54, 0xAE, 0x6B], Self.element([0xAE], track))
    }

    /// The configuration record of the base layer; parameter sets are in samples as well.
    private func configuration(_ sps: SequenceParameterSet) throws -> [UInt8] {
        let id = sps.spsSeqParameterSetId
        guard let own = setUnits[ParameterSetKey(.sps, id)] else { throw SyntaxError.missing(set: "SPS", id: id) }
        let units = setUnits.units(besides: []).filter { $0.header.nuhLayerId == 0 }
        if let unit = units.first(where: { $0.bytes.count > Int(UInt16.max) }) {
            throw MediaError.notSupported(path: "Matroska", what: SampleEntries.tooLong(unit))
        }
        var w = BoxWriter()
        HEVCSampleDescription.configuration(sps, rbsp: own.rbsp, units: units, isComplete: false, &w)
        return w.bytes
    }

    /// The size that is shown, where samples are no squares, and the colour.
    private static func meaning(_ sps: SequenceParameterSet) -> [UInt8] {
        let colour = sps.vui?.colour ?? ColourDescription()
        let (width, height) = sps.shownSize
        var out: [UInt8] = []
        if let aspect = colour.sampleAspect, aspect.width != aspect.height {
            out += element([0x54, 0xB0], number(max(width * aspect.width / aspect.height, 1)))
            out += element([0x54, 0xBA], number(height))
        }
        var told: [UInt8] = []
        for (id, value) in [
            (0xB1, colour.matrix), (0xB9, colour.isFullRange.map { $0 ? 2 : 1 }), (0xBA, colour.transfer),
            (0xBB, colour.primaries),
        ] { if let value { told += element([0x55, UInt8(id)], number(value)) } }
        return told.isEmpty ? out : out + element([0x55, 0xB0], told)
    }

    private static func word(_ value: Int, _ count: Int) -> [UInt8] {
        (0..<count).reversed().map { UInt8(truncatingIfNeeded: value >> (8 * $0)) }
    }

    private static func number(_ value: Int) -> [UInt8] {
        word(value, max((Int.bitWidth - value.leadingZeroBitCount + 7) / 8, 1))
    }

    /// An element with an eight-byte size.
    private static func element(_ id: [UInt8], _ data: [UInt8]) -> [UInt8] { id + [0x01] + word(data.count, 7) + data }
}
