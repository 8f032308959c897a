// SPDX-License-Identifier: GPL-2.0-or-later
import VeilBitstream
import VeilEntropy

/// What went wrong while coding, in one line.
public enum EncoderError: Error, Sendable, CustomStringConvertible {
    case baseLayer(String)
    case settings(String)

    public var description: String {
        switch self {
        case .baseLayer(let reason): return "base layer stream: \(reason)"
        case .settings(let reason): return reason
        }
    }
}

/// Settings of one enhancement layer.
package struct EnhancementSettings: Sendable {
    package var format: LayerFormat
    package var rate = LayerRate.offset(0, initial: 26)
    package var tools = LayerTools()
    package var effort = DecisionEffort()
    /// Nil for one QP a picture.
    package var adaptiveQuantization: AdaptiveQuantization? {
        get { effort.adaptiveQuantization }
        set {
            effort.adaptiveQuantization = newValue
            tools.adaptiveQuantization = newValue != nil
        }
    }
    /// nuh_layer_id of the direct reference layers, ascending.
    package var references = [0]
    /// Off codes the layer without inter-layer prediction (IRAP pictures intra), for comparison.
    package var interLayerPrediction = true
    /// Shows another view than the base layer (Annex G). References that do not are of its size and depth, and it is
    /// predicted from their pictures themselves, with vectors; others are resampled as everywhere.
    package var isView = false
    /// Alpha of what the base layer shows, of its size and depth and the only layer above it: an auxiliary layer
    /// (AuxId 1) that is predicted from no other and has no ``references``. It is its luma.
    package var isAlpha = false
    /// Pictures of the layer's own used on each side of a picture, besides the inter-layer ones.
    package var maxReferences = 2
    /// Pictures that others depend on get lower QPs than the rest, beyond what x265 does; off follows x265.
    package var hierarchy = true
    /// Slices of a picture, each of whole CTB rows; no more than there are.
    package var slices = 1

    package init(format: LayerFormat) { self.format = format }
}

/// Settings of a scalable encode: a base layer and any number of enhancement layers.
package struct ScalableSettings {
    package var base = BaseLayerSettings()
    /// Layers 1 and up; empty codes a single layer.
    package var enhancements: [EnhancementSettings] = []
    package var threads = 1
    /// Send parameter sets before every IRAP picture, for receivers that join, and not only before the first. The
    /// reference decoder (SHM) does not survive a second VPS or base layer SPS.
    package var repeatsHeaders = false
    /// Ends each picture of the enhancement layers with a message that holds the MD5 of its samples.
    package var sendsHashes = false
    /// What the samples of the highest layer mean; every layer says so, with the sample aspect of its own size.
    package var colour = ColourDescription()
    /// Hooks of the enhancement layers; those of the base layer are its own.
    package var hooks: (any BinHookProvider)?
    /// Applied to the base layer's NAL units of each access unit after coding: encryption where the base encoder has
    /// no hook.
    package var protectBase: (([NALUnit]) throws -> [NALUnit])?
    /// A prefix SEI unit to put before the slices of a picture that begins a period of the layer.
    package var message: ((_ layer: Int, _ period: PeriodStart) -> NALUnit?)?
    package init() {}

    /// Whether there are two views: the base layer's for the left eye.
    var isStereo: Bool { enhancements.contains(where: \.isView) }

    /// Whether a layer shows another view than the base layer.
    func isView(_ layer: Int) -> Bool { layer > 0 && enhancements[layer - 1].isView }

    /// Layers of one stream: nuh_layer_id has room for more, the parameter set ids of this encoder do not.
    package static let maxLayers = 8
}
