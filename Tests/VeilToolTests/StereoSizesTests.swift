// SPDX-License-Identifier: GPL-2.0-or-later
import Foundation
import Testing
import Veil

/// Two views, each in several sizes (`--layers view,2x`): every layer as it was coded, alone and with others, each with
/// its key.
@Suite(.enabled(if: Fixture.canEncode, "libx265 is not built in"))
struct StereoSizesTests {
    let f: Fixture
    private static let nonce = "000102030405060708090a0b0c0d0e0f"
    private static let (width, height, frames) = (192, 112, 10)

    init() throws {
        f = try Fixture.shared.get()
        for (name, isRight) in [("sizes-left.y4m", false), ("sizes-right.y4m", true)] where !exists(name) {
            try StereoTests.clip(isRight: isRight).write(to: URL(fileURLWithPath: f.path(name)), options: .atomic)
        }
    }

    private func exists(_ name: String) -> Bool { FileManager.default.fileExists(atPath: f.path(name)) }

    private func encode(_ name: String, _ options: [String] = []) throws -> Data {
        func has(_ names: String...) -> Bool { !names.allSatisfy { !options.contains($0) } }
        let run = try Run(
            ["encode", f.path("sizes-left.y4m"), f.path("sizes-right.y4m"), "-o", f.path(name)]
                + (has("--layers") ? [] : ["--layers", "view,2x"]) + (has("--crf", "--bitrate") ? [] : ["--qp", "28"])
                + (has("--preset") ? [] : ["--preset", "fast"]) + options)
        try #require(run.status == 0, "\(run.errors)")
        return try f.data(name)
    }

    private func decoded(_ name: String, _ choice: [String]) throws -> Data {
        let run = try Run(["decode", f.path(name), "-o", "-"] + choice)
        #expect(run.status == 0, "\(choice): \(run.errors)")
        return run.output
    }

    /// The encoder's reconstruction, what Veil decodes of each layer, and of either eye.
    @Test(arguments: [
        "--layers view,2x --preset fast", "--layers view,2x --preset slow --bframes 0",
        "--layers view,1.5x --preset ultrafast --slices 2", "--layers view,snr --preset slow",
        "--layers view,2x --depth 8,10,8,10 --crf 28", "--layers view,2x --keyint 4 --x265-options temporal-layers=1",
        "--layers view,2x --bitrate 100,200,60,100 --no-hierarchy", "--layers view,2x,snr --preset superfast",
    ])
    func everyLayerDecodes(options: String) throws {
        let name = "sizes-\(UUID().uuidString)"
        let layers = options.contains("2x,snr") ? 6 : 4
        _ = try encode(
            name + ".hevc", ["--recon", f.path(name), "--hash"] + options.split(separator: " ").map(String.init))
        for layer in 0..<layers {
            let run = try veil(
                "decode", f.path(name + ".hevc"), "-o", f.path("\(name).y4m"), "--layer", String(layer), "--verify")
            #expect(run.errors.contains(", 0 differ"), "\(run.errors)")
            #expect(try f.data(name + ".y4m") == f.data("\(name)/layer\(layer).y4m"), "layer \(layer)")
        }
        for (view, layer) in [("left", layers / 2 - 1), ("right", layers - 1)] {
            #expect(
                try decoded(name + ".hevc", ["--view", view])
                    == decoded(name + ".hevc", ["--layer", String(layer)]), "\(view)")
        }
        #expect(try decoded(name + ".hevc", []) == decoded(name + ".hevc", ["--layer", String(layers / 2 - 1)]))
    }

    /// Layers left of them are streams of fewer views or sizes, as others know these.
    @Test func whatIsLeftDecodes() throws {
        _ = try encode("left-of.hevc")
        func extract(_ layer: Int, of source: String = "left-of.hevc") throws -> String {
            let name = "left-of-\(layer)\(source.suffix(5))"
            try veil("extract", f.path(source), "-o", f.path(name), "--layer", String(layer))
            return name
        }
        for layer in 0...3 {
            let name = try extract(layer)
            for other in [0: [0], 1: [0, 1], 2: [0, 2], 3: [0, 1, 2, 3]][layer] ?? [] {
                #expect(
                    try decoded(name, ["--layer", String(other)])
                        == decoded("left-of.hevc", ["--layer", String(other)]), "\(name), \(other)")
            }
        }
        #expect(try decoded(extract(2), ["--view", "right"]) == decoded("left-of.hevc", ["--layer", "2"]))
        #expect(try decoded(extract(2), ["--view", "left"]) == decoded("left-of.hevc", ["--layer", "0"]))
        let inspected = String(decoding: try veil("inspect", f.path(extract(2))).output, as: UTF8.self)
        #expect(inspected.contains("2 layers") && inspected.contains("right eye, \(Self.frames) pictures"))
        guard let pyav else { return }
        // FFmpeg 8 knows two views of one size: those, and of all layers the base layer.
        let base = try Run(pyav, ["-c", OtherReadersTests.decodeByPyAV, f.path("left-of.hevc")])
        try veil("decode", f.path("left-of.hevc"), "-o", f.path("left-of-base.yuv"), "--layer", "0")
        #expect(try base.output == f.data("left-of-base.yuv"), "\(base.errors)")
        let outputs = [f.path("left-of-a.yuv"), f.path("left-of-b.yuv")]
        let theirs = try Run(pyav, ["-c", StereoTests.decodeByPyAV, f.path(extract(2))] + outputs)
        #expect(theirs.status == 0, "\(theirs.errors)")
        for (layer, path) in outputs.enumerated() {
            try veil("decode", f.path("left-of.hevc"), "-o", f.path("left-of.yuv"), "--layer", String(2 * layer))
            #expect(try Data(contentsOf: URL(fileURLWithPath: path)) == f.data("left-of.yuv"), "layer \(layer)")
        }
    }

    /// MP4 holds all layers, and says both eyes.
    @Test(arguments: [["--layers", "view,2x"], ["--layers", "view,2x", "--fragmented"]])
    func moviesHoldAll(options: [String]) throws {
        let name = "sizes-\(options.count).mp4"
        _ = try encode("sizes-all.hevc")
        #expect(try encode(name, options).range(of: Data("vexu".utf8)) != nil)
        for layer in 0...3 {
            #expect(
                try decoded(name, ["--layer", String(layer)])
                    == decoded("sizes-all.hevc", ["--layer", String(layer)]))
        }
        #expect(try decoded(name, ["--view", "right"]) == decoded("sizes-all.hevc", ["--layer", "3"]))
    }

    /// A key a layer, in the loop as after it, with tags and without; each opens what is made of open layers.
    @Test(arguments: [
        ["--scheme", "all"], ["--scheme", "bl"], ["--scheme", "el"], ["--scheme", "all", "--authenticate"],
        ["--scheme", "all", "--profile", "maximal"], ["--scheme", "all", "--hide", "1"],
    ])
    func eachLayerHasItsKey(options: [String]) throws {
        let name = "sizes-key-" + options.joined()
        let keys = f.path(name + ".json")
        try veil("keygen", "-o", keys, "--layers", "4", "--cipher", "aes-256-ctr")
        let clear = try encode(name + "-clear.hevc", ["--keyint", "5"])
        let more = options + ["--keys", keys, "--nonce", Self.nonce]
        let inLoop = try encode(name + ".hevc", ["--keyint", "5"] + more)
        let run = try Run(["encrypt", f.path(name + "-clear.hevc"), "-o", f.path(name + "-after.hevc")] + more)
        #expect(run.status == 0, "\(run.errors)")
        // Sealed pictures are numbered in the order in which they are sealed, which is one here, too.
        #expect(try inLoop == f.data(name + "-after.hevc"))
        #expect(inLoop != clear)
        try veil("decrypt", f.path(name + ".hevc"), "-o", f.path(name + "-back.hevc"), "--keys", keys)
        #expect(try f.data(name + "-back.hevc") == clear)
        for layer in 0...3 {
            #expect(
                try decoded(name + ".hevc", ["--layer", String(layer), "--keys", keys])
                    == decoded(name + "-clear.hevc", ["--layer", String(layer)]))
        }
        // What extraction leaves opens as well; its tags tell of what was there beside it.
        for layer in 1...2 where options.contains("all") {
            try veil("extract", f.path(name + ".hevc"), "-o", f.path(name + "-part.hevc"), "--layer", String(layer))
            let part = try Run([
                "decode", f.path(name + "-part.hevc"), "-o", "-", "--layer", String(layer), "--keys", keys,
            ])
            #expect(
                part.status == 0
                    || part.status == 2 && part.errors.contains("layer \(3 - layer): all of it is missing"),
                "\(part.errors)")
            #expect(try part.output == decoded(name + "-clear.hevc", ["--layer", String(layer)]))
        }
        guard options == ["--scheme", "all"] else { return }
        // The keys of the small pictures show those, of both eyes, and nothing else.
        for layers in [[0], [0, 1], [0, 2]] {
            let few = f.path(name + "-few.json")
            var file = try #require(
                JSONSerialization.jsonObject(with: Data(contentsOf: URL(fileURLWithPath: keys))) as? [String: Any])
            let all = try #require(file["layers"] as? [[String: Any]])
            file["layers"] = all.filter { layers.contains($0["layer"] as? Int ?? -1) }
            try JSONSerialization.data(withJSONObject: file).write(to: URL(fileURLWithPath: few))
            try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: few)
            for layer in 0...3 {
                let one = try Run(["decode", f.path(name + ".hevc"), "-o", "-", "--layer", "\(layer)", "--keys", few])
                if layers.contains(layer) {
                    #expect(try one.output == decoded(name + "-clear.hevc", ["--layer", String(layer)]))
                } else {
                    #expect(one.status == 1 && one.output.isEmpty, "\(layers), \(layer): \(one.errors)")
                }
            }
        }
    }

    @Test func threadsChangeNothing() throws {
        let one = try encode("sizes-threads-1.hevc", ["--threads", "1"])
        #expect(try encode("sizes-threads-3.hevc", ["--threads", "3"]) == one)
        #expect(try encode("sizes-threads-rows.hevc", ["--threads", "3", "--wpp"]) == one)
        let slow = try encode("sizes-slow-1.hevc", ["--threads", "1", "--preset", "slow"])
        #expect(try encode("sizes-slow-3.hevc", ["--threads", "3", "--preset", "slow"]) == slow)
    }

    /// The right eye's larger pictures are predicted from its smaller ones and from the left eye's larger ones: of
    /// either alone they take more bits.
    @Test func bothReferencesSaveBits() throws {
        func bytes(_ references: String) throws -> Int {
            let text = """
                layers:
                 - {ratio: 2x, qp: 28}
                 - {qp: 28}
                 - {view: true, qp: 28}
                 - {view: true, source: \(f.path("sizes-right.y4m")), qp: 28\(references)}

                """
            let name = "sizes-references\(references.count)"
            try Data(text.utf8).write(to: URL(fileURLWithPath: f.path(name + ".yaml")))
            try veil(
                "encode", f.path("sizes-left.y4m"), "-o", f.path(name + ".hevc"), "--layer-file",
                f.path(name + ".yaml"), "--preset", "fast", "--recon", f.path(name))
            // Each decodes as it was coded.
            try veil("decode", f.path(name + ".hevc"), "-o", f.path(name + ".y4m"), "--layer", "3")
            #expect(try f.data(name + ".y4m") == f.data(name + "/layer3.y4m"))
            return try f.data(name + ".hevc").count
        }
        let both = try bytes("")
        #expect(try f.data("sizes-references0.hevc") == encode("sizes-options.hevc"))
        #expect(try both < bytes(", references: [2]"))
        #expect(try both < bytes(",  references: [1]"))
    }

    /// The library makes the program's bytes; the right eye's pictures are pushed as the top layer's.
    @Test func theLibraryIsTheSame() throws {
        var settings = VideoEncoder.Settings(width: Self.width, height: Self.height)
        settings.layers = try .init("view,2x")
        settings.layers.setRates(.qp(28))
        settings.preset = "fast"
        let encoder = try VideoEncoder(settings: settings)
        let (size, header) = (Self.width * Self.height * 3 / 2, 6)
        func frame(_ name: String, _ n: Int) throws -> VideoPicture {
            let clip = try f.data(name)
            let start = clip.firstIndex(of: 10).map { $0 + 1 } ?? 0
            return try VideoPicture(
                i420: [UInt8](clip[(start + n * (size + header) + header)...].prefix(size)), width: Self.width,
                height: Self.height)
        }
        #expect(throws: SettingsError.self) { try encoder.push(frame("sizes-left.y4m", 0)) }
        #expect(throws: SettingsError.self) {
            try encoder.push(frame("sizes-left.y4m", 0), layers: [2: frame("sizes-right.y4m", 0)])
        }
        var bytes: [UInt8] = []
        for n in 0..<Self.frames {
            let right = try frame("sizes-right.y4m", n)
            bytes += try encoder.push(frame("sizes-left.y4m", n), layers: [3: right]).flatMap(\.bytes)
        }
        bytes += try encoder.finish().flatMap(\.bytes)
        #expect(try Data(bytes) == encode("sizes-library.hevc"))
    }
}
