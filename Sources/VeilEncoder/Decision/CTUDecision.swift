// SPDX-License-Identifier: GPL-2.0-or-later
import CVeilKernels
import VeilCore
import VeilEntropy
import VeilRecon
import VeilSystem

/// Mode decision of one CTU: fills its record and leaves the reconstruction (before the in-loop filters) in the
/// frame, its motion in the motion field. One per worker.
///
/// Motion and intra modes are chosen by Hadamard costs; the best of them are coded and compared by rate and
/// distortion, and the best unit of a place becomes its reconstruction.
final class CTUDecision {
    let source: FrameBuffer
    let slice: SliceContext
    let picture: PictureReconstruction
    let p: SliceParameters
    let effort: DecisionEffort
    /// What partitions are searched with: less than whole units.
    let partEffort: DecisionEffort
    let rate: RateEstimator
    let search = MotionSearch()
    let predictor = DecisionPrediction()
    let intra = IntraPredictor()
    let frame: FrameBuffer
    /// Whether samples have one byte, those of the source as well.
    let isNarrow: Bool
    /// What belongs to the QP of the unit that is being decided.
    @exclusivity(unchecked) private(set) var quantization: Quantization
    /// The slice's, and that of other QPs.
    private let sliceQuantization: Quantization
    @exclusivity(unchecked) private var quantizations: [Quantization?]
    private let lambdaFactor: Double
    private let offsets: QuantizationOffsets?
    let maps: DecisionMaps
    /// The slice's, inter-layer references being the current CTU's part of them.
    let references: MutableBufferView<ReferenceEntry>?
    private let referenceTable: Buffer<ReferenceEntry>
    private let patches: InterLayerBlockCache
    /// The resampled inter-layer reference in list 0, -1 for none, and the place in list 0 of list 1's references.
    let interLayerIndex: Int
    /// The other view's picture in list 0, -1 for none, and where its blocks may be found.
    let interViewIndex: Int
    let disparities: DisparitySearch
    /// Candidates for merging may be disparities into a resampled picture, of another layer's motion.
    var mixesViews: Bool { interLayerIndex >= 0 && interViewIndex >= 0 }
    let sameInList0: [Int]
    let workspaces: [DecisionWorkspace]
    /// What a transform tree's alternatives are kept in, by depth.
    let treeSamples: [BlockSamples]
    let modeBlock: UnsafeMutableRawPointer
    let starts: MutableBufferView<MotionVector>
    /// Motion found in list 0, by refIdx.
    let found: MutableBufferView<InterChoice>
    let parts: MutableBufferView<InterChoice>
    let memory: DecisionMemory
    private let candidateView: UnsafeMutablePointer<MotionCandidates>
    @exclusivity(unchecked) var context: BlockContext
    @exclusivity(unchecked) var ctu = CodingTreeUnit(levelCapacity: 16)
    @exclusivity(unchecked) private var isPrepared = false
    /// Greatest row of references that vectors may reach.
    @exclusivity(unchecked) var lastRow = Int.max

    init(
        source: FrameBuffer, slice layerSlice: LayerSlice, picture: PictureReconstruction, maps: DecisionMaps,
        effort: DecisionEffort, memory: DecisionMemory, lambdaFactor: Double = 1, offsets: QuantizationOffsets? = nil
    ) {
        let slice = layerSlice.context
        let parameters = layerSlice.parameters
        self.source = source
        self.slice = slice
        self.picture = picture
        self.maps = maps
        self.effort = effort
        partEffort = effort.ofPartitions
        self.memory = memory
        p = parameters
        frame = picture.picture.frame
        isNarrow = frame.isNarrow
        precondition(
            source.isNarrow == isNarrow && memory.isNarrow == isNarrow, "samples of different sizes")
        rate = RateEstimator(parameters: parameters)
        self.lambdaFactor = lambdaFactor
        self.offsets = offsets
        quantizations = offsets == nil ? [] : Array(repeating: nil, count: 52 + 6 * (slice.bitDepthLuma - 8))
        sliceQuantization = Quantization(
            qp: slice.sliceQpY, slice: slice,
            lambda: lambdaFactor * Self.lambda(qp: slice.sliceQpY), memory: memory)
        quantization = sliceQuantization
        let table = slice.references
        referenceTable = Buffer(count: table == nil ? 0 : 32) { table![$0] }
        references = table == nil ? nil : referenceTable.view
        // A view is referred to as an earlier picture is. It is what it shows, and made of no other picture.
        var firsts = (resampled: -1, view: -1)
        for i in 0..<referenceTable.count where referenceTable[i].isInterLayer {
            let isView =
                effort.hasDisparity && referenceTable[i].picture._withUnsafeGuaranteedRef { $0.producer == nil }
            if isView { referenceTable[i].isInterLayer = false }
            guard i < slice.numRefIdxActive.0 else { continue }
            if isView && firsts.view < 0 { firsts.view = i }
            if !isView && firsts.resampled < 0 { firsts.resampled = i }
        }
        interLayerIndex = firsts.resampled
        interViewIndex = firsts.view
        disparities = memory.disparities
        let interLayerCounts = [slice.numRefIdxActive.0, slice.numRefIdxActive.1].enumerated().map { list, active in
            (0..<active).count { slice.references?[16 * list + $0].isInterLayer ?? false }
        }
        patches = InterLayerBlockCache(slots: max(interLayerCounts.max() ?? 1, 1))
        sameInList0 = (0..<slice.numRefIdxActive.1).map { i in
            (0..<slice.numRefIdxActive.0).first {
                slice.references?[$0].pictureId == slice.references?[16 + i].pictureId
            } ?? -1
        }
        workspaces = memory.workspaces
        treeSamples = memory.treeSamples
        modeBlock = UnsafeMutableRawPointer(memory.modeBlock.base)
        starts = memory.starts.view
        found = memory.found.view
        parts = memory.parts.view
        context = BlockContext(slice: slice, picture: picture, ctbAddrRs: 0)
        candidateView = .allocate(capacity: 1)
    }

    var lambda: Double { quantization.lambda }
    var lambdaSatd: Double { quantization.lambdaSatd }

    /// Squared error that a bit is worth.
    static func lambda(qp: Int) -> Double { 0.7 * exp2(Double(qp - 12) / 3) }

    // The view holds plain words only.
    deinit { candidateView.deallocate() }

    var candidates: BufferView<MotionCandidates> { BufferView(candidateView, count: 1) }
    var isInter: Bool { references != nil }

    /// Decides the CTU at a raster address. `contexts`: what it will be coded with, or nearly.
    func decide(_ record: CodingTreeUnit, contexts: BufferView<UInt8>) {
        ctu = record
        if !isPrepared {
            // What vectors cost must not depend on which CTU a worker meets first.
            rate.begin(contexts: Context.initialStates(initType: p.initType, sliceQpY: p.sliceQpY), parameters: p)
            search.begin(rate: rate)
            offsets?.prepare()
            isPrepared = true
        }
        rate.begin(contexts: contexts, parameters: p)
        memory.optimizer.isStale = true
        if let view = MotionCandidates(slice: slice, picture: picture.picture, ctbAddrRs: record.ctbAddrRs) {
            candidateView.initialize(to: view)
        }
        context = BlockContext(slice: slice, picture: picture, ctbAddrRs: record.ctbAddrRs)
        awaitReferences(record.xCtb, record.yCtb)
        if interViewIndex >= 0, let references {
            disparities.find(
                from: source.planes.0, in: references[interViewIndex].planes.0, x: record.xCtb, y: record.yCtb,
                size: 1 << p.ctbLog2SizeY)
        }
        _ = quadtree(x: record.xCtb, y: record.yCtb, log2: p.ctbLog2SizeY, depth: 0, costLimit: .infinity)
        if offsets != nil {
            QuantizationGroups.assign(
                record, qps: memory.qps.view.reading, parameters: p, slice: slice, maps: picture.maps)
        }
    }

    /// Takes the QP that a unit is to have: of its quantization group where it is smaller.
    @inline(__always)
    private func setQp(x: Int, y: Int, log2: Int) {
        guard let offsets else { return }
        let size = 1 &<< max(log2, p.log2MinCuQpDeltaSize)
        let qp = min(
            max(slice.sliceQpY + offsets.offset(x: x & ~(size &- 1), y: y & ~(size &- 1), size: size), 0), 51)
        if quantization.qp == qp { return }
        if let known = quantizations[qp] {
            quantization = known
        } else {
            quantization = Quantization(
                qp: qp, slice: slice, lambda: lambdaFactor * Self.lambda(qp: qp), memory: memory)
            quantizations[qp] = quantization
        }
    }

    /// Waits until the references, which may still be coded by other threads, have got as far as searches may reach.
    private func awaitReferences(_ xCtb: Int, _ yCtb: Int) {
        guard let references else { return }
        let reach = yCtb + (1 << p.ctbLog2SizeY) + Self.verticalReach
        // No bound is still one whose quarter samples can be counted.
        lastRow = reach + 8 >= slice.height ? Int(Int32.max) : reach
        for list in 0..<2 {
            for i in 0..<(list == 0 ? slice.numRefIdxActive.0 : slice.numRefIdxActive.1) {
                references[list * 16 + i].picture._withUnsafeGuaranteedRef {
                    if let planes = $0.interLayerPlanes(xCtb: xCtb, yCtb: yCtb, patches: patches) {
                        references[list * 16 + i].planes = planes
                    } else {
                        $0.wait(rows: min(reach + 8, slice.height))
                    }
                }
            }
        }
    }

    /// How far below its CTU a search may go, in luma samples.
    private static let verticalReach = 64

    // MARK: Quadtree

    /// Decides a block and returns its cost; infinity, leaving the block unfinished, where that would be `costLimit` or
    /// more.
    private func quadtree(x: Int, y: Int, log2: Int, depth: Int, costLimit: Double) -> Double {
        let size = 1 << log2
        let fits = x + size <= p.picWidthInLumaSamples && y + size <= p.picHeightInLumaSamples
        if !fits { return children(x: x, y: y, log2: log2, depth: depth, costLimit: costLimit) }
        let canSplit = log2 > max(p.minCbLog2SizeY, effort.minCbLog2)
        if canSplit && log2 > effort.maxCbLog2 {
            return children(x: x, y: y, log2: log2, depth: depth, costLimit: costLimit)
        }
        let w = workspaces[depth]
        setQp(x: x, y: y, log2: log2)
        search.lambda = Float(lambdaSatd)
        if effort.adaptsRates { memory.optimizer.isStale = true }
        decideUnit(w, x: x, y: y, log2: log2, depth: depth)
        let splitContext = maps.splitContext(x, y, depth: depth)
        // Units of other QPs are compared by the slice's worth of a bit: their errors weigh more or less.
        let lambda = sliceQuantization.lambda
        let qp = quantization.qp
        var whole = w.bestCost * (lambda / quantization.lambda)
        let splitBits = bits(rate.bin(1, Context.splitCuFlag + splitContext))
        if log2 > p.minCbLog2SizeY { whole += lambda * bits(rate.bin(0, Context.splitCuFlag + splitContext)) }
        if canSplit && !leavesLittle(w, x: x, y: y, log2: log2, bits: effort.earlyEndBits) {
            let (cuCount, puCount, tuCount, levelCount) = (ctu.cuCount, ctu.puCount, ctu.tuCount, ctu.levelCount)
            let flag = lambda * splitBits
            if effort.adaptsRates {
                rate.save(to: memory.contexts[depth])
                rate.adapt(1, Context.splitCuFlag + splitContext)
            }
            let split = children(x: x, y: y, log2: log2, depth: depth, costLimit: min(whole, costLimit) - flag) + flag
            if split < whole { return split }
            if effort.adaptsRates { rate.restore(from: memory.contexts[depth]) }
            (ctu.cuCount, ctu.puCount, ctu.tuCount, ctu.levelCount) = (cuCount, puCount, tuCount, levelCount)
        }
        if whole >= costLimit && costLimit < .infinity { return .infinity }
        if effort.adaptsRates {
            if log2 > p.minCbLog2SizeY { rate.adapt(0, Context.splitCuFlag + splitContext) }
            rate.adapt(
                w.bestRecord, cqtDepth: depth, skipContext: maps.skipContext(x, y),
                modes: maps.surroundingModes(x, y, yCtb: context.yCtb))
        }
        memory.qps[ctu.cuCount] = Int8(truncatingIfNeeded: qp)
        commit(w, x: x, y: y, log2: log2, depth: depth)
        return whole
    }

    /// Decides the four parts of a block. Infinity, as soon as they cost `costLimit` or more together.
    private func children(x: Int, y: Int, log2: Int, depth: Int, costLimit: Double) -> Double {
        let half = 1 << (log2 - 1)
        var cost = 0.0
        for i in 0..<4 {
            let xi = x + (i & 1) * half
            let yi = y + (i >> 1) * half
            if xi < p.picWidthInLumaSamples && yi < p.picHeightInLumaSamples {
                cost += quadtree(x: xi, y: yi, log2: log2 - 1, depth: depth + 1, costLimit: costLimit - cost)
                if cost >= costLimit { return .infinity }
            }
        }
        return cost
    }

    /// Appends the best unit of a workspace to the record and makes it what later blocks see.
    func commit(_ w: DecisionWorkspace, x: Int, y: Int, log2: Int, depth: Int) {
        let best = w.bestRecord
        let ctu = ctu
        var cu = best.cus[0]
        cu.firstPU = Int32(truncatingIfNeeded: ctu.puCount)
        cu.firstTU = Int32(truncatingIfNeeded: ctu.tuCount)
        for i in 0..<Int(cu.puCount) {
            ctu.pus[ctu.puCount] = best.pus[i]
            ctu.puCount &+= 1
        }
        if cu.rqtRootCbf {
            for i in 0..<Int(cu.tuCount) {
                var tu = best.tus[i]
                if tu.cbf & 1 != 0 { Self.move(&tu.residual.0, best, ctu, Int(tu.log2TrafoSize)) }
                if tu.cbf & 2 != 0 { Self.move(&tu.residual.1, best, ctu, Int(tu.log2TrafoSizeC)) }
                if tu.cbf & 4 != 0 { Self.move(&tu.residual.2, best, ctu, Int(tu.log2TrafoSizeC)) }
                ctu.tus[ctu.tuCount] = tu
                ctu.tuCount &+= 1
            }
        }
        ctu.cus[ctu.cuCount] = cu
        ctu.cuCount &+= 1
        let size = 1 << log2
        w.best.store(to: frame, x: x, y: y, size: size)
        storeMotion(
            w.bestMotion.view.reading, cu.predMode == .intra ? .part2Nx2N : cu.partMode, x: x, y: y, size: size,
            count: max(Int(cu.puCount), 1))
        maps.set(x, y, size: size, skip: cu.cuSkipFlag, depth: depth)
        if cu.predMode == .intra && cu.partMode == .partNxN {
            let half = size / 2
            maps.set(mode: cu.intraPredModeY.0, x, y, size: half)
            maps.set(mode: cu.intraPredModeY.1, x + half, y, size: half)
            maps.set(mode: cu.intraPredModeY.2, x, y + half, size: half)
            maps.set(mode: cu.intraPredModeY.3, x + half, y + half, size: half)
        } else {
            maps.set(mode: cu.predMode == .intra ? cu.intraPredModeY.0 : 1, x, y, size: size)
        }
    }

    @inline(__always)
    private static func move(_ r: inout ResidualBlock, _ from: CodingTreeUnit, _ ctu: CodingTreeUnit, _ log2: Int) {
        let count = 1 << (2 * log2)
        (ctu.levels + ctu.levelCount).update(from: from.levels + Int(r.start), count: count)
        r.start = Int32(truncatingIfNeeded: ctu.levelCount)
        ctu.levelCount &+= count
    }

    /// Writes the motion of a unit's partitions to the motion field.
    func storeMotion(_ motion: BufferView<MotionInfo>, _ partMode: PartMode, x: Int, y: Int, size: Int, count: Int) {
        for i in 0..<count {
            InterPredictor.store(motion[i], Self.block(x, y, size, partMode, i), picture.picture.motion)
        }
    }

    /// The block of a partition.
    @inline(__always)
    static func block(_ x: Int, _ y: Int, _ size: Int, _ partMode: PartMode, _ index: Int) -> MotionBlock {
        let half = size / 2
        let quarter = size / 4
        var b = MotionBlock(
            xCb: x, yCb: y, nCbS: size, xPb: x, yPb: y, nPbW: size, nPbH: size, partIdx: index, partMode: partMode)
        switch partMode {
        case .part2Nx2N: break
        case .part2NxN: b.nPbH = half
        case .partNx2N: b.nPbW = half
        case .part2NxnU: b.nPbH = index == 0 ? quarter : size - quarter
        case .part2NxnD: b.nPbH = index == 0 ? size - quarter : quarter
        case .partnLx2N: b.nPbW = index == 0 ? quarter : size - quarter
        case .partnRx2N: b.nPbW = index == 0 ? size - quarter : quarter
        case .partNxN:
            b.nPbW = half
            b.nPbH = half
            b.xPb += (index & 1) * half
            b.yPb += (index >> 1) * half
            return b
        }
        if index == 1 {
            b.xPb += size - b.nPbW
            b.yPb += size - b.nPbH
        }
        return b
    }

    @inline(__always)
    func bits(_ cost: UInt64) -> Double { Double(cost) * (1 / 32768) }

    // MARK: One coding unit

    private func decideUnit(_ w: DecisionWorkspace, x: Int, y: Int, log2: Int, depth: Int) {
        w.bestCost = .infinity
        var interSatd = Double.infinity
        if isInter {
            let block = Self.block(x, y, 1 << log2, .part2Nx2N, 0)
            w.choiceCount = 0
            gatherMerge(w, block)
            let merges = min(w.choiceCount, effort.mergeChecks)
            for i in 0..<merges {
                if i > 0 && w.choices[i].cost > w.choices[0].cost * effort.mergeRatio { break }
                parts[0] = w.choices[i]
                checkInter(w, x: x, y: y, log2: log2, depth: depth, partMode: .part2Nx2N, count: 1)
                if i == 0 && w.bestIsZero && isSettled(w, x: x, y: y, log2: log2) { return }
            }
            interSatd = w.choiceCount > 0 ? w.choices[0].cost : .infinity
            w.choiceCount = 0
            gatherSearch(w, block, depth: depth, bound: interSatd, effort: effort)
            var checked = 0
            for i in 0..<w.choiceCount {
                let choice = w.choices[i]
                if checked >= effort.searchChecks || choice.cost > interSatd * effort.searchRatio { break }
                interSatd = min(interSatd, choice.cost)
                parts[0] = choice
                checkInter(w, x: x, y: y, log2: log2, depth: depth, partMode: .part2Nx2N, count: 1)
                checked += 1
            }
            // Where one piece leaves nothing to code and little to better, two seldom do better.
            if effort.partitions > 1
                || (effort.partitions > 0 && !leavesLittle(w, x: x, y: y, log2: log2, bits: 2 * effort.earlyEndBits))
            {
                checkPartitions(w, x: x, y: y, log2: log2, depth: depth)
            }
            if effort.splitsBestTree { splitBest(w, x: x, y: y, log2: log2) }
        }
        if log2 <= 5 && effort.intra > 0 && !isSettled(w, x: x, y: y, log2: log2) {
            checkIntra(w, x: x, y: y, log2: log2, interSatd: interSatd)
        }
    }

    // MARK: Early decisions

    /// Whether a skipped unit is the best so far and good enough everywhere that the preset looks no further.
    private func isSettled(_ w: DecisionWorkspace, x: Int, y: Int, log2: Int) -> Bool {
        w.bestRecord.cus[0].cuSkipFlag && leavesLittle(w, x: x, y: y, log2: log2, bits: effort.earlySkipBits)
    }

    /// Whether the best unit is an inter unit that leaves nothing to code, and the errors of no 8x8 block of its luma
    /// weigh more than so many bits.
    ///
    /// Their sum tells less: where errors are spread evenly, no part of the unit has enough of them to pay for its
    /// own motion or residual.
    private func leavesLittle(_ w: DecisionWorkspace, x: Int, y: Int, log2: Int, bits limit: Double) -> Bool {
        let cu = w.bestRecord.cus[0]
        if w.bestCost == .infinity || cu.predMode != .inter || cu.rqtRootCbf { return false }
        if limit == .infinity { return true }
        let worst = UInt64(lambda * limit)
        let plane = source.planes.0
        let pitch = BlockSamples.stride(0)
        let size = 1 << log2
        var v = 0
        while v < size {
            var u = 0
            while u < size {
                let error = veil_any_sse(
                    isNarrow, plane.address(x &+ u, y &+ v), plane.stride, w.best.address(0, v &* pitch &+ u), pitch,
                    8, 8)
                if error > worst { return false }
                u &+= 8
            }
            v &+= 8
        }
        return true
    }
}

/// Working memory of one worker's decisions, kept over pictures.
final class DecisionMemory {
    let residual = Buffer<Int16>(repeating: 0, count: 1024, alignment: 64)
    let coefficients = Buffer<Int16>(repeating: 0, count: 1024, alignment: 64)
    let remainders = Buffer<Int32>(repeating: 0, count: 1024, alignment: 64)
    /// Whether samples have one byte: those of all blocks but `pairTarget`.
    let isNarrow: Bool
    let workspaces: [DecisionWorkspace]
    let treeSamples: [BlockSamples]
    /// For samples of either size.
    let modeBlock = Buffer<UInt16>(repeating: 0, count: 1024, alignment: 64)
    /// One prediction of two, of samples of either size, and what it leaves to the other.
    let pairPrediction = Buffer<UInt16>(repeating: 0, count: 4096, alignment: 64)
    let pairTarget = Buffer<UInt16>(repeating: 0, count: 4096, alignment: 64)
    /// A 4x4 block without transform, of samples of either size.
    let skipBlock = Buffer<UInt16>(repeating: 0, count: 16, alignment: 64)
    let starts = Buffer(repeating: MotionVector(), count: 16)
    let found = Buffer(repeating: InterChoice(), count: 16)
    let parts = Buffer(repeating: InterChoice(), count: 4)
    let intraChoices = Buffer(repeating: IntraChoice(), count: 35)
    /// QpY that the units of a CTU were decided with.
    let qps = Buffer<Int8>(repeating: 0, count: CodingTreeUnit.maxCUs)
    let marker = CTUMarker()
    let optimizer = LevelOptimizer()
    let disparities = DisparitySearch()
    /// Context states before the split of a unit, by depth.
    let contexts = (0..<4).map { _ in ContextSet() }
    let record = CodingTreeUnit()

    init(isNarrow: Bool = false) {
        self.isNarrow = isNarrow
        workspaces = (0..<4).map { _ in DecisionWorkspace(isNarrow: isNarrow) }
        treeSamples = (0..<4).map { _ in BlockSamples(isNarrow: isNarrow) }
    }
}
