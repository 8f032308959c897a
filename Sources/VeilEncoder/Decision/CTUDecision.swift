// SPDX-License-Identifier: GPL-2.0-or-later
import CVeilKernels
import Foundation
import VeilBins
import VeilRecon

/// Mode decision of one CTU: fills its record and leaves the reconstruction (before the in-loop filters) in the frame, its motion in the
/// motion field. One per worker.
///
/// By rate and distortion, every unit tried is coded and the quadtree is decided on the way. By Hadamard costs, the quadtree and the motion
/// are planned for the whole CTU first, and only the units chosen are coded.
final class CTUDecision {
    let source: FrameBuffer
    let slice: SliceContext
    let picture: PictureReconstruction
    let p: SliceParameters
    let effort: DecisionEffort
    let rate: RateEstimator
    let search = MotionSearch()
    let predictor = DecisionPrediction()
    let intra = IntraPredictor()
    let frame: FrameBuffer
    let lambda: Double
    let lambdaSatd: Double
    let interQuantiser: Quantiser
    let intraQuantiser: Quantiser
    let maps: DecisionMaps
    let references: UnsafeMutablePointer<ReferenceEntry>?
    let interLayerIndex: Int
    let workspaces: [DecisionWorkspace]
    /// What a transform tree's alternatives are kept in, by depth.
    let treeSamples: [BlockSamples]
    let modeBlock: UnsafeMutablePointer<UInt16>
    let starts: UnsafeMutablePointer<MotionVector>
    let parts: UnsafeMutablePointer<InterChoice>
    let plan: UnsafeMutablePointer<PlannedUnit>
    let memory: DecisionMemory
    private let candidateView: UnsafeMutablePointer<MotionCandidates>
    @exclusivity(unchecked) var planCount = 0
    @exclusivity(unchecked) var context: BlockContext
    @exclusivity(unchecked) var ctu = CodingTreeUnit(levelCapacity: 16)
    @exclusivity(unchecked) private var isPrepared = false
    /// Greatest row of references that vectors may reach.
    @exclusivity(unchecked) var lastRow = Int.max

    /// A unit of a CTU planned by Hadamard costs.
    struct PlannedUnit {
        var x = 0
        var y = 0
        var log2 = 0
        var depth = 0
        /// Nothing but its prediction.
        var isSkipped = false
        var isIntra = false
        var choice = InterChoice()
    }

    init(
        source: FrameBuffer, slice: SliceContext, picture: PictureReconstruction, parameters: SliceParameters, maps: DecisionMaps,
        effort: DecisionEffort, memory: DecisionMemory
    ) {
        self.source = source
        self.slice = slice
        self.picture = picture
        self.maps = maps
        self.effort = effort
        self.memory = memory
        p = parameters
        frame = picture.picture.frame
        rate = RateEstimator(parameters: parameters)
        let qp = slice.constants.sliceQpY
        lambda = 0.57 * exp2(Double(qp - 12) / 3)
        lambdaSatd = lambda.squareRoot()
        func quantiser(_ rounding: Int) -> Quantiser {
            Quantiser(
                qp: (
                    qp + 6 * (slice.bitDepthLuma - 8),
                    QuantizationParameters.qpChroma(qpY: qp, offset: slice.constants.cbQpOffset, bitDepthChroma: slice.bitDepthChroma),
                    QuantizationParameters.qpChroma(qpY: qp, offset: slice.constants.crQpOffset, bitDepthChroma: slice.bitDepthChroma)
                ), bitDepth: (slice.bitDepthLuma, slice.bitDepthChroma), rounding: rounding, memory: memory)
        }
        interQuantiser = quantiser(85)
        intraQuantiser = quantiser(171)
        references = slice.references
        interLayerIndex = (0..<slice.numRefIdxActive.0).first { slice.references?[$0].isInterLayer ?? false } ?? -1
        workspaces = memory.workspaces
        treeSamples = memory.treeSamples
        modeBlock = memory.modeBlock
        starts = memory.starts
        parts = memory.parts
        plan = memory.plan
        context = BlockContext(slice: slice, picture: picture, ctbAddrRs: 0)
        candidateView = .allocate(capacity: 1)
    }

    // The view holds plain words only.
    deinit { candidateView.deallocate() }

    var candidates: UnsafePointer<MotionCandidates> { UnsafePointer(candidateView) }
    var isInter: Bool { references != nil }

    /// Decides the CTU at a raster address. `contexts`: what it will be coded with, or nearly.
    func decide(_ record: CodingTreeUnit, contexts: UnsafePointer<UInt8>) {
        ctu = record
        rate.begin(contexts: contexts, parameters: p)
        if !isPrepared {
            search.begin(lambda: lambdaSatd, rate: rate)
            isPrepared = true
        }
        if let view = MotionCandidates(slice: slice, picture: picture.picture, ctbAddrRs: record.ctbAddrRs) {
            candidateView.initialize(to: view)
        }
        context = BlockContext(slice: slice, picture: picture, ctbAddrRs: record.ctbAddrRs)
        awaitReferences(record.yCtb)
        if effort.rateDistortion {
            _ = quadtree(x: record.xCtb, y: record.yCtb, log2: p.ctbLog2SizeY, depth: 0)
        } else {
            planCount = 0
            _ = planQuadtree(x: record.xCtb, y: record.yCtb, log2: p.ctbLog2SizeY, depth: 0)
            for i in 0..<planCount { codePlanned(plan[i]) }
        }
    }

    /// Waits until the references, which may still be coded by other threads, have got as far as searches may reach.
    private func awaitReferences(_ yCtb: Int) {
        guard let references else { return }
        let reach = yCtb + (1 << p.ctbLog2SizeY) + Self.verticalReach
        lastRow = reach + 8 >= slice.height ? Int.max / 2 : reach
        for list in 0..<2 {
            for i in 0..<(list == 0 ? slice.numRefIdxActive.0 : slice.numRefIdxActive.1) {
                references[list * 16 + i].picture._withUnsafeGuaranteedRef { $0.wait(rows: min(reach + 8, slice.height)) }
            }
        }
    }

    /// How far below its CTU a search may go, in luma samples.
    private static let verticalReach = 64

    // MARK: Quadtree by rate and distortion

    private func quadtree(x: Int, y: Int, log2: Int, depth: Int) -> Double {
        let size = 1 << log2
        let fits = x + size <= p.picWidthInLumaSamples && y + size <= p.picHeightInLumaSamples
        if !fits { return children(x: x, y: y, log2: log2, depth: depth) }
        let canSplit = log2 > max(p.minCbLog2SizeY, effort.minCbLog2)
        if canSplit && log2 > effort.maxCbLog2 {
            return children(x: x, y: y, log2: log2, depth: depth)
        }
        let w = workspaces[depth]
        decideUnit(w, x: x, y: y, log2: log2, depth: depth)
        let splitContext = maps.splitContext(x, y, depth: depth)
        var whole = w.bestCost
        if log2 > p.minCbLog2SizeY { whole += lambda * bits(rate.bin(0, Context.splitCuFlag + splitContext)) }
        let done = effort.earlySkip && w.bestCost < .infinity
            && (w.bestRecord.cus[0].cuSkipFlag || (w.bestRecord.cus[0].predMode == .inter && !w.bestRecord.cus[0].rqtRootCbf))
        if canSplit && !done {
            let (cuCount, puCount, tuCount, levelCount) = (ctu.cuCount, ctu.puCount, ctu.tuCount, ctu.levelCount)
            let split = children(x: x, y: y, log2: log2, depth: depth) + lambda * bits(rate.bin(1, Context.splitCuFlag + splitContext))
            if split < whole { return split }
            (ctu.cuCount, ctu.puCount, ctu.tuCount, ctu.levelCount) = (cuCount, puCount, tuCount, levelCount)
        }
        commit(w, x: x, y: y, log2: log2, depth: depth)
        return whole
    }

    private func children(x: Int, y: Int, log2: Int, depth: Int) -> Double {
        let half = 1 << (log2 - 1)
        var cost = 0.0
        for i in 0..<4 {
            let xi = x + (i & 1) * half
            let yi = y + (i >> 1) * half
            if xi < p.picWidthInLumaSamples && yi < p.picHeightInLumaSamples {
                cost += quadtree(x: xi, y: yi, log2: log2 - 1, depth: depth + 1)
            }
        }
        return cost
    }

    /// Appends the best unit of a workspace to the record and makes it what later blocks see.
    func commit(_ w: DecisionWorkspace, x: Int, y: Int, log2: Int, depth: Int) {
        let best = w.bestRecord
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
                if tu.cbf & 1 != 0 { move(&tu.residual.0, best, Int(tu.log2TrafoSize)) }
                if tu.cbf & 2 != 0 { move(&tu.residual.1, best, Int(tu.log2TrafoSizeC)) }
                if tu.cbf & 4 != 0 { move(&tu.residual.2, best, Int(tu.log2TrafoSizeC)) }
                ctu.tus[ctu.tuCount] = tu
                ctu.tuCount &+= 1
            }
        }
        ctu.cus[ctu.cuCount] = cu
        ctu.cuCount &+= 1
        let size = 1 << log2
        w.best.store(to: frame, x: x, y: y, size: size)
        storeMotion(w.bestMotion, cu.partMode, x: x, y: y, size: size, count: max(Int(cu.puCount), 1))
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
    private func move(_ r: inout ResidualBlock, _ from: CodingTreeUnit, _ log2: Int) {
        let count = 1 << (2 * log2)
        (ctu.levels + ctu.levelCount).update(from: from.levels + Int(r.start), count: count)
        r.start = Int32(truncatingIfNeeded: ctu.levelCount)
        ctu.levelCount &+= count
    }

    /// Writes the motion of a unit's partitions to the motion field.
    func storeMotion(_ motion: UnsafePointer<MotionInfo>, _ partMode: PartMode, x: Int, y: Int, size: Int, count: Int) {
        for i in 0..<count {
            InterPredictor.store(motion[i], Self.block(x, y, size, partMode, i), picture.picture.motion)
        }
    }

    /// The block of a partition.
    @inline(__always)
    static func block(_ x: Int, _ y: Int, _ size: Int, _ partMode: PartMode, _ index: Int) -> MotionBlock {
        let half = size / 2
        let quarter = size / 4
        var b = MotionBlock(xCb: x, yCb: y, nCbS: size, xPb: x, yPb: y, nPbW: size, nPbH: size, partIdx: index, partMode: partMode)
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

    // MARK: One coding unit by rate and distortion

    private func decideUnit(_ w: DecisionWorkspace, x: Int, y: Int, log2: Int, depth: Int) {
        w.bestCost = .infinity
        var interSatd = Double.infinity
        if isInter {
            let block = Self.block(x, y, 1 << log2, .part2Nx2N, 0)
            w.choiceCount = 0
            gatherMerge(w, block)
            let merges = min(w.choiceCount, effort.mergeChecks)
            for i in 0..<merges {
                parts[0] = w.choices[i]
                checkInter(w, x: x, y: y, log2: log2, depth: depth, partMode: .part2Nx2N, count: 1)
                if effort.earlySkip && i == 0 && w.bestRecord.cus[0].cuSkipFlag && w.bestIsZero { return }
            }
            interSatd = w.choiceCount > 0 ? w.choices[0].cost : .infinity
            w.choiceCount = 0
            gatherSearch(w, block, depth: depth, bound: interSatd)
            var checked = 0
            for i in 0..<w.choiceCount {
                let choice = w.choices[i]
                if checked >= 2 || choice.cost > interSatd * 1.2 { break }
                interSatd = min(interSatd, choice.cost)
                parts[0] = choice
                checkInter(w, x: x, y: y, log2: log2, depth: depth, partMode: .part2Nx2N, count: 1)
                checked += 1
            }
            if effort.partitions > 0 && !(effort.earlySkip && w.bestRecord.cus[0].cuSkipFlag) {
                checkPartitions(w, x: x, y: y, log2: log2, depth: depth)
            }
        }
        if log2 <= 5 && effort.intra > 0 && !(w.bestCost < .infinity && w.bestRecord.cus[0].cuSkipFlag && effort.earlySkip) {
            checkIntra(w, x: x, y: y, log2: log2, interSatd: interSatd)
        }
    }

    // MARK: Quadtree by Hadamard costs

    private func planQuadtree(x: Int, y: Int, log2: Int, depth: Int) -> Double {
        let size = 1 << log2
        let fits = x + size <= p.picWidthInLumaSamples && y + size <= p.picHeightInLumaSamples
        let canSplit = log2 > max(p.minCbLog2SizeY, effort.minCbLog2)
        if !fits || (canSplit && log2 > effort.maxCbLog2) { return planChildren(x: x, y: y, log2: log2, depth: depth) }
        let w = workspaces[depth]
        var unit = PlannedUnit(x: x, y: y, log2: log2, depth: depth)
        var whole = Double.infinity
        if isInter {
            let block = Self.block(x, y, size, .part2Nx2N, 0)
            w.choiceCount = 0
            gatherMerge(w, block)
            if w.choiceCount > 0 && isWithoutResidual(w, w.choices[0], x: x, y: y, log2: log2) {
                unit.isSkipped = true
                unit.choice = w.choices[0]
                append(unit)
                return unit.choice.cost
            }
            gatherSearch(w, block, depth: depth, bound: w.choiceCount > 0 ? w.choices[0].cost : .infinity)
            if w.choiceCount > 0 {
                unit.choice = w.choices[0]
                whole = unit.choice.cost
            }
        }
        if log2 <= 5 && effort.intra > 0 {
            // From the source's own samples beside the block: those of the reconstruction are not there yet.
            let mean = whole / Double(size * size)
            if !isInter || mean > 2.5 * interQuantiser.step * 0.25 {
                let (_, cost) = estimateIntra(x: x, y: y, log2: log2, fromSource: true, stop: whole * 0.5)
                if cost * 1.1 < whole {
                    whole = cost
                    unit.isIntra = true
                }
            }
        }
        if canSplit {
            let splitContext = maps.splitContext(x, y, depth: depth)
            let first = planCount
            let split = planChildren(x: x, y: y, log2: log2, depth: depth)
                + lambdaSatd * (bits(rate.bin(1, Context.splitCuFlag + splitContext)) + 2)
            if split < whole + lambdaSatd * bits(rate.bin(0, Context.splitCuFlag + splitContext)) { return split }
            planCount = first
        }
        append(unit)
        return whole
    }

    private func planChildren(x: Int, y: Int, log2: Int, depth: Int) -> Double {
        let half = 1 << (log2 - 1)
        var cost = 0.0
        for i in 0..<4 {
            let xi = x + (i & 1) * half
            let yi = y + (i >> 1) * half
            if xi < p.picWidthInLumaSamples && yi < p.picHeightInLumaSamples {
                cost += planQuadtree(x: xi, y: yi, log2: log2 - 1, depth: depth + 1)
            }
        }
        return cost
    }

    private func append(_ unit: PlannedUnit) {
        plan[planCount] = unit
        planCount += 1
        let size = 1 << unit.log2
        let motion = unit.isIntra ? MotionInfo() : unit.choice.motion
        InterPredictor.store(motion, Self.block(unit.x, unit.y, size, .part2Nx2N, 0), picture.picture.motion)
        maps.set(unit.x, unit.y, size: size, skip: unit.isSkipped, depth: unit.depth)
    }

    /// Codes a unit as planned.
    private func codePlanned(_ unit: PlannedUnit) {
        let w = workspaces[unit.depth]
        w.bestCost = .infinity
        if unit.isIntra {
            checkIntra(w, x: unit.x, y: unit.y, log2: unit.log2, interSatd: .infinity)
        } else if unit.isSkipped {
            parts[0] = unit.choice
            takeSkipped(w, x: unit.x, y: unit.y, log2: unit.log2)
        } else {
            parts[0] = unit.choice
            checkInter(w, x: unit.x, y: unit.y, log2: unit.log2, depth: unit.depth, partMode: .part2Nx2N, count: 1)
        }
        commit(w, x: unit.x, y: unit.y, log2: unit.log2, depth: unit.depth)
    }
}

/// Working memory of one worker's decisions, kept over pictures.
final class DecisionMemory {
    let residual: UnsafeMutablePointer<Int16>
    let coefficients: UnsafeMutablePointer<Int16>
    let remainders: UnsafeMutablePointer<Int32>
    let workspaces = (0..<4).map { _ in DecisionWorkspace() }
    let treeSamples = (0..<4).map { _ in BlockSamples() }
    let modeBlock: UnsafeMutablePointer<UInt16>
    let starts: UnsafeMutablePointer<MotionVector>
    let parts: UnsafeMutablePointer<InterChoice>
    let plan: UnsafeMutablePointer<CTUDecision.PlannedUnit>
    let marker = CTUMarker()
    let record = CodingTreeUnit()

    init() {
        func samples<T>(_ count: Int, _ value: T) -> UnsafeMutablePointer<T> {
            let memory = UnsafeMutableRawPointer.allocate(byteCount: count * MemoryLayout<T>.stride, alignment: 64)
                .bindMemory(to: T.self, capacity: count)
            memory.initialize(repeating: value, count: count)
            return memory
        }
        residual = samples(1024, 0)
        coefficients = samples(1024, 0)
        remainders = samples(1024, 0)
        modeBlock = samples(1024, 0)
        starts = samples(16, MotionVector())
        parts = samples(4, InterChoice())
        plan = samples(64, CTUDecision.PlannedUnit())
    }

    deinit {
        residual.deallocate()
        coefficients.deallocate()
        remainders.deallocate()
        modeBlock.deallocate()
        starts.deallocate()
        parts.deallocate()
        plan.deallocate()
    }
}
