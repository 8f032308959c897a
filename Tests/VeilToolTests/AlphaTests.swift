// SPDX-License-Identifier: GPL-2.0-or-later
import Foundation
import Testing
import Veil

/// Pictures and their alpha, an auxiliary layer: as it was coded, with its own key, and as FFmpeg's libraries have it.
@Suite(.enabled(if: Fixture.canEncode, "libx265 is not built in"))
struct AlphaTests {
    let f: Fixture
    private static let (width, height, frames) = (Fixture.width, Fixture.height, Fixture.frames)

    init() throws {
        f = try Fixture.shared.get()
        let path = f.path("alpha.y4m")
        if !FileManager.default.fileExists(atPath: path) {
            try Self.clip().write(to: URL(fileURLWithPath: path), options: .atomic)
        }
    }

    /// A soft disc that moves; opaque inside, transparent outside.
    private static func clip(width: Int = width, rate: String = "25:1") -> Data {
        var bytes = Array("YUV4MPEG2 W\(width) H\(height) F\(rate) Ip A1:1 Cmono\n".utf8)
        for n in 0..<frames {
            bytes += Array("FRAME\n".utf8)
            for y in 0..<height {
                for x in 0..<width {
                    let (dx, dy) = (x - 40 - 4 * n, y - 48)
                    bytes.append(UInt8(clamping: 255 - (dx * dx + dy * dy - 900) / 4))
                }
            }
        }
        return Data(bytes)
    }

    @discardableResult
    private func encode(_ name: String, _ options: [String]) throws -> Run {
        let run = try Run(
            ["encode", f.path("clip.y4m"), "--alpha", f.path("alpha.y4m"), "-o", f.path(name)]
                + (options.contains("--crf") ? [] : ["--qp", "28,22"]) + options)
        try #require(run.status == 0, "\(run.errors)")
        return run
    }

    /// FFmpeg's libraries give the fourth plane where get_format takes the first format, as its program does.
    private static let decodeByFFmpeg = """
        import av, ctypes, glob, sys
        folder = sys.prefix + "/lib/python3*/site-packages/av.libs/"
        codec = ctypes.CDLL(glob.glob(folder + "libavcodec*")[0])
        util = ctypes.CDLL(glob.glob(folder + "libavutil*")[0])
        P = ctypes.c_void_p
        for function in (codec.avcodec_find_decoder_by_name, codec.avcodec_alloc_context3, codec.av_packet_alloc,
                         util.av_frame_alloc):
            function.restype = P
        util.av_get_pix_fmt_name.restype = ctypes.c_char_p
        decoder = P(codec.avcodec_find_decoder_by_name(b"hevc"))
        context = P(codec.avcodec_alloc_context3(decoder))
        first = ctypes.CFUNCTYPE(ctypes.c_int, P, ctypes.POINTER(ctypes.c_int))(lambda _, formats: formats[0])
        words = (ctypes.c_uint64 * 100).from_address(context.value)
        default = ctypes.cast(codec.avcodec_default_get_format, P).value
        words[[i for i in range(100) if words[i] == default][0]] = ctypes.cast(first, P).value
        assert codec.avcodec_open2(context, decoder, None) == 0
        packet, frame = P(codec.av_packet_alloc()), P(util.av_frame_alloc())
        out = [open(path, "wb") for path in sys.argv[2:]]
        def receive():
            while codec.avcodec_receive_frame(context, frame) == 0:
                data = (ctypes.c_uint64 * 8).from_address(frame.value)
                lines = (ctypes.c_int * 8).from_address(frame.value + 64)
                width, height, _, number = (ctypes.c_int * 4).from_address(frame.value + 104)
                name = util.av_get_pix_fmt_name(number).decode()
                assert "yuva" in name, name
                for i in range(4):
                    w, h = (width, height) if i in (0, 3) else ((width + 1) // 2, (height + 1) // 2)
                    size = w * (2 if "10" in name else 1)
                    for y in range(h):
                        out[i == 3].write(ctypes.string_at(data[i] + y * lines[i], size))
        with av.open(sys.argv[1], format="hevc") as f:
            for part in f.demux(f.streams.video[0]):
                data = bytes(part)
                if not data:
                    continue
                buffer = ctypes.create_string_buffer(data + bytes(64))
                ctypes.c_uint64.from_address(packet.value + 24).value = ctypes.addressof(buffer)
                ctypes.c_int.from_address(packet.value + 32).value = len(data)
                assert codec.avcodec_send_packet(context, packet) == 0
                receive()
        codec.avcodec_send_packet(context, None)
        receive()
        """

    /// The encoder's reconstruction, what Veil decodes, and what FFmpeg's libraries decode.
    @Test(arguments: [
        [], ["--preset", "ultrafast", "--bframes", "0", "--slices", "2"], ["--depth", "10", "--crf", "26"],
        ["--preset", "slow", "--keyint", "4", "--no-pyramid"],
    ])
    func picturesAndAlphaDecode(options: [String]) throws {
        let name = "alpha-\(UUID().uuidString)"
        try encode("\(name).hevc", ["--recon", f.path(name), "--hash"] + options)
        for (layer, choice) in [["--layer", "0"], ["--alpha"]].enumerated() {
            let run = try Run(
                ["decode", f.path("\(name).hevc"), "-o", f.path("\(name)-\(layer).y4m"), "--verify"] + choice)
            #expect(run.status == 0 && run.errors.contains("\(Self.frames) picture hashes checked, 0 differ"))
            #expect(try f.data("\(name)-\(layer).y4m") == f.data("\(name)/layer\(layer).y4m"))
            _ = try Run(["decode", f.path("\(name).hevc"), "-o", f.path("\(name)-\(layer).yuv")] + choice)
        }
        let inspected = try veil("inspect", f.path("\(name).hevc"))
        #expect(String(decoding: inspected.output, as: UTF8.self).contains("alpha, \(Self.frames) pictures"))
        // The pictures are a stream of one layer's, whoever plays them.
        try veil("extract", f.path("\(name).hevc"), "-o", f.path("\(name)-base.hevc"), "--layer", "0")
        try veil("decode", f.path("\(name)-base.hevc"), "-o", f.path("\(name)-base.yuv"))
        #expect(try f.data("\(name)-base.yuv") == f.data("\(name)-0.yuv"))
        guard let pyav else { return }
        let theirs = try Run(
            pyav,
            [
                "-c", Self.decodeByFFmpeg, f.path("\(name).hevc"), f.path("\(name)-ff.yuv"), f.path("\(name)-ffa.yuv"),
            ])
        try #require(theirs.status == 0, "\(theirs.errors)")
        #expect(try f.data("\(name)-ff.yuv") == f.data("\(name)-0.yuv"))
        let size = options.contains("10") ? 2 : 1
        let luma = Self.width * Self.height * size
        let ours = try f.data("\(name)-1.yuv")
        let planes = (0..<Self.frames).map { ours[($0 * luma * 3 / 2)...].prefix(luma) }
        #expect(try f.data("\(name)-ffa.yuv") == planes.reduce(into: Data()) { $0 += $1 })
    }

    /// Near enough to the source where bits are not wanting, and opaque is opaque with more bits.
    @Test func alphaIsTheSources() throws {
        try encode("near.hevc", ["--qp", "30,4", "--depth", "10"])
        try veil("decode", f.path("near.hevc"), "-o", f.path("near.yuv"), "--alpha")
        let decoded = try f.data("near.yuv")
        let luma = Self.clip().suffix(Self.width * Self.height)
        let start = decoded.count - Self.width * Self.height * 3
        var worst = 0
        for (i, sample) in luma.enumerated() {
            let value = Int(decoded[start + 2 * i]) | Int(decoded[start + 2 * i + 1]) << 8
            worst = max(worst, abs(value - (Int(sample) * 1023 + 127) / 255))
        }
        #expect(worst <= 8, "\(worst)")
    }

    /// Alpha has its own key, in the loop as after it.
    @Test(arguments: ["all", "el", "bl"], ["paper", "maximal"])
    func alphaHasItsKey(scheme: String, profile: String) throws {
        let name = "alpha-\(scheme)-\(profile)"
        let keys = [
            "--scheme", scheme, "--profile", profile, "--keys", f.path("keys.json"), "--nonce",
            "000102030405060708090a0b0c0d0e0f",
        ]
        try encode("\(name).hevc", [])
        let clear = try f.data("\(name).hevc")
        try encode("\(name)-in.hevc", keys)
        let run = try Run(["encrypt", f.path("\(name).hevc"), "-o", f.path("\(name)-after.hevc")] + keys)
        #expect(run.status == 0, "\(run.errors)")
        #expect(try f.data("\(name)-in.hevc") == f.data("\(name)-after.hevc"))
        try veil("decrypt", f.path("\(name)-in.hevc"), "-o", f.path("\(name)-back.hevc"), "--keys", f.path("keys.json"))
        #expect(try f.data("\(name)-back.hevc") == clear)
        for (i, choice) in [["--layer", "0"], ["--alpha"]].enumerated() {
            let whole = try Run(["decode", f.path("\(name).hevc"), "-o", "-"] + choice).output
            let locked = try Run(["decode", f.path("\(name)-in.hevc"), "-o", "-"] + choice)
            #expect(locked.status == 0)
            #expect((locked.output == whole) == (scheme == (i == 0 ? "el" : "bl")))
        }
    }

    /// MP4 keeps alpha, and the plane of alpha of what ffmpeg reads is taken.
    @Test func filesAndOtherSources() throws {
        try encode("film.hevc", [])
        try encode("film.mp4", [])
        for name in ["film.hevc", "film.mp4"] {
            try veil("decode", f.path(name), "-o", f.path("\(name)-alpha.yuv"), "--alpha")
        }
        #expect(try f.data("film.hevc-alpha.yuv") == f.data("film.mp4-alpha.yuv"))
        guard let ffmpeg = Run.find("ffmpeg") else { return }
        let made = try Run(
            ffmpeg,
            [
                "-v", "error", "-y", "-i", f.path("clip.y4m"), "-i", f.path("alpha.y4m"), "-filter_complex",
                "[0:v][1:v]alphamerge,format=yuva420p", "-c:v", "ffv1", f.path("film.mkv"),
            ])
        try #require(made.status == 0, "\(made.errors)")
        let run = try veil(
            "encode", f.path("film.mkv"), "--alpha", f.path("film.mkv"), "-o", f.path("plane.hevc"), "--qp", "28,22")
        #expect(!run.errors.contains("left out"), "\(run.errors)")
        try veil("decode", f.path("plane.hevc"), "-o", f.path("plane.yuv"), "--alpha")
        #expect(try f.data("plane.yuv") == f.data("film.hevc-alpha.yuv"))
    }

    @Test(arguments: [
        (["--alpha", "ALPHA", "--layers", "2x"], "--alpha goes with a single layer of pictures"),
        (["--layers", "alpha"], "--layers alpha takes --alpha"),
        (["--alpha", "ALPHA", "--depth", "8,10"], "layer 1: alpha of 10 bit, the pictures of 8 bit"),
        (["--alpha", "WIDE"], "is 144x96, the pictures 128x96"),
        (["--alpha", "FAST"], "has 30/1 frames a second, the pictures 25/1"),
        (["--alpha", "ALPHA", "--lower-sources", "ALPHA"], "goes with no --lower-sources"),
        (["--alpha", "ALPHA", "--layers", "alpha,2x"], "--alpha goes with a single layer of pictures"),
    ])
    func whatDoesNotGoTogether(options: [String], message: String) throws {
        try Self.clip(width: 144).write(to: URL(fileURLWithPath: f.path("alpha-wide.y4m")), options: .atomic)
        try Self.clip(rate: "30:1").write(to: URL(fileURLWithPath: f.path("alpha-fast.y4m")), options: .atomic)
        let paths = [
            "ALPHA": f.path("alpha.y4m"), "WIDE": f.path("alpha-wide.y4m"), "FAST": f.path("alpha-fast.y4m"),
        ]
        let run = try Run(
            ["encode", f.path("clip.y4m"), "-o", f.path("no-alpha.hevc")] + options.map { paths[$0] ?? $0 })
        #expect(run.status != 0 && run.errors.contains(message), "\(run.errors)")
        #expect(!FileManager.default.fileExists(atPath: f.path("no-alpha.hevc")))
    }

    /// The library makes the program's bytes.
    @Test func theLibraryIsTheSame() throws {
        try encode("library.hevc", [])
        var settings = VideoEncoder.Settings(width: Self.width, height: Self.height)
        settings.layers = try .init("alpha")
        settings.layers.setRates(.qp(28), .qp(22))
        settings.colour.chromaLocation = nil
        let encoder = try VideoEncoder(settings: settings)
        let (size, header) = (Self.width * Self.height, 6)
        func frame(_ clip: Data, _ n: Int, _ bytes: Int) -> [UInt8] {
            let start = clip.firstIndex(of: 10).map { $0 + 1 } ?? 0
            return [UInt8](clip[(start + n * (bytes + header) + header)...].prefix(bytes))
        }
        var bytes: [UInt8] = []
        for n in 0..<Self.frames {
            let picture = try VideoPicture(
                i420: frame(f.data("clip.y4m"), n, size * 3 / 2), width: Self.width, height: Self.height)
            let alpha = try VideoPicture(
                width: Self.width, height: Self.height, chromaFormat: .monochrome,
                planes: [frame(Self.clip(), n, size).map(UInt16.init)])
            bytes += try encoder.push(picture, layers: [1: alpha]).flatMap(\.bytes)
        }
        bytes += try encoder.finish().flatMap(\.bytes)
        #expect(try bytes == [UInt8](f.data("library.hevc")))
    }
}
