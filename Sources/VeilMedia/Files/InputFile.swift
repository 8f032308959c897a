// SPDX-License-Identifier: GPL-2.0-or-later
import VeilSystem

/// A file, a pipe or standard input ("-"), read from its beginning to its end. What it begins with can be looked at
/// first, and is not lost where it cannot be read twice.
public final class InputFile: @unchecked Sendable {
    /// What a file's first bytes say that it is.
    package enum Kind: Sendable {
        case y4m
        /// Begins as a byte stream does, with a unit that HEVC has and other standards do not.
        case byteStream
        /// MP4, QuickTime.
        case isoMedia
        case matroska
        case transportStream
        case other
    }

    /// As messages call it.
    package let name: String
    package let path: String
    private let handle: OpenFile
    package private(set) var head: [UInt8] = []
    private var headAt = 0
    private var hasEnded = false
    /// Whether it is a regular file, from its first byte on.
    package let isRegular: Bool
    private var waitsForEnd = false
    /// Of a pipe, what it gave.
    private var copied: OpenFile?

    public init(path: String) throws {
        // Programs that are asked to read it have another standard input.
        let path = ["/dev/stdin", "/dev/fd/0", "/proc/self/fd/0"].contains(path) ? "-" : path
        self.path = path
        if path == "-" {
            name = "standard input"
            handle = .standardInput
        } else {
            name = path
            let descriptor = open(path, O_RDONLY | O_CLOEXEC)
            guard descriptor >= 0 else {
                throw MediaError.cannotOpen(
                    path: path, reason: errno == ENOENT ? "no such file" : String(cString: strerror(errno)))
            }
            handle = OpenFile(fileDescriptor: descriptor, closeOnDealloc: true)
        }
        var info = stat()
        guard fstat(handle.fileDescriptor, &info) == 0 else {
            throw MediaError.cannotOpen(path: name, reason: String(cString: strerror(errno)))
        }
        if info.st_mode & S_IFMT == S_IFDIR { throw MediaError.cannotOpen(path: name, reason: "is a folder") }
        isRegular = info.st_mode & S_IFMT == S_IFREG && lseek(handle.fileDescriptor, 0, SEEK_CUR) == 0
    }

    /// Of a pipe: a request to stop most often reaches whoever writes it, too, and what they have made is read to its
    /// end, if that comes soon.
    package func waitForEnd() { waitsForEnd = !isRegular }

    package var descriptor: Int32 { handle.fileDescriptor }

    /// Which regular file it is, as it is now: the same text while nobody has changed it.
    var state: String? {
        var info = stat()
        guard isRegular, fstat(descriptor, &info) == 0 else { return nil }
        return "\(info.st_dev) \(info.st_ino) \(info.st_size) \(info.st_mtim.tv_sec).\(info.st_mtim.tv_nsec)"
    }

    /// Bytes of a regular file.
    package var size: Int? {
        var info = stat()
        guard isRegular, fstat(descriptor, &info) == 0 else { return nil }
        return Int(info.st_size)
    }

    /// What it begins with: `count` bytes, or fewer where it is shorter.
    package func beginning(_ count: Int) throws -> [UInt8] {
        while head.count < count && !hasEnded {
            guard let more = try readMore(upTo: count - head.count) else { break }
            head += more
        }
        return Array(head.prefix(count))
    }

    package func kind() throws -> Kind {
        let start = try beginning(12)
        if start.starts(with: Array("YUV4MPEG2".utf8)) { return .y4m }
        if let one = start.firstIndex(where: { $0 != 0 }), one >= 2, start[one] == 1, start.count > one + 2 {
            // A parameter set, a delimiter or an SEI message of layer 0, as no other standard's units begin.
            return (0x40...0x4F).contains(start[one + 1]) && start[one + 2] & 7 != 0 ? .byteStream : .other
        }
        guard start.count == 12 else { return .other }
        if start.starts(with: [0x1A, 0x45, 0xDF, 0xA3]) { return .matroska }
        let boxes = ["ftyp", "styp", "moov", "moof", "mdat", "wide", "free", "skip"]
        if boxes.contains(String(decoding: start[4..<8], as: UTF8.self)) { return .isoMedia }
        for form in TransportPackets.all where start[form.prefix] == 0x47 {
            let count = form.places[2] + 1
            let packets = try beginning(count)
            if packets.count == count, form.fits(packets) { return .transportStream }
        }
        return .other
    }

    /// Bytes in front of the first start code of what is no container; 0 where it begins with one or has none.
    package func bytesBeforeStartCode() throws -> Int {
        let bytes = try beginning(1 << 12)
        guard
            let one = bytes.indices.dropFirst(2).first(where: { bytes[$0] == 1 && bytes[$0 - 1] | bytes[$0 - 2] == 0 })
        else { return 0 }
        let zeros = bytes[..<one].reversed().prefix { $0 == 0 }.count
        return one - zeros
    }

    /// Bytes that were read so far.
    package private(set) var bytesRead = 0

    /// What there is, at least one byte and at most `count`; nil at the end, and after a request to stop. Does not wait
    /// for more of a pipe than there is.
    package func read(upTo count: Int) throws -> [UInt8]? {
        if headAt < head.count {
            let bytes = Array(head[headAt..<min(headAt + count, head.count)])
            headAt += bytes.count
            return bytes
        }
        return try readMore(upTo: count)
    }

    private func readMore(upTo count: Int) throws -> [UInt8]? {
        if hasEnded { return nil }
        let bytes = try handle.readAvailable(upTo: count, waitsForEnd: waitsForEnd)
        hasEnded = bytes == nil
        bytesRead += bytes?.count ?? 0
        return bytes
    }

    /// The same into memory that is there: how many bytes were read, 0 at the end.
    package func read(into buffer: UnsafeMutableRawBufferPointer) throws -> Int {
        if headAt < head.count {
            let count = min(buffer.count, head.count - headAt)
            head.withUnsafeBytes {
                buffer.copyMemory(from: UnsafeRawBufferPointer(rebasing: $0[headAt..<headAt + count]))
            }
            headAt += count
            return count
        }
        if hasEnded { return 0 }
        let got = try handle.readAvailable(into: buffer, waitsForEnd: waitsForEnd)
        hasEnded = got == 0
        bytesRead += got
        return got
    }

    /// Everything, of a file no larger than `limit` bytes.
    package func readAll(limit: Int = 1 << 26) throws -> [UInt8] {
        var bytes: [UInt8] = []
        while let more = try read(upTo: 1 << 16) {
            bytes += more
            if bytes.count > limit { throw MediaError.notSupported(path: name, what: "is larger than \(limit) bytes") }
        }
        return bytes
    }

    /// A descriptor from which any part can be read: the file's own, or a nameless copy's of what a pipe gives.
    package func seekable() throws -> OpenFile {
        if isRegular { return handle }
        if let copied {
            try copied.seek(toOffset: 0)
            return copied
        }
        let pattern = FileManager.default.temporaryDirectory.path + "/veilXXXXXX"
        var name = Array(pattern.utf8CString)
        let copy = mkstemp(&name)
        guard copy >= 0 else {
            throw MediaError.writeFailed(path: pattern, reason: String(cString: strerror(errno)))
        }
        _ = fcntl(copy, F_SETFD, FD_CLOEXEC)
        unlink(name)
        let handle = OpenFile(fileDescriptor: copy, closeOnDealloc: true)
        do { while let bytes = try read(upTo: 1 << 20) { try handle.write(contentsOf: bytes) } } catch {
            throw MediaError.writeFailed(path: pattern, reason: "\(self.name) cannot be copied there")
        }
        lseek(copy, 0, SEEK_SET)
        copied = handle
        return handle
    }
}

extension OpenFile {
    fileprivate func readAvailable(upTo count: Int, waitsForEnd: Bool) throws -> [UInt8]? {
        var failure: (any Error)?
        let bytes = [UInt8](unsafeUninitializedCapacity: count) { buffer, initialized in
            do {
                initialized = try readAvailable(into: UnsafeMutableRawBufferPointer(buffer), waitsForEnd: waitsForEnd)
            } catch {
                failure = error
            }
        }
        if let failure { throw failure }
        return bytes.isEmpty ? nil : bytes
    }

    /// Milliseconds after which a request to stop is noticed.
    private static var patience: Int32 { 200 }

    /// - Parameter waitsForEnd: after a request to stop, read on for some seconds, as long as the end may come.
    package func readAvailable(into buffer: UnsafeMutableRawBufferPointer, waitsForEnd: Bool = false) throws -> Int {
        while !Interruption.isRequested || waitsForEnd && Interruption.isRecent {
            // A request may come just before the read, or to another thread: it must not wait for the input.
            var request = pollfd(fd: fileDescriptor, events: Int16(POLLIN), revents: 0)
            if poll(&request, 1, Self.patience) <= 0 { continue }
            let got = Glibc.read(fileDescriptor, buffer.baseAddress, buffer.count)
            if got >= 0 { return got }
            if errno != EINTR { throw MediaError.cannotOpen(path: "input", reason: String(cString: strerror(errno))) }
        }
        Interruption.cut()
        return 0
    }
}
