// SPDX-License-Identifier: GPL-2.0-or-later
import VeilCore

/// What the range extensions change of intra prediction.
struct IntraTools {
    /// intra_smoothing_disabled_flag
    let smoothingDisabled: Bool
    /// disableIntraBoundaryFilter (8.4.4.2.6): lossless blocks with implicit residual DPCM.
    let boundaryFilterDisabled: Bool
}

extension IntraPredictor {
    /// Predicts a block of any chroma format in place. `x`, `y`: position in samples of the component.
    func predictExtended(
        _ c: BlockContext, cIdx: Int, x: Int, y: Int, log2Size: Int, mode: Int, _ tools: IntraTools
    ) {
        let plane = c.plane(cIdx)
        let shiftX = c.chromaFormat.shiftX(cIdx)
        let shiftY = c.chromaFormat.shiftY(cIdx)
        let n = 1 << log2Size
        let xLuma = x << shiftX
        let yLuma = y << shiftY
        let available = IntraAvailability(
            c, x: xLuma, y: yLuma, width: n << shiftX, height: n << shiftY, shiftX: shiftX, shiftY: shiftY)
        if c.constrainedIntra {
            references.gatherConstrained(
                plane, x: x, y: y, n: n, available: available, bitDepth: c.bitDepth(cIdx),
                IntraBlocks(maps: c.maps, x: xLuma, y: yLuma, shiftX: shiftX, shiftY: shiftY))
        } else {
            references.gather(plane, x: x, y: y, n: n, available: available, bitDepth: c.bitDepth(cIdx))
        }
        // Chroma as luma where there is as much of it (8.4.4.2.3), but for what the reference samples of 32x32 luma
        // blocks and the edges of luma blocks have of their own.
        let filters =
            !tools.smoothingDisabled && (cIdx == 0 || c.chromaFormat == .yuv444)
            && Self.filters(mode: mode, log2Size: log2Size)
        let hasEdge = cIdx == 0 && log2Size < 5 && (mode == 1 || !tools.boundaryFilterDisabled)
        predict(
            mode: mode, log2Size: log2Size, bitDepth: c.bitDepth(cIdx), filters: filters,
            strongSmoothing: c.strongIntraSmoothing && cIdx == 0, edge: hasEdge ? 1 : 0,
            to: plane.block(x, y))
    }
}
