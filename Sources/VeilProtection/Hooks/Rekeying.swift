// SPDX-License-Identifier: GPL-2.0-or-later
import VeilBitstream
import VeilEntropy

/// Decrypts with one set of keys and encrypts with another at once: each run is replaced twice.
public final class Rekeying: BinHookProvider {
    public let decryption: Decryption
    public let encryption: Encryption

    public init(from decryption: Decryption, to encryption: Encryption) {
        self.decryption = decryption
        self.encryption = encryption
    }

    public func makeHook(layer: Int) -> (any BinHook)? { pictureHooks(layer: layer)() }

    public func pictureHooks(layer: Int) -> @Sendable () -> (any BinHook)? {
        HookInTurn.pictureHooks(decryption, encryption, layer: layer)
    }

    public func periodStart(layer: Int, isIRAP: Bool) -> PeriodStart? {
        decryption.periodStart(layer: layer, isIRAP: isIRAP)
    }
}
