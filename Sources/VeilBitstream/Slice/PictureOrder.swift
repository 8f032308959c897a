// SPDX-License-Identifier: GPL-2.0-or-later

/// Where a picture stands in its layer: what encryption units are named by.
package struct PicturePosition: Equatable, Sendable {
    /// PicOrderCntVal.
    package var poc: Int32
    /// How many IRAP pictures of the layer came before the last one in decoding order.
    package var irapIndex: Int
    /// PicOrderCntVal of that picture.
    package var irapPoc: Int32
}

/// Picture order counts (8.3.1, F.8.3.1) of all layers of a stream, from first slice headers in decoding order.
package struct PictureOrder {
    private struct Layer {
        var order = PictureOrderCount()
        var irapPoc: Int32 = 0
        var irapIndex = -1
        /// The next IRAP picture has NoRaslOutputFlag = 1.
        var begins = true
    }

    private var layers: [Int: Layer] = [:]
    private var lastVclLayer = -1
    private var accessUnitPoc: Int32?

    package init() {}

    /// An access unit may begin here: a parameter set, delimiter or prefix SEI message of layer 0 came.
    package mutating func boundary() { lastVclLayer = 64 }

    /// An end of sequence NAL unit of a layer came.
    package mutating func endOfSequence(layer: Int) {
        for id in layers.keys where id >= layer { layers[id]?.begins = true }
        lastVclLayer = 64
    }

    /// The position of the picture that a first slice segment begins. Nil before the layer's first IRAP picture.
    /// - Parameter irapIndex: asked, for IRAP pictures, whether something else tells the index.
    package mutating func next(
        _ h: SliceSegmentHeader, log2MaxPicOrderCntLsb: Int, irapIndex: (Int) -> Int? = { _ in nil }
    ) -> PicturePosition? {
        let id = h.nuhLayerId
        let type = h.nalUnitType
        if id <= lastVclLayer { accessUnitPoc = nil }
        lastVclLayer = id
        var layer = layers[id] ?? Layer()
        defer { layers[id] = layer }
        if layer.begins && !type.isIRAP && layer.irapIndex < 0 { return nil }
        let resets = type.isIRAP && (type.isIDR || type.isBLA || layer.begins)
        let maxLsb = Int32(1) << Int32(log2MaxPicOrderCntLsb)
        let lsb = Int32(h.slicePicOrderCntLsb)
        var (poc, decrement) = layer.order.next(h, log2MaxLsb: log2MaxPicOrderCntLsb, restarts: resets)
        layer.irapPoc &-= decrement
        // All pictures of an access unit have one count. Where the lower bits tell another, the access unit is
        // another one, whose lower pictures were lost.
        if id > 0, let shared = accessUnitPoc {
            if type.isIDR || h.pocResetIdc > 0 || shared & (maxLsb - 1) == lsb {
                poc = shared
            } else {
                accessUnitPoc = nil
            }
        }
        accessUnitPoc = accessUnitPoc ?? poc
        layer.order.remember(h, poc: poc)
        if type.isIRAP {
            layer.irapPoc = poc
            layer.irapIndex = irapIndex(id) ?? layer.irapIndex + 1
            layer.begins = false
        }
        return PicturePosition(poc: poc, irapIndex: layer.irapIndex, irapPoc: layer.irapPoc)
    }
}
