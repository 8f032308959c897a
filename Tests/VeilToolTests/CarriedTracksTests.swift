// SPDX-License-Identifier: GPL-2.0-or-later
import Foundation
import Testing

@testable import VeilTool

private let ffmpeg = Run.find("ffmpeg")
private let ffprobe = Run.find("ffprobe")

/// What files hold beside their pictures goes along, or is named.
@Suite(.enabled(if: Fixture.canEncode && ffmpeg != nil && ffprobe != nil, "libx265 or ffmpeg is not here"))
struct CarriedTracksTests: OtherPrograms {
    private func kinds(_ path: String) throws -> [String] {
        try told(path, "-show_entries", "stream=codec_type").sorted()
    }

    private func seconds(_ path: String, _ stream: String) throws -> Double {
        try told(path, "-select_streams", stream, "-show_entries", "packet=pts_time,duration_time").compactMap {
            Double($0)
        }.max() ?? -1
    }

    /// The base layer of the fixture with sound and subtitles, as other programs write it.
    private func film(_ f: Fixture, _ name: String, _ more: [String] = []) throws {
        let base = f.path("carried-base.mp4")
        if !FileManager.default.fileExists(atPath: base) {
            try veil("extract", f.path("clear.hevc"), "-o", base, "--layer", "0")
        }
        let text = f.path("carried.srt")
        try "1\n00:00:00,000 --> 00:00:00,300\nsaid\n".write(toFile: text, atomically: true, encoding: .utf8)
        let isMovie = name.hasSuffix("mp4")
        let subtitles = name.hasSuffix("ts") ? [] : ["-map", "2", "-c:s", isMovie ? "mov_text" : "subrip"]
        try make(
            ["-i", base, "-f", "lavfi", "-i", "sine=duration=0.36", "-i", text, "-map", "0:v", "-map", "1"] + subtitles
                + ["-c:v", "copy", "-c:a", "aac", "-metadata:s:a:0", "language=fra", "-metadata", "title=Film"] + more
                + [f.path(name)])
    }

    /// Sound and text of Matroska and transport streams come by way of ffmpeg.
    @Test(arguments: ["mkv", "ts"]) func soundOfOthers(suffix: String) throws {
        let f = try Fixture.shared.get()
        try film(f, "carried.\(suffix)")
        let run = try Run(["encode", f.path("carried.\(suffix)"), "-o", f.path("of-\(suffix).mp4"), "--layers", "1"])
        #expect(run.status == 0, "\(run.errors)")
        let wanted = ["audio", "subtitle", "video"].filter { suffix == "mkv" || $0 != "subtitle" }
        #expect(try kinds(f.path("of-\(suffix).mp4")) == wanted)
        let hashes = { (path: String) in
            try self.told(path, "-select_streams", "a", "-show_data_hash", "md5", "-show_entries", "packet=data_hash")
        }
        if suffix == "mkv" { #expect(try hashes(f.path("of-mkv.mp4")) == hashes(f.path("carried.mkv"))) }
        #expect(try abs(seconds(f.path("of-\(suffix).mp4"), "a") - 0.36) < 0.05)
        if suffix == "mkv" {
            #expect(try told(f.path("of-mkv.mp4"), "-show_entries", "format_tags=title") == ["Film"])
            #expect(
                try told(f.path("of-mkv.mp4"), "-select_streams", "a", "-show_entries", "stream_tags=language")
                    == ["fra"])
        }
    }

    /// `encode` puts one layer into Matroska and transport streams, with the sound of its source, as far apart; and no
    /// sound behind the last picture where it ends early.
    @Test(arguments: ["mkv", "ts"], ["mkv", "ts", "mp4"]) func encodedIntoContainers(into: String, of: String) throws {
        let f = try Fixture.shared.get()
        let (source, output) = ("into-\(into)-source.\(of)", f.path("into-\(of).\(into)"))
        try film(f, source)
        let options = ["--layers", "1", "--preset", "ultrafast"]
        let run = try Run(["encode", f.path(source), "-o", output] + options)
        #expect(run.status == 0, "\(run.errors)")
        let wanted = ["audio", "subtitle", "video"].filter { into == "mkv" && of != "ts" || $0 != "subtitle" }
        // Of a transport stream they are told once more, by program.
        #expect(try Set(kinds(output)) == Set(wanted))
        #expect(try abs(distance(output) - distance(f.path(source))) < 0.002)
        try veil("encode", f.path(source), "-o", f.path("into.hevc"), "--layers", "1", "--preset", "ultrafast")
        let decoded = { (path: String) in try veil("decode", path, "-o", "-").output }
        #expect(try decoded(output) == decoded(f.path("into.hevc")))
        let short = try Run(["encode", f.path(source), "-o", output, "--frames", "4"] + options)
        #expect(short.status == 0, "\(short.errors)")
        #expect(try seconds(output, "a") - seconds(output, "v") < 0.05)
        let layers = try Run(["encode", f.path(source), "-o", f.path("two.\(into)")])
        #expect(layers.status == 1 && layers.errors.contains("hold one layer"), "\(layers.errors)")
        #expect(!FileManager.default.fileExists(atPath: f.path("two.\(into)")))
    }

    /// From the first sound to the first picture, in seconds.
    private func distance(_ path: String) throws -> Double {
        func first(_ stream: String) throws -> Double {
            try told(path, "-select_streams", stream, "-show_entries", "packet=pts_time").compactMap { Double($0) }
                .min()
                ?? .nan
        }
        return try first("v") - first("a")
    }

    /// Streams that are encrypted take along the sound of Matroska and transport streams, and into these that of MP4:
    /// the same packets, as far from the pictures as they were.
    @Test(arguments: [("mkv", "mp4"), ("mkv", "mkv"), ("mp4", "mkv"), ("ts", "mp4"), ("ts", "mkv"), ("mp4", "ts")])
    func soundOfEncryptedStreams(source: String, target: String) throws {
        let f = try Fixture.shared.get()
        let (input, output) = (f.path("clear.\(source)-\(target).\(source)"), f.path("secret.\(source).\(target)"))
        try film(f, (input as NSString).lastPathComponent)
        let run = try Run(["encrypt", input, "-o", output, "--keys", f.path("keys.json")])
        #expect(run.status == 0, "\(run.errors)")
        let hasText = source != "ts" && target != "ts"
        // Of transport streams each track is told twice.
        #expect(try Set(kinds(output)).sorted() == (hasText ? ["audio", "subtitle", "video"] : ["audio", "video"]))
        if source != "ts" { #expect(run.errors.contains("left out: subtitle") == !hasText, "\(run.errors)") }
        func packets(_ path: String) throws -> [String] {
            try told(path, "-select_streams", "a", "-show_data_hash", "md5", "-show_entries", "packet=data_hash")
        }
        // Transport streams wrap each packet.
        if source == "ts" || target == "ts" {
            #expect(try packets(output).count == packets(input).count)
        } else {
            #expect(try packets(output) == packets(input))
        }
        func start(_ path: String, _ stream: String) throws -> Double {
            try told(path, "-select_streams", stream, "-show_entries", "packet=pts_time").compactMap { Double($0) }
                .min() ?? -1
        }
        let before = try start(input, "a") - start(input, "v")
        #expect(try abs(start(output, "a") - start(output, "v") - before) < 0.03)
        #expect(try abs(seconds(output, "a") - start(output, "a") - seconds(input, "a") + start(input, "a")) < 0.03)
        let titles = ["-show_entries", "format_tags=title"]
        if target != "ts" { #expect(try told(output, titles[0], titles[1]) == told(input, titles[0], titles[1])) }
        try veil("decrypt", output, "-o", output + ".hevc", "--keys", f.path("keys.json"))
        try veil("extract", input, "-o", input + ".hevc")
        for path in [input, output] { try veil("decode", path + ".hevc", "-o", path + ".yuv") }
        let shown = try Data(contentsOf: URL(fileURLWithPath: output + ".yuv"))
        #expect(try shown == Data(contentsOf: URL(fileURLWithPath: input + ".yuv")) && !shown.isEmpty)
    }

    /// Nothing is asked of ffprobe twice.
    @Test func questionsAreAskedOnce() throws {
        let f = try Fixture.shared.get()
        try film(f, "asked.mkv")
        let folder = f.path("asked")
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        let script = "#!/bin/sh\necho \"$*\" >>'\(folder)/log'\nexec '\(try #require(ffprobe).path)' \"$@\"\n"
        try script.write(toFile: folder + "/ffprobe", atomically: true, encoding: .utf8)
        try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: folder + "/ffprobe")
        var environment = ProcessInfo.processInfo.environment
        environment["PATH"] = folder + ":" + (environment["PATH"] ?? "")
        for verb in [["encode", "--layers", "1"], ["encrypt", "--keys", f.path("keys.json")]] {
            let run = try Run(
                Run.veil, [verb[0], f.path("asked.mkv"), "-o", f.path("asked.mp4")] + verb.dropFirst(),
                environment: environment)
            #expect(run.status == 0 && (try? kinds(f.path("asked.mp4")))?.contains("audio") == true, "\(run.errors)")
            let asked = try String(contentsOfFile: folder + "/log", encoding: .utf8).split(separator: "\n")
            #expect(asked.count >= 2 && Set(asked).count == asked.count, "\(asked)")
            try FileManager.default.removeItem(atPath: folder + "/log")
        }
    }

    /// A byte stream, and a file in fragments, have no place for it: that is said.
    @Test(arguments: [["-o", "left.hevc"], ["-o", "left.mp4", "--fragmented"]])
    func whatIsLeftIsNamed(options: [String]) throws {
        let f = try Fixture.shared.get()
        // Cases run side by side.
        let named = "named-\(options.count).mp4"
        try film(f, named)
        let output = ["-o", f.path(options[1])] + options.dropFirst(2)
        let run = try Run(["encode", f.path(named), "--layers", "1"] + output)
        #expect(run.status == 0 && run.errors.contains("left out: audio, subtitle, titles"), "\(run.errors)")
        // So where an encoded stream changes its container.
        let again = try Run(["encrypt", f.path(named), "--keys", f.path("keys.json")] + output)
        #expect(again.status == 0 && again.errors.contains("left out: audio, subtitle, titles"), "\(again.errors)")
    }

    /// What is coded in part takes that part of the sound.
    @Test func partsTakeTheirSound() throws {
        let f = try Fixture.shared.get()
        try film(f, "part.mp4")
        try veil("encode", f.path("part.mp4"), "-o", f.path("part5.mp4"), "--layers", "1", "--frames", "5")
        #expect(try abs(seconds(f.path("part5.mp4"), "a") - 0.2) < 0.03)
        #expect(try abs(seconds(f.path("part.mp4"), "a") - 0.36) < 0.03)
    }

    /// Files that are joined keep their times and their sound, which goes with the pictures.
    @Test func joinedSound() throws {
        let f = try Fixture.shared.get()
        try film(f, "one.mp4")
        let run = try veil("join", f.path("one.mp4"), f.path("one.mp4"), "-o", f.path("both.mp4"))
        #expect(!run.errors.contains("audio") && !run.errors.contains("left out"), "\(run.errors)")
        #expect(try kinds(f.path("both.mp4")) == ["audio", "subtitle", "video"])
        let times = try told(f.path("both.mp4"), "-select_streams", "v", "-show_entries", "packet=pts_time")
            .compactMap { Double($0) }.sorted()
        #expect(times.count == 2 * Fixture.frames)
        for (a, b) in zip(times, times.dropFirst()) { #expect(abs(b - a - 0.04) < 0.002) }
        // The second film's sound begins with its first picture: the last packet ends where the pictures end.
        let length = 0.04 * Double(Fixture.frames)
        let sound = try told(f.path("both.mp4"), "-select_streams", "a", "-show_entries", "packet=pts_time")
            .compactMap { Double($0) }
        #expect(sound.contains { abs($0 - length) < 0.03 })
        #expect(try abs((sound.max() ?? 0) - (seconds(f.path("one.mp4"), "a") + length)) < 0.05)
        for (a, b) in zip(sound, sound.dropFirst()) { #expect(b > a && b - a < 0.05) }
        // Packets are those of the two, but for what the decoder takes before it begins.
        let hashes = { (path: String) in
            try self.told(path, "-select_streams", "a", "-show_data_hash", "md5", "-show_entries", "packet=data_hash")
        }
        let one = try hashes(f.path("one.mp4"))
        let both = try hashes(f.path("both.mp4"))
        #expect(both.starts(with: one.dropLast(2)) && both.suffix(5) == one.suffix(5))
    }

    /// What is cut, joined and packaged takes the sound of Matroska and transport streams along, with the pictures.
    @Test(arguments: ["mkv", "ts"]) func partsOfOthers(suffix: String) throws {
        let f = try Fixture.shared.get()
        func p(_ name: String) -> String { f.path("parts-\(suffix)-\(name)") }
        try film(f, "parts-\(suffix)-in.\(suffix)", ["-af", "adelay=20"])
        let input = p("in." + suffix)
        func times(_ path: String, _ stream: String) throws -> [Double] {
            try told(path, "-select_streams", stream, "-show_entries", "packet=pts_time").compactMap { Double($0) }
                .sorted()
        }
        func packets(_ path: String) throws -> [String] {
            try told(path, "-select_streams", "a", "-show_data_hash", "md5", "-show_entries", "packet=data_hash")
        }
        // As a whole, in which times are kept: what the parts are measured by.
        try veil("encrypt", input, "-o", p("whole.mp4"), "--keys", f.path("keys.json"))
        let whole = try packets(p("whole.mp4"))
        let (pictures, sound) = try (times(p("whole.mp4"), "v"), times(p("whole.mp4"), "a"))
        try #require(sound.count == whole.count && whole.count > 15)

        let run = try veil("split", input, "-o", p("%d.mp4"))
        #expect(!run.errors.contains("left out"), "\(run.errors)")
        var shown = 0
        for part in 0..<3 {
            let path = p("\(part).mp4")
            let own = try packets(path)
            let at = try #require(whole.indices.first { whole[$0...].starts(with: own) }, "part \(part)")
            let (first, begins) = try (#require(times(path, "v").first), #require(times(path, "a").first))
            // As far from the first picture as they were.
            #expect(abs(begins - first - (sound[at] - pictures[shown])) < 0.002, "part \(part)")
            shown += try times(path, "v").count
            let end = shown < pictures.count ? pictures[shown] : pictures[shown - 1] + 0.04
            // All that begin before the part's end, none that begin behind it but in the last one.
            #expect(own.count >= 3 && (part == 2 || sound[at + own.count - 1] < end), "part \(part)")
            #expect(at + own.count == sound.count || sound[at + own.count] > end - 0.001, "part \(part)")
        }
        #expect(shown == pictures.count)

        let joined = try veil("join", p("0.mp4"), p("1.mp4"), p("2.mp4"), "-o", p("again.mp4"), "--continuous")
        #expect(!joined.errors.contains("left out"), "\(joined.errors)")
        try veil("join", input, input, "-o", p("both.mp4"))
        let both = try packets(p("both.mp4"))
        // What ends behind the pictures is cut, and what a decoder begins with is there once more.
        let middle = Array(whole[2..<whole.count - 4])
        let places = both.indices.filter { both[$0...].starts(with: middle) }
        #expect(places.count == 2, "\(places)")
        let length = pictures[pictures.count - 1] + 0.04 - pictures[0]
        let (twice, late) = try (times(p("both.mp4"), "v"), times(p("both.mp4"), "a"))
        try #require(twice.count == 2 * pictures.count)
        // What plays before the first picture of all does so in the whole.
        #expect(abs(twice[pictures.count] - twice[0] - length) < 0.002)
        let second = try #require(both.lastIndex(of: whole[6]))
        #expect(abs(late[second] - twice[pictures.count] - (sound[6] - pictures[0])) < 0.002)

        let packaged = try veil("package", input, "-o", p("site"), "--segment", "0")
        #expect(packaged.errors.contains("left out: ") == (suffix == "mkv"), "\(packaged.errors)")
        var files: [String: [Double]] = [:]
        for name in ["layer0", "sound0"] {
            var file = try f.data("parts-\(suffix)-site/\(name)-init.mp4")
            for i in 1...3 { file += try f.data("parts-\(suffix)-site/\(name)-\(i).m4s") }
            try file.write(to: URL(fileURLWithPath: p(name + ".mp4")))
            files[name] = try times(p(name + ".mp4"), name == "layer0" ? "v" : "a")
        }
        let segments = try packets(p("sound0.mp4"))
        #expect(segments.count >= whole.count - 1 && whole.suffix(segments.count) == segments[...])
        let last = try (#require(files["sound0"]?.last), #require(files["layer0"]?.last))
        #expect(abs(last.0 - last.1 - (sound[sound.count - 1] - pictures[pictures.count - 1])) < 0.002)
    }

    /// Sound of one format goes on, whichever container it comes out of and whatever the number of its track is.
    @Test func joinedOfDifferentContainers() throws {
        let f = try Fixture.shared.get()
        func p(_ name: String) -> String { f.path("mixed-" + name) }
        try film(f, "mixed-a.mkv")
        try film(f, "mixed-b.mp4")
        let run = try veil("join", p("a.mkv"), p("b.mp4"), "-o", p("ab.mp4"))
        #expect(!run.errors.contains("audio"), "\(run.errors)")
        let length = 0.04 * Double(Fixture.frames)
        #expect(try abs(seconds(p("ab.mp4"), "a") - 2 * length) < 0.05)
    }

    /// Pictures that are handed over upright have their aspect turned with them.
    @Test func turnedAspect() throws {
        let f = try Fixture.shared.get()
        let flat = f.path("flat.mp4")
        try make([
            "-f", "lavfi", "-i", "testsrc2=size=64x48:rate=25:duration=0.2", "-vf", "setsar=10/11", "-c:v", "libx264",
            flat,
        ])
        try make(["-i", flat, "-metadata:s:v", "rotate=90", "-c", "copy", f.path("turned.mp4")])
        try veil("encode", f.path("turned.mp4"), "-o", f.path("turned.hevc"), "--layers", "1")
        let what = try told(
            f.path("turned.hevc"), "-select_streams", "v", "-show_entries", "stream=width,height,sample_aspect_ratio")
        #expect(what == ["48", "64", "11:10"])
    }

    /// HEVC out of a file is decoded here, so that what its pictures carry goes along; where the file cuts or turns
    /// pictures it is ffmpeg that follows.
    @Test func messagesOfMovies() throws {
        let f = try Fixture.shared.get()
        try veil(
            "encode", f.path("clip.y4m"), "-o", f.path("hlg.hevc"), "--layers", "1", "--transfer", "bt2020-10",
            "--atc-sei", "arib-std-b67")
        try veil("extract", f.path("hlg.hevc"), "-o", f.path("hlg.mp4"))
        try veil("encode", f.path("hlg.mp4"), "-o", f.path("again.hevc"), "--layers", "1")
        let first = try veil("inspect", f.path("hlg.hevc"))
        let told = String(decoding: first.output, as: UTF8.self)
        #expect(told.contains("or arib-std-b67"), "\(told)")
        let second = String(decoding: try veil("inspect", f.path("again.hevc")).output, as: UTF8.self)
        #expect(second.contains("or arib-std-b67"))
    }

    /// Boxes of a sample entry that are not known here stay in it.
    @Test func boxesOfSampleEntries() throws {
        let f = try Fixture.shared.get()
        try veil("extract", f.path("clear.hevc"), "-o", f.path("plain.mp4"), "--layer", "0")
        // Of Dolby Vision.
        let more: [UInt8] = [0, 0, 0, 12] + Array("dvvC".utf8) + [1, 2, 3, 4]
        let file = try withBox(more, in: [UInt8](f.data("plain.mp4")))
        try Data(file).write(to: URL(fileURLWithPath: f.path("dolby.mp4")))
        try veil("encrypt", f.path("dolby.mp4"), "-o", f.path("dolby.e.mp4"), "--keys", f.path("keys.json"))
        let written = try f.data("dolby.e.mp4")
        #expect(written.range(of: Data(more)) != nil)
        try veil("decrypt", f.path("dolby.e.mp4"), "-o", f.path("dolby.hevc"), "--keys", f.path("keys.json"))
        try veil("extract", f.path("clear.hevc"), "-o", f.path("plain.hevc"), "--layer", "0")
        #expect(try f.data("dolby.hevc") == f.data("plain.hevc"))
    }
}
