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
    /// Hooks of the enhancement layer (and, where the base layer encoder has the hook, of the base layer).
    package var hooks: (any BinHookProvider)?
    /// Applied to the base layer's slice NAL units after coding: encryption where the base encoder has no hook.
    package var protectBase: (([NALUnit]) throws -> [NALUnit])?
    /// SEI messages to put before the pictures of an IRAP access unit, by the number of IRAP access units before it.
    package var messages: ((Int) -> [SEIMessage])?
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
    private let sets = BaseSets()
    private var waiting: [Int: FrameBuffer] = [:]
    private var pushed = 0
    private var irapCount = 0
    private var prevTid0Poc: Int32 = 0

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
        for nal in coded.nals {
            switch nal.header.nalUnitType {
            case .vps, .sps, .pps:
                try sets.take(nal)
                if nal.header.nalUnitType != .vps || settings.enhancement == nil { parameterSets.append(nal) }
            case let type where type.isSlice: slices.append(nal)
            default: others.append(nal)
            }
        }
        guard let first = slices.first else { throw EncoderError.baseLayer("an access unit without slices") }
        let header = try SliceSegmentHeader(nal: first.header, rbsp: first.rbsp, sets: sets, previous: nil)
        let poc = try pictureOrderCount(header)
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
            if let vps {
                nals.append(NALUnit(header: NALUnitHeader(nalUnitType: .vps), rbsp: vps.rbsp()))
            }
            nals += parameterSets + enhancementSets
            if let messages = settings.messages?(irapCount - 1), !messages.isEmpty {
                nals.append(NALUnit(header: NALUnitHeader(nalUnitType: .prefixSEI), rbsp: SEIMessage.rbsp(messages)))
            }
        } else {
            nals += parameterSets
        }
        nals += others
        if let protect = settings.protectBase { slices = try protect(slices) }
        nals += slices
        var bytes = [slices.reduce(0) { $0 + $1.bytes.count }]
        if let output {
            nals.append(output.nal)
            bytes.append(output.nal.bytes.count)
        }
        return AccessUnit(
            nals: nals, displayIndex: coded.displayIndex, isIRAP: isIRAP, base: coded.picture, enhancement: output?.picture,
            layerBytes: bytes)
    }

    private func pictureOrderCount(_ h: SliceSegmentHeader) throws -> Int32 {
        let pps = try sets.pictureParameterSet(id: h.slicePicParameterSetId)
        let sps = try sets.sequenceParameterSet(id: pps.ppsSeqParameterSetId, layerId: 0)
        let maxLsb = Int32(1) << Int32(sps.log2MaxPicOrderCntLsb)
        let lsb = Int32(h.slicePicOrderCntLsb)
        var poc = lsb
        if !(h.nalUnitType.isIDR || h.nalUnitType.isBLA || irapCount == 0) {
            let prevLsb = prevTid0Poc & (maxLsb - 1)
            var msb = prevTid0Poc - prevLsb
            if lsb < prevLsb && prevLsb - lsb >= maxLsb / 2 { msb += maxLsb }
            if lsb > prevLsb && lsb - prevLsb > maxLsb / 2 { msb -= maxLsb }
            poc = msb + lsb
        }
        if h.temporalId == 0 && !h.nalUnitType.isRASL && !h.nalUnitType.isRADL && !h.nalUnitType.isSubLayerNonReference {
            prevTid0Poc = poc
        }
        return poc
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

/// The base layer's parameter sets, for reading its slice headers.
private final class BaseSets: ParameterSetSource {
    private var vpss: [Int: VideoParameterSet] = [:]
    private var spss: [Int: SequenceParameterSet] = [:]
    private var ppss: [Int: PictureParameterSet] = [:]

    func take(_ nal: NALUnit) throws {
        switch nal.header.nalUnitType {
        case .vps:
            let vps = try VideoParameterSet(rbsp: nal.rbsp)
            vpss[vps.vpsVideoParameterSetId] = vps
        case .sps:
            let sps = try SequenceParameterSet(rbsp: nal.rbsp, nuhLayerId: 0)
            spss[sps.spsSeqParameterSetId] = sps
        default:
            let pps = try PictureParameterSet(rbsp: nal.rbsp, nuhLayerId: 0)
            ppss[pps.ppsPicParameterSetId] = pps
        }
    }

    func pictureParameterSet(id: Int) throws -> PictureParameterSet {
        guard let pps = ppss[id] else { throw SyntaxError.missing(set: "PPS", id: id) }
        return pps
    }

    func sequenceParameterSet(id: Int, layerId: Int) throws -> SequenceParameterSet {
        guard let sps = spss[id] else { throw SyntaxError.missing(set: "SPS", id: id) }
        return sps
    }

    func videoParameterSet(id: Int) -> VideoParameterSet? { vpss[id] }
}
