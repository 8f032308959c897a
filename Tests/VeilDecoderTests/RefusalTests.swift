// SPDX-License-Identifier: GPL-2.0-or-later
import TestSupport
import Testing
import VeilBitstream

@testable import VeilDecoder

/// What is not supported is refused by the name and value of the syntax element that asks for it.
@Suite struct RefusalTests {
    /// The bits up to sps_extension flags of a small SPS; `chroma` is chroma_format_idc, `depth` bit_depth_luma_minus8.
    private func sps(chroma: Int = 1, depth: Int = 0, extensionFlags: Int? = nil, range: Int = 0) -> [UInt8] {
        var w = BitWriter()
        w.u(0, 4)
        w.u(0, 3)
        w.flag(true)
        // profile_tier_level(): Main, level 3
        w.u(1, 8)
        w.u(0x6000, 16)
        w.u(0, 16)
        w.u(0, 32)
        w.u(0, 16)
        w.u(90, 8)
        w.ue(0)
        w.ue(chroma)
        if chroma == 3 { w.flag(false) }
        w.ue(64)
        w.ue(64)
        w.flag(false)
        w.ue(depth)
        w.ue(depth)
        w.ue(4)
        w.flag(true)
        w.ue(0)
        w.ue(0)
        w.ue(0)
        w.ue(0)
        w.ue(3)
        w.ue(0)
        w.ue(3)
        w.ue(0)
        w.ue(0)
        for _ in 0..<4 { w.flag(false) }
        w.ue(0)
        w.flag(false)
        w.flag(false)
        w.flag(false)
        w.flag(false)
        w.flag(extensionFlags != nil)
        if let extensionFlags {
            w.u(extensionFlags, 8)
            w.u(range, 9)
        }
        w.trailingBits()
        return w.bytes
    }

    private func message(_ type: NALUnitType, _ rbsp: [UInt8], layer: Int = 0) throws -> String? {
        let decoder = Decoder(options: .init()) { _ in }
        do {
            try decoder.push(NALUnit(header: try NALUnitHeader(type.rawValue << 1, UInt8(layer << 3 | 1)), rbsp: rbsp))
        } catch let error as SyntaxError {
            return error.description
        }
        #expect(decoder.report.damagedUnits == 0, "\(decoder.report.messages)")
        // A refusal of an SPS or PPS waits for a slice that needs it; those of layers that nobody asked for wait for
        // ever.
        return layer == 0 ? decoder.refusals.all.first?.description : nil
    }

    /// A set that is refused, or a damaged copy that looks like one, does not end what decodes without it.
    @Test func refusedSetsMatterWhenTheyAreUsed() throws {
        let decoder = Decoder(options: .init()) { _ in }
        let units = try AnnexBReader.units(of: ParallelStreams.tiles)
        let header = try NALUnitHeader(NALUnitType.sps.rawValue << 1, 1)
        let bent = NALUnit(header: header, rbsp: sps(depth: 6))
        try decoder.push(bent)
        for (i, unit) in units.enumerated() {
            try decoder.push(unit)
            if i == units.count - 3 { try decoder.push(bent) }
        }
        try decoder.finish()
        // The first was replaced by the stream's own, the second found it there.
        #expect(decoder.report.picturesOutput == 4 && decoder.report.damagedUnits == 1)
        let other = Decoder(options: .init()) { _ in }
        #expect(throws: SyntaxError.unsupported(element: "bit_depth_luma_minus8", value: 6)) {
            for unit in units { try other.push(unit.header.nalUnitType == .sps ? bent : unit) }
        }
    }

    @Test func formats() throws {
        #expect(try message(.sps, sps()) == nil)
        #expect(try message(.sps, sps(depth: 2)) == nil)
        for chroma in 0...3 { #expect(try message(.sps, sps(chroma: chroma)) == nil) }
        #expect(try message(.sps, sps(depth: 4)) == nil)
        #expect(try message(.sps, sps(depth: 5)) == "bit_depth_luma_minus8 = 5 is not supported")
    }

    @Test func extensionsOfSequences() throws {
        // sps_range_extension_flag with every tool but extended_precision_processing, then that; then SCC.
        #expect(try message(.sps, sps(extensionFlags: 0x80)) == nil)
        #expect(try message(.sps, sps(extensionFlags: 0x80, range: 0x1EF)) == nil)
        #expect(
            try message(.sps, sps(extensionFlags: 0x80, range: 0x010))
                == "extended_precision_processing_flag = 1 is not supported")
        #expect(try message(.sps, sps(extensionFlags: 0x10)) == "sps_scc_extension_flag = 1 is not supported")
    }

    @Test func extensionsOfPictures() throws {
        func pps(_ flags: Int, _ rest: (inout BitWriter) -> Void) -> [UInt8] {
            // The PPS as it is written without an extension ends in the flags' place: seven syntax elements follow
            // the last ue(v).
            var w = BitWriter()
            w.ue(0)
            w.ue(0)
            w.u(0, 7)
            w.ue(0)
            w.ue(0)
            w.ue(0)
            w.u(0, 3)
            w.ue(0)
            w.ue(0)
            w.u(0, 6)
            w.u(0, 4)
            w.ue(0)
            w.flag(false)
            w.flag(true)
            w.u(flags, 8)
            rest(&w)
            w.trailingBits()
            return w.bytes
        }
        #expect(try message(.pps, pps(0x10) { _ in }) == "pps_scc_extension_flag = 1 is not supported")
        #expect(try message(.pps, pps(0x80) { $0.u(0b1011, 4) }) == nil)
        // pps_multilayer_extension(): poc_reset_info, infer_scaling_list, num_ref_loc_offsets,
        // colour_mapping_enabled_flag.
        func mapping(_ w: inout BitWriter) {
            w.u(0, 2)
            w.ue(0)
            w.flag(true)
        }
        #expect(try message(.pps, pps(0x40, mapping)) == "colour_mapping_enabled_flag = 1 is not supported")
        // In a layer that is not decoded it is nobody's concern.
        #expect(try message(.pps, pps(0x40, mapping), layer: 1) == nil)
    }

    @Test func externalBaseLayer() throws {
        var w = BitWriter()
        w.u(0, 4)
        w.flag(false)
        w.u(0, 27)
        #expect(try message(.vps, w.bytes) == "vps_base_layer_internal_flag = 0 is not supported")
    }

    /// A size that no level allows is damage, not a reason to ask for gigabytes.
    @Test func sizesAreBounded() throws {
        let set = try SequenceParameterSet(rbsp: sps(), nuhLayerId: 0)
        set.picWidthInLumaSamples = 16384
        set.picHeightInLumaSamples = 16384
        #expect(throws: SyntaxError.outOfRange(element: "pic_height_in_luma_samples", value: 16384)) {
            _ = try set.resolved(forLayer: 0, vps: nil)
        }
    }
}
