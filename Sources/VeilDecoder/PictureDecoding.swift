// SPDX-License-Identifier: GPL-2.0-or-later
import VeilBitstream
import VeilCore
import VeilEntropy
import VeilRecon
import VeilSystem

/// One slice segment of a picture, ready to be decoded by any worker.
struct SliceSegmentJob: @unchecked Sendable {
    let header: SliceSegmentHeader
    let parameters: SliceParameters
    let context: SliceContext
    let rbsp: [UInt8]
    /// RBSP positions before which emulation prevention was removed.
    let removedBytes: [Int]
    /// True when `context` begins with this segment (it is not a dependent one).
    let beginsSlice: Bool
    /// ``NALUnit/bypassesHooks``.
    var bypassesHooks = false

    /// Where its substreams begin in `rbsp`, as the entry points say.
    var substreams: SubstreamPlan.Segment {
        SubstreamPlan.Segment(
            header, parameters, starts: header.substreamStarts(removed: removedBytes).map { min($0, rbsp.count) })
    }
}

/// What one worker needs for itself.
final class DecodingWorkspace {
    let reconstructor = CTUReconstructor()
    let syntax = SyntaxWorkspace()
}

/// How a picture came out.
struct PictureOutcome: Sendable {
    var concealedCTUs = 0
    var failedSlices = 0
    /// Of those, such that came again.
    var repeatedSlices = 0
    var hashMismatches = 0
    var hashesChecked = 0
}

/// A picture on its way: collected slice by slice, then decoded by jobs that may run side by side (WPP rows, tiles,
/// slices).
final class PictureDecoding: @unchecked Sendable {
    let picture: CodedPicture
    let sets: ActiveParameterSets
    private(set) var segments: [SliceSegmentJob] = []
    private(set) var sliceCount = 0
    /// The inter-layer references of the picture, in the order of RefPicLayerId.
    var interLayer: [CodedPicture] = []
    var hash: DecodedPictureHash?
    /// Count what the hash says.
    var verifies = false
    let unit: BinUnit
    /// Hooks for as many jobs as may run at a time; none where nothing is encrypted.
    private var hooks: [HookBox] = []
    private let isHooked: Bool
    private let makeHook: (@Sendable () -> (any BinHook)?)?
    /// A picture to take lost CTUs from.
    var concealment: CodedPicture?
    private let workspaces: ObjectPool<DecodingWorkspace>
    private let lock = Lock()
    private var outcomeStorage = PictureOutcome()
    private var done = false
    private var plan: SubstreamPlan?
    private var pass: PictureDecodingPass?

    /// - Parameter hooks: makes the hooks of the picture's substreams.
    init(
        picture: CodedPicture, sets: ActiveParameterSets, unit: BinUnit, hooks make: (@Sendable () -> (any BinHook)?)?,
        workspaces: ObjectPool<DecodingWorkspace>
    ) {
        self.picture = picture
        self.sets = sets
        self.unit = unit
        self.workspaces = workspaces
        makeHook = make
        let hook = make?()
        isHooked = hook != nil
        if let hook { hooks.append(HookBox(hook)) }
    }

    func add(_ segment: SliceSegmentJob) {
        segments.append(segment)
        if segment.beginsSlice { sliceCount += 1 }
    }

    var outcome: PictureOutcome { lock.withLock { outcomeStorage } }

    /// The picture has been decoded and `outcome` says how.
    var isDone: Bool { lock.withLock { done } }

    /// Says, when all slices are there, into how many jobs the picture is divided.
    func prepare(threads: Int) -> Int {
        let plan = SubstreamPlan(segments.map(\.substreams), grid: sets.grid)
        self.plan = plan
        // What a hash has to settle is decoded more than once, by one worker.
        if hash != nil {
            ambiguous = segments.compactMap { $0.context.collocatedPicture?.producer }.filter(\.hasAmbiguousMotion)
        }
        if !ambiguous.isEmpty { return 1 }
        if isHooked {
            while hooks.count < min(threads, plan.jobs.count), let hook = makeHook?() { hooks.append(HookBox(hook)) }
        }
        return max(plan.jobs.count, 1)
    }

    /// Inter-layer references whose motion the hash has to settle.
    private var ambiguous: [InterLayerProducer] = []

    /// Decodes one job's part. References are waited for as needed.
    func run(job: Int) {
        guard let plan else { return }
        if !ambiguous.isEmpty {
            decodeByHash(ambiguous, plan)
        } else if job < plan.jobs.count {
            let current = onePass(plan)
            withWorkspace { current.run(job, $0, hook: $1) }
        }
    }

    /// Ends the picture; comes after all jobs.
    func finish() {
        var result = PictureOutcome()
        if let plan, !isDecodedByHash {
            result = onePass(plan).finish()
        } else {
            result = outcomeByHash
        }
        if verifies, hash != nil {
            result.hashesChecked = 1
            result.hashMismatches = matchesHash ? 0 : 1
        }
        picture.publishAll()
        // What was only needed for this goes at once, however late the outcome is read.
        pass = nil
        plan = nil
        segments.removeAll()
        interLayer.removeAll()
        ambiguous.removeAll()
        hooks.removeAll()
        concealment = nil
        lock.withLock {
            outcomeStorage = result
            done = true
        }
    }

    /// The only pass of most pictures, made when its first job begins.
    private func onePass(_ plan: SubstreamPlan) -> PictureDecodingPass {
        lock.withLock {
            let current = pass ?? PictureDecodingPass(self, segments: segments, plan: plan, publishes: true)
            pass = current
            return current
        }
    }

    private func withWorkspace(_ body: (DecodingWorkspace, HookBox?) -> Void) {
        let workspace = workspaces.borrow()
        let hook = isHooked ? lock.withLock { hooks.popLast() } : nil
        body(workspace, hook)
        if let hook { lock.withLock { hooks.append(hook) } }
        workspaces.giveBack(workspace)
    }

    // MARK: Ambiguous motion

    private var isDecodedByHash = false
    private var outcomeByHash = PictureOutcome()

    /// The hash tells which motion an encoder worked with where the reference software and the standard part ways.
    private func decodeByHash(_ ambiguous: [InterLayerProducer], _ plan: SubstreamPlan) {
        isDecodedByHash = true
        outcomeByHash = decodeUnpublished(plan)
        if matchesHash { return }
        for producer in ambiguous { producer.remakeMotion(.withoutOffsets) }
        outcomeByHash = decodeUnpublished(plan)
        if matchesHash { return }
        for producer in ambiguous { producer.remakeMotion(.standard) }
        outcomeByHash = decodeUnpublished(plan)
    }

    /// Decodes the whole picture without anybody seeing it.
    private func decodeUnpublished(_ plan: SubstreamPlan) -> PictureOutcome {
        let pass = PictureDecodingPass(self, segments: segments, plan: plan, publishes: false)
        for job in plan.jobs.indices { withWorkspace { pass.run(job, $0, hook: $1) } }
        return pass.finish()
    }

    /// Whether the samples are those of the picture's hash message.
    private var matchesHash: Bool {
        guard let hash else { return false }
        let frame = picture.frame
        let planeCount = frame.chromaFormat.planeCount
        if hash.count < planeCount { return false }
        return (0..<planeCount).allSatisfy { cIdx in
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
