// SPDX-License-Identifier: GPL-2.0-or-later
import VeilCore

/// A picture of 8-bit RGB samples.
public struct RGBImage: Sendable {
    public let width: Int
    public let height: Int
    /// Rows of R, G, B.
    public var samples: [UInt8]

    public init(width: Int, height: Int, samples: [UInt8]? = nil) {
        self.width = width
        self.height = height
        self.samples = samples ?? Array(repeating: 255, count: width * height * 3)
    }

    /// Red from Cr, green from Cb and Cr, blue from Cb in 1/65536, of samples of limited range, by matrix_coeffs;
    /// without one BT.709 from 720 lines up and BT.601 below.
    private static func weights(_ matrix: Int?, height: Int) -> (rv: Int, gu: Int, gv: Int, bu: Int) {
        switch matrix {
        case 1: (117489, 13975, 34925, 138438)
        case 4: (104448, 24759, 53109, 132798)
        case 5, 6: (104597, 25675, 53279, 132201)
        case 7: (117579, 16907, 35559, 136230)
        case 9, 10: (110013, 12277, 42626, 140363)
        default: weights(height >= 720 ? 1 : 6, height: height)
        }
    }

    /// A frame as RGB, by its matrix and range, chroma repeated, and grey without chroma. Other primaries and transfer
    /// characteristics than those of screens stay as they are.
    public init(_ frame: VideoFrame) {
        let f = frame.format
        self.init(width: f.width, height: f.height)
        let shift = f.bitDepth - 8
        let chroma = f.size(ofComponent: 1)
        let shiftX = f.chromaFormat.chromaShiftX
        let shiftY = f.chromaFormat.chromaShiftY
        let hasChroma = f.chromaFormat != .monochrome
        if f.colour.matrix == 0 && f.chromaFormat == .yuv444 {
            // Green, blue and red themselves.
            for i in 0..<f.width * f.height {
                for (c, to) in [1, 2, 0].enumerated() {
                    samples[3 * i + to] = UInt8(clamping: frame.planes[c][i] >> UInt16(shift))
                }
            }
            return
        }
        let isFull = f.colour.isFullRange == true
        var (rv, gu, gv, bu) = Self.weights(f.colour.matrix, height: f.height)
        // Chroma of full range spans 255 steps where that of limited range spans 224.
        if isFull { (rv, gu, gv, bu) = (rv * 224 / 255, gu * 224 / 255, gv * 224 / 255, bu * 224 / 255) }
        let (black, scale) = isFull ? (0, 65536) : (16, 76309)
        for y in 0..<f.height {
            for x in 0..<f.width {
                let luma = (Int(frame.planes[0][y * f.width + x] >> UInt16(shift)) - black) * scale
                let at = (y >> shiftY) * chroma.width + x >> shiftX
                let u = hasChroma ? Int(frame.planes[1][at] >> UInt16(shift)) - 128 : 0
                let v = hasChroma ? Int(frame.planes[2][at] >> UInt16(shift)) - 128 : 0
                let to = (y * f.width + x) * 3
                samples[to] = UInt8(clamping: (luma + rv * v + 32768) >> 16)
                samples[to + 1] = UInt8(clamping: (luma - gu * u - gv * v + 32768) >> 16)
                samples[to + 2] = UInt8(clamping: (luma + bu * u + 32768) >> 16)
            }
        }
    }

    /// Images on a grid of `columns`, each cell as large as the largest, with gaps of `gap` samples.
    public static func sheet(_ images: [RGBImage], columns: Int, gap: Int = 4) -> RGBImage {
        let cellWidth = images.map(\.width).max() ?? 0
        let cellHeight = images.map(\.height).max() ?? 0
        let rows = (images.count + columns - 1) / columns
        var sheet = RGBImage(
            width: columns * cellWidth + (columns - 1) * gap, height: rows * cellHeight + max(rows - 1, 0) * gap)
        for (i, image) in images.enumerated() {
            let left = (i % columns) * (cellWidth + gap)
            let top = (i / columns) * (cellHeight + gap)
            for y in 0..<image.height {
                let to = ((top + y) * sheet.width + left) * 3
                sheet.samples.replaceSubrange(
                    to..<(to + image.width * 3),
                    with: image.samples[(y * image.width * 3)..<((y + 1) * image.width * 3)])
            }
        }
        return sheet
    }

    /// The image turned by right angles, or mirrored.
    package func turned(_ turn: QuarterTurn) -> RGBImage {
        var result = RGBImage(
            width: turn.swapsSides ? height : width, height: turn.swapsSides ? width : height)
        for y in 0..<height {
            for x in 0..<width {
                let column = turn.a * x + turn.c * y + (turn.a + turn.c < 0 ? result.width - 1 : 0)
                let row = turn.b * x + turn.d * y + (turn.b + turn.d < 0 ? result.height - 1 : 0)
                let (from, to) = ((y * width + x) * 3, (row * result.width + column) * 3)
                for c in 0..<3 { result.samples[to + c] = samples[from + c] }
            }
        }
        return result
    }

    /// The image made smaller by averaging, keeping its shape; itself when it is no wider.
    public func reduced(toWidth target: Int) -> RGBImage {
        guard target > 0, target < width else { return self }
        return resized(width: target, height: max(height * target / width, 1))
    }

    /// The image in the shape that players show it in, whose samples have an aspect, no wider than `target`.
    public func shown(sampleAspect aspect: (width: Int, height: Int)?, toWidth target: Int) -> RGBImage {
        guard let aspect, aspect.width != aspect.height, aspect.width > 0, aspect.height > 0, target > 0 else {
            return reduced(toWidth: target)
        }
        // Wider or higher, so that no sample is lost, but not beyond all measure.
        let isWide = aspect.width > aspect.height
        let long = isWide ? width * aspect.width / aspect.height : height * aspect.height / aspect.width
        let size = isWide ? (width: long, height: height) : (width: width, height: long)
        let columns = min(max(size.width, 1), target)
        let rows = min(max(size.height * columns / max(size.width, 1), 1), 8 * target)
        return resized(width: columns, height: rows)
    }

    /// Each sample is the average of those that it stands for, one at least.
    private func resized(width target: Int, height rows: Int) -> RGBImage {
        var result = RGBImage(width: target, height: rows)
        for y in 0..<rows {
            let top = y * height / rows
            let bottom = max((y + 1) * height / rows, top + 1)
            for x in 0..<target {
                let left = x * width / target
                let right = max((x + 1) * width / target, left + 1)
                var sums = (0, 0, 0)
                for row in top..<bottom {
                    for at in stride(from: (row * width + left) * 3, to: (row * width + right) * 3, by: 3) {
                        sums.0 += Int(samples[at])
                        sums.1 += Int(samples[at + 1])
                        sums.2 += Int(samples[at + 2])
                    }
                }
                let count = (bottom - top) * (right - left)
                let to = (y * target + x) * 3
                result.samples[to] = UInt8((sums.0 + count / 2) / count)
                result.samples[to + 1] = UInt8((sums.1 + count / 2) / count)
                result.samples[to + 2] = UInt8((sums.2 + count / 2) / count)
            }
        }
        return result
    }
}

/// A turn by right angles, or a reflection: a point (x, y), y down, becomes (ax + cy, bx + dy).
package struct QuarterTurn: Equatable, Sendable {
    let a: Int
    let b: Int
    let c: Int
    let d: Int

    /// Whether width becomes height.
    package var swapsSides: Bool { a == 0 }
}
