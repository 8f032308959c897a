// SPDX-License-Identifier: GPL-2.0-or-later
import VeilProtection

extension VideoEncoder {
    /// What one layer of a stream is to be. What is left alone follows from the source, the encoder's settings and the
    /// layer below.
    public struct LayerSettings: Sendable {
        /// Luma size of a layer.
        public enum Size: Sendable, Equatable {
            /// That of the layer above; of the top layer, the source's. Of a second view, that of the first.
            case same
            /// That of the layer above (of the same view) divided by a ratio of 1 to 16, made even. Not for the top
            /// layer.
            case ratio(Double)
            case exactly(width: Int, height: Int)
        }

        /// How many bits the pictures get.
        public enum Rate: Sendable, Equatable {
            /// QP of P pictures, 0 to 51; I and B pictures get x265's offsets.
            case qp(Int)
            /// Constant rate factor, 0 to 51.
            case crf(Double)
            /// Average kilobits a second.
            case bitrate(Double)
        }

        /// The decoder's buffer (C.2) that pictures must go through.
        public struct Buffer: Sendable, Equatable {
            /// Kilobits a second that flow in, at most.
            public var maxRate: Double
            /// Kilobits that it holds.
            public var size: Double

            public init(maxRate: Double, size: Double) {
                self.maxRate = maxRate
                self.size = size
            }
        }

        public var size: Size
        /// Bits a sample, 8 or 10 (12 of a single layer), no fewer than the layers below; nil for the source's.
        public var bitDepth: Int?
        /// Nil: of the base layer QP 28, of others the base layer's. The rates of enhancement layers follow the base
        /// layer's QP from picture to picture.
        public var rate: Rate?
        /// Goes with a bit rate or a CRF.
        public var buffer: Buffer?
        /// Of an enhancement layer, in place of the encoder's.
        public var preset: String?
        /// nuh_layer_id of the lower layers that it is predicted from; nil for the one below.
        public var references: [Int]?
        /// Its pictures are pushed beside those of the source, in place of being made from them.
        public var hasOwnSource = false
        /// Another view than the base layer's, for the right eye where that is for the left one (MV-HEVC). The layers
        /// of the first view come first, bottom up, then as many of the second one, each of the size and depth of its
        /// counterpart; the last one has a source of its own, of which the others' pictures are made.
        public var isView = false
        /// Alpha of what the layer below shows (an auxiliary layer): of two layers of one size and depth the upper one,
        /// with a source of its own, whose luma it is, from 0 for transparent to the greatest value for opaque.
        public var isAlpha = false
        /// In place of the encoder's keys, for this layer.
        public var keys: KeyRing?

        public init(size: Size = .same, rate: Rate? = nil) {
            self.size = size
            self.rate = rate
        }

        /// The size that `2x`, `1.5x`, any `Nx` of 1 to 16, or `snr` for the same size stand for; nil for other texts.
        public static func size(_ text: some StringProtocol) -> Size? {
            if text == "snr" { return .same }
            guard text.hasSuffix("x"), let ratio = Double(text.dropLast()), (1...16).contains(ratio) else { return nil }
            return .ratio(ratio)
        }
    }
}

extension Array where Element == VideoEncoder.LayerSettings {
    /// One layer: an HEVC version 1 stream.
    public static var single: Self { [.init()] }
    /// The base layer has half the width and height (spatial scalability).
    public static var double: Self { [.init(size: .ratio(2)), .init()] }
    /// The base layer has two thirds of the width and height.
    public static var oneAndAHalf: Self { [.init(size: .ratio(1.5)), .init()] }
    /// Both layers have the source's size (quality scalability).
    public static var snr: Self { [.init(), .init()] }
    /// Two views: the source's, for the left eye, and one whose pictures are pushed beside them (MV-HEVC).
    public static var stereo: Self {
        var view = VideoEncoder.LayerSettings()
        view.isView = true
        view.hasOwnSource = true
        return [.init(), view]
    }

    /// Pictures and their alpha, whose pictures are pushed beside them.
    public static var alpha: Self {
        var alpha = VideoEncoder.LayerSettings()
        alpha.isAlpha = true
        alpha.hasOwnSource = true
        return [.init(), alpha]
    }

    /// `1` for a single layer, or the ratio of each enhancement layer to the one below it, bottom up, where the top
    /// layer has the source's size: `2x`, `1.5x,snr`; or the sizes of all layers: `640x360,1280x720`; or `view` for
    /// two views (`view,2x`: both of them in two sizes), or `alpha` for pictures with alpha. Throws ``SettingsError``.
    public init(_ description: String) throws {
        let parts = description.lowercased().split(separator: ",", omittingEmptySubsequences: false)
        let sizes = parts.compactMap { part -> VideoEncoder.LayerSettings.Size? in
            let numbers = part.split(separator: "x", omittingEmptySubsequences: false).map { Int($0) }
            guard numbers.count == 2, let width = numbers[0], let height = numbers[1], width > 0, height > 0 else {
                return nil
            }
            return .exactly(width: width, height: height)
        }
        if description == "1" {
            self = .single
        } else if description.lowercased() == "view" {
            self = .stereo
        } else if description.lowercased() == "alpha" {
            self = .alpha
        } else if parts.contains("alpha") {
            throw SettingsError("'\(description)': alpha goes with no other layers but the one below it")
        } else if parts.dropFirst().contains("view") {
            throw SettingsError("'\(description)': 'view' comes first, and sizes of both views after it (view,2x)")
        } else if parts[0] == "view" {
            let sizes = try parts.dropFirst().map { Element(size: try Self.size($0)) }
            let stereo = Self.stereo
            var smaller = stereo[1]
            smaller.hasOwnSource = false
            self = sizes + [stereo[0]] + sizes.map { _ in smaller } + [stereo[1]]
        } else if sizes.count == parts.count {
            self = sizes.map { .init(size: $0) }
        } else {
            self = try parts.map { .init(size: try Self.size($0)) } + [.init()]
        }
        if count > VideoEncoder.Settings.maxLayers {
            throw SettingsError("no more than \(VideoEncoder.Settings.maxLayers) layers")
        }
    }

    private static func size(_ part: some StringProtocol) throws -> VideoEncoder.LayerSettings.Size {
        guard let size = VideoEncoder.LayerSettings.size(part) else {
            throw SettingsError(
                "'\(part)' is none of 1, snr, view, alpha, 2x, 1.5x (any ratio of 1 to 16), or WxH for every layer")
        }
        return size
    }

    /// Gives the layers rates, bottom up; the last one holds for the layers above as well.
    public mutating func setRates(_ rates: VideoEncoder.LayerSettings.Rate...) {
        guard !rates.isEmpty else { return }
        for i in indices { self[i].rate = rates[Swift.min(i, rates.count - 1)] }
    }
}
