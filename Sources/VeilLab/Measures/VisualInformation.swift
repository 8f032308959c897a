// SPDX-License-Identifier: GPL-2.0-or-later
import VeilSystem

/// Visual information fidelity in the pixel domain (Sheikh and Bovik 2006): how much of the information that a
/// reference picture gives through a noisy visual channel still comes through in the distorted one, over four scales.
/// 1: all of it; 0: none.
///
/// Scale s = 1 ... 4 uses a Gaussian window of N = 2^(5 - s) + 1 taps with standard deviation N / 5, valid samples
/// only; from the second on both pictures are filtered with it and halved first. Noise variance 2 on the scale of
/// 8-bit samples.
public enum VisualInformation {
    private static let noise: Float = 2

    private struct Map {
        var width: Int
        var height: Int
        var samples: [Float]
    }

    /// - Returns: nil where the picture is too small for the first scale (17 samples).
    public static func fidelity(
        _ reference: [UInt16], _ distorted: [UInt16], width: Int, height: Int, bitDepth: Int = 8
    ) -> Double? {
        guard width >= 17, height >= 17, reference.count >= width * height, distorted.count >= width * height else {
            return nil
        }
        let scale = 1 / Float(1 << (bitDepth - 8))
        var a = Map(width: width, height: height, samples: reference.map { Float($0) * scale })
        var b = Map(width: width, height: height, samples: distorted.map { Float($0) * scale })
        var numerator = 0.0
        var denominator = 0.0
        for s in 1...4 {
            let taps = (1 << (5 - s)) + 1
            let window = gaussian(taps)
            if s > 1 {
                guard a.width >= taps, a.height >= taps else { break }
                a = halved(filtered(a, window))
                b = halved(filtered(b, window))
            }
            guard a.width >= taps, a.height >= taps else { break }
            let (n, d) = information(a, b, window)
            numerator += n
            denominator += d
        }
        // A flat reference holds no information: what equals it keeps all of it.
        return denominator > 0 ? numerator / denominator : reference == distorted ? 1 : 0
    }

    /// Information of one scale in the distorted and in the reference picture.
    private static func information(_ a: Map, _ b: Map, _ window: [Float]) -> (Double, Double) {
        func product(_ x: Map, _ y: Map) -> Map {
            var result = x
            result.samples.withUnsafeMutableBufferPointer { out in
                y.samples.withUnsafeBufferPointer { other in for i in 0..<out.count { out[i] *= other[i] } }
            }
            return filtered(result, window)
        }
        let meanA = filtered(a, window).samples
        let meanB = filtered(b, window).samples
        let aa = product(a, a).samples
        let bb = product(b, b).samples
        let ab = product(a, b).samples
        var numerator = 0.0
        var denominator = 0.0
        let tiny: Float = 1e-10
        for i in 0..<meanA.count {
            var varianceA = max(aa[i] - meanA[i] * meanA[i], 0)
            let varianceB = max(bb[i] - meanB[i] * meanB[i], 0)
            let covariance = ab[i] - meanA[i] * meanB[i]
            var gain = covariance / (varianceA + tiny)
            var rest = varianceB - gain * covariance
            // In sums of squares near 2^16 single precision leaves about 0.01; less than that is flat.
            if varianceA < 1e-2 {
                gain = 0
                rest = varianceB
                varianceA = 0
            }
            if varianceB < 1e-2 {
                gain = 0
                rest = 0
            }
            if gain < 0 {
                rest = varianceB
                gain = 0
            }
            rest = max(rest, tiny)
            numerator += Double(log2(1 + gain * gain * varianceA / (rest + noise)))
            denominator += Double(log2(1 + varianceA / noise))
        }
        return (numerator, denominator)
    }

    private static func gaussian(_ taps: Int) -> [Float] {
        let sigma = Double(taps) / 5
        let weights = (0..<taps).map { i -> Double in
            let d = Double(i - taps / 2)
            return exp(-d * d / (2 * sigma * sigma))
        }
        let sum = weights.reduce(0, +)
        return weights.map { Float($0 / sum) }
    }

    /// Separable filter; only positions where the window lies inside.
    private static func filtered(_ map: Map, _ window: [Float]) -> Map {
        let taps = window.count
        let w = map.width - taps + 1
        let h = map.height - taps + 1
        var rows = [Float](repeating: 0, count: map.width * h)
        var result = [Float](repeating: 0, count: w * h)
        map.samples.withUnsafeBufferPointer { input in
            rows.withUnsafeMutableBufferPointer { mid in
                for y in 0..<h {
                    let out = mid.baseAddress! + y * map.width
                    for k in 0..<taps {
                        let row = input.baseAddress! + (y + k) * map.width
                        let weight = window[k]
                        for x in 0..<map.width { out[x] += weight * row[x] }
                    }
                }
                result.withUnsafeMutableBufferPointer { output in
                    for y in 0..<h {
                        let row = mid.baseAddress! + y * map.width
                        let out = output.baseAddress! + y * w
                        for k in 0..<taps {
                            let weight = window[k]
                            for x in 0..<w { out[x] += weight * row[x + k] }
                        }
                    }
                }
            }
        }
        return Map(width: w, height: h, samples: result)
    }

    private static func halved(_ map: Map) -> Map {
        let w = (map.width + 1) / 2
        let h = (map.height + 1) / 2
        var samples = [Float](repeating: 0, count: w * h)
        for y in 0..<h { for x in 0..<w { samples[y * w + x] = map.samples[2 * y * map.width + 2 * x] } }
        return Map(width: w, height: h, samples: samples)
    }
}
