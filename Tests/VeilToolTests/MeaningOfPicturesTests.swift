// SPDX-License-Identifier: GPL-2.0-or-later
import Foundation
import Testing

/// What pictures mean that an output cannot tell is named, and nothing is given out for what it is not.
@Suite(.enabled(if: Fixture.canEncode && Run.find("ffmpeg") != nil, "libx265 or ffmpeg is not here"))
struct MeaningOfPicturesTests: OtherPrograms {
    private func size(ofPNG data: Data) -> [Int] {
        [16, 20].map { at in (0..<4).reduce(0) { $0 << 8 | Int(data[at + $1]) } }
    }

    /// Green, blue and red are no Y, Cb and Cr.
    @Test func colourPlanes() throws {
        let f = try Fixture.shared.get()
        let made = try Run(
            #require(Run.find("ffmpeg")),
            [
                "-v", "error", "-y", "-f", "lavfi", "-i", "color=0xE02010:size=64x48:rate=25:duration=0.08", "-pix_fmt",
                "gbrp", "-c:v", "libx265", "-x265-params", "lossless=1:log-level=error", f.path("rgb.mp4"),
            ])
        // Not every libx265 codes it.
        guard made.status == 0 else { return }
        let y4m = try Run(["decode", f.path("rgb.mp4"), "-o", f.path("rgb.y4m")])
        #expect(y4m.status == 1 && y4m.errors.contains("green, blue and red"), "\(y4m.errors)")
        #expect(!FileManager.default.fileExists(atPath: f.path("rgb.y4m")))
        try veil("decode", f.path("rgb.mp4"), "-o", f.path("rgb.yuv"))
        let planes = try f.data("rgb.yuv")
        let samples = 64 * 48
        let first = [planes[0], planes[samples], planes[2 * samples]].map { Int($0) }
        // The source draws in YCbCr.
        for (a, b) in zip(first, [0x20, 0x10, 0xE0]) { #expect(abs(a - b) <= 2, "\(first)") }
        let run = try veil("encode", f.path("rgb.mp4"), "-o", f.path("rgb.hevc"), "--layers", "1")
        #expect(run.errors.contains("RGB (gbrp) is converted to 4:2:0 of BT.601"), "\(run.errors)")
    }

    /// What is shown: without keys the encrypted stream as it is, with keys the clear one.
    @Test func theSheetShowsLayersWithoutAndWithKeys() throws {
        let f = try Fixture.shared.get()
        func sheet(_ stream: String, _ more: String...) throws -> Data {
            let path = f.path("\(stream).png")
            let run = try Run(
                ["view", f.path("\(stream).hevc"), "-o", path, "--columns", "2", "--width", "64"] + more)
            try #require(run.status == 0, "\(run.errors)")
            // Four cells of 64x48, or two, with gaps of 4 in each of two rows.
            let width = more.isEmpty ? 132 : 268
            #expect(try size(ofPNG: Data(contentsOf: URL(fileURLWithPath: path))) == [width, 2 * 48 + 4])
            try make("-i", path, "-f", "rawvideo", "-pix_fmt", "rgb24", path + ".rgb")
            let pixels = try Data(contentsOf: URL(fileURLWithPath: path + ".rgb"))
            try #require(pixels.count == width * 100 * 3)
            return pixels
        }
        let both = try sheet("all", "--keys", f.path("keys.json"))
        let blind = try sheet("all")
        let clear = try sheet("clear")
        func row(_ pixels: Data, _ y: Int, of width: Int, from x: Int) -> Data {
            let start = pixels.startIndex + 3 * (y * width + x)
            return pixels[start..<(start + 3 * 132)]
        }
        for y in 0..<100 {
            #expect(row(both, y, of: 268, from: 0) == row(blind, y, of: 132, from: 0))
            #expect(row(both, y, of: 268, from: 136) == row(clear, y, of: 132, from: 0))
        }
        #expect(row(blind, 20, of: 132, from: 0) != row(clear, 20, of: 132, from: 0))
        // With one key of two the other layer is shown as it is without.
        var keys = try #require(JSONSerialization.jsonObject(with: f.data("keys.json")) as? [String: Any])
        let list = try #require(keys["layers"] as? [[String: Any]])
        keys["layers"] = list.filter { $0["layer"] as? Int == 0 }
        let one = f.path("one-key.json")
        try JSONSerialization.data(withJSONObject: keys).write(to: URL(fileURLWithPath: one))
        chmod(one, 0o600)
        let half = try sheet("all", "--keys", one)
        for y in 0..<100 {
            #expect(row(half, y, of: 268, from: 136) == row(y < 50 ? clear : blind, y, of: 132, from: 0))
        }
    }

    /// Sheets show pictures in the shape that players show.
    @Test func aspectOnSheets() throws {
        let f = try Fixture.shared.get()
        for (aspect, wanted) in [("2:1", [256, 96]), ("1:2", [128, 192]), ("1:1", [128, 96])] {
            try veil("encode", f.path("clip.y4m"), "-o", f.path("aspect.hevc"), "--layers", "1", "--sar", aspect)
            try veil("view", f.path("aspect.hevc"), "-o", f.path("aspect.png"), "--columns", "1")
            #expect(try size(ofPNG: f.data("aspect.png")) == wanted)
            try veil("view", f.path("aspect.hevc"), "-o", f.path("aspect.png"), "--columns", "1", "--width", "64")
            #expect(try size(ofPNG: f.data("aspect.png")) == [64, 64 * wanted[1] / wanted[0]])
        }
    }

    /// y4m cannot tell that pictures are to be turned.
    @Test func turnedPictures() throws {
        let f = try Fixture.shared.get()
        try veil("extract", f.path("clear.hevc"), "-o", f.path("upright.mp4"), "--layer", "0")
        try make("-i", f.path("upright.mp4"), "-c", "copy", "-metadata:s:v", "rotate=90", f.path("turn.mp4"))
        let run = try veil("decode", f.path("turn.mp4"), "-o", f.path("turn.y4m"))
        // ffprobe counts the other way round.
        let told = try told(f.path("turn.mp4"), "-show_entries", "stream_side_data=rotation").compactMap { Int($0) }
        let degrees = try (360 - #require(told.first)) % 360
        #expect([90, 270].contains(degrees) && run.errors.contains("turned by \(degrees) degrees clockwise"))
        let plain = try veil("decode", f.path("upright.mp4"), "-o", f.path("upright.y4m"))
        #expect(try !plain.errors.contains("turned") && f.data("upright.y4m") == f.data("turn.y4m"))
    }
}
