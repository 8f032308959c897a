// SPDX-License-Identifier: GPL-2.0-or-later
import VeilCore
import VeilEntropy
import VeilRecon

/// Turns the QPs that coding units were decided with into CuQpDeltaVal (7.4.9.14, 8.6.1).
enum QuantizationGroups {
    /// Sets `cuQpDeltaVal` of a CTU's coding units, and their QpY in the picture's maps. `qps`: QpY wanted, by index
    /// of the coding unit; units of one group want the same.
    ///
    /// The difference is coded in the first transform unit of a group that has levels: units of the group before it
    /// keep the predicted QP.
    static func assign(
        _ ctu: CodingTreeUnit, qps: BufferView<Int8>, parameters p: SliceParameters, slice: SliceContext,
        maps: PictureMaps
    ) {
        let previous = QuantizationParameters.previousQpY(ctbAddrRs: ctu.ctbAddrRs, slice: slice, maps: maps)
        _ = assign(ctu, previous: previous, parameters: p, maps: maps) { i, _ in Int(qps[i]) }
    }

    /// Sets the differences again where the CTU before, in decoding order, did not have the QpY that was assumed.
    /// Returns whether the CTU's last QpY is another now, which the next CTU begins with.
    static func reassign(_ ctu: CodingTreeUnit, parameters p: SliceParameters, maps: PictureMaps, grid: CTBGrid) -> Bool
    {
        let before = QuantizationParameters.lastQpY(ctbAddrRs: ctu.ctbAddrRs, grid: grid, maps: maps)
        let previous = QuantizationParameters.lastQpY(ctbAddrRs: ctu.ctbAddrRs - 1, grid: grid, maps: maps)
        // What has levels was quantized with its QpY, which stays.
        return before != assign(ctu, previous: previous, parameters: p, maps: maps) { _, cell in Int(maps.qpY[cell]) }
    }

    /// `wanted`: QpY of a coding unit with levels, by its index and by its place in the maps. Returns the last QpY.
    @inline(__always)
    private static func assign(
        _ ctu: CodingTreeUnit, previous: Int, parameters p: SliceParameters, maps: PictureMaps,
        wanted: (Int, Int) -> Int
    ) -> Int {
        let ctbMask = (1 &<< p.ctbLog2SizeY) &- 1
        let groupMask = Int32(truncatingIfNeeded: (1 &<< p.log2MinCuQpDeltaSize) &- 1)
        var last = previous
        var prediction = last
        var delta = 0
        for i in 0..<ctu.cuCount {
            let cu = ctu.cus + i
            if (cu.pointee.x0 | cu.pointee.y0) & groupMask == 0 {
                prediction = QuantizationParameters.prediction(
                    xQg: Int(cu.pointee.x0), yQg: Int(cu.pointee.y0), ctbMask: ctbMask, previous: last, maps: maps)
                delta = 0
            }
            if hasLevels(cu.pointee, ctu) {
                delta = wanted(i, (Int(cu.pointee.y0) &>> 3) &* maps.width8 &+ (Int(cu.pointee.x0) &>> 3)) &- prediction
            }
            cu.pointee.cuQpDeltaVal = Int8(truncatingIfNeeded: delta)
            last = prediction &+ delta
            fill(maps, cu.pointee, Int8(truncatingIfNeeded: last))
        }
        return last
    }

    @inline(__always)
    private static func hasLevels(_ cu: CodingUnit, _ ctu: CodingTreeUnit) -> Bool {
        if !cu.rqtRootCbf { return false }
        var cbf: UInt8 = 0
        for k in 0..<Int(cu.tuCount) { cbf |= ctu.tus[Int(cu.firstTU) &+ k].cbf }
        return cbf != 0
    }

    @inline(__always)
    private static func fill(_ maps: PictureMaps, _ cu: CodingUnit, _ qp: Int8) {
        let cells = (1 &<< Int(cu.log2CbSize)) &>> 3
        var at = (Int(cu.y0) &>> 3) &* maps.width8 &+ (Int(cu.x0) &>> 3)
        for _ in 0..<cells {
            for i in 0..<cells { maps.qpY[at &+ i] = qp }
            at &+= maps.width8
        }
    }
}
