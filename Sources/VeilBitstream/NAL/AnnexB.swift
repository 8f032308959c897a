// SPDX-License-Identifier: GPL-2.0-or-later
import Foundation

/// What is wrong with a byte stream.
public enum StreamError: Error, Sendable, CustomStringConvertible {
    case notAByteStream
    case nalTooLarge(offset: Int, limit: Int)
    case badHeader(offset: Int, SyntaxError)

    public var description: String {
        switch self {
        case .notAByteStream: return "no start code at the beginning: not an Annex B byte stream"
        case .nalTooLarge(let offset, let limit): return "NAL unit at byte \(offset) is longer than \(limit) bytes"
        case .badHeader(let offset, let error): return "NAL unit at byte \(offset): \(error)"
        }
    }
}

/// Splits a byte stream (Annex B) into NAL units as its chunks come in. Memory is bounded by the largest NAL unit.
package struct AnnexBReader {
    private let next: () throws -> [UInt8]?
    private var buffer: [UInt8] = []
    /// Where in `buffer` scanning begins, and what stream offset `buffer[0]` has.
    private var start = 0
    private var base = 0
    private var ended = false
    private var begun = false
    private var pendingStartCode = 0
    private let limit: Int

    /// `next` gives chunks until nil.
    package init(limit: Int = 256 << 20, next: @escaping () throws -> [UInt8]?) {
        self.next = next
        self.limit = limit
    }

    /// Reads from memory.
    package init(bytes: [UInt8]) {
        var given = false
        self.init {
            if given { return nil }
            given = true
            return bytes
        }
    }

    /// Reads a file or pipe.
    package init(file: FileHandle, chunk: Int = 1 << 20) {
        self.init {
            guard let data = try file.read(upToCount: chunk), !data.isEmpty else { return nil }
            return [UInt8](data)
        }
    }

    private mutating func fill() throws -> Bool {
        if ended { return false }
        if start > 0 {
            base += start
            buffer.removeFirst(start)
            start = 0
        }
        if buffer.count > limit { throw StreamError.nalTooLarge(offset: base, limit: limit) }
        guard let more = try next() else {
            ended = true
            return false
        }
        if buffer.isEmpty { buffer = more } else { buffer.append(contentsOf: more) }
        return true
    }

    /// Index of the next 00 00 01 at or after `from`, or nil.
    private static func findStartCode(_ b: UnsafeBufferPointer<UInt8>, from: Int) -> Int? {
        var i = from + 2
        while i < b.count {
            if b[i] > 1 {
                i += 3
            } else if b[i] == 1 {
                if b[i - 1] == 0 && b[i - 2] == 0 { return i - 2 }
                i += 3
            } else {
                i += 1
            }
        }
        return nil
    }

    /// The next unit, or nil at the end. Units of fewer than two bytes are skipped.
    package mutating func nextUnit() throws -> NALUnit? {
        while true {
            if !begun {
                // Leading zeros and the first start code.
                while buffer.count < 4 || buffer.allSatisfy({ $0 == 0 }) { if try !fill() { break } }
                if buffer.isEmpty { return nil }
                guard let at = buffer.withUnsafeBufferPointer({ Self.findStartCode($0, from: 0) }),
                    buffer[..<at].allSatisfy({ $0 == 0 })
                else { throw StreamError.notAByteStream }
                pendingStartCode = at + 3
                start = at + 3
                begun = true
            }
            var scan = start
            var end: Int?
            while true {
                end = buffer.withUnsafeBufferPointer { Self.findStartCode($0, from: scan) }
                if end != nil { break }
                let kept = max(buffer.count - start - 2, 0)
                if try !fill() { break }
                scan = start + kept
            }
            if end == nil && start >= buffer.count { return nil }
            let stop = end ?? buffer.count
            // Zeros before the next start code belong to it (or, at the end, trail).
            var last = stop
            while last > start && buffer[last - 1] == 0 { last -= 1 }
            let from = start
            let startCode = pendingStartCode
            let trailing = stop - last
            if let end {
                pendingStartCode = trailing + 3
                start = end + 3
            } else {
                start = buffer.count
            }
            if last - from < 2 {
                if end == nil { return nil }
                continue
            }
            let bytes = Array(buffer[from..<last])
            let offset = base + from
            let header: NALUnitHeader
            do {
                header = try NALUnitHeader(bytes[0], bytes[1])
            } catch let error as SyntaxError {
                throw StreamError.badHeader(offset: offset, error)
            }
            var unit = NALUnit(header: header, bytes: bytes, startCodeLength: startCode, offset: offset)
            if end == nil { unit.trailingZeros = trailing }
            return unit
        }
    }

    /// All units of a stream in memory.
    package static func units(of bytes: [UInt8]) throws -> [NALUnit] {
        var reader = AnnexBReader(bytes: bytes)
        var result: [NALUnit] = []
        while let unit = try reader.nextUnit() { result.append(unit) }
        return result
    }
}

extension Array where Element == UInt8 {
    /// Appends a NAL unit with its start code and what trails it.
    package mutating func append(annexB unit: NALUnit) {
        append(contentsOf: repeatElement(0, count: Swift.max(unit.startCodeLength - 1, 2)))
        append(1)
        append(contentsOf: unit.bytes)
        append(contentsOf: repeatElement(0, count: unit.trailingZeros))
    }
}
