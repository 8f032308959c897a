// SPDX-License-Identifier: GPL-2.0-or-later
import Foundation
import Testing
import Veil
import VeilLab

@testable import VeilTool

/// Damaged layer files end in an error, or are read all the same.
@Suite struct DamagedLayerFileTests {
    @Test func damageIsSurvived() throws {
        let seed = Run.root.appendingPathComponent("Tests/Seeds/layers.yaml")
        let bytes = [UInt8](try Data(contentsOf: seed))
        #expect(try LayerFile(text: String(decoding: bytes, as: UTF8.self), path: "whole").plan().layers.count == 2)
        let others = [Array("layers: &a\n - {ratio: 2x}\n - *a\n - {size: 64x48, crf: 30, vbv-maxrate: 1}\n".utf8)]
        var read = 0
        var refused = 0
        for number in 1...3000 as ClosedRange<UInt64> {
            var random = CaseRandom(seed: number)
            let damaged = ByteMutator.mutate(bytes, with: others, &random)
            do {
                read += try LayerFile(text: String(decoding: damaged, as: UTF8.self), path: "damaged").plan().layers
                    .count
            } catch { refused += 1 }
        }
        #expect(read > 100 && refused > 500, "\(read) \(refused)")
    }

    /// Nodes that refer to nodes double with each line; they end at once.
    @Test func referencesAreRefused() {
        let lines = (1...60).map { "a\($0): &a\($0) {? *a\($0 - 1) : *a\($0 - 1)}" }
        let text = "a0: &a0 {b: c}\n" + lines.joined(separator: "\n")
        #expect(throws: (any Error).self) { try LayerFile(text: text, path: "bomb") }
    }
}

/// `--layer-file`: the layers of a stream, one by one.
@Suite(.enabled(if: Fixture.canEncode, "libx265 is not built in"))
struct LayerFileTests {
    let f: Fixture
    init() throws { f = try Fixture.shared.get() }

    private func encode(_ file: String, _ text: String, _ options: [String] = []) throws -> Run {
        try Data(text.utf8).write(to: f.folder.appendingPathComponent(file))
        return try Run(
            [
                "encode", f.path("clip.y4m"), "-o", f.path(file + ".hevc"), "--layer-file", f.path(file), "--preset",
                "fast",
                "--x265-options", "keyint=4,min-keyint=4,bframes=2",
            ] + options)
    }

    @Test func sameAsTheOptions() throws {
        let run = try encode("same.yaml", "layers:\n  - {ratio: 2x, qp: 26}\n  - {qp: 24}\n")
        #expect(run.status == 0, "\(run.errors)")
        #expect(try f.data("same.yaml.hevc") == f.data("clear.hevc"))
        let json = try encode(
            "same.json", #"{"layers": [{"size": "64x48", "qp": 26}, {"size": "128x96", "qp": 24, "references": [0]}]}"#)
        #expect(json.status == 0, "\(json.errors)")
        #expect(try f.data("same.json.hevc") == f.data("clear.hevc"))
    }

    @Test func layersHaveTheirOwnKeysAndReferences() throws {
        for (name, layer) in [("layer0.json", "0"), ("layer2.json", "2")] {
            try veil("keygen", "-o", f.path("for-\(name)"), "--layers", "3")
            try veil("keygen", "-o", f.path(name), "--from", f.path("for-\(name)"), "--only-layer", layer)
        }
        let layers = """
            layers:
              - {ratio: 1.5x, qp: 30}
              - {ratio: snr, qp: 30}
              - {qp: 24, references: [0, 1], keys: \(f.path("layer2.json"))}
            """
        let run = try encode("three.yaml", layers, ["--recon", f.path("three-recon")])
        #expect(run.status == 0, "\(run.errors)")
        #expect(run.errors.contains("layer 2 encrypted"))
        #expect(!run.errors.contains("layer 1 encrypted"))
        for layer in 0..<3 {
            try veil(
                "decode", f.path("three.yaml.hevc"), "-o", f.path("three.y4m"), "--layer", "\(layer)", "--keys",
                f.path("layer2.json"))
            #expect(try f.data("three.y4m") == f.data("three-recon/layer\(layer).y4m"))
        }
        let wrong = try Run([
            "decode", f.path("three.yaml.hevc"), "-o", f.path("three.y4m"), "--keys", f.path("layer0.json"),
        ])
        #expect(wrong.status == 1)
        #expect(wrong.errors.contains("layer 2"))
        // Layers 0 and 2 are no scheme.
        let odd = try encode(
            "odd.yaml",
            layers.replacingOccurrences(of: "1.5x, qp: 30", with: "1.5x, qp: 30, keys: \(f.path("layer0.json"))"))
        #expect(odd.status == 64)
        #expect(odd.errors.contains("layers 0, 2 have keys"))
    }

    /// Keys of several layers out of a file, and of no others.
    @Test func someKeysAreTaken() throws {
        try veil("keygen", "-o", f.path("of-four.json"), "--layers", "4")
        try veil(
            "keygen", "-o", f.path("two-of-four.json"), "--from", f.path("of-four.json"), "--only-layer", "2",
            "--only-layer", "0", "--only-layer", "2")
        let all = try KeyRing(reference: f.path("of-four.json"))
        let two = try KeyRing(reference: f.path("two-of-four.json"))
        #expect(two.layers.map(\.layer) == [0, 2])
        #expect(two.layers.map(\.id) == [all.layers[0].id, all.layers[2].id])
        let none = try Run(
            ["keygen", "-o", f.path("five.json"), "--from", f.path("of-four.json"), "--only-layer", "5"])
        #expect(none.status != 0 && !FileManager.default.fileExists(atPath: f.path("five.json")))
    }

    @Test(arguments: [
        ("layers:\n  - {ratio: 2x, qp: 99}\n  - {}\n", ":2: 'qp' takes 0 to 51"),
        ("layers:\n  - {ratio: 2x}\n  - {qq: 9}\n", ":3: 'qq' is unknown"),
        ("layers:\n  - {qp: 3}\n  - {}\n", ":2: layer 0 needs 'size' or 'ratio'"),
        ("layers:\n  - {ratio: 2x\n", "no valid YAML"),
        ("layers:\n  - {ratio: 2x, depth: 8.9}\n  - {}\n", ":2: 'depth' takes 8 to 12"),
        ("layers:\n  - {ratio: 2x, crf: 0x10}\n  - {}\n", ":2: 'crf' takes a number of 0 to 51"),
        ("layers:\n  - {ratio: 2x, bitrate: inf}\n  - {}\n", ":2: 'bitrate' takes a number"),
        ("layers:\n  - {ratio: 2x, keys: \"a.json\\0x\"}\n  - {}\n", ":2: 'keys' takes a text"),
        ("layers:\n  - {ratio: 2x, qp: 3, crf: 4}\n  - {}\n", ":2: 'qp', 'crf' and 'bitrate' exclude each other"),
        ("layers:\n  - {ratio: 2x}\n  - {references: [1]}\n", "layer 1 cannot be predicted from layer 1"),
        ("- 3\n", "one key, 'layers'"),
        ("", "one key, 'layers'"),
    ])
    func mistakesAreNamed(text: String, message: String) throws {
        let run = try encode("mistake-\(abs(message.hashValue)).yaml", text)
        #expect(run.status == 64)
        #expect(run.errors.contains(message), "\(run.errors)")
    }
}
