// SPDX-License-Identifier: GPL-2.0-or-later
import VeilCore
import VeilEncoder
import VeilProtection

/// The layers of a stream with all that settings leave open filled in, checked.
struct LayerPlan: Sendable {
    struct Layer: Sendable {
        var width: Int
        var height: Int
        var bitDepth: Int
        /// Nil: the base layer's.
        var rate: VideoEncoder.LayerSettings.Rate?
        var buffer: VideoEncoder.LayerSettings.Buffer?
        var preset: String
        var references: [Int]
        var hasOwnSource: Bool
        var isView = false
        var isAlpha = false
    }

    let layers: [Layer]
    let chromaFormat: ChromaFormat

    /// Throws ``SettingsError``.
    init(_ settings: VideoEncoder.Settings) throws {
        let given = settings.layers
        guard (1...VideoEncoder.Settings.maxLayers).contains(given.count) else {
            throw SettingsError(given.isEmpty ? "no layers" : "no more than \(VideoEncoder.Settings.maxLayers) layers")
        }
        let sizes = try Self.sizes(settings)
        // Without a rate of the base layer's, all layers have the same QP.
        let standard: VideoEncoder.LayerSettings.Rate? = given[0].rate == nil ? .qp(28) : nil
        layers = given.enumerated().map { i, layer in
            Layer(
                width: sizes[i].width, height: sizes[i].height, bitDepth: layer.bitDepth ?? settings.bitDepth,
                rate: layer.rate ?? standard, buffer: layer.buffer,
                preset: (i > 0 ? layer.preset ?? settings.enhancementPreset : nil) ?? settings.preset,
                references: layer.isAlpha ? [] : (layer.references ?? Self.references(of: i, given)).sorted(),
                hasOwnSource: layer.hasOwnSource, isView: layer.isView, isAlpha: layer.isAlpha)
        }
        chromaFormat = settings.chromaFormat
        if let refused = X265Options.refused(settings.x265Options) { throw SettingsError(refused) }
        for (i, layer) in layers.enumerated() where layers.contains(where: \.isView) {
            guard layer.isView == (2 * i >= layers.count), layers.count % 2 == 0 else {
                throw SettingsError(
                    ": of two views the first one's layers come first, then as many of the second one", layer: i)
            }
        }
        for i in layers.indices {
            try checkFormat(i)
            try checkRate(i)
            try checkReferences(i)
            if layers[i].isAlpha && layers.count > 2 {
                throw SettingsError(": alpha goes with no other layers but the one below it", layer: i)
            }
            if layers[i].isView { try checkCounterpart(i, "a view", "the other one") }
            if layers[i].isAlpha { try checkCounterpart(i, "alpha", "the pictures") }
        }
        if layers.contains(where: \.isView) { try checkViews() }
    }

    /// What a layer is predicted from where nobody says: the one below, of two views the next lower one of its own,
    /// and of the second view the other one's picture as well.
    private static func references(of i: Int, _ layers: [VideoEncoder.LayerSettings]) -> [Int] {
        guard layers[i].isView else { return i > 0 ? [i - 1] : [] }
        let own = i > 0 && layers[i - 1].isView ? [i - 1] : []
        return [counterpart(of: i, count: layers.count)].filter { (0..<i).contains($0) && !layers[$0].isView } + own
    }

    /// The layer whose pictures a view's, or alpha, go with: the layers of two views come one view after the other.
    private static func counterpart(of i: Int, count: Int) -> Int { i - count / 2 }

    /// The layers of two views: those of the first one, bottom up, then as many of the second one. In this order all
    /// readers of a VPS count as many views, also those that count wherever the view changes from layer to layer
    /// (GPAC, SHM), as an earlier edition of the standard did.
    private func checkViews() throws {
        for (i, layer) in layers.enumerated() {
            guard !layer.hasOwnSource || i == layers.count - 1 else {
                throw SettingsError(
                    i == layers.count / 2 - 1
                        ? ": the first view's largest pictures are the encoder's, and have no source of their own"
                        : ": the views' smaller pictures are made of the largest ones, and have no source of their own",
                    layer: i)
            }
            let counterpart = Self.counterpart(of: i, count: layers.count)
            for r in layer.references where layers[r].isView != layer.isView && r != counterpart {
                throw SettingsError(
                    " cannot be predicted from layer \(r), another view of another size or quality", layer: i)
            }
        }
        guard layers.last?.hasOwnSource ?? false else {
            throw SettingsError(": a view has a source of its own", layer: layers.count - 1)
        }
    }

    /// A view, and alpha, is as large and as deep as what it belongs to.
    private func checkCounterpart(_ i: Int, _ name: String, _ other: String) throws {
        guard case let below = Self.counterpart(of: i, count: layers.count), (0..<i).contains(below) else {
            throw SettingsError(": \(name) goes upon another layer", layer: i)
        }
        let (view, base) = (layers[i], layers[below])
        guard view.width == base.width, view.height == base.height else {
            throw SettingsError(
                ": \(name) of \(view.width)x\(view.height), \(other) of \(base.width)x\(base.height)", layer: i)
        }
        guard view.bitDepth == base.bitDepth else {
            throw SettingsError(": \(name) of \(view.bitDepth) bit, \(other) of \(base.bitDepth) bit", layer: i)
        }
        guard view.isView || view.hasOwnSource && !base.hasOwnSource else {
            throw SettingsError(": \(name) has a source of its own, and the layer below it the encoder's", layer: i)
        }
    }

    /// Luma size of every layer, bottom up. Ratios multiply up to the next size that is given, so that no rounding
    /// adds to another's. Smaller sizes are even, so that 4:2:0 windows can show them.
    private static func sizes(_ settings: VideoEncoder.Settings) throws -> [(width: Int, height: Int)] {
        var above = (width: settings.width, height: settings.height)
        var factor = 1.0
        var sizes: [(width: Int, height: Int)] = []
        for (i, layer) in settings.layers.enumerated().reversed() where !layer.isView {
            switch layer.size {
            case .same: break
            case .exactly(let width, let height):
                above = (width, height)
                factor = 1
            case .ratio(let ratio):
                guard ratio.isFinite, (1...16).contains(ratio) else {
                    throw SettingsError(": a ratio is 1 to 16", layer: i)
                }
                guard settings.layers[(i + 1)...].contains(where: { !$0.isView }) else {
                    let isOfViews = settings.layers.contains(where: \.isView)
                    throw SettingsError(
                        ": the top layer \(isOfViews ? "of a view " : "")has a size, and no ratio", layer: i)
                }
                factor *= ratio
            }
            func even(_ size: Int) -> Int { max(Int((Double(size) / factor / 2).rounded()) * 2, 2) }
            sizes.insert(factor < 1.0001 ? above : (even(above.width), even(above.height)), at: 0)
        }
        // A view has the size of what it is another view of.
        for (i, layer) in settings.layers.enumerated() where layer.isView {
            let other = counterpart(of: i, count: settings.layers.count)
            var size = sizes.indices.contains(other) ? sizes[other] : above
            switch layer.size {
            case .same: break
            case .exactly(let width, let height): size = (width, height)
            case .ratio: throw SettingsError(": a view has the size of the other one, and no ratio", layer: i)
            }
            sizes.insert(size, at: i)
        }
        return sizes
    }

    /// The smallest CTU that libx265 takes, of which a picture must hold one.
    private static let leastSize = 16

    private func checkFormat(_ i: Int) throws {
        let layer = layers[i]
        guard (1...16384).contains(layer.width), (1...16384).contains(layer.height) else {
            throw SettingsError(": size \(layer.width)x\(layer.height) is out of range", layer: i)
        }
        guard i > 0 || (min(layer.width, layer.height) + 1) & ~1 >= Self.leastSize else {
            throw SettingsError(
                ": \(layer.width)x\(layer.height): libx265 codes pictures of \(Self.leastSize)x\(Self.leastSize) and "
                    + "more; choose a smaller ratio, or one layer", layer: i)
        }
        guard [8, 10, 12].contains(layer.bitDepth) else {
            throw SettingsError(": \(layer.bitDepth) bits: 8, 10 and 12 are supported", layer: i)
        }
        // Scalable Main and Scalable Main 10 are what layers above the first one are written of.
        guard layers.count == 1 || chromaFormat == .yuv420 else {
            throw SettingsError("\(chromaFormat) is coded in a single layer: layers are scalable in 4:2:0 (--layers 1)")
        }
        guard layers.count == 1 || layer.bitDepth <= 10 else {
            throw SettingsError(
                ": 12 bits are coded in a single layer (--layers 1): layers are scalable in 8 and 10 bits (--depth)",
                layer: i)
        }
        guard EncoderPreset(name: layer.preset) != nil else {
            throw SettingsError(": there is no preset '\(layer.preset)'", layer: i)
        }
    }

    private func checkRate(_ i: Int) throws {
        let layer = layers[i]
        switch layer.rate {
        case .qp(let qp)?:
            guard (0...51).contains(qp) else { throw SettingsError(": QP \(qp) is not within 0 to 51", layer: i) }
        case .crf(let crf)?:
            guard crf.isFinite, (0...51).contains(crf) else {
                throw SettingsError(": CRF \(crf) is not within 0 to 51", layer: i)
            }
        case .bitrate(let bitrate)?:
            guard bitrate.isFinite, bitrate > 0, bitrate <= 1e7 else {
                throw SettingsError(": a bit rate of \(bitrate) kbit/s cannot be met", layer: i)
            }
        case nil: break
        }
        if let buffer = layer.buffer {
            guard (0.001...1e7).contains(buffer.maxRate), (0.001...1e7).contains(buffer.size) else {
                throw SettingsError(": a buffer of \(buffer.size) kbit at \(buffer.maxRate) kbit/s", layer: i)
            }
            if case .qp? = layer.rate { throw SettingsError(": a buffer needs a bit rate or a CRF", layer: i) }
        }
    }

    private func checkReferences(_ i: Int) throws {
        let layer = layers[i]
        for r in layer.references {
            guard r >= 0, r < i else { throw SettingsError(" cannot be predicted from layer \(r)", layer: i) }
            let below = layers[r]
            guard below.width <= layer.width, below.height <= layer.height else {
                throw SettingsError(
                    " (\(layer.width)x\(layer.height)) is smaller than layer \(r) (\(below.width)x\(below.height)), "
                        + "which it is predicted from", layer: i)
            }
            guard below.width * 16 >= layer.width, below.height * 16 >= layer.height else {
                throw SettingsError(
                    " is more than 16 times as large as layer \(r), which it is predicted from", layer: i)
            }
            guard below.bitDepth <= layer.bitDepth else {
                throw SettingsError(" has fewer bits a sample than layer \(r), which it is predicted from", layer: i)
            }
        }
        guard Set(layer.references).count == layer.references.count else {
            throw SettingsError(" names a layer that it is predicted from twice", layer: i)
        }
        if i > 0 && layer.references.isEmpty && !layer.isAlpha {
            throw SettingsError(" names no layer that it is predicted from", layer: i)
        }
    }
}

extension VideoEncoder.Settings {
    /// Luma size of every layer, bottom up. Throws ``SettingsError``.
    public func layerSizes() throws -> [(width: Int, height: Int)] {
        try LayerPlan(self).layers.map { ($0.width, $0.height) }
    }
}
