// SPDX-License-Identifier: GPL-2.0-or-later
import VeilBitstream
import VeilEntropy
import VeilSystem

/// Which layers of a stream are encrypted.
public enum Scheme: UInt8, Sendable, CaseIterable {
    case none = 0
    /// The base layer only.
    case bl = 1
    /// Every layer.
    case all = 2
    /// The highest enhancement layer only.
    case el = 3

    public var name: String {
        switch self {
        case .none: return "none"
        case .bl: return "bl"
        case .all: return "all"
        case .el: return "el"
        }
    }

    public init?(name: String) {
        guard let scheme = Self.allCases.first(where: { $0.name == name }) else { return nil }
        self = scheme
    }

    /// Whether a layer of a stream whose layers are `layers` (ascending) is encrypted.
    public func covers(_ layer: Int, of layers: [Int]) -> Bool {
        switch self {
        case .none: return false
        case .bl: return layer == layers.first
        case .all: return true
        case .el: return layer == layers.last
        }
    }
}

/// Where keystreams begin anew.
public enum Resynchronization: UInt8, Sendable, CaseIterable {
    /// With every substream (WPP row, tile or slice segment).
    case substream = 0
    /// Never: the paper's single chain over a layer.
    case stream = 1

    public var name: String { self == .substream ? "substream" : "stream" }
    public init?(name: String) {
        guard let value = Self.allCases.first(where: { $0.name == name }) else { return nil }
        self = value
    }
}

/// What a decryptor must know of one layer, carried in an SEI message before each picture that begins a period of the
/// layer (as a rule an IRAP picture).
///
/// The payload of user_data_unregistered, after the UUID, big endian: version (1 byte), scheme (1), layer (1), cipher
/// (1), profile (1), flags (1: 1 feedback, 2 single chain, 4 IRAP pictures only, 8 regions follow, 16 tags follow, the
/// next two bits which pictures are hidden, 128 tags of the layers below too), elements (2, bit BinElement), lowest
/// encrypted temporal sub-layer (1), period (4), slice_pic_order_cnt_lsb of the period's first picture (2), layers
/// that the run protects (8, bit nuh_layer_id), nonce of the run (16), commitment (32), length of the key id (1) and
/// the id; then, if flagged, the number of regions (1) and of each x, y, width, height in luma samples of the layer (2
/// each). Version 1 has neither the LSBs nor the layers nor hidden pictures, and 8 bytes in place of the commitment.
public struct ProtectionMessage: Hashable, Sendable {
    /// What is written; version 1 is read too.
    public static let version: UInt8 = 2
    public static let maxKeyIdBytes = 64
    public static let uuid: [UInt8] = [
        0x76, 0x65, 0x69, 0x6C, 0x8B, 0x1D, 0x4E, 0x0A, 0x9C, 0x53, 0x2F, 0xE7, 0x60, 0xB4, 0x3D, 0x11,
    ]

    /// 1 or 2.
    public internal(set) var version = Self.version
    public var scheme = Scheme.all
    public var layer = 0
    public var cipher = CipherKind.chaotic
    public var profile = ElementProfile.paper
    public var feedback = true
    public var resynchronization = Resynchronization.substream
    public var elements = ElementSet.paper
    public var selection = EncryptionScope()
    /// Whether an `AuthenticationMessage` follows the slices of each picture of the layer.
    public var isAuthenticated = false
    /// Whether one follows the slices of each picture of the layers below, too, that the run does not protect.
    public var tagsLowerLayers = false
    /// Which pictures are sealed whole. Decryptors that know nothing of it refuse its flags.
    public var hiding = HiddenPictures.none
    /// Number of the period of the layer, from 0; of version 1, how many IRAP pictures of the layer came before.
    public var period: UInt32 = 0
    /// slice_pic_order_cnt_lsb of the picture that begins the period; nil: of the next picture of the layer.
    public var pocLsb: Int?
    /// The layers that the run protects, a bit each by nuh_layer_id. Not of version 1.
    public var protectedLayers: UInt64 = 0
    /// Of the run: what one encryption wrote, from its beginning to its end.
    public var nonce: [UInt8] = Array(repeating: 0, count: 16)
    /// HMAC-SHA-256 of the payload with this put to zero, under a key derived from the layer's: it tells a wrong key
    /// or a changed message, and commits to the key. Of version 1 its first 8 bytes, without the period.
    public var keyCheck: [UInt8] = Array(repeating: 0, count: 32)
    public var keyId = ""

    public init() {}

    public enum ParseError: Error, Sendable, CustomStringConvertible {
        case truncated
        case unknown(field: String, value: Int)
        public var description: String {
            switch self {
            case .truncated: return "the encryption message is cut short"
            case .unknown(let field, let value): return "the encryption message has an unknown \(field) (\(value))"
            }
        }
    }

    /// Ids are shown in messages: 1 to 64 bytes, nothing but visible characters, none that steer how others are shown.
    static func isKeyId(_ id: String) -> Bool {
        !id.isEmpty && id.utf8.count <= maxKeyIdBytes
            && id.unicodeScalars.allSatisfy {
                switch $0.properties.generalCategory {
                case .control, .format, .surrogate, .privateUse, .unassigned, .spaceSeparator, .lineSeparator,
                    .paragraphSeparator:
                    return false
                default: return true
                }
            }
    }

    static func checkBytes(version: UInt8) -> Int { version == 1 ? 8 : 32 }

    /// What the key check value covers: every field but itself, and of version 1 the period, which moves.
    var checkedFields: [UInt8] {
        var message = self
        if version == 1 { message.period = 0 }
        message.keyCheck = Array(repeating: 0, count: Self.checkBytes(version: version))
        return message.payload
    }

    /// Whether another message tells of the same run, keys and all but where a period begins.
    func belongsTogether(with other: ProtectionMessage) -> Bool {
        var same = other
        same.period = period
        same.pocLsb = pocLsb
        same.keyCheck = keyCheck
        return same == self
    }

    /// The period that begins with the picture the message stands before.
    var periodStart: PeriodStart { PeriodStart(period: period, pocLsb: pocLsb) }

    /// Whether the run leaves a layer clear, as far as the message tells.
    package func leavesClear(layer other: Int) -> Bool {
        if version > 1 { return protectedLayers >> UInt64(other & 63) & 1 == 0 }
        return other != layer && (scheme == .bl || scheme == .el)
    }

    /// Whether pictures of a layer that the run does not protect have tags under this layer's key.
    func tags(lower other: Int) -> Bool { tagsLowerLayers && other < layer && leavesClear(layer: other) }

    /// Whether a layer cannot have been in the stream when it was encrypted, as far as scheme and mask tell.
    func isForeign(layer other: Int) -> Bool {
        guard version > 1, protectedLayers >> UInt64(other & 63) & 1 == 0 else { return false }
        return scheme == .all || scheme == .el && other & 63 > 63 - protectedLayers.leadingZeroBitCount
    }

    /// Nil when the payload is some other user data.
    public init?(payload: [UInt8]) throws {
        guard payload.starts(with: Self.uuid) else { return nil }
        var at = 16
        func next(_ count: Int) throws -> Int {
            guard at + count <= payload.count else { throw ParseError.truncated }
            defer { at += count }
            return payload[at..<(at + count)].reduce(0) { $0 << 8 | Int($1) }
        }
        func bytes(_ count: Int) throws -> [UInt8] {
            guard at + count <= payload.count else { throw ParseError.truncated }
            defer { at += count }
            return Array(payload[at..<(at + count)])
        }
        func known<T>(_ field: String, _ make: (UInt8) -> T?) throws -> T {
            let value = try next(1)
            guard let result = make(UInt8(value)) else { throw ParseError.unknown(field: field, value: value) }
            return result
        }
        version = try known("version") { $0 == 1 || $0 == Self.version ? $0 : nil }
        scheme = try known("scheme", Scheme.init(rawValue:))
        layer = try known("layer") { $0 < 63 ? Int($0) : nil }
        cipher = try known("cipher") { CipherKind(rawValue: $0) }
        profile = try known("profile", ElementProfile.init(rawValue:))
        let flags = try known("flag") { Int($0) }
        feedback = flags & 1 != 0
        resynchronization = flags & 2 != 0 ? .stream : .substream
        selection.irapOnly = flags & 4 != 0
        isAuthenticated = flags & 16 != 0
        hiding = HiddenPictures(rawValue: flags >> 5 & 3) ?? .none
        tagsLowerLayers = flags & 128 != 0
        if version == 1 && flags >= 32 || tagsLowerLayers && !isAuthenticated {
            throw ParseError.unknown(field: "flag", value: flags)
        }
        elements = ElementSet(rawValue: UInt16(try next(2)))
        selection.minTemporalId = try known("temporal sub-layer") { $0 < 7 ? Int($0) : nil }
        period = UInt32(try next(4))
        if version > 1 {
            let lsb = try next(2)
            pocLsb = lsb == Self.anyLsb ? nil : lsb
            protectedLayers = UInt64(try next(4)) << 32 | UInt64(try next(4))
        }
        nonce = try bytes(16)
        keyCheck = try bytes(Self.checkBytes(version: version))
        let length = try known("key id length") { Int($0) <= Self.maxKeyIdBytes ? Int($0) : nil }
        let id = try bytes(length)
        guard let text = String(validating: id, as: UTF8.self), Self.isKeyId(text) else {
            throw ParseError.unknown(field: "key id", value: length)
        }
        keyId = text
        if flags & 8 != 0 {
            for _ in 0..<(try next(1)) {
                selection.regions.append(
                    EncryptionScope.Region(x: try next(2), y: try next(2), width: try next(2), height: try next(2)))
            }
        }
        // What the key check value does not cover is not read.
        if version > 1 && at != payload.count { throw ParseError.unknown(field: "end", value: payload.count) }
    }

    private static let anyLsb = 0xFFFF

    /// The payload of the user_data_unregistered SEI message.
    public var payload: [UInt8] {
        var bytes = Self.uuid
        func put(_ value: Int, _ count: Int) {
            for i in (0..<count).reversed() { bytes.append(UInt8(truncatingIfNeeded: value >> (8 * i))) }
        }
        put(Int(version), 1)
        put(Int(scheme.rawValue), 1)
        put(layer, 1)
        put(Int(cipher.rawValue), 1)
        put(Int(profile.rawValue), 1)
        put(
            (feedback ? 1 : 0) | (resynchronization == .stream ? 2 : 0) | (selection.irapOnly ? 4 : 0)
                | (selection.regions.isEmpty ? 0 : 8) | (isAuthenticated ? 16 : 0) | hiding.rawValue << 5
                | (tagsLowerLayers ? 128 : 0), 1)
        put(Int(elements.rawValue), 2)
        put(selection.minTemporalId, 1)
        put(Int(period), 4)
        if version > 1 {
            put(pocLsb ?? Self.anyLsb, 2)
            put(Int(protectedLayers >> 32), 4)
            put(Int(protectedLayers & 0xFFFF_FFFF), 4)
        }
        bytes += nonce
        bytes += keyCheck
        put(keyId.utf8.count, 1)
        bytes += Array(keyId.utf8)
        if !selection.regions.isEmpty {
            put(min(selection.regions.count, EncryptionScope.maxRegions), 1)
            for region in selection.regions.prefix(EncryptionScope.maxRegions) {
                for value in [region.x, region.y, region.width, region.height] { put(value, 2) }
            }
        }
        return bytes
    }
}
