// SPDX-License-Identifier: GPL-2.0-or-later
import Foundation
import TestSupport
import Testing

/// Pictures of few columns of CTUs, where libx265 by itself reconstructs other samples than it codes (one column) or
/// writes slices that nobody can decode (two).
@Suite(.enabled(if: Fixture.canEncode, "libx265 is not built in"))
struct NarrowPictureTests {
    /// Noise that moves, so that vectors reach over the corners of the picture.
    private static func clip(_ width: Int, _ height: Int) -> Data {
        var random = SplitMix(state: 7)
        let noise = (0..<(width + 40) * (height + 40)).map { _ in UInt8(truncatingIfNeeded: random.next() >> 40) }
        var file = Data("YUV4MPEG2 W\(width) H\(height) F25:1 Ip A1:1 C420jpeg\n".utf8)
        for n in 0..<6 {
            file.append(contentsOf: "FRAME\n".utf8)
            for y in 0..<height {
                for x in 0..<width { file.append(noise[(y + 5 * n) * (width + 40) + x + 7 * n]) }
            }
            file.append(Data(repeating: 128, count: ((width + 1) / 2) * ((height + 1) / 2) * 2))
        }
        return file
    }

    private func check(
        _ width: Int, _ height: Int, _ options: [String], rate: [String] = ["--qp", "14"]
    ) throws {
        let f = try Fixture.shared.get()
        let name = "narrow-\(width)x\(height)-\((options + rate).joined())"
        try Self.clip(width, height).write(to: URL(fileURLWithPath: f.path(name + ".y4m")))
        let encoded = try Run(
            ["encode", f.path(name + ".y4m"), "-o", f.path(name), "--layers", "1", "--hash"] + options + rate)
        try #require(encoded.status == 0, "\(encoded.errors)")
        let decoded = try veil("decode", f.path(name), "-o", f.path(name + ".out.y4m"), "--verify")
        #expect(decoded.errors.contains("6 picture hashes checked, 0 differ"), "\(decoded.errors)")
    }

    @Test(arguments: [(16, 16), (16, 64), (32, 32), (32, 64), (64, 64)], ["slow", "ultrafast"])
    func oneColumn(size: (Int, Int), preset: String) throws {
        try check(size.0, size.1, ["--preset", preset])
    }

    /// Rates by quality, for which libx265 looks ahead into rows of less than four blocks.
    @Test(arguments: [16, 24, 34, 40, 48, 50]) func rowsOfFewBlocks(width: Int) throws {
        try check(width, 48, [], rate: ["--crf", "28"])
    }

    @Test(arguments: [(128, 96), (66, 64)])
    func slicesOfTwoColumns(size: (Int, Int)) throws {
        try check(size.0, size.1, ["--slices", "2"])
    }

    @Test func slicesThatCannotBe() throws {
        let f = try Fixture.shared.get()
        try Self.clip(32, 64).write(to: URL(fileURLWithPath: f.path("narrow.y4m")))
        for (input, options) in [("narrow.y4m", []), ("clip.y4m", ["--x265-options", "pools=none"])] {
            let run = try Run(
                ["encode", f.path(input), "-o", f.path("narrow.hevc"), "--layers", "1", "--slices", "2"] + options)
            #expect(run.status == 1 && run.errors.contains("slices of wavefronts only"), "\(run.errors)")
            #expect(!FileManager.default.fileExists(atPath: f.path("narrow.hevc")))
        }
    }
}
