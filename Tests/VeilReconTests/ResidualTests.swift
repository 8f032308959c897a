// SPDX-License-Identifier: GPL-2.0-or-later
import Foundation
import TestSupport
import Testing
import VeilCore
import VeilEntropy

@testable import VeilRecon

/// 8.6.2 to 8.6.4 by their formulas.
private enum ReferenceResidual {
    /// transMatrix (8.6.4.2): row k of the 32-point transform; smaller sizes use every other row and column half.
    static func matrix(_ k: Int, _ n: Int, size: Int) -> Int {
        // |coefficient| at angle i * pi / 64.
        let at = [
            64, 90, 90, 90, 89, 88, 87, 85, 83, 82, 80, 78, 75, 73, 70, 67, 64, 61, 57, 54, 50, 46, 43, 38, 36, 31, 25,
            22, 18, 13, 9, 4, 0,
        ]
        if k == 0 { return 64 }
        let angle = (2 * n + 1) * k * (32 / size) % 128
        let folded = angle > 64 ? 128 - angle : angle
        return folded > 32 ? -at[64 - folded] : at[folded]
    }
    static let dst = [[29, 55, 74, 84], [74, 74, 0, -74], [84, -29, -74, 55], [55, -84, 74, -29]]

    static func residual(
        levels: [Int], n: Int, bitDepth: Int, qp: Int, m: [Int], isDST: Bool, kind: ResidualKind
    ) -> [Int] {
        if kind == .bypass { return levels }
        let log2 = n.trailingZeroBitCount
        let shift = bitDepth + log2 - 5
        let scale = [40, 45, 51, 57, 64, 72][qp % 6] << (qp / 6)
        let d = (0..<n * n).map { min(32767, max(-32768, (levels[$0] * m[$0] * scale + (1 << (shift - 1))) >> shift)) }
        let bdShift = 20 - bitDepth
        if kind == .transformSkip { return d.map { (($0 << 7) + (1 << (bdShift - 1))) >> bdShift } }
        func t(_ k: Int, _ i: Int) -> Int { isDST ? dst[k][i] : matrix(k, i, size: n) }
        var g = [Int](repeating: 0, count: n * n)
        for x in 0..<n {
            for y in 0..<n {
                let e = (0..<n).reduce(0) { $0 + t($1, y) * d[$1 * n + x] }
                g[y * n + x] = min(32767, max(-32768, (e + 64) >> 7))
            }
        }
        return (0..<n * n).map { i in
            let s = (0..<n).reduce(0) { $0 + t($1, i % n) * g[i / n * n + $1] }
            return (s + (1 << (bdShift - 1))) >> bdShift
        }
    }
}

@Suite struct ResidualTests {
    @Test func matrixRows() {
        #expect((0..<4).map { ReferenceResidual.matrix(1, $0, size: 4) } == [83, 36, -36, -83])
        #expect((0..<8).map { ReferenceResidual.matrix(3, $0, size: 8) } == [75, -18, -89, -50, 50, 89, 18, -75])
        #expect(
            (0..<16).map { ReferenceResidual.matrix(1, $0, size: 16) }.prefix(8) == [90, 87, 80, 70, 57, 43, 25, 9])
    }

    @Test(arguments: sampleKinds, [false, true])
    func everySizeAndKind(samples: (bitDepth: Int, isNarrow: Bool), lists: Bool) {
        let (bitDepth, isNarrow) = samples
        var random = Random(UInt64(bitDepth) + (lists ? 7 : 0))
        let decoder = ResidualDecoder()
        let grid = CTBGrid(width: 64, height: 64, log2CtbSize: 6)
        let factors: [[[UInt8]]] = (0..<4).map { sizeId in
            (0..<6).map { _ in (0..<16 << (2 * sizeId)).map { _ in UInt8(1 + random.below(255)) } }
        }
        let stride = 40
        let block = UnsafeMutableRawPointer.allocate(byteCount: stride * 33 * 2, alignment: 64)
        let plane = Plane(base: block, isNarrow: isNarrow, stride: stride, width: 32, height: 32, margin: 0)
        let entries = Buffer(repeating: CoefficientEntry(position: 0, level: 0), count: 1024)
        defer { block.deallocate() }
        for trial in 0..<400 {
            let log2 = 2 + trial % 4
            let n = 1 << log2
            let cIdx = log2 == 5 ? 0 : random.below(3)
            let isIntra = random.bool()
            let kind: ResidualKind =
                random.below(6) == 0 ? .bypass : log2 == 2 && random.below(3) == 0 ? .transformSkip : .transform
            var k = SliceConstants(SliceParameters(grid: grid))
            k.parameters.bitDepthY = bitDepth
            k.parameters.bitDepthC = bitDepth
            if lists { k.scalingFactors = ScalingFactors { factors[$0][$1] } }
            let slice = SliceContext(constants: k)
            let qpY = random.below(52 + 6 * (bitDepth - 8)) - 6 * (bitDepth - 8)
            let p = ResidualParameters(slice: slice, qpY: qpY, isIntra: isIntra)
            let qp =
                cIdx == 0
                ? qpY + 6 * (bitDepth - 8)
                : QuantizationParameters.qpChroma(qpY: qpY, offset: 0, bitDepthChroma: bitDepth)
            var levels = [Int](repeating: 0, count: n * n)
            // From a lone DC to full blocks, from small levels to the extremes.
            let spread = [1, 2, 4, 8, n * n][random.below(5)]
            let area = [1, 4, n][random.below(3)]
            let range = [1, 4, 60, 32768][random.below(4)]
            for _ in 0..<spread {
                let at = random.below(min(area, n)) * n + random.below(min(area, n))
                levels[at] = random.below(2 * range) - range
            }
            let m =
                lists
                ? factors[log2 - 2][(isIntra ? 0 : 3) + cIdx].map(Int.init) : [Int](repeating: 16, count: n * n)
            let residual = ReferenceResidual.residual(
                levels: levels, n: n, bitDepth: bitDepth, qp: qp, m: m, isDST: log2 == 2 && cIdx == 0 && isIntra,
                kind: kind)
            let top = (1 << bitDepth) - 1
            let prediction = (0..<n * n).map { _ in random.below(top + 1) }
            let wanted = (0..<n * n).map { min(top, max(0, prediction[$0] + residual[$0])) }
            func fill() { for i in 0..<n * n { plane.set(i % n, i / n, prediction[i]) } }
            func read() -> [Int] { (0..<n * n).map { plane[$0 % n, $0 / n] } }
            fill()
            var r = ResidualBlock()
            for i in (0..<n * n).reversed() where levels[i] != 0 {
                entries[Int(r.count)] = CoefficientEntry(position: UInt16(i), level: Int16(levels[i]))
                r.count += 1
            }
            decoder.add(
                r, entries.view.reading, to: plane.block(0, 0), cIdx: cIdx, log2Size: log2, kind: kind, p)
            let sparse = read() == wanted
            #expect(sparse, "sparse, trial \(trial): size \(n), \(kind)")
            fill()
            let raster = Buffer(count: n * n) { Int16(levels[$0]) }
            decoder.add(
                levels: raster.view.reading, to: plane.block(0, 0), cIdx: cIdx, log2Size: log2, kind: kind, p)
            let dense = read() == wanted
            #expect(dense, "dense, trial \(trial): size \(n), \(kind)")
        }
    }
}
