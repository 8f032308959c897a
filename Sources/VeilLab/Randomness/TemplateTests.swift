// SPDX-License-Identifier: GPL-2.0-or-later
import VeilSystem

extension StatisticalTests {
    /// Templates of `length` bits that no shift of themselves overlaps, as numbers, first bit highest.
    public static func aperiodicTemplates(length m: Int) -> [Int] {
        (0..<(1 << m)).filter { value in
            // A shift by k overlaps where the last m - k bits equal the first m - k.
            !(1..<m).contains { k in value & ((1 << (m - k)) - 1) == value >> k }
        }
    }

    /// 2.7 Non-overlapping template matching, in `blocks` blocks, with all aperiodic templates of `length` bits (or
    /// those given).
    public static func nonOverlappingTemplates(
        _ s: BitSequence, length m: Int = 9, blocks: Int = 8, templates: [Int]? = nil
    ) -> [TestResult] {
        let list = templates ?? aperiodicTemplates(length: m)
        let size = s.count / blocks
        var indexOf = [Int32](repeating: -1, count: 1 << m)
        for (i, t) in list.enumerated() { indexOf[t] = Int32(i) }
        let mean = Double(size - m + 1) / Double(1 << m)
        let variance = Double(size) * (1 / Double(1 << m) - Double(2 * m - 1) / Double(1 << (2 * m)))
        guard size >= m, variance > 0 else {
            return list.map { TestResult("NonOverlappingTemplate", name($0, m), nil) }
        }
        var chi = [Double](repeating: 0, count: list.count)
        for b in 0..<blocks {
            var counts = [Int](repeating: 0, count: list.count)
            // After a match the window of that template begins anew behind it.
            var free = [Int](repeating: 0, count: list.count)
            var position = 0
            BitSequence(bits: Array(s.bits[(b * size)..<((b + 1) * size)])).windows(m, wrapping: false) { value in
                let i = Int(indexOf[value])
                if i >= 0, position >= free[i] {
                    counts[i] += 1
                    free[i] = position + m
                }
                position += 1
            }
            for i in list.indices { chi[i] += (Double(counts[i]) - mean) * (Double(counts[i]) - mean) / variance }
        }
        return zip(list, chi).map {
            TestResult("NonOverlappingTemplate", name($0, m), igamc(Double(blocks) / 2, $1 / 2))
        }
    }

    private static func name(_ template: Int, _ m: Int) -> String {
        (0..<m).map { template >> (m - 1 - $0) & 1 != 0 ? "1" : "0" }.joined()
    }

    /// 2.8 Overlapping template matching with the template of `length` ones. `asymptotic` takes the publication's
    /// first probabilities also where 3.8 has exact ones.
    public static func overlappingTemplate(
        _ s: BitSequence, length m: Int = 9, blockLength size: Int = 1032, asymptotic: Bool = false
    ) -> [TestResult] {
        let blocks = s.count / size
        guard blocks > 0 else { return [TestResult("OverlappingTemplate", "", nil)] }
        let lambda = Double(size - m + 1) / Double(1 << m)
        let probabilities =
            m == 9 && size == 1032 && !asymptotic
            ? [0.364091, 0.185659, 0.139381, 0.100571, 0.0704323, 0.139865] : overlapProbabilities(lambda / 2)
        var counts = [Int](repeating: 0, count: 6)
        for b in 0..<blocks {
            var found = 0
            var run = 0
            for i in (b * size)..<((b + 1) * size) {
                run = s.bits[i] != 0 ? run + 1 : 0
                if run >= m { found += 1 }
            }
            counts[min(found, 5)] += 1
        }
        return [
            TestResult(
                "OverlappingTemplate", "", igamc(2.5, chiSquare(counts, probabilities.map { $0 * Double(blocks) }) / 2))
        ]
    }

    /// Probabilities of 0, 1, 2, 3, 4 and more matches, with eta = lambda / 2 (3.8).
    static func overlapProbabilities(_ eta: Double) -> [Double] {
        var result: [Double] = []
        for u in 0..<5 {
            if u == 0 {
                result.append(exp(-eta))
                continue
            }
            var sum = 0.0
            for l in 1...u {
                var exponent: Double = -eta - Double(u) * log(2)
                exponent += Double(l) * log(eta) - lgamma(Double(l + 1))
                exponent += lgamma(Double(u)) - lgamma(Double(l)) - lgamma(Double(u - l + 1))
                sum += exp(exponent)
            }
            result.append(sum)
        }
        return result + [1 - result.reduce(0, +)]
    }

    /// 2.9 Maurer's universal statistical test.
    public static func universal(_ s: BitSequence, blockLength: Int? = nil, initialBlocks: Int? = nil) -> [TestResult] {
        // Least lengths for L = 6, 7, ...
        let least = [
            387_840, 904_960, 2_068_480, 4_654_080, 10_342_400, 22_753_280, 49_643_520, 107_560_960, 231_669_760,
            496_435_200,
        ]
        guard let length = blockLength ?? least.lastIndex(where: { $0 <= s.count }).map({ $0 + 6 }) else {
            return [TestResult("Universal", "", nil)]
        }
        let expected = [
            0.7326495, 1.5374383, 2.4016068, 3.3112247, 4.2534266, 5.2177052, 6.1962507, 7.1836656, 8.1764248,
            9.1723243, 10.170032,
            11.168765, 12.168070, 13.167693, 14.167488, 15.167379,
        ]
        let variances = [
            0.690, 1.338, 1.901, 2.358, 2.705, 2.954, 3.125, 3.238, 3.311, 3.356, 3.384, 3.401, 3.410, 3.416, 3.419,
            3.421,
        ]
        let q = initialBlocks ?? 10 << length
        let k = s.count / length - q
        guard k > 0 else { return [TestResult("Universal", "", nil)] }
        var last = [Int](repeating: 0, count: 1 << length)
        var sum = 0.0
        for block in 1...(q + k) {
            var value = 0
            for i in ((block - 1) * length)..<(block * length) { value = value << 1 | Int(s.bits[i]) }
            if block > q { sum += log2(Double(block - last[value])) }
            last[value] = block
        }
        let l = Double(length)
        let c = 0.7 - 0.8 / l + (4 + 32 / l) * pow(Double(k), -3 / l) / 15
        let sigma = c * (variances[length - 1] / Double(k)).squareRoot()
        return [
            TestResult("Universal", "", erfc(abs(sum / Double(k) - expected[length - 1]) / (2.0.squareRoot() * sigma)))
        ]
    }

    /// 2.11 Serial.
    public static func serial(_ s: BitSequence, length m: Int = 16) -> [TestResult] {
        func psi(_ m: Int) -> Double {
            if m == 0 { return 0 }
            var counts = [Int](repeating: 0, count: 1 << m)
            counts.withUnsafeMutableBufferPointer { c in s.windows(m, wrapping: true) { c[$0] += 1 } }
            let squares = counts.reduce(0.0) { $0 + Double($1) * Double($1) }
            return squares * Double(1 << m) / Double(s.count) - Double(s.count)
        }
        let (a, b, c) = (psi(m), psi(m - 1), psi(m - 2))
        return [
            TestResult("Serial", "1", igamc(Double(1 << (m - 1)) / 2, (a - b) / 2)),
            TestResult("Serial", "2", igamc(Double(1 << (m - 2)) / 2, (a - 2 * b + c) / 2)),
        ]
    }

    /// 2.12 Approximate entropy.
    public static func approximateEntropy(_ s: BitSequence, length m: Int = 10) -> [TestResult] {
        func phi(_ m: Int) -> Double {
            if m == 0 { return 0 }
            var counts = [Int](repeating: 0, count: 1 << m)
            counts.withUnsafeMutableBufferPointer { c in s.windows(m, wrapping: true) { c[$0] += 1 } }
            let n = Double(s.count)
            return counts.reduce(0.0) { $0 + ($1 > 0 ? Double($1) / n * log(Double($1) / n) : 0) }
        }
        let chi = 2 * Double(s.count) * (log(2) - (phi(m) - phi(m + 1)))
        return [TestResult("ApproximateEntropy", "", igamc(Double(1 << (m - 1)), chi / 2))]
    }
}
