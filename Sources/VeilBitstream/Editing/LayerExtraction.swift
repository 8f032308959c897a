// SPDX-License-Identifier: GPL-2.0-or-later

/// Leaves the layers and temporal sub-layers of a stream that are not asked for (clauses 10 and F.10, sub-bitstream
/// extraction).
///
/// No slice is touched and no key needed: encryption messages travel with the layer they tell about, and each unit's
/// nonce is told by its own layer, so that what is left of an encrypted stream decrypts to what is left of the clear
/// one.
package struct LayerExtraction {
    private let layer: Int?
    private let maxTemporalId: Int
    private var kept: Set<Int>?
    /// nuh_layer_ids of the last VPS.
    package private(set) var streamLayers: [Int] = []
    /// The same of what is left, as its VPS names them.
    package private(set) var namedLayers: [Int] = []
    /// What is left of two views in several sizes gets a VPS of its own where it can. Off where tags are over the VPS.
    package var reducesVPS = true
    package private(set) var unitsKept = 0
    package private(set) var unitsDropped = 0

    /// - Parameters:
    ///   - layer: the layer to keep, with those it is predicted from; nil for all.
    ///   - maxTemporalId: the highest temporal sub-layer to keep, 0 ... 6.
    package init(layer: Int?, maxTemporalId: Int = 6) {
        self.layer = layer
        self.maxTemporalId = maxTemporalId
    }

    /// What of a NAL unit goes on: itself, a changed VPS, or nothing.
    package mutating func extract(_ nal: NALUnit) -> NALUnit? {
        var unit = nal
        if nal.header.nalUnitType == .vps, nal.header.nuhLayerId == 0 {
            // One that cannot be read stays as it is: layers are then told apart by their order.
            guard let vps = try? VideoParameterSet(rbsp: nal.rbsp) else {
                kept = nil
                unitsKept += 1
                return nal
            }
            streamLayers = vps.layerIds
            namedLayers = streamLayers
            if let layer { kept = Set(vps.layersNeeded(for: layer)) }
            if layer == 0, vps.vpsMaxLayersMinus1 > 0 || vps.ext != nil {
                unit = Self.singleLayer(vps, nal)
                namedLayers = [0]
            } else if reducesVPS, let kept, let reduced = vps.reduced(to: kept) {
                namedLayers = reduced.layerIds
                unit = NALUnit(header: nal.header, rbsp: reduced.rbsp(), startCodeLength: nal.startCodeLength)
            }
        }
        guard isKept(nal.header) else {
            unitsDropped += 1
            return nil
        }
        unitsKept += 1
        return unit
    }

    private func isKept(_ header: NALUnitHeader) -> Bool {
        // End of sequence and of bitstream have TemporalId 0; parameter sets of the lowest sub-layer always stay.
        if header.temporalId > maxTemporalId { return false }
        guard let layer else { return true }
        // A layer that is predicted from nothing may use parameter sets of the base layer; and where its access units
        // and sequences end is said there.
        let type = header.nalUnitType
        if header.nuhLayerId == 0,
            [.vps, .sps, .pps, .accessUnitDelimiter, .endOfSequence, .endOfBitstream].contains(type)
        {
            return true
        }
        return kept.map { $0.contains(header.nuhLayerId) } ?? (header.nuhLayerId <= layer)
    }

    /// The VPS of a stream of which the base layer alone is left: that of a version 1 stream.
    private static func singleLayer(_ vps: VideoParameterSet, _ nal: NALUnit) -> NALUnit {
        let single = VideoParameterSet()
        single.vpsVideoParameterSetId = vps.vpsVideoParameterSetId
        single.vpsMaxSubLayersMinus1 = vps.vpsMaxSubLayersMinus1
        single.vpsTemporalIdNestingFlag = vps.vpsTemporalIdNestingFlag
        single.profileTierLevel = vps.profileTierLevel
        single.vpsSubLayerOrderingInfoPresentFlag = vps.vpsSubLayerOrderingInfoPresentFlag
        single.subLayerOrdering = vps.subLayerOrdering
        single.timing = vps.timing
        return NALUnit(header: nal.header, rbsp: single.rbsp(), startCodeLength: nal.startCodeLength)
    }
}
