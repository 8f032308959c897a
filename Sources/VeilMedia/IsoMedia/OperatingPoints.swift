// SPDX-License-Identifier: GPL-2.0-or-later
import VeilBitstream

/// What an L-HEVC track says of its layers for those who do not read its VPS: the sample groups `oinf`, operating
/// points, and `linf`, the layers of the track (ISO/IEC 14496-15, 9.6.2 and 9.6.4).
enum OperatingPoints {
    /// Groups that hold all samples (`sgpd`, `sbgp`); empty for a stream of one layer, and where the VPS tells of more
    /// than the boxes hold.
    /// - Parameter layers: nuh_layer_ids in the track.
    static func sampleGroups(_ vps: VideoParameterSet, layers: [Int], samples: Int) -> [UInt8] {
        guard let ext = vps.ext, layers.count < 64, let points = points(vps, ext) else { return [] }
        var w = BoxWriter()
        write("oinf", points, samples: samples, into: &w)
        var info = BoxWriter()
        info.u8(layers.count)
        let sublayers = vps.vpsMaxSubLayersMinus1
        for layer in layers {
            // layer_id, min_TemporalId and max_TemporalId behind four bits, sub_layer_presence_flags behind one.
            info.u16(layer << 6 | sublayers & 7)
            info.u8((1 << (sublayers + 1)) - 1 & 0x7F)
        }
        write("linf", info.bytes, samples: samples, into: &w)
        return w.bytes
    }

    private static func write(_ type: FourCC, _ entry: [UInt8], samples: Int, into w: inout BoxWriter) {
        w.fullBox("sgpd", version: 1) {
            $0.fourCC(type)
            $0.u32(entry.count)
            $0.u32(1)
            $0.append(entry)
        }
        w.fullBox("sbgp") {
            $0.fourCC(type)
            $0.u32(1)
            $0.u32(samples)
            $0.u32(1)
        }
    }

    private static func points(_ vps: VideoParameterSet, _ ext: VPSExtension) -> [UInt8]? {
        var w = BoxWriter()
        w.u16(ext.scalabilityMask)
        let profiles = vps.allProfileTierLevels
        guard profiles.count < 64, ext.outputLayerSets.count < 1 << 16, vps.layerIds.count < 256 else { return nil }
        w.u8(profiles.count)
        for p in profiles {
            w.u8(p.generalProfileSpace << 6 | (p.generalTierFlag ? 0x20 : 0) | p.generalProfileIdc)
            w.u32(Int(p.generalProfileCompatibilityFlags))
            w.u16(Int(p.generalConstraintFlags >> 32))
            w.u32(Int(p.generalConstraintFlags & 0xFFFF_FFFF))
            w.u8(p.generalLevelIdc)
        }
        w.u16(ext.outputLayerSets.count)
        for (i, set) in ext.outputLayerSets.enumerated() {
            w.u16(i)
            w.u8(vps.vpsMaxSubLayersMinus1)
            w.u8(set.layers.count)
            var formats: [VPSExtension.RepFormat] = []
            for (j, layer) in set.layers.enumerated() {
                let index = set.profileTierLevelIdx.indices.contains(j) ? set.profileTierLevelIdx[j] : nil
                let isOutput = set.outputLayerFlags.indices.contains(j) && set.outputLayerFlags[j]
                // Counted from 1; the base layer by itself has the VPS's own.
                w.u8(min((index ?? (i == 0 ? 0 : -1)) + 1, 255))
                w.u8(layer << 2 | (isOutput ? 2 : 0) | (isOutput && set.altOutputLayerFlag ? 1 : 0))
                if isOutput, let format = Self.format(of: layer, vps, ext) { formats.append(format) }
            }
            let widths = formats.map(\.picWidthVpsInLumaSamples)
            let heights = formats.map(\.picHeightVpsInLumaSamples)
            w.u16(widths.min() ?? 0)
            w.u16(heights.min() ?? 0)
            w.u16(widths.max() ?? 0)
            w.u16(heights.max() ?? 0)
            // No frame rates, no bit rates.
            let depths = formats.map { max($0.bitDepthVpsLumaMinus8, $0.bitDepthVpsChromaMinus8) }
            w.u8((formats.map(\.chromaFormatVpsIdc).max() ?? 1) << 6 | ((depths.max() ?? 0) & 7) << 3)
        }
        w.u8(vps.layerIds.count)
        for (i, layer) in vps.layerIds.enumerated() {
            let below = vps.directReferenceLayers(of: layer)
            w.u8(layer)
            w.u8(below.count)
            for id in below { w.u8(id) }
            // dimension_identifier of each bit of the mask.
            for j in 0..<ext.scalabilityMask.nonzeroBitCount {
                w.u8(ext.dimensionId.indices.contains(i) && j < ext.dimensionId[i].count ? ext.dimensionId[i][j] : 0)
            }
        }
        return w.bytes
    }

    private static func format(of layer: Int, _ vps: VideoParameterSet, _ ext: VPSExtension) -> VPSExtension.RepFormat?
    {
        guard let place = vps.layerIndex(ofLayer: layer) else { return nil }
        let indices = ext.vpsRepFormatIdx ?? []
        let index = indices.indices.contains(place) ? indices[place] : min(place, ext.repFormats.count - 1)
        return ext.repFormats.indices.contains(index) ? ext.repFormats[index] : nil
    }
}
