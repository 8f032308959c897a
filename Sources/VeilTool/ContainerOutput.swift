// SPDX-License-Identifier: GPL-2.0-or-later
import Foundation
import VeilBitstream
import VeilMedia

/// Puts a single-layer stream into MP4, QuickTime, Matroska or MPEG-TS by way of ffmpeg, which copies it. Encryption
/// messages stay in.
final class ContainerOutput {
    /// ffmpeg's names of the formats by file name extension.
    private static let formats = [
        "mp4": "mp4", "m4v": "mp4", "mov": "mov", "mkv": "matroska", "ts": "mpegts", "mts": "mpegts",
    ]

    /// Whether a file's name asks for a container.
    static func isContainer(_ path: String) -> Bool { formats[(path as NSString).pathExtension.lowercased()] != nil }

    private let path: String
    private let temporary: String
    private let process = Process()
    private let pipe = Pipe()
    private var writer: MatroskaWriter
    private var grouping = AccessUnitGrouping()
    private var isFinished = false

    init(path: String, fps: FrameRate?) throws {
        guard let format = Self.formats[(path as NSString).pathExtension.lowercased()] else {
            throw MediaError.writeFailed(path: path, reason: "unknown format")
        }
        guard let ffmpeg = VideoSource.findProgram("ffmpeg") else {
            throw MediaError.writeFailed(
                path: path,
                reason: "ffmpeg, which would make the container, is not installed; name it .hevc for a bare stream")
        }
        self.path = path
        temporary = path + ".part\(getpid())"
        writer = MatroskaWriter(fps: fps.map { ($0.numerator, $0.denominator) })
        signal(SIGPIPE, SIG_IGN)
        process.executableURL = ffmpeg
        process.arguments = [
            "-nostdin", "-v", "error", "-y", "-f", "matroska", "-i", "pipe:0", "-map", "0:v:0", "-c", "copy", "-f",
            format, temporary,
        ]
        process.standardInput = pipe
        do { try process.run() } catch { throw MediaError.ffmpegFailed(path: path, reason: "cannot be run") }
    }

    deinit {
        if !isFinished {
            try? pipe.fileHandleForWriting.close()
            process.terminate()
            process.waitUntilExit()
            unlink(temporary)
        }
    }

    func write(_ nal: NALUnit) throws {
        if let unit = grouping.push(nal) { try write(unit) }
    }

    private func write(_ unit: [NALUnit]) throws {
        do { try pipe.fileHandleForWriting.write(contentsOf: try writer.write(unit)) } catch let error as SyntaxError {
            throw MediaError.notSupported(path: path, what: "\(error)")
        } catch {
            throw MediaError.ffmpegFailed(path: path, reason: "ended before the stream did")
        }
    }

    func finish() throws {
        if let unit = grouping.finish() { try write(unit) }
        try pipe.fileHandleForWriting.close()
        process.waitUntilExit()
        guard process.terminationStatus == 0, rename(temporary, path) == 0 else {
            unlink(temporary)
            isFinished = true
            throw MediaError.ffmpegFailed(
                path: path, reason: "cannot write it (exit status \(process.terminationStatus))")
        }
        isFinished = true
    }
}
