// SPDX-License-Identifier: GPL-2.0-or-later
import ArgumentParser
import VeilMedia
import VeilSystem

struct MeasureCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "measure", abstract: "Compare two videos: PSNR, SSIM and more.",
        discussion: """
            EXAMPLES
              veil measure reference.y4m distorted.y4m
              veil measure a.yuv b.yuv --size 1920x1080 --json
            """)

    @Argument(help: "Reference video.")
    var reference: String
    @Argument(help: "Video to measure.")
    var distorted: String
    @Option(help: "Size of raw video, as WxH.")
    var size: Size?
    @Flag(help: "Print JSON.")
    var json = false
    @OptionGroup var logging: LoggingOptions

    func run() throws {
        let (a, b) = (try open(reference), try open(distorted))
        guard a.format.width == b.format.width, a.format.height == b.format.height,
            a.format.bitDepth == b.format.bitDepth, a.format.chromaFormat == b.format.chromaFormat
        else {
            throw ValidationError(
                "\(distorted): \(b.format.width)x\(b.format.height) \(b.format.bitDepth) bit \(b.format.chromaFormat), "
                    + "but \(reference) is \(a.format.width)x\(a.format.height) \(a.format.bitDepth) bit "
                    + "\(a.format.chromaFormat)"
            )
        }
        var metrics = Metrics(format: a.format)
        var next = (try a.nextFrame(), try b.nextFrame())
        while let x = next.0, let y = next.1 {
            metrics.add(x, y)
            next = (try a.nextFrame(), try b.nextFrame())
        }
        let m = metrics.result
        guard m.frames > 0 else {
            for damage in [a.damage, b.damage].compactMap({ $0 }) { warn("\(damage)") }
            throw MediaError.notSupported(path: next.0 == nil ? reference : distorted, what: "no frames")
        }
        if json {
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
            print(String(decoding: try encoder.encode(m), as: UTF8.self))
        } else {
            print(
                String(
                    printf: "frames %d  PSNR Y %.2f  Cb %.2f  Cr %.2f dB  SSIM Y %.4f  EQ %.0f  HD %.3f",
                    m.frames, m.psnrY, m.psnrCb, m.psnrCr, m.ssimY, m.encryptionQuality, m.hammingDistance))
        }
        try tell(a, b, hasMore: next.0 != nil ? reference : next.1 != nil ? distorted : nil, m.frames)
    }

    private func open(_ path: String) throws -> VideoSource {
        try SourceInput.open(
            InputFile(path: path), size: size.map { ($0.width, $0.height) }, fps: nil, bitDepth: nil,
            samples: .all, threads: ProcessInfo.processInfo.activeProcessorCount, keepsTimes: true)
    }

    /// Figures are of what both have.
    private func tell(_ a: VideoSource, _ b: VideoSource, hasMore longer: String?, _ frames: Int) throws {
        for damage in [a.damage, b.damage].compactMap({ $0 }) { warn("\(damage): what is whole was compared") }
        if let longer { warn("\(longer) goes on: \(frames) frames of both were compared") }
        if longer != nil || a.damage != nil || b.damage != nil { throw ExitCode(2) }
    }
}
