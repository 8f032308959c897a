// SPDX-License-Identifier: GPL-2.0-or-later
import VeilSystem

/// A luma plane in numbers that neither saturate nor round, as an attacker reconstructs it from coefficients of
/// which some are guesses: a wrong guess must not run into black or white and take everything after it along.
struct SamplePlane {
    let width: Int
    let height: Int
    var samples: [Float]
    /// Which 4x4 blocks have been reconstructed.
    private var done: [Bool]
    private let columns: Int

    init(width: Int, height: Int, value: Float) {
        self.width = (width + 63) & ~63
        self.height = (height + 63) & ~63
        samples = Array(repeating: value, count: self.width * self.height)
        columns = self.width / 4
        done = Array(repeating: false, count: columns * self.height / 4)
    }

    subscript(x: Int, y: Int) -> Float {
        get { samples[y * width + x] }
        set { samples[y * width + x] = newValue }
    }

    func isDone(_ x: Int, _ y: Int) -> Bool {
        x >= 0 && y >= 0 && x < width && y < height && done[y / 4 * columns + x / 4]
    }

    mutating func restart() { for i in done.indices { done[i] = false } }

    mutating func put(_ block: [Float], x: Int, y: Int, size: Int) {
        for j in 0..<size {
            for i in 0..<size { samples[(y + j) * width + x + i] = block[j * size + i] }
        }
        for j in Swift.stride(from: y / 4, to: (y + size) / 4, by: 1) {
            for i in (x / 4)..<((x + size) / 4) { done[j * columns + i] = true }
        }
    }

    /// Intra prediction (8.4.4.2) from what has been reconstructed, without rounding. Neighbours count as available
    /// when they are done, which holds within a slice; strong smoothing is left out.
    func prediction(x: Int, y: Int, log2Size: Int, mode: Int, filtersEdges: Bool = true) -> [Float] {
        let n = 1 << log2Size
        var r = references(x: x, y: y, n: n)
        if Self.filters(mode: mode, log2Size: log2Size) {
            let raw = r
            for i in 1..<(4 * n) { r[i] = (raw[i - 1] + 2 * raw[i] + raw[i + 1]) / 4 }
        }
        // r[2n] is the corner, r[2n - 1 - k] the left neighbour of row k, r[2n + 1 + k] the upper one of column k.
        let left = { (k: Int) in r[2 * n - 1 - k] }
        let top = { (k: Int) in r[2 * n + 1 + k] }
        var out = [Float](repeating: 0, count: n * n)
        let edge = filtersEdges && n < 32
        switch mode {
        case 0:
            for j in 0..<n {
                for i in 0..<n {
                    let horizontal = Float(n - 1 - i) * left(j) + Float(i + 1) * top(n)
                    let vertical = Float(n - 1 - j) * top(i) + Float(j + 1) * left(n)
                    out[j * n + i] = (horizontal + vertical) / Float(2 * n)
                }
            }
        case 1:
            var sum: Float = 0
            for k in 0..<n { sum += left(k) + top(k) }
            let dc = sum / Float(2 * n)
            for i in out.indices { out[i] = dc }
            if edge {
                for k in 1..<n {
                    out[k] = (top(k) + 3 * dc) / 4
                    out[k * n] = (left(k) + 3 * dc) / 4
                }
                out[0] = (left(0) + 2 * dc + top(0)) / 4
            }
        default:
            angular(mode, n, r, edge: edge, &out)
        }
        return out
    }

    private func angular(_ mode: Int, _ n: Int, _ r: [Float], edge: Bool, _ out: inout [Float]) {
        let isVertical = mode >= 18
        let angle = Self.angles[mode - 2]
        // The main side, its corner at index n: main[n + 1 + k] is its neighbour k.
        var main = [Float](repeating: 0, count: 3 * n + 1)
        func side(_ k: Int) -> Float { isVertical ? r[2 * n + k] : r[2 * n - k] }
        func other(_ k: Int) -> Float { isVertical ? r[2 * n - k] : r[2 * n + k] }
        for k in 0...(2 * n) { main[n + k] = side(k) }
        if angle < 0 {
            let inverse = (8192 + -angle / 2) / -angle
            let last = (n * angle) >> 5
            if last < -1 {
                for k in last...(-1) { main[n + k] = other((-k * inverse + 128) >> 8) }
            }
        }
        for j in 0..<n {
            let whole = ((j + 1) * angle) >> 5
            let part = Float(((j + 1) * angle) & 31) / 32
            for i in 0..<n {
                let at = n + i + whole + 1
                let value = part == 0 ? main[at] : (1 - part) * main[at] + part * main[at + 1]
                out[isVertical ? j * n + i : i * n + j] = value
            }
        }
        if angle == 0 && edge {
            let corner = r[2 * n]
            for k in 0..<n {
                out[isVertical ? k * n : k] += (other(k + 1) - corner) / 2
            }
        }
    }

    /// intraPredAngle (Table 8-5) of modes 2 to 34.
    static let angles = [
        32, 26, 21, 17, 13, 9, 5, 2, 0, -2, -5, -9, -13, -17, -21, -26, -32, -26, -21, -17, -13, -9, -5, -2, 0, 2, 5,
        9, 13, 17, 21, 26, 32,
    ]

    private static func filters(mode: Int, log2Size: Int) -> Bool {
        if mode == 1 || log2Size == 2 { return false }
        if mode == 0 { return true }
        let distance = min(abs(mode - 26), abs(mode - 10))
        return distance > (log2Size == 3 ? 7 : log2Size == 4 ? 1 : 0)
    }

    /// Neighbours from below left over the corner to above right, 4n + 1 of them, substituted as in 8.4.4.2.2.
    private func references(x: Int, y: Int, n: Int) -> [Float] {
        var values = [Float](repeating: 128, count: 4 * n + 1)
        var known = [Bool](repeating: false, count: 4 * n + 1)
        for k in 0..<(2 * n) {
            if isDone(x - 1, y + k) {
                values[2 * n - 1 - k] = self[x - 1, y + k]
                known[2 * n - 1 - k] = true
            }
            if isDone(x + k, y - 1) {
                values[2 * n + 1 + k] = self[x + k, y - 1]
                known[2 * n + 1 + k] = true
            }
        }
        if isDone(x - 1, y - 1) {
            values[2 * n] = self[x - 1, y - 1]
            known[2 * n] = true
        }
        guard let first = known.firstIndex(of: true) else { return values }
        for k in 0..<first { values[k] = values[first] }
        for k in (first + 1)..<values.count where !known[k] { values[k] = values[k - 1] }
        return values
    }
}

/// The transforms of residual blocks as orthonormal bases.
enum TransformBasis {
    /// basis[u * n + k]: sample k of function u.
    static func values(log2Size: Int, isSine: Bool) -> [Float] {
        isSine ? sine : cosines[log2Size - 2]
    }

    private static let cosines: [[Float]] = (2...5).map { log2 in
        let n = 1 << log2
        return (0..<(n * n)).map { at in
            let (u, k) = (at / n, at % n)
            let scale = (u == 0 ? 1 / Double(n) : 2 / Double(n)).squareRoot()
            return Float(scale * cos(.pi * Double((2 * k + 1) * u) / Double(2 * n)))
        }
    }

    private static let sine: [Float] = [29, 55, 74, 84, 74, 74, 0, -74, 84, -29, -74, 55, 55, -84, 74, -29].map {
        Float($0) / 128
    }

    /// Residual samples of coefficients, both in raster order.
    static func inverse(_ coefficients: [Float], log2Size: Int, isSine: Bool) -> [Float] {
        let n = 1 << log2Size
        let basis = values(log2Size: log2Size, isSine: isSine)
        var columns = [Float](repeating: 0, count: n * n)
        for v in 0..<n {
            for u in 0..<n {
                let c = coefficients[v * n + u]
                if c == 0 { continue }
                for k in 0..<n { columns[k * n + u] += c * basis[v * n + k] }
            }
        }
        var out = [Float](repeating: 0, count: n * n)
        for y in 0..<n {
            for u in 0..<n {
                let c = columns[y * n + u]
                if c == 0 { continue }
                for k in 0..<n { out[y * n + k] += c * basis[u * n + k] }
            }
        }
        return out
    }

    /// Coefficients of residual samples.
    static func forward(_ samples: [Float], log2Size: Int, isSine: Bool) -> [Float] {
        let n = 1 << log2Size
        let basis = values(log2Size: log2Size, isSine: isSine)
        var rows = [Float](repeating: 0, count: n * n)
        for y in 0..<n {
            for u in 0..<n {
                var sum: Float = 0
                for k in 0..<n { sum += samples[y * n + k] * basis[u * n + k] }
                rows[y * n + u] = sum
            }
        }
        var out = [Float](repeating: 0, count: n * n)
        for u in 0..<n {
            for v in 0..<n {
                var sum: Float = 0
                for k in 0..<n { sum += rows[k * n + u] * basis[v * n + k] }
                out[v * n + u] = sum
            }
        }
        return out
    }
}
