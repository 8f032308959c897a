// SPDX-License-Identifier: GPL-2.0-or-later
import ArgumentParser
import Foundation
import VeilBaseLayer
import VeilEncoder
import VeilMedia
import VeilPipeline
import VeilRecon
import VeilSyntax

/// Spatial relation of the enhancement layer to the base layer.
enum LayerStructure: String, ExpressibleByArgument, CaseIterable {
    case single = "1"
    case double = "2x"
    case oneAndAHalf = "1.5x"
    case snr

    /// Base layer size for a source size: even, so that 4:2:0 windows can show it.
    func baseSize(_ width: Int, _ height: Int) -> (Int, Int) {
        func even(_ v: Double) -> Int { max(Int((v / 2).rounded()) * 2, 2) }
        switch self {
        case .single, .snr: return (width, height)
        case .double: return (even(Double(width) / 2), even(Double(height) / 2))
        case .oneAndAHalf: return (even(Double(width) / 1.5), even(Double(height) / 1.5))
        }
    }
}

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
              ffmpeg -i /dev/video0 -f yuv4mpegpipe - | veil encode - -o cam.hevc
            """)

    @OptionGroup var input: InputOptions
    @Option(name: .shortAndLong, help: "Output stream, '-' for standard output.")
    var output: String
    @Option(help: "Layers: 2x, 1.5x, snr, or 1 for a single layer.")
    var layers: LayerStructure = .double
    @Option(help: "QP of base and enhancement layer.")
    var qp: String = "28,28"
    @OptionGroup var protection: ProtectionOptions
    @Option(help: "Code at most this many frames.")
    var frames: Int?
    @Option(help: "Speed against efficiency: ultrafast to veryslow, as x265 has them.")
    var preset: String = "medium"
    @Option(help: "Preset of the enhancement layer where it is another.")
    var elPreset: String?
    @Option(help: "Worker threads.")
    var threads: Int = ProcessInfo.processInfo.activeProcessorCount
    @Option(help: "Write the reconstruction of each layer to this folder (layer0.y4m, layer1.y4m).")
    var recon: String?
    @Option(help: "Further x265 options for the base layer, as name=value, comma separated.")
    var x265Options: String?
    @Flag(help: "Send parameter sets before every IRAP picture, for receivers that join (the reference decoder, SHM, does not survive it).")
    var repeatHeaders = false
    @Flag(help: "Code the enhancement layer without inter-layer prediction, for comparison.")
    var noInterLayer = false
    @OptionGroup var logging: LoggingOptions

    func run() throws {
        let qps = qp.split(separator: ",").compactMap { Int($0) }
        guard !qps.isEmpty, qps.count <= 2, qps.allSatisfy({ (0...51).contains($0) }) else {
            throw ValidationError("--qp takes one or two values of 0 to 51, as 26,26")
        }
        let source = try VideoSource.open(
            path: input.input, size: input.size.map { ($0.width, $0.height) }, fps: input.fps.map { ($0.numerator, $0.denominator) },
            bitDepth: input.inputDepth)
        let format = source.format
        let (baseWidth, baseHeight) = layers.baseSize(format.width, format.height)
        let baseFormat = VideoFormat(width: baseWidth, height: baseHeight, fps: format.fps, bitDepth: format.bitDepth)
        var settings = ScalableSettings()
        settings.base.width = baseWidth
        settings.base.height = baseHeight
        settings.base.fps = format.fps
        settings.base.bitDepth = format.bitDepth
        settings.base.preset = preset
        settings.base.options = [("qp", String(qps[0])), ("pools", String(max(threads, 1)))]
        if threads <= 1 { settings.base.options += [("frame-threads", "1")] }
        // Without a new intra picture after a cut the enhancement layer has little to predict from; the fastest preset leaves it out.
        settings.base.options += [("scenecut", "40")]
        for option in x265Options?.split(separator: ",") ?? [] {
            let parts = option.split(separator: "=", maxSplits: 1).map(String.init)
            settings.base.options.append((parts[0], parts.count > 1 ? parts[1] : nil))
        }
        if layers != .single {
            settings.enhancement = LayerFormat(width: format.width, height: format.height, bitDepth: format.bitDepth)
        }
        settings.enhancementQp = qps.last ?? 28
        if let preset = EncoderPreset(name: elPreset ?? preset) {
            settings.effort = preset.effort
            settings.tools = preset.tools
        }
        settings.threads = max(threads, 1)
        settings.repeatsHeaders = repeatHeaders
        settings.interLayerPrediction = !noInterLayer
        let encryption = try protect(&settings)
        let encoder = try ScalableEncoder(settings: settings)
        let file = try OutputFile(path: output)
        let downsampler = Downsampler(source: format, target: baseFormat)
        var recons: ReconstructionWriters?
        if let recon {
            recons = try ReconstructionWriters(folder: recon, formats: layers == .single ? [baseFormat] : [baseFormat, format])
        }
        let expected = [source.expectedFrames, frames].compactMap { $0 }.min()
        var progress = Progress(total: expected, framesPerSecond: Double(format.fps.numerator) / Double(format.fps.denominator))
        var latency = Latency()
        func take(_ unit: AccessUnit) throws {
            var bytes: [UInt8] = []
            for nal in unit.nals { bytes.append(annexB: nal) }
            try file.write(bytes)
            try file.endUnit()
            progress.add(unit.layerBytes)
            latency.leave(unit.displayIndex)
            try recons?.add(unit)
        }
        var read = 0
        while read < frames ?? .max, let frame = try source.nextFrame() {
            latency.arrive(read)
            read += 1
            let whole = FrameBuffer(frame)
            let small = layers == .single || layers == .snr ? whole : FrameBuffer(downsampler(frame))
            if let unit = try encoder.push(base: small, enhancement: layers == .single ? nil : whole) { try take(unit) }
        }
        while let unit = try encoder.flush() { try take(unit) }
        if progress.frames == 0 { throw ValidationError("\(input.input): no frames") }
        try file.finish()
        try recons?.finish()
        if let encryption { report(encryption, progress.layerBytes) }
        let sizes = progress.layerBytes.enumerated().map { "layer \($0.offset) \($0.element) bytes" }.joined(separator: ", ")
        info(
            "\(progress.frames) frames, \(sizes), stream \(file.bytesWritten) bytes, "
                + String(format: "%.1f kb/s, %.1f fps", progress.bitrate / 1000, progress.speed))
        info(String(format: "latency from picture to access unit: mean %.0f ms, at most %.0f ms", latency.mean * 1000, latency.largest * 1000))
    }
}

/// Writes reconstructions in output order, which is what access units are not in.
private final class ReconstructionWriters {
    private let writers: [VideoWriter]
    private let formats: [VideoFormat]
    private var waiting: [Int: [CodedPicture]] = [:]
    private var next = 0

    init(folder: String, formats: [VideoFormat]) throws {
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        self.formats = formats
        writers = try formats.enumerated().map { try VideoWriter(path: "\(folder)/layer\($0.offset).y4m", format: $0.element) }
    }

    func add(_ unit: AccessUnit) throws {
        waiting[unit.displayIndex] = [unit.base] + (unit.enhancement.map { [$0] } ?? [])
        while let pictures = waiting.removeValue(forKey: next) {
            for (i, picture) in pictures.enumerated() {
                try writers[i].writeFrame { c, y in UnsafePointer(picture.frame.plane(c).row(y)) }
            }
            next += 1
        }
    }

    func finish() throws { for writer in writers { try writer.finish() } }
}
