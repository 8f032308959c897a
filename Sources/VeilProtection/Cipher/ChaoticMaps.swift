// SPDX-License-Identifier: GPL-2.0-or-later

/// Exact floor(2^32 * x / d) for x < d without dividing: one wide multiplication by a reciprocal and one correction.
struct ScaledDivision: Sendable {
    let divisor: UInt64
    /// floor((2^64 - 1) / divisor).
    private let reciprocal: UInt64

    /// `divisor` is 1 ... 2^32 - 1.
    init(_ divisor: UInt32) {
        self.divisor = UInt64(divisor)
        reciprocal = UInt64.max / UInt64(divisor)
    }

    /// floor(2^32 * x / divisor); `x` is less than the divisor.
    @inline(__always)
    func callAsFunction(_ x: UInt32) -> UInt32 {
        let scaled = UInt64(x) << 32
        // The estimate is the quotient or one less: the reciprocal is less than 1 below 2^64 / d, and scaled < 2^64.
        var quotient = scaled.multipliedFullWidth(by: reciprocal).high
        if scaled &- quotient &* divisor >= divisor { quotient &+= 1 }
        return UInt32(truncatingIfNeeded: quotient)
    }
}

/// Equation (1): the skew tent map on N = 32 bits. The paper leaves X = 0 out; there, and where the quotient would be
/// 2^32 (X = P), the value is 2^32 - 1.
struct SkewTentMap: Sendable {
    let parameter: UInt32
    private let rising: ScaledDivision
    private let falling: ScaledDivision

    /// `parameter` P1 is 1 ... 2^32 - 1.
    init(parameter: UInt32) {
        self.parameter = parameter
        rising = ScaledDivision(parameter)
        falling = ScaledDivision(0 &- parameter)
    }

    @inline(__always)
    func callAsFunction(_ x: UInt32) -> UInt32 {
        if x < parameter { return x == 0 ? .max : rising(x) }
        return x == parameter ? .max : falling(0 &- x)
    }
}

/// Equation (2): the piecewise linear chaotic map on N = 32 bits, symmetric about 2^31. The printed cases overlap
/// their ends by one (X = 2^31 and X = 2^32 - P2 would give 2^32); those points, X = P2 and X = 0 take the value 2^32
/// - 1 of the last case.
struct PiecewiseLinearMap: Sendable {
    let parameter: UInt32
    private let outer: ScaledDivision
    private let inner: ScaledDivision

    /// `parameter` P2 is 1 ... 2^31 - 1.
    init(parameter: UInt32) {
        self.parameter = parameter
        outer = ScaledDivision(parameter)
        inner = ScaledDivision(0x8000_0000 - parameter)
    }

    @inline(__always)
    func callAsFunction(_ value: UInt32) -> UInt32 {
        // The upper half mirrors the lower one.
        let x = value > 0x8000_0000 ? 0 &- value : value
        if x < parameter { return x == 0 ? .max : outer(x) }
        return x == parameter || x == 0x8000_0000 ? .max : inner(x &- parameter)
    }
}

/// Fibonacci shift registers that disturb the maps, eight steps at a time. Bits come in at the bottom; as no tap is
/// among the lowest sixteen bits, eight new bits depend on old ones alone. This one has taps 32, 30, 26 and 25 (a
/// primitive polynomial).
struct ShiftRegister32: Sendable {
    private(set) var state: UInt32

    /// A state of 0, which would stay 0, becomes 1.
    init(_ seed: UInt32) { state = seed == 0 ? 1 : seed }

    @inline(__always)
    mutating func advance() -> UInt32 {
        let bits = (state >> 24) ^ (state >> 22) ^ (state >> 18) ^ (state >> 17)
        state = state << 8 | (bits & 0xFF)
        return state
    }
}

/// As ``ShiftRegister32``, of 31 bits with taps 31 and 28.
struct ShiftRegister31: Sendable {
    private(set) var state: UInt32

    /// Of the seed the 31 low bits count; 0 becomes 1.
    init(_ seed: UInt32) {
        let low = seed & 0x7FFF_FFFF
        state = low == 0 ? 1 : low
    }

    @inline(__always)
    mutating func advance() -> UInt32 {
        let bits = (state >> 23) ^ (state >> 20)
        state = (state << 8 | (bits & 0xFF)) & 0x7FFF_FFFF
        return state
    }
}
