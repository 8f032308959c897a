// SPDX-License-Identifier: GPL-2.0-or-later
import CVeilKernels
import VeilCore
import VeilEntropy
import VeilRecon

/// Where the blocks of a CTU may be found in the other view: the best horizontal displacement of each of its blocks of
/// 16x16, 32x32 and 64x64, by sums of absolute differences. Searches for vectors begin there: what is near the cameras
/// is displaced by more than they reach by themselves, and next to what is far. One per worker.
final class DisparitySearch {
    private static let log2Cell = 4
    /// Cells of 16x16 in a row of the largest CTU.
    private static let across = 4
    private static let maxReach = 128
    /// Whole samples from displacement to displacement; searches find what is in between.
    private static let step = 2

    private let pointers = Buffer<UnsafeRawPointer?>(repeating: nil, count: 4)
    private let sums = Buffer<UInt32>(repeating: 0, count: 4)
    /// Of each displacement, the differences of each cell.
    private let differences = Buffer<UInt32>(
        repeating: 0, count: (2 * DisparitySearch.maxReach / DisparitySearch.step + 4) * across * across)
    /// The best displacement of each cell, of the four groups of four cells, and of the CTU.
    private let cells = Buffer<Int16>(repeating: 0, count: across * across)
    private let groups = Buffer<Int16>(repeating: 0, count: 4)
    @exclusivity(unchecked) private var whole: Int16 = 0
    @exclusivity(unchecked) private var xCtb = 0
    @exclusivity(unchecked) private var yCtb = 0

    /// How far views may be displaced against each other, in samples: more than is pleasant to look at.
    private static func reach(width: Int) -> Int { min(max(width / 16 & ~7, 32), maxReach) }

    /// Finds the displacements of the CTU at a place.
    func find(from source: Plane, in other: Plane, x: Int, y: Int, size: Int) {
        xCtb = x
        yCtb = y
        let reach = Self.reach(width: source.width)
        let count = 2 * reach / Self.step
        let cell = 1 << Self.log2Cell
        differences.view.update(repeating: 0, count: (count + 4) * Self.across * Self.across)
        for v in 0..<min(size, 64) >> Self.log2Cell {
            for u in 0..<min(size, 64) >> Self.log2Cell {
                let (cx, cy) = (x + u * cell, y + v * cell)
                let (width, height) = (min(cell, source.width - cx), min(cell, source.height - cy))
                if width <= 0 || height <= 0 { continue }
                let block = source.address(cx, cy)
                for first in stride(from: 0, through: count, by: 4) {
                    for i in 0..<4 {
                        pointers[i] = UnsafeRawPointer(
                            MotionSearch.at(other, cx + (first + i) * Self.step - reach, cy, width, height))
                    }
                    veil_any_sad_x4(
                        other.isNarrow, sums.base, block, source.stride, pointers.base, other.stride,
                        Int32(truncatingIfNeeded: width), Int32(truncatingIfNeeded: height))
                    for i in 0..<4 {
                        differences[((first + i) * Self.across + v) * Self.across + u] = sums[i]
                    }
                }
            }
        }
        choose(count: count + 1, reach: reach)
    }

    private func choose(count: Int, reach: Int) {
        let cellCount = Self.across * Self.across
        // Nothing displaced stays where nothing is better.
        let middle = reach / Self.step
        var least = (0..<cellCount).map { differences[middle * cellCount + $0] }
        var leastOfGroups = (0..<4).map { group(middle, $0) }
        var leastOfAll = leastOfGroups.reduce(0, +)
        cells.view.update(repeating: 0, count: cellCount)
        groups.view.update(repeating: 0, count: 4)
        whole = 0
        for d in 0..<count {
            let displacement = Int16(truncatingIfNeeded: d * Self.step - reach)
            var all: UInt32 = 0
            for i in 0..<cellCount where differences[d * cellCount + i] < least[i] {
                least[i] = differences[d * cellCount + i]
                cells[i] = displacement
            }
            for i in 0..<4 {
                let sum = group(d, i)
                all &+= sum
                if sum < leastOfGroups[i] {
                    leastOfGroups[i] = sum
                    groups[i] = displacement
                }
            }
            if all < leastOfAll {
                leastOfAll = all
                whole = displacement
            }
        }
    }

    /// The differences of four cells.
    private func group(_ d: Int, _ i: Int) -> UInt32 {
        let at = (d * Self.across + 2 * (i >> 1)) * Self.across + 2 * (i & 1)
        return differences[at] &+ differences[at + 1] &+ differences[at + Self.across]
            &+ differences[at + Self.across + 1]
    }

    /// Adds the vectors from which to search for a block. Returns how many there are then.
    func add(to starts: MutableBufferView<MotionVector>, count: Int, _ block: MotionBlock) -> Int {
        var count = count
        let x = block.xPb &+ block.nPbW >> 1 &- xCtb
        let y = block.yPb &+ block.nPbH >> 1 &- yCtb
        func add(_ displacement: Int16) {
            starts[count] = MotionVector(x: displacement &* 4, y: 0)
            count &+= 1
        }
        let size = max(block.nPbW, block.nPbH)
        add(whole)
        let group = groups[(min(y, 63) >> 5) * 2 + min(x, 63) >> 5]
        if size <= 32 && group != whole { add(group) }
        let cell = cells[(min(y, 63) >> Self.log2Cell) * Self.across + min(x, 63) >> Self.log2Cell]
        if size <= 16 && cell != group && cell != whole { add(cell) }
        return count
    }
}
