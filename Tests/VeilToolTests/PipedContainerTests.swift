// SPDX-License-Identifier: GPL-2.0-or-later
import Foundation
import Testing
import VeilBitstream

/// Containers through pipes are coded as the files that they are of; and what else does not come along is told.
@Suite(.enabled(if: Fixture.canEncode && Run.find("ffmpeg") != nil, "libx265 is not built in, or ffmpeg is not here"))
struct PipedContainerTests {
    let f: Fixture
    private func p(_ name: String) -> String { f.path("piped-" + name) }
    private static let options = ["--layers", "1", "--preset", "ultrafast", "--qp", "24"]

    init() throws { f = try Fixture.shared.get() }

    private func make(_ name: String, _ options: [String]) throws {
        let ffmpeg = try #require(Run.find("ffmpeg"))
        let run = try Run(ffmpeg, ["-v", "error", "-y"] + options + [p(name)])
        try #require(run.status == 0, "\(run.errors)")
    }

    /// What ffprobe says of a file.
    private func asked(_ words: [String], _ name: String) throws -> String {
        let ffprobe = try #require(Run.find("ffprobe"))
        let run = try Run(ffprobe, ["-v", "error"] + words + ["-of", "csv=p=0", p(name)])
        return String(decoding: run.output, as: UTF8.self)
    }

    /// Depth, colour, range, times and what is left out: of MP4 that Veil decodes itself, and of what ffmpeg does.
    @Test(arguments: [
        (
            "ten.mp4",
            ["-pix_fmt", "yuv420p10le", "-c:v", "libx264", "-color_primaries", "bt2020", "-color_range", "pc"]
        ),
        ("uneven.mp4", ["-c:v", "libx264", "-vf", "select=not(eq(n\\,3))", "-fps_mode", "vfr"]),
        ("ours.mp4", ["-c:v", "libx265", "-x265-params", "log-level=none"]),
        ("late.mkv", ["-c:v", "libx264"]),
    ])
    func asTheFileItIs(name: String, options: [String]) throws {
        // Sound begins before the pictures.
        let inputs = ["-itsoffset", "0.03", "-i", f.path("clip.y4m"), "-f", "lavfi", "-i", "sine=d=0.4"]
        try make(name, inputs + ["-map", "0", "-map", "1", "-c:a", "aac", "-fps_mode", "passthrough"] + options)
        let data = try f.data("piped-" + name)
        try veil(["encode", p(name), "-o", p(name + ".file.hevc")] + Self.options)
        let run = try veil(["encode", "-", "-o", p(name + ".pipe.hevc")] + Self.options, input: data)
        #expect(try f.data("piped-\(name).file.hevc") == f.data("piped-\(name).pipe.hevc"), "\(run.errors)")
        let kept = try veil(["encode", "-", "-o", p(name + ".pipe.mp4")] + Self.options, input: data)
        #expect(kept.errors.contains("takes the video only: sound is kept of files"), "\(kept.errors)")
        let inspected = try veil("inspect", p(name + ".pipe.hevc"))
        let told = String(decoding: inspected.output, as: UTF8.self)
        #expect(told.contains("\(Fixture.frames) pictures"), "\(told)")
    }

    /// What a container calls its video stays, into whatever container it is coded.
    @Test func languageAndName() throws {
        try make(
            "named.mkv",
            [
                "-i", f.path("clip.y4m"), "-f", "lavfi", "-i", "sine=d=0.4", "-map", "0", "-map", "1", "-c:v",
                "libx264",
                "-metadata:s:v", "language=jpn", "-metadata:s:v", "title=Main picture", "-metadata:s:a", "language=deu",
                "-metadata:s:a", "title=Speech",
            ])
        try veil(["encode", p("named.mkv"), "-o", p("coded.mkv")] + Self.options)
        let told = try asked(["-show_entries", "stream_tags=language,title"], "coded.mkv")
        #expect(told.hasPrefix("jpn,Main picture") && told.contains("deu,Speech"), "\(told)")
        // So does the sound of a package.
        try veil(["encode", p("named.mkv"), "-o", p("coded.mp4")] + Self.options)
        try veil("package", p("coded.mp4"), "-o", p("site"))
        let manifest = try String(contentsOfFile: p("site/manifest.mpd"), encoding: .utf8)
        #expect(manifest.contains(#"lang="deu""#), "\(manifest)")
    }

    /// Pictures that are not evenly apart: parts last until the next one begins, and the whole is as it was.
    @Test func unevenPartsComeTogether() throws {
        try make(
            "apart.mp4",
            [
                "-i", f.path("clip.y4m"), "-f", "lavfi", "-i", "sine=d=0.5", "-map", "0", "-map", "1", "-c:v",
                "libx264",
                "-vf", "select=not(eq(n\\,3)+eq(n\\,4)),setpts=PTS+gt(N\\,5)*0.1/TB", "-fps_mode", "vfr", "-c:a", "aac",
            ])
        try veil(["encode", p("apart.mp4"), "-o", p("whole.mp4"), "--keyint", "4", "--qp", "30,28"])
        try veil("split", p("whole.mp4"), "-o", p("part-%d.mp4"))
        try veil("join", p("part-0.mp4"), p("part-1.mp4"), "-o", p("again.mp4"), "--continuous")
        func times(_ name: String) throws -> [String] {
            try ["v", "a"].map { try asked(["-select_streams", $0, "-show_entries", "packet=pts_time"], name) }
        }
        let (whole, again) = (try times("whole.mp4"), try times("again.mp4"))
        #expect(whole[0] == again[0] && whole[0].split(separator: "\n").count == Fixture.frames - 2)
        #expect(abs(whole[1].split(separator: "\n").count - again[1].split(separator: "\n").count) <= 1)
    }

    /// Nothing tells decoders of a byte stream, or of fragments, that pictures are further apart.
    @Test func thinnedStreams() throws {
        try veil(
            "encode", f.path("clip.y4m"), "-o", p("levels.mp4"), "--layers", "1", "--x265-options",
            "keyint=8,min-keyint=8,bframes=3,temporal-layers=1")
        for (name, isTold, more) in [
            ("thin.mp4", false, []), ("thin.hevc", true, []), ("thin-f.mp4", true, ["--fragmented"]),
        ] {
            let run = try veil(["extract", p("levels.mp4"), "-o", p(name), "--max-temporal-id", "0"] + more)
            #expect(run.errors.contains("evenly apart and play faster") == isTold, "\(name): \(run.errors)")
        }
    }
}
