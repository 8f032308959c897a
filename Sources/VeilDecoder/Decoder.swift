// SPDX-License-Identifier: GPL-2.0-or-later
import Foundation
import VeilBitstream
import VeilCore
import VeilEntropy
import VeilRecon

/// A picture in output order.
package struct DecodedFrame: @unchecked Sendable {
    package let picture: CodedPicture
    package let info: OutputInfo
    /// Nominal frames per second from the VUI or VPS, as (time scale, units in tick), when given.
    package let timing: (timeScale: Int, numUnitsInTick: Int)?

    /// Cropped size in luma samples.
    package var width: Int { picture.frame.width - info.window.left - info.window.right }
    package var height: Int { picture.frame.height - info.window.top - info.window.bottom }
}

/// What happened during decoding.
package struct DecodeReport: Sendable {
    package var picturesDecoded = 0
    package var picturesOutput = 0
    package var hashesChecked = 0
    package var hashMismatches = 0
    package var failedSlices = 0
    package var concealedCTUs = 0
    package var missingReferences = 0
    package var skippedRasl = 0
    /// Pictures of which nothing came, made up and put out in their place.
    package var concealedPictures = 0
    package var damagedUnits = 0
    /// The first few messages about damage, one line each.
    package var messages: [String] = []
    package init() {}

    /// Whether everything decoded as it was meant to.
    package var isClean: Bool {
        hashMismatches == 0 && failedSlices == 0 && concealedCTUs == 0 && missingReferences == 0 && damagedUnits == 0
    }

    mutating func note(_ message: String) { if messages.count < 20 { messages.append(message) } }

    /// What is true of many pictures is said of the first.
    mutating func noteOnce(_ message: String) { if !messages.contains(message) { note(message) } }
}

/// Decodes HEVC version 1 and SHVC streams NAL unit by NAL unit and delivers pictures in output order.
///
/// Picture headers, reference marking and output order are handled on the caller's thread; slice data is decoded by
/// workers, picture-parallel and with layers pipelined. Output does not depend on the number of threads.
package final class Decoder {
    package enum OutputLayers: Sendable, Equatable {
        /// The highest layer of the stream.
        case highest
        case layer(Int)
        /// The output layers of an output layer set of the VPS; with alt_output_layer_flag, where the output layer
        /// has no picture, the picture of the highest of its reference layers.
        case outputLayerSet(Int)
        /// Every layer (the frames say which they are of).
        case all
    }

    package struct Options {
        package var output = OutputLayers.highest
        package var threads = 1
        /// Check decoded picture hash SEI messages.
        package var verify = false
        /// Decrypts while decoding.
        package var hooks: (any BinHookProvider)?
        /// Shown each prefix SEI unit before the pictures it belongs to: what decrypting hooks learn their stream
        /// from. What it throws ends decoding.
        package var prefixSEI: ((NALUnit) throws -> Void)?
        /// Ignore sub-layers above this.
        package var maxTemporalId = 6
        /// What a stream may ask for.
        package var limits = StreamLimits()
        package init() {}
    }

    package internal(set) var report = DecodeReport()
    let options: Options
    let sets = ParameterSetStore()
    var layers: [Int: LayerState] = [:]
    private let deliver: (DecodedFrame) throws -> Void
    private let pool: WorkerPool
    private let workspaces = WorkspacePool()
    /// Pictures whose jobs were given to the pool and whose outcome has not been read.
    private var inFlight: [PictureDecoding] = []
    private var outputQueue: [DecodedFrame] = []
    /// The picture being collected.
    private var current: PictureDecoding?
    private var currentHeader: SliceSegmentHeader?
    private var currentEntry: DPBEntry?
    /// Pictures of the access unit by layer.
    private var accessUnit: [Int: CodedPicture] = [:]
    private var positions = StreamPosition()
    private(set) var accessUnitCount = 0
    private var selectionStorage: LayerSelection?
    /// The pictures of the access unit that were not to stay unseen (pic_output_flag), by layer.
    private var shown: [Int: DPBEntry] = [:]
    private(set) var refusals = Refusals()
    var standIns = StandIns()
    var budget = ConcealmentBudget()

    package init(options: Options, deliver: @escaping (DecodedFrame) throws -> Void) {
        self.options = options
        self.deliver = deliver
        pool = WorkerPool(threads: options.threads)
    }

    deinit { pool.stop() }

    /// Takes the next NAL unit in decoding order. Throws what the stream asks for and Veil does not support, and what
    /// `deliver` throws; damage is concealed and counted.
    package func push(_ nal: NALUnit) throws {
        let type = nal.header.nalUnitType
        if nal.header.temporalId > options.maxTemporalId && type.isVCL { return }
        do {
            switch type {
            case .vps, .sps, .pps:
                try finishPicture()
                try refusals.take(nal, into: sets)
                selectionStorage = nil
                if type == .vps, let error = sets.anyVps?.ext?.unreadable?.error {
                    report.noteOnce("VPS: \(error); its layers are independent and decoded without what follows")
                }
            case .endOfSequence, .endOfBitstream:
                try finishPicture()
                positions.endOfSequence(layer: nal.header.nuhLayerId)
            case .accessUnitDelimiter:
                try finishPicture()
                positions.boundary()
            case .prefixSEI:
                try finishPicture()
                try options.prefixSEI?(nal)
            case .suffixSEI:
                // Without --verify a hash only serves where decoders disagree about motion between layers.
                if options.verify || nal.header.nuhLayerId > 0 { try takeHash(nal) }
            default:
                if type.isSlice { try takeSlice(nal) }
            }
        } catch let error as SyntaxError {
            if case .unsupported = error, type.isVCL || (type == .vps && sets.anyVps == nil) { throw error }
            // A set that was refused is missed as soon as a slice needs it.
            if case .missing(let set, let id) = error, type.isVCL, let refusal = refusals.refusal(of: set, id: id) {
                throw refusal
            }
            report.damagedUnits += 1
            if case .missing = error {
                report.noteOnce("layer \(nal.header.nuhLayerId): \(error)")
            } else {
                report.note("\(type) at byte \(nal.offset), layer \(nal.header.nuhLayerId): \(error)")
            }
        }
    }

    /// Ends the stream: decodes and delivers all that is left.
    package func finish() throws {
        try finishPicture()
        showAlternative()
        for id in layers.keys.sorted() {
            guard let layer = layers[id] else { continue }
            queue(layer.dpb.flush())
            layer.dpb.removeAll()
        }
        pool.wait(unfinishedAtMost: 0)
        collectOutcomes()
        try drain(all: true)
    }

    // MARK: Layers

    /// Which layers are wanted, by the VPS at hand.
    func selection() throws -> LayerSelection {
        if let known = selectionStorage { return known }
        let made = try LayerSelection(options.output, vps: sets.anyVps)
        for id in made.auxiliary.sorted() {
            let message = "layer \(id): auxiliary pictures (AuxId = \(sets.anyVps?.auxId(ofLayer: id) ?? 0)), skipped"
            if !report.messages.contains(message) { report.note(message) }
        }
        selectionStorage = made
        return made
    }

    /// With alt_output_layer_flag: the highest picture of the access unit that may be shown, where the output layer
    /// has none.
    private func showAlternative() {
        defer { shown.removeAll() }
        guard let alternatives = selectionStorage?.alternatives, shown[alternatives.layer] == nil,
            let standIn = shown.filter({ alternatives.layers.contains($0.key) }).max(by: { $0.key < $1.key })?.value
        else { return }
        // It takes its turn among the pictures of the output layer.
        let layer = layers[alternatives.layer] ?? LayerState(layerId: alternatives.layer)
        layers[alternatives.layer] = layer
        let entry = DPBEntry(
            picture: standIn.picture, poc: standIn.poc, neededForOutput: true, isGenerated: false,
            temporalId: standIn.temporalId,
            output: standIn.output)
        entry.marking = .unused
        layer.dpb.insert(entry)
        queue(layer.dpb.bumpAfterDecoding(currentIsOutput: true))
    }

    // MARK: Slices

    private func takeHash(_ nal: NALUnit) throws {
        guard let current, current.unit.layer == nal.header.nuhLayerId else { return }
        for message in try SEIMessage.messages(rbsp: nal.rbsp)
        where message.payloadType == SEIMessage.decodedPictureHash {
            current.hash = try DecodedPictureHash(payload: message.payload)
        }
    }

    private func takeSlice(_ nal: NALUnit) throws {
        let layerId = nal.header.nuhLayerId
        guard try selection().isNeeded(layerId) else {
            if layerId == 0 || layerId <= current?.unit.layer ?? 0 { try finishPicture() }
            return
        }
        let (rbsp, removed) = nal.payload()
        let isFirst = (rbsp.first ?? 0) & 0x80 != 0
        if isFirst { try finishPicture() }
        let previous = current != nil && current?.unit.layer == layerId ? currentHeader : nil
        let header = try SliceSegmentHeader(nal: nal.header, rbsp: rbsp, sets: sets, previous: previous)
        // All slices of a picture have one PPS, hence one size: addresses and references are of that.
        if let previous, header.slicePicParameterSetId != previous.slicePicParameterSetId {
            throw SyntaxError.outOfRange(element: "slice_pic_parameter_set_id", value: header.slicePicParameterSetId)
        }
        if let current, previous != nil, current.segments.count >= StreamLimits.slicesPerPicture {
            throw SyntaxError.outOfRange(element: "slice_segment_address", value: header.sliceSegmentAddress)
        }
        if header.firstSliceSegmentInPicFlag {
            try beginPicture(header)
        } else if current == nil || current?.unit.layer != layerId {
            // The picture's first slice was lost or skipped.
            if layers[layerId]?.skipsRasl == true && nal.header.nalUnitType.isRASL { return }
            guard !header.dependentSliceSegmentFlag, layers[layerId] != nil else { return }
            try finishPicture()
            try beginPicture(header)
        }
        guard let current, let layer = layers[layerId] else { return }
        var context: SliceContext
        if header.dependentSliceSegmentFlag, let last = current.segments.last {
            context = last.context
        } else {
            context = try makeContext(header, current, layer)
        }
        currentHeader = header
        current.add(
            SliceSegmentJob(
                header: header,
                parameters: SliceParameters(
                    header: header, sps: current.sets.sps, pps: current.sets.pps, grid: current.sets.grid),
                context: context, rbsp: rbsp, removedBytes: removed,
                beginsSlice: !header.dependentSliceSegmentFlag || current.segments.isEmpty))
    }

    var currentReferences = LayerState.ReferenceSets()

    private func beginAccessUnit() {
        showAlternative()
        accessUnit.removeAll()
        accessUnitCount += 1
    }

    private func beginPicture(_ h: SliceSegmentHeader) throws {
        let layerId = h.nuhLayerId
        let active = try sets.activeSets(ppsId: h.slicePicParameterSetId, layerId: layerId)
        let sps = active.sps
        try options.limits.check(sps)
        let layer = layers[layerId] ?? LayerState(layerId: layerId)
        let type = h.nalUnitType
        let position = positions.next(h, log2MaxPicOrderCntLsb: sps.log2MaxPicOrderCntLsb) {
            options.hooks?.periodStart(layer: $0, isIRAP: $1)
        }
        if position.beginsAccessUnit { beginAccessUnit() }
        if position.precedesIRAP {
            // Decoding can only begin at an IRAP picture.
            report.noteOnce("layer \(layerId): \(type) before any IRAP picture, skipped")
            return
        }
        layers[layerId] = layer
        let noRaslOutput = position.restarts
        if type.isIRAP { layer.skipsRasl = noRaslOutput }
        if type.isRASL && layer.skipsRasl {
            report.skippedRasl += 1
            return
        }
        let poc = position.poc
        layer.decrementPocs(by: position.decrement)
        if noRaslOutput {
            for entry in layer.dpb.entries { entry.marking = .unused }
        }
        currentReferences = layer.referenceSets(h, poc: poc, log2MaxLsb: sps.log2MaxPicOrderCntLsb)
        if noRaslOutput && !layer.isFirstPictureEver {
            let discard = type == .cra || h.noOutputOfPriorPicsFlag
            if !discard { queue(layer.dpb.flush()) }
            layer.dpb.removeAll()
            layer.lastOutputPoc = .min
        }
        layer.isFirstPictureEver = false
        layer.sps = sps
        let limits = sps.subLayerOrdering.last ?? .init()
        layer.dpb.maxDecPicBuffering = limits.maxDecPicBufferingMinus1 + 1
        layer.dpb.maxDecPicBuffering = max(layer.dpb.maxDecPicBuffering, limits.maxNumReorderPics + 1)
        let referenced = h.shortTermRefPicSet.numDeltaPocs + h.longTermRefPics.count
        if referenced >= layer.dpb.maxDecPicBuffering {
            report.noteOnce(
                "layer \(layerId): more pictures are referred to than sps_max_dec_pic_buffering_minus1 = "
                    + "\(limits.maxDecPicBufferingMinus1) has room for; kept all the same")
            layer.dpb.maxDecPicBuffering = referenced + 1
        }
        layer.dpb.maxNumReorderPics = limits.maxNumReorderPics
        layer.dpb.maxLatencyPictures =
            limits.maxLatencyIncreasePlus1 > 0
            ? limits.maxNumReorderPics + min(limits.maxLatencyIncreasePlus1, 1 << 20) - 1 : 0
        if !noRaslOutput {
            replaceMissing(layer, active)
            queue(layer.dpb.bumpBeforeDecoding())
        }

        let picture = CodedPicture(
            frame: FrameBuffer(
                width: sps.picWidthInLumaSamples, height: sps.picHeightInLumaSamples, bitDepthLuma: sps.bitDepthY,
                bitDepthChroma: sps.bitDepthC),
            // Every CTU leaves its motion, decoded or concealed.
            motion: MotionField(
                width: sps.picWidthInLumaSamples, height: sps.picHeightInLumaSamples, ctbLog2Size: sps.ctbLog2SizeY,
                clears: false))
        picture.poc = poc
        picture.nuhLayerId = layerId
        picture.temporalId = h.temporalId
        var info = OutputInfo()
        info.nuhLayerId = layerId
        info.poc = poc
        info.window = sps.window
        info.accessUnit = accessUnitCount
        let output = try h.picOutputFlag && selection().isOutput(layerId)
        let entry = DPBEntry(
            picture: picture, poc: poc, neededForOutput: output, isGenerated: false, temporalId: h.temporalId,
            output: info)
        var unit = BinUnit(
            layer: layerId, period: position.period, pocDelta: position.pocDelta, ctuAddress: 0,
            temporalId: h.temporalId, isIRAP: type.isIRAP)
        unit.ctbSize = 1 << sps.ctbLog2SizeY
        let decoding = PictureDecoding(
            picture: picture, sets: active, unit: unit, hooks: options.hooks?.pictureHooks(layer: layerId),
            workspaces: workspaces)
        decoding.verifies = options.verify
        try prepareInterLayer(h, decoding, layer)
        decoding.concealment = layer.dpb.nearest(to: poc)
        currentEntry = entry
        current = decoding
        if h.picOutputFlag { shown[layerId] = entry }
    }

    // MARK: Inter-layer references

    private func prepareInterLayer(_ h: SliceSegmentHeader, _ decoding: PictureDecoding, _ layer: LayerState) throws {
        let sps = decoding.sets.sps
        let vps = sets.videoParameterSet(id: sps.spsVideoParameterSetId)
        for id in h.refPicLayerId {
            let type = vps?.dependencyType(of: h.nuhLayerId, on: id) ?? (samples: true, motion: true)
            guard let source = accessUnit[id] else {
                report.missingReferences += 1
                report.note(
                    "layer \(h.nuhLayerId), POC \(decoding.picture.poc): no picture of layer \(id) in the access unit")
                // The others keep their places in the list.
                decoding.interLayer.append(
                    standIns.picture(
                        sps.format, poc: decoding.picture.poc, showing: layer.dpb.nearest(to: decoding.picture.poc)))
                continue
            }
            let parameters = ResamplingParameters(
                refWidth: source.frame.width, refHeight: source.frame.height, width: sps.picWidthInLumaSamples,
                height: sps.picHeightInLumaSamples,
                offsets: decoding.sets.pps.refLocOffsets.first { $0.refLocOffsetLayerId == id })
            guard parameters.isValid else {
                throw SyntaxError.outOfRange(element: "scaled_ref_layer_offset", value: parameters.scaledRefRegionWidth)
            }
            if layer.ilrp[id]?.parameters != parameters { layer.ilrp[id] = InterLayerReference(parameters: parameters) }
            guard let reference = layer.ilrp[id] else { continue }
            decoding.interLayer.append(
                InterLayerProducer.picture(
                    reference, from: source, grid: decoding.sets.grid, poc: decoding.picture.poc,
                    bitDepthLuma: sps.bitDepthY,
                    bitDepthChroma: sps.bitDepthC, motion: type.motion))
        }
    }

    private func makeContext(
        _ h: SliceSegmentHeader, _ decoding: PictureDecoding, _ layer: LayerState
    ) throws -> SliceContext {
        var lists: [[CodedPicture?]] = [[], []]
        var longTerm: [[Bool]] = [[], []]
        var interLayer: [[Bool]] = [[], []]
        if h.sliceType != .i {
            for list in 0..<2 {
                for source in h.refPicList(list) {
                    lists[list].append(resolve(source, decoding, layer))
                    longTerm[list].append(source.isLongTerm)
                    if case .interLayer = source {
                        interLayer[list].append(true)
                    } else {
                        interLayer[list].append(false)
                    }
                }
            }
        }
        return SliceContext(
            constants: SliceConstants(
                sps: decoding.sets.sps, pps: decoding.sets.pps, header: h,
                scalingFactors: decoding.sets.scalingFactors),
            grid: decoding.sets.grid,
            sliceIndex: decoding.sliceCount, currPoc: decoding.picture.poc,
            refPicList: (lists[0], lists[1]), isLongTerm: (longTerm[0], longTerm[1]),
            isInterLayer: (interLayer[0], interLayer[1]),
            weights: SliceContext.weights(
                h, bitDepthLuma: decoding.sets.sps.bitDepthY, bitDepthChroma: decoding.sets.sps.bitDepthC))
    }

    /// The picture behind a reference list entry; a made-up one where it is missing.
    private func resolve(
        _ source: SliceSegmentHeader.ReferenceSource, _ decoding: PictureDecoding, _ layer: LayerState
    ) -> CodedPicture? {
        let format = decoding.sets.sps.format
        func standIn(poc: Int32) -> CodedPicture {
            standIns.picture(format, poc: poc, showing: decoding.concealment)
        }
        func entry(_ list: inout [(entry: DPBEntry?, poc: Int32)], _ i: Int) -> CodedPicture? {
            guard i < list.count else { return standIn(poc: decoding.picture.poc) }
            if let found = list[i].entry, found.picture.frame.format == format { return found.picture }
            report.missingReferences += 1
            report.note(
                "layer \(layer.layerId), POC \(decoding.picture.poc): reference picture POC \(list[i].poc) is missing")
            let poc = list[i].poc
            let picture = standIn(poc: poc)
            let made = DPBEntry(
                picture: picture, poc: poc, neededForOutput: false, isGenerated: true, temporalId: 0,
                output: OutputInfo())
            layer.dpb.insert(made)
            list[i].entry = made
            return picture
        }
        switch source {
        case .stCurrBefore(let i): return entry(&currentReferences.stCurrBefore, i)
        case .stCurrAfter(let i): return entry(&currentReferences.stCurrAfter, i)
        case .ltCurr(let i): return entry(&currentReferences.ltCurr, i)
        case .interLayer(let i):
            return i < decoding.interLayer.count
                ? decoding.interLayer[i] : standIn(poc: decoding.picture.poc)
        }
    }

    // MARK: Jobs and output

    /// Gives the collected picture to the workers.
    private func finishPicture() throws {
        guard let decoding = current, let entry = currentEntry else { return }
        current = nil
        currentHeader = nil
        currentEntry = nil
        let format = decoding.sets.sps.format
        budget.earn(bytes: decoding.segments.reduce(0) { $0 + $1.rbsp.count })
        if canConceal() {
            report.picturesDecoded += 1
            inFlight.append(decoding)
            let jobs = decoding.prepare(threads: pool.threadCount)
            pool.submit(WorkerPool.Group(count: jobs, run: { decoding.run(job: $0) }, finish: { decoding.finish() }))
        } else {
            // Nearly nothing of the pictures before was there.
            report.failedSlices += decoding.segments.count
            report.noteOnce(
                "layer \(decoding.unit.layer): too little is left of too many pictures; from POC \(entry.poc) on some are "
                    + "passed over")
            entry.picture = standIns.picture(format, poc: entry.poc, showing: decoding.concealment)
            entry.isGenerated = true
            entry.neededForOutput = false
            shown[decoding.unit.layer] = nil
        }
        accessUnit[decoding.unit.layer] = entry.picture
        if let layer = layers[decoding.unit.layer] {
            layer.dpb.insert(entry)
            queue(layer.dpb.bumpAfterDecoding(currentIsOutput: entry.neededForOutput))
        }
        // Bounds memory: no more pictures wait for a worker than there are workers.
        pool.wait(unfinishedAtMost: 2 * pool.threadCount)
        collectOutcomes()
        try drain(all: false)
    }

    /// Whether the stream has paid for making up this many samples. Asks for the outcome of pictures under way only
    /// where it could change the answer, which therefore does not depend on the number of threads.
    func canConceal() -> Bool {
        let pending = inFlight.reduce(0) { $0 + $1.sets.sps.format.lumaSamples }
        if budget.samples < pending {
            pool.wait(unfinishedAtMost: 0)
            collectOutcomes()
        }
        return !budget.isExhausted
    }

    private func collectOutcomes() {
        while let first = inFlight.first, first.isDone {
            let o = first.outcome
            inFlight.removeFirst()
            report.hashesChecked += o.hashesChecked
            report.hashMismatches += o.hashMismatches
            report.failedSlices += o.failedSlices
            report.concealedCTUs += o.concealedCTUs
            budget.spend(min(o.concealedCTUs << (2 * first.sets.grid.log2CtbSize), first.sets.sps.format.lumaSamples))
            if o.hashMismatches > 0 {
                report.note("layer \(first.unit.layer), POC \(first.picture.poc): picture hash differs")
            }
            if o.concealedCTUs > 0 {
                report.note(
                    "layer \(first.unit.layer), POC \(first.picture.poc): \(o.concealedCTUs) CTUs lost and concealed")
            }
        }
    }

    private func queue(_ entries: [DPBEntry]) {
        for entry in entries {
            if let layer = layers[entry.output.nuhLayerId] { layer.lastOutputPoc = max(layer.lastOutputPoc, entry.poc) }
            let sps = layers[entry.output.nuhLayerId]?.sps
            let vps = sets.anyVps
            let timing = sps?.vui?.timing ?? vps?.timing
            outputQueue.append(
                DecodedFrame(
                    picture: entry.picture, info: entry.output,
                    timing: timing.map { (timeScale: $0.timeScale, numUnitsInTick: $0.numUnitsInTick) }))
        }
    }

    /// Layers that are put out, as far as the VPS at hand tells: nil for as many as there are.
    package var outputLayerCount: Int? { selectionStorage?.outputCount }

    private func drain(all: Bool) throws {
        while let first = outputQueue.first, all || first.picture.isFinished {
            first.picture.waitUntilFinished()
            outputQueue.removeFirst()
            report.picturesOutput += 1
            try deliver(first)
        }
    }
}
