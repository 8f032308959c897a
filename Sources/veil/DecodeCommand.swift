// SPDX-License-Identifier: GPL-2.0-or-later
import ArgumentParser
import Foundation
import VeilCrypto
import VeilDecoder
import VeilMedia
import VeilPipeline
import VeilRecon
import VeilSyntax
import VeilTranscoder

struct DecodeCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "decode", abstract: "Decode a layer to y4m or raw video.",
        discussion: """
            EXAMPLES
              veil decode out.hevc -o out.y4m --keys keys.json
              veil decode out.hevc -o base.yuv --layer 0
              veil decode - -o - --keys keys.json <out.hevc | ffplay -
              veil decode out.hevc -o - | ffmpeg -i - out.mp4
            """)

    @Argument(help: "Annex B stream, '-' for standard input.")
    var input: String
    @Option(name: .shortAndLong, help: "y4m, or raw when the name ends in .yuv; '-' for standard output (y4m).")
    var output: String
    @Option(help: "nuh_layer_id to decode; the highest by default.")
    var layer: Int?
    @Option(help: "Decrypt with these keys: key file, env:NAME or fd:N.")
    var keys: String?
    @Option(help: "Worker threads.")
    var threads: Int = ProcessInfo.processInfo.activeProcessorCount
    @Flag(help: "Check decoded picture hashes and fail when one differs.")
    var verify = false
    @OptionGroup var logging: LoggingOptions

    func run() throws {
        var options = Decoder.Options()
        options.output = layer.map { .layer($0) } ?? .highest
        options.threads = max(threads, 1)
        options.verify = verify
        let decryption = try keys.map {
            // Only the layers that are decoded need keys; which those are, the layer asked for bounds.
            Decryption(keys: try KeyRing(reference: $0), wanted: layer.map { Set(0...max($0, 0)) })
        }
        options.hooks = decryption?.restarting
        var writer: VideoWriter?
        var writerFormat: VideoFormat?
        let decoder = Decoder(options: options) { [output] frame in
            let window = frame.info.window
            let fps = frame.timing.map { ($0.timeScale, $0.numUnitsInTick) } ?? (25, 1)
            let buffer = frame.picture.frame
            let format = VideoFormat(
                width: frame.width, height: frame.height, fps: fps.0 > 0 && fps.1 > 0 ? fps : (25, 1), bitDepth: buffer.bitDepthLuma)
            if writer == nil {
                writer = try VideoWriter(path: output, format: format)
                writerFormat = format
            }
            guard let known = writerFormat, known.width == format.width, known.height == format.height, known.bitDepth == format.bitDepth
            else {
                throw MediaError.notSupported(path: output, what: "the picture size changes in the stream; y4m holds one size only")
            }
            try writer?.writeFrame { c, y in
                let s = c == 0 ? 0 : 1
                return UnsafePointer(buffer.plane(c).at(window.left >> s, y + (window.top >> s)))
            }
        }
        if let decryption {
            let input = DecryptingInput(decryption, threads: options.threads) { try decoder.push($0) }
            try StreamInput.read(self.input) { try input.push($0) }
            try input.finish()
        } else {
            try StreamInput.read(input) { try decoder.push($0) }
        }
        try decoder.finish()
        for message in decoder.report.messages { warn("\(input): \(message)") }
        guard let writer else { throw MediaError.notSupported(path: input, what: layer.map { "no pictures of layer \($0)" } ?? "no pictures") }
        try writer.finish()
        let report = decoder.report
        if verify {
            info("\(report.hashesChecked) picture hashes checked, \(report.hashMismatches) differ")
        }
        if !report.isClean { throw ExitCode(2) }
    }
}
