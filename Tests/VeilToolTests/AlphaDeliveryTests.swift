// SPDX-License-Identifier: GPL-2.0-or-later
import Foundation
import Testing

/// Alpha and a second eye on their way to others: each layer's key alone, layers cut out, segments, sources that are
/// not what they seem.
@Suite(.enabled(if: Fixture.canEncode, "libx265 is not built in"))
struct AlphaDeliveryTests {
    let f: Fixture
    private func p(_ name: String) -> String { f.path("delivery-" + name) }
    private static let (width, height) = (Fixture.width, Fixture.height)

    init() throws {
        f = try Fixture.shared.get()
        let path = f.path("delivery-a.y4m")
        guard !FileManager.default.fileExists(atPath: path) else { return }
        var bytes = Array("YUV4MPEG2 W\(Self.width) H\(Self.height) F25:1 Ip A1:1 Cmono\n".utf8)
        for n in 0..<Fixture.frames {
            bytes += Array("FRAME\n".utf8)
            for i in 0..<Self.width * Self.height { bytes.append(i % Self.width > 30 + 4 * n ? 255 : 0) }
        }
        try Data(bytes).write(to: URL(fileURLWithPath: path), options: .atomic)
        for (layer, name) in [(0, "k0"), (1, "k1")] { try key(of: layer, name) }
    }

    /// A key file with the key of one layer of the fixture's.
    private func key(of layer: Int, _ name: String) throws {
        let all = try JSONSerialization.jsonObject(with: f.data("keys.json"))
        var file = try #require(all as? [String: Any])
        let layers = try #require(file["layers"] as? [[String: Any]])
        file["layers"] = layers.filter { $0["layer"] as? Int == layer }
        try JSONSerialization.data(withJSONObject: file).write(to: URL(fileURLWithPath: p(name + ".json")))
        try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: p(name + ".json"))
    }

    private func encode(_ name: String, _ what: [String]) throws {
        if FileManager.default.fileExists(atPath: p(name)) { return }
        try veil(
            ["encode", f.path("clip.y4m")] + what + [
                "-o", p(name), "--qp", "28,22", "--keys", f.path("keys.json"), "--authenticate",
            ])
    }

    /// What is decoded needs the keys of the layers that it is made of, and of no other.
    @Test(arguments: ["hevc", "mp4"]) func eachKeyOpensItsLayer(suffix: String) throws {
        try encode("all.\(suffix)", ["--alpha", p("a.y4m")])
        for (key, choice, other) in [("k0", [], ["--alpha"]), ("k1", ["--alpha"], [])] {
            let one = try Run(["decode", p("all.\(suffix)"), "-o", "-", "--keys", p(key + ".json")] + choice)
            #expect(one.status == 0, "\(key): \(one.errors)")
            let all = try Run(["decode", p("all.\(suffix)"), "-o", "-", "--keys", f.path("keys.json")] + choice)
            #expect(all.status == 0 && one.output == all.output && !one.output.isEmpty)
            let locked = try Run(["decode", p("all.\(suffix)"), "-o", "-", "--keys", p(key + ".json")] + other)
            #expect(locked.status == 1 && locked.errors.contains("which is not there"), "\(locked.errors)")
        }
        // Of two eyes' views the base view's is decoded.
        try encode("stereo.\(suffix)", [f.path("clip.y4m"), "--layers", "view"])
        let base = try Run(["decode", p("stereo.\(suffix)"), "-o", "-", "--keys", p("k0.json")])
        #expect(base.status == 0 && !base.output.isEmpty, "\(base.errors)")
        let second = try Run(["decode", p("stereo.\(suffix)"), "-o", "-", "--keys", p("k0.json"), "--layer", "1"])
        #expect(second.status == 1, "\(second.errors)")
    }

    /// Who holds a key has what is missing of its layer told, whatever a VPS says is needed.
    @Test func heldKeysAreChecked() throws {
        try encode("all.hevc", ["--alpha", p("a.y4m")])
        try veil("extract", p("all.hevc"), "-o", p("base.hevc"), "--layer", "0")
        let run = try Run(["decode", p("base.hevc"), "-o", "/dev/null", "--keys", f.path("keys.json")])
        #expect(run.status == 2 && run.errors.contains("layer 1: all of it is missing"), "\(run.errors)")
    }

    /// A layer that is predicted from nothing takes along what tells what it is.
    @Test func alphaAlone() throws {
        try encode("all.hevc", ["--alpha", p("a.y4m")])
        try veil("extract", p("all.hevc"), "-o", p("alpha.hevc"), "--layer", "1")
        let whole = try veil("decode", p("all.hevc"), "-o", "-", "--alpha", "--keys", f.path("keys.json"))
        let alone = try veil("decode", p("alpha.hevc"), "-o", "-", "--alpha", "--keys", p("k1.json"))
        #expect(alone.output == whole.output && !whole.output.isEmpty)
        // Its tags tell of what was there beside it.
        let decrypted = try Run(["decrypt", p("alpha.hevc"), "-o", p("alpha-clear.hevc"), "--keys", p("k1.json")])
        #expect(decrypted.status == 2 && decrypted.errors.contains("layer 0: all of it is missing"))
        let clear = try veil("decode", p("alpha-clear.hevc"), "-o", "-", "--alpha")
        #expect(clear.output == whole.output)
    }

    /// No client takes alpha for another rate of the pictures; its segments with those of the base layer are a file
    /// that says what is alpha. A second eye says which one it is.
    @Test func segments() throws {
        try encode("all.mp4", ["--alpha", p("a.y4m")])
        try veil("package", p("all.mp4"), "-o", p("site"), "--segment", "0")
        let manifest = try String(contentsOfFile: p("site/manifest.mpd"), encoding: .utf8)
        let sets = manifest.components(separatedBy: "<AdaptationSet").dropFirst()
        #expect(sets.count == 2, "\(manifest)")
        let alpha = try #require(sets.last)
        for part in ["auxid:1", #"value="supplementary""#, #"id="1""#, #"dependencyId="0""#] {
            #expect(alpha.contains(part) && sets.first?.contains(part) == false, "\(part): \(manifest)")
        }
        #expect(try String(contentsOfFile: p("site/index.html"), encoding: .utf8).contains("1 (alpha)"))
        var file = try f.data("delivery-site/layer1-init.mp4")
        for number in 1... {
            let parts = [0, 1].map { p("site/layer\($0)-\(number).m4s") }
            guard FileManager.default.fileExists(atPath: parts[0]) else { break }
            for part in parts { file += try Data(contentsOf: URL(fileURLWithPath: part)) }
        }
        try file.write(to: URL(fileURLWithPath: p("together.mp4")))
        let keys = ["--alpha", "--keys", f.path("keys.json")]
        let together = try veil(["decode", p("together.mp4"), "-o", "-"] + keys)
        let whole = try veil(["decode", p("all.mp4"), "-o", "-"] + keys)
        #expect(together.output == whole.output && !whole.output.isEmpty)
        try encode("stereo.mp4", [f.path("clip.y4m"), "--layers", "view"])
        try veil("package", p("stereo.mp4"), "-o", p("eyes"))
        let eyes = try String(contentsOfFile: p("eyes/manifest.mpd"), encoding: .utf8)
        for eye in ["l0", "r0"] { #expect(eyes.contains(#"stereoid:2011" value="\#(eye)""#), "\(eyes)") }
        #expect(try String(contentsOfFile: p("eyes/index.html"), encoding: .utf8).contains("1 (right eye)"))
    }

    /// Luma stands in for alpha where somebody names a file for it, and not where alpha is somewhere else.
    @Test func sourcesOfAlpha() throws {
        func encode(_ input: String, _ alpha: String) throws -> Run {
            try Run(["encode", input, "--alpha", alpha, "-o", p("no.hevc"), "--qp", "28,22", "--frames", "1"])
        }
        let clip = f.path("clip.y4m")
        let link = p("link.y4m")
        try? FileManager.default.createSymbolicLink(atPath: link, withDestinationPath: clip)
        for name in [clip, link] {
            let own = try encode(clip, name)
            #expect(own.status == 1 && own.errors.contains("has no plane of alpha"), "\(own.errors)")
        }
        try self.encode("all.hevc", ["--alpha", p("a.y4m")])
        try veil("decrypt", p("all.hevc"), "-o", p("all-clear.hevc"), "--keys", f.path("keys.json"))
        let layered = try encode(clip, p("all-clear.hevc"))
        #expect(layered.status == 1 && layered.errors.contains("has a layer of alpha"), "\(layered.errors)")
        var limited = try f.data("delivery-a.y4m")
        limited.replaceSubrange(
            try #require(limited.range(of: Data(" Cmono\n".utf8))), with: Data(" Cmono XCOLORRANGE=LIMITED\n".utf8))
        try limited.write(to: URL(fileURLWithPath: p("limited.y4m")))
        let run = try encode(clip, p("limited.y4m"))
        #expect(run.status == 0 && run.errors.contains("of limited range and taken as it is"), "\(run.errors)")
        guard let ffmpeg = Run.find("ffmpeg") else { return }
        let made = try Run(
            ffmpeg,
            [
                "-v", "error", "-y", "-i", clip, "-i", p("a.y4m"), "-filter_complex",
                "[0:v][1:v]alphamerge,format=rgba,split[a][b];[a]palettegen[p];[b][p]paletteuse", "-frames:v", "1",
                "-pix_fmt", "pal8", p("palette.png"),
            ])
        try #require(made.status == 0, "\(made.errors)")
        let palette = try encode(p("palette.png"), p("palette.png"))
        #expect(palette.status == 1 && palette.errors.contains("has a palette"), "\(palette.errors)")
        let opaque = try veil("encode", p("palette.png"), "-o", p("no.hevc"))
        #expect(opaque.errors.contains("its alpha is left out, if its palette has any"), "\(opaque.errors)")
    }

    /// y4m of 4:4:4 with a plane of alpha: that plane is taken, or the others.
    @Test func planeOfAlphaInY4M() throws {
        let size = Self.width * Fixture.height
        let planes = try f.data("delivery-a.y4m").drop { $0 != 10 }.dropFirst()
        var bytes = Data(
            "YUV4MPEG2 W\(Self.width) H\(Fixture.height) F25:1 Ip A1:1 C444alpha XCOLORRANGE=LIMITED\n".utf8)
        var colour = Data("YUV4MPEG2 W\(Self.width) H\(Fixture.height) F25:1 Ip A1:1 C444 XCOLORRANGE=LIMITED\n".utf8)
        for n in 0..<Fixture.frames {
            let pictures =
                Data("FRAME\n".utf8) + Data((0..<3 * size).map { UInt8(truncatingIfNeeded: 60 + $0 % 97 + n) })
            bytes += pictures + planes.dropFirst(n * (size + 6) + 6).prefix(size)
            colour += pictures
        }
        try bytes.write(to: URL(fileURLWithPath: p("444alpha.y4m")))
        try colour.write(to: URL(fileURLWithPath: p("444.y4m")))
        func encode(_ what: [String]) throws -> (Data, String) {
            let run = try veil(["encode"] + what + ["-o", p("444.hevc"), "--qp", "28"])
            return (try f.data("delivery-444.hevc"), run.errors)
        }
        let clip = f.path("clip.y4m")
        let (taken, words) = try encode([clip, "--alpha", p("444alpha.y4m")])
        #expect(try taken == encode([clip, "--alpha", p("a.y4m")]).0)
        #expect(!words.contains("limited range"), "\(words)")
        let (left, note) = try encode([p("444alpha.y4m"), "--layers", "1"])
        #expect(try left == encode([p("444.y4m"), "--layers", "1"]).0)
        #expect(note.contains("444alpha.y4m: its alpha (444alpha) is left out"), "\(note)")
        let other = try Run(["encode", p("444alpha.y4m"), "--alpha", p("444alpha.y4m"), "-o", p("no.hevc")])
        #expect(other.status == 64 && other.errors.contains("4:4:4 is coded in a single layer"), "\(other.errors)")
        #expect(!other.errors.contains("left out"), "\(other.errors)")
    }

    /// What names a pipe twice would get every other piece of it.
    @Test(arguments: [["--alpha", "/dev/stdin"], ["/dev/stdin", "--layers", "view"]])
    func onePipeIsNotTwo(options: [String]) throws {
        let command = "cat '\(f.path("clip.y4m"))' 2>&- | '\(Run.veil.path)' encode - -o '\(p("no-pipe.hevc"))' "
        let run = try Run(URL(fileURLWithPath: "/bin/sh"), ["-c", command + options.joined(separator: " ")])
        #expect(run.status == 64, "\(run.errors)")
        #expect(run.errors.contains("'-' and '/dev/stdin' are one pipe, which can be read once"), "\(run.errors)")
        #expect(!FileManager.default.fileExists(atPath: p("no-pipe.hevc")))
    }

    /// Alpha that is left out is taken by the option for it; alone it is decoded, and nothing else is said.
    @Test func decodingTellsOfAlpha() throws {
        try encode("all.hevc", ["--alpha", p("a.y4m")])
        try veil("decrypt", p("all.hevc"), "-o", p("told.hevc"), "--keys", f.path("keys.json"))
        let base = try veil("decode", p("told.hevc"), "-o", "-")
        #expect(base.errors.contains("alpha is left out (layer 1): --alpha takes it"), "\(base.errors)")
        try veil("extract", p("told.hevc"), "-o", p("alone.hevc"), "--layer", "1")
        let alone = try veil("decode", p("alone.hevc"), "-o", "-")
        #expect(alone.errors.contains("layer 1 is decoded, the highest that is there"), "\(alone.errors)")
        #expect(!alone.errors.contains("skipped"), "\(alone.errors)")
        #expect(try alone.output == veil("decode", p("told.hevc"), "-o", "-", "--alpha").output)
    }

    /// Alpha is shown in the pictures' shape.
    @Test func aspectOfAlpha() throws {
        try veil(
            "encode", f.path("clip.y4m"), "--alpha", p("a.y4m"), "-o", p("wide.hevc"), "--sar", "4:3", "--frames", "2")
        for choice in [["--layer", "0"], ["--alpha"]] {
            let run = try veil(["decode", p("wide.hevc"), "-o", "-"] + choice)
            #expect(String(decoding: run.output.prefix(60), as: UTF8.self).contains(" A4:3 "), "\(choice)")
        }
    }

    /// Attacks are about what is shown.
    @Test func attacksLeaveAlphaOut() throws {
        try encode("all.hevc", ["--alpha", p("a.y4m")])
        try veil("decrypt", p("all.hevc"), "-o", p("attacked.hevc"), "--keys", f.path("keys.json"))
        let run = try Run(["attack", p("attacked.hevc"), "-o", p("attack"), "--frames", "3"])
        #expect(run.status == 0, "\(run.errors)")
    }
}
