// SPDX-License-Identifier: GPL-2.0-or-later
import Foundation
import Testing

private struct Help: Decodable {
    struct Name: Decodable {
        let kind: String
        let name: String
    }
    struct Argument: Decodable {
        let names: [Name]?
        let shouldDisplay: Bool
    }
    struct Command: Decodable {
        let commandName: String
        let discussion: String?
        let arguments: [Argument]?
        let subcommands: [Command]?
        let shouldDisplay: Bool?
    }
    let command: Command

    static func verbs() throws -> [Command] {
        let help = try JSONDecoder().decode(Help.self, from: try veil("--experimental-dump-help").output)
        return (help.command.subcommands ?? []).filter { $0.commandName != "help" && $0.shouldDisplay ?? true }
    }
}

/// What the program says of itself.
struct HelpTests {
    @Test func helpFitsAScreen() throws {
        let lines = String(decoding: try veil("--help").output, as: UTF8.self).split(
            separator: "\n", omittingEmptySubsequences: false)
        #expect(lines.count <= 40)
        #expect(lines.allSatisfy { $0.count <= 80 })
        for verb in try Help.verbs() {
            #expect(lines.contains { $0.hasPrefix("  \(verb.commandName) ") }, "\(verb.commandName)")
        }
    }

    @Test func everyVerbHasExamples() throws {
        let verbs = try Help.verbs()
        #expect(verbs.count >= 12)
        for verb in verbs {
            #expect(verb.discussion?.contains("veil \(verb.commandName) ") == true, "\(verb.commandName)")
        }
    }

    @Test func theManualNamesEverything() throws {
        let page = String(decoding: try veil("manual").output, as: UTF8.self)
        #expect(page.hasPrefix(".TH VEIL 1"))
        for verb in try Help.verbs() {
            #expect(page.contains(".SS veil \(verb.commandName)\n"))
            for argument in verb.arguments ?? [] where argument.shouldDisplay {
                for name in argument.names ?? []
                where name.name != "help" && name.name != "version" && name.kind == "long" {
                    #expect(
                        page.contains("\\-\\-" + name.name.replacingOccurrences(of: "-", with: "\\-")),
                        "\(verb.commandName) --\(name.name)")
                }
            }
        }
    }

    @Test(.enabled(if: Run.find("bash") != nil, "bash is not here"))
    func completionsAreAScript() throws {
        let script = try veil("--generate-completion-script", "bash").output
        let run = try Run(try #require(Run.find("bash")), ["-n"], input: script)
        #expect(run.status == 0, "\(run.errors)")
        #expect(String(decoding: script, as: UTF8.self).contains("extract"))
    }
}

/// Exit statuses, errors, pipes and interrupts.
@Suite(.enabled(if: Fixture.canEncode, "libx265 is not built in"))
struct CommandLineTests {
    let f: Fixture
    init() throws { f = try Fixture.shared.get() }

    /// What a shell makes of a command line in which `veil` is the program.
    private func shell(_ line: String) throws -> Run {
        try Run(
            URL(fileURLWithPath: "/bin/bash"),
            ["-c", "set -o pipefail; veil() { '\(Run.veil.path)' \"$@\"; }; cd '\(f.folder.path)'; " + line])
    }

    @Test func statusesAreAsDocumented() throws {
        #expect(try Run(["decode", f.path("all.hevc")]).status == 64)
        let missing = try Run(["decode", f.path("nothing.hevc"), "-o", f.path("x.y4m")])
        #expect(missing.status == 1)
        #expect(missing.errors == "veil: \(f.path("nothing.hevc")): no such file\n")
        try veil("keygen", "-o", f.path("stranger.json"), "--layers", "2")
        let wrong = try Run([
            "decrypt", f.path("all.hevc"), "-o", f.path("wrong.hevc"), "--keys", f.path("stranger.json"),
        ])
        #expect(wrong.status == 1)
        #expect(wrong.errors.contains("layer 0 is encrypted with key id"))
        #expect(wrong.errors.split(separator: "\n").count == 1)
        #expect(!FileManager.default.fileExists(atPath: f.path("wrong.hevc")))
    }

    @Test func damageIsConcealedAndTold() throws {
        var bytes = [UInt8](try f.data("clear.hevc"))
        for i in (bytes.count - 400)..<(bytes.count - 300) { bytes[i] ^= 0x55 }
        try Data(bytes).write(to: URL(fileURLWithPath: f.path("bent.hevc")))
        let run = try Run(["decode", f.path("bent.hevc"), "-o", f.path("bent.yuv")])
        #expect(run.status == 2)
        #expect(run.errors.contains("bent.hevc: "))
        #expect(try f.data("bent.yuv").count == Fixture.frames * Fixture.width * Fixture.height * 3 / 2)
        let nothing = try Run(["decode", f.path("clear.hevc"), "-o", f.path("n.yuv"), "--layer", "7"])
        #expect(nothing.status == 1 && nothing.errors.contains("no pictures of layer 7"))
        let usage = try Run(["encode", f.path("clip.y4m"), "-o", f.path("n.hevc"), "--scheme", "all"])
        #expect(usage.status == 64 && usage.errors == "veil: --scheme all needs --keys\n")
    }

    @Test func logLevels() throws {
        #expect(
            try Run(["view", f.path("all.hevc"), "-o", f.path("l.png"), "--width", "16"]).errors.contains(
                "without keys"))
        #expect(
            try Run(["view", f.path("all.hevc"), "-o", f.path("l.png"), "--width", "16", "--log-level", "warning"])
                .errors.isEmpty)
        #expect(try Run(["view", f.path("nothing"), "-o", f.path("l.png"), "--log-level", "quiet"]).errors.isEmpty)
        for command in ["evaluate", "compare", "attack", "randomness"] {
            #expect(
                String(decoding: try Run([command, "--help"]).output, as: UTF8.self).contains("--log-level"),
                "\(command)")
        }
    }

    @Test func testsThatDoNotApplyAreNamed() throws {
        let run = try veil("randomness", "--sequences", "1", "--bits", "1000", "--cipher", "aes-128-ctr")
        #expect(
            run.errors.contains("sequences of 1000 bits are too short for, or do not suit: Rank, "), "\(run.errors)")
        #expect(run.errors.contains("Universal"), "\(run.errors)")
    }

    @Test func aClosedPipeEndsQuietly() throws {
        let run = try shell("veil decode all.hevc -o - | head -c 1000 | wc -c; echo ${PIPESTATUS[0]}")
        let lines = String(decoding: run.output, as: UTF8.self).split(separator: "\n").map {
            $0.trimmingCharacters(in: .whitespaces)
        }
        #expect(lines.first == "1000")
        #expect(run.errors.isEmpty)
    }

    @Test func aFullDiskIsSaid() throws {
        for line in [
            "veil decode clear.hevc -o /dev/full", "veil extract clear.hevc -o /dev/full --layer 0",
            "veil encode clip.y4m -o /dev/full",
        ] {
            let run = try shell(line)
            #expect(run.status == 1)
            #expect(run.errors.contains("veil: /dev/full: cannot write: No space left on device"), "\(run.errors)")
        }
    }

    @Test func streamsGoThroughPipes() throws {
        try veil("decode", f.path("clear.hevc"), "-o", f.path("pipe.y4m"))
        let run = try shell("cat all.hevc | veil decrypt - -o - --keys fd:3 3<keys.json | veil decode - -o -")
        #expect(run.status == 0, "\(run.errors)")
        #expect(try run.output == f.data("pipe.y4m"))
    }

    @Test(.enabled(if: Run.find("ffmpeg") != nil, "ffmpeg is not here"))
    func ffmpegReadsThePipe() throws {
        try veil("decode", f.path("clear.hevc"), "-o", f.path("whole.yuv"))
        let run = try shell("cat all.hevc | veil decode - -o - --keys keys.json | ffmpeg -v error -i - -f rawvideo -")
        #expect(run.status == 0, "\(run.errors)")
        #expect(try run.output == f.data("whole.yuv"))
    }

    @Test(.enabled(if: Run.find("ffmpeg") != nil, "ffmpeg is not here"), arguments: ["mp4", "mkv", "ts"])
    func theBaseLayerGoesIntoContainers(format: String) throws {
        let name = "base.\(format)"
        try veil("extract", f.path("all.hevc"), "-o", f.path(name), "--layer", "0")
        // Any player: the frames are there, in order, each with its time.
        let times = try shell(
            "ffprobe -v error -select_streams v -show_entries frame=best_effort_timestamp_time -of csv=p=0 \(name)")
        let shown = String(decoding: times.output, as: UTF8.self).split(whereSeparator: { ",\n".contains($0) })
            .compactMap { Double($0) }
        #expect(shown.count == Fixture.frames)
        for (a, b) in zip(shown, shown.dropFirst()) { #expect(abs(b - a - 0.04) < 0.002) }
        // And back: the messages went along, so that it decrypts.
        try veil("decode", f.path(name), "-o", f.path("\(name).yuv"), "--keys", f.path("keys.json"))
        try veil("decode", f.path("clear.hevc"), "-o", f.path("clear0.yuv"), "--layer", "0")
        #expect(try f.data("\(name).yuv") == f.data("clear0.yuv"))
    }

    /// The first thing that anybody tries.
    @Test func theDemo() throws {
        let run = try veil("demo", "-o", f.path("demo"))
        let rows = String(decoding: run.output, as: UTF8.self).split(separator: "\n").dropFirst().prefix(4)
        for (row, scheme) in zip(rows, ["none", "bl", "all", "el"]) {
            let fields = row.split(separator: " ")
            let decibels = fields.compactMap { Double($0) }
            #expect(fields.first ?? "" == scheme && decibels.count == 3, "\(row)")
            // Whoever has the keys sees the same as of the clear stream.
            if decibels.count == 3 { #expect(decibels[2] > 30 && (scheme == "none") == (decibels[1] == decibels[2])) }
        }
        #expect(rows.count == 4 && FileManager.default.fileExists(atPath: f.path("demo/sheet.png")))
    }

    @Test func containersHoldOneLayer() throws {
        let run = try Run(["extract", f.path("all.hevc"), "-o", f.path("both.mkv")])
        #expect(run.status == 1 && run.errors.contains("--layer 0"))
    }

    /// A camera's pipe: each picture comes out long before the input ends, and an interrupt leaves a stream that plays.
    @Test func aLivePipeComesThroughAndAnInterruptLeavesAStream() async throws {
        let process = Process()
        process.executableURL = Run.veil
        process.arguments = [
            "encode", "-", "-o", "-", "--layers", "2x", "--qp", "30,30", "--scheme", "all", "--keys",
            f.path("keys.json"), "--threads", "1",
            "--x265-options", "bframes=0,rc-lookahead=0,frame-threads=1,scenecut=0",
        ]
        let (input, output, errors) = (Pipe(), Pipe(), Pipe())
        process.standardInput = input
        process.standardOutput = output
        process.standardError = errors
        try process.run()
        let deadline = Deadline(process, seconds: 900)
        let clip = try f.data("clip.y4m")
        let header = try #require(clip.firstIndex(of: 10)) + 1
        let frame = (clip.count - header) / Fixture.frames
        input.fileHandleForWriting.write(clip[..<header])
        var stream = Data()
        let descriptor = output.fileHandleForReading.fileDescriptor
        /// What is there within some milliseconds.
        func more(_ patience: Int32) -> Data {
            var request = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
            return poll(&request, 1, patience) > 0 ? output.fileHandleForReading.availableData : Data()
        }
        for n in 0..<Fixture.frames {
            input.fileHandleForWriting.write(clip[(header + n * frame)..<(header + (n + 1) * frame)])
            stream += more(200)
        }
        // The input has not ended, and pictures are out.
        for _ in 0..<100 where stream.isEmpty { stream += more(200) }
        #expect(!stream.isEmpty)
        try await Task.sleep(for: .milliseconds(500))
        process.interrupt()
        stream += output.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        deadline.end("a live pipe")
        let told = String(decoding: errors.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        #expect(process.terminationStatus == 130, "\(told)")
        #expect(told.contains("latency") && told.contains("interrupted"))
        let decoded = try veil("decode", "-", "-o", f.path("live.yuv"), "--keys", f.path("keys.json"), input: stream)
        #expect(decoded.errors.isEmpty)
        #expect(try f.data("live.yuv").count == Fixture.frames * Fixture.width * Fixture.height * 3 / 2)
    }
}
