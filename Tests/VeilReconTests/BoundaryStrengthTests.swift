// SPDX-License-Identifier: GPL-2.0-or-later
import TestSupport
import Testing
import VeilCore
import VeilEntropy

@testable import VeilRecon

@Suite struct BoundaryStrengthTests {
    /// 8.7.2.5's conditions on motion, with pictures by name and vectors as sets.
    private func reference(_ a: MotionInfo, _ aIds: [Int], _ b: MotionInfo, _ bIds: [Int]) -> UInt8 {
        func vectors(_ m: MotionInfo, _ ids: [Int]) -> [(Int, MotionVector)] {
            var v: [(Int, MotionVector)] = []
            if m.refIdx0 >= 0 { v.append((ids[Int(m.refIdx0)], m.mv0)) }
            if m.refIdx1 >= 0 { v.append((ids[16 + Int(m.refIdx1)], m.mv1)) }
            return v
        }
        let p = vectors(a, aIds)
        let q = vectors(b, bIds)
        if p.count != q.count || p.map(\.0).sorted() != q.map(\.0).sorted() { return 1 }
        func near(_ i: (Int, MotionVector), _ j: (Int, MotionVector)) -> Bool {
            i.0 == j.0 && abs(Int(i.1.x) - Int(j.1.x)) < 4 && abs(Int(i.1.y) - Int(j.1.y)) < 4
        }
        if p.count == 1 { return near(p[0], q[0]) ? 0 : 1 }
        return (near(p[0], q[0]) && near(p[1], q[1])) || (near(p[0], q[1]) && near(p[1], q[0])) ? 0 : 1
    }

    @Test func motionComparison() {
        var random = Random(5)
        let tables = Buffer(repeating: 0, count: 64)
        let motion = Buffer(repeating: MotionInfo(), count: 2)
        var counts = [0, 0]
        for _ in 0..<20000 {
            for i in 0..<64 { tables[i] = 1 + random.below(3) }
            let other = tables + (random.bool() ? 0 : 32)
            func info() -> MotionInfo {
                var m = MotionInfo()
                let kind = random.below(3)
                if kind != 1 { m.refIdx0 = Int8(random.below(2)) }
                if kind != 0 { m.refIdx1 = Int8(random.below(2)) }
                m.mv0 = MotionVector(x: Int16(random.below(6)), y: Int16(random.below(6)))
                m.mv1 = MotionVector(x: Int16(random.below(6)), y: Int16(random.below(6)))
                return m
            }
            motion[0] = info()
            motion[1] = random.below(4) == 0 ? motion[0] : info()
            let wanted = reference(
                motion[0], (0..<32).map { tables[$0] }, motion[1], (0..<32).map { other[$0] })
            let got = BoundaryStrength.compare(motion.view, tables.view, motion + 1, other)
            #expect(got == wanted)
            counts[Int(wanted)] += 1
        }
        #expect(counts[0] > 1000 && counts[1] > 1000)
    }

    /// The comparison reads motion as one 8-byte and one 2-byte word.
    @Test func motionLayout() {
        #expect(MemoryLayout<MotionInfo>.offset(of: \.mv0) == 0 && MemoryLayout<MotionInfo>.offset(of: \.mv1) == 4)
        #expect(
            MemoryLayout<MotionInfo>.offset(of: \.refIdx0) == 8 && MemoryLayout<MotionInfo>.offset(of: \.refIdx1) == 9)
    }

    /// filterEdgeFlag (8.7.2.3) at the borders of the picture, of slices and of tiles, for intra CUs of 16x16.
    @Test(arguments: [(true, true), (false, true), (true, false), (false, false)])
    func edgesOfSlicesAndTiles(acrossSlices: Bool, acrossTiles: Bool) {
        // 4 x 2 CTBs of 16: two tile columns; slices begin at tile-scan addresses 0, 3 and 4.
        let grid = CTBGrid(width: 64, height: 32, log2CtbSize: 4, columnWidths: [2, 2], rowHeights: [2])
        let picture = PictureReconstruction(grid: grid)
        let starts = [0, 3, 4]
        let slices = starts.enumerated().map { i, ts in
            var k = SliceConstants(SliceParameters(grid: grid))
            k.parameters.sliceAddrRs = Int(grid.ctbAddrTsToRs[ts])
            // The first slice's flag never counts: its left and upper borders are the picture's.
            k.sliceLoopFilterAcrossSlicesEnabledFlag = i == 0 ? !acrossSlices : acrossSlices
            k.loopFilterAcrossTilesEnabledFlag = acrossTiles
            return SliceContext(constants: k, sliceIndex: i)
        }
        picture.assign(slices)
        let slice = (0..<8).map { rs in starts.lastIndex { $0 <= Int(grid.ctbAddrRsToTs[rs]) }! }
        for rs in 0..<8 {
            BoundaryStrength(slice: slices[slice[rs]], picture: picture, ctbAddrRs: rs)
                .markIntra(x: rs % 4 * 16, y: rs / 4 * 16, size: 16)
        }
        let cells = picture.maps.width8 * picture.maps.height8
        picture.maps.cuFlags.update(repeating: PictureMaps.intra, count: cells)
        for row in 0..<2 { OuterEdges(picture: picture).mark(ctbRow: row) }
        func passes(_ a: Int, _ b: Int) -> Bool {
            let tile = { (rs: Int) in rs % 4 / 2 }
            return (tile(a) == tile(b) || acrossTiles)
                && (slice[a] == slice[b] || slices[slice[a]].constants.sliceLoopFilterAcrossSlicesEnabledFlag)
        }
        for rs in 0..<8 {
            let cell = picture.maps.edges + ((rs / 4 * 2) * picture.maps.width8 + rs % 4 * 2) * 4
            let left: UInt8 = rs % 4 > 0 && passes(rs, rs - 1) ? 2 : 0
            let top: UInt8 = rs >= 4 && passes(rs, rs - 4) ? 2 : 0
            #expect((0..<4).map { cell[$0] } == [left, left, top, top], "CTB \(rs)")
        }
    }
}
