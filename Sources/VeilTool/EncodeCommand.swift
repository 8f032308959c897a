// SPDX-License-Identifier: GPL-2.0-or-later
import ArgumentParser
import Foundation
import Veil
import VeilBitstream
import VeilEncoder
import VeilMedia
import VeilProtection
import VeilRecon

struct EncodeCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "encode", abstract: "Encode clear video, encrypted or not.",
        discussion: """
            Access units go out as they are ready, so that a camera's pipe comes
            through at its pace. Ctrl-C ends the input: what was coded by then is
            finished and plays.

            EXAMPLES
              veil encode in.y4m -o out.hevc --layers 2x --qp 26,26 --keys keys.json
              veil encode in.mp4 -o - --layers snr --qp 32,26 --preset fast >out.hevc
              veil encode in.y4m -o out.hevc --layers 2x,snr --bitrate 800,2000,3000
              ffmpeg -i /dev/video0 -f yuv4mpegpipe - | veil encode - -o cam.hevc
              veil encode in.y4m -o out.hevc --layer-file layers.yaml

            A LAYER FILE (YAML or JSON), bottom up
              layers:
                - {ratio: 2x, bitrate: 800, keys: base.json}
                - {qp: 26, keys: env:PREMIUM, references: [0], preset: slow}
            Further keys: size, depth, crf, vbv-maxrate, vbv-bufsize, source.
            Layers with keys of their own are encrypted; without ratio and size
            the top layer has the input's size.
            """)

    @OptionGroup var input: InputOptions
    @Option(name: .shortAndLong, help: "Output stream, '-' for standard output.")
    var output: String
    @Option(
        help:
            """
            Each enhancement layer relative to the one below it, bottom up: 2x, 1.5x, any ratio, snr (2x,snr makes \
            three layers); the size of every layer (640x360,1280x720); or 1 for a single layer (default: 2x).
            """
    )
    var layers: String?
    @Option(help: "YAML or JSON file with the size, rate, keys, preset and references of every layer.")
    var layerFile: String?
    @OptionGroup var rate: RateOptions
    @Option(help: "Source of each lower layer, bottom up, comma separated; without it they are made from the input.")
    var lowerSources: String?
    @Option(
        help:
            """
            Bits per sample of each layer (8 or 10), comma separated: 8,10 puts a 10-bit layer upon an 8-bit base \
            layer.
            """
    )
    var depth: String?
    @OptionGroup var protection: ProtectionOptions
    @Option(help: "Code at most this many frames.")
    var frames: Int?
    @OptionGroup var coding: CodingOptions
    @Option(help: "Worker threads. The stream depends on them with --bitrate only.")
    var threads: Int = ProcessInfo.processInfo.activeProcessorCount
    @Option(help: "Write the reconstruction of each layer to this folder (layer0.y4m, layer1.y4m).")
    var recon: String?
    @OptionGroup var logging: LoggingOptions

    func validate() throws {
        if layerFile != nil && layers != nil { throw ValidationError("--layers and --layer-file exclude each other") }
    }

    /// Layers of the stream, known once the input is open.
    func plan(_ format: VideoFormat) throws -> LayerPlan {
        var plan =
            try layerFile.map { try LayerFile(path: $0).plan(source: format) }
            ?? LayerPlan(layers ?? "2x", source: format)
        if let depth {
            let values = depth.split(separator: ",").compactMap { Int($0) }
            guard values.count == 1 || values.count == plan.layers.count else {
                throw ValidationError("--depth takes one value, or one a layer (\(plan.layers.count)): '\(depth)'")
            }
            for i in plan.layers.indices { plan.layers[i].bitDepth = values[min(i, values.count - 1)] }
        }
        if let lowerSources {
            let paths = lowerSources.split(separator: ",").map(String.init)
            guard paths.count < plan.layers.count else {
                throw ValidationError(
                    "--lower-sources names \(paths.count) files for \(plan.layers.count - 1) lower layers")
            }
            for (i, path) in paths.enumerated() { plan.layers[i].source = path }
        }
        try rate.apply(to: &plan)
        try plan.check()
        return plan
    }

    func run() throws {
        let source = try VideoSource.open(
            path: input.input, size: input.size.map { ($0.width, $0.height) },
            fps: input.fps.map { ($0.numerator, $0.denominator) },
            bitDepth: input.inputDepth)
        let plan = try plan(source.format)
        let sources = try LayerSources(plan: plan, top: source)
        var settings = ScalableSettings()
        let fps = input.fps.map { ($0.numerator, $0.denominator) } ?? source.format.fps
        settings.base.width = plan.layers[0].width
        settings.base.height = plan.layers[0].height
        settings.base.fps = fps
        settings.base.bitDepth = plan.layers[0].bitDepth
        settings.threads = max(threads, 1)
        coding.apply(to: &settings)
        for layer in plan.layers.dropFirst() {
            var enhancement = EnhancementSettings(
                format: LayerFormat(width: layer.width, height: layer.height, bitDepth: layer.bitDepth))
            enhancement.references = layer.references
            coding.apply(to: &enhancement, preset: layer.preset, isConstantQp: layer.qp != nil)
            settings.enhancements.append(enhancement)
        }
        let passes = try rate.apply(to: &settings, plan: plan)
        settings.base.options += coding.x265
        let encryption = try protect(&settings, plan: plan)
        let encoder = try ScalableEncoder(settings: settings)
        let file = try OutputFile(path: output)
        let formats = plan.layers.map {
            VideoFormat(width: $0.width, height: $0.height, fps: fps, bitDepth: $0.bitDepth)
        }
        let recons = try recon.map { try ReconstructionWriters(folder: $0, formats: formats) }
        if let encryption { try protection.writeSidecar(encryption) }
        var coded: [UInt8] = []
        let authenticator =
            protection.authenticate ? encryption.map { StreamAuthenticator($0) { coded.append(annexB: $0) } } : nil
        let expected = [source.expectedFrames, frames].compactMap { $0 }.min()
        var progress = Progress(total: expected, framesPerSecond: Double(fps.0) / Double(fps.1))
        var latency = Latency()
        func take(_ unit: CodedAccessUnit) throws {
            for nal in unit.nals {
                if let authenticator { try authenticator.push(nal) } else { coded.append(annexB: nal) }
            }
            // The next picture's units are another access unit's: this one is whole.
            try authenticator?.finish()
            try file.write(coded)
            coded.removeAll(keepingCapacity: true)
            try file.endUnit()
            progress.add(unit.layerBytes)
            latency.leave(unit.displayIndex)
            try passes?.add(unit)
            try recons?.add(unit)
        }
        var read = 0
        while read < frames ?? .max, let pictures = try sources.next() {
            latency.arrive(read)
            read += 1
            if let unit = try encoder.push(base: pictures.base, enhancements: pictures.enhancements) { try take(unit) }
        }
        while let unit = try encoder.flush() { try take(unit) }
        if progress.frames == 0 { throw MediaError.notSupported(path: input.input, what: "no frames") }
        try file.finish()
        try recons?.finish()
        try passes?.finish()
        if let encryption { report(encryption, progress.layerBytes) }
        let seconds = Double(progress.frames) * Double(fps.1) / Double(fps.0)
        let sizes = progress.layerBytes.enumerated().map { layer, bytes in
            "layer \(layer) \(bytes) bytes" + String(format: " (%.1f kb/s)", Double(bytes) * 8 / 1000 / seconds)
        }
        info(
            "\(progress.frames) frames, \(sizes.joined(separator: ", ")), stream \(file.bytesWritten) bytes, "
                + String(format: "%.1f kb/s, %.1f fps", progress.bitrate / 1000, progress.speed))
        info(
            String(
                format: "latency from picture to access unit: mean %.0f ms, at most %.0f ms", latency.mean * 1000,
                latency.largest * 1000))
    }
}

/// Writes reconstructions in output order, which is what access units are not in.
private final class ReconstructionWriters {
    private let writers: [VideoWriter]
    private var waiting: [Int: [CodedPicture]] = [:]
    private var next = 0

    init(folder: String, formats: [VideoFormat]) throws {
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        writers = try formats.enumerated().map {
            try VideoWriter(path: "\(folder)/layer\($0.offset).y4m", format: $0.element)
        }
    }

    func add(_ unit: CodedAccessUnit) throws {
        waiting[unit.displayIndex] = unit.pictures
        while let pictures = waiting.removeValue(forKey: next) {
            for (i, picture) in pictures.enumerated() {
                try writers[i].writeFrame { c, y in UnsafePointer(picture.frame.plane(c).row(y)) }
            }
            next += 1
        }
    }

    func finish() throws { for writer in writers { try writer.finish() } }
}
