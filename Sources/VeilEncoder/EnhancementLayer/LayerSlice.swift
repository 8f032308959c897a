// SPDX-License-Identifier: GPL-2.0-or-later
import VeilBitstream
import VeilEntropy
import VeilRecon

/// One slice of an enhancement layer picture: whole CTB rows.
final class LayerSlice: Sendable {
    let header: SliceSegmentHeader
    let context: SliceContext
    let parameters: SliceParameters
    /// The same for writers that nobody reads and decisions take their contexts from, row by row and before the
    /// sample adaptive offsets are known.
    let ofFollowers: SliceParameters
    /// CTB rows.
    let rows: Range<Int>

    init(
        header: SliceSegmentHeader, context: SliceContext, rows: Range<Int>, settings: LayerSettings,
        pps: PictureParameterSet
    ) {
        self.header = header
        self.context = context
        self.rows = rows
        parameters = SliceParameters(header: header, sps: settings.sps, pps: pps, grid: settings.grid)
        var plain = parameters
        plain.sliceSaoLumaFlag = false
        plain.sliceSaoChromaFlag = false
        plain.entropyCodingSyncEnabledFlag = settings.decidesInRows
        ofFollowers = plain
    }

    /// CTB rows of each slice of a picture with `rows` of them, as even as can be.
    static func division(rows: Int, slices: Int) -> [Range<Int>] {
        let count = min(max(slices, 1), rows)
        return (0..<count).map { $0 * rows / count..<($0 + 1) * rows / count }
    }
}
