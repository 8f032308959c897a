// SPDX-License-Identifier: GPL-2.0-or-later
import VeilBitstream
import VeilCore
import VeilEntropy
import VeilRecon

/// A PPS with the SPS it refers to, as one layer uses them, and the tables made from both.
package final class ActiveSets: @unchecked Sendable {
    package let sps: SequenceParameterSet
    package let pps: PictureParameterSet
    package let grid: CTBGrid
    package let scalingFactors: ScalingFactors?

    init(sps: SequenceParameterSet, pps: PictureParameterSet, inherited: ScalingList?) throws {
        self.sps = sps
        self.pps = pps
        grid = try CTBGrid(sps: sps, pps: pps)
        scalingFactors = ScalingFactors(sps: sps, pps: pps, inherited: inherited)
    }
}

/// The parameter sets received so far. Identifiers are shared by all layers (F.7.4.1.4.1).
package final class ParameterSetStore: ParameterSetSource {
    private var vpss: [Int: VideoParameterSet] = [:]
    private var spss: [Int: SequenceParameterSet] = [:]
    private var ppss: [Int: PictureParameterSet] = [:]
    private var resolved: [Int: SequenceParameterSet] = [:]
    private var active: [Int: ActiveSets] = [:]

    package init() {}

    /// Takes in a VPS, SPS or PPS and tells its identifier; others are ignored.
    @discardableResult
    package func take(_ nal: NALUnit) throws -> Int? {
        switch nal.header.nalUnitType {
        case .vps:
            let vps = try VideoParameterSet(rbsp: nal.rbsp)
            vpss[vps.vpsVideoParameterSetId] = vps
            resolved.removeAll()
            active.removeAll()
            return vps.vpsVideoParameterSetId
        case .sps:
            let sps = try SequenceParameterSet(rbsp: nal.rbsp, nuhLayerId: nal.header.nuhLayerId)
            spss[sps.spsSeqParameterSetId] = sps
            resolved.removeAll()
            active.removeAll()
            return sps.spsSeqParameterSetId
        case .pps:
            let pps = try PictureParameterSet(rbsp: nal.rbsp, nuhLayerId: nal.header.nuhLayerId)
            ppss[pps.ppsPicParameterSetId] = pps
            active.removeAll()
            return pps.ppsPicParameterSetId
        default: return nil
        }
    }

    /// The identifier of a parameter set that cannot be read whole, where it comes first in it.
    func identifier(of nal: NALUnit) -> Int? {
        var r = BitReader(nal.rbsp)
        switch nal.header.nalUnitType {
        case .vps: return try? r.u(4, "vps_video_parameter_set_id")
        case .pps: return try? r.ue("pps_pic_parameter_set_id", in: 0...63)
        default: return SequenceParameterSet.identifier(rbsp: nal.rbsp, nuhLayerId: nal.header.nuhLayerId)
        }
    }

    func has(_ type: NALUnitType, id: Int) -> Bool {
        type == .vps ? vpss[id] != nil : type == .sps ? spss[id] != nil : ppss[id] != nil
    }

    package func pictureParameterSet(id: Int) throws -> PictureParameterSet {
        guard let pps = ppss[id] else { throw SyntaxError.missing(set: "PPS", id: id) }
        return pps
    }

    package func sequenceParameterSet(id: Int, layerId: Int) throws -> SequenceParameterSet {
        if let known = resolved[layerId << 8 | id] { return known }
        guard let sps = spss[id] else { throw SyntaxError.missing(set: "SPS", id: id) }
        let result = try sps.resolved(forLayer: layerId, vps: vpss[sps.spsVideoParameterSetId])
        resolved[layerId << 8 | id] = result
        return result
    }

    package func videoParameterSet(id: Int) -> VideoParameterSet? { vpss[id] }

    /// Any VPS with an extension; the one of the lowest id.
    package var anyVps: VideoParameterSet? { vpss.min { $0.key < $1.key }?.value }

    /// The sets of a slice of a layer, with their tables.
    package func activeSets(ppsId: Int, layerId: Int) throws -> ActiveSets {
        if let known = active[layerId << 8 | ppsId] { return known }
        let pps = try pictureParameterSet(id: ppsId)
        let sps = try sequenceParameterSet(id: pps.ppsSeqParameterSetId, layerId: layerId)
        var inherited: ScalingList?
        let from =
            pps.ppsInferScalingListFlag
            ? pps.ppsScalingListRefLayerId : sps.spsInferScalingListFlag ? sps.spsScalingListRefLayerId : nil
        if let from {
            // The lists of the reference layer's own SPS.
            inherited = spss.values.first { $0.nuhLayerId == from && $0.scalingList != nil }?.scalingList
        }
        let sets = try ActiveSets(sps: sps, pps: pps, inherited: inherited)
        active[layerId << 8 | ppsId] = sets
        return sets
    }
}
