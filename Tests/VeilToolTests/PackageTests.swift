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
        #expect(manifest.components(separatedBy: "<ContentProtection").count == 4)
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
        }
        let page = String(decoding: try f.data("package-site/index.html"), as: UTF8.self)
        #expect(page.contains("layer0-init.mp4") && !page.contains("http"))
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
