// SPDX-License-Identifier: GPL-2.0-or-later
import TestSupport
import Testing
import VeilBitstream
import VeilCore
import VeilRecon

@testable import VeilEncoder

@Suite struct DisparitySearchTests {
    /// Samples that are like none nearby.
    private static func sample(_ x: Int, _ y: Int) -> Int {
        var random = SplitMix(state: UInt64(bitPattern: Int64((x >> 1) * 1000 + y >> 1)))
        return Int(random.next() & 255)
    }

    /// Two things at two distances: each cell's displacement is found, and the larger blocks' that of most of them.
    @Test func displacementsAreFound() {
        let other = FrameBuffer(width: 256, height: 128) { _, x, y in Self.sample(x, y) }
        // The upper left 32x32 of the CTU at (64, 0) is displaced by 22, the rest by -6.
        let source = FrameBuffer(width: 256, height: 128) { _, x, y in
            Self.sample(x + (x < 96 && y < 32 ? 22 : -6), y)
        }
        let search = DisparitySearch()
        search.find(from: source.plane(0), in: other.plane(0), x: 64, y: 0, size: 64)
        let starts = Buffer(repeating: MotionVector(), count: 16)
        func found(x: Int, y: Int, size: Int) -> [Int] {
            let block = CTUDecision.block(x, y, size, .part2Nx2N, 0)
            let count = search.add(to: starts.view, count: 0, block)
            return (0..<count).map { Int(starts[$0].x) }
        }
        #expect(found(x: 64, y: 0, size: 64) == [-24])
        #expect(found(x: 64, y: 0, size: 32) == [-24, 88])
        #expect(found(x: 80, y: 16, size: 16) == [-24, 88])
        #expect(found(x: 96, y: 32, size: 32) == [-24])
        // A picture's edge cuts cells; what reaches beyond it is its border.
        search.find(from: source.plane(0), in: other.plane(0), x: 192, y: 64, size: 64)
        #expect(found(x: 192, y: 64, size: 64) == [-24])
    }

    /// What the message says is what is read from it, and what phones write.
    @Test func eyesAreTold() throws {
        let displays = ReferenceDisplays(leftViewId: 0, rightViewId: 1)
        #expect(displays.payload == [0x04, 0x0d, 0x00, 0x20])
        for (left, right) in [(0, 1), (1, 0), (7, 300)] {
            let displays = ReferenceDisplays(leftViewId: left, rightViewId: right)
            #expect(try ReferenceDisplays(payload: displays.payload) == displays)
        }
    }
}
