// SPDX-License-Identifier: GPL-2.0-or-later
import ArgumentParser
import Veil

/// How the rate of each layer is set. Lists have one value a layer, bottom up; the last one holds for all layers above.
struct RateOptions: ParsableArguments {
    @Option(help: "QP of the P pictures of each layer: 26,26; I and B pictures get x265's offsets (default 28).")
    var qp: String?
    @Option(help: "Constant rate factor of each layer (0 to 51).")
    var crf: String?
    @Option(help: "Average bit rate of each layer in kbit/s.")
    var bitrate: String?
    @Option(help: "Most kbit/s of each layer, with --vbv-bufsize.")
    var vbvMaxrate: String?
    @Option(help: "Decoder buffer of each layer in kbit, with --vbv-maxrate.")
    var vbvBufsize: String?
    @Option(help: "With --bitrate: 1 for the first of two passes, 2 for the second.")
    var pass: Int?
    @Option(help: "Statistics that the first pass leaves for the second (x265 adds files of its own).")
    var stats: String = "veil-2pass"

    func validate() throws {
        let ways = [qp, crf, bitrate].compactMap { $0 }.count
        if ways > 1 { throw ValidationError("--qp, --crf and --bitrate exclude each other") }
        if (vbvMaxrate == nil) != (vbvBufsize == nil) {
            throw ValidationError("--vbv-maxrate and --vbv-bufsize go together")
        }
        if vbvMaxrate != nil && bitrate == nil && crf == nil {
            throw ValidationError("--vbv-maxrate needs --bitrate or --crf")
        }
        if let pass {
            guard (1...2).contains(pass) else { throw ValidationError("--pass takes 1 or 2") }
            if bitrate == nil { throw ValidationError("--pass needs --bitrate") }
        }
    }

    private func number(_ text: String) -> Double? { Double(text).flatMap { $0.isFinite && $0 >= 0 ? $0 : nil } }

    func apply(to plan: inout LayerPlan) throws {
        try plan.apply(crf, option: "--crf", range: "0 to 51", \.crf) { number($0).flatMap { $0 <= 51 ? $0 : nil } }
        try plan.apply(bitrate, option: "--bitrate", range: "above 0", \.bitrate) {
            number($0).flatMap { $0 > 0 ? $0 : nil }
        }
        try plan.apply(qp, option: "--qp", range: "0 to 51", \.qp) {
            Int($0).flatMap { (0...51).contains($0) ? $0 : nil }
        }
        try plan.apply(vbvMaxrate, option: "--vbv-maxrate", range: "above 0", \.maxRate) {
            number($0).flatMap { $0 > 0 ? $0 : nil }
        }
        try plan.apply(vbvBufsize, option: "--vbv-bufsize", range: "above 0", \.buffer) {
            number($0).flatMap { $0 > 0 ? $0 : nil }
        }
    }

    /// The pass of two that was asked for.
    var encoderPass: VideoEncoder.Pass? {
        switch pass {
        case 1: .first(statistics: stats)
        case 2: .second(statistics: stats)
        default: nil
        }
    }
}
