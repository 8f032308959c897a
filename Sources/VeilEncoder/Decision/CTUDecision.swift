// SPDX-License-Identifier: GPL-2.0-or-later
import CVeilKernels
import Foundation
import VeilBins
import VeilRecon

/// What the mode decision of an enhancement layer tries.
package struct DecisionEffort: Equatable, Sendable {
    package var search = SearchEffort()
    /// Smallest coding block tried, log2.
    package var minCbLog2 = 3
    /// Merge candidates that get a full rate-distortion check.
    package var mergeChecks = 2
    /// References searched in each list, besides the inter-layer one.
    package var references = 2
    /// No split below a block that is best skipped.
    package var earlySkip = true
    /// Intra modes are tried when inter SATD is above this multiple of the block's best intra guess; 0 never.
    package var intraModes = 35
    package init() {}
}

/// Mode decision of one CTU: fills its record and leaves the reconstruction (before the in-loop filters) in the frame. One per worker.
final class CTUDecision {
    private let source: FrameBuffer
    private let slice: SliceContext
    private let picture: PictureReconstruction
    private let p: SliceParameters
    private let effort: DecisionEffort
    private let rate: RateEstimator
    private let motion = MotionSearch()
    private let intra = IntraPredictor()
    private let frame: FrameBuffer
    private let lambda: Double
    private let lambdaSatd: Double
    private let inter: Quantiser
    private let intraQuantiser: Quantiser
    private let maps: DecisionMaps
    private let interLayerIndex: Int?
    private let workspaces: [Workspace]
    private let modeBlock: UnsafeMutablePointer<UInt16>
    private var candidates: MotionCandidates?
    private var context: BlockContext
    private var ctu = CodingTreeUnit()

    /// Buffers of one quadtree level.
    private final class Workspace {
        let prediction = BlockSamples()
        let work = BlockSamples()
        let best = BlockSamples()
        let workRecord = CodingTreeUnit()
        let bestRecord = CodingTreeUnit()
        var bestCost = Double.infinity
        var bestMotion = MotionInfo()
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
                ), bitDepth: (slice.bitDepthLuma, slice.bitDepthChroma), rounding: rounding, residual: memory.residual,
                coefficients: memory.coefficients)
        }
        inter = quantiser(85)
        intraQuantiser = quantiser(171)
        interLayerIndex = (0..<slice.numRefIdxActive.0).first { slice.references?[$0].isInterLayer ?? false }
        workspaces = (0..<4).map { _ in Workspace() }
        modeBlock = .allocate(capacity: 1024)
        modeBlock.initialize(repeating: 0, count: 1024)
        context = BlockContext(slice: slice, picture: picture, ctbAddrRs: 0)
        memoryOwner = memory
    }

    private let memoryOwner: DecisionMemory

    deinit { modeBlock.deallocate() }

    /// Decides the CTU at a raster address. `contexts`: what it will be coded with.
    func decide(_ record: CodingTreeUnit, contexts: UnsafePointer<UInt8>) {
        ctu = record
        rate.begin(contexts: contexts, parameters: p)
        candidates = MotionCandidates(slice: slice, picture: picture.picture, ctbAddrRs: record.ctbAddrRs)
        context = BlockContext(slice: slice, picture: picture, ctbAddrRs: record.ctbAddrRs)
        _ = quadtree(x: record.xCtb, y: record.yCtb, log2: p.ctbLog2SizeY, depth: 0)
    }

    // MARK: Quadtree

    private func quadtree(x: Int, y: Int, log2: Int, depth: Int) -> Double {
        let size = 1 << log2
        let fits = x + size <= p.picWidthInLumaSamples && y + size <= p.picHeightInLumaSamples
        if !fits {
            return children(x: x, y: y, log2: log2, depth: depth)
        }
        let canSplit = log2 > max(p.minCbLog2SizeY, effort.minCbLog2)
        let w = workspaces[depth]
        decideUnit(w, x: x, y: y, log2: log2, depth: depth)
        let splitContext = maps.splitContext(x, y, depth: depth)
        var whole = w.bestCost
        if log2 > p.minCbLog2SizeY { whole += lambda * bits(rate.bin(0, Context.splitCuFlag + splitContext)) }
        if canSplit && !(effort.earlySkip && w.bestRecord.cus[0].cuSkipFlag && depth > 0) {
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
    private func commit(_ w: Workspace, x: Int, y: Int, log2: Int, depth: Int) {
        let best = w.bestRecord
        var cu = best.cus[0]
        cu.firstPU = Int32(ctu.puCount)
        cu.firstTU = Int32(ctu.tuCount)
        for i in 0..<Int(cu.puCount) {
            ctu.pus[ctu.puCount] = best.pus[i]
            ctu.puCount += 1
        }
        for i in 0..<Int(cu.tuCount) {
            var tu = best.tus[i]
            func move(_ r: inout ResidualBlock, _ log2: Int) {
                let count = 1 << (2 * log2)
                (ctu.levels + ctu.levelCount).update(from: best.levels + Int(r.start), count: count)
                r.start = Int32(ctu.levelCount)
                ctu.levelCount += count
            }
            if tu.cbf & 1 != 0 { move(&tu.residual.0, Int(tu.log2TrafoSize)) }
            if tu.cbf & 2 != 0 { move(&tu.residual.1, Int(tu.log2TrafoSizeC)) }
            if tu.cbf & 4 != 0 { move(&tu.residual.2, Int(tu.log2TrafoSizeC)) }
            ctu.tus[ctu.tuCount] = tu
            ctu.tuCount += 1
        }
        ctu.cus[ctu.cuCount] = cu
        ctu.cuCount += 1
        let size = 1 << log2
        w.best.store(to: frame, x: x, y: y, size: size)
        let block = MotionBlock(xCb: x, yCb: y, nCbS: size, xPb: x, yPb: y, nPbW: size, nPbH: size, partIdx: 0, partMode: .part2Nx2N)
        InterPredictor.store(w.bestMotion, block, picture.picture.motion)
        maps.set(x, y, size: size, skip: cu.cuSkipFlag, depth: depth)
    }

    @inline(__always)
    private func bits(_ cost: UInt64) -> Double { Double(cost) * (1 / 32768) }

    // MARK: One coding unit

    private func decideUnit(_ w: Workspace, x: Int, y: Int, log2: Int, depth: Int) {
        w.bestCost = .infinity
        let size = 1 << log2
        let skipContext = Context.cuSkipFlag + maps.skipContext(x, y)
        let at = source.planes.0.at(x, y)
        let stride = source.planes.0.stride
        var interSatd = Double.infinity
        if let candidates, let references = slice.references {
            let block = MotionBlock(xCb: x, yCb: y, nCbS: size, xPb: x, yPb: y, nPbW: size, nPbH: size, partIdx: 0, partMode: .part2Nx2N)
            let noSkip = bits(rate.bin(0, skipContext)) + bits(rate.bin(0, Context.predModeFlag))
                + bits(rate.bin(1, Context.partMode))
            // Merge candidates by SATD.
            var merges: [(index: Int, motion: MotionInfo, cost: Double)] = []
            _ = candidates.mergeList(block, until: p.maxNumMergeCand - 1) { index, info in
                if !merges.contains(where: { $0.motion == info }) { merges.append((index, info, 0)) }
            }
            for i in merges.indices {
                motion.predict(merges[i].motion, slice: slice, x: x, y: y, width: size, height: size, components: 1, into: w.prediction)
                let satd = Double(veil_satd(at, stride, w.prediction.y, 64, Int32(size), Int32(size)))
                merges[i].cost = satd + lambdaSatd * bits(rate.mergeIdx(merges[i].index, maxNumMergeCand: p.maxNumMergeCand))
            }
            merges.sort { $0.cost < $1.cost }
            for merge in merges.prefix(effort.mergeChecks) {
                interSatd = min(interSatd, merge.cost)
                var pu = PredictionUnit()
                pu.mergeFlag = true
                pu.mergeIdx = UInt8(merge.index)
                let mergeBits = bits(rate.mergeIdx(merge.index, maxNumMergeCand: p.maxNumMergeCand))
                checkInter(
                    w, x: x, y: y, log2: log2, pu: pu, motion: merge.motion,
                    skipBits: bits(rate.bin(1, skipContext)) + mergeBits,
                    codedBits: noSkip + bits(rate.bin(1, Context.mergeFlag)) + mergeBits)
            }
            // Searched vectors and the inter-layer reference.
            if !(effort.earlySkip && w.bestRecord.cus[0].cuSkipFlag && w.bestCost < .infinity && log2 == 6) {
                let starts = merges.prefix(3).flatMap { m -> [MotionVector] in m.motion.refIdx0 >= 0 ? [m.motion.mv0] : [] }
                let found = searchAll(x: x, y: y, size: size, depth: depth, block: block, candidates, references, starts: starts, w)
                for choice in found {
                    interSatd = min(interSatd, choice.cost)
                    checkInter(
                        w, x: x, y: y, log2: log2, pu: choice.pu, motion: choice.motion, skipBits: nil,
                        codedBits: noSkip + bits(rate.bin(0, Context.mergeFlag)) + choice.bits)
                }
            }
        }
        if log2 <= 5 && effort.intraModes > 0 && !(w.bestCost < .infinity && w.bestRecord.cus[0].cuSkipFlag && effort.earlySkip) {
            checkIntra(w, x: x, y: y, log2: log2, interSatd: interSatd, skipContext: skipContext)
        }
    }

    /// A searched prediction unit and what its syntax costs.
    private struct Choice {
        var pu: PredictionUnit
        var motion: MotionInfo
        var bits: Double
        var cost: Double
    }

    private func searchAll(
        x: Int, y: Int, size: Int, depth: Int, block: MotionBlock, _ candidates: MotionCandidates,
        _ references: UnsafeMutablePointer<ReferenceEntry>, starts: [MotionVector], _ w: Workspace
    ) -> [Choice] {
        let at = source.planes.0.at(x, y)
        let stride = source.planes.0.stride
        let isB = slice.sliceType == .b
        var best: [Choice?] = [nil, nil]
        var interLayer: Choice?
        for list in 0..<(isB ? 2 : 1) {
            let active = list == 0 ? slice.numRefIdxActive.0 : slice.numRefIdxActive.1
            var searched = 0
            for refIdx in 0..<active {
                let entry = references + (list * 16 + refIdx)
                if entry.pointee.isInterLayer && list == 1 { continue }
                var choice = Choice(pu: PredictionUnit(), motion: MotionInfo(), bits: 0, cost: 0)
                let predictors = candidates.amvp(block, list: list, refIdx: refIdx)
                var refBits = bits(rate.refIdx(refIdx, active: active)) + bits(rate.bin(0, Context.mvpFlag))
                if isB {
                    refBits += bits(rate.bin(0, Context.interPredIdc + depth)) + bits(rate.bin(list, Context.interPredIdc + 4))
                }
                if entry.pointee.isInterLayer {
                    // A vector into the inter-layer reference must be zero.
                    let mvd = MotionVector(x: 0 &- predictors.0.x, y: 0 &- predictors.0.y)
                    choice.pu.mvdL0 = mvd
                    choice.pu.refIdxL0 = Int8(refIdx)
                    choice.pu.refIdxL1 = -1
                    choice.motion.refIdx0 = Int8(refIdx)
                    choice.bits = refBits + bits(rate.mvd(Int(mvd.x), Int(mvd.y)))
                    motion.predict(choice.motion, slice: slice, x: x, y: y, width: size, height: size, components: 1, into: w.prediction)
                    choice.cost = Double(veil_satd(at, stride, w.prediction.y, 64, Int32(size), Int32(size))) + lambdaSatd * choice.bits
                    interLayer = choice
                    continue
                }
                if searched >= effort.references { continue }
                searched += 1
                let result = motion.search(
                    source: at, sourceStride: stride, reference: entry, x: x, y: y, size: size, predictors: predictors, starts: starts,
                    bitDepth: slice.bitDepthLuma, lambda: lambdaSatd, rate: rate, effort: effort.search)
                let mvp = result.mvpFlag == 0 ? predictors.0 : predictors.1
                let mvd = MotionVector(x: result.mv.x &- mvp.x, y: result.mv.y &- mvp.y)
                choice.bits = refBits + bits(rate.mvd(Int(mvd.x), Int(mvd.y)))
                choice.cost = result.cost + lambdaSatd * refBits
                choice.pu.interPredIdc = UInt8(list)
                if list == 0 {
                    choice.pu.refIdxL0 = Int8(refIdx)
                    choice.pu.refIdxL1 = -1
                    choice.pu.mvdL0 = mvd
                    choice.pu.mvpL0Flag = UInt8(result.mvpFlag)
                    choice.motion.mv0 = result.mv
                    choice.motion.refIdx0 = Int8(refIdx)
                } else {
                    choice.pu.refIdxL0 = -1
                    choice.pu.refIdxL1 = Int8(refIdx)
                    choice.pu.mvdL1 = mvd
                    choice.pu.mvpL1Flag = UInt8(result.mvpFlag)
                    choice.motion.mv1 = result.mv
                    choice.motion.refIdx1 = Int8(refIdx)
                }
                if choice.cost < best[list]?.cost ?? .infinity { best[list] = choice }
            }
        }
        var result: [Choice] = []
        if let uni = [best[0], best[1]].compactMap({ $0 }).min(by: { $0.cost < $1.cost }) { result.append(uni) }
        if let a = best[0], let b = best[1] {
            var both = a
            both.pu.interPredIdc = 2
            both.pu.refIdxL1 = b.pu.refIdxL1
            both.pu.mvdL1 = b.pu.mvdL1
            both.pu.mvpL1Flag = b.pu.mvpL1Flag
            both.motion.mv1 = b.motion.mv1
            both.motion.refIdx1 = b.motion.refIdx1
            both.bits = a.bits + b.bits
            motion.predict(both.motion, slice: slice, x: x, y: y, width: size, height: size, components: 1, into: w.prediction)
            both.cost = Double(veil_satd(at, stride, w.prediction.y, 64, Int32(size), Int32(size))) + lambdaSatd * both.bits
            if both.cost < result.first?.cost ?? .infinity { result = [both] }
        }
        // The inter-layer prediction enters the full check unless it is far off.
        if let interLayer, interLayer.cost < (result.first?.cost ?? .infinity) * 1.1 { result.append(interLayer) }
        return result
    }

    /// Rate-distortion cost of an inter unit, skipped (when it may be) and with residual; keeps it when it is the best so far.
    private func checkInter(
        _ w: Workspace, x: Int, y: Int, log2: Int, pu: PredictionUnit, motion info: MotionInfo, skipBits: Double?, codedBits: Double
    ) {
        let size = 1 << log2
        motion.predict(info, slice: slice, x: x, y: y, width: size, height: size, components: 3, into: w.prediction)
        var cu = CodingUnit()
        cu.x0 = Int32(x)
        cu.y0 = Int32(y)
        cu.log2CbSize = UInt8(log2)
        cu.predMode = .inter
        cu.puCount = 1
        let record = w.workRecord
        record.levelCount = 0
        record.tuCount = 0
        record.pus[0] = pu
        let pieces = log2 == 6 ? 4 : 1
        let log2Tu = min(log2, 5)
        var distortion = 0.0
        var rateBits = 0.0
        var zeroDistortion = 0.0
        var anyCbf = false
        for piece in 0..<pieces {
            let dx = (piece & 1) * 32
            let dy = (piece >> 1) * 32
            var tu = TransformUnit()
            tu.x0 = Int32(x + dx)
            tu.y0 = Int32(y + dy)
            tu.log2TrafoSize = UInt8(log2Tu)
            tu.hasChroma = true
            tu.log2TrafoSizeC = UInt8(max(2, log2Tu - 1))
            tu.xBase = tu.x0
            tu.yBase = tu.y0
            for cIdx in 0..<3 {
                let s = cIdx == 0 ? 0 : 1
                let log2Block = log2Tu - s
                let plane = source.plane(cIdx)
                let outcome = block(
                    inter, record, source: plane.at((x + dx) >> s, (y + dy) >> s), sourceStride: plane.stride,
                    prediction: w.prediction.plane(cIdx) + ((dy >> s) * BlockSamples.stride(cIdx) + (dx >> s)),
                    out: w.work.plane(cIdx) + ((dy >> s) * BlockSamples.stride(cIdx) + (dx >> s)), log2: log2Block, cIdx: cIdx,
                    isDST: false, scanIdx: 0)
                distortion += outcome.distortion
                zeroDistortion += outcome.zeroDistortion
                rateBits += outcome.bits
                if outcome.coded {
                    anyCbf = true
                    tu.cbf |= 1 << UInt8(cIdx)
                    if cIdx == 0 { tu.residual.0 = outcome.residual } else if cIdx == 1 { tu.residual.1 = outcome.residual } else { tu.residual.2 = outcome.residual }
                }
            }
            record.tus[piece] = tu
        }
        if let skipBits {
            let cost = zeroDistortion + lambda * skipBits
            if cost < w.bestCost {
                var skipped = cu
                skipped.cuSkipFlag = true
                keep(w, skipped, info, cost: cost, samples: w.prediction, size: size)
            }
        }
        if anyCbf {
            let root = pu.mergeFlag ? 0 : bits(rate.bin(1, Context.rqtRootCbf))
            let cost = distortion + lambda * (codedBits + rateBits + root)
            if cost < w.bestCost {
                cu.rqtRootCbf = true
                cu.tuCount = Int32(pieces)
                record.tuCount = pieces
                keep(w, cu, info, cost: cost, samples: w.work, size: size)
            }
        } else if !pu.mergeFlag {
            let cost = zeroDistortion + lambda * (codedBits + bits(rate.bin(0, Context.rqtRootCbf)))
            if cost < w.bestCost { keep(w, cu, info, cost: cost, samples: w.prediction, size: size) }
        }
    }

    private func keep(_ w: Workspace, _ cu: CodingUnit, _ info: MotionInfo, cost: Double, samples: BlockSamples, size: Int) {
        w.bestCost = cost
        w.bestMotion = info
        let best = w.bestRecord
        let record = w.workRecord
        best.cus[0] = cu
        best.pus[0] = record.pus[0]
        if cu.rqtRootCbf {
            for i in 0..<Int(cu.tuCount) { best.tus[i] = record.tus[i] }
            best.levels.update(from: record.levels, count: record.levelCount)
        }
        for cIdx in 0..<3 {
            let s = cIdx == 0 ? 0 : 1
            let stride = BlockSamples.stride(cIdx)
            veil_copy(w.best.plane(cIdx), stride, samples.plane(cIdx), stride, Int32(size >> s), Int32(size >> s))
        }
    }

    private struct BlockOutcome {
        var distortion = 0.0
        var zeroDistortion = 0.0
        var bits = 0.0
        var coded = false
        var residual = ResidualBlock()
    }

    /// Transforms one block and decides whether its residual is worth coding. `out` gets the reconstruction; levels go to the record.
    private func block(
        _ q: Quantiser, _ record: CodingTreeUnit, source: UnsafePointer<UInt16>, sourceStride: Int, prediction: UnsafePointer<UInt16>,
        out: UnsafeMutablePointer<UInt16>, log2: Int, cIdx: Int, isDST: Bool, scanIdx: Int, predictionStride: Int? = nil,
        outStride: Int? = nil
    ) -> BlockOutcome {
        let n = Int32(1 << log2)
        let stride = BlockSamples.stride(cIdx)
        let pStride = predictionStride ?? stride
        let oStride = outStride ?? stride
        var outcome = BlockOutcome()
        outcome.zeroDistortion = Double(veil_sse(source, sourceStride, prediction, pStride, n, n))
        let levels = record.levels + record.levelCount
        let cbfContext = cIdx == 0 ? Context.cbfLuma + 1 : Context.cbfChroma
        let zeroBits = bits(rate.bin(0, cbfContext))
        let count = q.quantise(
            source: source, sourceStride: sourceStride, prediction: prediction, predictionStride: pStride, log2: log2, cIdx: cIdx,
            isDST: isDST, levels: levels)
        if UnsafePointer(out) != prediction { veil_copy(out, oStride, prediction, pStride, n, n) }
        outcome.distortion = outcome.zeroDistortion
        outcome.bits = zeroBits
        if count == 0 { return outcome }
        let rateBits = bits(rate.bin(1, cbfContext))
            + bits(rate.residual(record, start: record.levelCount, log2: log2, cIdx: cIdx, scanIdx: scanIdx))
        q.reconstruct(levels: levels, to: out, stride: oStride, log2: log2, cIdx: cIdx, isDST: isDST)
        let distortion = Double(veil_sse(source, sourceStride, out, oStride, n, n))
        if distortion + lambda * rateBits < outcome.zeroDistortion + lambda * zeroBits {
            outcome.distortion = distortion
            outcome.bits = rateBits
            outcome.coded = true
            outcome.residual.start = Int32(record.levelCount)
            record.levelCount += 1 << (2 * log2)
        } else if UnsafePointer(out) != prediction {
            veil_copy(out, oStride, prediction, pStride, n, n)
        }
        return outcome
    }

    // MARK: Intra

    private func checkIntra(_ w: Workspace, x: Int, y: Int, log2: Int, interSatd: Double, skipContext: Int) {
        let n = 1 << log2
        let at = source.planes.0.at(x, y)
        let stride = source.planes.0.stride
        let depth = slice.bitDepthLuma
        intra.gather(context, cIdx: 0, x: x, y: y, log2Size: log2)
        var bestMode = 0
        var bestSatd = Double.infinity
        func consider(_ mode: Int) {
            intra.predict(
                mode: mode, cIdx: 0, log2Size: log2, bitDepth: depth, strongSmoothing: slice.constants.strongIntraSmoothingEnabledFlag,
                to: modeBlock, stride: n)
            let satd = Double(veil_satd(at, stride, modeBlock, n, Int32(n), Int32(n))) + lambdaSatd * (mode < 2 || mode == 26 ? 2.5 : 6)
            if satd < bestSatd {
                bestSatd = satd
                bestMode = mode
            }
        }
        consider(0)
        consider(1)
        if interSatd < bestSatd * 0.5 { return }
        for mode in stride0 { consider(mode) }
        if bestMode >= 2 {
            for step in [2, 1] {
                let centre = bestMode
                for mode in [centre - step, centre + step] where (2...34).contains(mode) { consider(mode) }
            }
        }
        if interSatd * 1.5 < bestSatd { return }
        let scan = log2 == 3 ? SliceDataSyntax<BitCounter>.scanIdx(UInt8(bestMode)) : 0
        let scanC = log2 == 3 ? SliceDataSyntax<BitCounter>.scanIdx(UInt8(bestMode)) : 0
        let record = w.workRecord
        record.levelCount = 0
        var tu = TransformUnit()
        tu.x0 = Int32(x)
        tu.y0 = Int32(y)
        tu.log2TrafoSize = UInt8(log2)
        tu.hasChroma = true
        tu.log2TrafoSizeC = UInt8(max(2, log2 - 1))
        tu.xBase = tu.x0
        tu.yBase = tu.y0
        var distortion = 0.0
        var rateBits = 0.0
        for cIdx in 0..<3 {
            let s = cIdx == 0 ? 0 : 1
            let log2Block = cIdx == 0 ? log2 : Int(tu.log2TrafoSizeC)
            let plane = frame.plane(cIdx)
            let from = source.plane(cIdx)
            intra.predict(context, cIdx: cIdx, x: x >> s, y: y >> s, log2Size: log2Block, mode: bestMode)
            let target = plane.at(x >> s, y >> s)
            let m = 1 << log2Block
            let prediction = w.prediction.plane(cIdx)
            let pStride = BlockSamples.stride(cIdx)
            veil_copy(prediction, pStride, target, plane.stride, Int32(m), Int32(m))
            let outcome = block(
                intraQuantiser, record, source: from.at(x >> s, y >> s), sourceStride: from.stride, prediction: prediction, out: target,
                log2: log2Block, cIdx: cIdx, isDST: cIdx == 0 && log2Block == 2, scanIdx: cIdx == 0 ? scan : scanC,
                outStride: plane.stride)
            distortion += outcome.distortion
            rateBits += outcome.bits
            if outcome.coded {
                tu.cbf |= 1 << UInt8(cIdx)
                if cIdx == 0 { tu.residual.0 = outcome.residual } else if cIdx == 1 { tu.residual.1 = outcome.residual } else { tu.residual.2 = outcome.residual }
            }
        }
        var header = bits(rate.bin(0, Context.intraChromaPredMode))
        header += bestMode < 2 || bestMode == 26 ? 2.5 : 6
        if slice.sliceType != .i { header += bits(rate.bin(0, skipContext)) + bits(rate.bin(1, Context.predModeFlag)) }
        if log2 == p.minCbLog2SizeY { header += bits(rate.bin(1, Context.partMode)) }
        let cost = distortion + lambda * (rateBits + header)
        if cost >= w.bestCost { return }
        var cu = CodingUnit()
        cu.x0 = Int32(x)
        cu.y0 = Int32(y)
        cu.log2CbSize = UInt8(log2)
        cu.predMode = .intra
        let mode = UInt8(bestMode)
        cu.intraPredModeY = (mode, mode, mode, mode)
        cu.intraChromaPredMode = 4
        cu.intraPredModeC = mode
        cu.rqtRootCbf = true
        cu.tuCount = 1
        record.tus[0] = tu
        w.work.load(from: frame, x: x, y: y, size: n)
        keep(w, cu, MotionInfo(), cost: cost, samples: w.work, size: n)
    }

    private let stride0 = [26, 10, 2, 6, 14, 18, 22, 30, 34]
}

/// Working memory of the transforms of one worker.
final class DecisionMemory {
    let residual: UnsafeMutablePointer<Int16>
    let coefficients: UnsafeMutablePointer<Int16>
    init() {
        residual = UnsafeMutableRawPointer.allocate(byteCount: 2048, alignment: 64).bindMemory(to: Int16.self, capacity: 1024)
        residual.initialize(repeating: 0, count: 1024)
        coefficients = UnsafeMutableRawPointer.allocate(byteCount: 2048, alignment: 64).bindMemory(to: Int16.self, capacity: 1024)
        coefficients.initialize(repeating: 0, count: 1024)
    }
    deinit {
        residual.deallocate()
        coefficients.deallocate()
    }
}

/// Skip flags and quadtree depths of a picture on the 8x8 grid, for the contexts that costs are estimated with.
final class DecisionMaps: @unchecked Sendable {
    private let width8: Int
    private let skip: UnsafeMutablePointer<UInt8>
    private let depth: UnsafeMutablePointer<UInt8>

    init(width: Int, height: Int) {
        width8 = (width + 7) / 8
        let count = width8 * ((height + 7) / 8)
        skip = .allocate(capacity: count)
        skip.initialize(repeating: 0, count: count)
        depth = .allocate(capacity: count)
        depth.initialize(repeating: 0, count: count)
    }

    deinit {
        skip.deallocate()
        depth.deallocate()
    }

    func skipContext(_ x: Int, _ y: Int) -> Int {
        let at = (y >> 3) * width8 + (x >> 3)
        return (x > 0 ? Int(skip[at - 1]) : 0) + (y > 0 ? Int(skip[at - width8]) : 0)
    }

    func splitContext(_ x: Int, _ y: Int, depth d: Int) -> Int {
        let at = (y >> 3) * width8 + (x >> 3)
        return (x > 0 && Int(depth[at - 1]) > d ? 1 : 0) + (y > 0 && Int(depth[at - width8]) > d ? 1 : 0)
    }

    func set(_ x: Int, _ y: Int, size: Int, skip s: Bool, depth d: Int) {
        let cells = size >> 3
        for row in 0..<cells {
            let at = ((y >> 3) + row) * width8 + (x >> 3)
            (skip + at).update(repeating: s ? 1 : 0, count: cells)
            (depth + at).update(repeating: UInt8(d), count: cells)
        }
    }
}
