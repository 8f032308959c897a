// SPDX-License-Identifier: GPL-2.0-or-later
import CVeilKernels
import VeilCore
import VeilSystem

/// Down-sampling of a layer's source for the layer below, with the sample positions that the standard's up-sampling
/// assumes by default (H.8.1.4): luma sample (0, 0) of both layers coincide; chroma coincides horizontally, and
/// vertically, in 4:2:0, lies half a luma sample below, so that chroma row j of the small picture stands at row
/// ratio * j + (ratio - 1) / 4 of the large one.
///
/// Each output sample is a sum of input samples weighted by a cosine-windowed sinc of the output's bandwidth:
/// w(d) = sinc(d / ratio) * cos(pi / 2 * d / (3 * ratio)) for |d| < 3 * ratio, normalized, in 14-bit integers.
public struct Downsampler: Sendable {
    private struct Axis: Sendable {
        /// Position of the first tap of every output sample, and the taps, `taps` each: a multiple of 8, the last
        /// ones 0.
        var first: [Int32] = []
        var weights: [Int16] = []
        let taps: Int
        /// Samples that taps reach beyond either end of the input, at most.
        let reach: Int

        init(to output: Int, ratio: Double, offset: Double) {
            let radius = 3 * max(ratio, 1)
            taps = (Int((2 * radius).rounded(.up)) + 1 + 7) & ~7
            reach = Int(radius.rounded(.up)) + taps + Int(ratio.rounded(.up))
            for i in 0..<output {
                let centre = Double(i) * ratio + offset
                let start = Int((centre - radius).rounded(.down)) + 1
                var w: [Double] = []
                for k in start..<(start + taps) {
                    let d = (Double(k) - centre) / max(ratio, 1)
                    let sinc = abs(d) < 1e-9 ? 1 : sin(.pi * d) / (.pi * d)
                    w.append(abs(d) < 3 ? sinc * cos(.pi / 2 * d / 3) : 0)
                }
                let sum = w.reduce(0, +)
                var fixed = w.map { Int(($0 / sum * 16384).rounded()) }
                // The rounding error goes to the largest weight, so that flat areas stay what they are.
                let error = 16384 - fixed.reduce(0, +)
                if let peak = fixed.indices.max(by: { fixed[$0] < fixed[$1] }) { fixed[peak] += error }
                first.append(Int32(start))
                weights += fixed.map { Int16(clamping: $0) }
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
            let b = target.size(ofComponent: c)
            let ratio = horizontal ? rx : ry
            let isBetween = c > 0 && !horizontal && target.chromaFormat == .yuv420
            return Axis(
                to: horizontal ? b.width : b.height, ratio: ratio, offset: isBetween ? (ratio - 1) / 4 : 0)
        }
        columns = [axis(0, horizontal: true), axis(1, horizontal: true)]
        rows = [axis(0, horizontal: false), axis(1, horizontal: false)]
    }

    public func callAsFunction(_ frame: VideoFrame) -> VideoFrame {
        let result = VideoFrame(format: target)
        self(frame, into: result)
        return result
    }

    /// Writes over the samples of `result`, a frame of the target's size.
    public func callAsFunction(_ frame: VideoFrame, into result: VideoFrame) {
        precondition(
            result.format.width == target.width && result.format.height == target.height, "a frame of the target's size"
        )
        for c in 0..<target.chromaFormat.planeCount { scale(c, frame, into: &result.planes[c]) }
    }

    private func scale(_ c: Int, _ frame: VideoFrame, into result: inout [UInt16]) {
        let a = source.size(ofComponent: c)
        let b = target.size(ofComponent: c)
        let horizontal = columns[min(c, 1)]
        let vertical = rows[min(c, 1)]
        let limit = Int32((1 << source.bitDepth) - 1)
        let margin = horizontal.reach
        result.withUnsafeMutableBufferPointer { out in
            frame.planes[c].withUnsafeBufferPointer { input in
                withUnsafeTemporaryAllocation(of: Int16.self, capacity: a.width + 2 * margin) { line in
                    withUnsafeTemporaryAllocation(of: UnsafePointer<UInt16>?.self, capacity: vertical.taps) { taps in
                        guard let from = input.baseAddress, let to = out.baseAddress, let line = line.baseAddress else {
                            return
                        }
                        // Rows first: the vertical pass runs along whole rows, and keeps four bits of precision.
                        let middle = line + margin
                        for y in 0..<b.height {
                            let start = Int(vertical.first[y])
                            for k in 0..<vertical.taps {
                                taps[k] = from + min(max(start + k, 0), a.height - 1) * a.width
                            }
                            vertical.weights.withUnsafeBufferPointer {
                                veil_scale_v(
                                    middle, taps.baseAddress!, $0.baseAddress! + y * vertical.taps,
                                    Int32(vertical.taps), Int32(a.width))
                            }
                            line.update(repeating: middle[0], count: margin)
                            (middle + a.width).update(repeating: middle[a.width - 1], count: margin)
                            veil_scale_h(
                                to + y * b.width, middle, horizontal.first, horizontal.weights, Int32(horizontal.taps),
                                Int32(b.width), limit)
                        }
                    }
                }
            }
        }
    }
}
