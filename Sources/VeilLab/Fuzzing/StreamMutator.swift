// SPDX-License-Identifier: GPL-2.0-or-later
import VeilBitstream

/// A small random generator (SplitMix64): a case is known by its seed alone, on every machine.
package struct CaseRandom: RandomNumberGenerator, Sendable {
    private var state: UInt64
    package init(seed: UInt64) { state = seed }

    package mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }

    package mutating func below(_ bound: Int) -> Int { bound > 1 ? Int(next() % UInt64(bound)) : 0 }
}

/// Damages streams: bits, bytes, ends and the order of NAL units.
package enum StreamMutator {
    /// The parameter sets of a stream and its first slices: short enough for many cases a second. Everything up to
    /// slice `slices`.
    package static func head(of units: [NALUnit], slices: Int) -> [NALUnit] {
        var result: [NALUnit] = []
        var count = 0
        for unit in units {
            if unit.header.nalUnitType.isSlice { count += 1 }
            if count > slices { break }
            result.append(unit)
        }
        return result
    }

    /// One mutated stream.
    /// - Parameter others: streams that parts may be taken from.
    package static func mutate(
        _ units: [NALUnit], with others: [[NALUnit]] = [], _ random: inout CaseRandom
    ) -> [UInt8] {
        // By bytes, by syntax elements, or both.
        let kind = random.below(3)
        var units = (kind == 0 || units.isEmpty ? units : StructureMutator.mutate(units, &random).units).map(\.bytes)
        if !others.isEmpty && random.below(6) == 0 {
            mix(&units, others[random.below(others.count)].map(\.bytes), &random)
        }
        if kind != 1 { for _ in 0..<(1 + random.below(3)) { mutateOnce(&units, &random) } }
        var stream: [UInt8] = []
        let isUneven = random.below(8) == 0
        for unit in units {
            stream += isUneven ? [UInt8](repeating: 0, count: 2 + random.below(4)) + [1] : [0, 0, 0, 1]
            stream += unit
        }
        if isUneven { stream += [UInt8](repeating: 0, count: random.below(4)) }
        switch random.below(16) {
        case 0: stream.removeLast(random.below(stream.count + 1))
        case 1:
            // Start codes too may be hit.
            for _ in 0..<(1 + random.below(8)) where !stream.isEmpty { flip(&stream, &random) }
        default: break
        }
        return stream
    }

    /// Streams joined, or parts of one put into another: its parameter sets above all.
    private static func mix(_ units: inout [[UInt8]], _ other: [[UInt8]], _ random: inout CaseRandom) {
        let sets = other.filter { !$0.isEmpty && (32...34).contains($0[0] >> 1) }
        switch random.below(4) {
        case 0: units += other
        case 1: units = other + units
        case 2 where !sets.isEmpty: units.insert(sets[random.below(sets.count)], at: random.below(units.count + 1))
        default:
            let at = random.below(units.count + 1)
            units = Array(units[..<at] + other[random.below(other.count)...])
        }
    }

    private static func flip(_ bytes: inout [UInt8], _ random: inout CaseRandom) {
        let bit = random.below(bytes.count * 8)
        bytes[bit >> 3] ^= 1 << UInt8(bit & 7)
    }

    private static func mutateOnce(_ units: inout [[UInt8]], _ random: inout CaseRandom) {
        guard !units.isEmpty else { return }
        let at = random.below(units.count)
        switch random.below(16) {
        case 0...3 where !units[at].isEmpty:
            for _ in 0..<(1 + random.below(4)) { flip(&units[at], &random) }
        case 4 where !units[at].isEmpty:
            // The head of a unit decides most.
            var head = Array(units[at].prefix(24))
            for _ in 0..<(1 + random.below(3)) { flip(&head, &random) }
            units[at].replaceSubrange(0..<head.count, with: head)
        case 5 where !units[at].isEmpty: units[at].removeLast(random.below(units[at].count))
        case 6: units.remove(at: at)
        case 7: units.insert(units[at], at: random.below(units.count + 1))
        case 8: units.swapAt(at, random.below(units.count))
        case 9 where !units[at].isEmpty:
            let from = random.below(units[at].count)
            for i in from..<min(units[at].count, from + 1 + random.below(16)) {
                units[at][i] = UInt8(truncatingIfNeeded: random.next())
            }
        case 10 where units[at].count > 2:
            // Another type or layer.
            units[at][0] = UInt8(truncatingIfNeeded: random.next()) & 0x7F
            if random.below(2) == 0 { units[at][1] = (units[at][1] & 7) | UInt8(random.below(4)) << 3 }
        case 11 where units[at].count > 4:
            let from = 2 + random.below(units[at].count - 2)
            units[at].insert(
                contentsOf: (0..<(1 + random.below(8))).map { _ in UInt8(truncatingIfNeeded: random.next()) }, at: from)
        case 12:
            // A parameter set elsewhere.
            let sets = units.indices.filter { !units[$0].isEmpty && (32...34).contains(units[$0][0] >> 1) }
            guard !sets.isEmpty else { return }
            let set = units.remove(at: sets[random.below(sets.count)])
            units.insert(set, at: random.below(units.count + 1))
        case 13:
            // What no encoder appends.
            units[at] += [[3], [0, 0, 3], [0x80], [0, 0, 0], [0x80, 0, 0, 3], [255, 255]][random.below(6)]
        case 14: units.insert([[], [0x40], [2]][random.below(3)], at: random.below(units.count + 1))
        case 15 where units[at].count > 6:
            // Emulation prevention where there was none, or where it is missing.
            let from = 2 + random.below(units[at].count - 4)
            units[at].replaceSubrange(from..<(from + 2), with: [0, 0])
            if random.below(2) == 0 { units[at].insert(3, at: from + 2) }
        default: break
        }
    }
}
