// SPDX-License-Identifier: GPL-2.0-or-later
import Foundation
import Testing

/// Tags, sidecars, new keys and full disks, from the command line.
@Suite(.enabled(if: Fixture.canEncode, "libx265 is not built in"))
struct ProtectionCommandTests {
    private let fixture: Fixture
    init() throws { fixture = try Fixture.shared.get() }

    /// Where the slices of a layer stand: behind their start codes.
    private func slices(_ data: Data, layer: Int) -> [Int] {
        let bytes = [UInt8](data)
        var result: [Int] = []
        for i in 3..<(bytes.count - 2) where bytes[i - 3] == 0 && bytes[i - 2] == 0 && bytes[i - 1] == 1 {
            let type = Int(bytes[i] >> 1)
            let nuhLayerId = Int(bytes[i] & 1) << 5 | Int(bytes[i + 1] >> 3)
            if type < 32 && nuhLayerId == layer { result.append(i) }
        }
        return result
    }

    /// The first unit of a type from a place on.
    private func unit(_ data: Data, type: UInt8, from: Int) -> Int? {
        let bytes = [UInt8](data)
        return (from..<bytes.count).first { i in
            bytes[i - 3] == 0 && bytes[i - 2] == 0 && bytes[i - 1] == 1 && bytes[i] >> 1 == type
        }
    }

    @Test(arguments: [0, 1])
    func tamperingIsNamed(layer: Int) throws {
        let (tagged, changed, out) = (
            fixture.path("tagged\(layer).hevc"), fixture.path("changed\(layer).hevc"),
            fixture.path("never\(layer).hevc")
        )
        try veil(
            "encrypt", fixture.path("clear.hevc"), "-o", tagged, "--keys", fixture.path("keys.json"), "--authenticate")
        try veil("decrypt", tagged, "-o", out, "--keys", fixture.path("keys.json"))
        #expect(try fixture.data("never\(layer).hevc") == fixture.data("clear.hevc"))
        try FileManager.default.removeItem(atPath: out)
        var data = try fixture.data("tagged\(layer).hevc")
        let slice = slices(data, layer: layer)[2]
        // A bit of the slice's data, well behind its header.
        data[slice + 20] ^= 4
        try data.write(to: URL(fileURLWithPath: changed))
        let run = try Run(["decrypt", changed, "-o", out, "--keys", fixture.path("keys.json")])
        #expect(run.status != 0)
        #expect(run.errors.contains("layer \(layer)") && run.errors.contains("byte \(slice)"), "\(run.errors)")
        #expect(!FileManager.default.fileExists(atPath: out))
        // Without a tag.
        data[slice + 20] ^= 4
        let suffix = try #require(unit(data, type: 40, from: slice))
        data[suffix] = 41 << 1 | data[suffix] & 1
        try data.write(to: URL(fileURLWithPath: changed))
        let missing = try Run(["decrypt", changed, "-o", out, "--keys", fixture.path("keys.json")])
        #expect(missing.status != 0 && missing.errors.contains("layer "), "\(missing.errors)")
    }

    /// With a sidecar the stream has exactly its clear size, but for emulation prevention.
    /// What is asked of encryption is never left undone in silence: without keys, or where nothing is selected.
    @Test func whatCannotBeEncryptedIsRefused() throws {
        let out = fixture.path("refused.hevc")
        for options in [
            ["--hide", "3"], ["--authenticate"], ["--elements", "mvd"], ["--irap-only"], ["--roi", "0,0,16,16"],
            ["--cipher", "chacha20"], ["--profile", "maximal"], ["--min-temporal-id", "1"],
        ] {
            let run = try Run(["encode", fixture.path("clip.y4m"), "-o", out] + options)
            #expect(run.status == 64 && run.errors.contains("\(options[0]) needs --keys"), "\(options): \(run.errors)")
        }
        let keys = ["--keys", fixture.path("keys.json")]
        for options in [["--scheme", "none", "--authenticate"], ["--scheme", "none", "--hide", "1"]] {
            let run = try Run(["encode", fixture.path("clip.y4m"), "-o", out] + keys + options)
            #expect(run.status == 64 && run.errors.contains("scheme none"), "\(options): \(run.errors)")
        }
        for options in [["--min-temporal-id", "6"], ["--elements", "pcm"], ["--elements", "pcm", "--hide", "1"]] {
            let run = try Run(["encode", fixture.path("clip.y4m"), "-o", out, "--layers", "2x"] + keys + options)
            #expect(run.status == 1 && run.errors.contains("nothing is encrypted"), "\(options): \(run.errors)")
        }
        // What is hidden is not left clear.
        for (options, words) in [
            (["--hide", "1", "--roi", "0,0,16,16"], "no --roi"), (["--hide", "3", "--irap-only"], "take --hide 1"),
            (["--hide", "2", "--irap-only"], "take --hide 1"),
            (["--hide", "3", "--min-temporal-id", "1"], "leaves clear"),
        ] {
            for verb in [["encode", fixture.path("clip.y4m")], ["encrypt", fixture.path("clear.hevc")]] {
                let run = try Run(verb + ["-o", out] + keys + options)
                #expect(run.status == 64 && run.errors.contains(words), "\(options): \(run.errors)")
            }
        }
        // All pictures sealed whole are encrypted, whatever is selected inside them.
        for verb in [
            ["encode", fixture.path("clip.y4m"), "--layers", "2x"], ["encrypt", fixture.path("clear.hevc")],
        ] {
            let sealed = fixture.path("sealed.hevc")
            let run = try Run(verb + ["-o", sealed, "--elements", "pcm", "--hide", "3"] + keys)
            #expect(run.status == 0, "\(run.errors)")
            let few = try Run(verb + ["-o", out, "--elements", "pcm", "--hide", "2"] + keys)
            #expect(
                few.status == 1 && few.errors.contains("no bin of the pictures that are not hidden"), "\(few.errors)")
            try veil(["decrypt", sealed, "-o", fixture.path("opened.hevc")] + keys)
            if verb[0] == "encrypt" { #expect(try fixture.data("opened.hevc") == fixture.data("clear.hevc")) }
        }
        let tiles = try Run(
            ["encrypt", fixture.path("clear.hevc"), "-o", out, "--hide", "1", "--tiles", "0"] + keys)
        #expect(tiles.status == 64 && tiles.errors.contains("no --tiles"), "\(tiles.errors)")
        let later = try Run(["encrypt", fixture.path("clear.hevc"), "-o", out, "--min-temporal-id", "6"] + keys)
        #expect(later.status == 1 && later.errors.contains("among those selected"), "\(later.errors)")
        #expect(!FileManager.default.fileExists(atPath: out))
        // A part of the pictures is told where the stream is inspected.
        try veil(
            "encrypt", fixture.path("clear.hevc"), "-o", fixture.path("irap.hevc"), keys[0], keys[1], "--irap-only")
        let told = String(decoding: try veil("inspect", fixture.path("irap.hevc"), "--headers").output, as: UTF8.self)
        #expect(told.contains("IRAP pictures only"), "\(told)")
    }

    @Test func aSidecarAddsNothing() throws {
        let (path, side) = (fixture.path("silent.hevc"), fixture.path("silent.side"))
        try veil(
            "encrypt", fixture.path("clear.hevc"), "-o", path, "--keys", fixture.path("keys.json"), "--signal", "none",
            "--sidecar", side)
        func stripped(_ data: Data) -> Int {
            let bytes = [UInt8](data)
            var count = bytes.count
            // 00 00 03 within a unit counts one byte less.
            for i in 2..<bytes.count where bytes[i] == 3 && bytes[i - 1] == 0 && bytes[i - 2] == 0 { count -= 1 }
            return count
        }
        let (clear, encrypted) = (try fixture.data("clear.hevc"), try fixture.data("silent.hevc"))
        #expect(encrypted != clear)
        #expect(stripped(encrypted) == stripped(clear))
        try veil(
            "decrypt", path, "-o", fixture.path("silent-clear.hevc"), "--keys", fixture.path("keys.json"), "--sidecar",
            side)
        #expect(try fixture.data("silent-clear.hevc") == clear)
        #expect(
            try Run(["decrypt", path, "-o", fixture.path("never.hevc"), "--keys", fixture.path("keys.json")]).status
                != 0)
    }

    @Test func keysAreExchanged() throws {
        try veil("keygen", "-o", fixture.path("new.json"), "--layers", "2")
        try veil(
            "rekey", fixture.path("all.hevc"), "-o", fixture.path("new.hevc"), "--old-keys", fixture.path("keys.json"),
            "--keys",
            fixture.path("new.json"), "--profile", "maximal", "--cipher", "chacha20")
        #expect(
            try Run([
                "decrypt", fixture.path("new.hevc"), "-o", fixture.path("no.hevc"), "--keys", fixture.path("keys.json"),
            ]).status != 0)
        try veil(
            "decrypt", fixture.path("new.hevc"), "-o", fixture.path("new-clear.hevc"), "--keys",
            fixture.path("new.json"))
        #expect(try fixture.data("new-clear.hevc") == fixture.data("clear.hevc"))
    }

    @Test(.enabled(if: FileManager.default.fileExists(atPath: "/dev/full"), "this system has no /dev/full"))
    func fullDisksAreReported() throws {
        let keys = fixture.path("keys.json")
        for line in [
            ["encrypt", fixture.path("clear.hevc"), "--keys", keys],
            ["decrypt", fixture.path("all.hevc"), "--keys", keys],
            ["rekey", fixture.path("all.hevc"), "--old-keys", keys, "--keys", keys],
        ] {
            let run = try Run(line + ["-o", "/dev/full"])
            #expect(run.status != 0)
            #expect(
                run.errors.contains("veil: /dev/full: cannot write: No space left on device"),
                "\(line[0]): \(run.errors)")
        }
    }
}
