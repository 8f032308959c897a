// SPDX-License-Identifier: GPL-2.0-or-later
import Foundation
import TestSupport
import Testing
import VeilBitstream

/// What `inspect` tells, and the sizes that `encode` does, against what is there.
@Suite(.enabled(if: Fixture.canEncode, "libx265 is not built in"))
struct InspectTests {
    private struct Summary: Decodable {
        struct Layer: Decodable {
            struct Space: Decodable { var total: Int }
            var layer: Int
            var role: String?
            var bytes: Int
            var userData: [String: Int]?
            var encryptionSpace: Space?
        }
        struct Container: Decodable {
            struct Track: Decodable, Equatable {
                var kind: String
                var format: String
            }
            var format: String
            var tracks: [Track]
        }
        var layers: [Layer]
        var container: Container?
    }

    private func inspect(_ path: String) throws -> Summary {
        try JSONDecoder().decode(Summary.self, from: veil("inspect", path, "--json").output)
    }

    private func units(_ path: String) throws -> [NALUnit] {
        try AnnexBReader.units(of: [UInt8](Data(contentsOf: URL(fileURLWithPath: path))))
    }

    /// Numbers behind a text in each line that has it.
    private func numbers(after text: String, in lines: String) -> [Int] {
        lines.split(separator: "\n").compactMap { line in
            line.range(of: text).flatMap { Int(line[$0.upperBound...].prefix { $0.isNumber }) }
        }
    }

    /// As many bits as encryption changes or could have, to the last slice.
    @Test func spaceIsThatOfEncryption() throws {
        let f = try Fixture.shared.get()
        let run = try veil(
            "encrypt", f.path("clear.hevc"), "-o", f.path("space.hevc"), "--keys", f.path("keys.json"), "--scheme",
            "all")
        let wanted = run.errors.split(separator: "\n").filter { $0.contains("encrypted with") }.map {
            numbers(after: ": ", in: String($0.drop { $0 != "," })).first ?? -1
        }
        try #require(wanted.count == 2 && wanted.allSatisfy { $0 > 0 }, "\(run.errors)")
        // Threads end when they like: what they counted is counted all the same.
        for path in Array(repeating: "space.hevc", count: 5) + ["clear.hevc"] {
            #expect(try inspect(f.path(path)).layers.map { $0.encryptionSpace?.total ?? -1 } == wanted)
        }
    }

    /// Bytes of sealed pictures are bytes of their layer.
    @Test func sizesOfHiddenPictures() throws {
        let f = try Fixture.shared.get()
        let run = try veil(
            "encode", f.path("clip.y4m"), "-o", f.path("hidden.hevc"), "--layers", "2x", "--qp", "26,24", "--keys",
            f.path("keys.json"), "--hide", "3")
        let all = try units(f.path("hidden.hevc"))
        for layer in 0..<2 {
            let own = all.filter { $0.header.nuhLayerId == layer }
            let slices = own.filter { $0.header.nalUnitType.isSlice }.reduce(0) { $0 + $1.bytes.count }
            let sealed = own.filter { $0.header.nalUnitType.rawValue == 60 }.reduce(0) { $0 + $1.bytes.count }
            #expect(sealed > slices)
            #expect(
                numbers(after: "layer \(layer) ", in: run.errors.replacingOccurrences(of: ", layer", with: "\nlayer"))
                    .contains(slices + sealed), "\(run.errors)")
            #expect(try inspect(f.path("hidden.hevc")).layers[layer].bytes == slices + sealed)
        }
        let shares = run.errors.split(separator: " ").compactMap { Double($0) }
        #expect(run.errors.contains("ES ") && shares.allSatisfy { $0 >= 0 })
        for line in run.errors.split(separator: "\n") {
            guard let text = line.range(of: "ES ") else { continue }
            #expect(Double(line[text.upperBound...].prefix { $0 != " " }) ?? 1000 < 100, "\(line)")
        }
    }

    /// Which layer is for which eye; and an encoder that takes one of them says so.
    @Test func eyes() throws {
        let f = try Fixture.shared.get()
        let path = f.path("eyes.hevc")
        try Data(ForeignStreams.stereo).write(to: URL(fileURLWithPath: path))
        #expect(try inspect(path).layers.map(\.role) == ["left eye", "right eye"])
        #expect(try inspect(f.path("clear.hevc")).layers.map(\.role) == [nil, nil])
        let text = String(decoding: try veil("inspect", path).output, as: UTF8.self)
        #expect(text.contains("left eye") && text.contains("right eye"), "\(text)")
        let both = try veil("encode", path, "-o", f.path("eye1.hevc"), "--layers", "1")
        #expect(both.errors.contains("right eye is left out (layer 1): --source-layer 1"), "\(both.errors)")
        let right = try veil("encode", path, "-o", f.path("eye0.hevc"), "--layers", "1", "--source-layer", "1")
        #expect(right.errors.contains("left eye is left out (layer 0)"), "\(right.errors)")
        #expect(try f.data("eye0.hevc") != f.data("eye1.hevc"))
        // So does a decoder that nobody told which: the base layer's view.
        func decode(_ options: String...) throws -> (pictures: Data, errors: String) {
            let run = try Run(["decode", path, "-o", f.path("eye.yuv")] + options)
            try #require(run.status == 0, "\(run.errors)")
            return (try f.data("eye.yuv"), run.errors)
        }
        let (shown, left, right1, eye) = (
            try decode(), try decode("--layer", "0"), try decode("--layer", "1"), try decode("--view", "right")
        )
        #expect(shown.pictures == left.pictures && eye.pictures == right1.pictures && left.pictures != eye.pictures)
        #expect(shown.errors.contains("left eye is taken (layer 0), right eye is left out (layer 1): --layer 1 takes"))
        #expect(!eye.errors.contains("left out") && !left.errors.contains("left out"), "\(eye.errors)")
        let plain = try veil("encode", f.path("clear.hevc"), "-o", f.path("eye2.hevc"), "--layers", "1")
        #expect(!plain.errors.contains("left out"), "\(plain.errors)")
    }

    /// Messages of user data by what they hold, Veil's own aside.
    @Test func userData() throws {
        let f = try Fixture.shared.get()
        var bytes: [UInt8] = []
        for unit in try units(f.path("clear.hevc")) {
            if unit.header.nalUnitType.isSlice, unit.header.nuhLayerId == 0 {
                let captions = SEIMessage(
                    payloadType: 4, payload: [0xB5, 0, 0x31] + Array("GA94".utf8) + [3, 0x40, 0xFF, 0xFF])
                let dynamic = SEIMessage(payloadType: 4, payload: [0xB5, 0, 0x3C, 0, 1, 4, 1])
                bytes.append(
                    annexB: NALUnit(
                        header: NALUnitHeader(nalUnitType: .prefixSEI), rbsp: SEIMessage.rbsp([captions, dynamic])))
            }
            bytes.append(annexB: unit)
        }
        try Data(bytes).write(to: URL(fileURLWithPath: f.path("messages.hevc")))
        try veil(
            "encrypt", f.path("messages.hevc"), "-o", f.path("messages.e.hevc"), "--keys", f.path("keys.json"),
            "--authenticate")
        for name in ["messages.hevc", "messages.e.hevc"] {
            let layers = try inspect(f.path(name)).layers
            #expect(
                layers[0].userData?["captions"] == Fixture.frames && layers[0].userData?["HDR10+"] == Fixture.frames)
            #expect(layers[1].userData == nil)
        }
    }

    /// The container's brand and tracks.
    @Test func container() throws {
        let f = try Fixture.shared.get()
        try veil("extract", f.path("clear.hevc"), "-o", f.path("in-a-box.mp4"))
        let container = try #require(try inspect(f.path("in-a-box.mp4")).container)
        #expect(container.format == "isom" && container.tracks == [.init(kind: "video", format: "hvc1")])
        #expect(try inspect(f.path("clear.hevc")).container == nil)
        let text = String(decoding: try veil("inspect", f.path("in-a-box.mp4")).output, as: UTF8.self)
        #expect(text.contains("container: isom, video (hvc1)\n"), "\(text)")
    }
}
