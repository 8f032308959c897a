// SPDX-License-Identifier: GPL-2.0-or-later
import VeilCore
import VeilRecon

/// Whether a picture was drawn, as text and user interfaces are, and not filmed or rendered: residuals of sharp steps
/// between even areas are shorter without a transform.
enum ScreenContentDetector {
    /// Looks at every ninth block of 8x8 luma samples. Those of contrast are drawn where half of the neighbours
    /// across and half of those down are exactly alike, which noise, textures and smooth shading do not leave so.
    static func isScreenContent(_ source: FrameBuffer) -> Bool {
        source.isNarrow ? isScreenContent(source, UInt8.self) : isScreenContent(source, UInt16.self)
    }

    private static func isScreenContent<Sample: UnsignedInteger & FixedWidthInteger>(
        _ source: FrameBuffer, _ type: Sample.Type
    ) -> Bool {
        let plane = source.planes.0
        let contrast = Sample(64) << Sample(source.bitDepthLuma - 8)
        var seen = 0
        var busy = 0
        var drawn = 0
        for y in stride(from: 0, to: plane.height - 7, by: 24) {
            for x in stride(from: 0, to: plane.width - 7, by: 24) {
                let at = plane.samples(x, y, as: type)
                seen += 1
                var minimum = Sample.max
                var maximum = Sample(0)
                for row in 0..<8 {
                    for column in 0..<8 {
                        let v = at[row &* plane.stride &+ column]
                        minimum = min(minimum, v)
                        maximum = max(maximum, v)
                    }
                }
                if maximum - minimum < contrast { continue }
                busy += 1
                var across = 0
                var down = 0
                for row in 0..<8 {
                    let line = at + row &* plane.stride
                    for column in 0..<8 {
                        if column < 7 && line[column] == line[column &+ 1] { across += 1 }
                        if row < 7 && line[column] == line[plane.stride &+ column] { down += 1 }
                    }
                }
                if across >= 28 && down >= 28 { drawn += 1 }
            }
        }
        return drawn * 4 >= busy && drawn * 50 >= seen && drawn > 0
    }
}
