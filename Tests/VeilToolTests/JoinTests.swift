// SPDX-License-Identifier: GPL-2.0-or-later
import Foundation
import Testing

/// What films say, and what they hold beside their pictures, when they are joined.
@Suite(
    .enabled(if: Fixture.canEncode && Run.find("ffmpeg") != nil && Run.find("ffprobe") != nil, "no libx265 or ffmpeg"))
struct JoinTests: OtherPrograms {
    /// The fixture's base layer in a file.
    private func pictures(_ f: Fixture) throws -> String {
        let path = f.path("join-base.mp4")
        if !FileManager.default.fileExists(atPath: path) {
            try veil("extract", f.path("clear.hevc"), "-o", path, "--layer", "0")
        }
        return path
    }

    /// Sound as a decoder hands it out, and the hashes of its packets.
    private func sound(_ path: String) throws -> (samples: [Float], packets: [String]) {
        let run = try Run(
            #require(Run.find("ffmpeg")),
            ["-v", "error", "-i", path, "-map", "0:a", "-f", "f32le", "-ac", "1", "-"])
        try #require(run.status == 0, "\(run.errors)")
        let samples = run.output.withUnsafeBytes { Array($0.bindMemory(to: Float.self)) }
        let hashes = try told(
            path, "-select_streams", "a", "-show_data_hash", "md5", "-show_entries", "packet=data_hash")
        return (samples, hashes.filter { $0.hasPrefix("MD5") })
    }

    /// Encoders tell the bit rates of what they made; that is no other format. What a decoder takes before the first
    /// sample is there in the middle, too: the second film sounds as it does alone.
    @Test func soundOfOtherBitRates() throws {
        let f = try Fixture.shared.get()
        func p(_ name: String) -> String { f.path("rates-" + name) }
        let base = try pictures(f)
        for (name, rate) in [("one", "96k"), ("two", "64k")] {
            let tone = name == "one" ? "440" : "1100"
            try make(
                "-i", base, "-f", "lavfi", "-i", "sine=frequency=\(tone):duration=0.36", "-c:v", "copy", "-c:a", "aac",
                "-b:a", rate, p(name + ".mp4"))
        }
        func descriptor(_ name: String) throws -> Data {
            let file = try f.data("rates-\(name).mp4")
            let at = try #require(file.range(of: Data("esds".utf8))).lowerBound
            return file[at..<at + 40]
        }
        #expect(try descriptor("one") != descriptor("two"))
        let run = try veil("join", p("one.mp4"), p("two.mp4"), p("one.mp4"), "-o", p("all.mp4"))
        #expect(!run.errors.contains("format"), "\(run.errors)")
        let (one, two, all) = try (sound(p("one.mp4")), sound(p("two.mp4")), sound(p("all.mp4")))
        let begins = try #require(all.packets.firstIndex(of: two.packets[1]))
        // The packet before it is the one that only prepares the decoder.
        #expect(all.packets[begins - 1] == two.packets[0] && one.packets.count - begins <= 1)
        // As many samples a packet, but for the first packet's, which are not heard.
        let from = (begins - 1) * 1024
        let count = min(two.samples.count, 8 * 1024)
        let difference = (0..<count).map { abs(all.samples[from + $0] - two.samples[$0]) }.max() ?? 1
        #expect(difference < 2e-3 && two.samples[..<count].contains { abs($0) > 0.05 })
        // A single film stays as it is.
        try veil("join", p("one.mp4"), "-o", p("same.mp4"))
        #expect(try sound(p("same.mp4")).packets == one.packets)
        // Another format is left out, and this is said.
        try make(
            "-i", base, "-f", "lavfi", "-i", "sine=duration=0.36:sample_rate=22050", "-c:v", "copy", "-c:a", "aac",
            p("other.mp4"))
        let other = try veil("join", p("one.mp4"), p("other.mp4"), "-o", p("both.mp4"))
        #expect(other.errors.contains("a track of audio changes its format"), "\(other.errors)")
    }

    /// How pictures are turned, titles, and what is said of both eyes stay where all parts say the same.
    @Test func meaningOfAll() throws {
        let f = try Fixture.shared.get()
        func p(_ name: String) -> String { f.path("meaning-" + name) }
        let base = try pictures(f)
        try make("-i", base, "-c", "copy", "-metadata:s:v", "rotate=90", "-metadata", "title=One", p("a.mp4"))
        try make("-i", base, "-c", "copy", "-metadata", "title=Two", p("b.mp4"))
        func turned(_ path: String) throws -> [String] {
            try told(path, "-select_streams", "v", "-show_entries", "stream_side_data=rotation:format_tags=title")
        }
        let wanted = try turned(p("a.mp4"))
        #expect(wanted.contains("One") && wanted.contains { abs(Int($0) ?? 0) == 90 }, "\(wanted)")
        let same = try veil("join", p("a.mp4"), p("a.mp4"), "-o", p("aa.mp4"))
        #expect(try turned(p("aa.mp4")) == wanted && !same.errors.contains("left out"), "\(same.errors)")
        let mixed = try veil("join", p("a.mp4"), p("b.mp4"), "-o", p("ab.mp4"))
        #expect(try turned(p("ab.mp4")) == [])
        for what in ["turned", "titles"] { #expect(mixed.errors.contains(what), "\(mixed.errors)") }
        // To a byte stream they are named.
        let bare = try veil("join", p("a.mp4"), p("b.mp4"), "-o", p("ab.hevc"))
        for what in ["turned", "titles"] { #expect(bare.errors.contains(what), "\(bare.errors)") }
        // Cut and joined again: as it was.
        try veil("split", p("a.mp4"), "-o", p("part-%d.mp4"))
        let parts = (0..<3).map { p("part-\($0).mp4") }
        let again = try Run(["join"] + parts + ["-o", p("whole.mp4"), "--continuous"])
        #expect(try again.status == 0 && turned(p("whole.mp4")) == wanted, "\(again.errors)")

        let eyes: [UInt8] = [0, 0, 0, 12] + Array("vexu".utf8) + [1, 2, 3, 4]
        try veil("extract", f.path("clear.hevc"), "-o", p("plain.mp4"))
        let file = try withBox(eyes, in: [UInt8](f.data("meaning-plain.mp4")))
        try Data(file).write(to: URL(fileURLWithPath: p("stereo.mp4")))
        try veil("join", p("stereo.mp4"), p("stereo.mp4"), "-o", p("both.mp4"))
        #expect(try f.data("meaning-both.mp4").range(of: Data(eyes)) != nil)
        let one = try veil("join", p("stereo.mp4"), p("plain.mp4"), "-o", p("one.mp4"))
        #expect(try f.data("meaning-one.mp4").range(of: Data(eyes)) == nil)
        #expect(one.errors.contains("vexu"), "\(one.errors)")
    }

    /// Chapters stay chapters, later by the parts before, and a caption ends where it ended.
    @Test func chaptersAndCaptions() throws {
        let f = try Fixture.shared.get()
        func p(_ name: String) -> String { f.path("chapters-" + name) }
        let chapters = [(0, 200, "A"), (200, 360, "B")].map {
            "[CHAPTER]\nTIMEBASE=1/1000\nSTART=\($0)\nEND=\($1)\ntitle=\($2)\n"
        }
        try (";FFMETADATA1\n" + chapters.joined()).write(toFile: p("in.txt"), atomically: true, encoding: .utf8)
        try "1\n00:00:00,040 --> 00:00:00,200\nsaid\n".write(toFile: p("in.srt"), atomically: true, encoding: .utf8)
        try make(
            "-i", try pictures(f), "-i", p("in.srt"), "-i", p("in.txt"), "-map", "0:v", "-map", "1", "-map_chapters",
            "2", "-c", "copy", "-c:s", "mov_text", p("in.mp4"))
        let run = try veil("join", p("in.mp4"), p("in.mp4"), "-o", p("out.mp4"))
        #expect(!run.errors.contains("left out"), "\(run.errors)")
        #expect(try told(p("out.mp4"), "-show_entries", "stream=codec_type").sorted() == ["data", "subtitle", "video"])
        func marks(_ path: String) throws -> [String] {
            try told(path, "-show_chapters", "-show_entries", "chapter=start_time:chapter_tags=title")
        }
        #expect(try marks(p("in.mp4")) == ["0.000000", "A", "0.200000", "B"])
        let seconds = ["0.000000", "A", "0.200000", "B", "0.360000", "A", "0.560000", "B"]
        #expect(try marks(p("out.mp4")) == seconds)
        // In the list as well, which other players read.
        let file = try f.data("chapters-out.mp4")
        let list = try #require(file.range(of: Data("chpl".utf8))).upperBound
        var starts: [Int] = []
        var at = list + 9
        for _ in 0..<Int(file[list + 8]) {
            starts.append(file[at..<at + 8].reduce(0) { $0 << 8 | Int($1) })
            at += 9 + Int(file[at + 8])
        }
        #expect(starts == [0, 2_000_000, 3_600_000, 5_600_000])
        // Text is shown when it was, and nothing in between.
        func texts(_ path: String) throws -> [(start: Double, end: Double)] {
            let fields = try told(
                path, "-select_streams", "s", "-show_entries", "packet=pts_time,duration_time,size")
            return stride(from: 0, to: fields.count - 2, by: 3).compactMap { i in
                let (start, length) = (Double(fields[i]) ?? -1, Double(fields[i + 1]) ?? -1)
                return fields[i + 2] == "2" ? nil : (start, start + length)
            }
        }
        let shown = try texts(p("out.mp4"))
        try #require(shown.count == 2)
        for (text, begin) in zip(shown, [0.04, 0.4]) {
            #expect(abs(text.start - begin) < 0.002 && abs(text.end - begin - 0.16) < 0.002, "\(shown)")
        }
        // Parts take theirs along.
        try veil("split", p("in.mp4"), "-o", p("part-%d.mp4"))
        var begin = 0.0
        var begun: [String] = []
        for part in 0..<3 {
            let own = try marks(p("part-\(part).mp4"))
            try #require(own.count >= 2)
            for i in stride(from: 0, to: own.count, by: 2) where own[i + 1] != begun.last {
                #expect(abs(begin + (Double(own[i]) ?? -1) - (own[i + 1] == "A" ? 0 : 0.2)) < 0.002, "\(part): \(own)")
                begun.append(own[i + 1])
            }
            let times = try told(
                p("part-\(part).mp4"), "-select_streams", "v", "-show_entries", "packet=pts_time")
            begin += 0.04 * Double(times.count)
        }
        #expect(begun == ["A", "B"])
    }

    /// A byte stream has the rate of its parameter sets, which may be another: that is said, and can be said again.
    @Test func framesASecond() throws {
        let f = try Fixture.shared.get()
        func p(_ name: String) -> String { f.path("rate-" + name) }
        try veil("extract", f.path("clear.hevc"), "-o", p("fast.mp4"), "--fps", "50", "--layer", "0")
        let extracted = try veil("extract", p("fast.mp4"), "-o", p("fast.hevc"))
        #expect(extracted.errors.contains("frame rate, 50, is not kept: the stream itself tells 25"))
        let same = try veil("extract", pictures(f), "-o", p("same.hevc"))
        #expect(!same.errors.contains("frame rate"), "\(same.errors)")
        func rate(_ options: String...) throws -> String {
            let run = try Run(["decode", p("fast.hevc"), "-o", "-"] + options)
            let header = String(decoding: run.output.prefix { $0 != 10 }, as: UTF8.self)
            return header.split(separator: " ").first { $0.hasPrefix("F") }.map(String.init) ?? ""
        }
        #expect(try rate() == "F25:1" && rate("--fps", "50") == "F50:1" && rate("--fps", "29.97") == "F30000:1001")
    }
}
