// SPDX-License-Identifier: GPL-2.0-or-later
import VeilCore

@testable import VeilEntropy

/// Parameters of a picture of `width` x `height` luma samples, of two by two tiles where a first tile's size in CTBs
/// is given.
func pictureParameters(width: Int, height: Int, ctbLog2: Int, firstTile: (width: Int, height: Int)?) -> SliceParameters
{
    let ctb = 1 << ctbLog2
    let (w, h) = ((width + ctb - 1) / ctb, (height + ctb - 1) / ctb)
    let grid = CTBGrid(
        width: width, height: height, log2CtbSize: ctbLog2,
        columnWidths: firstTile.map { [$0.width, w - $0.width] } ?? [],
        rowHeights: firstTile.map { [$0.height, h - $0.height] } ?? [])
    var p = SliceParameters(grid: grid)
    p.maxTbLog2SizeY = min(5, ctbLog2)
    p.log2MaxIpcmCbSizeY = min(5, ctbLog2)
    p.sliceSaoLumaFlag = true
    p.sliceSaoChromaFlag = true
    p.cuQpDeltaEnabledFlag = true
    p.tilesEnabledFlag = firstTile != nil
    return p
}

/// Codes all CTUs of a picture with `substream`, preparing each record with `before`. Whether the picture was coded
/// to its end.
func code(
    _ substream: any SliceDataCoding, _ p: SliceParameters, _ ctu: CodingTreeUnit = CodingTreeUnit(),
    before: (Int, CodingTreeUnit) -> Void = { _, _ in }, after: (CodingTreeUnit) -> Void = { _ in }
) -> Bool {
    var begins = true
    for ts in 0..<p.grid.count {
        let rs = Int(p.grid.ctbAddrTsToRs[ts])
        ctu.reset(
            ctbAddrRs: rs, xCtb: (rs % p.picWidthInCtbsY) << p.ctbLog2SizeY,
            yCtb: (rs / p.picWidthInCtbsY) << p.ctbLog2SizeY)
        before(rs, ctu)
        if begins { substream.begin(ctbAddrRs: rs, first: ts == 0) }
        let step = substream.code(ctu, last: ts == p.grid.count - 1)
        after(ctu)
        switch step {
        case .more: begins = false
        case .endOfSubstream: begins = true
        case .endOfSegment: return ts == p.grid.count - 1
        case .failed: return false
        }
    }
    return false
}
