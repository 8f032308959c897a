// SPDX-License-Identifier: GPL-2.0-or-later
import CVeilKernels
import VeilCore
import VeilEntropy

/// Sample adaptive offset (8.7.3), one row of CTBs at a time, in place.
///
/// Offsets are decided on deblocked samples, so what a neighbour must still read unmodified is kept aside: the last
/// line of the row above, and the right column of the CTB to the left.
package final class SampleAdaptiveOffset {
    private let picture: PictureReconstruction
    private let grid: CTBGrid
    private let planes: (Plane, Plane, Plane)
    private let ctbs: MutableBufferView<CTBRecord>
    private let maps: PictureMaps
    private let bitDepth: (Int, Int)
    private let chromaFormat: ChromaFormat
    /// Per component: deblocked last line of the previous CTB row, and of the current one. Sample -1 exists.
    private let lines: UnsafeMutableRawPointer
    private let lineStride: Int
    private let state: Buffer<State>
    /// A CTB with one sample around it.
    private let scratch: UnsafeMutableRawPointer
    private static let scratchStride = 96
    /// Where sample (0, 0) lies: rows begin 64-byte aligned.
    private static let scratchOrigin = scratchStride + 32

    private struct State {
        /// Which half of `lines` holds the previous row.
        var odd = false
        /// Right column of the previous CTB before it was modified.
        var column: UnsafeMutableRawPointer
        var columnIsValid = false
    }

    /// SaoOffsetVal[1...4] of the block at hand.
    private let offsets = Buffer<Int16>(repeating: 0, count: 4)

    package init(picture: PictureReconstruction) {
        self.picture = picture
        grid = picture.grid
        let frame = picture.picture.frame
        planes = frame.planes
        maps = picture.maps
        ctbs = maps.ctbs
        bitDepth = (frame.bitDepthLuma, frame.bitDepthChroma)
        chromaFormat = frame.chromaFormat
        lineStride = (frame.width + 64 + 31) & ~31
        // Of samples of either size.
        func memory(samples: Int) -> UnsafeMutableRawPointer {
            let memory = UnsafeMutableRawPointer.allocate(byteCount: samples * 2, alignment: 64)
            memory.initializeMemory(as: UInt8.self, repeating: 0, count: samples * 2)
            return memory
        }
        lines = memory(samples: lineStride * 6)
        scratch = memory(samples: Self.scratchStride * 68)
        let column = memory(samples: 64)
        state = Buffer(repeating: State(column: column), count: 1)
    }

    deinit {
        lines.deallocate()
        scratch.deallocate()
        state.pointee.column.deallocate()
    }

    private func line<Sample>(_ cIdx: Int, odd: Bool) -> MutableBufferView<Sample> {
        MutableBufferView(lines, as: Sample.self, count: lineStride * 6)
            + ((cIdx * 2 + (odd ? 1 : 0)) * lineStride + 32)
    }

    /// Filters a CTB row; rows come in order. The row and the one below must be deblocked, to the last line the
    /// latter may change.
    package func filter(ctbRow: Int) {
        if planes.0.isNarrow { filter(ctbRow, UInt8.self) } else { filter(ctbRow, UInt16.self) }
    }

    private func filter<Sample: UnsignedInteger & FixedWidthInteger>(_ ctbRow: Int, _ type: Sample.Type) {
        let odd = state.pointee.odd
        for cIdx in 0..<chromaFormat.planeCount {
            let plane = cIdx == 0 ? planes.0 : cIdx == 1 ? planes.1 : planes.2
            let log2 = grid.log2CtbSize - chromaFormat.shiftX(cIdx)
            let log2Height = grid.log2CtbSize - chromaFormat.shiftY(cIdx)
            let y0 = ctbRow << log2Height
            let height = min(1 << log2Height, plane.height - y0)
            let above: MutableBufferView<Sample> = line(cIdx, odd: !odd)
            let current: MutableBufferView<Sample> = line(cIdx, odd: odd)
            current.update(from: plane.view(0, y0 + height - 1, as: type), count: plane.width)
            state.pointee.columnIsValid = false
            for column in 0..<grid.widthInCtbs {
                let rs = ctbRow * grid.widthInCtbs + column
                block(rs, column, cIdx: cIdx, plane: plane, log2: log2, y0: y0, height: height, above: above)
            }
        }
        state.pointee.odd = !odd
    }

    @inline(__always)
    private func component(_ rs: Int, _ cIdx: Int) -> SAOParameters.Component {
        cIdx == 0 ? ctbs[rs].sao.components.0 : cIdx == 1 ? ctbs[rs].sao.components.1 : ctbs[rs].sao.components.2
    }

    private func block<Sample: UnsignedInteger & FixedWidthInteger>(
        _ rs: Int, _ column: Int, cIdx: Int, plane: Plane, log2: Int, y0: Int, height: Int,
        above: MutableBufferView<Sample>
    ) {
        let p = component(rs, cIdx)
        let leftIsKept = state.pointee.columnIsValid
        state.pointee.columnIsValid = false
        guard p.saoTypeIdx != 0, let slice = ctbs[rs].slice else { return }
        let depth = cIdx == 0 ? bitDepth.0 : bitDepth.1
        let up = slice._withUnsafeGuaranteedRef {
            let tools = $0.constants.ppsRangeExtension
            return cIdx == 0 ? tools.log2SaoOffsetScaleLuma : tools.log2SaoOffsetScaleChroma
        }
        offsets[0] = p.offsets.0 << Int16(up)
        offsets[1] = p.offsets.1 << Int16(up)
        offsets[2] = p.offsets.2 << Int16(up)
        offsets[3] = p.offsets.3 << Int16(up)
        let x0 = column << log2
        let width = min(1 << log2, plane.width - x0)
        let at = plane.view(x0, y0, as: Sample.self)
        let isEdge = p.saoTypeIdx == 2
        let protects = ctbs[rs].hasNoFilter
        let stride = plane.stride
        let copy = MutableBufferView(scratch, as: Sample.self, count: Self.scratchStride * 68) + Self.scratchOrigin
        let kept = MutableBufferView(state.pointee.column, as: Sample.self, count: 64)
        let copyStride = Self.scratchStride
        if isEdge || protects {
            (copy - copyStride - 1).update(from: above + x0 - 1, count: width + 2)
            veil_any_copy(plane.isNarrow, copy.base, copyStride, at.base, stride, Int32(width), Int32(height + 1))
            for y in 0...height {
                copy[y &* copyStride &- 1] = at[y &* stride &- 1]
                copy[y &* copyStride &+ width] = at[y &* stride &+ width]
            }
            if leftIsKept {
                for y in 0..<height { copy[y * copyStride - 1] = kept[y] }
            }
        }
        // The next CTB may need this one's right column as it is now.
        if column + 1 < grid.widthInCtbs && component(rs + 1, cIdx).saoTypeIdx == 2 {
            for y in 0..<height { kept[y] = at[y * stride + width - 1] }
            state.pointee.columnIsValid = true
        }
        if isEdge {
            veil_any_sao_edge(
                plane.isNarrow, at.base, stride, copy.base, copyStride, Int32(width), Int32(height),
                Int32(p.saoEoClass),
                offsets.base, Int32(depth))
            let across = slice._withUnsafeGuaranteedRef { $0.constants.loopFilterAcrossTilesEnabledFlag }
            restoreBorders(
                rs, column, BlockView(at, stride: stride, width: width, height: height),
                BlockView(copy, stride: copyStride, width: width, height: height), Int(p.saoEoClass),
                acrossTiles: across)
        } else {
            veil_any_sao_band(
                plane.isNarrow, at.base, stride, at.base, stride, Int32(width), Int32(height), Int32(p.saoBandPosition),
                offsets.base, Int32(depth))
        }
        if protects {
            restoreUnfiltered(
                cIdx, x0: x0, y0: y0, BlockView(at, stride: stride, width: width, height: height),
                BlockView(copy, stride: copyStride, width: width, height: height))
        }
    }

    /// Whether samples of CTB `other` may take part in deciding offsets of CTB `rs`.
    private func usable(_ rs: Int, _ other: Int, _ acrossTiles: Bool) -> Bool {
        if ctbs[other].slice == nil { return false }
        let own = ctbs[rs].sliceAddrTs
        let theirs = ctbs[other].sliceAddrTs
        // Of two slices the later one's flag counts.
        if own != theirs && !(theirs > own ? ctbs[other].loopFilterAcrossSlices : ctbs[rs].loopFilterAcrossSlices) {
            return false
        }
        return acrossTiles || grid.tileIdRs[rs] == grid.tileIdRs[other]
    }

    /// Gives border samples whose neighbour may not be used their deblocked value again (edgeIdx 0).
    private func restoreBorders<Sample>(
        _ rs: Int, _ column: Int, _ block: BlockView<Sample>, _ kept: BlockView<Sample>, _ eoClass: Int,
        acrossTiles: Bool
    ) {
        let (at, stride, width, height) = (block.samples, block.stride, block.width, block.height)
        let (copy, copyStride) = (kept.samples, kept.stride)
        let w = grid.widthInCtbs
        let hasLeft = column > 0
        let hasRight = column + 1 < w
        let hasUp = rs >= w
        let hasDown = rs + w < grid.count
        let left = hasLeft && usable(rs, rs - 1, acrossTiles)
        let right = hasRight && usable(rs, rs + 1, acrossTiles)
        let up = hasUp && usable(rs, rs - w, acrossTiles)
        let down = hasDown && usable(rs, rs + w, acrossTiles)
        // A corner whose diagonal leads into the diagonal CTB does not depend on the CTB beside it.
        let topLeft = eoClass == 2 ? 1 : 0
        let topRight = eoClass == 3 ? 1 : 0
        if eoClass != 1 {
            if !left { for y in topLeft..<height - topRight { at[y * stride] = copy[y * copyStride] } }
            if !right {
                for y in topRight..<height - topLeft { at[y * stride + width - 1] = copy[y * copyStride + width - 1] }
            }
        }
        if eoClass != 0 {
            let count = width - topLeft - topRight
            if !up { (at + topLeft).update(from: copy + topLeft, count: count) }
            if !down {
                (at + (height - 1) * stride + topRight).update(
                    from: copy + (height - 1) * copyStride + topRight, count: count)
            }
        }
        func restore(_ x: Int, _ y: Int) { at[y * stride + x] = copy[y * copyStride + x] }
        if eoClass == 2 {
            if !(hasLeft && hasUp && usable(rs, rs - w - 1, acrossTiles)) { restore(0, 0) }
            if !(hasRight && hasDown && usable(rs, rs + w + 1, acrossTiles)) { restore(width - 1, height - 1) }
        } else if eoClass == 3 {
            if !(hasRight && hasUp && usable(rs, rs - w + 1, acrossTiles)) { restore(width - 1, 0) }
            if !(hasLeft && hasDown && usable(rs, rs + w - 1, acrossTiles)) { restore(0, height - 1) }
        }
    }

    /// Restores lossless and unfiltered PCM blocks.
    private func restoreUnfiltered<Sample>(
        _ cIdx: Int, x0: Int, y0: Int, _ block: BlockView<Sample>, _ kept: BlockView<Sample>
    ) {
        let log2X = 3 - chromaFormat.shiftX(cIdx)
        let log2Y = 3 - chromaFormat.shiftY(cIdx)
        for y in stride(from: 0, to: block.height, by: 1 << log2Y) {
            for x in stride(from: 0, to: block.width, by: 1 << log2X) {
                let cell = ((y0 + y) >> log2Y) * maps.width8 + ((x0 + x) >> log2X)
                if maps.cuFlags[cell] & PictureMaps.noFilter == 0 { continue }
                for i in 0..<1 << log2Y {
                    (block.row(y + i) + x).update(from: kept.row(y + i) + x, count: 1 << log2X)
                }
            }
        }
    }
}
