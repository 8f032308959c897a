// SPDX-License-Identifier: GPL-2.0-or-later
import VeilBitstream

/// What a stream may ask of a decoder before it has sent any samples.
package struct StreamLimits: Sendable, Equatable {
    /// Luma samples of a picture; beyond this nothing is decoded, whatever the level.
    package var maxPixels: Int
    /// Pictures larger than the stream's level allows, and buffers for more of them, are refused. Off for streams
    /// that state a level they do not keep to.
    package var keepsToLevel: Bool

    package init(maxPixels: Int = Self.largestPicture, keepsToLevel: Bool = true) {
        self.maxPixels = maxPixels
        self.keepsToLevel = keepsToLevel
    }

    /// MaxLumaPs of level 6.2 (Table A.8).
    package static let largestPicture = 35_651_584
    /// Pictures up to this size (level 4.1) cost little: encoders that state too low a level for them are believed
    /// to mean them.
    static let harmlessPicture = 2_228_224
    /// Slice segments of a picture: several times what any level allows (Table A.8: 600).
    static let slicesPerPicture = 4096

    /// MaxLumaPs by general_level_idc (Table A.8); nil for levels of no limit that is known.
    static func maxLumaPs(levelIdc: Int) -> Int? {
        switch levelIdc {
        case 1...30: return 36_864
        case 31...60: return 122_880
        case 61...63: return 245_760
        case 64...90: return 552_960
        case 91...93: return 983_040
        case 94...123: return 2_228_224
        case 124...156: return 8_912_896
        case 157...186: return 35_651_584
        default: return nil
        }
    }

    /// MaxDpbSize (A.4.2).
    static func maxDpbSize(samples: Int, maxLumaPs: Int) -> Int {
        if samples <= maxLumaPs >> 2 { return 16 }
        if samples <= maxLumaPs >> 1 { return 12 }
        return samples <= (3 * maxLumaPs) >> 2 ? 8 : 6
    }

    /// Throws what a layer's SPS, resolved for the layer, asks too much of.
    func check(_ sps: SequenceParameterSet) throws {
        let samples = sps.picWidthInLumaSamples * sps.picHeightInLumaSamples
        if samples > maxPixels { throw LimitError.pixels(samples, limit: maxPixels) }
        guard keepsToLevel, samples > Self.harmlessPicture, !sps.multiLayerExtSpsFlag,
            let allowed = Self.maxLumaPs(levelIdc: sps.profileTierLevel.generalLevelIdc)
        else { return }
        let level = Double(sps.profileTierLevel.generalLevelIdc) / 30
        if samples > allowed { throw LimitError.level(samples, level: level, limit: allowed) }
        let buffers = (sps.subLayerOrdering.last?.maxDecPicBufferingMinus1 ?? 0) + 1
        let room = Self.maxDpbSize(samples: samples, maxLumaPs: allowed)
        if buffers > room { throw LimitError.buffers(buffers, level: level, limit: room) }
    }
}

/// A stream asks for more than the decoder was told to give.
package enum LimitError: Error, Equatable, CustomStringConvertible {
    case pixels(Int, limit: Int)
    case level(Int, level: Double, limit: Int)
    case buffers(Int, level: Double, limit: Int)

    package var description: String {
        switch self {
        case .pixels(let samples, let limit): return "pictures of \(samples) luma samples; --max-pixels is \(limit)"
        case .level(let samples, let level, let limit):
            return
                "pictures of \(samples) luma samples, where the stream's level \(level) allows \(limit) "
                + "(--any-level decodes them)"
        case .buffers(let count, let level, let limit):
            return
                "sps_max_dec_pic_buffering_minus1 = \(count - 1), where the stream's level \(level) has room for "
                + "\(limit) pictures of that size (--any-level decodes them)"
        }
    }
}
