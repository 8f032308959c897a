// SPDX-License-Identifier: GPL-2.0-or-later
import Foundation
import Testing

/// Layers on the way, without keys: what is left of an encrypted stream is the encryption of what is left of the
/// clear one.
@Suite(.enabled(if: Fixture.canEncode, "libx265 is not built in"))
struct LayerTests {
    let f: Fixture
    init() throws { f = try Fixture.shared.get() }

    /// A stream's NAL units as (type, layer, temporal id, bytes).
    private func units(_ data: Data) -> [(type: Int, layer: Int, tid: Int, bytes: Data)] {
        let b = [UInt8](data)
        var starts: [Int] = []
        for i in 2..<b.count where b[i] == 1 && b[i - 1] == 0 && b[i - 2] == 0 { starts.append(i + 1) }
        return starts.enumerated().map { i, start in
            var end = i + 1 < starts.count ? starts[i + 1] - 3 : b.count
            while end > start && b[end - 1] == 0 { end -= 1 }
            return (
                Int(b[start] >> 1 & 63), Int(b[start] & 1) << 5 | Int(b[start + 1] >> 3), Int(b[start + 1] & 7) - 1,
                Data(b[start..<end])
            )
        }
    }

    @Test func aLayerComesOutEqually() throws {
        try veil("extract", f.path("clear.hevc"), "-o", f.path("clear0.hevc"), "--layer", "0")
        try veil("extract", f.path("all.hevc"), "-o", f.path("all0.hevc"), "--layer", "0")
        let whole = units(try f.data("all.hevc"))
        let base = units(try f.data("all0.hevc"))
        // Everything of the layer, as it was, but for the VPS, which no longer speaks of more layers.
        #expect(
            base.filter { $0.type != 32 }.map(\.bytes) == whole.filter { $0.layer == 0 && $0.type != 32 }.map(\.bytes))
        #expect(base.contains { $0.type == 39 })
        try veil("decrypt", f.path("all0.hevc"), "-o", f.path("all0-clear.hevc"), "--keys", f.path("keys.json"))
        #expect(try f.data("all0-clear.hevc") == f.data("clear0.hevc"))
        // The same pictures as from the whole stream; no --layer is needed any more.
        try veil("decode", f.path("all0.hevc"), "-o", f.path("a.y4m"), "--keys", f.path("keys.json"))
        try veil("decode", f.path("clear.hevc"), "-o", f.path("b.y4m"), "--layer", "0")
        #expect(try f.data("a.y4m") == f.data("b.y4m"))
        // Through a pipe.
        let piped = try veil("extract", "-", "-o", "-", "--layer", "0", input: f.data("all.hevc"))
        #expect(try piped.output == f.data("all0.hevc"))
    }

    @Test func theHighestLayerIsTheStream() throws {
        let same = try veil("extract", f.path("all.hevc"), "-o", "-", "--layer", "1")
        #expect(try same.output == f.data("all.hevc"))
        let none = try Run(["extract", f.path("all.hevc"), "-o", "-", "--layer", "5"])
        #expect(none.status == 1)
        #expect(none.errors.contains("no pictures of layer 5"))
    }

    @Test func subLayersComeOutEqually() throws {
        try f.encode("temporal.hevc", ["--x265-options", "keyint=8,min-keyint=8,bframes=3,temporal-layers=1"])
        try veil("encrypt", f.path("temporal.hevc"), "-o", f.path("temporal-all.hevc"), "--keys", f.path("keys.json"))
        let all = units(try f.data("temporal.hevc"))
        #expect(all.contains { $0.tid > 0 }, "the clip must have sub-layers")
        try veil("extract", f.path("temporal.hevc"), "-o", f.path("t0.hevc"), "--max-temporal-id", "0")
        try veil("extract", f.path("temporal-all.hevc"), "-o", f.path("t0-all.hevc"), "--max-temporal-id", "0")
        let low = units(try f.data("t0.hevc"))
        #expect(low.map(\.bytes) == all.filter { $0.tid == 0 }.map(\.bytes))
        try veil("decrypt", f.path("t0-all.hevc"), "-o", f.path("t0-again.hevc"), "--keys", f.path("keys.json"))
        #expect(try f.data("t0-again.hevc") == f.data("t0.hevc"))
        try veil("decode", f.path("t0.hevc"), "-o", f.path("t0.y4m"))
    }

    @Test(arguments: ["clear.hevc", "all.hevc"])
    func partsJoinToTheWhole(name: String) throws {
        try veil("split", f.path(name), "-o", f.path("part-\(name)-%02d.hevc"))
        let parts = (0..<3).map { f.path("part-\(name)-0\($0).hevc") }
        for part in parts { #expect(FileManager.default.fileExists(atPath: part)) }
        let joined = try Run(["join"] + parts + ["-o", f.path("joined-\(name)"), "--continuous"])
        #expect(joined.status == 0, "\(joined.errors)")
        #expect(try f.data("joined-\(name)") == f.data(name))
    }

    @Test func eachPartDecryptsAlone() throws {
        for (name, prefix) in [("clear.hevc", "c"), ("all.hevc", "e")] {
            try veil("split", f.path(name), "-o", f.path("\(prefix)%d.hevc"))
        }
        for i in 0..<3 {
            try veil("decrypt", f.path("e\(i).hevc"), "-o", f.path("d\(i).hevc"), "--keys", f.path("keys.json"))
            #expect(try f.data("d\(i).hevc") == f.data("c\(i).hevc"))
            try veil("decode", f.path("e\(i).hevc"), "-o", f.path("p.y4m"), "--keys", f.path("keys.json"))
        }
    }

    @Test func streamsOfDifferentKeysJoin() throws {
        try veil("keygen", "-o", f.path("other.json"), "--layers", "2", "--cipher", "aes-128-ctr")
        try f.encode(
            "other.hevc",
            ["--scheme", "all", "--keys", f.path("other.json"), "--x265-options", "keyint=3,min-keyint=3,bframes=0"])
        try veil("join", f.path("all.hevc"), f.path("other.hevc"), f.path("all.hevc"), "-o", f.path("three.hevc"))
        // The keys of both in one file.
        var files: [[String: Any]] = []
        for name in ["keys.json", "other.json"] {
            let json = try #require(JSONSerialization.jsonObject(with: f.data(name)) as? [String: Any])
            files += try #require(json["layers"] as? [[String: Any]])
        }
        try JSONSerialization.data(withJSONObject: ["version": 1, "layers": files]).write(
            to: URL(fileURLWithPath: f.path("both.json")))
        try veil("decode", f.path("three.hevc"), "-o", f.path("three.yuv"), "--keys", f.path("both.json"))
        try veil("decode", f.path("all.hevc"), "-o", f.path("one.yuv"), "--keys", f.path("keys.json"))
        try veil("decode", f.path("other.hevc"), "-o", f.path("two.yuv"), "--keys", f.path("other.json"))
        #expect(try f.data("three.yuv") == f.data("one.yuv") + f.data("two.yuv") + f.data("one.yuv"))
        // One key file alone names the layer and key it lacks.
        let locked = try Run(["decode", f.path("three.hevc"), "-o", f.path("x.yuv"), "--keys", f.path("other.json")])
        #expect(locked.status == 1)
        #expect(locked.errors.contains("layer 0"))
    }

    @Test func joiningNeedsIRAPPictures() throws {
        var b = [UInt8](try f.data("clear.hevc"))
        // Without the first access unit's slices the stream begins with trailing pictures.
        let second = try #require(units(Data(b)).first { $0.type <= 9 })
        let at = try #require(Data(b).range(of: second.bytes))
        b = Array(b[(at.lowerBound - 3)...])
        try Data(b).write(to: URL(fileURLWithPath: f.path("tail.hevc")))
        let run = try Run(["join", f.path("clear.hevc"), f.path("tail.hevc"), "-o", f.path("never.hevc")])
        #expect(run.status == 1)
        #expect(run.errors.contains("tail.hevc") && run.errors.contains("no IRAP picture"))
        #expect(!FileManager.default.fileExists(atPath: f.path("never.hevc")))
    }
}
