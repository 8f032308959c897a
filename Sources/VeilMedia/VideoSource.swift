// SPDX-License-Identifier: GPL-2.0-or-later
import Foundation

/// Reads frames one after the other from y4m, raw yuv, a pipe, or (through ffmpeg) any container.
public final class VideoSource {
    public let format: VideoFormat
    private let path: String
    private let input: FileHandle
    private let process: Process?
    private let isY4M: Bool
    private var offset = 0
    private var frameIndex = 0
    /// Where the last frame's samples began.
    private var frameOffset = 0
    /// Bytes read: the ones not used yet are `bufferAt..<bufferEnd`. Keeps its size, like `kept`, so that a frame
    /// touches no fresh memory.
    private var buffer: [UInt8] = []
    private var bufferAt = 0
    private var bufferEnd = 0
    /// The last frame's, for the next one if nobody else has it by then.
    private var kept: VideoFrame?
    private var ended = false
    /// Whether what was read can be read again.
    private let isSeekable: Bool
    private let errors: Pipe?

    /// Opens a source. `path` may be "-" for standard input. `size` and `fps` describe raw video (a .yuv file, or
    /// standard input that is not y4m); `bitDepth` likewise, and what ffmpeg is asked to deliver.
    public static func open(
        path: String, size: (width: Int, height: Int)? = nil, fps: (numerator: Int, denominator: Int)? = nil,
        bitDepth: Int? = nil
    ) throws -> VideoSource {
        if path == "-" {
            return try VideoSource(
                path: "standard input", input: .standardInput, process: nil, errors: nil, size, fps, bitDepth)
        }
        guard FileManager.default.fileExists(atPath: path) else {
            throw MediaError.cannotOpen(path: path, reason: "no such file")
        }
        let ext = (path as NSString).pathExtension.lowercased()
        guard let file = FileHandle(forReadingAtPath: path) else {
            throw MediaError.cannotOpen(path: path, reason: "cannot be read")
        }
        let magic = (try? file.read(upToCount: 9)) ?? Data()
        try? file.seek(toOffset: 0)
        if magic == Data("YUV4MPEG2".utf8) || ext == "yuv" {
            return try VideoSource(path: path, input: file, process: nil, errors: nil, size, fps, bitDepth)
        }
        try? file.close()
        guard let ffmpeg = findProgram("ffmpeg") else { throw MediaError.noFFmpeg(path: path) }
        let process = Process()
        process.executableURL = ffmpeg
        process.arguments = [
            "-nostdin", "-v", "error", "-i", path, "-f", "yuv4mpegpipe", "-strict", "-1", "-pix_fmt",
            (bitDepth ?? 8) > 8 ? "yuv420p10le" : "yuv420p", "-",
        ]
        let out = Pipe()
        let errors = Pipe()
        process.standardOutput = out
        process.standardError = errors
        process.standardInput = FileHandle.nullDevice
        do { try process.run() } catch { throw MediaError.ffmpegFailed(path: path, reason: "cannot be run") }
        return try VideoSource(
            path: path, input: out.fileHandleForReading, process: process, errors: errors, nil, nil, bitDepth)
    }

    /// How many frames a regular file holds, by its size; nil for pipes and what ffmpeg reads.
    public var expectedFrames: Int? {
        var info = stat()
        guard process == nil, fstat(input.fileDescriptor, &info) == 0, info.st_mode & S_IFMT == S_IFREG else {
            return nil
        }
        let header = isY4M ? 6 : 0
        return (Int(info.st_size) - (isY4M ? offset : 0)) / (format.frameBytes + header)
    }

    /// A program on PATH.
    public static func findProgram(_ name: String) -> URL? {
        for folder in (ProcessInfo.processInfo.environment["PATH"] ?? "").split(separator: ":") {
            let url = URL(fileURLWithPath: String(folder)).appendingPathComponent(name)
            if FileManager.default.isExecutableFile(atPath: url.path) { return url }
        }
        return nil
    }

    private init(
        path: String, input: FileHandle, process: Process?, errors: Pipe?, _ size: (width: Int, height: Int)?,
        _ fps: (numerator: Int, denominator: Int)?, _ bitDepth: Int?
    ) throws {
        self.path = path
        self.input = input
        self.process = process
        self.errors = errors
        var status = stat()
        isSeekable =
            process == nil && fstat(input.fileDescriptor, &status) == 0 && status.st_mode & S_IFMT == S_IFREG
            && lseek(input.fileDescriptor, 0, SEEK_CUR) == 0
        var header: [UInt8] = []
        var pending: [UInt8] = []
        func more() throws -> Bool {
            guard let data = try input.readAvailable(upTo: 1 << 20) else { return false }
            pending.append(contentsOf: data)
            return true
        }
        while pending.count < 10 { if try !more() { break } }
        if pending.starts(with: Array("YUV4MPEG2".utf8)) {
            while true {
                if let end = pending.firstIndex(of: 10) {
                    header = Array(pending[..<end])
                    pending.removeFirst(end + 1)
                    break
                }
                if pending.count > 4096 {
                    throw MediaError.notSupported(path: path, what: "y4m header line is too long")
                }
                if try !more() { throw MediaError.truncated(path: path, frame: 0, offset: pending.count) }
            }
            isY4M = true
            offset = header.count + 1
            format = try Self.parse(header: String(decoding: header, as: UTF8.self), path: path)
        } else {
            if process != nil {
                let text = errors.map { String(decoding: $0.fileHandleForReading.availableData, as: UTF8.self) } ?? ""
                throw MediaError.ffmpegFailed(
                    path: path, reason: text.split(separator: "\n").last.map(String.init) ?? "gave no video")
            }
            guard let size else { throw MediaError.needsSize(path: path) }
            guard (1...16384).contains(size.width), (1...16384).contains(size.height) else {
                throw MediaError.notSupported(path: path, what: "size \(size.width)x\(size.height) is out of range")
            }
            isY4M = false
            format = VideoFormat(width: size.width, height: size.height, fps: fps ?? (25, 1), bitDepth: bitDepth ?? 8)
        }
        buffer = pending
        bufferEnd = pending.count
    }

    deinit {
        if let process, process.isRunning { process.terminate() }
    }

    private static func parse(header: String, path: String) throws -> VideoFormat {
        var format = VideoFormat(width: 0, height: 0)
        for field in header.split(separator: " ").dropFirst() {
            let value = field.dropFirst()
            switch field.first {
            case "W": format.width = Int(value) ?? 0
            case "H": format.height = Int(value) ?? 0
            case "F":
                let parts = value.split(separator: ":").compactMap { Int($0) }
                if parts.count == 2, parts[0] > 0, parts[1] > 0 { format.fps = (parts[0], parts[1]) }
            case "I":
                if value != "p" && value != "?" {
                    throw MediaError.notSupported(
                        path: path, what: "interlaced video (y4m tag I\(value)) is not supported")
                }
            case "C":
                switch value {
                case "420", "420jpeg", "420mpeg2", "420paldv": format.bitDepth = 8
                case "420p10": format.bitDepth = 10
                default:
                    throw MediaError.notSupported(
                        path: path, what: "colour space C\(value) is not supported (4:2:0, 8 or 10 bit is)")
                }
            default: break
            }
        }
        guard (1...16384).contains(format.width), (1...16384).contains(format.height) else {
            throw MediaError.notSupported(path: path, what: "y4m size \(format.width)x\(format.height) is out of range")
        }
        return format
    }

    /// Makes at least `count` bytes available from `bufferAt`, as far as the source has them.
    private func fill(_ count: Int) throws {
        if bufferEnd - bufferAt >= count || ended { return }
        // With room for the next frame's header, so that little is moved.
        let room = count + (1 << 16)
        if bufferAt + count > buffer.count {
            let used = bufferAt
            let left = bufferEnd - used
            buffer.withUnsafeMutableBytes {
                if let base = $0.baseAddress { base.copyMemory(from: base + used, byteCount: left) }
            }
            bufferAt = 0
            bufferEnd = left
        }
        while bufferEnd - bufferAt < count && !ended {
            // Grows with what is really there: a header may claim any size.
            if bufferEnd == buffer.count {
                buffer.append(
                    contentsOf: repeatElement(0, count: min(max(bufferEnd, 1 << 20), bufferAt + room - bufferEnd)))
            }
            let end = bufferEnd
            do {
                let got = try buffer.withUnsafeMutableBytes {
                    try input.readAvailable(into: UnsafeMutableRawBufferPointer(rebasing: $0[end...]))
                }
                bufferEnd += got
                ended = got == 0
            } catch { throw MediaError.cannotOpen(path: path, reason: "read error at byte \(offset)") }
        }
    }

    /// The next frame, or nil at the end. A source that ends inside a frame is an error, unless the user asked to stop.
    public func nextFrame() throws -> VideoFrame? {
        do { return Interruption.isRequested ? nil : try readFrame() } catch {
            if Interruption.isRequested { return nil }
            throw error
        }
    }

    private func readFrame() throws -> VideoFrame? {
        if isY4M {
            try fill(6)
            if bufferEnd - bufferAt == 0 {
                try checkProcess()
                return nil
            }
            var length = 0
            while true {
                let available = bufferEnd - bufferAt
                if let at = buffer[bufferAt..<bufferEnd].firstIndex(of: 10) {
                    length = at - bufferAt + 1
                    break
                }
                if available > 4096 || ended {
                    throw MediaError.truncated(path: path, frame: frameIndex, offset: offset + available)
                }
                try fill(available + 1)
            }
            guard buffer[bufferAt..<(bufferAt + length)].starts(with: Array("FRAME".utf8)) else {
                throw MediaError.notSupported(
                    path: path, what: "no frame header at byte \(offset) (frame \(frameIndex))")
            }
            bufferAt += length
            offset += length
        }
        let bytes = format.frameBytes
        try fill(bytes)
        let available = bufferEnd - bufferAt
        if available == 0 && !isY4M { return nil }
        if available < bytes { throw MediaError.truncated(path: path, frame: frameIndex, offset: offset + available) }
        let frame = freeFrame()
        var at = bufferAt
        for c in 0..<3 {
            let s = format.size(ofComponent: c)
            let start = at
            frame.planes[c].withUnsafeMutableBufferPointer { out in
                buffer.withUnsafeBytes {
                    RawSamples.read(
                        $0.baseAddress! + start, bitDepth: format.bitDepth, into: out.baseAddress!, stride: s.width,
                        width: s.width,
                        height: s.height)
                }
            }
            at += s.width * s.height * format.bytesPerSample
        }
        bufferAt = at
        frameOffset = offset
        offset += bytes
        frameIndex += 1
        return frame
    }

    /// Where the last frame can be read again, nil for a pipe.
    public var lastFrameInFile: FrameInFile? {
        guard isSeekable, frameIndex > 0 else { return nil }
        return FrameInFile(file: input, path: path, index: frameIndex - 1, offset: frameOffset, format: format)
    }

    /// A frame to be written over: the last one, unless it is still in use.
    private func freeFrame() -> VideoFrame {
        if kept != nil, isKnownUniquelyReferenced(&kept) { return kept! }
        let frame = VideoFrame(format: format)
        kept = frame
        return frame
    }

    private func checkProcess() throws {
        guard let process else { return }
        process.waitUntilExit()
        if process.terminationStatus != 0 {
            let text = errors.map { String(decoding: $0.fileHandleForReading.availableData, as: UTF8.self) } ?? ""
            throw MediaError.ffmpegFailed(
                path: path,
                reason: text.split(separator: "\n").last.map(String.init) ?? "exit status \(process.terminationStatus)")
        }
    }
}
