// SPDX-License-Identifier: GPL-2.0-or-later
import Foundation
import VeilBaseLayer
import VeilCrypto
import VeilEncoder
import VeilSyntax
import VeilTranscoder

extension EncodeCommand {
    /// Puts encryption into the settings: hooks inside the coding loops; for the base layer after libx265 where that has no hook.
    func protect(_ settings: inout ScalableSettings) throws -> Encryption? {
        guard let encryption = try protection.encryption(layers: layers == .single ? [0] : [0, 1]) else { return nil }
        settings.hooks = encryption
        settings.message = { layer, irapIndex in
            encryption.message(layer: layer, irapIndex: irapIndex).map { ProtectionSEI.unit($0) }
        }
        let chained = encryption.options.resynchronisation == .stream
        if let message = encryption.message(layer: 0, irapIndex: 0) {
            let sao: ElementSet = [ElementSet(.saoOffsetSign), ElementSet(.saoBandPosition), ElementSet(.saoEoClass)]
            if BaseLayerEncoder.hasHook && !chained && message.elements.isDisjoint(with: sao) && settings.base.bitDepth == 8 {
                settings.base.hooks = encryption
            } else {
                let reason = !BaseLayerEncoder.hasHook
                    ? "libx265 is built without the bin hook" : chained
                        ? "a single chain runs in coding order" : "libx265's bin hook does not show SAO or 10-bit pictures"
                warn("\(reason): the base layer is encrypted after it, not inside it (the bytes are the same)")
                settings.protectBase = Self.baseProtection(encryption, threads: threads)
            }
        }
        // A single chain runs in coding order.
        if chained { settings.threads = 1 }
        return encryption
    }

    /// Encrypts base layer access units one by one.
    private static func baseProtection(_ encryption: Encryption, threads: Int) -> ([NALUnit]) throws -> [NALUnit] {
        var result: [NALUnit] = []
        let transcoder = StreamTranscoder(mode: .encrypt(encryption), threads: threads, signals: false) { result.append($0) }
        return { nals in
            result.removeAll()
            for nal in nals { try transcoder.push(nal) }
            try transcoder.finish()
            if transcoder.report.failedSlices > 0 {
                throw EncoderError.baseLayer("a slice of libx265 could not be encrypted: \(transcoder.report.messages.first ?? "")")
            }
            return result
        }
    }

    /// Encryption space by layer and element.
    func report(_ encryption: Encryption, _ layerBytes: [Int]) {
        for layer in encryption.encryptedLayers where layer < layerBytes.count {
            guard let message = encryption.message(layer: layer, irapIndex: 0), let counts = encryption.statistics(layer: layer) else { continue }
            let all = Double(max(layerBytes.reduce(0, +) * 8, 1))
            let elements = message.elements.counts(counts).map { "\($0.0) \($0.1)" }.joined(separator: ", ")
            warn(
                String(
                    format: "layer %d encrypted with %@, %@ profile, key id %@: %d bits, ES %.2f %% (%@)", layer, message.cipher.name,
                    message.profile.name, message.keyId, counts.total, 100 * Double(counts.total) / all, elements))
        }
    }
}
