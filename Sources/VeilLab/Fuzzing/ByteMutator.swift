// SPDX-License-Identifier: GPL-2.0-or-later

/// Damages files of any kind: bits, bytes, numbers of two to eight bytes as file formats have them, runs of digits, and
/// parts left out, repeated or taken from elsewhere.
package enum ByteMutator {
    private static let numbers: [UInt64] = [
        0, 1, 2, 3, 7, 8, 9, 15, 16, 127, 128, 255, 256, 0x7FFF, 0x8000, 0xFFFF, 0x10000, 0x7FFF_FFFF, 0x8000_0000,
        0xFFFF_FFFF, 0x1_0000_0000, 0x7FFF_FFFF_FFFF_FFFF, 0x8000_0000_0000_0000, .max,
    ]
    private static let texts = [
        "0", "-1", "1", "99999999999999999999", "9223372036854775807", "-9223372036854775808", "1e999", "0.5",
        "4294967296",
        "\"\"", "null", "[]", "{}", "[[[[[[[[", "{\"", "\u{0}", "\n", " ", ":", "%", "\u{FEFF}", "é", "&a", "*a", "~",
        "0:0",
    ]

    /// - Parameter others: files that parts may be taken from.
    package static func mutate(
        _ file: [UInt8], with others: [[UInt8]] = [], _ random: inout CaseRandom
    ) -> [UInt8] {
        var bytes = file
        for _ in 0..<(1 + random.below(4)) { mutateOnce(&bytes, others, &random) }
        return bytes
    }

    private static func mutateOnce(_ bytes: inout [UInt8], _ others: [[UInt8]], _ random: inout CaseRandom) {
        guard !bytes.isEmpty else { return }
        let at = random.below(bytes.count)
        let length = min(1 + random.below(random.below(4) == 0 ? 256 : 16), bytes.count - at)
        switch random.below(11) {
        case 0: bytes[at] ^= 1 << UInt8(random.below(8))
        case 1: bytes[at] = UInt8(truncatingIfNeeded: random.next())
        case 2: bytes.removeSubrange(at..<at + length)
        case 3: bytes.insert(contentsOf: bytes[at..<at + length], at: random.below(bytes.count + 1))
        case 4: bytes.removeLast(random.below(bytes.count))
        case 5, 6:
            let width = 1 << (1 + random.below(3))
            guard bytes.count >= width else { return }
            // Fields of tables begin at multiples of two, mostly.
            let place = min(at & ~1, bytes.count - width)
            let value = numbers[random.below(numbers.count)]
            for i in 0..<width { bytes[place + i] = UInt8(truncatingIfNeeded: value >> UInt64(8 * (width - 1 - i))) }
        case 7:
            // A number written in digits.
            let digits: (UInt8) -> Bool = { (0x30...0x39).contains($0) }
            guard let first = bytes[at...].firstIndex(where: digits) else { return }
            let end = bytes[first...].firstIndex { !digits($0) } ?? bytes.count
            bytes.replaceSubrange(first..<end, with: texts[random.below(9)].utf8)
        case 8: bytes.insert(contentsOf: texts[random.below(texts.count)].utf8, at: at)
        case 9:
            let text = [UInt8](texts[random.below(texts.count)].utf8)
            let times = 1 << random.below(12)
            bytes.insert(contentsOf: Array(repeatElement(text, count: times).joined()), at: at)
        default:
            guard !others.isEmpty else { return }
            let other = others[random.below(others.count)]
            guard !other.isEmpty else { return }
            let from = random.below(other.count)
            bytes.insert(contentsOf: other[from..<min(from + length, other.count)], at: at)
        }
    }
}
