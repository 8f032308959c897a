// SPDX-License-Identifier: GPL-2.0-or-later
import Crypto
import Synchronization
import VeilBitstream
import VeilEntropy
import VeilSystem

/// What a stream is encrypted with: the scheme, and for each layer a key and what it is used for. Makes the hooks of
/// an encoder or transcoder and the messages that tell decryptors.
public final class Encryption: BinHookProvider, Sendable {
    public struct Options: Sendable {
        public var scheme = Scheme.all { didSet { keepsScheme = false } }
        /// Exchanging keys: the scheme stays as it was. So it does unless ``scheme`` is set.
        public var keepsScheme = true
        /// Likewise ``hiding``.
        public var keepsHiding = true
        public var resynchronization = Resynchronization.substream
        /// What is encrypted of the pictures. Its regions are in luma samples of the highest layer's pictures as they
        /// are shown, and are scaled to the other layers, outwards.
        public var selection = EncryptionScope()
        /// Of finished streams: tiles to encrypt, besides regions; indices in tile scan (6.5.1). Nil: all.
        public var tiles: [Int]?
        /// Tags for each picture of each encrypted layer (`AuthenticationMessage`).
        public var authenticates = false
        /// Pictures that are sealed whole after encryption.
        public var hiding = HiddenPictures.none { didSet { keepsHiding = false } }
        /// 16 bytes; a fresh random one by default.
        public var nonce: [UInt8]?
        /// In place of what the key ring says.
        public var cipher: CipherKind?
        public var profile: ElementProfile?
        public var elements: ElementSet?
        public var feedback: Bool?
        /// Exchanging keys: what stays as it was in a layer.
        struct Kept: Sendable {
            var profile: ElementProfile?
            var elements: ElementSet?
            var selection: EncryptionScope?
        }
        var kept: [Int: Kept] = [:]
        public init() {}

        /// Whether less is asked for than all of every picture; a run may encrypt more, where regions are not known
        /// yet.
        package var selects: Bool { elements != nil || !selection.isEverything || tiles != nil }
    }

    /// One encrypted layer.
    private struct Layer: Sendable {
        let message: ProtectionMessage
        let keys: StreamKey
        /// What every hook's keystream is a copy of. Not of generators of the program's own, which may be classes.
        nonisolated(unsafe) let keystream: (any Keystream)?
        let makeKeystream: @Sendable (SecretBytes) -> any Keystream
        let sealing: SymmetricKey
        let statistics = EncryptionStatistics()
    }

    public let options: Options
    /// nuh_layer_ids of the stream, ascending.
    let layerIds: [Int]
    /// Of the run.
    let nonce: [UInt8]
    private let layers: [Int: Layer]
    /// Hooks of layers whose chain never restarts.
    private let chains = ChainStore()
    /// The counter of the next sealed unit. Where it begins is of no matter; zeros would need emulation prevention.
    private let sealed = Atomic<UInt64>(0x0101_0101_0101_0101)

    /// - Parameters:
    ///   - layers: nuh_layer_ids of the stream, ascending.
    ///   - sizes: luma width and height of each layer's pictures as they are shown, for regions to be scaled; without
    ///     them regions are the same in all layers.
    /// Throws ``KeyError`` where a layer has no key, ``ProtectionError`` where a region lies outside.
    public convenience init(
        options: Options, layers ids: [Int], keys: KeyRing, sizes: [Int: (width: Int, height: Int)] = [:]
    ) throws {
        try self.init(options: options, layers: ids, keys: keys, scopes: options.scopes(sizes))
    }

    /// - Parameter scopes: in place of the options' selection, of some layers; regions are in the layer's samples.
    init(options: Options, layers ids: [Int], keys: KeyRing, scopes: [Int: EncryptionScope]) throws {
        self.options = options
        layerIds = ids
        let nonce = options.nonce ?? SecretBytes.random(16).bytes
        if options.hiding != .none && options.tiles != nil {
            throw KeyError.unsupported(layer: ids.first ?? 0, reason: "hidden pictures have no regions")
        }
        self.nonce = nonce
        guard nonce.count == 16 else { throw KeyError.malformed(source: "nonce", reason: "is not 16 bytes") }
        let protected = ids.reduce(UInt64(0)) {
            options.scheme.covers($1, of: ids) ? $0 | 1 << UInt64($1 & 63) : $0
        }
        var layers: [Int: Layer] = [:]
        for id in ids where options.scheme.covers(id, of: ids) {
            let key = try keys.key(layer: id)
            var message = ProtectionMessage()
            message.scheme = options.scheme
            message.layer = id
            message.cipher = options.cipher ?? key.cipher
            let kept = options.kept[id]
            message.profile = options.profile ?? kept?.profile ?? key.profile
            message.feedback = options.feedback ?? key.feedback ?? (message.cipher == .chaotic)
            message.resynchronization = options.resynchronization
            message.elements =
                options.elements ?? kept?.elements ?? key.elements
                ?? (message.profile == .maximal ? .maximal : .paper)
            message.selection = scopes[id] ?? kept?.selection ?? options.selection
            message.isAuthenticated = options.authenticates
            message.tagsLowerLayers =
                options.authenticates && ids.contains { $0 < id && protected >> UInt64($0) & 1 == 0 }
            message.hiding = options.hiding
            if let reason = options.hiding.contradiction(of: message.selection) {
                throw KeyError.unsupported(layer: id, reason: reason)
            }
            message.nonce = nonce
            message.protectedLayers = protected
            message.keyId = key.id
            let derived = StreamKey(key: key.key, message: message)
            let make = try keys.keystreams(message.cipher, layer: id)
            layers[id] = Layer(
                message: message, keys: derived,
                keystream: message.cipher == .custom ? nil : make(derived.keystream), makeKeystream: make,
                sealing: SealedUnit.key(key.key, nonce: nonce, layer: id))
        }
        self.layers = layers
    }

    /// The layers that are encrypted.
    public var encryptedLayers: [Int] { layers.keys.sorted() }

    /// The message to send before the picture that begins a period of a layer, or nil when the layer stays clear.
    public func message(layer: Int, period: PeriodStart) -> ProtectionMessage? {
        guard let known = layers[layer] else { return nil }
        var message = known.message
        message.period = period.period
        message.pocLsb = period.pocLsb
        message.keyCheck = known.keys.check(message)
        return message
    }

    package func message(layer: Int, period: UInt32) -> ProtectionMessage? {
        message(layer: layer, period: PeriodStart(period: period))
    }

    /// The layer whose key the tags of a layer's pictures are under: its own, or of layers below that stay clear one
    /// above; nil when they get none.
    package func tagging(layer: Int) -> Int? {
        if let own = layers[layer] { return own.message.isAuthenticated ? layer : nil }
        return encryptedLayers.first { layers[$0]?.message.tags(lower: layer) ?? false }
    }

    /// The key of a layer's tags, or nil when its pictures get none.
    package func authenticationKey(layer: Int) -> SecretBytes? {
        layers[layer].flatMap { $0.message.isAuthenticated ? $0.keys.authentication : nil }
    }

    /// Whether a unit is of a hidden picture.
    func hides(_ header: NALUnitHeader) -> Bool {
        guard let known = layers[header.nuhLayerId] else { return false }
        return known.message.hiding.includes(header, known.message.selection)
    }

    /// Seals a unit under the key of an encrypted layer.
    package func seal(_ nal: NALUnit, layer: Int, as kind: SealedUnit.Kind = .damaged) throws -> NALUnit {
        guard let known = layers[layer] else { throw KeyError.noKeyForLayer(layer: layer, source: "sealing") }
        let counter = sealed.wrappingAdd(1, ordering: .relaxed).oldValue
        return try SealedUnit.seal(nal, layer: layer, counter: counter, key: known.sealing, kind: kind)
    }

    /// What decryptors need that find no messages in the stream: the first message of each layer, to be kept beside it.
    public var sidecar: Sidecar { Sidecar(messages: encryptedLayers.compactMap { message(layer: $0, period: 0) }) }

    public func makeHook(layer: Int) -> (any BinHook)? {
        guard let known = layers[layer] else { return nil }
        let make = {
            BinCipher(
                message: known.message,
                keystream: known.keystream ?? known.makeKeystream(known.keys.keystream),
                decrypts: false,
                statistics: known.statistics)
        }
        return known.message.resynchronization == .stream ? chains.hook(layer: layer, make) : make()
    }

    /// Encrypted bits of a layer by element, once its hooks are gone.
    public func statistics(layer: Int) -> ElementCounts? {
        chains.flush()
        return layers[layer]?.statistics.counts
    }

    /// Pictures of a layer, of those selected, whose bins are as they were, once its hooks are gone: there was none to
    /// encrypt, or the keystream changed none of the few.
    public func unchangedPictures(layer: Int) -> Int {
        chains.flush()
        return layers[layer]?.statistics.unchangedPictures ?? 0
    }

    /// Those of all layers and elements.
    package var encryptedBits: Int { encryptedLayers.reduce(0) { $0 + (statistics(layer: $1)?.total ?? 0) } }
}

extension BinCipher {
    convenience init(
        message: ProtectionMessage, keystream: any Keystream, decrypts: Bool, statistics: EncryptionStatistics?
    ) {
        self.init(
            rule: EncryptableBins(profile: message.profile, elements: message.elements), keystream: keystream,
            decrypts: decrypts, feedback: message.feedback, selection: message.selection,
            continuous: message.resynchronization == .stream, hiding: message.hiding, statistics: statistics)
    }
}

/// The one hook of each layer that is never started again.
final class ChainStore: @unchecked Sendable {
    private let lock = Lock()
    private var hooks: [Int: BinCipher] = [:]

    func hook(layer: Int, _ make: () -> BinCipher) -> BinCipher {
        lock.withLock {
            if let known = hooks[layer] { return known }
            let made = make()
            hooks[layer] = made
            return made
        }
    }

    /// Adds what the hooks counted to the statistics; when nothing is being coded.
    func flush() { lock.withLock { for hook in hooks.values { hook.flush() } } }

    func forget(layer: Int) { lock.withLock { hooks[layer] = nil } }
}
