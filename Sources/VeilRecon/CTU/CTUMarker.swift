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
        picture.enter(ctb: rs, slice: slice, sao: ctu.sao)
        let strength = BoundaryStrength(slice: slice, picture: picture, ctbAddrRs: rs)
        let deblock = !slice.constants.sliceDeblockingFilterDisabledFlag
        let mask = (1 &<< slice.log2CtbSize) &- 1
        var qp = QpDerivation(ctbAddrRs: rs, slice: slice, maps: maps)
        for i in 0..<ctu.cuCount {
            let cu = ctu.cus + i
            let x = Int(cu.pointee.x0)
            let y = Int(cu.pointee.y0)
            let log2 = Int(cu.pointee.log2CbSize)
            let qpY = qp.next(cu, ctbMask: mask, bitDepthLuma: slice.bitDepthLuma, maps)
            // A CTU may be marked again: flags of 0 count.
            maps.mark(qpY: qpY, x: x, y: y, log2Size: log2)
            maps.mark(flags: cu.pointee.predMode == .intra ? PictureMaps.intra : 0, x: x, y: y, log2Size: log2)
            markEdges(cu, ctu, strength: strength, maps: maps, deblock: deblock)
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
            let log2Tu = Int(tu.pointee.log2TrafoSize)
            let sizeTu = 1 &<< log2Tu
            if isIntra {
                if deblock { strength.markIntra(x: xTu, y: yTu, size: sizeTu) }
                continue
            }
            let cbf = tu.pointee.cbf & 1 != 0
            if cbf { maps.markCoded(x: xTu, y: yTu, log2Size: log2Tu) }
            if deblock { strength.markInter(x: xTu, y: yTu, size: sizeTu, cbf: cbf) }
        }
        if deblock && !isIntra { strength.markPartitions(x: x, y: y, size: size, partMode: cu.pointee.partMode) }
    }
}
