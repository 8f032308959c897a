// SPDX-License-Identifier: GPL-2.0-or-later
import Foundation
import Testing

private let ffmpeg = Run.find("ffmpeg")
private let ffprobe = Run.find("ffprobe")

/// Containers some boxes or packets of which are damaged or not there: what is whole is taken, a line names the rest,
/// and the exit status says that there is a rest.
@Suite(.enabled(if: Fixture.canEncode && ffmpeg != nil && ffprobe != nil, "libx265 or ffmpeg is not here"))
struct BrokenContainerTests: OtherPrograms {
    private let f: Fixture

    init() throws { f = try Fixture.shared.get() }

    private func p(_ name: String) -> String { f.path("broken-" + name) }
    private func data(_ name: String) throws -> Data { try Data(contentsOf: URL(fileURLWithPath: p(name))) }

    private func write(_ bytes: some Sequence<UInt8>, _ name: String) throws {
        try Data(bytes).write(to: URL(fileURLWithPath: p(name)))
    }

    /// One layer beside sound, as ffmpeg writes it: tables behind the samples.
    private func film(_ name: String, _ options: String...) throws {
        let (bare, base) = (name + ".hevc", name + ".base.mp4")
        try veil(
            "encode", f.path("clip.y4m"), "-o", p(bare), "--layers", "1", "--preset", "ultrafast", "--x265-options",
            "keyint=3,min-keyint=3,bframes=0,scenecut=0,open-gop=0")
        try veil("extract", p(bare), "-o", p(base))
        try make(
            ["-i", p(base), "-f", "lavfi", "-i", "sine=duration=0.36", "-c:v", "copy", "-c:a", "aac"] + options
                + [p(name)])
    }

    private func kinds(_ name: String) throws -> [String] {
        try Set(told(p(name), "-show_entries", "stream=codec_type")).sorted()
    }

    /// A transport stream that announces sound which never comes, whole and cut off.
    @Test func soundThatNeverComes() throws {
        try film("mute.film.ts")
        let bytes = [UInt8](try data("mute.film.ts"))
        let packets = stride(from: 0, to: bytes.count, by: 188).map { bytes[$0..<$0 + 188] }
        // ffmpeg gives the second track PID 0x101.
        let mute = packets.filter { $0[$0.startIndex + 1] & 0x1F != 1 || $0[$0.startIndex + 2] != 1 }
        #expect(mute.count < packets.count)
        try write(mute.joined(), "mute.ts")
        try write(mute.joined().prefix(mute.count * 188 * 2 / 3), "mute.cut.ts")
        let verbs = [
            ["extract"], ["encrypt", "--keys", f.path("keys.json")],
            ["encode", "--layers", "1", "--preset", "ultrafast"],
        ]
        for verb in verbs {
            for (input, status) in [("mute.ts", Int32(0)), ("mute.cut.ts", 2)] {
                for output in ["mute.out.ts", "mute.out.mkv", "mute.out.mp4"] {
                    let run = try Run([verb[0], p(input), "-o", p(output)] + verb.dropFirst())
                    #expect(run.status == status, "\(verb[0]) \(input) \(output): \(run.errors)")
                    #expect(run.errors.contains("of which no packet was found"), "\(output): \(run.errors)")
                    #expect(!run.errors.contains("Error"), "\(output): \(run.errors)")
                    #expect(try kinds(output) == ["video"])
                }
            }
        }
    }

    /// Sound that begins behind what ffmpeg looks at of its own accord.
    @Test func soundThatComesLate() throws {
        try make(
            [
                "-f", "lavfi", "-i", "testsrc2=s=64x48:r=5:d=14", "-itsoffset", "12", "-f", "lavfi", "-i", "sine=d=1.5",
                "-map", "0", "-map", "1", "-pix_fmt", "yuv420p", "-c:v", "libx265", "-x265-params",
                "log-level=none:crf=40",
                "-c:a", "aac", p("late.ts"),
            ])
        for output in ["late.out.ts", "late.out.mkv", "late.out.mp4"] {
            let run = try Run(["extract", p("late.ts"), "-o", p(output)])
            #expect(run.status == 0 && run.errors.isEmpty, "\(output): \(run.errors)")
            #expect(try kinds(output) == ["audio", "video"], "\(output)")
        }
    }

    /// Tables of sound that cannot be read: wherever sound goes along, its damage is told.
    @Test(arguments: ["stsz", "stsc", "mdhd"]) func damagedSound(box: String) throws {
        let name = "sound-\(box)"
        try film(name + ".whole.mp4")
        var film = try BoxEditing(p(name + ".whole.mp4"))
        switch box {
        case "mdhd": film.change(track: 1, "mdia", "mdhd") { Array($0.prefix(6)) }
        default: film.change(track: 1, "mdia", "minf", "stbl", box) { Array($0.prefix(10)) }
        }
        try film.write(p(name + ".mp4"))
        let file = p(name + ".mp4")
        let keys = ["--keys", f.path("keys.json")]
        let verbs: [[String]] = [
            ["extract", file, "-o", p(name + ".out.mp4")], ["extract", file, "-o", p(name + ".out.mkv")],
            ["extract", file, "-o", p(name + ".out.ts")], ["encrypt", file, "-o", p(name + ".out.mov")] + keys,
            ["split", file, "-o", p(name + ".part-%d.mp4")], ["package", file, "-o", p(name + ".package")],
            ["encode", file, "-o", p(name + ".coded.mp4"), "--layers", "1", "--preset", "ultrafast"],
            ["encode", file, "-o", p(name + ".coded.mkv"), "--layers", "1", "--preset", "ultrafast"],
        ]
        for verb in verbs {
            let run = try Run(verb)
            #expect(run.status == 2 && run.errors.contains("audio: box '\(box)'"), "\(verb): \(run.errors)")
            #expect(run.errors.contains("what is whole is taken"))
        }
    }

    /// Boxes that pictures do not need.
    @Test func damagedBoxes() throws {
        try film("boxes.whole.mp4")
        try veil("decode", p("boxes.whole.mp4"), "-o", p("boxes.whole.yuv"))
        let whole = try BoxEditing(p("boxes.whole.mp4"))
        func renamed(_ bytes: [UInt8], _ type: String) -> [UInt8] {
            var bytes = bytes
            guard let at = bytes.indices.dropLast(3).first(where: { bytes[$0...].starts(with: Array(type.utf8)) })
            else { return [] }
            bytes.replaceSubrange(at..<at + 4, with: Array("xxxx".utf8))
            return bytes
        }
        func longer(_ bytes: [UInt8], _ type: String) -> [UInt8] {
            var bytes = bytes
            guard let at = bytes.indices.dropLast(3).last(where: { bytes[$0...].starts(with: Array(type.utf8)) })
            else { return [] }
            bytes[at - 2] = 0x10
            return bytes
        }
        // Versions of ffmpeg end sample entries with different boxes.
        let entry = whole.payload(track: 0, "mdia", "minf", "stbl", "stsd")
        let last = try #require(["btrt", "pasp", "fiel"].first { !longer(entry, $0).isEmpty })
        let changes: [(String, (inout BoxEditing) -> Void)] = [
            ("no box 'tkhd' in 'trak'", { $0.change(track: 0) { renamed($0, "tkhd") } }),
            ("no box 'hdlr' in 'mdia'", { $0.change(track: 0, "mdia") { renamed($0, "hdlr") } }),
            ("no box 'hdlr' in 'mdia'", { $0.change(track: 1, "mdia") { renamed($0, "hdlr") } }),
            ("no box 'stsd' in 'stbl'", { $0.change(track: 1, "mdia", "minf", "stbl") { renamed($0, "stsd") } }),
            ("box 'smhd' at byte", { $0.change(track: 1, "mdia", "minf") { longer($0, "smhd") } }),
            ("ends too early", { $0.change(track: 0, "mdia", "minf", "stbl", "stsd") { longer($0, last) } }),
        ]
        var files = [("box 'udta' at byte", longer(whole.file, "udta"))]
        for (line, change) in changes {
            var film = whole
            change(&film)
            files.append((line, film.file))
        }
        for (line, bytes) in files {
            #expect(bytes.count == whole.file.count && bytes != whole.file, "\(line)")
            try write(bytes, "boxes.mp4")
            for output in ["boxes.yuv", "boxes.hevc", "boxes.mp4.mp4"] {
                let verb = output.hasSuffix("yuv") ? "decode" : "extract"
                let run = try Run([verb, p("boxes.mp4"), "-o", p(output)])
                #expect(run.status == 2 && run.errors.contains(line), "\(line) \(output): \(run.errors)")
            }
            #expect(try data("boxes.yuv") == data("boxes.whole.yuv"), "\(line)")
        }
    }

    /// One of three fragments is damaged: the others are there.
    @Test func damagedFragment() throws {
        try film("fragments.whole.mp4", "-movflags", "frag_keyframe+empty_moov+default_base_moof")
        try veil("decode", p("fragments.whole.mp4"), "-o", p("fragments.whole.yuv"))
        let picture = Fixture.width * Fixture.height * 3 / 2
        let pictures = try data("fragments.whole.yuv")
        #expect(pictures.count == Fixture.frames * picture)
        let whole = [UInt8](try data("fragments.whole.mp4"))
        func places(_ type: String) -> [Int] {
            whole.indices.dropLast(3).filter { whole[$0...].starts(with: Array(type.utf8)) }
        }
        let moofs = places("moof")
        #expect(moofs.count == 3)
        // The video's comes first.
        func place(_ type: String) throws -> Int { try #require(places(type).first { $0 > moofs[1] }) }
        let changes: [(String, Int, [UInt8])] = [
            ("holds what only 'traf' does", try place("traf"), Array("free".utf8)),
            ("holds what only 'moof' does", moofs[1], Array("uuid".utf8)),
            ("no box 'tfhd' in 'traf'", try place("tfhd"), Array("free".utf8)),
            ("there is no track 77", try place("tfhd") + 8, BoxEditing.bytes(77)),
            ("box 'trun' at byte", try place("trun") + 8, BoxEditing.bytes(1 << 20)),
            ("ends too early", try place("traf") - 4, BoxEditing.bytes(40)),
            ("box 'trun' at byte", try place("trun") - 4, BoxEditing.bytes(4096)),
            // What is behind it begins in the middle of something.
            ("is no box", try place("mdat") - 4, BoxEditing.bytes(9)),
        ]
        for (line, at, bytes) in changes {
            var file = whole
            file.replaceSubrange(at..<at + 4, with: bytes)
            try write(file, "fragments.mp4")
            let run = try Run(["decode", p("fragments.mp4"), "-o", p("fragments.yuv")])
            #expect(run.status == 2 && run.errors.contains(line), "\(line): \(run.errors)")
            let expected = pictures.prefix(3 * picture) + pictures.suffix(3 * picture)
            let isAll = line == "is no box"
            #expect(try data("fragments.yuv") == (isAll ? pictures.prefix(6 * picture) : expected), "\(line)")
        }
    }

    /// A few bytes claim samples by the million: no other program is given such a file.
    @Test func impossibleClaims() throws {
        try film("claims.whole.mp4")
        for (track, output, status) in [(1, "claims.mkv", Int32(2)), (0, "claims.coded.hevc", 1)] {
            var film = try BoxEditing(p("claims.whole.mp4"))
            film.change(track: track, "mdia", "minf", "stbl", "stsz") { _ in
                BoxEditing.bytes(0) + BoxEditing.bytes(1) + BoxEditing.bytes(40_000_000)
            }
            try film.write(p("claims.mp4"))
            let verb = track == 1 ? ["extract"] : ["encode", "--layers", "1"]
            let run = try Run([verb[0], p("claims.mp4"), "-o", p(output)] + verb.dropFirst())
            #expect(run.status == status && run.errors.contains("claims 40000000 samples"), "\(run.errors)")
        }
        #expect(try kinds("claims.mkv") == ["video"])
    }

    /// Text that some program put behind a whole file is no part of it that is missing; a box that is cut off is.
    @Test func bytesBehind() throws {
        try film("behind.whole.mp4")
        let whole = try data("behind.whole.mp4")
        let tag = "TAG title" + String(repeating: " ", count: 119)
        for text in ["hello world", tag, "\0\0\0\u{3}short of a header"] {
            try write(whole + Data(text.utf8), "behind.mp4")
            let run = try Run(["extract", p("behind.mp4"), "-o", p("behind.hevc")])
            #expect(run.status == 0 && run.errors.contains("bytes behind its last box, passed over"), "\(run.errors)")
        }
        try write(whole + Data(BoxEditing.bytes(4096) + Array("moof".utf8) + Array("more".utf8)), "behind.mp4")
        let cut = try Run(["extract", p("behind.mp4"), "-o", p("behind.hevc")])
        #expect(cut.status == 2 && cut.errors.contains("the file ends in it"), "\(cut.errors)")
        // Video that others decode.
        try make("-f", "lavfi", "-i", "testsrc2=s=96x64:r=25:d=0.2", "-c:v", "mpeg4", p("behind.other.mp4"))
        try write(try data("behind.other.mp4") + Data(tag.utf8), "behind.other.mp4")
        let coded = try Run(
            ["encode", p("behind.other.mp4"), "-o", p("behind.hevc"), "--layers", "1", "--preset", "ultrafast"])
        #expect(coded.status == 0, "\(coded.errors)")
    }
}
