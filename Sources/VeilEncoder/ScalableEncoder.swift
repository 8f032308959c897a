// SPDX-License-Identifier: GPL-2.0-or-later
import VeilBaseLayer
import VeilBins
import VeilRecon
import VeilSyntax

/// What went wrong while coding, in one line.
public enum EncoderError: Error, Sendable, CustomStringConvertible {
    case baseLayer(String)
    case settings(String)

    public var description: String {
        switch self {
        case .baseLayer(let reason): return "base layer stream: \(reason)"
        case .settings(let reason): return reason
        }
    }
}

/// Settings of a scalable encode: a base layer and one enhancement layer.
package struct ScalableSettings {
    package var base = BaseLayerSettings()
    /// Nil codes a single layer.
    package var enhancement: LayerFormat?
    package var enhancementQp = 26
    package var tools = LayerTools()
    package var effort = DecisionEffort()
    package var threads = 1
    package var interLayerPrediction = true
    package var maxReferences = 2
    /// Send parameter sets before every IRAP picture, for receivers that join, and not only before the first. The reference decoder (SHM)
    /// does not survive a second VPS or base layer SPS.
    package var repeatsHeaders = false
    /// Hooks of the enhancement layer; those of the base layer are its own.
    package var hooks: (any BinHookProvider)?
    /// Applied to the base layer's NAL units of each access unit after coding: encryption where the base encoder has no hook.
    package var protectBase: (([NALUnit]) throws -> [NALUnit])?
    /// A prefix SEI unit to put before the slices of an IRAP picture, by layer and the number of IRAP pictures before it.
    package var message: ((_ layer: Int, _ irapIndex: Int) -> NALUnit?)?
    package init() {}
}

/// One access unit in decoding order, with the reconstruction of each layer.
package struct AccessUnit {
    package let nals: [NALUnit]
    /// Position in display order.
    package let displayIndex: Int
    package let isIRAP: Bool
    package let base: CodedPicture
    package let enhancement: CodedPicture?
    /// Bytes of the slices of each layer.
    package let layerBytes: [Int]
}

/// Codes a clip as base layer and enhancement layer, access unit by access unit.
package final class ScalableEncoder {
    private let settings: ScalableSettings
    private let baseEncoder: BaseLayerEncoder
    private var enhancement: EnhancementLayerEncoder?
    private var enhancementSets: [NALUnit] = []
    private var vps: VideoParameterSet?
    private let sets = ParameterSetCollection()
    private var waiting: [Int: FrameBuffer] = [:]
    private var pushed = 0
    private var sentSets: Set<[UInt8]> = []
    private var irapCount = 0
    private var order = PictureOrder()

    package init(settings: ScalableSettings) throws {
        self.settings = settings
        baseEncoder = try BaseLayerEncoder(settings: settings.base)
    }

    /// Pushes the next picture in display order: the base layer's source and the enhancement layer's.
    package func push(base: FrameBuffer, enhancement: FrameBuffer?) throws -> AccessUnit? {
        if let enhancement { waiting[pushed] = enhancement }
        pushed += 1
        return try baseEncoder.encode(base).map(accessUnit)
    }

    /// After the last picture: call until nil.
    package func flush() throws -> AccessUnit? { try baseEncoder.encode(nil).map(accessUnit) }

    private func accessUnit(_ coded: BaseLayerPicture) throws -> AccessUnit {
        var parameterSets: [NALUnit] = []
        var slices: [NALUnit] = []
        var others: [NALUnit] = []
        var suffixes: [NALUnit] = []
        for nal in try settings.protectBase?(coded.nals) ?? coded.nals {
            switch nal.header.nalUnitType {
            case .vps, .sps, .pps:
                try sets.take(nal)
                if nal.header.nalUnitType != .vps || settings.enhancement == nil { parameterSets.append(nal) }
            case let type where type.isSlice: slices.append(nal)
            case .suffixSEI: suffixes.append(nal)
            default: others.append(nal)
            }
        }
        guard let first = slices.first else { throw EncoderError.baseLayer("an access unit without slices") }
        let header = try SliceSegmentHeader(nal: first.header, rbsp: first.rbsp, sets: sets, previous: nil)
        let position = try position(header)
        if let unit = coded.unit, unit.irapIndex != position.irapIndex || unit.pocDelta != Int(position.poc) - Int(position.irapPoc) {
            throw EncoderError.baseLayer("picture \(coded.displayIndex) was encrypted as that of another position (libx265's order changed)")
        }
        let poc = position.poc
        let isIRAP = header.nalUnitType.isIRAP
        if isIRAP { irapCount += 1 }
        var nals: [NALUnit] = []
        var output: EnhancementLayerEncoder.Output?
        if settings.enhancement != nil {
            if isIRAP { try prepareLayers(header, baseWidth: coded.picture.frame.width, baseHeight: coded.picture.frame.height) }
            guard let enhancement, let source = waiting.removeValue(forKey: coded.displayIndex) else {
                throw EncoderError.baseLayer("picture \(coded.displayIndex) has no source")
            }
            output = enhancement.encode(
                base: header, poc: poc, basePicture: coded.picture, source: source, threads: settings.threads)
        }
        if isIRAP {
            let vpss = vps.map { [NALUnit(header: NALUnitHeader(nalUnitType: .vps), rbsp: $0.rbsp())] } ?? []
            nals += (vpss + parameterSets + enhancementSets).filter(isNew)
        } else {
            nals += parameterSets.filter(isNew)
        }
        nals += others
        if isIRAP, let message = settings.message?(0, irapCount - 1) { nals.append(message) }
        nals += slices + suffixes
        var bytes = [slices.reduce(0) { $0 + $1.bytes.count }]
        if let output {
            if isIRAP, let message = settings.message?(1, irapCount - 1) { nals.append(message) }
            nals.append(output.nal)
            bytes.append(output.nal.bytes.count)
        }
        return AccessUnit(
            nals: nals, displayIndex: coded.displayIndex, isIRAP: isIRAP, base: coded.picture, enhancement: output?.picture,
            layerBytes: bytes)
    }

    /// Whether a parameter set is to be sent: it is new, or all are repeated.
    private func isNew(_ set: NALUnit) -> Bool { sentSets.insert(set.bytes).inserted || settings.repeatsHeaders }

    private func position(_ h: SliceSegmentHeader) throws -> PicturePosition {
        let pps = try sets.pictureParameterSet(id: h.slicePicParameterSetId)
        let sps = try sets.sequenceParameterSet(id: pps.ppsSeqParameterSetId, layerId: 0)
        guard let position = order.next(h, log2MaxPicOrderCntLsb: sps.log2MaxPicOrderCntLsb) else {
            throw EncoderError.baseLayer("the first picture is no IRAP picture")
        }
        return position
    }

    /// Makes the VPS and the enhancement layer's sets from the base layer's, once.
    private func prepareLayers(_ h: SliceSegmentHeader, baseWidth: Int, baseHeight: Int) throws {
        guard enhancement == nil, let format = settings.enhancement else { return }
        let basePps = try sets.pictureParameterSet(id: h.slicePicParameterSetId)
        let baseSps = try sets.sequenceParameterSet(id: basePps.ppsSeqParameterSetId, layerId: 0)
        guard let baseVps = sets.videoParameterSet(id: baseSps.spsVideoParameterSetId) else {
            throw EncoderError.baseLayer("no VPS")
        }
        let window = baseSps.window
        var baseFormat = LayerFormat(
            width: baseSps.picWidthInLumaSamples - window.left - window.right,
            height: baseSps.picHeightInLumaSamples - window.top - window.bottom, bitDepth: baseSps.bitDepthY)
        baseFormat.codedWidth = baseSps.picWidthInLumaSamples
        baseFormat.codedHeight = baseSps.picHeightInLumaSamples
        let fps = Double(settings.base.fps.numerator) / Double(settings.base.fps.denominator)
        let level = Levels.idc(width: format.codedWidth, height: format.codedHeight, framesPerSecond: fps)
        let vps = LayerParameterSets.vps(
            base: baseVps, formats: [baseFormat, format], levelIdc: level,
            maxDecPicBufferingMinus1: baseSps.subLayerOrdering.last?.maxDecPicBufferingMinus1 ?? 4)
        vps.timing = vps.timing ?? baseSps.vui?.timing ?? (settings.base.fps.denominator, settings.base.fps.numerator)
        // Both layers use one CTB size: decoders may lay their tables out for one (the reference software does).
        var tools = settings.tools
        tools.ctbLog2SizeY = max(baseSps.ctbLog2SizeY, 4)
        let sps = LayerParameterSets.sps(base: baseSps, layerId: 1, id: 1, tools: tools)
        let pps = LayerParameterSets.pps(
            layerId: 1, id: 1, spsId: 1, qp: settings.enhancementQp, tools: tools,
            referencePadding: baseFormat.padding, padding: format.padding)
        self.vps = vps
        enhancementSets = [
            NALUnit(header: NALUnitHeader(nalUnitType: .sps, nuhLayerId: 1), rbsp: sps.rbsp()),
            NALUnit(header: NALUnitHeader(nalUnitType: .pps, nuhLayerId: 1), rbsp: pps.rbsp()),
        ]
        let layer = try LayerSettings(
            layerId: 1, sps: try sps.resolved(forLayer: 1, vps: vps), pps: pps, vps: vps, effort: settings.effort)
        enhancement = EnhancementLayerEncoder(
            settings: layer, qp: settings.enhancementQp, referenceWidth: baseWidth, referenceHeight: baseHeight,
            interLayerPrediction: settings.interLayerPrediction, maxReferences: settings.maxReferences, hooks: settings.hooks)
    }
}
