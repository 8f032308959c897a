// SPDX-License-Identifier: GPL-2.0-or-later

/// Edges of a luma plane, and how those of two planes agree.
public enum EdgeMeasures {
    /// A sample is an edge when |gx| + |gy| of the Sobel operator reaches this, on the scale of 8-bit samples.
    public static let threshold = 160

    /// Edge map by the Sobel operator, one byte a sample (0 or 1); the outermost samples are none.
    public static func edges(_ plane: [UInt16], width: Int, height: Int, bitDepth: Int = 8) -> [UInt8] {
        let limit = Int32(threshold << (bitDepth - 8))
        var map = [UInt8](repeating: 0, count: width * height)
        gradients(plane, width: width, height: height) { at, magnitude in if magnitude >= limit { map[at] = 1 } }
        return map
    }

    /// |gx| + |gy| of the Sobel operator at every inner sample.
    static func gradients(_ plane: [UInt16], width: Int, height: Int, _ body: (Int, Int32) -> Void) {
        guard width >= 3, height >= 3, plane.count >= width * height else { return }
        plane.withUnsafeBufferPointer { p in
            for y in 1..<(height - 1) {
                for x in 1..<(width - 1) {
                    let i = y * width + x
                    func s(_ offset: Int) -> Int32 { Int32(p[i + offset]) }
                    let right = s(1 - width) + 2 * s(1) + s(1 + width)
                    let left = s(-1 - width) + 2 * s(-1) + s(-1 + width)
                    let below = s(width - 1) + 2 * s(width) + s(width + 1)
                    let above = s(-width - 1) + 2 * s(-width) + s(-width + 1)
                    body(i, abs(right - left) + abs(below - above))
                }
            }
        }
    }

    /// Edge differential ratio: the sum of |P - P'| over the sum of |P + P'| for the edge maps P and P'. 0: the same
    /// edges; 1: no edge in common. 0 when neither has an edge. 1 - EDR is the Dice coefficient of the two maps,
    /// "edge similarity".
    public static func differentialRatio(_ a: [UInt8], _ b: [UInt8]) -> Double {
        var difference = 0
        var sum = 0
        for (x, y) in zip(a, b) {
            difference += x == y ? 0 : 1
            sum += Int(x) + Int(y)
        }
        return sum == 0 ? 0 : Double(difference) / Double(sum)
    }

    /// Edge differential ratio of two luma planes.
    public static func differentialRatio(
        _ a: [UInt16], _ b: [UInt16], width: Int, height: Int, bitDepth: Int = 8
    ) -> Double {
        differentialRatio(
            edges(a, width: width, height: height, bitDepth: bitDepth),
            edges(b, width: width, height: height, bitDepth: bitDepth))
    }
}
