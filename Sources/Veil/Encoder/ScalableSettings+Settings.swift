// SPDX-License-Identifier: GPL-2.0-or-later
import VeilEncoder

extension VideoEncoder.Settings {
    /// Options of libx265 as they are written on a command line: `name=value`, comma separated.
    package static func x265Options(_ text: String) -> [(name: String, value: String?)] { X265Options.parse(text) }
}

extension ScalableSettings {
    /// What the encoder's parts are told. Throws ``SettingsError``, and what is wrong with first-pass statistics.
    init(_ settings: VideoEncoder.Settings, plan: LayerPlan) throws {
        try Self.check(settings, plan)
        self.init()
        threads = max(settings.threads, 1)
        repeatsHeaders = settings.repeatsHeaders
        sendsHashes = settings.sendsHashes
        base.width = plan.layers[0].width
        base.height = plan.layers[0].height
        base.bitDepth = plan.layers[0].bitDepth
        base.chromaFormat = plan.chromaFormat
        base.fps = settings.frameRate
        base.preset = settings.preset
        base.tune = settings.tune
        base.pyramid = settings.pyramid
        let wavefront = Wavefronts(settings).isOn
        var isAverage = false
        if case .bitrate? = plan.layers[0].rate { isAverage = true }
        base.options =
            BaseLayerSettings.sharing(among: threads, isAverage: isAverage)
            + Self.codingOptions(settings, wavefront: wavefront)
        enhancements = plan.layers.dropFirst().map { Self.enhancement(settings, $0, wavefront: wavefront) }
        if let top = plan.layers.last {
            colour = settings.colour.scaled(from: (settings.width, settings.height), to: (top.width, top.height))
            // Others have no samples whose place would have to be told.
            if plan.chromaFormat != .yuv420 { colour.chromaLocation = nil }
        }
        // Decoders of stereo and alpha (FFmpeg) take one layer's smallest coding blocks for those of both.
        if plan.layers.contains(where: { $0.isView || $0.isAlpha }) { base.options.append(("min-cu-size", "8")) }
        base.options += Self.rateOptions(plan.layers[0]) + Self.passOptions(settings.pass) + colourOptions
        base.options += settings.x265Options
        try setRates(settings, plan)
    }

    private static func check(_ settings: VideoEncoder.Settings, _ plan: LayerPlan) throws {
        func check(_ value: Int?, _ range: ClosedRange<Int>, _ what: String) throws {
            guard let value, !range.contains(value) else { return }
            throw SettingsError("\(what) is \(range.lowerBound) to \(range.upperBound), not \(value)")
        }
        try check(settings.frameRate.numerator, 1...Int(Int32.max), "the frame rate's numerator")
        try check(settings.frameRate.denominator, 1...Int(Int32.max), "the frame rate's denominator")
        guard [8, 10, 12].contains(settings.bitDepth) else {
            throw SettingsError("the source's bit depth is 8, 10 or 12, not \(settings.bitDepth)")
        }
        try check(settings.width, 1...16384, "the source's width")
        try check(settings.height, 1...16384, "the source's height")
        try check(settings.keyint, 1...Int(Int32.max), "keyint")
        try check(settings.bframes, 0...16, "bframes")
        try check(settings.slices, 1...600, "the number of slices")
        if let strength = settings.adaptiveQuantizationStrength, !(0...3).contains(strength) {
            throw SettingsError("a strength of adaptive quantization is 0 to 3")
        }
        if let problem = settings.colour.problem(is444: settings.chromaFormat == .yuv444) {
            throw SettingsError(problem)
        }
        let wavefronts = Wavefronts(settings)
        if wavefronts.areNeeded && !wavefronts.isOn {
            throw SettingsError(
                "x265 makes slices of wavefronts only: leave wavefronts on, or give the base layer one slice "
                    + "(x265 option slices=1)")
        }
        if settings.pass != nil {
            guard case .bitrate? = plan.layers[0].rate else { throw SettingsError("two passes need bit rates") }
        }
    }

    // MARK: Base layer

    private static func codingOptions(
        _ settings: VideoEncoder.Settings, wavefront: Bool
    ) -> [(name: String, value: String?)] {
        var options: [(name: String, value: String?)] = []
        // Without a new intra picture after a cut enhancement layers have little to predict from; the fastest preset
        // leaves it out.
        options.append(("scenecut", "40"))
        if let keyint = settings.keyint { options.append(("keyint", String(keyint))) }
        if let bframes = settings.bframes { options.append(("bframes", String(bframes))) }
        if let slices = settings.slices { options.append(("slices", String(slices))) }
        if let mode = settings.adaptiveQuantization { options.append(("aq-mode", String(mode.rawValue))) }
        if let strength = settings.adaptiveQuantizationStrength { options.append(("aq-strength", String(strength))) }
        options.append((wavefront ? "wpp" : "no-wpp", nil))
        if settings.sendsHashes { options.append(("hash", "1")) }
        return options
    }

    private static func rateOptions(_ layer: LayerPlan.Layer) -> [(name: String, value: String?)] {
        var options: [(name: String, value: String?)]
        switch layer.rate {
        case .bitrate(let bitrate)?: options = [("bitrate", String(Int(bitrate.rounded())))]
        case .crf(let crf)?: options = [("crf", String(crf))]
        case .qp(let qp)?: options = [("qp", String(qp))]
        case nil: options = []
        }
        if let buffer = layer.buffer {
            options += [("vbv-maxrate", String(Int(buffer.maxRate))), ("vbv-bufsize", String(Int(buffer.size)))]
        }
        return options
    }

    private static func passOptions(_ pass: VideoEncoder.Pass?) -> [(name: String, value: String?)] {
        switch pass {
        // Where it leaves its statistics, the encoder says.
        case .first: [("pass", "1")]
        case .second(let path): [("pass", "2"), ("stats", path + ".x265")]
        case nil: []
        }
    }

    // MARK: Enhancement layers

    private static func enhancement(
        _ settings: VideoEncoder.Settings, _ layer: LayerPlan.Layer, wavefront: Bool
    ) -> EnhancementSettings {
        var result = EnhancementSettings(
            format: LayerFormat(width: layer.width, height: layer.height, bitDepth: layer.bitDepth))
        result.references = layer.references
        result.isView = layer.isView
        result.isAlpha = layer.isAlpha
        if let preset = EncoderPreset(name: layer.preset) {
            result.effort = preset.effort
            result.tools = preset.tools
            // As x265 has it: none at a QP, and the two fastest presets do without.
            var isAdaptive = preset != .ultrafast && preset != .superfast
            if case .qp? = layer.rate { isAdaptive = false }
            let mode = settings.adaptiveQuantization ?? (isAdaptive ? .autoVariance : .off)
            result.adaptiveQuantization = AdaptiveQuantization.Mode(rawValue: mode.rawValue).map {
                AdaptiveQuantization(mode: $0, strength: settings.adaptiveQuantizationStrength ?? 1)
            }
        }
        result.tools.wavefront = wavefront
        result.interLayerPrediction = settings.interLayerPrediction && !layer.isAlpha
        if layer.isAlpha { result.tools.interLayerMotion = false }
        result.slices = settings.slices ?? 1
        result.hierarchy = settings.hierarchy
        return result
    }

    /// The QP about which a rate moves, as far as it tells.
    private static func level(_ rate: VideoEncoder.LayerSettings.Rate?) -> Double? {
        switch rate {
        case .qp(let qp)?: Double(qp)
        case .crf(let crf)?: crf
        case .bitrate?, nil: nil
        }
    }

    private mutating func setRates(_ settings: VideoEncoder.Settings, _ plan: LayerPlan) throws {
        let base = plan.layers[0]
        let level = Self.level(base.rate) ?? 26
        var recorded: [[FirstPassPicture]] = []
        if case .second(let path)? = settings.pass {
            recorded = try PassStatistics.read(path: path, layers: plan.layers.count)
        }
        for (i, layer) in plan.layers.dropFirst().enumerated() {
            guard case .bitrate(let bitrate)? = layer.rate else {
                let own = Self.level(layer.rate) ?? level
                enhancements[i].rate = .offset(own - level, initial: Int(own.rounded()))
                continue
            }
            var average = LayerRate.AverageRate(target: bitrate * 1000)
            average.buffer = layer.buffer.map { ($0.maxRate * 1000, $0.size * 1000) }
            average.pixelRatio = Double(layer.width * layer.height) / Double(base.width * base.height)
            average.firstPass = i < recorded.count ? recorded[i] : []
            enhancements[i].rate = .bitrate(average)
            // Key pictures are larger than a small buffer has room for.
            if let buffer = average.buffer, buffer.size < 0.5 * buffer.maxRate { enhancements[i].hierarchy = false }
        }
    }
}
