// SPDX-License-Identifier: GPL-2.0-or-later
import CVeilKernels
import VeilCore
import VeilEntropy
import VeilRecon

/// Motion of prediction units, and the rate and distortion of inter coding units.
extension CTUDecision {
    // MARK: Candidates by Hadamard cost

    /// Adds the merge candidates of a block to a workspace's choices.
    func gatherMerge(_ w: DecisionWorkspace, _ block: MotionBlock) {
        guard let references else { return }
        let flag = bits(rate.bin(1, Context.mergeFlag))
        let small = block.nPbW &+ block.nPbH == 12
        let first = w.choiceCount
        _ = candidates.pointee.mergeList(block, until: min(p.maxNumMergeCand, effort.mergeCandidates) &- 1) {
            index, info in
            var choice = InterChoice()
            choice.motion = info
            if small && info.refIdx0 >= 0 && info.refIdx1 >= 0 {
                choice.motion.refIdx1 = -1
                choice.motion.mv1 = MotionVector()
            }
            for i in first..<w.choiceCount where w.choices[i].motion == choice.motion { return }
            if mixesViews && !canRefer(choice.motion) { return }
            awaitMotion(choice.motion, bottom: block.yPb &+ block.nPbH)
            choice.bits = flag + bits(rate.mergeIdx(index, maxNumMergeCand: p.maxNumMergeCand))
            choice.pu.mergeFlag = true
            choice.pu.mergeIdx = UInt8(truncatingIfNeeded: index)
            let satd = predictor.satd(
                choice.motion, references: references, bitDepth: slice.bitDepthLuma, block, source: source.planes.0)
            choice.cost = Double(satd) + lambdaSatd * choice.bits
            w.insert(choice)
        }
    }

    /// Whether all vectors into resampled pictures are zero, as they have to be (H.8.1.4).
    @inline(__always)
    private func canRefer(_ motion: MotionInfo) -> Bool {
        guard let references else { return true }
        func allowed(_ refIdx: Int8, _ entry: Int, _ mv: MotionVector) -> Bool {
            refIdx < 0 || !references[entry + Int(refIdx)].isInterLayer || (mv.x | mv.y) == 0
        }
        return allowed(motion.refIdx0, 0, motion.mv0) && allowed(motion.refIdx1, 16, motion.mv1)
    }

    /// Merged motion may reach further than searches do.
    @inline(__always)
    private func awaitMotion(_ motion: MotionInfo, bottom: Int) {
        guard let references, lastRow < slice.height else { return }
        if motion.refIdx0 >= 0 { waitFor(references + Int(motion.refIdx0), bottom &+ Int(motion.mv0.y) &>> 2) }
        if motion.refIdx1 >= 0 { waitFor(references + (16 &+ Int(motion.refIdx1)), bottom &+ Int(motion.mv1.y) &>> 2) }
    }

    @inline(__always)
    private func waitFor(_ entry: MutableBufferView<ReferenceEntry>, _ row: Int) {
        // Vectors to the inter-layer reference are zero, and the CTU's part of it is there.
        if row > lastRow && !entry.pointee.isInterLayer {
            entry.pointee.picture._withUnsafeGuaranteedRef { $0.wait(rows: min(row &+ 8, slice.height)) }
        }
    }

    /// Adds searched motion and the inter-layer reference to a workspace's choices. `bound`: cost of the best
    /// candidate so far.
    func gatherSearch(_ w: DecisionWorkspace, _ block: MotionBlock, depth: Int, bound: Double, effort: DecisionEffort) {
        guard let references else { return }
        let at = source.planes.0.address(block.xPb, block.yPb)
        let stride = source.planes.0.stride
        let isB = slice.sliceType == .b
        let small = block.nPbW &+ block.nPbH == 12
        let flag = bits(rate.bin(0, Context.mergeFlag)) + bits(rate.bin(0, Context.mvpFlag))
        // What an earlier block found is none of this one's.
        for refIdx in 0..<slice.numRefIdxActive.0 { found[refIdx].cost = .infinity }
        var best = (InterChoice(), InterChoice())
        /// The inter-layer reference or the other view, and list 1's best motion in a picture that list 0 has as well.
        var lower = InterChoice()
        var repeated = InterChoice()
        var bound = bound
        for pass in 0..<2 {
            // The inter-layer reference costs nothing to try, and bounds the searches.
            for list in 0..<(isB ? 2 : 1) {
                let active = list == 0 ? slice.numRefIdxActive.0 : slice.numRefIdxActive.1
                var searched = 0
                for refIdx in 0..<active {
                    let entry = references + (list &* 16 &+ refIdx)
                    if entry.pointee.isInterLayer != (pass == 0) { continue }
                    if entry.pointee.isInterLayer && list == 1 { continue }
                    let isView = list == 0 && refIdx == interViewIndex
                    if !isView {
                        if searched >= effort.references { continue }
                        searched += 1
                    }
                    var choice = InterChoice()
                    let predictors = candidates.pointee.amvp(block, list: list, refIdx: refIdx)
                    var refBits = flag + bits(rate.refIdx(refIdx, active: active))
                    if isB {
                        if !small { refBits += bits(rate.bin(0, Context.interPredIdc + depth)) }
                        refBits += bits(rate.bin(list, Context.interPredIdc + 4))
                    }
                    if pass == 0 {
                        // A vector into the inter-layer reference must be zero.
                        let mvd = choice.set(MotionVector(), list: 0, refIdx: refIdx, mvpFlag: 0, predictors)
                        choice.bits = refBits + bits(rate.mvd(Int(mvd.x), Int(mvd.y)))
                        let satd = predictor.satd(
                            choice.motion, references: references, bitDepth: slice.bitDepthLuma, block,
                            source: source.planes.0)
                        choice.cost = Double(satd) + lambdaSatd * choice.bits
                        bound = min(bound, choice.cost)
                        if refIdx == interLayerIndex { lower = choice }
                        w.insert(choice)
                        continue
                    }
                    if list == 1 && sameInList0[refIdx] >= 0 && sameInList0[refIdx] < effort.references {
                        // Searched already.
                        let known = found[sameInList0[refIdx]]
                        let mv = known.motion.mv0
                        let mvd = choice.set(
                            mv, list: 1, refIdx: refIdx, mvpFlag: search.predictor(mv, predictors), predictors)
                        choice.bits = refBits + bits(rate.mvd(Int(mvd.x), Int(mvd.y)))
                        choice.cost = known.cost + lambdaSatd * (choice.bits - known.bits)
                        if choice.cost < repeated.cost { repeated = choice }
                        continue
                    }
                    let target = MotionSearch.Target(
                        source: at, sourceStride: stride, plane: entry.pointee.planes.0, x: block.xPb,
                        y: block.yPb,
                        width: block.nPbW, height: block.nPbH, predictors: predictors, bitDepth: slice.bitDepthLuma,
                        maxY: lastRow &- block.yPb &- block.nPbH)
                    var startCount = collectStarts(w, list: list, refIdx: refIdx)
                    if isView { startCount = disparities.add(to: starts, count: startCount, block) }
                    let result = search.search(
                        target, starts: starts.reading, startCount: startCount, bound: bound, effort: effort.search)
                    let mvd = choice.set(result.mv, list: list, refIdx: refIdx, mvpFlag: result.mvpFlag, predictors)
                    choice.bits = refBits + bits(rate.mvd(Int(mvd.x), Int(mvd.y)))
                    choice.cost = result.cost + lambdaSatd * refBits
                    bound = min(bound, choice.cost)
                    if list == 0 {
                        found[refIdx] = choice
                        if isView {
                            if choice.cost < lower.cost { lower = choice }
                            w.insert(choice)
                        } else if choice.cost < best.0.cost {
                            best.0 = choice
                        }
                    } else if choice.cost < best.1.cost {
                        best.1 = choice
                    }
                }
            }
        }
        if best.0.cost < .infinity { w.insert(best.0) }
        if best.1.cost < .infinity { w.insert(best.1) }
        if effort.bidirectional && isB && !small {
            gatherPairs(w, block, best: best, repeated: repeated, lower: lower, bound: bound, effort: effort)
        }
    }

    /// Vectors of the merge candidates into the same picture.
    @inline(__always)
    private func collectStarts(_ w: DecisionWorkspace, list: Int, refIdx: Int) -> Int {
        var count = 0
        for i in 0..<w.choiceCount where w.choices[i].pu.mergeFlag && count < 4 {
            let m = w.choices[i].motion
            if list == 0 ? Int(m.refIdx0) == refIdx : Int(m.refIdx1) == refIdx {
                starts[count] = list == 0 ? m.mv0 : m.mv1
                count &+= 1
            }
        }
        return count
    }

    // MARK: Partitions

    /// Tries the partitions of a coding unit into two: each part with its best motion by Hadamard cost.
    func checkPartitions(_ w: DecisionWorkspace, x: Int, y: Int, log2: Int, depth: Int) {
        let size = 1 << log2
        func attempt(_ mode: PartMode) {
            var cost = 0.0
            for i in 0..<2 {
                let block = Self.block(x, y, size, mode, i)
                w.choiceCount = 0
                gatherMerge(w, block)
                gatherSearch(
                    w, block, depth: depth, bound: w.choiceCount > 0 ? w.choices[0].cost : .infinity, effort: partEffort
                )
                if w.choiceCount == 0 { return }
                parts[i] = w.choices[0]
                cost += w.choices[0].cost
                if cost > w.bestSatd { return }
                InterPredictor.store(parts[i].motion, block, picture.picture.motion)
            }
            if parts[0].motion == parts[1].motion { return }
            checkInter(w, x: x, y: y, log2: log2, depth: depth, partMode: mode, count: 2)
        }
        attempt(.part2NxN)
        attempt(.partNx2N)
        if effort.partitions > 1 && p.ampEnabledFlag && log2 > p.minCbLog2SizeY {
            let best = w.bestRecord.cus[0].partMode
            if best == .part2NxN {
                attempt(.part2NxnU)
                attempt(.part2NxnD)
            } else if best == .partNx2N {
                attempt(.partnLx2N)
                attempt(.partnRx2N)
            }
        }
    }

    /// Bits of part_mode of an inter unit.
    private func partModeBits(_ mode: PartMode, log2: Int) -> Double {
        if mode == .part2Nx2N { return bits(rate.bin(1, Context.partMode)) }
        let isHorizontal = mode == .part2NxN || mode == .part2NxnU || mode == .part2NxnD
        var total = bits(rate.bin(0, Context.partMode)) + bits(rate.bin(isHorizontal ? 1 : 0, Context.partMode + 1))
        if log2 == p.minCbLog2SizeY {
            if !isHorizontal && log2 > 3 { total += bits(rate.bin(1, Context.partMode + 2)) }
        } else if p.ampEnabledFlag {
            let symmetric = mode == .part2NxN || mode == .partNx2N
            total += bits(rate.bin(symmetric ? 1 : 0, Context.partMode + 3)) + (symmetric ? 0 : 1)
        }
        return total
    }

    // MARK: Rate and distortion

    /// Codes an inter unit of `count` partitions (`parts`), skipped (where it may be) and with residual, and keeps it
    /// when it is the best so far.
    func checkInter(_ w: DecisionWorkspace, x: Int, y: Int, log2: Int, depth: Int, partMode: PartMode, count: Int) {
        guard let references else { return }
        let size = 1 << log2
        predict(w, references, x: x, y: y, size: size, partMode: partMode, count: count)
        let skipContext = Context.cuSkipFlag + maps.skipContext(x, y)
        var header =
            bits(rate.bin(0, skipContext)) + bits(rate.bin(0, Context.predModeFlag))
            + partModeBits(partMode, log2: log2)
        for i in 0..<count { header += parts[i].bits }
        let merged = count == 1 && parts[0].pu.mergeFlag
        let record = w.workRecord
        record.levelCount = 0
        record.tuCount = 0
        let tree = interTree(
            w, TreeNode(x: x, y: y, log2: log2),
            forcesSplit: partMode != .part2Nx2N && p.maxTransformHierarchyDepthInter == 0,
            costLimit: w.bestCost - lambda * header,
            zeroCostLimit: w.bestCost)
        var cu = CodingUnit(x: x, y: y, log2: log2, .inter, partMode)
        cu.puCount = Int32(truncatingIfNeeded: count)
        var cost = Double.infinity
        if tree.cbf != 0 {
            cu.rqtRootCbf = true
            cu.tuCount = Int32(truncatingIfNeeded: record.tuCount)
            cost =
                tree.distortion + lambda * (header + tree.bits + (merged ? 0 : bits(rate.bin(1, Context.rqtRootCbf))))
        }
        // Without residual: skipped, or what cannot be skipped with rqt_root_cbf 0.
        let bare: Double
        if merged {
            bare =
                tree.zero + lambda
                * (bits(rate.bin(1, skipContext)) + parts[0].bits - bits(rate.bin(1, Context.mergeFlag)))
        } else {
            bare = tree.zero + lambda * (header + bits(rate.bin(0, Context.rqtRootCbf)))
        }
        if bare <= cost {
            if bare >= w.bestCost { return }
            cu.rqtRootCbf = false
            cu.cuSkipFlag = merged
            cu.tuCount = 0
            swap(&w.prediction, &w.best)
            w.bestCost = bare
        } else {
            if cost >= w.bestCost { return }
            swap(&w.work, &w.best)
            w.bestCost = cost
            w.bestTreeCost = tree.distortion + lambda * tree.bits
        }
        w.bestIsZero = tree.cbf == 0
        w.bestSatd = 0
        for i in 0..<count {
            record.pus[i] = parts[i].pu
            w.bestMotion[i] = parts[i].motion
            w.bestSatd += parts[i].cost
        }
        record.cus[0] = cu
        swap(&w.workRecord, &w.bestRecord)
    }

    /// Tries to split the transform tree, of one unit so far, of the best inter unit.
    func splitBest(_ w: DecisionWorkspace, x: Int, y: Int, log2: Int) {
        guard let references, w.bestCost < .infinity, log2 <= p.maxTbLog2SizeY else { return }
        var cu = w.bestRecord.cus[0]
        guard cu.predMode == .inter, cu.rqtRootCbf, cu.tuCount == 1, w.bestRecord.tus[0].cbf & 1 != 0,
            p.maxTransformHierarchyDepthInter > 0
        else { return }
        let count = Int(cu.puCount)
        for i in 0..<count { parts[i].motion = w.bestMotion[i] }
        predict(w, references, x: x, y: y, size: 1 << log2, partMode: cu.partMode, count: count)
        let record = w.workRecord
        record.levelCount = 0
        record.tuCount = 0
        let tree = splitWhole(w, x: x, y: y, log2: log2, costLimit: w.bestTreeCost)
        if tree.cbf == 0 { return }
        let splitContext = Context.splitTransformFlag &+ 5 &- log2
        let change = tree.distortion + lambda * (tree.bits + bits(rate.bin(1, splitContext))) - w.bestTreeCost
        if change >= 0 { return }
        w.bestCost += change
        cu.tuCount = Int32(truncatingIfNeeded: record.tuCount)
        record.cus[0] = cu
        for i in 0..<count { record.pus[i] = w.bestRecord.pus[i] }
        swap(&w.work, &w.best)
        swap(&w.workRecord, &w.bestRecord)
    }

    @inline(__always)
    private func predict(
        _ w: DecisionWorkspace, _ references: MutableBufferView<ReferenceEntry>, x: Int, y: Int, size: Int,
        partMode: PartMode, count: Int
    ) {
        for i in 0..<count {
            let b = Self.block(x, y, size, partMode, i)
            for cIdx in 0..<3 {
                let s = cIdx == 0 ? 0 : 1
                predictor.predict(
                    parts[i].motion, references: references,
                    bitDepth: cIdx == 0 ? slice.bitDepthLuma : slice.bitDepthChroma, cIdx: cIdx, b,
                    to: w.prediction.block(cIdx, (b.xPb &- x) &>> s, (b.yPb &- y) &>> s))
            }
        }
    }
}
