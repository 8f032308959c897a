// SPDX-License-Identifier: GPL-2.0-or-later
import Foundation
import Testing
import VeilCore

@testable import VeilMedia

/// A folder of its own that goes with the test.
private final class Folder {
    let path: String
    init() throws {
        path = NSTemporaryDirectory() + "/veil-files-\(UInt64.random(in: 0 ... .max))"
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    }
    deinit { try? FileManager.default.removeItem(atPath: path) }
    func callAsFunction(_ name: String) -> String { path + "/" + name }
    var names: [String] { ((try? FileManager.default.contentsOfDirectory(atPath: path)) ?? []).sorted() }
}

private func mode(_ path: String) -> mode_t {
    var info = stat()
    return stat(path, &info) == 0 ? info.st_mode & 0o7777 : 0
}

struct FolderNameTests {
    @Test(arguments: [
        ("r", ""), ("/r", "/"), ("r/", ""), ("a/b", "a"), ("a//b", "a"), ("/a/b/", "/a"), ("./r", "."), ("/", ""),
        ("", ""),
        ("é", ""), ("//a", "/"), ("a.mp4", ""),
    ])
    func above(path: String, folder: String) { #expect(path.folderAbove == folder) }
}

/// What ffprobe said is kept, and never without bound.
struct ProbeAnswerTests {
    @Test func fewAreKept() {
        var answers = FFmpeg.Answers()
        for i in 0..<100 { answers.keep("\(i)", to: "q\(i)") }
        #expect(answers.count == FFmpeg.Answers.most && answers["q99"] == "99" && answers["q0"] == nil)
        answers.keep("other", to: "q99")
        #expect(answers["q99"] == "other" && answers.count == FFmpeg.Answers.most)
        answers.keep(String(repeating: "x", count: FFmpeg.Answers.longest + 1), to: "long")
        #expect(answers["long"] == nil)
    }

    /// The same question is put once, and anew when the file is another.
    @Test(.enabled(if: ChildProcess.find("ffprobe") != nil, "ffprobe is not installed"))
    func changedFilesAreAskedAnew() throws {
        let folder = try Folder()
        func write(_ width: Int) throws {
            let frame = "YUV4MPEG2 W\(width) H16 F25:1 C420jpeg\nFRAME\n"
            try (Data(frame.utf8) + Data(count: width * 16 * 3 / 2)).write(to: URL(fileURLWithPath: folder("a.y4m")))
        }
        func width(_ input: InputFile) throws -> String? {
            try FFmpeg.probe(input, ["-show_entries", "stream=width"])
        }
        try write(16)
        let input = try InputFile(path: folder("a.y4m"))
        let first = try width(input)
        #expect(first?.contains("16") == true)
        // ffprobe would not find it now: who is asked again remembers.
        try FileManager.default.moveItem(atPath: folder("a.y4m"), toPath: folder("b.y4m"))
        #expect(try width(input) == first)
        try write(32)
        #expect(try width(InputFile(path: folder("a.y4m")))?.contains("32") == true)
    }
}

struct OutputFileTests {
    @Test func appearsWholeOrNotAtAll() throws {
        let folder = try Folder()
        do {
            let file = try OutputFile(path: folder("a"))
            try file.write("half".utf8)
            #expect(folder.names.count == 1 && folder.names[0].hasPrefix("a.part"))
        }
        #expect(folder.names.isEmpty)
        let file = try OutputFile(path: folder("a"))
        try file.write("whole".utf8)
        try file.finish()
        #expect(folder.names == ["a"])
        #expect(try String(contentsOfFile: folder("a"), encoding: .utf8) == "whole")
    }

    @Test func permissionsOfTheFileStay() throws {
        let folder = try Folder()
        for wanted: mode_t in [0o600, 0o640, 0o755] {
            try Data("old".utf8).write(to: URL(fileURLWithPath: folder("b")))
            chmod(folder("b"), wanted)
            let file = try OutputFile(path: folder("b"))
            let unfinished = try #require(folder.names.first { $0.hasPrefix("b.part") })
            #expect(mode(folder(unfinished)) & ~wanted == 0)
            try file.write("new".utf8)
            try file.finish()
            #expect(mode(folder("b")) == wanted)
        }
    }

    @Test func linksAreNotFollowed() throws {
        let folder = try Folder()
        try Data("mine".utf8).write(to: URL(fileURLWithPath: folder("victim")))
        for target in ["victim", "not there"] {
            unlink(folder("link"))
            symlink(folder(target), folder("link"))
            let error = #expect(throws: MediaError.self) { _ = try OutputFile(path: folder("link")) }
            #expect(error?.description.contains("symbolic link") == true)
        }
        #expect(try String(contentsOfFile: folder("victim"), encoding: .utf8) == "mine")
        #expect(folder.names == ["link", "victim"])
    }

    @Test func namesOfOneFileAreOne() throws {
        let folder = try Folder()
        try Data("x".utf8).write(to: URL(fileURLWithPath: folder("x")))
        symlink(folder("x"), folder("l"))
        link(folder("x"), folder("h"))
        symlink(folder.path, folder("folder"))
        let own = try #require(FileIdentity(path: folder("x")))
        for name in ["l", "h", "./x", "folder/x"] { #expect(FileIdentity(path: folder(name)) == own, "\(name)") }
        // Files that are not there yet.
        #expect(FileIdentity(path: folder("n")) == FileIdentity(path: folder("folder/n")))
        #expect(FileIdentity(path: folder("n")) != FileIdentity(path: folder("m")))
        #expect(FileIdentity(path: "/dev/null") == nil)
        #expect(FileIdentity(path: folder("none/n")) == nil)
    }
}

struct InputFileTests {
    private static func kind(_ bytes: [UInt8]) throws -> InputFile.Kind {
        let folder = try Folder()
        try Data(bytes).write(to: URL(fileURLWithPath: folder("k")))
        return try InputFile(path: folder("k")).kind()
    }

    @Test func kinds() throws {
        let rest = [UInt8](repeating: 7, count: 20)
        #expect(try Self.kind(Array("YUV4MPEG2 W2 H2\n".utf8)) == .y4m)
        #expect(try Self.kind([0, 0, 0, 1, 0x40, 1] + rest) == .byteStream)
        #expect(try Self.kind([0, 0, 1, 0x42, 1]) == .byteStream)
        // H.264, MPEG-2.
        #expect(try Self.kind([0, 0, 0, 1, 0x67, 0x42] + rest) == .other)
        #expect(try Self.kind([0, 0, 1, 0xB3, 0x14] + rest) == .other)
        #expect(try Self.kind([0, 0, 0, 24] + Array("ftypisom".utf8) + rest) == .isoMedia)
        #expect(try Self.kind([0x1A, 0x45, 0xDF, 0xA3] + rest) == .matroska)
        let packet = [0x47] + [UInt8](repeating: 0xFF, count: 187)
        #expect(try Self.kind(packet + packet + packet) == .transportStream)
        #expect(try Self.kind(packet + packet + rest) == .other)
        #expect(try Self.kind([]) == .other)
        #expect(throws: MediaError.self) { try InputFile(path: "/") }
    }

    /// What was looked at is read again; of a pipe, too.
    @Test func nothingIsLost() throws {
        let folder = try Folder()
        let bytes = (0..<100_000).map { UInt8(truncatingIfNeeded: $0 &* 31 >> 3) }
        try Data(bytes).write(to: URL(fileURLWithPath: folder("f")))
        mkfifo(folder("p"), 0o600)
        let (from, to) = (folder("f"), folder("p"))
        Thread.detachNewThread {
            let writer = FileHandle(forWritingAtPath: to)
            try? writer?.write(contentsOf: Data(contentsOf: URL(fileURLWithPath: from)))
            try? writer?.close()
        }
        for name in ["f", "p"] {
            let input = try InputFile(path: folder(name))
            #expect(input.isRegular == (name == "f"))
            _ = try input.kind()
            #expect(try input.beginning(500) == Array(bytes[..<500]))
            var read: [UInt8] = []
            while let more = try input.read(upTo: 333) { read += more }
            #expect(read == bytes, "\(name)")
        }
    }
}

struct ChildProcessTests {
    @Test func bytesGoThroughAndMessagesAreKept() throws {
        let child = try ChildProcess(
            "/bin/sh", ["-c", "cat; echo first >&2; echo last >&2; exit 3"], input: .pipe, output: .pipe)
        let sent = [UInt8](repeating: 65, count: 10_000)
        try child.write(sent)
        child.endInput()
        #expect(try child.output?.readToEnd() == Data(sent))
        #expect(try child.wait().status == 3)
        #expect(child.lastMessage == "last")
        #expect(throws: ChildError.self) { try ChildProcess("/nonexistent/program", []) }
    }

    /// One that waits for us to read, and does not end when asked to, is not waited for.
    @Test func oneThatIsNotWantedEnds() throws {
        var child: ChildProcess? = try ChildProcess(
            "/bin/sh", ["-c", "trap '' TERM PIPE; while :; do echo y; done 2>/dev/null"], output: .pipe)
        let identifier = try #require(child?.identifier)
        usleep(50_000)
        child = nil
        #expect(kill(identifier, 0) != 0)
    }

    @Test func oneThatIsKilledSaysSo() throws {
        let child = try ChildProcess("/bin/sh", ["-c", "kill -9 $$"])
        #expect(try child.wait().status == 128 + 9)
    }
}

/// Programs that parse media get no keys.
@Suite struct SecretsOfChildrenTests {
    @Test func variablesAndDescriptors() throws {
        setenv("VEIL_TEST_KEYS", "secret", 1)
        setenv("VEIL_TEST_OTHER", "known", 1)
        let folder = try Folder()
        FileManager.default.createFile(atPath: folder("keys"), contents: Data("secret".utf8))
        let descriptor = open(folder("keys"), O_RDONLY)
        defer { close(descriptor) }
        let shell = try #require(ChildProcess.find("sh"))
        func told() throws -> String {
            let script = "echo $VEIL_TEST_KEYS $VEIL_TEST_OTHER; cat /dev/fd/\(descriptor) 2>/dev/null"
            let child = try ChildProcess(shell, ["-c", script], output: .pipe)
            return String(decoding: try child.outputBytes(limit: 1 << 16), as: UTF8.self)
        }
        #expect(try told() == "secret known\nsecret")
        lseek(descriptor, 0, SEEK_SET)
        ChildProcess.keepFromChildren("env:VEIL_TEST_KEYS")
        ChildProcess.keepFromChildren("fd:\(descriptor)")
        ChildProcess.keepFromChildren("plain.json")
        #expect(try told() == "known\n")
    }
}

@Suite struct WriterFormatTests {
    /// Frames of another format than the file's are refused, whatever their size.
    @Test(arguments: [ChromaFormat.monochrome, .yuv422, .yuv444])
    func formatsThatChange(chroma: ChromaFormat) throws {
        let path = NSTemporaryDirectory() + "/format-\(UInt64.random(in: 0 ... .max)).y4m"
        defer { unlink(path) }
        let clip = DemoClip(width: 16, height: 16)
        let writer = try VideoWriter(path: path, format: clip.format)
        try writer.write(clip.frame(0))
        var format = clip.format
        format.chromaFormat = chroma
        #expect(throws: MediaError.self) { try writer.write(VideoFrame(format: format)) }
        format = clip.format
        format.bitDepth = 10
        #expect(throws: MediaError.self) { try writer.write(VideoFrame(format: format)) }
        try writer.finish()
    }
}
