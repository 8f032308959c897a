// SPDX-License-Identifier: GPL-2.0-or-later
import Foundation
import Testing
import Veil
import VeilBitstream

/// Segments layer by layer, and messages that travel with pictures.
@Suite(.enabled(if: Fixture.canEncode, "libx265 is not built in"))
struct PackageTests {
    /// The segments of a layer and of those it needs, behind its initialization segment, are the stream up to it.
    @Test func layersComeTogetherAgain() throws {
        let f = try Fixture.shared.get()
        func p(_ name: String) -> String { f.path("package-" + name) }
        try veil("keygen", "-o", p("keys.json"), "--layers", "3")
        try veil(
            "encode", f.path("clip.y4m"), "-o", p("s.mp4"), "--layers", "2x,snr", "--keyint", "4", "--scheme", "all",
            "--keys", p("keys.json"), "--authenticate", "--sar", "4:3")
        try veil("package", p("s.mp4"), "-o", p("site"), "--segment", "0")
        let manifest = String(decoding: try f.data("package-site/manifest.mpd"), as: UTF8.self)
        for part in [
            #"<Representation id="0" codecs="hvc1.1.6."#, #"<Representation id="1" codecs="lhv1.7."#,
            #"dependencyId="0""#, #"dependencyId="0 1""#, #"sar="4:3""#, #"mediaPresentationDuration="PT0.360S""#,
        ] { #expect(manifest.contains(part), "\(part): \(manifest)") }
        // Of representations, or sets of them, as a whole clients would take it as a reason to leave them out.
        let lines = manifest.split(separator: "\n").map { $0.drop { $0 == " " } }
        let protections = lines.indices.filter { lines[$0].hasPrefix("<ContentProtection ") }
        #expect(protections.count == 3)
        for i in protections {
            #expect(lines[i - 1] == "<SubRepresentation>" && lines[i + 1] == "</SubRepresentation>", "\(manifest)")
        }
        #expect(manifest.components(separatedBy: "<S t=").count == 10)
        for layer in 0..<3 {
            var file = try f.data("package-site/layer\(layer)-init.mp4")
            for segment in 1...3 {
                for below in 0...layer { file += try f.data("package-site/layer\(below)-\(segment).m4s") }
            }
            #expect(!FileManager.default.fileExists(atPath: p("site/layer\(layer)-4.m4s")))
            try file.write(to: URL(fileURLWithPath: p("whole.mp4")))
            for input in ["whole", "s"] {
                try veil(
                    "decode", p("\(input).mp4"), "-o", p("\(input).y4m"), "--layer", "\(layer)", "--keys",
                    p("keys.json"))
            }
            let whole = try f.data("package-whole.y4m")
            #expect(try whole == f.data("package-s.y4m") && !whole.isEmpty, "layer \(layer)")
            // Nobody has to say which layer came.
            let run = try veil("decode", p("whole.mp4"), "-o", p("alone.y4m"), "--keys", p("keys.json"))
            #expect(try f.data("package-alone.y4m") == whole)
            #expect(run.errors.contains("layer \(layer) is decoded") == (layer < 2), "\(run.errors)")
        }
        let page = String(decoding: try f.data("package-site/index.html"), as: UTF8.self)
        #expect(page.contains("layer0-init.mp4") && !page.contains("http"))
    }

    /// GPAC reads the manifest of an encrypted stream and puts the layers together again: all are exact.
    @Test(.enabled(if: Run.find("gpac") != nil, "gpac is not here"))
    func anotherClientReassembles() throws {
        let f = try Fixture.shared.get()
        func p(_ name: String) -> String { f.path("gpac-" + name) }
        try veil("package", f.path("all.hevc"), "-o", p("site"), "--segment", "0")
        let run = try Run(
            #require(Run.find("gpac")), ["-i", p("site/manifest.mpd"), "--algo=none", "-o", p("out.mp4")])
        #expect(run.status == 0, "\(run.errors)")
        for layer in ["0", "1"] {
            for (input, output) in [(p("out.mp4"), p("out.yuv")), (f.path("all.hevc"), p("in.yuv"))] {
                try veil("decode", input, "-o", output, "--layer", layer, "--keys", f.path("keys.json"))
            }
            let whole = try f.data("gpac-out.yuv")
            #expect(try whole == f.data("gpac-in.yuv") && !whole.isEmpty, "layer \(layer)")
        }
    }

    /// Segments of an older package, which may be clear, do not stay beside those of a new one; files of others do. A
    /// folder that holds anything but a package is left alone.
    @Test func olderPackagesGo() throws {
        let f = try Fixture.shared.get()
        func p(_ name: String) -> String { f.path("again-" + name) }
        func files() throws -> [String] { try FileManager.default.contentsOfDirectory(atPath: p("site")).sorted() }
        try veil("package", f.path("clear.hevc"), "-o", p("site"), "--segment", "0")
        let clear = try files().filter { $0.hasSuffix(".m4s") }
        #expect(clear.count == 6)
        try Data("mine".utf8).write(to: URL(fileURLWithPath: p("site/notes.txt")))
        // What fails leaves the package as it was.
        let before = try files().map { try f.data("again-site/" + $0) }
        try Data("no stream".utf8).write(to: URL(fileURLWithPath: p("none.hevc")))
        #expect(try Run(["package", p("none.hevc"), "-o", p("site")]).status == 1)
        let inside = try Run(["package", p("site/layer0-init.mp4"), "-o", p("site")])
        #expect(inside.status == 1 && inside.errors.contains("read, too"), "\(inside.errors)")
        #expect(try files().map { try f.data("again-site/" + $0) } == before)
        // One segment a layer in place of three, encrypted.
        try veil("package", f.path("all.hevc"), "-o", p("site"), "--segment", "9")
        #expect(
            try files() == [
                "index.html", "layer0-1.m4s", "layer0-init.mp4", "layer1-1.m4s", "layer1-init.mp4", "manifest.mpd",
                "notes.txt",
            ])
        #expect(try String(contentsOfFile: p("site/notes.txt"), encoding: .utf8) == "mine")
        let whole = try ["layer1-init.mp4", "layer0-1.m4s", "layer1-1.m4s"].map { try f.data("again-site/" + $0) }
        try Data(whole.joined()).write(to: URL(fileURLWithPath: p("whole.mp4")))
        for input in [p("whole.mp4"), f.path("all.hevc")] {
            try veil("decode", input, "-o", input + ".again.y4m", "--keys", f.path("keys.json"))
        }
        #expect(try f.data("again-whole.mp4.again.y4m") == f.data("all.hevc.again.y4m"))
        // A segment that the manifest does not name would pass for one of the new ones.
        try Data("old".utf8).write(to: URL(fileURLWithPath: p("site/layer0-2.m4s")))
        let stray = try Run(["package", f.path("all.hevc"), "-o", p("site")])
        #expect(stray.status == 1 && stray.errors.contains("layer0-2.m4s"), "\(stray.errors)")
        try FileManager.default.removeItem(atPath: p("site/manifest.mpd"))
        let others = try files()
        let refused = try Run(["package", f.path("all.hevc"), "-o", p("site")])
        #expect(refused.status == 1 && refused.errors.contains("not empty"), "\(refused.errors)")
        #expect(try files() == others)
    }

    /// What a sample entry says of both eyes is there where both are, in segments and fragments too.
    @Test func stereoStays() throws {
        let f = try Fixture.shared.get()
        func p(_ name: String) -> String { f.path("eyes-" + name) }
        let eyes: [UInt8] = [0, 0, 0, 12] + Array("vexu".utf8) + [1, 2, 3, 4]
        try veil("extract", f.path("clear.hevc"), "-o", p("plain.mp4"))
        let file = try withBox(eyes, in: [UInt8](f.data("eyes-plain.mp4")))
        try Data(file).write(to: URL(fileURLWithPath: p("stereo.mp4")))
        func says(_ name: String) throws -> Bool { try f.data("eyes-" + name).range(of: Data(eyes)) != nil }
        try veil("package", p("stereo.mp4"), "-o", p("site"))
        #expect(try says("site/layer1-init.mp4") && !says("site/layer0-init.mp4"))
        try veil("extract", p("stereo.mp4"), "-o", p("live.mp4"), "--fragmented")
        try veil("extract", p("stereo.mp4"), "-o", p("one.mp4"), "--fragmented", "--layer", "0")
        #expect(try says("live.mp4") && !says("one.mp4"))
        for name in ["live", "plain"] { try veil("decode", p("\(name).mp4"), "-o", p("\(name).y4m")) }
        #expect(try f.data("eyes-live.y4m") == f.data("eyes-plain.y4m"))
    }

    /// What others make of it: the base layer plays from the manifest, with its sound.
    @Test(.enabled(if: Run.find("ffmpeg") != nil && Run.find("ffprobe") != nil, "ffmpeg is not here"))
    func othersPlayTheBaseLayer() throws {
        let f = try Fixture.shared.get()
        func p(_ name: String) -> String { f.path("played-" + name) }
        try veil("encode", f.path("clip.y4m"), "-o", p("clip.mp4"), "--layers", "2x", "--keyint", "4")
        let made = try Run(
            Run.find("ffmpeg")!,
            [
                "-v", "error", "-y", "-f", "lavfi", "-i", "sine=duration=0.36", "-c:a", "aac", p("sound.m4a"),
            ])
        try #require(made.status == 0, "\(made.errors)")
        try veil("package", p("clip.mp4"), "-o", p("site"), "--segment", "0")
        var file = try f.data("played-site/layer0-init.mp4")
        for segment in 1...3 { file += try f.data("played-site/layer0-\(segment).m4s") }
        try file.write(to: URL(fileURLWithPath: p("base.mp4")))
        let played = try Run(
            Run.find("ffmpeg")!, ["-v", "error", "-i", p("base.mp4"), "-f", "rawvideo", "-pix_fmt", "yuv420p", "-"])
        #expect(played.status == 0 && played.errors.isEmpty, "\(played.errors)")
        try veil("decode", p("clip.mp4"), "-o", p("base.yuv"), "--layer", "0")
        #expect(try played.output == f.data("played-base.yuv"))
    }

    /// Captions and dynamic metadata (registered user data) of a source that Veil decodes are of the same pictures
    /// afterwards, in every layer.
    @Test func messagesOfPictures() throws {
        let f = try Fixture.shared.get()
        func p(_ name: String) -> String { f.path("messages-" + name) }
        var splitter = ByteStreamSplitter()
        var units = try splitter.push([UInt8](f.data("clear.hevc")))
        if let last = try splitter.finish() { units.append(last) }
        var bytes: [UInt8] = []
        var count: UInt8 = 0
        for unit in units {
            if unit.header.nalUnitType.isSlice, unit.header.nuhLayerId == 0 {
                let message = SEIMessage(payloadType: 4, payload: [0xB5, 0, 0x31, count])
                let sei = NALUnit(header: NALUnitHeader(nalUnitType: .prefixSEI), rbsp: SEIMessage.rbsp([message]))
                bytes.append(annexB: sei)
                count += 1
            }
            bytes.append(annexB: unit)
        }
        try Data(bytes).write(to: URL(fileURLWithPath: p("in.hevc")))
        func userData(_ path: String, layer: Int) throws -> [[[UInt8]]] {
            var options = VideoDecoder.Options()
            options.output = .layer(layer)
            let decoder = VideoDecoder(options: options)
            var result: [[[UInt8]]] = []
            try decoder.push([UInt8](Data(contentsOf: URL(fileURLWithPath: path)))) { result.append($0.userData) }
            try decoder.finish { result.append($0.userData) }
            return result
        }
        let wanted = try userData(p("in.hevc"), layer: 0)
        #expect(wanted.count == Fixture.frames && Set(wanted.map { $0.map { $0[3] } }).count == Fixture.frames)
        try veil("encode", p("in.hevc"), "-o", p("out.hevc"), "--layers", "2x")
        for layer in 0..<2 { #expect(try userData(p("out.hevc"), layer: layer) == wanted) }
    }
}
