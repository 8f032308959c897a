// SPDX-License-Identifier: GPL-2.0-or-later
import ArgumentParser
import Veil
import VeilMedia

/// What each layer of a stream is to be, as options and layer files say it.
struct LayerPlan {
    struct Layer {
        var settings = VideoEncoder.LayerSettings()
        var qp: Int?
        var crf: Double?
        /// Kilobits per second.
        var bitrate: Double?
        /// Kilobits per second and kilobits.
        var maxRate: Double?
        var buffer: Double?
        /// A file with the layer's own source; nil: the top layer's, made smaller.
        var source: String?
        /// Where its key is, as `--keys` says it.
        var keys: String?
    }

    var layers: [Layer]

    init(layers: [Layer]) { self.layers = layers }

    /// `text` is the value of `--layers`.
    init(_ text: String) throws {
        do { layers = try [VideoEncoder.LayerSettings](text).map { Layer(settings: $0) } } catch let error
            as SettingsError
        { throw ValidationError("--layers: \(error)") }
    }

    /// Gives layers the values of a comma-separated list; a list that is too short repeats its last value.
    /// - Parameter range: what values may be, as messages say it.
    mutating func apply<T>(
        _ list: String?, option: String, range: String, _ field: WritableKeyPath<Layer, T?>, parse: (String) -> T?
    ) throws {
        guard let list else { return }
        let values = list.split(separator: ",").map { parse(String($0)) }
        guard !values.isEmpty, values.count <= layers.count, values.allSatisfy({ $0 != nil }) else {
            throw ValidationError(
                "\(option) takes one value, or up to \(layers.count), one a layer, of which the last goes on, "
                    + "\(range): '\(list)'")
        }
        for i in layers.indices { layers[i][keyPath: field] = values[min(i, values.count - 1)] }
    }

    /// The layers as the encoder takes them, with their keys.
    func settings() throws -> [VideoEncoder.LayerSettings] {
        try layers.map { layer in
            var settings = layer.settings
            settings.rate = layer.bitrate.map { .bitrate($0) } ?? layer.crf.map { .crf($0) } ?? layer.qp.map { .qp($0) }
            if let maxRate = layer.maxRate, let buffer = layer.buffer {
                settings.buffer = .init(maxRate: maxRate, size: buffer)
            }
            settings.hasOwnSource = layer.source != nil
            settings.keys = try layer.keys.map { try KeyRing(reference: $0) }
            return settings
        }
    }
}
