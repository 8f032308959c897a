// SPDX-License-Identifier: GPL-2.0-or-later

/// Levels (A.4.1, Table A.8): what a stream's size and rate ask for.
package enum Levels {
    /// MaxLumaPs, MaxLumaSr, general_level_idc.
    private static let table: [(samples: Int, rate: Int, idc: Int)] = [
        (36_864, 552_960, 30), (122_880, 3_686_400, 60), (245_760, 7_372_800, 63), (552_960, 16_588_800, 90),
        (983_040, 33_177_600, 93), (2_228_224, 66_846_720, 120), (2_228_224, 133_693_440, 123),
        (8_912_896, 267_386_880, 150),
        (8_912_896, 534_773_760, 153), (8_912_896, 1_069_547_520, 156), (35_651_584, 1_069_547_520, 180),
        (35_651_584, 2_139_095_040, 183), (35_651_584, 4_278_190_080, 186),
    ]

    /// The lowest general_level_idc for pictures of `width` x `height` luma samples at a rate, or the highest there is.
    package static func idc(width: Int, height: Int, framesPerSecond: Double) -> Int {
        let samples = width * height
        let rate = Int((Double(samples) * framesPerSecond).rounded(.up))
        // Neither side may exceed Sqrt(8 * MaxLumaPs).
        let side = max(width, height)
        return table.first { samples <= $0.samples && rate <= $0.rate && side * side <= 8 * $0.samples }?.idc ?? 186
    }
}
