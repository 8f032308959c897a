// SPDX-License-Identifier: GPL-2.0-or-later
import VeilBitstream
import VeilEncoder
import VeilProtection

extension VideoEncoder.Settings {
    /// Nil when nothing is to be encrypted. Throws ``SettingsError`` or ``KeyError``.
    func makeEncryption() throws -> Encryption? {
        let ids = Array(layers.indices)
        let keyed = Set(ids.filter { layers[$0].keys != nil })
        let asksForMore = protection.authenticates || protection.hiding != .none
        if scheme == nil && keys == nil && keyed.isEmpty {
            // Nobody asks for protection who wants none.
            if asksForMore || protection.selects { throw SettingsError("what is asked of encryption needs keys") }
            return nil
        }
        let chosen = try scheme ?? (keys != nil ? protection.scheme : Self.scheme(of: keyed, layers: ids))
        if chosen == .none {
            if asksForMore { throw SettingsError("scheme none has no tags and hides no pictures") }
            return nil
        }
        let all = try ids.filter { chosen.covers($0, of: ids) }.map { layer in
            guard let ring = layers[layer].keys ?? keys else {
                throw SettingsError(": scheme \(chosen.name) needs keys", layer: layer)
            }
            return try ring.key(layer: layer)
        }
        if protection.tiles != nil { throw SettingsError("tiles are chosen in finished streams") }
        var options = protection
        options.scheme = chosen
        var ring = KeyRing(layers: all)
        ring.generator = keys?.generator ?? layers.lazy.compactMap { $0.keys?.generator }.first
        let sizes = try layerSizes().map { (width: $0.width, height: $0.height) }
        return try Encryption(
            options: options, layers: ids, keys: ring,
            sizes: Dictionary(uniqueKeysWithValues: zip(ids, sizes)))
    }

    /// The scheme that encrypts just the layers that have keys.
    private static func scheme(of keyed: Set<Int>, layers: [Int]) throws -> Scheme {
        for scheme in Scheme.allCases where Set(layers.filter { scheme.covers($0, of: layers) }) == keyed {
            return scheme
        }
        let names = keyed.sorted().map(String.init).joined(separator: ", ")
        throw SettingsError(
            "layers \(names) have keys: bl (the lowest), all and el (the highest) are the schemes; choose one")
    }
}

extension ScalableSettings {
    /// Puts encryption into the settings: hooks inside the coding loops; for the base layer after libx265 where that
    /// has no hook. Returns why, in the latter case.
    /// - Parameter signals: put the encryption messages into the stream.
    mutating func protect(with encryption: Encryption, signals: Bool = true) -> String? {
        hooks = encryption
        if signals {
            message = { layer, period in
                encryption.message(layer: layer, period: period).map { ProtectionSEI.unit($0) }
            }
        }
        let chained = encryption.options.resynchronization == .stream
        var reason: String?
        if let message = encryption.message(layer: 0, period: 0) {
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
        let transcoder = StreamTranscoder(mode: .encrypt(encryption), threads: threads, signals: false, hides: false) {
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
