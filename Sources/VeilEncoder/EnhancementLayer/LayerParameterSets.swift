// SPDX-License-Identifier: GPL-2.0-or-later
import VeilBitstream

/// One layer of a scalable stream, as its parameter sets describe it.
package struct LayerFormat: Equatable, Sendable {
    /// Source size in luma samples; may be odd.
    package var width: Int
    package var height: Int
    package var bitDepth: Int

    package init(width: Int, height: Int, bitDepth: Int = 8) {
        self.width = width
        self.height = height
        self.bitDepth = bitDepth
        codedWidth = (width + 7) & ~7
        codedHeight = (height + 7) & ~7
    }

    /// Luma samples of the coded picture right of and below its conformance window.
    package var padding: (right: Int, bottom: Int) {
        let w = conformanceWindow ?? [0, 0, 0, 0]
        return (2 * w[1], 2 * w[3])
    }

    /// Coded size: whole minimum coding blocks, of 8 samples unless the layer's encoder has larger ones.
    package var codedWidth: Int
    package var codedHeight: Int

    /// Whether pictures of both formats have the same samples: one can be predicted from the other as it is.
    func isCoded(as other: LayerFormat) -> Bool {
        codedWidth == other.codedWidth && codedHeight == other.codedHeight && bitDepth == other.bitDepth
            && conformanceWindow == other.conformanceWindow
    }

    /// conf_win offsets in chroma units, nil when nothing is cropped. An odd size keeps one sample more than the
    /// source has pairs for: 4:2:0 windows are even.
    package var conformanceWindow: [Int]? {
        let right = (codedWidth - width) / 2
        let bottom = (codedHeight - height) / 2
        return right == 0 && bottom == 0 ? nil : [0, right, 0, bottom]
    }
}

/// Makes the parameter sets of a scalable stream out of the base layer's.
package enum LayerParameterSets {
    /// The VPS with its extension for layers of the given formats (the first is the base layer's, from whose VPS it
    /// is made). `layers`: the enhancement layers' settings.
    package static func vps(
        base: VideoParameterSet, formats: [LayerFormat], layers: [EnhancementSettings], framesPerSecond: Double,
        maxDecPicBufferingMinus1: Int
    ) -> VideoParameterSet {
        let vps = VideoParameterSet()
        vps.vpsVideoParameterSetId = base.vpsVideoParameterSetId
        vps.vpsMaxLayersMinus1 = formats.count - 1
        vps.vpsMaxSubLayersMinus1 = base.vpsMaxSubLayersMinus1
        vps.vpsTemporalIdNestingFlag = base.vpsTemporalIdNestingFlag
        vps.profileTierLevel = base.profileTierLevel
        vps.vpsSubLayerOrderingInfoPresentFlag = base.vpsSubLayerOrderingInfoPresentFlag
        vps.subLayerOrdering = base.subLayerOrdering
        for i in vps.subLayerOrdering.indices {
            // The hierarchy keeps a key picture, or the last picture that the base layer does not refer to. Where
            // three wait to be shown there is hardly one of those, and no room for it at the level of pictures as
            // large as 1920x1080.
            let hasHierarchy = layers.contains(where: \.hierarchy)
            let own =
                hasHierarchy
                ? max(
                    maxDecPicBufferingMinus1 + ((1...2).contains(vps.subLayerOrdering[i].maxNumReorderPics) ? 1 : 0), 2)
                : 0
            vps.subLayerOrdering[i].maxDecPicBufferingMinus1 = max(
                vps.subLayerOrdering[i].maxDecPicBufferingMinus1, min(max(maxDecPicBufferingMinus1, own), 15))
        }
        vps.vpsMaxLayerId = formats.count - 1
        vps.layerSets = formats.indices.map { layerSet(for: $0, layers) }
        vps.timing = base.timing
        vps.ext = extensionOf(formats: formats, base: base, layers: layers, framesPerSecond: framesPerSecond)
        return vps
    }

    /// A layer and those it is predicted from, directly or not.
    private static func needed(for layer: Int, _ layers: [EnhancementSettings]) -> [Int] {
        guard layer > 0 else { return [0] }
        return Set(layers[layer - 1].references.flatMap { needed(for: $0, layers) } + [layer]).sorted()
    }

    /// The same; with alpha what it belongs to, for decoders (FFmpeg) look for both in one set.
    private static func layerSet(for layer: Int, _ layers: [EnhancementSettings]) -> [Int] {
        layer > 0 && layers[layer - 1].isAlpha ? [0, layer] : needed(for: layer, layers)
    }

    /// `profile` is general_profile_idc: 7 for Scalable Main and Scalable Main 10 (H.11.1), 6 for Multiview Main
    /// (G.11.1; of 10 bits what its flags say, as the scalable profiles have it), 0 for none.
    private static func profile(
        _ profile: Int, bitDepth: Int, levelIdc: Int, base: ProfileTierLevel
    ) -> ProfileTierLevel {
        var ptl = ProfileTierLevel()
        ptl.generalProfileIdc = profile
        ptl.generalTierFlag = base.generalTierFlag
        if profile > 0 { ptl.generalProfileCompatibilityFlags = 1 << UInt32(31 - profile) }
        ptl.generalLevelIdc = levelIdc
        // progressive, frame only; then the format constraints: max 14, 12, 10 and 8 bit, max 4:2:2, 4:2:0.
        var flags: UInt64 = 0
        func set(_ bit: Int) { flags |= 1 << UInt64(47 - bit) }
        set(0)
        set(3)
        set(4)
        set(5)
        if bitDepth <= 8 { set(6) }
        set(7)
        set(8)
        set(12)
        ptl.generalConstraintFlags = flags
        return ptl
    }

    private static func extensionOf(
        formats: [LayerFormat], base: VideoParameterSet, layers: [EnhancementSettings], framesPerSecond: Double
    ) -> VPSExtension {
        var ext = VPSExtension()
        let last = formats.count - 1
        var baseLevel = base.profileTierLevel
        baseLevel.subLayers = []
        ext.firstProfileTierLevel = baseLevel
        // Scalability dimension 2 is "spatial or quality"; dimension_id counts the layers.
        ext.scalabilityMask = 1 << 2
        ext.dimensionIdLenMinus1 = [2]
        ext.layerIdInNuh = Array(0...last)
        ext.dimensionId = (0...last).map { [$0] }
        ext.directDependencyFlag = (0...last).map { i in (0..<i).map { layers[i - 1].references.contains($0) } }
        ext.defaultRefLayersActiveFlag = layers.allSatisfy(\.interLayerPrediction)
        ext.furtherProfileTierLevels = (1...last).map { i in
            let needed = needed(for: i, layers)
            let level = Levels.idc(
                width: formats[i].codedWidth, height: formats[i].codedHeight, framesPerSecond: framesPerSecond)
            let depth = needed.map { formats[$0].bitDepth }.max() ?? 8
            if layers[i - 1].isAlpha {
                // Independent, and as the base layer.
                var own = baseLevel
                own.generalLevelIdc = max(level, baseLevel.generalLevelIdc)
                return (true, own)
            }
            // Multiview Main knows views alone, Scalable Main sizes alone: a layer that needs both keeps to no profile,
            // and says so.
            func isView(_ layer: Int) -> Bool { layer > 0 && layers[layer - 1].isView }
            let needsViews = needed.contains(where: isView)
            let needsOwn = needed.dropFirst().contains { layer in
                layers[layer - 1].references.contains { isView($0) == isView(layer) }
            }
            let number = needsViews ? needsOwn ? 0 : 6 : 7
            return (true, profile(number, bitDepth: depth, levelIdc: level, base: base.profileTierLevel))
        }
        ext.defaultOutputLayerIdc = 1
        ext.outputLayerSets = (0...last).map { i in
            var ols = VPSExtension.OutputLayerSet()
            let set = layerSet(for: i, layers)
            ols.layerSetIdx = i
            ols.outputLayerFlags = set.map { $0 == i }
            // profile_tier_level 1 is the base layer's, then one an enhancement layer.
            ols.profileTierLevelIdx = i == 0 ? [] : set.map { $0 + 1 }
            return ols
        }
        for format in formats {
            var rep = VPSExtension.RepFormat()
            rep.picWidthVpsInLumaSamples = format.codedWidth
            rep.picHeightVpsInLumaSamples = format.codedHeight
            rep.bitDepthVpsLumaMinus8 = format.bitDepth - 8
            rep.bitDepthVpsChromaMinus8 = format.bitDepth - 8
            rep.conformanceWindow = format.conformanceWindow
            ext.repFormats.append(rep)
        }
        ext.maxOneActiveRefLayerFlag = layers.allSatisfy { $0.references.count <= 1 }
        ext.vpsPocLsbAlignedFlag = false
        ext.pocLsbNotPresentFlag = Array(repeating: false, count: formats.count)
        // Samples and motion, or samples only.
        ext.directDependencyType = (0...last).map { i in
            Array(repeating: i > 0 && layers[i - 1].tools.interLayerMotion ? 2 : 0, count: i)
        }
        let isStereo = layers.contains(where: \.isView)
        if isStereo && layers.count == 1 { ext.describeViews(subLayersMinus1: base.vpsMaxSubLayersMinus1) }
        if isStereo && layers.count > 1 {
            ext.describeViewsAndSizes(
                [false] + layers.map(\.isView), sets: (0...last).map { layerSet(for: $0, layers) })
        }
        if layers.contains(where: \.isAlpha) { ext.describeAlpha(subLayersMinus1: base.vpsMaxSubLayersMinus1) }
        return ext
    }

    /// The SPS of an enhancement layer: size and depth come from the VPS until ``SequenceParameterSet/stateFormat``.
    package static func sps(
        base: SequenceParameterSet, layerId: Int, id: Int, tools: LayerTools, colour: ColourDescription
    ) -> SequenceParameterSet {
        let sps = SequenceParameterSet()
        sps.nuhLayerId = layerId
        sps.spsVideoParameterSetId = base.spsVideoParameterSetId
        sps.multiLayerExtSpsFlag = true
        sps.spsSeqParameterSetId = id
        sps.log2MaxPicOrderCntLsbMinus4 = base.log2MaxPicOrderCntLsbMinus4
        sps.log2MinLumaCodingBlockSizeMinus3 = 0
        sps.log2DiffMaxMinLumaCodingBlockSize = tools.ctbLog2SizeY - 3
        sps.log2MinLumaTransformBlockSizeMinus2 = 0
        sps.log2DiffMaxMinLumaTransformBlockSize = min(5, tools.ctbLog2SizeY) - 2
        sps.maxTransformHierarchyDepthInter = tools.maxTransformHierarchyDepthInter
        sps.maxTransformHierarchyDepthIntra = tools.maxTransformHierarchyDepthIntra
        sps.ampEnabledFlag = tools.asymmetricPartitions
        sps.sampleAdaptiveOffsetEnabledFlag = tools.sao
        sps.spsTemporalMvpEnabledFlag = tools.temporalMvp
        sps.strongIntraSmoothingEnabledFlag = true
        sps.vui = colour.isEmpty ? nil : VUIParameters(colour)
        sps.spsMultilayerExtensionFlag = true
        return sps
    }

    /// The PPS of an enhancement layer. `references` and `padding`: luma samples right of and below the conformance
    /// windows of the reference layers and of this one; where there are any, the windows are made the regions that
    /// inter-layer prediction maps onto each other.
    package static func pps(
        layerId: Int, id: Int, spsId: Int, qp: Int, tools: LayerTools, transformSkip: Bool = false,
        references: [(layerId: Int, padding: (right: Int, bottom: Int))],
        padding: (right: Int, bottom: Int)
    ) -> PictureParameterSet {
        let pps = PictureParameterSet()
        pps.nuhLayerId = layerId
        pps.ppsPicParameterSetId = id
        pps.ppsSeqParameterSetId = spsId
        pps.initQpMinus26 = qp - 26
        pps.entropyCodingSyncEnabledFlag = tools.wavefront
        pps.signDataHidingEnabledFlag = tools.signDataHiding
        pps.transformSkipEnabledFlag = transformSkip
        pps.cuQpDeltaEnabledFlag = tools.adaptiveQuantization
        if tools.adaptiveQuantization {
            pps.diffCuQpDeltaDepth = max(tools.ctbLog2SizeY - AdaptiveQuantization.log2GroupSize, 0)
        }
        pps.ppsLoopFilterAcrossSlicesEnabledFlag = true
        pps.log2ParallelMergeLevelMinus2 = 0
        for reference in references where reference.padding != (0, 0) || padding != (0, 0) {
            pps.ppsMultilayerExtensionFlag = true
            var offset = PictureParameterSet.RefLocOffset()
            offset.refLocOffsetLayerId = reference.layerId
            if padding != (0, 0) { offset.scaledRefLayerOffset = [0, 0, padding.right / 2, padding.bottom / 2] }
            if reference.padding != (0, 0) {
                offset.refRegionOffset = [0, 0, reference.padding.right / 2, reference.padding.bottom / 2]
            }
            pps.refLocOffsets.append(offset)
        }
        return pps
    }
}

/// Coding tools of an enhancement layer.
package struct LayerTools: Equatable, Sendable {
    package var ctbLog2SizeY = 6
    package var maxTransformHierarchyDepthInter = 0
    package var maxTransformHierarchyDepthIntra = 0
    package var sao = false
    package var temporalMvp = true
    /// TMVP takes its motion from the inter-layer reference picture in place of an earlier picture of the layer.
    package var interLayerMotion = true
    /// entropy_coding_sync_enabled_flag; all layers of a stream have the same.
    package var wavefront = true
    package var signDataHiding = false
    /// 4x4 blocks without transform, in pictures that look drawn, whose PPS is another.
    package var transformSkip = false
    package var asymmetricPartitions = false
    /// cu_qp_delta_abs, in groups of 16x16.
    package var adaptiveQuantization = false
    package init() {}
}

extension SequenceParameterSet {
    /// Makes the SPS of a layer one that says its size, depth and limits itself (MultiLayerExtSpsFlag 0), as those of
    /// layers that depend on none have to. `profile`: the base layer's if nil.
    func stateFormat(
        _ format: LayerFormat, base: SequenceParameterSet, vps: VideoParameterSet, profile: ProfileTierLevel?
    ) {
        multiLayerExtSpsFlag = false
        spsMultilayerExtensionFlag = false
        spsMaxSubLayersMinus1 = base.spsMaxSubLayersMinus1
        spsTemporalIdNestingFlag = base.spsTemporalIdNestingFlag
        profileTierLevel = profile ?? base.profileTierLevel
        picWidthInLumaSamples = format.codedWidth
        picHeightInLumaSamples = format.codedHeight
        conformanceWindow = format.conformanceWindow
        bitDepthLumaMinus8 = format.bitDepth - 8
        bitDepthChromaMinus8 = format.bitDepth - 8
        spsSubLayerOrderingInfoPresentFlag = vps.vpsSubLayerOrderingInfoPresentFlag
        subLayerOrdering = vps.subLayerOrdering
    }
}

extension VPSExtension {
    /// Makes two layers two views, said in the one way that all decoders of stereo understand.
    fileprivate mutating func describeViews(subLayersMinus1: Int) {
        // Scalability dimension 1 is the view (ViewOrderIdx).
        scalabilityMask = 1 << 1
        viewIdLen = 1
        viewIdVal = [0, 1]
        describeBoth(subLayersMinus1: subLayersMinus1)
        allLayersDependencyType = directDependencyType.last?.first
    }

    /// Makes layers those of two views, each in several sizes or qualities; `isView` of those of the second view.
    fileprivate mutating func describeViewsAndSizes(_ isView: [Bool], sets: [[Int]]) {
        // Scalability dimensions 1, the view, and 2, how many layers of the view are below.
        scalabilityMask = 1 << 1 | 1 << 2
        dimensionIdLenMinus1 = [0, 2]
        dimensionId = isView.indices.map { i in [isView[i] ? 1 : 0, isView[..<i].count { $0 == isView[i] }] }
        viewIdLen = 1
        viewIdVal = [0, 1]
        // Of a set, the highest layer of each view.
        defaultOutputLayerIdc = 2
        for (i, set) in sets.enumerated() {
            outputLayerSets[i].outputLayerFlags = set.map { layer in
                !set.contains { $0 > layer && isView[$0] == isView[layer] }
            }
        }
    }

    /// Makes the upper one of two layers the alpha of the lower one.
    fileprivate mutating func describeAlpha(subLayersMinus1: Int) {
        // Scalability dimension 3 tells auxiliary layers; AuxId 1 is alpha.
        scalabilityMask = 1 << 3
        describeBoth(subLayersMinus1: subLayersMinus1)
    }

    /// Both layers are put out, and what holds for both is said once.
    private mutating func describeBoth(subLayersMinus1: Int) {
        dimensionIdLenMinus1 = [0]
        subLayersVpsMaxMinus1 = Array(repeating: subLayersMinus1, count: layerIdInNuh.count)
        defaultOutputLayerIdc = 0
        for i in outputLayerSets.indices {
            outputLayerSets[i].outputLayerFlags = outputLayerSets[i].outputLayerFlags.map { _ in true }
        }
        repFormats = Array(repFormats.prefix(1))
    }
}
