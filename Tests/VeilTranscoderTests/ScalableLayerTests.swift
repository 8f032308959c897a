// SPDX-License-Identifier: GPL-2.0-or-later
import Foundation
import Testing
import VeilBaseLayer
import VeilDecoder
import VeilEncoder
import VeilRecon
import VeilSyntax

/// Layers in number, sizes and depths, and the ways of setting their rate: what the encoder holds is what the decoder gives.
@Suite(.enabled(if: BaseLayerEncoder.isAvailable, "libx265 is not built in"))
struct ScalableLayerTests {
    private struct Layer {
        let width: Int
        let height: Int
        var depth = 8
        var references = [0]
    }

    private static func drawing(_ layer: Layer, frame n: Int) -> FrameBuffer {
        let width = (layer.width + 7) & ~7
        let height = (layer.height + 7) & ~7
        let buffer = FrameBuffer(width: width, height: height, bitDepthLuma: layer.depth, bitDepthChroma: layer.depth)
        for c in 0..<3 {
            let plane = buffer.plane(c)
            for y in 0..<plane.height {
                for x in 0..<plane.width {
                    // The same scene at every size, moving.
                    let u = Double(x) / Double(plane.width) * 12 - Double(n) * 0.3
                    let v = Double(y) / Double(plane.height) * 9 + Double(n) * 0.1
                    let value = 120 + 60 * sin(u) * cos(v) + 20 * sin(5 * u + 3 * v)
                    plane.row(y)[x] = UInt16(value * Double(1 << (layer.depth - 8)))
                }
            }
        }
        return buffer
    }

    private struct Coded {
        var nals: [NALUnit] = []
        /// Reconstruction of every layer in decoding order.
        var pictures: [[CodedPicture]] = []
        var bytes: [[Int]] = []
        var displayOrder: [Int] = []
    }

    private func encode(
        _ layers: [Layer], frames: Int = 9, threads: Int = 2, options: [(name: String, value: String?)] = [("keyint", "6"), ("qp", "28")],
        sceneLength: Int = .max, change: (inout ScalableSettings) -> Void = { _ in }
    ) throws -> Coded {
        var settings = ScalableSettings()
        settings.base.width = layers[0].width
        settings.base.height = layers[0].height
        settings.base.bitDepth = layers[0].depth
        settings.base.preset = "fast"
        settings.base.options = [("pools", "\(threads)"), ("frame-threads", "\(threads)")] + options
        settings.threads = threads
        settings.sendsHashes = true
        for layer in layers.dropFirst() {
            var enhancement = EnhancementSettings(format: LayerFormat(width: layer.width, height: layer.height, bitDepth: layer.depth))
            enhancement.references = layer.references
            enhancement.rate = .offset(-2, initial: 26)
            settings.enhancements.append(enhancement)
        }
        change(&settings)
        let encoder = try ScalableEncoder(settings: settings)
        var coded = Coded()
        func take(_ unit: AccessUnit) {
            coded.nals += unit.nals
            coded.pictures.append(unit.pictures)
            coded.bytes.append(unit.layerBytes)
            coded.displayOrder.append(unit.displayIndex)
        }
        for n in 0..<frames { if let unit = try encoder.push(layers.map { Self.drawing($0, frame: n + n / sceneLength * 40) }) { take(unit) } }
        while let unit = try encoder.flush() { take(unit) }
        #expect(coded.displayOrder.sorted() == Array(0..<frames))
        return coded
    }

    private func samples(_ frame: FrameBuffer) -> [UInt16] {
        (0..<3).flatMap { c in (0..<frame.plane(c).height).flatMap { y in
            Array(UnsafeBufferPointer(start: frame.plane(c).row(y), count: frame.plane(c).width))
        } }
    }

    private func check(_ coded: Coded, layers: Int) throws {
        for layer in 0..<layers {
            var options = Decoder.Options()
            options.output = .layer(layer)
            options.threads = 2
            options.verify = true
            var frames: [[UInt16]] = []
            let decoder = Decoder(options: options) { frames.append(samples($0.picture.frame)) }
            for nal in coded.nals { try decoder.push(nal) }
            try decoder.finish()
            #expect(decoder.report.isClean)
            #expect(layer == 0 || decoder.report.hashesChecked > 0)
            var expected = [[UInt16]](repeating: [], count: coded.pictures.count)
            for (i, display) in coded.displayOrder.enumerated() { expected[display] = samples(coded.pictures[i][layer].frame) }
            #expect(frames == expected)
        }
    }

    private func bytes(_ nals: [NALUnit]) -> [UInt8] {
        var result: [UInt8] = []
        for nal in nals { result.append(annexB: nal) }
        return result
    }

    @Test func threeLayersAndOddRatios() throws {
        let layers = [Layer(width: 50, height: 34), Layer(width: 75, height: 51), Layer(width: 75, height: 51, references: [1])]
        let coded = try encode(layers)
        try check(coded, layers: 3)
        #expect(bytes(try encode(layers, threads: 1).nals) == bytes(coded.nals))
    }

    @Test func aLayerUponTheBaseLayerPastAnother() throws {
        let layers = [Layer(width: 48, height: 32), Layer(width: 96, height: 64), Layer(width: 144, height: 96, references: [0])]
        try check(try encode(layers), layers: 3)
    }

    @Test(arguments: [(8, 10), (10, 10)]) func tenBits(depths: (Int, Int)) throws {
        let layers = [Layer(width: 48, height: 32, depth: depths.0), Layer(width: 96, height: 64, depth: depths.1)]
        try check(try encode(layers), layers: 2)
    }

    @Test func withoutWavefrontsMotionOrInterLayerPrediction() throws {
        let layers = [Layer(width: 48, height: 32), Layer(width: 96, height: 64)]
        try check(try encode(layers) { $0.enhancements[0].tools.wavefront = false }, layers: 2)
        try check(try encode(layers) { $0.enhancements[0].tools.interLayerMotion = false }, layers: 2)
        try check(try encode(layers) { $0.enhancements[0].interLayerPrediction = false }, layers: 2)
    }

    /// Rows decided side by side and written as one substream, with QPs that go from the end of one row to the start of the next.
    @Test(arguments: [nil, AdaptiveQuantisation(mode: .variance, strength: 2.5)]) func withoutWavefronts(_ quantisation: AdaptiveQuantisation?) throws {
        let layers = [Layer(width: 64, height: 40), Layer(width: 136, height: 88)]
        func encode(threads: Int, slices: Int) throws -> Coded {
            try self.encode(layers, threads: threads) {
                $0.enhancements[0].tools.wavefront = false
                $0.enhancements[0].tools.sao = true
                $0.enhancements[0].adaptiveQuantisation = quantisation
                $0.enhancements[0].slices = slices
            }
        }
        for slices in 1...2 {
            let coded = try encode(threads: 3, slices: slices)
            try check(coded, layers: 2)
            #expect(bytes(try encode(threads: 1, slices: slices).nals) == bytes(coded.nals))
        }
    }

    /// Quantisation groups of 16x16, whose QP follows the source, at sizes that cut them; more bits or fewer than without.
    @Test(arguments: [AdaptiveQuantisation.Mode.variance, .autoVariance]) func adaptiveQuantisation(mode: AdaptiveQuantisation.Mode) throws {
        let layers = [Layer(width: 64, height: 40), Layer(width: 136, height: 88)]
        let plain = try encode(layers)
        let adapted = try encode(layers) { $0.enhancements[0].adaptiveQuantisation = AdaptiveQuantisation(mode: mode, strength: 1.5) }
        try check(adapted, layers: 2)
        #expect(plain.bytes.map { $0[1] } != adapted.bytes.map { $0[1] })
        let again = try encode(layers, threads: 1, options: [("keyint", "6"), ("qp", "28"), ("frame-threads", "2")]) {
            $0.enhancements[0].adaptiveQuantisation = AdaptiveQuantisation(mode: mode, strength: 1.5)
        }
        #expect(bytes(again.nals.filter { $0.header.nuhLayerId == 1 }) == bytes(adapted.nals.filter { $0.header.nuhLayerId == 1 }))
    }

    /// Average rate: within a quarter of the target once there is something to learn from, whatever the number of threads.
    @Test func averageRate() throws {
        let layers = [Layer(width: 48, height: 32), Layer(width: 96, height: 64)]
        let frames = 100
        func run(_ kilobits: Double, threads: Int) throws -> Coded {
            try encode(layers, frames: frames, threads: threads, options: [("qp", "30")]) {
                $0.enhancements[0].rate = .bitrate(LayerRate.AverageRate(target: kilobits * 1000))
            }
        }
        let low = try run(40, threads: 2)
        let high = try run(80, threads: 1)
        func rate(_ coded: Coded) -> Double { Double(coded.bytes.reduce(0) { $0 + $1[1] } * 8) * 25 / 1000 / Double(frames) }
        #expect((30...50).contains(rate(low)), "\(rate(low))")
        #expect((60...100).contains(rate(high)), "\(rate(high))")
        #expect(bytes(try run(40, threads: 1).nals) == bytes(low.nals))
        try check(low, layers: 2)
    }

    /// How many pictures of a layer are not there when a decoder's buffer (C.2) wants them, in decoding order.
    private func late(_ coded: Coded, layer: Int, rate: Double, size: Double) -> Int {
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

    /// Three layers whose content jumps now and then, at a rate that is little for that: pictures that are too large are coded again.
    @Test(arguments: [0.06, 0.1]) func decoderBuffers(seconds: Double) throws {
        let layers = [Layer(width: 48, height: 32), Layer(width: 96, height: 64), Layer(width: 144, height: 96, references: [1])]
        let rates = [40_000.0, 60_000]
        func run(threads: Int, buffered: Bool) throws -> Coded {
            try encode(layers, frames: 60, threads: threads, options: [("qp", "30"), ("bframes", "2")], sceneLength: 7) {
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
        var order = PictureOrder()
        var blocks = 0
        func take(_ coded: BaseLayerPicture) throws {
            for nal in coded.nals where !nal.header.nalUnitType.isSlice { try sets.take(nal) }
            let slices = coded.nals.filter(\.header.nalUnitType.isSlice)
            let first = try #require(slices.first)
            let header = try SliceSegmentHeader(nal: first.header, rbsp: first.rbsp, sets: sets, previous: nil)
            let next = order.next(header, log2MaxPicOrderCntLsb: 8)
            let position = try #require(next)
            let field = MotionField(width: coded.picture.frame.width, height: coded.picture.frame.height, ctbLog2Size: coded.picture.motion.ctbLog2Size)
            let parsed = CodedPicture(frame: coded.picture.frame, motion: field)
            parsed.poc = position.poc
            coded.picture.poc = position.poc
            let read = try #require(try reader.prepare(parsed, slices: slices, hasMotion: false, poc: position.poc, sets: sets))
            read()
            parsed.publishAll()
            guard coded.hasMotion else { return }
            #expect(try hooked.prepare(coded.picture, slices: slices, hasMotion: true, poc: position.poc, sets: sets) == nil)
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
                    for x in 0..<plane.width { plane.row(y)[x] = UInt16(128 + Int(90 * sin(Double(x + 2 * n) / 7) * cos(Double(y * y - 9 * n) / 190))) }
                }
            }
            if let coded = try encoder.encode(frame) { try take(coded) }
        }
        while let coded = try encoder.encode(nil) { try take(coded) }
        if BaseLayerEncoder.hasHook { #expect(blocks > 300, "\(blocks)") }
    }
}
