// SPDX-License-Identifier: GPL-2.0-or-later
import CVeilKernels
import TestSupport
import Testing

/// Statistics for sample adaptive offset, against their definition.
@Suite struct SAOStatisticsTests {
    static let stride = 80

    /// Sum and number of differences by edgeIdx 1...4 (8.7.3.2).
    static func edges(
        _ source: Samples, _ rec: Samples, _ at: Int, _ w: Int, _ h: Int, _ eoClass: Int
    ) -> ([Int], [Int]) {
        let step = [1, stride, stride + 1, stride - 1][eoClass]
        var sums = [0, 0, 0, 0], counts = [0, 0, 0, 0]
        for y in 0..<h {
            for x in 0..<w {
                let i = at + y * stride + x
                let c = Int(rec.base[i])
                let edge = 2 + (c - Int(rec.base[i - step])).signum() + (c - Int(rec.base[i + step])).signum()
                let edgeIdx = edge < 2 ? edge + 1 : edge == 2 ? 0 : edge
                if edgeIdx == 0 { continue }
                sums[edgeIdx - 1] += Int(source.base[i]) - c
                counts[edgeIdx - 1] += 1
            }
        }
        return (sums, counts)
    }

    @Test(arguments: depths) func statistics(depth: Int32) {
        var random = Random(40)
        let n = Self.stride * 70
        let at = 2 * Self.stride + 8
        for content in Content.allCases {
            let source = samples(n, depth: depth, content, &random)
            let rec = samples(n, depth: depth, content, &random)
            for (w, h) in [(64, 64), (63, 63), (32, 30), (31, 8), (16, 1), (7, 5), (1, 1)] {
                for k in [plain, simd].compactMap({ $0 }) {
                    for eoClass in 0..<4 {
                        // What is there already stays: statistics add up.
                        let sum = Buffer<Int32>(4, 3), count = Buffer<Int32>(4, 5)
                        k.pointee.sao_edge_statistics(
                            sum.base, count.base, source.base + at, Self.stride, rec.base + at, Self.stride, Int32(w),
                            Int32(h),
                            Int32(eoClass))
                        let (sums, counts) = Self.edges(source, rec, at, w, h, eoClass)
                        #expect(
                            (0..<4).map { Int(sum.base[$0]) - 3 } == sums,
                            "level \(k.pointee.level), class \(eoClass), \(w)x\(h)")
                        #expect((0..<4).map { Int(count.base[$0]) - 5 } == counts)
                    }
                    let sum = Buffer<Int32>(32), count = Buffer<Int32>(32)
                    k.pointee.sao_band_statistics(
                        sum.base, count.base, source.base + at, Self.stride, rec.base + at, Self.stride, Int32(w),
                        Int32(h), depth)
                    var sums = [Int](repeating: 0, count: 32), counts = sums
                    for y in 0..<h {
                        for x in 0..<w {
                            let i = at + y * Self.stride + x
                            let band = Int(rec.base[i]) >> (Int(depth) - 5)
                            sums[band] += Int(source.base[i]) - Int(rec.base[i])
                            counts[band] += 1
                        }
                    }
                    #expect(
                        (0..<32).map { Int(sum.base[$0]) } == sums && (0..<32).map { Int(count.base[$0]) } == counts)
                }
            }
        }
    }
}
