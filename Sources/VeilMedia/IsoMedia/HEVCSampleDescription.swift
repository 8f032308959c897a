// SPDX-License-Identifier: GPL-2.0-or-later
import VeilBitstream

/// A sample entry for all layers of a stream (ISO/IEC 14496-15, 8.3.3, 8.4 and 9.5).
struct HEVCSampleDescription {
    let entry: [UInt8]
    /// What players show, in 1/65536 of a square sample.
    let shownSize: (width: Int, height: Int)

    /// - Parameters:
    ///   - units: parameter sets, every one once, and SEI messages of the whole stream, in the order they came in.
    ///   - inBand: further parameter sets may be in samples (`hev1`).
    ///   - first: the SPS of the base layer, where that is in samples.
    ///   - described: what SEI messages say of the base layer.
    ///   - further: boxes of the source's entry.
    ///   - lengthSize: bytes of the lengths of units in samples.
    init(
        units: [NALUnit], inBand: Bool, first: NALUnit?, described: ColourDescription, further: [UInt8] = [],
        lengthSize: Int = 4
    ) throws {
        guard
            let own = units.first(where: { $0.header.nalUnitType == .sps && $0.header.nuhLayerId == 0 }) ?? first
        else { throw SyntaxError.missing(set: "SPS", id: 0) }
        let rbsp = own.rbsp
        let sps = try SequenceParameterSet(rbsp: rbsp, nuhLayerId: 0)
        let colour = (sps.vui?.colour ?? ColourDescription()).completed(by: described)
        let base = units.filter { $0.header.nuhLayerId == 0 }
        let upper = units.filter { $0.header.nuhLayerId > 0 }
        self.init(inBand ? "hev1" : "hvc1", sps.shownSize, colour) {
            $0.box("hvcC") {
                Self.configuration(sps, rbsp: rbsp, units: base, isComplete: !inBand, lengthSize: lengthSize, &$0)
            }
            if !upper.isEmpty {
                $0.box("lhvC") {
                    $0.u8(1)
                    Self.common(&$0)
                    $0.u8(0xC0 | Self.layersAndLength(rbsp[0], lengthSize))
                    Self.arrays(upper, isComplete: !inBand, &$0)
                }
            }
            $0.append(further)
        }
    }

    /// HEVCDecoderConfigurationRecord (8.3.3.1).
    /// - Parameters:
    ///   - sps: the SPS of the base layer, and `rbsp` its bytes.
    ///   - units: the base layer's parameter sets and messages.
    ///   - isComplete: samples hold no others.
    private static func configuration(
        _ sps: SequenceParameterSet, rbsp: [UInt8], units: [NALUnit], isComplete: Bool, lengthSize: Int,
        _ w: inout BoxWriter
    ) {
        w.u8(1)
        // general_profile_space to general_level_idc, as they stand in the SPS (7.3.3).
        w.append(rbsp.dropFirst().prefix(12))
        common(&w)
        w.u8(0xFC | sps.chromaFormatIdc)
        w.u8(0xF8 | (sps.bitDepthY - 8))
        w.u8(0xF8 | (sps.bitDepthC - 8))
        // avgFrameRate and constantFrameRate unknown; sub-layers and nesting from the SPS's first byte.
        w.u16(0)
        w.u8(layersAndLength(rbsp[0], lengthSize))
        arrays(units, isComplete: isComplete, &w)
    }

    /// Of a layer above the base layer in a track of its own (`lhv1`).
    /// - Parameters:
    ///   - units: its parameter sets.
    ///   - sps: its SPS, with what the VPS says of it.
    ///   - base: the first byte of the base layer's SPS, which tells of sub-layers.
    init(layer units: [NALUnit], sps: SequenceParameterSet, described: ColourDescription, base: UInt8) {
        self.init("lhv1", sps.shownSize, (sps.vui?.colour ?? ColourDescription()).completed(by: described)) {
            $0.box("lhvC") {
                $0.u8(1)
                Self.common(&$0)
                $0.u8(0xC0 | Self.layersAndLength(base))
                Self.arrays(units, isComplete: true, &$0)
            }
        }
    }

    private init(
        _ type: FourCC, _ size: (width: Int, height: Int), _ colour: ColourDescription,
        configuration: (inout BoxWriter) -> Void
    ) {
        let aspect = colour.sampleAspect ?? (1, 1)
        // Samples are made wider, never lower, so that none is lost.
        shownSize =
            aspect.width >= aspect.height
            ? ((size.width << 16) * aspect.width / aspect.height, size.height << 16)
            : (size.width << 16, (size.height << 16) * aspect.height / aspect.width)
        var w = BoxWriter()
        w.box(type) {
            // SampleEntry and VisualSampleEntry (14496-12, 8.5.2 and 12.1.3).
            $0.zeros(6)
            $0.u16(1)
            $0.zeros(16)
            $0.u16(size.width)
            $0.u16(size.height)
            $0.u32(0x480000)
            $0.u32(0x480000)
            $0.u32(0)
            $0.u16(1)
            $0.zeros(32)
            $0.u16(0x18)
            $0.u16(0xFFFF)
            configuration(&$0)
            colour.boxes(into: &$0)
        }
        entry = w.bytes
    }

    /// `stsd` of some entries.
    static func box(_ entries: [[UInt8]]) -> [UInt8] {
        var w = BoxWriter()
        w.fullBox("stsd") {
            $0.u32(entries.count)
            for entry in entries { $0.append(entry) }
        }
        return w.bytes
    }

    /// min_spatial_segmentation_idc and parallelismType: both unknown.
    private static func common(_ w: inout BoxWriter) {
        w.u16(0xF000)
        w.u8(0xFC)
    }

    /// numTemporalLayers, temporalIdNested and lengthSizeMinusOne, from sps_max_sub_layers_minus1 and
    /// sps_temporal_id_nesting_flag.
    private static func layersAndLength(_ first: UInt8, _ lengthSize: Int = 4) -> Int {
        (Int(first >> 1 & 7) + 1) << 3 | Int(first & 1) << 2 | (lengthSize - 1)
    }

    /// - Parameter isComplete: array_completeness: samples hold no others. Of messages they may.
    private static func arrays(_ units: [NALUnit], isComplete: Bool, _ w: inout BoxWriter) {
        let types = units.map(\.header.nalUnitType.rawValue).reduce(into: [UInt8]()) {
            if !$0.contains($1) { $0.append($1) }
        }.sorted()
        w.u8(types.count)
        for type in types {
            let own = units.filter { $0.header.nalUnitType.rawValue == type }
            w.u8((isComplete && type < NALUnitType.accessUnitDelimiter.rawValue ? 0x80 : 0) | Int(type))
            w.u16(own.count)
            for unit in own {
                w.u16(unit.bytes.count)
                w.append(unit.bytes)
            }
        }
    }
}
