// SPDX-License-Identifier: GPL-2.0-or-later
import Foundation
import Testing
import VeilSystem

@Suite struct SystemTests {
    @Test func numbersAsPrintfHasThem() {
        #expect(String(printf: "%.2f %% %5d|%-4d|%02d", 2.345, 17, 3, 7) == "2.35 %    17|3   |07")
        let long = Double(String(repeating: "9", count: 300))!
        #expect(String(printf: "%.0f", long).count == 301)
    }

    /// As Foundation has them.
    @Test(arguments: [
        "film.mp4", "a.b/film", "a/.hidden", "a/film.", "film.tar.GZ", "/", "", "a/b/", "a.d/", "./x.y4m", "é/ö.ü", "-",
        ".a.b",
    ])
    func paths(_ path: String) {
        let other = path as NSString
        #expect(path.lastOfPath == other.lastPathComponent)
        #expect(path.suffixOfPath == other.pathExtension)
        #expect(path.lastOfPath.withoutSuffix == (other.lastPathComponent as NSString).deletingPathExtension)
    }

    @Test(arguments: [
        ("a&b&&c", "&", "&amp;"), ("", "x", "y"), ("aaa", "aa", "b"), ("ünü", "ü", "u"), ("%d", "%d", ""),
    ])
    func replaced(_ text: String, _ wanted: String, _ other: String) {
        #expect(text.with(other, for: wanted) == text.replacingOccurrences(of: wanted, with: other))
    }

    @Test func spaces() {
        #expect("  a b\t\n".trimmed == "a b")
        #expect("   ".trimmed.isEmpty)
        #expect("é".padded(to: 3) == "é  ")
        #expect("abcd".padded(to: 2) == "ab")
    }

    @Test func filesReadWhatWasWritten() throws {
        let path = FileManager.default.temporaryDirectory.path + "/veil-system-\(UUID().uuidString)"
        let descriptor = open(path, O_RDWR | O_CREAT | O_EXCL, 0o600)
        #expect(descriptor >= 0)
        defer { unlink(path) }
        let written = OpenFile(fileDescriptor: descriptor, closeOnDealloc: true)
        let bytes = Data((0..<300_000).map { UInt8(truncatingIfNeeded: $0 * 7 >> 3) })
        try written.write(contentsOf: bytes)
        #expect(try written.offset() == 300_000)
        try written.seek(toOffset: 5)
        #expect(try written.read(upToCount: 70_000) == bytes[5..<70_005])
        #expect(try written.readToEnd() == bytes[70_005...])
        #expect(try written.read(upToCount: 1) == nil)
        #expect(try written.seekToEnd() == 300_000)
        try written.close()
        try written.close()
        #expect(throws: SystemError.self) { try written.read(upToCount: 1) }
        #expect(OpenFile(forReadingAtPath: path + "/nothing") == nil)
        let reading = try #require(OpenFile(forReadingAtPath: path))
        #expect(throws: SystemError.self) { try reading.write(contentsOf: bytes) }
    }

    @Test func threadsAndTheirValues() {
        final class Kept: Sendable {
            let ended: DispatchSemaphore
            init(_ ended: DispatchSemaphore) { self.ended = ended }
            deinit { ended.signal() }
        }
        let (value, ended, condition) = (ThreadValue<Kept>(), DispatchSemaphore(value: 0), Condition())
        nonisolated(unsafe) var count = 0
        for _ in 0..<8 {
            SystemThread.start(stackSize: 1 << 20) {
                value.value = Kept(ended)
                value.value = Kept(ended)
                condition.withLock { count += value.value == nil ? 0 : 1 }
                condition.broadcast()
            }
        }
        condition.lock()
        while count < 8 { condition.wait() }
        condition.unlock()
        #expect(value.value == nil)
        // Those that were replaced, and those whose thread ended.
        for _ in 0..<16 { #expect(ended.wait(timeout: .now() + 20) == .success) }
    }
}
