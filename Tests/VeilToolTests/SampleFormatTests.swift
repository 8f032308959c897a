// SPDX-License-Identifier: GPL-2.0-or-later
import Foundation
import Testing
import Veil

/// Single layers of other samples than 4:2:0 of 8 and 10 bits: libx265's own, encrypted inside its loop.
@Suite(.enabled(if: Fixture.canEncode, "libx265 is not built in"))
struct SampleFormatTests {
    let f: Fixture
    private static let (width, height, frames) = (186, 130, 5)
    private static let nonce = "000102030405060708090a0b0c0d0e0f"

    init() throws { f = try Fixture.shared.get() }

    private struct Samples: Sendable {
        let name: String
        let tag: String
        let format: ChromaFormat
        let depth: Int
    }

    private static let all: [Samples] =
        [("gray", "mono", .monochrome), ("yuv422p", "422", .yuv422), ("yuv444p", "444", .yuv444)].flatMap {
            (name, tag, format) -> [Samples] in
            [8, 10, 12].map { depth in
                let deep = depth == 8 ? "" : "\(depth)"
                return Samples(
                    name: name + (depth == 8 ? "" : deep + "le"),
                    tag: tag + (depth == 8 ? "" : format == .monochrome ? deep : "p" + deep), format: format,
                    depth: depth)
            }
        } + [Samples(name: "yuv420p12le", tag: "420p12", format: .yuv420, depth: 12)]

    /// Discs before a slope, each component another, with noise in the last bits.
    private static func planes(_ samples: Samples, _ n: Int, width: Int = width, height: Int = height) -> [[UInt16]] {
        var noise = UInt32(n + 1)
        return (0..<samples.format.planeCount).map { c in
            let size = samples.format.size(ofComponent: c, width: width, height: height)
            return (0..<(size.width * size.height)).map { i in
                let x = (i % size.width) * width / size.width
                let y = (i / size.width) * height / size.height
                noise = noise &* 1_664_525 &+ 1_013_904_223
                let isDisc = (x - 60 - 4 * n) * (x - 60 - 4 * n) + (y - 60) * (y - 60) < 1500
                let value = isDisc ? 190 - 30 * c : 40 + x / 3 + y / 4 + 9 * c + ((x + 3 * n) >> 3 & 3) * 8
                return UInt16((value << (samples.depth - 8)) + Int(noise >> 22) % (5 << (samples.depth - 8)))
            }
        }
    }

    private static func bytes(_ planes: [[UInt16]], depth: Int) -> Data {
        Data(
            planes.joined().flatMap {
                depth == 8 ? [UInt8($0)] : [UInt8(truncatingIfNeeded: $0), UInt8($0 >> 8)]
            })
    }

    /// The clip as y4m; gives its path.
    private func clip(_ samples: Samples, width: Int = width, height: Int = height) throws -> String {
        let path = f.path("\(samples.name)-\(width)-\(UUID().uuidString).y4m")
        var data = Data("YUV4MPEG2 W\(width) H\(height) F25:1 Ip A1:1 C\(samples.tag)\n".utf8)
        for n in 0..<Self.frames {
            data += Data("FRAME\n".utf8)
            data += Self.bytes(Self.planes(samples, n, width: width, height: height), depth: samples.depth)
        }
        try data.write(to: URL(fileURLWithPath: path))
        return path
    }

    @discardableResult
    private func encode(_ input: String, _ output: String, _ options: [String]) throws -> Run {
        let run = try Run(
            ["encode", input, "-o", f.path(output), "--layers", "1", "--preset", "medium"]
                + (options.contains("--qp") ? [] : ["--qp", "22"]) + options)
        try #require(run.status == 0, "\(run.errors)")
        return run
    }

    /// In the loop as after it, and back; the reconstruction, what Veil decodes and what ffmpeg decodes.
    @Test(arguments: all.map(\.name), [["--keyint", "3"], ["--qp", "5", "--preset", "slow", "--no-wpp"]])
    func encryptedInTheLoop(name: String, options: [String]) throws {
        let samples = try #require(Self.all.first { $0.name == name })
        let clip = try clip(samples)
        let id = "samples-\(UUID().uuidString)"
        try encode(clip, "\(id).hevc", options + ["--hash", "--recon", f.path(id)])
        let clear = try f.data("\(id).hevc")
        for profile in ["paper", "maximal"] {
            let keys = ["--keys", f.path("keys.json"), "--profile", profile, "--nonce", Self.nonce]
            let run = try encode(clip, "\(id)-in.hevc", options + ["--hash"] + keys)
            #expect(!run.errors.contains("is encrypted after it"), "\(run.errors)")
            try #require(
                try Run(["encrypt", f.path("\(id).hevc"), "-o", f.path("\(id)-after.hevc")] + keys).status == 0)
            #expect(try f.data("\(id)-in.hevc") == f.data("\(id)-after.hevc"))
            #expect(try f.data("\(id)-in.hevc") != clear)
            try veil("decrypt", f.path("\(id)-in.hevc"), "-o", f.path("\(id)-back.hevc"), "--keys", f.path("keys.json"))
            #expect(try f.data("\(id)-back.hevc") == clear)
        }
        let decoded = try veil("decode", f.path("\(id).hevc"), "-o", f.path("\(id).y4m"), "--verify")
        #expect(decoded.errors.contains("\(Self.frames) picture hashes checked, 0 differ"), "\(decoded.errors)")
        #expect(try f.data("\(id).y4m") == f.data("\(id)/layer0.y4m"))
        try veil("decode", f.path("\(id).hevc"), "-o", f.path("\(id).yuv"))
        guard let ffmpeg = Run.find("ffmpeg") else { return }
        for (stream, isClear) in [("\(id).hevc", true), ("\(id)-in.hevc", false)] {
            let theirs = try Run(
                ffmpeg,
                [
                    "-v", "error", "-i", f.path(stream), "-fps_mode", "passthrough", "-pix_fmt", name, "-f", "rawvideo",
                    "-",
                ])
            #expect(theirs.status == 0 && theirs.errors.isEmpty, "\(theirs.errors)")
            #expect(try (theirs.output == f.data("\(id).yuv")) == isClear)
        }
    }

    /// Without loss the source comes back, of sizes that are not whole coding blocks or chroma samples.
    @Test(arguments: all.map(\.name))
    func losslessPicturesAreTheSources(name: String) throws {
        let samples = try #require(Self.all.first { $0.name == name })
        let isOdd = samples.format == .monochrome || samples.format == .yuv444
        let (width, height) = (isOdd ? 101 : 102, samples.format == .yuv420 ? 78 : 77)
        let clip = try clip(samples, width: width, height: height)
        try encode(clip, "lossless-\(name).mp4", ["--x265-options", "lossless"])
        try veil("decode", f.path("lossless-\(name).mp4"), "-o", f.path("lossless-\(name).yuv"))
        var expected = Data()
        for n in 0..<Self.frames {
            expected += Self.bytes(Self.planes(samples, n, width: width, height: height), depth: samples.depth)
        }
        #expect(try f.data("lossless-\(name).yuv") == expected)
    }

    /// Raw video by ffmpeg's name of it, and what ffmpeg reads, as y4m that says the same.
    @Test(arguments: ["gray", "gray12le", "yuv422p10le", "yuv444p"])
    func namedSamples(name: String) throws {
        let samples = try #require(Self.all.first { $0.name == name })
        var raw = Data()
        for n in 0..<Self.frames { raw += Self.bytes(Self.planes(samples, n), depth: samples.depth) }
        try raw.write(to: URL(fileURLWithPath: f.path("raw-\(name).yuv")))
        let clip = try clip(samples)
        try encode(clip, "named-\(name).hevc", [])
        let size = ["--size", "\(Self.width)x\(Self.height)"]
        try encode(f.path("raw-\(name).yuv"), "named-raw-\(name).hevc", size + ["--pix-fmt", name])
        #expect(try f.data("named-raw-\(name).hevc") == f.data("named-\(name).hevc"))
        guard let ffmpeg = Run.find("ffmpeg") else { return }
        let made = try Run(ffmpeg, ["-v", "error", "-y", "-i", clip, "-c:v", "ffv1", f.path("named-\(name).mkv")])
        try #require(made.status == 0, "\(made.errors)")
        let lossless = ["--x265-options", "lossless"]
        let kept = try encode(
            f.path("named-\(name).mkv"), "named-film-\(name).hevc", lossless + ["--pix-fmt", name])
        #expect(!kept.errors.contains("coded as"), "\(kept.errors)")
        try veil("decode", f.path("named-film-\(name).hevc"), "-o", f.path("named-film-\(name).yuv"))
        #expect(try f.data("named-film-\(name).yuv") == raw)
        // Without, it is made 4:2:0, which plays everywhere, and it is said how it stays.
        let made420 = try encode(f.path("named-\(name).mkv"), "named-420-\(name).hevc", lossless)
        #expect(made420.errors.contains("--pix-fmt \(name) keeps its samples"), "\(made420.errors)")
        let inspected = try veil("decode", f.path("named-420-\(name).hevc"), "-o", "-")
        #expect(String(decoding: inspected.output.prefix(80), as: UTF8.self).contains(" C420"))
    }

    /// What is not coded is refused in a line, and leaves nothing.
    @Test(
        arguments: [
            ("yuv422p", ["--layers", "2x"], "4:2:2 is coded in a single layer"),
            ("yuv444p10le", ["--layers", "snr"], "4:4:4 is coded in a single layer"),
            ("gray", [], "monochrome is coded in a single layer"),
            ("yuv420p12le", ["--layers", "2x"], "layer 0: 12 bits are coded in a single layer"),
            ("yuv422p", ["--layers", "1", "--depth", "9"], "layer 0: 9 bits: 8, 10 and 12 are supported"),
            ("yuv422p", ["--layers", "1", "--pix-fmt", "yuv444p"], "is 4:2:2 of 8 bits, and not yuv444p"),
            ("yuv422p", ["--layers", "1", "--pix-fmt", "rgb24"], "--pix-fmt takes gray"),
            ("yuv422p", ["--layers", "1", "--colormatrix", "gbr"], "--colormatrix gbr is for 4:4:4 pictures"),
            ("yuv422p", ["--layers", "1", "--pix-fmt", "gray", "--input-depth", "8"], "exclude each other"),
        ])
    func othersAreRefused(name: String, options: [String], message: String) throws {
        let clip = try clip(#require(Self.all.first { $0.name == name }))
        let run = try Run(["encode", clip, "-o", f.path("refused.hevc")] + options)
        #expect(run.status != 0 && run.errors.contains(message), "\(run.errors)")
        #expect(!FileManager.default.fileExists(atPath: f.path("refused.hevc")))
    }

    /// Fewer bits for layers above, GBR, and one layer of another size.
    @Test func whatGoesAlong() throws {
        func clip(_ name: String) throws -> String { try self.clip(#require(Self.all.first { $0.name == name })) }
        for (name, options) in [
            ("yuv420p12le", ["--layers", "2x", "--depth", "10"]),
            ("yuv444p12le", ["--layers", "1", "--depth", "8", "--colormatrix", "gbr"]),
            ("yuv422p10le", ["--layers", "120x80"]),
        ] {
            let run = try Run(
                ["encode", clip(name), "-o", f.path("along.hevc"), "--hash", "--qp", "28"] + options)
            #expect(run.status == 0, "\(run.errors)")
            let decoded = try veil("decode", f.path("along.hevc"), "-o", f.path("along.yuv"), "--verify")
            let hashes = Self.frames * (options.contains("2x") ? 2 : 1)
            #expect(decoded.errors.contains("\(hashes) picture hashes checked, 0 differ"), "\(decoded.errors)")
        }
    }

    /// The library makes the program's bytes.
    @Test(arguments: ["gray", "yuv422p10le", "yuv444p12le"])
    func theLibraryIsTheSame(name: String) throws {
        let samples = try #require(Self.all.first { $0.name == name })
        try encode(clip(samples), "program-\(name).hevc", [])
        var settings = VideoEncoder.Settings(width: Self.width, height: Self.height)
        settings.layers = .single
        settings.layers[0].rate = .qp(22)
        settings.bitDepth = samples.depth
        settings.chromaFormat = samples.format
        let encoder = try VideoEncoder(settings: settings)
        var bytes: [UInt8] = []
        for n in 0..<Self.frames {
            let picture = try VideoPicture(
                width: Self.width, height: Self.height, bitDepth: samples.depth, chromaFormat: samples.format,
                planes: Self.planes(samples, n))
            bytes += try encoder.push(picture).flatMap(\.bytes)
        }
        bytes += try encoder.finish().flatMap(\.bytes)
        #expect(try bytes == [UInt8](f.data("program-\(name).hevc")))
        // A picture of another format than the settings have.
        let other = VideoEncoder.Settings(width: Self.width, height: Self.height)
        let picture = try VideoPicture(
            width: Self.width, height: Self.height, chromaFormat: .monochrome,
            planes: [[UInt16](repeating: 7, count: Self.width * Self.height)])
        #expect(throws: SettingsError.self) { try VideoEncoder(settings: other).push(picture) }
        #expect(throws: PictureError.self) {
            try VideoPicture(
                width: Self.width, height: Self.height, chromaFormat: .yuv444, planes: Self.planes(Self.all[3], 0))
        }
    }
}
