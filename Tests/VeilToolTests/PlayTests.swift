// SPDX-License-Identifier: GPL-2.0-or-later
import Foundation
import Testing

/// `veil play` hands players what `decode` writes, of the layer that keys reach.
@Suite(.enabled(if: Fixture.canEncode, "libx265 is not built in"))
struct PlayTests {
    let f: Fixture
    /// A folder with stand-ins for players, which is all of PATH but the system's.
    private let players: URL

    init() throws {
        f = try Fixture.shared.get()
        players = f.folder.appendingPathComponent("players-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: players, withIntermediateDirectories: true)
    }

    /// A player that stores its arguments and what it is given; the rest of its script is `then`.
    private func stand(in name: String, then: String = "cat >\"$0.seen\"") throws {
        let path = players.appendingPathComponent(name).path
        try "#!/bin/sh\nPATH=/usr/bin:/bin\nprintf '%s\\n' \"$@\" >\"$0.arguments\"\n\(then)\n".write(
            toFile: path, atomically: true, encoding: .utf8)
        try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: path)
    }

    private func play(_ arguments: [String], input: Data? = nil) throws -> Run {
        let folder = players.path
        return try Run(Run.veil, ["play"] + arguments, input: input, environment: ["PATH": folder])
    }

    private func seen(_ name: String = "ffplay") throws -> Data {
        try Data(contentsOf: players.appendingPathComponent(name + ".seen"))
    }

    private func told(_ name: String = "ffplay") throws -> [String] {
        try String(contentsOf: players.appendingPathComponent(name + ".arguments"), encoding: .utf8).split(
            separator: "\n"
        ).map(String.init)
    }

    /// The key of layer 0 alone.
    private func baseKeys() throws -> String {
        let path = players.appendingPathComponent("base.json").path
        var ring = try #require(
            try JSONSerialization.jsonObject(with: try f.data("keys.json")) as? [String: Any])
        let name = try #require(ring.first { ($0.value as? [Any])?.count == 2 }?.key)
        ring[name] = [try #require((ring[name] as? [Any])?.first)]
        try JSONSerialization.data(withJSONObject: ring).write(to: URL(fileURLWithPath: path))
        try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: path)
        return path
    }

    private func decoded(_ name: String, _ options: String...) throws -> Data {
        try veilOutput(["decode", f.path(name), "-o", "-"] + options)
    }

    private func veilOutput(_ arguments: [String]) throws -> Data {
        let run = try Run(arguments)
        try #require(run.status == 0 || run.status == 2, "\(run.errors)")
        return run.output
    }

    @Test func theHighestLayerThatKeysReach() throws {
        try stand(in: "ffplay")
        let keys = f.path("keys.json")
        let all = try play([f.path("all.hevc"), "--keys", keys])
        #expect(all.status == 0, "\(all.errors)")
        #expect(try seen() == decoded("all.hevc", "--keys", keys))
        #expect(try told().contains("yuv4mpegpipe"))

        let base = try baseKeys()
        let lower = try play([f.path("all.hevc"), "--keys", base])
        #expect(lower.status == 0 && lower.errors.contains("layer 0 is shown"), "\(lower.errors)")
        #expect(try seen() == decoded("all.hevc", "--keys", base, "--layer", "0"))

        let pipe = try play(["-", "--keys", base], input: try f.data("all.hevc"))
        #expect(pipe.status == 0, "\(pipe.errors)")
        #expect(try seen() == decoded("all.hevc", "--keys", keys, "--layer", "0"))
        // Asked for by number there is no other.
        let locked = try play([f.path("all.hevc"), "--keys", base, "--layer", "1"])
        #expect(locked.status == 1 && locked.errors.contains("layer 1 is encrypted"), "\(locked.errors)")
    }

    @Test func withoutKeysWhatIsClear() throws {
        try stand(in: "ffplay")
        let blind = try play([f.path("all.hevc")])
        #expect(blind.errors.contains("as others see it"), "\(blind.errors)")
        #expect(try seen() == decoded("all.hevc"))
        let clear = try play([f.path("clear.hevc")])
        #expect(clear.status == 0 && clear.errors.isEmpty, "\(clear.errors)")
        #expect(try seen() == decoded("clear.hevc"))
        try f.encode("preview.hevc", ["--scheme", "el", "--keys", f.path("keys.json")])
        let preview = try play([f.path("preview.hevc")])
        #expect(preview.status == 0 && preview.errors.contains("layer 0 is shown"), "\(preview.errors)")
        #expect(try seen() == decoded("preview.hevc", "--layer", "0"))
    }

    @Test func sideBySide() throws {
        try stand(in: "ffplay")
        let keys = f.path("keys.json")
        let run = try play([f.path("all.hevc"), "--keys", keys, "--side-by-side"])
        #expect(run.status == 0, "\(run.errors)")
        let both = Pictures(try seen())
        let sides = [Pictures(try decoded("all.hevc")), Pictures(try decoded("all.hevc", "--keys", keys))]
        #expect(both.width == 2 * sides[0].width && both.height == sides[0].height)
        #expect(both.frames.count == Fixture.frames && sides.allSatisfy { $0.frames.count == Fixture.frames })
        for (n, frame) in both.frames.enumerated() {
            for (side, pictures) in sides.enumerated() {
                #expect(Pictures.half(frame, both.width, both.height, side) == pictures.frames[n], "\(n), \(side)")
            }
        }
        #expect(try Run(["play", f.path("all.hevc"), "--side-by-side"]).status == 64)
    }

    @Test func whichPlayer() throws {
        let none = try play([f.path("clear.hevc")])
        #expect(none.status == 1 && none.errors.contains("neither ffplay nor mpv is installed"), "\(none.errors)")
        try stand(in: "mpv")
        let run = try play([f.path("clear.hevc")])
        #expect(run.status == 0, "\(run.errors)")
        #expect(try seen("mpv") == decoded("clear.hevc"))
        let other = try play([f.path("clear.hevc"), "--player", "ffplay"])
        #expect(other.status == 1 && other.errors.contains("ffplay is not installed"), "\(other.errors)")
    }

    @Test func playersThatEnd() throws {
        // What it does not read is more than a pipe holds.
        try stand(in: "ffplay", then: "head -c 20 >\"$0.seen\"")
        let closed = try play([f.path("clear.hevc")])
        #expect(closed.status == 0 && closed.errors.isEmpty, "\(closed.errors)")
        try stand(in: "ffplay", then: "kill -9 $$")
        #expect(try play([f.path("clear.hevc")]).status == 0)
        try stand(in: "ffplay", then: "echo no display >&2; exit 1")
        let failed = try play([f.path("clear.hevc")])
        #expect(failed.status == 1 && failed.errors == "veil: ffplay: no display (status 1)\n", "\(failed.errors)")
    }

    @Test func coloursAndRateAreTold() throws {
        try stand(in: "ffplay")
        try stand(in: "mpv")
        try f.encode(
            "coloured.hevc",
            [
                "--colorprim", "bt2020", "--transfer", "smpte2084", "--colormatrix", "bt2020nc", "--range", "full",
            ])
        #expect(try play([f.path("coloured.hevc"), "--fps", "30000/1001"]).status == 0)
        #expect(
            try told().contains("setparams=colorspace=bt2020nc:color_primaries=bt2020:color_trc=smpte2084"))
        let header = String(decoding: try seen().prefix { $0 != 10 }, as: UTF8.self)
        #expect(header.contains(" F30000:1001 ") && header.contains(" XCOLORRANGE=FULL"), "\(header)")
        #expect(try play([f.path("coloured.hevc"), "--player", "mpv"]).status == 0)
        #expect(
            try told("mpv").contains("--vf=format:colormatrix=bt.2020-ncl:primaries=bt.2020:gamma=pq"))
    }
}

/// Frames of y4m of 8-bit 4:2:0.
private struct Pictures {
    var width = 0
    var height = 0
    var frames: [[UInt8]] = []

    init(_ data: Data) {
        let bytes = [UInt8](data)
        guard let end = bytes.firstIndex(of: 10) else { return }
        for word in String(decoding: bytes[..<end], as: UTF8.self).split(separator: " ") {
            if word.hasPrefix("W") { width = Int(word.dropFirst()) ?? 0 }
            if word.hasPrefix("H") { height = Int(word.dropFirst()) ?? 0 }
        }
        let size = width * height * 3 / 2
        var at = end + 1
        while at + 6 + size <= bytes.count {
            frames.append(Array(bytes[(at + 6)..<(at + 6 + size)]))
            at += 6 + size
        }
    }

    /// The left or right half of a frame.
    static func half(_ frame: [UInt8], _ width: Int, _ height: Int, _ side: Int) -> [UInt8] {
        var result: [UInt8] = []
        var at = 0
        for c in 0..<3 {
            let (w, h) = c == 0 ? (width, height) : (width / 2, height / 2)
            for y in 0..<h {
                let left = at + y * w + side * w / 2
                result += frame[left..<(left + w / 2)]
            }
            at += w * h
        }
        return result
    }
}
