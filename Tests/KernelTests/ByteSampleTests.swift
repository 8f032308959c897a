// SPDX-License-Identifier: GPL-2.0-or-later
import CVeilKernels
import TestSupport
import Testing

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// Kernels for samples of one byte, plain and SIMD, against the plain ones for samples of two bytes at 8 bits, which
/// the other suites hold against the equations of the standard.
@Suite struct ByteSampleTests {
    typealias Bytes = Buffer<UInt8>

    /// Every path for samples of one byte.
    nonisolated(unsafe) static let tables: [(name: String, table: UnsafePointer<veil_kernels_8>)] = [
        ("plain", veil_kernels_8_of(VEIL_SIMD_PLAIN)!),
        (
            "SIMD",
            veil_kernels_8_of(VEIL_SIMD_AVX2) ?? veil_kernels_8_of(VEIL_SIMD_NEON)
                ?? veil_kernels_8_of(VEIL_SIMD_PLAIN)!
        ),
    ]

    static func bytes(_ wide: Samples) -> Bytes {
        let b = Bytes(wide.count)
        for i in 0..<wide.count { b.base[i] = UInt8(wide.base[i]) }
        return b
    }

    /// Whether everything is the same, what a kernel must leave alone included.
    static func same(_ wide: Samples, _ narrow: Bytes) -> Bool {
        (0..<wide.count).allSatisfy { wide.base[$0] == UInt16(narrow.base[$0]) }
    }

    static let stride = 160
    static let origin = 16 * 160 + 32
    static let area = 160 * 112

    @Test(arguments: [true, false]) func interpolation(luma: Bool) {
        var random = Random(11)
        let stride = Self.stride
        let fractions: Int32 = luma ? 4 : 8
        let k = plain.pointee
        for content in [Content.noise, .extremes] {
            let src = samples(Self.area, depth: 8, content, &random)
            let narrow = Self.bytes(src)
            let other = Residuals(64 * 64)
            other.fill(-8192 - 6000, 22000 - 8192, content, &random)
            let at = src.base + Self.origin
            for w in luma ? lumaSizes : chromaSizes {
                for h in luma ? lumaSizes : chromaSizes {
                    for mx in 0..<fractions {
                        for my in 0..<fractions {
                            // All fractions at two sizes; elsewhere the combinations of zero and non-zero.
                            if ((w != 24 && w != 4) || h != 8) && (mx > 1 || my > 1) { continue }
                            let pred = Residuals(64 * 64, 77)
                            let put = Samples(72 * 72, 77)
                            let bi = Samples(72 * 72, 77)
                            (luma ? k.luma_pred : k.chroma_pred)!(pred.base, at, stride, w, h, mx, my, 8)
                            (luma ? k.luma_put : k.chroma_put)!(put.base + 4, 72, at, stride, w, h, mx, my, 8)
                            (luma ? k.luma_bi : k.chroma_bi)!(bi.base + 4, 72, other.base, at, stride, w, h, mx, my, 8)
                            for (name, table) in Self.tables {
                                let t = table.pointee
                                let from = narrow.base + Self.origin
                                let pred8 = Residuals(64 * 64, 77)
                                let put8 = Bytes(72 * 72, 77)
                                let bi8 = Bytes(72 * 72, 77)
                                (luma ? t.luma_pred : t.chroma_pred)!(pred8.base, from, stride, w, h, mx, my, 8)
                                (luma ? t.luma_put : t.chroma_put)!(put8.base + 4, 72, from, stride, w, h, mx, my, 8)
                                (luma ? t.luma_bi : t.chroma_bi)!(
                                    bi8.base + 4, 72, other.base, from, stride, w, h, mx, my, 8)
                                let predsAgree = (0..<Int(h)).allSatisfy {
                                    memcmp(pred.base + $0 * 64, pred8.base + $0 * 64, Int(w) * 2) == 0
                                }
                                #expect(
                                    predsAgree && Self.same(put, put8) && Self.same(bi, bi8),
                                    "\(name), \(w)x\(h) fraction \(mx),\(my)")
                            }
                        }
                    }
                }
            }
        }
    }

    @Test func weighting() {
        var random = Random(12)
        let k = plain.pointee
        for content in [Content.noise, .extremes] {
            let p0 = Residuals(64 * 64), p1 = Residuals(64 * 64)
            p0.fill(-25022, 24958, content, &random)
            p1.fill(-25022, 24958, content, &random)
            for w in chromaSizes + [48] {
                for h: Int32 in [2, 4, 6, 16, 64] {
                    let log2WD = Int32.random(in: 6...13, using: &random)
                    let w0 = random.in32(-128...255), w1 = random.in32(-128...255)
                    let o0 = random.in32(-128...127), o1 = random.in32(-128...127)
                    let wide = (0..<4).map { _ in Samples(72 * 72, 77) }
                    k.pred_put(wide[0].base + 4, 72, p0.base, w, h, 8)
                    k.pred_avg(wide[1].base + 4, 72, p0.base, p1.base, w, h, 8)
                    k.pred_weighted(wide[2].base + 4, 72, p0.base, w, h, log2WD, w0, o0, 8)
                    k.pred_weighted_bi(wide[3].base + 4, 72, p0.base, p1.base, w, h, log2WD, w0, w1, o0, o1, 8)
                    for (name, table) in Self.tables {
                        let t = table.pointee
                        let narrow = (0..<4).map { _ in Bytes(72 * 72, 77) }
                        t.pred_put(narrow[0].base + 4, 72, p0.base, w, h, 8)
                        t.pred_avg(narrow[1].base + 4, 72, p0.base, p1.base, w, h, 8)
                        t.pred_weighted(narrow[2].base + 4, 72, p0.base, w, h, log2WD, w0, o0, 8)
                        t.pred_weighted_bi(narrow[3].base + 4, 72, p0.base, p1.base, w, h, log2WD, w0, w1, o0, o1, 8)
                        for i in 0..<4 { #expect(Self.same(wide[i], narrow[i]), "\(name), kind \(i), \(w)x\(h)") }
                    }
                }
            }
        }
    }

    @Test func inverseTransforms() {
        var random = Random(13)
        let k = plain.pointee
        let wides = [k.idct_add.0, k.idct_add.1, k.idct_add.2, k.idct_add.3]
        for round in 0..<60 {
            for log2 in 2...5 {
                let n = 1 << log2
                let coeffs = Residuals(n * n)
                let maxX = Int.random(in: 0..<n, using: &random), maxY = Int.random(in: 0..<n, using: &random)
                for y in 0...maxY {
                    for x in 0...maxX {
                        let large = round % 3 == 0 ? 32767 : 400
                        coeffs.base[y * n + x] = Int16(Int.random(in: -large...large, using: &random))
                    }
                }
                let before = samples(48 * 40, depth: 8, round & 1 == 0 ? .noise : .extremes, &random)
                let wide = (0..<4).map { _ in Samples(copy: before) }
                let x = Int32(maxX), y = Int32(maxY), dc = Int32(coeffs.base[0])
                wides[log2 - 2]!(wide[0].base + 52, 48, coeffs.base, x, y, 8)
                k.idct_dc_add(wide[1].base + 52, 48, dc, Int32(n), 8)
                k.add_residual(wide[2].base + 52, 48, coeffs.base, n, Int32(n), Int32(n), 8)
                if n == 4 { k.idst4_add(wide[3].base + 52, 48, coeffs.base, x, y, 8) }
                for (name, table) in Self.tables {
                    let t = table.pointee
                    let narrow = (0..<4).map { _ in Self.bytes(before) }
                    [t.idct_add.0, t.idct_add.1, t.idct_add.2, t.idct_add.3][log2 - 2]!(
                        narrow[0].base + 52, 48, coeffs.base, x, y, 8)
                    t.idct_dc_add(narrow[1].base + 52, 48, dc, Int32(n), 8)
                    t.add_residual(narrow[2].base + 52, 48, coeffs.base, n, Int32(n), Int32(n), 8)
                    if n == 4 { t.idst4_add(narrow[3].base + 52, 48, coeffs.base, x, y, 8) }
                    for i in 0..<4 { #expect(Self.same(wide[i], narrow[i]), "\(name), kind \(i), size \(n)") }
                }
            }
        }
    }

    @Test func intraPrediction() {
        var random = Random(14)
        let k = plain.pointee
        for content in Content.allCases {
            for log2: Int32 in 2...5 {
                let left = samples(192, depth: 8, content, &random), top = samples(192, depth: 8, content, &random)
                left.base[31] = top.base[31]
                let left8 = Self.bytes(left), top8 = Self.bytes(top)
                for (name, table) in Self.tables {
                    let t = table.pointee
                    for mode: Int32 in 0...34 {
                        for edge: Int32 in 0...1 {
                            let wide = Samples(40 * 40, 77)
                            let narrow = Bytes(40 * 40, 77)
                            switch mode {
                            case 0:
                                k.intra_planar(wide.base, 40, left.base + 32, top.base + 32, log2)
                                t.intra_planar(narrow.base, 40, left8.base + 32, top8.base + 32, log2)
                            case 1:
                                k.intra_dc(wide.base, 40, left.base + 32, top.base + 32, log2, edge)
                                t.intra_dc(narrow.base, 40, left8.base + 32, top8.base + 32, log2, edge)
                            default:
                                k.intra_angular(wide.base, 40, left.base + 32, top.base + 32, log2, mode, edge, 8)
                                t.intra_angular(narrow.base, 40, left8.base + 32, top8.base + 32, log2, mode, edge, 8)
                            }
                            #expect(Self.same(wide, narrow), "\(name), mode \(mode), size \(1 << log2)")
                        }
                    }
                    if log2 == 2 { continue }
                    for strong: Int32 in 0...1 {
                        let a = Samples(192), b = Samples(192), a8 = Bytes(192), b8 = Bytes(192)
                        k.intra_filter(a.base + 32, b.base + 32, left.base + 32, top.base + 32, log2, strong, 8)
                        t.intra_filter(a8.base + 32, b8.base + 32, left8.base + 32, top8.base + 32, log2, strong, 8)
                        let agree = (-1..<(2 << Int(log2))).allSatisfy {
                            a.base[32 + $0] == UInt16(a8.base[32 + $0]) && b.base[32 + $0] == UInt16(b8.base[32 + $0])
                        }
                        #expect(agree, "\(name), filtered, size \(1 << log2)")
                    }
                }
            }
        }
    }

    @Test func deblocking() {
        var random = Random(15)
        let k = plain.pointee
        for round in 0..<1500 {
            let before = samples(32 * 24, depth: 8, round % 3 == 0 ? .noise : .smooth, &random)
            let beta = random.in32(0...64)
            let tc0 = random.in32(0...24), tc1 = random.in32(0...24)
            let noP = random.in32(0...1) * (round & 1 == 0 ? 1 : 0), noQ = random.in32(0...1) * (round & 2 == 0 ? 1 : 0)
            let wide = (0..<4).map { _ in Samples(copy: before) }
            let at = 8 * 32 + 12
            k.deblock_luma_v(wide[0].base + at, 32, beta, tc0, tc1, noP, noQ, 8)
            k.deblock_luma_h(wide[1].base + at, 32, beta, tc0, tc1, noP, noQ, 8)
            k.deblock_chroma_v(wide[2].base + at, 32, tc0, tc1, noP, noQ, 8)
            k.deblock_chroma_h(wide[3].base + at, 32, tc0, tc1, noP, noQ, 8)
            for (name, table) in Self.tables {
                let t = table.pointee
                let narrow = (0..<4).map { _ in Self.bytes(before) }
                t.deblock_luma_v(narrow[0].base + at, 32, beta, tc0, tc1, noP, noQ, 8)
                t.deblock_luma_h(narrow[1].base + at, 32, beta, tc0, tc1, noP, noQ, 8)
                t.deblock_chroma_v(narrow[2].base + at, 32, tc0, tc1, noP, noQ, 8)
                t.deblock_chroma_h(narrow[3].base + at, 32, tc0, tc1, noP, noQ, 8)
                for i in 0..<4 { #expect(Self.same(wide[i], narrow[i]), "\(name), kind \(i)") }
            }
        }
    }

    @Test func sampleAdaptiveOffset() {
        var random = Random(16)
        let k = plain.pointee
        let offsets = Residuals(4)
        for content in Content.allCases {
            let src = samples(100 * 72, depth: 8, content, &random)
            let src8 = Self.bytes(src)
            let at = 2 * 100 + 16
            for w in [1, 2, 3, 5, 7, 8, 9, 15, 16, 17, 31, 32, 33, 47, 63, 64] as [Int32] {
                for h: Int32 in [1, 3, 8, 64] {
                    offsets.fill(-7, 7, .noise, &random)
                    let band = random.in32(0...31)
                    for kind: Int32 in 0...4 {
                        let wide = Samples(100 * 72, 77)
                        if kind == 4 {
                            k.sao_band(wide.base + at, 100, src.base + at, 100, w, h, band, offsets.base, 8)
                        } else {
                            k.sao_edge(wide.base + at, 100, src.base + at, 100, w, h, kind, offsets.base, 8)
                        }
                        for (name, table) in Self.tables {
                            let t = table.pointee
                            let narrow = Bytes(100 * 72, 77)
                            if kind == 4 {
                                t.sao_band(narrow.base + at, 100, src8.base + at, 100, w, h, band, offsets.base, 8)
                            } else {
                                t.sao_edge(narrow.base + at, 100, src8.base + at, 100, w, h, kind, offsets.base, 8)
                            }
                            #expect(Self.same(wide, narrow), "\(name), kind \(kind), \(w)x\(h)")
                        }
                    }
                }
            }
        }
    }

    /// `steps`: sixteenths of a sample between columns; of those of twice the size one may be moved.
    @Test(arguments: [true, false], ["any", "double", "double but one"]) func resampling(luma: Bool, steps: String) {
        var random = Random(17)
        let k = plain.pointee
        for content in [Content.noise, .extremes] {
            let src = samples(160 * 80, depth: 8, content, &random)
            let src8 = Self.bytes(src)
            for w: Int32 in [4, 8, 13, 16, 30, 32, 48, 64] {
                let position = Buffer<Int32>(64), phase = Bytes(64)
                var sixteenths = 0
                for i in 0..<64 {
                    position.base[i] = Int32(sixteenths >> 4)
                    phase.base[i] = UInt8(sixteenths & 15)
                    sixteenths += steps == "any" ? Int.random(in: 0...14, using: &random) : 8
                }
                if steps == "double but one" {
                    let moved = Int.random(in: 0..<Int(w), using: &random)
                    if moved % 2 == 0 { phase.base[moved] = 5 } else { position.base[moved] -= 1 }
                }
                let from = 8 * 160 + 16
                let lines = Residuals(96 * 64)
                (luma ? k.resample_h_luma : k.resample_h_chroma)!(
                    lines.base, 96, src.base + from, 160, w, 64, position.base, phase.base, 0)
                let rows: Int32 = 24
                var reach = 0
                while reach < Int(rows) && position.base[reach] < 64 - 5 { reach += 1 }
                let wide = Samples(96 * 40, 77)
                let first = lines.base + 3 * 96
                let v = Int32(max(1, reach - 4))
                (luma ? k.resample_v_luma : k.resample_v_chroma)!(
                    wide.base, 96, first, 96, w, v, position.base, phase.base, 8)
                for (name, table) in Self.tables {
                    let t = table.pointee
                    let lines8 = Residuals(96 * 64)
                    (luma ? t.resample_h_luma : t.resample_h_chroma)!(
                        lines8.base, 96, src8.base + from, 160, w, 64, position.base, phase.base, 0)
                    let linesAgree = (0..<64).allSatisfy {
                        memcmp(lines.base + $0 * 96, lines8.base + $0 * 96, Int(w) * 2) == 0
                    }
                    #expect(linesAgree, "\(name), \(w) columns")
                    let narrow = Bytes(96 * 40, 77)
                    (luma ? t.resample_v_luma : t.resample_v_chroma)!(
                        narrow.base, 96, first, 96, w, v, position.base, phase.base, 8)
                    #expect(Self.same(wide, narrow), "\(name), \(w)x\(v)")
                }
            }
        }
    }

    @Test func costsAndDifferences() {
        var random = Random(19)
        let k = plain.pointee
        for content in Content.allCases {
            let a = samples(100 * 72, depth: 8, content, &random), b = samples(100 * 72, depth: 8, content, &random)
            let a8 = Self.bytes(a), b8 = Self.bytes(b)
            for w in 1...70 as ClosedRange<Int32> {
                for h: Int32 in [1, 2, 4, 7, 8, 12, 16, 24, 64] {
                    let differences = Residuals(80 * 72, 77)
                    // Widths that are no multiple of 4 are allowed of the squares alone.
                    if w % 4 == 0 { k.residual(differences.base + 3, 80, a.base + 5, 100, b.base + 9, 100, w, h) }
                    let sse = k.sse(a.base + 5, 100, b.base + 9, 100, w, h)
                    let isWhole = w % 4 == 0 && h % 4 == 0 && w <= 64
                    let satd = isWhole ? k.satd(a.base + 5, 100, b.base + 9, 100, w, h) : 0
                    for (name, table) in Self.tables {
                        let t = table.pointee
                        let differences8 = Residuals(80 * 72, 77)
                        if w % 4 == 0 {
                            t.residual(differences8.base + 3, 80, a8.base + 5, 100, b8.base + 9, 100, w, h)
                        }
                        #expect(differences.difference(differences8) == nil, "\(name), \(w)x\(h)")
                        #expect(t.sse(a8.base + 5, 100, b8.base + 9, 100, w, h) == sse, "\(name), \(w)x\(h)")
                        if !isWhole { continue }
                        #expect(t.satd(a8.base + 5, 100, b8.base + 9, 100, w, h) == satd, "\(name), \(w)x\(h)")
                    }
                }
            }
            for (w, h) in [(16, 16), (8, 8), (3, 5)] as [(Int32, Int32)] {
                var sums: (UInt32, UInt32) = (0, 0), squares = sums
                veil_sums(a.base + 5, 100, w, h, &sums.0, &squares.0)
                veil_any_sums(true, a8.base + 5, 100, w, h, &sums.1, &squares.1)
                #expect(sums.0 == sums.1 && squares.0 == squares.1)
            }
        }
    }

    @Test func offsetStatistics() {
        var random = Random(20)
        let k = plain.pointee
        let at = 2 * 100 + 16
        for content in Content.allCases {
            let source = samples(100 * 72, depth: 8, content, &random),
                rec = samples(100 * 72, depth: 8, content, &random)
            let source8 = Self.bytes(source), rec8 = Self.bytes(rec)
            for (w, h) in [(64, 64), (63, 63), (32, 30), (31, 8), (17, 3), (16, 1), (7, 5), (1, 1)] as [(Int32, Int32)]
            {
                for kind: Int32 in 0...4 {
                    func make(_ body: (UnsafeMutablePointer<Int32>, UnsafeMutablePointer<Int32>) -> Void) -> [Int32] {
                        // What is there already stays: statistics add up.
                        let sum = Buffer<Int32>(32, 3), count = Buffer<Int32>(32, 5)
                        body(sum.base, count.base)
                        return (0..<32).map { sum.base[$0] } + (0..<32).map { count.base[$0] }
                    }
                    let wide = make {
                        if kind == 4 {
                            k.sao_band_statistics($0, $1, source.base + at, 100, rec.base + at, 100, w, h, 8)
                        } else {
                            k.sao_edge_statistics($0, $1, source.base + at, 100, rec.base + at, 100, w, h, kind)
                        }
                    }
                    for (name, table) in Self.tables {
                        let t = table.pointee
                        let narrow = make {
                            if kind == 4 {
                                t.sao_band_statistics($0, $1, source8.base + at, 100, rec8.base + at, 100, w, h, 8)
                            } else {
                                t.sao_edge_statistics($0, $1, source8.base + at, 100, rec8.base + at, 100, w, h, kind)
                            }
                        }
                        #expect(wide == narrow, "\(name), kind \(kind), \(w)x\(h)")
                    }
                }
            }
        }
    }

    @Test func blocksAndMargins() {
        var random = Random(18)
        let k = plain.pointee
        let a = samples(100 * 72, depth: 8, .noise, &random), b = samples(100 * 72, depth: 8, .noise, &random)
        let a8 = Self.bytes(a), b8 = Self.bytes(b)
        for w in 1...70 as ClosedRange<Int32> {
            for h: Int32 in [1, 2, 7, 64] {
                let wide = (0..<3).map { _ in Samples(100 * 72, 77) }
                k.average(wide[0].base + 3, 100, a.base + 5, 100, b.base + 9, 100, w, h)
                k.copy(wide[1].base + 3, 100, a.base + 5, 100, w, h)
                k.fill(wide[2].base + 3, 100, 200, w, h)
                for (name, table) in Self.tables {
                    let t = table.pointee
                    let narrow = (0..<3).map { _ in Bytes(100 * 72, 77) }
                    t.average(narrow[0].base + 3, 100, a8.base + 5, 100, b8.base + 9, 100, w, h)
                    t.copy(narrow[1].base + 3, 100, a8.base + 5, 100, w, h)
                    t.fill(narrow[2].base + 3, 100, 200, w, h)
                    for i in 0..<3 { #expect(Self.same(wide[i], narrow[i]), "\(name), kind \(i), \(w)x\(h)") }
                }
            }
        }
        let wide = Samples(copy: a), narrow = Self.bytes(a)
        veil_extend_plane(wide.base + 20 * 100 + 20, 100, 48, 24, 16, 16)
        veil_any_extend_rows(true, narrow.base + 20 * 100 + 20, 100, 48, 24, 16)
        veil_any_extend_top(true, narrow.base + 20 * 100 + 20, 100, 48, 16, 16)
        veil_any_extend_bottom(true, narrow.base + 20 * 100 + 20, 100, 48, 24, 16, 16)
        #expect(Self.same(wide, narrow), "margins")
    }
}
