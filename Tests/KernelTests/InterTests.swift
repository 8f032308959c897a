// SPDX-License-Identifier: GPL-2.0-or-later
import CVeilKernels
import TestSupport
import Testing

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// Interpolation and weighted prediction (8.5.3.3.3, 8.5.3.3.4).
@Suite struct InterTests {
    static let stride = 160
    static let origin = 16 * 160 + 32
    static let area = 160 * 112

    /// predSamples by the equations of the standard, in unlimited integers.
    static func reference(
        _ src: UnsafePointer<UInt16>, _ stride: Int, _ x: Int, _ y: Int, _ mx: Int, _ my: Int, _ depth: Int, luma: Bool
    ) -> Int {
        let lumaTaps = [
            [0, 0, 0, 64, 0, 0, 0, 0], [-1, 4, -10, 58, 17, -5, 1, 0], [-1, 4, -11, 40, 40, -11, 4, -1],
            [0, 1, -5, 17, 58, -10, 4, -1],
        ]
        let chromaTaps = [
            [0, 64, 0, 0], [-2, 58, 10, -2], [-4, 54, 16, -2], [-6, 46, 28, -4], [-4, 36, 36, -4], [-4, 28, 46, -6],
            [-2, 16, 54, -4],
            [-2, 10, 58, -2],
        ]
        let cx = luma ? lumaTaps[mx] : chromaTaps[mx]
        let cy = luma ? lumaTaps[my] : chromaTaps[my]
        let before = luma ? 3 : 1
        let shift1 = min(4, depth - 8)
        func at(_ x: Int, _ y: Int) -> Int { Int(src[y * stride + x]) }
        func row(_ x: Int, _ y: Int) -> Int { cx.indices.reduce(0) { $0 + cx[$1] * at(x + $1 - before, y) } >> shift1 }
        if mx == 0 && my == 0 { return at(x, y) << (14 - depth) }
        if my == 0 { return row(x, y) }
        if mx == 0 { return cy.indices.reduce(0) { $0 + cy[$1] * at(x, y + $1 - before) } >> shift1 }
        return cy.indices.reduce(0) { $0 + cy[$1] * row(x, y + $1 - before) } >> 6
    }

    @Test(arguments: [true, false]) func plainFollowsTheStandard(luma: Bool) {
        var random = Random(1)
        let fractions = luma ? 4 : 8
        let stride = Self.stride
        for depth in depths {
            for content in [Content.noise, .extremes] {
                let src = samples(Self.area, depth: depth, content, &random)
                let other = Residuals(64 * 64)
                other.fill(-8192, 16383 - 8192, .noise, &random)
                let maximum = (1 << Int(depth)) - 1
                for mx in 0..<fractions {
                    for my in 0..<fractions {
                        let pred = Residuals(64 * 64)
                        let put = Samples(64 * 64)
                        let bi = Samples(64 * 64)
                        let at = src.base + Self.origin
                        let k = plain.pointee
                        (luma ? k.luma_pred : k.chroma_pred)!(pred.base, at, stride, 8, 8, Int32(mx), Int32(my), depth)
                        (luma ? k.luma_put : k.chroma_put)!(put.base, 64, at, stride, 8, 8, Int32(mx), Int32(my), depth)
                        (luma ? k.luma_bi : k.chroma_bi)!(
                            bi.base, 64, other.base, at, stride, 8, 8, Int32(mx), Int32(my), depth)
                        var bad = 0
                        for y in 0..<8 {
                            for x in 0..<8 {
                                let v = Self.reference(at, stride, x, y, mx, my, Int(depth), luma: luma)
                                let down = 14 - Int(depth)
                                let one = min(maximum, max(0, (v + (1 << (down - 1))) >> down))
                                let two = min(
                                    maximum,
                                    max(0, (v + Int(other.base[y * 64 + x]) + 8192 + (1 << down)) >> (down + 1)))
                                if Int(pred.base[y * 64 + x]) + 8192 != v { bad += 1 }
                                if Int(put.base[y * 64 + x]) != one { bad += 1 }
                                if Int(bi.base[y * 64 + x]) != two { bad += 1 }
                            }
                        }
                        #expect(bad == 0, "\(luma ? "luma" : "chroma") fraction \(mx),\(my), \(depth) bits")
                    }
                }
            }
        }
    }

    @Test(.enabled(if: simd != nil, "this processor has no SIMD path"), arguments: [true, false]) func interpolation(
        luma: Bool
    ) throws {
        let simd = try #require(simd)
        var random = Random(2)
        let stride = Self.stride
        let fractions: Int32 = luma ? 4 : 8
        for depth in depths {
            for content in [Content.noise, .extremes] {
                let src = samples(Self.area, depth: depth, content, &random)
                let other = Residuals(64 * 64)
                other.fill(-8192 - 6000, 22000 - 8192, content, &random)
                let at = src.base + Self.origin
                for w in luma ? lumaSizes : chromaSizes {
                    for h in luma ? lumaSizes : chromaSizes {
                        for mx in 0..<fractions {
                            for my in 0..<fractions {
                                // All fractions at one size each; elsewhere the four combinations of zero and non-zero.
                                if (w != 24 || h != 8) && (mx > 1 || my > 1) { continue }
                                let pred = [Residuals(64 * 64, 77), Residuals(64 * 64, 77)]
                                let put = [Samples(72 * 72, 7777), Samples(72 * 72, 7777)]
                                let bi = [Samples(72 * 72, 7777), Samples(72 * 72, 7777)]
                                for (i, k) in [plain.pointee, simd.pointee].enumerated() {
                                    (luma ? k.luma_pred : k.chroma_pred)!(pred[i].base, at, stride, w, h, mx, my, depth)
                                    (luma ? k.luma_put : k.chroma_put)!(
                                        put[i].base + 4, 72, at, stride, w, h, mx, my, depth)
                                    (luma ? k.luma_bi : k.chroma_bi)!(
                                        bi[i].base + 4, 72, other.base, at, stride, w, h, mx, my, depth)
                                }
                                var bad = 0
                                for y in 0..<Int(h) {
                                    bad += memcmp(pred[0].base + y * 64, pred[1].base + y * 64, Int(w) * 2) != 0 ? 1 : 0
                                }
                                let what: Comment = "\(w)x\(h) fraction \(mx),\(my), \(depth) bits"
                                #expect(bad == 0, what)
                                #expect(put[0].difference(put[1]) == nil, what)
                                #expect(bi[0].difference(bi[1]) == nil, what)
                            }
                        }
                    }
                }
            }
        }
    }

    @Test(.enabled(if: simd != nil, "this processor has no SIMD path")) func weighting() throws {
        let simd = try #require(simd)
        var random = Random(3)
        for depth in depths {
            for content in [Content.noise, .extremes] {
                let p0 = Residuals(64 * 64), p1 = Residuals(64 * 64)
                p0.fill(-25022, 24958, content, &random)
                p1.fill(-25022, 24958, content, &random)
                for w in chromaSizes + [48] {
                    for h: Int32 in [2, 4, 6, 16, 64] {
                        let log2WD = Int32.random(in: 0...7, using: &random) + 14 - depth
                        let w0 = random.in32(-128...255), w1 = random.in32(-128...255)
                        let o0 = random.in32(-128...127) << (depth - 8), o1 = random.in32(-128...127) << (depth - 8)
                        for kind in 0..<4 {
                            let out = [Samples(72 * 72, 7777), Samples(72 * 72, 7777)]
                            for (i, k) in [plain.pointee, simd.pointee].enumerated() {
                                let to = out[i].base + 4
                                switch kind {
                                case 0: k.pred_put(to, 72, p0.base, w, h, depth)
                                case 1: k.pred_avg(to, 72, p0.base, p1.base, w, h, depth)
                                case 2: k.pred_weighted(to, 72, p0.base, w, h, log2WD, w0, o0, depth)
                                default:
                                    k.pred_weighted_bi(to, 72, p0.base, p1.base, w, h, log2WD, w0, w1, o0, o1, depth)
                                }
                            }
                            #expect(out[0].difference(out[1]) == nil, "kind \(kind), \(w)x\(h), \(depth) bits")
                        }
                    }
                }
            }
        }
    }

    /// The weighting equations in plain integers.
    @Test func plainWeightingFollowsTheStandard() {
        var random = Random(4)
        for depth in depths {
            let d = Int(depth)
            let maximum = (1 << d) - 1
            let p0 = Residuals(64), p1 = Residuals(64)
            p0.fill(-25022, 24958, .noise, &random)
            p1.fill(-25022, 24958, .noise, &random)
            for _ in 0..<50 {
                let log2WD = Int.random(in: 0...7, using: &random) + 14 - d
                let w0 = Int.random(in: -128...255, using: &random), w1 = Int.random(in: -128...255, using: &random)
                let o0 = Int.random(in: -128...127, using: &random) << (d - 8),
                    o1 = Int.random(in: -128...127, using: &random) << (d - 8)
                let one = Samples(64), two = Samples(64)
                plain.pointee.pred_weighted(one.base, 64, p0.base, 64, 1, Int32(log2WD), Int32(w0), Int32(o0), depth)
                plain.pointee.pred_weighted_bi(
                    two.base, 64, p0.base, p1.base, 64, 1, Int32(log2WD), Int32(w0), Int32(w1), Int32(o0), Int32(o1),
                    depth)
                for i in 0..<64 {
                    let a = Int(p0.base[i]) + 8192, b = Int(p1.base[i]) + 8192
                    let uni = ((a * w0 + (1 << (log2WD - 1))) >> log2WD) + o0
                    let bi = (a * w0 + b * w1 + ((o0 + o1 + 1) << log2WD)) >> (log2WD + 1)
                    #expect(Int(one.base[i]) == min(maximum, max(0, uni)))
                    #expect(Int(two.base[i]) == min(maximum, max(0, bi)))
                }
            }
        }
    }
}
