// SPDX-License-Identifier: GPL-2.0-or-later

/// nal_unit_type (Table 7-1).
package struct NALUnitType: RawRepresentable, Equatable, Hashable, Sendable, CustomStringConvertible {
    package let rawValue: UInt8
    package init(rawValue: UInt8) { self.rawValue = rawValue }

    package static let trailN = NALUnitType(rawValue: 0)
    package static let trailR = NALUnitType(rawValue: 1)
    package static let radlN = NALUnitType(rawValue: 6)
    package static let radlR = NALUnitType(rawValue: 7)
    package static let raslN = NALUnitType(rawValue: 8)
    package static let raslR = NALUnitType(rawValue: 9)
    package static let blaWLP = NALUnitType(rawValue: 16)
    package static let blaWRADL = NALUnitType(rawValue: 17)
    package static let blaNLP = NALUnitType(rawValue: 18)
    package static let idrWRADL = NALUnitType(rawValue: 19)
    package static let idrNLP = NALUnitType(rawValue: 20)
    package static let cra = NALUnitType(rawValue: 21)
    package static let vps = NALUnitType(rawValue: 32)
    package static let sps = NALUnitType(rawValue: 33)
    package static let pps = NALUnitType(rawValue: 34)
    package static let accessUnitDelimiter = NALUnitType(rawValue: 35)
    package static let endOfSequence = NALUnitType(rawValue: 36)
    package static let endOfBitstream = NALUnitType(rawValue: 37)
    package static let fillerData = NALUnitType(rawValue: 38)
    package static let prefixSEI = NALUnitType(rawValue: 39)
    package static let suffixSEI = NALUnitType(rawValue: 40)

    /// A VCL NAL unit type that is not reserved.
    package var isSlice: Bool { rawValue <= 9 || (16...21).contains(rawValue) }
    package var isVCL: Bool { rawValue < 32 }
    /// Of the types that are free for applications (Table 7-1), the one of sealed units; others are of other programs
    /// (Dolby Vision has 62 and 63).
    package static let sealed = NALUnitType(rawValue: 60)
    /// Where it follows the last VCL NAL unit of a picture, it may be of the next access unit (7.4.2.4.4).
    package var opensAccessUnit: Bool {
        (32...35).contains(rawValue) || rawValue == 39 || (41...44).contains(rawValue) || (48...55).contains(rawValue)
    }
    package var isIRAP: Bool { (16...23).contains(rawValue) }
    package var isIDR: Bool { self == .idrWRADL || self == .idrNLP }
    package var isBLA: Bool { (16...18).contains(rawValue) }
    package var isRASL: Bool { self == .raslN || self == .raslR }
    package var isRADL: Bool { self == .radlN || self == .radlR }
    /// A sub-layer non-reference picture: even types below RSV_VCL_N14.
    package var isSubLayerNonReference: Bool { rawValue <= 14 && rawValue & 1 == 0 }
    /// The same kind of picture, but referred to.
    package var referred: NALUnitType { isSubLayerNonReference ? NALUnitType(rawValue: rawValue | 1) : self }

    private static let names: [UInt8: String] = [
        0: "TRAIL_N", 1: "TRAIL_R", 2: "TSA_N", 3: "TSA_R", 4: "STSA_N", 5: "STSA_R", 6: "RADL_N", 7: "RADL_R",
        8: "RASL_N",
        9: "RASL_R", 16: "BLA_W_LP", 17: "BLA_W_RADL", 18: "BLA_N_LP", 19: "IDR_W_RADL", 20: "IDR_N_LP", 21: "CRA_NUT",
        32: "VPS_NUT", 33: "SPS_NUT", 34: "PPS_NUT", 35: "AUD_NUT", 36: "EOS_NUT", 37: "EOB_NUT", 38: "FD_NUT",
        39: "PREFIX_SEI_NUT", 40: "SUFFIX_SEI_NUT",
    ]

    package var description: String { Self.names[rawValue] ?? "type \(rawValue)" }
}

/// nal_unit_header() (7.3.1.2).
package struct NALUnitHeader: Equatable, Sendable {
    package var nalUnitType: NALUnitType
    package var nuhLayerId: Int
    package var nuhTemporalIdPlus1: Int

    package init(nalUnitType: NALUnitType, nuhLayerId: Int = 0, nuhTemporalIdPlus1: Int = 1) {
        self.nalUnitType = nalUnitType
        self.nuhLayerId = nuhLayerId
        self.nuhTemporalIdPlus1 = nuhTemporalIdPlus1
    }

    package var temporalId: Int { nuhTemporalIdPlus1 - 1 }

    package init(_ first: UInt8, _ second: UInt8) throws {
        if first & 0x80 != 0 { throw SyntaxError.outOfRange(element: "forbidden_zero_bit", value: 1) }
        nalUnitType = NALUnitType(rawValue: first >> 1 & 0x3F)
        nuhLayerId = Int(first & 1) << 5 | Int(second >> 3)
        nuhTemporalIdPlus1 = Int(second & 7)
        if nuhTemporalIdPlus1 == 0 { throw SyntaxError.outOfRange(element: "nuh_temporal_id_plus1", value: 0) }
    }

    package var bytes: [UInt8] {
        [
            nalUnitType.rawValue << 1 | UInt8(nuhLayerId >> 5),
            UInt8(nuhLayerId & 31) << 3 | UInt8(nuhTemporalIdPlus1),
        ]
    }
}

/// One NAL unit as it stands in a byte stream (Annex B).
package struct NALUnit: Sendable {
    package var header: NALUnitHeader
    /// The whole unit: header and payload with emulation prevention, without start code and trailing zeros.
    package var bytes: [UInt8]
    /// What stood before it: zero bytes and the start code prefix, 3 bytes or more; 0 where there is none (``zeros``).
    package var startCodeLength: Int
    /// Zero bytes after it (trailing_zero_8bits that belong to no start code); only for the last unit of a stream.
    package var trailingZeros = 0
    /// No hook is to see its slice data: it was sealed whole, and is as it was.
    package var bypassesHooks = false
    /// Offset of its first byte (after the start code) in the stream.
    package var offset: Int
    /// No NAL unit at all, but what stood where one should be: fewer than two bytes, or a header that cannot be. Who
    /// passes streams on keeps it; `header` is that of a type that everybody ignores.
    package var isMalformed: Bool { bytes.count < 2 || bytes[0] & 0x80 != 0 || bytes[1] & 7 == 0 }

    /// The same, but no ``zeros``: a start code stood before it, for which some decoders read something.
    package var isForbidden: Bool { isMalformed && startCodeLength > 0 }

    /// Whether it holds the first slice segment of a picture: first_slice_segment_in_pic_flag is the first bit after
    /// the header.
    package var beginsPicture: Bool { header.nalUnitType.isSlice && bytes.count > 2 && bytes[2] & 0x80 != 0 }

    /// Whether it holds Dolby Vision's data of a picture: an RPU, of a type that is free for applications, begins with
    /// rpu_nal_prefix = 25 (ETSI GS CCM 001).
    package var isDolbyVision: Bool {
        header.nalUnitType.rawValue == 62 && header.nuhLayerId == 0 && bytes.count > 2 && bytes[2] == 25
    }

    /// Of what is no NAL unit, the layer of the VCL NAL unit that it may have been before it was damaged.
    package var damagedSliceLayer: Int? {
        guard isMalformed, bytes.count >= 2, bytes[0] >> 1 & 63 < 32 else { return nil }
        return Int(bytes[0] & 1) << 5 | Int(bytes[1] >> 3)
    }

    package init(header: NALUnitHeader, bytes: [UInt8], startCodeLength: Int = 4, offset: Int = 0) {
        self.header = header
        self.bytes = bytes
        self.startCodeLength = startCodeLength
        self.offset = offset
    }

    /// What is no NAL unit.
    package init(malformed bytes: [UInt8], startCodeLength: Int, offset: Int) {
        self.init(header: Self.ignored, bytes: bytes, startCodeLength: startCodeLength, offset: offset)
    }

    private static let ignored = NALUnitHeader(nalUnitType: NALUnitType(rawValue: 63))

    /// Zero bytes between two NAL units that belong to neither's start code.
    package static func zeros(_ count: Int) -> NALUnit {
        var unit = NALUnit(malformed: [], startCodeLength: 0, offset: 0)
        unit.trailingZeros = count
        return unit
    }

    /// A unit made of a header and an RBSP.
    package init(header: NALUnitHeader, rbsp: [UInt8], startCodeLength: Int = 4) {
        self.header = header
        self.startCodeLength = startCodeLength
        offset = 0
        bytes = header.bytes
        rbsp.withUnsafeBufferPointer { _ = EmulationPrevention.insert($0, into: &bytes) }
    }

    /// The payload without emulation prevention; `removed` are the RBSP positions before which a byte was dropped.
    package func payload() -> (rbsp: [UInt8], removed: [Int]) {
        bytes.withUnsafeBufferPointer { EmulationPrevention.remove(UnsafeBufferPointer(rebasing: $0.dropFirst(2))) }
    }

    package var rbsp: [UInt8] { payload().rbsp }

    package var parts: EmulationPrevention.Parts {
        bytes.withUnsafeBufferPointer { EmulationPrevention.parts(of: UnsafeBufferPointer(rebasing: $0.dropFirst(2))) }
    }

    /// Whether emulation prevention stands where it must and nowhere else: then header and RBSP make the same bytes.
    package var isCanonical: Bool {
        parts.isCanonical
    }
}
