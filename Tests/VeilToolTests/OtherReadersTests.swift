// SPDX-License-Identifier: GPL-2.0-or-later
import Foundation
import Testing

/// PyAV in the virtual environment that Scripts/prepare-pyav makes: FFmpeg's libraries, of a version of their own.
let pyav: URL? = {
    let python = Run.root.appendingPathComponent(".build/pyav/bin/python")
    let run = try? Run(python, ["-c", "import av"])
    return run?.status == 0 ? python : nil
}()

private let browser = ["chromium", "chromium-browser", "google-chrome"].lazy.compactMap(Run.find).first

/// MP4 in fragments, and what other programs make of files of Veil's.
@Suite(.enabled(if: Fixture.canEncode, "libx265 is not built in"))
struct OtherReadersTests {
    static let decodeByPyAV = """
        import av, sys
        # Of layers above the base layer FFmpeg's probing makes nothing: what a byte stream is has to be said.
        with av.open(sys.argv[1], format="hevc" if sys.argv[1].endswith(".hevc") else None) as f:
            for frame in f.decode(video=0):
                for i, plane in enumerate(frame.planes):
                    depth = 2 if "10" in frame.format.name else 1
                    rows = bytes(plane)
                    for y in range(plane.height):
                        start = y * plane.line_size
                        sys.stdout.buffer.write(rows[start:start + plane.width * depth])
        """

    /// Written to a pipe and read from one, all layers are those of the byte stream; encryption goes through as well.
    @Test(arguments: [[], ["--scheme", "all", "--authenticate"]])
    func fragmentsThroughPipes(protection: [String]) throws {
        let f = try Fixture.shared.get()
        func p(_ name: String) -> String { f.path("fragments\(protection.count)-" + name) }
        let keys = protection.isEmpty ? [] : ["--keys", f.path("keys.json")]
        let options = ["--layers", "2x", "--keyint", "4", "--qp", "30,28"] + protection + keys
        let made = try Run(["encode", f.path("clip.y4m"), "-o", "-", "--fragmented"] + options)
        try #require(made.status == 0, "\(made.errors)")
        let pieces = made.output
        #expect(pieces[4..<8] == Data("ftyp".utf8))
        #expect(Self.count("moof", in: pieces) == 3 && Self.count("moov", in: pieces) == 1)
        let whole = try Run(["encode", f.path("clip.y4m"), "-o", p("whole.hevc")] + options)
        try #require(whole.status == 0, "\(whole.errors)")
        for layer in ["0", "1"] {
            let decoded = try Run(["decode", "-", "-o", "-", "--layer", layer] + keys, input: pieces)
            #expect(decoded.status == 0, "\(decoded.errors)")
            let wanted = try Run(["decode", p("whole.hevc"), "-o", "-", "--layer", layer] + keys)
            #expect(decoded.output == wanted.output && !wanted.output.isEmpty)
        }
        if protection.isEmpty {
            // The same pictures after encryption from pipe to pipe, and back.
            let secret = try Run(
                ["encrypt", "-", "-o", "-", "--fragmented", "--keys", f.path("keys.json")], input: pieces)
            try #require(secret.status == 0, "\(secret.errors)")
            let clear = try Run(
                ["decrypt", "-", "-o", "-", "--fragmented", "--keys", f.path("keys.json")], input: secret.output)
            try #require(clear.status == 0, "\(clear.errors)")
            #expect(clear.output == pieces && secret.output != pieces)
        }
    }

    /// The first bytes leave before the source ends.
    @Test func fragmentsComeAtOnce() throws {
        let f = try Fixture.shared.get()
        let process = Process()
        process.executableURL = Run.veil
        process.arguments = [
            "encode", "-", "-o", "-", "--fragmented", "--layers", "1", "--preset", "ultrafast", "--keyint", "2",
            "--x265-options", "rc-lookahead=0,bframes=0,frame-threads=1", "--threads", "1",
        ]
        let (input, output) = (Pipe(), Pipe())
        process.standardInput = input
        process.standardOutput = output
        process.standardError = FileHandle.nullDevice
        signal(SIGPIPE, SIG_IGN)
        try process.run()
        let deadline = Deadline(process, seconds: 900)
        try input.fileHandleForWriting.write(contentsOf: f.data("clip.y4m"))
        // The pipe stays open: this returns when the program has something to give.
        let first = output.fileHandleForReading.availableData
        #expect(first.count > 8 && first[first.startIndex + 4..<first.startIndex + 8] == Data("ftyp".utf8))
        try input.fileHandleForWriting.close()
        _ = output.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        deadline.end("a live pipe")
        #expect(process.terminationStatus == 0)
    }

    @Test func fragmentsHoldOneSampleEntry() throws {
        let f = try Fixture.shared.get()
        try veil("encode", f.path("clip.y4m"), "-o", f.path("entry-a.hevc"), "--layers", "1", "--qp", "30")
        try veil("encode", f.path("clip.y4m"), "-o", f.path("entry-b.hevc"), "--layers", "2x", "--qp", "30,30")
        let run = try Run(
            ["join", f.path("entry-a.hevc"), f.path("entry-b.hevc"), "-o", f.path("entry.mp4"), "--fragmented"])
        #expect(run.status == 1 && run.errors.contains("parameter sets change"), "\(run.errors)")
        #expect(!FileManager.default.fileExists(atPath: f.path("entry.mp4")))
        let named = try Run([
            "extract", f.path("entry-a.hevc"), "-o", f.path("entry.mkv"), "--layer", "0", "--fragmented",
        ])
        #expect(named.status != 0 && named.errors.contains("named otherwise"), "\(named.errors)")
    }

    /// Samples of the base layer out of whole files and fragments, encrypted and clear, and every picture in its place.
    @Test(
        .enabled(if: pyav != nil, "PyAV is not here: Scripts/prepare-pyav"), arguments: ["none", "all"], [false, true])
    func ffmpegLibrariesReadTheBaseLayer(scheme: String, fragmented: Bool) throws {
        let f = try Fixture.shared.get()
        let name = "pyav-\(scheme)-\(fragmented)"
        let run = try Run(
            [
                "encode", f.path("clip.y4m"), "-o", f.path("\(name).mp4"), "--layers", "2x", "--keyint", "4",
                "--scheme", scheme, "--keys", f.path("keys.json"),
            ] + (fragmented ? ["--fragmented"] : []))
        try #require(run.status == 0, "\(run.errors)")
        try veil("decode", f.path("\(name).mp4"), "-o", f.path("\(name).yuv"), "--layer", "0")
        let theirs = try Run(try #require(pyav), ["-c", Self.decodeByPyAV, f.path("\(name).mp4")])
        #expect(theirs.status == 0, "\(theirs.errors)")
        #expect(try theirs.output == f.data("\(name).yuv"))
    }

    /// The byte stream itself: SPSs of upper layers that leave their format to the VPS cost FFmpeg 8 a picture of the
    /// base layer at each IRAP picture.
    @Test(
        .enabled(if: pyav != nil, "PyAV is not here: Scripts/prepare-pyav"),
        arguments: ["2x", "1.5x,2x", "snr", "2x --scheme all", "2x --depth 8,10"])
    func ffmpegLibrariesReadTheBaseLayerOfByteStreams(options: String) throws {
        let f = try Fixture.shared.get()
        let name = "bare-\(options.filter { $0.isLetter || $0.isNumber })"
        try veil(
            ["encode", f.path("clip.y4m"), "-o", f.path("\(name).hevc"), "--keyint", "4", "--keys"]
                + [f.path("keys.json"), "--layers"] + options.split(separator: " ").map(String.init)
                + (options.contains("scheme") ? [] : ["--scheme", "none"]))
        try veil("decode", f.path("\(name).hevc"), "-o", f.path("\(name).yuv"), "--layer", "0")
        let theirs = try Run(try #require(pyav), ["-c", Self.decodeByPyAV, f.path("\(name).hevc")])
        #expect(theirs.status == 0, "\(theirs.errors)")
        #expect(try theirs.output == f.data("\(name).yuv"))
    }

    /// Files that FFmpeg's libraries write are read, in fragments too: every NAL unit comes through.
    @Test(
        .enabled(if: pyav != nil, "PyAV is not here: Scripts/prepare-pyav"),
        arguments: ["", "frag_keyframe+empty_moov"])
    func filesOfFFmpegLibrariesAreRead(flags: String) throws {
        let f = try Fixture.shared.get()
        let name = "pyav-written-\(flags.count)"
        try veil("encode", f.path("clip.y4m"), "-o", f.path("\(name).mp4"), "--layers", "1", "--keyint", "4")
        let copy = """
            import av, sys
            options = {"movflags": sys.argv[3]} if sys.argv[3] else {}
            with av.open(sys.argv[1]) as i, av.open(sys.argv[2], "w", options=options) as o:
                s = o.add_stream_from_template(i.streams.video[0])
                for p in i.demux(video=0):
                    if p.dts is not None:
                        p.stream = s
                        o.mux(p)
            """
        let made = try Run(
            try #require(pyav), ["-c", copy, f.path("\(name).mp4"), f.path("\(name)-copy.mp4"), flags])
        try #require(made.status == 0, "\(made.errors)")
        for suffix in ["", "-copy"] {
            try veil("decode", f.path("\(name)\(suffix).mp4"), "-o", f.path("\(name)\(suffix).yuv"))
        }
        #expect(try f.data("\(name).yuv") == f.data("\(name)-copy.yuv"))
        // Upper layers lose their parameter sets: that is named, and the base layer is whole.
        try veil("encode", f.path("clip.y4m"), "-o", f.path("\(name).mp4"), "--layers", "2x", "--keyint", "4")
        let layers = try Run(
            try #require(pyav), ["-c", copy, f.path("\(name).mp4"), f.path("\(name)-copy.mp4"), flags])
        try #require(layers.status == 0, "\(layers.errors)")
        let run = try Run(["decode", f.path("\(name)-copy.mp4"), "-o", f.path("\(name)-copy.yuv")])
        #expect(run.errors.contains("layer 1 cannot be decoded: its parameter sets are missing"), "\(run.errors)")
        try veil("decode", f.path("\(name).mp4"), "-o", f.path("\(name).yuv"), "--layer", "0")
        #expect(try f.data("\(name).yuv") == f.data("\(name)-copy.yuv"))
    }

    /// The page of a package runs: it plays, or says that it cannot.
    @Test(.enabled(if: browser != nil, "no Chromium is here"))
    func thePageOfAPackageRuns() throws {
        let f = try Fixture.shared.get()
        try veil("encode", f.path("clip.y4m"), "-o", f.path("paged.mp4"), "--layers", "2x", "--keyint", "4")
        try veil("package", f.path("paged.mp4"), "-o", f.path("paged"), "--segment", "0")
        let run = try Run(
            try #require(browser),
            [
                "--headless", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=5000", "--dump-dom",
                "file://" + f.path("paged/index.html"),
            ])
        let page = String(decoding: run.output, as: UTF8.self)
        #expect(page.contains(#"data-state="said""#) && !page.contains("needs JavaScript"), "\(page)")
        #expect(page.contains("lhv1.7."))
    }

    private static func count(_ type: String, in data: Data) -> Int {
        var count = 0
        var at = data.startIndex
        while data.endIndex - at >= 8 {
            if data[(at + 4)..<(at + 8)] == Data(type.utf8) { count += 1 }
            let size = data[at..<(at + 4)].reduce(0) { $0 << 8 | Int($1) }
            if size < 8 { break }
            at += size
        }
        return count
    }
}
