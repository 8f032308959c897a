// SPDX-License-Identifier: GPL-2.0-or-later

/// How the sizes of layers follow from the ratio of each to the one below it.
package enum LayerRatios {
    /// `2x`, `1.5x`, any `Nx` of 1 to 16, or `snr` for the same size.
    package static func ratio(_ text: some StringProtocol) -> Double? {
        if text == "snr" { return 1 }
        guard text.hasSuffix("x"), let ratio = Double(text.dropLast()), ratio >= 1, ratio <= 16 else { return nil }
        return ratio
    }

    /// A size made smaller: even, so that 4:2:0 windows can show it.
    package static func even(_ size: Int, _ factor: Double) -> Int {
        max(Int((Double(size) / factor / 2).rounded()) * 2, 2)
    }

    /// Luma size of every layer, bottom up, where the top layer's is given.
    package static func sizes(_ ratios: [Double], width: Int, height: Int) -> [(width: Int, height: Int)] {
        var factor = ratios.reduce(1, *)
        return ([1] + ratios).map { ratio in
            factor /= ratio
            return factor < 1.0001 ? (width, height) : (even(width, factor), even(height, factor))
        }
    }
}
