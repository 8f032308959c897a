// SPDX-License-Identifier: GPL-2.0-or-later
import CVeilKernels
import VeilCore
import VeilEntropy
import VeilRecon

/// Residual of coding units: transform trees, coded block flags, levels.
extension CTUDecision {
    /// What a transform block costs.
    struct BlockOutcome {
        var distortion = 0.0
        /// Distortion of the prediction alone.
        var zeroDistortion = 0.0
        var bits = 0.0
        var coded = false
        /// transform_skip_flag.
        var skipsTransform = false
        var residual = ResidualBlock()
    }

    /// What a transform tree costs; `zero` is the distortion without any residual.
    struct TreeOutcome {
        var distortion = 0.0
        var bits = 0.0
        var zero = 0.0
        var cbf: UInt8 = 0
    }

    /// A block that is to be transformed: its samples, and what it is coded as.
    struct TransformBlock {
        let quantizer: Quantizer
        let source: SampleBlock
        let prediction: SampleBlock
        /// Gets the reconstruction.
        let out: SampleBlock
        let log2: Int
        let cIdx: Int
        let scanIdx: Int
        let trafoDepth: Int
    }

    /// A node of a unit's transform tree: where the unit is, where the node is in it, and its size in luma samples.
    struct TreeNode {
        let x: Int
        let y: Int
        var dx = 0
        var dy = 0
        var log2: Int
        /// trafoDepth
        var depth = 0

        /// One of the four that it is split into.
        @inline(__always)
        func part(_ i: Int) -> TreeNode {
            let half = 1 &<< (log2 &- 1)
            return TreeNode(
                x: x, y: y, dx: dx &+ (i & 1) &* half, dy: dy &+ (i &>> 1) &* half, log2: log2 &- 1, depth: depth &+ 1)
        }
    }

    /// Codes one block with and, where it may be, without a transform, and decides whether its residual is worth
    /// coding. Levels go to the record.
    @inline(__always)
    func codeBlock(_ b: TransformBlock, _ record: CodingTreeUnit, transform: ResidualTransform) -> BlockOutcome {
        let n = Int32(truncatingIfNeeded: 1 &<< b.log2)
        let narrow = isNarrow
        let (source, prediction, out) = (b.source, b.prediction, b.out)
        var outcome = BlockOutcome()
        outcome.zeroDistortion = Double(
            veil_any_sse(narrow, source.base, source.stride, prediction.base, prediction.stride, n, n))
        let cbfContext =
            b.cIdx == 0 ? Context.cbfLuma &+ (b.trafoDepth == 0 ? 1 : 0) : Context.cbfChroma &+ b.trafoDepth
        let zeroBits = bits(rate.bin(0, cbfContext))
        outcome.distortion = outcome.zeroDistortion
        outcome.bits = zeroBits
        veil_any_copy(narrow, out.base, out.stride, prediction.base, prediction.stride, n, n)
        // No residual is worth the bits of the shortest one.
        if outcome.zeroDistortion <= lambda * effort.leastResidualBits { return outcome }
        let codedBits = bits(rate.bin(1, cbfContext))
        let start = record.levelCount
        if let levelBits = makeLevels(b, record, start: start, transform: transform) {
            b.quantizer.reconstruct(
                levels: (record.levels + start).reading, to: out, log2: b.log2, cIdx: b.cIdx, transform: transform)
            let distortion = Double(veil_any_sse(narrow, source.base, source.stride, out.base, out.stride, n, n))
            if distortion + lambda * (codedBits + levelBits) < outcome.zeroDistortion + lambda * zeroBits {
                outcome.distortion = distortion
                outcome.bits = codedBits + levelBits
                outcome.coded = true
            } else {
                veil_any_copy(narrow, out.base, out.stride, prediction.base, prediction.stride, n, n)
            }
        }
        if b.log2 == 2 && p.transformSkipEnabledFlag {
            skipTransform(&outcome, b, record, start: start, codedBits: codedBits)
        }
        if outcome.coded {
            outcome.residual.start = Int32(truncatingIfNeeded: start)
            record.levelCount &+= 1 &<< (2 &* b.log2)
        }
        return outcome
    }

    /// Levels of one block at `start` of the record; returns their bits, nil where none are left.
    @inline(__always)
    private func makeLevels(
        _ b: TransformBlock, _ record: CodingTreeUnit, start: Int, transform: ResidualTransform
    ) -> Double? {
        let levels = record.levels + start
        let (q, log2, cIdx, scanIdx) = (b.quantizer, b.log2, b.cIdx, b.scanIdx)
        let hides = p.signDataHidingEnabledFlag
        let optimizes = effort.optimizesLevels
        var count = q.quantize(
            source: b.source, prediction: b.prediction, log2: log2, cIdx: cIdx, transform: transform, levels: levels,
            remains: hides && !optimizes)
        if count == 0 { return nil }
        if optimizes {
            if memory.optimizer.isStale { memory.optimizer.begin(rate: rate) }
            // Blocks that the dead zone empties stay empty: their levels are hardly ever worth their bits.
            q.quantizeToNearest(log2: log2, cIdx: cIdx, levels: levels)
            count = memory.optimizer.optimize(
                levels: levels, remainders: q.remainders, log2: log2, cIdx: cIdx, scanIdx: scanIdx,
                lambda: Float(lambda / q.squaredStep(cIdx: cIdx)))
            if count == 0 { return nil }
        }
        if hides {
            SignHiding.apply(
                levels: levels, coefficients: q.coefficients.reading, remainders: q.remainders.reading, log2: log2,
                scanIdx: scanIdx)
        }
        return bits(
            rate.residual(
                record, start: start, log2: log2, cIdx: cIdx, scanIdx: scanIdx, skipsTransform: transform == .none))
    }

    /// Tries a 4x4 block, coded with a transform so far or not at all, without one.
    private func skipTransform(
        _ outcome: inout BlockOutcome, _ b: TransformBlock, _ record: CodingTreeUnit, start: Int, codedBits: Double
    ) {
        let spare = start &+ 16
        guard let levelBits = makeLevels(b, record, start: spare, transform: .none) else { return }
        let narrow = isNarrow
        let samples = SampleBlock(memory.skipBlock.base, stride: 4, isNarrow: narrow)
        veil_any_copy(narrow, samples.base, 4, b.prediction.base, b.prediction.stride, 4, 4)
        b.quantizer.reconstruct(
            levels: (record.levels + spare).reading, to: samples, log2: 2, cIdx: b.cIdx, transform: .none)
        let distortion = Double(veil_any_sse(narrow, b.source.base, b.source.stride, samples.base, 4, 4, 4))
        if distortion + lambda * (codedBits + levelBits) >= outcome.distortion + lambda * outcome.bits { return }
        outcome.distortion = distortion
        outcome.bits = codedBits + levelBits
        outcome.coded = true
        outcome.skipsTransform = true
        (record.levels + start).update(from: record.levels + spare, count: 16)
        veil_any_copy(narrow, b.out.base, b.out.stride, samples.base, 4, 4, 4)
    }

    /// Codes the residual of an inter unit (or a node of its tree of at least 8x8) into the
    /// work buffers and record of a workspace. Where its cost is `costLimit` or more, and the distortion without any
    /// residual `zeroCostLimit` or more, both may be infinite.
    func interTree(
        _ w: DecisionWorkspace, _ node: TreeNode, forcesSplit: Bool = false,
        costLimit: Double = .infinity, zeroCostLimit: Double = .infinity
    ) -> TreeOutcome {
        let log2 = node.log2
        let forced = forcesSplit && node.depth == 0
        if log2 > p.maxTbLog2SizeY || (forced && log2 > 3) {
            return splitTree(w, node, costLimit: costLimit, zeroCostLimit: zeroCostLimit)
        }
        let record = w.workRecord
        var tu = transformUnit(node)
        var outcome = interChroma(w, &tu, node)
        let firstTU = record.tuCount
        let splitContext = Context.splitTransformFlag + 5 - log2
        let canSplit = node.depth < p.maxTransformHierarchyDepthInter
        let tries = canSplit && !effort.splitsBestTree
        if forced {
            let luma = splitLuma(w, node, chroma: tu)
            outcome.distortion += luma.distortion
            outcome.zero += luma.zero
            outcome.bits += luma.bits
            outcome.cbf = luma.cbf | tu.cbf
            return outcome
        }
        let whole = interBlock(w, node, cIdx: 0)
        let chroma = outcome
        outcome.distortion += whole.distortion
        outcome.zero += whole.zeroDistortion
        outcome.bits += whole.bits
        if canSplit { outcome.bits += bits(rate.bin(0, splitContext)) }
        if whole.coded {
            tu.cbf |= 1
            tu.residual.0 = whole.residual
        }
        outcome.cbf = tu.cbf
        record.tus[firstTU] = tu
        record.tuCount = firstTU &+ 1
        // Where the whole has nothing to code its parts hardly do.
        if !tries || !whole.coded { return outcome }
        let levelCount = record.levelCount
        let spare = treeSamples[node.depth]
        copyBlock(w.work, spare, node)
        record.tuCount = firstTU
        var split: TreeOutcome
        if log2 == 3 {
            split = splitLuma(w, node, chroma: tu)
            split.distortion += chroma.distortion
            split.bits += chroma.bits
            split.cbf |= tu.cbf & 6
        } else {
            split = splitTree(
                w, node, costLimit: outcome.distortion + lambda * outcome.bits, zeroCostLimit: 0)
        }
        split.bits += bits(rate.bin(1, splitContext))
        if split.cbf != 0 && split.distortion + lambda * split.bits < outcome.distortion + lambda * outcome.bits {
            split.zero = outcome.zero
            return split
        }
        record.tus[firstTU] = tu
        record.tuCount = firstTU &+ 1
        record.levelCount = levelCount
        copyBlock(spare, w.work, node)
        return outcome
    }

    @inline(__always)
    func transformUnit(_ node: TreeNode) -> TransformUnit {
        var tu = TransformUnit()
        tu.x0 = Int32(truncatingIfNeeded: node.x &+ node.dx)
        tu.y0 = Int32(truncatingIfNeeded: node.y &+ node.dy)
        tu.log2TrafoSize = UInt8(truncatingIfNeeded: node.log2)
        tu.hasChroma = node.log2 > 2
        tu.log2TrafoSizeC = UInt8(truncatingIfNeeded: max(2, node.log2 &- 1))
        tu.xBase = tu.x0
        tu.yBase = tu.y0
        return tu
    }

    /// One block of an inter unit.
    private func interBlock(_ w: DecisionWorkspace, _ node: TreeNode, cIdx: Int) -> BlockOutcome {
        let s = cIdx == 0 ? 0 : 1
        let (dx, dy) = (node.dx &>> s, node.dy &>> s)
        let block = TransformBlock(
            quantizer: quantization.inter,
            source: source.plane(cIdx).block((node.x &+ node.dx) &>> s, (node.y &+ node.dy) &>> s),
            prediction: w.prediction.block(cIdx, dx, dy), out: w.work.block(cIdx, dx, dy), log2: node.log2 &- s,
            cIdx: cIdx, scanIdx: 0, trafoDepth: node.depth)
        return codeBlock(block, w.workRecord, transform: .cosine)
    }

    /// The tree of an inter unit of at most the largest transform size, split in four. Where its cost is `costLimit` or
    /// more it may be infinite.
    func splitWhole(_ w: DecisionWorkspace, x: Int, y: Int, log2: Int, costLimit: Double) -> TreeOutcome {
        let root = TreeNode(x: x, y: y, log2: log2)
        if log2 > 3 {
            return splitTree(w, root, costLimit: costLimit, zeroCostLimit: 0)
        }
        var tu = transformUnit(root)
        let chroma = interChroma(w, &tu, root)
        var split = splitLuma(w, root, chroma: tu)
        split.distortion += chroma.distortion
        split.bits += chroma.bits
        split.cbf |= tu.cbf & 6
        return split
    }

    /// The chroma blocks of a unit of an inter tree.
    @inline(__always)
    private func interChroma(
        _ w: DecisionWorkspace, _ tu: inout TransformUnit, _ node: TreeNode
    ) -> TreeOutcome {
        var outcome = TreeOutcome()
        for cIdx in 1..<3 {
            let block = interBlock(w, node, cIdx: cIdx)
            outcome.distortion += block.distortion
            outcome.zero += block.zeroDistortion
            outcome.bits += block.bits
            if block.coded {
                tu.cbf |= 1 &<< UInt8(truncatingIfNeeded: cIdx)
                if block.skipsTransform { tu.transformSkip |= 1 &<< UInt8(truncatingIfNeeded: cIdx) }
                if cIdx == 1 { tu.residual.1 = block.residual } else { tu.residual.2 = block.residual }
            }
        }
        return outcome
    }

    private func splitTree(
        _ w: DecisionWorkspace, _ node: TreeNode, costLimit: Double, zeroCostLimit: Double
    ) -> TreeOutcome {
        var total = TreeOutcome()
        for i in 0..<4 {
            let part = interTree(w, node.part(i))
            total.distortion += part.distortion
            total.bits += part.bits
            total.zero += part.zero
            total.cbf |= part.cbf
            if i < 3 && total.distortion + lambda * total.bits >= costLimit && total.zero >= zeroCostLimit {
                total.distortion = .infinity
                total.zero = .infinity
                return total
            }
        }
        return total
    }

    /// Four 4x4 luma blocks of an 8x8 one; the last of the units carries the chroma of `chroma`.
    private func splitLuma(_ w: DecisionWorkspace, _ node: TreeNode, chroma: TransformUnit) -> TreeOutcome {
        let record = w.workRecord
        var total = TreeOutcome()
        for i in 0..<4 {
            let part = node.part(i)
            let block = interBlock(w, part, cIdx: 0)
            total.distortion += block.distortion
            total.zero += block.zeroDistortion
            total.bits += block.bits
            var tu = transformUnit(part)
            tu.xBase = chroma.x0
            tu.yBase = chroma.y0
            if block.coded {
                tu.cbf = 1
                tu.transformSkip = block.skipsTransform ? 1 : 0
                tu.residual.0 = block.residual
            }
            if i == 3 {
                tu.hasChroma = true
                tu.cbf |= chroma.cbf & 6
                tu.transformSkip |= chroma.transformSkip & 6
                tu.residual.1 = chroma.residual.1
                tu.residual.2 = chroma.residual.2
            }
            total.cbf |= tu.cbf
            record.tus[record.tuCount] = tu
            record.tuCount += 1
        }
        return total
    }

    private func copyBlock(_ from: BlockSamples, _ to: BlockSamples, _ node: TreeNode) {
        let size = 1 << node.log2
        for cIdx in 0..<3 {
            let s = cIdx == 0 ? 0 : 1
            let stride = BlockSamples.stride(cIdx)
            let offset = (node.dy >> s) * stride + (node.dx >> s)
            veil_any_copy(
                isNarrow, to.address(cIdx, offset), stride, from.address(cIdx, offset), stride, Int32(size >> s),
                Int32(size >> s))
        }
    }
}
