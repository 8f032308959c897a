// SPDX-License-Identifier: GPL-2.0-or-later
import Foundation
import Testing
import VeilBitstream
import VeilCore
import VeilDecoder
import VeilEncoder
import VeilRecon

/// Layers in number, sizes and depths, and the ways of setting their rate: what the encoder holds is what the decoder
/// gives.
@Suite(.enabled(if: BaseLayerEncoder.isAvailable, "libx265 is not built in"))
struct ScalableLayerTests: LayeredClips {
    @Test func threeLayersAndOddRatios() throws {
        let layers = [
            ClipLayer(width: 50, height: 34), ClipLayer(width: 75, height: 51),
            ClipLayer(width: 75, height: 51, references: [1]),
        ]
        let coded = try encode(layers)
        try check(coded, layers: 3)
        #expect(bytes(try encode(layers, threads: 1).nals) == bytes(coded.nals))
    }

    @Test func aLayerUponTheBaseLayerPastAnother() throws {
        let layers = [
            ClipLayer(width: 48, height: 32), ClipLayer(width: 96, height: 64),
            ClipLayer(width: 144, height: 96, references: [0]),
        ]
        try check(try encode(layers), layers: 3)
    }

    @Test(arguments: [(8, 10), (10, 10)]) func tenBits(depths: (Int, Int)) throws {
        let layers = [
            ClipLayer(width: 48, height: 32, depth: depths.0), ClipLayer(width: 96, height: 64, depth: depths.1),
        ]
        try check(try encode(layers), layers: 2)
    }

    @Test func withoutWavefrontsMotionOrInterLayerPrediction() throws {
        let layers = [ClipLayer(width: 48, height: 32), ClipLayer(width: 96, height: 64)]
        try check(try encode(layers) { $0.enhancements[0].tools.wavefront = false }, layers: 2)
        try check(try encode(layers) { $0.enhancements[0].tools.interLayerMotion = false }, layers: 2)
        try check(try encode(layers) { $0.enhancements[0].interLayerPrediction = false }, layers: 2)
    }

    /// Rows decided side by side and written as one substream, with QPs that go from the end of one row to the start
    /// of the next.
    @Test(arguments: [nil, AdaptiveQuantization(mode: .variance, strength: 2.5)]) func withoutWavefronts(
        _ quantization: AdaptiveQuantization?
    ) throws {
        let layers = [ClipLayer(width: 64, height: 40), ClipLayer(width: 136, height: 88)]
        func encode(threads: Int, slices: Int) throws -> CodedClip {
            try self.encode(layers, threads: threads) {
                $0.enhancements[0].tools.wavefront = false
                $0.enhancements[0].tools.sao = true
                $0.enhancements[0].adaptiveQuantization = quantization
                $0.enhancements[0].slices = slices
            }
        }
        for slices in 1...2 {
            let coded = try encode(threads: 3, slices: slices)
            try check(coded, layers: 2)
            #expect(bytes(try encode(threads: 1, slices: slices).nals) == bytes(coded.nals))
        }
    }

    /// Quantization groups of 16x16, whose QP follows the source, at sizes that cut them; more bits or fewer than
    /// without.
    @Test(arguments: [AdaptiveQuantization.Mode.variance, .autoVariance]) func adaptiveQuantization(
        mode: AdaptiveQuantization.Mode
    ) throws {
        let layers = [ClipLayer(width: 64, height: 40), ClipLayer(width: 136, height: 88)]
        let plain = try encode(layers)
        let adapted = try encode(layers) {
            $0.enhancements[0].adaptiveQuantization = AdaptiveQuantization(mode: mode, strength: 1.5)
        }
        try check(adapted, layers: 2)
        #expect(plain.bytes.map { $0[1] } != adapted.bytes.map { $0[1] })
        let again = try encode(layers, threads: 1, options: [("keyint", "6"), ("qp", "28"), ("frame-threads", "2")]) {
            $0.enhancements[0].adaptiveQuantization = AdaptiveQuantization(mode: mode, strength: 1.5)
        }
        #expect(
            bytes(again.nals.filter { $0.header.nuhLayerId == 1 })
                == bytes(adapted.nals.filter { $0.header.nuhLayerId == 1 }))
    }

    /// Average rate: within a quarter of the target once there is something to learn from, whatever the number of
    /// threads.
    @Test func averageRate() throws {
        let layers = [ClipLayer(width: 48, height: 32), ClipLayer(width: 96, height: 64)]
        let frames = 100
        func run(_ kilobits: Double, threads: Int) throws -> CodedClip {
            try encode(layers, frames: frames, threads: threads, options: [("qp", "30")]) {
                $0.enhancements[0].rate = .bitrate(LayerRate.AverageRate(target: kilobits * 1000))
            }
        }
        let low = try run(40, threads: 2)
        let high = try run(80, threads: 1)
        func rate(_ coded: CodedClip) -> Double {
            Double(coded.bytes.reduce(0) { $0 + $1[1] } * 8) * 25 / 1000 / Double(frames)
        }
        #expect((30...50).contains(rate(low)), "\(rate(low))")
        #expect((60...100).contains(rate(high)), "\(rate(high))")
        #expect(bytes(try run(40, threads: 1).nals) == bytes(low.nals))
        try check(low, layers: 2)
    }

    /// How many pictures of a layer are not there when a decoder's buffer (C.2) wants them, in decoding order.
    private func late(_ coded: CodedClip, layer: Int, rate: Double, size: Double) -> Int {
        var fill = 0.9 * size
        var count = 0
        for (i, bytes) in coded.bytes.enumerated() {
            if i > 0 { fill = min(fill + rate / 25, size) }
            fill -= Double((bytes[layer] + 4) * 8)
            if fill < 0 {
                count += 1
                fill = 0
            }
        }
        return count
    }

    /// Three layers whose content jumps now and then, at a rate that is little for that: pictures that are too large
    /// are coded again.
    @Test(arguments: [0.06, 0.1]) func decoderBuffers(seconds: Double) throws {
        let layers = [
            ClipLayer(width: 48, height: 32), ClipLayer(width: 96, height: 64),
            ClipLayer(width: 144, height: 96, references: [1]),
        ]
        let rates = [40_000.0, 60_000]
        func run(threads: Int, buffered: Bool) throws -> CodedClip {
            try encode(layers, frames: 60, threads: threads, options: [("qp", "30"), ("bframes", "2")], sceneLength: 7)
            {
                for i in 0..<2 {
                    var average = LayerRate.AverageRate(target: rates[i])
                    if buffered { average.buffer = (rates[i], rates[i] * seconds) }
                    $0.enhancements[i].rate = .bitrate(average)
                }
            }
        }
        let coded = try run(threads: 3, buffered: true)
        let free = try run(threads: 1, buffered: false)
        for i in 0..<2 {
            #expect(late(coded, layer: i + 1, rate: rates[i], size: rates[i] * seconds) == 0)
            #expect(late(free, layer: i + 1, rate: rates[i], size: rates[i] * seconds) > 0)
        }
        try check(coded, layers: 3)
        #expect(bytes(try run(threads: 1, buffered: true).nals) == bytes(coded.nals))
    }
}

/// Motion that libx265's hook hands over, against what the coded slices say.
@Suite(.enabled(if: BaseLayerEncoder.isAvailable, "libx265 is not built in"))
struct BaseMotionTests {
    @Test(arguments: ["ultrafast", "medium", "slower"]) func handedOverEqualsParsed(preset: String) throws {
        var settings = BaseLayerSettings()
        settings.width = 176
        settings.height = 144
        settings.preset = preset
        settings.options = [("qp", "24"), ("pools", "2"), ("keyint", "8")]
        let encoder = try BaseLayerEncoder(settings: settings)
        let sets = ParameterSetCollection()
        let reader = BaseMotionReader()
        let hooked = BaseMotionReader()
        var order = StreamPosition()
        var blocks = 0
        func take(_ coded: BaseLayerPicture) throws {
            for nal in coded.nals where !nal.header.nalUnitType.isSlice { try sets.insert(nal) }
            let slices = coded.nals.filter(\.header.nalUnitType.isSlice)
            let first = try #require(slices.first)
            let header = try SliceSegmentHeader(nal: first.header, rbsp: first.rbsp, sets: sets, previous: nil)
            let position = order.next(header, log2MaxPicOrderCntLsb: 8)
            let field = MotionField(
                width: coded.picture.frame.width, height: coded.picture.frame.height,
                ctbLog2Size: coded.picture.motion.ctbLog2Size)
            let parsed = CodedPicture(frame: coded.picture.frame, motion: field)
            parsed.poc = position.poc
            coded.picture.poc = position.poc
            let read = try #require(
                try reader.prepare(parsed, slices: slices, hasMotion: false, poc: position.poc, sets: sets))
            read()
            parsed.publishAll()
            guard coded.hasMotion else { return }
            #expect(
                try hooked.prepare(coded.picture, slices: slices, hasMotion: true, poc: position.poc, sets: sets) == nil
            )
            for y in stride(from: 0, to: field.height4, by: 4) {
                for x in stride(from: 0, to: field.width4, by: 4) {
                    let at = y * field.width4 + x
                    #expect(coded.picture.motion.blocks[at] == field.blocks[at])
                    if field.blocks[at].isInter { blocks += 1 }
                }
            }
            #expect(field.slices.map(\.poc.0) == coded.picture.motion.slices.map(\.poc.0))
        }
        for n in 0..<12 {
            let frame = FrameBuffer(width: 176, height: 144, bitDepthLuma: 8, bitDepthChroma: 8)
            for c in 0..<3 {
                let plane = frame.plane(c)
                for y in 0..<plane.height {
                    for x in 0..<plane.width {
                        plane.row(y)[x] = UInt16(
                            128 + Int(90 * sin(Double(x + 2 * n) / 7) * cos(Double(y * y - 9 * n) / 190)))
                    }
                }
            }
            if let coded = try encoder.encode(frame) { try take(coded) }
        }
        while let coded = try encoder.encode(nil) { try take(coded) }
        if BaseLayerEncoder.hasHook { #expect(blocks > 300, "\(blocks)") }
    }
}
