// SPDX-License-Identifier: GPL-2.0-or-later
import TestSupport
import VeilCore
import VeilEntropy
import VeilRecon

extension FrameBuffer {
    /// A frame with the given samples, repeated beyond its borders; `sample`: by component and place.
    convenience init(width: Int, height: Int, bitDepth: Int = 8, sample: (Int, Int, Int) -> Int) {
        self.init(width: width, height: height, bitDepthLuma: bitDepth, bitDepthChroma: bitDepth)
        for cIdx in 0..<3 {
            let plane = plane(cIdx)
            for y in -plane.margin..<plane.height + plane.margin {
                for x in -plane.margin..<plane.width + plane.margin {
                    let value = sample(
                        cIdx, min(max(x, 0), plane.width - 1), min(max(y, 0), plane.height - 1))
                    plane.at(x, y).pointee = UInt16(min((1 << bitDepth) - 1, max(0, value)))
                }
            }
        }
    }
}

extension FrameBuffer {
    /// The same 8-bit picture, margins included, in samples of one byte.
    func narrowed() -> FrameBuffer {
        let narrow = FrameBuffer(
            width: width, height: height, bitDepthLuma: bitDepthLuma, bitDepthChroma: bitDepthChroma, isNarrow: true)
        for cIdx in 0..<3 {
            let (from, to) = (plane(cIdx), narrow.plane(cIdx))
            for y in -from.margin..<from.height + from.margin {
                for x in -from.margin..<from.width + from.margin {
                    to.samples(x, y, as: UInt8.self).pointee = UInt8(truncatingIfNeeded: from[x, y])
                }
            }
        }
        return narrow
    }
}

/// Rates with the contexts that a P slice begins with.
func initialRates() -> RateEstimator {
    let parameters = SliceParameters(grid: CTBGrid(width: 64, height: 64, log2CtbSize: 6))
    let rate = RateEstimator(parameters: parameters)
    rate.begin(contexts: Context.initialStates(initType: 1, sliceQpY: 30), parameters: parameters)
    return rate
}
