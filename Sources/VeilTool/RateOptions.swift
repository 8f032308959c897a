// SPDX-License-Identifier: GPL-2.0-or-later
import ArgumentParser
import Foundation
import VeilEncoder
import VeilMedia

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
        try plan.apply(crf, option: "--crf", \.crf) { number($0).flatMap { $0 <= 51 ? $0 : nil } }
        try plan.apply(bitrate, option: "--bitrate", \.bitrate) { number($0).flatMap { $0 > 0 ? $0 : nil } }
        try plan.apply(qp, option: "--qp", \.qp) { Int($0).flatMap { (0...51).contains($0) ? $0 : nil } }
        try plan.apply(vbvMaxrate, option: "--vbv-maxrate", \.maxRate) { number($0).flatMap { $0 > 0 ? $0 : nil } }
        try plan.apply(vbvBufsize, option: "--vbv-bufsize", \.buffer) { number($0).flatMap { $0 > 0 ? $0 : nil } }
        if plan.layers[0].qp == nil && plan.layers[0].crf == nil && plan.layers[0].bitrate == nil {
            for i in plan.layers.indices where plan.layers[i].qp == nil { plan.layers[i].qp = 28 }
        }
    }

    /// Sets the rates of all layers; returns what records a first pass.
    func apply(to settings: inout ScalableSettings, plan: LayerPlan) throws -> PassRecorder? {
        let base = plan.layers[0]
        let level: Double
        if let bitrate = base.bitrate {
            settings.base.options.append(("bitrate", String(Int(bitrate.rounded()))))
            level = 26
        } else if let crf = base.crf {
            settings.base.options.append(("crf", String(crf)))
            level = crf
        } else {
            settings.base.options.append(("qp", String(base.qp ?? 28)))
            level = Double(base.qp ?? 28)
        }
        if let maxRate = base.maxRate, let buffer = base.buffer {
            settings.base.options += [("vbv-maxrate", String(Int(maxRate))), ("vbv-bufsize", String(Int(buffer)))]
        }
        if let pass { settings.base.options += [("pass", String(pass)), ("stats", stats + ".x265")] }
        let recorded = pass == 2 ? try PassRecorder.read(path: stats, layers: plan.layers.count) : nil
        for (i, layer) in plan.layers.enumerated() where i > 0 {
            if let bitrate = layer.bitrate {
                var average = LayerRate.AverageRate(target: bitrate * 1000)
                if let maxRate = layer.maxRate, let buffer = layer.buffer {
                    average.buffer = (maxRate * 1000, buffer * 1000)
                }
                average.pixelRatio = Double(layer.width * layer.height) / Double(base.width * base.height)
                average.firstPass = recorded?[i - 1] ?? []
                settings.enhancements[i - 1].rate = .bitrate(average)
                // Key pictures are larger than a small buffer has room for.
                if let buffer = average.buffer, buffer.size < 0.5 * buffer.maxRate {
                    settings.enhancements[i - 1].hierarchy = false
                }
            } else {
                let own = layer.crf ?? layer.qp.map(Double.init) ?? level
                settings.enhancements[i - 1].rate = .offset(own - level, initial: Int(own.rounded()))
            }
        }
        return pass == 1 ? try PassRecorder(path: stats) : nil
    }
}

/// Keeps what the enhancement layers' pictures cost in a first pass: a line a picture in decoding order, of baseQp
/// and, for each enhancement layer, QP and bits.
final class PassRecorder {
    private let file: OutputFile

    init(path: String) throws {
        file = try OutputFile(path: path)
        try file.write("veil two-pass statistics 1\n".utf8)
    }

    func add(_ unit: CodedAccessUnit) throws {
        let fields = zip(unit.layerQps, unit.layerBytes).dropFirst().flatMap { [$0.0, $0.1 * 8] }
        try file.write("\(unit.layerQps[0]) \(fields.map(String.init).joined(separator: " "))\n".utf8)
    }

    func finish() throws { try file.finish() }

    /// The pictures of each enhancement layer.
    static func read(path: String, layers: Int) throws -> [[FirstPassPicture]] {
        guard let text = try? String(contentsOfFile: path, encoding: .utf8) else {
            throw MediaError.cannotOpen(path: path, reason: "no first-pass statistics: run with --pass 1 first")
        }
        let lines = text.split(separator: "\n")
        guard lines.first == "veil two-pass statistics 1" else {
            throw MediaError.notSupported(path: path, what: "is no file of first-pass statistics")
        }
        var result = [[FirstPassPicture]](repeating: [], count: layers - 1)
        for (n, line) in lines.enumerated().dropFirst() {
            let values = line.split(separator: " ").compactMap { Int($0) }
            guard values.count == 2 * layers - 1, values.allSatisfy({ $0 >= 0 }) else {
                throw MediaError.notSupported(path: path, what: "line \(n + 1) is not of a stream of \(layers) layers")
            }
            for i in 0..<(layers - 1) {
                result[i].append(FirstPassPicture(baseQp: values[0], qp: values[1 + 2 * i], bits: values[2 + 2 * i]))
            }
        }
        return result
    }
}
