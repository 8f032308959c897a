// SPDX-License-Identifier: GPL-2.0-or-later

/// Likeness of the edges of two pictures at several sizes. Unlike ``EdgeMeasures/differentialRatio(_:_:)`` it does not
/// depend on how strong edges are: in each picture as many samples as `share` says are edges, the strongest ones.
public enum EdgeLikeness {
    public static let factors = [1, 2, 4]
    static let share = 0.1

    /// Edge maps of a luma plane as it is, at half and at a quarter of its size.
    public static func maps(_ plane: [UInt16], width: Int, height: Int) -> [[UInt8]] {
        factors.map { factor in
            let (w, h) = (width / factor, height / factor)
            var small = [UInt16](repeating: 0, count: w * h)
            for y in 0..<h {
                for x in 0..<w {
                    var sum = 0
                    for j in 0..<factor {
                        for i in 0..<factor { sum += Int(plane[(y * factor + j) * width + x * factor + i]) }
                    }
                    small[y * w + x] = UInt16(truncatingIfNeeded: sum * 4 / (factor * factor))
                }
            }
            return strongest(small, width: w, height: h)
        }
    }

    /// Maps of the blocks where a field is strongest, over squares of one block, four and sixteen.
    static func maps(_ field: GradientField) -> [[UInt8]] {
        factors.map { factor in
            let (columns, rows) = (max(field.columns / factor, 1), max(field.rows / factor, 1))
            var sums = [Float](repeating: 0, count: columns * rows)
            for y in 0..<min(field.rows, rows * factor) {
                for x in 0..<min(field.columns, columns * factor) {
                    let from = (y * field.columns + x) * GradientField.bins
                    let total = field.strength[from..<(from + GradientField.bins)].reduce(0, +)
                    sums[y / factor * columns + x / factor] += total
                }
            }
            let limit = sums.sorted(by: >)[max(Int(Double(sums.count) * share), 1) - 1]
            return sums.map { $0 >= limit && $0 > 0 ? 1 : 0 }
        }
    }

    private static func strongest(_ plane: [UInt16], width: Int, height: Int) -> [UInt8] {
        var magnitudes = [Int32](repeating: 0, count: width * height)
        EdgeMeasures.gradients(plane, width: width, height: height) { magnitudes[$0] = $1 }
        let wanted = Int(Double(magnitudes.count) * share)
        guard wanted > 0 else { return Array(repeating: 0, count: magnitudes.count) }
        let limit = max(magnitudes.sorted(by: >)[wanted - 1], 1)
        return magnitudes.map { $0 >= limit ? 1 : 0 }
    }

    /// Mean over the sizes of the Dice coefficients: 1 where all edges are the same, about `share` by chance.
    public static func similarity(_ a: [[UInt8]], _ b: [[UInt8]]) -> Double {
        let values = zip(a, b).map { 1 - EdgeMeasures.differentialRatio($0, $1) }
        // A picture without edges shares none.
        let isEmpty = [a, b].contains { maps in maps.allSatisfy { $0.allSatisfy { $0 == 0 } } }
        return isEmpty || values.isEmpty ? 0 : values.reduce(0, +) / Double(values.count)
    }
}
