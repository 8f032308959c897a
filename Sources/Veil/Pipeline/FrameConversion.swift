// SPDX-License-Identifier: GPL-2.0-or-later
import VeilCore
import VeilEncoder
import VeilMedia
import VeilRecon

extension FrameBuffer {
    /// A padded picture of a source frame: sizes rounded up to whole coding blocks of 8, borders repeated; samples
    /// shifted to `bitDepth`, rounded when it is the smaller one.
    package convenience init(_ frame: VideoFrame, bitDepth: Int) {
        let f = frame.format
        self.init(
            width: (f.width + 7) & ~7, height: (f.height + 7) & ~7, bitDepthLuma: bitDepth, bitDepthChroma: bitDepth)
        let up = UInt16(max(bitDepth - f.bitDepth, 0))
        let down = UInt16(max(f.bitDepth - bitDepth, 0))
        let half: UInt16 = down > 0 ? 1 << (down - 1) : 0
        let limit = UInt16((1 << bitDepth) - 1)
        for c in 0..<3 {
            let to = plane(c)
            let s = f.size(ofComponent: c)
            frame.planes[c].withUnsafeBufferPointer { from in
                guard let first = from.baseAddress else { return }
                for y in 0..<s.height {
                    let row = to.row(y)
                    let line = first + y * s.width
                    if up == 0 && down == 0 {
                        row.update(from: line, count: s.width)
                    } else {
                        for x in 0..<s.width { row[x] = min(((line[x] &+ half) &>> down) &<< up, limit) }
                    }
                }
            }
            to.repeatBorder(width: s.width, height: s.height)
        }
    }
}

extension Plane {
    /// Fills what lies right of and below the first `width` x `height` samples with the nearest of them.
    fileprivate func repeatBorder(width filled: Int, height rows: Int) {
        for y in 0..<rows {
            let row = self.row(y)
            for x in filled..<max(width, filled) { row[x] = row[filled - 1] }
        }
        for y in rows..<max(height, rows) { row(y).update(from: row(rows - 1), count: width) }
    }
}

/// A frame of a file as the source of an enhancement layer of the same depth.
package struct WaitingFrame: WaitingPicture {
    private let frame: FrameInFile

    package init(_ frame: FrameInFile) { self.frame = frame }

    package func unpacked() throws -> FrameBuffer {
        let f = frame.format
        let picture = FrameBuffer(
            width: (f.width + 7) & ~7, height: (f.height + 7) & ~7, bitDepthLuma: f.bitDepth,
            bitDepthChroma: f.bitDepth,
            margin: FrameBuffer.sourceMargin)
        for c in 0..<3 {
            let plane = picture.plane(c)
            let s = f.size(ofComponent: c)
            try frame.read(component: c, into: plane.origin, stride: plane.stride)
            plane.repeatBorder(width: s.width, height: s.height)
        }
        return picture
    }
}
