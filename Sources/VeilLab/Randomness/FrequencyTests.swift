// SPDX-License-Identifier: GPL-2.0-or-later
import VeilSystem

/// The tests of NIST SP 800-22 revision 1a, each named by its section. All take the bits of one sequence and give
/// p-values.
public enum StatisticalTests {
    /// 2.1 Frequency (monobit).
    public static func frequency(_ s: BitSequence) -> [TestResult] {
        let n = s.count
        let ones = s.bits.reduce(0) { $0 + Int($1) }
        return [
            TestResult("Frequency", "", erfc(abs(Double(2 * ones - n)) / Double(n).squareRoot() / 2.0.squareRoot()))
        ]
    }

    /// 2.2 Frequency within blocks of `blockLength` bits.
    public static func blockFrequency(_ s: BitSequence, blockLength m: Int = 128) -> [TestResult] {
        let blocks = s.count / m
        guard blocks > 0 else { return [TestResult("BlockFrequency", "", nil)] }
        var sum = 0.0
        for b in 0..<blocks {
            var ones = 0
            for i in (b * m)..<((b + 1) * m) { ones += Int(s.bits[i]) }
            let deviation = Double(ones) / Double(m) - 0.5
            sum += deviation * deviation
        }
        return [TestResult("BlockFrequency", "", igamc(Double(blocks) / 2, 2 * Double(m) * sum))]
    }

    /// 2.3 Runs.
    public static func runs(_ s: BitSequence) -> [TestResult] {
        let n = Double(s.count)
        let pi = Double(s.bits.reduce(0) { $0 + Int($1) }) / n
        // The frequency test fails already.
        if abs(pi - 0.5) >= 2 / n.squareRoot() { return [TestResult("Runs", "", 0)] }
        var runs = 1
        for i in 1..<s.count where s.bits[i] != s.bits[i - 1] { runs += 1 }
        let expected = 2 * n * pi * (1 - pi)
        return [TestResult("Runs", "", erfc(abs(Double(runs) - expected) / (2 * (2 * n).squareRoot() * pi * (1 - pi))))]
    }

    /// 2.4 Longest run of ones in a block.
    public static func longestRun(_ s: BitSequence) -> [TestResult] {
        let n = s.count
        let (m, lowest, probabilities): (Int, Int, [Double])
        switch n {
        case ..<128: return [TestResult("LongestRun", "", nil)]
        case ..<6272: (m, lowest, probabilities) = (8, 1, [0.21484375, 0.3671875, 0.23046875, 0.1875])
        case ..<750_000:
            (m, lowest, probabilities) = (
                128, 4, [0.1174035788, 0.242955959, 0.249363483, 0.17517706, 0.102701071, 0.112398847]
            )
        default: (m, lowest, probabilities) = (10000, 10, [0.0882, 0.2092, 0.2483, 0.1933, 0.1208, 0.0675, 0.0727])
        }
        let blocks = n / m
        var counts = [Int](repeating: 0, count: probabilities.count)
        for b in 0..<blocks {
            var longest = 0
            var run = 0
            for i in (b * m)..<((b + 1) * m) {
                run = s.bits[i] != 0 ? run + 1 : 0
                longest = max(longest, run)
            }
            counts[min(max(longest - lowest, 0), counts.count - 1)] += 1
        }
        let chi = chiSquare(counts, probabilities.map { $0 * Double(blocks) })
        return [TestResult("LongestRun", "", igamc(Double(probabilities.count - 1) / 2, chi / 2))]
    }

    /// 2.13 Cumulative sums, forward and backward.
    public static func cumulativeSums(_ s: BitSequence) -> [TestResult] {
        let n = Double(s.count)
        func pValue(_ bits: some Sequence<UInt8>) -> Double {
            var sum = 0
            var largest = 0
            for bit in bits {
                sum += bit != 0 ? 1 : -1
                largest = max(largest, abs(sum))
            }
            let z = Double(largest)
            let root = n.squareRoot()
            var p = 1.0
            // The sums' bounds are cut towards zero, as the publication's examples have them.
            for k in Int((-n / z + 1) / 4)...Int((n / z - 1) / 4) {
                p -= normalDistribution(Double(4 * k + 1) * z / root) - normalDistribution(Double(4 * k - 1) * z / root)
            }
            for k in Int((-n / z - 3) / 4)...Int((n / z - 1) / 4) {
                p += normalDistribution(Double(4 * k + 3) * z / root) - normalDistribution(Double(4 * k + 1) * z / root)
            }
            return p
        }
        return [
            TestResult("CumulativeSums", "forward", pValue(s.bits)),
            TestResult("CumulativeSums", "backward", pValue(s.bits.reversed())),
        ]
    }

    /// 2.6 Discrete Fourier transform (spectral).
    public static func spectral(_ s: BitSequence, transform: FourierPlan? = nil) -> [TestResult] {
        let n = Double(s.count)
        let plan = transform?.transform.count == s.count ? transform! : FourierPlan(count: s.count)
        let magnitudes = plan.transform.magnitudes(s.bits.map { $0 != 0 ? 1 : -1 })
        let threshold = (log(1 / 0.05) * n).squareRoot()
        let below = Double(magnitudes.reduce(0) { $0 + ($1 < threshold ? 1 : 0) })
        let d = (below - 0.95 * n / 2) / (n * 0.95 * 0.05 / 4).squareRoot()
        return [TestResult("Spectral", "", erfc(abs(d) / 2.0.squareRoot()))]
    }
}

/// The tables of a Fourier transform, made once for many sequences of one length.
public struct FourierPlan: @unchecked Sendable {
    let transform: FourierTransform
    public init(count: Int) { transform = FourierTransform(count: count) }
}
