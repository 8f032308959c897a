// SPDX-License-Identifier: GPL-2.0-or-later

/// scaling_list_data() (7.3.4) and the scaling factors it stands for (7.4.5).
package struct ScalingList: Equatable, Sendable {
    /// ScalingList[ sizeId ][ matrixId ], in up-right diagonal scan order; 16 values for sizeId 0, otherwise 64.
    /// sizeId 3 has matrixId 0 and 1 only (the standard's 0 and 3).
    package var lists: [[[UInt8]]]
    /// scaling_list_dc_coef for sizeId 2 and 3.
    package var dc: [[UInt8]]

    /// Table 7-5 and 7-6.
    package static let defaults = ScalingList()

    init() {
        let flat = [UInt8](repeating: 16, count: 16)
        lists = [
            Array(repeating: flat, count: 6), (0..<6).map { $0 < 3 ? Self.intra8x8 : Self.inter8x8 },
            (0..<6).map { $0 < 3 ? Self.intra8x8 : Self.inter8x8 }, [Self.intra8x8, Self.inter8x8],
        ]
        dc = [[], [], Array(repeating: 16, count: 6), [16, 16]]
    }

    private static let intra8x8: [UInt8] = [
        16, 16, 16, 16, 16, 16, 16, 16, 16, 16, 17, 16, 17, 16, 17, 18, 17, 18, 18, 17, 18, 21, 19, 20, 21, 20, 19, 21,
        24, 22, 22,
        24, 24, 22, 22, 24, 25, 25, 27, 30, 27, 25, 25, 29, 31, 35, 35, 31, 29, 36, 41, 44, 41, 36, 47, 54, 54, 47, 65,
        70, 65, 88,
        88, 115,
    ]
    private static let inter8x8: [UInt8] = [
        16, 16, 16, 16, 16, 16, 16, 16, 16, 16, 17, 17, 17, 17, 17, 18, 18, 18, 18, 18, 18, 20, 20, 20, 20, 20, 20, 20,
        24, 24, 24,
        24, 24, 24, 24, 24, 25, 25, 25, 25, 25, 25, 25, 28, 28, 28, 28, 28, 28, 33, 33, 33, 33, 33, 41, 41, 41, 41, 54,
        54, 54, 71,
        71, 91,
    ]

    init(_ r: inout BitReader) throws {
        self.init()
        for sizeId in 0..<4 {
            let count = sizeId == 0 ? 16 : 64
            for matrix in 0..<(sizeId == 3 ? 2 : 6) {
                if try !r.flag("scaling_list_pred_mode_flag") {
                    // For sizeId 3 matrixId steps by three, and so does the delta.
                    let delta = try r.ue("scaling_list_pred_matrix_id_delta", in: 0...matrix)
                    if delta == 0 {
                        lists[sizeId][matrix] = Self.defaults.lists[sizeId][matrix]
                        if sizeId > 1 { dc[sizeId][matrix] = 16 }
                    } else {
                        lists[sizeId][matrix] = lists[sizeId][matrix - delta]
                        if sizeId > 1 { dc[sizeId][matrix] = dc[sizeId][matrix - delta] }
                    }
                } else {
                    var next = 8
                    if sizeId > 1 {
                        next = try r.se("scaling_list_dc_coef_minus8", in: -7...247) + 8
                        dc[sizeId][matrix] = UInt8(next)
                    }
                    for i in 0..<count {
                        let delta = try r.se("scaling_list_delta_coef", in: -128...127)
                        next = (next + delta + 256) & 255
                        if next == 0 { throw SyntaxError.outOfRange(element: "scaling_list_delta_coef", value: delta) }
                        lists[sizeId][matrix][i] = UInt8(next)
                    }
                }
            }
        }
    }

    /// ScalingFactor of a block size (log2 2...5) and matrixId (0...5), in raster order `y << log2 | x`.
    package func factors(log2Size: Int, matrixId: Int) -> [UInt8] {
        let sizeId = log2Size - 2
        // The factors of 32x32 chroma blocks (4:4:4) are those of 16x16 ones.
        let from = sizeId == 3 && matrixId % 3 != 0 ? 2 : sizeId
        let matrix = from == 3 ? matrixId / 3 : matrixId
        let list = lists[from][matrix]
        let size = 1 << log2Size
        let side = sizeId == 0 ? 4 : 8
        let shift = log2Size - (sizeId == 0 ? 2 : 3)
        var small = [UInt8](repeating: 0, count: side * side)
        var i = 0
        for sum in 0..<(2 * side - 1) {
            for x in 0...sum where x < side && sum - x < side {
                small[(sum - x) * side + x] = list[i]
                i += 1
            }
        }
        var result = [UInt8](repeating: 0, count: size * size)
        for y in 0..<size {
            for x in 0..<size { result[y << log2Size | x] = small[(y >> shift) * side + (x >> shift)] }
        }
        if sizeId > 1 { result[0] = dc[from][matrix] }
        return result
    }
}
