// SPDX-License-Identifier: GPL-2.0-or-later
import Crypto
import Foundation
import VeilBitstream
import VeilEntropy

/// Follows the encryption messages of a stream and makes the hooks that decrypt it.
///
/// `take` is called by the thread that reads the stream, in order, before the pictures the message belongs to.
public final class Decryption: BinHookProvider, @unchecked Sendable {
    private struct Layer {
        var message: ProtectionMessage
        /// Nil: the key is not held and the layer is left as it is.
        var key: [UInt8]?
        var authentication: [UInt8]?
        var sealing: SymmetricKey?
        /// The message's IRAP picture has not come yet.
        var isPending = true
    }

    private let keys: KeyRing
    private let lenient: Bool
    private let wanted: Set<Int>?
    private let lock = NSLock()
    private var layers: [Int: Layer] = [:]
    private let chains = ChainStore()

    /// - Parameters:
    ///   - wanted: the layers that matter; nil for all. Others need no key.
    ///   - lenient: leave layers without a key encrypted instead of throwing.
    public init(keys: KeyRing, wanted: Set<Int>? = nil, lenient: Bool = false) {
        self.keys = keys
        self.wanted = wanted
        self.lenient = lenient
    }

    /// Layers for which messages came.
    public var signalledLayers: [Int] { lock.withLock { layers.keys.sorted() } }
    /// Layers that stay encrypted for want of a key.
    public var lockedLayers: [Int] { lock.withLock { layers.filter { $0.value.key == nil }.keys.sorted() } }

    /// Takes the message of a layer. Throws when the key it names is missing or wrong.
    public func take(_ message: ProtectionMessage) throws {
        try lock.withLock {
            if var known = layers[message.layer] {
                var same = message
                same.period = known.message.period
                if same == known.message {
                    known.message.period = message.period
                    known.isPending = true
                    layers[message.layer] = known
                    return
                }
            }
            chains.forget(layer: message.layer)
            // Another run, which need not cover all that the last one did.
            let before = layers[message.layer]?.message.nonce
            for (id, known) in layers where known.message.nonce != message.nonce && id != message.layer {
                let isSameKind = known.message.scheme == message.scheme && message.scheme != .all
                if known.message.nonce == before || isSameKind { layers[id] = nil }
            }
            var layer = Layer(message: message)
            if wanted?.contains(message.layer) ?? true {
                if let key = keys.key(id: message.keyId) {
                    let derived = StreamKey(key: key.key, message: message)
                    guard derived.check == message.keyCheck else {
                        throw KeyError.wrong(layer: message.layer, id: message.keyId, source: keys.source)
                    }
                    layer.key = derived.keystream
                    layer.authentication = derived.authentication
                    layer.sealing = SealedUnit.key(key.key, nonce: message.nonce, layer: message.layer)
                } else if !lenient {
                    throw KeyError.missing(layer: message.layer, id: message.keyId, source: keys.source)
                }
            }
            layers[message.layer] = layer
        }
    }

    /// Takes the messages of a stream that carries none.
    public func take(_ sidecar: Sidecar) throws { for message in sidecar.messages { try take(message) } }

    /// The unit in a sealed one; nil when it stays sealed for want of a key. Throws when it was changed.
    package func open(_ nal: NALUnit) throws -> NALUnit? {
        let keyLayer = SealedUnit.keyLayer(nal)
        guard let keyLayer, let key = lock.withLock({ layers[keyLayer]?.sealing }) else {
            if let keyLayer, lenient || !(wanted?.contains(keyLayer) ?? true) { return nil }
            throw KeyError.tampered(
                layer: nal.header.nuhLayerId, offset: nal.offset, reason: "a sealed unit whose message is not there")
        }
        guard let opened = SealedUnit.open(nal, key: key) else {
            throw KeyError.tampered(
                layer: nal.header.nuhLayerId, offset: nal.offset, reason: "a sealed unit was changed")
        }
        return opened
    }

    /// Whether pictures of a layer carry tags, and the key that they can be checked with, if it is held.
    package func authentication(layer: Int) -> (isThere: Bool, key: [UInt8]?) {
        lock.withLock { (layers[layer]?.message.isAuthenticated ?? false, layers[layer]?.authentication) }
    }

    /// Which pictures of a layer are encrypted at all; nil when nothing is known of it.
    package func selection(layer: Int) -> EncryptionScope? { lock.withLock { layers[layer]?.message.selection } }

    public func makeHook(layer: Int) -> (any BinHook)? { pictureHooks(layer: layer)() }

    /// The message in force now counts, whatever comes while the picture is worked on.
    public func pictureHooks(layer: Int) -> @Sendable () -> (any BinHook)? {
        lock.withLock {
            guard let known = layers[layer], let key = known.key else { return { nil } }
            let make = { @Sendable in BinCipher(message: known.message, key: key, decrypts: true, statistics: nil) }
            guard known.message.resynchronization == .stream else { return make }
            let chains = chains
            return { chains.hook(layer: layer, make) }
        }
    }

    public func periodStart(layer: Int, isIRAP: Bool) -> PeriodStart? {
        lock.withLock {
            guard let known = layers[layer], known.isPending else { return nil }
            layers[layer]?.isPending = false
            return PeriodStart(period: known.message.period)
        }
    }

    /// Whether some layer's keystream never restarts, so that its units must be decrypted in order, all of them.
    public var hasChains: Bool { lock.withLock { layers.values.contains { $0.message.resynchronization == .stream } } }

    /// The provider for a decoder that decodes pictures in any order: it leaves layers alone whose keystream never
    /// restarts, which must be decrypted before.
    public var restarting: any BinHookProvider { RestartingLayers(decryption: self) }

    fileprivate func restarts(_ layer: Int) -> Bool {
        lock.withLock { layers[layer]?.message.resynchronization == .substream }
    }
}

private final class RestartingLayers: BinHookProvider {
    let decryption: Decryption
    init(decryption: Decryption) { self.decryption = decryption }
    func makeHook(layer: Int) -> (any BinHook)? { pictureHooks(layer: layer)() }
    func pictureHooks(layer: Int) -> @Sendable () -> (any BinHook)? {
        if decryption.restarts(layer) { return decryption.pictureHooks(layer: layer) }
        return { nil }
    }
    func periodStart(layer: Int, isIRAP: Bool) -> PeriodStart? {
        decryption.restarts(layer) ? decryption.periodStart(layer: layer, isIRAP: isIRAP) : nil
    }
}
