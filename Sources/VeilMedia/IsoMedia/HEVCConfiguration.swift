// SPDX-License-Identifier: GPL-2.0-or-later
import VeilBitstream

/// The parameter sets of a sample entry: HEVCDecoderConfigurationRecord (`hvcC`) or
/// LHEVCDecoderConfigurationRecord (`lhvC`; ISO/IEC 14496-15, 8.3.3.1 and 9.6.3).
package struct HEVCConfiguration: Sendable {
    /// Bytes of the length before each NAL unit of a sample: 1, 2 or 4.
    package let lengthSize: Int
    /// Parameter sets and SEI messages, in the order of the record.
    package let units: [NALUnit]

    package init(_ box: Box) throws {
        var b = box
        let isLayered = box.type == "lhvC"
        let version = try b.u8()
        // 0 was written before the standard was final; the fields are the same.
        guard version <= 1 else {
            throw IsoMediaError.invalid(box: box.type, offset: box.offset, what: "version \(version) is unknown")
        }
        // Profile, tier, level and formats, which the parameter sets say as well.
        try b.skip(isLayered ? 3 : 20)
        lengthSize = Int(try b.u8() & 3) + 1
        guard lengthSize != 3 else {
            throw IsoMediaError.invalid(box: box.type, offset: box.offset, what: "lengthSizeMinusOne = 2")
        }
        var units: [NALUnit] = []
        for _ in 0..<(try b.u8()) {
            _ = try b.u8()
            for _ in 0..<(try b.u16()) {
                let bytes = try b.bytes(try b.u16())
                guard let unit = NALUnit(sampleBytes: bytes, startCodeLength: 4, offset: box.offset),
                    unit.header.nalUnitType.rawValue >= NALUnitType.vps.rawValue
                else {
                    throw IsoMediaError.invalid(
                        box: box.type, offset: box.offset, what: "holds a unit that is no parameter set or message")
                }
                units.append(unit)
            }
        }
        self.units = units
    }
}

extension NALUnit {
    /// A unit of a sample; nil when it has no whole header, or one that is not allowed. Zeros at its end, which a byte
    /// stream could not tell from a start code's, are kept as trailing zeros.
    init?(sampleBytes bytes: [UInt8], startCodeLength: Int, offset: Int) {
        guard bytes.count >= 2, let header = try? NALUnitHeader(bytes[0], bytes[1]) else { return nil }
        let end = (bytes.lastIndex { $0 != 0 } ?? 1) + 1
        self.init(
            header: header, bytes: Array(bytes[..<max(end, 2)]), startCodeLength: startCodeLength, offset: offset)
    }
}
