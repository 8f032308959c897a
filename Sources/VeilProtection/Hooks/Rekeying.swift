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
        return BothHooks(old, new)
    }

    public func irapIndex(layer: Int) -> Int? { decryption.irapIndex(layer: layer) }
}

private final class BothHooks: BinHook {
    private let first: any BinHook
    private let second: any BinHook

    init(_ first: any BinHook, _ second: any BinHook) {
        self.first = first
        self.second = second
    }

    func begin(_ unit: BinUnit) {
        first.begin(unit)
        second.begin(unit)
    }

    func beginCTU(address: Int, x: Int, y: Int) {
        first.beginCTU(address: address, x: x, y: y)
        second.beginCTU(address: address, x: x, y: y)
    }

    func replace(_ run: BinRun) -> UInt32 {
        var plain = run
        plain.bins = first.replace(run)
        plain.complete()
        return second.replace(plain)
    }
}
