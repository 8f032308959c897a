// SPDX-License-Identifier: GPL-2.0-or-later

/// Checked reading of an RBSP (7.2, 9.2): every read names its element, and none goes beyond the data.
package struct BitReader {
    private let bytes: [UInt8]
    /// Bits read so far.
    package private(set) var position = 0
    private let limit: Int

    package init(_ bytes: [UInt8]) {
        self.bytes = bytes
        limit = bytes.count * 8
    }

    package var bitsLeft: Int { limit - position }

    /// u(n), 0...32 bits.
    package mutating func u(_ count: Int, _ element: String) throws -> Int {
        guard count <= limit - position else { throw SyntaxError.truncated(element: element, bit: position) }
        var value: UInt64 = 0
        var left = count
        while left > 0 {
            let offset = position & 7
            let take = min(8 - offset, left)
            let chunk = (UInt64(bytes[position >> 3]) >> UInt64(8 - offset - take)) & ((1 << UInt64(take)) - 1)
            value = value << UInt64(take) | chunk
            position += take
            left -= take
        }
        return Int(value)
    }

    package mutating func flag(_ element: String) throws -> Bool { try u(1, element) != 0 }

    /// u(n) that must lie in a range.
    package mutating func u(_ count: Int, _ element: String, in range: ClosedRange<Int>) throws -> Int {
        try Self.check(try u(count, element), element, range)
    }

    /// ue(v), at most 2^32 - 2.
    package mutating func ue(_ element: String) throws -> Int {
        var zeros = 0
        while try u(1, element) == 0 {
            zeros += 1
            if zeros > 32 { throw SyntaxError.outOfRange(element: element, value: Int(UInt32.max)) }
        }
        return (1 << zeros) - 1 + (try u(zeros, element))
    }

    package mutating func ue(_ element: String, in range: ClosedRange<Int>) throws -> Int {
        try Self.check(try ue(element), element, range)
    }

    /// se(v).
    package mutating func se(_ element: String) throws -> Int {
        let k = try ue(element)
        return k & 1 != 0 ? (k + 1) / 2 : -(k / 2)
    }

    package mutating func se(_ element: String, in range: ClosedRange<Int>) throws -> Int {
        try Self.check(try se(element), element, range)
    }

    package mutating func skip(_ count: Int, _ element: String) throws {
        guard count >= 0, count <= limit - position else {
            throw SyntaxError.truncated(element: element, bit: position)
        }
        position += count
    }

    /// Moves to the next byte boundary.
    package mutating func alignToByte() { position = min((position + 7) & ~7, limit) }

    /// Position of the stop bit of rbsp_trailing_bits.
    package var trailingBitsPosition: Int {
        guard let last = bytes.lastIndex(where: { $0 != 0 }) else { return 0 }
        return last * 8 + 7 - bytes[last].trailingZeroBitCount
    }

    /// The bytes being read.
    package var source: [UInt8] { bytes }

    private static func check(_ value: Int, _ element: String, _ range: ClosedRange<Int>) throws -> Int {
        guard range.contains(value) else { throw SyntaxError.outOfRange(element: element, value: value) }
        return value
    }
}
