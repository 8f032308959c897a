// SPDX-License-Identifier: GPL-2.0-or-later
import TestSupport
import Testing
import VeilCore
import VeilEntropy
import VeilRecon

@testable import VeilEncoder

@Suite struct QuantizerTests {
    private let stride = 40

    private func slice(bitDepth: Int) -> SliceContext {
        var constants = SliceConstants(SliceParameters(grid: CTBGrid(width: 64, height: 64, log2CtbSize: 6)))
        constants.parameters.bitDepthY = bitDepth
        constants.parameters.bitDepthC = bitDepth
        constants.cbQpOffset = 2
        constants.crQpOffset = -3
        return SliceContext(constants: constants)
    }

    /// Source and prediction with a difference that some coefficients are needed for.
    private func blocks(_ n: Int, _ maximum: Int, _ random: inout SplitMix) -> (source: [UInt16], prediction: [UInt16])
    {
        var source = [UInt16](repeating: 0, count: stride * n)
        var prediction = source
        let slope = Int.random(in: -6...6, using: &random)
        let noise = [0, 3, maximum / 8][Int.random(in: 0...2, using: &random)]
        for y in 0..<n {
            for x in 0..<n {
                let p = Int.random(in: 0...maximum, using: &random)
                let d = slope * (x - y) + Int.random(in: -noise...noise, using: &random)
                prediction[y * stride + x] = UInt16(p)
                source[y * stride + x] = UInt16(min(maximum, max(0, p + d)))
            }
        }
        return (source, prediction)
    }

    /// Has samples changed in place, as a block.
    private func change<Sample>(_ samples: inout [Sample], _ body: (SampleBlock) -> Void) {
        samples.withUnsafeMutableBufferPointer {
            body(SampleBlock($0.baseAddress!, stride: stride, isNarrow: MemoryLayout<Sample>.size == 1))
        }
    }

    /// Shows samples as blocks.
    private func withBlocks<Sample, Result>(
        _ source: [Sample], _ prediction: [Sample], _ body: (SampleBlock, SampleBlock) -> Result
    ) -> Result {
        var (source, prediction) = (source, prediction)
        var result: Result?
        change(&source) { a in change(&prediction) { b in result = body(a, b) } }
        return result!
    }

    /// What the encoder makes of levels is what the decoder makes of them, sample for sample.
    @Test(arguments: [8, 10]) func reconstructsAsTheDecoder(bitDepth: Int) {
        var random = SplitMix(state: UInt64(bitDepth))
        let slice = slice(bitDepth: bitDepth)
        let memory = DecisionMemory()
        let narrowMemory = DecisionMemory(isNarrow: true)
        let decoder = ResidualDecoder()
        let maximum = (1 << bitDepth) - 1
        var kinds = 0
        for trial in 0..<240 {
            let log2 = 2 + trial % 4
            let n = 1 << log2
            let cIdx = log2 == 5 ? 0 : trial / 4 % 3
            let isIntra = trial / 12 % 2 == 0
            let transform: ResidualTransform =
                log2 == 2 && trial / 24 % 3 == 0 ? .none : log2 == 2 && isIntra && cIdx == 0 ? .sine : .cosine
            let qpY = Int.random(in: 4...51, using: &random)
            let quantization = Quantization(qp: qpY, slice: slice, lambda: 20, memory: memory)
            let quantizer = isIntra ? quantization.intra : quantization.inter
            let (source, prediction) = blocks(n, maximum, &random)
            let levels = Buffer<Int16>(repeating: 0, count: 1024)
            let count = withBlocks(source, prediction) {
                quantizer.quantize(
                    source: $0, prediction: $1, log2: log2, cIdx: cIdx, transform: transform, levels: levels.view)
            }
            #expect(count == (0..<n * n).count { levels[$0] != 0 }, "trial \(trial)")
            if count == 0 { continue }
            kinds |= 1 << (transform == .none ? 0 : transform == .sine ? 1 : log2)
            var made = prediction
            var decoded = prediction
            change(&made) {
                quantizer.reconstruct(
                    levels: levels.view.reading, to: $0, log2: log2, cIdx: cIdx, transform: transform)
            }
            change(&decoded) {
                decoder.add(
                    levels: levels.view.reading, to: $0, cIdx: cIdx, log2Size: log2,
                    kind: transform == .none ? .transformSkip : .transform,
                    ResidualParameters(slice: slice, qpY: qpY, isIntra: isIntra))
            }
            #expect(made == decoded, "trial \(trial): size \(n), component \(cIdx), QP \(qpY), \(transform)")
            if bitDepth > 8 { continue }
            // The same from samples of one byte.
            let narrow = Quantization(qp: qpY, slice: slice, lambda: 20, memory: narrowMemory)
            let bytes = isIntra ? narrow.intra : narrow.inter
            var made8 = prediction.map { UInt8($0) }
            let levels8 = Buffer<Int16>(repeating: 0, count: 1024)
            _ = withBlocks(source.map { UInt8($0) }, made8) {
                bytes.quantize(
                    source: $0, prediction: $1, log2: log2, cIdx: cIdx, transform: transform, levels: levels8.view)
            }
            change(&made8) {
                bytes.reconstruct(
                    levels: levels8.view.reading, to: $0, log2: log2, cIdx: cIdx, transform: transform)
            }
            let isSame = (0..<1024).allSatisfy { levels8[$0] == levels[$0] }
            #expect(isSame && made8.map { UInt16($0) } == made, "trial \(trial) in bytes")
        }
        // Every kind and size came about.
        #expect(kinds == 0b111111)
    }

    /// A level is off by the rounding at most, and what it leaves of its coefficient is what `remainders` says.
    @Test func levelsAreNearTheirCoefficients() {
        var random = SplitMix(state: 7)
        let slice = slice(bitDepth: 8)
        let memory = DecisionMemory()
        let forward = [26214, 23302, 20560, 18396, 16384, 14564]
        for trial in 0..<120 {
            let log2 = 2 + trial % 4
            let n = 1 << log2
            let qp = Int.random(in: 0...51, using: &random)
            let quantizer = Quantization(qp: qp, slice: slice, lambda: 20, memory: memory).intra
            let (source, prediction) = blocks(n, 255, &random)
            let levels = Buffer<Int16>(repeating: 0, count: 1024)
            _ = withBlocks(source, prediction) {
                quantizer.quantize(
                    source: $0, prediction: $1, log2: log2, cIdx: 0, transform: .cosine, levels: levels.view,
                    remains: true)
            }
            // In steps: coefficient * scale / 2^shift.
            let scale = Double(forward[qp % 6]) / Double(1 << (21 - log2 + qp / 6))
            for i in 0..<n * n {
                let exact = abs(Double(quantizer.coefficients[i])) * scale
                let level = Double(abs(Int(levels[i])))
                // A third of a step is enough for the next level.
                #expect(exact - level < 1 - 171.0 / 512 + 0.01 && exact - level > -171.0 / 512 - 0.01)
                #expect(levels[i] == 0 || (levels[i] < 0) == (quantizer.coefficients[i] < 0))
                #expect(abs(Double(quantizer.remainders[i]) / 256 - (exact - level)) < 0.01)
            }
            quantizer.quantizeToNearest(log2: log2, cIdx: 0, levels: levels.view)
            for i in 0..<n * n {
                let exact = abs(Double(quantizer.coefficients[i])) * scale
                #expect(abs(exact - Double(abs(Int(levels[i])))) < 0.51)
            }
        }
    }
}
