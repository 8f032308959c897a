// SPDX-License-Identifier: GPL-2.0-or-later
import VeilSystem

/// A clip that the program draws itself: a hilly landscape under a panning camera, a lighthouse, a ball that bounces
/// through, and grain.
public struct DemoClip: Sendable {
    public let format: VideoFormat

    public init(width: Int = 640, height: Int = 360) {
        format = VideoFormat(width: width, height: height, fps: (25, 1), bitDepth: 8)
    }

    /// Frame `n`. The same on every machine: integer arithmetic and table sines only.
    public func frame(_ n: Int) -> VideoFrame {
        let frame = VideoFrame(format: format)
        let w = format.width
        let h = format.height
        let cw = format.size(ofComponent: 1).width
        let pan = n * 3
        // The ball's path: along a parabola, again and again.
        let phase = n % 24 - 12
        let ballX = (n * 9 + w / 6) % (w + 80) - 40
        let ballY = h * 3 / 4 - (144 - phase * phase) * h / 360
        let radius = max(h / 9, 2)
        let ridges = (0..<3).map { ridge in (0..<w).map { Self.ridge($0 + pan * (ridge + 1) / 2, ridge, h) } }
        let tower = w * 2 / 3 - pan
        for y in 0..<h {
            for x in 0..<w {
                var color = Self.sky(x + pan / 4, y, h)
                for ridge in 0..<3 where y >= ridges[ridge][x] {
                    color = Self.ground(x + pan * (ridge + 1) / 2, y - ridges[ridge][x], ridge)
                }
                let towerWidth = h / 24 + (y - h / 4) / 16
                if y > h / 4 && y < h * 3 / 4 && abs(x - tower) < towerWidth {
                    let red = ((y - h / 4) * 8 / h) & 1 == 1
                    color = red ? (95, 105, 190) : (225 - abs(x - tower) * 2, 126, 130)
                    if y < h / 4 + h / 24 { color = (235, 60, 150) }
                }
                let dx = x - ballX
                let dy = y - ballY
                let distance = dx * dx + dy * dy
                if distance < radius * radius {
                    let light = (dx + dy) * 60 / radius
                    let stripe = ((dx * 3 + n * 5) / (radius / 2) + dy * 2 / radius) & 1 == 0
                    color = stripe ? (150 - light, 90, 200) : (205 - light, 100, 140)
                }
                let grain = Int(Self.hash(x, y, n) & 3)
                frame.planes[0][y * w + x] = UInt16(min(max(color.0 + grain, 16), 235))
                if x & 1 == 0 && y & 1 == 0 {
                    frame.planes[1][(y / 2) * cw + x / 2] = UInt16(min(max(color.1, 16), 240))
                    frame.planes[2][(y / 2) * cw + x / 2] = UInt16(min(max(color.2, 16), 240))
                }
            }
        }
        return frame
    }

    private static func hash(_ x: Int, _ y: Int, _ n: Int) -> UInt32 {
        var v = UInt32(truncatingIfNeeded: x &* 374_761_393 &+ y &* 668_265_263 &+ n &* 362_437)
        v = (v ^ (v >> 13)) &* 1_274_126_177
        return v ^ (v >> 16)
    }

    /// Value noise of period `size`, 0 ... 255.
    private static func noise(_ x: Int, _ y: Int, _ size: Int, _ seed: Int) -> Int {
        let cx = x >= 0 ? x / size : (x - size + 1) / size
        let cy = y >= 0 ? y / size : (y - size + 1) / size
        let fx = x - cx * size
        let fy = y - cy * size
        func corner(_ dx: Int, _ dy: Int) -> Int { Int(hash(cx + dx, cy + dy, seed) & 255) }
        let top = corner(0, 0) * (size - fx) + corner(1, 0) * fx
        let bottom = corner(0, 1) * (size - fx) + corner(1, 1) * fx
        return (top * (size - fy) + bottom * fy) / (size * size)
    }

    /// Where a ridge begins, from the top.
    private static func ridge(_ x: Int, _ index: Int, _ h: Int) -> Int {
        let base = h * (50 + 14 * index) / 100
        return base + (noise(x, index * 977, 96, index) - 128) * h / 900 + (noise(x, index * 571, 23, index + 7) - 128)
            * h / 3000
    }

    private static func sky(_ x: Int, _ y: Int, _ h: Int) -> (Int, Int, Int) {
        let cloud = (noise(x, y * 2, 80, 40) * 2 + noise(x, y * 2, 31, 41)) / 3
        let light = max(cloud - 120, 0)
        return (150 + y * 50 / h + light * 2 / 3, 150 - light / 6, 112 + light / 8)
    }

    private static func ground(_ x: Int, _ depth: Int, _ index: Int) -> (Int, Int, Int) {
        let texture =
            (noise(x, depth, 19, index + 60) + noise(x, depth, 6, index + 61) * 2 + noise(x, depth, 3, index + 62)) / 4
        let shade = 105 - index * 22
        return (shade + (texture - 128) * (3 + index) / 8, 118 - index * 4, 116 + index * 2)
    }
}
