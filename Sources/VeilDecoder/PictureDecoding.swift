// SPDX-License-Identifier: GPL-2.0-or-later
import Foundation
import VeilBins
import VeilRecon
import VeilSyntax

/// One slice segment of a picture, ready to be decoded by any worker.
struct SliceSegmentJob: @unchecked Sendable {
    let header: SliceSegmentHeader
    let parameters: SliceParameters
    let context: SliceContext
    let rbsp: [UInt8]
    /// True when `context` begins with this segment (it is not a dependent one).
    let beginsSlice: Bool
}

/// What one worker needs for itself.
final class DecodingWorkspace {
    let reconstructor = CTUReconstructor()
    let ctu = CodingTreeUnit()
    let scratch = SyntaxScratch()
    let contexts = ContextSet()
}

/// Workspaces that are not in use.
final class WorkspacePool: @unchecked Sendable {
    private let lock = NSLock()
    private var free: [DecodingWorkspace] = []
    func take() -> DecodingWorkspace { lock.withLock { free.popLast() } ?? DecodingWorkspace() }
    func giveBack(_ workspace: DecodingWorkspace) { lock.withLock { free.append(workspace) } }
}

/// How a picture came out.
struct PictureOutcome: Sendable {
    var concealedCTUs = 0
    var failedSlices = 0
    var hashMismatches = 0
    var hashesChecked = 0
}

/// A picture on its way: collected slice by slice, then decoded as one job.
final class PictureDecoding: @unchecked Sendable {
    let picture: CodedPicture
    let sets: ActiveSets
    var segments: [SliceSegmentJob] = []
    /// The inter-layer references of the picture, in the order of RefPicLayerId.
    var interLayer: [CodedPicture] = []
    var hash: DecodedPictureHash?
    /// Count what the hash says.
    var verifies = false
    let unit: BinUnit
    let hook: HookBox?
    /// A picture to take lost CTUs from.
    var concealment: CodedPicture?
    private let lock = NSLock()
    private var outcomeStorage = PictureOutcome()

    init(picture: CodedPicture, sets: ActiveSets, unit: BinUnit, hook: HookBox?) {
        self.picture = picture
        self.sets = sets
        self.unit = unit
        self.hook = hook
    }

    private var done = false

    var outcome: PictureOutcome { lock.withLock { outcomeStorage } }

    /// The job has ended and `outcome` says how.
    var isDone: Bool { lock.withLock { done } }

    /// Decodes the whole picture. References are waited for as needed.
    func run(workspaces: WorkspacePool) {
        let workspace = workspaces.take()
        defer { workspaces.giveBack(workspace) }
        let result: PictureOutcome
        let disputed = hash == nil ? [] : segments.compactMap { $0.context.collocatedPicture?.producer }.filter(\.hasDisputedMotion)
        if disputed.isEmpty {
            result = attempt(workspace, publishes: true)
        } else {
            result = settle(disputed, workspace)
        }
        picture.publishAll()
        // What was only needed for this goes at once, however late the outcome is read.
        segments.removeAll()
        interLayer.removeAll()
        concealment = nil
        lock.withLock {
            outcomeStorage = result
            done = true
        }
    }

    /// The hash tells which motion an encoder worked with where the reference software and the standard part ways.
    private func settle(_ disputed: [InterLayerProducer], _ workspace: DecodingWorkspace) -> PictureOutcome {
        let standard = attempt(workspace, publishes: false)
        if matchesHash { return standard }
        for producer in disputed { producer.remakeMotion(.withoutOffsets) }
        let other = attempt(workspace, publishes: false)
        if matchesHash { return other }
        for producer in disputed { producer.remakeMotion(.standard) }
        return attempt(workspace, publishes: false)
    }

    private func attempt(_ workspace: DecodingWorkspace, publishes: Bool) -> PictureOutcome {
        let reconstruction = PictureReconstruction(picture: picture, grid: sets.grid)
        for segment in segments where segment.beginsSlice { reconstruction.add(slice: segment.context) }
        let filter = InLoopFilter(
            picture: reconstruction, saoEnabled: sets.sps.sampleAdaptiveOffsetEnabledFlag, publishes: publishes)
        let store = ContextStore(picHeightInCtbs: sets.sps.picHeightInCtbsY)
        let lines = SyntaxLines(picWidthInMinCbs: sets.sps.picWidthInMinCbsY)
        var progress = RowProgress(widthInCtbs: sets.grid.widthInCtbs, heightInCtbs: sets.grid.heightInCtbs)
        var result = PictureOutcome()
        for segment in segments {
            let ok = decode(segment, reconstruction, store, lines, workspace) { rs in
                if let rows = progress.finish(ctb: rs) { filter.advance(reconstructedRows: rows) }
            }
            if !ok { result.failedSlices += 1 }
        }
        result.concealedCTUs = Concealment.fill(reconstruction, from: interLayer.first ?? concealment)
        filter.advance(reconstructedRows: sets.grid.heightInCtbs)
        if verifies, hash != nil {
            result.hashesChecked = 1
            result.hashMismatches = matchesHash ? 0 : 1
        }
        return result
    }

    private func decode(
        _ segment: SliceSegmentJob, _ reconstruction: PictureReconstruction, _ store: ContextStore, _ lines: SyntaxLines,
        _ workspace: DecodingWorkspace, finished: (Int) -> Void
    ) -> Bool {
        let grid = sets.grid
        let ctu = workspace.ctu
        return segment.rbsp.withUnsafeBufferPointer { rbsp in
            let data = UnsafeBufferPointer(rebasing: rbsp[min(segment.header.byteCount, rbsp.count)...])
            let substream = Substream.reader(
                parameters: segment.parameters, data: data, store: store, lines: lines, scratch: workspace.scratch,
                contexts: workspace.contexts, hook: hook, unit: unit)
            var ts = Int(grid.ctbAddrRsToTs[segment.header.sliceSegmentAddress])
            var begin = true
            var first = true
            while ts < grid.count {
                let rs = Int(grid.ctbAddrTsToRs[ts])
                // A CTU that was decoded already belongs to a slice that was damaged or repeated.
                if reconstruction.isReconstructed(ctb: rs) { return false }
                ctu.reset(
                    ctbAddrRs: rs, xCtb: (rs % grid.widthInCtbs) << grid.log2CtbSize, yCtb: (rs / grid.widthInCtbs) << grid.log2CtbSize)
                if begin { substream.begin(ctbAddrRs: rs, first: first) }
                first = false
                let step = substream.code(ctu)
                if step == .failed { return false }
                workspace.reconstructor.reconstruct(ctu: ctu, slice: segment.context, picture: reconstruction)
                finished(rs)
                switch step {
                case .more: begin = false
                case .endOfSubstream: begin = true
                case .endOfSegment, .failed: return true
                }
                ts += 1
            }
            return false
        }
    }

    /// Whether the samples are those of the picture's hash message.
    private var matchesHash: Bool {
        guard let hash else { return false }
        let frame = picture.frame
        return (0..<3).allSatisfy { cIdx in
            let plane = frame.plane(cIdx)
            let depth = frame.bitDepth(cIdx)
            switch hash {
            case .md5(let expected): return PictureHash.md5(plane, bitDepth: depth) == expected[cIdx]
            case .crc(let expected): return Int(PictureHash.crc(plane, bitDepth: depth)) == expected[cIdx]
            case .checksum(let expected): return Int(PictureHash.checksum(plane, bitDepth: depth)) == expected[cIdx]
            }
        }
    }
}

/// Which CTB rows are whole: CTUs come in tile scan, perhaps with gaps.
struct RowProgress {
    private let widthInCtbs: Int
    private var done: [Int]
    private var rows = 0

    init(widthInCtbs: Int, heightInCtbs: Int) {
        self.widthInCtbs = widthInCtbs
        done = Array(repeating: 0, count: heightInCtbs)
    }

    /// Counts a CTB; the number of whole rows from the top when that grew.
    mutating func finish(ctb rs: Int) -> Int? {
        done[rs / widthInCtbs] += 1
        let before = rows
        while rows < done.count && done[rows] == widthInCtbs { rows += 1 }
        return rows > before ? rows : nil
    }
}
