// SPDX-License-Identifier: GPL-2.0-or-later
import Foundation

/// Down-sampling of a layer's source for the layer below, with the sample positions that the standard's up-sampling assumes by
/// default (H.8.1.4): luma sample (0, 0) of both layers coincide; chroma coincides horizontally, and vertically lies half a luma
/// sample below, so that chroma row j of the small picture stands at row ratio * j + (ratio - 1) / 4 of the large one.
///
/// Each output sample is a sum of input samples weighted by a cosine-windowed sinc of the output's bandwidth:
/// w(d) = sinc(d / ratio) * cos(pi / 2 * d / (3 * ratio)) for |d| < 3 * ratio, normalised, in 14-bit integers.
public struct Downsampler: Sendable {
    private struct Axis: Sendable {
        var first: [Int]
        var weights: [[Int32]]

        init(from input: Int, to output: Int, ratio: Double, offset: Double) {
            first = []
            weights = []
            let reach = 3 * max(ratio, 1)
            for i in 0..<output {
                let centre = Double(i) * ratio + offset
                let start = Int((centre - reach).rounded(.down)) + 1
                let end = Int((centre + reach).rounded(.up)) - 1
                var w: [Double] = []
                for k in start...max(end, start) {
                    let d = (Double(k) - centre) / max(ratio, 1)
                    let sinc = abs(d) < 1e-9 ? 1 : sin(.pi * d) / (.pi * d)
                    w.append(abs(d) < 3 ? sinc * cos(.pi / 2 * d / 3) : 0)
                }
                let sum = w.reduce(0, +)
                var fixed = w.map { Int32(($0 / sum * 16384).rounded()) }
                // The rounding error goes to the largest weight, so that flat areas stay what they are.
                let error = 16384 - fixed.reduce(0, +)
                if let peak = fixed.indices.max(by: { fixed[$0] < fixed[$1] }) { fixed[peak] += error }
                first.append(start)
                weights.append(fixed)
            }
        }
    }

    public let source: VideoFormat
    public let target: VideoFormat
    private let columns: [Axis]
    private let rows: [Axis]

    /// `ratio`: source size over target size, as the layers are to be related; nil for the ratio of the sizes.
    public init(source: VideoFormat, target: VideoFormat) {
        self.source = source
        self.target = target
        let rx = Double(source.width) / Double(target.width)
        let ry = Double(source.height) / Double(target.height)
        func axis(_ c: Int, horizontal: Bool) -> Axis {
            let a = source.size(ofComponent: c)
            let b = target.size(ofComponent: c)
            let ratio = horizontal ? rx : ry
            return Axis(
                from: horizontal ? a.width : a.height, to: horizontal ? b.width : b.height, ratio: ratio,
                offset: c > 0 && !horizontal ? (ratio - 1) / 4 : 0)
        }
        columns = [axis(0, horizontal: true), axis(1, horizontal: true)]
        rows = [axis(0, horizontal: false), axis(1, horizontal: false)]
    }

    public func callAsFunction(_ frame: VideoFrame) -> VideoFrame {
        VideoFrame(format: target, planes: (0..<3).map { plane($0, frame) })
    }

    private func plane(_ c: Int, _ frame: VideoFrame) -> [UInt16] {
        let a = source.size(ofComponent: c)
        let b = target.size(ofComponent: c)
        let horizontal = columns[min(c, 1)]
        let vertical = rows[min(c, 1)]
        let limit = Int32((1 << source.bitDepth) - 1)
        // Rows first: the vertical pass runs along whole rows.
        var narrow = [Int32](repeating: 0, count: a.width * b.height)
        var result = [UInt16](repeating: 0, count: b.width * b.height)
        frame.planes[c].withUnsafeBufferPointer { input in
            narrow.withUnsafeMutableBufferPointer { mid in
                for y in 0..<b.height {
                    let out = mid.baseAddress! + y * a.width
                    for (k, w) in vertical.weights[y].enumerated() where w != 0 {
                        let row = input.baseAddress! + min(max(vertical.first[y] + k, 0), a.height - 1) * a.width
                        for x in 0..<a.width { out[x] &+= w &* Int32(row[x]) }
                    }
                    // Four bits of precision are kept between the passes.
                    for x in 0..<a.width { out[x] = (out[x] &+ 512) &>> 10 }
                }
                result.withUnsafeMutableBufferPointer { out in
                    for y in 0..<b.height {
                        let row = mid.baseAddress! + y * a.width
                        for x in 0..<b.width {
                            var sum: Int64 = 1 << 17
                            let start = horizontal.first[x]
                            horizontal.weights[x].withUnsafeBufferPointer { w in
                                for k in 0..<w.count { sum &+= Int64(w[k]) &* Int64(row[min(max(start + k, 0), a.width - 1)]) }
                            }
                            out[y * b.width + x] = UInt16(min(max(Int32(sum >> 18), 0), limit))
                        }
                    }
                }
            }
        }
        return result
    }
}
