// SPDX-License-Identifier: GPL-2.0-or-later
import VeilBitstream
import VeilCore
import VeilEntropy
import VeilRecon
import VeilSystem

/// Decodes HEVC version 1 and SHVC streams NAL unit by NAL unit and delivers pictures in output order.
///
/// Picture headers, reference marking and output order are handled on the caller's thread; slice data is decoded by
/// workers, picture-parallel and with layers pipelined. Output does not depend on the number of threads.
package final class Decoder {
    package enum OutputLayers: Sendable, Equatable {
        /// The highest layer that the VPS names of those that show what the base layer does (no other view, no
        /// auxiliary pictures).
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
    let sets = ParameterSetCollection()
    var activated = ActivatedSets()
    var layers: [Int: LayerState] = [:]
    let deliver: (DecodedFrame) throws -> Void
    let pool: WorkerPool
    let workspaces = ObjectPool { DecodingWorkspace() }
    /// Pictures whose jobs were given to the pool and whose outcome has not been read.
    var inFlight: [PictureDecoding] = []
    var outputQueue: [DecodedFrame] = []
    /// The picture being collected.
    var current: PictureDecoding?
    var currentHeader: SliceSegmentHeader?
    var currentEntry: DPBEntry?
    var currentReferences = LayerState.ReferenceSets()
    /// A recovery point of the base layer (D.3.8) came: pictures get right from there on, without an IRAP picture.
    var beginsAnywhere = false
    /// The layer of the picture whose slices are being left out.
    var skippedLayer: Int?
    /// Pictures of the access unit by layer.
    var accessUnit: [Int: CodedPicture] = [:]
    var messages = PictureMessages()
    var positions = StreamPosition()
    var accessUnitCount = 0
    /// The last selection of layers, for what is still put out; and whether it is what the parameter sets ask for now.
    var lastSelection: LayerSelection?
    var isSelectionCurrent = false
    /// The SPS of the base layer's last picture: it names the VPS.
    var baseSps: SequenceParameterSet?
    /// The pictures of the access unit that were not to stay unseen (pic_output_flag), by layer.
    var shown: [Int: DPBEntry] = [:]
    var refusals = Refusals()
    var standIns = StandIns()
    var budget = ConcealmentBudget()
    /// Since the base layer's last IRAP picture: whether anything of the layers put out came, and how many pictures of
    /// others.
    var sequence = (hasOutput: false, pictures: 0)
    private var early = EarlyUnits()
    private var lastOutput: Set<Int>?

    package init(options: Options, deliver: @escaping (DecodedFrame) throws -> Void) {
        self.options = options
        self.deliver = deliver
        pool = WorkerPool(threads: options.threads)
    }

    deinit { pool.stop() }

    /// Takes the next NAL unit in decoding order. Throws what the stream asks for and Veil does not support, and what
    /// `deliver` throws; damage is concealed and counted.
    package func push(_ nal: NALUnit) throws {
        if early.holds(nal) { return }
        // The next unit may be a parameter set that is missing.
        if ![.vps, .sps, .pps].contains(nal.header.nalUnitType) {
            for waiting in early.take() { try decode(waiting) }
        }
        try decode(nal)
    }

    private func decode(_ nal: NALUnit) throws {
        let type = nal.header.nalUnitType
        if nal.header.temporalId > options.maxTemporalId && type.isVCL { return }
        do {
            switch type {
            case .vps, .sps, .pps:
                try finishPicture()
                try refusals.insert(nal, into: sets)
                isSelectionCurrent = false
                if type == .vps, let error = sets.anyVps?.ext?.unreadable?.error {
                    report.noteOnce("VPS: \(error); its layers are independent and decoded without what follows")
                }
            case .endOfSequence, .endOfBitstream:
                try finishPicture()
                positions.endOfSequence(layer: nal.header.nuhLayerId)
                messages.endOfSequence()
            case .accessUnitDelimiter:
                try finishPicture()
                positions.boundary()
            case .prefixSEI:
                try finishPicture()
                if !beginsAnywhere, nal.header.nuhLayerId == 0, let messages = try? SEIMessage.messages(rbsp: nal.rbsp)
                {
                    beginsAnywhere = messages.contains { $0.payloadType == SEIMessage.recoveryPoint }
                }
                try options.prefixSEI?(nal)
                messages.observe(nal)
            case .suffixSEI:
                // Without --verify a hash only serves where decoders disagree about motion between layers.
                if options.verify || nal.header.nuhLayerId > 0 { try readHash(nal) }
            default:
                if type.isSlice { try addSliceSegment(nal) }
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
        for waiting in early.take() { try decode(waiting) }
        try finishPicture()
        endSequence()
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

    /// An IRAP picture of the base layer or another VPS came. Where the VPS named a highest layer of which nothing
    /// came, nothing was shown.
    func endSequence() {
        defer { sequence = (false, 0) }
        guard case .highest = options.output, !sequence.hasOutput, sequence.pictures > 0 else { return }
        report.unseenPictures += sequence.pictures
        report.noteOnce(
            "pictures of lower layers come without any of the highest layer that the VPS names: they are not shown "
                + "(--layer)")
    }

    /// Layers of a VPS of which nothing is decoded for what is put out.
    package static func unneededLayers(_ output: OutputLayers, vps: VideoParameterSet) -> Set<Int> {
        LayerSelection.unneeded(output, vps: vps)
    }

    /// Which layers are wanted, by the VPS at hand.
    func selection() throws -> LayerSelection {
        if isSelectionCurrent, let lastSelection { return lastSelection }
        let vps = baseSps.map { sets.videoParameterSet(of: $0) } ?? sets.anyVps
        let made = try LayerSelection(options.output, vps: vps)
        if made.output != lastOutput { endSequence() }
        lastOutput = made.output
        for id in made.auxiliary.sorted() {
            let message = "layer \(id): auxiliary pictures (AuxId = \(vps?.auxId(ofLayer: id) ?? 0)), skipped"
            if !report.messages.contains(message) { report.note(message) }
        }
        lastSelection = made
        isSelectionCurrent = true
        return made
    }

}
