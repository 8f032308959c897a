// SPDX-License-Identifier: GPL-2.0-or-later

extension VideoParameterSet {
    /// The VPS of a stream of which some layers of two views in several sizes are left, where these differ in one of
    /// the two only: that of the views in one size, or of one view's sizes, as decoders know it that know nothing of
    /// the other. Nil for other streams, whose VPS stays.
    /// - Parameter kept: nuh_layer_ids, with all that those need.
    func reduced(to kept: Set<Int>) -> VideoParameterSet? {
        guard vpsBaseLayerInternalFlag, var ext, ext.hasViewsInSizes, !ext.splittingFlag, ext.unreadable == nil,
            ext.numAddLayerSets == 0, ext.numAddOlss == 0, ext.furtherProfileTierLevels.allSatisfy(\.profilePresent)
        else { return nil }
        let places = layerIds.indices.filter { kept.contains(layerIds[$0]) }
        guard (2..<layerIds.count).contains(places.count), places.first == 0 else { return nil }
        let different = (0..<2).filter { d in Set(places.map { ext.dimensionId[$0][d] }).count > 1 }
        guard different.count == 1, let dimension = different.first else { return nil }
        let hasViews = dimension == 0
        let profiles = ext.furtherProfileTierLevels.count + 2
        guard ext.outputLayerSets.allSatisfy({ $0.profileTierLevelIdx.allSatisfy { $0 ?? 0 < profiles } }),
            ext.outputLayerSets.count == layerSets.count,
            !hasViews || Set(places.map { ext.dimensionId[$0][0] }) == Set(ext.dimensionId.map { $0[0] })
        else { return nil }
        ext.scalabilityMask = 1 << (dimension + 1)
        ext.dimensionIdLenMinus1 = [ext.dimensionIdLenMinus1[dimension]]
        ext.dimensionId = places.map { [ext.dimensionId[$0][dimension]] }
        if !hasViews {
            // Without ViewOrderIdx there is one view, of the number 0.
            guard viewId(ofLayer: 0) == 0 else { return nil }
            ext.viewIdLen = 0
            ext.viewIdVal = []
        }
        ext.layerIdInNuh = places.map { layerIds[$0] }
        ext.vpsNuhLayerIdPresentFlag = ext.layerIdInNuh != Array(places.indices)
        let direct = ext.directDependencyFlag
        ext.directDependencyFlag = places.map { i in places.prefix { $0 < i }.map { direct[i][$0] } }
        let types = ext.directDependencyType
        ext.directDependencyType = places.map { i in places.prefix { $0 < i }.map { types[i][$0] } }
        ext.maxOneActiveRefLayerFlag =
            ext.maxOneActiveRefLayerFlag || ext.directDependencyFlag.allSatisfy { $0.count { $0 } <= 1 }
        ext.subLayersVpsMaxMinus1 = ext.subLayersVpsMaxMinus1.map { all in places.map { all[$0] } }
        if let rows = ext.maxTidIlRefPicsPlus1 {
            ext.maxTidIlRefPicsPlus1 = places.dropLast().map { i in places.map { rows[i][$0] } }
        }
        ext.pocLsbNotPresentFlag = places.map {
            ext.pocLsbNotPresentFlag.indices.contains($0) && ext.pocLsbNotPresentFlag[$0]
        }
        let formats = places.compactMap { ext.repFormat(ofLayerIndex: $0) }
        guard formats.count == places.count else { return nil }
        ext.repFormats = formats.dropFirst().allSatisfy { $0 == formats[0] } ? [formats[0]] : formats
        ext.vpsRepFormatIdx = nil
        ext.dpbBits = nil
        ext.tailBits = nil

        let result = VideoParameterSet()
        result.vpsVideoParameterSetId = vpsVideoParameterSetId
        result.vpsMaxLayersMinus1 = places.count - 1
        result.vpsMaxSubLayersMinus1 = vpsMaxSubLayersMinus1
        result.vpsTemporalIdNestingFlag = vpsTemporalIdNestingFlag
        result.profileTierLevel = profileTierLevel
        result.vpsSubLayerOrderingInfoPresentFlag = vpsSubLayerOrderingInfoPresentFlag
        result.subLayerOrdering = subLayerOrdering
        result.timing = timing
        result.vpsMaxLayerId = kept.max() ?? 0
        let sets = layerSets.indices.filter { Set(layerSets[$0]).isSubset(of: kept) }
        result.layerSets = sets.map { layerSets[$0] }
        ext.keepOutputLayerSets(sets)
        if hasViews { ext.sayOnce(subLayersMinus1: vpsMaxSubLayersMinus1) }
        result.ext = ext
        return result
    }
}

extension VPSExtension {
    /// Layers are told apart by view and by dependency.
    package var hasViewsInSizes: Bool { scalabilityMask == 1 << 1 | 1 << 2 }

    /// Leaves output layer sets, with the profiles that they need.
    fileprivate mutating func keepOutputLayerSets(_ kept: [Int]) {
        outputLayerSets = kept.map { outputLayerSets[$0] }
        // Two stand elsewhere.
        let used = Set(outputLayerSets.flatMap { $0.profileTierLevelIdx.compactMap { $0 } }).union([0, 1])
        let order = used.sorted()
        furtherProfileTierLevels = order.filter { $0 > 1 }.map { furtherProfileTierLevels[$0 - 2] }
        for i in outputLayerSets.indices {
            outputLayerSets[i].layerSetIdx = i
            outputLayerSets[i].profileTierLevelIdx = outputLayerSets[i].profileTierLevelIdx.map { index in
                index.flatMap { order.firstIndex(of: $0) }
            }
        }
        let flags = outputLayerSets.dropFirst().map(\.outputLayerFlags)
        let isAll = flags.allSatisfy { $0.allSatisfy { $0 } }
        let isHighest = flags.allSatisfy { $0.last == true && !$0.dropLast().contains(true) }
        defaultOutputLayerIdc = isAll ? 0 : isHighest ? 1 : 2
    }

    /// Says what holds for all layers once, as decoders of two views (FFmpeg) take it.
    package mutating func sayOnce(subLayersMinus1: Int) {
        subLayersVpsMaxMinus1 = Array(repeating: subLayersMinus1, count: layerIdInNuh.count)
        repFormats = Array(repFormats.prefix(1))
        allLayersDependencyType = directDependencyType.last?.first
    }
}
