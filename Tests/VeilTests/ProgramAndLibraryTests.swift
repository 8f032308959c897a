// SPDX-License-Identifier: GPL-2.0-or-later
import Foundation
import Testing
import Veil

/// The program is a client of the library: the same settings give the same bytes, and streams decode to the same
/// samples.
@Suite(.enabled(if: Fixture.canEncode, "libx265 is not built in"))
struct ProgramAndLibraryTests {
    typealias Settings = VideoEncoder.Settings

    struct Case: Sendable, CustomTestStringConvertible {
        let options: [String]
        let change: @Sendable (inout Settings) throws -> Void
        var testDescription: String { options.joined(separator: " ") }

        init(_ options: String, _ change: @escaping @Sendable (inout Settings) throws -> Void) {
            self.options = options.split(separator: " ").map(String.init)
            self.change = change
        }
    }

    private static let nonce = [UInt8](0..<16)

    static let cases: [Case] = [
        Case("") { _ in },
        Case("--layers 2x,snr --qp 30,28,25 --preset veryfast --hash") {
            $0.layers = try .init("2x,snr")
            $0.layers.setRates(.qp(30), .qp(28), .qp(25))
            $0.preset = "veryfast"
            $0.sendsHashes = true
        },
        Case("--layers 64x48,128x96 --depth 8,10 --qp 28,24 --preset ultrafast --el-preset faster") {
            $0.layers = try .init("64x48,128x96")
            $0.layers[0].bitDepth = 8
            $0.layers[1].bitDepth = 10
            $0.layers.setRates(.qp(28), .qp(24))
            $0.preset = "ultrafast"
            $0.enhancementPreset = "faster"
        },
        Case("--layers snr --crf 30,26 --vbv-maxrate 300,600 --vbv-bufsize 300,600 --threads 1") {
            $0.layers = .snr
            $0.layers.setRates(.crf(30), .crf(26))
            $0.layers[0].buffer = .init(maxRate: 300, size: 300)
            $0.layers[1].buffer = .init(maxRate: 600, size: 600)
        },
        Case("--layers 1.5x --bitrate 100,300 --threads 1 --keyint 4 --repeat-headers --no-hierarchy") {
            $0.layers = .oneAndAHalf
            $0.layers.setRates(.bitrate(100), .bitrate(300))
            $0.keyint = 4
            $0.repeatsHeaders = true
            $0.hierarchy = false
        },
        Case("--layers 2x --qp 26,26 --aq-mode 1 --aq-strength 0.8 --no-wpp --no-inter-layer --bframes 2") {
            $0.layers.setRates(.qp(26))
            $0.adaptiveQuantization = .variance
            $0.adaptiveQuantizationStrength = 0.8
            $0.wavefront = false
            $0.interLayerPrediction = false
            $0.bframes = 2
        },
        Case("--layers 1 --qp 24 --x265-options bframes=0,ref=2 --no-pyramid --tune psnr") {
            $0.layers = .single
            $0.layers.setRates(.qp(24))
            $0.x265Options = [("bframes", "0"), ("ref", "2")]
            $0.pyramid = false
            $0.tune = "psnr"
        },
    ]

    static let encryptedCases: [Case] = [
        Case("--scheme all") { $0.scheme = .all },
        Case("--scheme bl --cipher aes-256-ctr --profile maximal --authenticate") {
            $0.scheme = .bl
            $0.protection.cipher = .aes256
            $0.protection.profile = .maximal
            $0.protection.authenticates = true
        },
        Case("--scheme el --elements mvd,coeff-sign --irap-only --resync stream") {
            $0.scheme = .el
            $0.protection.elements = ElementSet(names: "mvd,coeff-sign")
            $0.protection.selection.irapOnly = true
            $0.protection.resynchronization = .stream
        },
    ]

    private let f: Fixture
    init() throws { f = try Fixture.shared.get() }

    private func clip() throws -> [VideoPicture] {
        let bytes = [UInt8](Fixture.clip)
        let size = Fixture.width * Fixture.height * 3 / 2
        return try (0..<Fixture.frames).map { n in
            let end = bytes.count - (Fixture.frames - 1 - n) * (size + 6)
            return try VideoPicture(i420: bytes[(end - size)..<end], width: Fixture.width, height: Fixture.height)
        }
    }

    private func encode(_ settings: Settings) throws -> [UInt8] {
        let encoder = try VideoEncoder(settings: settings)
        var bytes: [UInt8] = []
        for picture in try clip() { bytes += try encoder.push(picture).flatMap(\.bytes) }
        return try bytes + encoder.finish().flatMap(\.bytes)
    }

    private func program(_ options: [String], _ name: String) throws -> [UInt8] {
        let run = try Run(["encode", f.path("clip.y4m"), "-o", f.path(name)] + options)
        try #require(run.status == 0, "\(run.errors)")
        return [UInt8](try f.data(name))
    }

    @Test(arguments: Array(cases.indices)) func streamsAreTheSame(index: Int) throws {
        let test = Self.cases[index]
        var settings = Settings(width: Fixture.width, height: Fixture.height)
        try test.change(&settings)
        #expect(try encode(settings) == program(test.options, "same\(index).hevc"), "\(test.testDescription)")
    }

    @Test(arguments: Array(encryptedCases.indices)) func encryptedStreamsAreTheSame(index: Int) throws {
        let test = Self.encryptedCases[index]
        var settings = Settings(width: Fixture.width, height: Fixture.height)
        settings.keys = try KeyRing(reference: f.path("keys.json"))
        settings.protection.nonce = Self.nonce
        try test.change(&settings)
        let options = test.options + ["--keys", f.path("keys.json"), "--nonce", "000102030405060708090a0b0c0d0e0f"]
        let stream = try encode(settings)
        #expect(try stream == program(options, "same-secret\(index).hevc"), "\(test.testDescription)")
    }

    @Test(arguments: [false, true]) func samplesAreTheSame(hasKeys: Bool) throws {
        let keys = hasKeys ? ["--keys", f.path("keys.json")] : []
        for layer in 0..<2 {
            // Both arguments at once: a file each.
            let name = "samples\(layer)-\(hasKeys).yuv"
            let run = try Run(["decode", f.path("all.hevc"), "-o", f.path(name), "--layer", "\(layer)"] + keys)
            try #require(run.status == 0, "\(run.errors)")
            var options = VideoDecoder.Options()
            options.output = .layer(layer)
            options.keys = hasKeys ? try KeyRing(reference: f.path("keys.json")) : nil
            let decoder = VideoDecoder(options: options)
            var samples: [UInt8] = []
            // Chunks of any size.
            let stream = [UInt8](try f.data("all.hevc"))
            for start in stride(from: 0, to: stream.count, by: 997) {
                for picture in try decoder.push(stream[start..<min(start + 997, stream.count)]) {
                    #expect(picture.layer == layer)
                    samples += picture.i420
                }
            }
            for picture in try decoder.finish() { samples += picture.i420 }
            #expect(try samples == [UInt8](f.data(name)), "layer \(layer)")
        }
    }

    @Test func layersHaveTheirOwnSourcesAndKeys() throws {
        let small = try VideoPicture(
            width: 64, height: 48,
            planes: [[UInt16](repeating: 90, count: 64 * 48)]
                + Array(repeating: Array(repeating: 128, count: 32 * 24), count: 2))
        var settings = Settings(width: Fixture.width, height: Fixture.height)
        settings.layers[0].hasOwnSource = true
        settings.layers[1].keys = try KeyRing(reference: f.path("keys.json"))
        settings.keepsReconstructions = true
        let encoder = try VideoEncoder(settings: settings)
        #expect(encoder.encryption?.encryptedLayers == [1])
        let picture = try #require(clip().first)
        #expect(throws: SettingsError.self) { try encoder.push(picture) }
        var units: [AccessUnit] = []
        for picture in try clip() { units += try encoder.push(picture, layers: [0: small]) }
        units += try encoder.finish()
        #expect(units.compactMap(\.displayIndex).sorted() == Array(0..<Fixture.frames))
        var options = VideoDecoder.Options()
        options.output = .layer(0)
        let decoder = VideoDecoder(options: options)
        let decoded = try decoder.push(units.flatMap(\.bytes)) + decoder.finish()
        let shown = units.sorted { $0.displayIndex ?? 0 < $1.displayIndex ?? 0 }
        #expect(decoded.map(\.planes) == shown.map { $0.reconstructions[0].planes })
        // The base layer is its own source's flat picture, and no small copy of the clip.
        #expect(decoded.allSatisfy { $0.planes[0].allSatisfy { (88...92).contains($0) } })
    }

    @Test func viewsAreTheSame() throws {
        let run = try Run([
            "encode", f.path("clip.y4m"), f.path("clip.y4m"), "-o", f.path("views.hevc"), "--layers", "view", "--qp",
            "30",
        ])
        #expect(run.status == 0, "\(run.errors)")
        var settings = Settings(width: Fixture.width, height: Fixture.height)
        settings.layers = .stereo
        settings.layers.setRates(.qp(30))
        let encoder = try VideoEncoder(settings: settings)
        let picture = try #require(clip().first)
        #expect(throws: SettingsError.self) { try encoder.push(picture) }
        var bytes: [UInt8] = []
        for picture in try clip() { bytes += try encoder.push(picture, layers: [1: picture]).flatMap(\.bytes) }
        bytes += try encoder.finish().flatMap(\.bytes)
        #expect(try bytes == [UInt8](f.data("views.hevc")))
    }

    @Test func mistakesNameTheLayer() throws {
        func error(_ change: (inout Settings) -> Void) -> String {
            var settings = Settings(width: 128, height: 96)
            change(&settings)
            do { _ = try VideoEncoder(settings: settings) } catch { return "\(error)" }
            return "none"
        }
        #expect(error { $0.layers[1].rate = .qp(60) } == "layer 1: QP 60 is not within 0 to 51")
        #expect(error { $0.layers[1].bitDepth = 9 } == "layer 1: 9 bits: 8, 10 and 12 are supported")
        let nine = error { (settings: inout Settings) in
            settings.bitDepth = 9
            for layer in settings.layers.indices { settings.layers[layer].bitDepth = 8 }
        }
        #expect(nine == "the source's bit depth is 8, 10 or 12, not 9")
        #expect(error { $0.chromaFormat = .yuv422 }.hasPrefix("4:2:2 is coded in a single layer"))
        #expect(error { $0.layers[0].bitDepth = 10 }.hasPrefix("layer 1 has fewer bits a sample than layer 0"))
        #expect(error { $0.layers[1].references = [1] } == "layer 1 cannot be predicted from layer 1")
        #expect(error { $0.layers[1].size = .exactly(width: 8, height: 8) } != "none")
        #expect(error { $0.layers[0].size = .ratio(.nan) } == "layer 0: a ratio is 1 to 16")
        #expect(
            error { $0.layers[1].buffer = .init(maxRate: 1, size: 1) } == "layer 1: a buffer needs a bit rate or a CRF")
        #expect(error { $0.layers = [] } == "no layers")
        #expect(error { $0.pass = .first(statistics: "x") } == "two passes need bit rates")
        #expect(error { $0.scheme = .all } == "layer 0: scheme all needs keys")
        #expect(error { $0.frameRate = (0, 1) } != "none")
        #expect(error { $0.width = 0 } != "none")
        #expect(
            error { $0.layers = .stereo + [.init()] }
                == "layer 0: of two views the first one's layers come first, then as many of the second one")
        #expect(
            error {
                $0.layers = .stereo
                $0.layers[0].size = .ratio(2)
            } == "layer 0: the top layer of a view has a size, and no ratio")
        #expect(
            error {
                $0.layers = .stereo
                $0.layers[0].size = .exactly(width: 64, height: 48)
                $0.layers[1].size = .exactly(width: 128, height: 96)
            } == "layer 1: a view of 128x96, the other one of 64x48")
        #expect(
            error {
                $0.layers = .stereo
                $0.layers[1].hasOwnSource = false
            } == "layer 1: a view has a source of its own")
        #expect(
            error {
                $0.layers = .stereo
                $0.layers[0].hasOwnSource = true
            } == "layer 0: the first view's largest pictures are the encoder's, and have no source of their own")
    }
}
