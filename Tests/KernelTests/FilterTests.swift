// SPDX-License-Identifier: GPL-2.0-or-later
import CVeilKernels
import TestSupport
import Testing

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// Deblocking and sample adaptive offset (8.7).
@Suite struct FilterTests {
    /// Samples around an edge at `position` with a step between the sides that the filter may or may not smooth.
    static func edgeArea(
        _ stride: Int, depth: Int32, vertical: Bool, _ content: Content, _ random: inout Random
    ) -> Samples {
        let b = samples(stride * 16, depth: depth, content, &random)
        if content == .smooth {
            let maximum = (1 << Int(depth)) - 1
            let step = Int.random(in: -12...12, using: &random) << (Int(depth) - 8)
            let slope = Int.random(in: 0...2, using: &random)
            let level = Int.random(in: 0...maximum, using: &random)
            for y in 0..<16 {
                for x in 0..<16 {
                    let across = vertical ? x : y
                    let noise =
                        Int.random(in: -1...1, using: &random) << Int.random(in: 0...(Int(depth) - 8), using: &random)
                    let v = level + (across >= 8 ? step : 0) + slope * across + noise
                    b.base[y * stride + x] = UInt16(min(maximum, max(0, v)))
                }
            }
        }
        return b
    }

    /// 8.7.2.5.3, .6 and .7 on one segment of 4 lines, in plain integers; returns which filter ran (0 none, 1 normal,
    /// 2 strong).
    static func luma(
        _ s: inout [Int], _ at: Int, _ step: Int, _ along: Int, beta: Int, tc: Int, noP: Bool, noQ: Bool, depth: Int
    ) -> Int {
        func p(_ i: Int, _ k: Int) -> Int { s[at + k * along - (i + 1) * step] }
        func q(_ i: Int, _ k: Int) -> Int { s[at + k * along + i * step] }
        let dp = [0, 3].map { abs(p(2, $0) - 2 * p(1, $0) + p(0, $0)) }
        let dq = [0, 3].map { abs(q(2, $0) - 2 * q(1, $0) + q(0, $0)) }
        if tc == 0 || dp[0] + dq[0] + dp[1] + dq[1] >= beta { return 0 }
        let strong = [0, 1].allSatisfy { i in
            let k = i * 3
            return 2 * (dp[i] + dq[i]) < beta >> 2 && abs(p(3, k) - p(0, k)) + abs(q(0, k) - q(3, k)) < beta >> 3
                && abs(p(0, k) - q(0, k)) < (5 * tc + 1) >> 1
        }
        let dEp = dp[0] + dp[1] < (beta + (beta >> 1)) >> 3, dEq = dq[0] + dq[1] < (beta + (beta >> 1)) >> 3
        func clip(_ low: Int, _ high: Int, _ v: Int) -> Int { min(high, max(low, v)) }
        let maximum = (1 << depth) - 1
        for k in 0..<4 {
            let oldP = (0..<4).map { p($0, k) }, oldQ = (0..<4).map { q($0, k) }
            var newP = oldP, newQ = oldQ
            func side(_ a: [Int], _ b: [Int]) -> [Int] {
                [
                    clip(a[0] - 2 * tc, a[0] + 2 * tc, (a[2] + 2 * a[1] + 2 * a[0] + 2 * b[0] + b[1] + 4) >> 3),
                    clip(a[1] - 2 * tc, a[1] + 2 * tc, (a[2] + a[1] + a[0] + b[0] + 2) >> 2),
                    clip(a[2] - 2 * tc, a[2] + 2 * tc, (2 * a[3] + 3 * a[2] + a[1] + a[0] + b[0] + 4) >> 3), a[3],
                ]
            }
            if strong {
                newP = side(oldP, oldQ)
                newQ = side(oldQ, oldP)
            } else {
                var delta = (9 * (oldQ[0] - oldP[0]) - 3 * (oldQ[1] - oldP[1]) + 8) >> 4
                if abs(delta) >= tc * 10 { continue }
                delta = clip(-tc, tc, delta)
                newP[0] = clip(0, maximum, oldP[0] + delta)
                newQ[0] = clip(0, maximum, oldQ[0] - delta)
                if dEp {
                    newP[1] = clip(
                        0, maximum,
                        oldP[1] + clip(-(tc >> 1), tc >> 1, (((oldP[2] + oldP[0] + 1) >> 1) - oldP[1] + delta) >> 1))
                }
                if dEq {
                    newQ[1] = clip(
                        0, maximum,
                        oldQ[1] + clip(-(tc >> 1), tc >> 1, (((oldQ[2] + oldQ[0] + 1) >> 1) - oldQ[1] - delta) >> 1))
                }
            }
            for i in 0..<3 {
                if !noP { s[at + k * along - (i + 1) * step] = newP[i] }
                if !noQ { s[at + k * along + i * step] = newQ[i] }
            }
        }
        return strong ? 2 : 1
    }

    @Test(arguments: [true, false]) func lumaEdges(vertical: Bool) {
        var random = Random(30)
        let stride = 40
        var seen = [0, 0, 0]
        for depth in depths {
            let scale = Int(depth) - 8
            for content in Content.allCases {
                for _ in 0..<1500 {
                    let area = Self.edgeArea(stride, depth: depth, vertical: vertical, content, &random)
                    let beta = Int.random(in: 0...64, using: &random) << scale
                    let tc = (0..<2).map { _ in
                        Int.random(in: 0...4, using: &random) == 0 ? 0 : Int.random(in: 0...24, using: &random) << scale
                    }
                    let noP = Int.random(in: 0...7, using: &random) == 0,
                        noQ = Int.random(in: 0...7, using: &random) == 0
                    let at = vertical ? 8 + 4 * stride : 8 * stride + 4
                    let (step, along) = vertical ? (1, stride) : (stride, 1)
                    var expected = (0..<area.count).map { Int(area.base[$0]) }
                    for i in 0..<2 {
                        seen[
                            Self.luma(
                                &expected, at + 4 * i * along, step, along, beta: beta, tc: tc[i], noP: noP, noQ: noQ,
                                depth: Int(depth))] += 1
                    }
                    for k in [plain, simd].compactMap({ $0 }) {
                        let out = Samples(copy: area)
                        (vertical ? k.pointee.deblock_luma_v : k.pointee.deblock_luma_h)!(
                            out.base + at, stride, Int32(beta), Int32(tc[0]), Int32(tc[1]), noP ? 1 : 0, noQ ? 1 : 0,
                            depth)
                        let bad = (0..<out.count).first { Int(out.base[$0]) != expected[$0] }
                        #expect(
                            bad == nil, "path \(k.pointee.level), beta \(beta), tc \(tc), \(depth) bits, at \(bad ?? 0)"
                        )
                    }
                }
            }
        }
        #expect(seen.allSatisfy { $0 > 500 }, "\(seen)")
    }

    @Test(arguments: [true, false]) func chromaEdges(vertical: Bool) {
        var random = Random(31)
        let stride = 40
        for depth in depths {
            for content in Content.allCases {
                for _ in 0..<200 {
                    let area = Self.edgeArea(stride, depth: depth, vertical: vertical, content, &random)
                    let tc = (0..<2).map { _ in
                        Int.random(in: 0...4, using: &random) == 0
                            ? 0 : Int.random(in: 0...24, using: &random) << (Int(depth) - 8)
                    }
                    let noP = Int.random(in: 0...7, using: &random) == 0,
                        noQ = Int.random(in: 0...7, using: &random) == 0
                    let at = vertical ? 8 + 4 * stride : 8 * stride + 4
                    let (step, along) = vertical ? (1, stride) : (stride, 1)
                    var expected = (0..<area.count).map { Int(area.base[$0]) }
                    for line in 0..<4 {
                        let s = at + line * along, t = tc[line / 2]
                        let p0 = expected[s - step], q0 = expected[s]
                        let delta = min(
                            t, max(-t, (((q0 - p0) << 2) + expected[s - 2 * step] - expected[s + step] + 4) >> 3))
                        if !noP { expected[s - step] = min((1 << Int(depth)) - 1, max(0, p0 + delta)) }
                        if !noQ { expected[s] = min((1 << Int(depth)) - 1, max(0, q0 - delta)) }
                    }
                    for k in [plain, simd].compactMap({ $0 }) {
                        let out = Samples(copy: area)
                        (vertical ? k.pointee.deblock_chroma_v : k.pointee.deblock_chroma_h)!(
                            out.base + at, stride, Int32(tc[0]), Int32(tc[1]), noP ? 1 : 0, noQ ? 1 : 0, depth)
                        let bad = (0..<out.count).first { Int(out.base[$0]) != expected[$0] }
                        #expect(bad == nil, "path \(k.pointee.level), tc \(tc), \(depth) bits, at \(bad ?? 0)")
                    }
                }
            }
        }
    }

    @Test func sampleAdaptiveOffset() {
        var random = Random(32)
        let stride = 96
        for depth in depths {
            let maximum = (1 << Int(depth)) - 1
            for content in Content.allCases {
                let src = samples(stride * 72, depth: depth, content, &random)
                for (w, h) in [
                    (64, 64), (32, 32), (16, 16), (8, 8), (1, 1), (7, 5), (24, 16), (63, 3), (33, 10), (4, 4), (40, 2),
                ] {
                    for kind in 0..<5 {
                        // At most 7 << (bitDepth - 8) in magnitude (31 with larger log2OffsetScale); edge offsets
                        // have fixed signs but the kernel need not care.
                        let offsets = Residuals(4)
                        for i in 0..<4 { offsets.base[i] = Int16.random(in: -31...31, using: &random) }
                        let o = (0..<4).map { Int(offsets.base[$0]) }
                        let position = Int.random(in: 0...31, using: &random)
                        let at = src.base + 4 * stride + 8
                        var expected: [Int] = []
                        for y in 0..<h {
                            for x in 0..<w {
                                let s = at + y * stride + x
                                let v = Int(s[0])
                                var add = 0
                                if kind == 4 {
                                    let band = ((v >> (Int(depth) - 5)) - position) & 31
                                    add = band < 4 ? o[band] : 0
                                } else {
                                    let step = [1, stride, stride + 1, stride - 1][kind]
                                    let sign = (v - Int(s[-step])).signum() + (v - Int(s[step])).signum()
                                    add =
                                        sign == -2 ? o[0] : sign == -1 ? o[1] : sign == 1 ? o[2] : sign == 2 ? o[3] : 0
                                }
                                expected.append(min(maximum, max(0, v + add)))
                            }
                        }
                        for k in [plain, simd].compactMap({ $0 }) {
                            let dst = Samples(72 * 72, 7777)
                            if kind == 4 {
                                k.pointee.sao_band(
                                    dst.base + 4, 72, at, stride, Int32(w), Int32(h), Int32(position), offsets.base,
                                    depth)
                                let same = Samples(copy: src)
                                let to = same.base + 4 * stride + 8
                                k.pointee.sao_band(
                                    to, stride, to, stride, Int32(w), Int32(h), Int32(position), offsets.base, depth)
                                for y in 0..<h { #expect(memcmp(to + y * stride, dst.base + 4 + y * 72, w * 2) == 0) }
                            } else {
                                k.pointee.sao_edge(
                                    dst.base + 4, 72, at, stride, Int32(w), Int32(h), Int32(kind), offsets.base, depth)
                            }
                            let all = Samples(72 * 72, 7777)
                            for i in 0..<w * h { all.base[4 + i / w * 72 + i % w] = UInt16(expected[i]) }
                            #expect(
                                dst.difference(all) == nil,
                                "path \(k.pointee.level), kind \(kind), \(w)x\(h), \(depth) bits")
                        }
                    }
                }
            }
        }
    }
}
