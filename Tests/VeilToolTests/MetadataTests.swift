// SPDX-License-Identifier: GPL-2.0-or-later
import Foundation
import Testing
import VeilBitstream
import VeilMedia

/// What samples mean, from the source to every layer and to every output.
@Suite(.enabled(if: Fixture.canEncode, "libx265 is not built in"))
struct MetadataTests {
    static let display = "G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,50)"

    /// What inspect tells of a layer.
    struct Summary: Decodable {
        struct Layer: Decodable {
            var bitDepth: Int
            var frameRate: String?
            var colour: [String: String]?
        }
        var layers: [Layer]
    }

    static func inspect(_ path: String) throws -> [Summary.Layer] {
        let run = try veil("inspect", path, "--headers", "--json")
        return try JSONDecoder().decode(Summary.self, from: run.output).layers
    }

    /// The first line of a y4m file that a layer decodes to.
    static func header(_ path: String, layer: Int, _ more: [String] = []) throws -> String {
        let run = try Run(["decode", path, "-o", "-", "--layer", "\(layer)"] + more)
        try #require(run.status == 0, "\(run.errors)")
        return String(decoding: run.output.prefix { $0 != 10 }, as: UTF8.self)
    }

    /// The fields of the table in Docs/Metadata.md, by every kind of layers, in a byte stream and in MP4, clear and
    /// encrypted.
    @Test(arguments: [("1", 1), ("2x", 2), ("1.5x", 2), ("snr", 2), ("2x,snr", 3)])
    func everyLayerSaysAll(layers: String, count: Int) throws {
        let f = try Fixture.shared.get()
        let wanted = [
            "primaries": "bt2020", "transfer": "smpte2084", "matrix": "bt2020nc", "alternativeTransfer": "arib-std-b67",
            "range": "full", "chromaLocation": "topleft", "sampleAspect": "4:3", "masteringDisplay": Self.display,
            "contentLight": "1000,400",
        ]
        let protection = layers == "2x" ? ["--scheme", "all", "--keys", f.path("keys.json"), "--authenticate"] : []
        for suffix in ["hevc", "mp4"] {
            let path = f.path("meaning-\(count)-\(layers).\(suffix)")
            let run = try Run(
                [
                    "encode", f.path("clip.y4m"), "-o", path, "--frames", "3", "--layers", layers, "--depth", "10",
                    "--colorprim", "bt2020", "--transfer", "smpte2084", "--colormatrix", "bt2020nc", "--range", "full",
                    "--chromaloc", "topleft", "--sar", "4:3", "--master-display", Self.display, "--max-cll", "1000,400",
                    "--atc-sei", "arib-std-b67",
                ] + protection)
            try #require(run.status == 0, "\(run.errors)")
            let told = try Self.inspect(path)
            #expect(told.count == count)
            for layer in told {
                #expect(layer.colour == wanted && layer.bitDepth == 10 && layer.frameRate == "25/1")
            }
            for layer in 0..<count {
                let header = try Self.header(path, layer: layer)
                #expect(header.contains(" A4:3 ") && header.hasSuffix("C420p10 XYSCSS=420P10 XCOLORRANGE=FULL"))
            }
        }
        let file = [UInt8](try f.data("meaning-\(count)-\(layers).mp4"))
        let boxes: [(String, [UInt8])] = [
            ("colr", Array("nclx".utf8) + [0, 9, 0, 16, 0, 9, 0x80]), ("pasp", [0, 0, 0, 4, 0, 0, 0, 3]),
            (
                "mdcv",
                [13250, 34500, 7500, 3000, 34000, 16000, 15635, 16450].flatMap { [UInt8($0 >> 8), UInt8($0 & 255)] }
                    + [0, 0x98, 0x96, 0x80, 0, 0, 0, 50]
            ), ("clli", [3, 232, 1, 144]),
        ]
        for (name, payload) in boxes {
            let whole = [0, 0, 0, UInt8(payload.count + 8)] + Array(name.utf8) + payload
            #expect(Data(file).range(of: Data(whole)) != nil, "\(name)")
        }
    }

    /// What others read out of the files, where they are there.
    @Test(.enabled(if: Run.find("ffprobe") != nil, "ffprobe is not here"), arguments: ["hevc", "mp4"])
    func othersReadIt(suffix: String) throws {
        let f = try Fixture.shared.get()
        let path = f.path("told.\(suffix)")
        try veil(
            "encode", f.path("clip.y4m"), "-o", path, "--frames", "3", "--layers", "2x", "--depth", "10", "--hdr10",
            "--range", "limited", "--sar", "4:3", "--master-display", Self.display, "--max-cll", "1000,400")
        let run = try Run(
            Run.find("ffprobe")!,
            [
                "-v", "error", "-show_streams", "-show_frames", "-read_intervals", "%+#1", "-of", "flat",
            ] + (suffix == "hevc" ? ["-f", "hevc"] : []) + [path])
        let text = String(decoding: run.output, as: UTF8.self)
        for line in [
            "pix_fmt=\"yuv420p10le\"", "color_range=\"tv\"", "color_space=\"bt2020nc\"", "color_transfer=\"smpte2084\"",
            "color_primaries=\"bt2020\"", "sample_aspect_ratio=\"4:3\"", "max_content=1000", "max_average=400",
            "green_x=\"13250/50000\"", "min_luminance=\"50/10000\"", "max_luminance=\"10000000/10000\"",
        ] { #expect(text.contains(line), "\(line)") }
    }

    /// A source that says nothing leaves nothing said.
    @Test func nothingIsMadeUp() throws {
        let f = try Fixture.shared.get()
        for layer in try Self.inspect(f.path("clear.hevc")) { #expect(layer.colour == nil) }
        #expect(try Self.header(f.path("clear.hevc"), layer: 1).hasSuffix("A1:1 C420jpeg"))
    }

    /// The tags of y4m come through, and a layer of another shape has samples of another aspect.
    @Test(arguments: [
        ("A1:1 C420jpeg XCOLORRANGE=FULL", "A1:1 C420jpeg XCOLORRANGE=FULL"),
        ("A8:9 C420mpeg2 XYSCSS=420MPEG2 XCOLORRANGE=LIMITED", "A8:9 C420mpeg2 XCOLORRANGE=LIMITED"),
        ("A0:0 C420paldv", "A1:1 C420paldv"),
    ])
    func tagsOfY4M(tags: String, told: String) throws {
        let f = try Fixture.shared.get()
        var clip = try f.data("clip.y4m")
        let end = try #require(clip.firstIndex(of: 10))
        clip.replaceSubrange(..<end, with: "YUV4MPEG2 W\(Fixture.width) H\(Fixture.height) F25:1 Ip \(tags)".utf8)
        let name = "tags-\(tags.hashValue)"
        try clip.write(to: f.folder.appendingPathComponent("\(name).y4m"))
        try veil("encode", f.path("\(name).y4m"), "-o", f.path("\(name).hevc"), "--frames", "2")
        for layer in 0..<2 {
            #expect(try Self.header(f.path("\(name).hevc"), layer: layer).hasSuffix(told))
        }
        // What was decoded is a source, too.
        let again = f.path("\(name)-again.hevc")
        try veil("encode", f.path("\(name).hevc"), "-o", again, "--frames", "2", "--layers", "64x96,128x96")
        #expect(try Self.header(again, layer: 1).hasSuffix(told))
        // Half as wide: its samples are twice as wide.
        let narrow = try Self.header(again, layer: 0)
        #expect(narrow.contains(told.hasPrefix("A8:9") ? " A16:9 " : " A2:1 "))
    }

    /// Frames that are not evenly apart stay so in MP4, and are evened out by name elsewhere.
    @Test(.enabled(if: Run.find("ffmpeg") != nil && Run.find("ffprobe") != nil, "ffmpeg is not here"))
    func timesThatVary() throws {
        let f = try Fixture.shared.get()
        let made = try Run(
            try #require(Run.find("ffmpeg")),
            [
                "-v", "error", "-y", "-f", "lavfi", "-i", "testsrc2=size=64x48:rate=25", "-frames:v", "12", "-vf",
                "setpts=if(lt(N\\,4)\\,N\\,N*3-8)/25/TB", "-fps_mode", "vfr", "-c:v", "ffv1", f.path("varying.mkv"),
            ])
        try #require(made.status == 0, "\(made.errors)")
        func times(_ path: String) throws -> [Int] {
            let options = ["-v", "error", "-select_streams", "v", "-show_entries", "packet=pts_time", "-of", "csv=p=0"]
            let run = try Run(try #require(Run.find("ffprobe")), options + [path])
            return String(decoding: run.output, as: UTF8.self).split(separator: "\n")
                .compactMap { Double($0.prefix { $0 != "," }) }.map { Int(($0 * 1000).rounded()) }.sorted()
        }
        let wanted = try times(f.path("varying.mkv"))
        #expect(wanted.count == 12)
        let kept = try veil("encode", f.path("varying.mkv"), "-o", f.path("varying.mp4"), "--layers", "2x")
        #expect(!kept.errors.contains("resampled"), "\(kept.errors)")
        #expect(try times(f.path("varying.mp4")) == wanted)
        let even = try veil("encode", f.path("varying.mkv"), "-o", f.path("varying.hevc"), "--layers", "2x")
        #expect(even.errors.contains("resampled"), "\(even.errors)")
    }

    /// Full range and ten bits of files that ffmpeg decodes: no sample is converted.
    @Test(.enabled(if: Run.find("ffmpeg") != nil && Run.find("ffprobe") != nil, "ffmpeg is not here"))
    func filesOfOthers() throws {
        let f = try Fixture.shared.get()
        let ffmpeg = try #require(Run.find("ffmpeg"))
        // Lossless, so that samples can be compared: 8 bits of full range, 10 bits of limited range.
        for (name, format, range, tags) in [
            ("full.mkv", "yuvj420p", "pc", "C420"), ("ten.mkv", "yuv420p10le", "tv", "C420p10"),
        ] {
            let made = try Run(
                ffmpeg,
                [
                    "-v", "error", "-y", "-f", "lavfi", "-i", "testsrc2=size=64x48:rate=25", "-frames:v", "2",
                    "-pix_fmt", format, "-color_range", range, "-colorspace", "bt709", "-color_primaries", "bt709",
                    "-color_trc", "bt709", "-c:v", "ffv1", f.path(name),
                ])
            try #require(made.status == 0, "\(made.errors)")
            let raw = try Run(
                ffmpeg, ["-v", "error", "-i", f.path(name), "-f", "rawvideo", "-"])
            try veil(
                "encode", f.path(name), "-o", f.path("of-others.hevc"), "--layers", "1", "--x265-options", "lossless=1")
            let layer = try #require(try Self.inspect(f.path("of-others.hevc")).first)
            #expect(layer.colour?["range"] == (range == "pc" ? "full" : "limited"))
            #expect(layer.colour?["matrix"] == "bt709" && layer.colour?["transfer"] == "bt709")
            try veil("decode", f.path("of-others.hevc"), "-o", f.path("of-others.yuv"))
            #expect(try f.data("of-others.yuv") == raw.output, "\(name)")
            #expect(try Self.header(f.path("of-others.hevc"), layer: 0).contains(tags))
        }
        // Fields are named and refused.
        let fields = try Run(
            ffmpeg,
            [
                "-v", "error", "-y", "-f", "lavfi", "-i", "testsrc2=size=64x48:rate=25", "-frames:v", "2", "-flags",
                "+ildct+ilme", "-field_order", "tt", "-c:v", "mpeg2video", f.path("fields.mkv"),
            ])
        try #require(fields.status == 0, "\(fields.errors)")
        let refused = try Run(["encode", f.path("fields.mkv"), "-o", f.path("fields.hevc")])
        #expect(refused.status == 1 && refused.errors.contains("interlaced"), "\(refused.errors)")
        #expect(!FileManager.default.fileExists(atPath: f.path("fields.hevc")))
    }

    @Test(arguments: [
        ["--range", "wide"], ["--colorprim", "bt2021"], ["--sar", "0:1"], ["--sar", "4"], ["--chromaloc", "6"],
        ["--master-display", "G(1,2)"], ["--max-cll", "1000"], ["--max-cll", "70000,1"], ["--colormatrix", "gbr"],
        ["--hdr10"], ["--master-display", "G(70000,1)B(1,1)R(1,1)WP(1,1)L(1,1)"], ["--frames=-1"],
    ])
    func wrongOptions(options: [String]) throws {
        let f = try Fixture.shared.get()
        let run = try Run(["encode", f.path("clip.y4m"), "-o", f.path("wrong.hevc")] + options)
        #expect(run.status == 64 && run.errors.contains(options[0].prefix { $0 != "=" }), "\(run.errors)")
        #expect(!FileManager.default.fileExists(atPath: f.path("wrong.hevc")))
    }

    /// The pictures of `view` use the matrix and the range of the stream.
    @Test func picturesUseMatrixAndRange() throws {
        let f = try Fixture.shared.get()
        func sheet(_ options: [String]) throws -> Data {
            let run = try Run(
                ["encode", f.path("clip.y4m"), "-o", f.path("seen.hevc"), "--frames", "1", "--layers", "1"] + options)
            try #require(run.status == 0, "\(run.errors)")
            return try veil("view", f.path("seen.hevc"), "-o", "-", "--columns", "1").output
        }
        let plain = try sheet([])
        #expect(try sheet(["--range", "limited", "--colormatrix", "smpte170m"]) == plain)
        let full = try sheet(["--range", "full"])
        // Of one size, which the header tells.
        #expect(full.prefix(29) == plain.prefix(29) && full != plain)
        #expect(try sheet(["--colormatrix", "bt2020nc"]) != plain)
    }
}

/// Samples as colours of a screen.
struct RGBTests {
    private func colour(
        _ y: UInt16, _ cb: UInt16, _ cr: UInt16, depth: Int = 8, _ change: (inout VideoFormat) -> Void
    )
        -> [UInt8]
    {
        var format = VideoFormat(width: 2, height: 2, bitDepth: depth)
        change(&format)
        let frame = VideoFrame(format: format, planes: [[y, y, y, y], [cb], [cr]])
        return Array(RGBImage(frame).samples.prefix(3))
    }

    @Test func blackAndWhite() {
        #expect(colour(235, 128, 128) { _ in } == [255, 255, 255])
        #expect(colour(16, 128, 128) { _ in } == [0, 0, 0])
        #expect(colour(255, 128, 128) { $0.colour.isFullRange = true } == [255, 255, 255])
        #expect(colour(0, 128, 128) { $0.colour.isFullRange = true } == [0, 0, 0])
        #expect(colour(940, 512, 512, depth: 10) { $0.colour.isFullRange = false } == [255, 255, 255])
    }

    /// Red of each matrix: Y = Kr, Cb = -Kr / (2 - 2 Kb), Cr = 1/2 (H.273, 8.3).
    @Test(arguments: [(1, 0.2126, 0.0722), (6, 0.299, 0.114), (7, 0.212, 0.087), (9, 0.2627, 0.0593)])
    func red(matrix: Int, kr: Double, kb: Double) {
        for isFull in [false, true] {
            let (scale, chroma, black) = isFull ? (255.0, 255.0, 0.0) : (219.0, 224.0, 16.0)
            let rgb = colour(
                UInt16((black + scale * kr).rounded()), UInt16((128 - chroma * kr / (2 - 2 * kb)).rounded()),
                UInt16(min((128 + chroma / 2).rounded(), 255))
            ) {
                $0.colour.matrix = matrix
                $0.colour.isFullRange = isFull
            }
            #expect(rgb[0] >= 252 && rgb[1] <= 2 && rgb[2] <= 2, "\(rgb)")
        }
    }
}
