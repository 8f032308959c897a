// SPDX-License-Identifier: GPL-2.0-or-later

/// The CTBs of a picture and its tiles (H.265 6.5.1), as plain tables for the hot loops. One per picture parameter
/// set in use.
package final class CTBGrid: @unchecked Sendable {
    /// Picture size in luma samples.
    package let width: Int
    package let height: Int
    package let log2CtbSize: Int
    package let widthInCtbs: Int
    package let heightInCtbs: Int
    package let count: Int
    /// CtbAddrRsToTs and CtbAddrTsToRs.
    package let ctbAddrRsToTs: Buffer<Int32>
    package let ctbAddrTsToRs: Buffer<Int32>
    /// Tile number of a CTB by its *raster* address.
    package let tileIdRs: Buffer<UInt16>
    /// By raster address: which neighbours lie inside the picture and in the same tile.
    package let sameTile: Buffer<CTBNeighbours>
    /// First luma column of each CTB's tile, by CTB column; and first luma row by CTB row.
    package let tileX0: Buffer<Int32>
    package let tileY0: Buffer<Int32>
    package let hasTiles: Bool

    /// What a grid is made of: pictures with the same share one.
    package struct Layout: Hashable, Sendable {
        /// In luma samples.
        package let width: Int
        package let height: Int
        package let log2CtbSize: Int
        /// Of tiles, in CTBs: they add up to the picture. Empty or one entry each without tiles.
        package let columnWidths: [Int]
        package let rowHeights: [Int]

        package init(width: Int, height: Int, log2CtbSize: Int, columnWidths: [Int] = [], rowHeights: [Int] = []) {
            (self.width, self.height, self.log2CtbSize) = (width, height, log2CtbSize)
            (self.columnWidths, self.rowHeights) = (columnWidths, rowHeights)
        }
    }

    package convenience init(
        width: Int, height: Int, log2CtbSize: Int, columnWidths: [Int] = [], rowHeights: [Int] = []
    ) {
        self.init(
            Layout(
                width: width, height: height, log2CtbSize: log2CtbSize, columnWidths: columnWidths,
                rowHeights: rowHeights))
    }

    package init(_ layout: Layout) {
        let (width, height, log2CtbSize) = (layout.width, layout.height, layout.log2CtbSize)
        let (columnWidths, rowHeights) = (layout.columnWidths, layout.rowHeights)
        self.width = width
        self.height = height
        self.log2CtbSize = log2CtbSize
        let ctb = 1 << log2CtbSize
        let w = (width + ctb - 1) >> log2CtbSize
        let h = (height + ctb - 1) >> log2CtbSize
        widthInCtbs = w
        heightInCtbs = h
        count = w * h
        let columns = columnWidths.isEmpty ? [w] : columnWidths
        let rows = rowHeights.isEmpty ? [h] : rowHeights
        precondition(columns.reduce(0, +) == w && rows.reduce(0, +) == h, "tiles do not cover the picture")
        hasTiles = columns.count * rows.count > 1

        ctbAddrRsToTs = Buffer(repeating: 0, count: count)
        ctbAddrTsToRs = Buffer(repeating: 0, count: count)
        tileIdRs = Buffer(repeating: 0, count: count)
        sameTile = Buffer(repeating: CTBNeighbours(), count: count)
        tileX0 = Buffer(repeating: 0, count: w)
        tileY0 = Buffer(repeating: 0, count: h)

        var ts = 0
        var tile = 0
        var firstRow = 0
        for rowHeight in rows {
            for y in firstRow..<firstRow + rowHeight { tileY0[y] = Int32(firstRow << log2CtbSize) }
            var firstColumn = 0
            for columnWidth in columns {
                for x in firstColumn..<firstColumn + columnWidth { tileX0[x] = Int32(firstColumn << log2CtbSize) }
                for y in firstRow..<firstRow + rowHeight {
                    for x in firstColumn..<firstColumn + columnWidth {
                        let rs = y * w + x
                        ctbAddrRsToTs[rs] = Int32(ts)
                        ctbAddrTsToRs[ts] = Int32(rs)
                        tileIdRs[rs] = UInt16(truncatingIfNeeded: tile)
                        ts += 1
                    }
                }
                tile += 1
                firstColumn += columnWidth
            }
            firstRow += rowHeight
        }
        for rs in 0..<count {
            let x = rs % w
            let y = rs / w
            func same(_ dx: Int, _ dy: Int) -> Bool {
                let nx = x + dx
                let ny = y + dy
                return nx >= 0 && nx < w && ny >= 0 && tileIdRs[ny * w + nx] == tileIdRs[rs]
            }
            var n = CTBNeighbours()
            if same(-1, 0) { n.bits |= CTBNeighbours.left }
            if same(0, -1) { n.bits |= CTBNeighbours.up }
            if same(1, -1) { n.bits |= CTBNeighbours.upRight }
            if same(-1, -1) { n.bits |= CTBNeighbours.upLeft }
            sameTile[rs] = n
        }
    }

    /// How many tiles the picture has.
    package var tileCount: Int { Int(tileIdRs[count - 1]) + 1 }

    /// Whether two CTBs belong to the same tile, by their raster addresses.
    @inlinable @inline(__always)
    package func areInSameTile(_ rs: Int, _ other: Int) -> Bool { tileIdRs[rs] == tileIdRs[other] }

    /// Whether a column of CTBs is the first of its tile.
    @inlinable @inline(__always)
    package func isFirstOfTile(column: Int) -> Bool { column &<< log2CtbSize == Int(tileX0[column]) }

    /// Whether a column of CTBs is the second of its tile.
    @inlinable @inline(__always)
    package func isSecondOfTile(column: Int) -> Bool {
        (column &- 1) &<< log2CtbSize == Int(tileX0[column])
    }

    /// Whether a CTB, given by its tile-scan address, is the first of its tile.
    @inlinable @inline(__always)
    package func beginsTile(_ ts: Int) -> Bool {
        ts == 0 || !areInSameTile(Int(ctbAddrTsToRs[ts]), Int(ctbAddrTsToRs[ts - 1]))
    }

    /// Whether a tile, or with WPP a CTB row of a tile, begins at a CTB, given by its tile-scan address: nothing to the
    /// left of it is needed to code it, whatever slice it belongs to.
    package func beginsSubstream(_ ts: Int, wpp: Bool) -> Bool {
        beginsTile(ts) || (wpp && isFirstOfTile(column: Int(ctbAddrTsToRs[ts]) % widthInCtbs))
    }
}

/// Which of the four CTBs that precede a CTB and touch it are available to it (6.4.1).
package struct CTBNeighbours: Sendable {
    package static let left: UInt8 = 1
    package static let up: UInt8 = 2
    package static let upRight: UInt8 = 4
    package static let upLeft: UInt8 = 8
    package var bits: UInt8 = 0
    @inlinable package init() {}
    @inlinable package var hasLeft: Bool { bits & Self.left != 0 }
    @inlinable package var hasUp: Bool { bits & Self.up != 0 }
    @inlinable package var hasUpRight: Bool { bits & Self.upRight != 0 }
    @inlinable package var hasUpLeft: Bool { bits & Self.upLeft != 0 }
}

/// Z-scan order within a CTB (6.5.2), in units of 4x4 luma blocks.
package enum ZScan {
    /// Interleaves the low four bits of x and y.
    @inlinable @inline(__always)
    package static func index(_ x4: Int, _ y4: Int) -> Int {
        spread(x4) | (spread(y4) &<< 1)
    }

    @inlinable @inline(__always)
    static func spread(_ v: Int) -> Int {
        let a = (v | (v &<< 2)) & 0x33
        return (a | (a &<< 1)) & 0x55
    }
}
