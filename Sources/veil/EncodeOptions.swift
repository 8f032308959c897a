// SPDX-License-Identifier: GPL-2.0-or-later
import ArgumentParser
import VeilEncoder

/// How pictures are coded, besides their rate.
struct CodingOptions: ParsableArguments {
    @Option(help: "Speed against efficiency of all layers: ultrafast, superfast, veryfast, faster, fast, medium, slow, slower, veryslow.")
    var preset: String = "medium"
    @Option(help: "Preset of the enhancement layers where it is another.")
    var elPreset: String?
    @Option(help: "x265 tuning of the base layer: psnr, ssim, grain, fastdecode, zerolatency, animation.")
    var tune: String?
    @Option(help: "Most pictures between IRAP pictures.")
    var keyint: Int?
    @Option(help: "Most B pictures in a row.")
    var bframes: Int?
    @Option(help: "Slices of each base layer picture.")
    var slices: Int?
    @Flag(help: "One substream a slice instead of one a CTB row: a little smaller, rows cannot be coded at once.")
    var noWpp = false
    @Flag(help: "End each picture of each layer with the MD5 of its samples, which decoders verify.")
    var hash = false
    @Flag(help: "Send parameter sets before every IRAP picture, for receivers that join (the reference decoder, SHM, does not survive it).")
    var repeatHeaders = false
    @Option(help: "Further x265 options of the base layer, as name=value, comma separated.")
    var x265Options: String?
    @Flag(help: "Code enhancement layers without inter-layer prediction, for comparison.")
    var noInterLayer = false

    func validate() throws {
        for name in [preset, elPreset ?? preset] where EncoderPreset(name: name) == nil {
            throw ValidationError("there is no preset '\(name)': \(EncoderPreset.allCases.map(\.rawValue).joined(separator: ", "))")
        }
        if let keyint, keyint < 1 { throw ValidationError("--keyint takes 1 or more") }
        if let bframes, !(0...16).contains(bframes) { throw ValidationError("--bframes takes 0 to 16") }
        if let slices, !(1...600).contains(slices) { throw ValidationError("--slices takes 1 to 600") }
    }

    func apply(to settings: inout ScalableSettings) {
        settings.base.preset = preset
        settings.base.tune = tune
        settings.base.options += [("pools", String(settings.threads))]
        if settings.threads <= 1 { settings.base.options += [("frame-threads", "1")] }
        // Without a new intra picture after a cut enhancement layers have little to predict from; the fastest preset leaves it out.
        settings.base.options += [("scenecut", "40")]
        if let keyint { settings.base.options.append(("keyint", String(keyint))) }
        if let bframes { settings.base.options.append(("bframes", String(bframes))) }
        if let slices { settings.base.options.append(("slices", String(slices))) }
        if noWpp { settings.base.options.append(("no-wpp", nil)) }
        if hash { settings.base.options.append(("hash", "1")) }
        settings.sendsHashes = hash
        settings.repeatsHeaders = repeatHeaders
    }

    /// - Parameter own: the layer's own preset, if it has one.
    func apply(to layer: inout EnhancementSettings, preset own: String? = nil) {
        if let preset = EncoderPreset(name: own ?? elPreset ?? preset) {
            layer.effort = preset.effort
            layer.tools = preset.tools
        }
        layer.tools.wavefront = !noWpp
        layer.interLayerPrediction = !noInterLayer
    }

    /// What the user tells x265 directly: comes last, and prevails.
    var x265: [(name: String, value: String?)] {
        (x265Options?.split(separator: ",") ?? []).map { option in
            let parts = option.split(separator: "=", maxSplits: 1).map(String.init)
            return (parts[0], parts.count > 1 ? parts[1] : nil)
        }
    }
}
