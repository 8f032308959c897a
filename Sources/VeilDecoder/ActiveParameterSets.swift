// SPDX-License-Identifier: GPL-2.0-or-later
import VeilBitstream
import VeilCore
import VeilEntropy
import VeilRecon

/// A PPS with the SPS it refers to, as one layer uses them, and the tables made from both.
package final class ActiveParameterSets: @unchecked Sendable {
    package let sps: SequenceParameterSet
    package let pps: PictureParameterSet
    package let grid: CTBGrid
    package let scalingFactors: ScalingFactors?
    /// The scaling lists of the PPS and of the SPS, those that they infer included.
    private let ppsScalingList: ScalingList?
    private let spsScalingList: ScalingList?
    /// What they were inferred from.
    fileprivate let inherited: [ActiveParameterSets]

    /// The sets of a slice of a layer.
    /// - Parameter active: those in use in another layer, from which scaling lists may be inferred
    ///   (F.7.4.3.2, F.7.4.3.3).
    package init(
        _ sets: ParameterSetCollection, ppsId: Int, layerId: Int,
        active: (_ layer: Int) -> ActiveParameterSets? = { _ in nil }
    ) throws {
        pps = try sets.pictureParameterSet(id: ppsId)
        sps = try sets.sequenceParameterSet(id: pps.ppsSeqParameterSetId, layerId: layerId)
        try sps.checkDecodable()
        grid = try CTBGrid(sps: sps, pps: pps)
        let sources = Self.sources(pps, sps, active)
        ppsScalingList = pps.scalingList ?? sources.pps?.ppsScalingList
        spsScalingList = sps.scalingList ?? sources.sps?.spsScalingList
        inherited = [sources.pps, sources.sps].compactMap { $0 }
        scalingFactors = ScalingFactors(sps: sps, list: ppsScalingList ?? spsScalingList)
    }

    /// What scaling lists are inferred from.
    private static func sources(
        _ pps: PictureParameterSet, _ sps: SequenceParameterSet, _ active: (_ layer: Int) -> ActiveParameterSets?
    ) -> (pps: ActiveParameterSets?, sps: ActiveParameterSets?) {
        (
            pps.ppsInferScalingListFlag ? active(pps.ppsScalingListRefLayerId) : nil,
            sps.spsInferScalingListFlag ? active(sps.spsScalingListRefLayerId) : nil
        )
    }

    /// Whether scaling lists are still those of the sets in use in other layers.
    fileprivate func isCurrent(_ active: (_ layer: Int) -> ActiveParameterSets?) -> Bool {
        guard pps.ppsInferScalingListFlag || sps.spsInferScalingListFlag else { return true }
        let now = Self.sources(pps, sps, active)
        return inherited.elementsEqual([now.pps, now.sps].compactMap { $0 }, by: ===)
    }
}

/// Active parameter sets, made when a slice needs them and kept until a set is replaced.
struct ActivatedSets {
    private var known: [Int: ActiveParameterSets] = [:]
    private var generation = 0

    mutating func sets(
        _ all: ParameterSetCollection, ppsId: Int, layerId: Int, active: (_ layer: Int) -> ActiveParameterSets?
    ) throws -> ActiveParameterSets {
        if generation != all.generation {
            known.removeAll()
            generation = all.generation
        }
        // Lower ones only, so that no set goes on in one of its own layer for ever.
        func below(_ layer: Int) -> ActiveParameterSets? { layer < layerId ? active(layer) : nil }
        if let kept = known[layerId << 8 | ppsId], kept.isCurrent(below) { return kept }
        let made = try ActiveParameterSets(all, ppsId: ppsId, layerId: layerId, active: below)
        known[layerId << 8 | ppsId] = made
        return made
    }
}
