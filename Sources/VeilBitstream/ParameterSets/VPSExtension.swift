// SPDX-License-Identifier: GPL-2.0-or-later

/// vps_extension() (F.7.3.2.1.1).
package struct VPSExtension: Sendable {
    package struct RepFormat: Equatable, Sendable {
        package var picWidthVpsInLumaSamples = 0
        package var picHeightVpsInLumaSamples = 0
        package var chromaAndBitDepthVpsPresentFlag = true
        package var chromaFormatVpsIdc = 1
        package var bitDepthVpsLumaMinus8 = 0
        package var bitDepthVpsChromaMinus8 = 0
        /// conf_win_vps offsets in chroma units: left, right, top, bottom; nil when absent.
        package var conformanceWindow: [Int]?
        package init() {}
    }
    package struct OutputLayerSet: Equatable, Sendable {
        package var layerSetIdx = 0
        /// nuh_layer_ids of the set.
        package var layers: [Int] = [0]
        /// One flag per layer of the set.
        package var outputLayerFlags: [Bool] = []
        package var profileTierLevelIdx: [Int?] = []
        package var altOutputLayerFlag = false
        package init() {}
    }

    /// profile_tier_level() of the enhancement layers; index 0 of the standard is the VPS's own.
    package var firstProfileTierLevel: ProfileTierLevel?
    package var splittingFlag = false
    /// scalability_mask_flag[ i ] in bit i.
    package var scalabilityMask = 0
    package var dimensionIdLenMinus1: [Int] = []
    package var vpsNuhLayerIdPresentFlag = false
    package var layerIdInNuh: [Int] = [0]
    package var dimensionId: [[Int]] = [[]]
    package var viewIdLen = 0
    package var viewIdVal: [Int] = []
    package var directDependencyFlag: [[Bool]] = [[]] { didSet { needs = Self.closure(directDependencyFlag) } }
    package var numAddLayerSets = 0
    package var highestLayerIdxPlus1: [[Int]] = []
    package var subLayersVpsMaxMinus1: [Int]?
    package var maxTidIlRefPicsPlus1: [[Int]]?
    package var defaultRefLayersActiveFlag = false
    package var furtherProfileTierLevels: [(profilePresent: Bool, ProfileTierLevel)] = []
    package var numAddOlss = 0
    package var defaultOutputLayerIdc = 0
    package var outputLayerSets: [OutputLayerSet] = []
    package var repFormats: [RepFormat] = []
    package var vpsRepFormatIdx: [Int]?
    package var maxOneActiveRefLayerFlag = true
    package var vpsPocLsbAlignedFlag = false
    package var pocLsbNotPresentFlag: [Bool] = []
    package var directDepTypeLenMinus2 = 0
    package var allLayersDependencyType: Int?
    package var directDependencyType: [[Int]] = [[]]
    /// dpb_size() and whatever follows direct_dependency types, kept to be written again.
    var dpbBits: (bytes: [UInt8], start: Int, count: Int)?
    var tailBits: (bytes: [UInt8], start: Int, count: Int)?

    /// What follows the output layer sets where that cannot be read, and why. Tolerated of independent layers only
    /// (alpha as phones write it), for which it says nothing that their own SPS do not; written again as it stood.
    package private(set) var unreadable: (bytes: [UInt8], start: Int, count: Int, error: SyntaxError)?

    /// Which layers each needs, by index.
    private var needs: [UInt64] = [1]

    package init() {}

    init(_ r: inout BitReader, vps: VideoParameterSet) throws {
        let maxLayersMinus1 = vps.vpsMaxLayersMinus1
        if maxLayersMinus1 > 0 && vps.vpsBaseLayerInternalFlag {
            firstProfileTierLevel = try ProfileTierLevel(
                &r, profilePresent: false, maxSubLayersMinus1: vps.vpsMaxSubLayersMinus1)
        }
        splittingFlag = try r.flag("splitting_flag")
        var types = 0
        for i in 0..<16 where try r.flag("scalability_mask_flag") {
            scalabilityMask |= 1 << i
            types += 1
        }
        if types == 0 && maxLayersMinus1 > 0 {
            throw SyntaxError.outOfRange(element: "scalability_mask_flag", value: 0)
        }
        for _ in 0..<max(types - (splittingFlag ? 1 : 0), 0) {
            dimensionIdLenMinus1.append(try r.u(3, "dimension_id_len_minus1"))
        }
        vpsNuhLayerIdPresentFlag = try r.flag("vps_nuh_layer_id_present_flag")
        dimensionId = [Array(repeating: 0, count: types)]
        for i in 0..<maxLayersMinus1 {
            let id = vpsNuhLayerIdPresentFlag ? try r.u(6, "layer_id_in_nuh", in: 0...62) : i + 1
            if id <= layerIdInNuh[i] || id > 62 { throw SyntaxError.outOfRange(element: "layer_id_in_nuh", value: id) }
            layerIdInNuh.append(id)
            var ids: [Int] = []
            if !splittingFlag {
                for length in dimensionIdLenMinus1 { ids.append(try r.u(length + 1, "dimension_id")) }
            }
            dimensionId.append(ids)
        }
        viewIdLen = try r.u(4, "view_id_len")
        if viewIdLen > 0 {
            for _ in 0..<numViews(types: types) { viewIdVal.append(try r.u(viewIdLen, "view_id_val")) }
        }
        directDependencyFlag = [[]]
        for i in 1..<max(maxLayersMinus1 + 1, 1) {
            var flags: [Bool] = []
            for _ in 0..<i { flags.append(try r.flag("direct_dependency_flag")) }
            directDependencyFlag.append(flags)
        }
        needs = Self.closure(directDependencyFlag)
        let trees = Self.independentTrees(directDependencyFlag)
        if trees.count > 1 {
            numAddLayerSets = try r.ue("num_add_layer_sets", in: 0...1023)
            for _ in 0..<numAddLayerSets {
                var row: [Int] = []
                for tree in trees.dropFirst() {
                    row.append(try r.u(Self.bits(for: tree.count + 1), "highest_layer_idx_plus1"))
                }
                highestLayerIdxPlus1.append(row)
            }
        }
        if try r.flag("vps_sub_layers_max_minus1_present_flag") {
            var v: [Int] = []
            for _ in 0...maxLayersMinus1 { v.append(try r.u(3, "sub_layers_vps_max_minus1")) }
            subLayersVpsMaxMinus1 = v
        }
        if try r.flag("max_tid_ref_present_flag") {
            var rows: [[Int]] = []
            for i in 0..<maxLayersMinus1 {
                var row = [Int](repeating: 7, count: maxLayersMinus1 + 1)
                for j in (i + 1)...maxLayersMinus1 where directDependencyFlag[j][i] {
                    row[j] = try r.u(3, "max_tid_il_ref_pics_plus1")
                }
                rows.append(row)
            }
            maxTidIlRefPicsPlus1 = rows
        }
        defaultRefLayersActiveFlag = try r.flag("default_ref_layers_active_flag")
        let ptlCount = try r.ue("vps_num_profile_tier_level_minus1", in: 0...63)
        for _ in (vps.vpsBaseLayerInternalFlag ? 2 : 1)..<max(ptlCount + 1, vps.vpsBaseLayerInternalFlag ? 2 : 1) {
            let present = try r.flag("vps_profile_present_flag")
            furtherProfileTierLevels.append(
                (
                    present,
                    try ProfileTierLevel(&r, profilePresent: present, maxSubLayersMinus1: vps.vpsMaxSubLayersMinus1)
                ))
        }
        try readOutputLayerSets(&r, vps: vps, ptlCount: ptlCount + 1, trees: trees)
        let start = r.position
        do {
            try readFormatsAndDependencies(&r, vps: vps)
        } catch let error as SyntaxError {
            if directDependencyFlag.contains(where: { $0.contains(true) }) { throw error }
            repFormats = []
            vpsRepFormatIdx = nil
            maxOneActiveRefLayerFlag = true
            vpsPocLsbAlignedFlag = false
            // IDR pictures of such layers come without slice_pic_order_cnt_lsb.
            pocLsbNotPresentFlag = (0...maxLayersMinus1).map { $0 > 0 }
            allLayersDependencyType = nil
            directDependencyType = (0...maxLayersMinus1).map { Array(repeating: 2, count: $0) }
            unreadable = (r.source, start, max(r.trailingBitsPosition - start, 0), error)
        }
    }

    /// From vps_num_rep_formats_minus1 to the end.
    private mutating func readFormatsAndDependencies(_ r: inout BitReader, vps: VideoParameterSet) throws {
        let maxLayersMinus1 = vps.vpsMaxLayersMinus1
        let repCount = try r.ue("vps_num_rep_formats_minus1", in: 0...255) + 1
        for i in 0..<repCount { repFormats.append(try Self.repFormat(&r, previous: i > 0 ? repFormats[i - 1] : nil)) }
        if repCount > 1, try r.flag("rep_format_idx_present_flag") {
            var v = vps.vpsBaseLayerInternalFlag ? [0] : []
            while v.count <= maxLayersMinus1 {
                v.append(try r.u(Self.bits(for: repCount), "vps_rep_format_idx", in: 0...(repCount - 1)))
            }
            vpsRepFormatIdx = v
        }
        maxOneActiveRefLayerFlag = try r.flag("max_one_active_ref_layer_flag")
        vpsPocLsbAlignedFlag = try r.flag("vps_poc_lsb_aligned_flag")
        pocLsbNotPresentFlag = [false]
        for i in 1..<max(maxLayersMinus1 + 1, 1) {
            let independent = !directDependencyFlag[i].contains(true)
            pocLsbNotPresentFlag.append(independent ? try r.flag("poc_lsb_not_present_flag") : false)
        }
        let dpbStart = r.position
        try skipDpbSize(&r, vps: vps)
        dpbBits = (r.source, dpbStart, r.position - dpbStart)
        directDepTypeLenMinus2 = try r.ue("direct_dep_type_len_minus2", in: 0...30)
        let length = directDepTypeLenMinus2 + 2
        if try r.flag("direct_dependency_all_layers_flag") {
            allLayersDependencyType = try r.u(length, "direct_dependency_all_layers_type")
        }
        directDependencyType = [[]]
        for i in 1..<max(maxLayersMinus1 + 1, 1) {
            var row: [Int] = []
            for j in 0..<i {
                if let all = allLayersDependencyType {
                    row.append(all)
                } else if directDependencyFlag[i][j] && (j > 0 || vps.vpsBaseLayerInternalFlag) {
                    row.append(try r.u(length, "direct_dependency_type"))
                } else {
                    row.append(2)
                }
            }
            directDependencyType.append(row)
        }
        // vps_non_vui_extension, vps_vui() and later extensions say nothing that decoding needs.
        let tail = r.position
        let end = r.trailingBitsPosition
        tailBits = (r.source, tail, max(end - tail, 0))
    }

    private func numViews(types: Int) -> Int {
        // ViewOrderIdx is scalability dimension 1; without it there is one view.
        guard scalabilityMask >> 1 & 1 != 0 else { return 1 }
        let index = scalabilityMask & 1
        var seen: Set<Int> = []
        for ids in dimensionId { seen.insert(index < ids.count ? ids[index] : 0) }
        return max(seen.count, 1)
    }

    /// The layers of each independent layer's tree of dependents (F.7.4.3.1.1, TreePartitionLayerIdList), as layer
    /// indices.
    static func independentTrees(_ direct: [[Bool]]) -> [[Int]] {
        var seen: Set<Int> = []
        var trees: [[Int]] = []
        for root in 0..<direct.count where !direct[root].contains(true) {
            var tree = [root]
            for i in (root + 1)..<max(direct.count, root + 1) where tree.contains(where: { $0 < i && direct[i][$0] }) {
                if seen.insert(i).inserted { tree.append(i) }
            }
            trees.append(tree)
        }
        return trees
    }

    /// Ceil(Log2(n)).
    static func bits(for n: Int) -> Int { n <= 1 ? 0 : Int.bitWidth - (n - 1).leadingZeroBitCount }

    private mutating func readOutputLayerSets(
        _ r: inout BitReader, vps: VideoParameterSet, ptlCount: Int, trees: [[Int]]
    ) throws {
        var sets = vps.layerSets.map { $0 }
        for row in highestLayerIdxPlus1 {
            var ids: [Int] = []
            for (t, plus1) in row.enumerated() {
                for k in 0..<min(plus1, trees[t + 1].count) { ids.append(layerIdInNuh[trees[t + 1][k]]) }
            }
            sets.append(ids.sorted())
        }
        if sets.count > 1 {
            numAddOlss = try r.ue("num_add_olss", in: 0...1023)
            defaultOutputLayerIdc = try r.u(2, "default_output_layer_idc")
        }
        var first = OutputLayerSet()
        first.outputLayerFlags = [true]
        outputLayerSets = [first]
        for i in 1..<max(sets.count + numAddOlss, 1) {
            var ols = OutputLayerSet()
            if sets.count > 2 && i >= sets.count {
                ols.layerSetIdx =
                    try r.u(
                        Self.bits(for: sets.count - 1), "layer_set_idx_for_ols_minus1", in: 0...(sets.count - 2)) + 1
            } else {
                ols.layerSetIdx = i < sets.count ? i : 1
            }
            let set = sets[ols.layerSetIdx]
            ols.layers = set
            if i > vps.layerSets.count - 1 || defaultOutputLayerIdc >= 2 {
                for _ in set { ols.outputLayerFlags.append(try r.flag("output_layer_flag")) }
            } else {
                ols.outputLayerFlags = set.indices.map { defaultOutputLayerIdc == 0 || $0 == set.count - 1 }
            }
            let output = zip(set, ols.outputLayerFlags).filter(\.1).map(\.0)
            let necessary = necessary(for: output)
            for id in set {
                if necessary >> UInt64(id) & 1 != 0 && ptlCount - 1 > 0 && (vps.vpsBaseLayerInternalFlag || id != 0) {
                    ols.profileTierLevelIdx.append(try r.u(Self.bits(for: ptlCount), "profile_tier_level_idx"))
                } else {
                    ols.profileTierLevelIdx.append(nil)
                }
            }
            if output.count == 1, let id = output.first, let index = index(of: id),
                directDependencyFlag[index].contains(true)
            {
                ols.altOutputLayerFlag = try r.flag("alt_output_layer_flag")
            }
            outputLayerSets.append(ols)
        }
    }

    /// The layers that decoding some of them takes (NecessaryLayerFlag), a bit for each nuh_layer_id.
    private func necessary(for output: [Int]) -> UInt64 {
        var needed: UInt64 = 0
        for id in output {
            if let i = index(of: id), i < needs.count { needed |= needs[i] }
        }
        var ids: UInt64 = 0
        while needed != 0 {
            ids |= 1 << UInt64(layerIdInNuh[needed.trailingZeroBitCount])
            needed &= needed - 1
        }
        return ids
    }

    /// LayerIdxInVps. They ascend, so that few are looked at: mostly it is the layer's own number.
    private func index(of id: Int) -> Int? {
        var i = min(id, layerIdInNuh.count - 1)
        while i > 0 && layerIdInNuh[i] > id { i -= 1 }
        return layerIdInNuh[i] == id ? i : nil
    }

    /// Whether decoding layer `id` needs layer `other` (or is it).
    func vpsNeeds(_ id: Int, _ other: Int) -> Bool {
        guard let i = layerIdInNuh.firstIndex(of: id), let j = layerIdInNuh.firstIndex(of: other), i < needs.count
        else { return false }
        return needs[i] >> UInt64(j) & 1 != 0
    }

    /// For every layer index, the indices of the layers it depends on, itself included, one bit each.
    private static func closure(_ direct: [[Bool]]) -> [UInt64] {
        var result: [UInt64] = []
        for (i, row) in direct.enumerated() {
            var bits = UInt64(1) << UInt64(i)
            for (j, depends) in row.enumerated() where depends { bits |= result[j] }
            result.append(bits)
        }
        return result
    }

    private static func repFormat(_ r: inout BitReader, previous: RepFormat?) throws -> RepFormat {
        var f = RepFormat()
        f.picWidthVpsInLumaSamples = try r.u(16, "pic_width_vps_in_luma_samples")
        f.picHeightVpsInLumaSamples = try r.u(16, "pic_height_vps_in_luma_samples")
        f.chromaAndBitDepthVpsPresentFlag = try r.flag("chroma_and_bit_depth_vps_present_flag")
        if f.chromaAndBitDepthVpsPresentFlag {
            f.chromaFormatVpsIdc = try r.u(2, "chroma_format_vps_idc")
            if f.chromaFormatVpsIdc == 3 { _ = try r.flag("separate_colour_plane_vps_flag") }
            f.bitDepthVpsLumaMinus8 = try r.u(4, "bit_depth_vps_luma_minus8")
            f.bitDepthVpsChromaMinus8 = try r.u(4, "bit_depth_vps_chroma_minus8")
        } else if let previous {
            f.chromaFormatVpsIdc = previous.chromaFormatVpsIdc
            f.bitDepthVpsLumaMinus8 = previous.bitDepthVpsLumaMinus8
            f.bitDepthVpsChromaMinus8 = previous.bitDepthVpsChromaMinus8
        } else {
            throw SyntaxError.outOfRange(element: "chroma_and_bit_depth_vps_present_flag", value: 0)
        }
        if try r.flag("conformance_window_vps_flag") {
            var window: [Int] = []
            for side in ["left", "right", "top", "bottom"] {
                window.append(try r.ue("conf_win_vps_\(side)_offset", in: 0...8192))
            }
            f.conformanceWindow = window
        }
        return f
    }

    private func skipDpbSize(_ r: inout BitReader, vps: VideoParameterSet) throws {
        let subLayerMax = subLayersVpsMaxMinus1
        for i in 1..<max(outputLayerSets.count, 1) {
            let set = outputLayerSets[i].layers
            var maxSub = subLayerMax == nil && !set.isEmpty ? vps.vpsMaxSubLayersMinus1 : 0
            if let subLayerMax { for id in set { maxSub = max(maxSub, subLayerMax[index(of: id) ?? 0]) } }
            let output = zip(set, outputLayerSets[i].outputLayerFlags).filter(\.1).map(\.0)
            let necessary = necessary(for: output)
            let count = set.filter {
                necessary >> UInt64($0) & 1 != 0 && (vps.vpsBaseLayerInternalFlag || $0 != 0)
            }.count
            let subLayerFlag = try r.flag("sub_layer_flag_info_present_flag")
            for j in 0...min(maxSub, 6) {
                let present = j == 0 ? true : subLayerFlag ? try r.flag("sub_layer_dpb_info_present_flag") : false
                if !present { continue }
                for _ in 0..<count {
                    _ = try r.ue("max_vps_dec_pic_buffering_minus1")
                }
                _ = try r.ue("max_vps_num_reorder_pics")
                _ = try r.ue("max_vps_latency_increase_plus1")
            }
        }
    }

    func layersOf(_ ols: OutputLayerSet, _ vps: VideoParameterSet) -> [Int] {
        ols.layerSetIdx < vps.layerSets.count ? vps.layerSets[ols.layerSetIdx] : ols.layers
    }

    /// Index of the representation format of a layer.
    package func repFormat(ofLayerIndex i: Int) -> RepFormat? {
        let index = vpsRepFormatIdx.map { i < $0.count ? $0[i] : 0 } ?? min(i, repFormats.count - 1)
        return repFormats.indices.contains(index) ? repFormats[index] : nil
    }
}
