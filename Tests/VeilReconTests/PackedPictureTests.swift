// SPDX-License-Identifier: GPL-2.0-or-later
import Testing
import VeilCore

@testable import VeilRecon

/// Pictures that wait come back as they were.
struct PackedPictureTests {
    @Test(
        arguments: [(8, 8, false), (10, 10, false), (8, 10, false), (8, 8, true)], [(64, 48), (40, 8), (8, 104)])
    func samplesComeBack(depths: (Int, Int, isNarrow: Bool), size: (Int, Int)) {
        func frame() -> FrameBuffer {
            FrameBuffer(
                width: size.0, height: size.1, bitDepthLuma: depths.0, bitDepthChroma: depths.1,
                isNarrow: depths.isNarrow)
        }
        // Twice, so that memory of the first round is used again.
        for round in 0..<2 {
            let source = frame()
            for c in 0..<3 {
                let plane = source.plane(c)
                let limit = 1 << source.bitDepth(c)
                for y in 0..<plane.height {
                    for x in 0..<plane.width { plane.set(x, y, (x * 31 + y * 7 + c + round) % limit) }
                }
            }
            let back = PackedPicture(source).unpacked()
            #expect(back.bitDepthLuma == depths.0 && back.bitDepthChroma == depths.1)
            for c in 0..<3 {
                let (a, b) = (source.plane(c), back.plane(c))
                #expect(b.width == a.width && b.height == a.height)
                for y in 0..<a.height { for x in 0..<a.width { #expect(a[x, y] == b[x, y]) } }
            }
        }
    }
}
