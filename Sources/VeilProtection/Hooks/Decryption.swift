// SPDX-License-Identifier: GPL-2.0-or-later
import Crypto
import VeilBitstream
import VeilEntropy
import VeilSystem

/// Follows the encryption messages of a stream and makes the hooks that decrypt it.
///
/// `take` is called by the thread that reads the stream, in order, before the pictures the message belongs to.
public final class Decryption: BinHookProvider, @unchecked Sendable {
    private struct Layer {
        var message: ProtectionMessage
        /// Nil: the key is not held and the layer is left as it is.
        var keys: StreamKey?
        var sealing: SymmetricKey?
        /// The picture that the message's period begins with has not come yet.
        var isPending = true
        /// No picture came since the first message of the layer.
        var isNew = true
    }

    private let keys: KeyRing
    private let lenient: Bool
    private let wanted: Set<Int>?
    /// Layers that what is decoded does not depend on, as the stream itself says.
    private var unneeded: Set<Int> = []
    package let verification: VerificationOptions
    private let lock = Lock()
    private var layers: [Int: Layer] = [:]
    private var given: [ProtectionMessage] = []
    /// Not taken yet.
    private var sidecar: Sidecar?
    private var reportStorage = VerificationReport()
    /// Hidden pictures of which nothing but the stand-in came, by layer.
    private var lostHidden: [Int: Int] = [:]
    private let chains = ChainStore()

    /// - Parameters:
    ///   - wanted: the layers that matter; nil for all. Others need no key.
    ///   - lenient: leave layers without a key encrypted instead of throwing.
    ///   - verification: what is let through that somebody without keys may have done.
    ///   - sidecar: of a stream without messages; taken when the stream begins.
    public init(
        keys: KeyRing, wanted: Set<Int>? = nil, lenient: Bool = false,
        verification: VerificationOptions = VerificationOptions(), sidecar: Sidecar? = nil
    ) {
        self.keys = keys
        self.wanted = wanted
        self.lenient = lenient
        self.verification = verification
        self.sidecar = sidecar
    }

    /// Layers for which messages came.
    public var signalledLayers: [Int] { lock.withLock { layers.keys.sorted() } }
    /// Layers that stay encrypted for want of a key.
    public var lockedLayers: [Int] { lock.withLock { layers.filter { $0.value.keys == nil }.keys.sorted() } }

    /// What was found about where the stream comes from, so far.
    public internal(set) var report: VerificationReport {
        get {
            lock.withLock {
                var report = reportStorage
                report.losses += lostHidden.sorted { $0.key < $1.key }.map { layer, count in
                    "layer \(layer): \(count) hidden picture\(count == 1 ? " is" : "s are") missing"
                }
                return report
            }
        }
        set { lock.withLock { reportStorage = newValue } }
    }

    /// Messages that did not come in the stream.
    var givenMessages: [ProtectionMessage] { lock.withLock { given } }

    /// Who has a layer's key has all that is said of it checked: a forger could have called it needless.
    func wants(layer: Int) -> Bool {
        (wanted?.contains(layer) ?? true) && (!unneeded.contains(layer) || holdsKey(layer: layer))
    }

    /// Layers that need no key, and are not checked without one, from here on. Called by the thread that reads the
    /// stream.
    package func leave(_ layers: Set<Int>) { unneeded = layers }

    func holdsKey(layer: Int) -> Bool { keys.layers.contains { $0.layer == layer } }

    /// Adds the message of a layer. Throws when the key it names is missing or wrong.
    public func add(_ message: ProtectionMessage) throws {
        try lock.withLock {
            let keys = try unlocked(message)
            if let known = layers[message.layer], known.message.belongsTogether(with: message) {
                if message.resynchronization == .stream, message.version > 1,
                    message.period != known.message.period, message.period != known.message.period &+ 1
                {
                    throw KeyError.unsupported(
                        layer: message.layer,
                        reason: "its keystream never restarts, and pictures are missing: nothing behind them can be "
                            + "decrypted")
                }
                if message.resynchronization == .stream, message.version > 1, keys != nil, !known.isPending,
                    message.period == known.message.period
                {
                    throw KeyError.unsupported(
                        layer: message.layer,
                        reason: "its keystream never restarts, and a part was repeated: nothing from there on can be "
                            + "decrypted")
                }
                layers[message.layer]?.message = message
                layers[message.layer]?.isPending = true
                return
            }
            // A single chain begins with its run. Version 1 counts from another picture.
            if message.resynchronization == .stream, message.version > 1, message.period != 0, keys != nil {
                throw KeyError.unsupported(
                    layer: message.layer,
                    reason: "its keystream never restarts, and the beginning is missing: nothing can be decrypted")
            }
            chains.forget(layer: message.layer)
            // Another run, which need not protect all that the last one did.
            for (id, known) in layers where known.message.nonce != message.nonce && message.leavesClear(layer: id) {
                layers[id] = nil
            }
            let key = keys == nil ? nil : self.keys.key(id: message.keyId)
            layers[message.layer] = Layer(
                message: message, keys: keys,
                sealing: key.map { SealedUnit.key($0.key, nonce: message.nonce, layer: message.layer) })
        }
    }

    /// The keys that a message asks for; nil where its layer stays as it is. Throws when the key is missing or wrong.
    func unlock(_ message: ProtectionMessage) throws -> StreamKey? { try lock.withLock { try unlocked(message) } }

    /// A hidden picture is missing, and its stand-in is there. Throws where nothing may be missing.
    func loseHidden(layer: Int, offset: Int) throws {
        if verification.isStrict {
            throw KeyError.tampered(layer: layer, offset: offset, reason: "a hidden picture is missing")
        }
        lock.withLock { lostHidden[layer, default: 0] += 1 }
    }

    /// The sealing key of a message's run and layer; nil where the layer stays as it is. Throws like ``unlock(_:)``.
    func sealingKey(_ message: ProtectionMessage) throws -> SymmetricKey? {
        guard try unlock(message) != nil, let key = keys.key(id: message.keyId) else { return nil }
        return SealedUnit.key(key.key, nonce: message.nonce, layer: message.layer)
    }

    /// Under the lock.
    private func unlocked(_ message: ProtectionMessage) throws -> StreamKey? {
        // One that is not wanted may tell of those below, and its key be that of their tags.
        let isWanted = wants(layer: message.layer)
        guard let key = keys.key(id: message.keyId) else {
            if !isWanted { return nil }
            // Another key for the layer is no reason to leave it: anybody could have named an unknown one.
            if lenient && !holdsKey(layer: message.layer) { return nil }
            throw KeyError.missing(layer: message.layer, id: message.keyId, source: keys.source)
        }
        let known = layers[message.layer]
        let derived =
            known.flatMap { $0.message.belongsTogether(with: message) ? $0.keys : nil }
            ?? StreamKey(key: key.key, message: message)
        guard derived.check(message) == message.keyCheck else {
            if !isWanted { return nil }
            throw KeyError.wrong(layer: message.layer, id: message.keyId, source: keys.source)
        }
        _ = try keys.keystreams(message.cipher, layer: message.layer)
        return derived
    }

    /// Takes the sidecar that it was made with.
    func begin() throws {
        guard let given = lock.withLock({ sidecar }) else { return }
        lock.withLock { sidecar = nil }
        try add(given)
    }

    /// Adds the messages of a stream that carries none.
    public func add(_ sidecar: Sidecar) throws {
        for message in sidecar.messages { try add(message) }
        lock.withLock { given += sidecar.messages }
    }

    /// The unit in a sealed one; nil when it stays sealed for want of a key. Throws when it was changed.
    package func open(_ nal: NALUnit) throws -> NALUnit? {
        let keyLayer = SealedUnit.keyLayer(nal)
        guard let keyLayer, let key = lock.withLock({ layers[keyLayer]?.sealing }) else {
            if let keyLayer, lenient || !wants(layer: keyLayer) { return nil }
            throw KeyError.tampered(
                layer: nal.header.nuhLayerId, offset: nal.offset, reason: "a sealed unit whose message is not there")
        }
        guard let opened = SealedUnit.open(nal, key: key) else {
            throw KeyError.tampered(
                layer: nal.header.nuhLayerId, offset: nal.offset, reason: "a sealed unit was changed")
        }
        return opened
    }

    /// Whether the tags of a layer have served when it is decrypted.
    package func opens(layer: Int) -> Bool { lock.withLock { layers[layer]?.keys != nil } }

    /// Which pictures of a layer are encrypted at all; nil when nothing is known of it.
    package func selection(layer: Int) -> EncryptionScope? { lock.withLock { layers[layer]?.message.selection } }

    /// The message in force for a layer.
    func message(layer: Int) -> ProtectionMessage? { lock.withLock { layers[layer]?.message } }

    public func makeHook(layer: Int) -> (any BinHook)? { pictureHooks(layer: layer)() }

    /// The message in force now counts, whatever comes while the picture is worked on.
    public func pictureHooks(layer: Int) -> @Sendable () -> (any BinHook)? {
        lock.withLock {
            guard let known = layers[layer], let keys = known.keys,
                let keystreams = known.message.cipher.maker(self.keys.generator)
            else { return { nil } }
            // Before the first IRAP picture version 1 encrypts nothing.
            if known.message.version == 1 && known.isNew { return { nil } }
            let make = { @Sendable in
                BinCipher(
                    message: known.message, keystream: keystreams(keys.keystream), decrypts: true, statistics: nil)
            }
            guard known.message.resynchronization == .stream else { return make }
            let chains = chains
            return { chains.hook(layer: layer, make) }
        }
    }

    public func periodStart(layer: Int, isIRAP: Bool) -> PeriodStart? {
        lock.withLock {
            guard let known = layers[layer], known.isPending, isIRAP || known.message.version > 1 else { return nil }
            layers[layer]?.isPending = false
            layers[layer]?.isNew = false
            return known.message.periodStart
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
