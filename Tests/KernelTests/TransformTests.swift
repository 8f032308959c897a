// SPDX-License-Identifier: GPL-2.0-or-later
import CVeilKernels
import TestSupport
import Testing

/// Transforms and quantization (8.6).
@Suite struct TransformTests {
    /// transMatrix of a size, from its definition: every column a cosine, of the magnitudes that the standard rounds
    /// by hand.
    static func matrix(_ n: Int, dst: Bool) -> [[Int]] {
        if dst { return [[29, 55, 74, 84], [74, 74, 0, -74], [84, -29, -74, 55], [55, -84, 74, -29]] }
        // First column of the 32x32 matrix; entry (k, j) is the cosine of (2j + 1)k steps.
        let first = [
            64, 90, 90, 90, 89, 88, 87, 85, 83, 82, 80, 78, 75, 73, 70, 67, 64, 61, 57, 54, 50, 46, 43, 38, 36, 31, 25,
            22, 18, 13, 9, 4,
        ]
        return (0..<n).map { row in
            let k = row * (32 / n)
            return (0..<n).map { j in
                var angle = (2 * j + 1) * k % 128
                if angle > 64 { angle = 128 - angle }
                if k == 0 { return 64 }
                return angle == 32 ? 0 : angle < 32 ? first[angle] : -first[64 - angle]
            }
        }
    }

    /// 8.6.4.2 as two matrix products.
    static func inverse(_ c: [Int], _ n: Int, dst: Bool, depth: Int) -> [Int] {
        let m = matrix(n, dst: dst)
        var g = [Int](repeating: 0, count: n * n)
        for x in 0..<n {
            for y in 0..<n {
                let e = (0..<n).reduce(0) { $0 + m[$1][y] * c[$1 * n + x] }
                g[y * n + x] = min(32767, max(-32768, (e + 64) >> 7))
            }
        }
        var r = [Int](repeating: 0, count: n * n)
        let shift = 20 - depth
        for y in 0..<n {
            for x in 0..<n {
                let e = (0..<n).reduce(0) { $0 + m[$1][x] * g[y * n + $1] }
                r[y * n + x] = (e + (1 << (shift - 1))) >> shift
            }
        }
        return r
    }

    static func forward(_ r: [Int], _ n: Int, dst: Bool, depth: Int) -> [Int] {
        let m = matrix(n, dst: dst)
        let log2 = n.trailingZeroBitCount
        let shift1 = log2 + depth - 9, shift2 = log2 + 6
        var rows = [Int](repeating: 0, count: n * n)
        for y in 0..<n {
            for k in 0..<n {
                rows[y * n + k] = ((0..<n).reduce(0) { $0 + m[k][$1] * r[y * n + $1] } + (1 << (shift1 - 1))) >> shift1
            }
        }
        var c = [Int](repeating: 0, count: n * n)
        for x in 0..<n {
            for k in 0..<n {
                c[k * n + x] = ((0..<n).reduce(0) { $0 + m[k][$1] * rows[$1 * n + x] } + (1 << (shift2 - 1))) >> shift2
            }
        }
        return c
    }

    /// Coefficients in the top left corner up to (maxX, maxY).
    static func block(_ n: Int, _ maxX: Int, _ maxY: Int, _ content: Content, _ random: inout Random) -> Residuals {
        let b = Residuals(n * n)
        for y in 0...maxY {
            for x in 0...maxX {
                switch content {
                case .noise: b.base[y * n + x] = Int16.random(in: -2000...2000, using: &random)
                case .extremes: b.base[y * n + x] = random.next() & 1 == 0 ? -32768 : 32767
                case .smooth:
                    b.base[y * n + x] =
                        Int.random(in: 0...3, using: &random) == 0 ? Int16.random(in: -300...300, using: &random) : 0
                }
            }
        }
        return b
    }

    static func ends(_ n: Int) -> [Int] { [0, 1, 2, 3, 4, 7, 8, 11, 12, 15, 16, 20, 24, 31].filter { $0 < n } }

    typealias InverseAdd =
        @convention(c) (UnsafeMutablePointer<UInt16>?, Int, UnsafePointer<Int16>?, Int32, Int32, Int32) -> Void
    typealias Inverse =
        @convention(c) (UnsafeMutablePointer<Int16>?, Int, UnsafePointer<Int16>?, Int32, Int32, Int32) -> Void
    typealias Forward = @convention(c) (UnsafeMutablePointer<Int16>?, UnsafePointer<Int16>?, Int, Int32) -> Void

    static func kernel(_ k: Table, _ kind: Int) -> (add: InverseAdd, inverse: Inverse, forward: Forward) {
        let t = k.pointee
        switch kind {
        case 2: return (t.idct_add.0!, t.idct.0!, t.fdct.0!)
        case 3: return (t.idct_add.1!, t.idct.1!, t.fdct.1!)
        case 4: return (t.idct_add.2!, t.idct.2!, t.fdct.2!)
        case 5: return (t.idct_add.3!, t.idct.3!, t.fdct.3!)
        default: return (t.idst4_add, t.idst4, t.fdst4)
        }
    }

    /// log2 sizes, and 0 for the 4x4 DST.
    static let kinds = [0, 2, 3, 4, 5]
    static func size(_ kind: Int) -> Int { kind == 0 ? 4 : 1 << kind }

    @Test(arguments: kinds) func plainInverseIsTheMatrixProduct(kind: Int) {
        var random = Random(10)
        let n = Self.size(kind)
        for depth in depths {
            for content in Content.allCases {
                for end in Set([0, 1, n / 2 - 1, n - 1]) {
                    let maxX = end, maxY = Int.random(in: 0..<n, using: &random)
                    let c = Self.block(n, maxX, maxY, content, &random)
                    let expected = Self.inverse(
                        (0..<n * n).map { Int(c.base[$0]) }, n, dst: kind == 0, depth: Int(depth))
                    let r = Residuals(n * n)
                    let before = samples(n * n, depth: depth, .noise, &random)
                    let after = Samples(copy: before)
                    let k = Self.kernel(plain, kind)
                    k.inverse(r.base, n, c.base, Int32(maxX), Int32(maxY), depth)
                    k.add(after.base, n, c.base, Int32(maxX), Int32(maxY), depth)
                    let maximum = (1 << Int(depth)) - 1
                    let bad = (0..<n * n).filter {
                        Int(r.base[$0]) != min(32767, max(-32768, expected[$0]))
                            || Int(after.base[$0]) != min(maximum, max(0, Int(before.base[$0]) + expected[$0]))
                    }
                    #expect(bad.isEmpty, "size \(n), \(depth) bits, up to \(maxX),\(maxY)")
                }
            }
        }
    }

    @Test(arguments: kinds) func plainForwardIsTheMatrixProduct(kind: Int) {
        var random = Random(11)
        let n = Self.size(kind)
        for depth in depths {
            for content in Content.allCases {
                let r = Residuals(n * n)
                r.fill(1 - (1 << Int(depth)), (1 << Int(depth)) - 1, content, &random)
                let expected = Self.forward((0..<n * n).map { Int(r.base[$0]) }, n, dst: kind == 0, depth: Int(depth))
                let c = Residuals(n * n)
                Self.kernel(plain, kind).forward(c.base, r.base, n, depth)
                #expect((0..<n * n).allSatisfy { Int(c.base[$0]) == expected[$0] }, "size \(n), \(depth) bits")
            }
        }
    }

    @Test(.enabled(if: simd != nil, "this processor has no SIMD path"), arguments: kinds) func inverse(kind: Int) throws
    {
        let simd = try #require(simd)
        var random = Random(12)
        let n = Self.size(kind)
        let (p, v) = (Self.kernel(plain, kind), Self.kernel(simd, kind))
        for depth in depths {
            for content in Content.allCases {
                for maxX in Self.ends(n) {
                    for maxY in Self.ends(n) {
                        let c = Self.block(n, maxX, maxY, content, &random)
                        let r = [Residuals(40 * 40, 77), Residuals(40 * 40, 77)]
                        let dst = samples(40 * 40, depth: depth, .noise, &random)
                        let other = Samples(copy: dst)
                        p.inverse(r[0].base + 4, 40, c.base, Int32(maxX), Int32(maxY), depth)
                        v.inverse(r[1].base + 4, 40, c.base, Int32(maxX), Int32(maxY), depth)
                        p.add(dst.base + 4, 40, c.base, Int32(maxX), Int32(maxY), depth)
                        v.add(other.base + 4, 40, c.base, Int32(maxX), Int32(maxY), depth)
                        let what: Comment = "size \(n), \(depth) bits, up to \(maxX),\(maxY), \(content)"
                        #expect(r[0].difference(r[1]) == nil, what)
                        #expect(dst.difference(other) == nil, what)
                    }
                }
            }
        }
    }

    @Test(.enabled(if: simd != nil, "this processor has no SIMD path"), arguments: kinds) func forward(kind: Int) throws
    {
        let simd = try #require(simd)
        var random = Random(13)
        let n = Self.size(kind)
        for depth in depths {
            for content in Content.allCases {
                for _ in 0..<8 {
                    let r = Residuals(40 * 40)
                    r.fill(1 - (1 << Int(depth)), (1 << Int(depth)) - 1, content, &random)
                    let c = [Residuals(n * n + 8, 77), Residuals(n * n + 8, 77)]
                    Self.kernel(plain, kind).forward(c[0].base, r.base + 4, 40, depth)
                    Self.kernel(simd, kind).forward(c[1].base, r.base + 4, 40, depth)
                    #expect(c[0].difference(c[1]) == nil, "size \(n), \(depth) bits, \(content)")
                }
            }
        }
    }

    @Test(.enabled(if: simd != nil, "this processor has no SIMD path")) func directCurrentSkipAndAdd() throws {
        let simd = try #require(simd)
        var random = Random(14)
        for depth in depths {
            for size: Int32 in [4, 8, 16, 32] {
                for content in Content.allCases {
                    let dst = [samples(40 * 40, depth: depth, .noise, &random)]
                    let dc =
                        content == .extremes
                        ? (random.next() & 1 == 0 ? Int32(-32768) : 32767) : random.in32(-3000...3000)
                    let c = Residuals(32 * 32)
                    c.fill(content == .noise ? -2000 : -32768, content == .noise ? 2000 : 32767, content, &random)
                    var out: [[Samples]] = []
                    var residuals: [[Residuals]] = []
                    for k in [plain.pointee, simd.pointee] {
                        let a = Samples(copy: dst[0]), b = Samples(copy: dst[0])
                        let r = Residuals(40 * 40, 77), f = Residuals(32 * 32, 77), small = Residuals(32 * 32)
                        for i in 0..<small.count {
                            small.base[i] = Int16(truncatingIfNeeded: Int(c.base[i]) >> (16 - Int(depth)))
                        }
                        k.idct_dc_add(a.base + 4, 40, dc, size, depth)
                        k.skip_residual(r.base + 4, 40, c.base, size, depth)
                        k.add_residual(b.base + 4, 40, c.base, 32, size, size, depth)
                        k.forward_skip(f.base, small.base, 32, size, depth)
                        out.append([a, b])
                        residuals.append([r, f])
                    }
                    for i in 0..<2 {
                        #expect(
                            out[0][i].difference(out[1][i]) == nil,
                            "samples \(i), size \(size), \(depth) bits, \(content)")
                        #expect(
                            residuals[0][i].difference(residuals[1][i]) == nil,
                            "residual \(i), size \(size), \(depth) bits, \(content)")
                    }
                }
            }
        }
    }

    /// The fast path for one coefficient against the whole transform; transform skip against its equation.
    @Test func plainShortcutsAgree() {
        var random = Random(15)
        for depth in depths {
            for log2 in 2...5 {
                let n = 1 << log2
                for value in [-32768, 32767, 1, -1, 32, 700, -700] {
                    let c = Residuals(n * n)
                    c.base[0] = Int16(value)
                    let a = samples(n * n, depth: depth, .noise, &random)
                    let b = Samples(copy: a)
                    plain.pointee.idct_dc_add(a.base, n, Int32(value), Int32(n), depth)
                    Self.kernel(plain, log2).add(b.base, n, c.base, 0, 0, depth)
                    #expect(a.difference(b) == nil)
                }
                let c = Residuals(n * n), r = Residuals(n * n)
                c.fill(-32768, 32767, .noise, &random)
                plain.pointee.skip_residual(r.base, n, c.base, Int32(n), depth)
                let shift = 20 - Int(depth)
                for i in 0..<n * n {
                    let v = ((Int(c.base[i]) << (5 + log2)) + (1 << (shift - 1))) >> shift
                    #expect(Int(r.base[i]) == min(32767, max(-32768, v)))
                }
            }
        }
    }

    @Test func quantization() {
        var random = Random(16)
        for content in Content.allCases {
            for _ in 0..<200 {
                let n = [16, 64, 256, 1024].randomElement(using: &random)!
                let c = Residuals(n)
                c.fill(content == .smooth ? -400 : -32768, content == .smooth ? 400 : 32767, content, &random)
                let scale = [26214, 23302, 20560, 18396, 16384, 14564].randomElement(using: &random)!
                let shift = Int.random(in: 12...29, using: &random)
                let offset = Int.random(in: 0..<(1 << shift), using: &random)
                let down = Int.random(in: -7...9, using: &random)
                let factor = Int.random(in: 40...72, using: &random)
                let expected = (0..<n).map { i -> Int in
                    let level = min(32767, (abs(Int(c.base[i])) * scale + offset) >> shift)
                    return c.base[i] < 0 ? -level : level
                }
                for k in [plain, simd].compactMap({ $0 }) {
                    let levels = Residuals(n), again = Residuals(n), back = Residuals(n)
                    let rest = Buffer<Int32>(n)
                    let count = k.pointee.quant(
                        levels.base, rest.base, c.base, Int32(n), Int32(scale), Int32(offset), Int32(shift))
                    let count2 = k.pointee.quant(
                        again.base, nil, c.base, Int32(n), Int32(scale), Int32(offset), Int32(shift))
                    #expect(levels.difference(again) == nil)
                    #expect(Int(count) == expected.count { $0 != 0 } && count == count2)
                    k.pointee.dequant(back.base, levels.base, Int32(n), Int32(factor), Int32(down))
                    var bad = 0
                    for i in 0..<n {
                        let remainder = (abs(Int(c.base[i])) * scale - (abs(expected[i]) << shift)) >> (shift - 8)
                        let value =
                            down > 0
                            ? (expected[i] * factor + (1 << (down - 1))) >> down : (expected[i] * factor) << -down
                        if Int(levels.base[i]) != expected[i] || Int(rest.base[i]) != remainder
                            || Int(back.base[i]) != min(32767, max(-32768, value))
                        {
                            bad += 1
                        }
                    }
                    #expect(bad == 0, "level \(k.pointee.level), shift \(shift), offset \(offset), down \(down)")
                }
            }
        }
    }
}
