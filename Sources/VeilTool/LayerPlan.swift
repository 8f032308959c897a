// SPDX-License-Identifier: GPL-2.0-or-later
import ArgumentParser
import Foundation
import Veil
import VeilMedia

/// What each layer of a stream is to be: size, depth, rate, key and what it is predicted from.
struct LayerPlan {
    struct Layer {
        var width: Int
        var height: Int
        var bitDepth: Int
        var qp: Int?
        var crf: Double?
        /// Kilobits per second.
        var bitrate: Double?
        /// Kilobits per second and kilobits.
        var maxRate: Double?
        var buffer: Double?
        /// A file with the layer's own source; nil: the top layer's, made smaller.
        var source: String?
        /// nuh_layer_id of the layers it is predicted from.
        var references: [Int] = []
        /// Where its key is, as `--keys` says it.
        var keys: String?
        /// Preset of an enhancement layer where it is not that of all.
        var preset: String?
    }

    var layers: [Layer]

    init(layers: [Layer]) { self.layers = layers }

    /// `text`: `1` (a single layer), a list of relations of each enhancement layer to the layer below it (`2x`,
    /// `1.5x`, any `Nx`, `snr`), bottom up, or a list of the sizes of all layers (`640x360,1280x720`). The top layer
    /// has the size of the source unless told.
    init(_ text: String, source: VideoFormat) throws {
        let parts = text.lowercased().split(separator: ",").map(String.init)
        func layer(_ width: Int, _ height: Int) -> Layer {
            Layer(width: width, height: height, bitDepth: source.bitDepth)
        }
        if parts.count == 1, parts[0] == "1" {
            layers = [layer(source.width, source.height)]
        } else if !parts.isEmpty, parts.allSatisfy({ Size(argument: $0) != nil }) {
            layers = parts.compactMap { Size(argument: $0) }.map { layer($0.width, $0.height) }
        } else {
            let ratios = try parts.map { part -> Double in
                guard let ratio = LayerRatios.ratio(part) else {
                    throw ValidationError(
                        "--layers: '\(part)' is none of 1, snr, 2x, 1.5x (any ratio of 1 to 16), or WxH for every layer"
                    )
                }
                return ratio
            }
            guard !ratios.isEmpty else { throw ValidationError("--layers is empty") }
            layers = LayerRatios.sizes(ratios, width: source.width, height: source.height).map {
                layer($0.width, $0.height)
            }
        }
        for i in layers.indices where i > 0 { layers[i].references = [i - 1] }
        try check()
    }

    func check() throws {
        if layers.count > 8 { throw ValidationError("no more than 8 layers") }
        for (i, layer) in layers.enumerated() {
            guard (1...16384).contains(layer.width), (1...16384).contains(layer.height) else {
                throw ValidationError("layer \(i): size \(layer.width)x\(layer.height) is out of range")
            }
            guard layer.bitDepth == 8 || layer.bitDepth == 10 else {
                throw ValidationError("layer \(i): \(layer.bitDepth) bits: 8 and 10 are supported")
            }
            if let qp = layer.qp, !(0...51).contains(qp) {
                throw ValidationError("layer \(i): QP \(qp) is not within 0 to 51")
            }
            for r in layer.references {
                guard r >= 0, r < i else { throw ValidationError("layer \(i) cannot be predicted from layer \(r)") }
                let below = layers[r]
                guard below.width <= layer.width, below.height <= layer.height else {
                    throw ValidationError(
                        "layer \(i) (\(layer.width)x\(layer.height)) is smaller than layer \(r) "
                            + "(\(below.width)x\(below.height)), which it is predicted from"
                    )
                }
                guard below.width * 16 >= layer.width, below.height * 16 >= layer.height else {
                    throw ValidationError(
                        "layer \(i) is more than 16 times as large as layer \(r), which it is predicted from")
                }
                guard below.bitDepth <= layer.bitDepth else {
                    throw ValidationError(
                        "layer \(i) has fewer bits a sample than layer \(r), which it is predicted from")
                }
            }
            if i > 0 && layer.references.isEmpty {
                throw ValidationError("layer \(i) names no layer that it is predicted from")
            }
        }
    }

    /// Gives layers the values of a comma-separated list; a list that is too short repeats its last value.
    mutating func apply<T>(
        _ list: String?, option: String, _ field: WritableKeyPath<Layer, T?>, parse: (String) -> T?
    ) throws {
        guard let list else { return }
        let values = list.split(separator: ",").map { parse(String($0)) }
        guard !values.isEmpty, values.count <= layers.count, values.allSatisfy({ $0 != nil }) else {
            throw ValidationError("\(option) takes one value, or one a layer (\(layers.count)): '\(list)'")
        }
        for i in layers.indices { layers[i][keyPath: field] = values[min(i, values.count - 1)] }
    }
}
