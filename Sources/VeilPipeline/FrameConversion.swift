// SPDX-License-Identifier: GPL-2.0-or-later
import VeilMedia
import VeilRecon

extension FrameBuffer {
    /// A padded picture of a source frame: sizes rounded up to whole coding blocks of 8, borders repeated.
    package convenience init(_ frame: VideoFrame) {
        let f = frame.format
        self.init(
            width: (f.width + 7) & ~7, height: (f.height + 7) & ~7, bitDepthLuma: f.bitDepth, bitDepthChroma: f.bitDepth)
        for c in 0..<3 {
            let to = plane(c)
            let s = f.size(ofComponent: c)
            frame.planes[c].withUnsafeBufferPointer { from in
                for y in 0..<to.height {
                    let row = to.row(y)
                    let line = from.baseAddress! + min(y, s.height - 1) * s.width
                    row.update(from: line, count: s.width)
                    for x in s.width..<max(to.width, s.width) { row[x] = line[s.width - 1] }
                }
            }
        }
    }
}
