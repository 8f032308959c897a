// SPDX-License-Identifier: GPL-2.0-or-later
import VeilSystem

/// Reads the NAL units of a byte stream (Annex B) one by one from where its chunks come from.
package struct AnnexBReader {
    private let next: () throws -> [UInt8]?
    private var splitter: ByteStreamSplitter
    /// Complete units, the next one last.
    private var waiting: [NALUnit] = []
    /// The chunks are over: what `nextUnit` gave last is the stream's last unit, which no start code ended.
    package private(set) var hasEnded = false

    /// `next` gives chunks until nil.
    package init(
        _ purpose: SplittingPurpose = .reading, limit: Int = 256 << 20, next: @escaping () throws -> [UInt8]?
    ) {
        self.next = next
        splitter = ByteStreamSplitter(purpose, limit: limit)
    }

    /// Reads from memory.
    package init(bytes: [UInt8]) { self.init(.reading, bytes: bytes) }

    package init(_ purpose: SplittingPurpose, bytes: [UInt8]) {
        var given = false
        self.init(purpose) {
            if given { return nil }
            given = true
            return bytes
        }
    }

    /// Reads a file or pipe.
    package init(file: OpenFile, chunk: Int = 1 << 20) {
        self.init {
            guard let data = try file.read(upToCount: chunk), !data.isEmpty else { return nil }
            return [UInt8](data)
        }
    }

    /// The next unit, or nil at the end.
    package mutating func nextUnit() throws -> NALUnit? {
        while waiting.isEmpty {
            if hasEnded { return nil }
            if let chunk = try next() {
                waiting = try splitter.push(chunk).reversed()
            } else {
                hasEnded = true
                return try splitter.finish()
            }
        }
        return waiting.removeLast()
    }

    /// All units of a stream in memory.
    package static func units(of bytes: [UInt8]) throws -> [NALUnit] { try units(of: bytes, for: .reading) }

    package static func units(of bytes: [UInt8], for purpose: SplittingPurpose) throws -> [NALUnit] {
        var splitter = ByteStreamSplitter(purpose)
        var result = try splitter.push(bytes)
        if let last = try splitter.finish() { result.append(last) }
        return result
    }
}

extension Array where Element == UInt8 {
    /// Appends a NAL unit with its start code and what trails it.
    package mutating func append(annexB unit: NALUnit) {
        if unit.startCodeLength > 0 {
            append(contentsOf: repeatElement(0, count: Swift.max(unit.startCodeLength - 1, 2)))
            append(1)
        }
        append(contentsOf: unit.bytes)
        append(contentsOf: repeatElement(0, count: unit.trailingZeros))
    }
}
