// SPDX-License-Identifier: GPL-2.0-or-later
import VeilCore
import VeilEntropy
import VeilRecon

/// Prediction from two pictures at once.
extension CTUDecision {
    /// Adds pairs of motion to a workspace's choices.
    ///
    /// `best`: the best searched motion of either list; `repeated`: list 1's best motion in a picture that list 0 has
    /// as well; `lower`: the inter-layer reference; `bound`: the least cost known.
    func gatherPairs(
        _ w: DecisionWorkspace, _ block: MotionBlock, best: (InterChoice, InterChoice), repeated: InterChoice,
        lower: InterChoice, bound: Double, effort: DecisionEffort
    ) {
        let least = w.choiceCount > 0 ? min(w.choices[0].cost, bound) : bound
        func pair(_ first: InterChoice, _ second: InterChoice) {
            guard first.cost < .infinity && second.cost < .infinity else { return }
            w.insert(refined(both(first, second, block), block, least: least, rounds: effort.pairRounds))
        }
        pair(best.0, best.1)
        let other = best.1.cost < repeated.cost ? best.1 : repeated
        if effort.mixesLayers && lower.cost <= other.cost * effort.mixRatio
            && other.cost <= lower.cost * effort.mixRatio
        {
            pair(lower, other)
        }
        if effort.pairRounds > 0 && best.1.cost == .infinity && repeated.cost < .infinity {
            pair(motion(besides: repeated), repeated)
        }
    }

    /// List 0's best motion in another picture than list 1's of a choice.
    private func motion(besides choice: InterChoice) -> InterChoice {
        guard let references else { return InterChoice() }
        let taken = references[16 + Int(choice.motion.refIdx1)].pictureId
        var best = InterChoice()
        for refIdx in 0..<slice.numRefIdxActive.0 where !references[refIdx].isInterLayer {
            if references[refIdx].pictureId != taken && found[refIdx].cost < best.cost { best = found[refIdx] }
        }
        return best
    }

    /// Prediction from motion of both lists.
    private func both(_ first: InterChoice, _ second: InterChoice, _ block: MotionBlock) -> InterChoice {
        var both = first
        both.pu.interPredIdc = 2
        both.pu.refIdxL1 = second.pu.refIdxL1
        both.pu.mvdL1 = second.pu.mvdL1
        both.pu.mvpL1Flag = second.pu.mvpL1Flag
        both.motion.mv1 = second.motion.mv1
        both.motion.refIdx1 = second.motion.refIdx1
        both.bits = first.bits + second.bits - bits(rate.bin(0, Context.mergeFlag))
        both.cost = satd(both.motion, block) + lambdaSatd * both.bits
        return both
    }

    private func satd(_ motion: MotionInfo, _ block: MotionBlock) -> Double {
        guard let references else { return .infinity }
        return Double(
            predictor.satd(
                motion, references: references, bitDepth: slice.bitDepthLuma, block, source: source.planes.0))
    }

    /// A pair with its vectors refined in turn, each for what the other's prediction leaves of the source, until
    /// neither moves any more.
    private func refined(_ choice: InterChoice, _ block: MotionBlock, least: Double, rounds: Int) -> InterChoice {
        guard let references, rounds > 0, choice.cost < least * 1.1 else { return choice }
        var best = choice
        var list = 1
        var still = 0
        for _ in 0..<2 * rounds {
            let refIdx = Int(list == 0 ? best.motion.refIdx0 : best.motion.refIdx1)
            // Vectors into the inter-layer reference must be zero.
            if !references[list * 16 + refIdx].isInterLayer, refine(&best, list: list, refIdx: refIdx, block) {
                still = 0
            } else {
                still += 1
                if still == 2 { break }
            }
            list = 1 - list
        }
        return best
    }

    /// Twice the source less a prediction of it, both of samples `Sample`.
    @inline(__always)
    private static func reflect<Sample: UnsignedInteger & FixedWidthInteger>(
        _ prediction: UnsafeMutableRawPointer, _ type: Sample.Type, in plane: Plane, _ block: MotionBlock,
        to target: MutableBufferView<UInt16>
    ) {
        let prediction = MutableBufferView(prediction, as: type, count: 4096)
        for y in 0..<block.nPbH {
            let from = plane.view(block.xPb, block.yPb &+ y, as: type)
            let by = prediction + y &* 64
            let to = target + y &* 64
            for x in 0..<block.nPbW {
                to[x] = UInt16(
                    truncatingIfNeeded: max(
                        2 &* Int32(truncatingIfNeeded: from[x]) &- Int32(truncatingIfNeeded: by[x]), 0))
            }
        }
    }

    /// Refines one vector of a pair; returns whether it became better.
    private func refine(_ choice: inout InterChoice, list: Int, refIdx: Int, _ block: MotionBlock) -> Bool {
        guard let references else { return false }
        let predictors = candidates.pointee.amvp(block, list: list, refIdx: refIdx)
        var other = choice.motion
        if list == 0 { other.refIdx0 = -1 } else { other.refIdx1 = -1 }
        let prediction = UnsafeMutableRawPointer(memory.pairPrediction.base)
        let target = memory.pairTarget.view
        predictor.predict(
            other, references: references, bitDepth: slice.bitDepthLuma, cIdx: 0, block,
            to: SampleBlock(prediction, stride: 64, isNarrow: isNarrow))
        // Both predictions are averaged: this one should be what the other lacks, on the other side of the source.
        let plane = source.planes.0
        if plane.isNarrow {
            Self.reflect(prediction, UInt8.self, in: plane, block, to: target)
        } else {
            Self.reflect(prediction, UInt16.self, in: plane, block, to: target)
        }
        let old = list == 0 ? choice.motion.mv0 : choice.motion.mv1
        let result = search.refine(
            MotionSearch.Target(
                source: target.base, sourceStride: 64, plane: references[list * 16 + refIdx].planes.0,
                x: block.xPb, y: block.yPb,
                width: block.nPbW, height: block.nPbH, predictors: predictors, bitDepth: slice.bitDepthLuma,
                maxY: lastRow &- block.yPb &- block.nPbH, isDifference: true), from: old)
        if result.mv == old { return false }
        var moved = choice
        let before = list == 0 ? choice.pu.mvdL0 : choice.pu.mvdL1
        let mvd = moved.move(result.mv, list: list, mvpFlag: result.mvpFlag, predictors)
        moved.bits += bits(rate.mvd(Int(mvd.x), Int(mvd.y))) - bits(rate.mvd(Int(before.x), Int(before.y)))
        moved.cost = satd(moved.motion, block) + lambdaSatd * moved.bits
        if moved.cost >= choice.cost { return false }
        choice = moved
        return true
    }
}
