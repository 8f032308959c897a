// SPDX-License-Identifier: GPL-2.0-or-later
import TestSupport
import Testing
import VeilCore

@Suite struct CTBGridTests {
    /// The conversions of 6.5.1, tile by tile, and what follows from them.
    @Test(arguments: [
        (200, 136, 4, [Int](), [Int]()), (200, 136, 5, [3, 1, 3], [2, 3]), (64, 64, 6, [1], [1]),
        (328, 200, 4, [1, 19, 1], [12, 1]),
    ])
    func addressesFollowTiles(width: Int, height: Int, log2: Int, columns: [Int], rows: [Int]) {
        let grid = CTBGrid(width: width, height: height, log2CtbSize: log2, columnWidths: columns, rowHeights: rows)
        let w = (width + (1 << log2) - 1) >> log2
        let h = (height + (1 << log2) - 1) >> log2
        #expect(grid.widthInCtbs == w && grid.heightInCtbs == h && grid.count == w * h)
        // Which tile each CTB lies in, and the CTBs in tile scan: by tile, then row, then column.
        func index(_ sizes: [Int], _ at: Int) -> Int {
            var end = 0
            return sizes.firstIndex { size in
                end += size
                return at < end
            } ?? 0
        }
        func tile(_ rs: Int) -> Int { index(rows, rs / w) * max(columns.count, 1) + index(columns, rs % w) }
        let scan = (0..<w * h).sorted { (tile($0), $0) < (tile($1), $1) }
        for (ts, rs) in scan.enumerated() {
            #expect(grid.ctbAddrRsToTs[rs] == Int32(ts) && grid.ctbAddrTsToRs[ts] == Int32(rs))
            let isFirst = ts == 0 || tile(scan[ts - 1]) != tile(rs)
            #expect(grid.beginsTile(ts) == isFirst && grid.beginsSubstream(ts, wpp: false) == isFirst)
            let beginsRow = rs % w == 0 || tile(rs - 1) != tile(rs)
            #expect(grid.isFirstOfTile(column: rs % w) == beginsRow)
            #expect(grid.beginsSubstream(ts, wpp: true) == beginsRow)
            for (other, has) in [
                (rs % w > 0 ? rs - 1 : -1, grid.sameTile[rs].hasLeft), (rs - w, grid.sameTile[rs].hasUp),
                (rs % w < w - 1 ? rs - w + 1 : -1, grid.sameTile[rs].hasUpRight),
                (rs % w > 0 ? rs - w - 1 : -1, grid.sameTile[rs].hasUpLeft),
            ] { #expect(has == (other >= 0 && tile(other) == tile(rs))) }
        }
        #expect(grid.tileCount == max(columns.count, 1) * max(rows.count, 1))
        #expect(grid.hasTiles == (grid.tileCount > 1))
    }

    /// Within a CTB blocks follow one another in z-order (6.5.2): each bit of x before that of y.
    @Test func zScanInterleavesBits() {
        for y in 0..<16 {
            for x in 0..<16 {
                var wanted = 0
                for bit in 0..<4 { wanted |= (x >> bit & 1) << (2 * bit) | (y >> bit & 1) << (2 * bit + 1) }
                #expect(ZScan.index(x, y) == wanted)
            }
        }
    }
}
