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

    /// Codes one block with and, where it may be, without a transform, and decides whether its residual is worth
    /// coding. `out` gets the reconstruction; levels go to the record.
    @inline(__always)
    func codeBlock(
        _ q: Quantizer, _ record: CodingTreeUnit, source: UnsafeRawPointer, sourceStride: Int,
        prediction: UnsafeRawPointer,
        predictionStride: Int, out: UnsafeMutableRawPointer, outStride: Int, log2: Int, cIdx: Int,
        transform: ResidualTransform,
        scanIdx: Int, trafoDepth: Int
    ) -> BlockOutcome {
        let n = Int32(truncatingIfNeeded: 1 &<< log2)
        let narrow = isNarrow
        var outcome = BlockOutcome()
        outcome.zeroDistortion = Double(veil_any_sse(narrow, source, sourceStride, prediction, predictionStride, n, n))
        let cbfContext = cIdx == 0 ? Context.cbfLuma &+ (trafoDepth == 0 ? 1 : 0) : Context.cbfChroma &+ trafoDepth
        let zeroBits = bits(rate.bin(0, cbfContext))
        outcome.distortion = outcome.zeroDistortion
        outcome.bits = zeroBits
        veil_any_copy(narrow, out, outStride, prediction, predictionStride, n, n)
        // No residual is worth the bits of the shortest one.
        if outcome.zeroDistortion <= lambda * effort.leastResidualBits { return outcome }
        let codedBits = bits(rate.bin(1, cbfContext))
        let start = record.levelCount
        if let levelBits = makeLevels(
            q, record, start: start, source: source, sourceStride: sourceStride, prediction: prediction,
            predictionStride: predictionStride,
            log2: log2, cIdx: cIdx, transform: transform, scanIdx: scanIdx)
        {
            q.reconstruct(
                levels: (record.levels + start).reading, to: out, stride: outStride, log2: log2, cIdx: cIdx,
                transform: transform)
            let distortion = Double(veil_any_sse(narrow, source, sourceStride, out, outStride, n, n))
            if distortion + lambda * (codedBits + levelBits) < outcome.zeroDistortion + lambda * zeroBits {
                outcome.distortion = distortion
                outcome.bits = codedBits + levelBits
                outcome.coded = true
            } else {
                veil_any_copy(narrow, out, outStride, prediction, predictionStride, n, n)
            }
        }
        if log2 == 2 && p.transformSkipEnabledFlag {
            skipTransform(
                &outcome, q, record, start: start, source: source, sourceStride: sourceStride, prediction: prediction,
                predictionStride: predictionStride, out: out, outStride: outStride, cIdx: cIdx, scanIdx: scanIdx,
                codedBits: codedBits)
        }
        if outcome.coded {
            outcome.residual.start = Int32(truncatingIfNeeded: start)
            record.levelCount &+= 1 &<< (2 &* log2)
        }
        return outcome
    }

    /// Levels of one block at `start` of the record; returns their bits, nil where none are left.
    @inline(__always)
    private func makeLevels(
        _ q: Quantizer, _ record: CodingTreeUnit, start: Int, source: UnsafeRawPointer, sourceStride: Int,
        prediction: UnsafeRawPointer, predictionStride: Int, log2: Int, cIdx: Int, transform: ResidualTransform,
        scanIdx: Int
    ) -> Double? {
        let levels = record.levels + start
        let hides = p.signDataHidingEnabledFlag
        let optimizes = effort.optimizesLevels
        var count = q.quantize(
            source: source, sourceStride: sourceStride, prediction: prediction, predictionStride: predictionStride,
            log2: log2,
            cIdx: cIdx, transform: transform, levels: levels, remains: hides && !optimizes)
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
        _ outcome: inout BlockOutcome, _ q: Quantizer, _ record: CodingTreeUnit, start: Int,
        source: UnsafeRawPointer,
        sourceStride: Int, prediction: UnsafeRawPointer, predictionStride: Int, out: UnsafeMutableRawPointer,
        outStride: Int,
        cIdx: Int, scanIdx: Int, codedBits: Double
    ) {
        let spare = start &+ 16
        guard
            let levelBits = makeLevels(
                q, record, start: spare, source: source, sourceStride: sourceStride, prediction: prediction,
                predictionStride: predictionStride, log2: 2, cIdx: cIdx, transform: .none, scanIdx: scanIdx)
        else { return }
        let samples = UnsafeMutableRawPointer(memory.skipBlock.base)
        let narrow = isNarrow
        veil_any_copy(narrow, samples, 4, prediction, predictionStride, 4, 4)
        q.reconstruct(
            levels: (record.levels + spare).reading, to: samples, stride: 4, log2: 2, cIdx: cIdx, transform: .none)
        let distortion = Double(veil_any_sse(narrow, source, sourceStride, samples, 4, 4, 4))
        if distortion + lambda * (codedBits + levelBits) >= outcome.distortion + lambda * outcome.bits { return }
        outcome.distortion = distortion
        outcome.bits = codedBits + levelBits
        outcome.coded = true
        outcome.skipsTransform = true
        (record.levels + start).update(from: record.levels + spare, count: 16)
        veil_any_copy(narrow, out, outStride, samples, 4, 4, 4)
    }

    /// Codes the residual of an inter unit (or a part of it of at least 8x8, at (dx, dy) of its buffers) into the
    /// work buffers and record of a workspace. Where its cost is `costLimit` or more, and the distortion without any
    /// residual `zeroCostLimit` or more, both may be infinite.
    func interTree(
        _ w: DecisionWorkspace, x: Int, y: Int, dx: Int, dy: Int, log2: Int, trafoDepth: Int, forcesSplit: Bool,
        costLimit: Double = .infinity, zeroCostLimit: Double = .infinity
    ) -> TreeOutcome {
        let forced = forcesSplit && trafoDepth == 0
        if log2 > p.maxTbLog2SizeY || (forced && log2 > 3) {
            return splitTree(
                w, x: x, y: y, dx: dx, dy: dy, log2: log2, trafoDepth: trafoDepth, costLimit: costLimit,
                zeroCostLimit: zeroCostLimit)
        }
        let record = w.workRecord
        let size = 1 << log2
        var tu = transformUnit(x &+ dx, y &+ dy, log2)
        var outcome = interChroma(w, &tu, x: x, y: y, dx: dx, dy: dy, log2: log2, trafoDepth: trafoDepth)
        let firstTU = record.tuCount
        let splitContext = Context.splitTransformFlag + 5 - log2
        let canSplit = trafoDepth < p.maxTransformHierarchyDepthInter
        let tries = canSplit && !effort.splitsBestTree
        if forced {
            let luma = splitLuma(w, x: x, y: y, dx: dx, dy: dy, trafoDepth: trafoDepth, chroma: tu)
            outcome.distortion += luma.distortion
            outcome.zero += luma.zero
            outcome.bits += luma.bits
            outcome.cbf = luma.cbf | tu.cbf
            return outcome
        }
        let whole = interBlock(w, x: x, y: y, dx: dx, dy: dy, log2: log2, cIdx: 0, trafoDepth: trafoDepth)
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
        let spare = treeSamples[trafoDepth]
        copyBlock(w.work, spare, dx: dx, dy: dy, size: size)
        record.tuCount = firstTU
        var split: TreeOutcome
        if log2 == 3 {
            split = splitLuma(w, x: x, y: y, dx: dx, dy: dy, trafoDepth: trafoDepth, chroma: tu)
            split.distortion += chroma.distortion
            split.bits += chroma.bits
            split.cbf |= tu.cbf & 6
        } else {
            split = splitTree(
                w, x: x, y: y, dx: dx, dy: dy, log2: log2, trafoDepth: trafoDepth,
                costLimit: outcome.distortion + lambda * outcome.bits,
                zeroCostLimit: 0)
        }
        split.bits += bits(rate.bin(1, splitContext))
        if split.cbf != 0 && split.distortion + lambda * split.bits < outcome.distortion + lambda * outcome.bits {
            split.zero = outcome.zero
            return split
        }
        record.tus[firstTU] = tu
        record.tuCount = firstTU &+ 1
        record.levelCount = levelCount
        copyBlock(spare, w.work, dx: dx, dy: dy, size: size)
        return outcome
    }

    @inline(__always)
    func transformUnit(_ x: Int, _ y: Int, _ log2: Int) -> TransformUnit {
        var tu = TransformUnit()
        tu.x0 = Int32(truncatingIfNeeded: x)
        tu.y0 = Int32(truncatingIfNeeded: y)
        tu.log2TrafoSize = UInt8(truncatingIfNeeded: log2)
        tu.hasChroma = log2 > 2
        tu.log2TrafoSizeC = UInt8(truncatingIfNeeded: max(2, log2 &- 1))
        tu.xBase = tu.x0
        tu.yBase = tu.y0
        return tu
    }

    /// One block of an inter unit; `log2` is that of its luma.
    private func interBlock(
        _ w: DecisionWorkspace, x: Int, y: Int, dx: Int, dy: Int, log2: Int, cIdx: Int, trafoDepth: Int
    ) -> BlockOutcome {
        let s = cIdx == 0 ? 0 : 1
        let stride = BlockSamples.stride(cIdx)
        let plane = source.plane(cIdx)
        let offset = (dy &>> s) &* stride &+ (dx &>> s)
        return codeBlock(
            quantization.inter, w.workRecord, source: plane.address((x &+ dx) &>> s, (y &+ dy) &>> s),
            sourceStride: plane.stride,
            prediction: w.prediction.address(cIdx, offset), predictionStride: stride, out: w.work.address(cIdx, offset),
            outStride: stride, log2: log2 &- s, cIdx: cIdx, transform: .cosine, scanIdx: 0, trafoDepth: trafoDepth)
    }

    /// The tree of an inter unit of at most the largest transform size, split in four. Where its cost is `costLimit` or
    /// more it may be infinite.
    func splitWhole(_ w: DecisionWorkspace, x: Int, y: Int, log2: Int, costLimit: Double) -> TreeOutcome {
        if log2 > 3 {
            return splitTree(
                w, x: x, y: y, dx: 0, dy: 0, log2: log2, trafoDepth: 0, costLimit: costLimit, zeroCostLimit: 0)
        }
        var tu = transformUnit(x, y, log2)
        let chroma = interChroma(w, &tu, x: x, y: y, dx: 0, dy: 0, log2: log2, trafoDepth: 0)
        var split = splitLuma(w, x: x, y: y, dx: 0, dy: 0, trafoDepth: 0, chroma: tu)
        split.distortion += chroma.distortion
        split.bits += chroma.bits
        split.cbf |= tu.cbf & 6
        return split
    }

    /// The chroma blocks of a unit of an inter tree.
    @inline(__always)
    private func interChroma(
        _ w: DecisionWorkspace, _ tu: inout TransformUnit, x: Int, y: Int, dx: Int, dy: Int, log2: Int, trafoDepth: Int
    ) -> TreeOutcome {
        var outcome = TreeOutcome()
        for cIdx in 1..<3 {
            let block = interBlock(w, x: x, y: y, dx: dx, dy: dy, log2: log2, cIdx: cIdx, trafoDepth: trafoDepth)
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
        _ w: DecisionWorkspace, x: Int, y: Int, dx: Int, dy: Int, log2: Int, trafoDepth: Int, costLimit: Double,
        zeroCostLimit: Double
    ) -> TreeOutcome {
        let half = 1 << (log2 - 1)
        var total = TreeOutcome()
        for i in 0..<4 {
            let part = interTree(
                w, x: x, y: y, dx: dx + (i & 1) * half, dy: dy + (i >> 1) * half, log2: log2 - 1,
                trafoDepth: trafoDepth + 1,
                forcesSplit: false)
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
    private func splitLuma(
        _ w: DecisionWorkspace, x: Int, y: Int, dx: Int, dy: Int, trafoDepth: Int, chroma: TransformUnit
    ) -> TreeOutcome {
        let record = w.workRecord
        var total = TreeOutcome()
        for i in 0..<4 {
            let dx4 = dx + (i & 1) * 4
            let dy4 = dy + (i >> 1) * 4
            let block = interBlock(w, x: x, y: y, dx: dx4, dy: dy4, log2: 2, cIdx: 0, trafoDepth: trafoDepth + 1)
            total.distortion += block.distortion
            total.zero += block.zeroDistortion
            total.bits += block.bits
            var tu = transformUnit(x + dx4, y + dy4, 2)
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

    private func copyBlock(_ from: BlockSamples, _ to: BlockSamples, dx: Int, dy: Int, size: Int) {
        for cIdx in 0..<3 {
            let s = cIdx == 0 ? 0 : 1
            let stride = BlockSamples.stride(cIdx)
            let offset = (dy >> s) * stride + (dx >> s)
            veil_any_copy(
                isNarrow, to.address(cIdx, offset), stride, from.address(cIdx, offset), stride, Int32(size >> s),
                Int32(size >> s))
        }
    }
}
