// SPDX-License-Identifier: GPL-2.0-or-later
import Foundation
import VeilBins
import VeilRecon
import VeilSyntax

/// Everything that stays the same over the pictures of one enhancement layer.
package final class LayerSettings: @unchecked Sendable {
    package let layerId: Int
    package let sps: SequenceParameterSet
    package let pps: PictureParameterSet
    package let vps: VideoParameterSet
    package let effort: DecisionEffort
    package let grid: CTBGrid
    package let layout: CTBLayout
    private let lock = NSLock()
    private nonisolated(unsafe) var memories: [DecisionMemory] = []

    /// Working memory for one worker; to be given back.
    func takeMemory() -> DecisionMemory { lock.withLock { memories.popLast() } ?? DecisionMemory() }
    func giveBack(_ memory: DecisionMemory) { lock.withLock { memories.append(memory) } }

    /// `sps` must be resolved for the layer.
    package init(
        layerId: Int, sps: SequenceParameterSet, pps: PictureParameterSet, vps: VideoParameterSet, effort: DecisionEffort
    ) throws {
        self.layerId = layerId
        self.sps = sps
        self.pps = pps
        self.vps = vps
        self.effort = effort
        grid = CTBGrid(width: sps.picWidthInLumaSamples, height: sps.picHeightInLumaSamples, log2CtbSize: sps.ctbLog2SizeY)
        layout = try CTBLayout(sps: sps, pps: pps)
    }
}

/// Codes one picture of an enhancement layer: decides, writes through the hook, reconstructs with the decoder's own process and filters.
///
/// CTB rows run on `threads` workers as wavefronts: a row follows the one above by two CTUs, as entropy_coding_sync_enabled_flag has it.
package final class LayerPictureEncoder: @unchecked Sendable {
    private let settings: LayerSettings
    private let header: SliceSegmentHeader
    private let parameters: SliceParameters
    private let slice: SliceContext
    private let source: FrameBuffer
    private let reconstruction: PictureReconstruction
    private let store: ContextStore
    private let lines: SyntaxLines
    private let maps: DecisionMaps
    private let filter: InLoopFilter
    private let hooks: (any BinHookProvider)?
    private let unit: BinUnit

    private let progress: RowProgress
    private let lock = NSLock()
    private var rowsFiltered = 0
    private var isFiltering = false
    private var rows: [[UInt8]]

    /// `context` holds the references; `picture` receives the reconstruction.
    package init(
        settings: LayerSettings, header: SliceSegmentHeader, context: SliceContext, source: FrameBuffer, picture: CodedPicture,
        hooks: (any BinHookProvider)?, unit: BinUnit
    ) {
        self.settings = settings
        self.header = header
        slice = context
        self.source = source
        self.hooks = hooks
        self.unit = unit
        parameters = SliceParameters(header: header, sps: settings.sps, pps: settings.pps, layout: settings.layout)
        reconstruction = PictureReconstruction(picture: picture, grid: settings.grid)
        reconstruction.add(slice: context)
        store = ContextStore(picHeightInCtbs: settings.grid.heightInCtbs)
        lines = SyntaxLines(picWidthInMinCbs: settings.sps.picWidthInMinCbsY)
        maps = DecisionMaps(width: settings.grid.width, height: settings.grid.height)
        filter = InLoopFilter(picture: reconstruction, saoEnabled: settings.sps.sampleAdaptiveOffsetEnabledFlag)
        progress = RowProgress(rows: settings.grid.heightInCtbs)
        rows = Array(repeating: [], count: settings.grid.heightInCtbs)
    }

    /// How many threads may be in `work` at once.
    package var maxWorkers: Int { settings.pps.entropyCodingSyncEnabledFlag ? settings.grid.heightInCtbs : 1 }

    /// One worker of the picture: takes CTB rows, in order, until none is left. Waits for rows of references that are still being coded.
    package func work() {
        if settings.pps.entropyCodingSyncEnabledFlag { workOnRows() } else { encodeWhole() }
    }

    /// Waits until all rows are coded and returns the slice NAL unit.
    package func finish() -> NALUnit {
        // The loop filters end after the last row's bytes are kept.
        reconstruction.picture.waitUntilFinished()
        lock.lock()
        defer { lock.unlock() }
        var data: [UInt8] = []
        var ends: [Int] = []
        for row in rows where !row.isEmpty {
            data.append(contentsOf: row)
            ends.append(data.count)
        }
        return SliceAssembly.nal(
            header: header, data: data, ends: ends, pps: settings.pps, sps: settings.sps, vps: settings.vps)
    }

    private func makeWriter(_ contexts: ContextSet) -> Substream {
        Substream.writer(
            parameters: parameters, store: store, lines: lines, scratch: SyntaxScratch(), contexts: contexts,
            hook: hooks?.makeHook(layer: settings.layerId).map { HookBox($0) }, unit: unit)
    }

    private func makeDecision(_ memory: DecisionMemory) -> CTUDecision {
        CTUDecision(
            source: source, slice: slice, picture: reconstruction, parameters: parameters, maps: maps, effort: settings.effort,
            memory: memory)
    }

    private func workOnRows() {
        let memory = settings.takeMemory()
        let decision = makeDecision(memory)
        let width = settings.grid.widthInCtbs
        while let row = progress.take() {
            let contexts = ContextSet()
            let writer = makeWriter(contexts)
            for column in 0..<width {
                if row > 0 { progress.wait(row: row - 1, count: min(column + 2, width)) }
                let rs = row * width + column
                if column == 0 { writer.begin(ctbAddrRs: rs, first: row == 0) }
                code(rs, memory, contexts, writer, decision, last: rs == settings.grid.count - 1)
                progress.advance(row: row)
            }
            finish(row: row, bytes: writer.outputBytes())
        }
        settings.giveBack(memory)
    }

    /// Without wavefronts: one substream, one worker.
    private func encodeWhole() {
        let memory = settings.takeMemory()
        let decision = makeDecision(memory)
        let contexts = ContextSet()
        let writer = makeWriter(contexts)
        writer.begin(ctbAddrRs: 0, first: true)
        let grid = settings.grid
        for rs in 0..<grid.count {
            code(rs, memory, contexts, writer, decision, last: rs == grid.count - 1)
            if rs == grid.count - 1 { lock.withLock { rows[0] = writer.outputBytes() } }
            if (rs + 1) % grid.widthInCtbs == 0 { filter.advance(reconstructedRows: (rs + 1) / grid.widthInCtbs) }
        }
        settings.giveBack(memory)
    }

    private func code(
        _ rs: Int, _ memory: DecisionMemory, _ contexts: ContextSet, _ writer: Substream, _ decision: CTUDecision, last: Bool
    ) {
        let grid = settings.grid
        let ctu = memory.record
        ctu.reset(
            ctbAddrRs: rs, xCtb: (rs % grid.widthInCtbs) << grid.log2CtbSize, yCtb: (rs / grid.widthInCtbs) << grid.log2CtbSize)
        decision.decide(ctu, contexts: contexts.states)
        _ = writer.code(ctu, last: last)
        memory.marker.mark(ctu: ctu, slice: slice, picture: reconstruction)
    }

    /// A row is coded: filters what can be.
    private func finish(row: Int, bytes: [UInt8]) {
        lock.lock()
        rows[row] = bytes
        // One worker at a time filters what is ready, without holding up the others.
        while !isFiltering && rowsFiltered < rows.count && isCoded(row: rowsFiltered) {
            while rowsFiltered < rows.count && isCoded(row: rowsFiltered) { rowsFiltered += 1 }
            isFiltering = true
            let ready = rowsFiltered
            lock.unlock()
            filter.advance(reconstructedRows: ready)
            lock.lock()
            isFiltering = false
        }
        lock.unlock()
    }

    /// Whether a row is coded and its bytes are kept.
    private func isCoded(row: Int) -> Bool { !rows[row].isEmpty }
}
