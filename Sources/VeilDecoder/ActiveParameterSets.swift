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

    /// The sets of a slice of a layer.
    package init(_ sets: ParameterSetCollection, ppsId: Int, layerId: Int) throws {
        pps = try sets.pictureParameterSet(id: ppsId)
        sps = try sets.sequenceParameterSet(id: pps.ppsSeqParameterSetId, layerId: layerId)
        try sps.checkDecodable()
        grid = try CTBGrid(sps: sps, pps: pps)
        // Inferred lists are those of the reference layer's own SPS.
        let from =
            pps.ppsInferScalingListFlag
            ? pps.ppsScalingListRefLayerId : sps.spsInferScalingListFlag ? sps.spsScalingListRefLayerId : nil
        scalingFactors = ScalingFactors(sps: sps, pps: pps, inherited: from.flatMap { sets.scalingList(ofLayer: $0) })
    }
}

/// Active parameter sets, made when a slice needs them and kept until a set is replaced.
struct ActivatedSets {
    private var known: [Int: ActiveParameterSets] = [:]
    private var generation = 0

    mutating func sets(_ all: ParameterSetCollection, ppsId: Int, layerId: Int) throws -> ActiveParameterSets {
        if generation != all.generation {
            known.removeAll()
            generation = all.generation
        }
        if let active = known[layerId << 8 | ppsId] { return active }
        let made = try ActiveParameterSets(all, ppsId: ppsId, layerId: layerId)
        known[layerId << 8 | ppsId] = made
        return made
    }
}
