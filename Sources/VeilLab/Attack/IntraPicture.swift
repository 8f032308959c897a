// SPDX-License-Identifier: GPL-2.0-or-later
import VeilBitstream
import VeilCore
import VeilEntropy
import VeilSystem

/// What an encrypted stream says of one intra picture's luma to somebody without the key: blocks, directions, and
/// magnitudes of coefficients whose signs are not known.
struct IntraPicture {
    struct Coefficient {
        /// Raster position in its block.
        var position: Int
        /// In units of orthonormal transforms of 8-bit samples.
        var magnitude: Float
        /// -1 or 1 where the sign is known, 0 where it is encrypted.
        var sign: Int
    }

    struct Block {
        var x: Int
        var y: Int
        var log2Size: Int
        var mode: Int
        var isSine: Bool
        /// Residual samples instead of coefficients: transform skip and lossless units.
        var isSpatial: Bool
        var coefficients: [Coefficient]
    }

    let width: Int
    let height: Int
    let poc: Int
    private(set) var blocks: [Block] = []
    private(set) var isIntra = true

    private init(_ position: SliceWalk.Position) {
        width = position.width
        height = position.height
        poc = position.poc
    }

    /// The intra pictures of a layer by their number in decoding order, at most `limit`.
    ///
    /// - Parameter signsAreKnown: nothing of the layer is encrypted.
    static func read(
        _ stream: String, layer: Int, hooks: (any BinHookProvider)? = nil, signsAreKnown: Bool = false,
        limit: Int = .max
    ) throws -> [Int: IntraPicture] {
        var pictures: [Int: IntraPicture] = [:]
        let walk = SliceWalk()
        walk.layers = [layer]
        walk.hooks = hooks
        walk.visit = { ctu, position in
            if pictures[position.picture] == nil {
                guard position.isIntraSlice, pictures.count < limit else { return }
                pictures[position.picture] = IntraPicture(position)
            }
            pictures[position.picture]?.add(ctu, position, signsAreKnown: signsAreKnown)
        }
        try StreamWork.units(stream) { try walk.push($0) }
        return pictures.filter { $0.value.isIntra }
    }

    /// The quantization step of coefficients of orthonormal transforms.
    static func step(qp: Int) -> Float { Float(pow(2, Double(qp - 4) / 6)) }

    private mutating func add(_ ctu: CodingTreeUnit, _ position: SliceWalk.Position, signsAreKnown: Bool) {
        let step = Self.step(qp: position.sliceQp)
        for c in 0..<ctu.cuCount {
            let cu = ctu.cus[c]
            guard cu.predMode == .intra else {
                isIntra = false
                return
            }
            for t in Int(cu.firstTU)..<(Int(cu.firstTU) + Int(cu.tuCount)) {
                let tu = ctu.tus[t]
                var block = Block(
                    x: Int(tu.x0), y: Int(tu.y0), log2Size: Int(tu.log2TrafoSize),
                    mode: Int(cu.mode(ofPartition: tu.partition)), isSine: tu.log2TrafoSize == 2,
                    isSpatial: cu.cuTransquantBypassFlag || tu.transformSkip & 1 != 0, coefficients: [])
                if tu.cbf & 1 != 0 {
                    let known = position.hidesSigns && !cu.cuTransquantBypassFlag
                    block.fill(
                        ctu, tu, step: cu.cuTransquantBypassFlag ? 1 : step, hidesSigns: known,
                        signsAreKnown: signsAreKnown)
                }
                blocks.append(block)
            }
        }
    }
}

extension IntraPicture.Block {
    /// Takes over the coefficients of a block. Signs hidden in the parity of levels are not encrypted.
    fileprivate mutating func fill(
        _ ctu: CodingTreeUnit, _ tu: TransformUnit, step: Float, hidesSigns: Bool, signsAreKnown: Bool
    ) {
        let from = Int(tu.residual.0.start)
        let end = from + Int(tu.residual.0.count)
        let mask = (1 << log2Size) - 1
        let scanIdx = log2Size > 3 ? 0 : (6...14).contains(mode) ? 2 : (22...30).contains(mode) ? 1 : 0
        func subBlock(_ at: Int) -> Int {
            let position = Int(ctu.coefficients[at].position)
            return (position >> (log2Size + 2)) << 3 | (position & mask) >> 2
        }
        func place(_ at: Int) -> Int {
            let position = Int(ctu.coefficients[at].position)
            return Int(
                ScanTables.shared.scanPos4[scanIdx << 4 | (position >> log2Size & 3) << 2 | position & 3])
        }
        var first = from
        while first < end {
            var last = first
            while last + 1 < end, subBlock(last + 1) == subBlock(first) { last += 1 }
            let hidden = hidesSigns && place(first) - place(last) > 3
            for at in first...last {
                let entry = ctu.coefficients[at]
                let isKnown = signsAreKnown || hidden && at == last
                coefficients.append(
                    IntraPicture.Coefficient(
                        position: Int(entry.position), magnitude: Float(abs(Int(entry.level))) * step,
                        sign: isKnown ? entry.level < 0 ? -1 : 1 : 0))
            }
            first = last + 1
        }
    }
}

extension CodingUnit {
    /// IntraPredModeY of a partition.
    func mode(ofPartition partition: UInt8) -> UInt8 {
        switch partition {
        case 0: return intraPredModeY.0
        case 1: return intraPredModeY.1
        case 2: return intraPredModeY.2
        default: return intraPredModeY.3
        }
    }
}
