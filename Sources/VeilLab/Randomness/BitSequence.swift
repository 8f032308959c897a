// SPDX-License-Identifier: GPL-2.0-or-later

/// A sequence of bits under test, one a byte (0 or 1).
public struct BitSequence: Sendable {
    public let bits: [UInt8]

    public init(bits: [UInt8]) { self.bits = bits }

    /// From text: characters other than 0 and 1 are skipped.
    public init(_ text: String) { bits = text.utf8.compactMap { $0 == 48 ? 0 : $0 == 49 ? 1 : nil } }

    /// The bits of 32-bit words, least significant first (the order in which a keystream's bits are used).
    public init(words: some Sequence<UInt32>, count: Int) {
        var bits: [UInt8] = []
        bits.reserveCapacity(count + 32)
        for word in words {
            for i: UInt32 in 0..<32 { bits.append(UInt8(truncatingIfNeeded: word >> i & 1)) }
            if bits.count >= count { break }
        }
        if bits.count > count { bits.removeLast(bits.count - count) }
        self.bits = bits
    }

    /// The bits of bytes, most significant first.
    public init(bytes: some Sequence<UInt8>) {
        var bits: [UInt8] = []
        for byte in bytes { for i: UInt8 in 0..<8 { bits.append(byte >> (7 - i) & 1) } }
        self.bits = bits
    }

    public var count: Int { bits.count }

    /// Calls `body` with the value of each overlapping window of `length` bits (first bit highest), `wrapping` around
    /// the end if asked.
    @inline(__always)
    func windows(_ length: Int, wrapping: Bool, _ body: (Int) -> Void) {
        let n = bits.count
        guard n >= length, length > 0 else { return }
        let mask = (1 << length) - 1
        bits.withUnsafeBufferPointer { b in
            var value = 0
            for i in 0..<(length - 1) { value = value << 1 | Int(b[i]) }
            for i in (length - 1)..<n {
                value = (value << 1 | Int(b[i])) & mask
                body(value)
            }
            if wrapping {
                for i in 0..<(length - 1) {
                    value = (value << 1 | Int(b[i])) & mask
                    body(value)
                }
            }
        }
    }
}

/// What one test says of one sequence.
public struct TestResult: Sendable, Equatable {
    /// The test's name in SP 800-22, and which of its several p-values this is ("" when it has one).
    public let test: String
    public let variant: String
    /// Nil where the test does not apply to the sequence (too short, too few cycles).
    public let pValue: Double?

    public init(_ test: String, _ variant: String = "", _ pValue: Double?) {
        self.test = test
        self.variant = variant
        self.pValue = pValue
    }
}
