// SPDX-License-Identifier: GPL-2.0-or-later
import VeilBitstream
import VeilCore
import VeilEntropy
import VeilRecon

/// Codes the pictures of one enhancement layer in the decoding order of the base layer, with the same picture types
/// and reference picture sets, and keeps its decoded picture buffer.
package final class EnhancementLayerEncoder {
    package let settings: LayerConfiguration
    private let resamplers: [InterLayerReference]
    private let options: EnhancementSettings
    /// Of each direct reference layer, whether it shows another view.
    private let views: [Bool]
    private var references: [Int32: CodedPicture] = [:]
    /// Position of the references in decoding order.
    private var decodingIndex: [Int32: Int] = [:]
    private var pictureCount = 0
    /// Pictures before this one in decoding order lend their motion to none from it on.
    private var motionBarrier = 0
    private let hooks: (any BinHookProvider)?
    private var hierarchy: PictureHierarchy

    /// - Parameters:
    ///   - views: of each direct reference layer, whether it shows another view.
    ///   - sizes: coded luma sizes of the direct reference layers, in the order of `options.references`.
    package init(
        settings: LayerConfiguration, options: EnhancementSettings, views: [Bool],
        sizes: [(width: Int, height: Int)], hooks: (any BinHookProvider)?
    ) {
        self.settings = settings
        self.options = options
        self.views = views
        self.hooks = hooks
        hierarchy = PictureHierarchy(isOn: options.hierarchy)
        resamplers = zip(options.references, sizes).map { id, size in
            InterLayerReference(
                parameters: ResamplingParameters(
                    refWidth: size.width, refHeight: size.height, width: settings.sps.picWidthInLumaSamples,
                    height: settings.sps.picHeightInLumaSamples,
                    offsets: settings.pps.refLocOffsets.first { $0.refLocOffsetLayerId == id }))
        }
    }

    /// A picture on its way: `work` may run on several threads, `finish` waits for it.
    package struct Picture: @unchecked Sendable {
        package let picture: CodedPicture
        fileprivate let encoder: LayerPictureEncoder

        /// Hands the picture's work to a pool: pictures must be started in decoding order, after those of their
        /// reference layers.
        package func start(on pool: WorkerPool) {
            for _ in 0..<min(pool.threadCount, encoder.maxWorkers) { pool.submit { [encoder] in encoder.work() } }
        }

        package func finish() -> [NALUnit] { encoder.finish() }

        /// A tentative picture stays; to be called after `finish`, whose units are then those to send.
        package func accept() { encoder.accept() }
    }

    /// Where the picture that belongs to the base layer picture with header `base` stands; to be asked once a
    /// picture, before it is prepared.
    package func place(base: SliceSegmentHeader, position: PicturePosition) -> GOPPosition {
        hierarchy.place(base, position)
    }

    /// Prepares the picture of the layer that belongs to the base layer picture with header `base`.
    /// - Parameters:
    ///   - pictures: the access unit's pictures of the reference layers, in the order of `options.references`.
    ///   - qp: SliceQpY.
    ///   - isTentative: the picture may be prepared again, with another QP, before any that follows; hooks see it
    ///     when it is accepted.
    package func picture(
        base: SliceSegmentHeader, position: PicturePosition, place: GOPPosition, references pictures: [CodedPicture],
        source: FrameBuffer,
        qp: Int, isTentative: Bool = false
    ) -> Picture {
        let sps = settings.sps
        let poc = position.poc
        let type = place.isReferred ? base.nalUnitType.referred : base.nalUnitType
        if type.isIDR { references.removeAll() }
        let set = referenceSet(base, poc: poc, place)
        let kept = Set((set.s0 + set.s1).map { entry in poc &+ Int32(entry.deltaPoc) })
        references = references.filter { kept.contains($0.key) }
        // All but transform_skip_enabled_flag is the same in both.
        let pps =
            settings.screenContentPps.flatMap { ScreenContentDetector.isScreenContent(source) ? $0 : nil }
            ?? settings.pps
        var header = SliceSegmentHeader()
        header.nalUnitType = type
        header.nuhLayerId = settings.layerId
        header.temporalId = base.temporalId
        header.slicePicParameterSetId = pps.ppsPicParameterSetId
        header.slicePicOrderCntLsb = Int(poc) & ((1 << sps.log2MaxPicOrderCntLsb) - 1)
        header.shortTermRefPicSet = set
        header.interLayerPredEnabledFlag = options.interLayerPrediction
        header.refPicLayerId = options.interLayerPrediction ? options.references : []
        let before = header.shortTermRefPicSet.s0.filter(\.used).map { poc &+ Int32($0.deltaPoc) }
        let after = header.shortTermRefPicSet.s1.filter(\.used).map { poc &+ Int32($0.deltaPoc) }
        let interLayerCount = header.refPicLayerId.count
        let total = before.count + after.count + interLayerCount
        if total == 0 {
            header.sliceType = .i
        } else if base.sliceType == .b && !after.isEmpty {
            header.sliceType = .b
        } else if options.effort.bidirectional && settings.effort.mixesLayers && !before.isEmpty && interLayerCount > 0
        {
            // Blocks may then be predicted from an earlier picture and the lower layer at once.
            header.sliceType = .b
        } else {
            header.sliceType = .p
        }
        // List 0 holds the pictures before, the inter-layer ones, then those after; list 1 those after, then before.
        header.numRefIdxActive =
            header.sliceType == .i
            ? (0, 0)
            : (min(before.count + interLayerCount, 15), header.sliceType == .b ? min(max(after.count, 1), 15) : 0)
        if header.sliceType != .i && header.numRefIdxActive.0 == 0 { header.numRefIdxActive.0 = 1 }
        chooseCollocated(&header, before: before)
        header.maxNumMergeCand = 5
        header.sliceSaoLumaFlag = sps.sampleAdaptiveOffsetEnabledFlag && place.hasSAO
        header.sliceSaoChromaFlag = header.sliceSaoLumaFlag
        header.sliceQpDelta = qp - 26 - settings.pps.initQpMinus26
        header.sliceLoopFilterAcrossSlicesEnabledFlag = settings.pps.ppsLoopFilterAcrossSlicesEnabledFlag

        let picture = CodedPicture(
            frame: FrameBuffer(settings.format),
            motion: MotionField(
                width: sps.picWidthInLumaSamples, height: sps.picHeightInLumaSamples, ctbLog2Size: sps.ctbLog2SizeY))
        picture.poc = poc
        picture.nuhLayerId = settings.layerId
        picture.temporalId = base.temporalId
        let interLayer =
            options.interLayerPrediction
            ? interLayerReferences(pictures, poc: poc, isNarrow: picture.frame.isNarrow) : []
        let rows = LayerSlice.division(rows: settings.grid.heightInCtbs, slices: options.slices)
        let slices = rows.enumerated().map { i, rows in
            var own = header
            own.firstSliceSegmentInPicFlag = i == 0
            own.sliceSegmentAddress = rows.lowerBound * settings.grid.widthInCtbs
            own.sliceAddrRs = own.sliceSegmentAddress
            return LayerSlice(header: own, rows: rows, settings: settings, pps: pps, index: i, poc: poc) {
                switch $0 {
                case .stCurrBefore(let i): return references[before[i]]
                case .stCurrAfter(let i): return references[after[i]]
                case .ltCurr: return nil
                case .interLayer(let i): return interLayer[i]
                }
            }
        }
        var unit = BinUnit(
            layer: settings.layerId, period: position.period, pocDelta: position.pocDelta, ctuAddress: 0,
            temporalId: base.temporalId, isIRAP: type.isIRAP)
        unit.ctbSize = 1 << settings.sps.ctbLog2SizeY
        let encoder = LayerPictureEncoder(
            settings: settings, slices: slices, source: source, picture: picture, hooks: hooks, unit: unit,
            lambdaFactor: place.lambdaFactor(qp: qp), isTentative: isTentative)
        references[poc] = picture
        decodingIndex[poc] = pictureCount
        decodingIndex = decodingIndex.filter { references[$0.key] != nil }
        pictureCount += 1
        return Picture(picture: picture, encoder: encoder)
    }

    /// Another view's picture is itself what this one refers to. Others are made CTU by CTU, when they are needed.
    private func interLayerReferences(_ pictures: [CodedPicture], poc: Int32, isNarrow: Bool) -> [CodedPicture] {
        zip(resamplers, pictures).enumerated().map { i, reference in
            let (resampler, source) = reference
            if views[i] { return source }
            return InterLayerProducer.picture(
                resampler, from: source, grid: settings.grid, poc: poc, bitDepthLuma: settings.sps.bitDepthY,
                bitDepthChroma: settings.sps.bitDepthC, isNarrow: isNarrow, motion: options.tools.interLayerMotion)
        }
    }

    /// The base layer's reference picture set, or in a row of P pictures the last and the key picture: what is still
    /// there, and no more than `maxReferences` pictures used on each side.
    private func referenceSet(_ base: SliceSegmentHeader, poc: Int32, _ place: GOPPosition) -> ShortTermRefPicSet {
        var set = base.shortTermRefPicSet
        if let key = place.key { set.s0 = [(-1, true)] + (key == poc - 1 ? [] : [(Int(key - poc), true)]) }
        if let neighbour = place.neighbour { set.s0.insert((Int(neighbour - poc), true), at: 0) }
        func limit(_ list: inout [(deltaPoc: Int, used: Bool)]) {
            list.removeAll { references[poc &+ Int32($0.deltaPoc)] == nil }
            var used = 0
            for i in list.indices where list[i].used {
                used += 1
                if used > options.maxReferences { list[i].used = false }
            }
        }
        limit(&set.s0)
        limit(&set.s1)
        // Later pictures have nearer ones before them.
        let room = (settings.vps.subLayerOrdering.last?.maxDecPicBufferingMinus1 ?? 4) - set.s1.count
        set.s0 = Array(set.s0.prefix(max(min(options.maxReferences, room), 0)))
        return set
    }

    /// The collocated picture: the inter-layer reference, or else the first picture of list 0.
    ///
    /// A picture of sub-layer 0 without TMVP bars all later ones from the motion of earlier ones (F.7.4.7.1).
    private func chooseCollocated(_ header: inout SliceSegmentHeader, before: [Int32]) {
        header.collocatedFromL0Flag = true
        guard settings.sps.spsTemporalMvpEnabledFlag, !header.nalUnitType.isIDR else { return }
        // Motion at the same place is that of the same view.
        let collocated = before.count + (views.firstIndex(of: false) ?? 0)
        if options.tools.interLayerMotion && !header.refPicLayerId.isEmpty && collocated < header.numRefIdxActive.0 {
            header.sliceTemporalMvpEnabledFlag = true
            header.collocatedRefIdx = collocated
        } else if let first = before.first, decodingIndex[first] ?? 0 >= motionBarrier, !header.nalUnitType.isIRAP {
            header.sliceTemporalMvpEnabledFlag = true
        } else if header.temporalId == 0 {
            motionBarrier = pictureCount
        }
    }
}
