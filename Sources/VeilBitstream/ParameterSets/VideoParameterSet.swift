// SPDX-License-Identifier: GPL-2.0-or-later

/// video_parameter_set_rbsp() (7.3.2.1, F.7.3.2.1).
package final class VideoParameterSet: @unchecked Sendable {
    package var vpsVideoParameterSetId = 0
    package var vpsBaseLayerInternalFlag = true
    package var vpsBaseLayerAvailableFlag = true
    package var vpsMaxLayersMinus1 = 0
    package var vpsMaxSubLayersMinus1 = 0
    package var vpsTemporalIdNestingFlag = true
    package var profileTierLevel = ProfileTierLevel()
    package var vpsSubLayerOrderingInfoPresentFlag = true
    package struct SubLayerOrdering: Equatable, Sendable {
        package var maxDecPicBufferingMinus1 = 0
        package var maxNumReorderPics = 0
        package var maxLatencyIncreasePlus1 = 0
        package init(maxDecPicBufferingMinus1: Int = 0, maxNumReorderPics: Int = 0, maxLatencyIncreasePlus1: Int = 0) {
            self.maxDecPicBufferingMinus1 = maxDecPicBufferingMinus1
            self.maxNumReorderPics = maxNumReorderPics
            self.maxLatencyIncreasePlus1 = maxLatencyIncreasePlus1
        }
    }
    package var subLayerOrdering: [SubLayerOrdering] = [SubLayerOrdering()]
    package var vpsMaxLayerId = 0
    /// layer_id_included_flag: the nuh_layer_ids of each layer set, the first being {0}.
    package var layerSets: [[Int]] = [[0]]
    package var timing: (numUnitsInTick: Int, timeScale: Int)?
    package var ext: VPSExtension?
    /// Bits between the layer sets and the extension that hold timing and HRD parameters, kept to be written again.
    private(set) var timingBits: (bytes: [UInt8], start: Int, count: Int)?

    package init() {}

    package init(rbsp: [UInt8]) throws {
        var r = BitReader(rbsp)
        vpsVideoParameterSetId = try r.u(4, "vps_video_parameter_set_id")
        vpsBaseLayerInternalFlag = try r.flag("vps_base_layer_internal_flag")
        vpsBaseLayerAvailableFlag = try r.flag("vps_base_layer_available_flag")
        // The base layer comes from outside the stream (an AVC one, say).
        if !vpsBaseLayerInternalFlag {
            throw SyntaxError.unsupported(element: "vps_base_layer_internal_flag", value: 0)
        }
        vpsMaxLayersMinus1 = try r.u(6, "vps_max_layers_minus1", in: 0...62)
        vpsMaxSubLayersMinus1 = try r.u(3, "vps_max_sub_layers_minus1", in: 0...6)
        vpsTemporalIdNestingFlag = try r.flag("vps_temporal_id_nesting_flag")
        _ = try r.u(16, "vps_reserved_0xffff_16bits")
        profileTierLevel = try ProfileTierLevel(&r, profilePresent: true, maxSubLayersMinus1: vpsMaxSubLayersMinus1)
        vpsSubLayerOrderingInfoPresentFlag = try r.flag("vps_sub_layer_ordering_info_present_flag")
        subLayerOrdering = try Self.readOrdering(
            &r, present: vpsSubLayerOrderingInfoPresentFlag, maxSubLayersMinus1: vpsMaxSubLayersMinus1, prefix: "vps")
        vpsMaxLayerId = try r.u(6, "vps_max_layer_id", in: 0...62)
        let sets = try r.ue("vps_num_layer_sets_minus1", in: 0...1023)
        for _ in 0..<sets {
            var ids: [Int] = []
            for id in 0...vpsMaxLayerId where try r.flag("layer_id_included_flag") { ids.append(id) }
            layerSets.append(ids)
        }
        let timingStart = r.position
        if try r.flag("vps_timing_info_present_flag") {
            let units = try r.u(32, "vps_num_units_in_tick")
            let scale = try r.u(32, "vps_time_scale")
            timing = (units, scale)
            if try r.flag("vps_poc_proportional_to_timing_flag") { _ = try r.ue("vps_num_ticks_poc_diff_one_minus1") }
            let hrds = try r.ue("vps_num_hrd_parameters", in: 0...1024)
            for i in 0..<hrds {
                _ = try r.ue("hrd_layer_set_idx", in: 0...sets)
                let common = i == 0 ? true : try r.flag("cprms_present_flag")
                try HRDParameters.skip(&r, commonInfPresent: common, maxSubLayersMinus1: vpsMaxSubLayersMinus1)
            }
        }
        timingBits = (rbsp, timingStart, r.position - timingStart)
        if try r.flag("vps_extension_flag") {
            while r.position & 7 != 0 { _ = try r.u(1, "vps_extension_alignment_bit_equal_to_one") }
            ext = try VPSExtension(&r, vps: self)
        }
    }

    static func readOrdering(
        _ r: inout BitReader, present: Bool, maxSubLayersMinus1: Int, prefix: String
    ) throws -> [SubLayerOrdering] {
        var result: [SubLayerOrdering] = []
        for i in (present ? 0 : maxSubLayersMinus1)...maxSubLayersMinus1 {
            var o = SubLayerOrdering()
            o.maxDecPicBufferingMinus1 = try r.ue("\(prefix)_max_dec_pic_buffering_minus1", in: 0...15)
            // Some encoders state too small a buffer for what they reorder or refer to.
            o.maxNumReorderPics = try r.ue("\(prefix)_max_num_reorder_pics", in: 0...15)
            o.maxLatencyIncreasePlus1 = try r.ue("\(prefix)_max_latency_increase_plus1")
            result.append(o)
            if !present { result = Array(repeating: o, count: i + 1) }
        }
        return result
    }

    static func writeOrdering(_ ordering: [SubLayerOrdering], present: Bool, to w: inout BitWriter) {
        for o in present ? ordering[...] : ordering.suffix(1) {
            w.ue(o.maxDecPicBufferingMinus1)
            w.ue(o.maxNumReorderPics)
            w.ue(o.maxLatencyIncreasePlus1)
        }
    }

    /// The RBSP, trailing bits included.
    package func rbsp() -> [UInt8] {
        var w = BitWriter()
        w.u(vpsVideoParameterSetId, 4)
        w.flag(vpsBaseLayerInternalFlag)
        w.flag(vpsBaseLayerAvailableFlag)
        w.u(vpsMaxLayersMinus1, 6)
        w.u(vpsMaxSubLayersMinus1, 3)
        w.flag(vpsTemporalIdNestingFlag)
        w.u(0xFFFF, 16)
        profileTierLevel.write(to: &w, profilePresent: true, maxSubLayersMinus1: vpsMaxSubLayersMinus1)
        w.flag(vpsSubLayerOrderingInfoPresentFlag)
        Self.writeOrdering(subLayerOrdering, present: vpsSubLayerOrderingInfoPresentFlag, to: &w)
        w.u(vpsMaxLayerId, 6)
        w.ue(layerSets.count - 1)
        for set in layerSets.dropFirst() {
            for id in 0...vpsMaxLayerId { w.flag(set.contains(id)) }
        }
        if let t = timingBits {
            w.copy(t.bytes, from: t.start, count: t.count)
        } else {
            w.flag(timing != nil)
            if let timing {
                w.u(timing.numUnitsInTick, 32)
                w.u(timing.timeScale, 32)
                // vps_poc_proportional_to_timing_flag, vps_num_hrd_parameters
                w.flag(false)
                w.ue(0)
            }
        }
        w.flag(ext != nil)
        if let ext {
            while w.bitCount & 7 != 0 { w.u(1, 1) }
            ext.write(to: &w, vps: self)
        }
        w.trailingBits()
        return w.bytes
    }

    // MARK: Derived for layers

    /// nuh_layer_id of every layer in order.
    package var layerIds: [Int] { ext?.layerIdInNuh ?? [0] }

    /// LayerIdxInVps.
    package func layerIndex(ofLayer id: Int) -> Int? { layerIds.firstIndex(of: id) }

    /// Profile and level of a layer, as the last output layer set with it tells them.
    package func profileTierLevel(ofLayer id: Int) -> ProfileTierLevel {
        guard let ext, let set = ext.outputLayerSets.last(where: { $0.layers.contains(id) }),
            let place = set.layers.firstIndex(of: id), set.profileTierLevelIdx.indices.contains(place),
            let index = set.profileTierLevelIdx[place]
        else { return profileTierLevel }
        let all = allProfileTierLevels
        return all.indices.contains(index) ? all[index] : profileTierLevel
    }

    /// By profile_tier_level_idx: the VPS's own, then those of the extension. What has no profile of its own has that
    /// of the one before (F.7.4.3.1.1).
    package var allProfileTierLevels: [ProfileTierLevel] {
        var result = [profileTierLevel]
        guard let ext else { return result }
        let more =
            (ext.firstProfileTierLevel.map { [(false, $0)] } ?? [])
            + ext.furtherProfileTierLevels.map { ($0.profilePresent, $0.1) }
        for (hasProfile, own) in more {
            var whole = hasProfile ? own : result[result.count - 1]
            whole.generalLevelIdc = own.generalLevelIdc
            result.append(whole)
        }
        return result
    }

    /// AuxId of a layer (F.7.4.3.1.1): 0 for the pictures themselves, 1 alpha, 2 depth.
    package func auxId(ofLayer id: Int) -> Int {
        guard let ext, ext.scalabilityMask >> 3 & 1 != 0, let i = layerIndex(ofLayer: id) else { return 0 }
        let index = (ext.scalabilityMask & 7).nonzeroBitCount
        return i < ext.dimensionId.count && index < ext.dimensionId[i].count ? ext.dimensionId[i][index] : 0
    }

    /// ViewId of a layer (F.7.4.3.1.1).
    package func viewId(ofLayer id: Int) -> Int {
        guard let ext else { return 0 }
        var order = 0
        if ext.scalabilityMask >> 1 & 1 != 0, let i = layerIndex(ofLayer: id) {
            let index = (ext.scalabilityMask & 1).nonzeroBitCount
            if i < ext.dimensionId.count && index < ext.dimensionId[i].count { order = ext.dimensionId[i][index] }
        }
        return order < ext.viewIdVal.count ? ext.viewIdVal[order] : order
    }

    /// IdDirectRefLayer: nuh_layer_ids of the direct reference layers of a layer, lowest first.
    package func directReferenceLayers(of layerId: Int) -> [Int] {
        guard let ext, let i = layerIndex(ofLayer: layerId) else { return [] }
        return (0..<i).filter { ext.directDependencyFlag[i][$0] }.map { layerIds[$0] }
    }

    /// All layers a layer needs, itself included, lowest first.
    package func layersNeeded(for layerId: Int) -> [Int] {
        var needed: Set<Int> = [layerId]
        var open = [layerId]
        while let id = open.popLast() {
            for ref in directReferenceLayers(of: id) where needed.insert(ref).inserted { open.append(ref) }
        }
        return needed.sorted()
    }

    /// Whether samples and motion of a reference layer may be used (direct_dependency_type).
    package func dependencyType(of layerId: Int, on reference: Int) -> (samples: Bool, motion: Bool) {
        guard let ext, let i = layerIndex(ofLayer: layerId), let j = layerIndex(ofLayer: reference), j < i else {
            return (true, true)
        }
        let type = ext.directDependencyType[i][j]
        return (type == 0 || type == 2, type == 1 || type == 2)
    }
}
