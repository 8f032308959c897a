// SPDX-License-Identifier: GPL-2.0-or-later
import VeilSystem

/// How strong the gradient of a picture is in each direction, on a grid of 8x8 blocks: what a person recognizes
/// outlines by, and what a picture and a sketch drawn from syntax can both be turned into.
struct GradientField {
    /// Directions of the gradient, over half a turn: bin 0 is across a vertical edge, bin `bins / 2` across a
    /// horizontal one.
    static let bins = 8
    static let blockSize = 8

    let columns: Int
    let rows: Int
    /// Gradient magnitude by block and direction.
    var strength: [Float]

    init(columns: Int, rows: Int) {
        self.columns = columns
        self.rows = rows
        strength = Array(repeating: 0, count: columns * rows * Self.bins)
    }

    /// An empty field for a picture of this size; blocks cut off at its border do not count.
    init(width: Int, height: Int) { self.init(columns: width / Self.blockSize, rows: height / Self.blockSize) }

    /// The gradients of a luma plane.
    init(_ plane: [UInt16], width: Int, height: Int, bitDepth: Int) {
        self.init(width: width, height: height)
        let scale = 1 / Float(1 << (bitDepth - 8))
        guard columns > 0, rows > 0, plane.count >= width * height else { return }
        let (endX, endY) = (min(columns * Self.blockSize, width - 1), min(rows * Self.blockSize, height - 1))
        plane.withUnsafeBufferPointer { p in
            for y in 1..<endY {
                for x in 1..<endX {
                    let i = y * width + x
                    let gx = (Float(p[i + 1]) - Float(p[i - 1])) * scale
                    let gy = (Float(p[i + width]) - Float(p[i - width])) * scale
                    add(gx: gx, gy: gy, block: y / Self.blockSize * columns + x / Self.blockSize)
                }
            }
        }
    }

    /// Adds one gradient to a block, shared between the two nearest directions.
    mutating func add(gx: Float, gy: Float, block: Int) {
        let magnitude = (gx * gx + gy * gy).squareRoot()
        if magnitude == 0 { return }
        let place = atan2(gy, gx) / .pi * Float(Self.bins)
        let low = place.rounded(.down)
        let share = place - low
        let first = (Int(low) % Self.bins + Self.bins) % Self.bins
        let at = block * Self.bins
        strength[at + first] += magnitude * (1 - share)
        strength[at + (first + 1) % Self.bins] += magnitude * share
    }

    /// Adds strength of no direction.
    mutating func add(_ magnitude: Float, block: Int) {
        for bin in 0..<Self.bins { strength[block * Self.bins + bin] += magnitude / Float(Self.bins) }
    }

    /// The field over squares of `factor` blocks.
    private func reduced(_ factor: Int) -> GradientField {
        if factor == 1 { return self }
        var small = GradientField(
            columns: (columns + factor - 1) / factor, rows: (rows + factor - 1) / factor)
        for y in 0..<rows {
            for x in 0..<columns {
                let from = (y * columns + x) * Self.bins
                let to = (y / factor * small.columns + x / factor) * Self.bins
                // Squares that are cut off at the border count as if they were whole.
                let (w, h) = (min(factor, columns - x / factor * factor), min(factor, rows - y / factor * factor))
                let share = Float(factor * factor) / Float(w * h)
                for bin in 0..<Self.bins { small.strength[to + bin] += strength[from + bin] * share }
            }
        }
        return small
    }

    /// Descriptors of a picture: histograms of directions over squares of three sizes, logarithms of them, so that
    /// faint outlines count beside strong ones, with mean 0 and variance 1.
    func descriptors() -> [[Float]] {
        [1, 2, 4].map { factor in
            let field = reduced(factor)
            let area = Float(factor * factor * Self.blockSize * Self.blockSize) / Float(Self.bins)
            let values = field.strength.map { log2(1 + $0 / area) }
            // In numbers that are exact enough for a field that is the same everywhere to tell nothing.
            let mean = values.reduce(0.0) { $0 + Double($1) } / Double(max(values.count, 1))
            let deviation =
                (values.reduce(0.0) { $0 + (Double($1) - mean) * (Double($1) - mean) } / Double(max(values.count, 1)))
                .squareRoot()
            return values.map { deviation > 1e-6 ? Float((Double($0) - mean) / deviation) : 0 }
        }
    }
}

/// Clear pictures among which an attacker, who knows them, looks for the one that an encrypted picture shows.
struct PictureGallery {
    private let descriptors: [[[Float]]]
    private let mean: [[Float]]
    let columns: Int
    let rows: Int
    var count: Int { descriptors.count }

    /// - Parameter fields: of the clear pictures, of one size.
    init(_ fields: [GradientField]) {
        columns = fields.first?.columns ?? 0
        rows = fields.first?.rows ?? 0
        let all = fields.map { $0.descriptors() }
        var mean = all.first ?? []
        for k in mean.indices {
            for i in mean[k].indices {
                mean[k][i] = all.reduce(0) { $0 + $1[k][i] } / Float(max(all.count, 1))
            }
        }
        self.mean = mean
        descriptors = all.map { Self.difference($0, mean) }
    }

    private static func difference(_ a: [[Float]], _ b: [[Float]]) -> [[Float]] {
        zip(a, b).map { zip($0, $1).map { $0 - $1 } }
    }

    /// The rank of picture `truth` among all by likeness to `query`, from 1. What all pictures have in common (the
    /// mean of the gallery) says nothing and is taken away, but from nothing, which would be likened to what is least
    /// common. Of pictures equally like half come before it.
    func rank(of truth: Int, for query: GradientField) -> Double {
        let own = query.descriptors()
        let centred = zip(own, Self.difference(own, mean)).map { $0.allSatisfy { $0 == 0 } ? $0 : $1 }
        let scores = descriptors.map { picture in
            zip(centred, picture).reduce(0.0) { $0 + Self.correlation($1.0, $1.1) }
        }
        let better = scores.filter { $0 > scores[truth] }.count
        let equal = scores.filter { $0 == scores[truth] }.count
        return 1 + Double(better) + Double(equal - 1) / 2
    }

    private static func correlation(_ a: [Float], _ b: [Float]) -> Double {
        var pairs = Correlation()
        for (x, y) in zip(a, b) { pairs.add(Double(x), Double(y)) }
        return pairs.coefficient
    }
}
