// SPDX-License-Identifier: GPL-2.0-or-later
import TestSupport
import Testing
import VeilCore
import VeilEntropy

@testable import VeilEncoder

private typealias Random = SplitMix

/// Coefficients of which few are large, their levels to the nearest at a step of 64, and what these leave.
private struct Block {
    let log2: Int
    var coefficients: [Int16]
    var levels: [Int16]
    var remainders: [Int32]

    init(log2: Int, _ random: inout Random) {
        self.log2 = log2
        let n = 1 << (2 * log2)
        let size = 1 << log2
        coefficients = (0..<n).map { i in
            let reach = 400 / (1 + i / size + i % size)
            return Int16.random(in: Int16(-reach - 20)...Int16(reach + 20), using: &random)
        }
        levels = coefficients.map { $0 < 0 ? -((-$0 + 32) / 64) : ($0 + 32) / 64 }
        remainders = zip(coefficients, levels).map { (Int32($0.magnitude) - 64 * Int32($1.magnitude)) * 4 }
    }

    /// Has levels and remainders changed in place.
    mutating func change<Result>(_ body: (MutableBufferView<Int16>, MutableBufferView<Int32>) -> Result) -> Result {
        levels.withUnsafeMutableBufferPointer { l in
            remainders.withUnsafeMutableBufferPointer { r in
                body(
                    MutableBufferView(l.baseAddress!, count: l.count), MutableBufferView(r.baseAddress!, count: r.count)
                )
            }
        }
    }

    /// Levels of each sub-block in scan order.
    func subBlocks(_ scanIdx: Int) -> [[Int]] {
        let scans = ScanTables.shared
        let perRow = 1 << (log2 - 2)
        return (0..<perRow * perRow).map { b in
            (0..<16).map { n in
                let pos = Int(scans.position4[scanIdx << 4 | n])
                return Int(levels[(b / perRow * 4 + pos >> 2) << log2 | (b % perRow * 4 + pos & 3)])
            }
        }
    }
}

@Suite struct LevelTests {
    /// The hidden sign is what the parity says, and no sub-block is changed by more than one.
    @Test(arguments: 2...5, 0...2) func signsAreHidden(log2: Int, scanIdx: Int) {
        var random = Random(state: UInt64(log2 * 3 + scanIdx))
        for _ in 0..<60 {
            var block = Block(log2: log2, &random)
            let before = block.subBlocks(scanIdx)
            let coefficients = Buffer(count: block.coefficients.count) { block.coefficients[$0] }
            block.change { levels, remainders in
                SignHiding.apply(
                    levels: levels, coefficients: coefficients.view.reading, remainders: remainders.reading, log2: log2,
                    scanIdx: scanIdx)
            }
            for (old, new) in zip(before, block.subBlocks(scanIdx)) {
                let changes = zip(old, new).map { abs($0 - $1) }
                #expect(changes.reduce(0, +) <= 1)
                guard let first = new.firstIndex(where: { $0 != 0 }), let last = new.lastIndex(where: { $0 != 0 })
                else { continue }
                // Outer levels neither come nor go.
                #expect(first == old.firstIndex { $0 != 0 } && last == old.lastIndex { $0 != 0 })
                if last - first < 4 { continue }
                #expect((new.reduce(0) { $0 + abs($1) } & 1 != 0) == (new[first] < 0))
            }
        }
    }

    /// Optimized levels are those nearest or lower, keep their signs, cost less than they did, and vanish when bits
    /// are dear.
    @Test(arguments: 2...5) func optimizedLevels(log2: Int) {
        var random = Random(state: UInt64(log2))
        let grid = CTBGrid(width: 64, height: 64, log2CtbSize: 6)
        let parameters = SliceParameters(grid: grid)
        let rate = RateEstimator(parameters: parameters)
        rate.begin(contexts: Context.initialStates(initType: 1, sliceQpY: 30), parameters: parameters)
        let optimizer = LevelOptimizer()
        optimizer.begin(rate: rate)
        let record = CodingTreeUnit()
        func cost(_ block: Block, _ lambda: Double) -> Double {
            var error = 0.0
            for (c, l) in zip(block.coefficients, block.levels) {
                let e = (Double(c) - 64 * Double(l)) / 64
                error += e * e
            }
            if block.levels.allSatisfy({ $0 == 0 }) { return error }
            for (i, level) in block.levels.enumerated() { record.levels[i] = level }
            return error + lambda * Double(rate.residual(record, start: 0, log2: log2, cIdx: 0, scanIdx: 0)) / 32768
        }
        var better = 0
        for _ in 0..<40 {
            let nearest = Block(log2: log2, &random)
            for lambda in [0.05, 0.15, 1000] {
                var block = nearest
                let count = block.change { levels, remainders in
                    optimizer.optimize(
                        levels: levels, remainders: remainders, log2: log2, cIdx: 0, scanIdx: 0, lambda: Float(lambda))
                }
                for i in block.levels.indices {
                    let left = Int32(block.coefficients[i].magnitude) - 64 * Int32(block.levels[i].magnitude)
                    #expect(block.remainders[i] == left * 4)
                }
                #expect(count == block.levels.count { $0 != 0 })
                if lambda == 1000 {
                    #expect(count == 0)
                    continue
                }
                for i in block.levels.indices {
                    #expect(block.levels[i].magnitude <= nearest.levels[i].magnitude)
                    #expect(block.levels[i] == 0 || (block.levels[i] < 0) == (block.coefficients[i] < 0))
                }
                if cost(block, lambda) <= cost(nearest, lambda) + 1e-6 { better += 1 }
            }
        }
        // Contexts move on while a block is coded, which the estimate leaves out: nearly always, not always.
        #expect(better >= 76)
    }

    /// Presets are found by name, and slower ones never allow less.
    @Test func presets() {
        #expect(EncoderPreset(name: "placebo") == .veryslow)
        #expect(EncoderPreset(name: "quick") == nil)
        let all = EncoderPreset.allCases
        for (a, b) in zip(all, all.dropFirst()) {
            #expect(a.effort.mergeChecks <= b.effort.mergeChecks && a.effort.references <= b.effort.references)
            #expect(a.effort.partitions <= b.effort.partitions && a.effort.intra <= b.effort.intra)
            #expect(a.tools.maxTransformHierarchyDepthInter <= b.tools.maxTransformHierarchyDepthInter)
            #expect(!a.tools.sao || b.tools.sao)
            #expect(a.tools.wavefront || !b.tools.wavefront)
            #expect(!a.effort.optimizesLevels || b.effort.optimizesLevels)
        }
    }
}
