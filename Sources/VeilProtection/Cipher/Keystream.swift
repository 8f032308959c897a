// SPDX-License-Identifier: GPL-2.0-or-later

/// Which unit of a layer a keystream belongs to: 96 bits, distinct for every unit of a stream.
public struct UnitNonce: Hashable, Sendable {
    /// How many IRAP pictures of the layer came before the one this picture follows.
    public var period: UInt32
    /// PicOrderCntVal relative to that IRAP picture, in two's complement.
    public var pocDelta: UInt32
    /// Raster-scan address of the unit's first CTU.
    public var ctuAddress: UInt32

    public init(period: UInt32, pocDelta: UInt32, ctuAddress: UInt32) {
        self.period = period
        self.pocDelta = pocDelta
        self.ctuAddress = ctuAddress
    }

    /// The three words, most significant byte first.
    public var bytes: [UInt8] {
        [period, pocDelta, ctuAddress].flatMap { word in
            [
                UInt8(truncatingIfNeeded: word >> 24), UInt8(truncatingIfNeeded: word >> 16),
                UInt8(truncatingIfNeeded: word >> 8),
                UInt8(truncatingIfNeeded: word),
            ]
        }
    }
}

/// A generator of the dynamic key k_i of equation (3): for each unit a sequence of 32-bit words, of which bits are
/// taken from the least significant one up.
public protocol Keystream {
    /// - Parameter key: 32 bytes that belong to one layer of one stream.
    init(key: [UInt8])
    /// Begins the sequence of a unit.
    mutating func start(_ nonce: UnitNonce)
    /// Writes the next words of the sequence.
    mutating func fill(_ words: UnsafeMutableBufferPointer<UInt32>)
}

/// The keystream generators that streams may name.
public enum CipherKind: UInt8, Sendable, CaseIterable {
    /// The paper's generator (``ChaoticKeystream``).
    case chaotic = 1
    case aes128 = 2
    case aes256 = 3
    case chacha20 = 4
    /// A generator of the program's own (``CustomCipher``).
    case custom = 255

    /// Those that every program has.
    public static let allCases: [CipherKind] = [.chaotic, .aes128, .aes256, .chacha20]

    /// Whether this program has it.
    public var isAvailable: Bool { self != .custom || CustomCipher.isInstalled }

    /// As `keys.json` and the command line write it.
    public var name: String {
        switch self {
        case .chaotic: return "chaotic"
        case .aes128: return "aes-128-ctr"
        case .aes256: return "aes-256-ctr"
        case .chacha20: return "chacha20"
        case .custom: return "custom"
        }
    }

    public init?(name: String) {
        guard let kind = (Self.allCases + [.custom]).first(where: { $0.name == name && $0.isAvailable }) else {
            return nil
        }
        self = kind
    }

    func makeKeystream(key: SecretBytes) -> any Keystream {
        var bytes = key.bytes
        defer { bytes.wipe() }
        return makeKeystream(key: bytes)
    }

    /// A generator keyed with 32 bytes.
    public func makeKeystream(key: [UInt8]) -> any Keystream {
        switch self {
        case .chaotic: return ChaoticKeystream(key: key)
        case .aes128: return AESCounterKeystream(key: Array(key.prefix(16)))
        case .aes256: return AESCounterKeystream(key: key)
        case .chacha20: return ChaCha20Keystream(key: key)
        case .custom: return CustomCipher.make(key: key)
        }
    }
}
