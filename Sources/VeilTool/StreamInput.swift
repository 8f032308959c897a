// SPDX-License-Identifier: GPL-2.0-or-later
import Foundation
import VeilBitstream
import VeilMedia

/// Streams from files and standard input: byte streams as they are, all layers of ISO base media files (MP4,
/// QuickTime), and what ffmpeg takes out of other containers (MPEG-TS, Matroska) without touching it.
enum StreamInput {
    /// Gives the NAL units of a stream.
    static func read(_ path: String, _ body: (NALUnit) throws -> Void) throws {
        try open(path) { next in
            var reader = AnnexBReader(next: next)
            while let nal = try reader.nextUnit() { try body(nal) }
        }
    }

    /// Gives the bytes of a stream as they come.
    static func chunks(_ path: String, _ body: ([UInt8]) throws -> Void) throws {
        try open(path) { next in while let chunk = try next() { try body(chunk) } }
    }

    private static func open(_ path: String, _ body: (@escaping () throws -> [UInt8]?) throws -> Void) throws {
        let file: FileHandle
        var process: Process?
        if path == "-" {
            file = .standardInput
        } else {
            guard let opened = FileHandle(forReadingAtPath: path) else {
                throw MediaError.cannotOpen(
                    path: path, reason: FileManager.default.fileExists(atPath: path) ? "cannot be read" : "no such file"
                )
            }
            if try isIsoMedia(opened) {
                try named(path) {
                    var reader = try IsoMediaReader(file: opened)
                    try body {
                        guard !Interruption.isRequested, let nal = try reader.nextUnit() else { return nil }
                        var bytes: [UInt8] = []
                        bytes.append(annexB: nal)
                        return bytes
                    }
                }
                return
            }
            if try isContainer(opened) {
                (file, process) = try demultiplexer(path)
            } else {
                file = opened
            }
        }
        try named(path) {
            do { try body { try file.readAvailable(upTo: 1 << 20) } } catch MediaError.cannotOpen(_, let reason) {
                throw MediaError.cannotOpen(path: path, reason: reason)
            }
        }
        if let process {
            process.waitUntilExit()
            if process.terminationStatus != 0 && !Interruption.isRequested {
                throw MediaError.ffmpegFailed(
                    path: path, reason: "finds no HEVC stream in it (exit status \(process.terminationStatus))")
            }
        }
    }

    /// Whether a regular file begins as ISO base media does.
    private static func isIsoMedia(_ file: FileHandle) throws -> Bool {
        var info = stat()
        guard fstat(file.fileDescriptor, &info) == 0, info.st_mode & S_IFMT == S_IFREG else { return false }
        defer { try? file.seek(toOffset: 0) }
        return IsoMediaReader.matches(try file.readAvailable(upTo: 8) ?? [])
    }

    /// Says which stream it is that an error is about.
    static func named<R>(_ path: String, _ body: () throws -> R) throws -> R {
        do { return try body() } catch let error as IsoMediaError {
            throw MediaError.notSupported(path: path, what: error.description)
        } catch let error as StreamError {
            throw MediaError.notSupported(path: path, what: error.description)
        } catch let error as SyntaxError {
            throw MediaError.notSupported(path: path, what: error.description)
        }
    }

    /// Whether a regular file is no byte stream but something else with a magic number that ffmpeg may know.
    private static func isContainer(_ file: FileHandle) throws -> Bool {
        var info = stat()
        guard fstat(file.fileDescriptor, &info) == 0, info.st_mode & S_IFMT == S_IFREG else { return false }
        let start = try file.readAvailable(upTo: 512) ?? []
        try file.seek(toOffset: 0)
        // A byte stream begins with zeros and a one; of a transport stream the packets begin with 0x47 every 188 bytes.
        guard start.count >= 12, let first = start.first(where: { $0 != 0 }), first != 1 else { return false }
        let isMatroska = start[0..<4] == [0x1A, 0x45, 0xDF, 0xA3]
        let isTransport = start.count > 376 && start[0] == 0x47 && start[188] == 0x47 && start[376] == 0x47
        return isMatroska || isTransport
    }

    private static func demultiplexer(_ path: String) throws -> (FileHandle, Process) {
        guard let ffmpeg = VideoSource.findProgram("ffmpeg") else {
            throw MediaError.notSupported(
                path: path, what: "is a container, and ffmpeg, which would open it, is not installed")
        }
        let process = Process()
        process.executableURL = ffmpeg
        process.arguments = ["-nostdin", "-v", "quiet", "-i", path, "-map", "0:v:0", "-c", "copy", "-f", "hevc", "-"]
        let out = Pipe()
        process.standardOutput = out
        process.standardError = FileHandle.nullDevice
        process.standardInput = FileHandle.nullDevice
        do { try process.run() } catch { throw MediaError.ffmpegFailed(path: path, reason: "cannot be run") }
        return (out.fileHandleForReading, process)
    }
}
