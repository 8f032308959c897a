// SPDX-License-Identifier: GPL-2.0-or-later
import TestSupport
import Testing
import VeilCore
import VeilEntropy

@testable import VeilRecon

/// 8.4.4.2.3 to 8.4.4.2.6 by their formulas; `p(x, y)` are the neighbours.
private struct ReferenceIntra {
    let n: Int
    let log2: Int
    let bitDepth: Int
    var p: [[Int]]  // p[0][1 + i] = p[-1][i], p[1][1 + i] = p[i][-1]; index 0 the corner

    func left(_ y: Int) -> Int { p[0][1 + y] }
    func top(_ x: Int) -> Int { p[1][1 + x] }

    mutating func filter(strong: Bool) {
        let old = p
        let c = old[0][0]
        if strong && n == 32 && abs(c + old[1][64] - 2 * old[1][32]) < 1 << (bitDepth - 5)
            && abs(c + old[0][64] - 2 * old[0][32]) < 1 << (bitDepth - 5)
        {
            for side in 0..<2 {
                for i in 0..<63 { p[side][1 + i] = ((63 - i) * c + (i + 1) * old[side][64] + 32) >> 6 }
            }
            return
        }
        for side in 0..<2 {
            p[side][0] = (old[0][1] + 2 * c + old[1][1] + 2) >> 2
            for i in 0..<2 * n - 1 {
                p[side][1 + i] = (old[side][i] + 2 * old[side][1 + i] + old[side][2 + i] + 2) >> 2
            }
        }
    }

    func predict(mode: Int, cIdx: Int) -> [Int] {
        var out = [Int](repeating: 0, count: n * n)
        if mode == 0 {
            for y in 0..<n {
                for x in 0..<n {
                    out[y * n + x] =
                        ((n - 1 - x) * left(y) + (x + 1) * top(n) + (n - 1 - y) * top(x) + (y + 1) * left(n) + n)
                        >> (log2 + 1)
                }
            }
            return out
        }
        if mode == 1 {
            let dc = ((0..<n).reduce(0) { $0 + left($1) + top($1) } + n) >> (log2 + 1)
            for i in 0..<n * n { out[i] = dc }
            if cIdx == 0 && n < 32 {
                out[0] = (left(0) + 2 * dc + top(0) + 2) >> 2
                for i in 1..<n {
                    out[i] = (top(i) + 3 * dc + 2) >> 2
                    out[i * n] = (left(i) + 3 * dc + 2) >> 2
                }
            }
            return out
        }
        let angle = [
            32, 26, 21, 17, 13, 9, 5, 2, 0, -2, -5, -9, -13, -17, -21, -26, -32, -26, -21, -17, -13, -9, -5, -2, 0, 2,
            5, 9, 13, 17, 21, 26,
            32,
        ][mode - 2]
        let vertical = mode >= 18
        let main = vertical ? 1 : 0
        var ref: [Int: Int] = [:]
        for x in 0...n { ref[x] = p[main][x] }
        if angle < 0 {
            let inverse = [
                -4096, -1638, -910, -630, -482, -390, -315, -256, -315, -390, -482, -630, -910, -1638, -4096,
            ][mode - 11]
            if (n * angle) >> 5 < -1 {
                for x in ((n * angle) >> 5)...(-1) { ref[x] = p[1 - main][((x * inverse + 128) >> 8)] }
            }
        } else {
            for x in n + 1...2 * n { ref[x] = p[main][x] }
        }
        for y in 0..<n {
            for x in 0..<n {
                let along = vertical ? x : y
                let across = vertical ? y : x
                let index = ((across + 1) * angle) >> 5
                let fact = ((across + 1) * angle) & 31
                out[y * n + x] =
                    fact == 0
                    ? ref[along + index + 1]!
                    : ((32 - fact) * ref[along + index + 1]! + fact * ref[along + index + 2]! + 16) >> 5
            }
        }
        if angle == 0 && cIdx == 0 && n < 32 {
            for i in 0..<n {
                let v = min((1 << bitDepth) - 1, max(0, p[main][1] + ((p[1 - main][1 + i] - p[0][0]) >> 1)))
                out[vertical ? i * n : i] = v
            }
        }
        return out
    }
}

@Suite struct IntraModeTests {
    @Test(arguments: sampleKinds, [false, true])
    func everyModeAndSize(samples: (bitDepth: Int, isNarrow: Bool), smooth: Bool) {
        let (bitDepth, isNarrow) = samples
        var random = Random(UInt64(bitDepth))
        let predictor = IntraPredictor()
        let r = predictor.references
        let block = UnsafeMutableRawPointer.allocate(byteCount: 80 * 32 * 2, alignment: 64)
        defer { block.deallocate() }
        for log2 in 2...5 {
            for cIdx in 0..<(log2 == 5 ? 2 : 3) {
                for mode in 0..<35 {
                    let n = 1 << log2
                    var reference = ReferenceIntra(n: n, log2: log2, bitDepth: bitDepth, p: [])
                    let top = (1 << bitDepth) - 1
                    func side() -> [Int] {
                        (0...64).map { smooth ? top / 2 + $0 / 3 : random.below(top + 1) }
                    }
                    reference.p = [side(), side()]
                    reference.p[1][0] = reference.p[0][0]
                    for i in 0...2 * n {
                        for (side, value) in [(r.left, reference.p[0][i]), (r.top, reference.p[1][i])] {
                            if isNarrow {
                                side.storeBytes(of: UInt8(value), toByteOffset: i - 1, as: UInt8.self)
                            } else {
                                side.storeBytes(of: UInt16(value), toByteOffset: 2 * (i - 1), as: UInt16.self)
                            }
                        }
                    }
                    let distance = min(abs(mode - 26), abs(mode - 10))
                    let threshold = [0, 0, 99, 7, 1, 0][log2]
                    if cIdx == 0 && mode != 1 && (mode == 0 ? log2 > 2 : distance > threshold) {
                        reference.filter(strong: smooth)
                    }
                    let wanted = reference.predict(mode: mode, cIdx: cIdx)
                    predictor.predict(
                        mode: mode, cIdx: cIdx, log2Size: log2, bitDepth: bitDepth, strongSmoothing: smooth,
                        to: SampleBlock(block, stride: 80, isNarrow: isNarrow))
                    let made = Plane(base: block, isNarrow: isNarrow, stride: 80, width: n, height: n, margin: 0)
                    let got = (0..<n).flatMap { made.values(row: $0).map(Int.init) }
                    let same = got == wanted
                    #expect(same, "mode \(mode), size \(n), cIdx \(cIdx)")
                }
            }
        }
    }
}
