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

    /// - Parameters:
    ///   - pps: what the slice is written with.
    ///   - index: of the slice in its picture, which `poc` is the order count of.
    ///   - reference: the picture behind an entry of the reference picture lists.
    init(
        header: SliceSegmentHeader, rows: Range<Int>, settings: LayerConfiguration, pps: PictureParameterSet,
        index: Int,
        poc: Int32, reference: (SliceSegmentHeader.ReferenceSource) -> CodedPicture?
    ) {
        self.header = header
        self.rows = rows
        parameters = SliceParameters(header: header, sps: settings.sps, pps: pps, grid: settings.grid)
        var plain = parameters
        plain.sliceSaoLumaFlag = false
        plain.sliceSaoChromaFlag = false
        plain.entropyCodingSyncEnabledFlag = settings.decidesInRows
        ofFollowers = plain
        // Decisions begin the rows that they make side by side with SliceQpY.
        var deciding = parameters
        deciding.entropyCodingSyncEnabledFlag = settings.decidesInRows
        context = SliceContext(
            header,
            constants: SliceConstants(
                deciding, sps: settings.sps, pps: settings.pps, header: header, scalingFactors: nil),
            sliceIndex: index, currPoc: poc, reference: reference)
    }

    /// CTB rows of each slice of a picture with `rows` of them, as even as can be.
    static func division(rows: Int, slices: Int) -> [Range<Int>] {
        let count = min(max(slices, 1), rows)
        return (0..<count).map { $0 * rows / count..<($0 + 1) * rows / count }
    }
}
