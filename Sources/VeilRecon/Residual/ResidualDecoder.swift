// SPDX-License-Identifier: GPL-2.0-or-later
import CVeilKernels
import VeilCore
import VeilEntropy

/// What scaling needs to know of a CU: quantization parameters of the three components and scaling factors.
package struct ResidualParameters {
    /// Qp'Y, Qp'Cb and Qp'Cr.
    package let qpLuma: Int
    package let qpCb: Int
    package let qpCr: Int
    package let bitDepthLuma: Int
    package let bitDepthChroma: Int
    package let isIntra: Bool
    /// `ScalingFactors.tables`, nil when scaling is flat. The slice context keeps them alive.
    package let scalingTables: BufferView<UInt8>?

    /// The parameters of a CU with luma quantization parameter `qpY` (QpY, without the bit depth's offset).
    @inline(__always)
    package init(_ c: BlockContext, qpY: Int, isIntra: Bool) {
        qpLuma = qpY &+ 6 &* (c.bitDepthLuma &- 8)
        qpCb = QuantizationParameters.qpChroma(qpY: qpY, offset: c.cbQpOffset, bitDepthChroma: c.bitDepthChroma)
        qpCr = QuantizationParameters.qpChroma(qpY: qpY, offset: c.crQpOffset, bitDepthChroma: c.bitDepthChroma)
        bitDepthLuma = c.bitDepthLuma
        bitDepthChroma = c.bitDepthChroma
        self.isIntra = isIntra
        scalingTables = c.scalingTables
    }

    /// The same outside a CTU's reconstruction.
    package init(slice: SliceContext, qpY: Int, isIntra: Bool) {
        qpLuma = qpY + 6 * (slice.bitDepthLuma - 8)
        qpCb = QuantizationParameters.qpChroma(
            qpY: qpY, offset: slice.constants.cbQpOffset, bitDepthChroma: slice.bitDepthChroma)
        qpCr = QuantizationParameters.qpChroma(
            qpY: qpY, offset: slice.constants.crQpOffset, bitDepthChroma: slice.bitDepthChroma)
        bitDepthLuma = slice.bitDepthLuma
        bitDepthChroma = slice.bitDepthChroma
        self.isIntra = isIntra
        scalingTables = slice.scalingTables
    }

    init(
        qpLuma: Int, qpCb: Int, qpCr: Int, bitDepthLuma: Int, bitDepthChroma: Int, isIntra: Bool,
        scalingTables: BufferView<UInt8>?
    ) {
        self.qpLuma = qpLuma
        self.qpCb = qpCb
        self.qpCr = qpCr
        self.bitDepthLuma = bitDepthLuma
        self.bitDepthChroma = bitDepthChroma
        self.isIntra = isIntra
        self.scalingTables = scalingTables
    }

    @inline(__always)
    func qp(_ cIdx: Int) -> Int { cIdx == 0 ? qpLuma : cIdx == 1 ? qpCb : qpCr }

    @inline(__always)
    func bitDepth(_ cIdx: Int) -> Int { cIdx == 0 ? bitDepthLuma : bitDepthChroma }
}

/// How a transform block's levels become residual samples.
package enum ResidualKind {
    case transform
    case transformSkip
    case bypass
}

/// Scaling, inverse transformation and addition to the prediction (8.6.2 to 8.6.8), with its working memory. One per
/// worker.
package final class ResidualDecoder {
    /// A block of coefficients, all zero between calls.
    let block = Buffer<Int16>(repeating: 0, count: 32 * 32, alignment: 64)
    /// Residual samples of the block at hand, and of the luma block that chroma is predicted from.
    let samples: Buffer<Int16>
    let lumaSamples: MutableBufferView<Int16>

    package init() {
        samples = Buffer(repeating: 0, count: 2048)
        lumaSamples = samples + 1024
    }

    /// Scaling of one block (8.6.4.2): level -> Clip16((level * m * levelScale[qP % 6] << (qP / 6) + round) >>
    /// bdShift).
    struct Scaler {
        /// Without m.
        let scale: Int
        let round: Int
        let shift: Int
        /// Nil for m = 16.
        let matrix: BufferView<UInt8>?

        @inline(__always)
        init(_ p: ResidualParameters, cIdx: Int, log2Size: Int, transformSkip: Bool) {
            let qp = p.qp(cIdx)
            let sixth = qp / 6
            let levelScale: Int
            switch qp &- 6 &* sixth {
            case 0: levelScale = 40
            case 1: levelScale = 45
            case 2: levelScale = 51
            case 3: levelScale = 57
            case 4: levelScale = 64
            default: levelScale = 72
            }
            shift = p.bitDepth(cIdx) &+ log2Size &- 5
            round = 1 &<< (shift &- 1)
            if let tables = p.scalingTables, !(transformSkip && log2Size > 2) {
                matrix = ScalingFactors.table(tables, log2Size: log2Size, cIdx: cIdx, intra: p.isIntra)
                scale = levelScale &<< sixth
            } else {
                matrix = nil
                scale = (levelScale &* 16) &<< sixth
            }
        }

        @inline(__always)
        func callAsFunction(_ level: Int16, _ position: Int) -> Int16 {
            let m = matrix.map { Int($0[position]) } ?? 1
            return Int16(truncatingIfNeeded: min(32767, max(-32768, (Int(level) &* scale &* m &+ round) &>> shift)))
        }

        @inline(__always)
        func flat(_ level: Int16) -> Int16 {
            Int16(truncatingIfNeeded: min(32767, max(-32768, (Int(level) &* scale &+ round) &>> shift)))
        }
    }

    /// Adds the residual of a block given by its non-zero levels to the prediction at `to`.
    package func add(
        _ r: ResidualBlock, _ coefficients: BufferView<CoefficientEntry>, to: SampleBlock, cIdx: Int, log2Size: Int,
        kind: ResidualKind, _ p: ResidualParameters
    ) {
        let entries = coefficients + Int(r.start)
        let count = Int(r.count)
        if count == 0 { return }
        let bitDepth = p.bitDepth(cIdx)
        if kind == .bypass {
            for i in 0..<count {
                addSample(to, log2Size, Int(entries[i].position), Int(entries[i].level), bitDepth)
            }
            return
        }
        let scaler = Scaler(p, cIdx: cIdx, log2Size: log2Size, transformSkip: kind == .transformSkip)
        if kind == .transformSkip {
            // 8.6.4.1 and 8.6.2: << tsShift, then the rounding shift of the transform. Zero levels stay zero.
            let down = 20 &- bitDepth
            for i in 0..<count {
                let position = Int(entries[i].position)
                let d = Int(scaler(entries[i].level, position)) &<< (5 &+ log2Size)
                addSample(to, log2Size, position, (d &+ (1 &<< (down &- 1))) &>> down, bitDepth)
            }
            return
        }
        let isDST = log2Size == 2 && cIdx == 0 && p.isIntra
        let block = block.view
        var used = 0
        if scaler.matrix == nil {
            for i in 0..<count {
                let position = Int(entries[i].position) & 1023
                used |= position
                block[position] = scaler.flat(entries[i].level)
            }
        } else {
            for i in 0..<count {
                let position = Int(entries[i].position) & 1023
                used |= position
                block[position] = scaler(entries[i].level, position)
            }
        }
        transform(used: used, isDST: isDST, to: to, log2Size: log2Size, bitDepth: bitDepth)
    }

    /// The same for a dense raster block of levels, as an encoder has them. The levels must be those that will be
    /// coded.
    package func add(
        levels: BufferView<Int16>, to: SampleBlock, cIdx: Int, log2Size: Int, kind: ResidualKind,
        _ p: ResidualParameters
    ) {
        let bitDepth = p.bitDepth(cIdx)
        let samples = 1 &<< (2 &* log2Size)
        let scaler = Scaler(p, cIdx: cIdx, log2Size: log2Size, transformSkip: kind == .transformSkip)
        switch kind {
        case .bypass:
            for i in 0..<samples where levels[i] != 0 {
                addSample(to, log2Size, i, Int(levels[i]), bitDepth)
            }
        case .transformSkip:
            let down = 20 &- bitDepth
            for i in 0..<samples where levels[i] != 0 {
                let d = Int(scaler(levels[i], i)) &<< (5 &+ log2Size)
                addSample(to, log2Size, i, (d &+ (1 &<< (down &- 1))) &>> down, bitDepth)
            }
        case .transform:
            var used = 0
            for i in 0..<samples where levels[i] != 0 {
                used |= i
                block[i] = scaler(levels[i], i)
            }
            // A block without levels has no residual, which the all-zero transform agrees with.
            transform(
                used: used, isDST: log2Size == 2 && cIdx == 0 && p.isIntra, to: to, log2Size: log2Size,
                bitDepth: bitDepth)
        }
    }

    @inline(__always)
    private func addSample(
        _ to: SampleBlock, _ log2Size: Int, _ position: Int, _ residual: Int, _ bitDepth: Int
    ) {
        let at = (position &>> log2Size) &* to.stride &+ (position & ((1 &<< log2Size) &- 1))
        func add<Sample: UnsignedInteger & FixedWidthInteger>(_ type: Sample.Type) {
            let sample = to.base.assumingMemoryBound(to: type) + at
            sample.pointee = Sample(
                truncatingIfNeeded: min((1 &<< bitDepth) &- 1, max(0, Int(sample.pointee) &+ residual)))
        }
        if to.isNarrow { add(UInt8.self) } else { add(UInt16.self) }
    }

    /// Transforms and clears `block`. `used` is the union of the bits of all positions in use: no coefficient lies
    /// beyond its column and row.
    @inline(__always)
    private func transform(
        used: Int, isDST: Bool, to: SampleBlock, log2Size: Int, bitDepth: Int
    ) {
        let size = 1 &<< log2Size
        if used == 0 && !isDST {
            veil_any_idct_dc_add(
                to.isNarrow, to.base, to.stride, Int32(block[0]), Int32(truncatingIfNeeded: size),
                Int32(truncatingIfNeeded: bitDepth))
            block[0] = 0
            return
        }
        let maxY = used &>> log2Size
        let maxX = used & (size &- 1)
        let x = Int32(truncatingIfNeeded: maxX)
        let y = Int32(truncatingIfNeeded: maxY)
        let depth = Int32(truncatingIfNeeded: bitDepth)
        if isDST {
            veil_any_idst4_add(to.isNarrow, to.base, to.stride, block.base, x, y, depth)
        } else {
            veil_any_idct_add(
                to.isNarrow, to.base, to.stride, block.base, Int32(truncatingIfNeeded: log2Size), x, y, depth)
        }
        block.view.update(repeating: 0, count: (maxY &+ 1) &<< log2Size)
    }
}
