// SPDX-License-Identifier: GPL-2.0-or-later
import Foundation
import Testing

/// Every verb takes MP4 with all layers and gives it.
@Suite(.enabled(if: Fixture.canEncode, "libx265 is not built in"))
struct MovieRoundTripTests {
    static let others = Run.find("ffmpeg") != nil && Run.find("ffprobe") != nil

    /// The payload of a file's box.
    static func payload(_ name: String, of file: Data) throws -> Data {
        var at = file.startIndex
        while at + 16 <= file.endIndex {
            func number(_ start: Int, _ count: Int) -> Int {
                file[start..<start + count].reduce(0) { $0 << 8 | Int($1) }
            }
            let isLong = number(at, 4) == 1
            let size = isLong ? number(at + 8, 8) : number(at, 4)
            try #require(size >= 8 && at + size <= file.endIndex)
            if file[at + 4..<at + 8] == Data(name.utf8) { return file[at + (isLong ? 16 : 8)..<at + size] }
            at += size
        }
        throw CocoaError(.fileReadCorruptFile)
    }

    @Test func verbs() throws {
        let f = try Fixture.shared.get()
        let keys = f.path("keys.json")
        func p(_ name: String) -> String { f.path("verbs-" + name) }
        func data(_ name: String) throws -> Data { try f.data("verbs-" + name) }
        try veil(
            "encode", f.path("clip.y4m"), "-o", p("clear.mp4"), "--layers", "2x,snr", "--keyint", "4", "--sar", "4:3",
            "--range", "full")
        try veil("keygen", "-o", p("keys.json"), "--layers", "3")
        try veil("encrypt", p("clear.mp4"), "-o", p("secret.mp4"), "--keys", p("keys.json"), "--authenticate")
        let samples = try Self.payload("mdat", of: data("clear.mp4"))
        #expect(try Self.payload("mdat", of: data("secret.mp4")) != samples)
        try veil("decrypt", p("secret.mp4"), "-o", p("again.mp4"), "--keys", p("keys.json"))
        #expect(try data("again.mp4") == data("clear.mp4"))
        try veil("keygen", "-o", p("new.json"), "--layers", "3")
        try veil("rekey", p("secret.mp4"), "-o", p("new.mp4"), "--old-keys", p("keys.json"), "--keys", p("new.json"))
        #expect(try Run(["decrypt", p("new.mp4"), "-o", p("wrong.mp4"), "--keys", keys]).status != 0)
        try veil("decrypt", p("new.mp4"), "-o", p("again.mp4"), "--keys", p("new.json"))
        #expect(try data("again.mp4") == data("clear.mp4"))
        // Layers decode as those of the byte stream.
        try veil("extract", p("clear.mp4"), "-o", p("clear.hevc"))
        for layer in ["0", "1", "2"] {
            try veil("decode", p("clear.hevc"), "-o", p("a.y4m"), "--layer", layer)
            try veil("decode", p("secret.mp4"), "-o", p("b.y4m"), "--layer", layer, "--keys", p("keys.json"))
            #expect(try data("a.y4m") == data("b.y4m"))
        }
        // Layers and parts.
        try veil("extract", p("secret.mp4"), "-o", p("base.mp4"), "--layer", "0")
        let base = try data("base.mp4")
        #expect(base.range(of: Data("hvc1".utf8)) != nil && base.range(of: Data("lhvC".utf8)) == nil)
        #expect(base.range(of: Data("pasp".utf8)) != nil && base.range(of: Data("colr".utf8)) != nil)
        // Its tags went along, and miss the layers above.
        let decoded = try Run(["decode", p("base.mp4"), "-o", p("a.y4m"), "--keys", p("keys.json")])
        #expect(decoded.status == 2 && decoded.errors.contains("layer 2"), "\(decoded.errors)")
        try veil("decode", p("clear.mp4"), "-o", p("b.y4m"), "--layer", "0")
        #expect(try data("a.y4m") == data("b.y4m"))
        try veil("split", p("clear.mp4"), "-o", p("part-%d.mp4"))
        try veil("join", p("part-0.mp4"), p("part-1.mp4"), p("part-2.mp4"), "-o", p("joined.mp4"), "--continuous")
        try veil("decode", p("joined.mp4"), "-o", p("a.y4m"))
        try veil("decode", p("clear.mp4"), "-o", p("b.y4m"))
        #expect(try data("a.y4m") == data("b.y4m"))
        #expect(try Self.payload("mdat", of: data("joined.mp4")) == samples)
        // Streams of other parameter sets need an entry each.
        try veil(
            "encode", f.path("clip.y4m"), "-o", p("both.mp4"), "--layers", "2x", "--frames", "2", "--range", "limited")
        try veil("extract", p("both.mp4"), "-o", p("other.mp4"), "--layer", "0")
        try veil("extract", p("clear.mp4"), "-o", p("first.mp4"), "--layer", "0")
        try veil("join", p("first.mp4"), p("other.mp4"), "-o", p("two.mp4"))
        try veil("join", p("first.mp4"), p("other.mp4"), "-o", p("two.hevc"))
        try veil("decode", p("two.mp4"), "-o", p("a.yuv"))
        try veil("decode", p("two.hevc"), "-o", p("b.yuv"))
        #expect(try data("a.yuv") == data("b.yuv"))
        #expect(try data("a.yuv").count == (Fixture.frames + 2) * 64 * 48 * 3 / 2)
        let refused = try Run(["decode", p("clear.mp4"), "-o", p("no.mp4")])
        #expect(refused.status == 1 && !FileManager.default.fileExists(atPath: p("no.mp4")))
    }

    /// Times, sound, titles and how the picture is turned stay as they were, whatever is done to the stream; and a
    /// foreign file's samples come back to the byte.
    @Test(.enabled(if: others, "ffmpeg is not here"), arguments: ["hvc1", "hev1"])
    func filesOfOthers(tag: String) throws {
        let f = try Fixture.shared.get()
        let ffmpeg = try #require(Run.find("ffmpeg"))
        func p(_ name: String) -> String { f.path("\(tag)-" + name) }
        try veil(
            "encode", f.path("clip.y4m"), "-o", p("one.hevc"), "--layers", "1", "--keyint", "4", "--bframes", "2")
        try veil("extract", p("one.hevc"), "-o", p("one.mkv"), "--layer", "0")
        let made = try Run(
            ffmpeg,
            [
                "-v", "error", "-y", "-i", p("one.mkv"), "-f", "lavfi", "-i", "sine=duration=0.4", "-map", "0:v",
                "-map",
                "1:a", "-c:v", "copy", "-c:a", "aac", "-tag:v", tag, "-metadata", "title=A title",
                // Times that do not run evenly.
                "-bsf:v", "setts=pts=PTS+gte(PTS\\,120)*30:dts=DTS-60", p("in.mp4"),
            ])
        try #require(made.status == 0, "\(made.errors)")
        let turned = try Run(
            ffmpeg,
            ["-v", "error", "-y", "-i", p("in.mp4"), "-c", "copy", "-metadata:s:v", "rotate=90", p("turned.mp4")])
        let input = turned.status == 0 ? p("turned.mp4") : p("in.mp4")
        let encrypted = try veil(
            "encrypt", input, "-o", p("secret.mp4"), "--keys", f.path("keys.json"), "--scheme", "all")
        #expect(!encrypted.errors.contains("left out"), "\(encrypted.errors)")
        try veil("decrypt", p("secret.mp4"), "-o", p("clear.mp4"), "--keys", f.path("keys.json"))
        func told(_ path: String, _ what: String...) throws -> String {
            let run = try Run(Run.find("ffprobe")!, ["-v", "error", "-of", "compact"] + what + [path])
            try #require(run.status == 0, "\(run.errors)")
            // How tracks are interleaved is the writer's.
            return String(decoding: run.output, as: UTF8.self).split(separator: "\n").sorted().joined(separator: "\n")
        }
        let times = ["-show_entries", "packet=stream_index,pts_time,dts_time,flags"]
        #expect(try told(p("secret.mp4"), times[0], times[1]) == told(input, times[0], times[1]))
        let all = "packet=stream_index,pts_time,dts_time,size,flags,data_hash"
        #expect(
            try told(p("clear.mp4"), "-show_entries", all, "-show_data_hash", "md5")
                == told(input, "-show_entries", all, "-show_data_hash", "md5"))
        let streams =
            "stream=codec_name,codec_tag_string,sample_rate,nb_frames,duration:stream_tags=language:"
            + "format_tags=title:stream_side_data=rotation"
        #expect(try told(p("secret.mp4"), "-show_entries", streams) == told(input, "-show_entries", streams))
        // What a byte stream cannot take is named.
        let bare = try veil("encrypt", input, "-o", p("secret.hevc"), "--keys", f.path("keys.json"))
        #expect(bare.errors.contains("audio"), "\(bare.errors)")
        // Parts have their sound, which lasts as long as their pictures do and is the source's, packet by packet.
        let parts = try veil("split", input, "-o", p("part-%d.mp4"))
        #expect(!parts.errors.contains("audio"), "\(parts.errors)")
        let sound = ["-select_streams", "a", "-show_data_hash", "md5", "-show_entries", "packet=data_hash"]
        func packets(_ path: String) throws -> [Substring] {
            let run = try Run(Run.find("ffprobe")!, ["-v", "error", "-of", "csv"] + sound + [path])
            return String(decoding: run.output, as: UTF8.self).split { ",\n".contains($0) }.filter {
                $0.hasPrefix("MD5:")
            }
        }
        func seconds(_ path: String, _ stream: String) throws -> Double {
            let options = [
                "-v", "error", "-select_streams", stream, "-show_entries", "stream=duration", "-of", "csv=p=0",
            ]
            let run = try Run(Run.find("ffprobe")!, options + [path])
            return String(decoding: run.output, as: UTF8.self).split { ",\n".contains($0) }.compactMap { Double($0) }
                .first ?? 0
        }
        let whole = Set(try packets(input))
        var heard: Set<Substring> = []
        var part = 0
        while FileManager.default.fileExists(atPath: p("part-\(part).mp4")) {
            let own = try packets(p("part-\(part).mp4"))
            #expect(!own.isEmpty && whole.isSuperset(of: own), "part \(part)")
            heard.formUnion(own)
            let (a, v) = try (seconds(p("part-\(part).mp4"), "a"), seconds(p("part-\(part).mp4"), "v:0"))
            #expect(abs(a - v) < 0.1, "part \(part): \(a) s of sound, \(v) s of pictures")
            part += 1
        }
        #expect(part > 1 && heard.count > whole.count * 3 / 4, "\(heard.count) of \(whole.count) packets")
    }
}
