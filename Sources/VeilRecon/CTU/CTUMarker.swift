// SPDX-License-Identifier: GPL-2.0-or-later
import VeilCore
import VeilEntropy

/// Writes what a CTU means to its neighbours and to the in-loop filters into a picture's maps, where samples and
/// motion are there already: an encoder's decisions leave them. One per worker thread.
package final class CTUMarker {
    package init() {}

    /// Marks one CTU whose record is complete (as after coding, with quantization groups filled in). The same CTUs
    /// must have been marked before it that ``CTUReconstructor`` needs.
    package func mark(ctu: CodingTreeUnit, slice: SliceContext, picture: PictureReconstruction) {
        let rs = ctu.ctbAddrRs
        let maps = picture.maps
        enterCTB(rs, ctu: ctu, slice: slice, picture: picture)
        let strength = BoundaryStrength(slice: slice, picture: picture, ctbAddrRs: rs)
        let deblock = !slice.constants.sliceDeblockingFilterDisabledFlag
        let mask = (1 &<< slice.log2CtbSize) &- 1
        var last = QuantizationParameters.previousQpY(ctbAddrRs: rs, slice: slice, maps: maps)
        var prediction = last
        for i in 0..<ctu.cuCount {
            let cu = ctu.cus + i
            let x = Int(cu.pointee.x0)
            let y = Int(cu.pointee.y0)
            let size = 1 &<< Int(cu.pointee.log2CbSize)
            if cu.pointee.startsQuantizationGroup {
                prediction = QuantizationParameters.prediction(
                    xQg: Int(cu.pointee.xQg), yQg: Int(cu.pointee.yQg), ctbMask: mask, previous: last, maps: maps)
            }
            last = QuantizationParameters.qpY(
                prediction: prediction, cuQpDeltaVal: Int(cu.pointee.cuQpDeltaVal), bitDepthLuma: slice.bitDepthLuma)
            let isIntra = cu.pointee.predMode == .intra
            fill(
                maps, x: x, y: y, size: size, qpY: Int8(truncatingIfNeeded: last),
                flags: isIntra ? PictureMaps.intra : 0)
            markEdges(cu, ctu, strength: strength, maps: maps, deblock: deblock)
        }
    }

    private func enterCTB(_ rs: Int, ctu: CodingTreeUnit, slice: SliceContext, picture: PictureReconstruction) {
        let record = picture.maps.ctbs + rs
        record.pointee.enter(slice: slice)
        record.pointee.sao = ctu.sao
        picture.picture.motion.sliceIndex[rs] = UInt16(truncatingIfNeeded: slice.sliceIndex)
    }

    /// The maps' 8x8 cells of a CU. They are zero to begin with, but a CTU may be marked again.
    @inline(__always)
    private func fill(_ maps: PictureMaps, x: Int, y: Int, size: Int, qpY: Int8, flags: UInt8) {
        let cells = size &>> 3
        var at = (y &>> 3) &* maps.width8 &+ (x &>> 3)
        for _ in 0..<cells {
            for i in 0..<cells {
                maps.qpY[at &+ i] = qpY
                maps.cuFlags[at &+ i] = flags
            }
            at &+= maps.width8
        }
    }

    @inline(__always)
    private func markEdges(
        _ cu: MutableBufferView<CodingUnit>, _ ctu: CodingTreeUnit, strength: BoundaryStrength, maps: PictureMaps,
        deblock: Bool
    ) {
        let x = Int(cu.pointee.x0)
        let y = Int(cu.pointee.y0)
        let size = 1 &<< Int(cu.pointee.log2CbSize)
        let isIntra = cu.pointee.predMode == .intra
        if !isIntra && (!cu.pointee.rqtRootCbf || cu.pointee.tuCount == 0) {
            if !deblock { return }
            strength.markInter(x: x, y: y, size: size, cbf: false)
            strength.markPartitions(x: x, y: y, size: size, partMode: cu.pointee.partMode)
            return
        }
        for k in 0..<Int(cu.pointee.tuCount) {
            let tu = ctu.tus + (Int(cu.pointee.firstTU) &+ k)
            let xTu = Int(tu.pointee.x0)
            let yTu = Int(tu.pointee.y0)
            let sizeTu = 1 &<< Int(tu.pointee.log2TrafoSize)
            if isIntra {
                if deblock { strength.markIntra(x: xTu, y: yTu, size: sizeTu) }
                continue
            }
            let cbf = tu.pointee.cbf & 1 != 0
            if cbf {
                var at = (yTu &>> 2) &* maps.width4 &+ (xTu &>> 2)
                for _ in 0..<sizeTu &>> 2 {
                    for i in 0..<sizeTu &>> 2 { maps.cbfLuma[at &+ i] = 1 }
                    at &+= maps.width4
                }
            }
            if deblock { strength.markInter(x: xTu, y: yTu, size: sizeTu, cbf: cbf) }
        }
        if deblock && !isIntra { strength.markPartitions(x: x, y: y, size: size, partMode: cu.pointee.partMode) }
    }
}
