// SPDX-License-Identifier: GPL-2.0-or-later

extension VPSExtension {
    /// Writes vps_extension(). What a parsed extension held in dpb_size() and after the dependency types is written
    /// as it stood.
    func write(to w: inout BitWriter, vps: VideoParameterSet) {
        let maxLayersMinus1 = vps.vpsMaxLayersMinus1
        if let first = firstProfileTierLevel {
            first.write(to: &w, profilePresent: false, maxSubLayersMinus1: vps.vpsMaxSubLayersMinus1)
        }
        w.flag(splittingFlag)
        for i in 0..<16 { w.u(scalabilityMask >> i & 1, 1) }
        for length in dimensionIdLenMinus1 { w.u(length, 3) }
        w.flag(vpsNuhLayerIdPresentFlag)
        for i in 1..<max(maxLayersMinus1 + 1, 1) {
            if vpsNuhLayerIdPresentFlag { w.u(layerIdInNuh[i], 6) }
            if !splittingFlag {
                for (k, length) in dimensionIdLenMinus1.enumerated() { w.u(dimensionId[i][k], length + 1) }
            }
        }
        w.u(viewIdLen, 4)
        for v in viewIdVal { w.u(v, viewIdLen) }
        for i in 1..<max(maxLayersMinus1 + 1, 1) { for flag in directDependencyFlag[i] { w.flag(flag) } }
        let trees = Self.independentTrees(directDependencyFlag)
        if trees.count > 1 {
            w.ue(numAddLayerSets)
            for row in highestLayerIdxPlus1 {
                for (t, value) in row.enumerated() { w.u(value, Self.bits(for: trees[t + 1].count + 1)) }
            }
        }
        w.flag(subLayersVpsMaxMinus1 != nil)
        for v in subLayersVpsMaxMinus1 ?? [] { w.u(v, 3) }
        w.flag(maxTidIlRefPicsPlus1 != nil)
        if let rows = maxTidIlRefPicsPlus1 {
            for i in 0..<maxLayersMinus1 {
                for j in (i + 1)...maxLayersMinus1 where directDependencyFlag[j][i] { w.u(rows[i][j], 3) }
            }
        }
        w.flag(defaultRefLayersActiveFlag)
        let ptlCount = (vps.vpsBaseLayerInternalFlag && maxLayersMinus1 > 0 ? 2 : 1) + furtherProfileTierLevels.count
        w.ue(ptlCount - 1)
        for (present, ptl) in furtherProfileTierLevels {
            w.flag(present)
            ptl.write(to: &w, profilePresent: present, maxSubLayersMinus1: vps.vpsMaxSubLayersMinus1)
        }
        writeOutputLayerSets(to: &w, vps: vps, ptlCount: ptlCount)
        if let rest = unreadable {
            w.copy(rest.bytes, from: rest.start, count: rest.count)
            return
        }
        w.ue(repFormats.count - 1)
        for f in repFormats { Self.write(f, to: &w) }
        if repFormats.count > 1 {
            w.flag(vpsRepFormatIdx != nil)
            if let v = vpsRepFormatIdx {
                for i in (vps.vpsBaseLayerInternalFlag ? 1 : 0)..<v.count {
                    w.u(v[i], Self.bits(for: repFormats.count))
                }
            }
        }
        w.flag(maxOneActiveRefLayerFlag)
        w.flag(vpsPocLsbAlignedFlag)
        for i in 1..<max(maxLayersMinus1 + 1, 1) where !directDependencyFlag[i].contains(true) {
            w.flag(pocLsbNotPresentFlag[i])
        }
        if let d = dpbBits { w.copy(d.bytes, from: d.start, count: d.count) } else { writeDpbSize(to: &w, vps: vps) }
        w.ue(directDepTypeLenMinus2)
        w.flag(allLayersDependencyType != nil)
        if let all = allLayersDependencyType {
            w.u(all, directDepTypeLenMinus2 + 2)
        } else {
            for i in 1..<max(maxLayersMinus1 + 1, 1) {
                for j in 0..<i where directDependencyFlag[i][j] && (j > 0 || vps.vpsBaseLayerInternalFlag) {
                    w.u(directDependencyType[i][j], directDepTypeLenMinus2 + 2)
                }
            }
        }
        if let t = tailBits {
            w.copy(t.bytes, from: t.start, count: t.count)
        } else {
            // vps_non_vui_extension_length, vps_vui_present_flag, and after the extension vps_extension2_flag.
            w.ue(0)
            w.flag(false)
            w.flag(false)
        }
    }

    private func writeOutputLayerSets(to w: inout BitWriter, vps: VideoParameterSet, ptlCount: Int) {
        let setCount = vps.layerSets.count + numAddLayerSets
        if setCount > 1 {
            w.ue(numAddOlss)
            w.u(defaultOutputLayerIdc, 2)
        }
        for (i, ols) in outputLayerSets.enumerated().dropFirst() {
            if setCount > 2 && i >= setCount { w.u(ols.layerSetIdx - 1, Self.bits(for: setCount - 1)) }
            let set = layersOf(ols, vps)
            if i > vps.layerSets.count - 1 || defaultOutputLayerIdc >= 2 {
                for flag in ols.outputLayerFlags { w.flag(flag) }
            }
            for case let index? in ols.profileTierLevelIdx { w.u(index, Self.bits(for: ptlCount)) }
            let output = zip(set, ols.outputLayerFlags).filter(\.1).map(\.0)
            if output.count == 1, let id = output.first, let index = layerIdInNuh.firstIndex(of: id),
                directDependencyFlag[index].contains(true)
            {
                w.flag(ols.altOutputLayerFlag)
            }
        }
    }

    private static func write(_ f: RepFormat, to w: inout BitWriter) {
        w.u(f.picWidthVpsInLumaSamples, 16)
        w.u(f.picHeightVpsInLumaSamples, 16)
        w.flag(f.chromaAndBitDepthVpsPresentFlag)
        if f.chromaAndBitDepthVpsPresentFlag {
            w.u(f.chromaFormatVpsIdc, 2)
            if f.chromaFormatVpsIdc == 3 { w.flag(false) }
            w.u(f.bitDepthVpsLumaMinus8, 4)
            w.u(f.bitDepthVpsChromaMinus8, 4)
        }
        w.flag(f.conformanceWindow != nil)
        for v in f.conformanceWindow ?? [] { w.ue(v) }
    }

    /// dpb_size() with the VPS's own sub-layer limits for every layer.
    private func writeDpbSize(to w: inout BitWriter, vps: VideoParameterSet) {
        for i in 1..<max(outputLayerSets.count, 1) {
            let ols = outputLayerSets[i]
            let set = layersOf(ols, vps)
            let output = zip(set, ols.outputLayerFlags).filter(\.1).map(\.0)
            // Further sub-layers are as the lowest. Where the extension tells how many there are (of all layers as
            // many) it says that of each: decoders differ about what they read where it is left out.
            let further = subLayersVpsMaxMinus1?.max() ?? 0
            w.flag(further > 0)
            let limits = vps.subLayerOrdering.last ?? .init()
            for id in set
            where output.contains(where: { vpsNeeds($0, id) }) && (vps.vpsBaseLayerInternalFlag || id != 0) {
                w.ue(limits.maxDecPicBufferingMinus1)
            }
            w.ue(limits.maxNumReorderPics)
            w.ue(limits.maxLatencyIncreasePlus1)
            for _ in 0..<further { w.flag(false) }
        }
    }
}
