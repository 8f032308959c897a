// SPDX-License-Identifier: GPL-2.0-or-later
import VeilEncoder
import VeilProtection

extension VideoEncoder {
    /// How many layers there are, and how the size of each relates to that of the layer below it, from which it is
    /// predicted.
    ///
    /// The top layer has the source's size. `Layers("2x,snr")` makes three: a base layer of half the width and
    /// height, one of the source's size, and one of better quality.
    public struct Layers: Sendable, Equatable, CustomStringConvertible {
        /// Ratio of each enhancement layer to the layer below it, bottom up; 1 for the same size. Empty for a single
        /// layer.
        public let ratios: [Double]

        /// Nil unless there are at most seven ratios, each from 1 to 16.
        public init?(ratios: [Double]) {
            guard ratios.count < 8, ratios.allSatisfy({ (1...16).contains($0) }) else { return nil }
            self.ratios = ratios
        }

        /// `1` for a single layer, or the ratio of each enhancement layer, bottom up: `2x`, `1.5x,snr`.
        public init?(_ description: String) {
            let parts = description.split(separator: ",", omittingEmptySubsequences: false)
            let ratios = parts.compactMap(LayerRatios.ratio)
            guard description == "1" || ratios.count == parts.count else { return nil }
            self.init(ratios: description == "1" ? [] : ratios)
        }

        private init(_ ratios: Double...) { self.ratios = ratios }

        /// One layer: an HEVC version 1 stream.
        public static let single = Layers()
        /// The base layer has half the width and height (spatial scalability).
        public static let double = Layers(2)
        /// The base layer has two thirds of the width and height.
        public static let oneAndAHalf = Layers(1.5)
        /// Both layers have the source's size (quality scalability).
        public static let snr = Layers(1)

        /// Number of layers, the base layer among them.
        public var count: Int { ratios.count + 1 }

        /// Luma size of every layer, bottom up, for a source size. Smaller ones are even, so that 4:2:0 windows can
        /// show them.
        public func sizes(width: Int, height: Int) -> [(width: Int, height: Int)] {
            LayerRatios.sizes(ratios, width: width, height: height)
        }

        public var description: String {
            ratios.isEmpty ? "1" : ratios.map { $0 == 1 ? "snr" : "\($0)x" }.joined(separator: ",")
        }
    }

    /// What is to be coded, and how.
    public struct Settings: Sendable {
        /// Luma samples; may be odd.
        public var width: Int
        public var height: Int
        public var frameRate = (numerator: 25, denominator: 1)
        /// Bits a sample, 8 or 10.
        public var bitDepth = 8
        public var layers = Layers.double
        /// QP of each layer's P pictures, bottom up, 0 ... 51; the last holds for the layers above as well. I and B
        /// pictures get x265's offsets.
        public var qps = [28]
        /// Of the enhancement layers; nil for one QP a picture. x265 has none for the base layer at a QP; where
        /// ``baseLayerOptions`` give that a rate (`crf`, `bitrate`), its own `aq-mode` is theirs to set.
        public var adaptiveQuantization: AdaptiveQuantization?
        /// Speed against efficiency: `ultrafast` to `veryslow`, as x265 has them.
        public var preset = "medium"
        /// Substreams of one CTB row each (entropy_coding_sync_enabled_flag), which decoders can take at once, for 2
        /// to 4 % more bits; nil for what the preset has: none from `slow`.
        public var wavefront: Bool?
        /// Worker threads, 1 or more. The stream does not depend on it.
        public var threads = 1
        /// Send parameter sets before every IRAP picture, for receivers that join.
        public var repeatsHeaders = false
        /// Keys to encrypt with, one a layer; nil writes a clear stream.
        public var keys: KeyRing?
        /// Scheme, cipher, profile, elements, resynchronization, nonce.
        public var protection = Encryption.Options()
        /// Groups of eight pictures with B pictures on three levels, for which libx265 must be patched, or x265's own
        /// groups. Nil: the former where they can be had and ``baseLayerOptions`` ask for no others.
        public var pyramid: Bool?
        /// Further options of the base layer by their names on the x265 command line.
        public var baseLayerOptions: [(name: String, value: String?)] = []

        public init(width: Int, height: Int) {
            self.width = width
            self.height = height
        }

        /// What ``baseLayerOptions`` say of it, else ``wavefront``.
        var usesWavefront: Bool { Wavefronts(preset: preset, wanted: wavefront, x265: baseLayerOptions).isOn }

        /// QP of a layer.
        func qp(_ layer: Int) -> Int { qps[min(layer, qps.count - 1)] }
    }
}
