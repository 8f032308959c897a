// SPDX-License-Identifier: GPL-2.0-or-later

/// Plain sample kernels.
enum Kernels {
    // MARK: Transforms

    private static let dct: [Int16] = {
        // Columns 0...31 of the even rows follow from the 16 first entries of each row by symmetry; kept as cos-index table.
        let c: [Int16] = [
            64, 90, 90, 90, 89, 88, 87, 85, 83, 82, 80, 78, 75, 73, 70, 67, 64, 61, 57, 54, 50, 46, 43, 38, 36, 31, 25, 22, 18, 13, 9, 4,
        ]
        var m = [Int16](repeating: 0, count: 1024)
        for k in 0..<32 {
            for n in 0..<32 {
                // cos((2n+1) k pi / 64)
                var angle = (2 * n + 1) * k % 128
                var sign: Int16 = 1
                if angle > 64 { angle = 128 - angle }
                if angle > 32 {
                    angle = 64 - angle
                    sign = -1
                }
                m[k * 32 + n] = k == 0 ? 64 : angle == 32 ? 0 : sign * c[angle]
            }
        }
        return m
    }()
    private static let dst: [Int16] = [29, 55, 74, 84, 74, 74, 0, -74, 84, -29, -74, 55, 55, -84, 74, -29]

    static func addTransform(
        _ block: UnsafeMutablePointer<Int16>, columns: Int, rows: Int, isDST: Bool, to: UnsafeMutablePointer<UInt16>, stride: Int,
        log2Size: Int, bitDepth: Int
    ) {
        let n = 1 << log2Size
        func m(_ k: Int, _ i: Int) -> Int { isDST ? Int(dst[k * 4 + i]) : Int(dct[(k << (5 - log2Size)) * 32 + i]) }
        var t = [Int](repeating: 0, count: n * n)
        for x in 0..<columns {
            for y in 0..<n {
                var s = 0
                for k in 0..<rows { s += m(k, y) * Int(block[k * n + x]) }
                t[y * n + x] = min(32767, max(-32768, (s + 64) >> 7))
            }
        }
        let shift = 20 - bitDepth
        for y in 0..<n {
            for x in 0..<n {
                var s = 0
                for k in 0..<columns { s += m(k, x) * t[y * n + k] }
                let r = (s + (1 << (shift - 1))) >> shift
                to[y * stride + x] = UInt16(min((1 << bitDepth) - 1, max(0, Int(to[y * stride + x]) + r)))
            }
        }
    }

    static func addDC(coefficient: Int16, to: UnsafeMutablePointer<UInt16>, stride: Int, log2Size: Int, bitDepth: Int) {
        let n = 1 << log2Size
        let shift = 20 - bitDepth
        let r = (64 * ((64 * Int(coefficient) + 64) >> 7) + (1 << (shift - 1))) >> shift
        for y in 0..<n {
            for x in 0..<n { to[y * stride + x] = UInt16(min((1 << bitDepth) - 1, max(0, Int(to[y * stride + x]) + r))) }
        }
    }

    // MARK: Intra

    static func planar(
        _ to: UnsafeMutablePointer<UInt16>, stride: Int, left: UnsafeMutablePointer<UInt16>, top: UnsafeMutablePointer<UInt16>, log2Size: Int
    ) {
        let n = 1 << log2Size
        for y in 0..<n {
            for x in 0..<n {
                let a = (n - 1 - x) * Int(left[y]) + (x + 1) * Int(top[n])
                let b = (n - 1 - y) * Int(top[x]) + (y + 1) * Int(left[n])
                to[y * stride + x] = UInt16((a + b + n) >> (log2Size + 1))
            }
        }
    }

    static func dc(
        _ to: UnsafeMutablePointer<UInt16>, stride: Int, left: UnsafeMutablePointer<UInt16>, top: UnsafeMutablePointer<UInt16>,
        log2Size: Int, edge: Bool
    ) {
        let n = 1 << log2Size
        var sum = n
        for i in 0..<n { sum += Int(left[i]) + Int(top[i]) }
        let dc = sum >> (log2Size + 1)
        for y in 0..<n { (to + y * stride).update(repeating: UInt16(dc), count: n) }
        if edge {
            to[0] = UInt16((Int(left[0]) + 2 * dc + Int(top[0]) + 2) >> 2)
            for i in 1..<n {
                to[i] = UInt16((Int(top[i]) + 3 * dc + 2) >> 2)
                to[i * stride] = UInt16((Int(left[i]) + 3 * dc + 2) >> 2)
            }
        }
    }

    private static let angles = [
        0, 0, 32, 26, 21, 17, 13, 9, 5, 2, 0, -2, -5, -9, -13, -17, -21, -26, -32, -26, -21, -17, -13, -9, -5, -2, 0, 2, 5, 9, 13, 17, 21,
        26, 32,
    ]
    private static let inverses = [
        -4096, -1638, -910, -630, -482, -390, -315, -256, -315, -390, -482, -630, -910, -1638, -4096,
    ]

    static func angular(
        _ to: UnsafeMutablePointer<UInt16>, stride: Int, left: UnsafeMutablePointer<UInt16>, top: UnsafeMutablePointer<UInt16>,
        log2Size: Int, mode: Int, edge: Bool, bitDepth: Int
    ) {
        let n = 1 << log2Size
        let angle = angles[mode]
        let vertical = mode >= 18
        let main = vertical ? top : left
        let side = vertical ? left : top
        var ref = [Int](repeating: 0, count: 3 * n + 2)
        let zero = n
        for x in 0...2 * n { ref[zero + x] = Int(main[x - 1]) }
        if angle < 0 {
            let last = (n * angle) >> 5
            if last < -1 {
                for x in last..<0 { ref[zero + x] = Int(side[-1 + ((x * inverses[mode - 11] + 128) >> 8)]) }
            }
        }
        for j in 0..<n {
            let index = ((j + 1) * angle) >> 5
            let fraction = ((j + 1) * angle) & 31
            for i in 0..<n {
                let a = ref[zero + i + index + 1]
                let v = fraction == 0 ? a : ((32 - fraction) * a + fraction * ref[zero + i + index + 2] + 16) >> 5
                if vertical { to[j * stride + i] = UInt16(v) } else { to[i * stride + j] = UInt16(v) }
            }
        }
        if angle == 0 && edge {
            let limit = (1 << bitDepth) - 1
            for i in 0..<n {
                let v = Int(main[0]) + ((Int(side[i]) - Int(side[-1])) >> 1)
                to[vertical ? i * stride : i] = UInt16(min(limit, max(0, v)))
            }
        }
    }

    // MARK: Deblocking

    static func deblockLuma(
        _ at: UnsafeMutablePointer<UInt16>, stride: Int, vertical: Bool, beta: Int32, tc0: Int32, tc1: Int32, noP: Bool, noQ: Bool,
        bitDepth: Int
    ) {
        let step = vertical ? 1 : stride
        let along = vertical ? stride : 1
        let limit = (1 << bitDepth) - 1
        let beta = Int(beta)
        for half in 0..<2 {
            let tc = Int(half == 0 ? tc0 : tc1)
            if tc == 0 { continue }
            let base = at + half * 4 * along
            func p(_ i: Int, _ k: Int) -> Int { Int(base[k * along - (i + 1) * step]) }
            func q(_ i: Int, _ k: Int) -> Int { Int(base[k * along + i * step]) }
            let dp0 = abs(p(2, 0) - 2 * p(1, 0) + p(0, 0))
            let dp3 = abs(p(2, 3) - 2 * p(1, 3) + p(0, 3))
            let dq0 = abs(q(2, 0) - 2 * q(1, 0) + q(0, 0))
            let dq3 = abs(q(2, 3) - 2 * q(1, 3) + q(0, 3))
            if dp0 + dq0 + dp3 + dq3 >= beta { continue }
            func strong(_ k: Int, _ dpq: Int) -> Bool {
                dpq < beta >> 2 && abs(p(3, k) - p(0, k)) + abs(q(0, k) - q(3, k)) < beta >> 3
                    && abs(p(0, k) - q(0, k)) < (5 * tc + 1) >> 1
            }
            let isStrong = strong(0, 2 * (dp0 + dq0)) && strong(3, 2 * (dp3 + dq3))
            let dEp = dp0 + dp3 < (beta + (beta >> 1)) >> 3
            let dEq = dq0 + dq3 < (beta + (beta >> 1)) >> 3
            for k in 0..<4 {
                let p0 = p(0, k), p1 = p(1, k), p2 = p(2, k), p3 = p(3, k)
                let q0 = q(0, k), q1 = q(1, k), q2 = q(2, k), q3 = q(3, k)
                func set(_ i: Int, _ v: Int) { base[k * along + i * step] = UInt16(v) }
                if isStrong {
                    func clip(_ v: Int, _ old: Int) -> Int { min(old + 2 * tc, max(old - 2 * tc, v)) }
                    if !noP {
                        set(-1, clip((p2 + 2 * p1 + 2 * p0 + 2 * q0 + q1 + 4) >> 3, p0))
                        set(-2, clip((p2 + p1 + p0 + q0 + 2) >> 2, p1))
                        set(-3, clip((2 * p3 + 3 * p2 + p1 + p0 + q0 + 4) >> 3, p2))
                    }
                    if !noQ {
                        set(0, clip((p1 + 2 * p0 + 2 * q0 + 2 * q1 + q2 + 4) >> 3, q0))
                        set(1, clip((p0 + q0 + q1 + q2 + 2) >> 2, q1))
                        set(2, clip((p0 + q0 + q1 + 3 * q2 + 2 * q3 + 4) >> 3, q2))
                    }
                } else {
                    var delta = (9 * (q0 - p0) - 3 * (q1 - p1) + 8) >> 4
                    if abs(delta) >= tc * 10 { continue }
                    delta = min(tc, max(-tc, delta))
                    func clip1(_ v: Int) -> Int { min(limit, max(0, v)) }
                    if !noP {
                        set(-1, clip1(p0 + delta))
                        if dEp {
                            let d = min(tc >> 1, max(-(tc >> 1), (((p2 + p0 + 1) >> 1) - p1 + delta) >> 1))
                            set(-2, clip1(p1 + d))
                        }
                    }
                    if !noQ {
                        set(0, clip1(q0 - delta))
                        if dEq {
                            let d = min(tc >> 1, max(-(tc >> 1), (((q2 + q0 + 1) >> 1) - q1 - delta) >> 1))
                            set(1, clip1(q1 + d))
                        }
                    }
                }
            }
        }
    }

    static func deblockChroma(
        _ at: UnsafeMutablePointer<UInt16>, stride: Int, vertical: Bool, tc0: Int32, tc1: Int32, noP: Bool, noQ: Bool, bitDepth: Int
    ) {
        let step = vertical ? 1 : stride
        let along = vertical ? stride : 1
        let limit = (1 << bitDepth) - 1
        for k in 0..<4 {
            let tc = Int(k < 2 ? tc0 : tc1)
            let s = at + k * along
            let p0 = Int(s[-step]), p1 = Int(s[-2 * step]), q0 = Int(s[0]), q1 = Int(s[step])
            let delta = min(tc, max(-tc, (((q0 - p0) << 2) + p1 - q1 + 4) >> 3))
            if !noP { s[-step] = UInt16(min(limit, max(0, p0 + delta))) }
            if !noQ { s[0] = UInt16(min(limit, max(0, q0 - delta))) }
        }
    }

    // MARK: SAO

    /// `offsets`: by band or edge index 0...4 (0 first).
    static func saoBand(
        _ at: UnsafeMutablePointer<UInt16>, stride: Int, width: Int, height: Int, position: Int, offsets: (Int, Int, Int, Int), bitDepth: Int
    ) {
        let o = [offsets.0, offsets.1, offsets.2, offsets.3]
        for y in 0..<height {
            for x in 0..<width {
                let v = Int(at[y * stride + x])
                let k = ((v >> (bitDepth - 5)) - position) & 31
                if k < 4 { at[y * stride + x] = UInt16(min((1 << bitDepth) - 1, max(0, v + o[k]))) }
            }
        }
    }

    static func saoEdge(
        _ to: UnsafeMutablePointer<UInt16>, stride: Int, from: UnsafePointer<UInt16>, fromStride: Int, width: Int, height: Int,
        eoClass: Int, offsets: (Int, Int, Int, Int), bitDepth: Int
    ) {
        let dx = [1, 0, 1, -1][eoClass]
        let dy = [0, 1, 1, 1][eoClass]
        let o = [offsets.0, offsets.1, 0, offsets.2, offsets.3]
        for y in 0..<height {
            for x in 0..<width {
                let s = from + y * fromStride + x
                let v = Int(s[0])
                let a = Int(s[-dy * fromStride - dx]), b = Int(s[dy * fromStride + dx])
                let e = 2 + (v - a).signum() + (v - b).signum()
                to[y * stride + x] = UInt16(min((1 << bitDepth) - 1, max(0, v + o[e])))
            }
        }
    }
}

extension Kernels {
    static func extendMargins(_ plane: Plane, rows: Range<Int>) {
        let margin = plane.margin
        for y in rows {
            let row = plane.row(y)
            (row - margin).update(repeating: row[0], count: margin)
            (row + plane.width).update(repeating: row[plane.width - 1], count: margin)
        }
        let total = plane.width + 2 * margin
        if rows.lowerBound == 0 {
            for y in 1...margin { (plane.row(-y) - margin).update(from: plane.row(0) - margin, count: total) }
        }
        if rows.upperBound == plane.height {
            for y in 0..<margin { (plane.row(plane.height + y) - margin).update(from: plane.row(plane.height - 1) - margin, count: total) }
        }
    }
}
