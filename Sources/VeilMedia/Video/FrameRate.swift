// SPDX-License-Identifier: GPL-2.0-or-later

/// Pictures a second, as a fraction in its lowest terms.
public struct FrameRate: Equatable, Sendable {
    public let numerator: Int
    public let denominator: Int

    /// Of the timing that a VPS or VUI tells.
    package init?(timing: (numUnitsInTick: Int, timeScale: Int)?) {
        guard let timing else { return nil }
        self.init(timing.timeScale, timing.numUnitsInTick)
    }

    package var fraction: (numerator: Int, denominator: Int) { (numerator, denominator) }

    /// More are no video's.
    static let highest = 1_000_000

    /// Nil where there is no such rate: both are above 0, the rate is no more than a million and can be written with
    /// numbers of 31 bits, as encoders have them.
    public init?(_ numerator: Int, _ denominator: Int) {
        guard numerator > 0, denominator > 0 else { return nil }
        var (a, b) = (numerator, denominator)
        while b != 0 { (a, b) = (b, a % b) }
        self.numerator = numerator / a
        self.denominator = denominator / a
        guard self.numerator <= Int(Int32.max), self.denominator <= Int(Int32.max),
            self.numerator / self.denominator <= Self.highest
        else { return nil }
    }

    /// The rate that video most likely has where one was measured: whole, n/1001 or half where these are near, else
    /// thousandths.
    static func nearest(_ rate: Double) -> FrameRate? {
        guard rate.isFinite, rate > 0, rate <= Double(highest) else { return nil }
        for (numerator, denominator) in [
            (rate.rounded(), 1), ((rate * 1.001).rounded() * 1000, 1001), ((rate * 2).rounded(), 2),
        ] where abs(numerator / Double(denominator) - rate) < rate * 0.0003 {
            return FrameRate(Int(numerator), denominator)
        }
        return FrameRate(Int((rate * 1000).rounded()), 1000)
    }

    /// 25, 30000/1001, 12.5; the rates of NTSC, of which decimals have two or three digits only, are n/1001 (29.97).
    public init?(_ text: String) {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false)
        if parts.count == 2, let a = Int(parts[0]), let b = Int(parts[1]) {
            self.init(a, b)
            return
        }
        let digits = text.split(separator: ".", omittingEmptySubsequences: false)
        guard (1...2).contains(digits.count), !text.isEmpty, text != ".",
            text.utf8.allSatisfy({ (0x30...0x39).contains($0) || $0 == 0x2E }), text.utf8.count <= 17
        else { return nil }
        let fraction = digits.count == 2 ? String(digits[1]) : ""
        guard let value = Int(String(digits[0]) + fraction) else { return nil }
        let scale = fraction.reduce(1) { s, _ in s * 10 }
        // 23.976, 29.97, 59.94: the nearest rate n·1000/1001, where that is what these digits round it to.
        if (2...3).contains(fraction.count), value / scale < Self.highest {
            let whole = (value + scale - 1) / scale
            let ntsc = (whole * 1000 * scale * 2 + 1001) / (2 * 1001)
            if ntsc == value, value % scale != 0 {
                self.init(whole * 1000, 1001)
                return
            }
        }
        self.init(value, scale)
    }
}
