// SPDX-License-Identifier: GPL-2.0-or-later
import VeilBitstream

/// `stsd` with one `hvc1` entry for all layers of a stream (ISO/IEC 14496-15, 8.3.3, 8.4 and 9.5).
struct HEVCSampleDescription {
    let stsd: [UInt8]
    /// For the track header.
    let shownSize: (width: Int, height: Int)

    /// - Parameter units: every parameter set once, in the order they came in.
    init(units: [NALUnit]) throws {
        guard let own = units.first(where: { $0.header.nalUnitType == .sps && $0.header.nuhLayerId == 0 }) else {
            throw SyntaxError.missing(set: "SPS", id: 0)
        }
        let rbsp = own.rbsp
        let sps = try SequenceParameterSet(rbsp: rbsp, nuhLayerId: 0)
        let window = sps.window
        let width = sps.picWidthInLumaSamples - window.left - window.right
        let height = sps.picHeightInLumaSamples - window.top - window.bottom
        shownSize = (width, height)
        let base = units.filter { $0.header.nuhLayerId == 0 }
        let upper = units.filter { $0.header.nuhLayerId > 0 }
        var w = BoxWriter()
        w.fullBox("stsd") {
            $0.u32(1)
            $0.box("hvc1") {
                // SampleEntry and VisualSampleEntry (14496-12, 8.5.2 and 12.1.3).
                $0.zeros(6)
                $0.u16(1)
                $0.zeros(16)
                $0.u16(width)
                $0.u16(height)
                $0.u32(0x480000)
                $0.u32(0x480000)
                $0.u32(0)
                $0.u16(1)
                $0.zeros(32)
                $0.u16(0x18)
                $0.u16(0xFFFF)
                $0.box("hvcC") {
                    $0.u8(1)
                    // general_profile_space to general_level_idc, as they stand in the SPS (7.3.3).
                    $0.append(rbsp.dropFirst().prefix(12))
                    Self.common(&$0)
                    $0.u8(0xFC | sps.chromaFormatIdc)
                    $0.u8(0xF8 | (sps.bitDepthY - 8))
                    $0.u8(0xF8 | (sps.bitDepthC - 8))
                    // avgFrameRate and constantFrameRate unknown; sub-layers and nesting from the SPS's first byte.
                    $0.u16(0)
                    $0.u8(Self.layersAndLength(rbsp[0]))
                    Self.arrays(base, &$0)
                }
                if !upper.isEmpty {
                    $0.box("lhvC") {
                        $0.u8(1)
                        Self.common(&$0)
                        $0.u8(0xC0 | Self.layersAndLength(rbsp[0]))
                        Self.arrays(upper, &$0)
                    }
                }
            }
        }
        stsd = w.bytes
    }

    /// min_spatial_segmentation_idc and parallelismType: both unknown.
    private static func common(_ w: inout BoxWriter) {
        w.u16(0xF000)
        w.u8(0xFC)
    }

    /// numTemporalLayers, temporalIdNested and lengthSizeMinusOne = 3, from sps_max_sub_layers_minus1 and
    /// sps_temporal_id_nesting_flag.
    private static func layersAndLength(_ first: UInt8) -> Int {
        (Int(first >> 1 & 7) + 1) << 3 | Int(first & 1) << 2 | 3
    }

    private static func arrays(_ units: [NALUnit], _ w: inout BoxWriter) {
        let types = units.map(\.header.nalUnitType.rawValue).reduce(into: [UInt8]()) {
            if !$0.contains($1) { $0.append($1) }
        }.sorted()
        w.u8(types.count)
        for type in types {
            let own = units.filter { $0.header.nalUnitType.rawValue == type }
            // array_completeness: samples hold no others.
            w.u8(0x80 | Int(type))
            w.u16(own.count)
            for unit in own {
                w.u16(unit.bytes.count)
                w.append(unit.bytes)
            }
        }
    }
}
