// SPDX-License-Identifier: GPL-2.0-or-later
import Crypto
import VeilSystem

/// The authentication tag of a picture of one layer, carried in a suffix SEI message after its slices, or of the end
/// of a run in a layer, after its last picture.
///
/// The payload of user_data_unregistered, after the UUID, big endian: version (1 byte), layer whose key it is under
/// (1), kind (1: 1 a picture, 2 the end, 3 the end of a run that another follows; 128 more of a layer below, that the
/// run does not protect), index (4): how many pictures of the stream's runs and layer came before; of a layer below,
/// which (1); of a picture, number of slice segments, with 2^31 where an end of sequence came since the last and 2^30
/// where a picture that the lower digest is of is hidden (4), and lower digest (16); tag (16). Version 1 knows pictures
/// only, and holds layer and tag alone.
public struct AuthenticationMessage: Equatable, Sendable {
    public enum Kind: UInt8, Sendable {
        case picture = 1
        /// Of all runs.
        case end = 2
        /// Another run follows.
        case runEnd = 3
    }

    public static let uuid: [UInt8] = [
        0x76, 0x65, 0x69, 0x6C, 0x51, 0xC3, 0x4F, 0x7E, 0xA8, 0x06, 0x92, 0x1B, 0xD4, 0x4A, 0x5F, 0x27,
    ]
    public static let tagBytes = 16
    static let digestBytes = 16

    public internal(set) var version: UInt8 = 2
    /// Whose key the tag is under.
    public var layer: Int
    /// The layer that it is of, where the run does not protect it: one below, which the protected one may depend on.
    public var lowerLayer: Int?
    public var kind = Kind.picture
    /// How many pictures of the layer came before in decoding order, in all runs; at an end, how many there are.
    public var index: UInt32 = 0
    /// NAL units of slice segments of the picture.
    public var sliceCount: UInt32 = 0
    /// An end of sequence or bitstream came since the layer's last picture.
    public var followsEnd = false
    /// Of the pictures that the lower digest is of, one is hidden: without its key a stand-in is there.
    public var lowerIsHidden = false
    /// Of the slices of the pictures that its layer refers to directly, in the same access unit.
    public var lowerDigest = [UInt8](repeating: 0, count: Self.digestBytes)
    public var tag: [UInt8]

    public init(layer: Int, tag: [UInt8]) {
        self.layer = layer
        self.tag = tag
    }

    /// Nil when the payload is some other user data.
    public init?(payload: [UInt8]) throws {
        guard payload.starts(with: Self.uuid) else { return nil }
        guard payload.count > 18 else { throw ProtectionMessage.ParseError.truncated }
        version = payload[16]
        layer = Int(payload[17])
        func number(_ at: Int) -> UInt32 { payload[at..<(at + 4)].reduce(0) { $0 << 8 | UInt32($1) } }
        switch version {
        case 1:
            guard payload.count == 18 + Self.tagBytes else { throw ProtectionMessage.ParseError.truncated }
        case 2:
            guard let kind = Kind(rawValue: payload[18] & ~Self.lowerFlag) else {
                throw ProtectionMessage.ParseError.unknown(field: "authentication kind", value: Int(payload[18]))
            }
            self.kind = kind
            let isLower = payload[18] & Self.lowerFlag != 0
            let at = 23 + (isLower ? 1 : 0)
            guard payload.count == at + (kind == .picture ? 4 + Self.digestBytes : 0) + Self.tagBytes else {
                throw ProtectionMessage.ParseError.truncated
            }
            index = number(19)
            if isLower { lowerLayer = Int(payload[23]) }
            if kind == .picture {
                sliceCount = number(at) & ~(Self.endFlag | Self.hiddenFlag)
                followsEnd = number(at) & Self.endFlag != 0
                lowerIsHidden = number(at) & Self.hiddenFlag != 0
                lowerDigest = Array(payload[(at + 4)..<(at + 4 + Self.digestBytes)])
            }
        default:
            throw ProtectionMessage.ParseError.unknown(field: "authentication version", value: Int(version))
        }
        tag = Array(payload.suffix(Self.tagBytes))
    }

    public var payload: [UInt8] {
        var bytes = Self.uuid + [version, UInt8(truncatingIfNeeded: layer)]
        if version > 1 {
            bytes.append(kind.rawValue | (lowerLayer == nil ? 0 : Self.lowerFlag))
            bytes += Self.word(index)
            if let lowerLayer { bytes.append(UInt8(truncatingIfNeeded: lowerLayer)) }
            if kind == .picture { bytes += Self.word(countAndFlags) + lowerDigest }
        }
        return bytes + tag
    }

    private static let lowerFlag: UInt8 = 0x80
    private static let endFlag: UInt32 = 0x8000_0000
    private static let hiddenFlag: UInt32 = 0x4000_0000

    private var countAndFlags: UInt32 {
        sliceCount | (followsEnd ? Self.endFlag : 0) | (lowerIsHidden ? Self.hiddenFlag : 0)
    }

    /// The layer that it is of.
    public var pictureLayer: Int { lowerLayer ?? layer }

    static func word(_ value: UInt32) -> [UInt8] {
        (0..<4).map { UInt8(truncatingIfNeeded: value >> (24 - 8 * UInt32($0))) }
    }
}

extension AuthenticationMessage {
    /// Puts the right tag in.
    /// - Parameters:
    ///   - picture: of a picture, what it was found to be.
    ///   - sealed: SHA-256 of the sealed units since the last tag.
    mutating func sign(_ picture: PictureFollower.Picture? = nil, sealed: [[UInt8]], key: SecretBytes) {
        tag = expectedTag(picture, sealed, key: key)
    }

    /// Whether the tag is that of this picture; compares without telling by time where tags differ.
    func isGenuine(_ picture: PictureFollower.Picture? = nil, sealed: [[UInt8]], key: SecretBytes) -> Bool {
        let own = expectedTag(picture, sealed, key: key)
        return own.count == tag.count && zip(own, tag).reduce(UInt8(0)) { $0 | ($1.0 ^ $1.1) } == 0
    }

    /// The first half of an HMAC-SHA-256 under the layer's authentication key of: the label "Veil picture 2", period,
    /// picture order count in it, index, number of slices and flags (4 bytes each), lower digest, SHA-256 of the
    /// payload of the message in force, and the SHA-256 of each NAL unit that the picture is decoded from, from its
    /// header on, emulation prevention included: VPS (above layer 0; else 32 zero bytes, as extraction may change it),
    /// SPS, PPS (a unit not there counts as empty), slice segments in order, then sealed units under the layer's key
    /// since its last tag. Of an end: "Veil end 2" or "Veil run end 2", the number of pictures, such sealed units. Of a
    /// layer below: "Veil lower picture 2", the layer, index, number of slices and flags, lower digest, VPS to slice
    /// segments; or the end's with "lower " before "end" and the layer behind. Version 1: "Veil picture 1", period,
    /// count, then VPS, SPS, PPS and slices.
    private func expectedTag(
        _ picture: PictureFollower.Picture?, _ sealed: [[UInt8]], key: SecretBytes
    ) -> [UInt8] {
        var mac = HMAC<SHA256>(key: key.symmetricKey)
        let lower = lowerLayer.map { [UInt8(truncatingIfNeeded: $0)] } ?? []
        let place = lowerLayer == nil ? "" : "lower "
        guard let picture, kind == .picture else {
            let label = "Veil \(kind == .runEnd ? "run " : "")\(place)end 2"
            mac.update(data: Data(label.utf8) + lower + Self.word(index))
            for hash in sealed { mac.update(data: hash) }
            return Array(mac.finalize().prefix(Self.tagBytes))
        }
        mac.update(data: Data("Veil \(place)picture \(version)".utf8) + lower)
        if lowerLayer == nil {
            mac.update(data: Self.word(UInt32(truncatingIfNeeded: picture.position.period)))
            mac.update(data: Self.word(UInt32(truncatingIfNeeded: picture.position.pocDelta)))
        }
        if version > 1 {
            mac.update(data: Self.word(index) + Self.word(countAndFlags) + lowerDigest)
            if lowerLayer == nil { mac.update(data: picture.messageHash) }
        }
        mac.update(data: version > 1 && pictureLayer == 0 ? [UInt8](repeating: 0, count: 32) : picture.vpsHash)
        mac.update(data: picture.spsHash + picture.ppsHash)
        for hash in picture.slices + (version > 1 ? sealed : []) { mac.update(data: hash) }
        return Array(mac.finalize().prefix(Self.tagBytes))
    }
}
