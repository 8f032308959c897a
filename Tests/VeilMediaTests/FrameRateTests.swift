// SPDX-License-Identifier: GPL-2.0-or-later
import Testing
import VeilMedia

struct FrameRateTests {
    @Test(arguments: [
        ("25", 25, 1), ("12.5", 25, 2), ("23.976", 24000, 1001), ("29.97", 30000, 1001), ("59.94", 60000, 1001),
        ("119.88", 120_000, 1001), ("14.985", 15000, 1001), ("30000/1001", 30000, 1001), ("50/2", 25, 1),
        ("0.5", 1, 2), ("29.5", 59, 2), ("24.00", 24, 1), ("7.25", 29, 4), ("1000000", 1_000_000, 1),
    ])
    func decimalsAreFractions(text: String, numerator: Int, denominator: Int) {
        let rate = FrameRate(text)
        #expect(
            rate?.numerator == numerator && rate?.denominator == denominator, "\(text): \(String(describing: rate))")
    }

    @Test(arguments: [
        "", ".", "0", "-1", "1/0", "0/1", "x", "1.2.3", "9223372036854775807", "9223372036854775807/2", "1e3",
        "1000001",
        "1/4294967296", "99999999999999999.99", "1/2/3", "25/",
    ])
    func othersAreNone(text: String) { #expect(FrameRate(text) == nil, "\(text)") }
}
