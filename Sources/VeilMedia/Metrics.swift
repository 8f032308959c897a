// SPDX-License-Identifier: GPL-2.0-or-later
import VeilCore
import VeilSystem

/// Distances between two videos of one format.
public struct VideoMeasurement: Codable, Sendable {
    public var frames = 0
    /// PSNR of each component in dB over all frames (from the mean squared error of the whole clip); equal videos
    /// give 99.
    public var psnrY = 0.0
    public var psnrCb = 0.0
    public var psnrCr = 0.0
    /// Mean of the frames' luma PSNR.
    public var meanFramePsnrY = 0.0
    /// Mean structural similarity of luma (Wang et al. 2004, 8x8 windows every 4 samples, uniform weights).
    public var ssimY = 0.0
    /// Fraction of differing bits between the luma samples.
    public var hammingDistance = 0.0
    /// Encryption quality: mean over the byte values of the absolute difference of their counts in the two luma
    /// planes, per frame.
    public var encryptionQuality = 0.0
    /// Luma PSNR of every frame.
    public var framePsnrY: [Double] = []
}

/// Accumulates a `VideoMeasurement` frame by frame.
public struct Metrics: Sendable {
    private let format: VideoFormat
    private var squares = [0.0, 0.0, 0.0]
    private var samples = [0, 0, 0]
    private var ssim = 0.0
    private var bits = 0.0
    private var quality = 0.0
    private var framePsnr: [Double] = []

    public init(format: VideoFormat) { self.format = format }

    public static func psnr(meanSquaredError mse: Double, bitDepth: Int) -> Double {
        let peak = Double((1 << bitDepth) - 1)
        return mse <= 0 ? 99 : min(10 * log10(peak * peak / mse), 99)
    }

    public mutating func add(_ a: VideoFrame, _ b: VideoFrame) {
        var lumaError = 0.0
        for c in 0..<format.chromaFormat.planeCount {
            var sum: UInt64 = 0
            let count = min(a.planes[c].count, b.planes[c].count)
            a.planes[c].withUnsafeBufferPointer { p in
                b.planes[c].withUnsafeBufferPointer { q in
                    for i in 0..<count {
                        let d = Int64(p[i]) - Int64(q[i])
                        sum &+= UInt64(bitPattern: d &* d)
                    }
                }
            }
            squares[c] += Double(sum)
            samples[c] += count
            if c == 0 { lumaError = Double(sum) / Double(max(count, 1)) }
        }
        framePsnr.append(Self.psnr(meanSquaredError: lumaError, bitDepth: format.bitDepth))
        ssim += Self.ssim(
            a.planes[0], b.planes[0], width: format.width, height: format.height, bitDepth: format.bitDepth)
        var differing = 0
        var counts = [Int](repeating: 0, count: 1 << format.bitDepth)
        for (x, y) in zip(a.planes[0], b.planes[0]) {
            differing += (x ^ y).nonzeroBitCount
            counts[Int(x) & (counts.count - 1)] += 1
            counts[Int(y) & (counts.count - 1)] -= 1
        }
        bits += Double(differing) / Double(max(a.planes[0].count, 1) * format.bitDepth)
        quality += counts.reduce(0.0) { $0 + Double(abs($1)) } / Double(counts.count)
    }

    public var result: VideoMeasurement {
        var m = VideoMeasurement()
        m.frames = framePsnr.count
        guard m.frames > 0 else { return m }
        func value(_ c: Int) -> Double {
            Self.psnr(meanSquaredError: squares[c] / Double(max(samples[c], 1)), bitDepth: format.bitDepth)
        }
        m.psnrY = value(0)
        m.psnrCb = value(1)
        m.psnrCr = value(2)
        m.meanFramePsnrY = framePsnr.reduce(0, +) / Double(m.frames)
        m.ssimY = ssim / Double(m.frames)
        m.hammingDistance = bits / Double(m.frames)
        m.encryptionQuality = quality / Double(m.frames)
        m.framePsnrY = framePsnr
        return m
    }

    /// Mean SSIM over 8x8 windows every 4 samples.
    public static func ssim(_ a: [UInt16], _ b: [UInt16], width: Int, height: Int, bitDepth: Int) -> Double {
        guard width >= 8, height >= 8 else { return a == b ? 1 : 0 }
        let peak = Double((1 << bitDepth) - 1)
        let c1 = (0.01 * peak) * (0.01 * peak)
        let c2 = (0.03 * peak) * (0.03 * peak)
        var total = 0.0
        var count = 0
        a.withUnsafeBufferPointer { p in
            b.withUnsafeBufferPointer { q in
                for y in stride(from: 0, through: height - 8, by: 4) {
                    for x in stride(from: 0, through: width - 8, by: 4) {
                        var sa = 0, sb = 0, saa = 0, sbb = 0, sab = 0
                        for j in 0..<8 {
                            let at = (y + j) * width + x
                            for i in 0..<8 {
                                let u = Int(p[at + i])
                                let v = Int(q[at + i])
                                sa &+= u
                                sb &+= v
                                saa &+= u &* u
                                sbb &+= v &* v
                                sab &+= u &* v
                            }
                        }
                        let ma = Double(sa) / 64
                        let mb = Double(sb) / 64
                        let va = Double(saa) / 64 - ma * ma
                        let vb = Double(sbb) / 64 - mb * mb
                        let cov = Double(sab) / 64 - ma * mb
                        total += ((2 * ma * mb + c1) * (2 * cov + c2)) / ((ma * ma + mb * mb + c1) * (va + vb + c2))
                        count += 1
                    }
                }
            }
        }
        return total / Double(max(count, 1))
    }
}
