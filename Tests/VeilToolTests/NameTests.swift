// SPDX-License-Identifier: GPL-2.0-or-later
import Foundation
import Testing

/// Names that say something else than what would be done.
@Suite(.enabled(if: Fixture.canEncode, "libx265 is not built in"))
struct NameTests {
    @Test(arguments: ["avi", "webm", "y4m", "m2ts", "JPG"]) func streamsOfOtherNames(suffix: String) throws {
        let f = try Fixture.shared.get()
        let path = f.path("named.\(suffix)")
        for verb in [["encode", f.path("clip.y4m")], ["extract", f.path("clear.hevc")]] {
            let run = try Run(verb + ["-o", path])
            #expect(run.status == 1 && run.errors.contains("the name says \(suffix.lowercased())"), "\(run.errors)")
            #expect(!FileManager.default.fileExists(atPath: path))
        }
    }

    @Test(arguments: ["avi", "hevc", "mp4", "mkv"]) func picturesOfOtherNames(suffix: String) throws {
        let f = try Fixture.shared.get()
        let path = f.path("shown.\(suffix)")
        let run = try Run(["decode", f.path("clear.hevc"), "-o", path])
        #expect(run.status == 1 && run.errors.contains(".y4m or .yuv"), "\(run.errors)")
        #expect(!FileManager.default.fileExists(atPath: path))
    }

    /// Help about what is no verb is no help.
    @Test func unknownVerbs() throws {
        let unknown = try Run(["help", "exchange"])
        #expect(unknown.status == 64 && unknown.errors.contains("no verb 'exchange'"), "\(unknown.errors)")
        for arguments in [["help"], ["help", "encode"], ["help", "nal-cipher"], ["help", "help"]] {
            let known = try Run(arguments)
            #expect(known.status == 0 && !known.output.isEmpty, "\(arguments): \(known.errors)")
        }
    }

    /// A stream of one layer needs no choice of a layer to go where one layer does.
    @Test(.enabled(if: Run.find("ffmpeg") != nil, "ffmpeg is not here")) func oneLayerNeedsNoChoice() throws {
        let f = try Fixture.shared.get()
        try veil("extract", f.path("clear.hevc"), "-o", f.path("single.hevc"), "--layer", "0")
        try veil("extract", f.path("single.hevc"), "-o", f.path("single.mkv"))
        try veil("extract", f.path("single.mkv"), "-o", f.path("back.hevc"))
        for name in ["single", "back"] { try veil("decode", f.path(name + ".hevc"), "-o", f.path(name + ".yuv")) }
        #expect(try f.data("single.yuv") == f.data("back.yuv"))
        let two = try Run(["extract", f.path("clear.hevc"), "-o", f.path("two.mkv")])
        #expect(two.status == 1 && two.errors.contains("extract --layer 0"), "\(two.errors)")
        #expect(!FileManager.default.fileExists(atPath: f.path("two.mkv")))
    }
}
