// SPDX-License-Identifier: GPL-2.0-or-later

/// Coefficient scans (6.5.3 to 6.5.5) and the sig_coeff_flag context map (9.3.4.2.5) as flat tables.
package struct ScanTables: @unchecked Sendable {
    /// Raster index `y << 2 | x` within a 4x4 sub-block, index `scanIdx << 4 | scanPos`.
    package let position4: UnsafePointer<UInt8>
    /// Inverse of `position4`.
    package let scanPos4: UnsafePointer<UInt8>
    /// Sub-block `y << 3 | x`, index `(log2 of sub-blocks per side) * 192 + scanIdx * 64 + i`.
    package let subBlock: UnsafePointer<UInt8>
    /// Inverse: index as above with `y << 3 | x` for i.
    package let subBlockIndex: UnsafePointer<UInt8>
    /// Context within its group, index `prevCsbf << 4 | (y << 2 | x)`; row 4 is the map of 4x4 blocks.
    package let sigCtx: UnsafePointer<UInt8>
    /// The same by scan position, index `scanIdx * 80 + (prevCsbf << 4 | scanPos)`.
    package let sigCtxInScan: UnsafePointer<UInt8>

    /// As a row of `sigCtxInScan`: one context for all positions.
    package let oneContext: UnsafePointer<UInt8>

    package static let shared = ScanTables()

    private init() {
        let position4 = UnsafeMutablePointer<UInt8>.allocate(capacity: 48)
        let scanPos4 = UnsafeMutablePointer<UInt8>.allocate(capacity: 48)
        let subBlock = UnsafeMutablePointer<UInt8>.allocate(capacity: 4 * 192)
        subBlock.initialize(repeating: 0, count: 4 * 192)
        let subBlockIndex = UnsafeMutablePointer<UInt8>.allocate(capacity: 4 * 192)
        subBlockIndex.initialize(repeating: 0, count: 4 * 192)
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
        let sigCtx = UnsafeMutablePointer<UInt8>.allocate(capacity: 80)
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
        let sigCtxInScan = UnsafeMutablePointer<UInt8>.allocate(capacity: 240)
        for scanIdx in 0..<3 {
            for row in 0..<5 {
                for i in 0..<16 {
                    sigCtxInScan[scanIdx * 80 + row << 4 + i] = sigCtx[row << 4 + Int(position4[scanIdx << 4 | i])]
                }
            }
        }
        let oneContext = UnsafeMutablePointer<UInt8>.allocate(capacity: 16)
        oneContext.initialize(repeating: 0, count: 16)
        self.oneContext = UnsafePointer(oneContext)
        self.sigCtxInScan = UnsafePointer(sigCtxInScan)
        self.position4 = UnsafePointer(position4)
        self.scanPos4 = UnsafePointer(scanPos4)
        self.subBlock = UnsafePointer(subBlock)
        self.subBlockIndex = UnsafePointer(subBlockIndex)
        self.sigCtx = UnsafePointer(sigCtx)
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
