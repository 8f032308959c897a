// SPDX-License-Identifier: GPL-2.0-or-later
import Foundation
import Veil
import VeilEncoder
import VeilProtection

extension EncodeCommand {
    /// Puts encryption into the settings: hooks inside the coding loops; for the base layer after libx265 where that
    /// has no hook.
    func protect(_ settings: inout ScalableSettings, plan: LayerPlan) throws -> Encryption? {
        var sizes = [0: (width: settings.base.width, height: settings.base.height)]
        for (i, layer) in settings.enhancements.enumerated() {
            sizes[i + 1] = (layer.format.width, layer.format.height)
        }
        let own = Dictionary(
            uniqueKeysWithValues: plan.layers.enumerated().compactMap { i, layer in layer.keys.map { (i, $0) } })
        guard let encryption = try protection.encryption(layers: sizes.keys.sorted(), sizes: sizes, ownKeys: own) else {
            return nil
        }
        if let reason = settings.protect(with: encryption, signals: protection.signal == .sei) {
            warn("\(reason): the base layer is encrypted after it, not inside it (the bytes are the same)")
        }
        return encryption
    }

    /// Encryption space by layer and element.
    func report(_ encryption: Encryption, _ layerBytes: [Int]) {
        let bytes = Dictionary(uniqueKeysWithValues: layerBytes.enumerated().map { ($0.offset, $0.element) })
        for line in EncryptionSpace.lines(encryption, layerBytes: bytes) { info(line) }
    }
}
