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
    /// The paper's generator (`ChaoticKeystream`).
    case chaotic = 1
    case aes128 = 2
    case aes256 = 3
    case chacha20 = 4
    /// A generator of the program's own (``KeyRing/generator``).
    case custom = 255

    /// Those that every program has.
    public static let allCases: [CipherKind] = [.chaotic, .aes128, .aes256, .chacha20]

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
        guard let kind = (Self.allCases + [.custom]).first(where: { $0.name == name }) else { return nil }
        self = kind
    }

    /// What makes keystreams of 32 bytes of key; nil of a generator of the program's own that is not there.
    func maker(_ generator: (any Keystream.Type)?) -> (@Sendable (SecretBytes) -> any Keystream)? {
        let make: @Sendable ([UInt8]) -> any Keystream
        switch self {
        case .chaotic: make = { ChaoticKeystream(key: $0) }
        case .aes128: make = { AESCounterKeystream(key: Array($0.prefix(16))) }
        case .aes256: make = { AESCounterKeystream(key: $0) }
        case .chacha20: make = { ChaCha20Keystream(key: $0) }
        case .custom:
            guard let generator else { return nil }
            make = { generator.init(key: $0) }
        }
        return { key in
            var bytes = key.bytes
            defer { bytes.wipe() }
            return make(bytes)
        }
    }

    /// A generator keyed with 32 bytes; nil of ``custom``, which is ``KeyRing/generator``'s to make.
    public func makeKeystream(key: [UInt8]) -> (any Keystream)? { maker(nil)?(SecretBytes(key)) }
}
