// SPDX-License-Identifier: GPL-2.0-or-later
import ArgumentParser
import VeilMedia
import VeilSystem

struct DemoCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "demo", abstract: "Draw a clip, encode it every way, show it.",
        discussion: """
            EXAMPLES
              veil demo -o demo
              veil demo -o demo --layers snr --frames 50
            """)

    @Option(name: .shortAndLong, help: "Folder for streams and pictures.")
    var output: String = "demo"
    @Option(help: "Frames to draw.")
    var frames: Int = 25
    @Option(help: "Layers: 2x, 1.5x or snr.")
    var layers: String = "2x"
    @OptionGroup var logging: LoggingOptions

    func run() throws {
        Interruption.endAtOnce()
        guard (1...1000).contains(frames) else { throw ValidationError("--frames takes 1 to 1000") }
        guard layers != "1" else { throw ValidationError("the demo needs two layers") }
        try OutputFolder.make(output)
        func path(_ name: String) -> String { output + "/" + name }
        let clip = DemoClip()
        let source = path("clip.y4m")
        let writer = try VideoWriter(path: source, format: clip.format)
        for n in 0..<frames { try writer.write(clip.frame(n)) }
        try writer.finish()
        let keys = path("keys.json")
        if !FileManager.default.fileExists(atPath: keys) {
            try run(KeygenCommand.self, ["-o", keys, "--layers", "2"])
        }
        var rows: [(String, Int, VideoMeasurement, VideoMeasurement)] = []
        var pictures: [RGBImage] = []
        let shown = min(frames / 2, frames - 1)
        for scheme in ["none", "bl", "all", "el"] {
            let stream = path("\(scheme).hevc")
            try run(
                EncodeCommand.self,
                [source, "-o", stream, "--layers", layers, "--qp", "26,26"]
                    + (scheme == "none" ? [] : ["--scheme", scheme, "--keys", keys]))
            let blind = path("\(scheme).without-key.y4m")
            let open = path("\(scheme).with-key.y4m")
            try run(DecodeCommand.self, [stream, "-o", blind])
            // A stream that is not encrypted at all is a forgery to who holds keys.
            try run(DecodeCommand.self, [stream, "-o", open] + (scheme == "none" ? [] : ["--keys", keys]))
            rows.append((scheme, try size(stream), try measure(source, blind), try measure(source, open)))
            pictures.append(RGBImage(try frame(blind, shown)))
            try write(pictures[pictures.count - 1], path("\(scheme).without-key.png"))
        }
        try write(RGBImage.sheet(pictures, columns: 2), path("sheet.png"))
        print("scheme     bytes   PSNR Y without key   with key")
        for (scheme, bytes, blind, open) in rows {
            print(
                scheme.padded(to: 6)
                    + String(printf: " %9d %17.2f dB %7.2f dB", bytes, blind.psnrY, open.psnrY))
        }
        print("pictures: \(path("sheet.png")) (frame \(shown) without key: clear, bl / all, el)")
    }

    private func run<C: ParsableCommand>(_ command: C.Type, _ arguments: [String]) throws {
        var parsed = try command.parse(arguments)
        try parsed.run()
    }

    private func size(_ path: String) throws -> Int {
        try FileManager.default.attributesOfItem(atPath: path)[.size] as? Int ?? 0
    }

    private func measure(_ reference: String, _ distorted: String) throws -> VideoMeasurement {
        let a = try VideoSource.open(path: reference)
        let b = try VideoSource.open(path: distorted)
        var metrics = Metrics(format: a.format)
        while let x = try a.nextFrame(), let y = try b.nextFrame() { metrics.add(x, y) }
        return metrics.result
    }

    private func frame(_ path: String, _ index: Int) throws -> VideoFrame {
        let source = try VideoSource.open(path: path)
        for _ in 0..<index { _ = try source.nextFrame() }
        guard let frame = try source.nextFrame() else {
            throw MediaError.notSupported(path: path, what: "has no frame \(index)")
        }
        return frame
    }

    private func write(_ image: RGBImage, _ path: String) throws {
        let file = try OutputFile(path: path)
        try file.write(image.png())
        try file.finish()
    }
}
