// SPDX-License-Identifier: GPL-2.0-or-later
import Testing
import VeilEntropy

@testable import VeilProtection

/// Whether cRiceParam grows after a level (9.3.3.11).
private func grows(p: Int, baseLevel: Int, rem: Int) -> Bool { p < 4 && baseLevel + rem > 3 << p }

/// The values that a suffix of `rem` may take under a mask.
private func values(p: Int, rem: Int, mask: UInt32) -> [Int] {
    (0..<(1 << p)).filter { UInt32($0 ^ (rem & ((1 << p) - 1))) & ~mask == 0 }.map { ((rem >> p) << p) | $0 }
}

@Test func algorithm31IsSafeForEveryValue() {
    for p in 0...4 {
        for baseLevel in 1...3 {
            for rem in 0..<(4 << p) {
                let mask = EncryptableBins.algorithm31(p: p, baseLevel: baseLevel, rem: rem)
                for other in values(p: p, rem: rem, mask: mask) {
                    #expect(other >> p == rem >> p)
                    #expect(
                        grows(p: p, baseLevel: baseLevel, rem: other) == grows(p: p, baseLevel: baseLevel, rem: rem))
                    // The decryptor, who sees the other value, finds the same bins.
                    #expect(EncryptableBins.algorithm31(p: p, baseLevel: baseLevel, rem: other) == mask)
                }
            }
        }
    }
}

@Test func algorithm31IsThePapersTable() {
    // Rows as printed: p, baseLevels, range of Rem, number of encryptable bins, of the Rem values with a whole prefix
    // below 4.
    var table: [[Int]: Int] = [:]
    func set(_ p: Int, _ bases: [Int], _ range: ClosedRange<Int>, _ bins: Int) {
        for b in bases { for rem in range { table[[p, b, rem]] = bins } }
    }
    for p in 1...4 { set(p, [1, 2, 3], 0...((4 << p) - 1), p) }
    set(1, [2], 4...5, 0)
    set(2, [2, 3], 8...11, 1)
    set(2, [2], 10...11, 0)
    set(3, [2, 3], 16...19, 2)
    set(3, [2, 3], 20...23, 1)
    set(3, [2], 22...23, 0)
    set(4, [2, 3], 32...39, 3)
    set(4, [2, 3], 40...43, 2)
    set(4, [2, 3], 44...47, 1)
    set(4, [2], 46...47, 0)
    for (key, bins) in table {
        #expect(
            EncryptableBins.algorithm31(p: key[0], baseLevel: key[1], rem: key[2]).nonzeroBitCount == bins, "\(key)")
    }
}

@Test func splitsKeepTheSide() {
    for p in 0...3 {
        for baseLevel in 1...3 {
            for rem in 0..<(4 << p) {
                let low = (rem >> p) << p
                let reachable: [Int]
                switch EncryptableBins.split(p: p, baseLevel: baseLevel, rem: rem) {
                case .none, .flip: reachable = [rem]
                case .mask(let mask): reachable = values(p: p, rem: rem, mask: mask)
                case .permutation(let first, let count): reachable = (Int(first)..<Int(first + count)).map { low + $0 }
                }
                #expect(reachable.contains(rem))
                // All values of the prefix on the same side, and only those.
                let side = grows(p: p, baseLevel: baseLevel, rem: rem)
                let all = low..<(low + (1 << p))
                #expect(reachable == all.filter { grows(p: p, baseLevel: baseLevel, rem: $0) == side })
            }
        }
    }
}

@Test func edgesStayAsTheyAre() {
    for profile in ElementProfile.allCases {
        let base = EncryptableBins(profile: profile, elements: .maximal)
        // |mvd| = 2^15, and vectors into long-term pictures, of which inter-layer ones must stay zero.
        #expect(base.choice(BinRun(.mvdSuffix, bins: 0, count: 15, value: 32768, prefix: 14)) == .none)
        #expect(base.choice(BinRun(.mvdSign, bins: 1, count: 1, value: 32768)) == .none)
        #expect(base.choice(BinRun(.mvdSuffix, bins: 0, count: 14, value: 16384, prefix: 13)) == .mask(0x3FFF))
        #expect(base.choice(BinRun(.mvdSign, bins: 1, count: 1, value: 5, flags: .longTermReference)) == .none)
        #expect(
            base.choice(BinRun(.mvdSuffix, bins: 1, count: 2, value: 5, prefix: 1, flags: .longTermReference)) == .none)
        #expect(base.choice(BinRun(.mvdSign, bins: 1, count: 1, value: 5)) == .mask(1))
        // A dQP without a mirror, frozen by the codec.
        #expect(base.choice(BinRun(.dqpSign, bins: 1, count: 1, value: 26, frozen: 1)) == .none)
        #expect(base.choice(BinRun(.dqpSign, bins: 1, count: 1, value: 25)) == .mask(1))
        // Escapes whose class ends beyond 32767 and just at it: 12 suffix bins from 28674, baseLevel 3.
        let first = 32767 - 4095 - 3
        #expect(
            base.choice(BinRun(.coeffSuffix, bins: 7, count: 12, value: Int32(first + 7), baseLevel: 3, prefix: 12))
                == .mask(0xFFF))
        #expect(
            base.choice(BinRun(.coeffSuffix, bins: 7, count: 12, value: Int32(first + 8), baseLevel: 3, prefix: 12))
                == .none)
        // Signs that the codec froze.
        #expect(base.choice(BinRun(.coeffSign, bins: 0b1010, count: 4, frozen: 0b0100)) == .mask(0b1011))
        // Modes that choose scans stay; planar and DC exchange.
        #expect(base.choice(BinRun(.intraLumaMode, bins: 3, count: 5)) == .none)
        #expect(base.choice(BinRun(.intraLumaMode, bins: 3, count: 5, flags: .scanIndependent)) == .mask(31))
        #expect(base.choice(BinRun(.intraChromaMode, bins: 1, count: 2)) == .none)
        #expect(base.choice(BinRun(.intraChromaMode, bins: 2, count: 2)) == .none)
        #expect(base.choice(BinRun(.intraChromaMode, bins: 3, count: 2)) == .flip(3))
        #expect(base.choice(BinRun(.intraChromaMode, bins: 1, count: 2, flags: .scanIndependent)) == .mask(3))
        // |CuQpDeltaVal| of 20 to 25 have both signs, 26 has one.
        #expect(
            base.choice(BinRun(.dqpSuffix, bins: 0, count: 4, value: 20, baseLevel: 25))
                == .permutation(first: 0, count: 6))
        #expect(base.choice(BinRun(.dqpSuffix, bins: 6, count: 4, value: 26, baseLevel: 25)) == .none)
        #expect(base.choice(BinRun(.dqpSuffix, bins: 2, count: 3, value: 14, baseLevel: 25)) == .mask(7))
    }
}

@Test func elementsArePickedByName() throws {
    let set = try #require(ElementSet(names: "mvd-sign,coeff-sign"))
    #expect(set.names == ["mvd-sign", "coeff-sign"])
    #expect(ElementSet(names: "mvd-sign,nonsense") == nil)
    #expect(ElementSet(names: "") == nil)
    let rule = EncryptableBins(profile: .paper, elements: set)
    #expect(
        rule.choice(BinRun(.coeffSuffix, bins: 1, count: 2, value: 5, riceParam: 2, baseLevel: 1, prefix: 1)) == .none)
    #expect(rule.choice(BinRun(.mvdSign, bins: 1, count: 1, value: 3)) == .mask(1))
}

/// The values that a remaining level of the value `rem` may become, as the codec and the rule allow.
private func values(_ run: BinRun, of bins: EncryptableBins) -> [Int] {
    let start = Int(run.value) - Int(run.bins)
    switch bins.choice(run) {
    case .none: return [Int(run.value)]
    case .mask(let mask), .flip(let mask):
        return (0..<(1 << Int(run.count))).filter { (UInt32($0) ^ run.bins) & ~mask == 0 }.map { start + $0 }
    case .permutation(let first, let count): return (0..<Int(count)).map { start + Int(first) + $0 }
    }
}

/// With persistent Rice adaptation the first level of a sub-block moves StatCoeff, and cRiceParam grows without a
/// limit (9.3.3.11): whatever a level becomes, both go on alike, and the way back finds the same choice.
@Test(arguments: ElementProfile.allCases) func persistentRiceAdaptationIsKept(profile: ElementProfile) {
    let bins = EncryptableBins(profile: profile, elements: .maximal)
    var changed = 0
    for p in 0...9 {
        for baseLevel in 1...3 {
            for isFirst in [false, true] {
                for isLast in [false, true] {
                    for rem in stride(from: 0, to: 12 << p, by: p > 6 ? 5 : 1) {
                        let prefix = rem < 4 << p ? rem >> p : rem < 6 << p ? 4 : rem < 10 << p ? 5 : 6
                        let count = p + max(prefix - 3, 0)
                        if count == 0 { continue }
                        let start = prefix <= 3 ? prefix << p : ((1 << (prefix - 3)) + 2) << p
                        var run = BinRun(
                            .coeffSuffix, bins: UInt32(rem - start), count: count, value: Int32(rem),
                            riceParam: UInt8(p), baseLevel: UInt8(baseLevel), prefix: UInt8(prefix),
                            flags: isLast ? [.persistentRice, .lastInSubBlock] : .persistentRice)
                        run.freeze(log2Range: 15, movesStatCoeff: isFirst)
                        func effect(_ value: Int) -> [Int] {
                            let statistic = !isFirst ? 0 : value >= 3 << p ? 1 : 2 * value < 1 << p ? -1 : 0
                            return [statistic, isLast || baseLevel + value <= 3 << p ? 0 : 1]
                        }
                        let wanted = values(run, of: bins)
                        #expect(wanted.allSatisfy { effect($0) == effect(rem) }, "\(run)")
                        if wanted.count > 1 { changed += 1 }
                        guard let other = wanted.last else { continue }
                        var back = run
                        back.bins = UInt32(other - start)
                        back.value = Int32(other)
                        #expect(values(back, of: bins) == wanted)
                    }
                }
            }
        }
    }
    #expect(changed > 1000)
}

/// Levels of classes that reach beyond what levels may be stay: beyond 15 bits, or more with extended precision.
@Test func largestLevelsStay() {
    let bins = EncryptableBins(profile: .maximal, elements: .maximal)
    func choice(prefix: UInt8, count: Int, log2Range: Int, _ flags: BinRun.Flags) -> EncryptableBins.Choice {
        var run = BinRun(
            .coeffSuffix, bins: 0, count: count, value: Int32((1 << (Int(prefix) - 3)) + 2), baseLevel: 1,
            prefix: prefix, flags: flags)
        run.freeze(log2Range: log2Range, movesStatCoeff: false)
        return bins.choice(run)
    }
    #expect(choice(prefix: 16, count: 13, log2Range: 15, .persistentRice) == .mask(8191))
    #expect(choice(prefix: 17, count: 14, log2Range: 15, .persistentRice) == .none)
    #expect(choice(prefix: 18, count: 15, log2Range: 15, .persistentRice) == .none)
    #expect(choice(prefix: 9, count: 21, log2Range: 22, .extendedPrecision) == .mask((1 << 21) - 1))
    #expect(choice(prefix: 10, count: 22, log2Range: 22, .extendedPrecision) == .none)
}
