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
package final class LayerPictureEncoder {
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

    private let condition = NSCondition()
    /// CTUs finished in each row.
    private var done: [Int]
    private var nextRow = 0
    private var rowsFiltered = 0
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
        done = Array(repeating: 0, count: settings.grid.heightInCtbs)
        rows = Array(repeating: [], count: settings.grid.heightInCtbs)
    }

    /// Codes the picture and returns its slice NAL unit.
    package func encode(threads: Int) -> NALUnit {
        let wavefront = settings.pps.entropyCodingSyncEnabledFlag
        let workers = wavefront ? min(max(threads, 1), settings.grid.heightInCtbs) : 1
        if !wavefront {
            encodeWhole()
        } else if workers == 1 {
            work()
        } else {
            let job = UncheckedBox(self)
            DispatchQueue.concurrentPerform(iterations: workers) { _ in job.value.work() }
        }
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

    private func makeDecision() -> CTUDecision {
        CTUDecision(
            source: source, slice: slice, picture: reconstruction, parameters: parameters, maps: maps, effort: settings.effort,
            memory: DecisionMemory())
    }

    /// One worker of a wavefront: takes rows until none is left.
    private func work() {
        let decision = makeDecision()
        let reconstructor = CTUReconstructor()
        let ctu = CodingTreeUnit()
        let grid = settings.grid
        while let row = takeRow() {
            let contexts = ContextSet()
            let writer = makeWriter(contexts)
            for column in 0..<grid.widthInCtbs {
                waitForRow(above: row, column: column)
                let rs = row * grid.widthInCtbs + column
                if column == 0 { writer.begin(ctbAddrRs: rs, first: row == 0) }
                code(rs, ctu, contexts, writer, decision, reconstructor, last: rs == grid.count - 1)
                finished(row: row)
            }
            finish(row: row, bytes: writer.outputBytes())
        }
    }

    /// Without wavefronts: one substream, one worker.
    private func encodeWhole() {
        let decision = makeDecision()
        let reconstructor = CTUReconstructor()
        let ctu = CodingTreeUnit()
        let contexts = ContextSet()
        let writer = makeWriter(contexts)
        writer.begin(ctbAddrRs: 0, first: true)
        let grid = settings.grid
        for rs in 0..<grid.count {
            code(rs, ctu, contexts, writer, decision, reconstructor, last: rs == grid.count - 1)
            if (rs + 1) % grid.widthInCtbs == 0 { filter.advance(reconstructedRows: (rs + 1) / grid.widthInCtbs) }
        }
        rows[0] = writer.outputBytes()
    }

    private func code(
        _ rs: Int, _ ctu: CodingTreeUnit, _ contexts: ContextSet, _ writer: Substream, _ decision: CTUDecision,
        _ reconstructor: CTUReconstructor, last: Bool
    ) {
        let grid = settings.grid
        ctu.reset(
            ctbAddrRs: rs, xCtb: (rs % grid.widthInCtbs) << grid.log2CtbSize, yCtb: (rs / grid.widthInCtbs) << grid.log2CtbSize)
        decision.decide(ctu, contexts: contexts.states)
        _ = writer.code(ctu, last: last)
        ctu.fillSparse()
        reconstructor.reconstruct(ctu: ctu, slice: slice, picture: reconstruction)
    }

    // MARK: Wavefront

    private func takeRow() -> Int? {
        condition.lock()
        defer { condition.unlock() }
        guard nextRow < settings.grid.heightInCtbs else { return nil }
        nextRow += 1
        return nextRow - 1
    }

    private func waitForRow(above row: Int, column: Int) {
        if row == 0 { return }
        let wanted = min(column + 2, settings.grid.widthInCtbs)
        condition.lock()
        while done[row - 1] < wanted { condition.wait() }
        condition.unlock()
    }

    private func finished(row: Int) {
        condition.lock()
        done[row] += 1
        condition.broadcast()
        condition.unlock()
    }

    private func finish(row: Int, bytes: [UInt8]) {
        condition.lock()
        rows[row] = bytes
        while rowsFiltered < done.count && done[rowsFiltered] == settings.grid.widthInCtbs {
            rowsFiltered += 1
            filter.advance(reconstructedRows: rowsFiltered)
        }
        condition.unlock()
    }
}

/// Carries a reference into concurrently executed code that is known to be safe.
struct UncheckedBox<T>: @unchecked Sendable {
    let value: T
    init(_ value: T) { self.value = value }
}
