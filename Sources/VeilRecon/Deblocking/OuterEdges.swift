// SPDX-License-Identifier: GPL-2.0-or-later
import VeilCore

/// Boundary strengths (8.7.2.3 to 8.7.2.5) of the CTB edges at which two slices or two tiles meet.
///
/// The CTBs on both sides may be reconstructed in either order, by different threads: their common edge is derived
/// when both are there, just before it is filtered.
struct OuterEdges {
    private let maps: PictureMaps
    private let motion: MutableBufferView<MotionInfo>
    private let motionStride: Int
    private let grid: CTBGrid

    init(picture: PictureReconstruction) {
        maps = picture.maps
        motion = picture.picture.motion.blocks
        motionStride = picture.picture.motion.width4
        grid = picture.grid
    }

    /// Marks the left and top edges of the CTBs of a row whose neighbour there belongs to another slice or tile.
    func mark(ctbRow: Int) {
        let ctbs = maps.ctbs
        for column in 0..<grid.widthInCtbs {
            let rs = ctbRow * grid.widthInCtbs + column
            guard let slice = ctbs[rs].slice else { continue }
            if column > 0 && meets(rs, rs - 1) { edge(rs, rs - 1, slice, vertical: true) }
            if ctbRow > 0 && meets(rs, rs - grid.widthInCtbs) {
                edge(rs, rs - grid.widthInCtbs, slice, vertical: false)
            }
        }
    }

    private func meets(_ rs: Int, _ other: Int) -> Bool {
        maps.ctbs[rs].sliceAddrTs != maps.ctbs[other].sliceAddrTs || grid.tileIdRs[rs] != grid.tileIdRs[other]
    }

    /// The edge between CTB `rs` and CTB `other` to its left or above it, in units of 4 luma samples.
    private func edge(_ rs: Int, _ other: Int, _ slice: Unmanaged<SliceContext>, vertical: Bool) {
        guard let neighbour = maps.ctbs[other].slice else { return }
        let (ids, isFiltered) = slice._withUnsafeGuaranteedRef { s in
            let sameTile = grid.tileIdRs[other] == grid.tileIdRs[rs]
            let sameSlice = maps.ctbs[other].sliceAddrTs == maps.ctbs[rs].sliceAddrTs
            // Of slices the flag of the one that holds the current block counts (filterEdgeFlag).
            let filters =
                (sameTile || s.constants.loopFilterAcrossTilesEnabledFlag)
                && (sameSlice || s.constants.sliceLoopFilterAcrossSlicesEnabledFlag)
                && !s.constants.sliceDeblockingFilterDisabledFlag
            return (s.referenceIds.view, filters)
        }
        if !isFiltered { return }
        let otherIds = neighbour._withUnsafeGuaranteedRef { $0.referenceIds.view }
        let x0 = (rs % grid.widthInCtbs) << grid.log2CtbSize
        let y0 = (rs / grid.widthInCtbs) << grid.log2CtbSize
        let size = 1 << grid.log2CtbSize
        let length = vertical ? min(size, grid.height - y0) : min(size, grid.width - x0)
        for at in stride(from: 0, to: length, by: 4) {
            let x = vertical ? x0 : x0 + at
            let y = vertical ? y0 + at : y0
            let cell = (y >> 3) * maps.width8 + (x >> 3)
            let block = (y >> 2) * maps.width4 + (x >> 2)
            let byte = vertical ? (y >> 2) & 1 : 2 + ((x >> 2) & 1)
            maps.edges[cell * 4 + byte] = strength(
                cell, vertical ? cell - 1 : cell - maps.width8, block, vertical ? block - 1 : block - maps.width4,
                motion + ((y >> 2) * motionStride + (x >> 2)), vertical ? 1 : motionStride, ids, otherIds)
        }
    }

    private func strength(
        _ q: Int, _ p: Int, _ blockQ: Int, _ blockP: Int, _ motionQ: MutableBufferView<MotionInfo>, _ step: Int,
        _ ids: MutableBufferView<Int>, _ otherIds: MutableBufferView<Int>
    ) -> UInt8 {
        if (maps.cuFlags[q] | maps.cuFlags[p]) & PictureMaps.intra != 0 { return 2 }
        if maps.cbfLuma[blockQ] | maps.cbfLuma[blockP] != 0 { return 1 }
        return BoundaryStrength.compare(motionQ - step, otherIds, motionQ, ids)
    }
}
