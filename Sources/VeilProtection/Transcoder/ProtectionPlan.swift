// SPDX-License-Identifier: GPL-2.0-or-later
import Crypto
import VeilBitstream
import VeilSystem

/// Which layers of a stream are encrypted with what, as far as the stream has told: its parameter sets are followed
/// to the end. Where the set of layers changes (streams joined, a new VPS), or sizes do that regions depend on, or
/// parameter sets are exchanged that tags do not cover, a new run begins, with an encryption of its own under a fresh
/// nonce.
package final class ProtectionPlan {
    private struct Basis: Equatable {
        var layers: [Int]
        var sizes: [Int]
        var regions: [Int: [EncryptionScope.Region]]
        /// Of parameter sets, as the tags' verifier counts them: there are none in a run.
        var exchanges: ParameterSetHistory.Counts
    }

    package let layout = StreamLayout()
    /// The encryptions of the runs so far, the last one in force.
    package private(set) var runs: [Encryption] = []
    let options: Encryption.Options
    private let keys: KeyRing
    /// Of the encryption whose keys are exchanged, the last messages by layer, and the last of all: what the options
    /// leave open stays as it was.
    private var inherited: [Int: ProtectionMessage] = [:]
    private var last: ProtectionMessage?
    private var basis: Basis?
    /// How parameter sets took each other's places in what left so far, where it has tags.
    private var exchanges = ParameterSetHistory.Counts()

    /// The same options and keys for every run. Nonces but the first follow from the one before.
    package init(options: Encryption.Options, keys: KeyRing) {
        self.options = options
        self.keys = keys
    }

    /// The nonce of the run after another one of the same encryption: the first is random, the others follow from it,
    /// so that runs left out or moved are noticed.
    package static func nonce(after previous: [UInt8]) -> [UInt8] {
        Array(SHA256.hash(data: Array("Veil run 2".utf8) + previous).prefix(16))
    }

    package var encryption: Encryption? { runs.last }
    /// The layers of the stream, as its parameter sets tell.
    package var layers: [Int] { basis?.layers ?? [] }

    /// Bits encrypted so far in all layers and runs, once their hooks are gone.
    package var encryptedBits: Int {
        runs.reduce(0) { $0 + $1.encryptedBits }
    }

    /// The stream was encrypted as a message says.
    func inherit(_ message: ProtectionMessage) {
        inherited[message.layer] = message
        last = message
    }

    /// And will be, in the access unit at hand.
    func foresee(_ message: ProtectionMessage) { inherited[message.layer] = message }

    /// What comes next is to be a run of its own.
    func restart() { basis = nil }

    /// Whoever checks the tags counts so many exchanges of parameter sets.
    /// - Parameter isBefore: before the run at hand.
    func note(_ counts: ParameterSetHistory.Counts, isBefore: Bool = false) {
        exchanges = counts
        if isBefore { basis?.exchanges = counts }
    }

    /// The encryption that begins with a picture, or before anything is known of it; nil: the last one goes on.
    /// - Parameter layers: nuh_layer_ids of the VPS in force; nil: those of the last one that came.
    func next(layers: [Int]?) throws -> Encryption? {
        if layers == nil && basis != nil { return nil }
        let layers = layers ?? layout.layers
        let dependsOnSizes = options.tiles != nil || !options.selection.regions.isEmpty
        let sizes = dependsOnSizes ? layout.sizes(layers) : [:]
        let tiles = try options.tiles.map { try layout.regions(tiles: $0, layers: layers) } ?? [:]
        let origins = dependsOnSizes ? layout.origins(layers) : [:]
        // Where regions lie in layers that nothing is known of yet nobody can tell: all of every picture is encrypted.
        let isUnknown =
            dependsOnSizes && layers.contains { sizes[$0] == nil || self.options.tiles != nil && tiles[$0] == nil }
        let wanted = Basis(
            layers: layers,
            sizes: layers.flatMap {
                [sizes[$0]?.width ?? 0, sizes[$0]?.height ?? 0, origins[$0]?.x ?? 0, origins[$0]?.y ?? 0]
            },
            regions: tiles,
            exchanges: exchanges)
        if wanted == basis { return nil }
        var options = options
        options.nonce = runs.last.map { Self.nonce(after: $0.nonce) } ?? options.nonce
        if let last { try options.inherit(inherited.filter { $0.value.nonce == last.nonce }, last: last) }
        var scopes: [Int: EncryptionScope] = [:]
        if isUnknown {
            options.selection.regions = []
            options.tiles = nil
        } else {
            scopes = try options.scopes(sizes, origins: origins, tiles: tiles)
        }
        let encryption = try Encryption(options: options, layers: layers, keys: keys, scopes: scopes)
        basis = wanted
        runs.append(encryption)
        return encryption
    }
}
