// SPDX-License-Identifier: GPL-2.0-or-later

/// Writes an RBSP bit by bit.
package struct BitWriter {
    package private(set) var bytes: [UInt8] = []
    /// Bits of the last byte in use, 0 when the writer is byte-aligned.
    private var used = 0

    package init() {}

    package var bitCount: Int { bytes.count * 8 - (used == 0 ? 0 : 8 - used) }

    package mutating func u(_ value: Int, _ count: Int) {
        var left = count
        let bits = UInt64(bitPattern: Int64(value))
        while left > 0 {
            if used == 0 { bytes.append(0) }
            let take = min(8 - used, left)
            let chunk = UInt8(truncatingIfNeeded: bits >> UInt64(left - take)) & UInt8((1 << take) - 1)
            bytes[bytes.count - 1] |= chunk << UInt8(8 - used - take)
            used = (used + take) & 7
            left -= take
        }
    }

    package mutating func flag(_ value: Bool) { u(value ? 1 : 0, 1) }

    package mutating func ue(_ value: Int) {
        let v = value + 1
        let length = Int.bitWidth - v.leadingZeroBitCount
        u(0, length - 1)
        u(v, length)
    }

    package mutating func se(_ value: Int) { ue(value > 0 ? 2 * value - 1 : -2 * value) }

    /// A 1 and zeros up to a byte: rbsp_trailing_bits() and byte_alignment().
    package mutating func trailingBits() {
        u(1, 1)
        if used != 0 { u(0, 8 - used) }
    }

    /// Whole bytes; the writer must be byte-aligned.
    package mutating func append<S: Sequence>(bytes more: S) where S.Element == UInt8 {
        if used == 0 {
            bytes.append(contentsOf: more)
        } else {
            for byte in more { u(Int(byte), 8) }
        }
    }

    /// Copies `count` bits of another RBSP from a bit position on.
    package mutating func copy(_ source: [UInt8], from start: Int, count: Int) {
        var position = start
        var left = count
        while left > 0 {
            let offset = position & 7
            let take = min(8 - offset, left)
            u(Int(source[position >> 3] >> UInt8(8 - offset - take)) & ((1 << take) - 1), take)
            position += take
            left -= take
        }
    }
}
