// SPDX-License-Identifier: GPL-2.0-or-later
import VeilBitstream

extension ScalableSettings {
    /// What the samples of a layer mean: as in the highest layer, with an aspect that suits the layer's size.
    package func colour(ofLayer layer: Int) -> ColourDescription {
        guard !colour.isEmpty || !enhancements.isEmpty else { return colour }
        if layer > 0 && enhancements[layer - 1].isAlpha {
            var alpha = ColourDescription()
            alpha.isFullRange = true
            alpha.sampleAspect = colour.sampleAspect
            return alpha
        }
        let sizes =
            [(width: base.width, height: base.height)] + enhancements.map { ($0.format.width, $0.format.height) }
        return colour.scaled(from: sizes[sizes.count - 1], to: sizes[layer])
    }

    /// libx265's options that say what the base layer's samples mean. Its messages are made here, as those of all
    /// layers.
    package var colourOptions: [(name: String, value: String?)] {
        let colour = colour(ofLayer: 0)
        var options: [(name: String, value: String?)] = []
        func add(_ name: String, _ value: String?) { if let value { options.append((name, value)) } }
        add("colorprim", colour.primaries.map(String.init))
        add("transfer", colour.transfer.map(String.init))
        add("colormatrix", colour.matrix.map(String.init))
        add("range", colour.isFullRange.map { $0 ? "full" : "limited" })
        add("chromaloc", colour.chromaLocation.map(String.init))
        add("sar", colour.sampleAspect.map { "\($0.width):\($0.height)" })
        return options
    }
}
