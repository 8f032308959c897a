// SPDX-License-Identifier: GPL-2.0-or-later
import VeilSystem

/// Guesses the signs of an intra picture's coefficients from what pictures have in common: blocks go on where their
/// neighbours end.
///
/// Every coefficient is taken as the mean over its two signs, weighted by how well either lets the block's border
/// continue the samples beside it: what is certain counts in full, what is not counts little. The largest come
/// first. After a first pass, which knows what is above and to the left, more passes take in what is below and to
/// the right. Then the offsets of blocks are solved over the whole picture, so that nothing drifts into black or
/// white.
struct SmoothnessAttack {
    /// Standard deviation of the step between two neighbouring samples that blocks divide.
    var noise: Float = 20
    var passes = 4
    /// How much the samples below and to the right count, which are guesses of the pass before.
    var later: Float = 0.5

    /// A side of a block: what the samples beside it lead one to expect, minus what the block has there.
    private struct Side {
        var error: [Float]
        var weight: Float
        /// Along columns (top and bottom) or rows (left and right).
        var isHorizontal: Bool
        /// First or last row or column of the block.
        var line: Int
    }

    func run(_ picture: IntraPicture) -> SamplePlane {
        var plane = SamplePlane(width: picture.width, height: picture.height, value: 128)
        let blocks = Self.seeded(picture.blocks)
        for pass in 0..<passes {
            let before = plane
            plane.restart()
            for block in blocks { decide(block, &plane, before: pass > 0 ? before : nil) }
        }
        BlockOffsets(picture, plane).level(&plane)
        return plane
    }

    /// Where no sign at all is known, grey is as smooth as any picture: the sign of one coefficient decides between a
    /// picture and its negative.
    private static func seeded(_ blocks: [IntraPicture.Block]) -> [IntraPicture.Block] {
        var blocks = blocks
        guard !blocks.contains(where: { $0.coefficients.contains { $0.sign != 0 } }),
            let first = blocks.firstIndex(where: { !$0.coefficients.isEmpty }),
            let largest = blocks[first].coefficients.indices.max(by: {
                blocks[first].coefficients[$0].magnitude < blocks[first].coefficients[$1].magnitude
            })
        else { return blocks }
        blocks[first].coefficients[largest].sign = 1
        return blocks
    }

    private func decide(_ block: IntraPicture.Block, _ plane: inout SamplePlane, before: SamplePlane?) {
        let n = 1 << block.log2Size
        var samples = plane.prediction(x: block.x, y: block.y, log2Size: block.log2Size, mode: block.mode)
        defer { plane.put(samples, x: block.x, y: block.y, size: n) }
        if block.coefficients.isEmpty { return }
        var sides = self.sides(block, samples, plane, before)
        var values = [Float](repeating: 0, count: n * n)
        let basis =
            block.isSpatial ? [] : TransformBasis.values(log2Size: block.log2Size, isSine: block.isSine)
        func weight(_ u: Int, _ k: Int) -> Float { block.isSpatial ? u == k ? 1 : 0 : basis[u * n + k] }
        // The part of a coefficient that a side sees.
        func add(_ change: Float, _ position: Int, _ side: inout Side) {
            let (u, v) = (position & (n - 1), position >> block.log2Size)
            let across = side.isHorizontal ? weight(v, side.line) : weight(u, side.line)
            let along = side.isHorizontal ? u : v
            let factor = change * across
            if factor == 0 { return }
            for k in 0..<n { side.error[k] -= factor * weight(along, k) }
        }
        func match(_ position: Int, _ side: Side) -> Float {
            let (u, v) = (position & (n - 1), position >> block.log2Size)
            let across = side.isHorizontal ? weight(v, side.line) : weight(u, side.line)
            let along = side.isHorizontal ? u : v
            if across == 0 { return 0 }
            var sum: Float = 0
            for k in 0..<n { sum += side.error[k] * weight(along, k) }
            return sum * across * side.weight
        }
        let order = block.coefficients.sorted { $0.magnitude > $1.magnitude }
        for c in order where c.sign != 0 {
            values[c.position] = Float(c.sign) * c.magnitude
            for s in sides.indices { add(values[c.position], c.position, &sides[s]) }
        }
        for _ in 0..<3 {
            for c in order where c.sign == 0 {
                for s in sides.indices { add(-values[c.position], c.position, &sides[s]) }
                let evidence = sides.reduce(0) { $0 + match(c.position, $1) }
                values[c.position] = c.magnitude * tanh(c.magnitude * evidence / (noise * noise))
                for s in sides.indices { add(values[c.position], c.position, &sides[s]) }
            }
        }
        let residual =
            block.isSpatial
            ? values : TransformBasis.inverse(values, log2Size: block.log2Size, isSine: block.isSine)
        for i in samples.indices { samples[i] += residual[i] }
    }

    private func sides(
        _ block: IntraPicture.Block, _ samples: [Float], _ plane: SamplePlane, _ before: SamplePlane?
    ) -> [Side] {
        let n = 1 << block.log2Size
        let (x, y) = (block.x, block.y)
        var sides: [Side] = []
        if plane.isDone(x, y - 1) {
            let error = (0..<n).map { k in
                plane[x + k, y - 1] + (plane[x + k, y - 1] - plane[x + k, y - 2]) / 2 - samples[k]
            }
            sides.append(Side(error: error, weight: 1, isHorizontal: true, line: 0))
        }
        if plane.isDone(x - 1, y) {
            let error = (0..<n).map { k in
                plane[x - 1, y + k] + (plane[x - 1, y + k] - plane[x - 2, y + k]) / 2 - samples[k * n]
            }
            sides.append(Side(error: error, weight: 1, isHorizontal: false, line: 0))
        }
        guard let before else { return sides }
        if y + n + 1 < plane.height {
            let error = (0..<n).map { k in before[x + k, y + n] - samples[(n - 1) * n + k] }
            sides.append(Side(error: error, weight: later, isHorizontal: true, line: n - 1))
        }
        if x + n + 1 < plane.width {
            let error = (0..<n).map { k in before[x + n, y + k] - samples[k * n + n - 1] }
            sides.append(Side(error: error, weight: later, isHorizontal: false, line: n - 1))
        }
        return sides
    }
}

/// Offsets of blocks that make their borders meet, over a whole picture at once.
struct BlockOffsets {
    private struct Border {
        var a: Int
        var b: Int
        /// Sum of the samples of b minus those of a beside them.
        var jump: Float
        var length: Float
    }
    private var borders: [Border] = []
    private var owner: [Int32]
    private let count: Int
    private let columns: Int
    private let rows: Int

    init(_ picture: IntraPicture, _ plane: SamplePlane) {
        columns = plane.width / 4
        rows = plane.height / 4
        owner = Array(repeating: -1, count: columns * rows)
        count = picture.blocks.count
        for (i, block) in picture.blocks.enumerated() {
            let n = 1 << (block.log2Size - 2)
            for j in 0..<n {
                for k in 0..<n { owner[(block.y / 4 + j) * columns + block.x / 4 + k] = Int32(i) }
            }
        }
        for y in 0..<rows {
            for x in 0..<columns {
                let here = Int(owner[y * columns + x])
                if here < 0 { continue }
                if x + 1 < columns, case let other = Int(owner[y * columns + x + 1]), other >= 0, other != here {
                    let jump = (0..<4).reduce(Float(0)) {
                        $0 + plane[x * 4 + 4, y * 4 + $1] - plane[x * 4 + 3, y * 4 + $1]
                    }
                    borders.append(Border(a: here, b: other, jump: jump, length: 4))
                }
                if y + 1 < rows, case let other = Int(owner[(y + 1) * columns + x]), other >= 0, other != here {
                    let jump = (0..<4).reduce(Float(0)) {
                        $0 + plane[x * 4 + $1, y * 4 + 4] - plane[x * 4 + $1, y * 4 + 3]
                    }
                    borders.append(Border(a: here, b: other, jump: jump, length: 4))
                }
            }
        }
    }

    /// Moves every block by its offset, and the picture into the range of samples.
    func level(_ plane: inout SamplePlane) {
        var offsets = [Float](repeating: 0, count: count)
        for _ in 0..<60 {
            var pull = [Float](repeating: 0, count: count)
            var weight = [Float](repeating: 1, count: count)
            for border in borders {
                pull[border.a] += border.jump + border.length * offsets[border.b]
                pull[border.b] += border.length * offsets[border.a] - border.jump
                weight[border.a] += border.length
                weight[border.b] += border.length
            }
            for i in 0..<count { offsets[i] = (offsets[i] + pull[i] / weight[i]) / 2 }
        }
        var low: Float = .infinity
        var high: Float = -.infinity
        var values: [Float] = []
        for y in 0..<rows {
            for x in 0..<columns where owner[y * columns + x] >= 0 {
                for j in 0..<4 {
                    for i in 0..<4 {
                        plane[x * 4 + i, y * 4 + j] += offsets[Int(owner[y * columns + x])]
                    }
                }
                values.append(plane[x * 4 + 1, y * 4 + 1])
            }
        }
        // All but the outermost hundredths fit between black and white.
        values.sort()
        guard !values.isEmpty else { return }
        low = values[values.count / 100]
        high = values[values.count - 1 - values.count / 100]
        let gain = high - low > 220 ? 220 / (high - low) : 1
        let middle = (high + low) / 2
        let target = min(max(middle, 16 + (high - low) * gain / 2), 236 - (high - low) * gain / 2)
        for i in plane.samples.indices {
            plane.samples[i] = min(max((plane.samples[i] - middle) * gain + target, 0), 255)
        }
    }
}
