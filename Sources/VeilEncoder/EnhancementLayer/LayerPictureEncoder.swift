// SPDX-License-Identifier: GPL-2.0-or-later
import Synchronization
import VeilBitstream
import VeilCore
import VeilEntropy
import VeilRecon
import VeilSystem

/// Everything that stays the same over the pictures of one enhancement layer.
package final class LayerConfiguration: @unchecked Sendable {
    package let layerId: Int
    package let sps: SequenceParameterSet
    package let pps: PictureParameterSet
    /// The same with transform_skip_enabled_flag, for pictures that look drawn.
    package let screenContentPps: PictureParameterSet?
    package let vps: VideoParameterSet
    package let effort: DecisionEffort
    package let grid: CTBGrid
    /// Whether rows are decided side by side: where they are substreams, or are written only when the one above is
    /// complete.
    var decidesInRows: Bool { pps.entropyCodingSyncEnabledFlag || joinsRows }
    /// Whether rows are decided side by side and then written into one substream.
    var joinsRows: Bool { sps.sampleAdaptiveOffsetEnabledFlag && !pps.entropyCodingSyncEnabledFlag }
    /// Records of CTUs that wait for being written.
    let records = ObjectPool { CodingTreeUnit() }
    /// Working memory, for one worker each.
    let memories: ObjectPool<DecisionMemory>
    /// Of the layer's pictures.
    let format: PictureFormat

    /// `sps` must be resolved for the layer.
    package init(
        layerId: Int, sps: SequenceParameterSet, pps: PictureParameterSet, screenContentPps: PictureParameterSet? = nil,
        vps: VideoParameterSet,
        effort: DecisionEffort
    ) throws {
        self.layerId = layerId
        self.sps = sps
        self.pps = pps
        self.screenContentPps = screenContentPps
        self.vps = vps
        self.effort = effort
        grid = try CTBGrid(sps: sps, pps: pps)
        format = sps.format
        let isNarrow = format.fitsBytes
        memories = ObjectPool { DecisionMemory(isNarrow: isNarrow) }
    }
}

/// Codes one picture of an enhancement layer: decides, writes through the hook, reconstructs with the decoder's own
/// process and filters.
///
/// CTB rows run on several workers as wavefronts: a row follows the one above by two CTUs, as
/// entropy_coding_sync_enabled_flag has it. Without that flag decisions still do where they can, and only writing
/// goes from one end of a slice to the other.
package final class LayerPictureEncoder: @unchecked Sendable {
    private let settings: LayerConfiguration
    private let slices: [LayerSlice]
    private let source: FrameBuffer
    private let reconstruction: PictureReconstruction
    private let store: ContextStore
    private let lines: AboveContext
    private let maps: DecisionMaps
    private let filter: InLoopFilter
    private let offsets: QuantizationOffsets?
    private let hooks: (any BinHookProvider)?
    private let unit: BinUnit
    private let lambdaFactor: Double

    /// CTUs decided, by CTB row.
    private let progress: ProgressCounters
    private let nextRow = Atomic<Int>(0)
    private let lock = Lock()
    private let completion: RowCompletion
    private var rows: [[UInt8]]
    /// What `finish` returned, which may be asked twice.
    private var finished: [NALUnit]?

    /// With sample adaptive offset, whose parameters come before a CTU's data and are known only when the rows around
    /// it are deblocked, and where rows are decided side by side that are no substreams, CTUs are written a row
    /// later. Contexts for the decisions then come from a writer whose output nobody sees.
    private let isDeferred: Bool
    private let estimates: (store: ContextStore, lines: AboveContext)
    private let waiting: Buffer<CodingTreeUnit?>
    /// Written without hooks at first, which must see nothing of a picture that does not stay: `accept` writes it
    /// through them.
    private let isTentative: Bool
    private var saoDecision: SAODecision?
    /// The writer of a whole slice where rows are no substreams.
    private var wholeWriter: (any SliceDataCoding)?

    /// `slices` in order, of whole CTB rows; `picture` receives the reconstruction. `isTentative`: the picture may be
    /// given up.
    init(
        settings: LayerConfiguration, slices: [LayerSlice], source: FrameBuffer, picture: CodedPicture,
        hooks: (any BinHookProvider)?,
        unit: BinUnit, lambdaFactor: Double, isTentative: Bool
    ) {
        self.settings = settings
        self.slices = slices
        self.source = source
        self.hooks = hooks
        self.unit = unit
        self.lambdaFactor = lambdaFactor
        self.isTentative = isTentative && hooks != nil
        reconstruction = PictureReconstruction(picture: picture, grid: settings.grid)
        for slice in slices { reconstruction.add(slice: slice.context) }
        store = ContextStore(picHeightInCtbs: settings.grid.heightInCtbs)
        lines = AboveContext(picWidthInMinCbs: settings.sps.picWidthInMinCbsY)
        maps = DecisionMaps(width: settings.grid.width, height: settings.grid.height)
        let filter = InLoopFilter(picture: reconstruction, saoEnabled: settings.sps.sampleAdaptiveOffsetEnabledFlag)
        self.filter = filter
        completion = RowCompletion(widthInCtbs: settings.grid.widthInCtbs, heightInCtbs: settings.grid.heightInCtbs) {
            filter.advance(reconstructedRows: $0)
        }
        offsets =
            settings.pps.cuQpDeltaEnabledFlag
            ? settings.effort.adaptiveQuantization.map { QuantizationOffsets(source: source, settings: $0) } : nil
        progress = ProgressCounters(count: settings.grid.heightInCtbs)
        rows = Array(repeating: [], count: settings.grid.heightInCtbs)
        let hasSAO = slices[0].parameters.sliceSaoLumaFlag
        isDeferred = hasSAO || settings.joinsRows
        estimates = (
            ContextStore(picHeightInCtbs: isDeferred ? settings.grid.heightInCtbs : 0),
            AboveContext(picWidthInMinCbs: isDeferred ? settings.sps.picWidthInMinCbsY : 0)
        )
        waiting = Buffer(repeating: nil, count: settings.grid.count)
        if settings.joinsRows && settings.pps.cuQpDeltaEnabledFlag {
            filter.beforeDeblocking = { [unowned self] row in reassignQps(row: row) }
        }
        if hasSAO {
            saoDecision = SAODecision(
                source: source, picture: reconstruction,
                lambda: CTUDecision.lambda(qp: slices[0].context.sliceQpY))
        }
        if isDeferred { filter.beforeSAO = { [unowned self] row in writeRow(row) } }
    }

    /// How many threads may be in `work` at once.
    package var maxWorkers: Int { settings.decidesInRows ? settings.grid.heightInCtbs : 1 }

    /// One worker of the picture: takes CTB rows, in order, until none is left. Waits for rows of references that are
    /// still being coded.
    package func work() {
        if settings.decidesInRows { workOnRows() } else { encodeWhole() }
    }

    /// Waits until all rows are coded and returns the slices' NAL units.
    package func finish() -> [NALUnit] {
        // The loop filters end after the last row's bytes are kept.
        reconstruction.picture.waitUntilFinished()
        lock.lock()
        defer { lock.unlock() }
        if let finished { return finished }
        let made = slices.map { slice in
            var data: [UInt8] = []
            var ends: [Int] = []
            for row in rows[slice.rows] where !row.isEmpty {
                data.append(contentsOf: row)
                ends.append(data.count)
            }
            return SliceAssembly.nal(
                header: slice.header, data: data, ends: ends, pps: settings.pps, sps: settings.sps, vps: settings.vps,
                startCodeLength: 3)
        }
        finished = made
        return made
    }

    /// The slice that a row belongs to.
    private func slice(row: Int) -> LayerSlice { slices.last { $0.rows.lowerBound <= row } ?? slices[0] }

    private func makeWriter(_ slice: LayerSlice, _ contexts: ContextSet) -> any SliceDataCoding {
        makeWriter(slice, contexts, isTentative ? nil : hooks, store, lines)
    }

    private func makeWriter(
        _ slice: LayerSlice, _ contexts: ContextSet, _ hooks: (any BinHookProvider)?, _ store: ContextStore,
        _ lines: AboveContext
    ) -> any SliceDataCoding {
        SliceData.writer(
            parameters: slice.parameters, store: store, lines: lines, scratch: SyntaxScratch(), contexts: contexts,
            hook: hooks?.makeHook(layer: settings.layerId).map { HookBox($0) }, unit: unit)
    }

    /// The picture stays: what was written without hooks is written again through them. To be called after `finish`.
    package func accept() {
        guard isTentative else { return }
        let store = ContextStore(picHeightInCtbs: settings.grid.heightInCtbs)
        let lines = AboveContext(picWidthInMinCbs: settings.sps.picWidthInMinCbsY)
        let width = settings.grid.widthInCtbs
        let isRow = settings.pps.entropyCodingSyncEnabledFlag
        for slice in slices {
            var writer = makeWriter(slice, ContextSet(), hooks, store, lines)
            for row in slice.rows {
                let isFirst = row == slice.rows.lowerBound
                if isRow && !isFirst { writer = makeWriter(slice, ContextSet(), hooks, store, lines) }
                if isRow || isFirst { writer.begin(ctbAddrRs: row * width, first: isFirst) }
                for rs in row * width..<(row + 1) * width {
                    guard let ctu = waiting[rs] else { continue }
                    _ = writer.code(ctu, last: isLast(rs, of: slice))
                    waiting[rs] = nil
                    settings.records.giveBack(ctu)
                }
                if isRow || row == slice.rows.upperBound - 1 {
                    lock.withLock { rows[isRow ? row : slice.rows.lowerBound] = writer.outputBytes() }
                }
            }
        }
        lock.withLock { finished = nil }
    }

    /// What decisions take their contexts from: the writer itself, or one that only follows.
    private func makeFollower(_ slice: LayerSlice, _ contexts: ContextSet) -> any SliceDataCoding {
        if !isDeferred { return makeWriter(slice, contexts) }
        return SliceData.writer(
            parameters: slice.ofFollowers, store: estimates.store, lines: estimates.lines, scratch: SyntaxScratch(),
            contexts: contexts)
    }

    private func makeDecision(_ slice: LayerSlice, _ memory: DecisionMemory) -> CTUDecision {
        CTUDecision(
            source: source, slice: slice, picture: reconstruction, maps: maps,
            effort: settings.effort, memory: memory, lambdaFactor: lambdaFactor, offsets: offsets)
    }

    private func workOnRows() {
        let memory = settings.memories.borrow()
        var slice = slices[0]
        var decision: CTUDecision?
        let width = settings.grid.widthInCtbs
        while case let row = nextRow.wrappingAdd(1, ordering: .relaxed).oldValue, row < settings.grid.heightInCtbs {
            let own = self.slice(row: row)
            if own !== slice { decision = nil }
            slice = own
            let deciding = decision ?? makeDecision(slice, memory)
            decision = deciding
            let contexts = ContextSet()
            let writer = makeFollower(slice, contexts)
            for column in 0..<width {
                if row > 0 { progress.wait(row - 1, for: min(column + 2, width)) }
                let rs = row * width + column
                if column == 0 { writer.begin(ctbAddrRs: rs, first: row == slice.rows.lowerBound) }
                code(rs, slice, memory, contexts, writer, deciding)
                progress.advance(row, to: column + 1)
            }
            progress.end(row, at: width)
            if !isDeferred { lock.withLock { rows[row] = writer.outputBytes() } }
            completion.finish(row: row)
        }
        settings.memories.giveBack(memory)
    }

    /// Without wavefronts: one substream a slice, one worker.
    private func encodeWhole() {
        let memory = settings.memories.borrow()
        let width = settings.grid.widthInCtbs
        for slice in slices {
            let decision = makeDecision(slice, memory)
            let contexts = ContextSet()
            let writer = makeFollower(slice, contexts)
            writer.begin(ctbAddrRs: slice.rows.lowerBound * width, first: true)
            for row in slice.rows {
                for rs in row * width..<(row + 1) * width { code(rs, slice, memory, contexts, writer, decision) }
                if row == slice.rows.upperBound - 1 && !isDeferred {
                    lock.withLock { rows[slice.rows.lowerBound] = writer.outputBytes() }
                }
                filter.advance(reconstructedRows: row + 1)
            }
        }
        settings.memories.giveBack(memory)
    }

    /// Rows decided side by side begin with SliceQpY as the QP before, which decoders take from the row above.
    private func reassignQps(row: Int) {
        let slice = slice(row: row)
        guard row > slice.rows.lowerBound else { return }
        let width = settings.grid.widthInCtbs
        for rs in row * width..<(row + 1) * width {
            guard let ctu = waiting[rs] else { return }
            if !QuantizationGroups.reassign(
                ctu, parameters: slice.parameters, maps: reconstruction.maps, grid: settings.grid)
            {
                return
            }
        }
    }

    private func code(
        _ rs: Int, _ slice: LayerSlice, _ memory: DecisionMemory, _ contexts: ContextSet, _ writer: any SliceDataCoding,
        _ decision: CTUDecision
    ) {
        let grid = settings.grid
        let isKept = isDeferred || isTentative
        let ctu = isKept ? settings.records.borrow() : memory.record
        ctu.reset(
            ctbAddrRs: rs, xCtb: (rs % grid.widthInCtbs) << grid.log2CtbSize,
            yCtb: (rs / grid.widthInCtbs) << grid.log2CtbSize)
        decision.decide(ctu, contexts: contexts.states.reading)
        _ = writer.code(ctu, last: isLast(rs, of: slice))
        memory.marker.mark(ctu: ctu, slice: slice.context, picture: reconstruction)
        if isKept { waiting[rs] = ctu }
    }

    /// Whether a slice ends with a CTU.
    private func isLast(_ rs: Int, of slice: LayerSlice) -> Bool {
        rs == slice.rows.upperBound * settings.grid.widthInCtbs - 1
    }

    /// Decides the offsets of a row's CTUs, if there are any, and writes them. Rows come in order, from one thread at
    /// a time.
    private func writeRow(_ row: Int) {
        let width = settings.grid.widthInCtbs
        let isRow = settings.pps.entropyCodingSyncEnabledFlag
        let slice = slice(row: row)
        let isFirst = row == slice.rows.lowerBound
        let writer = wholeWriter ?? makeWriter(slice, ContextSet())
        if isRow || isFirst { writer.begin(ctbAddrRs: row * width, first: isFirst) }
        for rs in row * width..<(row + 1) * width {
            guard let ctu = waiting[rs] else { continue }
            if let saoDecision {
                ctu.sao = saoDecision.decide(ctbAddrRs: rs)
                reconstruction.maps.ctbs[rs].sao = ctu.sao
            }
            _ = writer.code(ctu, last: isLast(rs, of: slice))
            if !isTentative {
                waiting[rs] = nil
                settings.records.giveBack(ctu)
            }
        }
        if isRow {
            lock.withLock { rows[row] = writer.outputBytes() }
        } else {
            let isDone = row == slice.rows.upperBound - 1
            wholeWriter = isDone ? nil : writer
            if isDone { lock.withLock { rows[slice.rows.lowerBound] = writer.outputBytes() } }
        }
    }
}
