// SPDX-License-Identifier: GPL-2.0-or-later
import Crypto
import VeilSystem

/// Key bytes that no description, log, mirror or core dump shows, and that are wiped when nobody holds them any more.
public struct SecretBytes: Hashable, Sendable, CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable
{
    private let storage: Storage

    public init(_ bytes: [UInt8]) { storage = Storage(bytes) }

    /// Fresh bytes from the system's generator.
    public static func random(_ count: Int) -> SecretBytes {
        var generator = SystemRandomNumberGenerator()
        var bytes = (0..<count).map { _ in UInt8.random(in: 0...255, using: &generator) }
        defer { bytes.wipe() }
        return SecretBytes(bytes)
    }

    package var count: Int { storage.buffer.count }

    /// A copy, which nobody wipes: for what is no secret, and for interfaces that take arrays.
    package var bytes: [UInt8] { Array(storage.buffer) }

    package func withUnsafeBytes<R>(_ body: (UnsafeRawBufferPointer) throws -> R) rethrows -> R {
        defer { withExtendedLifetime(storage) {} }
        return try body(UnsafeRawBufferPointer(storage.buffer))
    }

    /// For swift-crypto, which wipes its copy itself.
    var symmetricKey: SymmetricKey { withUnsafeBytes { SymmetricKey(data: $0) } }

    public static func == (a: SecretBytes, b: SecretBytes) -> Bool {
        a.count == b.count && zip(a.storage.buffer, b.storage.buffer).reduce(UInt8(0)) { $0 | ($1.0 ^ $1.1) } == 0
    }

    public func hash(into hasher: inout Hasher) { withUnsafeBytes { hasher.combine(bytes: $0) } }

    public var description: String { "<\(count * 8) secret bits>" }
    public var debugDescription: String { description }
    public var customMirror: Mirror { Mirror(self, children: [:]) }

    /// Pages of their own, left out of core dumps.
    private final class Storage: @unchecked Sendable {
        let buffer: UnsafeMutableBufferPointer<UInt8>
        private let pages: UnsafeMutableRawPointer?
        private let size: Int

        init(_ bytes: [UInt8]) {
            let page = max(Int(sysconf(Int32(_SC_PAGESIZE))), 4096)
            size = (bytes.count + page - 1) / page * page
            var pages: UnsafeMutableRawPointer?
            if size > 0, posix_memalign(&pages, page, size) != 0 { fatalError("no memory for a key") }
            self.pages = pages
            #if os(Linux)
                if let pages { madvise(pages, size, Int32(MADV_DONTDUMP)) }
            #endif
            buffer = UnsafeMutableBufferPointer(
                start: pages?.assumingMemoryBound(to: UInt8.self), count: pages == nil ? 0 : bytes.count)
            _ = buffer.update(fromContentsOf: bytes)
        }

        deinit {
            guard let pages else { return }
            wipeMemory(pages, size)
            #if os(Linux)
                madvise(pages, size, Int32(MADV_DODUMP))
            #endif
            free(pages)
        }
    }
}

/// Overwrites memory in a way that no optimization takes for useless.
private func wipeMemory(_ start: UnsafeMutableRawPointer, _ count: Int) {
    #if os(Linux)
        explicit_bzero(start, count)
    #else
        memset_s(start, count, 0, count)
    #endif
}

extension Array where Element == UInt8 {
    /// Overwrites what is there, for arrays that held keys.
    mutating func wipe() {
        withUnsafeMutableBytes { if let start = $0.baseAddress { wipeMemory(start, $0.count) } }
        removeAll()
    }
}

enum Hexadecimal {
    static func encode(_ bytes: [UInt8]) -> String {
        bytes.map { byte in
            let text = String(byte, radix: 16)
            return text.count == 1 ? "0" + text : text
        }.joined()
    }

    static func decode(_ text: String) -> [UInt8]? {
        func value(_ digit: UInt8) -> UInt8? {
            switch digit {
            case UInt8(ascii: "0")...UInt8(ascii: "9"): return digit - UInt8(ascii: "0")
            case UInt8(ascii: "a")...UInt8(ascii: "f"): return digit - UInt8(ascii: "a") + 10
            case UInt8(ascii: "A")...UInt8(ascii: "F"): return digit - UInt8(ascii: "A") + 10
            default: return nil
            }
        }
        var bytes: [UInt8] = []
        var high: UInt8?
        for digit in text.utf8 {
            guard let four = value(digit) else { return nil }
            if let first = high {
                bytes.append(first << 4 | four)
                high = nil
            } else {
                high = four
            }
        }
        return high == nil ? bytes : nil
    }
}
