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

    /// The same for a picture that the stream as it was and as it becomes number differently.
    /// - Parameter old: where the stream as it was has the picture.
    package func pictureHooks(layer: Int, old: PicturePosition) -> @Sendable () -> (any BinHook)? {
        let decrypting = decryption.pictureHooks(layer: layer)
        let encrypting = encryption.pictureHooks(layer: layer)
        return {
            guard let first = decrypting().map({ PlacedHook($0, at: old) }) else { return encrypting() }
            return encrypting().map { HookInTurn(first, $0) } ?? first
        }
    }

    public func periodStart(layer: Int, isIRAP: Bool) -> PeriodStart? {
        decryption.periodStart(layer: layer, isIRAP: isIRAP)
    }
}

/// A hook that is told of units where another numbering has them.
private final class PlacedHook: BinHook {
    private let hook: any BinHook
    private let position: PicturePosition

    init(_ hook: any BinHook, at position: PicturePosition) {
        self.hook = hook
        self.position = position
    }

    func begin(_ unit: BinUnit) {
        var placed = unit
        placed.period = position.period
        placed.pocDelta = position.pocDelta
        hook.begin(placed)
    }

    func beginCTU(address: Int, x: Int, y: Int) { hook.beginCTU(address: address, x: x, y: y) }

    func replace(_ run: BinRun) -> UInt32 { hook.replace(run) }
}
