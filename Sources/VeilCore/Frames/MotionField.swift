// SPDX-License-Identifier: GPL-2.0-or-later

/// Motion of one block: MvLX, RefIdxLX; PredFlagLX is `refIdx >= 0`. Intra blocks have both -1.
package struct MotionInfo: Equatable, Sendable {
    package var mv0 = MotionVector()
    package var mv1 = MotionVector()
    package var refIdx0: Int8 = -1
    package var refIdx1: Int8 = -1
    @inlinable package init() {}

    /// Spelt out: the comparison of vectors is another module's and would be called each time.
    @inline(__always)
    package static func == (a: Self, b: Self) -> Bool {
        a.mv0.x == b.mv0.x && a.mv0.y == b.mv0.y && a.mv1.x == b.mv1.x && a.mv1.y == b.mv1.y && a.refIdx0 == b.refIdx0
            && a.refIdx1 == b.refIdx1
    }

    @inlinable package var isInter: Bool { (refIdx0 & refIdx1) >= 0 || refIdx0 >= 0 || refIdx1 >= 0 }
}

/// The motion of a picture on its 4x4 luma grid, with what TMVP needs to know of the slices' references. Of an
/// inter-layer reference picture TMVP alone looks at it, and at no more than one block in 16x16 samples.
package final class MotionField: @unchecked Sendable {
    /// Blocks of 4x4 luma samples per row and column.
    package let width4: Int
    package let height4: Int
    /// Blocks of 1 << `log2Grid` luma samples a side, 4 or 16, `stride` of them a row.
    package let blocks: MutableBufferView<MotionInfo>
    package let log2Grid: Int
    package let stride: Int
    private let blockCount: Int
    /// Index into `slices` for every CTB in raster order, set when the CTU is reconstructed.
    package let sliceIndex: Buffer<UInt16>
    package let ctbLog2Size: Int
    package let widthInCtbs: Int
    package let ctbCount: Int

    /// What a slice's refIdx values meant: POC and marking of every reference, at the time the picture was decoded.
    package struct SliceReferences: Sendable {
        package var poc: ([Int32], [Int32])
        package var isLongTerm: ([Bool], [Bool])
        package init(poc: ([Int32], [Int32]), isLongTerm: ([Bool], [Bool])) {
            self.poc = poc
            self.isLongTerm = isLongTerm
        }
    }
    /// Appended to (under the decoder's control, before the slice's CTUs are reconstructed). At most 600 slices a
    /// picture (level 6.2).
    package var slices: [SliceReferences] = []

    /// `clears` off leaves the motion undefined, for those who write all of it.
    package init(width: Int, height: Int, ctbLog2Size: Int, log2Grid: Int = 2, clears: Bool = true) {
        width4 = (width + 3) / 4
        height4 = (height + 3) / 4
        self.ctbLog2Size = ctbLog2Size
        let ctb = 1 << ctbLog2Size
        widthInCtbs = (width + ctb - 1) / ctb
        ctbCount = widthInCtbs * ((height + ctb - 1) / ctb)
        self.log2Grid = log2Grid
        stride = (width + (1 << log2Grid) - 1) >> log2Grid
        blockCount = stride * ((height + (1 << log2Grid) - 1) >> log2Grid)
        blocks = MutableBufferView(
            MemoryPool.shared.borrow(byteCount: blockCount * MemoryLayout<MotionInfo>.stride)
                .bindMemory(to: MotionInfo.self, capacity: blockCount), count: blockCount)
        sliceIndex = Buffer(repeating: 0, count: ctbCount)
        if clears { clear() }
    }

    /// The motion of pictures that have none: no block of it can be looked up, and none is.
    package static let none = MotionField(width: 0, height: 0, ctbLog2Size: 4)

    /// No motion anywhere.
    package func clear() {
        // One row is filled, the others copied: the pattern is no multiple of a machine word.
        blocks.update(repeating: MotionInfo(), count: stride)
        for y in 1..<max(blockCount / max(stride, 1), 1) {
            (blocks + y * stride).update(from: blocks, count: stride)
        }
    }

    /// Where the block at a luma position is in ``blocks``.
    @inline(__always)
    package func index(x: Int, y: Int) -> Int { (y &>> log2Grid) &* stride &+ (x &>> log2Grid) }

    /// POC and long-term marking of what a refIdx of a slice meant; nil for what no slice has said.
    package func reference(slice: Int, list: Int, refIdx: Int) -> (poc: Int32, isLongTerm: Bool)? {
        guard slice < slices.count else { return nil }
        let pocs = list == 0 ? slices[slice].poc.0 : slices[slice].poc.1
        guard refIdx >= 0 && refIdx < pocs.count else { return nil }
        let marks = list == 0 ? slices[slice].isLongTerm.0 : slices[slice].isLongTerm.1
        return (pocs[refIdx], marks[refIdx])
    }

    deinit {
        MemoryPool.shared.giveBack(blocks.base, byteCount: blockCount * MemoryLayout<MotionInfo>.stride)
    }
}
