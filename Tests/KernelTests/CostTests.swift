// SPDX-License-Identifier: GPL-2.0-or-later
import CVeilKernels
import TestSupport
import Testing

/// Costs, and work on blocks and planes.
@Suite struct CostTests {
    static let sizes: [Int32] = [4, 8, 12, 16, 20, 24, 32, 48, 64]
    static let stride = 96

    static func hadamardCost(_ d: [Int], _ n: Int) -> Int {
        func sign(_ i: Int, _ j: Int) -> Int { (i & j).nonzeroBitCount & 1 == 0 ? 1 : -1 }
        var sum = 0
        for u in 0..<n {
            for v in 0..<n {
                var s = 0
                for y in 0..<n { for x in 0..<n { s += sign(u, y) * sign(v, x) * d[y * n + x] } }
                sum += abs(s)
            }
        }
        return n == 4 ? (sum + 1) >> 1 : (sum + 2) >> 2
    }

    @Test func costs() {
        var random = Random(50)
        for depth: Int32 in [8, 10, 12] {
            for content in Content.allCases {
                let a = samples(Self.stride * 70, depth: depth, content, &random)
                let b = samples(Self.stride * 70, depth: depth, content, &random)
                for w in Self.sizes {
                    for h in Self.sizes {
                        let at = a.base + 8
                        let refs = (0..<4).map { UnsafePointer(b.base + Int($0 * 97)) as UnsafePointer<UInt16>? }
                        func sums(_ ref: UnsafePointer<UInt16>) -> (Int, Int) {
                            var sad = 0, sse = 0
                            for y in 0..<Int(h) {
                                for x in 0..<Int(w) {
                                    let d = Int(at[y * Self.stride + x]) - Int(ref[y * Self.stride + x])
                                    sad += abs(d)
                                    sse += d * d
                                }
                            }
                            return (sad, sse)
                        }
                        let expected = refs.map { sums($0!) }
                        for k in [plain, simd].compactMap({ $0 }) {
                            var four = [UInt32](repeating: 0, count: 4)
                            k.pointee.sad_x4(&four, at, Self.stride, refs, Self.stride, w, h)
                            #expect(four.map { Int($0) } == expected.map { $0.0 }, "path \(k.pointee.level), \(w)x\(h)")
                            for i in 0..<4 {
                                #expect(
                                    Int(k.pointee.sad(at, Self.stride, refs[i], Self.stride, w, h)) == expected[i].0)
                                #expect(
                                    Int(k.pointee.sse(at, Self.stride, refs[i], Self.stride, w, h)) == expected[i].1)
                            }
                        }
                    }
                }
                // Rectangles of any size for the distortion of whole pictures.
                for (w, h) in [(1, 1), (3, 7), (85, 61), (94, 2)] as [(Int32, Int32)] {
                    var sse = 0
                    for y in 0..<Int(h) {
                        for x in 0..<Int(w) {
                            let d = Int(a.base[y * Self.stride + x]) - Int(b.base[y * Self.stride + x])
                            sse += d * d
                        }
                    }
                    for k in [plain, simd].compactMap({ $0 }) {
                        #expect(Int(k.pointee.sse(a.base, Self.stride, b.base, Self.stride, w, h)) == sse)
                    }
                }
            }
        }
    }

    @Test func hadamardCosts() {
        var random = Random(51)
        for depth: Int32 in [8, 10] {
            for content in Content.allCases {
                let a = samples(Self.stride * 70, depth: depth, content, &random)
                let b = samples(Self.stride * 70, depth: depth, content, &random)
                for w in Self.sizes where w <= 32 || w == 64 {
                    for h in Self.sizes where h <= 32 || h == w {
                        let n = (w | h) & 7 == 0 ? 8 : 4
                        // The definition is slow: one block by it, all others against the plain path.
                        if w == n && h == n {
                            let d = (0..<n * n).map {
                                Int(a.base[$0 / n * Self.stride + $0 % n])
                                    - Int(b.base[3 + $0 / n * Self.stride + $0 % n])
                            }
                            #expect(
                                Int(plain.pointee.satd(a.base, Self.stride, b.base + 3, Self.stride, w, h))
                                    == Self.hadamardCost(d, n))
                        }
                    }
                }
            }
        }
    }

    @Test(.enabled(if: simd != nil, "this processor has no SIMD path")) func transformedDifferencesOfAllSizes() throws {
        let simd = try #require(simd)
        var random = Random(51)
        for depth: Int32 in [8, 10] {
            for content in Content.allCases {
                let a = samples(Self.stride * 70, depth: depth, content, &random)
                let b = samples(Self.stride * 70, depth: depth, content, &random)
                for w in Self.sizes {
                    for h in Self.sizes {
                        let x = plain.pointee.satd(a.base + 8, Self.stride, b.base + 3, Self.stride, w, h)
                        let y = simd.pointee.satd(a.base + 8, Self.stride, b.base + 3, Self.stride, w, h)
                        #expect(x == y, "\(w)x\(h), \(depth) bits, \(content)")
                    }
                }
            }
        }
    }

    @Test func costsOfBytes() {
        var random = Random(52)
        for content in Content.allCases {
            let a = Buffer<UInt8>(Self.stride * 70), b = Buffer<UInt8>(Self.stride * 70)
            a.fill(0, 255, content, &random)
            b.fill(0, 255, content, &random)
            for w in Self.sizes {
                for h in Self.sizes {
                    let refs = (0..<4).map { UnsafePointer(b.base + Int($0 * 97)) as UnsafePointer<UInt8>? }
                    let expected = refs.map { ref -> UInt32 in
                        var sum: UInt32 = 0
                        for y in 0..<Int(h) {
                            for x in 0..<Int(w) {
                                sum += UInt32(
                                    abs(Int(a.base[8 + y * Self.stride + x]) - Int(ref![y * Self.stride + x])))
                            }
                        }
                        return sum
                    }
                    for (name, k) in ByteSampleTests.tables {
                        var four = [UInt32](repeating: 0, count: 4)
                        k.pointee.sad_x4(&four, a.base + 8, Self.stride, refs, Self.stride, w, h)
                        #expect(four == expected, "\(name), \(w)x\(h)")
                        for i in 0..<4 {
                            #expect(k.pointee.sad(a.base + 8, Self.stride, refs[i], Self.stride, w, h) == expected[i])
                        }
                    }
                }
            }
        }
    }

    @Test func blocks() {
        var random = Random(53)
        let s = Self.stride
        for content in Content.allCases {
            let a = samples(s * 70, depth: 12, content, &random), b = samples(s * 70, depth: 12, content, &random)
            let bytes = Buffer<UInt8>(s * 70)
            bytes.fill(0, 255, content, &random)
            for w in [2, 4, 6, 8, 12, 16, 24, 32, 48, 64, 7, 33, 61] {
                for h in [2, 4, 7, 16, 64] {
                    let shift = Int32.random(in: 0...4, using: &random)
                    for k in [plain, simd].compactMap({ $0 }) {
                        let r = Residuals(72 * 72, 77), average = Samples(72 * 72, 77), copy = Samples(72 * 72, 77)
                        let fill = Samples(72 * 72, 77), wide = Samples(72 * 72, 77),
                            narrow = Buffer<UInt8>(72 * 72, 77)
                        let (W, H) = (Int32(w), Int32(h))
                        if w % 4 == 0 { k.pointee.residual(r.base, 72, a.base, s, b.base + 3, s, W, H) }
                        if w % 2 == 0 { k.pointee.average(average.base, 72, a.base, s, b.base + 3, s, W, H) }
                        k.pointee.copy(copy.base, 72, a.base + 1, s, W, H)
                        k.pointee.fill(fill.base, 72, 1000, W, H)
                        k.pointee.widen(wide.base, 72, bytes.base + 5, s, W, H)
                        k.pointee.narrow(narrow.base, 72, a.base, s, W, H, shift)
                        var bad = 0
                        for y in 0..<72 {
                            for x in 0..<72 {
                                let i = y * 72 + x, inside = x < w && y < h
                                let va = inside ? Int(a.base[y * s + x]) : 0,
                                    vb = inside ? Int(b.base[3 + y * s + x]) : 0
                                if Int(r.base[i]) != (inside && w % 4 == 0 ? va - vb : 77) { bad += 1 }
                                if Int(average.base[i]) != (inside && w % 2 == 0 ? (va + vb + 1) >> 1 : 77) { bad += 1 }
                                if copy.base[i] != (inside ? a.base[1 + y * s + x] : 77) { bad += 1 }
                                if fill.base[i] != (inside ? 1000 : 77) { bad += 1 }
                                if wide.base[i] != (inside ? UInt16(bytes.base[5 + y * s + x]) : 77) { bad += 1 }
                                if narrow.base[i] != (inside ? UInt8(min(255, va >> Int(shift))) : 77) { bad += 1 }
                            }
                        }
                        #expect(bad == 0, "path \(k.pointee.level), \(w)x\(h)")
                    }
                }
            }
        }
    }

    @Test func extensionOfEdges() {
        var random = Random(54)
        for (w, h) in [(1, 1), (17, 5), (64, 8)] {
            let stride = w + 20 + 3
            let plane = samples(stride * (h + 16), depth: 10, .noise, &random)
            let origin = 8 * stride + 10
            let before = Samples(copy: plane)
            veil_extend_plane(plane.base + origin, stride, Int32(w), Int32(h), 10, 8)
            var bad = 0
            for y in -8..<h + 8 {
                for x in -10..<w + 10 {
                    let expected = before.base[origin + min(h - 1, max(0, y)) * stride + min(w - 1, max(0, x))]
                    if plane.base[origin + y * stride + x] != expected { bad += 1 }
                }
            }
            #expect(bad == 0)
        }
    }

    @Test func selection() {
        #expect(veil_kernels_of(VEIL_SIMD_PLAIN)?.pointee.level == 0)
        #expect(veil_kernels_get()!.pointee.level >= 0)
    }
}
