// SPDX-License-Identifier: GPL-2.0-or-later
import Foundation
import Testing

/// Runs a line of bash, in which $V is the program, in a folder of its own.
private func shell(_ line: String, _ folder: URL) throws -> Run {
    let bash = try #require(Run.find("bash"))
    var environment = ProcessInfo.processInfo.environment
    environment["V"] = Run.veil.path
    return try Run(bash, ["-c", "cd '\(folder.path)' && \(line)"], environment: environment)
}

/// Sources and outputs that are no plain files, and those that are each other.
@Suite(.enabled(if: Fixture.canEncode && Run.find("bash") != nil, "libx265 is not built in, or bash is not here"))
final class InputOutputTests {
    private let f: Fixture
    private let folder: URL
    private static let options = "--layers 1 --preset ultrafast --log-level warning"

    init() throws {
        f = try Fixture.shared.get()
        folder = FileManager.default.temporaryDirectory.appendingPathComponent(
            "veil-io-\(UInt64.random(in: 0 ... .max))")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        try f.data("clip.y4m").write(to: folder.appendingPathComponent("clip.y4m"))
        try f.data("keys.json").write(to: folder.appendingPathComponent("keys.json"))
        try f.data("clear.hevc").write(to: folder.appendingPathComponent("clear.hevc"))
    }

    deinit { try? FileManager.default.removeItem(at: folder) }

    private func data(_ name: String) throws -> Data { try Data(contentsOf: folder.appendingPathComponent(name)) }
    private func run(_ line: String) throws -> Run { try shell(line, folder) }
    private var names: [String] {
        ((try? FileManager.default.contentsOfDirectory(atPath: folder.path)) ?? []).sorted()
    }

    /// Whatever is asked of a source beside its pictures, a pipe is opened once.
    @Test(arguments: ["mp4", "hevc"]) func pipesAreOpenedOnce(suffix: String) throws {
        let run = try run(
            "mkfifo p && (cat clip.y4m >p &) && timeout 60 $V encode p -o o.\(suffix) --fps 30 \(Self.options)")
        #expect(run.status == 0, "\(run.status): \(run.errors)")
    }

    /// What the system says is told, whoever wrote.
    @Test(arguments: ["hevc", "mp4"]) func filesThatMayNotGrow(suffix: String) throws {
        let run = try run("ulimit -f 4; $V extract clear.hevc -o large.\(suffix)")
        #expect(
            run.status == 1 && run.errors == "veil: large.\(suffix): cannot write: File too large\n", "\(run.errors)")
        #expect(names == ["clear.hevc", "clip.y4m", "keys.json"])
    }

    @Test func namesOfOneCharacter() throws {
        let run = try run("cp clip.y4m c && $V encode c -o o --recon r \(Self.options)")
        #expect(run.status == 0, "\(run.errors)")
        #expect(try data("r/layer0.y4m").count > 1000 && data("o").count > 100)
    }

    @Test func everyWayInGivesTheSame() throws {
        let o = Self.options
        try #require(run("$V encode clip.y4m -o plain \(o)").status == 0)
        let plain = try data("plain")
        let ways = [
            "mkfifo p && (cat clip.y4m >p &) && $V encode p -o out \(o)",
            "$V encode /dev/stdin -o out \(o) <clip.y4m",
            "cat clip.y4m | $V encode /dev/stdin -o out \(o)",
            "cat clip.y4m | $V encode - -o out \(o)",
            "$V encode <(cat clip.y4m) -o out \(o)",
            "cp clip.y4m a:b.y4m && $V encode a:b.y4m -o out \(o)",
            "cp clip.y4m ./-d.y4m && $V encode -o out \(o) -- -d.y4m",
            "$V encode clip.y4m -o - \(o) >out",
            "$V encode clip.y4m -o /dev/stdout \(o) >out",
            "$V encode clip.y4m -o >(cat >out) \(o); sleep 1",
        ]
        for way in ways {
            let run = try run("rm -f out; " + way)
            #expect(run.status == 0 && run.errors.isEmpty, "\(way): \(run.errors)")
            #expect(try data("out") == plain, "\(way)")
        }
    }

    @Test func keysComeThroughPipes() throws {
        let nonce = "--nonce 00112233445566778899aabbccddeeff --log-level warning"
        try #require(run("$V encrypt clear.hevc -o plain --keys keys.json \(nonce)").status == 0)
        let plain = try data("plain")
        for way in [
            "$V encrypt clear.hevc -o out --keys <(cat keys.json) \(nonce)",
            "$V encrypt clear.hevc -o out --keys - \(nonce) <keys.json",
            "mkfifo k && (cat keys.json >k &) && $V encrypt <(cat clear.hevc) -o out --keys k \(nonce)",
        ] {
            let run = try run("rm -f out; " + way)
            #expect(run.status == 0, "\(way): \(run.errors)")
            #expect(try data("out") == plain, "\(way)")
        }
    }

    @Test func outputsAreNoInputs() throws {
        let o = Self.options
        let (clip, keys, clear) = (try data("clip.y4m"), try data("keys.json"), try data("clear.hevc"))
        try #require(
            run("ln -s clip.y4m link && ln clip.y4m hard && mkdir r && ln clip.y4m r/layer0.y4m && ln -s . here").status
                == 0)
        for line in [
            "$V encode clip.y4m -o clip.y4m \(o)", "$V encode clip.y4m -o link \(o)",
            "$V encode clip.y4m -o here/hard \(o)", "$V encode link -o clip.y4m \(o)",
            "$V encode - -o clip.y4m \(o) <clip.y4m", "$V encode clip.y4m -o out --recon r \(o)",
            "$V encode clip.y4m -o out --pass 1 --bitrate 100 --stats clip.y4m \(o)",
            "$V encode clip.y4m -o out --pass 1 --bitrate 100 --stats out \(o)",
            "$V encode clip.y4m -o keys.json --keys keys.json \(o)",
            "$V encrypt clear.hevc -o keys.json --keys keys.json",
            "$V encrypt clear.hevc -o clear.hevc --keys keys.json",
            "$V encrypt clear.hevc -o out --keys keys.json --signal none --sidecar keys.json",
            "$V encrypt clear.hevc -o out --keys keys.json --signal none --sidecar out",
            "$V encrypt clear.hevc -o keys.json --keys fd:3 3<keys.json",
            "$V decrypt clear.hevc -o keys.json --keys keys.json", "$V decode clear.hevc -o clear.hevc",
            "$V extract clear.hevc -o here/clear.hevc --layer 0", "$V join clear.hevc -o clear.hevc",
            "$V view clear.hevc -o clear.hevc",
            "ln clear.hevc p0 && $V split p0 -o p%d",
        ] {
            let run = try run(line)
            #expect(run.status == 1, "\(line): \(run.status)")
            #expect(
                run.errors.split(separator: "\n").count == 1 && run.errors.contains("cannot write"),
                "\(line): \(run.errors)")
        }
        #expect(try data("clip.y4m") == clip)
        #expect(try data("keys.json") == keys)
        #expect(try data("clear.hevc") == clear)
        #expect(!names.contains { $0.contains(".part") || $0 == "out" }, "\(names)")
    }

    /// libx265 makes files by names of its own: where nobody can put a link in its way, and only of passes that are
    /// asked for as such.
    @Test func statisticsFollowNoLinks() throws {
        let keys = try data("keys.json")
        let line = "$V encode clip.y4m --layers 1 --preset ultrafast -o out"
        for option in ["stats=keys.json,pass=1", "multi-pass-opt-analysis=1", "pass=1"] {
            let run = try run("\(line) --x265-options \(option)")
            #expect(run.status == 64 && run.errors.contains("--pass"), "\(option): \(run.status) \(run.errors)")
        }
        try #require(
            run("for s in .temp .cutree.temp; do ln -s keys.json st.x265$s; done").status == 0)
        let first = try run("\(line) --pass 1 --stats st --bitrate 60")
        #expect(first.status == 0, "\(first.errors)")
        #expect(try data("keys.json") == keys)
        let second = try run("\(line) --pass 2 --stats st --bitrate 60")
        #expect(second.status == 0, "\(second.errors)")
        #expect(try data("keys.json") == keys && data("st.x265").count > 500)
        #expect(!names.contains { $0.contains(".part") }, "\(names)")
    }

    @Test func standardErrorMayBeClosedOrFull() throws {
        try #require(run("$V encode clip.y4m -o plain --layers 1 --preset ultrafast").status == 0)
        var ways = ["2>&-", "2> >(true)"]
        if FileManager.default.fileExists(atPath: "/dev/full") { ways.append("2>/dev/full") }
        for way in ways {
            let run = try run("rm -f out; $V encode clip.y4m -o out --layers 1 --preset ultrafast \(way)")
            #expect(run.status == 0, "\(way)")
            #expect(try data("out") == data("plain"), "\(way)")
            #expect(try self.run("$V nonsense \(way)").status == 64, "\(way)")
        }
        // A file must not get the number of a stream that is closed.
        #expect(try run("$V decode clear.hevc -o out.y4m 2>&- && $V decode clear.hevc -o - >out2.y4m").status == 0)
        #expect(try data("out.y4m") == data("out2.y4m"))
        #expect(try run("$V decode clear.hevc -o - >&-").status == 1)
        if FileManager.default.fileExists(atPath: "/dev/full") {
            #expect(try run("$V inspect clear.hevc >/dev/full").status == 1)
        }
    }

    @Test(arguments: ["INT", "TERM", "HUP"])
    func signalsLeaveNoHalfFiles(signal: String) throws {
        let begin = "(head -c 40000 clip.y4m; sleep 30) >p & $V encode p -o out --layers 1 --preset ultrafast & P=$!"
        // Once: what was coded is finished. Twice: nothing is left.
        let once = try run(
            "mkfifo p; \(begin); sleep 1; kill -\(signal) $P; wait $P; S=$?; kill %1; exit $S")
        #expect(once.status == 130, "\(once.status) \(once.errors)")
        #expect(names.contains("out") && !names.contains { $0.hasPrefix("out.part") }, "\(names)")
        // Stopped, so that it does not see the first before the second comes.
        let twice = try run(
            "rm -f out; \(begin); sleep 1; ls out.part* || exit 99; kill -STOP $P; kill -\(signal) $P; "
                + "kill -CONT $P; kill -\(signal) $P; wait $P; S=$?; kill %1; exit $S")
        #expect(twice.status != 99)
        #expect(!names.contains { $0.hasPrefix("out.part") }, "\(names)")
    }

    /// Bytes that are no text would be taken for those of another file.
    @Test func namesThatAreNotUTF8() throws {
        for line in [
            "$V encrypt clear.hevc -o $'\\376.hevc' --keys keys.json", "$V decode $'\\377.hevc' -o out.yuv",
            "$V encode clip.y4m -o out --keys $'k\\351.json'",
        ] {
            let run = try run("cp clear.hevc $'\\377.hevc'; " + line)
            #expect(run.status == 64 && run.errors.contains("is not UTF-8"), "\(line): \(run.status) \(run.errors)")
        }
        #expect(!names.contains { $0.contains("\u{FFFD}.hevc") && $0 != "\u{FFFD}.hevc" } && !names.contains("out"))
    }

    /// Ctrl-C reaches all of a pipeline: who reads a pipe takes what the writer still has.
    @Test func interruptedPipelinesComeToTheirEnd() throws {
        try #require(run("$V encrypt clear.hevc -o tagged --keys keys.json --authenticate").status == 0)
        let half = try data("tagged").count / 2
        let whole = "(head -c \(half) tagged; sleep 3; tail -c +\(half + 1) tagged)"
        for (verb, wanted) in [("decrypt", "clear.hevc"), ("decode", "pictures")] {
            if verb == "decode" { try #require(run("$V decode clear.hevc -o - >pictures").status == 0) }
            let read =
                "$V \(verb) - -o - --keys keys.json --log-level warning <p >out & P=$!; sleep 2; kill -INT $P; wait $P"
            let run = try run("rm -f p out; mkfifo p; \(whole) >p & \(read)")
            #expect(run.status == 130 && run.errors == "veil: interrupted\n", "\(verb): \(run.status) \(run.errors)")
            #expect(try data("out") == data(wanted), "\(verb)")
        }
        // One who has nothing more to say is not waited for.
        let read = "$V decrypt - -o out --keys keys.json <p & P=$!; sleep 2; T=$SECONDS; kill -INT $P; wait $P; S=$?"
        let cut = try run(
            "rm -f p out; mkfifo p; (head -c \(half) tagged; sleep 12) >p & \(read); echo $((SECONDS - T)); exit $S")
        #expect(cut.status == 130 && cut.errors.contains("cut off"), "\(cut.status) \(cut.errors)")
        #expect(Int(String(decoding: cut.output, as: UTF8.self).trimmingCharacters(in: .newlines)) ?? 99 < 15)
    }

    @Test func aCutLastFrameLeavesTheOthers() throws {
        let frame = Fixture.width * Fixture.height * 3 / 2 + 6
        let header = try data("clip.y4m").count - frame * Fixture.frames
        let cut = try run(
            "head -c \(header + 4 * frame + 1000) clip.y4m >cut.y4m; $V encode cut.y4m -o out \(Self.options)")
        #expect(cut.status == 2)
        #expect(
            cut.errors.split(separator: "\n").count == 1 && cut.errors.contains("ends inside frame 4"), "\(cut.errors)")
        try #require(run("$V encode clip.y4m --frames 4 -o four \(Self.options)").status == 0)
        #expect(try data("out") == data("four"))
        let none = try run("head -c \(header + 100) clip.y4m >none.y4m; $V encode none.y4m -o no \(Self.options)")
        #expect(none.status == 1 && none.errors.contains("ends inside frame 0"), "\(none.errors)")
        #expect(!names.contains("no"))
    }

    @Test func odditiesAreSaid() throws {
        for (line, what) in [
            ("--qp 99", "0 to 51"), ("--fps 99999999999999999999", "--fps"),
            ("--keys keys.json --roi 500,500,10,10", "outside the picture"),
            ("--x265-options vbv-maxrate=100,vbv-bufsize=1,bframes=99", "bframe count"),
            ("--x265-options level-idc=1 --x265-options ref=99", "maxNumReferences"),
            ("--source-layer 1", "with several layers"),
        ] {
            let run = try run("$V encode clip.y4m -o out --layers 1 \(line)")
            #expect(
                run.status != 0 && run.status < 128 && run.errors.contains(what), "\(line): \(run.status) \(run.errors)"
            )
            #expect(!names.contains("out"))
        }
        for rate in ["9223372036854775807:1", "1:9223372036854775807", "99999999999999999999:1", "30", "-1:1"] {
            let run = try run("sed '1s/F25:1/F\(rate)/' clip.y4m >r.y4m; $V encode r.y4m -o out --layers 1")
            #expect(run.status == 1 && run.errors.contains("frame rate"), "\(rate): \(run.status) \(run.errors)")
        }
        let odd = try run(
            "head -c 1000 /dev/urandom | $V encode - --size 33x15 -o out \(Self.options)"
        )
        #expect(odd.status == 2 && odd.errors.contains("34x16"), "\(odd.errors)")
    }

    /// Inputs without an end or without anything in them.
    @Test func endlessAndEmptyInputs() throws {
        for (line, what) in [
            ("encrypt clear.hevc --keys /dev/zero", "no key file"), ("encrypt clear.hevc --keys empty", "is empty"),
            ("decrypt clear.hevc --keys keys.json --sidecar /dev/zero", "is larger than"),
            ("encode clip.y4m --layer-file /dev/zero", "is larger than"), ("decode /dev/zero", "no start code"),
            ("join clear.hevc empty", "no pictures"), ("join empty", "no pictures"), ("decode empty", "no pictures"),
        ] {
            let run = try run(": >empty; $V \(line) -o out")
            #expect(run.status == 1 && run.errors.contains(what), "\(line): \(run.status) \(run.errors)")
            #expect(run.errors.split(separator: "\n").count == 1 && !names.contains("out"), "\(line)")
        }
        let keys = try String(decoding: data("keys.json"), as: UTF8.self)
        let id = try #require(keys.firstMatch(of: /"id" : "([0-9a-f]+)"/)?.1)
        let twice = keys.replacing(/"id" : "[0-9a-f]+"/, with: "\"id\" : \"\(id)\"")
        try Data(twice.utf8).write(to: folder.appendingPathComponent("twice.json"))
        let run = try run("$V encrypt clear.hevc -o out --keys twice.json")
        #expect(run.status == 1 && run.errors.contains("two keys have the id"), "\(run.errors)")
    }

    /// Garbage around a stream is said once and costs nothing; encryption, which cannot tell it from the rest of a
    /// slice, refuses it.
    @Test func garbageAroundStreams() throws {
        try #require(run("$V decode clear.hevc -o clear.yuv").status == 0)
        let before = try run("(printf 'some garbage'; cat clear.hevc) >g.hevc; $V decode g.hevc -o g.yuv")
        #expect(
            before.status == 0 && before.errors.contains("12 bytes before the first start code"), "\(before.errors)")
        #expect(try data("g.yuv") == data("clear.yuv"))
        let after = try run("(cat clear.hevc; printf '\\0\\0\\1\\377\\377garbage') >a.hevc; $V decode a.hevc -o a.yuv")
        #expect(after.status == 2 && after.errors.contains("forbidden_zero_bit"), "\(after.errors)")
        #expect(try data("a.yuv") == data("clear.yuv"))
        for line in ["extract g.hevc -o out --layer 0", "split g.hevc -o out-%d", "inspect g.hevc", "join g.hevc -o j"]
        {
            let run = try run("$V \(line)")
            #expect(run.status == 0 && run.errors.contains("12 bytes before"), "\(line): \(run.errors)")
        }
        let encrypt = try run("$V encrypt g.hevc -o e --keys keys.json")
        #expect(encrypt.status == 1 && encrypt.errors.contains("no start code") && !names.contains("e"))
    }

    @Test func anyNumberOfThreads() throws {
        try #require(run("$V decode clear.hevc -o one.y4m --threads 1").status == 0)
        for threads in ["20000", "9223372036854775807", "-5", "0"] {
            let run = try run("$V decode clear.hevc -o out.y4m --threads=\(threads)")
            #expect(run.status == 0, "\(threads): \(run.status) \(run.errors)")
            #expect(try data("out.y4m") == data("one.y4m"))
            let encode = try self.run("$V encode clip.y4m -o out --preset ultrafast --frames 3 --threads=\(threads)")
            #expect(encode.status == 0, "\(threads): \(encode.status) \(encode.errors)")
            let encrypt = try self.run("$V encrypt clear.hevc -o e --keys keys.json --threads=\(threads)")
            #expect(encrypt.status == 0, "\(threads): \(encrypt.status) \(encrypt.errors)")
        }
    }

    /// A stream of several layers as a source gives the pictures of the highest, or of the one asked for.
    @Test func streamsAreSources() throws {
        let o = Self.options
        for (layer, option) in [(1, ""), (1, "--source-layer 1"), (0, "--source-layer 0")] {
            try #require(run("$V decode clear.hevc -o src.y4m --layer \(layer)").status == 0)
            try #require(run("$V encode src.y4m -o want \(o)").status == 0)
            for input in ["clear.hevc", "<(cat clear.hevc)", "- <clear.hevc"] {
                let run = try run("$V encode -o out \(o) \(option) \(input)")
                #expect(run.status == 0, "\(input) \(option): \(run.errors)")
                #expect(try data("out") == data("want"), "\(input) \(option)")
            }
        }
        #expect(try run("$V encode clear.hevc -o none --source-layer 3 \(o)").status == 1)
        #expect(!names.contains("none"))
    }

    @Test(.enabled(if: Run.find("ffmpeg") != nil, "ffmpeg is not here"))
    func containersHoldOneLayer() throws {
        try #require(
            run("$V extract clear.hevc -o base.mp4 --layer 0 && $V extract clear.hevc -o base.hevc --layer 0").status
                == 0)
        #expect(try data("base.mp4").range(of: Data("hvc1".utf8)) != nil)
        // What is in a container stays in one; Matroska and MPEG-TS are refused several layers.
        let round = try run(
            "$V encrypt base.mp4 -o e.mp4 --keys keys.json --scheme all && $V decrypt e.mp4 -o d.mp4 --keys keys.json "
                + "&& $V decode d.mp4 -o d.y4m && $V decode e.mp4 -o e.y4m --keys keys.json")
        #expect(round.status == 0, "\(round.errors)")
        #expect(try data("e.mp4")[4..<8] == Data("ftyp".utf8) && data("d.mp4")[4..<8] == Data("ftyp".utf8))
        for line in [
            "$V encrypt clear.hevc -o n.mkv --keys keys.json", "$V encode clip.y4m -o n.mkv",
            "$V join clear.hevc -o n.mkv", "$V extract clear.hevc -o n.ts",
        ] {
            let run = try run(line)
            #expect(run.status != 0 && run.errors.contains(".hevc"), "\(line): \(run.errors)")
            #expect(!names.contains("n.ts") && !names.contains("n.mkv"))
        }
        #expect(try run("$V decode base.mp4 -o a.y4m && $V decode base.hevc -o b.y4m").status == 0)
        // Rates are the container's, or none's.
        func frames(_ d: Data) -> Data { d[d.firstIndex(of: 10)!...] }
        #expect(try frames(data("a.y4m")) == frames(data("b.y4m")))
        #expect(try frames(data("d.y4m")) == frames(data("b.y4m")))
        #expect(try frames(data("e.y4m")) == frames(data("b.y4m")))
        // More is left in it than is wanted.
        #expect(try run("timeout 60 $V encode base.mp4 --frames 1 -o one \(Self.options)").status == 0)
        // A colon is no protocol, and a pipe no obstacle.
        for way in ["cp base.mp4 a:b.mp4; $V decode a:b.mp4 -o c.y4m", "$V decode <(cat base.mp4) -o c.y4m"] {
            #expect(try run(way).status == 0, "\(way)")
            #expect(try frames(data("c.y4m")) == frames(data("b.y4m")), "\(way)")
        }
    }
}
