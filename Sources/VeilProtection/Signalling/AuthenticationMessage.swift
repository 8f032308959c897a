// SPDX-License-Identifier: GPL-2.0-or-later
import Crypto
import Foundation

/// The authentication tag of the pictures of one layer, carried in a suffix SEI message after the slices of each.
///
/// The payload of user_data_unregistered, after the UUID: version (1 byte), layer (1) and the tag (16): the first
/// half of an HMAC-SHA-256 under the layer's authentication key of the label "Veil picture 1", the IRAP index (4
/// bytes) and the picture order count after the IRAP picture (4), then the SHA-256 of each NAL unit that the picture
/// was decoded from: its VPS, SPS and PPS (a unit not there counts as empty), and its slice segments, in order, each
/// from its NAL unit header on, emulation prevention included.
public struct AuthenticationMessage: Equatable, Sendable {
    public static let uuid: [UInt8] = [
        0x76, 0x65, 0x69, 0x6C, 0x51, 0xC3, 0x4F, 0x7E, 0xA8, 0x06, 0x92, 0x1B, 0xD4, 0x4A, 0x5F, 0x27,
    ]
    public static let tagBytes = 16

    public var layer: Int
    public var tag: [UInt8]

    public init(layer: Int, tag: [UInt8]) {
        self.layer = layer
        self.tag = tag
    }

    /// Nil when the payload is some other user data.
    public init?(payload: [UInt8]) throws {
        guard payload.starts(with: Self.uuid) else { return nil }
        guard payload.count == 18 + Self.tagBytes else { throw ProtectionMessage.ParseError.truncated }
        guard payload[16] == 1 else {
            throw ProtectionMessage.ParseError.unknown(field: "authentication version", value: Int(payload[16]))
        }
        layer = Int(payload[17])
        tag = Array(payload[18...])
    }

    public var payload: [UInt8] { Self.uuid + [1, UInt8(truncatingIfNeeded: layer)] + tag }
}

/// Computes the tag of one picture.
package struct PictureAuthenticator {
    private var mac: HMAC<SHA256>

    /// - Parameter key: 32 bytes of the layer (``StreamKey``).
    package init(key: [UInt8], period: Int, pocDelta: Int) {
        mac = HMAC<SHA256>(key: SymmetricKey(data: key))
        mac.update(data: Data("Veil picture 1".utf8))
        for value in [period, pocDelta] {
            mac.update(data: (0..<4).map { UInt8(truncatingIfNeeded: value >> (24 - 8 * $0)) })
        }
    }

    package mutating func add(_ nal: [UInt8]) { mac.update(data: Data(SHA256.hash(data: nal))) }

    package var tag: [UInt8] { Array(mac.finalize().prefix(AuthenticationMessage.tagBytes)) }

    /// Compares without telling by time where tags differ.
    package func matches(_ other: [UInt8]) -> Bool {
        let own = tag
        return own.count == other.count && zip(own, other).reduce(UInt8(0)) { $0 | ($1.0 ^ $1.1) } == 0
    }
}
