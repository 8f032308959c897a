// SPDX-License-Identifier: GPL-2.0-or-later
import Foundation
import Testing
import VeilBitstream

/// Streams on their way into files and out of them: start codes, units of others, edit lists, turns.
@Suite(.enabled(if: Fixture.canEncode, "libx265 is not built in"))
struct FileMeaningTests: OtherPrograms {
    private func units(_ path: String) throws -> [NALUnit] {
        try AnnexBReader.units(of: [UInt8](Data(contentsOf: URL(fileURLWithPath: path))))
    }

    /// Units without the zero_byte that they need: parameter sets, and the first of each access unit (B.2.2).
    private func unitsWithoutZero(_ path: String) throws -> [String] {
        var grouping = AccessUnitGrouping()
        var all = try units(path).compactMap { grouping.push($0) }
        if let last = grouping.finish() { all.append(last) }
        return all.flatMap { unit in
            unit.enumerated().filter { i, nal in
                (i == 0 || (32...34).contains(nal.header.nalUnitType.rawValue)) && nal.startCodeLength < 4
            }.map { "\($1.header.nalUnitType) at \($1.offset)" }
        }
    }

    /// Also where what stood before a picture went: messages, stand-ins.
    @Test(arguments: [[], ["--authenticate"], ["--hide", "3"]]) func zeroBytes(options: [String]) throws {
        let f = try Fixture.shared.get()
        func p(_ name: String) -> String { f.path("zero\(options.count)-" + name) }
        #expect(try unitsWithoutZero(f.path("clear.hevc")) == [])
        #expect(try unitsWithoutZero(f.path("all.hevc")) == [])
        try veil("extract", f.path("clear.hevc"), "-o", p("clear.mp4"))
        for source in [f.path("clear.hevc"), p("clear.mp4")] {
            let run = try Run(["encrypt", source, "-o", p("secret.mp4"), "--keys", f.path("keys.json")] + options)
            try #require(run.status == 0, "\(run.errors)")
            try veil("extract", p("secret.mp4"), "-o", p("secret.hevc"))
            #expect(try unitsWithoutZero(p("secret.hevc")) == [])
            try veil("decrypt", p("secret.mp4"), "-o", p("clear.hevc"), "--keys", f.path("keys.json"))
            #expect(try unitsWithoutZero(p("clear.hevc")) == [])
            #expect(try f.data("zero\(options.count)-clear.hevc") == f.data("clear.hevc"))
        }
        try veil("join", p("clear.mp4"), p("clear.mp4"), "-o", p("twice.hevc"))
        #expect(try unitsWithoutZero(p("twice.hevc")) == [])
    }

    /// Units of Dolby Vision (type 62) are named where they are lost, and are no sealed pictures.
    @Test func dolbyVision() throws {
        let f = try Fixture.shared.get()
        func p(_ name: String) -> String { f.path("rpu-" + name) }
        var bytes: [UInt8] = []
        var grouping = AccessUnitGrouping()
        var all = try units(f.path("clear.hevc")).compactMap { grouping.push($0) }
        if let last = grouping.finish() { all.append(last) }
        for unit in all {
            for nal in unit { bytes.append(annexB: nal) }
            bytes += [0, 0, 1, 0x7C, 1, 25, 8, 9, 0x80]
        }
        try Data(bytes).write(to: URL(fileURLWithPath: p("in.hevc")))
        let inspected = try veil("inspect", p("in.hevc"), "--headers")
        #expect(String(decoding: inspected.output, as: UTF8.self).contains("Dolby Vision \(Fixture.frames)"))
        try veil("extract", p("in.hevc"), "-o", p("in.mp4"))
        for input in ["in.hevc", "in.mp4"] {
            let run = try veil("encode", p(input), "-o", p("out.hevc"), "--layers", "1")
            let lines = run.errors.split(separator: "\n").filter { $0.contains("Dolby Vision is not carried on") }
            #expect(lines.count == 1, "\(run.errors)")
        }
        let plain = try veil("encode", f.path("clear.hevc"), "-o", p("out.hevc"), "--layers", "1")
        #expect(!plain.errors.contains("Dolby"))
        let packaged = try Run(["package", p("in.hevc"), "-o", p("site"), "--segment", "9"])
        #expect(packaged.status == 0, "\(packaged.errors)")
        let whole = try ["layer1-init.mp4", "layer0-1.m4s", "layer1-1.m4s"].map { try f.data("rpu-site/" + $0) }
        try Data(whole.joined()).write(to: URL(fileURLWithPath: p("site.mp4")))
        try veil("extract", p("site.mp4"), "-o", p("site.hevc"))
        #expect(try units(p("site.hevc")).filter { $0.isDolbyVision }.count == Fixture.frames)
        for name in [p("site.mp4"), f.path("clear.hevc")] { try veil("decode", name, "-o", name + ".rpu.yuv") }
        #expect(try f.data("rpu-site.mp4.rpu.yuv") == f.data("clear.hevc.rpu.yuv"))
    }

    /// What a file does not tell any more of its upper layers is named; the base layer is there.
    @Test func missingConfiguration() throws {
        let f = try Fixture.shared.get()
        func p(_ name: String) -> String { f.path("lhvc-" + name) }
        try veil("extract", f.path("clear.hevc"), "-o", p("in.mp4"))
        var file = try f.data("lhvc-in.mp4")
        let box = try #require(file.range(of: Data("lhvC".utf8)))
        file.replaceSubrange(box, with: Data("free".utf8))
        try file.write(to: URL(fileURLWithPath: p("cut.mp4")))
        let run = try Run(["decode", p("cut.mp4"), "-o", p("cut.yuv")])
        #expect(run.errors.contains("layer 1 cannot be decoded: its parameter sets are missing"), "\(run.errors)")
        try veil("decode", p("in.mp4"), "-o", p("in.yuv"), "--layer", "0")
        #expect(try f.data("lhvc-cut.yuv") == f.data("lhvc-in.yuv"))
        let whole = try veil("decode", p("in.mp4"), "-o", p("in.yuv"))
        #expect(!whole.errors.contains("missing"), "\(whole.errors)")
    }

    /// A clear MP4 file with layers is attacked and evaluated as the stream that it holds.
    @Test func evaluatedMovies() throws {
        let f = try Fixture.shared.get()
        func p(_ name: String) -> String { f.path("lab-" + name) }
        try veil("extract", f.path("clear.hevc"), "-o", p("clear.mp4"))
        var sizes: [Int] = []
        for input in [p("clear.mp4"), f.path("clear.hevc")] {
            try veil("evaluate", input, "-o", p("report"), "--draws", "1", "--quiet")
            let report = try #require(
                JSONSerialization.jsonObject(with: f.data("lab-report/report.json")) as? [String: Any])
            let runs = try #require(report["runs"] as? [[String: Any]])
            let layers = try #require(runs[0]["layers"] as? [[String: Any]])
            #expect(runs.count == 1 && layers.count == 2)
            sizes += layers.compactMap { $0["bytes"] as? Int }
        }
        #expect(sizes.count == 4 && Array(sizes[..<2]) == Array(sizes[2...]), "\(sizes)")
        #expect(try !FileManager.default.contentsOfDirectory(atPath: p("report")).contains { $0.hasSuffix(".hevc") })
    }

    /// Sheets show pictures as players turn them.
    @Test(
        .enabled(if: Run.find("ffmpeg") != nil, "ffmpeg is not here"),
        arguments: [("90", "transpose=2"), ("180", "hflip,vflip"), ("270", "transpose=1")])
    func turnedSheets(rotation: String, filter: String) throws {
        let f = try Fixture.shared.get()
        func p(_ name: String) -> String { f.path("sheet\(rotation)-" + name) }
        try veil("encode", f.path("clip.y4m"), "-o", p("up.mp4"), "--layers", "1", "--frames", "1", "--sar", "2:1")
        try make("-i", p("up.mp4"), "-c", "copy", "-metadata:s:v", "rotate=\(rotation)", p("turned.mp4"))
        for name in ["up", "turned"] { try veil("view", p(name + ".mp4"), "-o", p(name + ".png"), "--columns", "1") }
        try make("-i", p("up.png"), "-vf", filter, "-f", "rawvideo", "-pix_fmt", "rgb24", p("up.rgb"))
        try make("-i", p("turned.png"), "-f", "rawvideo", "-pix_fmt", "rgb24", p("turned.rgb"))
        let (wanted, seen) = try (f.data("sheet\(rotation)-up.rgb"), f.data("sheet\(rotation)-turned.rgb"))
        #expect(seen == wanted && seen.count == 3 * 256 * 96)
    }

    /// Pictures and sound of packages, parts and what is joined are where an edit list has them, which cuts pictures
    /// off, or lets them begin late.
    @Test(
        .enabled(if: Run.find("ffmpeg") != nil && Run.find("ffprobe") != nil, "ffmpeg is not here"),
        arguments: ["cut", "late", "negative"])
    func editLists(kind: String) throws {
        let f = try Fixture.shared.get()
        func p(_ name: String) -> String { f.path("edit-\(kind)-" + name) }
        try veil("join", f.path("clear.hevc"), f.path("clear.hevc"), "-o", p("long.hevc"))
        try veil("extract", p("long.hevc"), "-o", p("video.mp4"), "--layer", "0")
        try make(
            "-i", p("video.mp4"), "-f", "lavfi", "-i", "sine=duration=0.72", "-c:v", "copy", "-c:a", "aac", p("av.mp4"))
        switch kind {
        case "cut": try make("-ss", "0.08", "-i", p("av.mp4"), "-c", "copy", p("in.mp4"))
        case "late":
            try make(
                "-itsoffset", "0.3", "-i", p("av.mp4"), "-i", p("av.mp4"), "-map", "0:v", "-map", "1:a", "-c", "copy",
                p("in.mp4"))
        default: try make("-i", p("av.mp4"), "-c", "copy", "-movflags", "negative_cts_offsets", p("in.mp4"))
        }
        func times(_ path: String, _ stream: String) throws -> [Double] {
            try told(path, "-select_streams", stream, "-show_entries", "packet=pts_time").compactMap(Double.init)
                .sorted()
        }
        let (pictures, sound) = try (times(p("in.mp4"), "v"), times(p("in.mp4"), "a"))
        #expect(kind == "cut" ? pictures[0] < -0.03 : abs(pictures[0] - (kind == "late" ? 0.3 : 0)) < 0.001)
        try veil("package", p("in.mp4"), "-o", p("site"), "--segment", "9")
        for name in ["layer0", "sound0"] {
            let file = try f.data("edit-\(kind)-site/\(name)-init.mp4") + f.data("edit-\(kind)-site/\(name)-1.m4s")
            try file.write(to: URL(fileURLWithPath: p(name + ".mp4")))
        }
        let packaged = try times(p("layer0.mp4"), "v")
        #expect(packaged.count == pictures.count)
        for (a, b) in zip(packaged, pictures) { #expect(abs(a - b) < 0.002) }
        #expect(try abs(#require(times(p("sound0.mp4"), "a").last) - sound[sound.count - 1]) < 0.002)
        // A part that is the whole.
        try veil("split", p("in.mp4"), "-o", p("part%d.mp4"), "--every", "99")
        let part = try times(p("part0.mp4"), "v")
        #expect(part.count == pictures.count)
        for (a, b) in zip(part, pictures) { #expect(abs(a - b) < 0.002) }
    }

    /// Parts, and what is joined, hold the video only in Matroska and MPEG-TS, and say so.
    @Test(.enabled(if: Run.find("ffmpeg") != nil, "ffmpeg is not here"), arguments: ["mkv", "ts"])
    func soundThatStays(suffix: String) throws {
        let f = try Fixture.shared.get()
        func p(_ name: String) -> String { f.path("stays-\(suffix)-" + name) }
        try veil("extract", f.path("clear.hevc"), "-o", p("video.mp4"), "--layer", "0")
        try make(
            "-i", p("video.mp4"), "-f", "lavfi", "-i", "sine=duration=0.36", "-c:v", "copy", "-c:a", "aac", p("av.mp4"))
        let split = try veil("split", p("av.mp4"), "-o", p("%d." + suffix))
        #expect(split.errors.contains("left out: audio"), "\(split.errors)")
        let joined = try veil("join", p("av.mp4"), p("av.mp4"), "-o", p("both." + suffix))
        #expect(joined.errors.contains("left out: audio"), "\(joined.errors)")
    }
}
