// SPDX-License-Identifier: GPL-2.0-or-later
import VeilBitstream
import VeilCore

/// Everything the slice-data syntax (7.3.8) needs to know of the parameter sets and the slice header, as plain scalars.
package struct SliceParameters: Sendable {
    package var sliceType = SliceType.i
    package var sliceQpY = 26
    /// 0, 1 or 2 (9.3.2.2): from slice_type and cabac_init_flag.
    package var initType = 0
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
    /// ChromaArrayType: 0 monochrome, 1 4:2:0, 2 4:2:2, 3 4:4:4.
    package var chromaArrayType = 1
    /// Any of the range extension's tools below is on that residual_coding asks for in each block.
    package var usesRangeExtension = false
    /// Transform units have a `TransformUnitExtension` beside them: chroma that is not 4:2:0, or tools of the range
    /// extensions.
    package var extendsRecords = false
    package var log2MaxTransformSkipSize = 2
    package var transformSkipContextEnabledFlag = false
    package var implicitRdpcmEnabledFlag = false
    package var explicitRdpcmEnabledFlag = false
    package var extendedPrecisionProcessingFlag = false
    package var persistentRiceAdaptationEnabledFlag = false
    package var cabacBypassAlignmentEnabledFlag = false
    package var crossComponentPredictionEnabledFlag = false
    package var cuChromaQpOffsetEnabledFlag = false
    package var log2MinCuChromaQpOffsetSize = 6
    package var chromaQpOffsetListLenMinus1 = 0
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
    /// CTB address conversions and tiles of the picture.
    package var grid: CTBGrid

    package init(grid: CTBGrid) { self.grid = grid }

    package var chromaFormat: ChromaFormat { ChromaFormat(rawValue: UInt8(chromaArrayType)) ?? .yuv420 }
    package var picWidthInLumaSamples: Int { grid.width }
    package var picHeightInLumaSamples: Int { grid.height }
    package var picWidthInCtbsY: Int { grid.widthInCtbs }
    package var picHeightInCtbsY: Int { grid.heightInCtbs }
    package var ctbLog2SizeY: Int { grid.log2CtbSize }

    package var qpBdOffsetY: Int { 6 * (bitDepthY - 8) }

    /// Luma blocks are of 16x16 and more, chroma blocks of 8x8 (in 4:4:4 of 16x16) and more: scanIdx is always 0
    /// (7.4.9.11). With implicit RDPCM intra modes also say which signs are coded.
    package var scansAreIndependent: Bool { minTbLog2SizeY >= 4 && !implicitRdpcmEnabledFlag }

    /// Log2TransformRange: levels have this many bits and a sign.
    func log2TransformRange(cIdx: Int) -> Int {
        extendedPrecisionProcessingFlag ? max(15, (cIdx == 0 ? bitDepthY : bitDepthC) + 6) : 15
    }
}

/// Context-derivation state that a CTU row leaves for the row below: cu_skip_flag and CtDepth along its bottom, per
/// minimum CB column. Shared by the WPP rows of a slice. What is coded in parallel otherwise (tiles, slices) needs
/// one each, or a line for every row.
package final class AboveContext: @unchecked Sendable {
    let skip: Buffer<UInt8>
    let depth: Buffer<UInt8>
    /// From one CTU row's line to the next; 0 where all rows share one.
    let stride: Int

    /// One line that all rows share.
    package convenience init(picWidthInMinCbs: Int) { self.init(picWidthInMinCbs: picWidthInMinCbs, rows: 1) }

    /// - Parameter rows: of how many CTU rows the lines are kept apart.
    package init(picWidthInMinCbs: Int, rows: Int) {
        // A CTB at the right edge may reach beyond the picture.
        let width = picWidthInMinCbs + 8
        stride = rows > 1 ? width : 0
        skip = Buffer(repeating: 0, count: width * rows)
        depth = Buffer(repeating: 0, count: width * rows)
    }
}
