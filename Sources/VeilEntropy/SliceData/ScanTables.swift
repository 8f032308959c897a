// SPDX-License-Identifier: GPL-2.0-or-later
import VeilCore

/// Coefficient scans (6.5.3 to 6.5.5) and the sig_coeff_flag context map (9.3.4.2.5) as flat tables.
package struct ScanTables: Sendable {
    /// Raster index `y << 2 | x` within a 4x4 sub-block, index `scanIdx << 4 | scanPos`.
    package let position4: ConstantTable<UInt8>
    /// Inverse of `position4`.
    package let scanPos4: ConstantTable<UInt8>
    /// Sub-block `y << 3 | x`, index `(log2 of sub-blocks per side) * 192 + scanIdx * 64 + i`.
    package let subBlock: ConstantTable<UInt8>
    /// Inverse: index as above with `y << 3 | x` for i.
    package let subBlockIndex: ConstantTable<UInt8>
    /// Context within its group, index `prevCsbf << 4 | (y << 2 | x)`; row 4 is the map of 4x4 blocks.
    package let sigCtx: ConstantTable<UInt8>
    /// The same by scan position, index `scanIdx * 80 + (prevCsbf << 4 | scanPos)`.
    package let sigCtxInScan: ConstantTable<UInt8>

    /// As a row of `sigCtxInScan`: one context for all positions.
    package let oneContext = ConstantTable<UInt8>([UInt8](repeating: 0, count: 16))

    package static let shared = ScanTables()

    private init() {
        var position4 = [UInt8](repeating: 0, count: 48)
        var scanPos4 = position4
        var subBlock = [UInt8](repeating: 0, count: 4 * 192)
        var subBlockIndex = subBlock
        for scanIdx in 0..<3 {
            for (i, (x, y)) in Self.scan(scanIdx, size: 4).enumerated() {
                position4[scanIdx << 4 | i] = UInt8(y << 2 | x)
                scanPos4[scanIdx << 4 | (y << 2 | x)] = UInt8(i)
            }
            for log2 in 0..<4 {
                for (i, (x, y)) in Self.scan(scanIdx, size: 1 << log2).enumerated() {
                    subBlock[log2 * 192 + scanIdx * 64 + i] = UInt8(y << 3 | x)
                    subBlockIndex[log2 * 192 + scanIdx * 64 + (y << 3 | x)] = UInt8(i)
                }
            }
        }
        var sigCtx = [UInt8](repeating: 0, count: 80)
        let map4x4: [UInt8] = [0, 1, 4, 5, 2, 3, 4, 5, 6, 6, 8, 8, 7, 7, 8, 8]
        for y in 0..<4 {
            for x in 0..<4 {
                let at = y << 2 | x
                sigCtx[at] = x + y == 0 ? 2 : x + y < 3 ? 1 : 0
                sigCtx[16 + at] = y == 0 ? 2 : y == 1 ? 1 : 0
                sigCtx[32 + at] = x == 0 ? 2 : x == 1 ? 1 : 0
                sigCtx[48 + at] = 2
                sigCtx[64 + at] = map4x4[at]
            }
        }
        var sigCtxInScan = [UInt8](repeating: 0, count: 240)
        for scanIdx in 0..<3 {
            for row in 0..<5 {
                for i in 0..<16 {
                    sigCtxInScan[scanIdx * 80 + row << 4 + i] = sigCtx[row << 4 + Int(position4[scanIdx << 4 | i])]
                }
            }
        }
        self.sigCtxInScan = ConstantTable(sigCtxInScan)
        self.position4 = ConstantTable(position4)
        self.scanPos4 = ConstantTable(scanPos4)
        self.subBlock = ConstantTable(subBlock)
        self.subBlockIndex = ConstantTable(subBlockIndex)
        self.sigCtx = ConstantTable(sigCtx)
    }

    /// (x, y) in scan order: 0 up-right diagonal, 1 horizontal, 2 vertical.
    private static func scan(_ scanIdx: Int, size: Int) -> [(Int, Int)] {
        var result: [(Int, Int)] = []
        switch scanIdx {
        case 0:
            for sum in 0..<(2 * size - 1) {
                for x in 0...sum where x < size && sum - x < size { result.append((x, sum - x)) }
            }
        case 1:
            for y in 0..<size { for x in 0..<size { result.append((x, y)) } }
        default:
            for x in 0..<size { for y in 0..<size { result.append((x, y)) } }
        }
        return result
    }
}
