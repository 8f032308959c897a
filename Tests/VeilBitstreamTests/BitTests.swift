// SPDX-License-Identifier: GPL-2.0-or-later
import TestSupport
import Testing
import VeilBitstream

@Suite struct BitTests {
    /// Codes of 9.2 as the standard's table has them.
    @Test func exponentialGolombCodes() throws {
        for (value, bits) in [(0, "1"), (1, "010"), (2, "011"), (3, "00100"), (6, "00111"), (7, "0001000")] {
            var w = BitWriter()
            w.ue(value)
            #expect(w.bitCount == bits.count)
            #expect(w.bytes == [UInt8(bits + String(repeating: "0", count: 8 - bits.count), radix: 2)!])
        }
        for (k, value) in [0, 1, -1, 2, -2, 3, -3].enumerated() {
            var signed = BitWriter()
            var unsigned = BitWriter()
            signed.se(value)
            unsigned.ue(k)
            #expect(signed.bytes == unsigned.bytes, "se(\(value))")
        }
    }

    /// What was written is read, wherever it begins.
    @Test func readsWhatWasWritten() throws {
        var random = SplitMix(state: 9)
        for _ in 0..<200 {
            let elements = (0..<40).map { _ in
                (kind: Int.random(in: 0...2, using: &random), value: Int.random(in: 0...(1 << 30), using: &random))
            }
            var w = BitWriter()
            var counts: [Int] = []
            for (kind, value) in elements {
                let small = value >> (value & 31)
                switch kind {
                case 0: w.u(value % (1 << (value % 31)), value % 31)
                case 1: w.ue(small)
                default: w.se(value & 1 == 0 ? small : -small)
                }
                counts.append(w.bitCount)
            }
            w.trailingBits()
            var r = BitReader(w.bytes)
            for ((kind, value), position) in zip(elements, counts) {
                let small = value >> (value & 31)
                switch kind {
                case 0: #expect(try r.u(value % 31, "u") == value % (1 << (value % 31)))
                case 1: #expect(try r.ue("ue") == small)
                default: #expect(try r.se("se") == (value & 1 == 0 ? small : -small))
                }
                #expect(r.position == position)
            }
            #expect(r.trailingBitsPosition == counts.last)
        }
    }

    /// Reading ends with the data, and says where and in what.
    @Test func endsWithTheData() throws {
        var r = BitReader([0x80, 0x00])
        #expect(try r.ue("first") == 0)
        #expect(throws: SyntaxError.self) { try r.ue("without end") }
        var short = BitReader([0xff])
        #expect(try short.u(5, "five") == 31)
        do {
            _ = try short.u(4, "four")
            Issue.record("four bits of three")
        } catch SyntaxError.truncated(let element, let bit) { #expect(element == "four" && bit == 5) }
        var ranged = BitReader([0b0010_0000])
        do {
            _ = try ranged.ue("ranged", in: 0...2)
            Issue.record("3 of 0...2")
        } catch SyntaxError.outOfRange(let element, let value) { #expect(element == "ranged" && value == 3) }
        // 33 zeros are no code.
        var zeros = BitReader([0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff])
        #expect(throws: SyntaxError.self) { try zeros.ue("too long") }
    }

    /// 7.3.1.1: a byte 3 after two zeros before anything up to 3, and nowhere else.
    @Test func emulationIsPrevented() {
        func insert(_ rbsp: [UInt8]) -> [UInt8] {
            var out: [UInt8] = []
            _ = rbsp.withUnsafeBufferPointer { EmulationPrevention.insert($0, into: &out) }
            return out
        }
        #expect(insert([1, 0, 0, 1]) == [1, 0, 0, 3, 1])
        // And at the end, where a zero would belong to the next start code.
        #expect(insert([0, 0, 0, 0, 0]) == [0, 0, 3, 0, 0, 3, 0, 3])
        #expect(insert([0, 0, 3]) == [0, 0, 3, 3])
        #expect(insert([0, 0, 4, 0, 1, 0, 0, 2]) == [0, 0, 4, 0, 1, 0, 0, 3, 2])
        var random = SplitMix(state: 4)
        for _ in 0..<300 {
            // Many zeros and few other values.
            var rbsp = (0..<Int.random(in: 1...60, using: &random)).map { _ in
                UInt8.random(in: 0...9, using: &random) < 6 ? 0 : UInt8.random(in: 1...5, using: &random)
            }
            rbsp.append(0x80)
            let escaped = insert(rbsp)
            for i in 2..<max(escaped.count, 2) where escaped[i - 2] == 0 && escaped[i - 1] == 0 {
                #expect(escaped[i] == 3 || escaped[i] > 3, "\(escaped)")
            }
            let parts = escaped.withUnsafeBufferPointer { EmulationPrevention.parts(of: $0) }
            #expect(parts.rbsp == rbsp && parts.isCanonical)
            #expect(parts.removed.count == escaped.count - rbsp.count)
            // With the bytes put back where they stood it is the same again.
            var again: [UInt8] = []
            for (i, byte) in rbsp.enumerated() {
                if parts.removed.contains(i) { again.append(3) }
                again.append(byte)
            }
            #expect(again == escaped)
        }
    }

    /// Short-term reference picture sets, written one by one, are read again.
    @Test func referencePictureSets() throws {
        var random = SplitMix(state: 6)
        var w = BitWriter()
        var sets: [ShortTermRefPicSet] = []
        for i in 0..<20 {
            var set = ShortTermRefPicSet()
            func side(_ sign: Int) -> [(deltaPoc: Int, used: Bool)] {
                var at = 0
                return (0..<Int.random(in: 0...4, using: &random)).map { _ in
                    at += Int.random(in: 1...40, using: &random)
                    return (sign * at, Bool.random(using: &random))
                }
            }
            set.s0 = side(-1)
            set.s1 = side(1)
            set.write(to: &w, index: i)
            sets.append(set)
        }
        w.trailingBits()
        var r = BitReader(w.bytes)
        var read: [ShortTermRefPicSet] = []
        for i in sets.indices {
            read.append(try ShortTermRefPicSet(&r, index: i, previous: read, setCount: sets.count))
        }
        #expect(read == sets)
    }
}
