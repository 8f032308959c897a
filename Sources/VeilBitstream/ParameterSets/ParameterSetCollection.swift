// SPDX-License-Identifier: GPL-2.0-or-later

/// The parameter sets received so far, for whoever parses slice headers. Identifiers are shared by all layers
/// (F.7.4.1.4.1).
package final class ParameterSetCollection: ParameterSetSource {
    private var vpss: [Int: VideoParameterSet] = [:]
    private var spss: [Int: SequenceParameterSet] = [:]
    private var ppss: [Int: PictureParameterSet] = [:]
    private var resolved: [Int: SequenceParameterSet] = [:]
    /// Counts the sets kept: what was derived from them holds while it stays.
    package private(set) var generation = 0

    package init() {}

    /// Keeps a VPS, SPS or PPS, in the place of the one with its identifier, which it returns; others are ignored.
    @discardableResult
    package func insert(_ nal: NALUnit) throws -> Int? {
        let id: Int
        switch nal.header.nalUnitType {
        case .vps:
            let vps = try VideoParameterSet(rbsp: nal.rbsp)
            id = vps.vpsVideoParameterSetId
            vpss[id] = vps
        case .sps:
            let sps = try SequenceParameterSet(rbsp: nal.rbsp, nuhLayerId: nal.header.nuhLayerId)
            id = sps.spsSeqParameterSetId
            spss[id] = sps
        case .pps:
            let pps = try PictureParameterSet(rbsp: nal.rbsp, nuhLayerId: nal.header.nuhLayerId)
            id = pps.ppsPicParameterSetId
            ppss[id] = pps
        default: return nil
        }
        resolved.removeAll()
        generation += 1
        return id
    }

    /// Keeps a set like `insert`; an SPS or PPS that cannot be read takes that of its identifier away all the same, so
    /// that nothing is read with what was in force before. A VPS leaves the one before it in force, as it does where
    /// layers are chosen to be decoded. Whoever encrypts, decrypts or checks tags keeps them by this rule.
    @discardableResult
    package func insertOrRemove(_ nal: NALUnit) throws -> Int? {
        do { return try insert(nal) } catch {
            if let id = Self.identifier(of: nal) {
                switch nal.header.nalUnitType {
                case .vps: break
                case .sps: spss[id] = nil
                default: ppss[id] = nil
                }
            }
            resolved.removeAll()
            generation += 1
            throw error
        }
    }

    /// The identifier of a parameter set, which may not be readable beyond it; nil for other units.
    package static func identifier(of nal: NALUnit) -> Int? {
        var r = BitReader(nal.rbsp)
        switch nal.header.nalUnitType {
        case .vps: return try? r.u(4, "vps_video_parameter_set_id")
        case .pps: return try? r.ue("pps_pic_parameter_set_id", in: 0...63)
        case .sps: return SequenceParameterSet.identifier(rbsp: nal.rbsp, nuhLayerId: nal.header.nuhLayerId)
        default: return nil
        }
    }

    /// Whether there is a VPS, SPS or PPS of an identifier.
    package func has(_ type: NALUnitType, id: Int) -> Bool {
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

    /// The VPS that says which layers there are where an SPS is in use: the one it names, or, where that is missing,
    /// the one of the lowest id. Decoding and encryption follow the same one.
    package func videoParameterSet(of sps: SequenceParameterSet) -> VideoParameterSet? {
        vpss[sps.spsVideoParameterSetId] ?? anyVps
    }

    /// The VPS of the lowest id.
    package var anyVps: VideoParameterSet? { vpss.min { $0.key < $1.key }?.value }
}
