// SPDX-License-Identifier: GPL-2.0-or-later
import CVeilKernels
import VeilCore
import VeilRecon
import VeilSystem

/// Finer quantization of flat blocks than of busy ones, where errors are seen less, signalled with cu_qp_delta_abs in
/// blocks of 16x16.
public struct AdaptiveQuantization: Equatable, Sendable {
    public enum Mode: Int, Sendable {
        /// QP rises with the logarithm of a block's variance.
        case variance = 1
        /// The same with a strength that follows the picture: its mean QP stays about what it was.
        case autoVariance = 2
    }
    public var mode = Mode.autoVariance
    /// 1 is what x265 takes as its default; no more than 3.
    public var strength = 1.0

    public init(mode: Mode = .autoVariance, strength: Double = 1) {
        self.mode = mode
        self.strength = strength
    }

    /// log2 of a quantization group's side.
    static let log2GroupSize = 4
}

/// QP offsets of one picture's 16x16 blocks, made when the first worker asks for them.
final class QuantizationOffsets: @unchecked Sendable {
    private let source: FrameBuffer
    private let settings: AdaptiveQuantization
    private let widthInBlocks: Int
    private let heightInBlocks: Int
    private let lock = Lock()
    private nonisolated(unsafe) var offsets: [Float] = []
    /// Offsets stay far from what CuQpDeltaVal can say.
    private static let maxOffset: Float = 10

    init(source: FrameBuffer, settings: AdaptiveQuantization) {
        self.source = source
        self.settings = settings
        widthInBlocks = (source.planes.0.width + 15) / 16
        heightInBlocks = (source.planes.0.height + 15) / 16
    }

    /// Makes the offsets, or waits for who does.
    func prepare() { lock.withLock { if offsets.isEmpty { offsets = make() } } }

    /// Mean offset of a block of `size` luma samples at (x, y), to the nearest. `prepare` must have been called.
    func offset(x: Int, y: Int, size: Int) -> Int {
        let x1 = min((x + size + 15) >> 4, widthInBlocks)
        let y1 = min((y + size + 15) >> 4, heightInBlocks)
        var sum: Float = 0
        for by in y >> 4..<y1 {
            for bx in x >> 4..<x1 { sum += offsets[by * widthInBlocks + bx] }
        }
        return Int((sum / Float((x1 - (x >> 4)) * (y1 - (y >> 4)))).rounded())
    }

    private func make() -> [Float] {
        let depth = source.bitDepthLuma
        var result = [Float](repeating: 0, count: widthInBlocks * heightInBlocks)
        let strength = Float(settings.strength)
        switch settings.mode {
        case .variance:
            // Variances of 2^14.4, at 8 bits, are left alone.
            for i in result.indices {
                result[i] = strength * 1.04 * (log2(max(energy(i), 1)) - 14.427 - 2 * Float(depth - 8))
            }
        case .autoVariance:
            let scale = exp2(-2 * Float(depth - 8))
            var mean: Float = 0
            var square: Float = 0
            for i in result.indices {
                let activity = pow(energy(i) * scale + 1, 0.1)
                result[i] = activity
                mean += activity
                square += activity * activity
            }
            mean /= Float(result.count)
            square /= Float(result.count)
            let centre = mean - 0.5 * (square - 11) / mean
            for i in result.indices { result[i] = strength * mean * (result[i] - centre) }
        }
        for i in result.indices { result[i] = min(max(result[i], -Self.maxOffset), Self.maxOffset) }
        return result
    }

    /// Squared differences from the mean of the samples of a 16x16 block, all components together.
    private func energy(_ block: Int) -> Float {
        let x = block % widthInBlocks * 16
        let y = block / widthInBlocks * 16
        var total: Float = 0
        for cIdx in 0..<3 {
            let s = cIdx == 0 ? 0 : 1
            let plane = source.plane(cIdx)
            let w = min(16 >> s, plane.width - (x >> s))
            let h = min(16 >> s, plane.height - (y >> s))
            var sum: UInt32 = 0
            var squares: UInt32 = 0
            veil_any_sums(
                plane.isNarrow, plane.address(x >> s, y >> s), plane.stride, Int32(w), Int32(h), &sum, &squares)
            total += Float(squares) - Float(sum) * Float(sum) / Float(w * h)
        }
        return max(total, 0)
    }
}
