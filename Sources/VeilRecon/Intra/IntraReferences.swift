// SPDX-License-Identifier: GPL-2.0-or-later
import VeilCore

/// Which samples around a block are of intra blocks.
package struct IntraBlocks {
    let maps: PictureMaps
    /// The block's luma position.
    let x: Int
    let y: Int
    /// 1 for chroma samples of half the width or height.
    let shiftX: Int
    let shiftY: Int

    /// By the position of a sample relative to the block's first, in samples of the component; -1 beside it.
    func isIntra(_ dx: Int, _ dy: Int) -> Bool {
        let px = dx < 0 ? x - 1 : x + dx << shiftX
        let py = dy < 0 ? y - 1 : y + dy << shiftY
        return maps.cuFlags[(py >> 3) * maps.width8 + (px >> 3)] & PictureMaps.intra != 0
    }
}

/// The neighbouring samples of a block (8.4.4.2.2), substituted where unavailable, and filtered (8.4.4.2.3) when the
/// mode asks for it.
///
/// `left[-1]` and `top[-1]` are both p[-1][-1]; left[y] is p[-1][y], top[x] is p[x][-1], up to twice the block size.
package struct IntraReferences: @unchecked Sendable {
    /// Sample 0 of each side, of as many bytes as those that were gathered.
    package let left: UnsafeMutableRawPointer
    package let top: UnsafeMutableRawPointer
    /// The filtered samples, valid after `filter`.
    package let filteredLeft: UnsafeMutableRawPointer
    package let filteredTop: UnsafeMutableRawPointer
    /// p in the order of the substitution process, from p[-1][2N-1] by the corner to p[2N-1][-1].
    private let path: UnsafeMutableRawPointer
    private let memory: UnsafeMutableRawPointer

    /// Bytes for one side.
    private static let side = 384

    package init() {
        memory = .allocate(byteCount: 6 * Self.side, alignment: 64)
        memory.initializeMemory(as: UInt8.self, repeating: 0, count: 6 * Self.side)
        // Sample 0 of every side lies on a 64-byte boundary; kernels may read some samples beyond either end.
        left = memory + 64
        top = memory + (Self.side + 64)
        filteredLeft = memory + (2 * Self.side + 64)
        filteredTop = memory + (3 * Self.side + 64)
        path = memory + 4 * Self.side
    }

    /// The samples of a side, whose first lies 64 bytes behind the side's beginning.
    @inline(__always)
    private func side<Sample>(_ side: UnsafeMutableRawPointer, _ type: Sample.Type) -> MutableBufferView<Sample> {
        let size = MemoryLayout<Sample>.size
        return MutableBufferView(side - 64, as: type, count: Self.side / size) + 64 / size
    }

    package func deallocate() { memory.deallocate() }

    /// Reads the neighbours of the block of size `n` whose first sample is (x, y) of a plane.
    @inline(__always)
    package func gather(_ plane: Plane, x: Int, y: Int, n: Int, available: IntraAvailability, bitDepth: Int) {
        if plane.isNarrow {
            gather(
                plane.view(x, y, as: UInt8.self), stride: plane.stride, n: n, available: available,
                bitDepth: bitDepth)
        } else {
            gather(
                plane.view(x, y, as: UInt16.self), stride: plane.stride, n: n, available: available,
                bitDepth: bitDepth)
        }
    }

    @inline(__always)
    private func gather<Sample: UnsignedInteger & FixedWidthInteger>(
        _ at: MutableBufferView<Sample>, stride: Int, n: Int, available a: IntraAvailability, bitDepth: Int
    ) {
        let left = side(left, Sample.self)
        let top = side(top, Sample.self)
        let above = at - stride
        let across = a.top &+ a.topRight
        if a.top != 0 {
            top.update(from: above, count: across)
        } else if a.topRight != 0 {
            (top + n).update(from: above + n, count: a.topRight)
        }
        let down = a.left &+ a.bottomLeft
        var from = at - 1
        var y = 0
        while y < down {
            left[y] = from[0]
            left[y &+ 1] = from[stride]
            left[y &+ 2] = from[2 &* stride]
            left[y &+ 3] = from[3 &* stride]
            from += 4 &* stride
            y &+= 4
        }
        var corner: Sample = 0
        if a.corner { corner = above[-1] }
        // Substitution: the first sample available on the way from bottom left to top right stands for those before
        // it, and every later gap repeats the sample before it.
        if a.left == 0 {
            if !a.corner {
                corner =
                    a.top != 0 ? top[0] : a.topRight != 0 ? top[n] : Sample(truncatingIfNeeded: 1 &<< (bitDepth &- 1))
            }
            left.update(repeating: corner, count: 2 &* n)
        } else {
            if !a.corner { corner = left[0] }
            if down < 2 &* n { (left + down).update(repeating: left[down &- 1], count: 2 &* n &- down) }
        }
        if a.top == 0 { top.update(repeating: corner, count: n) }
        if a.topRight < n {
            let first = n &+ a.topRight
            (top + first).update(repeating: top[first &- 1], count: n &- a.topRight)
        }
        left[-1] = corner
        top[-1] = corner
    }

    /// The same under constrained_intra_pred_flag: samples of inter-predicted blocks are not available.
    package func gatherConstrained(
        _ plane: Plane, x: Int, y: Int, n: Int, available: IntraAvailability, bitDepth: Int,
        _ blocks: IntraBlocks
    ) {
        if plane.isNarrow {
            gatherConstrained(
                plane.view(x, y, as: UInt8.self), stride: plane.stride, n: n, available: available,
                bitDepth: bitDepth, blocks)
        } else {
            gatherConstrained(
                plane.view(x, y, as: UInt16.self), stride: plane.stride, n: n, available: available,
                bitDepth: bitDepth, blocks)
        }
    }

    private func gatherConstrained<Sample: UnsignedInteger & FixedWidthInteger>(
        _ at: MutableBufferView<Sample>, stride: Int, n: Int, available a: IntraAvailability, bitDepth: Int,
        _ blocks: IntraBlocks
    ) {
        let total = 4 * n + 1
        let path = MutableBufferView(path, as: Sample.self, count: 2 * Self.side / MemoryLayout<Sample>.size)
        let left = side(left, Sample.self)
        let top = side(top, Sample.self)
        /// 4 samples cover no more than one 8x8 block in either component.
        var first = -1
        var last = -1
        // Fills the gap since the last available sample, or before the first one, as soon as it is known.
        func put(_ index: Int, _ value: Sample) {
            if first < 0 {
                first = index
                path.update(repeating: value, count: index)
            } else if index - last > 1 {
                (path + (last + 1)).update(repeating: path[last], count: index - last - 1)
            }
            path[index] = value
            last = index
        }
        var unit = (2 * n) / 4 - 1
        while unit >= 0 {
            let row = unit * 4
            if row < a.left + a.bottomLeft && blocks.isIntra(-1, row) {
                for i in (row..<row + 4).reversed() { put(2 * n - 1 - i, at[i * stride - 1]) }
            }
            unit -= 1
        }
        if a.corner && blocks.isIntra(-1, -1) { put(2 * n, at[-stride - 1]) }
        unit = 0
        while unit < (2 * n) / 4 {
            let column = unit * 4
            let available = column < n ? column < a.top : column - n < a.topRight
            if available && blocks.isIntra(column, -1) {
                for i in column..<column + 4 { put(2 * n + 1 + i, at[i - stride]) }
            }
            unit += 1
        }
        if first < 0 {
            path.update(repeating: Sample(1 << (bitDepth - 1)), count: total)
        } else if last < total - 1 {
            (path + (last + 1)).update(repeating: path[last], count: total - 1 - last)
        }
        for i in 0..<2 * n {
            left[i] = path[2 * n - 1 - i]
            top[i] = path[2 * n + 1 + i]
        }
        left[-1] = path[2 * n]
        top[-1] = path[2 * n]
    }
}
