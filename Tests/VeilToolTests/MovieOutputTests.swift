// SPDX-License-Identifier: GPL-2.0-or-later
import Foundation
import Testing

/// Streams of all layers in ISO base media files.
@Suite(.enabled(if: Fixture.canEncode, "libx265 is not built in"))
struct MovieOutputTests {
    /// What is read out of the file decodes as what is read out of the byte stream, layer by layer, with keys too.
    @Test(arguments: [[], ["--scheme", "all", "--authenticate"]])
    func layersOfMovies(protection: [String]) throws {
        let f = try Fixture.shared.get()
        let keys = protection.isEmpty ? [] : ["--keys", f.path("keys.json")]
        let name = "movie-\(protection.count)"
        for suffix in ["hevc", "mp4"] {
            let run = try Run(
                ["encode", f.path("clip.y4m"), "-o", f.path("\(name).\(suffix)"), "--layers", "2x", "--qp", "30,28"]
                    + protection + keys)
            try #require(run.status == 0, "\(run.errors)")
            for layer in ["0", "1"] {
                let decoded = try Run(
                    [
                        "decode", f.path("\(name).\(suffix)"), "-o", f.path("\(name).\(suffix).\(layer).y4m"),
                        "--layer", layer,
                    ]
                        + keys)
                #expect(decoded.status == 0, "\(decoded.errors)")
            }
        }
        for layer in ["0", "1"] {
            let wanted = try f.data("\(name).hevc.\(layer).y4m")
            #expect(try f.data("\(name).mp4.\(layer).y4m") == wanted)
        }
        let file = try f.data("\(name).mp4")
        #expect(file[4..<8] == Data("ftyp".utf8))
        for box in ["hvc1", "hvcC", "lhvC"] { #expect(file.range(of: Data(box.utf8)) != nil) }
        // The tables come first.
        let tables = try #require(file.range(of: Data("moov".utf8)))
        let media = try #require(file.range(of: Data("mdat".utf8)))
        #expect(tables.lowerBound < media.lowerBound)
    }

    @Test func otherContainersAreRefused() throws {
        let f = try Fixture.shared.get()
        let run = try Run(["encode", f.path("clip.y4m"), "-o", f.path("movie.mkv")])
        #expect(run.status == 1 && run.errors.contains("mkv"), "\(run.errors)")
        #expect(!FileManager.default.fileExists(atPath: f.path("movie.mkv")))
    }
}
