// SPDX-License-Identifier: GPL-2.0-or-later
import VeilBitstream

/// Follows the NAL units of a stream and computes the tag of each picture of the layers that have one.
private struct PictureTags {
    private let sets = ParameterSetCollection()
    private var raw: [Int: [UInt8]] = [:]
    private var positions = StreamPosition()

    struct Open {
        var layer: Int
        var temporalId: Int
        var offset: Int
        var authenticator: PictureAuthenticator
    }
    private(set) var open: Open?

    private static func key(_ type: NALUnitType, _ id: Int) -> Int { Int(type.rawValue) << 8 | id }

    /// Whether the picture being followed ends before this unit.
    func ends(before nal: NALUnit) -> Bool {
        guard let open, nal.header.nalUnitType != .suffixSEI || nal.header.nuhLayerId != open.layer else {
            return false
        }
        let isSlice = nal.header.nalUnitType.isSlice
        // first_slice_segment_in_pic_flag is the first bit after the header.
        return !isSlice || nal.header.nuhLayerId != open.layer || (nal.bytes.count > 2 && nal.bytes[2] & 0x80 != 0)
    }

    mutating func close() { open = nil }

    /// - Parameters:
    ///   - periodStart: what a message says of the next picture of a layer.
    ///   - key: the authentication key of a layer, or nil.
    mutating func take(_ nal: NALUnit, periodStart: (Int, Bool) -> PeriodStart?, key: (Int) -> [UInt8]?) throws {
        let layer = nal.header.nuhLayerId
        switch nal.header.nalUnitType {
        case .vps, .sps, .pps:
            if layer == 0 { positions.boundary() }
            try sets.take(nal)
            let id: Int
            switch nal.header.nalUnitType {
            case .vps: id = try VideoParameterSet(rbsp: nal.rbsp).vpsVideoParameterSetId
            case .sps: id = try SequenceParameterSet(rbsp: nal.rbsp, nuhLayerId: layer).spsSeqParameterSetId
            default: id = try PictureParameterSet(rbsp: nal.rbsp, nuhLayerId: layer).ppsPicParameterSetId
            }
            raw[Self.key(nal.header.nalUnitType, id)] = nal.bytes
        case .accessUnitDelimiter: positions.boundary()
        case .prefixSEI: if layer == 0 { positions.boundary() }
        case .endOfSequence, .endOfBitstream: positions.endOfSequence(layer: layer)
        case let type where type.isSlice:
            if nal.bytes.count > 2, nal.bytes[2] & 0x80 != 0 { try begin(nal, periodStart, key) }
            open?.authenticator.add(nal.bytes)
        default: break
        }
    }

    private mutating func begin(_ nal: NALUnit, _ periodStart: (Int, Bool) -> PeriodStart?, _ key: (Int) -> [UInt8]?) throws {
        open = nil
        let layer = nal.header.nuhLayerId
        let header = try SliceSegmentHeader(nal: nal.header, rbsp: nal.rbsp, sets: sets, previous: nil)
        let pps = try sets.pictureParameterSet(id: header.slicePicParameterSetId)
        let sps = try sets.sequenceParameterSet(id: pps.ppsSeqParameterSetId, layerId: layer)
        let position = positions.next(header, log2MaxPicOrderCntLsb: sps.log2MaxPicOrderCntLsb, start: periodStart)
        guard let key = key(layer) else { return }
        var authenticator = PictureAuthenticator(
            key: key, period: position.period, pocDelta: position.pocDelta)
        authenticator.add(raw[Self.key(.vps, sps.spsVideoParameterSetId)] ?? [])
        authenticator.add(raw[Self.key(.sps, pps.ppsSeqParameterSetId)] ?? [])
        authenticator.add(raw[Self.key(.pps, header.slicePicParameterSetId)] ?? [])
        open = Open(layer: layer, temporalId: nal.header.temporalId, offset: nal.offset, authenticator: authenticator)
    }
}

/// Puts a tag after the slices of each picture of the layers that an encryption authenticates.
package final class StreamAuthenticator {
    private var encryption: Encryption
    private let periodStart: (Int, Bool) -> PeriodStart?
    private let deliver: (NALUnit) throws -> Void
    private var tags = PictureTags()

    /// - Parameter periodStart: what the messages of the stream say, where they do not count from 0.
    package init(
        _ encryption: Encryption, periodStart: @escaping (Int, Bool) -> PeriodStart? = { _, _ in nil },
        deliver: @escaping (NALUnit) throws -> Void
    ) {
        self.encryption = encryption
        self.periodStart = periodStart
        self.deliver = deliver
    }

    package func push(_ nal: NALUnit) throws {
        if tags.ends(before: nal) { try finish() }
        do {
            try tags.take(nal, periodStart: periodStart) { encryption.authenticationKey(layer: $0) }
        } catch is SyntaxError {
            // What cannot be parsed is not encrypted either.
        }
        try deliver(nal)
    }

    /// What comes next is another encryption's.
    package func begin(_ encryption: Encryption) throws {
        try finish()
        self.encryption = encryption
    }

    /// Tags the last picture.
    package func finish() throws {
        guard let open = tags.open else { return }
        tags.close()
        try deliver(
            ProtectionSEI.unit(
                AuthenticationMessage(layer: open.layer, tag: open.authenticator.tag), temporalId: open.temporalId))
    }
}

/// Checks the tags of an encrypted stream, before its units are decrypted. `Decryption` must have taken the stream's
/// messages.
package final class StreamVerifier {
    private let decryption: Decryption
    private var tags = PictureTags()
    /// IRAP index that a message of a layer told and no picture took.
    private var told: [Int: PeriodStart] = [:]
    package private(set) var checked = 0

    package init(_ decryption: Decryption) { self.decryption = decryption }

    /// Takes the next unit of the stream as it came. Throws ``KeyError/tampered(layer:offset:reason:)``.
    package func push(_ nal: NALUnit) throws {
        if tags.ends(before: nal) { try finish() }
        switch nal.header.nalUnitType {
        case .prefixSEI:
            if let message = try ProtectionSEI.message(in: nal) { told[message.layer] = PeriodStart(period: message.period) }
        case .suffixSEI:
            guard let message = try ProtectionSEI.authentication(in: nal) else { break }
            guard let open = tags.open, open.layer == message.layer else { break }
            tags.close()
            checked += 1
            if !open.authenticator.matches(message.tag) {
                throw KeyError.tampered(
                    layer: open.layer, offset: open.offset, reason: "was changed since it was encrypted")
            }
            return
        default: break
        }
        do {
            try tags.take(
                nal, periodStart: { layer, _ in told.removeValue(forKey: layer) },
                key: { decryption.authentication(layer: $0).key.flatMap { $0 } })
        } catch is SyntaxError {
            // Damaged parameter sets and slices fail where they are used.
        }
        if let open = tags.open, !decryption.authentication(layer: open.layer).isThere { tags.close() }
    }

    package func finish() throws {
        guard let open = tags.open else { return }
        tags.close()
        throw KeyError.tampered(layer: open.layer, offset: open.offset, reason: "has no authentication tag")
    }
}
