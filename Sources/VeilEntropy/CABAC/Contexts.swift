// SPDX-License-Identifier: GPL-2.0-or-later
import VeilCore

/// Where each syntax element's context variables stand in a context array, and their initial values (9.3.2.2, Tables
/// 9-5 to 9-37).
package enum Context {
    package static let saoMergeFlag = 0
    package static let saoTypeIdx = 1
    package static let splitCuFlag = 2
    package static let cuTransquantBypassFlag = 5
    package static let cuSkipFlag = 6
    package static let predModeFlag = 9
    package static let partMode = 10
    package static let prevIntraLumaPredFlag = 14
    package static let intraChromaPredMode = 15
    package static let rqtRootCbf = 16
    package static let mergeFlag = 17
    package static let mergeIdx = 18
    package static let interPredIdc = 19
    package static let refIdx = 24
    package static let mvpFlag = 26
    package static let splitTransformFlag = 27
    package static let cbfLuma = 30
    package static let cbfChroma = 32
    package static let absMvdGreater0Flag = 36
    package static let absMvdGreater1Flag = 37
    package static let cuQpDeltaAbs = 38
    package static let transformSkipFlag = 40
    package static let lastSigCoeffXPrefix = 42
    package static let lastSigCoeffYPrefix = 60
    package static let codedSubBlockFlag = 78
    package static let sigCoeffFlag = 82
    package static let coeffAbsLevelGreater1Flag = 124
    package static let coeffAbsLevelGreater2Flag = 148
    // Range extensions: behind the others, so that these keep their places.
    /// The contexts of cbf_cb and cbf_cr are five there; the fifth stands apart.
    package static let cbfChromaDepth4 = 154
    /// sig_coeff_flag of blocks without a transform: luma, chroma.
    package static let sigCoeffFlagSkipped = 155
    package static let cuChromaQpOffsetFlag = 157
    package static let cuChromaQpOffsetIdx = 158
    package static let log2ResScaleAbsPlus1 = 159
    package static let resScaleSignFlag = 167
    package static let explicitRdpcmFlag = 169
    package static let explicitRdpcmDirFlag = 171
    /// StatCoeff of persistent Rice adaptation (9.3.3.11): four numbers that are kept wherever contexts are.
    package static let statCoeff = 173
    package static let count = 177

    /// One row an initType: 0 for I slices, 1 and 2 for P and B (swapped by cabac_init_flag).
    private static let initValues: [[UInt8]] = [
        [153, 200] + [139, 141, 157] + [154] + [154, 154, 154] + [154]
            + [184, 154, 154, 154] + [184] + [63] + [154] + [154] + [154]
            + [154, 154, 154, 154, 154] + [154, 154] + [154]
            + [153, 138, 138] + [111, 141] + [94, 138, 182, 154] + [154] + [154] + [154, 154] + [139, 139]
            + lastPrefix0 + lastPrefix0 + [91, 171, 134, 141] + sig0 + greater1I + [138, 153, 136, 167, 152, 152]
            + rangeExtension([141, 111]),
        [153, 185] + [107, 139, 126] + [154] + [197, 185, 201] + [149]
            + [154, 139, 154, 154] + [154] + [152] + [79] + [110] + [122]
            + [95, 79, 63, 31, 31] + [153, 153] + [168]
            + [124, 138, 94] + [153, 111] + [149, 107, 167, 154] + [140] + [198] + [154, 154] + [139, 139]
            + lastPrefix1 + lastPrefix1 + [121, 140, 61, 154] + sig1 + greater1P + [107, 167, 91, 122, 107, 167]
            + rangeExtension([140, 140]),
        [153, 160] + [107, 139, 126] + [154] + [197, 185, 201] + [134]
            + [154, 139, 154, 154] + [183] + [152] + [79] + [154] + [137]
            + [95, 79, 63, 31, 31] + [153, 153] + [168]
            + [224, 167, 122] + [153, 111] + [149, 92, 167, 154] + [169] + [198] + [154, 154] + [139, 139]
            + lastPrefix2 + lastPrefix2 + [121, 140, 61, 154] + sig2 + greater1B + [107, 167, 91, 107, 107, 167]
            + rangeExtension([140, 140]),
    ]

    private static func rangeExtension(_ skipped: [UInt8]) -> [UInt8] {
        [154] + skipped + [154, 154] + [UInt8](repeating: 154, count: 10) + [139, 139, 139, 139] + [0, 0, 0, 0]
    }

    private static let lastPrefix0: [UInt8] = [
        110, 110, 124, 125, 140, 153, 125, 127, 140, 109, 111, 143, 127, 111, 79, 108, 123, 63,
    ]
    private static let lastPrefix1: [UInt8] = [
        125, 110, 94, 110, 95, 79, 125, 111, 110, 78, 110, 111, 111, 95, 94, 108, 123, 108,
    ]
    private static let lastPrefix2: [UInt8] = [
        125, 110, 124, 110, 95, 94, 125, 111, 111, 79, 125, 126, 111, 111, 79, 108, 123, 93,
    ]
    private static let sig0: [UInt8] = [
        111, 111, 125, 110, 110, 94, 124, 108, 124, 107, 125, 141, 179, 153, 125, 107, 125, 141, 179, 153, 125,
        107, 125, 141, 179, 153, 125, 140, 139, 182, 182, 152, 136, 152, 136, 153, 136, 139, 111, 136, 139, 111,
    ]
    private static let sig1: [UInt8] = [
        155, 154, 139, 153, 139, 123, 123, 63, 153, 166, 183, 140, 136, 153, 154, 166, 183, 140, 136, 153, 154,
        166, 183, 140, 136, 153, 154, 170, 153, 123, 123, 107, 121, 107, 121, 167, 151, 183, 140, 151, 183, 140,
    ]
    private static let sig2: [UInt8] = [
        170, 154, 139, 153, 139, 123, 123, 63, 124, 166, 183, 140, 136, 153, 154, 166, 183, 140, 136, 153, 154,
        166, 183, 140, 136, 153, 154, 170, 153, 138, 138, 122, 121, 122, 121, 167, 151, 183, 140, 151, 183, 140,
    ]
    private static let greater1I: [UInt8] = [
        140, 92, 137, 138, 140, 152, 138, 139, 153, 74, 149, 92, 139, 107, 122, 152, 140, 179, 166, 182, 140, 227, 122,
        197,
    ]
    private static let greater1P: [UInt8] = [
        154, 196, 196, 167, 154, 152, 167, 182, 182, 134, 149, 136, 153, 121, 136, 137, 169, 194, 166, 167, 154, 167,
        137, 182,
    ]
    private static let greater1B: [UInt8] = [
        154, 196, 167, 167, 154, 152, 167, 182, 182, 134, 149, 136, 153, 121, 136, 122, 169, 208, 166, 167, 154, 152,
        167, 182,
    ]

    /// The initial state byte for an init value at a slice QP (9.3.2.2, equations 9-4 to 9-7).
    static func initialState(_ initValue: UInt8, sliceQpY: Int) -> UInt8 {
        let slopeIdx = Int(initValue >> 4)
        let offsetIdx = Int(initValue & 15)
        let m = slopeIdx * 5 - 45
        let n = (offsetIdx << 3) - 16
        let preCtxState = min(max(((m * min(max(sliceQpY, 0), 51)) >> 4) + n, 1), 126)
        let valMps = preCtxState <= 63 ? 0 : 1
        let pStateIdx = valMps == 1 ? preCtxState - 64 : 63 - preCtxState
        return UInt8(pStateIdx << 1 | valMps)
    }

    /// Initial states of all contexts. The tables of every (initType, QP) are made once.
    package static func initialStates(initType: Int, sliceQpY: Int) -> BufferView<UInt8> {
        precomputed + (initType * 52 + min(max(sliceQpY, 0), 51)) * count
    }

    private static let precomputed = ConstantTable(
        {
            var states: [UInt8] = []
            states.reserveCapacity(3 * 52 * count)
            for values in initValues {
                precondition(values.count == count)
                for qp in 0..<52 {
                    for i in 0..<count { states.append(i < statCoeff ? initialState(values[i], sliceQpY: qp) : 0) }
                }
            }
            return states
        }())
}

/// A copy of all context variables: what WPP and dependent slice segments store and synchronize (9.3.2.4).
package final class ContextSet: @unchecked Sendable {
    private let memory = Buffer<UInt8>(repeating: 0, count: Context.count)
    package var states: MutableBufferView<UInt8> { memory.view }

    package init() {}

    package func copy(from other: BufferView<UInt8>) { states.update(from: other, count: Context.count) }
}
