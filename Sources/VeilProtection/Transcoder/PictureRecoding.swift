// SPDX-License-Identifier: GPL-2.0-or-later
import Synchronization
import VeilBitstream
import VeilCore
import VeilEntropy
import VeilSystem

/// The slice segments of one picture, parsed and coded again with their encryptable bins replaced. No sample is
/// touched.
///
/// Substreams (tiles, WPP rows) and slices are recoded side by side where the headers tell where they are: `plan`,
/// then `run` each task, from any thread but in ascending order, then `finish`. What comes out does not depend on it:
/// a slice whose headers told something else than its data, or whose data cannot be parsed, is recoded again from its
/// beginning, as one thread would have done it.
final class PictureRecoding: @unchecked Sendable {
    private let hooks: ObjectPool<HookBox?>
    private let unit: BinUnit
    private let grid: CTBGrid
    private let sps: SequenceParameterSet
    private let picWidthInCtbs: Int
    private let ctbLog2Size: Int
    private var segments: [RecodingSegment] = []
    /// Indices of segments: an independent one and the dependent ones after it.
    private var slices: [Range<Int>] = []
    /// Its jobs are the tasks; nil where there are none to be had or nothing is gained.
    private var plan: SubstreamPlan?
    private var isPlanned = false
    private let unfinished = Atomic<Int>(0)
    private var progress: ProgressCounters?
    private let store: ContextStore
    private var lines: AboveContext?
    /// By task, then by piece; nil where a piece was not what the headers announced.
    private var outcomes: [[[UInt8]]?] = []
    private let lock = Lock()
    /// Tile-scan address after the last CTB, by segment that was recoded.
    private var ends: [Int: Int] = [:]
    /// What came of each segment.
    private(set) var results: [RecodedSegment] = []
    private let restores: Bool
    /// It has a tag, and was encrypted: what cannot be recoded was changed.
    var isTagged = false
    /// Exchanging keys: segments whose bins leave as others than the clear ones; nil where hooks do not tell.
    private var changed: Set<Int>?

    /// - Parameter restores: recode only what recoding with the opposite hooks gives back byte for byte.
    init(hooks: ObjectPool<HookBox?>, unit: BinUnit, grid: CTBGrid, sps: SequenceParameterSet, restores: Bool) {
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

    /// Whether a segment leaves as it was before any encryption, recoded to a unit.
    func isClear(_ index: Int, _ recoded: NALUnit) -> Bool {
        changed.map { !$0.contains(index) } ?? (recoded.bytes == original(index).bytes)
    }

    private func changes(_ hook: HookBox) -> Int? { (hook.hook as? HookInTurn)?.changes }

    private func note(_ hook: HookBox, since before: Int?, in segment: Int) {
        guard let before, let now = changes(hook) else { return }
        lock.withLock {
            var known = changed ?? []
            if now != before { known.insert(segment) }
            changed = known
        }
    }

    /// Once all segments are there: how many tasks there are.
    /// - Parameter isParallel: look for more than one.
    func plan(isParallel: Bool) -> Int {
        if isPlanned { return max(outcomes.count, 1) }
        isPlanned = true
        for (i, segment) in segments.enumerated() {
            if segment.header.dependentSliceSegmentFlag, let last = slices.last {
                slices[slices.count - 1] = last.lowerBound..<(i + 1)
            } else {
                slices.append(i..<(i + 1))
            }
        }
        if isParallel, let made = parallelPlan() {
            plan = made
            outcomes = Array(repeating: nil, count: made.jobs.count)
            progress = ProgressCounters(count: made.jobs.count)
            lines = AboveContext(picWidthInMinCbs: sps.picWidthInMinCbsY, rows: max(sps.picHeightInCtbsY, 2))
        }
        unfinished.store(max(outcomes.count, 1), ordering: .sequentiallyConsistent)
        return max(outcomes.count, 1)
    }

    /// Nil where headers are not as they should be, or nothing can be recoded side by side.
    private func parallelPlan() -> SubstreamPlan? {
        var parts: [SubstreamPlan.Segment] = []
        for segment in segments {
            guard segment.failure == nil, segment.header.sliceSegmentAddress < grid.count,
                let starts = segment.substreamStarts
            else { return nil }
            parts.append(SubstreamPlan.Segment(segment.header, segment.parameters, starts: starts))
        }
        let plan = SubstreamPlan(parts, grid: grid)
        return plan.isRegular && plan.jobs.count > 1 ? plan : nil
    }

    /// Works on a task. Whoever finishes the last one puts the segments together.
    func run(task: Int, _ workspaces: ObjectPool<SyntaxWorkspace>) {
        let workspace = workspaces.borrow()
        defer { workspaces.giveBack(workspace) }
        if let plan, let progress, let lines {
            var done = 0
            if let hook = hooks.borrow() {
                let outcome = recode(plan, task, &done, hook, progress, lines, workspace)
                hooks.giveBack(hook)
                lock.withLock { outcomes[task] = outcome }
            }
            progress.end(task, at: done)
        }
        if unfinished.wrappingSubtract(1, ordering: .sequentiallyConsistent).newValue == 0 { finish(workspace) }
    }

    // MARK: Substreams

    private func recode(
        _ plan: SubstreamPlan, _ task: Int, _ done: inout Int, _ hook: HookBox, _ progress: ProgressCounters,
        _ lines: AboveContext, _ workspace: SyntaxWorkspace
    ) -> [[UInt8]]? {
        let store = ContextStore(sharingRowsOf: self.store)
        var result: [[UInt8]] = []
        for piece in plan.jobs[task] {
            let segment = segments[piece.segment]
            let before = changes(hook)
            defer { note(hook, since: before, in: piece.segment) }
            let data = segment.rbsp.withUnsafeBufferPointer { rbsp -> [UInt8]? in
                let whole = UnsafeBufferPointer(rebasing: rbsp[segment.data])
                let bytes = UnsafeBufferPointer(rebasing: whole[piece.firstByte..<(piece.endByte ?? whole.count)])
                let substream = makeSubstream(segment, bytes, store, lines, hook, workspace)
                var ts = piece.firstTs
                while ts < piece.endTs {
                    let begins = ts == piece.firstTs
                    if !isReady(ts, begins: begins, segment.parameters, plan, task, progress) { return nil }
                    let rs = enter(ts, workspace)
                    if begins { substream.begin(ctbAddrRs: rs, first: piece.beginsSegment) }
                    let step = substream.code(workspace.ctu)
                    ts += 1
                    done += 1
                    progress.advance(task, to: done)
                    switch step {
                    case .failed: return nil
                    case .more: continue
                    case .endOfSubstream, .endOfSegment:
                        // The next piece begins where this one ends, in the data and in the picture.
                        let isLast = step == .endOfSegment
                        guard isLast == piece.endsSegment, isLast || substream.outputCount == bytes.count else {
                            return nil
                        }
                        guard ts == piece.endTs || (isLast && piece.endTs == grid.count) else { return nil }
                        // Recoding in order tells what is wrong.
                        if restores && !(substream.isRegular && substream.outputCount == bytes.count) { return nil }
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

    /// Waits for what a CTB is parsed with: a row for the contexts that the row above leaves behind its second CTB,
    /// each CTB for the one above. False where that will not come.
    private func isReady(
        _ ts: Int, begins: Bool, _ p: SliceParameters, _ plan: SubstreamPlan, _ task: Int,
        _ progress: ProgressCounters
    ) -> Bool {
        let width = picWidthInCtbs
        let rs = Int(grid.ctbAddrTsToRs[ts])
        if rs < width { return true }
        let isSynchronized = begins && p.entropyCodingSyncEnabledFlag && rs % width + 1 < width
        return isDone(rs - width, for: rs, p, plan, task, progress)
            && (!isSynchronized || isDone(rs - width + 1, for: rs, p, plan, task, progress))
    }

    private func isDone(
        _ other: Int, for rs: Int, _ p: SliceParameters, _ plan: SubstreamPlan, _ task: Int,
        _ progress: ProgressCounters
    ) -> Bool {
        let at = Int(grid.ctbAddrRsToTs[other])
        guard at >= Int(grid.ctbAddrRsToTs[p.sliceAddrRs]), grid.areInSameTile(other, rs) else { return true }
        let job = Int(plan.jobOf[at])
        return job == task || job >= 0 && progress.wait(job, for: at - plan.firstTs[job] + 1)
    }

    private func makeSubstream(
        _ segment: RecodingSegment, _ data: UnsafeBufferPointer<UInt8>, _ store: ContextStore, _ lines: AboveContext,
        _ hook: HookBox,
        _ workspace: SyntaxWorkspace
    ) -> any SliceDataCoding {
        SliceData.recoder(
            parameters: segment.parameters, data: data, store: store, lines: lines, scratch: workspace.scratch,
            contexts: workspace.contexts, hook: hook, unit: unit)
    }

    private func enter(_ ts: Int, _ workspace: SyntaxWorkspace) -> Int {
        let rs = Int(grid.ctbAddrTsToRs[ts])
        workspace.ctu.reset(
            ctbAddrRs: rs, xCtb: (rs % picWidthInCtbs) << ctbLog2Size, yCtb: (rs / picWidthInCtbs) << ctbLog2Size)
        return rs
    }

    // MARK: Slices

    private func finish(_ workspace: SyntaxWorkspace) {
        results = segments.map { .failed($0.failure ?? .sliceData) }
        var pieces: [[[UInt8]]] = Array(repeating: [], count: segments.count)
        var isWhole = Array(repeating: plan != nil, count: segments.count)
        for (task, outcome) in outcomes.enumerated() {
            guard let planned = plan?.jobs[task] else { continue }
            for (i, piece) in planned.enumerated() {
                if let outcome { pieces[piece.segment].append(outcome[i]) } else { isWhole[piece.segment] = false }
                ends[piece.segment] = piece.endTs
            }
        }
        for members in slices {
            if members.allSatisfy({ isWhole[$0] }) {
                for index in members {
                    var end = 0
                    let pieceEnds = pieces[index].map { piece in
                        end += piece.count
                        return end
                    }
                    results[index] = assembled(segments[index], Array(pieces[index].joined()), ends: pieceEnds)
                }
            } else {
                for index in members { ends[index] = nil }
                recodeInOrder(members, workspace)
            }
        }
        refuseOverlaps()
        outcomes = []
        lines = nil
        progress = nil
    }

    /// No CTU is coded twice in a picture: of slices that overlap, the first ones count.
    private func refuseOverlaps() {
        if !restores { return }
        var covered = 0
        for (index, segment) in segments.enumerated() {
            guard case .recoded = results[index] else { continue }
            let start = Int(grid.ctbAddrRsToTs[segment.header.sliceSegmentAddress])
            if start < covered { results[index] = .failed(.overlap) } else { covered = max(covered, ends[index] ?? 0) }
        }
    }

    /// A slice's segments one after the other, whatever their entry points say.
    private func recodeInOrder(_ members: Range<Int>, _ workspace: SyntaxWorkspace) {
        guard let hook = hooks.borrow() else { return }
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
            changed?.remove(index)
            let before = changes(hook)
            defer { note(hook, since: before, in: index) }
            guard let recoded = recodeInOrder(segment, from: start, hook, lines, workspace) else { return }
            // Behind an end that damage made is the rest of the picture.
            let hasRest = recoded.ends.last != segment.data.count
            guard recoded.isRegular && !hasRest || !restores else {
                results[index] = .failed(hasRest ? .rest : .codeEnd)
                return
            }
            results[index] = assembled(segment, recoded.data, ends: recoded.ends)
            ends[index] = recoded.next
            next = recoded.next
        }
    }

    private func recodeInOrder(
        _ segment: RecodingSegment, from start: Int, _ hook: HookBox, _ lines: AboveContext,
        _ workspace: SyntaxWorkspace
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
