// SPDX-License-Identifier: GPL-2.0-or-later
import Foundation
import Testing

@testable import VeilLab

/// The first 100 binary digits of pi, as the examples of SP 800-22 use them.
private let pi100 = BitSequence(
    """
    11001001000011111101101010100010001000010110100011000010001101001100010011000110011000101000101110\
    00
    """)

/// The first `count` binary digits of e, its integer part among them.
private func digitsOfE(_ count: Int) -> BitSequence {
    let words = count / 64 + 4
    // Horner's scheme from the last term: e = 1 + 1/1 (1 + 1/2 (1 + 1/3 ...)), three terms a division; `fraction` is
    // what is below 1. Most significant word first; the value is whole + fraction.
    var fraction = [UInt64](repeating: 0, count: words)
    var whole: UInt64 = 1
    var n = 3
    var logarithm = 0.0
    var last = 1
    while logarithm < Double(words * 64 + 64) {
        last += 1
        logarithm += bits(last)
    }
    n = (last + 2) / 3 * 3
    while n > 0 {
        // 1 + (1 + (1 + x / n) / (n - 1)) / (n - 2) = (n (n-1) (n-2) + n (n-1) + n + x) / (n (n-1) (n-2))
        let (a, b, c) = (UInt64(n), UInt64(n - 1), UInt64(n - 2))
        let divisor = a * b * c
        let top = a * b + a + whole
        var remainder = top % divisor
        whole = 1 + top / divisor
        // Terms far down are small: their upper words are zero, which costs nothing to divide once the remainder is.
        for i in fraction.indices {
            let (q, r) = divisor.dividingFullWidth((remainder, fraction[i]))
            fraction[i] = q
            remainder = r
        }
        n -= 3
    }
    var result: [UInt8] = [1, 0]
    precondition(whole == 2)
    for word in fraction { for k: UInt64 in 0..<64 { result.append(UInt8(word >> (63 - k) & 1)) } }
    return BitSequence(bits: Array(result.prefix(count)))
}

private func bits(_ n: Int) -> Double {
    var v = Double(n)
    var b = 0.0
    while v >= 2 {
        v /= 2
        b += 1
    }
    return b
}

private func close(_ results: [TestResult], _ expected: Double...) -> Bool {
    zip(results, expected).allSatisfy { abs(($0.pValue ?? -1) - $1) < 0.000_002 } && results.count >= expected.count
}

/// The worked examples of sections 2.1 to 2.15.
@Test func shortExamplesGiveTheirPublishedValues() throws {
    typealias T = StatisticalTests
    #expect(close(T.frequency(BitSequence("1011010101")), 0.527089))
    #expect(close(T.frequency(pi100), 0.109599))
    #expect(close(T.blockFrequency(BitSequence("0110011010"), blockLength: 3), 0.801252))
    #expect(close(T.blockFrequency(pi100, blockLength: 10), 0.706438))
    #expect(close(T.runs(BitSequence("1001101011")), 0.147232))
    #expect(close(T.runs(pi100), 0.500798))
    let longest = BitSequence(
        """
        110011000001010101101100010011001110000000000010010011010101000100010011110101101000000011010111\
        11001100111001101101100010110010
        """)
    #expect(abs((T.longestRun(longest)[0].pValue ?? 0) - 0.180609) < 0.00002)
    // The two printed examples of 2.6 (0.029523, 0.168669) have one peak fewer below the threshold than the transform
    // has: 5 of 5 and 47 of 50 are. The digits of e below agree.
    #expect(close(T.spectral(BitSequence("1001010011")), 0.468160))
    #expect(close(T.spectral(pi100), 0.646355))
    #expect(
        close(
            T.nonOverlappingTemplates(BitSequence("10100100101110010110"), length: 3, blocks: 2, templates: [0b001]),
            0.344154))
    // The example of 2.8 counts a block twice; its probabilities are right.
    for (p, published) in zip(
        T.overlapProbabilities(1.125), [0.324652, 0.182617, 0.142670, 0.106645, 0.077147, 0.166269])
    {
        #expect(abs(p - published) < 0.000_001)
    }
    #expect(T.complexity([1, 1, 0, 1, 0, 1, 1, 1, 1, 0, 0, 0, 1][...]) == 4)
    #expect(close(T.serial(BitSequence("0011011101"), length: 3), 0.808792, 0.670320))
    #expect(close(T.approximateEntropy(BitSequence("0100110101"), length: 3), 0.261961))
    #expect(close(T.approximateEntropy(pi100, length: 2), 0.235301))
    #expect(abs((T.cumulativeSums(BitSequence("1011010111"))[0].pValue ?? 0) - 0.4116588) < 0.00001)
    #expect(close(T.cumulativeSums(pi100), 0.219194, 0.114866))
    let excursions = T.randomExcursions(BitSequence("0110110101"), leastCycles: 0)
    // Printed as 0.502529, made with probabilities of four digits.
    #expect(close(excursions.filter { $0.test == "RandomExcursions" && $0.variant == "x=1" }, 0.502488))
    #expect(close(excursions.filter { $0.test == "RandomExcursionsVariant" && $0.variant == "x=1" }, 0.683091))
    #expect(T.aperiodicTemplates(length: 9).count == 148)
}

/// Appendix B: the first 10^6 binary digits of e.
@Test func digitsOfEGiveTheirPublishedValues() throws {
    let e = digitsOfE(1_000_000)
    let results = StatisticalTests.all(e)
    #expect(results.count == 188)
    func p(_ test: String, _ variant: String = "") throws -> Double {
        try #require(results.first { $0.test == test && $0.variant == variant }?.pValue)
    }
    let published: [(String, String, Double)] = [
        ("Frequency", "", 0.953749), ("BlockFrequency", "", 0.211072), ("CumulativeSums", "forward", 0.669887),
        ("CumulativeSums", "backward", 0.724266), ("Runs", "", 0.561917), ("LongestRun", "", 0.718945),
        ("Rank", "", 0.306156),
        ("Spectral", "", 0.847187), ("NonOverlappingTemplate", "000000001", 0.078790),
        ("Universal", "", 0.282568), ("ApproximateEntropy", "", 0.700073), ("RandomExcursions", "x=1", 0.786868),
        ("RandomExcursionsVariant", "x=-1", 0.826009), ("Serial", "1", 0.766182),
    ]
    for (test, variant, value) in published {
        let found = try p(test, variant)
        #expect(abs(found - value) < 0.000_01, "\(test) \(variant): \(found)")
    }
    // Printed with the asymptotic probabilities that 3.8 corrects.
    #expect(abs((StatisticalTests.overlappingTemplate(e, asymptotic: true)[0].pValue ?? -1) - 0.110434) < 0.000_01)
    // Printed as 0.826335, made with a probability of 0.01047 where section 3.10 has 0.010417.
    let complexity = try p("LinearComplexity")
    #expect(abs(complexity - 0.826335) < 0.005)
    let rank = StatisticalTests.matrixRank(BitSequence(bits: Array(e.bits.prefix(100_000))))[0].pValue ?? -1
    #expect(abs(rank - 0.532069) < 0.000_01)
}

@Test func badSequencesFail() {
    let alternating = BitSequence(bits: (0..<1_000_000).map { UInt8($0 & 1) })
    var report = RandomnessReport()
    report.add(StatisticalTests.all(alternating))
    let failed = Set(report.rows.filter { $0.passed == 0 && $0.sequences > 0 }.map(\.test))
    #expect(
        failed.isSuperset(of: [
            "Runs", "LongestRun", "Rank", "Spectral", "OverlappingTemplate", "Universal", "LinearComplexity", "Serial",
            "ApproximateEntropy",
        ]))
    // A shift register of 31 bits is linear.
    var state: UInt32 = 1
    let register = BitSequence(
        bits: (0..<1_000_000).map { _ in
            state = state << 1 | (state >> 30 ^ state >> 27) & 1
            return UInt8(state & 1)
        })
    #expect((StatisticalTests.linearComplexity(register)[0].pValue ?? 1) < 1e-10)
    #expect((StatisticalTests.matrixRank(register)[0].pValue ?? 1) < 1e-10)
}

@Test func transformsOfAnyLengthAreExact() {
    for n in [1, 2, 10, 12, 37, 60, 74, 77, 100, 101, 128, 250, 997] {
        let values = (0..<n).map { Double(($0 * 7919 + 3) % 5) - 2 }
        let fast = FourierTransform(count: n).magnitudes(values)
        for k in 0..<(n / 2) {
            var re = 0.0
            var im = 0.0
            for (i, v) in values.enumerated() {
                let angle = -2 * Double.pi * Double(i * k % n) / Double(n)
                re += v * cos(angle)
                im += v * sin(angle)
            }
            #expect(abs((re * re + im * im).squareRoot() - fast[k]) < 1e-9)
        }
    }
}
