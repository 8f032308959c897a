// SPDX-License-Identifier: GPL-2.0-or-later
import Foundation
import Testing

/// Runs programs as a user would.
struct Run {
    let status: Int32
    let output: Data
    let errors: String

    /// The program under test, built beside the tests.
    static let veil: URL = {
        var folder = URL(fileURLWithPath: CommandLine.arguments[0]).deletingLastPathComponent()
        for _ in 0..<4 {
            let program = folder.appendingPathComponent("veil")
            if FileManager.default.isExecutableFile(atPath: program.path) { return program }
            folder.deleteLastPathComponent()
        }
        return URL(fileURLWithPath: "/nonexistent/veil")
    }()

    static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent()

    static func find(_ name: String) -> URL? {
        for folder in (ProcessInfo.processInfo.environment["PATH"] ?? "").split(separator: ":") {
            let url = URL(fileURLWithPath: String(folder)).appendingPathComponent(name)
            if FileManager.default.isExecutableFile(atPath: url.path) { return url }
        }
        return nil
    }

    /// Whether Python with NumPy is here, which the Python package needs.
    static let hasNumPy: Bool = {
        guard let python = find("python3") else { return false }
        return (try? Run(python, ["-c", "import numpy"]))?.status == 0
    }()

    /// Runs the program under test.
    init(_ arguments: [String], input: Data? = nil) throws { try self.init(Run.veil, arguments, input: input) }

    @discardableResult
    init(_ program: URL, _ arguments: [String], input: Data? = nil, environment: [String: String]? = nil) throws {
        let process = Process()
        process.executableURL = program
        process.arguments = arguments
        if let environment { process.environment = environment }
        let out = Pipe()
        let err = Pipe()
        process.standardOutput = out
        process.standardError = err
        let stdin = Pipe()
        process.standardInput = input == nil ? FileHandle.nullDevice : stdin
        try process.run()
        let errors = Box()
        let group = DispatchGroup()
        DispatchQueue.global().async(group: group) { errors.data = err.fileHandleForReading.readDataToEndOfFile() }
        if let input {
            DispatchQueue.global().async(group: group) {
                try? stdin.fileHandleForWriting.write(contentsOf: input)
                try? stdin.fileHandleForWriting.close()
            }
        }
        let deadline = Deadline(process, seconds: 300)
        output = out.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        group.wait()
        deadline.end("\(program.lastPathComponent) \(arguments.joined(separator: " "))")
        status = process.terminationStatus
        self.errors = String(decoding: errors.data, as: UTF8.self)
    }

    private final class Box: @unchecked Sendable { var data = Data() }
}

/// A program that hangs is ended, and the test that waits for it fails by the name of what was run.
final class Deadline: @unchecked Sendable {
    private let hung = DispatchSemaphore(value: 0)
    private let timer = DispatchSource.makeTimerSource(queue: .global())

    init(_ process: Process, seconds: Int) {
        let identifier = process.processIdentifier
        timer.schedule(deadline: .now() + .seconds(seconds))
        timer.setEventHandler { [hung] in
            hung.signal()
            kill(identifier, SIGKILL)
        }
        timer.resume()
    }

    /// Called when it has ended.
    func end(_ what: String) {
        timer.cancel()
        if hung.wait(timeout: .now()) == .success { Issue.record("does not end: \(what)") }
    }
}

/// Runs the program and expects success.
@discardableResult
func veil(_ arguments: String..., input: Data? = nil) throws -> Run { try veil(arguments, input: input) }

@discardableResult
func veil(_ arguments: [String], input: Data? = nil) throws -> Run {
    let run = try Run(arguments, input: input)
    try #require(run.status == 0, "veil \(arguments.joined(separator: " ")): \(run.errors)")
    return run
}

/// A small clip drawn here and what the program makes of it, once for all tests.
final class Fixture: Sendable {
    static let width = 128
    static let height = 96
    static let frames = 9

    static let shared: Result<Fixture, any Error> = Result { try Fixture() }

    /// Whether this build encodes.
    static let canEncode: Bool = { (try? shared.get()) != nil }()

    let folder: URL
    func path(_ name: String) -> String { folder.appendingPathComponent(name).path }
    func data(_ name: String) throws -> Data { try Data(contentsOf: folder.appendingPathComponent(name)) }

    private init() throws {
        folder = FileManager.default.temporaryDirectory.appendingPathComponent(
            "veil-tests-\(ProcessInfo.processInfo.processIdentifier)-\(String(reflecting: Self.self))")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        let folder = self.folder
        atEnd { try? FileManager.default.removeItem(at: folder) }
        try Self.clip.write(to: folder.appendingPathComponent("clip.y4m"))
        try veil("keygen", "-o", path("keys.json"), "--layers", "2")
        try encode("clear.hevc", [])
        try encode(
            "all.hevc", ["--scheme", "all", "--keys", path("keys.json"), "--nonce", "000102030405060708090a0b0c0d0e0f"])
    }

    func encode(_ name: String, _ options: [String]) throws {
        let run = try Run(
            [
                "encode", path("clip.y4m"), "-o", path(name), "--layers", "2x", "--qp", "26,24", "--x265-options",
                "keyint=4,min-keyint=4,bframes=2",
                "--preset", "fast",
            ] + options)
        try #require(run.status == 0, "\(run.errors)")
    }

    /// The clip as y4m: a disc over a textured slope, with noise.
    static var clip: Data {
        var bytes = Array("YUV4MPEG2 W\(width) H\(height) F25:1 Ip A1:1 C420jpeg\n".utf8)
        var noise: UInt32 = 1
        for n in 0..<frames {
            bytes += Array("FRAME\n".utf8)
            for c in 0..<3 {
                let s = c == 0 ? 1 : 2
                for y in 0..<(height / s) {
                    for x in 0..<(width / s) {
                        let px = x * s - n * 3
                        let py = y * s + n * 2
                        noise = noise &* 1_664_525 &+ 1_013_904_223
                        let texture = ((px >> 3) ^ (py >> 3)) & 7
                        let disc = (px - 40) * (px - 40) + (py - 50) * (py - 50) < 500
                        bytes.append(
                            UInt8(
                                clamping: (disc ? 190 : 50 + x * s / 2) + texture * (c == 0 ? 9 : 4) + Int(noise >> 30))
                        )
                    }
                }
            }
        }
        return Data(bytes)
    }
}

private func atEnd(_ body: @escaping @Sendable () -> Void) {
    Cleanup.shared.add(body)
}

/// What is to be done when the tests end.
private final class Cleanup: @unchecked Sendable {
    static let shared = Cleanup()
    private var bodies: [@Sendable () -> Void] = []
    init() { atexit { Cleanup.shared.run() } }
    func add(_ body: @escaping @Sendable () -> Void) { bodies.append(body) }
    private func run() { for body in bodies { body() } }
}

/// An MP4 file with one video track and one sample entry, and a further box in front of its `hvcC`.
func withBox(_ more: [UInt8], in movie: [UInt8]) throws -> [UInt8] {
    var file = movie
    func place(_ type: String) throws -> Int {
        let name = Array(type.utf8)
        // Behind the brands, which are names of sample entries, too.
        return try #require((32..<file.count - 4).first { Array(file[$0..<$0 + 4]) == name }) - 4
    }
    func number(_ bytes: Int, at: Int) -> Int { (0..<bytes).reduce(0) { $0 << 8 | Int(file[at + $1]) } }
    func grow(_ bytes: Int, at: Int) {
        let value = number(bytes, at: at) + more.count
        for i in 0..<bytes { file[at + i] = UInt8(truncatingIfNeeded: value >> (8 * (bytes - 1 - i))) }
    }
    for type in ["moov", "trak", "mdia", "minf", "stbl", "stsd", "hvc1"] { grow(4, at: try place(type)) }
    // Samples lie behind the tables.
    let chunks = try place("co64")
    for entry in 0..<number(4, at: chunks + 12) { grow(8, at: chunks + 16 + 8 * entry) }
    file.insert(contentsOf: more, at: try place("hvcC"))
    return file
}

/// Tests that have ffmpeg make files, and ffprobe tell of them.
protocol OtherPrograms {}

extension OtherPrograms {
    func make(_ arguments: [String]) throws {
        let run = try Run(try #require(Run.find("ffmpeg")), ["-v", "error", "-y"] + arguments)
        try #require(run.status == 0, "\(run.errors)")
    }

    func make(_ arguments: String...) throws { try make(arguments) }

    /// What ffprobe prints, a field each.
    func told(_ path: String, _ options: String...) throws -> [String] {
        let run = try Run(
            try #require(Run.find("ffprobe")), ["-v", "error", "-of", "csv=p=0"] + options + [path])
        try #require(run.status == 0, "\(run.errors)")
        return String(decoding: run.output, as: UTF8.self).split { ",\n".contains($0) }.map(String.init)
    }
}
