// SPDX-License-Identifier: GPL-2.0-or-later

extension Kernels {
    /// Luma interpolation filter (Table 8-11), phases 0...3, eight taps.
    private static let lumaTaps: [[Int]] = [
        [0, 0, 0, 64, 0, 0, 0, 0], [-1, 4, -10, 58, 17, -5, 1, 0], [-1, 4, -11, 40, 40, -11, 4, -1], [0, 1, -5, 17, 58, -10, 4, -1],
    ]
    /// Chroma interpolation filter (Table 8-12), phases 0...7, four taps.
    private static let chromaTaps: [[Int]] = [
        [0, 64, 0, 0], [-2, 58, 10, -2], [-4, 54, 16, -2], [-6, 46, 28, -4], [-4, 36, 36, -4], [-4, 28, 46, -6], [-2, 16, 54, -4],
        [-2, 10, 58, -2],
    ]

    static func interpolateLuma(
        _ out: UnsafeMutablePointer<Int16>, _ from: UnsafePointer<UInt16>, _ stride: Int, _ w: Int, _ h: Int, _ fx: Int, _ fy: Int,
        _ bitDepth: Int
    ) {
        interpolate(out, from, stride, w, h, fx, fy, bitDepth, taps: lumaTaps, count: 8)
    }

    static func interpolateChroma(
        _ out: UnsafeMutablePointer<Int16>, _ from: UnsafePointer<UInt16>, _ stride: Int, _ w: Int, _ h: Int, _ fx: Int, _ fy: Int,
        _ bitDepth: Int
    ) {
        interpolate(out, from, stride, w, h, fx, fy, bitDepth, taps: chromaTaps, count: 4)
    }

    /// 8.5.3.3.3: shift1 = Min(4, BitDepth - 8), shift2 = 6, shift3 = Max(2, 14 - BitDepth).
    private static func interpolate(
        _ out: UnsafeMutablePointer<Int16>, _ from: UnsafePointer<UInt16>, _ stride: Int, _ w: Int, _ h: Int, _ fx: Int, _ fy: Int,
        _ bitDepth: Int, taps: [[Int]], count: Int
    ) {
        let before = count / 2 - 1
        let shift1 = min(4, bitDepth - 8)
        if fx == 0 && fy == 0 {
            for y in 0..<h { for x in 0..<w { out[y * 64 + x] = Int16(Int(from[y * stride + x]) << (14 - bitDepth)) } }
            return
        }
        if fy == 0 || fx == 0 {
            let t = fy == 0 ? taps[fx] : taps[fy]
            let step = fy == 0 ? 1 : stride
            for y in 0..<h {
                for x in 0..<w {
                    var s = 0
                    for k in 0..<count { s += t[k] * Int(from[y * stride + x + (k - before) * step]) }
                    out[y * 64 + x] = Int16(truncatingIfNeeded: s >> shift1)
                }
            }
            return
        }
        var rows = [Int](repeating: 0, count: (h + count - 1) * w)
        for y in 0..<(h + count - 1) {
            for x in 0..<w {
                var s = 0
                for k in 0..<count { s += taps[fx][k] * Int(from[(y - before) * stride + x + k - before]) }
                rows[y * w + x] = s >> shift1
            }
        }
        for y in 0..<h {
            for x in 0..<w {
                var s = 0
                for k in 0..<count { s += taps[fy][k] * rows[(y + k) * w + x] }
                out[y * 64 + x] = Int16(truncatingIfNeeded: s >> 6)
            }
        }
    }

    static func putUni(
        _ to: UnsafeMutablePointer<UInt16>, _ stride: Int, _ a: UnsafePointer<Int16>, _ w: Int, _ h: Int, _ bitDepth: Int
    ) {
        let shift = 14 - bitDepth
        let offset = shift > 0 ? 1 << (shift - 1) : 0
        let limit = (1 << bitDepth) - 1
        for y in 0..<h {
            for x in 0..<w { to[y * stride + x] = UInt16(min(max((Int(a[y * 64 + x]) + offset) >> shift, 0), limit)) }
        }
    }

    static func averageBi(
        _ to: UnsafeMutablePointer<UInt16>, _ stride: Int, _ a: UnsafePointer<Int16>, _ b: UnsafePointer<Int16>, _ w: Int, _ h: Int,
        _ bitDepth: Int
    ) {
        let shift = 15 - bitDepth
        let limit = (1 << bitDepth) - 1
        for y in 0..<h {
            for x in 0..<w {
                let v = (Int(a[y * 64 + x]) + Int(b[y * 64 + x]) + (1 << (shift - 1))) >> shift
                to[y * stride + x] = UInt16(min(max(v, 0), limit))
            }
        }
    }

    /// 8.5.3.3.4.3, one list.
    static func weightedUni(
        _ to: UnsafeMutablePointer<UInt16>, _ stride: Int, _ a: UnsafePointer<Int16>, _ w: Int, _ h: Int, _ weight: PredictionWeight,
        _ denom: Int, _ bitDepth: Int
    ) {
        let log2WD = denom + 14 - bitDepth
        let limit = (1 << bitDepth) - 1
        for y in 0..<h {
            for x in 0..<w {
                let p = Int(a[y * 64 + x]) * Int(weight.weight)
                let v = log2WD >= 1 ? ((p + (1 << (log2WD - 1))) >> log2WD) + Int(weight.offset) : p + Int(weight.offset)
                to[y * stride + x] = UInt16(min(max(v, 0), limit))
            }
        }
    }

    /// 8.5.3.3.4.3, both lists.
    static func weightedBi(
        _ to: UnsafeMutablePointer<UInt16>, _ stride: Int, _ a: UnsafePointer<Int16>, _ b: UnsafePointer<Int16>, _ w: Int, _ h: Int,
        _ w0: PredictionWeight, _ w1: PredictionWeight, _ denom: Int, _ bitDepth: Int
    ) {
        let log2WD = denom + 14 - bitDepth
        let limit = (1 << bitDepth) - 1
        let offset = (Int(w0.offset) + Int(w1.offset) + 1) << log2WD
        for y in 0..<h {
            for x in 0..<w {
                let v = (Int(a[y * 64 + x]) * Int(w0.weight) + Int(b[y * 64 + x]) * Int(w1.weight) + offset) >> (log2WD + 1)
                to[y * stride + x] = UInt16(min(max(v, 0), limit))
            }
        }
    }
}
