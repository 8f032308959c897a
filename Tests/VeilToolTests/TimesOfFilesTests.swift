// SPDX-License-Identifier: GPL-2.0-or-later
import Foundation
import Testing

private let others = Run.find("ffmpeg") != nil && Run.find("ffprobe") != nil

/// Times, edit lists and tables of MP4 files as other programs write them.
@Suite(.enabled(if: Fixture.canEncode && others, "libx265 or ffmpeg is not here"))
struct TimesOfFilesTests: OtherPrograms {
    typealias B = BoxEditing

    /// Two seconds with sound of three, B pictures, and open groups of pictures: the tables come last.
    static let film: Result<String, any Error> = Result {
        let path = try Fixture.shared.get().path("times-film.mp4")
        let run = try Run(
            try #require(Run.find("ffmpeg")),
            ["-v", "error", "-y", "-f", "lavfi", "-i", "testsrc2=size=64x48:rate=25:duration=2"]
                + ["-f", "lavfi", "-i", "sine=duration=3", "-c:v", "libx265", "-tag:v", "hvc1"]
                + ["-x265-params", "log-level=error:keyint=25:min-keyint=25:scenecut=0:bframes=3:open-gop=1"]
                + ["-pix_fmt", "yuv420p", "-c:a", "aac", "-metadata", "creation_time=2020-02-03T04:05:06Z"]
                + ["-metadata:s:v", "language=deu", "-metadata:s:v", "handler_name=Pictures", path])
        try #require(run.status == 0, "\(run.errors)")
        return path
    }

    private func p(_ name: String) throws -> String { try Fixture.shared.get().path("times-" + name) }

    private func times(_ path: String, _ stream: String) throws -> [Double] {
        try told(path, "-select_streams", stream, "-show_entries", "packet=pts_time").compactMap { Double($0) }.sorted()
    }

    /// How long behind the last picture the last packet of sound comes.
    private func skew(_ path: String) throws -> Double {
        try (times(path, "a").last ?? -100) - (times(path, "v").last ?? 100)
    }

    /// QuickTime writes negative offsets into version 0, where the standard has none.
    private func negativeFilm() throws -> String {
        var file = try B(Self.film.get())
        let delay = B.number(file.payload(track: 0, "edts", "elst")[12..<16])
        try #require(delay > 0)
        file.change(track: 0, "mdia", "minf", "stbl", "ctts") { table in
            var table = table
            for entry in 0..<B.number(table[4..<8]) {
                let at = 12 + 8 * entry
                table.replaceSubrange(at..<at + 4, with: B.bytes(B.number(table[at..<at + 4]) - delay))
            }
            return table
        }
        file.setEdits(track: 0, [(2000, 0)])
        let path = try p("negative.mp4")
        try file.write(path)
        return path
    }

    @Test func negativeOffsets() throws {
        let film = try negativeFilm()
        let wanted = try times(film, "v")
        try veil("extract", film, "-o", p("negative.out.mp4"))
        #expect(try times(p("negative.out.mp4"), "v") == wanted)
        try veil("encode", film, "-o", p("negative.coded.mp4"), "--layers", "1", "--preset", "ultrafast")
        #expect(try times(p("negative.coded.mp4"), "v").count == 50)
        #expect(try abs(skew(p("negative.coded.mp4")) - skew(film)) < 0.002)
        try veil("split", film, "-o", p("negative-%d.mp4"))
        #expect(try abs((times(p("negative-0.mp4"), "a").last ?? 0) - 0.86) < 0.05)
        try veil("decode", film, "-o", p("negative.y4m"))
        #expect(try Fixture.shared.get().data("times-negative.y4m").prefix(64).contains(Array(" F25:1 ".utf8)))
        try veil("package", film, "-o", p("negative-site"))
        let manifest = try String(contentsOfFile: p("negative-site/manifest.mpd"), encoding: .utf8)
        #expect(manifest.contains("mediaPresentationDuration=\"PT3."), "\(manifest)")
    }

    /// Several pieces stay, or are named.
    @Test func severalPieces() throws {
        var file = try B(Self.film.get())
        let delay = B.number(file.payload(track: 0, "edts", "elst")[12..<16])
        let scale = B.number(file.payload(track: 0, "mdia", "mdhd")[12..<16])
        file.setEdits(track: 0, [(800, delay), (600, delay + scale)])
        file.setEdits(track: 1, [(800, 1024), (600, 1024 + 44100)])
        let (film, keys) = (try p("pieces.mp4"), try Fixture.shared.get().path("keys.json"))
        try file.write(film)
        try veil("encrypt", film, "-o", p("pieces.secret.mp4"), "--keys", keys)
        try veil("decrypt", p("pieces.secret.mp4"), "-o", p("pieces.again.mp4"), "--keys", keys)
        try veil("extract", film, "-o", p("pieces.all.mp4"))
        for name in ["pieces.again.mp4", "pieces.all.mp4"] {
            let copy = try B(p(name))
            for track in 0..<2 {
                #expect(copy.payload(track: track, "edts", "elst") == file.payload(track: track, "edts", "elst"))
            }
            #expect(try times(p(name), "v") == times(film, "v") && times(p(name), "a") == times(film, "a"))
        }
        for (verb, more) in [
            ("package", ["-o", try p("pieces-site")]), ("split", ["-o", try p("pieces-%d.mp4")]),
            ("join", [try p("pieces.all.mp4"), "-o", try p("pieces.joined.mp4")]),
            ("extract", ["-o", try p("pieces.mkv")]), ("extract", ["-o", try p("pieces.ts")]),
        ] {
            let run = try Run([verb, film] + more)
            #expect(run.status == 0 && run.errors.contains("edit list"), "\(verb): \(run.errors)")
        }
    }

    /// Out of MPEG-TS sound that begins behind the picture keeps its distance, by each way.
    @Test func lateSoundOfTransportStreams() throws {
        let film = try Self.film.get()
        try make("-i", film, "-itsoffset", "0.4", "-i", film, "-map", "0:v", "-map", "1:a", "-c", "copy", p("late.ts"))
        let wanted = try skew(p("late.ts"))
        for name in ["late.mp4", "late.mkv", "late.again.ts"] {
            try veil("extract", p("late.ts"), "-o", p(name))
            #expect(try abs(skew(p(name)) - wanted) < 0.03, "\(name)")
        }
        try veil("encode", p("late.ts"), "-o", p("late.coded.mp4"), "--layers", "1", "--preset", "ultrafast")
        #expect(try abs(skew(p("late.coded.mp4")) - wanted) < 0.03)
    }

    /// Pictures that an edit list hides, and such that come before the first that decoders begin with, keep their
    /// distance from the sound in Matroska and MPEG-TS, and what is encoded of them, too.
    @Test(arguments: ["hidden", "open"]) func syncInOtherContainers(kind: String) throws {
        let film = try Self.film.get()
        let source = try p("sync-\(kind).mp4")
        if kind == "hidden" {
            try make("-ss", "0.6", "-i", film, "-map", "0", "-c", "copy", source)
        } else {
            try veil("split", film, "-o", p("sync-part%d.mp4"))
            try make("-i", p("sync-part1.mp4"), "-map", "0", "-c", "copy", source)
        }
        let wanted = try skew(source)
        let count = try times(source, "v").count
        for suffix in ["mkv", "ts"] {
            let run = try veil("extract", source, "-o", p("sync-\(kind).out.\(suffix)"))
            #expect(run.errors.contains("edit list hides") == (kind == "hidden"), "\(run.errors)")
            let path = try p("sync-\(kind).out.\(suffix)")
            #expect(try abs(skew(path) - wanted) < 0.03, "\(suffix)")
            #expect(try Set(times(path, "v")).count == count, "\(suffix)")
        }
        for input in [source, try p("sync-\(kind).out.mkv")] {
            try veil("encode", input, "-o", input + ".coded.mp4", "--layers", "1", "--preset", "ultrafast")
            #expect(try abs(skew(input + ".coded.mp4") - wanted) < 0.03, "\(input)")
        }
    }

    /// Rates that vary stay in Matroska.
    @Test func varyingTimes() throws {
        var file = try B(Self.film.get())
        file.change(track: 0, "mdia", "minf", "stbl", "stts") { _ in
            B.bytes(0) + B.bytes(2) + B.bytes(20) + B.bytes(512) + B.bytes(30) + B.bytes(1024)
        }
        file.setEdits(track: 0, [(3200, B.number(file.payload(track: 0, "edts", "elst")[12..<16]))])
        try file.write(p("vary.mp4"))
        let wanted = try times(p("vary.mp4"), "v")
        let run = try veil("extract", p("vary.mp4"), "-o", p("vary.mkv"))
        #expect(!run.errors.contains("varies"), "\(run.errors)")
        let kept = try times(p("vary.mkv"), "v")
        #expect(kept.count == wanted.count)
        for (a, b) in zip(kept, wanted) { #expect(abs(a - b - kept[0] + wanted[0]) < 0.002) }
        // A part lasts until the next one begins.
        try veil("split", p("vary.mp4"), "-o", p("vary-%d.mp4"))
        let second = try wanted[times(p("vary-0.mp4"), "v").count] - wanted[0]
        #expect(try abs((times(p("vary-0.mp4"), "a").last ?? 0) + 1024.0 / 44100 - second) < 0.03)
    }

    /// What tables say of samples by their numbers.
    @Test func sampleGroups() throws {
        var file = try B(Self.film.get())
        let groups =
            B.box("sgpd", B.bytes(0x0100_0000) + Array("rap ".utf8) + B.bytes(1) + B.bytes(1) + [0])
            + B.box("sbgp", B.bytes(0) + Array("rap ".utf8) + B.bytes(2) + [25, 0, 25, 1].flatMap { B.bytes($0) })
        let sdtp = B.box("sdtp", B.bytes(0) + [UInt8](repeating: 0x20, count: 50))
        let unknown = B.box("sgpd", B.bytes(0x0100_0000) + Array("what".utf8) + B.bytes(1) + B.bytes(1) + [7])
        file.change(track: 0, "mdia", "minf", "stbl") { $0 + groups + sdtp + unknown }
        let tapt = B.box("tapt", B.box("clef", B.bytes(0) + B.bytes(64 << 16) + B.bytes(48 << 16)))
        file.change(track: 0) { $0 + tapt }
        let (film, keys) = (try p("groups.mp4"), try Fixture.shared.get().path("keys.json"))
        try file.write(film)
        let run = try veil("encrypt", film, "-o", p("groups.secret.mp4"), "--keys", keys)
        #expect(run.errors.contains("group 'what'") && !run.errors.contains("rap"), "\(run.errors)")
        try veil("decrypt", p("groups.secret.mp4"), "-o", p("groups.again.mp4"), "--keys", keys)
        try veil("extract", film, "-o", p("groups.all.mp4"))
        for name in ["groups.secret.mp4", "groups.again.mp4", "groups.all.mp4"] {
            let bytes = try Fixture.shared.get().data("times-" + name)
            for box in [groups, sdtp, tapt] { #expect(bytes.firstRange(of: box) != nil, "\(name)") }
            #expect(bytes.firstRange(of: unknown) == nil, "\(name)")
        }
        let split = try veil("split", film, "-o", p("groups-%d.mp4"))
        #expect(split.errors.contains("group 'rap '") && split.errors.contains("sdtp"), "\(split.errors)")
    }

    /// Sound goes on behind the pictures where it is at the end of all, and is named where it is in the middle.
    @Test func soundAroundThePictures() throws {
        let film = try Self.film.get()
        try veil("split", film, "-o", p("long-%d.mp4"))
        #expect(try abs(skew(p("long-1.mp4")) - skew(film)) < 0.05)
        try make(
            "-itsoffset", "0.5", "-i", film, "-i", film, "-map", "0:v", "-map", "1:a", "-c", "copy", p("early.mp4"))
        let run = try veil("join", p("early.mp4"), p("early.mp4"), "-o", p("long.joined.mp4"))
        #expect(run.errors.contains("before the first picture is left out (0.5"), "\(run.errors)")
        #expect(run.errors.contains("behind the last picture is left out"), "\(run.errors)")
        #expect(try abs(skew(p("long.joined.mp4")) - skew(p("early.mp4"))) < 0.05)
        #expect(try abs((times(p("long.joined.mp4"), "v").first ?? 0) - 0.5) < 0.002)
        // What an edit list hides is shown in the whole.
        try make("-ss", "0.6", "-i", film, "-map", "0", "-c", "copy", p("hides.mp4"))
        let shown = try veil("join", p("hides.mp4"), film, "-o", p("shown.mp4"))
        #expect(shown.errors.contains("edit list hides are shown"), "\(shown.errors)")
    }

    /// Names, language and times of making.
    @Test func namesAndTimes() throws {
        let film = try Self.film.get()
        let keys = try Fixture.shared.get().path("keys.json")
        let whole = "format_tags=creation_time:stream_tags=creation_time"
        func video(_ path: String) throws -> [String] {
            try told(path, "-select_streams", "v", "-show_entries", "stream_tags=language,handler_name")
        }
        try veil("encrypt", film, "-o", p("named.mp4"), "--keys", keys)
        #expect(try told(p("named.mp4"), "-show_entries", whole) == told(film, "-show_entries", whole))
        try veil("split", film, "-o", p("named-%d.mp4"))
        try veil("join", p("named-0.mp4"), p("named-1.mp4"), "-o", p("named.joined.mp4"), "--continuous")
        try make("-i", film, "-c", "copy", "-metadata:s:v", "title=Pictures", p("named.mkv"))
        try veil("extract", p("named.mkv"), "-o", p("named.back.mp4"))
        for name in ["named.mp4", "named-1.mp4", "named.joined.mp4", "named.back.mp4"] {
            #expect(try video(p(name)) == ["deu", "Pictures"], "\(name)")
        }
    }

    /// Files that were cut off: what is whole is taken, and the exit status says so.
    @Test func cutFiles() throws {
        let film = try Self.film.get()
        let keys = try Fixture.shared.get().path("keys.json")
        func cut(_ name: String, to share: Double, _ options: [String]) throws {
            try make(["-i", film, "-map", "0", "-c", "copy"] + options + [p("whole-" + name)])
            let data = try Data(contentsOf: URL(fileURLWithPath: p("whole-" + name)))
            try data.prefix(Int(Double(data.count) * share)).write(to: URL(fileURLWithPath: p(name)))
        }
        // Behind the last picture is sound.
        try cut("cut.mp4", to: 0.995, ["-movflags", "faststart"])
        for (verb, more) in [
            ("encrypt", ["--keys", keys]), ("extract", []), ("encode", ["--layers", "1", "--preset", "ultrafast"]),
        ] {
            let run = try Run([verb, p("cut.mp4"), "-o", p("cut.\(verb).mp4")] + more)
            #expect(run.status == 2 && run.errors.contains("lies outside the file"), "\(verb): \(run.errors)")
            #expect(try times(p("cut.\(verb).mp4"), "a").count > 50, "\(verb)")
        }
        let split = try Run(["split", p("cut.mp4"), "-o", p("cut-%d.mp4")])
        #expect(split.status == 2 && split.errors.contains("lies outside the file"), "\(split.errors)")
        // In the middle of the pictures.
        try cut("half.mp4", to: 0.5, ["-movflags", "faststart"])
        let half = try Run(["encode", p("half.mp4"), "-o", p("half.coded.mp4"), "--layers", "1"])
        #expect(half.status == 2 && half.errors.contains("lies outside the file"), "\(half.errors)")
        // A recording in fragments.
        try cut("live.mp4", to: 0.75, ["-movflags", "frag_keyframe+empty_moov"])
        let live = try Run(["extract", p("live.mp4"), "-o", p("live.out.mp4")])
        #expect(live.status == 2 && live.errors.contains("what is whole is taken"), "\(live.errors)")
        // Whole fragments, and what is whole of the last.
        let shown = try times(p("live.out.mp4"), "v").count
        #expect(try shown > 22 && shown <= times(p("live.mp4"), "v").count)
    }

    /// A package presents the sound to its end, with what prepares its decoder; what fails leaves no folder.
    @Test func packages() throws {
        let film = try Self.film.get()
        try veil("package", film, "-o", p("site"), "--segment", "1")
        let manifest = try String(contentsOfFile: p("site/manifest.mpd"), encoding: .utf8)
        #expect(manifest.contains("mediaPresentationDuration=\"PT3.0"), "\(manifest)")
        #expect(try String(contentsOfFile: p("site/index.html"), encoding: .utf8).contains("rel=\"icon\""))
        let files = try FileManager.default.contentsOfDirectory(atPath: p("site"))
            .filter { $0.hasPrefix("sound0-") && $0.hasSuffix("m4s") }.sorted()
        var sound = try Fixture.shared.get().data("times-site/sound0-init.mp4")
        for name in files { sound += try Fixture.shared.get().data("times-site/" + name) }
        try sound.write(to: URL(fileURLWithPath: p("sound.mp4")))
        let hashes = { (path: String) in
            try self.told(path, "-select_streams", "a", "-show_data_hash", "md5", "-show_entries", "packet=data_hash")
        }
        #expect(try hashes(p("sound.mp4")) == hashes(film))
        #expect(try abs((times(p("sound.mp4"), "a").first ?? 0) - (times(film, "a").first ?? 1)) < 0.002)
        try "no film".write(toFile: p("nothing.mp4"), atomically: true, encoding: .utf8)
        for verb in ["package", "evaluate", "compare"] {
            let folder = try p("no-\(verb)")
            let run = try Run([verb, p("nothing.mp4"), "-o", folder + "/in/it"])
            #expect(run.status == 1 && !FileManager.default.fileExists(atPath: folder), "\(verb): \(run.errors)")
        }
    }
}
