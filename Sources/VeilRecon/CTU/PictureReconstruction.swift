// SPDX-License-Identifier: GPL-2.0-or-later
import VeilCore
import VeilEntropy
import VeilSystem

/// What the blocks of a picture tell each other and the in-loop filters, as plain tables.
///
/// Different CTUs write disjoint parts (they may run on several threads); a CTU reads those of its left and upper
/// neighbours.
package struct PictureMaps: @unchecked Sendable {
    /// Bits of `cuFlags`.
    package static let intra: UInt8 = 1
    /// Samples the in-loop filters must leave alone: cu_transquant_bypass, or PCM with pcm_loop_filter_disabled_flag.
    package static let noFilter: UInt8 = 2

    /// 8x8 luma blocks per row and column (the picture is a multiple of 8).
    package let width8: Int
    package let height8: Int
    /// Row length of the 4x4 grid.
    package let width4: Int
    /// QpY of each 8x8 block.
    package let qpY: MutableBufferView<Int8>
    /// `intra` and `noFilter` of each 8x8 block.
    package let cuFlags: MutableBufferView<UInt8>
    /// cbf_luma of the transform block covering each 4x4 block, 0 or 1.
    package let cbfLuma: MutableBufferView<UInt8>
    /// Boundary strengths of each 8x8 block: bytes 0, 1 its left edge (upper and lower half), 2, 3 its top edge (left
    /// and right half).
    package let edges: MutableBufferView<UInt8>
    package let ctbs: MutableBufferView<CTBRecord>

    /// cbf_luma of a transform block of `1 << log2Size` samples a side.
    @inline(__always)
    func markCoded(x: Int, y: Int, log2Size: Int) {
        Self.fillSquare(
            cbfLuma.base + ((y &>> 2) &* width4 &+ (x &>> 2)), 1, 1 &<< (log2Size &- 2), width4)
    }

    /// QpY of a coding unit of `1 << log2Size` samples a side.
    @inline(__always)
    func mark(qpY value: Int, x: Int, y: Int, log2Size: Int) {
        Self.fillSquare(
            qpY.base + ((y &>> 3) &* width8 &+ (x &>> 3)), UInt8(truncatingIfNeeded: value), 1 &<< (log2Size &- 3),
            width8)
    }

    /// Flags of a coding unit.
    @inline(__always)
    func mark(flags: UInt8, x: Int, y: Int, log2Size: Int) {
        Self.fillSquare(
            cuFlags.base + ((y &>> 3) &* width8 &+ (x &>> 3)), flags, 1 &<< (log2Size &- 3), width8)
    }

    /// Fills a square of bytes; `side` is a power of two up to 16.
    @inline(__always)
    private static func fillSquare(_ at: UnsafeMutableRawPointer, _ value: UInt8, _ side: Int, _ stride: Int) {
        let word = UInt64(value) &* 0x0101_0101_0101_0101
        var row = at
        var left = side
        while left > 0 {
            switch side {
            case 1: row.storeBytes(of: value, as: UInt8.self)
            case 2: row.storeBytes(of: UInt16(truncatingIfNeeded: word), as: UInt16.self)
            case 4: row.storeBytes(of: UInt32(truncatingIfNeeded: word), as: UInt32.self)
            case 8: row.storeBytes(of: word, as: UInt64.self)
            default:
                row.storeBytes(of: word, as: UInt64.self)
                row.storeBytes(of: word, toByteOffset: 8, as: UInt64.self)
            }
            row += stride
            left &-= 1
        }
    }
}

/// What the filters know of a CTB.
package struct CTBRecord {
    /// The slice, kept alive by ``PictureReconstruction``; nil while the CTB has not been reconstructed (or was lost).
    package var slice: Unmanaged<SliceContext>?
    package var sao = SAOParameters()
    /// Address of the slice's first CTB in tile scan: tells slices apart.
    package var sliceAddrTs: Int32 = -1
    package var loopFilterAcrossSlices = true
    /// Whether some block of the CTB has `PictureMaps.noFilter` set.
    package var hasNoFilter = false
    /// slice_beta_offset_div2 * 2 and slice_tc_offset_div2 * 2.
    package var betaOffset: Int8 = 0
    package var tcOffset: Int8 = 0
    /// pps_cb_qp_offset and pps_cr_qp_offset (cQpPicOffset).
    package var cbQpOffset: Int8 = 0
    package var crQpOffset: Int8 = 0

    /// The CTB belongs to a slice: everything but its SAO parameters follows from that.
    mutating func enter(slice: SliceContext) {
        self.slice = Unmanaged.passUnretained(slice)
        sliceAddrTs = Int32(truncatingIfNeeded: slice.sliceAddrTs)
        loopFilterAcrossSlices = slice.constants.sliceLoopFilterAcrossSlicesEnabledFlag
        hasNoFilter = false
        betaOffset = Int8(truncatingIfNeeded: slice.constants.sliceBetaOffsetDiv2 * 2)
        tcOffset = Int8(truncatingIfNeeded: slice.constants.sliceTcOffsetDiv2 * 2)
        cbQpOffset = Int8(truncatingIfNeeded: slice.constants.ppsCbQpOffset)
        crQpOffset = Int8(truncatingIfNeeded: slice.constants.ppsCrQpOffset)
    }
}

/// A picture under reconstruction: the picture itself plus what its blocks and the in-loop filters share.
///
/// One is needed per picture being decoded; `reset` makes it ready for the next picture of the same size.
package final class PictureReconstruction: @unchecked Sendable {
    @exclusivity(unchecked) package private(set) var picture: CodedPicture
    package let grid: CTBGrid
    package let maps: PictureMaps
    private let memory: UnsafeMutableRawPointer
    package private(set) var slices: [SliceContext] = []
    private let lock = Lock()

    package init(picture: CodedPicture, grid: CTBGrid) {
        precondition(
            picture.frame.width == grid.width && picture.frame.height == grid.height, "grid of another picture size")
        self.picture = picture
        self.grid = grid
        let w8 = (grid.width + 7) / 8
        let h8 = (grid.height + 7) / 8
        memory = MemoryPool.shared.borrow(byteCount: Self.byteCount(grid))
        // Bytes first filled with zero, then the records of the CTBs.
        let cells = w8 * h8
        _ = memory.initializeMemory(as: UInt8.self, repeating: 0, count: cells * 10)
        let qpY = MutableBufferView(memory, as: Int8.self, count: cells)
        let bytes = MutableBufferView(memory + cells, as: UInt8.self, count: cells * 9)
        let ctbs = MutableBufferView(
            (memory + Self.bytesOfMaps(grid)).initializeMemory(
                as: CTBRecord.self, repeating: CTBRecord(), count: grid.count), count: grid.count)
        maps = PictureMaps(
            width8: w8, height8: h8, width4: w8 * 2, qpY: qpY, cuFlags: bytes, cbfLuma: bytes + cells,
            edges: bytes + 5 * cells,
            ctbs: ctbs)
        picture.motion.slices.removeAll()
    }

    deinit { MemoryPool.shared.giveBack(memory, byteCount: Self.byteCount(grid)) }

    private static func bytesOfMaps(_ grid: CTBGrid) -> Int {
        let cells = ((grid.width + 7) / 8) * ((grid.height + 7) / 8)
        return (cells * 10 + 63) & ~63
    }

    private static func byteCount(_ grid: CTBGrid) -> Int {
        bytesOfMaps(grid) + grid.count * MemoryLayout<CTBRecord>.stride
    }

    /// Registers a slice before the first of its CTUs is reconstructed, and its references with the picture's motion
    /// field. To be called in slice order, when no other thread reads `motion.slices` of this picture.
    package func add(slice: SliceContext) {
        lock.withLock {
            slices.append(slice)
            picture.motion.slices.append(slice.motionReferences)
        }
    }

    /// A CTB belongs to a slice: fills its record, with the SAO parameters it has after merging (7.4.9.3.2).
    func enter(ctb rs: Int, slice: SliceContext, sao: SAOParameters) {
        let record = maps.ctbs + rs
        record.pointee.enter(slice: slice)
        record.pointee.sao = sao
        picture.motion.sliceIndex[rs] = UInt16(truncatingIfNeeded: slice.sliceIndex)
    }

    /// Whether a CTB has been reconstructed (or was begun to be): false for CTBs of lost slices.
    package func isReconstructed(ctb rs: Int) -> Bool { maps.ctbs[rs].slice != nil }
}
