// SPDX-License-Identifier: GPL-2.0-or-later

/// Everything the slice-data syntax (7.3.8) needs to know of the parameter sets and the slice header, as plain scalars.
package struct SliceParameters: Sendable {
    package enum SliceType: UInt8, Sendable {
        case b = 0
        case p = 1
        case i = 2
    }

    package var sliceType = SliceType.i
    package var sliceQpY = 26
    /// 0, 1 or 2 (9.3.2.2): from slice_type and cabac_init_flag.
    package var initType = 0
    package var picWidthInLumaSamples = 0
    package var picHeightInLumaSamples = 0
    package var picWidthInCtbsY = 0
    package var picHeightInCtbsY = 0
    package var ctbLog2SizeY = 4
    package var minCbLog2SizeY = 3
    package var minTbLog2SizeY = 2
    package var maxTbLog2SizeY = 5
    package var maxTransformHierarchyDepthInter = 0
    package var maxTransformHierarchyDepthIntra = 0
    package var ampEnabledFlag = false
    package var pcmEnabledFlag = false
    package var pcmBitDepthLuma = 8
    package var pcmBitDepthChroma = 8
    package var log2MinIpcmCbSizeY = 3
    package var log2MaxIpcmCbSizeY = 5
    package var sliceSaoLumaFlag = false
    package var sliceSaoChromaFlag = false
    package var transquantBypassEnabledFlag = false
    package var cuQpDeltaEnabledFlag = false
    package var log2MinCuQpDeltaSize = 6
    package var transformSkipEnabledFlag = false
    package var signDataHidingEnabledFlag = false
    package var numRefIdxL0Active = 1
    package var numRefIdxL1Active = 1
    package var mvdL1ZeroFlag = false
    package var maxNumMergeCand = 5
    package var bitDepthY = 8
    package var bitDepthC = 8
    package var entropyCodingSyncEnabledFlag = false
    package var tilesEnabledFlag = false
    package var dependentSliceSegmentsEnabledFlag = false
    package var dependentSliceSegmentFlag = false
    /// SliceAddrRs: of the independent slice segment; and of this segment.
    package var sliceAddrRs = 0
    package var sliceSegmentAddress = 0
    /// Bit i: refIdx i of the list is a long-term (or inter-layer) reference.
    package var longTermMaskL0: UInt16 = 0
    package var longTermMaskL1: UInt16 = 0
    /// CTB address conversions (6.5.1) and tile ids, by raster or tile-scan address.
    package var layout: CTBLayout

    package init(layout: CTBLayout) { self.layout = layout }

    package var qpBdOffsetY: Int { 6 * (bitDepthY - 8) }

    /// Luma blocks are of 16x16 and more, chroma blocks of 8x8 and more: scanIdx is always 0 (7.4.9.11).
    package var scansAreIndependent: Bool { minTbLog2SizeY >= 4 }
}

/// CTB raster and tile scans of a picture (6.5.1).
package final class CTBLayout: Sendable {
    package let ctbAddrRsToTs: [Int32]
    package let ctbAddrTsToRs: [Int32]
    /// TileId by tile-scan address.
    package let tileId: [Int32]
    /// First CTB column of the tile each CTB column belongs to.
    package let tileColumnStart: [Int32]
    package let ctbCount: Int

    /// `colBd` and `rowBd`: tile column and row boundaries in CTBs, from 0 to the picture's size.
    package init(picWidthInCtbs: Int, picHeightInCtbs: Int, colBd: [Int], rowBd: [Int]) {
        ctbCount = picWidthInCtbs * picHeightInCtbs
        var rsToTs = [Int32](repeating: 0, count: ctbCount)
        var tsToRs = rsToTs
        var ids = rsToTs
        var starts = [Int32](repeating: 0, count: picWidthInCtbs)
        var ts = 0
        var tile: Int32 = 0
        for r in 0..<(rowBd.count - 1) {
            for c in 0..<(colBd.count - 1) {
                for y in rowBd[r]..<rowBd[r + 1] {
                    for x in colBd[c]..<colBd[c + 1] {
                        let rs = y * picWidthInCtbs + x
                        rsToTs[rs] = Int32(ts)
                        tsToRs[ts] = Int32(rs)
                        ids[ts] = tile
                        starts[x] = Int32(colBd[c])
                        ts += 1
                    }
                }
                tile += 1
            }
        }
        ctbAddrRsToTs = rsToTs
        ctbAddrTsToRs = tsToRs
        tileId = ids
        tileColumnStart = starts
    }
}

/// Context-derivation state that a CTU row leaves for the row below: cu_skip_flag and CtDepth along its bottom, per
/// minimum CB column. Shared by the WPP rows of a slice. What is coded in parallel otherwise (tiles, slices) needs
/// one each, or a line for every row.
package final class AboveContext: @unchecked Sendable {
    let skip: UnsafeMutablePointer<UInt8>
    let depth: UnsafeMutablePointer<UInt8>
    /// From one CTU row's line to the next; 0 where all rows share one.
    let stride: Int

    /// One line that all rows share.
    package convenience init(picWidthInMinCbs: Int) { self.init(picWidthInMinCbs: picWidthInMinCbs, rows: 1) }

    /// - Parameter rows: of how many CTU rows the lines are kept apart.
    package init(picWidthInMinCbs: Int, rows: Int) {
        // A CTB at the right edge may reach beyond the picture.
        let width = picWidthInMinCbs + 8
        stride = rows > 1 ? width : 0
        skip = .allocate(capacity: width * rows)
        skip.initialize(repeating: 0, count: width * rows)
        depth = .allocate(capacity: width * rows)
        depth.initialize(repeating: 0, count: width * rows)
    }

    deinit {
        skip.deallocate()
        depth.deallocate()
    }
}
