// SPDX-License-Identifier: GPL-2.0-or-later
import Foundation
import TestSupport
import Testing
import VeilCore
import VeilEntropy

@testable import VeilEncoder

@Suite struct MotionSearchTests {
    /// A hilly landscape, so that a search finds its way.
    private let reference = FrameBuffer(width: 128, height: 96) { _, x, y in
        128 + Int(60 * sin(Double(x) / 8)) + Int(50 * sin(Double(y) / 6 + Double(x) / 40))
    }

    private func search() -> MotionSearch {
        let search = MotionSearch()
        search.begin(rate: initialRates())
        search.lambda = 2
        return search
    }

    /// Luma at a quarter sample (8.5.3.3.3.1), as the decoder would predict it.
    private func sample(_ x: Int, _ y: Int) -> Int {
        let filters = [
            [0, 0, 0, 64, 0, 0, 0, 0], [-1, 4, -10, 58, 17, -5, 1, 0], [-1, 4, -11, 40, 40, -11, 4, -1],
            [0, 1, -5, 17, 58, -10, 4, -1],
        ]
        let plane = reference.plane(0)
        // Of 8 bits nothing is lost between the passes.
        let sum = (0..<8).reduce(0) { total, j in
            let row = (0..<8).reduce(0) {
                $0 + filters[x & 3][$1] * Int(plane.at((x >> 2) + $1 - 3, (y >> 2) + j - 3).pointee)
            }
            return total + filters[y & 3][j] * row
        }
        return min(255, max(0, (sum >> 6 + 32) >> 6))
    }

    private func target(
        _ block: [UInt16], x: Int, y: Int, _ predictors: (MotionVector, MotionVector), maxY: Int = 40
    )
        -> (UnsafePointer<UInt16>) -> MotionSearch.Target
    {
        {
            MotionSearch.Target(
                source: $0, sourceStride: 16, plane: reference.plane(0), x: x, y: y, width: 16, height: 16,
                predictors: predictors, bitDepth: 8, maxY: maxY)
        }
    }

    private func find(
        _ mv: MotionVector, x: Int, y: Int, predictors: (MotionVector, MotionVector), effort: SearchEffort,
        maxY: Int = 40
    ) -> MotionSearch.Result {
        let block = (0..<256).map { UInt16(sample(4 * (x + $0 % 16) + Int(mv.x), 4 * (y + $0 / 16) + Int(mv.y))) }
        let start = MotionVector()
        let starts = Buffer(repeating: start, count: 1)
        return block.withUnsafeBufferPointer { samples in
            search().search(
                target(block, x: x, y: y, predictors, maxY: maxY)(samples.baseAddress!), starts: starts.view.reading,
                startCount: 1, bound: .infinity, effort: effort)
        }
    }

    /// A block that is a displaced part of the reference is found there, at whole, half and quarter samples.
    @Test(arguments: [
        (8, 0), (-12, 4), (16, -20), (2, 0), (-6, 10), (3, 1), (-5, -7), (13, 6), (0, 0), (-1, 2),
    ])
    func findsDisplacedBlocks(x: Int, y: Int) {
        let mv = MotionVector(x: Int16(x), y: Int16(y))
        var effort = SearchEffort()
        effort.square = true
        for pattern in [SearchEffort.Pattern.diamond, .hexagon] {
            effort.pattern = pattern
            let result = find(mv, x: 48, y: 32, predictors: (MotionVector(), mv), effort: effort)
            #expect(result.mv == mv, "\(result) instead of \(mv)")
            // Nothing is left but the rate of no difference to the second predictor.
            #expect(result.mvpFlag == (mv == MotionVector() ? 0 : 1))
            #expect(result.cost < 8, "\(result)")
        }
    }

    /// Vectors stay above the lowest row that may be read.
    @Test func rowsBelowAreNotRead() {
        let mv = MotionVector(x: 0, y: 40)
        let free = find(mv, x: 48, y: 16, predictors: (mv, mv), effort: SearchEffort())
        #expect(free.mv == mv)
        let bound = find(mv, x: 48, y: 16, predictors: (mv, mv), effort: SearchEffort(), maxY: 6)
        #expect(Int(bound.mv.y) <= 24 && bound.cost > free.cost)
    }

    /// Never worse than no motion at all or either predictor.
    @Test func isNoWorseThanWhatIsGiven() {
        var random = SplitMix(state: 5)
        let effort = SearchEffort()
        for _ in 0..<40 {
            func vector() -> MotionVector {
                MotionVector(
                    x: Int16.random(in: -10...10, using: &random) * 4, y: Int16.random(in: -8...8, using: &random) * 4)
            }
            let predictors = (vector(), vector())
            let block = (0..<256).map { _ in UInt16.random(in: 0...255, using: &random) }
            let motion = search()
            block.withUnsafeBufferPointer { samples in
                let t = target(block, x: 48, y: 40, predictors)(samples.baseAddress!)
                let none = MotionVector()
                let starts = Buffer(repeating: none, count: 1)
                let best = motion.search(
                    t, starts: starts.view.reading, startCount: 1, bound: .infinity, effort: effort)
                #expect(best.mvpFlag == motion.predictor(best.mv, predictors))
                // From each vector alone, without refinement beyond it.
                for mv in [none, predictors.0, predictors.1] {
                    var sad = 0
                    var chosen = 0
                    for i in 0..<256 {
                        let plane = reference.plane(0)
                        let (u, v) = (48 + i % 16, 40 + i / 16)
                        sad += abs(Int(block[i]) - Int(plane.at(u + Int(mv.x) / 4, v + Int(mv.y) / 4).pointee))
                        chosen += abs(
                            Int(block[i]) - sample(4 * u + Int(best.mv.x) & ~3, 4 * v + Int(best.mv.y) & ~3))
                    }
                    // The search works on whole samples by SAD, afterwards by SATD: what it ends near cannot be far.
                    #expect(Double(chosen) < Double(sad) * 1.15, "\(best) against \(mv)")
                }
            }
        }
    }

    /// Samples of one byte are searched as those of two, also for what the other prediction of a pair leaves, which
    /// does not fit a byte.
    @Test func samplesOfOneByte() {
        var random = SplitMix(state: 6)
        let narrow = reference.narrowed().plane(0)
        var effort = SearchEffort()
        effort.square = true
        for trial in 0..<60 {
            effort.pattern = trial & 1 == 0 ? .diamond : .hexagon
            let noise = trial % 3 == 0 ? 128 : 6
            let (x, y) = (trial % 7 * 16, trial % 5 * 16)
            let block = (0..<256).map {
                UInt8(
                    clamping: sample(4 * (x + 3 + $0 % 16) + 1, 4 * (y + 2 + $0 / 16) + 2)
                        + Int.random(in: -noise...noise, using: &random))
            }
            let double = block.map { UInt16(max(2 * Int($0) - Int.random(in: 0...255, using: &random), 0)) }
            let mv = MotionVector(x: Int16.random(in: -30...30, using: &random), y: 5)
            func find(_ source: UnsafeRawPointer, _ plane: Plane, isDifference: Bool) -> MotionSearch.Result {
                let target = MotionSearch.Target(
                    source: source, sourceStride: 16, plane: plane, x: x, y: y, width: 16, height: 16,
                    predictors: (MotionVector(), mv), bitDepth: 8, maxY: 60, isDifference: isDifference)
                if isDifference { return search().refine(target, from: mv) }
                let starts = Buffer(repeating: mv, count: 1)
                return search().search(
                    target, starts: starts.view.reading, startCount: 1, bound: .infinity, effort: effort)
            }
            let wide = find(block.map(UInt16.init), reference.plane(0), isDifference: false)
            let same = find(block, narrow, isDifference: false)
            #expect(wide.mv == same.mv && wide.cost == same.cost && wide.mvpFlag == same.mvpFlag)
            let pair = find(double, reference.plane(0), isDifference: true)
            let samePair = find(double, narrow, isDifference: true)
            #expect(pair.mv == samePair.mv && pair.cost == samePair.cost && pair.mvpFlag == samePair.mvpFlag)
        }
    }
}
