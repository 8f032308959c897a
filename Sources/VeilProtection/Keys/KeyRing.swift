// SPDX-License-Identifier: GPL-2.0-or-later
import Crypto
import VeilSystem

/// The key of one layer and what it is used with.
public struct LayerKey: Hashable, Sendable {
    /// nuh_layer_id.
    public var layer: Int
    /// Names the key in streams: up to 64 bytes of UTF-8. Not secret.
    public var id: String
    /// 16 to 32 bytes.
    public var key: SecretBytes
    public var cipher: CipherKind
    public var profile: ElementProfile
    /// Nil: the profile's own.
    public var elements: ElementSet?
    /// Equation (3)'s feedback of the previous encrypted value; nil: with the chaotic generator.
    public var feedback: Bool?

    public init(
        layer: Int, id: String, key: SecretBytes, cipher: CipherKind = .chaotic, profile: ElementProfile = .paper,
        elements: ElementSet? = nil,
        feedback: Bool? = nil
    ) {
        self.layer = layer
        self.id = id
        self.key = key
        self.cipher = cipher
        self.profile = profile
        self.elements = elements
        self.feedback = feedback
    }
}

/// The keys that a user holds: one a layer, or a master key from which layer keys are derived.
public struct KeyRing: Sendable {
    public private(set) var layers: [LayerKey]
    /// Where it came from, for messages.
    public var source = "keys"
    /// A keystream generator of your own, which ``CipherKind/custom`` stands for (cipher 255 in messages). Programs
    /// that have none refuse such streams by name.
    ///
    /// `fill` is asked for a multiple of 16 words at a time; `start` is called at the beginning of every unit and must
    /// give a sequence that depends on the key and on all 96 bits of the nonce. Several instances are used at once,
    /// from several threads.
    public var generator: (any Keystream.Type)?

    public init(layers: [LayerKey]) { self.layers = layers }

    /// A fresh random key for each of the layers 0 ..< count.
    public static func generate(
        layers count: Int, cipher: CipherKind = .chaotic, profile: ElementProfile = .paper, keyBytes: Int = 32
    ) -> KeyRing {
        KeyRing(
            layers: (0..<count).map {
                LayerKey(layer: $0, id: randomId(), key: .random(keyBytes), cipher: cipher, profile: profile)
            })
    }

    /// What one who may see a single layer is given: that layer's key and no other.
    public func only(layer: Int) throws -> KeyRing { try only(layers: [layer]) }

    /// The keys of some layers.
    public func only(layers: [Int]) throws -> KeyRing {
        var ring = KeyRing(layers: try layers.map(key(layer:)))
        ring.source = source
        ring.generator = generator
        return ring
    }

    static func randomId() -> String { Hexadecimal.encode(SecretBytes.random(8).bytes) }

    /// The key of a layer derived from a master key: HKDF-SHA256, no salt, info "Veil layer key 1" and the layer as
    /// one byte; 32 bytes. Its id is the master's, a slash and the layer.
    public static func derive(
        master: SecretBytes, id: String, layer: Int, cipher: CipherKind, profile: ElementProfile
    ) -> LayerKey {
        let key = HKDF<SHA256>.deriveKey(
            inputKeyMaterial: master.symmetricKey, info: Data("Veil layer key 1".utf8) + [UInt8(layer)],
            outputByteCount: 32)
        return LayerKey(
            layer: layer, id: "\(id)/\(layer)", key: key.withUnsafeBytes { SecretBytes(Array($0)) }, cipher: cipher,
            profile: profile)
    }

    /// The key to encrypt a layer with.
    public func key(layer: Int) throws -> LayerKey {
        guard let key = layers.first(where: { $0.layer == layer }) else {
            throw KeyError.noKeyForLayer(layer: layer, source: source)
        }
        return key
    }

    /// What makes a layer's keystreams of a key. Throws where it takes a generator that is not there.
    func keystreams(_ cipher: CipherKind, layer: Int) throws -> @Sendable (SecretBytes) -> any Keystream {
        guard let make = cipher.maker(generator) else {
            throw KeyError.unsupported(
                layer: layer, reason: "its cipher (\(cipher.name)) is another program's own, which this one has not")
        }
        return make
    }

    /// The key of an id.
    public func key(id: String) -> LayerKey? { layers.first { $0.id == id } }
}

/// What is wrong with keys, in one line, without ever showing one.
public enum KeyError: Error, Equatable, Sendable, CustomStringConvertible {
    case noKeyForLayer(layer: Int, source: String)
    case missing(layer: Int, id: String, source: String)
    case wrong(layer: Int, id: String, source: String)
    case malformed(source: String, reason: String)
    case exists(path: String)
    case notEncrypted(stream: String)
    case unsupported(layer: Int, reason: String)
    /// Something is not what the encryptor wrote.
    case tampered(layer: Int, offset: Int, reason: String)
    /// Something that the encryptor wrote is missing.
    case incomplete(String)

    /// Whether a key of a layer is simply not there, and nothing is wrong with those that are.
    public var isLocked: Bool {
        switch self {
        case .noKeyForLayer, .missing: true
        default: false
        }
    }

    public var description: String {
        switch self {
        case .noKeyForLayer(let layer, let source): return "\(source): no key for layer \(layer)"
        case .missing(let layer, let id, let source):
            return "\(source): layer \(layer) is encrypted with key id \(id), which is not there"
        case .wrong(let layer, let id, let source):
            return
                "\(source): wrong key for layer \(layer): key id \(id) does not match the stream's key check value "
                + "(or the message was changed)"
        case .malformed(let source, let reason): return "\(source): \(reason)"
        case .exists(let path): return "\(path): exists already; key files are not overwritten"
        case .notEncrypted(let stream): return "\(stream): no layer is encrypted"
        case .unsupported(let layer, let reason): return "layer \(layer): \(reason)"
        case .tampered(let layer, let offset, let reason): return "layer \(layer), picture at byte \(offset): \(reason)"
        case .incomplete(let what): return what
        }
    }
}
