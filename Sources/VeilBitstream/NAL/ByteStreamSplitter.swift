// SPDX-License-Identifier: GPL-2.0-or-later

/// What is wrong with a byte stream.
public enum StreamError: Error, Sendable, CustomStringConvertible {
    case notAByteStream
    case nalTooLarge(offset: Int, limit: Int)

    public var description: String {
        switch self {
        case .notAByteStream: return "no start code at the beginning: not an Annex B byte stream"
        case .nalTooLarge(let offset, let limit): return "NAL unit at byte \(offset) is longer than \(limit) bytes"
        }
    }
}

/// What a byte stream is split for.
package enum SplittingPurpose: Sendable {
    /// Reading: what holds no NAL unit is skipped, and so is what stands before the first start code.
    case reading
    /// Editing: what holds no NAL unit comes as one that `isMalformed`; what stands before the first start code is
    /// skipped.
    case editing
    /// Passing on: no byte is lost. What stands before the first start code may be the rest of a slice, of which nobody
    /// can tell what it is: it is an error.
    case passingOn
}

/// What a splitter passed over.
package struct SkippedBytes: Equatable, Sendable {
    /// Bytes before the first start code that are not zeros before it.
    package var beforeFirstUnit = 0
    /// Units with a header that cannot be (7.4.2.2), and where the first of them was. Units of fewer than two bytes are
    /// none, and not counted.
    package var badHeaders = 0
    package var firstBadHeader: (offset: Int, error: SyntaxError)?

    package static func == (a: Self, b: Self) -> Bool {
        a.beforeFirstUnit == b.beforeFirstUnit && a.badHeaders == b.badHeaders
            && a.firstBadHeader?.offset == b.firstBadHeader?.offset
    }

    /// A line for each kind.
    package var messages: [String] {
        var lines: [String] = []
        if beforeFirstUnit > 0 { lines.append("\(beforeFirstUnit) bytes before the first start code, skipped") }
        if let first = firstBadHeader {
            let others = badHeaders > 1 ? ", and \(badHeaders - 1) more" : ""
            lines.append("NAL unit at byte \(first.offset): \(first.error); skipped\(others)")
        }
        return lines
    }
}

/// Splits chunks of a byte stream (Annex B) into NAL units. A unit is known to be complete when the next start code
/// comes. Memory is bounded by the largest NAL unit and the chunk.
package struct ByteStreamSplitter {
    private var buffer: [UInt8] = []
    /// Where in `buffer` the pending unit begins; nil before the first start code.
    private var start: Int?
    private var startCodeLength = 0
    private var scan = 0
    /// What stream offset `buffer[0]` has.
    private var base = 0
    private let limit: Int
    private let purpose: SplittingPurpose
    /// Thrown once the units before it are out.
    private var failure: StreamError?
    package private(set) var skipped = SkippedBytes()
    /// Where no start code came by then, none will.
    private static let longestBeginning = 1 << 20

    /// - Parameter limit: longest NAL unit in bytes.
    package init(_ purpose: SplittingPurpose = .reading, limit: Int = 256 << 20) {
        self.purpose = purpose
        self.limit = limit
    }

    /// Takes the next bytes, however they are cut, and returns the units that they complete. Throws ``StreamError``.
    package mutating func push(_ chunk: some Sequence<UInt8>) throws -> [NALUnit] {
        if let failure { throw failure }
        buffer.append(contentsOf: chunk)
        var result: [NALUnit] = []
        do { try split(into: &result) } catch let error as StreamError {
            failure = error
            if result.isEmpty { throw error }
        }
        return result
    }

    private mutating func split(into result: inout [NALUnit]) throws {
        while let at = nextStartCode() {
            var zeros = at
            while zeros > (start ?? 0) && buffer[zeros - 1] == 0 { zeros -= 1 }
            if let start {
                if let unit = try unit(from: start, to: zeros) { result.append(unit) }
            } else if zeros > 0 {
                if purpose == .passingOn || zeros > Self.longestBeginning { throw StreamError.notAByteStream }
                skipped.beforeFirstUnit = zeros
            }
            startCodeLength = at + 3 - zeros
            start = at + 3
            scan = at + 3
        }
        if let start, start > 0 {
            buffer.removeFirst(start)
            base += start
            scan -= start
            self.start = 0
        } else if start == nil {
            let isLost = purpose == .passingOn && buffer.contains { $0 != 0 }
            if isLost || buffer.count > Self.longestBeginning { throw StreamError.notAByteStream }
        }
        if buffer.count > limit { throw StreamError.nalTooLarge(offset: base, limit: limit) }
    }

    /// Ends the stream; returns its last unit.
    package mutating func finish() throws -> NALUnit? {
        if let failure { throw failure }
        defer {
            buffer = []
            start = nil
            scan = 0
        }
        guard let start else {
            if buffer.isEmpty { return nil }
            throw StreamError.notAByteStream
        }
        var end = buffer.count
        while end > start && buffer[end - 1] == 0 { end -= 1 }
        var last = try unit(from: start, to: end)
        last?.trailingZeros = buffer.count - end
        return last
    }

    /// Where the first start code of three bytes begins, at a place or behind it.
    package static func startCode(in bytes: UnsafeBufferPointer<UInt8>, from start: Int) -> Int? {
        var i = start + 2
        while i < bytes.count {
            if bytes[i] > 1 {
                i += 3
            } else if bytes[i] == 1 {
                if bytes[i - 1] == 0 && bytes[i - 2] == 0 { return i - 2 }
                i += 3
            } else {
                i += 1
            }
        }
        return nil
    }

    /// Index of the next 00 00 01 from `scan` on; without one, where to look once there is more.
    private mutating func nextStartCode() -> Int? {
        let found = buffer.withUnsafeBufferPointer { Self.startCode(in: $0, from: scan) }
        if found == nil { scan = max(buffer.count - 2, scan) }
        return found
    }

    private mutating func unit(from start: Int, to end: Int) throws -> NALUnit? {
        let offset = base + start
        if end - start >= 2 {
            do {
                return NALUnit(
                    header: try NALUnitHeader(buffer[start], buffer[start + 1]), bytes: Array(buffer[start..<end]),
                    startCodeLength: startCodeLength, offset: offset)
            } catch let error as SyntaxError {
                skipped.badHeaders += 1
                if skipped.firstBadHeader == nil { skipped.firstBadHeader = (offset, error) }
                if purpose == .reading { return nil }
            }
        } else if purpose == .reading {
            return nil
        }
        return NALUnit(malformed: Array(buffer[start..<end]), startCodeLength: startCodeLength, offset: offset)
    }
}
