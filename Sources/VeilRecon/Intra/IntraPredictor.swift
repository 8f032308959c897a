// SPDX-License-Identifier: GPL-2.0-or-later
import CVeilKernels
import VeilCore

/// Intra sample prediction (8.4.4.2), with its working memory. One per worker.
package final class IntraPredictor {
    package let references = IntraReferences()

    package init() {}

    deinit { references.deallocate() }

    /// Predicts a block in place. `x`, `y`: position in samples of the component; `mode`: predModeIntra, 0...34.
    @inline(__always)
    package func predict(_ c: BlockContext, cIdx: Int, x: Int, y: Int, log2Size: Int, mode: Int) {
        let plane = c.plane(cIdx)
        gather(c, cIdx: cIdx, x: x, y: y, log2Size: log2Size)
        predict(
            mode: mode, cIdx: cIdx, log2Size: log2Size, bitDepth: c.bitDepth(cIdx),
            strongSmoothing: c.strongIntraSmoothing, to: plane.block(x, y))
    }

    /// Collects the neighbouring samples of a block into `references`: once per block, whatever number of modes is
    /// then tried.
    @inline(__always)
    package func gather(_ c: BlockContext, cIdx: Int, x: Int, y: Int, log2Size: Int) {
        let plane = c.plane(cIdx)
        let shift = cIdx == 0 ? 0 : 1
        let n = 1 &<< log2Size
        let xLuma = x &<< shift
        let yLuma = y &<< shift
        let available = IntraAvailability(c, x: xLuma, y: yLuma, size: n &<< shift, shift: shift)
        if c.constrainedIntra {
            references.gatherConstrained(
                plane, x: x, y: y, n: n, available: available, bitDepth: c.bitDepth(cIdx),
                IntraBlocks(maps: c.maps, x: xLuma, y: yLuma, shiftX: shift, shiftY: shift))
        } else {
            references.gather(plane, x: x, y: y, n: n, available: available, bitDepth: c.bitDepth(cIdx))
        }
    }

    /// Predicts a block from the collected neighbours into any memory for samples of their size.
    @inline(__always)
    package func predict(
        mode: Int, cIdx: Int, log2Size: Int, bitDepth: Int, strongSmoothing: Bool, to: SampleBlock
    ) {
        // Edge filters of DC, horizontal and vertical prediction (8.4.4.2.5, 8.4.4.2.6).
        predict(
            mode: mode, log2Size: log2Size, bitDepth: bitDepth,
            filters: cIdx == 0 && Self.filters(mode: mode, log2Size: log2Size), strongSmoothing: strongSmoothing,
            edge: cIdx == 0 && log2Size < 5 ? 1 : 0, to: to)
    }

    @inline(__always)
    func predict(
        mode: Int, log2Size: Int, bitDepth: Int, filters: Bool, strongSmoothing: Bool, edge: Int32,
        to: SampleBlock
    ) {
        var left = references.left
        var top = references.top
        if filters {
            left = references.filteredLeft
            top = references.filteredTop
            veil_any_intra_filter(
                to.isNarrow, left, top, references.left, references.top, Int32(truncatingIfNeeded: log2Size),
                strongSmoothing ? 1 : 0,
                Int32(truncatingIfNeeded: bitDepth))
        }
        let log2 = Int32(truncatingIfNeeded: log2Size)
        switch mode {
        case 0: veil_any_intra_planar(to.isNarrow, to.base, to.stride, left, top, log2)
        case 1: veil_any_intra_dc(to.isNarrow, to.base, to.stride, left, top, log2, edge)
        default:
            veil_any_intra_angular(
                to.isNarrow, to.base, to.stride, left, top, log2, Int32(truncatingIfNeeded: mode), edge,
                Int32(truncatingIfNeeded: bitDepth))
        }
    }

    /// filterFlag (8.4.4.2.3): minDistVerHor > intraHorVerDistThres[nTbS].
    @inline(__always)
    package static func filters(mode: Int, log2Size: Int) -> Bool {
        if mode == 1 || log2Size == 2 { return false }
        if mode == 0 { return true }
        let distance = min(abs(mode &- 26), abs(mode &- 10))
        return distance > (log2Size == 3 ? 7 : log2Size == 4 ? 1 : 0)
    }
}
