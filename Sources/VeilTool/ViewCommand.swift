// SPDX-License-Identifier: GPL-2.0-or-later
import ArgumentParser
import Foundation
import Veil
import VeilBitstream
import VeilDecoder
import VeilMedia
import VeilProtection

struct ViewCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "view", abstract: "Draw each layer, without and with keys (PNG).",
        discussion: """
            One row a layer: pictures from all over the stream as seen without keys,
            and beside them, when keys are given, as their owner sees them.

            EXAMPLES
              veil view out.hevc -o sheet.png --keys keys.json
              veil view out.hevc -o blind.png --columns 4 --width 320
            """)

    @Argument(help: "Annex B stream.")
    var input: String
    @Option(name: .shortAndLong, help: "PNG to write, '-' for standard output.")
    var output: String = "sheet.png"
    @Option(help: "Key file, env:NAME or fd:N.")
    var keys: String?
    @Option(help: "Pictures of each layer.")
    var columns: Int = 3
    @Option(help: "Width of a picture on the sheet in pixels; larger ones are made smaller.")
    var width: Int = 480
    @Option(help: "Worker threads.")
    var threads: Int = ProcessInfo.processInfo.activeProcessorCount
    @OptionGroup var logging: LoggingOptions

    func run() throws {
        guard (1...16).contains(columns) else { throw ValidationError("--columns takes 1 to 16") }
        guard (16...4096).contains(width) else { throw ValidationError("--width takes 16 to 4096") }
        if input == "-" {
            throw ValidationError("view reads its input more than once and cannot take it from standard input")
        }
        let ring = try keys.map { try KeyRing(reference: $0) }
        let counts = try pictureCounts()
        guard !counts.isEmpty else { throw MediaError.notSupported(path: input, what: "no pictures") }
        var cells: [RGBImage] = []
        for (layer, count) in counts.sorted(by: { $0.key < $1.key }) {
            let wanted = Set((0..<columns).map { count * (2 * $0 + 1) / (2 * columns) })
            cells += try pictures(layer: layer, wanted: wanted, keys: nil)
            if let ring { cells += try pictures(layer: layer, wanted: wanted, keys: ring) }
        }
        let sheet = RGBImage.sheet(cells, columns: ring == nil ? columns : 2 * columns)
        let file = try OutputFile(path: output)
        try file.write(sheet.png)
        try file.finish()
        info(
            "\(output): \(sheet.width)x\(sheet.height), layers "
                + "\(counts.keys.sorted().map(String.init).joined(separator: ", "))"
                + (ring == nil ? ", without keys" : ", left without keys, right with them"))
    }

    /// How many pictures each layer has.
    private func pictureCounts() throws -> [Int: Int] {
        var counts: [Int: Int] = [:]
        try StreamInput.read(input) { nal in
            if nal.header.nalUnitType.isSlice, nal.bytes.count > 2, nal.bytes[2] & 0x80 != 0 {
                counts[nal.header.nuhLayerId, default: 0] += 1
            }
        }
        return counts
    }

    /// Pictures of a layer by their place in output order, made small, with as many cells as there are columns.
    private func pictures(layer: Int, wanted: Set<Int>, keys: KeyRing?) throws -> [RGBImage] {
        var result: [RGBImage] = []
        var index = 0
        try DecodedPictures.read(input, layer: layer, keys: keys, threads: threads) { frame in
            if wanted.contains(index) { result.append(RGBImage(frame).reduced(toWidth: width)) }
            index += 1
        }
        while result.count < columns { result.append(RGBImage(width: 1, height: 1)) }
        return result
    }
}

/// The pictures of one layer of a stream.
enum DecodedPictures {
    static func read(
        _ path: String, layer: Int, keys: KeyRing?, threads: Int, _ body: (VideoFrame) throws -> Void
    ) throws {
        try withoutActuallyEscaping(body) { body in
            var options = Decoder.Options()
            options.output = .layer(layer)
            options.threads = max(threads, 1)
            let decryption = keys.map { Decryption(keys: $0, wanted: Set(0...layer)) }
            options.hooks = decryption?.restarting
            let decoder = Decoder(options: options) { try body(VideoFrame($0)) }
            if let decryption {
                let input = DecryptingInput(decryption, threads: options.threads) { try decoder.push($0) }
                try StreamInput.read(path) { try input.push($0) }
                try input.finish()
            } else {
                try StreamInput.read(path) { try decoder.push($0) }
            }
            try decoder.finish()
        }
    }
}

extension VideoFrame {
    /// The conformance window of a decoded picture.
    convenience init(_ decoded: DecodedFrame) {
        let buffer = decoded.picture.frame
        let fps = decoded.timing.map { ($0.timeScale, $0.numUnitsInTick) } ?? (25, 1)
        self.init(
            format: VideoFormat(
                width: decoded.width, height: decoded.height, fps: fps.0 > 0 && fps.1 > 0 ? fps : (25, 1),
                bitDepth: buffer.bitDepthLuma),
            planes: [])
        let window = decoded.info.window
        for c in 0..<3 {
            let s = c == 0 ? 0 : 1
            let size = format.size(ofComponent: c)
            var samples: [UInt16] = []
            samples.reserveCapacity(size.width * size.height)
            for y in 0..<size.height {
                samples += UnsafeBufferPointer(
                    start: buffer.plane(c).at(window.left >> s, y + (window.top >> s)), count: size.width)
            }
            planes.append(samples)
        }
    }
}
