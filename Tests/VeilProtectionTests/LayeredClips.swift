// SPDX-License-Identifier: GPL-2.0-or-later
import Foundation
import Testing
import VeilBitstream
import VeilCore
import VeilDecoder
import VeilEncoder
import VeilRecon

/// Size, depth and reference layers of a layer of a drawn clip.
struct ClipLayer {
    let width: Int
    let height: Int
    var depth = 8
    var references = [0]
}

/// What an encoder made of a drawn clip.
struct CodedClip {
    var nals: [NALUnit] = []
    /// Reconstruction of every layer in decoding order.
    var pictures: [[CodedPicture]] = []
    var bytes: [[Int]] = []
    var displayOrder: [Int] = []
}

/// Suites that code clips drawn here, and compare what the encoder holds with what the decoder gives.
protocol LayeredClips {}

extension LayeredClips {
    private static func drawing(_ layer: ClipLayer, frame n: Int) -> FrameBuffer {
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

    /// Streams behind each other, as `join` puts them.
    func join(_ streams: [[NALUnit]], continuous: Bool = false) throws -> [NALUnit] {
        var joining = StreamJoining(continuous: continuous)
        var joined: [NALUnit] = []
        for stream in streams {
            joining.begin()
            for nal in stream { joined += try joining.push(nal) }
            joined += try joining.end()
        }
        return joined
    }

    func encode(
        _ layers: [ClipLayer], frames: Int = 9, threads: Int = 2,
        options: [(name: String, value: String?)] = [("keyint", "6"), ("qp", "28")],
        sceneLength: Int = .max, change: (inout ScalableSettings) -> Void = { _ in }
    ) throws -> CodedClip {
        var settings = ScalableSettings()
        settings.base.width = layers[0].width
        settings.base.height = layers[0].height
        settings.base.bitDepth = layers[0].depth
        settings.base.preset = "fast"
        settings.base.options = [("pools", "\(threads)"), ("frame-threads", "\(threads)")] + options
        settings.threads = threads
        settings.sendsHashes = true
        for layer in layers.dropFirst() {
            var enhancement = EnhancementSettings(
                format: LayerFormat(width: layer.width, height: layer.height, bitDepth: layer.depth))
            enhancement.references = layer.references
            enhancement.rate = .offset(-2, initial: 26)
            settings.enhancements.append(enhancement)
        }
        change(&settings)
        let encoder = try ScalableEncoder(settings: settings)
        var coded = CodedClip()
        func take(_ unit: CodedAccessUnit) {
            coded.nals += unit.nals
            coded.pictures.append(unit.pictures)
            coded.bytes.append(unit.layerBytes)
            coded.displayOrder.append(unit.displayIndex)
        }
        for n in 0..<frames {
            if let unit = try encoder.push(layers.map { Self.drawing($0, frame: n + n / sceneLength * 40) }) {
                take(unit)
            }
        }
        while let unit = try encoder.flush() { take(unit) }
        #expect(coded.displayOrder.sorted() == Array(0..<frames))
        return coded
    }

    private func samples(_ frame: FrameBuffer) -> [UInt16] {
        (0..<3).flatMap { c in
            (0..<frame.plane(c).height).flatMap { frame.plane(c).values(row: $0) }
        }
    }

    func check(_ coded: CodedClip, layers: Int) throws {
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
            for (i, display) in coded.displayOrder.enumerated() {
                expected[display] = samples(coded.pictures[i][layer].frame)
            }
            #expect(frames == expected)
        }
    }

    func bytes(_ nals: [NALUnit]) -> [UInt8] {
        var result: [UInt8] = []
        for nal in nals { result.append(annexB: nal) }
        return result
    }
}
