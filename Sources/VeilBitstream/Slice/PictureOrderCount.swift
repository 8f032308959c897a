// SPDX-License-Identifier: GPL-2.0-or-later

/// PicOrderCntVal of the pictures of one layer (8.3.1), with POC resetting (F.8.3.1).
package struct PictureOrderCount: Sendable {
    /// PicOrderCntVal of prevTid0Pic.
    package private(set) var previous: Int32 = 0
    /// poc_reset_period_id of the last picture that had one.
    private var period: Int?

    package init(previous: Int32 = 0) { self.previous = previous }

    /// The count of a picture from its first slice header, and by how much those of all earlier pictures of the layer
    /// decrease.
    /// - Parameter restarts: an IRAP picture with NoRaslOutputFlag = 1.
    package mutating func next(
        _ h: SliceSegmentHeader, log2MaxLsb: Int, restarts: Bool
    ) -> (poc: Int32, decrement: Int32) {
        let maxLsb = Int32(1) << Int32(log2MaxLsb)
        let lsb = Int32(truncatingIfNeeded: h.slicePicOrderCntLsb)
        if h.pocResetIdc > 0 {
            // Of pictures with poc_reset_idc = 3 only the first of a period is a POC resetting picture.
            let isFirst = period != h.pocResetPeriodId
            period = h.pocResetPeriodId
            if isFirst || h.pocResetIdc < 3 { return reset(h, lsb, maxLsb) }
        }
        if let cycle = h.pocMsbCycleVal, h.nuhLayerId > 0 {
            return (Int32(truncatingIfNeeded: cycle) &* maxLsb &+ lsb, 0)
        }
        return (restarts ? lsb : near(previous, lsb, maxLsb), 0)
    }

    /// What later pictures of the layer count from, if this one is to be prevTid0Pic.
    package mutating func remember(_ h: SliceSegmentHeader, poc: Int32) {
        let type = h.nalUnitType
        if h.temporalId == 0 && !type.isRASL && !type.isRADL && !type.isSubLayerNonReference {
            previous = poc
        } else if h.pocResetIdc == 3 {
            previous = h.fullPocResetFlag ? 0 : Int32(truncatingIfNeeded: h.pocLsbVal)
        }
    }

    private func reset(_ h: SliceSegmentHeader, _ lsb: Int32, _ maxLsb: Int32) -> (poc: Int32, decrement: Int32) {
        // The count that the picture (or, of 3, the one that was to begin the period) would have had.
        let pocLsb = h.pocResetIdc == 3 ? Int32(truncatingIfNeeded: h.pocLsbVal) : lsb
        let plain =
            h.pocMsbCycleVal.map { Int32(truncatingIfNeeded: $0) &* maxLsb &+ pocLsb } ?? near(previous, pocLsb, maxLsb)
        let isFull = h.pocResetIdc == 2 || (h.pocResetIdc == 3 && h.fullPocResetFlag)
        let decrement = isFull ? plain : plain &- pocLsb
        switch h.pocResetIdc {
        case 1: return (lsb, decrement)
        case 2: return (0, decrement)
        default: return (near(isFull ? 0 : pocLsb, lsb, maxLsb), decrement)
        }
    }

    /// The count with these low bits that is nearest to another one.
    private func near(_ other: Int32, _ lsb: Int32, _ maxLsb: Int32) -> Int32 {
        Self.nearest(to: other, lsb: lsb, maxLsb: maxLsb)
    }

    /// The count with the low bits `lsb` that is nearest to another one.
    static func nearest(to other: Int32, lsb: Int32, maxLsb: Int32) -> Int32 {
        let otherLsb = other & (maxLsb - 1)
        let msb = other &- otherLsb
        if lsb < otherLsb && otherLsb - lsb >= maxLsb / 2 { return msb &+ maxLsb &+ lsb }
        if lsb > otherLsb && lsb - otherLsb > maxLsb / 2 { return msb &- maxLsb &+ lsb }
        return msb &+ lsb
    }
}
