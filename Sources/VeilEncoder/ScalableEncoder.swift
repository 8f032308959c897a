// SPDX-License-Identifier: GPL-2.0-or-later
import VeilBitstream
import VeilCore
import VeilEntropy
import VeilRecon

/// One access unit in decoding order, with the reconstruction of each layer.
package struct CodedAccessUnit {
    package let nals: [NALUnit]
    /// Position in display order.
    package let displayIndex: Int
    package let isIRAP: Bool
    /// One picture a layer.
    package let pictures: [CodedPicture]
    /// Bytes of the slices of each layer.
    package let layerBytes: [Int]
    /// SliceQpY of each layer, less what its own hierarchy adds.
    package let layerQps: [Int]
}

/// The source picture of an enhancement layer, which waits until libx265 has coded the base layer's.
package protocol WaitingPicture: Sendable {
    /// The picture. Its margins are undefined.
    func unpacked() throws -> FrameBuffer
}

extension PackedPicture: WaitingPicture {}

extension FrameBuffer: WaitingPicture {
    package func unpacked() -> FrameBuffer { self }

    /// The picture as it may best wait: packed where its samples need less than they have.
    package var waiting: any WaitingPicture { isNarrow || !format.fitsBytes ? self : PackedPicture(self) }
}

/// Codes a clip as base layer and enhancement layers, access unit by access unit.
///
/// Several are in flight at once: libx265 works ahead with its own threads, and the pictures of the enhancement
/// layers run on a pool, rows of one picture following those of the pictures it refers to.
package final class ScalableEncoder {
    private let settings: ScalableSettings
    private let baseEncoder: BaseLayerEncoder
    private let pool: WorkerPool
    private var layers: [EnhancementLayerEncoder] = []
    private var rates: [LayerRateControl]
    private var layerSets: [NALUnit] = []
    private var vps: VideoParameterSet?
    private let sets = ParameterSetCollection()
    /// Sources that wait for their base layer picture, as many as libx265 looks ahead.
    private var waiting: [Int: [any WaitingPicture]] = [:]
    private var pushed = 0
    /// Of the pictures under way, by display index.
    private var userData: [Int: [[UInt8]]] = [:]
    private var sentSets: Set<[UInt8]> = []
    private var positions = StreamPosition()
    /// Periods of all layers: each has a picture in every access unit.
    private var periods = PeriodNumbering()
    private let motionReader = BaseMotionReader()
    private var inFlight: [AccessUnitInFlight] = []
    private var begun = 0
    private let maxInFlight: Int

    package init(settings: ScalableSettings) throws {
        self.settings = settings
        guard settings.enhancements.count < ScalableSettings.maxLayers else {
            throw EncoderError.settings("no more than \(ScalableSettings.maxLayers) layers")
        }
        for (i, layer) in settings.enhancements.enumerated() {
            guard layer.references.isEmpty == layer.isAlpha, layer.references == layer.references.sorted(),
                layer.references.allSatisfy({ $0 <= i })
            else {
                throw EncoderError.settings("layer \(i + 1) must refer to lower layers")
            }
            guard !layer.isAlpha || settings.enhancements.count == 1 else {
                throw EncoderError.settings("layer \(i + 1) is alpha, which goes with no further layers")
            }
        }
        baseEncoder = try BaseLayerEncoder(settings: settings.base)
        pool = WorkerPool(threads: settings.enhancements.isEmpty ? 1 : settings.threads)
        rates = settings.enhancements.map { LayerRateControl(rate: $0.rate, fps: settings.base.fps) }
        // Enough for the pool to find work while the next base layer picture is awaited.
        maxInFlight = settings.threads > 1 ? min(settings.threads, 8) + 2 : 0
    }

    deinit { pool.stop() }

    /// Pushes the next picture in display order: the source of each layer. Returns the next access unit in decoding
    /// order, if it is ready.
    package func push(_ sources: [FrameBuffer]) throws -> CodedAccessUnit? {
        precondition(!sources.isEmpty, "one source a layer")
        return try push(base: sources[0], enhancements: sources.dropFirst().map(\.waiting))
    }

    /// The same where the sources of the enhancement layers are kept somehow else until they are needed.
    /// - Parameter userData: payloads of registered user data messages, which go before the picture of each layer.
    package func push(
        base: FrameBuffer, enhancements: [any WaitingPicture], userData: [[UInt8]] = []
    ) throws -> CodedAccessUnit? {
        precondition(enhancements.count == settings.enhancements.count, "one source a layer")
        if !enhancements.isEmpty { waiting[pushed] = enhancements }
        if !userData.isEmpty { self.userData[pushed] = userData }
        pushed += 1
        if let coded = try baseEncoder.encode(base) { inFlight.append(try begin(coded)) }
        return try next(limit: maxInFlight)
    }

    /// After the last picture: call until nil.
    package func flush() throws -> CodedAccessUnit? {
        while let coded = try baseEncoder.encode(nil) {
            inFlight.append(try begin(coded))
            if let unit = try next(limit: maxInFlight) { return unit }
        }
        return try next(limit: 0)
    }

    /// Ends libx265, once all access units are out.
    package func close() { baseEncoder.close() }

    /// The oldest access unit, if it is finished or more than `limit` are in flight.
    private func next(limit: Int) throws -> CodedAccessUnit? {
        guard let first = inFlight.first, inFlight.count > limit || first.isFinished else { return nil }
        inFlight.removeFirst()
        return finish(first)
    }

    // MARK: Beginning

    /// A coded base layer picture and the enhancement layer pictures that are being coded upon it.
    private struct AccessUnitInFlight {
        var before: [NALUnit] = []
        var baseUnits: [NALUnit] = []
        var messages: [NALUnit?] = []
        let displayIndex: Int
        let isIRAP: Bool
        let basePicture: CodedPicture
        var pictures: [EnhancementLayerEncoder.Picture] = []
        var qps: [Int] = []
        var baseBytes = 0
        /// Position in decoding order.
        let index: Int

        var isFinished: Bool { pictures.allSatisfy(\.picture.isFinished) }
    }

    private func begin(_ coded: BaseLayerPicture) throws -> AccessUnitInFlight {
        var parameterSets: [NALUnit] = []
        var slices: [NALUnit] = []
        var others: [NALUnit] = []
        var suffixes: [NALUnit] = []
        for nal in try settings.protectBase?(coded.nals) ?? coded.nals {
            switch nal.header.nalUnitType {
            case .vps, .sps, .pps:
                try sets.insert(nal)
                if nal.header.nalUnitType != .vps || settings.enhancements.isEmpty { parameterSets.append(nal) }
            case let type where type.isSlice: slices.append(nal)
            case .suffixSEI: suffixes.append(nal)
            default: others.append(nal)
            }
        }
        guard let first = slices.first else { throw EncoderError.baseLayer("an access unit without slices") }
        let header = try SliceSegmentHeader(nal: first.header, rbsp: first.rbsp, sets: sets, previous: nil)
        let pps = try sets.pictureParameterSet(id: header.slicePicParameterSetId)
        let sps = try sets.sequenceParameterSet(id: pps.ppsSeqParameterSetId, layerId: 0)
        let isIRAP = header.nalUnitType.isIRAP
        let position = try periods.next(
            positions.next(header, log2MaxPicOrderCntLsb: sps.log2MaxPicOrderCntLsb), layer: 0, isIRAP: isIRAP)
        guard !position.precedesIRAP else { throw EncoderError.baseLayer("the first picture is no IRAP picture") }
        if let unit = coded.unit, unit.period != position.period || unit.pocDelta != position.pocDelta {
            throw EncoderError.baseLayer(
                "picture \(coded.displayIndex) was encrypted as that of another position (libx265's order changed)")
        }
        coded.picture.poc = position.poc
        var unit = AccessUnitInFlight(
            displayIndex: coded.displayIndex, isIRAP: isIRAP, basePicture: coded.picture, index: begun)
        begun += 1
        unit.qps = [26 + pps.initQpMinus26 + header.sliceQpDelta]
        unit.baseBytes = slices.reduce(0) { $0 + $1.bytes.count }
        try publish(coded, poc: position.poc)
        if !settings.enhancements.isEmpty {
            if layers.isEmpty { try prepareLayers(sps) }
            guard let sources = waiting.removeValue(forKey: coded.displayIndex) else {
                throw EncoderError.baseLayer("picture \(coded.displayIndex) has no source")
            }
            let places = layers.map { $0.place(base: header, position: position) }
            let rated = places.map {
                RatedPicture(
                    baseQp: unit.qps[0], type: header.sliceType, baseBits: Self.bits(slices), qpOffset: $0.qpOffset)
            }
            for i in layers.indices { rates[i].prepare(rated[i]) }
            recordCosts()
            for (i, layer) in layers.enumerated() {
                let references = settings.enhancements[i].references.map {
                    $0 == 0 ? coded.picture : unit.pictures[$0 - 1].picture
                }
                let source = try sources[i].unpacked()
                let (picture, qp) = start(index: unit.index, rate: &rates[i], rated[i]) {
                    layer.picture(
                        base: header, position: position, place: places[i], references: references, source: source,
                        qp: $0, isTentative: $1)
                }
                unit.pictures.append(picture)
                unit.qps.append(max(qp - Int(places[i].qpOffset), 0))
            }
        }
        if isIRAP {
            let vpss = vps.map { [NALUnit(header: NALUnitHeader(nalUnitType: .vps), rbsp: $0.rbsp())] } ?? []
            unit.before = (vpss + parameterSets + layerSets).filter(isNew)
        } else {
            unit.before = parameterSets.filter(isNew)
        }
        unit.messages = Array(repeating: nil, count: layers.count + 1)
        if position.beginsPeriod {
            let start = PeriodStart(
                period: UInt32(truncatingIfNeeded: position.period), pocLsb: header.slicePicOrderCntLsb)
            unit.messages = (0...layers.count).map { settings.message?($0, start) }
            // Before a base layer that stays clear: that it is meant to be.
            if unit.index == 0 && unit.messages[0] == nil {
                unit.messages[0] =
                    (1..<(layers.count + 1)).lazy.compactMap { [settings] in
                        settings.message?($0, PeriodStart(period: 0))
                    }.first
            }
        }
        unit.before += others
        unit.baseUnits = slices + suffixes
        return unit
    }

    /// Has a picture coded with the QP that a layer's rate control chooses. Where it might be too large for the
    /// decoder's buffer it is finished here, with as high a QP as that takes; nothing has been predicted from it
    /// before.
    private func start(
        index: Int, rate: inout LayerRateControl, _ rated: RatedPicture,
        picture make: (_ qp: Int, _ isTentative: Bool) -> EnhancementLayerEncoder.Picture
    ) -> (EnhancementLayerEncoder.Picture, qp: Int) {
        var qp = rate.qp(rated)
        while true {
            let picture = make(qp, rate.isGuarded)
            picture.start(on: pool)
            guard rate.isGuarded else { return (picture, qp) }
            let bits = Self.bits(picture.finish())
            guard let higher = rate.higherQp(bits: bits) else {
                rate.record(index: index, bits: bits)
                picture.accept()
                return (picture, qp)
            }
            qp = higher
        }
    }

    /// Makes the base layer's picture ready for the layers above, with its motion where that is wanted.
    private func publish(_ coded: BaseLayerPicture, poc: Int32) throws {
        let picture = coded.picture
        if settings.enhancements.contains(where: { $0.tools.interLayerMotion }) {
            // The slices as libx265 wrote them: encryption after it would hide their motion.
            let slices = coded.nals.filter(\.header.nalUnitType.isSlice)
            if let read = try motionReader.prepare(
                picture, slices: slices, hasMotion: coded.hasMotion, poc: poc, sets: sets)
            {
                pool.submit {
                    read()
                    picture.publishAll()
                }
                return
            }
        }
        picture.publishAll()
    }

    /// Gives rate control the costs that it is to know of by now, waiting for them.
    private func recordCosts() {
        for unit in inFlight {
            for (i, picture) in unit.pictures.enumerated() where rates[i].needs(index: unit.index) {
                rates[i].record(index: unit.index, bits: Self.bits(picture.finish()))
            }
        }
    }

    /// Whether a parameter set is to be sent: it is new, or all are repeated.
    private func isNew(_ set: NALUnit) -> Bool { sentSets.insert(set.bytes).inserted || settings.repeatsHeaders }

    // MARK: Finishing

    private func finish(_ unit: AccessUnitInFlight) -> CodedAccessUnit {
        var nals = unit.before
        let userData = self.userData.removeValue(forKey: unit.displayIndex) ?? []
        nals += describingMessages(unit, layer: 0, userData)
        var baseUnits = unit.baseUnits
        // The first unit of an access unit has a zero_byte (B.2.2), also where libx265's messages before it went.
        // Encryption messages come and go without a change to others.
        if nals.isEmpty { baseUnits[0].startCodeLength = 4 } else { nals[0].startCodeLength = 4 }
        nals += (unit.messages[0].map { [$0] } ?? []) + baseUnits
        var bytes = [unit.baseBytes]
        for (i, picture) in unit.pictures.enumerated() {
            nals += describingMessages(unit, layer: i + 1, userData)
            if let message = unit.messages[i + 1] { nals.append(message) }
            let slices = picture.finish()
            nals += slices
            bytes.append(Self.bytes(slices))
            rates[i].record(index: unit.index, bits: Self.bits(slices))
            if settings.sendsHashes { nals.append(Self.hash(of: picture.picture)) }
        }
        return CodedAccessUnit(
            nals: nals, displayIndex: unit.displayIndex, isIRAP: unit.isIRAP,
            pictures: [unit.basePicture] + unit.pictures.map(\.picture), layerBytes: bytes, layerQps: unit.qps)
    }

    /// What is said of a layer's picture: of the whole stream before every IRAP picture, so that it can be cut there.
    private func describingMessages(
        _ unit: AccessUnitInFlight, layer: Int, _ userData: [[UInt8]]
    ) -> [NALUnit] {
        let header = NALUnitHeader(
            nalUnitType: .prefixSEI, nuhLayerId: layer,
            nuhTemporalIdPlus1: unit.baseUnits.first?.header.nuhTemporalIdPlus1 ?? 1)
        if layer > 0 && settings.enhancements[layer - 1].isAlpha {
            let alpha = AlphaChannel(bitDepth: settings.enhancements[layer - 1].format.bitDepth)
            let message = SEIMessage(payloadType: AlphaChannel.payloadType, payload: alpha.payload)
            return unit.isIRAP ? [NALUnit(header: header, rbsp: SEIMessage.rbsp([message]))] : []
        }
        var whole = unit.isIRAP ? SEIMessage.messages(of: settings.colour) : []
        if unit.isIRAP && layer == 0 && settings.isStereo {
            let displays = ReferenceDisplays(leftViewId: 0, rightViewId: 1)
            whole.append(SEIMessage(payloadType: ReferenceDisplays.payloadType, payload: displays.payload))
        }
        // Captions are of the whole picture, and decoders that read those of all layers would show them twice.
        let own = userData.map { SEIMessage(payloadType: SEIMessage.userDataRegistered, payload: $0) }
            .filter { layer == 0 || !$0.isCaptions }
        return [whole, own].filter { !$0.isEmpty }.map { NALUnit(header: header, rbsp: SEIMessage.rbsp($0)) }
    }

    private static func bytes(_ nals: [NALUnit]) -> Int { nals.reduce(0) { $0 + $1.bytes.count } }

    /// What goes through a decoder's buffer for VCL NAL units (C.2), with the start codes of Annex B; but without
    /// emulation prevention bytes, so that an encrypted layer gets the QPs of the clear one.
    private static func bits(_ nals: [NALUnit]) -> Int {
        nals.reduce(0) { $0 + $1.rbsp.count + $1.startCodeLength + 2 } * 8
    }

    /// decoded_picture_hash() of a picture, with MD5.
    private static func hash(of picture: CodedPicture) -> NALUnit {
        let hashes = (0..<picture.frame.chromaFormat.planeCount).map {
            PictureHash.md5(picture.frame.plane($0), bitDepth: picture.frame.bitDepth($0))
        }
        let message = SEIMessage(
            payloadType: SEIMessage.decodedPictureHash, payload: DecodedPictureHash.payload(md5: hashes))
        let header = NALUnitHeader(
            nalUnitType: .suffixSEI, nuhLayerId: picture.nuhLayerId, nuhTemporalIdPlus1: picture.temporalId + 1)
        return NALUnit(header: header, rbsp: SEIMessage.rbsp([message]))
    }

    // MARK: Layers

    private static func name(_ layer: Int) -> String { layer == 0 ? "the base layer" : "layer \(layer)" }

    /// Makes the VPS and the enhancement layers' sets from the base layer's, once.
    private func prepareLayers(_ baseSps: SequenceParameterSet) throws {
        guard let baseVps = sets.videoParameterSet(id: baseSps.spsVideoParameterSetId) else {
            throw EncoderError.baseLayer("no VPS")
        }
        let size = baseSps.shownSize
        var baseFormat = LayerFormat(width: size.width, height: size.height, bitDepth: baseSps.bitDepthY)
        baseFormat.codedWidth = baseSps.picWidthInLumaSamples
        baseFormat.codedHeight = baseSps.picHeightInLumaSamples
        let formats = [baseFormat] + settings.enhancements.map(\.format)
        for (i, layer) in settings.enhancements.enumerated() where layer.isView || layer.isAlpha {
            let others = layer.isAlpha ? [0] : layer.references.filter { !settings.isView($0) }
            for other in others {
                guard layer.format.isCoded(as: formats[other]), baseSps.minCbLog2SizeY == 3 else {
                    throw EncoderError.settings(
                        "layer \(i + 1): \(layer.isView ? "a view" : "alpha") and \(Self.name(other)) have one size, "
                            + "one depth and coding blocks of 8x8 (x265 option min-cu-size)")
                }
            }
        }
        let fps = Double(settings.base.fps.numerator) / Double(settings.base.fps.denominator)
        let vps = LayerParameterSets.vps(
            base: baseVps, formats: formats, layers: settings.enhancements, framesPerSecond: fps,
            maxDecPicBufferingMinus1: baseSps.subLayerOrdering.last?.maxDecPicBufferingMinus1 ?? 4)
        vps.timing = vps.timing ?? baseSps.vui?.timing ?? (settings.base.fps.denominator, settings.base.fps.numerator)
        self.vps = vps
        for (i, options) in settings.enhancements.enumerated() {
            let id = i + 1
            let views = options.references.map { options.isView != settings.isView($0) }
            // All layers use one CTB size: decoders may lay their tables out for one (the reference software does).
            var tools = options.tools
            tools.ctbLog2SizeY = max(baseSps.ctbLog2SizeY, 4)
            let sps = LayerParameterSets.sps(
                base: baseSps, layerId: id, id: id, tools: tools, colour: settings.colour(ofLayer: id))
            // Stereo is written as all decoders of stereo know it. FFmpeg 8 loses pictures of the base layer over any
            // other SPS that leaves its format to a VPS extension.
            let isStereo = options.isView && settings.enhancements.count == 1
            if !isStereo {
                sps.stateFormat(
                    options.format, base: baseSps, vps: vps,
                    profile: options.isAlpha ? nil : vps.ext?.furtherProfileTierLevels[i].1)
            }
            func makePps(id: Int, transformSkip: Bool) -> PictureParameterSet {
                LayerParameterSets.pps(
                    layerId: i + 1, id: id, spsId: i + 1, qp: options.rate.initialQp, tools: tools,
                    transformSkip: transformSkip,
                    references: zip(options.references, views).filter { !$1 }.map { ($0.0, formats[$0.0].padding) },
                    padding: options.format.padding)
            }
            let pps = makePps(id: id, transformSkip: false)
            let screenContentPps =
                tools.transformSkip ? makePps(id: id + settings.enhancements.count, transformSkip: true) : nil
            layerSets.append(NALUnit(header: NALUnitHeader(nalUnitType: .sps, nuhLayerId: id), rbsp: sps.rbsp()))
            layerSets.append(NALUnit(header: NALUnitHeader(nalUnitType: .pps, nuhLayerId: id), rbsp: pps.rbsp()))
            if let screenContentPps {
                layerSets.append(
                    NALUnit(header: NALUnitHeader(nalUnitType: .pps, nuhLayerId: id), rbsp: screenContentPps.rbsp()))
            }
            var effort = options.effort
            effort.hasDisparity = views.contains(true)
            let layer = try LayerConfiguration(
                layerId: id, sps: try sps.resolved(forLayer: id, vps: vps), pps: pps,
                screenContentPps: screenContentPps, vps: vps,
                effort: effort)
            layers.append(
                EnhancementLayerEncoder(
                    settings: layer, options: options, views: views,
                    sizes: options.references.map { (formats[$0].codedWidth, formats[$0].codedHeight) },
                    hooks: settings.hooks))
        }
    }
}
