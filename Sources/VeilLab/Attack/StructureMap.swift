// SPDX-License-Identifier: GPL-2.0-or-later
import VeilBitstream
import VeilCore
import VeilEntropy
import VeilMedia
import VeilSystem

/// What the unencrypted structure of a picture shows: block sizes, modes and numbers of coefficients, drawn as a
/// picture.
///
/// Each transform block's brightness is its number of non-zero luma coefficients a sample (which encryption does not
/// change), on a logarithmic scale; lines are the borders of coding units.
struct StructureMap {
    let width: Int
    let height: Int
    /// Non-zero luma coefficients a sample, on the 4x4 grid.
    private(set) var density: [Double]
    /// Size of the coding unit, on the 4x4 grid.
    private(set) var unitSize: [Int]
    private let columns: Int

    init(width: Int, height: Int) {
        self.width = width
        self.height = height
        columns = (width + 3) / 4
        density = Array(repeating: 0, count: columns * ((height + 3) / 4))
        unitSize = Array(repeating: 64, count: density.count)
    }

    mutating func add(_ ctu: CodingTreeUnit) {
        for i in 0..<ctu.cuCount {
            let cu = ctu.cus[i]
            for cell in cells(Int(cu.x0), Int(cu.y0), 1 << Int(cu.log2CbSize)) {
                unitSize[cell] = 1 << Int(cu.log2CbSize)
            }
        }
        for i in 0..<ctu.tuCount {
            let tu = ctu.tus[i]
            guard tu.cbf & 1 != 0 else { continue }
            let size = 1 << Int(tu.log2TrafoSize)
            let share = Double(tu.residual.0.count) / Double(size * size)
            for cell in cells(Int(tu.x0), Int(tu.y0), size) { density[cell] = share }
        }
    }

    /// Indices of the 4x4 cells of a square block.
    private func cells(_ x0: Int, _ y0: Int, _ size: Int) -> [Int] {
        stride(from: y0, to: min(y0 + size, height), by: 4).flatMap { y in
            stride(from: x0, to: min(x0 + size, width), by: 4).map { y / 4 * columns + $0 / 4 }
        }
    }

    /// The map as an image.
    var image: RGBImage {
        var image = RGBImage(width: width, height: height)
        for y in 0..<height {
            for x in 0..<width {
                let at = y / 4 * columns + x / 4
                let level = min(log2(1 + density[at] * 63) / 6, 1)
                var v = UInt8(20 + 235 * level)
                if x % unitSize[at] == 0 || y % unitSize[at] == 0 { v = UInt8(min(Int(v) + 40, 255)) }
                for c in 0..<3 { image.samples[(y * width + x) * 3 + c] = v }
            }
        }
        return image
    }

    /// How much the map tells of a clear picture's edges, over 8x8 blocks.
    struct Agreement: Codable, Sendable {
        /// Pearson's correlation of coefficient density (logarithm) and mean gradient.
        var correlation: Double
        /// Dice coefficient of "as many of the densest blocks as there are blocks with edges" and the blocks with
        /// edges.
        var edgeSimilarity: Double
        /// What blind guessing of as many blocks gives.
        var chance: Double
    }

    /// - Parameter clear: luma of the clear picture, cropped; the map's blocks beyond it do not count.
    func agreement(_ clear: VideoFrame) -> Agreement {
        let (w, h) = (min(clear.format.width, width), min(clear.format.height, height))
        let blockColumns = w / 8
        let blockRows = h / 8
        var gradient = [Double](repeating: 0, count: blockColumns * blockRows)
        var hasEdge = [Bool](repeating: false, count: gradient.count)
        let limit = Int32(EdgeMeasures.threshold << (clear.format.bitDepth - 8))
        EdgeMeasures.gradients(clear.planes[0], width: clear.format.width, height: clear.format.height) {
            at, magnitude in
            let (x, y) = (at % clear.format.width / 8, at / clear.format.width / 8)
            guard x < blockColumns, y < blockRows else { return }
            gradient[y * blockColumns + x] += Double(magnitude)
            if magnitude >= limit { hasEdge[y * blockColumns + x] = true }
        }
        var correlation = Correlation()
        var ranked: [(Double, Int)] = []
        for y in 0..<blockRows {
            for x in 0..<blockColumns {
                let at = y * 2 * columns + x * 2
                let cells = [at, at + 1, at + columns, at + columns + 1].filter { $0 < density.count }
                let d = log2(1 + cells.reduce(0) { $0 + density[$1] } / Double(max(cells.count, 1)) * 63)
                correlation.add(d, log2(1 + gradient[y * blockColumns + x] / 64))
                // Smaller coding units break ties.
                ranked.append((d - Double(unitSize[at]) * 1e-4, y * blockColumns + x))
            }
        }
        let count = hasEdge.filter { $0 }.count
        ranked.sort { $0.0 > $1.0 || $0.0 == $1.0 && $0.1 < $1.1 }
        let hits = ranked.prefix(count).filter { hasEdge[$0.1] }.count
        return Agreement(
            correlation: correlation.coefficient, edgeSimilarity: count > 0 ? Double(hits) / Double(count) : 0,
            chance: Double(count) / Double(max(hasEdge.count, 1)))
    }

    /// The map of one picture (in decoding order) of a layer.
    static func read(_ stream: String, layer: Int, picture: Int) throws -> (map: StructureMap, poc: Int)? {
        var map: StructureMap?
        var poc = 0
        let walk = SliceWalk()
        walk.layers = [layer]
        walk.visit = { ctu, position in
            guard position.layer == layer, position.picture == picture else { return }
            if map == nil { map = StructureMap(width: position.width, height: position.height) }
            poc = position.poc
            map?.add(ctu)
        }
        try StreamWork.units(stream) { try walk.push($0) }
        return map.map { ($0, poc) }
    }
}
