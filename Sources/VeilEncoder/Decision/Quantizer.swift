// SPDX-License-Identifier: GPL-2.0-or-later
import CVeilKernels
import VeilCore
import VeilEntropy
import VeilRecon
import VeilSystem

/// How the residual of a transform block becomes coefficients.
enum ResidualTransform {
    case cosine
    /// Of 4x4 luma blocks of intra units.
    case sine
    /// transform_skip_flag: the residual itself, as large as coefficients are (8.6.4.2 backwards).
    case none
}

/// Transform, quantization and reconstruction of single transform blocks for the mode decision.
struct Quantizer {
    /// Qp'Y, Qp'Cb, Qp'Cr.
    let qp: (Int, Int, Int)
    let bitDepth: (Int, Int)
    /// Rounding of the quantizer in 1/512 of a step: about a third for intra, a sixth for inter blocks.
    let rounding: Int
    /// Size of a luma quantization step.
    let step: Double
    private let steps: (Double, Double, Double)
    private let scale: (Int, Int, Int)
    private let shift: (Int, Int, Int)
    private let levelScale: (Int32, Int32, Int32)
    private let sixth: (Int, Int, Int)
    let residual: MutableBufferView<Int16>
    let coefficients: MutableBufferView<Int16>
    let remainders: MutableBufferView<Int32>

    init(qp: (Int, Int, Int), bitDepth: (Int, Int), rounding: Int, memory: DecisionMemory) {
        self.qp = qp
        self.bitDepth = bitDepth
        self.rounding = rounding
        residual = memory.residual.view
        coefficients = memory.coefficients.view
        remainders = memory.remainders.view
        step = exp2(Double(qp.0 - 4) / 6)
        steps = (exp2(Double(qp.0 - 4) / 3), exp2(Double(qp.1 - 4) / 3), exp2(Double(qp.2 - 4) / 3))
        func forward(_ q: Int) -> Int { [26214, 23302, 20560, 18396, 16384, 14564][q % 6] }
        func inverse(_ q: Int) -> Int32 { [40, 45, 51, 57, 64, 72][q % 6] }
        scale = (forward(qp.0), forward(qp.1), forward(qp.2))
        shift = (29 - bitDepth.0 + qp.0 / 6, 29 - bitDepth.1 + qp.1 / 6, 29 - bitDepth.1 + qp.2 / 6)
        levelScale = (inverse(qp.0), inverse(qp.1), inverse(qp.2))
        sixth = (qp.0 / 6, qp.1 / 6, qp.2 / 6)
    }

    /// Quantizes source - prediction into `levels`; returns how many levels are not zero. The coefficients stay in
    /// `coefficients`. `remains` keeps what the levels leave of each coefficient in `remainders`, in 1/256 step.
    @inline(__always)
    func quantize(
        source: SampleBlock, prediction: SampleBlock, log2: Int, cIdx: Int, transform: ResidualTransform,
        levels: MutableBufferView<Int16>, remains: Bool = false
    ) -> Int {
        let n = 1 &<< log2
        let n32 = Int32(truncatingIfNeeded: n)
        let depth = Int32(truncatingIfNeeded: cIdx == 0 ? bitDepth.0 : bitDepth.1)
        veil_any_residual(
            source.isNarrow, residual.base, n, source.base, source.stride, prediction.base, prediction.stride, n32, n32)
        switch transform {
        case .cosine: veil_fdct(coefficients.base, residual.base, n, Int32(truncatingIfNeeded: log2), depth)
        case .sine: veil_fdst4(coefficients.base, residual.base, n, depth)
        case .none: for i in 0..<16 { coefficients[i] = residual[i] &<< Int16(truncatingIfNeeded: 13 &- depth) }
        }
        let shift = (cIdx == 0 ? shift.0 : cIdx == 1 ? shift.1 : shift.2) &- log2
        return Int(
            veil_quant(
                levels.pointer(for: n &* n), remains ? remainders.base : nil, coefficients.base, n32 &* n32,
                Int32(truncatingIfNeeded: cIdx == 0 ? scale.0 : cIdx == 1 ? scale.1 : scale.2),
                Int32(truncatingIfNeeded: rounding &<< (shift &- 9)), Int32(truncatingIfNeeded: shift)))
    }

    /// Quantizes `coefficients` again, to the nearest levels; what they leave goes to `remainders`.
    @inline(__always)
    func quantizeToNearest(log2: Int, cIdx: Int, levels: MutableBufferView<Int16>) {
        let shift = (cIdx == 0 ? shift.0 : cIdx == 1 ? shift.1 : shift.2) &- log2
        _ = veil_quant(
            levels.pointer(for: 1 &<< (2 &* log2)), remainders.base, coefficients.base,
            Int32(truncatingIfNeeded: 1 &<< (2 &* log2)),
            Int32(truncatingIfNeeded: cIdx == 0 ? scale.0 : cIdx == 1 ? scale.1 : scale.2),
            1 &<< Int32(truncatingIfNeeded: shift &- 1),
            Int32(truncatingIfNeeded: shift))
    }

    /// Squared size of a component's quantization step, in samples.
    @inline(__always)
    func squaredStep(cIdx: Int) -> Double { cIdx == 0 ? steps.0 : cIdx == 1 ? steps.1 : steps.2 }

    /// Adds the residual that `levels` stand for to the prediction at `to`.
    @inline(__always)
    func reconstruct(
        levels: BufferView<Int16>, to: SampleBlock, log2: Int, cIdx: Int, transform: ResidualTransform
    ) {
        let n = 1 &<< log2
        let depth = cIdx == 0 ? bitDepth.0 : bitDepth.1
        let scale = cIdx == 0 ? levelScale.0 : cIdx == 1 ? levelScale.1 : levelScale.2
        let sixth = cIdx == 0 ? sixth.0 : cIdx == 1 ? sixth.1 : sixth.2
        // Most blocks have levels in their first corner only.
        var rows = n
        var columns = n
        if n >= 16 { (columns, rows) = Self.extent(levels, n) }
        veil_dequant(
            coefficients.base, levels.pointer(for: n &* rows), Int32(truncatingIfNeeded: n &* rows), scale,
            Int32(truncatingIfNeeded: depth &+ log2 &- 9 &- sixth))
        let depth32 = Int32(truncatingIfNeeded: depth)
        let x = Int32(truncatingIfNeeded: columns &- 1)
        let y = Int32(truncatingIfNeeded: rows &- 1)
        switch transform {
        case .cosine:
            if rows < n { (coefficients + n &* rows).update(repeating: 0, count: n &* (n &- rows)) }
            veil_any_idct_add(
                to.isNarrow, to.base, to.stride, coefficients.base, Int32(truncatingIfNeeded: log2), x, y, depth32)
        case .sine:
            veil_any_idst4_add(to.isNarrow, to.base, to.stride, coefficients.base, x, y, depth32)
        case .none:
            let down = Int16(truncatingIfNeeded: 13 &- depth)
            let half = Int16(1) &<< (down &- 1)
            for i in 0..<16 {
                residual[i] = Int16(truncatingIfNeeded: (Int(coefficients[i]) &+ Int(half)) &>> Int(down))
            }
            veil_any_add_residual(to.isNarrow, to.base, to.stride, residual.base, 4, 4, 4, depth32)
        }
    }

    /// Columns and rows, multiples of 4, that hold all levels of a block of 16 or 32 samples a side.
    @inline(__always)
    private static func extent(_ levels: BufferView<Int16>, _ n: Int) -> (Int, Int) {
        let words = UnsafeRawPointer(levels.pointer(for: n &* n))
        let perRow = n &>> 2
        var across: (UInt64, UInt64, UInt64) = (0, 0, 0)
        var lastRow = 0
        for y in 0..<n {
            let row = words + y &* n &* 2
            var any: UInt64 = row.load(as: UInt64.self)
            let second = row.load(fromByteOffset: 8, as: UInt64.self)
            across.0 |= second
            any |= second
            var i = 2
            while i < perRow {
                let v = row.load(fromByteOffset: i &* 8, as: UInt64.self)
                if i < 4 { across.1 |= v } else { across.2 |= v }
                any |= v
                i &+= 1
            }
            if any != 0 { lastRow = y }
        }
        let columns = across.2 != 0 ? n : across.1 != 0 ? 16 : across.0 != 0 ? 8 : 4
        return (columns, min(n, (lastRow &+ 4) & ~3))
    }
}

/// What belongs to one QP: quantizers, and what a bit is worth.
struct Quantization {
    /// QpY.
    let qp: Int
    let lambda: Double
    let lambdaSatd: Double
    let inter: Quantizer
    let intra: Quantizer

    init(qp: Int, slice: SliceContext, lambda: Double, memory: DecisionMemory) {
        self.qp = qp
        self.lambda = lambda
        lambdaSatd = lambda.squareRoot()
        func quantizer(_ rounding: Int) -> Quantizer {
            Quantizer(
                qp: (
                    qp + 6 * (slice.bitDepthLuma - 8),
                    QuantizationParameters.qpChroma(
                        qpY: qp, offset: slice.constants.cbQpOffset, bitDepthChroma: slice.bitDepthChroma),
                    QuantizationParameters.qpChroma(
                        qpY: qp, offset: slice.constants.crQpOffset, bitDepthChroma: slice.bitDepthChroma)
                ), bitDepth: (slice.bitDepthLuma, slice.bitDepthChroma), rounding: rounding, memory: memory)
        }
        inter = quantizer(100)
        intra = quantizer(171)
    }
}
