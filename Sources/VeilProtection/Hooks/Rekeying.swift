// SPDX-License-Identifier: GPL-2.0-or-later
import VeilEntropy

/// Decrypts with one set of keys and encrypts with another at once: each run is replaced twice.
public final class Rekeying: BinHookProvider {
    public let decryption: Decryption
    public let encryption: Encryption

    public init(from decryption: Decryption, to encryption: Encryption) {
        self.decryption = decryption
        self.encryption = encryption
    }

    public func makeHook(layer: Int) -> (any BinHook)? {
        guard let old = decryption.makeHook(layer: layer) else { return encryption.makeHook(layer: layer) }
        guard let new = encryption.makeHook(layer: layer) else { return old }
        return HookInTurn(old, new)
    }

    public func irapIndex(layer: Int) -> Int? { decryption.irapIndex(layer: layer) }
}
