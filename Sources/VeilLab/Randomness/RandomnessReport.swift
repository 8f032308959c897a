// SPDX-License-Identifier: GPL-2.0-or-later
import VeilSystem

extension StatisticalTests {
    /// All fifteen tests with the parameters of SP 800-22's recommendations: 188 p-values for a sequence of 10^6 bits.
    public static func all(_ s: BitSequence, plan: FourierPlan? = nil) -> [TestResult] {
        frequency(s) + blockFrequency(s) + runs(s) + longestRun(s) + matrixRank(s) + spectral(s, transform: plan)
            + nonOverlappingTemplates(s) + overlappingTemplate(s) + universal(s) + linearComplexity(s) + serial(s)
            + approximateEntropy(s)
            + cumulativeSums(s) + randomExcursions(s)
    }
}

/// Gathers the p-values of many sequences and judges them as SP 800-22, 4.2 does.
public struct RandomnessReport: Sendable {
    public struct Row: Sendable, Codable {
        public var test: String
        public var variant: String
        /// Sequences to which the test applied, and those with p >= 0.01.
        public var sequences: Int
        public var passed: Int
        /// Least number of passes that three standard deviations allow (4.2.1).
        public var least: Int
        /// P-value of the uniformity of the p-values (4.2.2); at least 0.0001 is asked for. Nil under 55 sequences.
        public var uniformity: Double?
        public var proportionHolds: Bool { passed >= least }
        public var uniformityHolds: Bool { uniformity.map { $0 >= 0.0001 } ?? true }
    }

    public static let significance = 0.01
    private var order: [String] = []
    private var values: [String: (test: String, variant: String, pValues: [Double])] = [:]

    public init() {}

    public mutating func add(_ results: [TestResult]) {
        for r in results {
            let key = r.test + " " + r.variant
            if values[key] == nil {
                order.append(key)
                values[key] = (r.test, r.variant, [])
            }
            if let p = r.pValue { values[key]?.pValues.append(p) }
        }
    }

    /// One row for every p-value that the tests give.
    public var rows: [Row] {
        order.compactMap { values[$0] }.map { test, variant, p in
            let count = Double(p.count)
            let wanted = 1 - Self.significance
            let least = count * (wanted - 3 * (wanted * Self.significance / max(count, 1)).squareRoot())
            var uniformity: Double?
            if p.count >= 55 {
                var bins = [Int](repeating: 0, count: 10)
                for value in p { bins[min(Int(value * 10), 9)] += 1 }
                uniformity = igamc(4.5, chiSquare(bins, [Double](repeating: count / 10, count: 10)) / 2)
            }
            return Row(
                test: test, variant: variant, sequences: p.count, passed: p.filter { $0 >= Self.significance }.count,
                least: max(Int(least.rounded(.up)), 0), uniformity: uniformity)
        }
    }

    /// The rows of each test drawn together: the worst proportion, the worst uniformity, and how many rows miss either.
    public struct Summary: Sendable, Codable {
        public var test: String
        public var rows: Int
        public var worst: Row
        public var worstUniformity: Double?
        public var missedProportions: Int
        public var missedUniformities: Int
    }

    /// Tests that none of the sequences is long enough for, or that none has the runs for.
    public var notApplicable: [String] {
        let applied = Set(rows.filter { $0.sequences > 0 }.map(\.test))
        var result: [String] = []
        for row in rows where !applied.contains(row.test) && !result.contains(row.test) { result.append(row.test) }
        return result
    }

    public var summaries: [Summary] {
        var result: [Summary] = []
        for row in rows where row.sequences > 0 {
            if let i = result.firstIndex(where: { $0.test == row.test }) {
                result[i].rows += 1
                let known = result[i].worst
                if Double(row.passed) / Double(row.sequences) < Double(known.passed) / Double(known.sequences) {
                    result[i].worst = row
                }
                if let u = row.uniformity { result[i].worstUniformity = min(result[i].worstUniformity ?? 1, u) }
                if !row.proportionHolds { result[i].missedProportions += 1 }
                if !row.uniformityHolds { result[i].missedUniformities += 1 }
            } else {
                result.append(
                    Summary(
                        test: row.test, rows: 1, worst: row, worstUniformity: row.uniformity,
                        missedProportions: row.proportionHolds ? 0 : 1, missedUniformities: row.uniformityHolds ? 0 : 1)
                )
            }
        }
        return result
    }
}
