// SPDX-License-Identifier: GPL-2.0-or-later
import VeilSystem

/// The incomplete gamma function Q(a, x) = 1 - P(a, x) (SP 800-22, 5.5.3): by its series for x < a + 1, by the
/// continued fraction (modified Lentz) otherwise.
func igamc(_ a: Double, _ x: Double) -> Double {
    guard x > 0, a > 0 else { return 1 }
    let scale = exp(a * log(x) - x - lgamma(a))
    if x < a + 1 {
        var term = 1 / a
        var sum = term
        var k = a
        repeat {
            k += 1
            term *= x / k
            sum += term
        } while term > sum * 1e-16
        return max(0, 1 - scale * sum)
    }
    let tiny = 1e-300
    var b = x + 1 - a
    var c = 1 / tiny
    var d = 1 / b
    var h = d
    for i in 1..<100_000 {
        let an = -Double(i) * (Double(i) - a)
        b += 2
        d = an * d + b
        if abs(d) < tiny { d = tiny }
        c = b + an / c
        if abs(c) < tiny { c = tiny }
        d = 1 / d
        let delta = d * c
        h *= delta
        if abs(delta - 1) < 1e-15 { break }
    }
    return scale * h
}

/// The standard normal distribution function.
func normalDistribution(_ x: Double) -> Double { 0.5 * erfc(-x / 2.0.squareRoot()) }

/// Pearson's statistic of observed counts against expected ones.
func chiSquare(_ observed: [Int], _ expected: [Double]) -> Double {
    zip(observed, expected).reduce(0) { $0 + (Double($1.0) - $1.1) * (Double($1.0) - $1.1) / $1.1 }
}
