// SPDX-License-Identifier: GPL-2.0-or-later
import VeilMedia

extension RGBImage {
    /// A frame as RGB, no wider than `width`: wider ones are reduced by the mean of whole blocks of samples.
    init(_ frame: VideoFrame, width limit: Int) {
        let whole = RGBImage(frame)
        let factor = max((whole.width + limit - 1) / limit, 1)
        guard factor > 1 else {
            self = whole
            return
        }
        self.init(width: whole.width / factor, height: max(whole.height / factor, 1))
        for y in 0..<height {
            for x in 0..<width {
                for c in 0..<3 {
                    var sum = 0
                    var count = 0
                    for j in 0..<factor where y * factor + j < whole.height {
                        for i in 0..<factor {
                            sum += Int(whole.samples[((y * factor + j) * whole.width + x * factor + i) * 3 + c])
                            count += 1
                        }
                    }
                    samples[(y * width + x) * 3 + c] = UInt8((sum + count / 2) / max(count, 1))
                }
            }
        }
    }
}
