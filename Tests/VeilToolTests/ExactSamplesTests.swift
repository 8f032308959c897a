// SPDX-License-Identifier: GPL-2.0-or-later
import Foundation
import Testing

/// A movie that is encrypted and decrypted has the samples it had, whatever is in them: bounds, times and which can be
/// begun at are those of its tables, not what slices say.
@Suite(.enabled(if: Fixture.canEncode, "libx265 is not built in"))
struct ExactSamplesTests {
    let f: Fixture
    init() throws { f = try Fixture.shared.get() }

    /// A clear movie of two layers, as this program writes it: what it writes of the same samples is the same file.
    private func movie() throws -> [UInt8] {
        let path = f.path("exact.mp4")
        if !FileManager.default.fileExists(atPath: path) {
            try veil(
                "encode", f.path("clip.y4m"), "-o", path, "--layers", "2x", "--keyint", "4", "--bframes", "2")
        }
        return [UInt8](try f.data("exact.mp4"))
    }

    private func number(_ bytes: Int, in file: [UInt8], at: Int) -> Int {
        file[at..<at + bytes].reduce(0) { $0 << 8 | Int($1) }
    }

    private func put(_ value: Int, in file: inout [UInt8], at: Int) {
        for i in 0..<4 { file[at + i] = UInt8(value >> (24 - 8 * i) & 255) }
    }

    private func place(_ type: String, in file: [UInt8]) throws -> Int {
        let name = Array(type.utf8)
        return try #require((32..<file.count - 4).first { file[$0..<$0 + 4].elementsEqual(name) }) - 4
    }

    /// Places of the NAL units of each sample.
    private func samples(of file: [UInt8]) throws -> [[Range<Int>]] {
        let stsz = try place("stsz", in: file)
        let mdat = try place("mdat", in: file)
        var at = mdat + (number(4, in: file, at: mdat) == 1 ? 16 : 8)
        return (0..<number(4, in: file, at: stsz + 16)).map { i in
            let end = at + number(4, in: file, at: stsz + 20 + 4 * i)
            var units: [Range<Int>] = []
            while at < end {
                let length = number(4, in: file, at: at)
                units.append(at + 4..<at + 4 + length)
                at += 4 + length
            }
            return units
        }
    }

    private func firstSlice(_ sample: [Range<Int>], in file: [UInt8], layer: UInt8 = 0) throws -> Range<Int> {
        try #require(sample.first { file[$0.lowerBound] >> 1 & 63 < 32 && file[$0.lowerBound + 1] >> 3 == layer })
    }

    private func roundTrip(
        _ file: [UInt8], _ name: String, _ options: [String], exit: (encrypt: Int32, decrypt: Int32) = (0, 0),
        sourceLocation: SourceLocation = #_sourceLocation
    ) throws -> [UInt8] {
        // Cases run side by side.
        let own = "exact-" + ([name] + options).joined(separator: "-")
        func p(_ end: String) -> String { f.path("\(own).\(end).mp4") }
        let keys = f.path("keys.json")
        try Data(file).write(to: URL(fileURLWithPath: p("clear")))
        for end in ["secret", "again"] { try? FileManager.default.removeItem(atPath: p(end)) }
        let encrypted = try Run(["encrypt", p("clear"), "-o", p("secret"), "--keys", keys] + options)
        #expect(encrypted.status == exit.encrypt, "\(encrypted.errors)", sourceLocation: sourceLocation)
        let decrypted = try Run(["decrypt", p("secret"), "-o", p("again"), "--keys", keys])
        #expect(decrypted.status == exit.decrypt, "\(decrypted.errors)", sourceLocation: sourceLocation)
        return [UInt8](try f.data("\(own).again.mp4"))
    }

    private static let options = [
        ["--damaged", "seal"], ["--damaged", "seal", "--authenticate"], ["--damaged", "seal", "--hide", "3"],
    ]

    /// One bit of a slice header, by which it names a parameter set that is not there.
    @Test(arguments: options, [UInt8(0), 1]) func damagedHeaders(options: [String], layer: UInt8) throws {
        var file = try movie()
        let slice = try firstSlice(try samples(of: file)[2], in: file, layer: layer)
        file[slice.lowerBound + 2] = 0x81
        #expect(try roundTrip(file, "header-\(layer)", options) == file)
    }

    @Test func damagedHeadersThatPass() throws {
        var file = try movie()
        let slice = try firstSlice(try samples(of: file)[2], in: file)
        file[slice.lowerBound + 2] = 0x81
        #expect(try roundTrip(file, "pass", ["--damaged", "pass"], exit: (3, 2)) == file)
    }

    /// Units by which access units would be found to begin, or not to.
    @Test(arguments: options, [UInt8(31), 40, 41]) func unitsOfOtherKinds(options: [String], type: UInt8) throws {
        var file = try movie()
        let all = try samples(of: file)
        file[try firstSlice(all[1], in: file).lowerBound] = type << 1
        file[try firstSlice(all[3], in: file, layer: 1).lowerBound] = type << 1
        #expect(try roundTrip(file, "kind-\(type)", options) == file)
    }

    /// Nothing that can be begun at comes first.
    @Test(arguments: options) func firstPictures(options: [String]) throws {
        var file = try movie()
        let first = try samples(of: file)[0]
        for layer in [UInt8(0), 1] { file[try firstSlice(first, in: file, layer: layer).lowerBound] = 1 << 1 }
        #expect(try roundTrip(file, "first", options) == file)
    }

    /// Samples of two pictures, of half a picture, and of none.
    @Test(arguments: [[], ["--authenticate"], ["--hide", "1"]]) func otherBounds(options: [String]) throws {
        var file = try movie()
        let all = try samples(of: file)
        let sizes = all.map { $0.reduce(0) { $0 + $1.count + 4 } }
        let stsz = try place("stsz", in: file)
        func set(_ index: Int, _ size: Int) { put(size, in: &file, at: stsz + 20 + 4 * index) }
        set(1, sizes[1] + sizes[2])
        set(2, 0)
        let half = try #require(all[4].last).count + 4
        set(4, sizes[4] - half)
        set(5, sizes[5] + half)
        #expect(try roundTrip(file, "bounds", options) == file)
    }

    /// Zeros behind a unit, of which a byte stream does not tell whose they are.
    @Test(arguments: options) func zerosBehindUnits(options: [String]) throws {
        var file = try movie()
        let all = try samples(of: file)
        for index in [1, 2, all.count - 1] {
            for unit in [all[index][0], try #require(all[index].last)] {
                let end = unit.upperBound - (index == 2 ? 3 : 1)
                file.replaceSubrange(end..<unit.upperBound, with: repeatElement(0, count: unit.upperBound - end))
            }
        }
        #expect(try roundTrip(file, "zeros", options) == file)
    }

    /// In fragments the times are those of a constant rate; the samples are the same.
    @Test(arguments: options) func fragments(options: [String]) throws {
        var file = try movie()
        let all = try samples(of: file)
        file[try firstSlice(all[1], in: file).lowerBound + 2] = 0x81
        file[try firstSlice(all[4], in: file, layer: 1).lowerBound] = 41 << 1
        let again = try roundTrip(file, "fragments", options + ["--fragmented"])
        let (was, now) = (try samples(of: file), try samples(of: again))
        #expect(was.map { $0.map { Array(file[$0]) } } == now.map { $0.map { Array(again[$0]) } })
    }

    /// Keys are exchanged within the same samples.
    @Test func exchangedKeys() throws {
        var file = try movie()
        let all = try samples(of: file)
        file[try firstSlice(all[2], in: file).lowerBound + 2] = 0x81
        file[try firstSlice(all[3], in: file, layer: 1).lowerBound] = 41 << 1
        let options = ["--damaged", "seal", "--authenticate"]
        _ = try roundTrip(file, "rekey", options)
        let secret = f.path("exact-" + (["rekey"] + options).joined(separator: "-") + ".secret.mp4")
        let keys = f.path("keys.json")
        try veil("keygen", "-o", f.path("exact-new.json"), "--layers", "2")
        let rekeyed = try Run(
            [
                "rekey", secret, "-o", f.path("exact-rekeyed.mp4"), "--old-keys", keys, "--keys",
                f.path("exact-new.json"),
            ] + options)
        #expect(rekeyed.status == 0, "\(rekeyed.errors)")
        try veil(
            "decrypt", f.path("exact-rekeyed.mp4"), "-o", f.path("exact-rekeyed.again.mp4"), "--keys",
            f.path("exact-new.json"))
        #expect(try f.data("exact-rekeyed.again.mp4") == Data(file))
    }

    /// Ends of sequences lie in the base layer's samples, and come behind the pictures of all layers.
    @Test(arguments: ["all", "el"]) func endsOfSequencesInPackages(scheme: String) throws {
        func p(_ name: String) -> String { f.path("ends-\(scheme)-" + name) }
        let clear = try f.data("clear.hevc")
        let ends: [UInt8] = [0, 0, 0, 1, 0x48, 1]
        try (clear + ends + clear + ends + [0, 0, 0, 1, 0x4A, 1]).write(to: URL(fileURLWithPath: p("clear.hevc")))
        let keys = f.path("keys.json")
        try veil(
            "encrypt", p("clear.hevc"), "-o", p("secret.hevc"), "--keys", keys, "--scheme", scheme, "--authenticate")
        try veil("package", p("secret.hevc"), "-o", p("site"), "--segment", "0")
        let layers = (0..<8).filter { FileManager.default.fileExists(atPath: p("site/layer\($0)-init.mp4")) }
        var whole = try f.data("ends-\(scheme)-site/layer\(try #require(layers.last))-init.mp4")
        var segment = 1
        while FileManager.default.fileExists(atPath: p("site/layer0-\(segment).m4s")) {
            for layer in layers { whole += try f.data("ends-\(scheme)-site/layer\(layer)-\(segment).m4s") }
            segment += 1
        }
        try whole.write(to: URL(fileURLWithPath: p("whole.mp4")))
        try veil("decrypt", p("whole.mp4"), "-o", p("again.hevc"), "--keys", keys, "--strict")
        /// Slices and ends.
        func units(_ name: String) throws -> [[UInt8]] {
            let bytes = [UInt8](try f.data("ends-\(scheme)-" + name))
            let starts = bytes.indices.dropLast(4).filter { bytes[$0..<$0 + 3].elementsEqual([0, 0, 1]) }
            return starts.enumerated().map { i, start in
                var unit = Array(bytes[start + 3..<(i + 1 < starts.count ? starts[i + 1] : bytes.count)])
                while unit.last == 0 { unit.removeLast() }
                return unit
            }.filter { $0[0] >> 1 < 32 || [36, 37].contains($0[0] >> 1) }
        }
        #expect(try units("again.hevc") == units("clear.hevc"))
    }
}
