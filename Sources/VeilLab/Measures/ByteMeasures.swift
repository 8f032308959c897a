// SPDX-License-Identifier: GPL-2.0-or-later

/// The measures of the paper's Table 2 and the statistics of its kind of analysis, on one plane of samples.
public enum ByteMeasures {
    /// How often each value occurs: 256 entries; of deeper samples the eight upper bits count.
    public static func histogram(_ plane: [UInt16], bitDepth: Int = 8) -> [Int] {
        var counts = [Int](repeating: 0, count: 256)
        let shift = UInt16(max(bitDepth - 8, 0))
        plane.withUnsafeBufferPointer { p in
            counts.withUnsafeMutableBufferPointer { c in for sample in p { c[min(Int(sample >> shift), 255)] &+= 1 } }
        }
        return counts
    }

    /// Encryption quality: (1 / 256) * sum over the byte values v of |count of v in a - count of v in b|.
    ///
    /// It grows with the number of samples: at most 2 * n / 256 for n samples.
    public static func encryptionQuality(_ a: [UInt16], _ b: [UInt16], bitDepth: Int = 8) -> Double {
        zip(histogram(a, bitDepth: bitDepth), histogram(b, bitDepth: bitDepth)).reduce(0.0) {
            $0 + Double(abs($1.0 - $1.1))
        } / 256
    }

    /// The largest encryption quality that planes of `samples` samples can have: no value in common.
    public static func largestEncryptionQuality(samples: Int) -> Double { 2 * Double(samples) / 256 }

    /// Hamming distance: differing bits over all bits of the two planes, sample by sample.
    public static func hammingDistance(_ a: [UInt16], _ b: [UInt16], bitDepth: Int = 8) -> Double {
        let count = min(a.count, b.count)
        var differing = 0
        a.withUnsafeBufferPointer { p in
            b.withUnsafeBufferPointer { q in for i in 0..<count { differing &+= (p[i] ^ q[i]).nonzeroBitCount } }
        }
        return Double(differing) / Double(max(count, 1) * bitDepth)
    }

    /// Mean of the squared differences.
    public static func meanSquaredError(_ a: [UInt16], _ b: [UInt16]) -> Double {
        let count = min(a.count, b.count)
        var sum: UInt64 = 0
        a.withUnsafeBufferPointer { p in
            b.withUnsafeBufferPointer { q in
                for i in 0..<count {
                    let d = Int64(p[i]) - Int64(q[i])
                    sum &+= UInt64(bitPattern: d &* d)
                }
            }
        }
        return Double(sum) / Double(max(count, 1))
    }

    /// Directions in which neighbouring samples are compared.
    public enum Direction: String, CaseIterable, Sendable {
        case horizontal, vertical, diagonal
        var step: (x: Int, y: Int) { self == .horizontal ? (1, 0) : self == .vertical ? (0, 1) : (1, 1) }
    }

    /// Pearson's correlation of all samples with their neighbours in a direction; 0 for a flat plane.
    public static func neighbourCorrelation(
        _ plane: [UInt16], width: Int, height: Int, _ direction: Direction
    ) -> Double {
        let step = direction.step
        var pairs = Correlation()
        guard width > step.x, height > step.y, plane.count >= width * height else { return 0 }
        plane.withUnsafeBufferPointer { p in
            for y in 0..<(height - step.y) {
                for x in 0..<(width - step.x) {
                    let i = y * width + x
                    pairs.add(Double(p[i]), Double(p[i + step.y * width + step.x]))
                }
            }
        }
        return pairs.coefficient
    }
}

/// Pearson's correlation coefficient of pairs as they come.
struct Correlation {
    private var n = 0.0, sx = 0.0, sy = 0.0, sxx = 0.0, syy = 0.0, sxy = 0.0

    @inline(__always)
    mutating func add(_ x: Double, _ y: Double) {
        n += 1
        sx += x
        sy += y
        sxx += x * x
        syy += y * y
        sxy += x * y
    }

    /// 0 when one side never changes.
    var coefficient: Double {
        let vx = n * sxx - sx * sx
        let vy = n * syy - sy * sy
        return vx <= 0 || vy <= 0 ? 0 : (n * sxy - sx * sy) / (vx * vy).squareRoot()
    }
}
