// SPDX-License-Identifier: GPL-2.0-or-later
import Foundation
import Testing

/// Pictures of several slices.
@Suite(.enabled(if: Fixture.canEncode, "libx265 is not built in"))
struct SliceTests {
    /// With wavefronts and without, with sample adaptive offset (which is written a row late) and without.
    @Test(arguments: [
        ["--preset", "fast"], ["--preset", "ultrafast"], ["--preset", "fast", "--no-wpp"],
        ["--preset", "slow", "--wpp"],
    ])
    func slicesOfEnhancementLayers(options: [String]) throws {
        let f = try Fixture.shared.get()
        let name = "slices-\(options.joined())"
        func encode(_ file: String, _ more: [String]) throws {
            // Slices of the enhancement layer only.
            let x265 = "slices=1,ctu=16,keyint=4,min-keyint=4,bframes=2,weightp=0"
            let run = try Run(
                [
                    "encode", f.path("clip.y4m"), "-o", f.path(file), "--qp", "26,24", "--slices", "3",
                    "--x265-options", x265,
                ] + options + more)
            try #require(run.status == 0, "\(run.errors)")
        }
        let keys = ["--scheme", "all", "--keys", f.path("keys.json"), "--nonce", "000102030405060708090a0b0c0d0e0f"]
        try encode(name, ["--recon", f.path("recon-" + name), "--threads", "1"])
        try encode("all-" + name, keys + ["--threads", "3"])
        let clear = try f.data(name)
        let report = String(decoding: try veil("inspect", f.path(name)).output, as: UTF8.self)
        #expect(report.contains("layer 1: 128x96, 8 bit, 9 pictures (3 IRAP), 27 slices"), "\(report)")
        for layer in ["0", "1"] {
            try veil("decode", f.path(name), "-o", f.path(name + ".y4m"), "--layer", layer)
            #expect(try f.data(name + ".y4m") == f.data("recon-\(name)/layer\(layer).y4m"))
        }
        try veil("decrypt", f.path("all-" + name), "-o", f.path("again-" + name), "--keys", f.path("keys.json"))
        #expect(try f.data("again-" + name) == clear)
        let after = try Run(["encrypt", f.path(name), "-o", f.path("after-" + name)] + keys)
        #expect(after.status == 0)
        #expect(try f.data("after-" + name) == f.data("all-" + name))
    }

    /// x265 makes slices of wavefronts only.
    @Test func slicesNeedWavefronts() throws {
        let f = try Fixture.shared.get()
        let arguments = [
            "encode", f.path("clip.y4m"), "-o", f.path("slow-slices"), "--preset", "slow", "--slices", "2",
            "--x265-options", "ctu=16",
        ]
        #expect(try Run(arguments).status == 0)
        let refused = try Run(arguments + ["--no-wpp"])
        #expect(refused.status == 64 && refused.errors.contains("slices of wavefronts"), "\(refused.errors)")
    }
}
