// SPDX-License-Identifier: GPL-2.0-or-later
import CVeilKernels
import Foundation
import TestSupport
import Testing

/// Times of the kernels: prints ns a call of the plain and of the AVX2 path and their ratio. Runs with VEIL_BENCH=1
/// only.
@Suite(.serialized, .enabled(if: ProcessInfo.processInfo.environment["VEIL_BENCH"] == "1" && simd != nil))
struct KernelTimes {
    /// The best of some batches, in ns a call.
    static func time(_ body: () -> Void) -> Double {
        let clock = ContinuousClock()
        func run(_ count: Int) -> Double {
            let d = clock.measure { for _ in 0..<count { body() } }.components
            return Double(d.seconds) * 1e9 + Double(d.attoseconds) / 1e9
        }
        var count = 1
        while run(count) < 200_000 { count *= 2 }
        return (0..<9).map { _ in run(count) / Double(count) }.min()!
    }

    static func report(_ name: String, _ body: (veil_kernels) -> Void) {
        guard let simd else { return }
        let (a, b) = (plain.pointee, simd.pointee)
        report(name, time { body(a) }, time { body(b) })
    }

    /// The same of samples of one byte.
    static func reportBytes(_ name: String, _ body: (veil_kernels_8) -> Void) {
        let (a, b) = (ByteSampleTests.tables[0].table.pointee, ByteSampleTests.tables[1].table.pointee)
        report(name + " bytes", time { body(a) }, time { body(b) })
    }

    private static func report(_ name: String, _ slow: Double, _ fast: Double) {
        print(String(format: "%-36@ %10.1f %10.1f %7.2fx", name as NSString, slow, fast, slow / fast))
    }

    @Test func inter() {
        var random = Random(1)
        for depth: Int32 in [8, 10] {
            let src = samples(160 * 112, depth: depth, .noise, &random)
            let at = src.base + 16 * 160 + 32
            let dst = Samples(64 * 64)
            let pred = Residuals(64 * 64), other = Residuals(64 * 64)
            other.fill(-8192, 8191, .noise, &random)
            for size: Int32 in depth == 10 ? [4, 8, 16, 32, 64] : [16] {
                for (mx, my) in [(0, 0), (1, 0), (0, 1), (1, 1)] as [(Int32, Int32)] {
                    let what = "\(size)x\(size) \(mx),\(my) \(depth) bits"
                    if mx + my > 0 {
                        Self.report("luma_put \(what)") {
                            $0.luma_put(dst.base, 64, at, 160, size, size, mx, my, depth)
                        }
                    }
                    if depth == 8 || (size != 8 && size != 32) { continue }
                    Self.report("luma_pred \(what)") { $0.luma_pred(pred.base, at, 160, size, size, mx, my, depth) }
                    Self.report("luma_bi \(what)") {
                        $0.luma_bi(dst.base, 64, other.base, at, 160, size, size, mx, my, depth)
                    }
                }
            }
            if depth == 8 { continue }
            for size: Int32 in [2, 4, 8, 16, 32] {
                for (mx, my) in [(0, 0), (1, 0), (0, 1), (1, 1)] as [(Int32, Int32)] {
                    let what = "\(size)x\(size) \(mx),\(my) \(depth) bits"
                    if mx + my > 0 {
                        Self.report("chroma_put \(what)") {
                            $0.chroma_put(dst.base, 64, at, 160, size, size, mx, my, depth)
                        }
                    }
                    if size != 16 { continue }
                    Self.report("chroma_pred \(what)") { $0.chroma_pred(pred.base, at, 160, size, size, mx, my, depth) }
                    Self.report("chroma_bi \(what)") {
                        $0.chroma_bi(dst.base, 64, other.base, at, 160, size, size, mx, my, depth)
                    }
                }
            }
            for size: Int32 in [8, 32] {
                let what = "\(size)x\(size)"
                Self.report("pred_put \(what)") { $0.pred_put(dst.base, 64, other.base, size, size, depth) }
                Self.report("pred_avg \(what)") { $0.pred_avg(dst.base, 64, other.base, other.base, size, size, depth) }
                Self.report("pred_weighted \(what)") {
                    $0.pred_weighted(dst.base, 64, other.base, size, size, 8, 50, 3, depth)
                }
                Self.report("pred_weighted_bi \(what)") {
                    $0.pred_weighted_bi(dst.base, 64, other.base, other.base, size, size, 8, 50, 60, 3, 4, depth)
                }
            }
        }
    }

    @Test func transforms() {
        var random = Random(2)
        let depth: Int32 = 10
        let dst = samples(64 * 64, depth: depth, .noise, &random)
        let r = Residuals(64 * 64), out = Residuals(64 * 64)
        r.fill(-1023, 1023, .noise, &random)
        for kind in TransformTests.kinds {
            let n = TransformTests.size(kind)
            for end in Set([n - 1, min(n, 16) - 1, min(n, 8) - 1, 3]).sorted() {
                let c = TransformTests.block(n, end, end, .noise, &random)
                let what = "\(kind == 0 ? "idst" : "idct")\(n)_add to \(end),\(end)"
                Self.report(what) { k in
                    withUnsafePointer(to: k) {
                        TransformTests.kernel($0, kind).add(dst.base, 64, c.base, Int32(end), Int32(end), depth)
                    }
                }
            }
            Self.report("\(kind == 0 ? "fdst" : "fdct")\(n)") { k in
                withUnsafePointer(to: k) { TransformTests.kernel($0, kind).forward(out.base, r.base, 64, depth) }
            }
        }
        let levels = Residuals(1024)
        let rest = Buffer<Int32>(1024)
        for n: Int32 in [4, 32] {
            Self.report("idct_dc_add \(n)") { $0.idct_dc_add(dst.base, 64, 100, n, depth) }
            Self.report("skip_residual \(n)") { $0.skip_residual(out.base, 64, r.base, n, depth) }
            Self.report("add_residual \(n)") { $0.add_residual(dst.base, 64, r.base, 64, n, n, depth) }
            Self.report("forward_skip \(n)") { $0.forward_skip(out.base, r.base, 64, n, depth) }
            Self.report("quant \(n * n)") { _ = $0.quant(levels.base, nil, r.base, n * n, 26214, 1 << 17, 19) }
            Self.report("quant with remainder \(n * n)") {
                _ = $0.quant(levels.base, rest.base, r.base, n * n, 26214, 1 << 17, 19)
            }
            Self.report("dequant \(n * n)") { $0.dequant(out.base, levels.base, n * n, 72, 3) }
        }
    }

    @Test func intra() {
        var random = Random(3)
        let (left, top) = IntraTests.neighbours(depth: 10, .noise, &random)
        let (l, t) = (left.base + 32, top.base + 32)
        let dst = Samples(64 * 64), l2 = Samples(160), t2 = Samples(160)
        for log2: Int32 in 2...5 {
            let n = 1 << log2
            Self.report("intra_planar \(n)") { $0.intra_planar(dst.base, 64, l, t, log2) }
            Self.report("intra_dc \(n)") { $0.intra_dc(dst.base, 64, l, t, log2, 1) }
            for mode: Int32 in [2, 6, 10, 14, 18, 22, 26, 30, 34] {
                Self.report("intra_angular \(n) mode \(mode)") {
                    $0.intra_angular(dst.base, 64, l, t, log2, mode, 1, 10)
                }
            }
            if log2 > 2 {
                Self.report("intra_filter \(n)") { $0.intra_filter(l2.base + 32, t2.base + 32, l, t, log2, 1, 10) }
            }
        }
    }

    @Test func filters() {
        var random = Random(4)
        for (name, spread) in [("off", 400), ("normal", 8), ("strong", 0)] {
            let area = Samples(64 * 16)
            for y in 0..<16 {
                for x in 0..<64 {
                    let noise = Int.random(in: -spread...spread, using: &random)
                    area.base[y * 64 + x] = UInt16(500 + (x >= 8 && y >= 8 ? 6 : 0) + noise)
                }
            }
            // Filtered samples are written over again each time, so that the decision stays what it is.
            let work = Samples(copy: area)
            func restored(_ body: () -> Void) {
                work.base.update(from: area.base, count: 64 * 16)
                body()
            }
            Self.report("(restoring of 64x16)") { _ in restored {} }
            let v = work.base + 4 * 64 + 8, h = work.base + 8 * 64 + 4
            Self.report("deblock_luma_v \(name)") { k in restored { k.deblock_luma_v(v, 64, 200, 40, 40, 0, 0, 10) } }
            Self.report("deblock_luma_h \(name)") { k in restored { k.deblock_luma_h(h, 64, 200, 40, 40, 0, 0, 10) } }
        }
        let area = samples(64 * 80, depth: 10, .noise, &random)
        let at = area.base + 8 * 64 + 8
        Self.report("deblock_chroma_v") { $0.deblock_chroma_v(at, 64, 20, 20, 0, 0, 10) }
        Self.report("deblock_chroma_h") { $0.deblock_chroma_h(at, 64, 20, 20, 0, 0, 10) }
        let src = samples(96 * 80, depth: 10, .noise, &random), dst = Samples(64 * 64)
        let offsets = Residuals(4)
        for i in 0..<4 { offsets.base[i] = Int16([3, 1, -1, -3][i]) }
        for n: Int32 in [16, 32, 64] {
            Self.report("sao_band \(n)") {
                $0.sao_band(dst.base, 64, src.base + 4 * 96 + 8, 96, n, n, 7, offsets.base, 10)
            }
            for eoClass: Int32 in 0..<4 where eoClass == 0 || n == 64 {
                Self.report("sao_edge \(n) class \(eoClass)") {
                    $0.sao_edge(dst.base, 64, src.base + 4 * 96 + 8, 96, n, n, eoClass, offsets.base, 10)
                }
            }
        }
    }

    @Test func resampling() {
        var random = Random(5)
        let stride = 1024
        let src = samples(stride * 48, depth: 8, .noise, &random)
        let middle = Residuals(stride * 48), out = Residuals(stride * 64), up = Samples(stride * 64)
        middle.fill(0, 16000, .noise, &random)
        for (name, from, to) in [("2x", 480, 960), ("1.5x", 640, 960), ("1.37x", 700, 960)] {
            let (position, phase) = ResampleTests.axis(from: from, to: to)
            position.withUnsafeBufferPointer { p in
                phase.withUnsafeBufferPointer { f in
                    let (p, f) = (p.baseAddress!, f.baseAddress!)
                    let a = src.base + 8 * stride + 16, b = middle.base + 8 * stride + 16
                    Self.report("resample_h_luma \(name) 960x16") {
                        $0.resample_h_luma(out.base, stride, a, stride, 960, 16, p, f, 0)
                    }
                    Self.report("resample_h_chroma \(name) 960x16") {
                        $0.resample_h_chroma(out.base, stride, a, stride, 960, 16, p, f, 0)
                    }
                    Self.report("resample_v_luma \(name) 960x16") {
                        $0.resample_v_luma(up.base, stride, b, stride, 960, 16, p, f, 8)
                    }
                    Self.report("resample_v_chroma \(name) 960x16") {
                        $0.resample_v_chroma(up.base, stride, b, stride, 960, 16, p, f, 8)
                    }
                }
            }
        }
    }

    @Test func costs() {
        var random = Random(6)
        let a = samples(96 * 80, depth: 10, .noise, &random), b = samples(96 * 80, depth: 10, .noise, &random)
        let a8 = Buffer<UInt8>(96 * 80), b8 = Buffer<UInt8>(96 * 80)
        a8.fill(0, 255, .noise, &random)
        b8.fill(0, 255, .noise, &random)
        let refs = (0..<4).map { UnsafePointer(b.base + $0 * 97) as UnsafePointer<UInt16>? }
        let refs8 = (0..<4).map { UnsafePointer(b8.base + $0 * 97) as UnsafePointer<UInt8>? }
        let four = Buffer<UInt32>(4)
        let r = Residuals(64 * 64), dst = Samples(64 * 64)
        for n: Int32 in [4, 8, 16, 32, 64] {
            Self.report("sad \(n)") { _ = $0.sad(a.base, 96, b.base + 3, 96, n, n) }
            Self.report("sad_x4 \(n)") { $0.sad_x4(four.base, a.base, 96, refs, 96, n, n) }
            Self.report("satd \(n)") { _ = $0.satd(a.base, 96, b.base + 3, 96, n, n) }
            Self.report("sse \(n)") { _ = $0.sse(a.base, 96, b.base + 3, 96, n, n) }
            Self.reportBytes("sad \(n)") { _ = $0.sad(a8.base, 96, b8.base + 3, 96, n, n) }
            Self.reportBytes("sad_x4 \(n)") { $0.sad_x4(four.base, a8.base, 96, refs8, 96, n, n) }
            Self.reportBytes("satd \(n)") { _ = $0.satd(a8.base, 96, b8.base + 3, 96, n, n) }
            Self.reportBytes("sse \(n)") { _ = $0.sse(a8.base, 96, b8.base + 3, 96, n, n) }
            Self.reportBytes("residual \(n)") { $0.residual(r.base, 64, a8.base, 96, b8.base, 96, n, n) }
            Self.report("residual \(n)") { $0.residual(r.base, 64, a.base, 96, b.base, 96, n, n) }
            Self.report("average \(n)") { $0.average(dst.base, 64, a.base, 96, b.base, 96, n, n) }
            Self.report("copy \(n)") { $0.copy(dst.base, 64, a.base, 96, n, n) }
            Self.report("fill \(n)") { $0.fill(dst.base, 64, 512, n, n) }
        }
        Self.report("narrow 64") { $0.narrow(a8.base, 96, a.base, 96, 64, 64, 2) }
        Self.report("widen 64") { $0.widen(dst.base, 64, a8.base, 96, 64, 64) }
    }
}
