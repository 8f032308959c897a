// SPDX-License-Identifier: GPL-2.0-or-later
import VeilBitstream
import VeilEncoder
import VeilProtection

extension ScalableSettings {
    /// Puts encryption into the settings: hooks inside the coding loops; for the base layer after libx265 where that
    /// has no hook. Returns why, in the latter case.
    /// - Parameter signals: put the encryption messages into the stream.
    package mutating func protect(with encryption: Encryption, signals: Bool = true) -> String? {
        hooks = encryption
        if signals {
            message = { layer, irapIndex in
                encryption.message(layer: layer, irapIndex: irapIndex).map { ProtectionSEI.unit($0) }
            }
        }
        let chained = encryption.options.resynchronization == .stream
        var reason: String?
        if let message = encryption.message(layer: 0, irapIndex: 0) {
            let isShown =
                message.elements.isSubset(of: .paper) || BaseLayerEncoder.hookShowsAll(bitDepth: base.bitDepth)
            // libx265's entropy coder does not know its sub-layer.
            let hasSubLayers = message.selection.minTemporalId > 0
            if BaseLayerEncoder.hasHook && isShown && !chained && !hasSubLayers {
                base.hooks = encryption
            } else {
                reason =
                    !BaseLayerEncoder.hasHook
                    ? "libx265 is built without the bin hook"
                    : chained
                        ? "a single chain runs in coding order"
                        : hasSubLayers
                            ? "libx265's bin hook knows no temporal sub-layers"
                            : "libx265's bin hook, prepared by an earlier version, shows the paper's elements only"
                protectBase = Self.baseProtection(encryption, threads: threads)
            }
        }
        // A single chain runs in coding order.
        if chained { threads = 1 }
        return reason
    }

    /// Encrypts base layer access units one by one.
    private static func baseProtection(_ encryption: Encryption, threads: Int) -> ([NALUnit]) throws -> [NALUnit] {
        var result: [NALUnit] = []
        let transcoder = StreamTranscoder(mode: .encrypt(encryption), threads: threads, signals: false) {
            result.append($0)
        }
        return { nals in
            result.removeAll()
            for nal in nals { try transcoder.push(nal) }
            try transcoder.finish()
            if transcoder.report.failedSlices > 0 {
                throw EncoderError.baseLayer(
                    "a slice of libx265 could not be encrypted: \(transcoder.report.messages.first ?? "")")
            }
            return result
        }
    }
}
