// SPDX-License-Identifier: GPL-2.0-or-later
import TestSupport
import Testing
import VeilCore
import VeilEntropy

@testable import VeilRecon

/// 8.5.3.3.3 and 8.5.3.3.4, sample by sample.
private struct ReferencePrediction {
    private static let luma = [
        [0, 0, 0, 64, 0, 0, 0, 0], [-1, 4, -10, 58, 17, -5, 1, 0], [-1, 4, -11, 40, 40, -11, 4, -1],
        [0, 1, -5, 17, 58, -10, 4, -1],
    ]
    private static let chroma = [
        [0, 64, 0, 0], [-2, 58, 10, -2], [-4, 54, 16, -2], [-6, 46, 28, -4], [-4, 36, 36, -4], [-4, 28, 46, -6],
        [-2, 16, 54, -4], [-2, 10, 58, -2],
    ]

    let picture: Image
    let cIdx: Int
    let bitDepth: Int

    /// predSampleLX at a place of the component, displaced by a vector in luma quarter samples.
    func sample(_ x: Int, _ y: Int, _ mv: MotionVector) -> Int {
        let bits = cIdx == 0 ? 2 : 3
        let filters = cIdx == 0 ? Self.luma : Self.chroma
        let before = cIdx == 0 ? 3 : 1
        let (fx, fy) = (Int(mv.x) & ((1 << bits) - 1), Int(mv.y) & ((1 << bits) - 1))
        let (xInt, yInt) = (x + (Int(mv.x) >> bits), y + (Int(mv.y) >> bits))
        func at(_ x: Int, _ y: Int) -> Int {
            picture[min(max(x, 0), picture.width - 1), min(max(y, 0), picture.height - 1)]
        }
        func across(_ y: Int) -> Int {
            filters[fx].enumerated().reduce(0) { $0 + $1.element * at(xInt + $1.offset - before, y) }
        }
        let shift1 = min(4, bitDepth - 8)
        if fx == 0 && fy == 0 { return at(xInt, yInt) << max(2, 14 - bitDepth) }
        if fy == 0 { return across(yInt) >> shift1 }
        func down(_ value: (Int) -> Int) -> Int {
            filters[fy].enumerated().reduce(0) { $0 + $1.element * value(yInt + $1.offset - before) }
        }
        return fx == 0 ? down { at(xInt, $0) } >> shift1 : down { across($0) >> shift1 } >> 6
    }
}

@Suite struct MotionCompensationTests {
    private static let size = 96

    private func picture(_ random: inout Random, bitDepth: Int, isNarrow: Bool, poc: Int32) -> CodedPicture {
        let made = PictureReconstruction(
            grid: CTBGrid(width: Self.size, height: Self.size, log2CtbSize: 5), bitDepth: bitDepth,
            isNarrow: isNarrow)
        made.randomize(&random, noise: true)
        let picture = made.picture
        picture.poc = poc
        for cIdx in 0..<3 {
            let plane = picture.frame.plane(cIdx)
            for y in -plane.margin..<plane.height + plane.margin {
                for x in -plane.margin..<plane.width + plane.margin {
                    plane.set(
                        x, y, plane[min(max(x, 0), plane.width - 1), min(max(y, 0), plane.height - 1)])
                }
            }
        }
        picture.publishAll()
        return picture
    }

    /// Blocks of many sizes and fractions, inside and beyond the picture, of one reference and two, plain and weighted.
    @Test(arguments: sampleKinds, [false, true])
    func predictsAsTheStandardSays(samples: (bitDepth: Int, isNarrow: Bool), weighted: Bool) {
        let bitDepth = samples.bitDepth
        var random = Random(UInt64(bitDepth * 2 + (weighted ? 1 : 0)))
        let references = (0..<3).map {
            picture(&random, bitDepth: bitDepth, isNarrow: samples.isNarrow, poc: Int32($0))
        }
        let images = references.map { reference in (0..<3).map { Image(reference.frame.plane($0)) } }
        var constants = SliceConstants(
            SliceParameters(grid: CTBGrid(width: Self.size, height: Self.size, log2CtbSize: 5)))
        constants.parameters.sliceType = .b
        constants.parameters.bitDepthY = bitDepth
        constants.parameters.bitDepthC = bitDepth
        constants.weightedPredFlag = weighted
        constants.lumaLog2WeightDenom = 5
        constants.chromaLog2WeightDenom = 6
        func weights() -> [[PredictionWeight]] {
            (0..<2).map { _ in
                (0..<3).map { _ in
                    PredictionWeight(
                        weight: Int16(random.below(256) - 100),
                        offset: Int16((random.below(255) - 127) << (bitDepth - 8)))
                }
            }
        }
        let given = (weights(), weights())
        // The lists have a picture in common.
        let lists = ([0, 1], [1, 2])
        let slice = SliceContext(
            constants: constants, currPoc: 1,
            refPicList: (lists.0.map { references[$0] }, lists.1.map { references[$0] }), weights: given)
        let compensation = MotionCompensation()
        let result = FrameBuffer(
            width: Self.size, height: Self.size, bitDepthLuma: bitDepth, bitDepthChroma: bitDepth,
            isNarrow: samples.isNarrow)
        for trial in 0..<300 {
            let (width, height) = [(8, 8), (16, 8), (8, 4), (4, 8), (32, 32), (12, 16), (64, 16)][trial % 7]
            let x = random.below((Self.size - width) / 4 + 1) * 4
            let y = random.below((Self.size - height) / 4 + 1) * 4
            func vector() -> MotionVector {
                // Some reach far beyond the picture, some are of whole samples.
                let reach = [16, 100, 1000][random.below(3)]
                let mask = random.below(4) == 0 ? ~7 : ~0
                return MotionVector(
                    x: Int16((random.below(2 * reach) - reach) & mask),
                    y: Int16((random.below(2 * reach) - reach) & mask))
            }
            var motion = MotionInfo()
            motion.mv0 = vector()
            motion.mv1 = random.below(5) == 0 ? motion.mv0 : vector()
            let kind = random.below(3)
            if kind != 1 { motion.refIdx0 = Int8(random.below(2)) }
            if kind != 0 { motion.refIdx1 = Int8(random.below(2)) }
            compensation.predict(motion, x: x, y: y, width: width, height: height, slice: slice, into: result)
            for cIdx in 0..<3 {
                let shift = cIdx == 0 ? 0 : 1
                func source(_ list: Int, _ index: Int8) -> ReferencePrediction {
                    let number = (list == 0 ? lists.0 : lists.1)[Int(index)]
                    return ReferencePrediction(picture: images[number][cIdx], cIdx: cIdx, bitDepth: bitDepth)
                }
                let sources = (
                    motion.refIdx0 < 0 ? nil : source(0, motion.refIdx0),
                    motion.refIdx1 < 0 ? nil : source(1, motion.refIdx1)
                )
                let w0 = motion.refIdx0 < 0 ? nil : given.0[Int(motion.refIdx0)][cIdx]
                let w1 = motion.refIdx1 < 0 ? nil : given.1[Int(motion.refIdx1)][cIdx]
                let log2WD = (cIdx == 0 ? 5 : 6) + 14 - bitDepth
                var same = true
                for v in y >> shift..<(y + height) >> shift {
                    for u in x >> shift..<(x + width) >> shift {
                        let a = sources.0?.sample(u, v, motion.mv0)
                        let b = sources.1?.sample(u, v, motion.mv1)
                        let value: Int
                        if let a, let b {
                            if let w0, let w1, weighted {
                                let rounding = (Int(w0.offset) + Int(w1.offset) + 1) << log2WD
                                value = (a * Int(w0.weight) + b * Int(w1.weight) + rounding) >> (log2WD + 1)
                            } else {
                                value = (a + b + (1 << (14 - bitDepth))) >> (15 - bitDepth)
                            }
                        } else {
                            let one = a ?? b ?? 0
                            if let w = w0 ?? w1, weighted {
                                value = ((one * Int(w.weight) + (1 << (log2WD - 1))) >> log2WD) + Int(w.offset)
                            } else {
                                value = (one + (1 << (13 - bitDepth))) >> (14 - bitDepth)
                            }
                        }
                        let wanted = min((1 << bitDepth) - 1, max(0, value))
                        if result.plane(cIdx)[u, v] != wanted { same = false }
                    }
                }
                #expect(same, "trial \(trial), component \(cIdx), \(width)x\(height) at \(x), \(y): \(motion)")
            }
        }
    }
}
