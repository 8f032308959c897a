// SPDX-License-Identifier: GPL-2.0-or-later
import Foundation
import Testing
import Veil

/// The Swift library's encoder, against the program: the same layers, sample for sample.
@Suite(.enabled(if: Fixture.canEncode, "libx265 is not built in"))
struct EncoderLibraryTests {
    /// Samples of a y4m file, frame after frame.
    private static func frames(_ y4m: Data) -> [[UInt8]] {
        let bytes = [UInt8](y4m)
        let header = bytes.prefix { $0 != 10 }
        let fields = String(decoding: header, as: UTF8.self).split(separator: " ")
        func field(_ name: Character) -> Int { fields.first { $0.first == name }.flatMap { Int($0.dropFirst()) } ?? 0 }
        let size = field("W") * field("H") + 2 * ((field("W") + 1) / 2) * ((field("H") + 1) / 2)
        let step = "FRAME\n".utf8.count + size
        return stride(from: header.count + 1, to: bytes.count, by: step).map {
            Array(bytes[($0 + step - size)..<($0 + step)])
        }
    }

    private static let clip: [VideoPicture] = frames(Fixture.clip).compactMap {
        try? VideoPicture(i420: $0, width: Fixture.width, height: Fixture.height)
    }

    private func encode(_ settings: VideoEncoder.Settings, _ clip: [VideoPicture] = Self.clip) throws -> [UInt8] {
        let encoder = try VideoEncoder(settings: settings)
        var bytes: [UInt8] = []
        for picture in clip { bytes += try encoder.push(picture).flatMap(\.bytes) }
        return bytes + (try encoder.finish().flatMap(\.bytes))
    }

    private func decode(_ stream: [UInt8], layer: Int, keys: KeyRing? = nil) throws -> [[UInt8]] {
        var options = VideoDecoder.Options()
        options.output = .layer(layer)
        options.keys = keys
        let decoder = VideoDecoder(options: options)
        let pictures = try decoder.push(stream) + decoder.finish()
        #expect(decoder.report.isClean)
        return pictures.map(\.i420)
    }

    /// What the program reconstructs of each layer with the same settings.
    private func reconstruction(_ name: String, _ options: [String], layers: Int) throws -> [[[UInt8]]] {
        let f = try Fixture.shared.get()
        let folder = f.path("recon-\(name)")
        let run = try Run(
            ["encode", f.path("clip.y4m"), "-o", f.path("\(name).hevc"), "--threads", "1", "--recon", folder] + options)
        try #require(run.status == 0, "\(run.errors)")
        return try (0..<layers).map {
            Self.frames(try Data(contentsOf: URL(fileURLWithPath: "\(folder)/layer\($0).y4m")))
        }
    }

    private func settings(_ layers: String, _ qps: [Int]) throws -> VideoEncoder.Settings {
        var settings = VideoEncoder.Settings(width: Fixture.width, height: Fixture.height)
        settings.layers = try .init(layers)
        for i in settings.layers.indices { settings.layers[i].rate = .qp(qps[min(i, qps.count - 1)]) }
        settings.preset = "fast"
        return settings
    }

    @Test(arguments: ["2x,snr", "1.3x,1.5x", "snr,2x,snr"]) func layersInNumber(layers: String) throws {
        let qps = Array([30, 28, 25, 23].prefix(layers.split(separator: ",").count + 1))
        let name = layers.replacingOccurrences(of: ",", with: "-")
        let qpText = qps.map(String.init).joined(separator: ",")
        let expected = try reconstruction(
            name, ["--layers", layers, "--qp", qpText, "--preset", "fast"], layers: qps.count)
        var settings = try settings(layers, qps)
        let clear = try encode(settings)
        for (layer, frames) in expected.enumerated() {
            #expect(frames.count == Fixture.frames)
            #expect(try decode(clear, layer: layer) == frames, "layer \(layer)")
        }
        settings.keys = KeyRing.generate(layers: qps.count, cipher: .aes256)
        let secret = try encode(settings)
        for (layer, frames) in expected.enumerated() {
            #expect(try decode(secret, layer: layer, keys: settings.keys) == frames, "layer \(layer) with keys")
            #expect(try decode(secret, layer: layer) != frames, "layer \(layer) without")
        }
    }

    @Test(arguments: [1, 2]) func adaptiveQuantization(mode: Int) throws {
        let options = [
            "--layers", "2x", "--qp", "28,26", "--preset", "fast", "--aq-mode", "\(mode)", "--aq-strength", "1.5",
        ]
        let expected = try reconstruction("aq\(mode)", options, layers: 2)
        var settings = try settings("2x", [28, 26])
        let plain = try encode(settings)
        settings.adaptiveQuantization = try #require(.init(rawValue: mode))
        settings.adaptiveQuantizationStrength = 1.5
        let adapted = try encode(settings)
        for layer in 0..<2 { #expect(try decode(adapted, layer: layer) == expected[layer]) }
        #expect(try decode(plain, layer: 1) != expected[1])
    }

    /// Presets from slow do without wavefronts, unless they are wanted or the base layer has slices.
    @Test func wavefronts() throws {
        var settings = try settings("2x", [28, 26])
        settings.preset = "slow"
        var sizes: [Int] = []
        for (wavefront, option) in [(nil, []), (true, ["--wpp"]), (false, ["--no-wpp"])] as [(Bool?, [String])] {
            let options = ["--layers", "2x", "--qp", "28,26", "--preset", "slow"] + option
            let expected = try reconstruction("wavefront\(option.joined())", options, layers: 2)
            settings.wavefront = wavefront
            let stream = try encode(settings)
            sizes.append(stream.count)
            for layer in 0..<2 { #expect(try decode(stream, layer: layer) == expected[layer]) }
        }
        #expect(sizes[0] == sizes[2] && sizes[0] < sizes[1])
        settings.wavefront = nil
        settings.x265Options = [("slices", "2"), ("ctu", "16")]
        #expect(try decode(try encode(settings), layer: 1).count == Fixture.frames)
    }

    /// A picture that scrolls faster than libx265 follows once it has several pictures in the making.
    private func scrolling(_ n: Int, width: Int, height: Int) throws -> VideoPicture {
        var samples = [UInt8](repeating: 128, count: width * height * 3 / 2)
        for y in 0..<height {
            for x in 0..<width {
                let (u, v) = (x >> 2, (y + 40 * n) >> 2)
                let cell = UInt32(truncatingIfNeeded: u &* 7919 &+ v &* 104_729) &* 2_654_435_761
                samples[y * width + x] = UInt8(40 + (cell >> 25))
            }
        }
        return try VideoPicture(i420: samples, width: width, height: height)
    }

    /// Codes a clip on one thread and on others, which give the same stream.
    private func compare(
        pictures: Int, _ rates: [VideoEncoder.LayerSettings.Rate], preset: String, threads: [Int],
        _ change: (inout VideoEncoder.Settings) -> Void = { _ in }
    ) throws {
        let (width, height) = (192, 192)
        let clip = try (0..<pictures).map { try scrolling($0, width: width, height: height) }
        var settings = VideoEncoder.Settings(width: width, height: height)
        settings.layers = .snr
        settings.layers.setRates(rates[0], rates[1])
        settings.preset = preset
        settings.threads = 1
        change(&settings)
        let one = try encode(settings, clip)
        for threads in threads {
            settings.threads = threads
            #expect(try encode(settings, clip) == one, "\(threads) threads")
        }
    }

    @Test func theStreamDoesNotDependOnThreads() throws {
        try compare(pictures: 5, [.qp(36), .qp(32)], preset: "slow", threads: [2, 4, 8])
    }

    @Test func averageRatesDoNotDependOnThreads() throws {
        try compare(pictures: 12, [.bitrate(200), .bitrate(400)], preset: "fast", threads: [1, 2, 4, 2, 4])
    }

    /// Of two pictures in the making libx265 would let one go by how far the other is.
    @Test func buffersDoNotDependOnThreads() throws {
        let threads = [1, 2, 4, 2, 4, 3]
        for rate in [VideoEncoder.LayerSettings.Rate.bitrate(100), .crf(18)] {
            try compare(pictures: 12, [rate, .qp(32)], preset: "fast", threads: threads) {
                $0.layers[0].buffer = .init(maxRate: 100, size: 50)
            }
        }
    }

    @Test func whatCannotBeCodedIsRefused() throws {
        for text in ["", "3", "2x,", "0.5x", "17x", "snr,snr,snr,snr,snr,snr,snr,snr"] {
            #expect(throws: SettingsError.self, "\(text)") { try [VideoEncoder.LayerSettings](text) }
        }
        for qp in [52, -1] {
            #expect(throws: SettingsError.self) { try VideoEncoder(settings: settings("2x", [qp])) }
        }
        var strong = try settings("2x", [28])
        strong.adaptiveQuantizationStrength = 4
        #expect(throws: SettingsError.self) { try VideoEncoder(settings: strong) }
    }
}
