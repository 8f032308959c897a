// SPDX-License-Identifier: GPL-2.0-or-later

/// The parameter sets received so far, for whoever parses slice headers. Identifiers are shared by all layers
/// (F.7.4.1.4.1).
package final class ParameterSetCollection: ParameterSetSource {
    private var vpss: [Int: VideoParameterSet] = [:]
    private var spss: [Int: SequenceParameterSet] = [:]
    private var ppss: [Int: PictureParameterSet] = [:]
    private var resolved: [Int: SequenceParameterSet] = [:]
    /// Counts the sets taken: what was derived from them holds while it stays.
    package private(set) var generation = 0

    package init() {}

    /// Takes in a VPS, SPS or PPS; others are ignored.
    package func take(_ nal: NALUnit) throws {
        switch nal.header.nalUnitType {
        case .vps:
            let vps = try VideoParameterSet(rbsp: nal.rbsp)
            vpss[vps.vpsVideoParameterSetId] = vps
        case .sps:
            let sps = try SequenceParameterSet(rbsp: nal.rbsp, nuhLayerId: nal.header.nuhLayerId)
            spss[sps.spsSeqParameterSetId] = sps
        case .pps:
            let pps = try PictureParameterSet(rbsp: nal.rbsp, nuhLayerId: nal.header.nuhLayerId)
            ppss[pps.ppsPicParameterSetId] = pps
        default: return
        }
        resolved.removeAll()
        generation += 1
    }

    /// Takes in a set like `take`; one that cannot be read replaces that of its identifier all the same, so that
    /// nothing is read with what was in force before.
    package func takeOrForget(_ nal: NALUnit) throws {
        do { try take(nal) } catch {
            let rbsp = nal.rbsp
            switch nal.header.nalUnitType {
            case .vps: if let first = rbsp.first { vpss[Int(first >> 4)] = nil }
            case .sps:
                if let id = SequenceParameterSet.identifier(rbsp: rbsp, nuhLayerId: nal.header.nuhLayerId) {
                    spss[id] = nil
                }
            default:
                var r = BitReader(rbsp)
                if let id = try? r.ue("pps_pic_parameter_set_id", in: 0...63) { ppss[id] = nil }
            }
            resolved.removeAll()
            generation += 1
            throw error
        }
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

    /// The VPS of the lowest id.
    package var anyVps: VideoParameterSet? { vpss.min { $0.key < $1.key }?.value }
}
