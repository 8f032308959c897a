// SPDX-License-Identifier: GPL-2.0-or-later
import Testing
import VeilBins

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
        let tables = UnsafeMutablePointer<Int>.allocate(capacity: 64)
        let motion = UnsafeMutablePointer<MotionInfo>.allocate(capacity: 2)
        defer {
            tables.deallocate()
            motion.deallocate()
        }
        var counts = [0, 0]
        for _ in 0..<20000 {
            for i in 0..<64 { tables[i] = 1 + random.below(3) }
            let other = random.bool() ? tables : tables + 32
            func info() -> MotionInfo {
                var m = MotionInfo()
                let kind = random.below(3)
                if kind != 1 { m.refIdx0 = Int8(random.below(2)) }
                if kind != 0 { m.refIdx1 = Int8(random.below(2)) }
                m.mv0 = MotionVector(x: Int16(random.below(6)), y: Int16(random.below(6)))
                m.mv1 = MotionVector(x: Int16(random.below(6)), y: Int16(random.below(6)))
                return m
            }
            (motion + 0).initialize(to: info())
            (motion + 1).initialize(to: random.below(4) == 0 ? motion[0] : info())
            let wanted = reference(
                motion[0], (0..<32).map { tables[$0] }, motion[1], (0..<32).map { other[$0] })
            let got = BoundaryStrength.compare(motion, tables, motion + 1, other)
            #expect(got == wanted)
            counts[Int(wanted)] += 1
        }
        #expect(counts[0] > 1000 && counts[1] > 1000)
    }
}
