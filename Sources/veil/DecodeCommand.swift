// SPDX-License-Identifier: GPL-2.0-or-later
import ArgumentParser
import Foundation
import VeilCrypto
import VeilDecoder
import VeilMedia
import VeilRecon
import VeilSyntax
import VeilTranscoder

struct DecodeCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "decode", abstract: "Decode a layer of an HEVC or SHVC stream to y4m or raw yuv.",
        discussion: "veil decode out.hevc -o out.y4m --layer 1 --keys keys.json")

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
        guard let writer else { throw ValidationError("\(input): no pictures of the layer asked for") }
        try writer.finish()
        let report = decoder.report
        if verify {
            warn("\(report.hashesChecked) picture hashes checked, \(report.hashMismatches) differ")
            if report.hashMismatches > 0 { throw ExitCode(2) }
        }
    }
}

/// Shows a decoder's decrypting hooks the messages of the stream. Layers whose keystream never restarts cannot be decrypted picture by
/// picture while decoding: from the first message that says so, the stream is decrypted before it reaches the decoder.
private final class DecryptingInput {
    private let decryption: Decryption
    private let threads: Int
    private let deliver: (NALUnit) throws -> Void
    private var parameterSets: [NALUnit] = []
    private var transcoder: StreamTranscoder?
    private var replays = false

    init(_ decryption: Decryption, threads: Int, deliver: @escaping (NALUnit) throws -> Void) {
        self.decryption = decryption
        self.threads = threads
        self.deliver = deliver
    }

    func push(_ nal: NALUnit) throws {
        if let transcoder {
            try transcoder.push(nal)
            return
        }
        switch nal.header.nalUnitType {
        case .vps, .sps, .pps: parameterSets.append(nal)
        case .prefixSEI:
            if let message = try ProtectionSEI.message(in: nal) {
                if message.resynchronisation == .stream {
                    let made = StreamTranscoder(mode: .decrypt(decryption), threads: threads) { [unowned self] in
                        if !self.replays { try self.deliver($0) }
                    }
                    replays = true
                    for set in parameterSets { try made.push(set) }
                    replays = false
                    transcoder = made
                    try made.push(nal)
                    return
                }
                try decryption.take(message)
            }
        default: break
        }
        try deliver(nal)
    }

    func finish() throws { try transcoder?.finish() }
}

/// Streams from files and standard input.
enum StreamInput {
    static func read(_ path: String, _ body: (NALUnit) throws -> Void) throws {
        let file: FileHandle
        if path == "-" {
            file = .standardInput
        } else {
            guard let opened = FileHandle(forReadingAtPath: path) else {
                throw MediaError.cannotOpen(path: path, reason: FileManager.default.fileExists(atPath: path) ? "cannot be read" : "no such file")
            }
            file = opened
        }
        do {
            var reader = AnnexBReader(file: file)
            while let nal = try reader.nextUnit() { try body(nal) }
        } catch let error as StreamError {
            throw MediaError.notSupported(path: path, what: error.description)
        } catch let error as SyntaxError {
            throw MediaError.notSupported(path: path, what: error.description)
        }
    }
}
