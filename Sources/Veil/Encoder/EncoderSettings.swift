// SPDX-License-Identifier: GPL-2.0-or-later
import VeilBitstream
import VeilCore
import VeilEncoder
import VeilProtection

/// Settings that cannot be met, in one line that names the layer.
public struct SettingsError: Error, Sendable, Equatable, CustomStringConvertible {
    /// nuh_layer_id, where one layer is to blame.
    public let layer: Int?
    public let description: String

    init(_ description: String, layer: Int? = nil) {
        self.layer = layer
        self.description = layer.map { "layer \($0)\(description)" } ?? description
    }
}

extension VideoEncoder {
    /// What is to be coded, and how. All that the program's `encode` can do is here, under its options' names where
    /// they are x265's.
    ///
    ///     var settings = VideoEncoder.Settings(width: 1280, height: 720)
    ///     settings.layers = .double
    ///     settings.layers.setRates(.qp(26), .qp(24))
    public struct Settings: Sendable {
        // MARK: Source

        /// Luma samples; may be odd.
        public var width: Int
        public var height: Int
        public var frameRate = (numerator: 25, denominator: 1)
        /// Bits a sample, 8 or 10; or 12, of which a single layer is coded.
        public var bitDepth = 8
        /// Which chroma samples the source's pictures have. Others than 4:2:0 are coded in a single layer.
        public var chromaFormat = ChromaFormat.yuv420
        /// What the samples mean: colour, range, aspect, mastering. Every layer says so.
        public var colour = ColourDescription()

        // MARK: Layers

        /// Bottom up, eight at most.
        public var layers: [LayerSettings] = .double

        // MARK: Coding

        /// Speed against efficiency of all layers: one of ``VideoEncoder/presets``.
        public var preset = "medium"
        /// That of the enhancement layers, where it is another.
        public var enhancementPreset: String?
        /// x265's tuning of the base layer: psnr, ssim, grain, fastdecode, zerolatency, animation.
        public var tune: String?
        /// Most pictures between IRAP pictures, 1 or more; nil for x265's choice.
        public var keyint: Int?
        /// Most B pictures in a row, 0 to 16; nil for what the preset or the pyramid has.
        public var bframes: Int?
        /// Groups of eight pictures with B pictures on three levels, for which libx265 must be patched, or x265's own
        /// groups. Nil: the former where they can be had and nothing else is said about B pictures.
        public var pyramid: Bool?
        /// Slices of each picture of every layer, 1 to 600 (what x265 makes of its own depends on its threads).
        public var slices: Int?
        /// Substreams of one CTB row each (entropy_coding_sync_enabled_flag), which decoders can take at once, for 2
        /// to 4 % more bits; nil for what the preset has: none from `slow`.
        public var wavefront: Bool?
        /// End each picture of each layer with the MD5 of its samples (D.3.19).
        public var sendsHashes = false
        /// Send parameter sets before every IRAP picture, for receivers that join.
        public var repeatsHeaders = false
        /// Adaptive quantization of all layers; nil for what fits the rate: none where a layer's own is a QP, or with
        /// the two fastest presets, else ``VideoEncoder/AdaptiveQuantizationMode/autoVariance``. (x265 has none at a
        /// QP.)
        public var adaptiveQuantization: AdaptiveQuantizationMode?
        /// 0 to 3; nil for 1.
        public var adaptiveQuantizationStrength: Double?
        /// Vary QPs and references of an enhancement layer's pictures by what depends on them, beyond what x265 does.
        /// Off by itself with a buffer of under half a second.
        public var hierarchy = true
        /// Off codes enhancement layers without inter-layer prediction, for comparison.
        public var interLayerPrediction = true
        /// Further options of the base layer by their names on the x265 command line; these prevail.
        public var x265Options: [(name: String, value: String?)] = []
        /// With bit rates: one of two passes over the same pictures.
        public var pass: Pass?
        /// Worker threads, 1 or more. The stream depends on them with bit rates only (x265's base layer).
        public var threads = 1
        /// Have access units carry the reconstruction of each layer.
        public var keepsReconstructions = false

        // MARK: Encryption

        /// Keys to encrypt with, one a layer; nil writes a clear stream, but for the layers that have
        /// ``LayerSettings/keys``.
        public var keys: KeyRing?
        /// The layers to encrypt, in place of what ``protection`` says. Nil with keys of single layers only: the
        /// scheme of just these.
        public var scheme: Scheme?
        /// Cipher, profile, elements, resynchronization, tags, nonce; and the scheme.
        public var protection = Encryption.Options()
        /// Put the messages that decryptors need into the stream; without, they need
        /// ``Encryption/sidecar``.
        public var signalsEncryption = true

        /// Two layers of one size ratio and QP 28.
        public init(width: Int, height: Int) {
            self.width = width
            self.height = height
        }

        /// Layers of one stream.
        public static var maxLayers: Int { ScalableSettings.maxLayers }
    }

    /// x265's `aq-mode`.
    public enum AdaptiveQuantizationMode: Int, Sendable {
        case off = 0
        /// QPs rise with the logarithm of a block's variance.
        case variance = 1
        /// The same with a strength that follows the picture: its mean QP stays about what it was.
        case autoVariance = 2
    }

    /// A pass of two.
    public enum Pass: Sendable, Equatable {
        /// Leaves statistics in this file, and x265's own beside it.
        case first(statistics: String)
        /// Reads them.
        case second(statistics: String)
    }

    /// Names of presets, fastest first.
    public static var presets: [String] { EncoderPreset.allCases.map(\.rawValue) }

    /// Whether there is a preset of this name (x265's `placebo` counts as the slowest).
    public static func hasPreset(_ name: String) -> Bool { EncoderPreset(name: name) != nil }
}
