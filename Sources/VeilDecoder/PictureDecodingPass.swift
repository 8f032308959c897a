// SPDX-License-Identifier: GPL-2.0-or-later
import Synchronization
import VeilBitstream
import VeilCore
import VeilEntropy
import VeilRecon
import VeilSystem

/// One pass over a picture: its jobs parse and reconstruct, the in-loop filters follow row by row.
///
/// Jobs may run on several threads, each begun after the ones before it; `finish` comes after all of them.
final class PictureDecodingPass: @unchecked Sendable {
    private let decoding: PictureDecoding
    private let segments: [SliceSegmentJob]
    private let plan: SubstreamPlan
    private let grid: CTBGrid
    private let reconstruction: PictureReconstruction
    private let filter: InLoopFilter
    private let completion: RowCompletion
    private let progress: ProgressCounters
    /// Contexts that a CTB row leaves to the row below, by column of tiles.
    private let contextRows: [ContextStore]
    /// Syntax state along the bottom of CTB rows, by slice and by row of tiles: nothing is read across. Made when a
    /// job needs it: of many small slices in many tiles few ever meet.
    private var lines: [Int: AboveContext] = [:]
    private let tiles: TileRaster
    private let lock = Lock()
    private var failed: Set<Int> = []

    init(_ decoding: PictureDecoding, segments: [SliceSegmentJob], plan: SubstreamPlan, publishes: Bool) {
        self.decoding = decoding
        self.segments = segments
        self.plan = plan
        let sets = decoding.sets
        grid = sets.grid
        let reconstruction = PictureReconstruction(picture: decoding.picture, grid: grid)
        for segment in segments where segment.beginsSlice { reconstruction.add(slice: segment.context) }
        self.reconstruction = reconstruction
        let filter = InLoopFilter(
            picture: reconstruction, saoEnabled: sets.sps.sampleAdaptiveOffsetEnabledFlag, publishes: publishes)
        self.filter = filter
        completion = RowCompletion(widthInCtbs: grid.widthInCtbs, heightInCtbs: grid.heightInCtbs) {
            filter.advance(reconstructedRows: $0)
        }
        progress = ProgressCounters(count: plan.jobs.count)
        let tiles = TileRaster(grid)
        self.tiles = tiles
        let rows = sets.pps.entropyCodingSyncEnabledFlag ? grid.heightInCtbs : 0
        contextRows = (0..<tiles.columns).map { _ in ContextStore(picHeightInCtbs: rows) }
    }

    private func line(slice: Int, tileRow: Int) -> AboveContext {
        lock.withLock {
            let key = slice * tiles.rows + tileRow
            if let known = lines[key] { return known }
            let made = AboveContext(picWidthInMinCbs: decoding.sets.sps.picWidthInMinCbsY)
            lines[key] = made
            return made
        }
    }

    /// Decodes what one job holds. `hook` serves this job alone while it runs.
    func run(_ job: Int, _ workspace: DecodingWorkspace, hook: HookBox?) {
        let pieces = plan.jobs[job]
        let first = Int(grid.ctbAddrTsToRs[pieces[0].firstTs])
        let store = ContextStore(sharingRowsOf: contextRows[tiles.columnOf[first % grid.widthInCtbs]])
        let tileRow = tiles.rowOf[first / grid.widthInCtbs]
        var lines = line(slice: segments[pieces[0].segment].context.sliceIndex, tileRow: tileRow)
        // Through several tiles others would write into these lines.
        if pieces.contains(where: { SubstreamPlan.spansTiles($0, grid) }) {
            lines = AboveContext(picWidthInMinCbs: decoding.sets.sps.picWidthInMinCbsY)
        }
        var done = 0
        var end = pieces[0].firstTs
        for (i, piece) in pieces.enumerated() {
            let isWhole =
                end == piece.firstTs && (i > 0 || !needsPredecessor(piece))
                && decode(piece, job, &done, workspace, store, lines, hook)
            if !isWhole {
                lock.withLock { for piece in pieces[i...] { failed.insert(piece.segment) } }
                break
            }
            end = pieces[0].firstTs + done
        }
        progress.end(job, at: done)
    }

    /// A dependent slice segment that begins amid a row, whose predecessor is not there.
    private func needsPredecessor(_ piece: SubstreamPlan.Piece) -> Bool {
        let segment = segments[piece.segment]
        return piece.beginsSegment && segment.header.dependentSliceSegmentFlag
            && !grid.beginsSubstream(piece.firstTs, wpp: segment.parameters.entropyCodingSyncEnabledFlag)
    }

    private func decode(
        _ piece: SubstreamPlan.Piece, _ job: Int, _ done: inout Int, _ workspace: DecodingWorkspace,
        _ store: ContextStore,
        _ lines: AboveContext,
        _ hook: HookBox?
    ) -> Bool {
        let segment = segments[piece.segment]
        let context = segment.context
        let grid = grid
        let ctu = workspace.syntax.ctu
        return segment.rbsp.withUnsafeBufferPointer { rbsp in
            let data = UnsafeBufferPointer(rebasing: rbsp[min(piece.firstByte, rbsp.count)...])
            let substream = SliceData.reader(
                parameters: segment.parameters, data: data, store: store, lines: lines,
                scratch: workspace.syntax.scratch, contexts: workspace.syntax.contexts,
                hook: segment.bypassesHooks ? nil : hook, unit: decoding.unit)
            var begin = true
            var first = piece.beginsSegment
            var ts = piece.firstTs
            while ts < piece.endTs {
                let rs = Int(grid.ctbAddrTsToRs[ts])
                if !isReady(ts, rs, context, job) { return false }
                ctu.reset(
                    ctbAddrRs: rs, xCtb: (rs % grid.widthInCtbs) << grid.log2CtbSize,
                    yCtb: (rs / grid.widthInCtbs) << grid.log2CtbSize)
                if begin { substream.begin(ctbAddrRs: rs, first: first) }
                first = false
                let step = substream.code(ctu)
                if step == .failed { return false }
                workspace.reconstructor.reconstruct(ctu: ctu, slice: context, picture: reconstruction)
                ts += 1
                done += 1
                progress.advance(job, to: done)
                completion.finish(ctb: rs)
                switch step {
                case .more: begin = false
                case .endOfSubstream:
                    if ts == piece.endTs { return !piece.endsSegment }
                    begin = true
                case .endOfSegment, .failed: return piece.endsSegment
                }
            }
            return false
        }
    }

    /// Waits for the CTUs above that a CTU's slice and tile make available to it; false when they were lost.
    @inline(__always)
    private func isReady(_ ts: Int, _ rs: Int, _ context: SliceContext, _ job: Int) -> Bool {
        let available = context.neighbours(ofCtb: rs)
        let above = rs &- grid.widthInCtbs
        let needed: Int
        if available.hasUpRight {
            needed = above &+ 1
        } else if available.hasUp {
            needed = above
        } else if available.hasUpLeft {
            needed = above &- 1
        } else {
            return true
        }
        let neededTs = Int(grid.ctbAddrRsToTs[needed])
        let other = Int(plan.jobOf[neededTs])
        if other == job { return true }
        return other >= 0 && progress.wait(other, for: neededTs &- plan.firstTs[other] &+ 1)
    }

    /// Conceals what is missing and completes the picture.
    func finish() -> PictureOutcome {
        var result = PictureOutcome()
        result.failedSlices = failed.count + plan.repeated
        result.repeatedSlices = plan.repeated
        result.concealedCTUs = Concealment.fill(reconstruction, from: decoding.interLayer.first ?? decoding.concealment)
        filter.advance(reconstructedRows: grid.heightInCtbs)
        return result
    }
}

/// Which row and which column of tiles a CTB row and column belong to.
private struct TileRaster {
    let rowOf: [Int]
    let columnOf: [Int]
    var rows: Int { (rowOf.last ?? 0) + 1 }
    var columns: Int { (columnOf.last ?? 0) + 1 }

    init(_ grid: CTBGrid) {
        func count(_ starts: MutableBufferView<Int32>, _ n: Int) -> [Int] {
            var result = [0]
            for i in 1..<max(n, 1) { result.append(result[i - 1] + (starts[i] != starts[i - 1] ? 1 : 0)) }
            return result
        }
        rowOf = count(grid.tileY0.view, grid.heightInCtbs)
        columnOf = count(grid.tileX0.view, grid.widthInCtbs)
    }
}
