// SPDX-License-Identifier: GPL-2.0-or-later
import VeilCore

/// ScalingFactor (7.4.5) as flat raster tables: m[x][y] of 8.6.4.2 for every block size and matrixId.
package final class ScalingFactors: @unchecked Sendable {
    /// 4x4, 8x8, 16x16, 32x32; six matrices each: intra Y, Cb, Cr, inter Y, Cb, Cr. 32x32 chroma is used in 4:4:4
    /// only.
    private let memory: Buffer<UInt8>
    private static let offsets = [0, 6 * 16, 6 * (16 + 64), 6 * (16 + 64 + 256)]
    private static let total = 6 * (16 + 64 + 256 + 1024)

    /// `factor(sizeId, matrixId)` gives the raster block (row-major, 16 << 2*sizeId entries) of
    /// ScalingFactor[sizeId][matrixId].
    package init(factor: (_ sizeId: Int, _ matrixId: Int) -> [UInt8]) {
        memory = Buffer(repeating: 16, count: Self.total)
        for sizeId in 0..<4 {
            let samples = 16 << (2 * sizeId)
            for matrixId in 0..<6 {
                let block = factor(sizeId, matrixId)
                for i in 0..<min(samples, block.count) {
                    memory[Self.offsets[sizeId] + matrixId * samples + i] = block[i]
                }
            }
        }
    }

    /// All tables, for ``table(_:log2Size:cIdx:intra:)``.
    package var tables: BufferView<UInt8> { memory.view.reading }

    /// The table of a block: `log2Size` 2...5, raster, row length `1 << log2Size`.
    @inline(__always)
    package static func table(
        _ tables: BufferView<UInt8>, log2Size: Int, cIdx: Int, intra: Bool
    ) -> BufferView<UInt8> {
        let sizeId = log2Size &- 2
        let samples = 16 &<< (2 &* sizeId)
        // The sizes before this one hold 6 * 16 * (4^sizeId - 1) / 3 entries.
        let offset = 32 &* ((1 &<< (2 &* sizeId)) &- 1)
        return tables + (offset &+ ((intra ? 0 : 3) &+ cIdx) &* samples)
    }
}
