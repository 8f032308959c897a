// SPDX-License-Identifier: GPL-2.0-or-later

/// Why the system did not do what it was asked to.
package struct SystemError: Error, CustomStringConvertible, Sendable {
    package let number: Int32
    package init(_ number: Int32 = errno) { self.number = number }
    package var description: String { String(cString: strerror(number)) }
}

/// An open file, pipe or device.
package final class OpenFile: @unchecked Sendable {
    package let fileDescriptor: Int32
    private let closesAtEnd: Bool
    private var isClosed = false

    package static let standardInput = OpenFile(fileDescriptor: 0, closeOnDealloc: false)
    package static let standardOutput = OpenFile(fileDescriptor: 1, closeOnDealloc: false)
    package static let standardError = OpenFile(fileDescriptor: 2, closeOnDealloc: false)

    /// Where nothing is.
    package static let null = OpenFile(fileDescriptor: -1, closeOnDealloc: false)

    package init(fileDescriptor: Int32, closeOnDealloc: Bool) {
        self.fileDescriptor = fileDescriptor
        closesAtEnd = closeOnDealloc
    }

    /// Nil where it cannot be opened; `errno` says why.
    package convenience init?(forReadingAtPath path: String) {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        self.init(fileDescriptor: descriptor, closeOnDealloc: true)
    }

    deinit { if closesAtEnd { try? close() } }

    package func close() throws {
        if isClosed { return }
        isClosed = true
        #if canImport(Glibc)
            let status = Glibc.close(fileDescriptor)
        #elseif canImport(Musl)
            let status = Musl.close(fileDescriptor)
        #else
            let status = Darwin.close(fileDescriptor)
        #endif
        if status != 0 { throw SystemError() }
    }

    /// Up to `count` bytes: fewer at the end, none behind it.
    package func read(upToCount count: Int) throws -> Data? {
        var bytes = Data(count: min(count, 1 << 16))
        var filled = 0
        while filled < count {
            // Of what is asked for there may be little.
            if filled == bytes.count { bytes.count = min(count, 4 * filled) }
            let got = bytes.withUnsafeMutableBytes { buffer in
                Self.repeating { systemRead(fileDescriptor, buffer.baseAddress! + filled, buffer.count - filled) }
            }
            if got < 0 { throw SystemError() }
            if got == 0 { break }
            filled += got
        }
        return filled == 0 ? nil : bytes.prefix(filled)
    }

    package func readToEnd() throws -> Data? { try read(upToCount: .max) }

    package func write(contentsOf data: some DataProtocol) throws {
        for region in data.regions {
            try region.withUnsafeBytes { buffer in
                var at = 0
                while at < buffer.count {
                    let put = Self.repeating {
                        systemWrite(fileDescriptor, buffer.baseAddress! + at, buffer.count - at)
                    }
                    if put < 0 { throw SystemError() }
                    at += put
                }
            }
        }
    }

    package func seek(toOffset offset: UInt64) throws { _ = try move(Int64(offset), SEEK_SET) }

    @discardableResult
    package func seekToEnd() throws -> UInt64 { try move(0, SEEK_END) }

    package func offset() throws -> UInt64 { try move(0, SEEK_CUR) }

    private func move(_ offset: Int64, _ from: Int32) throws -> UInt64 {
        let place = lseek(fileDescriptor, off_t(offset), from)
        if place < 0 { throw SystemError() }
        return UInt64(place)
    }

    private static func repeating(_ call: () -> Int) -> Int {
        while true {
            let result = call()
            if result >= 0 || errno != EINTR { return result }
        }
    }
}

private func systemRead(_ file: Int32, _ to: UnsafeMutableRawPointer, _ count: Int) -> Int { read(file, to, count) }

private func systemWrite(_ file: Int32, _ from: UnsafeRawPointer, _ count: Int) -> Int { write(file, from, count) }
