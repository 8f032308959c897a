// SPDX-License-Identifier: GPL-2.0-or-later
import VeilSystem

extension StatisticalTests {
    /// 2.5 Rank of binary matrices of `size` x `size` (at most 64).
    public static func matrixRank(_ s: BitSequence, size: Int = 32) -> [TestResult] {
        let matrices = s.count / (size * size)
        guard matrices > 0 else { return [TestResult("Rank", "", nil)] }
        func probability(_ rank: Int) -> Double {
            var product = pow(2, Double(rank * (2 * size - rank) - size * size))
            for i in 0..<rank {
                let f = 1 - pow(2, Double(i - size))
                product *= f * f / (1 - pow(2, Double(i - rank)))
            }
            return product
        }
        let full = probability(size)
        let less = probability(size - 1)
        var counts = [0, 0, 0]
        var rows = [UInt64](repeating: 0, count: size)
        for k in 0..<matrices {
            var at = k * size * size
            for r in 0..<size {
                var row: UInt64 = 0
                for _ in 0..<size {
                    row = row << 1 | UInt64(s.bits[at])
                    at += 1
                }
                rows[r] = row
            }
            counts[min(size - rank(rows), 2)] += 1
        }
        let chi = chiSquare(counts, [full, less, 1 - full - less].map { $0 * Double(matrices) })
        return [TestResult("Rank", "", exp(-chi / 2))]
    }

    /// The rank over GF(2).
    static func rank(_ matrix: [UInt64]) -> Int {
        var rows = matrix
        var rank = 0
        while let pivot = rows.popLast() {
            if pivot == 0 { continue }
            rank += 1
            let low = pivot & (0 &- pivot)
            for i in rows.indices where rows[i] & low != 0 { rows[i] ^= pivot }
        }
        return rank
    }

    /// 2.10 Linear complexity of blocks of `blockLength` bits.
    public static func linearComplexity(_ s: BitSequence, blockLength m: Int = 500) -> [TestResult] {
        let blocks = s.count / m
        guard blocks > 0 else { return [TestResult("LinearComplexity", "", nil)] }
        // The publication's 3.10 gives 0.010417; its own figures were made with 0.01047.
        let probabilities = [0.010417, 0.03125, 0.125, 0.5, 0.25, 0.0625, 0.020833]
        let sign = m % 2 == 0 ? 1.0 : -1.0
        let mean = Double(m) / 2 + (9 - sign) / 36 - (Double(m) / 3 + 2.0 / 9) / pow(2, Double(m))
        var counts = [Int](repeating: 0, count: 7)
        for b in 0..<blocks {
            let t = sign * (Double(complexity(s.bits[(b * m)..<((b + 1) * m)])) - mean) + 2.0 / 9
            counts[min(max(Int((t + 2.5).rounded(.up)), 0), 6)] += 1
        }
        return [
            TestResult(
                "LinearComplexity", "", igamc(3, chiSquare(counts, probabilities.map { $0 * Double(blocks) }) / 2))
        ]
    }

    /// The length of the shortest linear feedback shift register that makes the bits (Berlekamp and Massey), on words
    /// of bits.
    static func complexity(_ bits: ArraySlice<UInt8>) -> Int {
        let n = bits.count
        let words = n / 64 + 2
        // Connection polynomials; bit i of `past` is the bit i steps ago.
        var c = [UInt64](repeating: 0, count: words)
        var b = c
        var past = c
        c[0] = 1
        b[0] = 1
        var length = 0
        var since = 1
        c.withUnsafeMutableBufferPointer { c in
            b.withUnsafeMutableBufferPointer { b in
                past.withUnsafeMutableBufferPointer { past in
                    var saved = [UInt64](repeating: 0, count: words)
                    for (i, bit) in bits.enumerated() {
                        let used = min(i / 64 + 1, words)
                        var carry = UInt64(bit)
                        for w in 0..<used {
                            let top = past[w] >> 63
                            past[w] = past[w] << 1 | carry
                            carry = top
                        }
                        var parity: UInt64 = 0
                        for w in 0..<used { parity ^= c[w] & past[w] }
                        if parity.nonzeroBitCount & 1 == 0 {
                            since += 1
                            continue
                        }
                        let grows = 2 * length <= i
                        if grows { for w in 0..<words { saved[w] = c[w] } }
                        let (wordShift, bitShift) = (since >> 6, UInt64(since & 63))
                        for w in stride(from: words - 1, through: wordShift, by: -1) {
                            var v = b[w - wordShift] << bitShift
                            if bitShift > 0 && w > wordShift { v |= b[w - wordShift - 1] >> (64 - bitShift) }
                            c[w] ^= v
                        }
                        if grows {
                            length = i + 1 - length
                            for w in 0..<words { b[w] = saved[w] }
                            since = 1
                        } else {
                            since += 1
                        }
                    }
                }
            }
        }
        return length
    }

    /// 2.14 Random excursions and 2.15 their variant, over the cycles of the random walk.
    public static func randomExcursions(_ s: BitSequence, leastCycles: Int? = nil) -> [TestResult] {
        var visits = [[Int]](repeating: [Int](repeating: 0, count: 6), count: 8)
        var inCycle = [Int](repeating: 0, count: 8)
        var total = [Int](repeating: 0, count: 19)
        var cycles = 0
        var sum = 0
        func endCycle() {
            cycles += 1
            for i in 0..<8 {
                visits[i][min(inCycle[i], 5)] += 1
                inCycle[i] = 0
            }
        }
        for bit in s.bits {
            sum += bit != 0 ? 1 : -1
            if sum == 0 {
                endCycle()
            } else if abs(sum) <= 9 {
                total[sum + 9] += 1
                if abs(sum) <= 4 { inCycle[sum < 0 ? sum + 4 : sum + 3] += 1 }
            }
        }
        if sum != 0 { endCycle() }
        let j = Double(cycles)
        let applies = cycles >= leastCycles ?? max(Int(0.005 * Double(s.count).squareRoot()), 500)
        let states = [-4, -3, -2, -1, 1, 2, 3, 4]
        var results = states.enumerated().map { i, x -> TestResult in
            guard applies else { return TestResult("RandomExcursions", "x=\(x)", nil) }
            let a = abs(Double(x))
            let q = 1 - 1 / (2 * a)
            var probabilities = [q]
            for k in 1...4 { probabilities.append(pow(q, Double(k - 1)) / (4 * a * a)) }
            probabilities.append(pow(q, 4) / (2 * a))
            return TestResult(
                "RandomExcursions", "x=\(x)", igamc(2.5, chiSquare(visits[i], probabilities.map { $0 * j }) / 2))
        }
        for x in -9...9 where x != 0 {
            let p = erfc(abs(Double(total[x + 9]) - j) / (2 * j * (4 * abs(Double(x)) - 2)).squareRoot())
            results.append(TestResult("RandomExcursionsVariant", "x=\(x)", applies ? p : nil))
        }
        return results
    }
}
