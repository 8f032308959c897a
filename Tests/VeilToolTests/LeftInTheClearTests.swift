// SPDX-License-Identifier: GPL-2.0-or-later
import Foundation
import Testing

/// Where a movie could show beside its video what that hides; and what of samples a byte stream cannot tell.
@Suite(.enabled(if: Fixture.canEncode, "libx265 is not built in"))
struct LeftInTheClearTests {
    let f: Fixture
    init() throws { f = try Fixture.shared.get() }

    private func write(_ bytes: [UInt8], _ name: String) throws -> String {
        try Data(bytes).write(to: URL(fileURLWithPath: f.path(name)))
        return f.path(name)
    }

    /// A clear movie with its tables in front.
    private func movie() throws -> [UInt8] {
        let path = f.path("in-the-clear.mp4")
        if !FileManager.default.fileExists(atPath: path) {
            try veil("extract", f.path("clear.hevc"), "-o", path, "--layer", "0")
        }
        return [UInt8](try f.data("in-the-clear.mp4"))
    }

    private func place(_ type: String, in file: [UInt8], from start: Int = 32) throws -> Int {
        let name = Array(type.utf8)
        return try #require((start..<file.count - 4).first { file[$0..<$0 + 4].elementsEqual(name) }) - 4
    }

    private func number(_ bytes: Int, in file: [UInt8], at: Int) -> Int {
        file[at..<at + bytes].reduce(0) { $0 << 8 | Int($1) }
    }

    /// Places and sizes of the NAL units of `mdat`.
    private func units(of file: [UInt8]) throws -> [Range<Int>] {
        let mdat = try place("mdat", in: file)
        var at = mdat + (number(4, in: file, at: mdat) == 1 ? 16 : 8)
        var result: [Range<Int>] = []
        while at + 4 <= file.count {
            let length = number(4, in: file, at: at)
            result.append(at + 4..<at + 4 + length)
            at += 4 + length
        }
        return result
    }

    private func encrypt(_ path: String, _ output: String, _ more: String...) throws -> Run {
        try Run(["encrypt", path, "-o", f.path(output), "--keys", f.path("keys.json")] + more)
    }

    @Test(arguments: ["uuid", "wxyz", "dvvC"]) func unknownBoxesOfSampleEntries(type: String) throws {
        let clear = try movie()
        let slices = try units(of: clear).filter { clear[$0.lowerBound] >> 1 & 63 < 32 }.flatMap { clear[$0] }
        // More than what describes video has.
        let content = Array((slices + slices + slices).prefix(1100))
        try #require(content.count == 1100)
        let size = content.count + 8
        let box = [0, 0, UInt8(size >> 8), UInt8(size & 255)] + Array(type.utf8) + content
        let path = try write(withBox(box, in: clear), "unknown-\(type).mp4")
        let run = try encrypt(path, "unknown-\(type).enc.mp4")
        #expect(run.status == 0 && run.errors.contains("not known (\(type))"), "\(run.errors)")
        #expect(try f.data("unknown-\(type).enc.mp4").range(of: Data(content.suffix(200))) == nil)
    }

    /// A second track over the same samples that says that it is sound.
    @Test(arguments: ["hvc1", "mp4a"]) func tracksOverThePictures(entry: String) throws {
        let clear = try movie()
        let moov = try place("moov", in: clear)
        let trak = try place("trak", in: clear)
        let size = number(4, in: clear, at: trak)
        var file = clear
        for i in 0..<4 { file[moov + i] = UInt8((number(4, in: clear, at: moov) + size) >> (24 - 8 * i) & 255) }
        let chunks = try place("co64", in: file)
        for entry in 0..<number(4, in: file, at: chunks + 12) {
            let at = chunks + 16 + 8 * entry
            let offset = number(8, in: file, at: at) + size
            for i in 0..<8 { file[at + i] = UInt8(offset >> (56 - 8 * i) & 255) }
        }
        var copy = Array(file[trak..<trak + size])
        let tkhd = try place("tkhd", in: copy, from: 8)
        let id = tkhd + (copy[tkhd + 8] == 1 ? 28 : 20)
        copy[id + 3] += 1
        for (from, to) in [
            ("vide", "soun"), ("vmhd", "smhd"), ("hvc1", entry), ("hvcC", entry == "hvc1" ? "hvcC" : "esds"),
        ] {
            let at = try place(from, in: copy, from: 8) + 4
            copy.replaceSubrange(at..<at + 4, with: Array(to.utf8))
        }
        file.insert(contentsOf: copy, at: trak + size)
        let run = try encrypt(try write(file, "track-\(entry).mp4"), "track-\(entry).enc.mp4")
        #expect(run.status == 0 && run.errors.contains("left out: audio"), "\(run.errors)")
        let slice = try #require(try units(of: clear).first { clear[$0.lowerBound] >> 1 & 63 < 32 && $0.count > 500 })
        #expect(try f.data("track-\(entry).enc.mp4").range(of: Data(clear[slice])) == nil)
    }

    @Test func slicesInSampleEntries() throws {
        var file = try movie()
        let hvcC = try place("hvcC", in: file)
        let pps = try #require((hvcC..<hvcC + 400).first { file[$0] == 0x44 && file[$0 + 1] == 1 })
        file[pps] = 0x02
        let run = try encrypt(try write(file, "entry-slice.mp4"), "entry-slice.enc.mp4")
        #expect(run.status == 1 && run.errors.contains("no parameter set or message"), "\(run.errors)")
        #expect(!FileManager.default.fileExists(atPath: f.path("entry-slice.enc.mp4")))
    }

    /// Text of titles goes along, what is coded does not.
    @Test func userDataThatIsNoText() throws {
        let clear = try movie()
        let slice = try #require(try units(of: clear).first { clear[$0.lowerBound] >> 1 & 63 < 32 && $0.count > 300 })
        func encrypted(_ content: [UInt8], _ name: String) throws -> (Run, Data) {
            func box(_ type: [UInt8], _ content: [UInt8]) -> [UInt8] {
                let size = content.count + 8
                return [0, 0, UInt8(size >> 8), UInt8(size & 255)] + type + content
            }
            let title = box(
                [0xA9] + Array("nam".utf8), [UInt8(content.count >> 8), UInt8(content.count & 255), 0, 0] + content)
            let udta = box(Array("udta".utf8), title)
            var file = clear
            let moov = try place("moov", in: file)
            let end = moov + number(4, in: file, at: moov)
            let chunks = try place("co64", in: file)
            for entry in 0..<number(4, in: file, at: chunks + 12) {
                let at = chunks + 16 + 8 * entry
                let offset = number(8, in: file, at: at) + udta.count
                for i in 0..<8 { file[at + i] = UInt8(offset >> (56 - 8 * i) & 255) }
            }
            for i in 0..<4 { file[moov + i] = UInt8((end - moov + udta.count) >> (24 - 8 * i) & 255) }
            file.insert(contentsOf: udta, at: end)
            let run = try encrypt(try write(file, "\(name).mp4"), "\(name).enc.mp4")
            return (run, try f.data("\(name).enc.mp4"))
        }
        let title = Array("Grüße aus Zürich, 2026".utf8)
        let (told, kept) = try encrypted(title, "udta-text")
        #expect(told.status == 0 && kept.range(of: Data(title)) != nil)
        let content = Array(clear[slice].prefix(300))
        let (run, left) = try encrypted(content, "udta-slice")
        #expect(run.status == 0 && run.errors.contains("user data that may show pictures"), "\(run.errors)")
        #expect(left.range(of: Data(content)) == nil)
    }

    /// A unit whose header cannot be is sealed, and comes back where it was.
    @Test func forbiddenHeadersInSamples() throws {
        var file = try movie()
        let slices = try units(of: file).filter { file[$0.lowerBound] >> 1 & 63 < 32 }
        try #require(slices.count > 3)
        file[slices[2].lowerBound] |= 0x80
        let path = try write(file, "forbidden.mp4")
        let refused = try encrypt(path, "forbidden.enc.mp4")
        #expect(refused.status == 1, "\(refused.errors)")
        let sealed = try encrypt(path, "forbidden.enc.mp4", "--damaged", "seal")
        #expect(sealed.status == 0, "\(sealed.errors)")
        try veil(
            "decrypt", f.path("forbidden.enc.mp4"), "-o", f.path("forbidden.dec.mp4"), "--keys", f.path("keys.json"))
        let back = [UInt8](try f.data("forbidden.dec.mp4"))
        let (was, now) = (try units(of: file), try units(of: back))
        #expect(was.map { Array(file[$0]) } == now.map { Array(back[$0]) })
    }

    /// What a byte stream would tell apart is refused before a file has its name.
    @Test func startCodesInSamples() throws {
        var file = try movie()
        let slice = try #require(try units(of: file).last { file[$0.lowerBound] >> 1 & 63 < 32 && $0.count > 40 })
        file.replaceSubrange(slice.lowerBound + 20..<slice.lowerBound + 24, with: [0, 0, 1, 2])
        let path = try write(file, "start-code.mp4")
        let run = try encrypt(path, "start-code.enc.mp4", "--damaged", "seal")
        #expect(run.status == 1 && run.errors.contains("start code"), "\(run.errors)")
        #expect(!FileManager.default.fileExists(atPath: f.path("start-code.enc.mp4")))
        let decoded = try Run(["decode", path, "-o", f.path("start-code.y4m")])
        #expect(decoded.errors.contains("holds a start code"), "\(decoded.errors)")
    }

    /// An end of sequence of a layer that there is not, in front of all pictures, is nobody's forgery.
    @Test(arguments: ["el", "all", "bl"]) func endsInFrontOfPictures(scheme: String) throws {
        let stream = [0, 0, 1, 0x48, 0x11] + [UInt8](try f.data("clear.hevc"))
        let path = try write(stream, "end-first-\(scheme).hevc")
        let (secret, back) = (f.path("end-first-\(scheme).enc.hevc"), f.path("end-first-\(scheme).dec.hevc"))
        try veil("encrypt", path, "-o", secret, "--keys", f.path("keys.json"), "--scheme", scheme, "--authenticate")
        try veil("decrypt", secret, "-o", back, "--keys", f.path("keys.json"), "--strict")
        #expect(try [UInt8](f.data("end-first-\(scheme).dec.hevc")) == stream)
    }

    /// Pictures of a layer that nobody has a key for, in front of an authenticated stream.
    @Test(arguments: ["all", "el"]) func picturesPutInFront(scheme: String) throws {
        let secret = f.path("front-\(scheme).hevc")
        try veil(
            "encrypt", f.path("clear.hevc"), "-o", secret, "--keys", f.path("keys.json"), "--scheme", scheme,
            "--authenticate")
        var forged: [UInt8] = []
        let clear = [UInt8](try f.data("clear.hevc"))
        let starts = clear.indices.dropLast(4).filter { clear[$0..<$0 + 3].elementsEqual([0, 0, 1]) }
        for (i, start) in starts.enumerated() where clear[start + 4] >> 3 == 1 {
            var unit = Array(clear[start..<(i + 1 < starts.count ? starts[i + 1] : clear.count)])
            unit[4] = 3 << 3 | unit[4] & 7
            forged += unit
        }
        try #require(forged.count > 500)
        let path = try write(forged + [UInt8](f.data("front-\(scheme).hevc")), "front-\(scheme).forged.hevc")
        for (verb, more) in [("decrypt", []), ("decrypt", ["--require-authentication"]), ("decode", ["--layer", "3"])] {
            let output = f.path(verb == "decode" ? "front-\(scheme).y4m" : "front-\(scheme).out.hevc")
            let run = try Run([verb, path, "-o", output, "--keys", f.path("keys.json")] + more)
            #expect(run.status == 1 && run.errors.contains("put in front"), "\(verb) \(run.errors)")
            #expect(!FileManager.default.fileExists(atPath: output))
        }
    }

    /// A keystream that never restarts cannot be gone through twice.
    @Test func repeatedChains() throws {
        let secret = f.path("chain.hevc")
        try veil(
            "encode", f.path("clip.y4m"), "-o", f.path("chain.clear.hevc"), "--layers", "1", "--frames", "3")
        try veil(
            "encrypt", f.path("chain.clear.hevc"), "-o", secret, "--keys", f.path("keys.json"), "--resync", "stream")
        try veil("join", secret, secret, "-o", f.path("chain.twice.hevc"))
        for verb in ["decrypt", "decode"] {
            let run = try Run([
                verb, f.path("chain.twice.hevc"), "-o", f.path(verb == "decode" ? "chain.y4m" : "chain.out.hevc"),
                "--keys", f.path("keys.json"),
            ])
            #expect(run.status != 0 && run.errors.contains("never restarts"), "\(verb) \(run.errors)")
        }
    }

    /// What ffmpeg's status does not tell: its file was not written to its end.
    @Test(.enabled(if: Run.find("ffmpeg") != nil, "ffmpeg is not here"), arguments: ["mkv", "ts", "hevc", "mp4"])
    func filesThatGetTooLarge(format: String) throws {
        let output = f.path("large.\(format)")
        let run = try Run(
            URL(fileURLWithPath: "/bin/sh"),
            [
                "-c", "ulimit -f 1; exec \"$0\" extract \"$1\" -o \"$2\" --layer 0", Run.veil.path,
                f.path("clear.hevc"), output,
            ])
        #expect(run.status == 1 && run.errors.contains(output), "\(run.status) \(run.errors)")
        #expect(
            try FileManager.default.contentsOfDirectory(atPath: f.path("")).filter { $0.hasPrefix("large.\(format)") }
                .isEmpty)
    }

    /// Encoding says how many pictures there are without anything to encrypt.
    @Test(.enabled(if: Fixture.canEncode, "libx265 is not built in"))
    func picturesThatHaveNothing() throws {
        let f = try Fixture.shared.get()
        // A slope that stands still.
        var bytes = Array("YUV4MPEG2 W64 H64 F25:1 Ip A1:1 C420jpeg\n".utf8)
        for _ in 0..<6 {
            bytes += Array("FRAME\n".utf8)
            for c in 0..<3 {
                let size = c == 0 ? 64 : 32
                for y in 0..<size { for x in 0..<size { bytes.append(UInt8(60 + x + (y & 3) * 9)) } }
            }
        }
        try Data(bytes).write(to: URL(fileURLWithPath: f.path("still.y4m")))
        let run = try veil(
            "encode", f.path("still.y4m"), "-o", f.path("still.hevc"), "--keys", f.path("keys.json"), "--layers", "1",
            "--qp", "30", "--x265-options", "keyint=6,min-keyint=6,bframes=0")
        #expect(run.errors.contains("layer 0: 5 pictures are as in the clear"), "\(run.errors)")
    }

    /// A layer in which nothing of what was selected occurs is told to be in the clear.
    @Test func layersThatHaveNothing() throws {
        try veil("encode", f.path("clip.y4m"), "-o", f.path("intra.hevc"), "--layers", "1", "--frames", "1")
        let run = try encrypt(f.path("intra.hevc"), "intra.enc.hevc", "--elements", "mvd")
        #expect(run.status == 1, "\(run.errors)")
    }
}
