// SPDX-License-Identifier: GPL-2.0-or-later
import VeilCore

/// Elements beyond bypass bins that an encryption could replace, if it coded slices again. Here they are replaced by
/// noise, so that what that costs and what is still seen can be measured.
enum ReplacedElements: String, CaseIterable, Sendable {
    /// Luma and chroma modes, each by any other; residuals are coded again in the scan that the new one has.
    case directions = "intra modes"
    /// The coefficients of each 4x4 sub-block, shuffled.
    case order = "order of coefficients"
    /// Transform blocks of one size, component and prediction within each CTU, shuffled; of intra units with their
    /// coded block flags.
    case blocks = "residual blocks"
    /// Merge indices, motion vector predictors, which way units are halved, types and classes of SAO.
    case choices = "merge, predictors, halves, SAO"

    /// The sketches that tell nothing any more.
    var sketches: Set<SketchSource> {
        switch self {
        case .directions: [.directions]
        case .order: [.places]
        // What a CTU takes as a whole remains.
        case .blocks: [.counts, .places]
        case .choices: [.sao]
        }
    }
}

/// Writes a stream again with elements replaced.
struct ElementReplacement {
    private let elements: Set<ReplacedElements>
    private var random: any RandomNumberGenerator

    /// - Returns: Slices that could not be written.
    static func run(
        _ input: String, to output: String, layers: Set<Int>, _ elements: Set<ReplacedElements>,
        random: some RandomNumberGenerator = SystemRandomNumberGenerator()
    ) throws -> Int {
        var replacement = ElementReplacement(elements: elements, random: random)
        let sink = try StreamWork.FileSink(path: output)
        let walk = SliceWalk()
        walk.layers = layers
        walk.change = { replacement.change($0, $1) }
        walk.deliver = { try sink.put($0) }
        try StreamWork.units(input) { try walk.push($0) }
        try sink.finish()
        return walk.failedSlices
    }

    mutating func change(_ ctu: CodingTreeUnit, _ position: SliceWalk.Position) {
        spread(ctu)
        if elements.contains(.blocks) { shuffleBlocks(ctu) }
        if elements.contains(.choices) { replaceSAO(ctu) }
        for c in 0..<ctu.cuCount {
            let cu = ctu.cus + c
            if elements.contains(.directions), cu.pointee.predMode == .intra, !cu.pointee.pcmFlag {
                func mode() -> UInt8 { UInt8.random(in: 0..<35, using: &random) }
                cu.pointee.intraPredModeY = (mode(), mode(), mode(), mode())
                cu.pointee.intraChromaPredMode = UInt8.random(in: 0...4, using: &random)
            }
            if elements.contains(.choices), cu.pointee.predMode == .inter {
                replaceChoices(ctu, &cu.pointee, position)
            }
        }
    }

    /// Coefficients as a writer takes them.
    private mutating func spread(_ ctu: CodingTreeUnit) {
        ctu.levelCount = 0
        func spread(_ block: inout ResidualBlock, log2Size: Int) {
            let size = 1 << (2 * log2Size)
            let start = ctu.levelCount
            ctu.levelCount += size
            for i in start..<(start + size) { ctu.levels[i] = 0 }
            for i in Int(block.start)..<Int(block.start + block.count) {
                ctu.levels[start + Int(ctu.coefficients[i].position)] = ctu.coefficients[i].level
            }
            block.start = Int32(start)
            if elements.contains(.order) { shuffle(ctu, start, log2Size) }
        }
        for t in 0..<ctu.tuCount {
            let tu = ctu.tus + t
            let (luma, chroma) = (Int(tu.pointee.log2TrafoSize), Int(tu.pointee.log2TrafoSizeC))
            if tu.pointee.cbf & 1 != 0 { spread(&tu.pointee.residual.0, log2Size: luma) }
            if tu.pointee.cbf & 2 != 0 { spread(&tu.pointee.residual.1, log2Size: chroma) }
            if tu.pointee.cbf & 4 != 0 { spread(&tu.pointee.residual.2, log2Size: chroma) }
        }
    }

    private mutating func shuffle(_ ctu: CodingTreeUnit, _ start: Int, _ log2Size: Int) {
        let n = 1 << log2Size
        for y in stride(from: 0, to: n, by: 4) {
            for x in stride(from: 0, to: n, by: 4) {
                let places = (0..<16).map { start + (y + $0 / 4) * n + x + $0 % 4 }
                let levels = places.map { ctu.levels[$0] }.shuffled(using: &random)
                for (place, level) in zip(places, levels) { ctu.levels[place] = level }
            }
        }
    }

    private struct Kind: Hashable {
        var component: Int
        var log2Size: UInt8
        var isIntra: Bool
    }

    private mutating func shuffleBlocks(_ ctu: CodingTreeUnit) {
        var units: [Kind: [Int]] = [:]
        for c in 0..<ctu.cuCount {
            let cu = ctu.cus[c]
            let isIntra = cu.predMode == .intra
            for t in Int(cu.firstTU)..<Int(cu.firstTU + cu.tuCount) {
                for component in 0..<3 where component == 0 || ctu.tus[t].hasChroma {
                    // The flags of an inter unit say whether it is skipped.
                    if !isIntra && ctu.tus[t].cbf >> UInt8(component) & 1 == 0 { continue }
                    let size = component == 0 ? ctu.tus[t].log2TrafoSize : ctu.tus[t].log2TrafoSizeC
                    units[Kind(component: component, log2Size: size, isIntra: isIntra), default: []].append(t)
                }
            }
        }
        for (kind, places) in units.sorted(by: { $0.value.lexicographicallyPrecedes($1.value) }) {
            let bit = UInt8(1) << UInt8(kind.component)
            let blocks = places.map { (ctu.tus[$0].cbf, ctu.tus[$0].transformSkip, ctu.tus[$0].residual) }
            for (place, block) in zip(places, blocks.shuffled(using: &random)) {
                let tu = ctu.tus + place
                tu.pointee.cbf = tu.pointee.cbf & ~bit | block.0 & bit
                tu.pointee.transformSkip = tu.pointee.transformSkip & ~bit | block.1 & bit
                switch kind.component {
                case 0: tu.pointee.residual.0 = block.2.0
                case 1: tu.pointee.residual.1 = block.2.1
                default: tu.pointee.residual.2 = block.2.2
                }
            }
        }
    }

    private mutating func replaceSAO(_ ctu: CodingTreeUnit) {
        func replace(_ component: inout SAOParameters.Component, as other: SAOParameters.Component? = nil) {
            component.saoTypeIdx = other?.saoTypeIdx ?? UInt8.random(in: 0...2, using: &random)
            component.saoEoClass = other?.saoEoClass ?? UInt8.random(in: 0...3, using: &random)
            component.saoBandPosition = UInt8.random(in: 0..<32, using: &random)
        }
        replace(&ctu.sao.components.0)
        replace(&ctu.sao.components.1)
        replace(&ctu.sao.components.2, as: ctu.sao.components.1)
    }

    private mutating func replaceChoices(
        _ ctu: CodingTreeUnit, _ cu: inout CodingUnit, _ position: SliceWalk.Position
    ) {
        if Bool.random(using: &random) {
            switch cu.partMode {
            case .part2NxN: cu.partMode = .partNx2N
            case .partNx2N: cu.partMode = .part2NxN
            case .part2NxnU: cu.partMode = .partnLx2N
            case .part2NxnD: cu.partMode = .partnRx2N
            case .partnLx2N: cu.partMode = .part2NxnU
            case .partnRx2N: cu.partMode = .part2NxnD
            case .part2Nx2N, .partNxN: break
            }
        }
        for p in Int(cu.firstPU)..<Int(cu.firstPU + cu.puCount) {
            let pu = ctu.pus + p
            if pu.pointee.mergeFlag {
                pu.pointee.mergeIdx = UInt8.random(in: 0..<UInt8(position.maxNumMergeCand), using: &random)
            } else {
                pu.pointee.mvpL0Flag = UInt8.random(in: 0...1, using: &random)
                pu.pointee.mvpL1Flag = UInt8.random(in: 0...1, using: &random)
            }
        }
    }
}
