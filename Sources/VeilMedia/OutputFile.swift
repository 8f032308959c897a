// SPDX-License-Identifier: GPL-2.0-or-later
import CVeilKernels
import Foundation

/// A file that appears whole or not at all: bytes go to a temporary sibling, which takes the name when finished. "-"
/// is standard output.
public final class OutputFile {
    private let path: String
    private let temporary: String?
    private var descriptor: Int32
    private var buffer: [UInt8] = []
    public private(set) var bytesWritten = 0

    /// `mode`: permissions of the new file.
    public init(path: String, mode: mode_t = 0o644) throws {
        signal(SIGPIPE, SIG_IGN)
        self.path = path == "-" ? "standard output" : path
        if path == "-" {
            temporary = nil
            descriptor = 1
            return
        }
        // Devices and pipes are written as they are.
        var info = stat()
        if stat(path, &info) == 0, info.st_mode & S_IFMT != S_IFREG {
            temporary = nil
            descriptor = Glibc.open(path, O_WRONLY)
        } else {
            let name = path + ".part\(getpid())"
            temporary = name
            descriptor = Glibc.open(name, O_WRONLY | O_CREAT | O_TRUNC, mode)
        }
        if descriptor < 0 { throw MediaError.writeFailed(path: path, reason: String(cString: strerror(errno))) }
    }

    deinit {
        if descriptor > 2 { close(descriptor) }
        if descriptor >= 0, let temporary { unlink(temporary) }
    }

    public func write<S: Sequence>(_ bytes: S) throws where S.Element == UInt8 {
        buffer.append(contentsOf: bytes)
        if buffer.count >= 1 << 20 { try flush() }
    }

    /// Hands everything to the system.
    public func flush() throws {
        var at = 0
        while at < buffer.count {
            let written = buffer.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress! + at, $0.count - at) }
            if written < 0 {
                if errno == EINTR { continue }
                if errno == EPIPE { throw MediaError.closedPipe(path: path) }
                throw MediaError.writeFailed(path: path, reason: String(cString: strerror(errno)))
            }
            at += written
        }
        bytesWritten += buffer.count
        buffer.removeAll(keepingCapacity: true)
    }

    /// Hands bytes over without a copy, after what was written before.
    public func write(_ bytes: UnsafeRawBufferPointer) throws {
        try flush()
        var at = 0
        while at < bytes.count {
            let written = Glibc.write(descriptor, bytes.baseAddress! + at, bytes.count - at)
            if written < 0 {
                if errno == EINTR { continue }
                if errno == EPIPE { throw MediaError.closedPipe(path: path) }
                throw MediaError.writeFailed(path: path, reason: String(cString: strerror(errno)))
            }
            at += written
        }
        bytesWritten += bytes.count
    }

    /// Something is complete that a reader at the other end of a pipe may be waiting for: hands it on, where this is
    /// one.
    public func endUnit() throws { if temporary == nil { try flush() } }

    /// Completes the file and gives it its name.
    public func finish() throws {
        try flush()
        guard let temporary else { return }
        if close(descriptor) != 0 {
            descriptor = -1
            unlink(temporary)
            throw MediaError.writeFailed(path: path, reason: String(cString: strerror(errno)))
        }
        descriptor = -1
        if rename(temporary, path) != 0 {
            unlink(temporary)
            throw MediaError.writeFailed(path: path, reason: String(cString: strerror(errno)))
        }
    }
}

/// Writes frames as y4m, or raw when the name ends in .yuv.
public final class VideoWriter {
    private let file: OutputFile
    private let isY4M: Bool
    private var begun = false
    private let format: VideoFormat
    /// One frame as it is written.
    private let bytes: UnsafeMutableRawBufferPointer

    public init(path: String, format: VideoFormat) throws {
        file = try OutputFile(path: path)
        bytes = .allocate(byteCount: format.frameBytes, alignment: 64)
        isY4M = !path.lowercased().hasSuffix(".yuv")
        self.format = format
    }

    deinit { bytes.deallocate() }

    /// One row at a time: `row(component, y)` gives the samples, `width` of the component at least.
    public func writeFrame(row: (Int, Int) -> UnsafePointer<UInt16>) throws {
        if isY4M {
            if !begun {
                let colour = format.bitDepth > 8 ? "420p10 XYSCSS=420P10" : "420jpeg"
                let rate = "\(format.fps.numerator):\(format.fps.denominator)"
                try file.write("YUV4MPEG2 W\(format.width) H\(format.height) F\(rate) Ip A1:1 C\(colour)\n".utf8)
                begun = true
            }
            try file.write("FRAME\n".utf8)
        }
        // One write a frame: samples of 8 bits are packed, others stored as they are (little endian).
        guard var at = bytes.baseAddress else { return }
        for c in 0..<3 {
            let s = format.size(ofComponent: c)
            for y in 0..<s.height {
                let samples = row(c, y)
                if format.bitDepth == 8 {
                    veil_narrow(at.assumingMemoryBound(to: UInt8.self), s.width, samples, s.width, Int32(s.width), 1, 0)
                } else {
                    at.copyMemory(from: samples, byteCount: s.width * 2)
                }
                at += s.width * format.bytesPerSample
            }
        }
        try file.write(UnsafeRawBufferPointer(bytes))
        try file.endUnit()
    }

    public func write(_ frame: VideoFrame) throws {
        try writeFrame { c, y in
            frame.planes[c].withUnsafeBufferPointer { $0.baseAddress! + y * frame.format.size(ofComponent: c).width }
        }
    }

    public func finish() throws { try file.finish() }
}
