// SPDX-License-Identifier: GPL-2.0-or-later
import CVeilKernels
import VeilBins
import VeilRecon

/// Transform, quantisation and reconstruction of single transform blocks for the mode decision.
struct Quantiser {
    /// Qp'Y, Qp'Cb, Qp'Cr.
    let qp: (Int, Int, Int)
    let bitDepth: (Int, Int)
    /// Rounding of the quantiser in 1/512 of a step: about a third for intra, a sixth for inter blocks.
    let rounding: Int
    let residual: UnsafeMutablePointer<Int16>
    let coefficients: UnsafeMutablePointer<Int16>

    private static func quantScale(_ rem: Int) -> Int {
        switch rem {
        case 0: return 26214
        case 1: return 23302
        case 2: return 20560
        case 3: return 18396
        case 4: return 16384
        default: return 14564
        }
    }

    private static func levelScale(_ rem: Int) -> Int {
        switch rem {
        case 0: return 40
        case 1: return 45
        case 2: return 51
        case 3: return 57
        case 4: return 64
        default: return 72
        }
    }

    @inline(__always)
    private func qp(_ cIdx: Int) -> Int { cIdx == 0 ? qp.0 : cIdx == 1 ? qp.1 : qp.2 }

    /// Quantises source - prediction into `levels`; returns how many levels are not zero.
    @inline(__always)
    func quantise(
        source: UnsafePointer<UInt16>, sourceStride: Int, prediction: UnsafePointer<UInt16>, predictionStride: Int, log2: Int,
        cIdx: Int, isDST: Bool, levels: UnsafeMutablePointer<Int16>
    ) -> Int {
        let n = 1 << log2
        let depth = cIdx == 0 ? bitDepth.0 : bitDepth.1
        veil_residual(residual, n, source, sourceStride, prediction, predictionStride, Int32(n), Int32(n))
        if isDST {
            veil_fdst4(coefficients, residual, n, Int32(depth))
        } else {
            veil_fdct(coefficients, residual, n, Int32(log2), Int32(depth))
        }
        let q = qp(cIdx)
        let shift = 14 + q / 6 + 15 - depth - log2
        return Int(
            veil_quant(levels, nil, coefficients, Int32(n * n), Int32(Self.quantScale(q % 6)), Int32(rounding << (shift - 9)), Int32(shift)))
    }

    /// Adds the residual that `levels` stand for to the prediction at `to`.
    @inline(__always)
    func reconstruct(levels: UnsafePointer<Int16>, to: UnsafeMutablePointer<UInt16>, stride: Int, log2: Int, cIdx: Int, isDST: Bool) {
        let n = 1 << log2
        let depth = cIdx == 0 ? bitDepth.0 : bitDepth.1
        let q = qp(cIdx)
        veil_dequant(coefficients, levels, Int32(n * n), Int32(Self.levelScale(q % 6)), Int32(depth + log2 - 5 - 4 - q / 6))
        if isDST {
            veil_idst4_add(to, stride, coefficients, Int32(n - 1), Int32(n - 1), Int32(depth))
        } else {
            veil_idct_add(to, stride, coefficients, Int32(log2), Int32(n - 1), Int32(n - 1), Int32(depth))
        }
    }
}
