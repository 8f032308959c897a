// SPDX-License-Identifier: GPL-2.0-or-later
import Foundation
import Testing
import VeilBitstream

private let ffmpeg = Run.find("ffmpeg")
private let ffprobe = Run.find("ffprobe")

/// Files that others wrote, through every verb: their tracks, rates and times.
@Suite(.enabled(if: Fixture.canEncode && ffmpeg != nil && ffprobe != nil, "libx265 or ffmpeg is not here"))
struct ContainerTests: OtherPrograms {
    private func times(_ path: String) throws -> [Int] {
        try told(path, "-select_streams", "v:0", "-show_entries", "packet=pts_time").compactMap { Double($0) }
            .map { Int(($0 * 1000).rounded()) }.sorted()
    }

    /// Lengths of 256 to 511 bytes look like start codes to who guesses.
    @Test func firstUnitsOfAnyLength() throws {
        let f = try Fixture.shared.get()
        var lengths: [Int] = []
        for qp in stride(from: 28, through: 51, by: 1) {
            let (bare, film) = (f.path("length.hevc"), f.path("length.mkv"))
            try veil(
                "encode", f.path("clip.y4m"), "-o", bare, "--layers", "1", "--frames", "1", "--qp", "\(qp)", "--preset",
                "ultrafast")
            try veil("extract", bare, "-o", film)
            let bytes = [UInt8](try f.data("length.hevc"))
            let slice = try #require(
                bytes.indices.dropLast(4).last {
                    bytes[$0..<$0 + 3].elementsEqual([0, 0, 1]) && bytes[$0 + 3] >> 1 < 32
                })
            lengths.append(bytes.count - slice - 3)
            try veil("decode", bare, "-o", f.path("length.bare.y4m"))
            try veil("decode", film, "-o", f.path("length.film.y4m"))
            #expect(try f.data("length.bare.y4m") == f.data("length.film.y4m"), "QP \(qp)")
            if lengths.contains(where: (256..<512).contains) { break }
        }
        #expect(lengths.contains { (256..<512).contains($0) }, "\(lengths)")
    }

    /// A film with two sound tracks, subtitles and chapters: QuickTime's chapter track has a media header of its own.
    @Test(arguments: ["encrypt", "encode"])
    func chaptersCostNothing(verb: String) throws {
        let f = try Fixture.shared.get()
        func p(_ name: String) -> String { f.path("chapters-\(verb)-" + name) }
        let metadata =
            ";FFMETADATA1\n[CHAPTER]\nTIMEBASE=1/1000\nSTART=0\nEND=150\ntitle=one\n"
            + "[CHAPTER]\nTIMEBASE=1/1000\nSTART=150\nEND=360\ntitle=two\n"
        try metadata.write(toFile: p("chapters.txt"), atomically: true, encoding: .utf8)
        try "1\n00:00:00,000 --> 00:00:00,300\nsaid\n".write(toFile: p("s.srt"), atomically: true, encoding: .utf8)
        try veil("extract", f.path("clear.hevc"), "-o", p("base.mp4"), "--layer", "0")
        try make(
            "-i", p("base.mp4"), "-f", "lavfi", "-i", "sine=duration=0.36", "-f", "lavfi", "-i",
            "sine=220:duration=0.36", "-i", p("s.srt"), "-i", p("chapters.txt"), "-map", "0:v", "-map", "1", "-map",
            "2", "-map", "3", "-map_chapters", "4", "-c:v", "copy", "-c:a", "aac", "-c:s", "mov_text", p("in.mp4"))
        let options = verb == "encrypt" ? ["--keys", f.path("keys.json")] : ["--layers", "1"]
        let run = try Run([verb, p("in.mp4"), "-o", p("out.mp4")] + options)
        #expect(run.status == 0 && !run.errors.contains("left out"), "\(run.errors)")
        let kinds = try told(p("in.mp4"), "-show_entries", "stream=codec_type").sorted()
        #expect(kinds.filter { $0 == "audio" }.count == 2 && kinds.contains("subtitle"))
        #expect(try told(p("out.mp4"), "-show_entries", "stream=codec_type").sorted() == kinds)
        // The track that holds chapters is told from one of subtitles.
        let seen = String(decoding: try veil("inspect", p("in.mp4"), "--headers").output, as: UTF8.self)
        let line = try #require(seen.split(separator: "\n").first { $0.hasPrefix("container: ") })
        #expect(
            line.components(separatedBy: "chapters (text)").count == 2
                && line.components(separatedBy: "chapters").count == 2
                && line.components(separatedBy: "subtitle").count == 2, "\(line)")
        let chapters = ["-show_entries", "chapter=start_time:chapter_tags=title"]
        #expect(try told(p("out.mp4"), chapters[0], chapters[1]) == told(p("in.mp4"), chapters[0], chapters[1]))
    }

    /// Sound of fragmented files is theirs, packet by packet.
    @Test func soundOfFragments() throws {
        let f = try Fixture.shared.get()
        func p(_ name: String) -> String { f.path("fragmented-" + name) }
        try veil("extract", f.path("clear.hevc"), "-o", p("base.mp4"), "--layer", "0")
        try make(
            "-i", p("base.mp4"), "-f", "lavfi", "-i", "sine=duration=0.36", "-c:v", "copy", "-c:a", "aac", "-movflags",
            "frag_keyframe+empty_moov", p("in.mp4"))
        let run = try veil("encrypt", p("in.mp4"), "-o", p("out.mp4"), "--keys", f.path("keys.json"))
        #expect(!run.errors.contains("left out"), "\(run.errors)")
        let hashes = ["-select_streams", "a", "-show_data_hash", "md5", "-show_entries", "packet=pts,data_hash"]
        let wanted = try told(p("in.mp4"), hashes[0], hashes[1], hashes[2], hashes[3], hashes[4], hashes[5])
        #expect(try told(p("out.mp4"), hashes[0], hashes[1], hashes[2], hashes[3], hashes[4], hashes[5]) == wanted)
        #expect(wanted.count > 10)
    }

    /// A stream that says nothing of its rate keeps its container's in every other.
    @Test(arguments: ["mp4", "mkv", "ts"], ["mp4", "mkv", "ts"])
    func ratesOfContainers(from source: String, to target: String) throws {
        let f = try Fixture.shared.get()
        func p(_ name: String) -> String { f.path("rate-\(source)-\(target)-" + name) }
        try make(
            "-r", "50", "-i", f.path("clip.y4m"), "-c:v", "libx265", "-x265-params", "log-level=none:vui-timing-info=0",
            p("in.\(source)"))
        try veil("encrypt", p("in.\(source)"), "-o", p("out.\(target)"), "--keys", f.path("keys.json"))
        let rate = ["-select_streams", "v:0", "-show_entries", "stream=r_frame_rate"]
        let wanted = try times(p("in.\(source)"))
        let given = try times(p("out.\(target)"))
        // As far apart, whatever the first one is at.
        let apart = zip(wanted.dropFirst(), wanted).map { $0 - $1 }
        #expect(zip(zip(given.dropFirst(), given).map { $0 - $1 }, apart).allSatisfy { abs($0 - $1) <= 1 })
        #expect(given.count == wanted.count && given.count >= Fixture.frames)
        #expect(try told(p("out.\(target)"), rate[0], rate[1], rate[2], rate[3]).first == "50/1")
    }

    /// Where video begins after sound it does so afterwards, with no picture more.
    @Test func videoThatBeginsLate() throws {
        let f = try Fixture.shared.get()
        func p(_ name: String) -> String { f.path("late-" + name) }
        try make("-i", f.path("clip.y4m"), "-c:v", "libx265", "-x265-params", "log-level=none", p("video.mp4"))
        try make(
            "-f", "lavfi", "-i", "sine=duration=0.9", "-itsoffset", "0.5", "-i", p("video.mp4"), "-map", "1:v", "-map",
            "0:a", "-c:v", "copy", "-c:a", "aac", p("in.mp4"))
        try veil("encode", p("in.mp4"), "-o", p("out.mp4"), "--layers", "1")
        let (wanted, given) = try (times(p("in.mp4")), times(p("out.mp4")))
        #expect(given.count == Fixture.frames && zip(wanted, given).allSatisfy { abs($0 - $1) <= 1 }, "\(given)")
        let duration = try Double(told(p("in.mp4"), "-show_entries", "format=duration").first ?? "") ?? 0
        let own = try Double(told(p("out.mp4"), "-show_entries", "format=duration").first ?? "") ?? 0
        #expect(abs(duration - own) < 0.05 && duration > 0.8, "\(duration), \(own)")
    }

    /// Segments of pictures and sound begin at the same time, whatever decoding runs ahead by.
    @Test func packagesKeepLipSync() throws {
        let f = try Fixture.shared.get()
        func p(_ name: String) -> String { f.path("sync-" + name) }
        try make(
            "-i", f.path("clip.y4m"), "-f", "lavfi", "-i", "sine=duration=0.36", "-c:v", "libx265", "-x265-params",
            "log-level=none", "-tag:v", "hvc1", "-c:a", "aac", p("in.mp4"))
        try veil("package", p("in.mp4"), "-o", p("site"), "--segment", "0")
        for name in ["layer0", "sound0"] {
            var file = try f.data("sync-site/\(name)-init.mp4")
            var segment = 1
            while let more = try? f.data("sync-site/\(name)-\(segment).m4s") {
                file += more
                segment += 1
            }
            try file.write(to: URL(fileURLWithPath: p("\(name).mp4")))
        }
        #expect(try times(p("layer0.mp4")) == times(p("in.mp4")))
        #expect(try times(p("layer0.mp4")).first == 0)
        let start = try told(p("sound0.mp4"), "-show_entries", "stream=start_time").first.flatMap { Double($0) }
        #expect(abs(try #require(start)) < 0.024)
    }

    /// A file cannot begin with a picture that is sealed: that is what is the matter, not the parameter sets.
    @Test func sealedBeginnings() throws {
        let f = try Fixture.shared.get()
        try veil("extract", f.path("clear.hevc"), "-o", f.path("begins.hevc"), "--layer", "0")
        var splitter = ByteStreamSplitter()
        var units = try splitter.push([UInt8](f.data("begins.hevc")))
        if let last = try splitter.finish() { units.append(last) }
        var bytes: [UInt8] = []
        let first = try #require(units.firstIndex { $0.header.nalUnitType.isSlice })
        for (i, unit) in units.enumerated() {
            var unit = unit
            // As sealed units have it: of type 60.
            if i == first { unit.bytes[0] = 60 << 1 }
            bytes.append(annexB: unit)
        }
        try Data(bytes).write(to: URL(fileURLWithPath: f.path("begins-sealed.hevc")))
        for more in [[], ["--fragmented"]] {
            let run = try Run(["extract", f.path("begins-sealed.hevc"), "-o", f.path("begins.mp4")] + more)
            #expect(run.status == 1 && run.errors.contains("the first pictures are sealed"), "\(run.errors)")
            #expect(!FileManager.default.fileExists(atPath: f.path("begins.mp4")))
        }
    }

    /// Parts of a stream that cannot be cut to its end do not stay.
    @Test func partsOfFailedSplitsGo() throws {
        let f = try Fixture.shared.get()
        let folder = f.path("failed-parts")
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        // The third part has a name that cannot be written.
        try FileManager.default.createDirectory(atPath: folder + "/2.hevc", withIntermediateDirectories: true)
        let run = try Run(["split", f.path("clear.hevc"), "-o", folder + "/%d.hevc"])
        #expect(run.status != 0 && run.errors.contains("2.hevc"), "\(run.errors)")
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder) == ["2.hevc"])
    }

    /// What is left out of a source is named.
    @Test func whatIsLeftOutIsNamed() throws {
        let f = try Fixture.shared.get()
        try make(
            "-f", "lavfi", "-i", "testsrc=size=64x48:rate=25,format=yuva420p", "-frames:v", "2", "-c:v", "ffv1",
            f.path("alpha.mkv"))
        let alpha = try veil("encode", f.path("alpha.mkv"), "-o", f.path("alpha.hevc"), "--layers", "1")
        #expect(alpha.errors.contains("its alpha (yuva420p) is left out"), "\(alpha.errors)")
        // Of a container without other tracks nothing is.
        try make("-i", f.path("clip.y4m"), "-c:v", "libx265", "-x265-params", "log-level=none", f.path("quiet-in.mkv"))
        let quiet = try veil(
            "encrypt", f.path("quiet-in.mkv"), "-o", f.path("quiet.mkv"), "--keys", f.path("keys.json"))
        #expect(!quiet.errors.contains("left out"), "\(quiet.errors)")
    }

    /// Half a y4m file is half a film: what is whole is coded, and the status says that it is not all.
    @Test func errorsAmidY4M() throws {
        let f = try Fixture.shared.get()
        let clip = try f.data("clip.y4m")
        try (clip + clip).write(to: URL(fileURLWithPath: f.path("twice.y4m")))
        let run = try Run(["encode", f.path("twice.y4m"), "-o", f.path("twice.hevc"), "--layers", "1", "--qp", "30"])
        #expect(run.status == 2 && run.errors.contains("no frame header"), "\(run.errors)")
        let decoded = try veil("decode", f.path("twice.hevc"), "-o", "-")
        #expect(decoded.output.count > clip.count / 2)
        var fields = Array(clip)
        let at = try #require(clip.range(of: Data("FRAME\n".utf8)))
        fields.replaceSubrange(at.lowerBound..<at.upperBound, with: Array("FRAME Ip Itp\n".utf8))
        try Data(fields).write(to: URL(fileURLWithPath: f.path("fields.y4m")))
        let refused = try Run(["encode", f.path("fields.y4m"), "-o", f.path("fields.hevc"), "--layers", "1"])
        #expect(refused.status == 1 && refused.errors.contains("interlaced"), "\(refused.errors)")
    }

    /// Nothing beside encrypted video shows it: a cover picture stays out, another video track is named.
    @Test func coversDoNotLeave() throws {
        let f = try Fixture.shared.get()
        func p(_ name: String) -> String { f.path("cover-" + name) }
        try veil("extract", f.path("clear.hevc"), "-o", p("base.mp4"), "--layer", "0")
        try make("-i", f.path("clip.y4m"), "-frames:v", "1", p("cover.jpg"))
        try make(
            "-i", p("base.mp4"), "-i", p("cover.jpg"), "-map", "0:v", "-map", "1:v", "-c", "copy", "-disposition:v:1",
            "attached_pic", "-metadata", "title=Some", p("in.mp4"))
        let cover = try Data(contentsOf: URL(fileURLWithPath: p("cover.jpg"))).suffix(200)
        #expect(try f.data("cover-in.mp4").range(of: cover) != nil)
        let run = try veil("encrypt", p("in.mp4"), "-o", p("out.mp4"), "--keys", f.path("keys.json"))
        #expect(run.errors.contains("cover picture is left out"), "\(run.errors)")
        let out = try f.data("cover-out.mp4")
        #expect(out.range(of: cover) == nil && out.range(of: Data("Some".utf8)) != nil)
        try make("-i", p("base.mp4"), "-i", p("base.mp4"), "-map", "0:v", "-map", "1:v", "-c", "copy", p("two.mp4"))
        let two = try veil("encrypt", p("two.mp4"), "-o", p("one.mp4"), "--keys", f.path("keys.json"))
        #expect(two.errors.contains("left out: video"), "\(two.errors)")
    }

    /// No verb takes a key file for its output; a stream without messages decodes with its sidecar.
    @Test func keysAndSidecars() throws {
        let f = try Fixture.shared.get()
        let keys = try f.data("keys.json")
        for verb in [["extract", f.path("clear.hevc")], ["join", f.path("clear.hevc"), f.path("clear.hevc")]] {
            let run = try Run(verb + ["-o", f.path("keys.json")])
            #expect(run.status == 1 && run.errors.contains("it is a key file"), "\(run.errors)")
        }
        #expect(try f.data("keys.json") == keys)
        // White space may come first.
        let spaced = Data("\n  ".utf8) + keys
        try spaced.write(to: URL(fileURLWithPath: f.path("spaced.json")))
        #expect(try Run(["extract", f.path("clear.hevc"), "-o", f.path("spaced.json")]).status == 1)
        #expect(try f.data("spaced.json") == spaced)
        // Nor does a report.
        let folder = f.path("reports")
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        try keys.write(to: URL(fileURLWithPath: folder + "/report.html"))
        for verb in ["attack", "evaluate"] {
            let run = try Run([verb, f.path("clear.hevc"), "-o", folder])
            #expect(run.status == 1 && run.errors.contains("it is a key file"), "\(run.errors)")
        }
        #expect(try f.data("reports/report.html") == keys)
        let there = try Run(["attack", f.path("clear.hevc"), "-o", f.path("keys.json")])
        #expect(there.status == 1 && there.errors.contains("folder cannot be made"), "\(there.errors)")
        let silent = ["--keys", f.path("keys.json"), "--signal", "none", "--sidecar", f.path("silent.sidecar")]
        let made = try Run(["encrypt", f.path("clear.hevc"), "-o", f.path("silent.hevc")] + silent)
        try #require(made.status == 0, "\(made.errors)")
        let decoded = try veil(
            "decode", f.path("silent.hevc"), "-o", "-", "--keys", f.path("keys.json"), "--sidecar",
            f.path("silent.sidecar"))
        #expect(try decoded.output == veil("decode", f.path("clear.hevc"), "-o", "-").output)
    }

    @Test(arguments: [
        (["--x265-options", "interlace=1"], "fields are not supported"),
        (["--x265-options", "display-window=0,0,2,2"], "display-window"),
        (["--input-depth", "99"], "--input-depth takes 8, 10 or 12"), (["--layers", "8x"], "16x16 and more"),
        (["--master-display", "G(-1,2)B(3,4)R(5,6)WP(7,8)L(9,10)"], "--master-display takes"),
        (["--recon", "/dev/null/x"], "the folder cannot be made"),
    ])
    func reasons(options: [String], reason: String) throws {
        let f = try Fixture.shared.get()
        let run = try Run(["encode", f.path("clip.y4m"), "-o", f.path("reasons.hevc")] + options)
        #expect(run.status != 0 && run.status < 128 && run.errors.contains(reason), "\(run.errors)")
        #expect(!FileManager.default.fileExists(atPath: f.path("reasons.hevc")))
    }
}
