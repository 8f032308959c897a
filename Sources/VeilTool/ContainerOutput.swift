// SPDX-License-Identifier: GPL-2.0-or-later
import Foundation
import VeilBitstream
import VeilMedia

/// Puts a single-layer stream into Matroska or MPEG-TS by way of ffmpeg, which copies it. Encryption messages stay in.
final class ContainerOutput {
    /// ffmpeg's names of the formats by file name extension.
    private static let formats = ["mkv": "matroska", "ts": "mpegts", "mts": "mpegts"]

    /// Whether a file's name asks for such a container.
    static func isContainer(_ path: String) -> Bool { formats[(path as NSString).pathExtension.lowercased()] != nil }

    private let path: String
    private let temporary: TemporaryFile
    private let process: ChildProcess
    private var writer: MatroskaWriter
    private var grouping = AccessUnitGrouping()

    init(path: String, fps: FrameRate?) throws {
        guard let format = Self.formats[(path as NSString).pathExtension.lowercased()] else {
            throw MediaError.writeFailed(path: path, reason: "unknown format")
        }
        guard let ffmpeg = FFmpeg.program else {
            throw MediaError.writeFailed(
                path: path,
                reason: "ffmpeg, which would make the container, is not installed; name it .hevc for a bare stream")
        }
        self.path = path
        temporary = try TemporaryFile(replacing: path)
        writer = MatroskaWriter(fps: fps?.fraction)
        signal(SIGPIPE, SIG_IGN)
        do {
            process = try ChildProcess(
                ffmpeg,
                ["-nostdin", "-v", "error", "-y", "-f", "matroska", "-i", "pipe:0", "-map", "0:v:0", "-c", "copy"]
                    + ["-f", format, "file:" + temporary.path], input: .pipe)
        } catch let error as ChildError {
            throw MediaError.ffmpegFailed(path: path, reason: error.description)
        }
    }

    /// Before the first unit: pictures a second, where nothing asked for others.
    func setRate(_ rate: FrameRate?) { writer.fps = writer.fps ?? rate?.fraction }

    /// Before the first unit: what the stream was taken out of.
    func keep(_ movie: SourceMovie) { writer.language = movie.languageCode }

    /// Of the stream, without what the container adds.
    private(set) var bytesWritten = 0

    func write(_ nal: NALUnit) throws {
        if nal.header.nuhLayerId > 0 && nal.header.nalUnitType.isSlice {
            throw MediaError.writeFailed(
                path: path,
                reason:
                    "Matroska and MPEG-TS hold one layer, the stream has more: name it .mp4, or .hevc for a bare stream"
            )
        }
        bytesWritten += nal.bytes.count + 4
        if let unit = grouping.push(nal) { try write(unit) }
    }

    private func write(_ unit: [NALUnit]) throws {
        do { try process.write(try writer.write(unit)) } catch let error as SyntaxError {
            throw MediaError.notSupported(path: path, what: "\(error)")
        } catch {
            throw MediaError.ffmpegFailed(path: path, reason: process.lastMessage ?? "ended before the stream did")
        }
    }

    func finish() throws {
        if let unit = grouping.finish() { try write(unit) }
        process.endInput()
        let status = try process.wait().status
        guard status == 0 else {
            throw MediaError.ffmpegFailed(path: path, reason: process.lastMessage ?? "exit status \(status)")
        }
        try temporary.finish()
    }
}
