// SPDX-License-Identifier: GPL-2.0-or-later
import VeilBitstream
import VeilCore
import VeilEntropy
import VeilMedia
import VeilProtection
import VeilSystem

/// What can be drawn of a picture from elements that are not encrypted.
enum SketchSource: String, CaseIterable, Sendable {
    /// Sizes of coding and transform units.
    case partition
    /// Intra directions: edges lie along them.
    case directions
    /// How many coefficients each block has.
    case counts = "coefficient counts"
    /// Places and magnitudes of coefficients: how much, and across which direction, a block changes.
    case places = "coefficient places"
    /// Which units are skipped, merged, coded on their own or intra: where something moves.
    case motion = "skip and merge"
    /// Sample adaptive offset: on or off, and the direction of edges.
    case sao
    /// QP differences.
    case qp = "dQP"
    /// How many bits each CTU takes.
    case bits = "bits a CTU"
    /// Everything.
    case combined

    /// All but the combination.
    static let single = Set(allCases).subtracting([.combined])

    /// What the source counts for in a combination: places the most, what whole CTUs tell the least.
    var weight: Float {
        switch self {
        case .places: 1
        case .counts, .partition, .directions, .motion: 0.5
        case .sao, .qp, .bits: 0.1
        case .combined: 0
        }
    }
}

/// Draws sketches of a picture while a ``SliceWalk`` reads it.
struct Sketch {
    private(set) var fields: [SketchSource: GradientField] = [:]
    let width: Int
    let height: Int
    private let columns: Int
    private let rows: Int

    init(width: Int, height: Int) {
        self.width = width
        self.height = height
        columns = width / GradientField.blockSize
        rows = height / GradientField.blockSize
        for source in SketchSource.allCases where source != .combined {
            fields[source] = GradientField(columns: columns, rows: rows)
        }
    }

    mutating func add(_ ctu: CodingTreeUnit, _ position: SliceWalk.Position) {
        for c in 0..<ctu.cuCount {
            let cu = ctu.cus[c]
            let size = 1 << Int(cu.log2CbSize)
            spread(.partition, Int(cu.x0), Int(cu.y0), size, total: Float(64 * 64) / Float(size))
            spread(.qp, Int(cu.x0), Int(cu.y0), size, total: Float(abs(Int(cu.cuQpDeltaVal)) * size))
            addMotion(ctu, cu, size)
            for t in Int(cu.firstTU)..<(Int(cu.firstTU) + Int(cu.tuCount)) { add(ctu, cu, ctu.tus[t]) }
        }
        addSAO(ctu, position.ctbSize)
        spread(.bits, ctu.xCtb, ctu.yCtb, position.ctbSize, total: Float(position.bits * 16))
    }

    private mutating func addMotion(_ ctu: CodingTreeUnit, _ cu: CodingUnit, _ size: Int) {
        let area = Float(size * size)
        if cu.predMode == .intra {
            spread(.motion, Int(cu.x0), Int(cu.y0), size, total: 4 * area)
        } else if !cu.cuSkipFlag {
            for p in Int(cu.firstPU)..<(Int(cu.firstPU) + Int(cu.puCount)) {
                let pu = ctu.pus[p]
                // Long differences stand where motion changes; their classes are not encrypted.
                let length = pu.mergeFlag ? 0 : abs(Int(pu.mvdL0.x)) + abs(Int(pu.mvdL0.y))
                let share = 1 + (pu.mergeFlag ? 0 : 1) + log2(1 + Float(length)) / 4
                spread(
                    .motion, Int(pu.x0), Int(pu.y0), Int(pu.width), total: share * Float(pu.width) * Float(pu.height))
            }
        }
    }

    private mutating func add(_ ctu: CodingTreeUnit, _ cu: CodingUnit, _ tu: TransformUnit) {
        let (x, y, n) = (Int(tu.x0), Int(tu.y0), 1 << Int(tu.log2TrafoSize))
        spread(.partition, x, y, n, total: Float(64 * 32) / Float(n))
        let count = tu.cbf & 1 != 0 ? Int(tu.residual.0.count) : 0
        if cu.predMode == .intra {
            let mode = Int(cu.mode(ofPartition: tu.partition))
            // Small blocks with a direction lie on edges; flat ones take planar and DC prediction.
            if mode >= 2 {
                let angle = Self.gradientAngle(mode: mode)
                spread(.directions, x, y, n, total: Float(64), across: angle)
            }
        }
        guard count > 0 else { return }
        spread(.counts, x, y, n, total: Float(count * 16))
        let scale = 1 / Float(n)
        for i in 0..<count {
            let entry = ctu.coefficients[Int(tu.residual.0.start) + i]
            let u = Float(Int(entry.position) & (n - 1))
            let v = Float(Int(entry.position) >> Int(tu.log2TrafoSize))
            if u == 0 && v == 0 { continue }
            // The gradient of a cosine grows with its frequency; the sign of the diagonal is not known.
            let strength = Float(abs(Int(entry.level))) * (u * u + v * v).squareRoot() * scale * 16
            let angle = atan2(v, u)
            spread(.places, x, y, n, total: strength / 2, across: angle)
            spread(.places, x, y, n, total: strength / 2, across: -angle)
        }
    }

    private mutating func addSAO(_ ctu: CodingTreeUnit, _ size: Int) {
        let luma = ctu.sao.components.0
        guard luma.saoTypeIdx != 0 else { return }
        let total = Float(abs(Int(luma.offsets.0)) + abs(Int(luma.offsets.3)) + 1) * Float(size * size) / 8
        let angles: [Float] = [0, .pi / 2, .pi / 4, -.pi / 4]
        let angle: Float? = luma.saoTypeIdx == 2 ? angles[Int(luma.saoEoClass) & 3] : nil
        spread(.sao, ctu.xCtb, ctu.yCtb, size, total: total, across: angle)
    }

    /// Adds strength to the blocks of a square, shared by area.
    private mutating func spread(
        _ source: SketchSource, _ x: Int, _ y: Int, _ size: Int, total: Float, across angle: Float? = nil
    ) {
        guard total > 0 else { return }
        let block = GradientField.blockSize
        let side = max(size / block, 1)
        let share = total / Float(side * side)
        for j in (y / block)..<(y / block + side) where j < rows {
            for i in (x / block)..<(x / block + side) where i < columns {
                if let angle {
                    fields[source]?.add(gx: share * cos(angle), gy: share * sin(angle), block: j * columns + i)
                } else {
                    fields[source]?.add(share, block: j * columns + i)
                }
            }
        }
    }

    /// The direction of the gradient that an intra direction tells of: across the line it predicts along.
    static func gradientAngle(mode: Int) -> Float {
        func offset(_ mode: Int) -> Float { Float(SamplePlane.angles[mode - 2]) }
        // Horizontal modes predict along (32, -offset), vertical ones along (offset, -32) mirrored into the picture.
        if mode < 18 { return atan2(32, offset(mode)) }
        return atan2(offset(36 - mode), 32)
    }

    /// The field of a source, the combination of all included.
    func field(_ source: SketchSource) -> GradientField {
        source == .combined
            ? combination(of: SketchSource.single)
            : fields[source] ?? GradientField(columns: columns, rows: rows)
    }

    /// Several sources together, each with its weight, however strong it is.
    func combination(of sources: Set<SketchSource>) -> GradientField {
        var sum = GradientField(columns: columns, rows: rows)
        for source in SketchSource.allCases where sources.contains(source) {
            guard let field = fields[source] else { continue }
            let mean = field.strength.reduce(0, +) / Float(max(field.strength.count, 1))
            if mean <= 0 { continue }
            for i in sum.strength.indices { sum.strength[i] += source.weight * 8 * field.strength[i] / mean }
        }
        return sum
    }

    /// A drawing: in each block a stroke along the strongest direction, as bright as the block's strength.
    func image(_ source: SketchSource) -> RGBImage {
        let field = field(source)
        var image = RGBImage(width: columns * 8, height: rows * 8)
        let totals = (0..<(columns * rows)).map { block in
            field.strength[(block * GradientField.bins)..<((block + 1) * GradientField.bins)].reduce(0, +)
        }
        let sorted = totals.sorted()
        let top = max(sorted.isEmpty ? 1 : sorted[sorted.count * 98 / 100], 1e-6)
        for (block, total) in totals.enumerated() {
            let bins = field.strength[(block * GradientField.bins)..<((block + 1) * GradientField.bins)]
            guard let peak = bins.indices.max(by: { bins[$0] < bins[$1] }) else { continue }
            let angle = Float(peak - bins.startIndex) * .pi / Float(GradientField.bins)
            let isFlat = bins[peak] < 1.5 * total / Float(GradientField.bins)
            let level = min(log2(1 + 15 * total / top) / 4, 1)
            for y in 0..<8 {
                for x in 0..<8 {
                    let distance = abs((Float(x) - 3.5) * cos(angle) + (Float(y) - 3.5) * sin(angle))
                    let share = isFlat ? 0.7 : max(1 - distance / 3, 0.15)
                    let value = UInt8(min(255 * level * share, 255))
                    let at = ((block / columns * 8 + y) * columns * 8 + block % columns * 8 + x) * 3
                    for c in 0..<3 { image.samples[at + c] = value }
                }
            }
        }
        return image
    }

    /// Sketches of pictures of a layer by their number in decoding order.
    static func read(
        _ stream: String, layer: Int, pictures wanted: Set<Int>, hooks: (any BinHookProvider)? = nil
    ) throws -> [Int: (sketch: Sketch, poc: Int, isIntra: Bool)] {
        var found: [Int: (sketch: Sketch, poc: Int, isIntra: Bool)] = [:]
        var last = -1
        let walk = SliceWalk()
        walk.layers = [layer]
        walk.hooks = hooks
        walk.visit = { ctu, position in
            last = position.picture
            guard wanted.contains(position.picture) else { return }
            found[
                position.picture,
                default: (Sketch(width: position.width, height: position.height), position.poc, position.isIntra)
            ].sketch.add(ctu, position)
        }
        try StreamWork.units(stream) { nal in
            // The sealed unit gives the stand-in before it away, which is the same whatever was coded.
            if SealedUnit.isOne(nal, kind: .hidden), nal.header.nuhLayerId == layer, let known = found[last] {
                found[last]?.sketch = Sketch(width: known.sketch.width, height: known.sketch.height)
            }
            try walk.push(nal)
        }
        return found
    }
}
