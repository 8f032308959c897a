// SPDX-License-Identifier: GPL-2.0-or-later
import Foundation
import Testing
import VeilBitstream
import VeilCore
import VeilEncoder
import VeilMedia
import VeilProtection
import VeilRecon

@testable import VeilLab

/// A folder that goes with the test.
final class Folder {
    let path = NSTemporaryDirectory() + "/veil-evaluation-\(UInt64.random(in: 0 ... .max))"
    init() throws { try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true) }
    deinit { try? FileManager.default.removeItem(atPath: path) }
    func callAsFunction(_ name: String) -> String { path + "/" + name }
    /// The same of a folder that is made.
    func made(_ name: String) throws -> String {
        try FileManager.default.createDirectory(atPath: self(name), withIntermediateDirectories: true)
        return self(name)
    }
}

/// Codes frames of the drawn clip as one layer; also writes the clip.
func makeStream(
    _ folder: Folder, _ name: String, first: Int = 0, frames: Int = 4, qp: Int = 24
) throws -> (stream: String, clip: String) {
    let clip = DemoClip(width: 128, height: 96)
    let writer = try VideoWriter(path: folder(name + ".y4m"), format: clip.format)
    var settings = BaseLayerSettings()
    settings.width = 128
    settings.height = 96
    settings.preset = "ultrafast"
    settings.options = [
        ("qp", String(qp)), ("pools", "1"), ("frame-threads", "1"), ("bframes", "0"), ("scenecut", "0"),
    ]
    let encoder = try BaseLayerEncoder(settings: settings)
    let sink = try StreamWork.FileSink(path: folder(name + ".hevc"))
    for n in 0..<frames {
        let frame = clip.frame(first + n)
        try writer.write(frame)
        let buffer = FrameBuffer(width: 128, height: 96, bitDepthLuma: 8, bitDepthChroma: 8)
        for c in 0..<3 {
            let plane = buffer.plane(c)
            for y in 0..<plane.height {
                for x in 0..<plane.width { plane.row(y)[x] = frame.planes[c][y * plane.width + x] }
            }
        }
        if let coded = try encoder.encode(buffer) { for nal in coded.nals { try sink.put(nal) } }
    }
    while let coded = try encoder.encode(nil) { for nal in coded.nals { try sink.put(nal) } }
    try sink.finish()
    try writer.finish()
    return (folder(name + ".hevc"), folder(name + ".y4m"))
}

@Suite(.enabled(if: BaseLayerEncoder.isAvailable, "libx265 is not built in"))
struct EvaluationTests {
    @Test func reportOfADrawnClip() throws {
        let folder = try Folder()
        let (stream, clip) = try makeStream(folder, "drawn")
        var settings = StreamEvaluation.Settings()
        settings.name = "drawn <clip>"
        settings.structure = "1"
        settings.qp = [24]
        settings.folder = folder.path
        settings.figureFrame = 2
        settings.draws = 2
        let (run, pictures) = try StreamEvaluation(
            settings: settings, source: { try VideoSource.open(path: clip) }, progress: Progress(steps: 1, quiet: true)
        ).run(stream: stream, commands: ["veil encode"])
        #expect(run.frames == 4 && run.cases.count == 3 && run.layers.count == 1)
        let original = try #require(run.original)
        #expect(original.psnrY > 30 && original.framePsnrY.count == 4)
        for c in run.cases {
            #expect(c.damage == 0 && c.draws.count == 2)
            #expect(c.top.psnrY < original.psnrY - 8 && c.top.ssim < original.ssim)
            #expect(c.encryptionSpace > 1 && c.encryptionSpace < 40)
            #expect(c.hammingDistance > 0.1 && c.hammingDistance < 0.9)
            // Encrypted bits are those of the elements, all of them.
            #expect(c.bits.allSatisfy { $0.total == $0.elements.values.reduce(0, +) && $0.total > 0 })
            #expect(c.histogram.reduce(0, +) == 128 * 96)
            #expect(c.recognition?.gallery == 100 && c.recognition?.queries == 4)
        }
        let report = EvaluationReport(version: "test", command: "veil evaluate", machine: "test", runs: [run])
        let files = try EvaluationPage.write(report, pictures: [pictures], folder: folder.made("report"))
        let html = try String(contentsOfFile: files.html, encoding: .utf8)
        #expect(html.hasPrefix("<!DOCTYPE html>") && html.hasSuffix("</html>\n"))
        #expect(
            html.contains("data:image/jpeg;base64,") && html.contains("<svg") && html.contains("drawn &lt;clip&gt;"))
        // Self-contained: no script, nothing fetched.
        #expect(
            !html.contains("<script") && !html.contains("http://") && !html.contains("https://")
                && !html.contains("src=\"/"))
        let again = try JSONDecoder().decode(
            EvaluationReport.self, from: Data(contentsOf: URL(fileURLWithPath: files.json)))
        #expect(again.runs[0].cases[0].encryptionSpace == run.cases[0].encryptionSpace)
    }

    @Test func wholeStreamCipherGoesBack() throws {
        let folder = try Folder()
        let (stream, _) = try makeStream(folder, "drawn", frames: 2)
        let keys = KeyRing.generate(layers: 1)
        let nonce = [UInt8](repeating: 3, count: 16)
        try WholeStreamCipher.run(stream, to: folder("c.hevc"), keys: keys, nonce: nonce)
        try WholeStreamCipher.run(folder("c.hevc"), to: folder("back.hevc"), keys: keys, nonce: nonce, decrypts: true)
        #expect(try Comparison.firstDifference(stream, folder("back.hevc")) == nil)
        #expect(try Comparison.firstDifference(stream, folder("c.hevc")) != nil)
        let clear = try MiddleboxChecks.run(stream, pictures: 2, keys: nil, clear: nil, folder: folder.path, threads: 1)
        #expect(clear.parses && clear.extractsBaseLayer && clear.dropsSubLayers)
        let naive = try MiddleboxChecks.run(
            folder("c.hevc"), pictures: 2, keys: keys, clear: stream, folder: folder.path, threads: 1)
        #expect(!naive.parses && !naive.extractsBaseLayer && naive.ownerSeesTheSame == false)
        // Selective encryption keeps all of it.
        let encryption = try StreamWork.encryption(
            scheme: .all, cipher: .aes128, profile: .maximal, layers: [0], keys: keys)
        try StreamWork.transcode(stream, to: folder("s.hevc"), mode: .encrypt(encryption), threads: 1)
        let selective = try MiddleboxChecks.run(
            folder("s.hevc"), pictures: 2, keys: keys, clear: stream, folder: folder.path, threads: 1)
        #expect(
            selective.parses && selective.extractsBaseLayer && selective.dropsSubLayers
                && selective.ownerSeesTheSame == true)
    }

    @Test func reusedNonceGivesTheSecretAway() throws {
        let folder = try Folder()
        let (secret, _) = try makeStream(folder, "secret", first: 30, frames: 3, qp: 32)
        let (known, _) = try makeStream(folder, "known", frames: 3, qp: 10)
        for cipher in [CipherKind.aes128, .chacha20, .chaotic] {
            let keys = KeyRing.generate(layers: 1, cipher: cipher)
            func encrypt(_ from: String, _ to: String, _ nonce: [UInt8]) throws {
                let encryption = try StreamWork.encryption(
                    scheme: .all, cipher: cipher, profile: .paper, layers: [0], keys: keys, nonce: nonce)
                try StreamWork.transcode(from, to: to, mode: .encrypt(encryption), threads: 2)
            }
            func attack() throws -> NonceReuse.Outcome {
                try NonceReuse.attack(
                    knownClear: known, knownEncrypted: folder("known.e.hevc"), secret: folder("secret.e.hevc"),
                    clear: secret,
                    output: folder("recovered.hevc"), profile: .paper, feedback: cipher == .chaotic)
            }
            let nonce = [UInt8](repeating: 7, count: 16)
            try encrypt(known, folder("known.e.hevc"), nonce)
            try encrypt(secret, folder("secret.e.hevc"), nonce)
            let outcome = try attack()
            #expect(outcome.bits > 300 && outcome.reached > outcome.bits * 9 / 10)
            #expect(outcome.right > outcome.bits * 9 / 10)
            // Another nonce: what the known stream gives is of no use.
            try encrypt(secret, folder("secret.e.hevc"), [UInt8](repeating: 8, count: 16))
            let other = try attack()
            #expect(other.right < other.bits * 6 / 10 && other.right > other.bits * 4 / 10)
        }
    }

    @Test func strippedStreamsHoldPredictionsOnly() throws {
        let folder = try Folder()
        let (stream, _) = try makeStream(folder, "drawn", frames: 3)
        try ResidualStripping.run(stream, to: folder("stripped.hevc"), layers: [0])
        var frames = 0
        let report = try StreamWork.decode(folder("stripped.hevc"), threads: 1) { _, frame in
            frames += 1
            // Intra prediction from nothing, and motion from that: grey.
            #expect(frame.planes[0].allSatisfy { $0 == 128 })
        }
        #expect(frames == 3 && report.failedSlices == 0 && report.concealedCTUs == 0)
        // Nothing changed: the same slice data again.
        let walk = SliceWalk()
        walk.change = { _, _ in }
        walk.layers = []
        var out: [UInt8] = []
        walk.deliver = { out.append(annexB: $0) }
        try StreamWork.units(stream) { try walk.push($0) }
        #expect(out == [UInt8](try Data(contentsOf: URL(fileURLWithPath: stream))))
    }

    @Test func structureFollowsTheEdges() throws {
        let folder = try Folder()
        let (stream, clip) = try makeStream(folder, "drawn", frames: 1)
        let (map, poc) = try #require(try StructureMap.read(stream, layer: 0, picture: 0))
        #expect(poc == 0 && map.width == 128 && map.height == 96)
        let agreement = map.agreement(try #require(try VideoSource.open(path: clip).nextFrame()))
        #expect(agreement.correlation > 0.3)
        #expect(agreement.edgeSimilarity >= agreement.chance)
    }

    @Test func filesThatDiffer() throws {
        let folder = try Folder()
        func file(_ name: String, _ bytes: [UInt8]) throws -> String {
            try Data(bytes).write(to: URL(fileURLWithPath: folder(name)))
            return folder(name)
        }
        let a = try file("a", [1, 2, 3, 4])
        #expect(try Comparison.firstDifference(a, try file("b", [1, 2, 3, 4])) == nil)
        #expect(try Comparison.firstDifference(a, try file("c", [1, 2, 9, 4])) == 2)
        #expect(try Comparison.firstDifference(a, try file("d", [1, 2, 3])) == 3)
        #expect(try Comparison.firstDifference(a, try file("e", [1, 2, 3, 4, 5])) == 4)
    }

    @Test func spreadOfRuns() {
        let odd = ComparisonReport.Spread([3, 1, 2])
        #expect(odd.median == 2 && odd.low == 1 && odd.high == 3)
        #expect(ComparisonReport.Spread([4, 1, 2, 3]).median == 2.5)
    }

    @Test func comparisonNamesTheFirstDifference() throws {
        let folder = try Folder()
        let (stream, clip) = try makeStream(folder, "drawn", frames: 2)
        for spoils in [false, true] {
            var settings = Comparison.Settings()
            settings.clip = clip
            settings.folder = try folder.made("compare")
            settings.rounds = 1
            settings.keepsStreams = false
            // Stands in for the program: copies, with a changed last byte where in-loop encryption is to be wrong.
            let comparison = Comparison(settings: settings, progress: Progress(steps: 1, quiet: true)) { arguments in
                let output = arguments[(arguments.firstIndex(of: "-o") ?? 0) + 1]
                if arguments[0] == "decode" {
                    try FileManager.default.copyItem(atPath: clip, toPath: output)
                } else {
                    var bytes = [UInt8](try Data(contentsOf: URL(fileURLWithPath: stream)))
                    if spoils, output.hasSuffix("a.hevc") { bytes[bytes.count - 1] ^= 2 }
                    try Data(bytes).write(to: URL(fileURLWithPath: output))
                }
                return ProcessUsage()
            }
            let report = try comparison.run(version: "test", command: "veil compare")
            #expect(report.inLoopEqualsPostHoc == !spoils)
            #expect(report.firstDifference == (spoils ? StreamWork.size(stream) - 1 : nil))
            #expect(report.methods.map(\.id) == ["clear", "a", "b", "c", "d"])
            try ComparisonPage.write(report, folder: folder.made("page"))
            #expect(FileManager.default.fileExists(atPath: folder("page/report.html")))
        }
    }
}
