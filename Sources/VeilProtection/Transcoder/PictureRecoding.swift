// SPDX-License-Identifier: GPL-2.0-or-later
import Foundation
import Synchronization
import VeilBitstream
import VeilCore
import VeilEntropy

/// The slice segments of one picture, parsed and coded again with their encryptable bins replaced. No sample is
/// touched.
///
/// Substreams (tiles, WPP rows) and slices are recoded side by side where the headers tell where they are: `plan`,
/// then `run` each task, from any thread but in ascending order, then `finish`. What comes out does not depend on it:
/// a slice whose headers told something else than its data, or whose data cannot be parsed, is recoded again from its
/// beginning, as one thread would have done it.
final class PictureRecoding: @unchecked Sendable {
    private let hooks: HookPool
    private let unit: BinUnit
    private let grid: CTBGrid
    private let sps: SequenceParameterSet
    private let picWidthInCtbs: Int
    private let ctbLog2Size: Int
    private var segments: [RecodingSegment] = []
    private var plan: SubstreamPlan?
    private let unfinished = Atomic<Int>(0)
    private var progress: RecodingProgress?
    private let store: ContextStore
    private var lines: AboveContext?
    /// By task, then by piece; nil where a piece was not what the headers announced.
    private var outcomes: [[[UInt8]]?] = []
    private let lock = NSLock()
    /// Tile-scan address after the last CTB, by segment that was recoded.
    private var ends: [Int: Int] = [:]
    /// What came of each segment.
    private(set) var results: [RecodedSegment] = []
    private let restores: Bool

    /// - Parameter restores: recode only what recoding with the opposite hooks gives back byte for byte.
    init(hooks: HookPool, unit: BinUnit, grid: CTBGrid, sps: SequenceParameterSet, restores: Bool) {
        self.hooks = hooks
        self.restores = restores
        self.unit = unit
        self.grid = grid
        self.sps = sps
        picWidthInCtbs = sps.picWidthInCtbsY
        ctbLog2Size = sps.ctbLog2SizeY
        store = ContextStore(picHeightInCtbs: sps.picHeightInCtbsY)
    }

    /// Adds a slice segment; its result will stand at the index returned.
    /// - Parameter isSealed: leave it as it is.
    func add(
        _ nal: NALUnit, header: SliceSegmentHeader, payload: EmulationPrevention.Parts, pps: PictureParameterSet,
        isSealed: Bool = false
    ) -> Int {
        byteCount += nal.bytes.count
        segments.append(
            RecodingSegment(
                nal, header: header, payload: payload,
                parameters: SliceParameters(header: header, sps: sps, pps: pps, grid: grid)))
        segments[segments.count - 1].hasExtension = pps.sliceSegmentHeaderExtensionPresentFlag
        if isSealed {
            segments[segments.count - 1].failure = .sealed
        } else if restores && !payload.isCanonical {
            segments[segments.count - 1].failure = .emulationPrevention
        }
        return segments.count - 1
    }

    /// Size of the slice segments so far.
    private(set) var byteCount = 0

    /// The segment as it came.
    func original(_ index: Int) -> NALUnit { segments[index].nal }

    /// Once all segments are there: how many tasks there are.
    func plan(isParallel: Bool) -> Int {
        if let plan { return max(plan.tasks.count, 1) }
        let made = SubstreamPlan(segments, grid: grid, isParallel: isParallel)
        plan = made
        let count = made.tasks.count
        if count > 0 {
            outcomes = Array(repeating: nil, count: count)
            progress = RecodingProgress(ctbCount: grid.count)
            lines = AboveContext(picWidthInMinCbs: sps.picWidthInMinCbsY, rows: max(sps.picHeightInCtbsY, 2))
        }
        unfinished.store(max(count, 1), ordering: .sequentiallyConsistent)
        return max(count, 1)
    }

    /// Works on a task. Whoever finishes the last one puts the segments together.
    func run(task: Int, _ workspaces: RecodingWorkspacePool) {
        guard let plan else { return }
        let workspace = workspaces.take()
        defer { workspaces.giveBack(workspace) }
        if !plan.tasks.isEmpty, let progress, let lines {
            let outcome = hooks.take().flatMap { hook in
                defer { hooks.giveBack(hook) }
                return recode(plan.tasks[task], of: plan.ranges[task], hook, progress, lines, workspace)
            }
            lock.withLock { outcomes[task] = outcome }
            // Whatever came of it, nobody needs to wait any longer.
            progress.finish(plan.ranges[task].lazy.map { [grid] in Int(grid.ctbAddrTsToRs[$0]) })
        }
        if unfinished.wrappingSubtract(1, ordering: .sequentiallyConsistent).newValue == 0 { finish(plan, workspace) }
    }

    // MARK: Substreams

    private func recode(
        _ pieces: [SubstreamPiece], of range: Range<Int>, _ hook: HookBox, _ progress: RecodingProgress,
        _ lines: AboveContext,
        _ workspace: RecodingWorkspace
    ) -> [[UInt8]]? {
        let store = ContextStore(sharingRowsOf: self.store)
        var result: [[UInt8]] = []
        for (i, piece) in pieces.enumerated() {
            let end = i + 1 < pieces.count ? pieces[i + 1].start : range.upperBound
            let segment = segments[piece.segment]
            let data = segment.rbsp.withUnsafeBufferPointer { rbsp -> [UInt8]? in
                let bytes = UnsafeBufferPointer(rebasing: UnsafeBufferPointer(rebasing: rbsp[segment.data])[piece.data])
                let substream = makeSubstream(segment, bytes, store, lines, hook, workspace)
                var ts = piece.start
                while ts < end {
                    waitForNeighbours(of: ts, begins: ts == piece.start, in: range, segment.parameters, progress)
                    let rs = enter(ts, workspace)
                    if ts == piece.start { substream.begin(ctbAddrRs: rs, first: piece.beginsSegment) }
                    let step = substream.code(workspace.ctu)
                    ts += 1
                    progress.finish(CollectionOfOne(rs))
                    switch step {
                    case .failed: return nil
                    case .more: continue
                    case .endOfSubstream, .endOfSegment:
                        // The next piece begins where this one ends, in the data and in the picture.
                        let isLast = step == .endOfSegment
                        guard isLast == piece.endsSegment, isLast || substream.outputCount == bytes.count else {
                            return nil
                        }
                        guard ts == end || (isLast && end == grid.count) else { return nil }
                        // Recoding in order tells what is wrong.
                        if restores && !substream.isRegular { return nil }
                        return substream.outputBytes()
                    }
                }
                return nil
            }
            guard let data else { return nil }
            result.append(data)
        }
        return result
    }

    /// A row waits for the contexts that the row above leaves behind its second CTB, and each CTB for the one above.
    private func waitForNeighbours(
        of ts: Int, begins: Bool, in range: Range<Int>, _ p: SliceParameters, _ progress: RecodingProgress
    ) {
        let width = picWidthInCtbs
        let rs = Int(grid.ctbAddrTsToRs[ts])
        func waits(for other: Int) -> Bool {
            let at = Int(grid.ctbAddrRsToTs[other])
            return at < range.lowerBound && at >= Int(grid.ctbAddrRsToTs[p.sliceAddrRs])
                && grid.areInSameTile(other, rs)
        }
        if rs < width { return }
        let above = rs - width
        if begins && p.entropyCodingSyncEnabledFlag && rs % width + 1 < width && waits(for: above + 1) {
            progress.wait(for: above + 1)
        }
        if !waits(for: above) || progress.isDone(above) { return }
        // Whoever has to wait lets the row above get ahead a little: waiting costs as much as several CTBs.
        let ahead = above + min(4, width - 1 - rs % width)
        progress.wait(for: waits(for: ahead) ? ahead : above)
    }

    private func makeSubstream(
        _ segment: RecodingSegment, _ data: UnsafeBufferPointer<UInt8>, _ store: ContextStore, _ lines: AboveContext,
        _ hook: HookBox,
        _ workspace: RecodingWorkspace
    ) -> Substream {
        Substream.recoder(
            parameters: segment.parameters, data: data, store: store, lines: lines, scratch: workspace.scratch,
            contexts: workspace.contexts, hook: hook, unit: unit)
    }

    private func enter(_ ts: Int, _ workspace: RecodingWorkspace) -> Int {
        let rs = Int(grid.ctbAddrTsToRs[ts])
        workspace.ctu.reset(
            ctbAddrRs: rs, xCtb: (rs % picWidthInCtbs) << ctbLog2Size, yCtb: (rs / picWidthInCtbs) << ctbLog2Size)
        return rs
    }

    // MARK: Slices

    private func finish(_ plan: SubstreamPlan, _ workspace: RecodingWorkspace) {
        results = segments.map { .failed($0.failure ?? .sliceData) }
        var pieces: [[[UInt8]]] = Array(repeating: [], count: segments.count)
        var isWhole = Array(repeating: !plan.tasks.isEmpty, count: plan.slices.count)
        for (task, outcome) in outcomes.enumerated() {
            guard let outcome else {
                isWhole[plan.sliceOfTask[task]] = false
                continue
            }
            for (piece, data) in zip(plan.tasks[task], outcome) { pieces[piece.segment].append(data) }
        }
        for (slice, members) in plan.slices.enumerated() {
            if isWhole[slice] {
                for index in members {
                    ends[index] = plan.end(of: index)
                    var end = 0
                    let pieceEnds = pieces[index].map { piece in
                        end += piece.count
                        return end
                    }
                    results[index] = assembled(segments[index], Array(pieces[index].joined()), ends: pieceEnds)
                }
            } else {
                recodeInOrder(members, workspace)
            }
        }
        refuseOverlaps(plan)
        outcomes = []
        lines = nil
        progress = nil
    }

    /// No CTU is coded twice in a picture: of slices that overlap, the first ones count.
    private func refuseOverlaps(_ plan: SubstreamPlan) {
        if !restores { return }
        var covered = 0
        for (index, segment) in segments.enumerated() {
            guard case .recoded = results[index] else { continue }
            let start = Int(grid.ctbAddrRsToTs[segment.header.sliceSegmentAddress])
            if start < covered { results[index] = .failed(.overlap) } else { covered = max(covered, ends[index] ?? 0) }
        }
    }

    /// A slice's segments one after the other, whatever their entry points say.
    private func recodeInOrder(_ members: Range<Int>, _ workspace: RecodingWorkspace) {
        guard let hook = hooks.take() else { return }
        defer { hooks.giveBack(hook) }
        let lines = AboveContext(picWidthInMinCbs: sps.picWidthInMinCbsY)
        // Where the next dependent segment must begin.
        var next: Int?
        for index in members {
            let segment = segments[index]
            guard segment.header.sliceSegmentAddress < grid.count else { return }
            let start = Int(grid.ctbAddrRsToTs[segment.header.sliceSegmentAddress])
            // A segment that goes on with the contexts of one that is missing cannot be parsed.
            if segment.failure != nil || segment.header.dependentSliceSegmentFlag && next != start { return }
            next = nil
            guard let recoded = recodeInOrder(segment, from: start, hook, lines, workspace) else { return }
            guard recoded.isRegular || !restores else {
                results[index] = .failed(.codeEnd)
                return
            }
            results[index] = assembled(segment, recoded.data, ends: recoded.ends)
            ends[index] = recoded.next
            next = recoded.next
        }
    }

    private func recodeInOrder(
        _ segment: RecodingSegment, from start: Int, _ hook: HookBox, _ lines: AboveContext,
        _ workspace: RecodingWorkspace
    ) -> (data: [UInt8], ends: [Int], next: Int, isRegular: Bool)? {
        if segment.data.isEmpty { return nil }
        var ends: [Int] = []
        return segment.rbsp.withUnsafeBufferPointer { rbsp in
            let substream = makeSubstream(
                segment, UnsafeBufferPointer(rebasing: rbsp[segment.data]), store, lines, hook, workspace)
            var begins = true
            for ts in start..<grid.count {
                let rs = enter(ts, workspace)
                if begins { substream.begin(ctbAddrRs: rs, first: ts == start) }
                switch substream.code(workspace.ctu) {
                case .failed: return nil
                case .more: begins = false
                case .endOfSubstream:
                    begins = true
                    ends.append(substream.outputCount)
                case .endOfSegment:
                    ends.append(substream.outputCount)
                    return (substream.outputBytes(), ends, ts + 1, substream.isRegular)
                }
            }
            return nil
        }
    }

    // MARK: NAL units

    private func assembled(_ segment: RecodingSegment, _ data: [UInt8], ends: [Int]) -> RecodedSegment {
        guard var rbsp = EntryPointRewriting(segment, ends: ends).header(for: data, ends: ends, restores: restores)
        else { return .failed(.entryPoints) }
        rbsp += data
        rbsp += segment.rbsp[segment.data.upperBound...]
        let nal = segment.nal
        var made = NALUnit(header: nal.header, rbsp: rbsp, startCodeLength: nal.startCodeLength)
        made.trailingZeros = nal.trailingZeros
        made.offset = nal.offset
        return .recoded(made)
    }
}
