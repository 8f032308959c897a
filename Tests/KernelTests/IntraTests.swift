// SPDX-License-Identifier: GPL-2.0-or-later
import CVeilKernels
import TestSupport
import Testing

/// Intra sample prediction (8.4.4.2).
@Suite struct IntraTests {
    /// Left and top neighbours; sample 0 of each lies at an offset of 32.
    static func neighbours(depth: Int32, _ content: Content, _ random: inout Random) -> (left: Samples, top: Samples) {
        let left = samples(160, depth: depth, content, &random), top = samples(160, depth: depth, content, &random)
        if content == .smooth {
            // One level in both, so that the strong filter applies now and then.
            for i in 0..<160 { left.base[i] = top.base[min(159, i + 3)] }
        }
        left.base[31] = top.base[31]
        return (left, top)
    }

    /// 8.4.4.2.6 as it stands, with p[x][-1] and p[-1][y] as functions.
    static func angular(_ left: Samples, _ top: Samples, _ n: Int, _ mode: Int, edge: Bool, depth: Int) -> [Int] {
        let angles = [
            0, 0, 32, 26, 21, 17, 13, 9, 5, 2, 0, -2, -5, -9, -13, -17, -21, -26, -32, -26, -21, -17, -13, -9, -5, -2,
            0, 2, 5, 9, 13, 17, 21,
            26, 32,
        ]
        let inverses = [-4096, -1638, -910, -630, -482, -390, -315, -256, -315, -390, -482, -630, -910, -1638, -4096]
        let angle = angles[mode]
        func p(_ x: Int, _ y: Int) -> Int { Int(y == -1 ? top.base[32 + x] : left.base[32 + y]) }
        var out = [Int](repeating: 0, count: n * n)
        func ref(_ i: Int) -> Int {
            if i >= 0 { return mode >= 18 ? p(-1 + i, -1) : p(-1, -1 + i) }
            let side = -1 + ((i * inverses[mode - 11] + 128) >> 8)
            return mode >= 18 ? p(-1, side) : p(side, -1)
        }
        for y in 0..<n {
            for x in 0..<n {
                let (i, j) = mode >= 18 ? (x, y) : (y, x)
                let index = ((j + 1) * angle) >> 5, fraction = ((j + 1) * angle) & 31
                var v =
                    fraction == 0
                    ? ref(i + index + 1)
                    : ((32 - fraction) * ref(i + index + 1) + fraction * ref(i + index + 2) + 16) >> 5
                if angle == 0 && edge && i == 0 {
                    let along = mode == 26 ? p(x, -1) : p(-1, y)
                    let across = mode == 26 ? p(-1, y) : p(x, -1)
                    v = min((1 << depth) - 1, max(0, along + ((across - p(-1, -1)) >> 1)))
                }
                out[y * n + x] = v
            }
        }
        return out
    }

    @Test func plainFollowsTheStandard() {
        var random = Random(20)
        for depth in depths {
            for log2 in 2...5 {
                let n = 1 << log2
                let (left, top) = Self.neighbours(depth: depth, .noise, &random)
                let dst = Samples(n * n)
                for mode in 2...34 {
                    for edge in [false, true] {
                        plain.pointee.intra_angular(
                            dst.base, n, left.base + 32, top.base + 32, Int32(log2), Int32(mode), edge ? 1 : 0, depth)
                        let expected = Self.angular(left, top, n, mode, edge: edge, depth: Int(depth))
                        #expect((0..<n * n).allSatisfy { Int(dst.base[$0]) == expected[$0] }, "mode \(mode), size \(n)")
                    }
                }
                func l(_ i: Int) -> Int { Int(left.base[32 + i]) }
                func t(_ i: Int) -> Int { Int(top.base[32 + i]) }
                plain.pointee.intra_planar(dst.base, n, left.base + 32, top.base + 32, Int32(log2))
                var bad = 0
                for y in 0..<n {
                    for x in 0..<n {
                        let v =
                            ((n - 1 - x) * l(y) + (x + 1) * t(n) + (n - 1 - y) * t(x) + (y + 1) * l(n) + n)
                            >> (log2 + 1)
                        if Int(dst.base[y * n + x]) != v { bad += 1 }
                    }
                }
                #expect(bad == 0, "planar, size \(n)")
                plain.pointee.intra_dc(dst.base, n, left.base + 32, top.base + 32, Int32(log2), 1)
                let dc = ((0..<n).reduce(n) { $0 + l($1) + t($1) }) >> (log2 + 1)
                bad = 0
                for y in 0..<n {
                    for x in 0..<n {
                        let v =
                            x == 0 && y == 0
                            ? (l(0) + 2 * dc + t(0) + 2) >> 2
                            : y == 0 ? (t(x) + 3 * dc + 2) >> 2 : x == 0 ? (l(y) + 3 * dc + 2) >> 2 : dc
                        if Int(dst.base[y * n + x]) != v { bad += 1 }
                    }
                }
                #expect(bad == 0, "DC, size \(n)")
            }
        }
    }

    @Test(.enabled(if: simd != nil, "this processor has no SIMD path")) func prediction() throws {
        let simd = try #require(simd)
        var random = Random(21)
        for depth in depths {
            for content in Content.allCases {
                for log2: Int32 in 2...5 {
                    for mode: Int32 in 0...34 {
                        for edge: Int32 in 0...1 {
                            let (left, top) = Self.neighbours(depth: depth, content, &random)
                            let out = [Samples(40 * 40, 7777), Samples(40 * 40, 7777)]
                            for (i, k) in [plain.pointee, simd.pointee].enumerated() {
                                let to = out[i].base + 4
                                switch mode {
                                case 0: k.intra_planar(to, 40, left.base + 32, top.base + 32, log2)
                                case 1: k.intra_dc(to, 40, left.base + 32, top.base + 32, log2, edge)
                                default: k.intra_angular(to, 40, left.base + 32, top.base + 32, log2, mode, edge, depth)
                                }
                            }
                            #expect(
                                out[0].difference(out[1]) == nil,
                                "mode \(mode), log2 size \(log2), edge \(edge), \(depth) bits")
                        }
                    }
                }
            }
        }
    }

    @Test func filtering() {
        var random = Random(22)
        var strongSeen = 0
        for depth in depths {
            for content in Content.allCases {
                for log2: Int32 in 3...5 {
                    for strong: Int32 in 0...1 {
                        for _ in 0..<10 {
                            let (left, top) = Self.neighbours(depth: depth, content, &random)
                            let n = 1 << Int(log2), last = 2 * n - 1
                            // The border as one line, from the bottom left by the corner to the top right.
                            let line =
                                (0...last).reversed().map { Int(left.base[32 + $0]) } + [Int(top.base[31])]
                                + (0...last).map { Int(top.base[32 + $0]) }
                            let corner = line[2 * n]
                            let threshold = 1 << (Int(depth) - 5)
                            let isStrong =
                                strong == 1 && log2 == 5 && abs(corner + line[4 * n] - 2 * line[3 * n]) < threshold
                                && abs(corner + line[0] - 2 * line[n]) < threshold
                            if isStrong { strongSeen += 1 }
                            let expected = line.indices.map { i -> Int in
                                if i == 0 || i == 4 * n { return line[i] }
                                if !isStrong { return (line[i - 1] + 2 * line[i] + line[i + 1] + 2) >> 2 }
                                if i == 2 * n { return corner }
                                let distance = abs(i - 2 * n)
                                return ((64 - distance) * corner + distance * (i < 2 * n ? line[0] : line[4 * n]) + 32)
                                    >> 6
                            }
                            for k in [plain, simd].compactMap({ $0 }) {
                                let l = Samples(160), t = Samples(160)
                                k.pointee.intra_filter(
                                    l.base + 32, t.base + 32, left.base + 32, top.base + 32, log2, strong, depth)
                                var bad = 0
                                for i in -1...last {
                                    if Int(l.base[32 + i]) != expected[2 * n - 1 - i] { bad += 1 }
                                    if Int(t.base[32 + i]) != expected[2 * n + 1 + i] { bad += 1 }
                                }
                                #expect(
                                    bad == 0,
                                    "path \(k.pointee.level), log2 size \(log2), strong \(isStrong), \(depth) bits")
                            }
                        }
                    }
                }
            }
        }
        #expect(strongSeen > 0)
    }
}
