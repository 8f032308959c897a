// SPDX-License-Identifier: GPL-2.0-or-later
import CVeilKernels
import VeilCore
import VeilEntropy
import VeilRecon

/// Samples of one coding block in all three components: luma rows of 64, chroma rows of 32 samples, which have one byte
/// where `isNarrow` holds and two otherwise.
final class BlockSamples {
    let isNarrow: Bool
    private let memory: UnsafeMutableRawPointer

    init(isNarrow: Bool) {
        self.isNarrow = isNarrow
        memory = .allocate(byteCount: 2 * Self.count, alignment: 64)
        memory.initializeMemory(as: UInt8.self, repeating: 0, count: 2 * Self.count)
    }

    deinit { memory.deallocate() }

    private static let count = 4096 + 2 * 1024

    /// Where a sample lies that comes `offset` samples after the first one of a component.
    @inline(__always)
    func address(_ cIdx: Int, _ offset: Int = 0) -> UnsafeMutableRawPointer {
        let first = cIdx == 0 ? 0 : cIdx == 1 ? 4096 : 5120
        return memory + (first &+ offset) &<< (isNarrow ? 0 : 1)
    }

    /// The block whose first sample is (dx, dy) of a component.
    @inline(__always)
    func block(_ cIdx: Int, _ dx: Int, _ dy: Int) -> SampleBlock {
        let stride = Self.stride(cIdx)
        return SampleBlock(address(cIdx, dy &* stride &+ dx), stride: stride, isNarrow: isNarrow)
    }

    @inline(__always)
    static func stride(_ cIdx: Int) -> Int { cIdx == 0 ? 64 : 32 }

    /// Copies a block of `size` luma samples into a frame at a luma position.
    func store(to frame: FrameBuffer, x: Int, y: Int, size: Int) {
        for cIdx in 0..<3 {
            let s = cIdx == 0 ? 0 : 1
            let plane = frame.plane(cIdx)
            veil_any_copy(
                isNarrow, plane.address(x &>> s, y &>> s), plane.stride, address(cIdx), Self.stride(cIdx),
                Int32(truncatingIfNeeded: size &>> s),
                Int32(truncatingIfNeeded: size &>> s))
        }
    }

    /// Copies a block out of a frame.
    func load(from frame: FrameBuffer, x: Int, y: Int, size: Int) {
        for cIdx in 0..<3 {
            let s = cIdx == 0 ? 0 : 1
            let plane = frame.plane(cIdx)
            veil_any_copy(
                isNarrow, address(cIdx), Self.stride(cIdx), plane.address(x &>> s, y &>> s), plane.stride,
                Int32(truncatingIfNeeded: size &>> s),
                Int32(truncatingIfNeeded: size &>> s))
        }
    }
}

/// A prediction unit under consideration.
struct InterChoice {
    var motion = MotionInfo()
    var pu = PredictionUnit()
    /// Bits of prediction_unit(), merge_flag included.
    var bits = 0.0
    /// Hadamard cost plus rate.
    var cost = Double.infinity

    /// Makes it motion of one list, which `predictors` tell from `mvpFlag` on; returns the difference.
    @inline(__always)
    mutating func set(
        _ mv: MotionVector, list: Int, refIdx: Int, mvpFlag: Int, _ predictors: (MotionVector, MotionVector)
    ) -> MotionVector {
        let refIdx = Int8(truncatingIfNeeded: refIdx)
        pu.interPredIdc = UInt8(truncatingIfNeeded: list)
        (pu.refIdxL0, pu.refIdxL1) = list == 0 ? (refIdx, -1) : (-1, refIdx)
        (motion.refIdx0, motion.refIdx1) = (pu.refIdxL0, pu.refIdxL1)
        return move(mv, list: list, mvpFlag: mvpFlag, predictors)
    }

    /// Sets the vector of a list that it has motion of; returns the difference to the predictor.
    @inline(__always)
    mutating func move(
        _ mv: MotionVector, list: Int, mvpFlag: Int, _ predictors: (MotionVector, MotionVector)
    ) -> MotionVector {
        let mvp = mvpFlag == 0 ? predictors.0 : predictors.1
        let mvd = MotionVector(x: mv.x &- mvp.x, y: mv.y &- mvp.y)
        if list == 0 {
            motion.mv0 = mv
            pu.mvdL0 = mvd
            pu.mvpL0Flag = UInt8(truncatingIfNeeded: mvpFlag)
        } else {
            motion.mv1 = mv
            pu.mvdL1 = mvd
            pu.mvpL1Flag = UInt8(truncatingIfNeeded: mvpFlag)
        }
        return mvd
    }
}

/// Buffers of one quadtree level: the coding unit being tried and the best one so far.
final class DecisionWorkspace {
    @exclusivity(unchecked) var prediction: BlockSamples
    @exclusivity(unchecked) var work: BlockSamples
    @exclusivity(unchecked) var best: BlockSamples
    @exclusivity(unchecked) var workRecord = CodingTreeUnit(levelCapacity: 4 * CodingTreeUnit.maxSamples)
    @exclusivity(unchecked) var bestRecord = CodingTreeUnit(levelCapacity: 4 * CodingTreeUnit.maxSamples)
    @exclusivity(unchecked) var bestCost = Double.infinity
    /// What of it the best inter unit's transform tree costs, split_transform_flag included.
    @exclusivity(unchecked) var bestTreeCost = 0.0
    /// Hadamard cost of the best inter unit's partitions, and whether nothing was left to code of it.
    @exclusivity(unchecked) var bestSatd = Double.infinity
    @exclusivity(unchecked) var bestIsZero = false
    /// Motion of the best unit's partitions.
    let bestMotion: Buffer<MotionInfo>
    let choices: Buffer<InterChoice>
    @exclusivity(unchecked) var choiceCount = 0
    static let maxChoices = 12

    init(isNarrow: Bool) {
        prediction = BlockSamples(isNarrow: isNarrow)
        work = BlockSamples(isNarrow: isNarrow)
        best = BlockSamples(isNarrow: isNarrow)
        bestMotion = Buffer(repeating: MotionInfo(), count: 4)
        choices = Buffer(repeating: InterChoice(), count: Self.maxChoices)
    }

    /// Adds a choice in order of cost, dropping the most expensive one where there is no room.
    @inline(__always)
    func insert(_ choice: InterChoice) {
        if choiceCount == Self.maxChoices {
            if choices[choiceCount &- 1].cost <= choice.cost { return }
            choiceCount &-= 1
        }
        var i = choiceCount
        while i > 0 && choices[i &- 1].cost > choice.cost {
            choices[i] = choices[i &- 1]
            i &-= 1
        }
        choices[i] = choice
        choiceCount &+= 1
    }
}

/// Skip flags, quadtree depths and intra modes of a picture, for the contexts and predictions that costs are
/// estimated with.
final class DecisionMaps: @unchecked Sendable {
    private let width8: Int
    private let skip: Buffer<UInt8>
    private let depth: Buffer<UInt8>
    private let modes: Buffer<UInt8>

    init(width: Int, height: Int) {
        width8 = (width + 7) / 8
        let count = width8 * ((height + 7) / 8)
        skip = Buffer(repeating: 0, count: count)
        depth = Buffer(repeating: 0, count: count)
        modes = Buffer(repeating: 1, count: count * 4)
    }

    @inline(__always)
    func skipContext(_ x: Int, _ y: Int) -> Int {
        let at = (y &>> 3) &* width8 &+ (x &>> 3)
        return (x > 0 ? Int(skip[at &- 1]) : 0) &+ (y > 0 ? Int(skip[at &- width8]) : 0)
    }

    @inline(__always)
    func splitContext(_ x: Int, _ y: Int, depth d: Int) -> Int {
        let at = (y &>> 3) &* width8 &+ (x &>> 3)
        return (x > 0 && Int(depth[at &- 1]) > d ? 1 : 0) &+ (y > 0 && Int(depth[at &- width8]) > d ? 1 : 0)
    }

    @inline(__always)
    func set(_ x: Int, _ y: Int, size: Int, skip s: Bool, depth d: Int) {
        let cells = size &>> 3
        var at = (y &>> 3) &* width8 &+ (x &>> 3)
        for _ in 0..<cells {
            for i in 0..<cells {
                skip[at &+ i] = s ? 1 : 0
                depth[at &+ i] = UInt8(truncatingIfNeeded: d)
            }
            at &+= width8
        }
    }

    /// Sets the intra mode (1 for other blocks) of a block of `size` samples, a multiple of 4.
    @inline(__always)
    func set(mode: UInt8, _ x: Int, _ y: Int, size: Int) {
        let cells = size &>> 2
        var at = (y &>> 2) &* width8 &* 2 &+ (x &>> 2)
        for _ in 0..<cells {
            for i in 0..<cells { modes[at &+ i] = mode }
            at &+= width8 &* 2
        }
    }

    /// Modes beside and above the first two quarters of a block, as `candidateModes` sees them.
    func surroundingModes(_ x: Int, _ y: Int, yCtb: Int) -> (left: (UInt8, UInt8), above: (UInt8, UInt8)) {
        let at = (y &>> 2) &* width8 &* 2 &+ (x &>> 2)
        let row = width8 &* 2
        return (
            x > 0 ? (modes[at &- 1], modes[at &+ row &- 1]) : (1, 1),
            y > yCtb ? (modes[at &- row], modes[at &- row &+ 1]) : (1, 1)
        )
    }

    /// candModeList (8.4.2) of a block; `yCtb`: first luma row of its CTB.
    @inline(__always)
    func candidateModes(_ x: Int, _ y: Int, yCtb: Int) -> (UInt8, UInt8, UInt8) {
        let at = (y &>> 2) &* width8 &* 2 &+ (x &>> 2)
        let a = x > 0 ? modes[at &- 1] : 1
        let b = y > yCtb ? modes[at &- width8 &* 2] : 1
        if a == b {
            if a < 2 { return (0, 1, 26) }
            return (a, 2 &+ ((a &+ 29) & 31), 2 &+ ((a &- 2 &+ 1) & 31))
        }
        let third: UInt8 = a != 0 && b != 0 ? 0 : a != 1 && b != 1 ? 1 : 26
        return (a, b, third)
    }
}
