// SPDX-License-Identifier: GPL-2.0-or-later
import Foundation
import Testing

/// Two views in, MV-HEVC out: both views as they were coded, each with its key, and what goes with them.
@Suite(.enabled(if: Fixture.canEncode, "libx265 is not built in"))
struct StereoTests {
    let f: Fixture
    private static let nonce = "000102030405060708090a0b0c0d0e0f"

    init() throws {
        f = try Fixture.shared.get()
        for (name, isRight) in [("left.y4m", false), ("right.y4m", true)] where !f.has(name) {
            try Self.clip(isRight: isRight).write(to: URL(fileURLWithPath: f.path(name)), options: .atomic)
        }
    }

    private static let (width, height, frames) = (192, 112, 10)

    /// A wall, a slope in front of it and a disc before both, seen by two cameras that move: what is near is displaced
    /// by more, and each camera has noise of its own.
    static func clip(isRight: Bool, width: Int = width, frames: Int = frames, rate: String = "25:1") -> Data {
        var bytes = Array("YUV4MPEG2 W\(width) H\(height) F\(rate) Ip A1:1 C420jpeg\n".utf8)
        var noise: UInt32 = isRight ? 7 : 1
        for n in 0..<frames {
            bytes += Array("FRAME\n".utf8)
            for c in 0..<3 {
                let s = c == 0 ? 1 : 2
                for y in 0..<height / s {
                    for x in 0..<width / s {
                        func moved(_ disparity: Int) -> (Int, Int) {
                            (x * s + n * 2 + (isRight ? disparity : 0), y * s + n)
                        }
                        let (dx, dy) = moved(18)
                        let isDisc = (dx - 90) * (dx - 90) + (dy - 50) * (dy - 50) < 700
                        let (px, py) = isDisc ? (dx, dy) : moved(y * s > height / 2 ? 9 : 4)
                        noise = noise &* 1_664_525 &+ 1_013_904_223
                        let texture = ((px >> 2) &* 29 ^ (py >> 2) &* 17) & 63
                        bytes.append(
                            UInt8(clamping: (isDisc ? 130 : 50) + texture / (c == 0 ? 1 : 3) + Int(noise >> 30)))
                    }
                }
            }
        }
        return Data(bytes)
    }

    @discardableResult
    private func encode(_ name: String, _ options: [String] = [], right: String = "right.y4m") throws -> Run {
        let isRated = options.contains { ["--crf", "--bitrate"].contains($0) }
        return try Run(
            ["encode", f.path("left.y4m"), f.path(right), "-o", f.path(name), "--layers", "view"]
                + (isRated ? [] : ["--qp", "28"]) + (options.contains("--preset") ? [] : ["--preset", "fast"]) + options
        )
    }

    private func coded(_ name: String, _ options: [String] = []) throws -> Data {
        let run = try encode(name, options)
        try #require(run.status == 0, "\(run.errors)")
        return try f.data(name)
    }

    /// Both views of each access unit, one after the other.
    static let decodeByPyAV = """
        import av, sys
        with av.open(sys.argv[1], format="hevc" if sys.argv[1].endswith(".hevc") else None) as f:
            stream = f.streams.video[0]
            stream.codec_context.options = {"view_ids": "-1"}
            out = [open(path, "wb") for path in sys.argv[2:]]
            for n, frame in enumerate(f.decode(stream)):
                for i, plane in enumerate(frame.planes):
                    size = plane.width * (2 if "10" in frame.format.name else 1)
                    rows = bytes(plane)
                    for y in range(plane.height):
                        out[n % 2].write(rows[y * plane.line_size:y * plane.line_size + size])
        """

    /// The encoder's reconstruction, what Veil decodes of either eye, and what FFmpeg's libraries decode.
    @Test(
        arguments: [
            "--preset fast", "--preset slow --bframes 0", "--preset ultrafast --slices 2", "--depth 10 --crf 28",
            "--keyint 4 --x265-options temporal-layers=1", "--bitrate 200,100 --no-hierarchy",
        ], [".hevc", ".mp4"])
    func bothViewsDecode(options: String, suffix: String) throws {
        let name = "views-\(UUID().uuidString)"
        let stream = name + suffix
        _ = try coded(stream, ["--recon", f.path(name), "--hash"] + options.split(separator: " ").map(String.init))
        for (layer, view) in ["left", "right"].enumerated() {
            let run = try veil(
                "decode", f.path(stream), "-o", f.path("\(name)-\(view).y4m"), "--view", view, "--verify")
            #expect(
                run.errors.contains("\(Self.frames * (layer + 1)) picture hashes checked, 0 differ"), "\(run.errors)")
            try veil("decode", f.path(stream), "-o", f.path("\(name)-\(layer).y4m"), "--layer", String(layer))
            #expect(try f.data("\(name)-\(layer).y4m") == f.data("\(name)/layer\(layer).y4m"))
            #expect(try f.data("\(name)-\(layer).y4m") == f.data("\(name)-\(view).y4m"))
        }
        let inspected = try veil("inspect", f.path(stream))
        let text = String(decoding: inspected.output, as: UTF8.self)
        #expect(
            text.contains("left eye, \(Self.frames) pictures") && text.contains("right eye, \(Self.frames) pictures"))
        guard let pyav else { return }
        let outputs = [f.path("\(name)-a.yuv"), f.path("\(name)-b.yuv")]
        let theirs = try Run(pyav, ["-c", Self.decodeByPyAV, f.path(stream)] + outputs)
        #expect(theirs.status == 0, "\(theirs.errors)")
        for (layer, path) in outputs.enumerated() {
            try veil("decode", f.path(stream), "-o", f.path("\(name).yuv"), "--layer", String(layer))
            #expect(try Data(contentsOf: URL(fileURLWithPath: path)) == f.data("\(name).yuv"), "layer \(layer)")
        }
    }

    /// MP4 says that it holds both eyes' views, in fragments too; the base layer alone does not.
    @Test func moviesSaySo() throws {
        _ = try coded("eyes.mp4")
        _ = try coded("eyes-live.mp4", ["--fragmented"])
        let eyes =
            Data([0, 0, 0, 29] + Array("vexu".utf8) + [0, 0, 0, 21] + Array("eyes".utf8) + [0, 0, 0, 13])
            + Data(Array("stri".utf8) + [0, 0, 0, 0, 3])
        for name in ["eyes.mp4", "eyes-live.mp4"] { #expect(try f.data(name).range(of: eyes) != nil) }
        try veil("extract", f.path("eyes.mp4"), "-o", f.path("eye.mp4"), "--layer", "0")
        #expect(try f.data("eye.mp4").range(of: Data("vexu".utf8)) == nil)
        for name in ["eyes.mp4", "eyes-live.mp4"] {
            try veil("decode", f.path(name), "-o", f.path("\(name).yuv"), "--view", "right")
        }
        #expect(try f.data("eyes.mp4.yuv") == f.data("eyes-live.mp4.yuv"))
        // What a movie said of them goes along.
        try veil("encrypt", f.path("eyes.mp4"), "-o", f.path("eyes-locked.mp4"), "--keys", f.path("keys.json"))
        #expect(try f.data("eyes-locked.mp4").range(of: eyes) != nil)
    }

    /// The base layer is a stream of its own, and a view is predicted from it.
    @Test func theOtherViewSavesBits() throws {
        let both = try coded("both.hevc")
        let simulcast = try coded("simulcast.hevc", ["--no-inter-layer"])
        try veil(
            "encode", f.path("left.y4m"), "-o", f.path("left.hevc"), "--layers", "1", "--qp", "28", "--preset", "fast")
        let left = try f.data("left.hevc")
        #expect(4 * (both.count - left.count) < 3 * (simulcast.count - left.count))
        try veil("extract", f.path("both.hevc"), "-o", f.path("base.hevc"), "--layer", "0")
        try veil("decode", f.path("base.hevc"), "-o", f.path("base.yuv"))
        try veil("decode", f.path("left.hevc"), "-o", f.path("left.yuv"))
        #expect(try f.data("base.yuv") == f.data("left.yuv"))
    }

    /// A key a view: the second eye can be the one that is paid for.
    @Test(arguments: ["paper", "maximal"])
    func eachViewHasItsKey(profile: String) throws {
        let clear = try coded("key-\(profile).hevc", ["--keyint", "5"])
        let keys = ["--keys", f.path("keys.json"), "--profile", profile, "--nonce", Self.nonce]
        for scheme in ["all", "el"] {
            let name = "key-\(profile)-\(scheme)"
            let inLoop = try coded("\(name).hevc", ["--keyint", "5", "--scheme", scheme] + keys)
            let run = try Run(
                ["encrypt", f.path("key-\(profile).hevc"), "-o", f.path("\(name)-after.hevc"), "--scheme", scheme]
                    + keys)
            #expect(run.status == 0, "\(run.errors)")
            #expect(try inLoop == f.data("\(name)-after.hevc"))
            #expect(inLoop != clear)
            try veil(
                "decrypt", f.path("\(name).hevc"), "-o", f.path("\(name)-clear.hevc"), "--keys", f.path("keys.json"))
            #expect(try f.data("\(name)-clear.hevc") == clear)
        }
        // Without keys: the left eye's view whole, the right eye's broken.
        func decoded(_ stream: String, _ view: String, _ more: [String] = []) throws -> Data {
            let run = try Run(["decode", f.path(stream), "-o", "-", "--view", view] + more)
            #expect(run.status == 0, "\(run.errors)")
            return run.output
        }
        let stream = "key-\(profile)-el.hevc"
        for view in ["left", "right"] {
            let whole = try decoded("key-\(profile).hevc", view)
            #expect(try (decoded(stream, view) == whole) == (view == "left"))
            #expect(try decoded(stream, view, ["--keys", f.path("keys.json")]) == whole)
        }
    }

    @Test func threadsChangeNothing() throws {
        let one = try coded("threads-1.hevc", ["--threads", "1"])
        #expect(try coded("threads-3.hevc", ["--threads", "3"]) == one)
        #expect(try coded("threads-rows.hevc", ["--threads", "3", "--wpp"]) == one)
    }

    /// What goes wrong is said in a line that names the file.
    @Test func viewsThatDoNotGoTogether() throws {
        func write(_ name: String, _ data: Data) throws { try data.write(to: URL(fileURLWithPath: f.path(name))) }
        try write("wide.y4m", Self.clip(isRight: true, width: 208))
        try write("fast.y4m", Self.clip(isRight: true, rate: "30:1"))
        try write("short.y4m", Self.clip(isRight: true, frames: 6))
        let wide = try encode("no.hevc", right: "wide.y4m")
        #expect(wide.status == 1 && wide.errors.contains("wide.y4m: is 208x112, 8 bit, the other view 192x112, 8 bit"))
        // What is said of the samples goes for both views.
        let clip = String(decoding: Self.clip(isRight: true).prefix(100), as: UTF8.self).split(separator: "\n")[0]
        for (tag, line) in [
            (" XCOLORRANGE=FULL", "other.y4m: has full range, the other view limited range"),
            (" A15:16", "other.y4m: has samples of 15:16, the other view of 1:1"),
        ] {
            let header = clip.split(separator: " ").filter { !$0.hasPrefix("A") || tag.contains("RANGE") }
            let rest = Self.clip(isRight: true).dropFirst(clip.utf8.count)
            try write("other.y4m", Data((header.joined(separator: " ") + tag).utf8) + rest)
            let other = try encode("no.hevc", right: "other.y4m")
            #expect(other.status == 1 && other.errors.contains(line), "\(other.errors)")
        }
        let fast = try encode("no.hevc", right: "fast.y4m")
        #expect(fast.status == 1 && fast.errors.contains("fast.y4m: has 30/1 frames a second, the other view 25/1"))
        #expect(try encode("yes.hevc", ["--fps", "25"], right: "fast.y4m").status == 0)
        #expect(!FileManager.default.fileExists(atPath: f.path("no.hevc")))
        let short = try encode("short.hevc", right: "short.y4m")
        #expect(short.status == 2 && short.errors.contains("short.y4m ends before the other view: 6 pictures of both"))
        let inspected = try veil("inspect", f.path("short.hevc"))
        #expect(String(decoding: inspected.output, as: UTF8.self).contains("right eye, 6 pictures"))
        #expect(try encode("cut.hevc", ["--frames", "6"], right: "short.y4m").status == 0)
        // A view out of a stereo stream is that of one eye, and it is said which.
        _ = try coded("source.hevc")
        let again = try encode("again.hevc", right: "source.hevc")
        #expect(
            again.status == 0 && again.errors.contains("source.hevc: left eye is taken (layer 0)"), "\(again.errors)")
        let left = try Run([
            "encode", f.path("short.y4m"), f.path("right.y4m"), "-o", f.path("short.hevc"), "--layers", "view",
        ])
        #expect(left.status == 2 && left.errors.contains("short.y4m ends before the other view"))
    }

    @Test(
        arguments: [
            (["L", "--layers", "view"], "takes two inputs"), (["L", "R", "--layers", "2x"], "takes --layers view"),
            (["L", "R"], "takes --layers view"), (["L", "R", "--layers", "2x,view"], "'view' comes first"),
            (["L", "R", "--layers", "view,640x360"], "'640x360' is none of"),
            (["L", "R", "--layers", "view,2x", "--alpha", "L"], "--alpha goes with a single layer"),
            (["L", "R", "--layers", "view,2x", "--depth", "8,8,8,10"], "a view of 10 bit, the other one of 8 bit"),
            (["L", "R", "--layers", "view,2x,2x,2x,2x"], "no more than 8 layers"),
            (["L", "--layers", "view,2x"], "takes two inputs"),
            (["L", "R", "--layers", "view", "--depth", "8,10"], "a view of 10 bit, the other one of 8 bit"),
            (["L", "R", "--layers", "view", "--lower-sources", "L"], "no --lower-sources"),
            (["-", "-", "--layers", "view"], "both views from standard input"),
        ])
    func optionsThatDoNotGoTogether(arguments: [String], message: String) throws {
        let paths = ["L": f.path("left.y4m"), "R": f.path("right.y4m")]
        let run = try Run(["encode", "-o", f.path("not.hevc")] + arguments.map { paths[$0] ?? $0 })
        #expect(run.status == 64 && run.errors.contains(message), "\(run.errors)")
        #expect(!FileManager.default.fileExists(atPath: f.path("not.hevc")))
    }

    @Test func layerFilesTakeViews() throws {
        func encode(_ text: String, _ name: String) throws -> Run {
            try Data(text.utf8).write(to: URL(fileURLWithPath: f.path("views.yaml")))
            return try Run([
                "encode", f.path("left.y4m"), "-o", f.path(name), "--layer-file", f.path("views.yaml"), "--preset",
                "fast",
            ])
        }
        let run = try encode(
            "layers:\n - {qp: 28}\n - {view: true, source: \(f.path("right.y4m")), qp: 28}\n", "file.hevc")
        #expect(run.status == 0, "\(run.errors)")
        #expect(try f.data("file.hevc") == coded("options.hevc"))
        for (text, message) in [
            ("layers:\n - {qp: 28}\n - {view: true}\n", "views.yaml:3: a view needs 'source'"),
            ("layers:\n - {qp: 28}\n - {view: 2}\n", "'view' takes true"),
            (
                "layers:\n - {ratio: 2x}\n - {view: true, source: x.y4m}\n",
                "the top layer of a view has a size, and no ratio"
            ),
            (
                "layers:\n - {ratio: 2x}\n - {}\n - {view: true}\n - {view: true, source: x.y4m, references: [0]}\n",
                "cannot be predicted from layer 0, another view of another size"
            ),
            (
                "layers:\n - {ratio: 2x}\n - {}\n - {view: true, source: x.y4m}\n - {view: true, source: x.y4m}\n",
                "the views' smaller pictures are made of the largest ones"
            ),
            (
                "layers:\n - {ratio: 2x}\n - {view: true}\n - {}\n - {view: true, source: x.y4m}\n",
                "the first one's layers come first"
            ),
            (
                "layers:\n - {ratio: 2x}\n - {}\n - {view: true, source: x.y4m}\n",
                "then as many of the second one"
            ),
        ] {
            let run = try encode(text, "never.hevc")
            #expect(run.status == 64 && run.errors.contains(message), "\(run.errors)")
        }
    }

    @Test func codingBlocksAreOfOneSize() throws {
        let run = try encode("not.hevc", ["--x265-options", "min-cu-size=16"])
        #expect(run.status == 1 && run.errors.contains("coding blocks of 8x8"), "\(run.errors)")
    }
}

extension Fixture {
    fileprivate func has(_ name: String) -> Bool { FileManager.default.fileExists(atPath: path(name)) }
}
