// SPDX-License-Identifier: GPL-2.0-or-later
import Foundation
import VeilCrypto
import VeilEncoder
import VeilPipeline

extension EncodeCommand {
    /// Puts encryption into the settings: hooks inside the coding loops; for the base layer after libx265 where that has no hook.
    func protect(_ settings: inout ScalableSettings) throws -> Encryption? {
        guard let encryption = try protection.encryption(layers: Array(0...settings.enhancements.count)) else { return nil }
        if let reason = settings.protect(with: encryption) {
            warn("\(reason): the base layer is encrypted after it, not inside it (the bytes are the same)")
        }
        return encryption
    }

    /// Encryption space by layer and element.
    func report(_ encryption: Encryption, _ layerBytes: [Int]) {
        for layer in encryption.encryptedLayers where layer < layerBytes.count {
            guard let message = encryption.message(layer: layer, irapIndex: 0), let counts = encryption.statistics(layer: layer) else { continue }
            let all = Double(max(layerBytes.reduce(0, +) * 8, 1))
            let elements = message.elements.counts(counts).map { "\($0.0) \($0.1)" }.joined(separator: ", ")
            info(
                String(
                    format: "layer %d encrypted with %@, %@ profile, key id %@: %d bits, ES %.2f %% (%@)", layer, message.cipher.name,
                    message.profile.name, message.keyId, counts.total, 100 * Double(counts.total) / all, elements))
        }
    }
}
