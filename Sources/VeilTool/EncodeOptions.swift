// SPDX-License-Identifier: GPL-2.0-or-later
import ArgumentParser
import Veil
import VeilEncoder

/// How pictures are coded, besides their rate.
struct CodingOptions: ParsableArguments {
    @Option(
        help:
            """
            Speed against efficiency of all layers: ultrafast, superfast, veryfast, faster, fast, medium, slow, \
            slower, veryslow.
            """
    )
    var preset: String = "medium"
    @Option(help: "Preset of the enhancement layers where it is another.")
    var elPreset: String?
    @Option(help: "x265 tuning of the base layer: psnr, ssim, grain, fastdecode, zerolatency, animation.")
    var tune: String?
    @Option(help: "Most pictures between IRAP pictures.")
    var keyint: Int?
    @Option(help: "Most B pictures in a row.")
    var bframes: Int?
    @Flag(
        inversion: .prefixedNo,
        help:
            """
            Groups of eight pictures with B pictures on three levels, smaller and faster than x265's own groups. \
            Needs libx265 patched. (default: where it is and no other option is about B pictures)
            """
    )
    var pyramid: Bool?
    @Option(help: "Slices of each picture of every layer (what x265 makes of its own depends on its threads).")
    var slices: Int?
    @Flag(
        inversion: .prefixedNo,
        help:
            """
            One substream a CTB row, which decoders can take at once, or one a slice, 2 to 4 % smaller. (default: \
            --no-wpp from preset slow)
            """
    )
    var wpp: Bool?
    @Flag(help: "End each picture of each layer with the MD5 of its samples, which decoders verify.")
    var hash = false
    @Flag(
        help:
            """
            Send parameter sets before every IRAP picture, for receivers that join (the reference decoder, SHM, \
            does not survive it).
            """
    )
    var repeatHeaders = false
    @Option(
        help:
            """
            Adaptive quantization of all layers: 0 off, 1 by variance, 2 by variance and picture (default 2, but 0 \
            where --qp sets the rate).
            """
    )
    var aqMode: Int?
    @Option(help: "Strength of adaptive quantization, 0 to 3 (default 1).")
    var aqStrength: Double?
    @Option(help: "Further x265 options of the base layer, as name=value, comma separated.")
    var x265Options: String?
    @Flag(
        inversion: .prefixedNo,
        help:
            """
            Vary QPs and references of an enhancement layer's pictures by what depends on them, beyond what x265 \
            does (off with a buffer of under half a second).
            """
    )
    var hierarchy = true
    @Flag(help: "Code enhancement layers without inter-layer prediction, for comparison.")
    var noInterLayer = false

    func validate() throws {
        for name in [preset, elPreset ?? preset] where EncoderPreset(name: name) == nil {
            throw ValidationError(
                "there is no preset '\(name)': \(EncoderPreset.allCases.map(\.rawValue).joined(separator: ", "))")
        }
        if let keyint, keyint < 1 { throw ValidationError("--keyint takes 1 or more") }
        if let bframes, !(0...16).contains(bframes) { throw ValidationError("--bframes takes 0 to 16") }
        if let aqMode, !(0...2).contains(aqMode) { throw ValidationError("--aq-mode takes 0, 1 or 2") }
        if let aqStrength, !(0...3).contains(aqStrength) { throw ValidationError("--aq-strength takes 0 to 3") }
        if let slices, !(1...600).contains(slices) { throw ValidationError("--slices takes 1 to 600") }
        if wavefronts.areNeeded && !wavefronts.isOn {
            throw ValidationError(
                "x265 makes slices of wavefronts only: leave out --no-wpp, or give the base layer one slice "
                    + "(--x265-options slices=1)"
            )
        }
    }

    func apply(to settings: inout ScalableSettings) {
        settings.base.preset = preset
        settings.base.tune = tune
        settings.base.pyramid = pyramid
        settings.base.options += BaseLayerSettings.sharing(among: settings.threads)
        // Without a new intra picture after a cut enhancement layers have little to predict from; the fastest preset
        // leaves it out.
        settings.base.options += [("scenecut", "40")]
        if let keyint { settings.base.options.append(("keyint", String(keyint))) }
        if let bframes { settings.base.options.append(("bframes", String(bframes))) }
        if let slices { settings.base.options.append(("slices", String(slices))) }
        if let aqMode { settings.base.options.append(("aq-mode", String(aqMode))) }
        if let aqStrength { settings.base.options.append(("aq-strength", String(aqStrength))) }
        settings.base.options.append((wavefronts.isOn ? "wpp" : "no-wpp", nil))
        if hash { settings.base.options.append(("hash", "1")) }
        settings.sendsHashes = hash
        settings.repeatsHeaders = repeatHeaders
    }

    /// - Parameters:
    ///   - own: the layer's own preset, if it has one.
    ///   - isConstantQp: the layer's rate is set by a QP.
    func apply(to layer: inout EnhancementSettings, preset own: String? = nil, isConstantQp: Bool) {
        if let preset = EncoderPreset(name: own ?? elPreset ?? preset) {
            layer.effort = preset.effort
            layer.tools = preset.tools
            // As x265 has it: the two fastest presets do without.
            let mode = aqMode ?? (isConstantQp || preset == .ultrafast || preset == .superfast ? 0 : 2)
            layer.adaptiveQuantization = AdaptiveQuantization.Mode(rawValue: mode).map {
                AdaptiveQuantization(mode: $0, strength: aqStrength ?? 1)
            }
        }
        layer.tools.wavefront = wavefronts.isOn
        layer.interLayerPrediction = !noInterLayer
        layer.slices = slices ?? 1
        layer.hierarchy = hierarchy
    }

    private var wavefronts: Wavefronts {
        Wavefronts(preset: preset, wanted: wpp, x265: (slices.map { [("slices", String($0))] } ?? []) + x265)
    }

    /// What the user tells x265 directly: comes last, and prevails.
    var x265: [(name: String, value: String?)] {
        (x265Options?.split(separator: ",") ?? []).map { option in
            let parts = option.split(separator: "=", maxSplits: 1).map(String.init)
            return (parts[0], parts.count > 1 ? parts[1] : nil)
        }
    }
}
