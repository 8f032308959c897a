// SPDX-License-Identifier: GPL-2.0-or-later
import VeilBitstream

/// Splits chunks of a byte stream (Annex B) into NAL units. A unit is known to be complete when the next start code
/// comes.
struct ByteStreamSplitter {
    private var buffer: [UInt8] = []
    /// Where the pending unit begins; nil before the first start code.
    private var start: Int?
    private var startCodeLength = 0
    private var scan = 0
    private var base = 0
    private let limit: Int

    /// - Parameter limit: longest NAL unit in bytes.
    init(limit: Int = 256 << 20) { self.limit = limit }

    /// Throws ``StreamError``.
    mutating func push(_ chunk: some Sequence<UInt8>) throws -> [NALUnit] {
        buffer.append(contentsOf: chunk)
        var result: [NALUnit] = []
        while let at = nextStartCode() {
            if let start {
                if let unit = try unit(from: start, to: at) { result.append(unit) }
            } else if buffer[..<at].contains(where: { $0 != 0 }) {
                throw StreamError.notAByteStream
            }
            var zeros = at
            while zeros > (start ?? 0) && buffer[zeros - 1] == 0 { zeros -= 1 }
            startCodeLength = at + 3 - zeros
            start = at + 3
            scan = at + 3
        }
        if let start, start > 0 {
            buffer.removeFirst(start)
            base += start
            scan -= start
            self.start = 0
        } else if start == nil, buffer.count > 3, buffer.contains(where: { $0 != 0 }) {
            throw StreamError.notAByteStream
        }
        if buffer.count > limit { throw StreamError.nalTooLarge(offset: base, limit: limit) }
        return result
    }

    /// The last unit.
    mutating func finish() throws -> NALUnit? {
        defer {
            buffer = []
            start = nil
            scan = 0
        }
        guard let start else {
            if buffer.isEmpty { return nil }
            throw StreamError.notAByteStream
        }
        var unit = try unit(from: start, to: buffer.count)
        unit?.trailingZeros = buffer.reversed().prefix { $0 == 0 }.count
        return unit
    }

    private mutating func nextStartCode() -> Int? {
        var i = scan + 2
        while i < buffer.count {
            if buffer[i] > 1 {
                i += 3
            } else if buffer[i] == 1 {
                if buffer[i - 1] == 0 && buffer[i - 2] == 0 { return i - 2 }
                i += 3
            } else {
                i += 1
            }
        }
        scan = max(buffer.count - 2, scan)
        return nil
    }

    private func unit(from start: Int, to end: Int) throws -> NALUnit? {
        var last = end
        while last > start && buffer[last - 1] == 0 { last -= 1 }
        guard last - start >= 2 else { return nil }
        do {
            return NALUnit(
                header: try NALUnitHeader(buffer[start], buffer[start + 1]), bytes: Array(buffer[start..<last]),
                startCodeLength: startCodeLength, offset: base + start)
        } catch let error as SyntaxError {
            throw StreamError.badHeader(offset: base + start, error)
        }
    }
}
