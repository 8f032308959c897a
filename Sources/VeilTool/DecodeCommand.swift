// SPDX-License-Identifier: GPL-2.0-or-later
import ArgumentParser
import Foundation
import Veil
import VeilBitstream
import VeilDecoder
import VeilMedia
import VeilProtection
import VeilRecon

struct DecodeCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "decode", abstract: "Decode a layer to y4m or raw video.",
        discussion: """
            EXAMPLES
              veil decode out.hevc -o out.y4m --keys keys.json
              veil decode out.hevc -o base.yuv --layer 0
              veil decode out.hevc -o layer%d.yuv --output-layer-set 1
              veil decode - -o - --keys keys.json <out.hevc | ffplay -
              veil decode out.hevc -o - | ffmpeg -i - out.mp4
            """)

    @Argument(help: "Annex B stream, '-' for standard input.")
    var input: String
    @Option(
        name: .shortAndLong,
        help: "y4m, or raw when the name ends in .yuv; '-' for standard output (y4m). %d is replaced by the layer.")
    var output: String
    @Option(help: "nuh_layer_id to decode; the highest by default.")
    var layer: Int?
    @Option(help: "Decode the output layers of this output layer set of the VPS.")
    var outputLayerSet: Int?
    @Option(help: "Decrypt with these keys: key file, env:NAME or fd:N.")
    var keys: String?
    @Option(help: "Worker threads.")
    var threads: Int = ProcessInfo.processInfo.activeProcessorCount
    @Flag(help: "Check decoded picture hashes and fail when one differs.")
    var verify = false
    @OptionGroup var logging: LoggingOptions

    func validate() throws {
        if layer != nil && outputLayerSet != nil {
            throw ValidationError("--layer and --output-layer-set exclude each other")
        }
    }

    func run() throws {
        var options = Decoder.Options()
        options.output = outputLayerSet.map { .outputLayerSet($0) } ?? layer.map { .layer($0) } ?? .highest
        options.threads = max(threads, 1)
        options.verify = verify
        let decryption = try keys.map {
            // Only the layers that are decoded need keys; which those are, the layer asked for bounds.
            Decryption(keys: try KeyRing(reference: $0), wanted: layer.map { Set(0...max($0, 0)) })
        }
        options.hooks = decryption?.restarting
        let files = LayerFiles(output)
        let decoder = Decoder(options: options) { try files.write($0) }
        files.decoder = decoder
        if let decryption {
            let input = DecryptingInput(decryption, threads: options.threads) { try decoder.push($0) }
            try StreamInput.read(self.input) { try input.push($0) }
            try input.finish()
        } else {
            try StreamInput.read(input) { try decoder.push($0) }
        }
        try decoder.finish()
        for message in decoder.report.messages { warn("\(input): \(message)") }
        guard !files.isEmpty else {
            throw MediaError.notSupported(
                path: input, what: layer.map { "no pictures of layer \($0)" } ?? "no pictures")
        }
        try files.finish()
        let report = decoder.report
        if verify {
            info("\(report.hashesChecked) picture hashes checked, \(report.hashMismatches) differ")
        }
        if !report.isClean { throw ExitCode(2) }
    }
}

/// The file, or files by layer, that decoded pictures go to.
private final class LayerFiles {
    private let output: String
    private var writers: [Int: (writer: VideoWriter, format: VideoFormat)] = [:]
    weak var decoder: Decoder?

    init(_ output: String) { self.output = output }

    var isEmpty: Bool { writers.isEmpty }

    func write(_ frame: DecodedFrame) throws {
        let layer = frame.info.nuhLayerId
        let isByLayer = output.contains("%d")
        if !isByLayer && decoder?.outputLayerCount != 1 {
            throw MediaError.notSupported(
                path: output, what: "several layers are put out: %d in the name stands for the layer")
        }
        let window = frame.info.window
        let buffer = frame.picture.frame
        let fps = frame.timing.map { ($0.timeScale, $0.numUnitsInTick) } ?? (25, 1)
        let format = VideoFormat(
            width: frame.width, height: frame.height, fps: fps.0 > 0 && fps.1 > 0 ? fps : (25, 1),
            bitDepth: max(buffer.bitDepthLuma, buffer.bitDepthChroma))
        let path = isByLayer ? output.replacingOccurrences(of: "%d", with: "\(layer)") : output
        let known = try writers[isByLayer ? layer : 0] ?? (VideoWriter(path: path, format: format), format)
        writers[isByLayer ? layer : 0] = known
        guard known.format.width == format.width, known.format.height == format.height,
            known.format.bitDepth == format.bitDepth
        else {
            throw MediaError.notSupported(
                path: path, what: "the picture size changes in the stream; y4m holds one size only")
        }
        // y4m has one depth: the component of fewer bits is scaled. Raw samples stay as they are.
        let isRaw = path.lowercased().hasSuffix(".yuv")
        var scaled = [UInt16](
            repeating: 0, count: buffer.bitDepthLuma == buffer.bitDepthChroma || isRaw ? 0 : format.width)
        try scaled.withUnsafeMutableBufferPointer { scaled in
            try known.writer.writeFrame { c, y in
                let s = c == 0 ? 0 : 1
                let row = UnsafePointer(buffer.plane(c).at(window.left >> s, y + (window.top >> s)))
                let up = format.bitDepth - buffer.bitDepth(c)
                guard up > 0, let copy = scaled.baseAddress, !scaled.isEmpty else { return row }
                for x in 0..<format.size(ofComponent: c).width { copy[x] = row[x] << UInt16(up) }
                return UnsafePointer(copy)
            }
        }
    }

    func finish() throws { for (_, file) in writers.sorted(by: { $0.key < $1.key }) { try file.writer.finish() } }
}
