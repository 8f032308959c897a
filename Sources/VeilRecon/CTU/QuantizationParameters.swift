// SPDX-License-Identifier: GPL-2.0-or-later
import VeilCore

/// QpY of coding units in decoding order (8.6.1), within a CTB.
struct QpDerivation {
    /// Of the last one.
    private var last = 0
    /// qPY_PRED of the current quantization group.
    private var prediction = 0

    init() {}

    /// At the beginning of a CTB.
    init(ctbAddrRs: Int, slice: SliceContext, maps: PictureMaps) {
        last = QuantizationParameters.previousQpY(ctbAddrRs: ctbAddrRs, slice: slice, maps: maps)
        prediction = last
    }

    /// QpY of the next coding unit.
    @inline(__always)
    mutating func next(_ cu: MutableBufferView<CodingUnit>, ctbMask: Int, bitDepthLuma: Int, _ maps: PictureMaps) -> Int
    {
        if cu.pointee.startsQuantizationGroup {
            prediction = QuantizationParameters.prediction(
                xQg: Int(cu.pointee.xQg), yQg: Int(cu.pointee.yQg), ctbMask: ctbMask, previous: last, maps: maps)
        }
        last = QuantizationParameters.qpY(
            prediction: prediction, cuQpDeltaVal: Int(cu.pointee.cuQpDeltaVal), bitDepthLuma: bitDepthLuma)
        return last
    }
}

/// Derivation of the quantization parameters (8.6.1).
package enum QuantizationParameters {
    /// QpC as a function of qPi for ChromaArrayType 1 (Table 8-10); negative indices are returned as they are.
    @inline(__always)
    package static func qpC(_ qPi: Int) -> Int {
        if qPi < 30 { return qPi }
        if qPi >= 43 { return qPi &- 6 }
        // 30...42 -> 29 30 31 32 33 33 34 34 35 35 36 36 37
        switch qPi {
        case 30: return 29
        case 31: return 30
        case 32: return 31
        case 33: return 32
        case 34, 35: return 33
        case 36, 37: return 34
        case 38, 39: return 35
        case 40, 41: return 36
        default: return 37
        }
    }

    /// Qp'Cb or Qp'Cr from QpY; `offset` is pps_cX_qp_offset + slice_cX_qp_offset.
    @inline(__always)
    package static func qpChroma(qpY: Int, offset: Int, bitDepthChroma: Int) -> Int {
        let qpBdOffset = 6 &* (bitDepthChroma &- 8)
        return qpC(min(57, max(-qpBdOffset, qpY &+ offset))) &+ qpBdOffset
    }

    /// The same of any chroma format: QpC is Min(qPi, 51) where ChromaArrayType is not 1.
    package static func qpChroma(qpY: Int, offset: Int, bitDepthChroma: Int, format: ChromaFormat) -> Int {
        if format == .yuv420 { return qpChroma(qpY: qpY, offset: offset, bitDepthChroma: bitDepthChroma) }
        let qpBdOffset = 6 * (bitDepthChroma - 8)
        return min(max(-qpBdOffset, qpY + offset), 51) + qpBdOffset
    }

    /// QpY from its prediction and CuQpDeltaVal.
    @inline(__always)
    package static func qpY(prediction: Int, cuQpDeltaVal: Int, bitDepthLuma: Int) -> Int {
        let qpBdOffset = 6 &* (bitDepthLuma &- 8)
        // The sum is not negative: prediction >= -qpBdOffset and the delta >= -(26 + qpBdOffset / 2).
        return (prediction &+ cuQpDeltaVal &+ 52 &+ 2 &* qpBdOffset) % (52 &+ qpBdOffset) &- qpBdOffset
    }

    /// qPY_PREV for the first quantization group of a CTU: SliceQpY where a slice, a tile or (with WPP) a CTB row of
    /// a tile begins, else the QpY of the last CU of the CTU before it in decoding order.
    package static func previousQpY(ctbAddrRs rs: Int, slice: SliceContext, maps: PictureMaps) -> Int {
        let grid = slice.grid
        let ts = Int(grid.ctbAddrRsToTs[rs])
        let column = rs % grid.widthInCtbs
        if rs == slice.sliceAddrRs || ts == 0 { return slice.sliceQpY }
        let previous = Int(grid.ctbAddrTsToRs[ts - 1])
        if grid.tileIdRs[previous] != grid.tileIdRs[rs] { return slice.sliceQpY }
        if slice.constants.parameters.entropyCodingSyncEnabledFlag
            && column << grid.log2CtbSize == Int(grid.tileX0[column])
        {
            return slice.sliceQpY
        }
        return lastQpY(ctbAddrRs: previous, grid: grid, maps: maps)
    }

    /// QpY of the last CU of a CTU.
    package static func lastQpY(ctbAddrRs rs: Int, grid: CTBGrid, maps: PictureMaps) -> Int {
        // The last CU in z-scan order covers the bottom right of what of the CTB lies inside the picture.
        let right = min(((rs % grid.widthInCtbs) + 1) << grid.log2CtbSize, grid.width) - 1
        let bottom = min(((rs / grid.widthInCtbs) + 1) << grid.log2CtbSize, grid.height) - 1
        return Int(maps.qpY[(bottom >> 3) * maps.width8 + (right >> 3)])
    }

    /// qPY_PRED of the quantization group at luma position (xQg, yQg): the mean of the left and upper neighbours,
    /// each replaced by qPY_PREV when it lies outside the current CTB.
    @inline(__always)
    package static func prediction(xQg: Int, yQg: Int, ctbMask: Int, previous: Int, maps: PictureMaps) -> Int {
        let cell = (yQg &>> 3) &* maps.width8 &+ (xQg &>> 3)
        let a = xQg & ctbMask != 0 ? Int(maps.qpY[cell &- 1]) : previous
        let b = yQg & ctbMask != 0 ? Int(maps.qpY[cell &- maps.width8]) : previous
        return (a &+ b &+ 1) &>> 1
    }
}
