// SPDX-License-Identifier: GPL-2.0-or-later
import CVeilKernels
import VeilCore

/// Deblocking, SAO, margins and publication of one picture, following its reconstruction row by row.
///
/// A row of CTBs is deblocked when the row below it is reconstructed (intra prediction reads undeblocked samples),
/// and goes through SAO when the row below it is deblocked. Calls must come from one thread at a time.
package final class InLoopFilter {
    private let picture: PictureReconstruction
    private let deblocking: DeblockingFilter
    private let outerEdges: OuterEdges
    private let sao: SampleAdaptiveOffset?
    private let rows: Int
    private let log2CtbSize: Int
    private var deblocked = 0
    private var finished = 0
    private let publishes: Bool
    /// Called with each CTB row in order, before it is deblocked: an encoder that decides rows side by side settles
    /// their QPs.
    package var beforeDeblocking: ((Int) -> Void)?
    /// Called with a CTB row that is deblocked, like those below and above it (which may have gone through SAO
    /// already), before it goes through SAO itself: an encoder decides its parameters.
    package var beforeSAO: ((Int) -> Void)?

    /// - Parameters:
    ///   - saoEnabled: sample_adaptive_offset_enabled_flag; false saves the work of looking for parameters.
    ///   - publishes: off keeps the picture unfinished for those who wait for it.
    package init(picture: PictureReconstruction, saoEnabled: Bool = true, publishes: Bool = true) {
        self.picture = picture
        self.publishes = publishes
        rows = picture.grid.heightInCtbs
        log2CtbSize = picture.grid.log2CtbSize
        deblocking = DeblockingFilter(picture: picture)
        outerEdges = OuterEdges(picture: picture)
        sao = saoEnabled ? SampleAdaptiveOffset(picture: picture) : nil
    }

    /// CTB rows 0 ..< count are reconstructed (or given up). Finishes what this permits and publishes it.
    package func advance(reconstructedRows count: Int) {
        let complete = count >= rows
        let hasOuterEdges = picture.grid.hasTiles || picture.slices.count > 1
        let deblockable = complete ? rows : count - 1
        while deblocked < deblockable {
            beforeDeblocking?(deblocked)
            if hasOuterEdges { outerEdges.mark(ctbRow: deblocked) }
            deblocking.filter(ctbRow: deblocked)
            deblocked += 1
        }
        let final = complete ? rows : deblocked - 1
        let frame = picture.picture.frame
        while finished < final {
            beforeSAO?(finished)
            sao?.filter(ctbRow: finished)
            finished += 1
            let first = (finished - 1) << log2CtbSize
            let last = min(finished << log2CtbSize, frame.height)
            frame.extendMargins(lumaRows: first..<last)
            if finished < rows && publishes { picture.picture.publish(rows: last) }
        }
        if complete && publishes { picture.picture.publishAll() }
    }
}

extension FrameBuffer {
    /// Repeats the border samples into the margins beside the given luma rows (an even range) and the chroma rows
    /// they cover, and above or below the picture when the range touches its top or bottom.
    package func extendMargins(lumaRows: Range<Int>) {
        for cIdx in 0..<chromaFormat.planeCount {
            let plane = plane(cIdx)
            let shift = chromaFormat.shiftY(cIdx)
            let first = lumaRows.lowerBound >> shift
            let last = lumaRows.upperBound >> shift
            let margin = Int32(plane.margin)
            let width = Int32(plane.width)
            veil_any_extend_rows(isNarrow, plane.address(0, first), plane.stride, width, Int32(last - first), margin)
            if first == 0 { veil_any_extend_top(isNarrow, plane.base, plane.stride, width, margin, margin) }
            if last == plane.height {
                veil_any_extend_bottom(
                    isNarrow, plane.base, plane.stride, width, Int32(plane.height), margin, margin)
            }
        }
    }
}
