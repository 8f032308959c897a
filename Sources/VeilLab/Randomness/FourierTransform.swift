// SPDX-License-Identifier: GPL-2.0-or-later
import VeilSystem

/// The discrete Fourier transform of one length, O(n log n): Stockham's self-sorting algorithm with radices 4, 2, 3, 5
/// and small primes; where larger ones are left, Bluestein's, a convolution whose length is a power of 2.
final class FourierTransform {
    let count: Int
    private let radices: [Int]
    private let convolution: Convolution?
    /// Radices above cost more than a convolution.
    private static let largestRadix = 31
    /// exp(-2 pi i k / count).
    private let cosines: [Double]
    private let sines: [Double]

    init(count: Int) {
        self.count = count
        var radices: [Int] = []
        var rest = count
        for p in [4, 2, 3, 5] {
            while rest % p == 0 {
                radices.append(p)
                rest /= p
            }
        }
        var p = 7
        while rest > 1 {
            if p * p > rest { p = rest }
            while rest % p == 0 {
                radices.append(p)
                rest /= p
            }
            p += 2
        }
        self.radices = radices
        guard radices.allSatisfy({ $0 <= Self.largestRadix }) else {
            convolution = Convolution(count: count)
            (cosines, sines) = ([], [])
            return
        }
        convolution = nil
        cosines = (0..<count).map { cos(2 * Double.pi * Double($0) / Double(count)) }
        sines = (0..<count).map { -sin(2 * Double.pi * Double($0) / Double(count)) }
    }

    /// Magnitudes of the first count / 2 values of the transform of real `values`.
    func magnitudes(_ values: [Double]) -> [Double] {
        precondition(values.count == count)
        var re = values
        var im = [Double](repeating: 0, count: count)
        transform(&re, &im)
        return (0..<(count / 2)).map { (re[$0] * re[$0] + im[$0] * im[$0]).squareRoot() }
    }

    /// Of complex values, in place.
    private func transform(_ re: inout [Double], _ im: inout [Double]) {
        if let convolution { return convolution.transform(&re, &im) }
        var outRe = im
        var outIm = im
        var n = count
        var stride = 1
        for p in radices {
            let m = n / p
            re.withUnsafeBufferPointer { xr in
                im.withUnsafeBufferPointer { xi in
                    outRe.withUnsafeMutableBufferPointer { yr in
                        outIm.withUnsafeMutableBufferPointer { yi in
                            pass(p, m, stride, xr.baseAddress!, xi.baseAddress!, yr.baseAddress!, yi.baseAddress!)
                        }
                    }
                }
            }
            swap(&re, &outRe)
            swap(&im, &outIm)
            n = m
            stride *= p
        }
    }

    /// Bluestein's algorithm: with w[k] = exp(-pi i k^2 / n), X[k] = w[k] * sum over j of x[j] w[j] conj(w[k - j]).
    private final class Convolution {
        private let inner: FourierTransform
        private let chirp: (re: [Double], im: [Double])
        /// Transform of conj(w), wrapped around.
        private let filter: (re: [Double], im: [Double])

        init(count: Int) {
            var length = 1
            while length < 2 * count - 1 { length *= 2 }
            inner = FourierTransform(count: length)
            // k^2 modulo 2n keeps the angle exact.
            let angles = (0..<count).map { Double.pi * Double($0 * $0 % (2 * count)) / Double(count) }
            chirp = (angles.map { cos($0) }, angles.map { -sin($0) })
            var (re, im) = ([Double](repeating: 0, count: length), [Double](repeating: 0, count: length))
            for k in 0..<count {
                for at in [k, (length - k) % length] {
                    re[at] = chirp.re[k]
                    im[at] = -chirp.im[k]
                }
            }
            inner.transform(&re, &im)
            filter = (re, im)
        }

        func transform(_ re: inout [Double], _ im: inout [Double]) {
            let (count, length) = (re.count, inner.count)
            var (a, b) = ([Double](repeating: 0, count: length), [Double](repeating: 0, count: length))
            for k in 0..<count {
                a[k] = re[k] * chirp.re[k] - im[k] * chirp.im[k]
                b[k] = re[k] * chirp.im[k] + im[k] * chirp.re[k]
            }
            inner.transform(&a, &b)
            // The inverse is the transform of the conjugate, conjugated.
            for k in 0..<length {
                let (x, y) = (a[k], b[k])
                a[k] = x * filter.re[k] - y * filter.im[k]
                b[k] = -(x * filter.im[k] + y * filter.re[k])
            }
            inner.transform(&a, &b)
            let scale = 1 / Double(length)
            for k in 0..<count {
                let (x, y) = (a[k] * scale, -b[k] * scale)
                re[k] = x * chirp.re[k] - y * chirp.im[k]
                im[k] = x * chirp.im[k] + y * chirp.re[k]
            }
        }
    }

    /// One pass: sequences of p values, m * stride apart, are transformed, turned, and stored together.
    private func pass(
        _ p: Int, _ m: Int, _ s: Int, _ xr: UnsafePointer<Double>, _ xi: UnsafePointer<Double>,
        _ yr: UnsafeMutablePointer<Double>,
        _ yi: UnsafeMutablePointer<Double>
    ) {
        cosines.withUnsafeBufferPointer { cw in
            sines.withUnsafeBufferPointer { sw in
                let step = m * s
                for j in 0..<m {
                    let base = j * s
                    let to = j * s * p
                    if p == 4 {
                        let (c1, s1) = (cw[base], sw[base])
                        let (c2, s2) = (cw[2 * base], sw[2 * base])
                        let (c3, s3) = (cw[3 * base], sw[3 * base])
                        for k in 0..<s {
                            let i = base + k
                            let (ar, ai) = (xr[i] + xr[i + 2 * step], xi[i] + xi[i + 2 * step])
                            let (br, bi) = (xr[i] - xr[i + 2 * step], xi[i] - xi[i + 2 * step])
                            let (cr, ci) = (xr[i + step] + xr[i + 3 * step], xi[i + step] + xi[i + 3 * step])
                            // -i (x1 - x3)
                            let (dr, di) = (xi[i + step] - xi[i + 3 * step], xr[i + 3 * step] - xr[i + step])
                            let o = to + k
                            yr[o] = ar + cr
                            yi[o] = ai + ci
                            let (er, ei) = (br + dr, bi + di)
                            yr[o + s] = er * c1 - ei * s1
                            yi[o + s] = er * s1 + ei * c1
                            let (fr, fi) = (ar - cr, ai - ci)
                            yr[o + 2 * s] = fr * c2 - fi * s2
                            yi[o + 2 * s] = fr * s2 + fi * c2
                            let (gr, gi) = (br - dr, bi - di)
                            yr[o + 3 * s] = gr * c3 - gi * s3
                            yi[o + 3 * s] = gr * s3 + gi * c3
                        }
                    } else {
                        let turn = count / p
                        for t in 0..<p {
                            let (ct, st) = (cw[t * base % count], sw[t * base % count])
                            let o = to + t * s
                            for k in 0..<s {
                                var sumR = 0.0
                                var sumI = 0.0
                                var at = 0
                                for r in 0..<p {
                                    let (c, w) = (cw[at], sw[at])
                                    let (vr, vi) = (xr[base + k + r * step], xi[base + k + r * step])
                                    sumR += vr * c - vi * w
                                    sumI += vr * w + vi * c
                                    at += t * turn
                                    while at >= count { at -= count }
                                }
                                yr[o + k] = sumR * ct - sumI * st
                                yi[o + k] = sumR * st + sumI * ct
                            }
                        }
                    }
                }
            }
        }
    }
}
