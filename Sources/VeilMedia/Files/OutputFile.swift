// SPDX-License-Identifier: GPL-2.0-or-later
import VeilSystem

/// A file that appears whole or not at all: bytes go to a temporary sibling, which takes the name when finished. "-"
/// is standard output.
public final class OutputFile {
    let path: String
    private let temporary: TemporaryFile?
    private let descriptor: Int32
    private let ownsDescriptor: Bool
    private var buffer: [UInt8] = []
    public private(set) var bytesWritten = 0

    /// `mode`: permissions of the new file. An existing one's are kept.
    public init(path: String, mode: mode_t = 0o644) throws {
        signal(SIGPIPE, SIG_IGN)
        self.path = path == "-" ? "standard output" : path
        if let number = Self.openDescriptor(path) {
            temporary = nil
            descriptor = number
            ownsDescriptor = false
            return
        }
        // Devices and pipes are written as they are.
        var info = stat()
        if stat(path, &info) == 0, info.st_mode & S_IFMT != S_IFREG {
            temporary = nil
            descriptor = open(path, O_WRONLY | O_CLOEXEC)
            ownsDescriptor = true
            if descriptor < 0 { throw MediaError.writeFailed(path: path, reason: String(cString: strerror(errno))) }
        } else {
            let made = try TemporaryFile(replacing: path, mode: mode)
            temporary = made
            descriptor = made.descriptor
            ownsDescriptor = false
        }
    }

    /// The number of an open file that a name stands for: what it leads to may be a regular file, but one that whoever
    /// started the program has opened, and not ours to replace.
    static func openDescriptor(_ path: String) -> Int32? {
        switch path {
        case "-", "/dev/stdout": return 1
        case "/dev/stderr": return 2
        default:
            for prefix in ["/dev/fd/", "/proc/self/fd/"] where path.hasPrefix(prefix) {
                return Int32(path.dropFirst(prefix.count))
            }
            return nil
        }
    }

    deinit { if ownsDescriptor { close(descriptor) } }

    public func write<S: Sequence>(_ bytes: S) throws where S.Element == UInt8 {
        buffer.append(contentsOf: bytes)
        if buffer.count >= 1 << 20 { try flush() }
    }

    /// Hands everything to the system.
    public func flush() throws {
        try buffer.withUnsafeBytes { try writeAll($0) }
        buffer.removeAll(keepingCapacity: true)
    }

    /// Hands bytes over without a copy, after what was written before.
    public func write(_ bytes: UnsafeRawBufferPointer) throws {
        try flush()
        try writeAll(bytes)
    }

    /// The same of many pieces, in as few calls as the system allows.
    func write(pieces: [iovec]) throws {
        try flush()
        var rest = pieces[...]
        while !rest.isEmpty {
            // IOV_MAX is 1024 and more everywhere.
            let written = rest.prefix(1024).withUnsafeBufferPointer {
                writev(descriptor, $0.baseAddress, Int32($0.count))
            }
            if written < 0 {
                if errno == EINTR { continue }
                throw failure()
            }
            bytesWritten += written
            var done = written
            while let first = rest.first, done >= first.iov_len {
                done -= first.iov_len
                rest.removeFirst()
            }
            if done > 0 {
                rest[rest.startIndex].iov_base += done
                rest[rest.startIndex].iov_len -= done
            }
        }
    }

    /// What went wrong with the last call, in words.
    private func failure() -> MediaError {
        errno == EPIPE
            ? .closedPipe(path: path) : .writeFailed(path: path, reason: String(cString: strerror(errno)))
    }

    private func writeAll(_ bytes: UnsafeRawBufferPointer) throws {
        guard let base = bytes.baseAddress else { return }
        var at = 0
        while at < bytes.count {
            let written = Glibc.write(descriptor, base + at, bytes.count - at)
            if written < 0 {
                if errno == EINTR { continue }
                throw failure()
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
        try temporary?.finish()
    }
}
