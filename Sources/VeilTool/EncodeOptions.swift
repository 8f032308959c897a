// SPDX-License-Identifier: GPL-2.0-or-later
import ArgumentParser
import Veil

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
    @Option(
        help:
            """
            Further x265 options of the base layer, as name=value, comma separated; may be given several times. \
            Commas of a value are kept within parentheses or quotes.
            """
    )
    var x265Options: [String] = []
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
        for name in [preset, elPreset ?? preset] where !VideoEncoder.hasPreset(name) {
            throw ValidationError(
                "there is no preset '\(name)': \(VideoEncoder.presets.joined(separator: ", "))")
        }
        if let keyint, keyint < 1 { throw ValidationError("--keyint takes 1 or more") }
        if let bframes, !(0...16).contains(bframes) { throw ValidationError("--bframes takes 0 to 16") }
        if let aqMode, !(0...2).contains(aqMode) { throw ValidationError("--aq-mode takes 0, 1 or 2") }
        if let aqStrength, !(0...3).contains(aqStrength) { throw ValidationError("--aq-strength takes 0 to 3") }
        if let slices, !(1...600).contains(slices) { throw ValidationError("--slices takes 1 to 600") }
    }

    func apply(to settings: inout VideoEncoder.Settings) {
        settings.preset = preset
        settings.enhancementPreset = elPreset
        settings.tune = tune
        settings.keyint = keyint
        settings.bframes = bframes
        settings.pyramid = pyramid
        settings.slices = slices
        settings.wavefront = wpp
        settings.sendsHashes = hash
        settings.repeatsHeaders = repeatHeaders
        settings.adaptiveQuantization = aqMode.flatMap { .init(rawValue: $0) }
        settings.adaptiveQuantizationStrength = aqStrength
        settings.hierarchy = hierarchy
        settings.interLayerPrediction = !noInterLayer
        settings.x265Options = x265
    }

    /// What the user tells x265 directly: comes last, and prevails.
    private var x265: [(name: String, value: String?)] {
        x265Options.flatMap { VideoEncoder.Settings.x265Options($0) }
    }
}
