// SPDX-License-Identifier: GPL-2.0-or-later
import VeilBins
import VeilRecon
import VeilSyntax

/// Codes the pictures of one enhancement layer in the decoding order of the layer below, with the same picture types and reference
/// picture sets, and keeps its decoded picture buffer.
package final class EnhancementLayerEncoder {
    package let settings: LayerSettings
    private let qp: Int
    private let resampler: InterLayerReference
    private let interLayerPrediction: Bool
    private var references: [Int32: CodedPicture] = [:]
    private var irapPoc: Int32 = 0
    private var irapCount = 0
    private let hooks: (any BinHookProvider)?
    private let maxReferences: Int

    /// - Parameters:
    ///   - reference: size of the layer below in coded luma samples.
    ///   - interLayerPrediction: off codes the layer alone (IRAP pictures intra), for comparison.
    package init(
        settings: LayerSettings, qp: Int, referenceWidth: Int, referenceHeight: Int, interLayerPrediction: Bool = true,
        maxReferences: Int = 2, hooks: (any BinHookProvider)?
    ) {
        self.settings = settings
        self.qp = qp
        self.interLayerPrediction = interLayerPrediction
        self.hooks = hooks
        self.maxReferences = maxReferences
        resampler = InterLayerReference(
            parameters: ResamplingParameters(
                refWidth: referenceWidth, refHeight: referenceHeight, width: settings.sps.picWidthInLumaSamples,
                height: settings.sps.picHeightInLumaSamples,
                offsets: settings.pps.refLocOffsets.first { $0.refLocOffsetLayerId == settings.layerId - 1 }))
    }

    /// A coded picture of the layer: its slice NAL unit and its reconstruction.
    package struct Output {
        package let nal: NALUnit
        package let picture: CodedPicture
    }

    /// Codes the picture of the layer that belongs to the base layer picture with header `base`.
    package func encode(base: SliceSegmentHeader, poc: Int32, basePicture: CodedPicture, source: FrameBuffer, threads: Int) -> Output {
        let sps = settings.sps
        let type = base.nalUnitType
        if type.isIRAP {
            irapPoc = poc
            irapCount += 1
            if type.isIDR { references.removeAll() }
        }
        // Pictures that the base layer's RPS drops are dropped here as well.
        let kept = Set((base.shortTermRefPicSet.s0 + base.shortTermRefPicSet.s1).map { poc &+ Int32($0.deltaPoc) })
        references = references.filter { kept.contains($0.key) }
        var header = SliceSegmentHeader()
        header.nalUnitType = type
        header.nuhLayerId = settings.layerId
        header.temporalId = base.temporalId
        header.slicePicParameterSetId = settings.pps.ppsPicParameterSetId
        header.slicePicOrderCntLsb = Int(poc) & ((1 << sps.log2MaxPicOrderCntLsb) - 1)
        header.shortTermRefPicSet = referenceSet(base, poc: poc)
        header.interLayerPredEnabledFlag = interLayerPrediction
        header.refPicLayerId = interLayerPrediction ? [settings.layerId - 1] : []
        let before = header.shortTermRefPicSet.s0.filter(\.used).map { poc &+ Int32($0.deltaPoc) }
        let after = header.shortTermRefPicSet.s1.filter(\.used).map { poc &+ Int32($0.deltaPoc) }
        let interLayerCount = interLayerPrediction ? 1 : 0
        let total = before.count + after.count + interLayerCount
        if total == 0 {
            header.sliceType = .i
        } else if base.sliceType == .b && !after.isEmpty {
            header.sliceType = .b
        } else {
            header.sliceType = .p
        }
        // List 0 holds the pictures before, the inter-layer one, then those after; list 1 those after, then before.
        header.numRefIdxActive = header.sliceType == .i
            ? (0, 0) : (min(before.count + interLayerCount, 15), header.sliceType == .b ? min(after.count, 15) : 0)
        if header.sliceType != .i && header.numRefIdxActive.0 == 0 { header.numRefIdxActive.0 = 1 }
        header.sliceTemporalMvpEnabledFlag = sps.spsTemporalMvpEnabledFlag && !type.isIRAP && !before.isEmpty
        header.collocatedFromL0Flag = true
        header.collocatedRefIdx = 0
        header.maxNumMergeCand = 5
        header.sliceQpDelta = qp - 26 - settings.pps.initQpMinus26
        header.sliceLoopFilterAcrossSlicesEnabledFlag = settings.pps.ppsLoopFilterAcrossSlicesEnabledFlag

        let picture = CodedPicture(
            frame: FrameBuffer(
                width: sps.picWidthInLumaSamples, height: sps.picHeightInLumaSamples, bitDepthLuma: sps.bitDepthY,
                bitDepthChroma: sps.bitDepthC),
            motion: MotionField(width: sps.picWidthInLumaSamples, height: sps.picHeightInLumaSamples, ctbLog2Size: sps.ctbLog2SizeY))
        picture.poc = poc
        picture.nuhLayerId = settings.layerId
        picture.temporalId = base.temporalId
        var interLayer: CodedPicture?
        if interLayerPrediction {
            let target = InterLayerReference.target(
                width: sps.picWidthInLumaSamples, height: sps.picHeightInLumaSamples, bitDepthLuma: sps.bitDepthY,
                bitDepthChroma: sps.bitDepthC)
            resampler.make(from: basePicture, into: target, samples: true, motion: false)
            target.poc = poc
            interLayer = target
        }
        let context = makeContext(header, poc: poc, before: before, after: after, interLayer: interLayer)
        let unit = BinUnit(
            layer: settings.layerId, irapIndex: max(irapCount - 1, 0), pocDelta: Int(poc) - Int(irapPoc), ctuAddress: 0,
            temporalId: base.temporalId, isIRAP: type.isIRAP)
        let encoder = LayerPictureEncoder(
            settings: settings, header: header, context: context, source: source, picture: picture, hooks: hooks, unit: unit)
        let nal = encoder.encode(threads: threads)
        references[poc] = picture
        return Output(nal: nal, picture: picture)
    }

    /// The base layer's reference picture set with no more than `maxReferences` pictures used on each side.
    private func referenceSet(_ base: SliceSegmentHeader, poc: Int32) -> ShortTermRefPicSet {
        var set = base.shortTermRefPicSet
        func limit(_ list: inout [(deltaPoc: Int, used: Bool)]) {
            list.removeAll { references[poc &+ Int32($0.deltaPoc)] == nil }
            var used = 0
            for i in list.indices where list[i].used {
                used += 1
                if used > maxReferences { list[i].used = false }
            }
        }
        limit(&set.s0)
        limit(&set.s1)
        return set
    }

    private func makeContext(
        _ h: SliceSegmentHeader, poc: Int32, before: [Int32], after: [Int32], interLayer: CodedPicture?
    ) -> SliceContext {
        var lists: [[CodedPicture?]] = [[], []]
        var long: [[Bool]] = [[], []]
        var inter: [[Bool]] = [[], []]
        if h.sliceType != .i {
            for list in 0..<2 {
                for source in h.refPicList(list) {
                    switch source {
                    case .stCurrBefore(let i): lists[list].append(references[before[i]])
                    case .stCurrAfter(let i): lists[list].append(references[after[i]])
                    case .ltCurr: lists[list].append(nil)
                    case .interLayer: lists[list].append(interLayer)
                    }
                    long[list].append(source.isLongTerm)
                    if case .interLayer = source { inter[list].append(true) } else { inter[list].append(false) }
                }
            }
        }
        var k = SliceConstants()
        let sps = settings.sps
        k.bitDepthLuma = sps.bitDepthY
        k.bitDepthChroma = sps.bitDepthC
        k.strongIntraSmoothingEnabledFlag = sps.strongIntraSmoothingEnabledFlag
        k.entropyCodingSyncEnabledFlag = settings.pps.entropyCodingSyncEnabledFlag
        k.sliceType = h.sliceType == .i ? .i : h.sliceType == .p ? .p : .b
        k.sliceQpY = qp
        k.sliceTemporalMvpEnabledFlag = h.sliceTemporalMvpEnabledFlag
        k.collocatedFromL0Flag = h.collocatedFromL0Flag
        k.collocatedRefIdx = h.collocatedRefIdx
        k.maxNumMergeCand = h.maxNumMergeCand
        return SliceContext(
            constants: k, grid: settings.grid, sliceIndex: 0, currPoc: poc, refPicList: (lists[0], lists[1]),
            isLongTerm: (long[0], long[1]), isInterLayer: (inter[0], inter[1]))
    }
}
