// SPDX-License-Identifier: GPL-2.0-or-later
import Foundation
import Testing

private let ffmpeg = Run.find("ffmpeg")
private let ffprobe = Run.find("ffprobe")

/// Sources and streams that were cut off or are damaged: what is whole is taken, a line says what is not, and the exit
/// status does.
@Suite(.enabled(if: Fixture.canEncode && ffmpeg != nil && ffprobe != nil, "libx265 or ffmpeg is not here"))
struct DamagedSourceTests: OtherPrograms {
    private let f: Fixture

    init() throws { f = try Fixture.shared.get() }

    private func p(_ name: String) -> String { f.path("damaged-" + name) }

    private func cut(_ name: String, to share: Double) throws -> String {
        let data = try Data(contentsOf: URL(fileURLWithPath: p(name)))
        try data.prefix(Int(Double(data.count) * share)).write(to: URL(fileURLWithPath: p("cut-" + name)))
        return p("cut-" + name)
    }

    /// Pictures that other programs code, in containers that they write: the line names the place.
    @Test(arguments: [
        ("mkv", "ends inside the element at byte"), ("ts", "ends inside the packet at byte"),
        ("mp4", "ends inside the box 'mdat' at byte"),
    ])
    func sources(suffix: String, line: String) throws {
        let name = "film.\(suffix)"
        try make(
            "-f", "lavfi", "-i", "testsrc2=s=96x64:r=25:d=2", "-f", "lavfi", "-i", "sine=d=2", "-c:v", "mpeg4", "-b:v",
            "200k", "-c:a", "aac", "-movflags", "+faststart", p(name))
        let options = ["--layers", "1", "--preset", "ultrafast"]
        for output in ["of-\(suffix).hevc", "of-\(suffix).mp4"] {
            let whole = try Run(["encode", p(name), "-o", p(output)] + options)
            #expect(whole.status == 0 && !whole.errors.contains("whole"), "\(output): \(whole.errors)")
            let half = try Run(["encode", try cut(name, to: 0.6), "-o", p(output)] + options)
            #expect(half.status == 2 && half.errors.contains(line), "\(output): \(half.errors)")
            #expect(half.errors.contains("what is whole was coded"))
        }
    }

    /// Streams of HEVC in such containers, through every verb.
    @Test(arguments: ["mkv", "ts"]) func streams(suffix: String) throws {
        let name = "stream.\(suffix)"
        try veil("extract", f.path("clear.hevc"), "-o", p(name), "--layer", "0")
        let (whole, half) = (p(name), try cut(name, to: 0.7))
        let verbs: [[String]] = [
            ["inspect"], ["inspect", "--headers"], ["decode", "-o", p("\(suffix).y4m")],
            ["extract", "-o", p("\(suffix).hevc")], ["encode", "-o", p("\(suffix).coded.hevc"), "--layers", "1"],
            ["encrypt", "--damaged", "drop", "-o", p("\(suffix).e.hevc"), "--keys", f.path("keys.json")],
        ]
        for verb in verbs {
            let good = try Run([verb[0], whole] + verb.dropFirst())
            #expect(good.status == 0 && !good.errors.contains("is whole"), "\(verb): \(good.errors)")
            let run = try Run([verb[0], half] + verb.dropFirst())
            #expect(run.status == 2 && run.errors.contains("ends inside"), "\(verb): \(run.errors)")
        }
        // A pipe has no end that could be looked at; what ffmpeg says counts.
        if suffix == "mkv" {
            let run = try Run(["inspect", "-"], input: try Data(contentsOf: URL(fileURLWithPath: half)))
            #expect(run.status == 2 && run.errors.contains("what is whole is taken"), "\(run.errors)")
        }
    }

    /// A progressive MP4 file whose samples are missing at the end: those in front of it are decoded.
    @Test func movie() throws {
        try veil("extract", f.path("clear.hevc"), "-o", p("movie.mp4"))
        try veil("decode", p("movie.mp4"), "-o", p("movie.yuv"))
        let half = try cut("movie.mp4", to: 0.6)
        let run = try Run(["decode", half, "-o", p("half.yuv")])
        #expect(run.status == 2 && run.errors.contains("lies outside the file"), "\(run.errors)")
        let (all, some) = (try data("movie.yuv"), try data("half.yuv"))
        let picture = Fixture.width * Fixture.height * 3 / 2
        #expect(some.count >= 2 * picture && some.count < all.count && some.count % picture == 0)
        #expect(all.prefix(picture) == some.prefix(picture))
        let sealed = try Run(["encrypt", half, "-o", p("half.mp4"), "--keys", f.path("keys.json")])
        #expect(sealed.status == 2, "\(sealed.errors)")
        let back = try Run(["decrypt", p("half.mp4"), "-o", p("back.hevc"), "--keys", f.path("keys.json")])
        let clear = try Run(["extract", half, "-o", p("clear.hevc")])
        #expect(back.status == 0 && clear.status == 2)
        #expect(try data("back.hevc") == data("clear.hevc"))
    }

    private func data(_ name: String) throws -> Data { try Data(contentsOf: URL(fileURLWithPath: p(name))) }

    /// Slices that cannot be read to their end are named by `inspect`.
    @Test func inspection() throws {
        var stream = [UInt8](try f.data("clear.hevc"))
        #expect(try Run(["inspect", f.path("clear.hevc")]).status == 0)
        stream.removeLast(40)
        try Data(stream).write(to: URL(fileURLWithPath: p("short.hevc")))
        for options in [[], ["--json"]] {
            let run = try Run(["inspect", p("short.hevc")] + options)
            #expect(run.status == 2 && run.errors.contains("cannot be parsed to its end"), "\(run.errors)")
            #expect(!run.output.isEmpty)
        }
        #expect(try Run(["inspect", "--headers", p("short.hevc")]).status == 0)
    }

    /// What is compared is what both have.
    @Test func comparison() throws {
        let clip = try f.data("clip.y4m")
        try clip.dropLast(clip.count / 3).write(to: URL(fileURLWithPath: p("short.y4m")))
        #expect(try Run(["measure", f.path("clip.y4m"), f.path("clip.y4m")]).status == 0)
        let run = try Run(["measure", f.path("clip.y4m"), p("short.y4m")])
        #expect(run.status == 2 && run.errors.contains("what is whole was compared"), "\(run.errors)")
        #expect(run.errors.contains("goes on") && String(decoding: run.output, as: UTF8.self).contains("frames 5"))
        // Nothing is no comparison.
        let header = try #require(clip.firstIndex(of: 0x0A))
        try clip[...header].write(to: URL(fileURLWithPath: p("none.y4m")))
        for pair in [[p("none.y4m"), f.path("clip.y4m")], [f.path("clip.y4m"), p("none.y4m")]] {
            let run = try Run(["measure"] + pair)
            #expect(run.status == 1 && run.errors.contains("no frames") && run.output.isEmpty, "\(run.errors)")
        }
        // All layers of a stream are decoded, not the base layer that other programs see.
        let layers = try Run(["measure", f.path("clip.y4m"), f.path("clear.hevc")])
        #expect(layers.status == 0 && layers.errors.isEmpty, "\(layers.errors)")
    }

    /// Encrypted streams are no sources, whatever they lie in.
    @Test(arguments: ["mkv", "ts", "mp4", "hevc"]) func encryptedSources(suffix: String) throws {
        try veil("extract", f.path("clear.hevc"), "-o", p("base.hevc"), "--layer", "0")
        let file = p("encrypted.\(suffix)")
        try veil("encrypt", p("base.hevc"), "-o", file, "--keys", f.path("keys.json"))
        let run = try Run(["encode", file, "-o", p("no.hevc"), "--layers", "1"])
        #expect(run.status == 1 && run.errors.contains("is encrypted"), "\(run.errors)")
        #expect(!FileManager.default.fileExists(atPath: p("no.hevc")))
    }
}
