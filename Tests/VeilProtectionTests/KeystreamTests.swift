// SPDX-License-Identifier: GPL-2.0-or-later
import TestSupport
import Testing

@testable import VeilProtection

/// Equation (1) by division.
private func skewTent(_ x: UInt64, _ p: UInt64) -> UInt64 {
    let n: UInt64 = 1 << 32
    if x == 0 || x == p { return n - 1 }
    return x < p ? (x << 32) / p : ((n - x) << 32) / (n - p)
}

/// Equation (2) by division, with all of its cases.
private func piecewise(_ x: UInt64, _ p: UInt64) -> UInt64 {
    let n: UInt64 = 1 << 32
    let half: UInt64 = 1 << 31
    if x > 0 && x < p { return (x << 32) / p }
    if x > p && x < half { return ((x - p) << 32) / (half - p) }
    if x > half && x < n - p { return ((n - x - p) << 32) / (half - p) }
    if x > n - p && x < n { return ((n - x) << 32) / p }
    return n - 1
}

@Test func mapsEqualTheirEquations() {
    var r = SplitMix(state: 1)
    let edges: [UInt32] = [0, 1, 2, 3, 0x7FFF_FFFF, 0x8000_0000, 0x8000_0001, .max - 1, .max]
    for i in 0..<3000 {
        let p1 = i < 6 ? [1, 2, 3, .max, .max - 1, 1 << 31][i] : UInt32.random(in: 1 ... .max, using: &r)
        let p2 =
            i < 6 ? [1, 2, 3, 0x7FFF_FFFF, 0x7FFF_FFFE, 1 << 30][i] : UInt32.random(in: 1...0x7FFF_FFFF, using: &r)
        let first = SkewTentMap(parameter: p1)
        let second = PiecewiseLinearMap(parameter: p2)
        let points =
            edges + [p1, p1 &- 1, p1 &+ 1, p2, p2 &- 1, p2 &+ 1, 0 &- p2, 1 &- p2, ~p2]
            + (0..<40).map { _ in UInt32.random(in: 0 ... .max, using: &r) }
        for x in points {
            #expect(UInt64(first(x)) == skewTent(UInt64(x), UInt64(p1)))
            #expect(UInt64(second(x)) == piecewise(UInt64(x), UInt64(p2)))
            #expect(second(x) == second(0 &- x) || x == 0)
        }
    }
}

/// The step of eight as a linear map over GF(2), raised to a power by squaring.
private func power(_ step: (UInt32) -> UInt32, bits: Int, _ exponent: UInt64) -> [UInt32] {
    func apply(_ columns: [UInt32], _ v: UInt32) -> UInt32 {
        var result: UInt32 = 0
        for (i, c) in columns.enumerated() where v >> UInt32(i) & 1 != 0 { result ^= c }
        return result
    }
    var base = (0..<bits).map { step(1 << UInt32($0)) }
    var result = (0..<bits).map { UInt32(1) << UInt32($0) }
    var e = exponent
    while e != 0 {
        if e & 1 != 0 { result = result.map { apply(base, $0) } }
        base = base.map { apply(base, $0) }
        e >>= 1
    }
    return result
}

@Test func shiftRegistersHaveFullPeriods() {
    let identity32 = (0..<32).map { UInt32(1) << UInt32($0) }
    let step32: (UInt32) -> UInt32 = { state in
        var register = ShiftRegister32(state)
        return register.advance()
    }
    let order: UInt64 = 0xFFFF_FFFF
    #expect(power(step32, bits: 32, order) == identity32)
    // Eight is prime to 2^32 - 1, so that steps of eight have the register's own period.
    for factor: UInt64 in [3, 5, 17, 257, 65537] { #expect(power(step32, bits: 32, order / factor) != identity32) }
    let identity31 = Array(identity32.prefix(31))
    let step31: (UInt32) -> UInt32 = { state in
        var register = ShiftRegister31(state)
        return register.advance()
    }
    #expect(power(step31, bits: 31, 0x7FFF_FFFF) == identity31)
    #expect(power(step31, bits: 31, 1) != identity31)
}

private func words(
    _ stream: any Keystream, _ count: Int, _ nonce: UnitNonce = UnitNonce(period: 0, pocDelta: 0, ctuAddress: 0)
) -> [UInt32] {
    var stream = stream
    stream.start(nonce)
    let memory = UnsafeMutableBufferPointer<UInt32>.allocate(capacity: count)
    defer { memory.deallocate() }
    stream.fill(memory)
    return Array(memory)
}

@Test func blockCiphersGiveTheirStandardsValues() {
    let zeros = [UInt8](repeating: 0, count: 32)
    // AES of the zero block under the zero key, 128 and 256 bits.
    #expect(
        words(AESCounterKeystream(key: Array(zeros.prefix(16))), 4) == [
            0xD44B_E966, 0x3B2C_8AEF, 0x59FA_4C88, 0x2E2B_34CA,
        ])
    #expect(words(AESCounterKeystream(key: zeros), 4) == [0x78C0_95DC, 0x8989_40A2, 0x14A2_48AD, 0x8720_8492])
    // RFC 8439, A.1, test vector 1.
    #expect(
        words(ChaCha20Keystream(key: zeros), 16).prefix(4) == [0xADE0_B876, 0x903D_F1A0, 0xE56A_5D40, 0x28BD_8653])
}

@Test(arguments: CipherKind.allCases)
func keystreamsDoNotDependOnChunks(kind: CipherKind) throws {
    let key = (0..<32).map { UInt8($0) }
    let nonce = UnitNonce(period: 1, pocDelta: UInt32(bitPattern: -3), ctuAddress: 77)
    func make(_ key: [UInt8]) throws -> any Keystream { try #require(kind.makeKeystream(key: key)) }
    let whole = words(try make(key), 512, nonce)
    var stream = try make(key)
    stream.start(nonce)
    var pieces: [UInt32] = []
    for count in [32, 64, 16, 144, 256] {
        let memory = UnsafeMutableBufferPointer<UInt32>.allocate(capacity: count)
        stream.fill(memory)
        pieces += memory
        memory.deallocate()
    }
    #expect(pieces == whole)
    // Other units, other keys: half of the bits differ.
    var otherKey = key
    otherKey[31] ^= 1
    let others =
        [
            words(try make(key), 512, UnitNonce(period: 2, pocDelta: nonce.pocDelta, ctuAddress: 77)),
            words(try make(key), 512, UnitNonce(period: 1, pocDelta: nonce.pocDelta, ctuAddress: 78)),
            words(try make(key), 512, UnitNonce(period: 1, pocDelta: 3, ctuAddress: 77)),
        ] + (kind == .aes128 ? [] : [words(try make(otherKey), 512, nonce)])
    for other in others {
        let flipped = zip(whole, other).reduce(0) { $0 + ($1.0 ^ $1.1).nonzeroBitCount }
        #expect(abs(flipped - 512 * 16) < 400)
    }
}

@Test func chaoticGeneratorKeepsItsTestVectors() {
    let key = (0..<32).map { UInt8($0) }
    #expect(
        words(ChaoticKeystream(key: key), 8).map { String($0, radix: 16) } == [
            "74fa8917", "ec4947c", "fe1a80e", "d9932496", "3d09d14c", "9d01205c", "e4a0f197", "8bcddc94",
        ])
    #expect(
        words(ChaoticKeystream(key: key), 8, UnitNonce(period: 1, pocDelta: 0xFFFF_FFFF, ctuAddress: 40)).map {
            String($0, radix: 16)
        }
            == ["541ea045", "41118728", "380f8ef2", "888c5075", "5dce99aa", "a823ec8", "214581ce", "de40a62b"])
}

/// Simple tests that a generator this plain could fail: ones by bit position, equal neighbours, correlation of
/// neighbouring words.
@Test(arguments: CipherKind.allCases, 0..<8)
func keystreamsLookRandom(kind: CipherKind, seed: Int) throws {
    let count = 32768
    let stream = words(
        try #require(
            kind.makeKeystream(key: (0..<32).map { UInt8(truncatingIfNeeded: $0 &* 7 &+ seed &* 31) })), count)
    let limit = 5 * (Double(count).squareRoot() / 2)
    for bit in 0..<32 {
        let ones = stream.reduce(0) { $0 + Int($1 >> UInt32(bit) & 1) }
        #expect(abs(Double(ones) - Double(count) / 2) < limit, "bit \(bit)")
        for lag in 1...4 {
            let same = (lag..<count).reduce(0) { $0 + Int((stream[$1] ^ stream[$1 - lag]) >> UInt32(bit) & 1) }
            #expect(abs(Double(same) - Double(count - lag) / 2) < limit, "bit \(bit), lag \(lag)")
        }
    }
    // Bytes: chi-square with 255 degrees of freedom.
    var histogram = [Double](repeating: 0, count: 256)
    for word in stream { for shift: UInt32 in [0, 8, 16, 24] { histogram[Int(word >> shift & 255)] += 1 } }
    let expected = Double(count) * 4 / 256
    let chi = histogram.reduce(0) { $0 + ($1 - expected) * ($1 - expected) / expected }
    #expect(chi < 370 && chi > 160)
}
