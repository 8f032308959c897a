// SPDX-License-Identifier: GPL-2.0-or-later
import Foundation
import TestSupport
import Testing

@testable import VeilBitstream

private let python = Run.find("python3")
private let script = Run.root.appendingPathComponent("Docs/reference/veil_decrypt").path

/// The independent decryptor of Docs/reference against ours.
@Suite(.enabled(if: python != nil, "python3 is not here"))
struct ReferenceDecryptorTests {
    private func decryptor(_ f: Fixture, _ source: String, _ target: String, keys: String = "keys.json") throws -> Run {
        try Run(try #require(python), [script, f.path(source), f.path(target), "--keys", f.path(keys)])
    }

    @Test func thePageHasItsTestVectors() throws {
        let run = try Run(try #require(python), [script, "--vectors"])
        #expect(run.status == 0, "\(run.errors)")
        let page = try String(contentsOf: Run.root.appendingPathComponent("Docs/Format.md"), encoding: .utf8)
        let lines = String(decoding: run.output, as: UTF8.self).split(separator: "\n")
        #expect(lines.count == 17)
        for line in lines { #expect(page.contains(line)) }
    }

    @Test(
        .enabled(if: Fixture.canEncode, "libx265 is not built in"),
        arguments: ["chaotic", "aes-128-ctr", "aes-256-ctr", "chacha20"], ["paper", "maximal"])
    func itDecryptsWhatWeEncrypt(cipher: String, profile: String) throws {
        let f = try Fixture.shared.get()
        let name = "\(cipher)-\(profile)"
        try veil(
            "encrypt", f.path("clear.hevc"), "-o", f.path("\(name).hevc"), "--keys", f.path("keys.json"), "--cipher",
            cipher, "--profile",
            profile)
        #expect(try f.data("\(name).hevc") != f.data("clear.hevc"))
        let run = try decryptor(f, "\(name).hevc", "\(name)-python.hevc")
        try #require(run.status == 0, "\(run.errors)")
        #expect(try f.data("\(name)-python.hevc") == f.data("clear.hevc"))
    }

    /// The streams of Tests/Vectors/RangeExtensions; the program and this decryptor take what it does not decode.
    @Test(
        .enabled(if: Fixture.canEncode, "libx265 is not built in"),
        arguments: [
            "align", "all_444", "ccp", "chroma_qp", "extended", "f422", "f422_10", "f444", "f444_12", "lossless",
            "mono", "pcm_422", "rdpcm_explicit", "rdpcm_implicit", "rice", "rice_wpp", "skip_32",
        ], ["paper", "maximal"])
    func itKnowsTheRangeExtensions(stream: String, profile: String) throws {
        let f = try Fixture.shared.get()
        let clear = Run.root.appendingPathComponent("Tests/Vectors/RangeExtensions/\(stream).bit")
        let name = "\(stream)-\(profile)"
        try veil(
            "encrypt", clear.path, "-o", f.path("\(name).hevc"), "--keys", f.path("keys.json"), "--profile",
            profile)
        #expect(try f.data("\(name).hevc") != Data(contentsOf: clear))
        let run = try decryptor(f, "\(name).hevc", "\(name)-python.hevc")
        try #require(run.status == 0, "\(run.errors)")
        #expect(try f.data("\(name)-python.hevc") == Data(contentsOf: clear))
    }

    /// Two views: what a phone writes, and what we do.
    @Test(.enabled(if: Fixture.canEncode, "libx265 is not built in"), arguments: ["phone", "ours"])
    func itKnowsStereo(source: String) throws {
        let f = try Fixture.shared.get()
        let name = "stereo-\(source)"
        let clear = f.path("\(name).hevc")
        if source == "phone" {
            try Data(ForeignStreams.stereo).write(to: URL(fileURLWithPath: clear))
        } else {
            try veil("encode", f.path("clip.y4m"), f.path("clip.y4m"), "-o", clear, "--layers", "view", "--qp", "26")
        }
        try veil("encrypt", clear, "-o", f.path("\(name)-secret.hevc"), "--keys", f.path("keys.json"))
        #expect(try f.data("\(name)-secret.hevc") != f.data("\(name).hevc"))
        let run = try decryptor(f, "\(name)-secret.hevc", "\(name)-python.hevc")
        try #require(run.status == 0 && !run.errors.contains("could not be read"), "\(run.errors)")
        #expect(try f.data("\(name)-python.hevc") == f.data("\(name).hevc"))
    }

    @Test(
        .enabled(if: Fixture.canEncode, "libx265 is not built in"),
        arguments: [
            ["--resync", "stream"], ["--feedback", "--cipher", "aes-128-ctr"], ["--no-feedback"], ["--scheme", "bl"],
            ["--scheme", "el"],
            ["--hide", "1"], ["--hide", "3", "--authenticate"],
            ["--irap-only"], ["--roi", "32,16,40,40"], ["--elements", "mvd,dqp-sign,coeff"],
        ])
    func itKnowsTheOptions(options: [String]) throws {
        let f = try Fixture.shared.get()
        let name = "option" + options.joined().filter(\.isLetter)
        let made = try Run(
            ["encrypt", f.path("clear.hevc"), "-o", f.path("\(name).hevc"), "--keys", f.path("keys.json")] + options)
        try #require(made.status == 0, "\(made.errors)")
        let run = try decryptor(f, "\(name).hevc", "\(name)-python.hevc")
        try #require(run.status == 0, "\(run.errors)")
        #expect(try f.data("\(name)-python.hevc") == f.data("clear.hevc"))
    }

    @Test(.enabled(if: Fixture.canEncode, "libx265 is not built in"), arguments: [[], ["--authenticate"]])
    func itOpensSealedUnits(options: [String]) throws {
        let f = try Fixture.shared.get()
        let name = "sealed\(options.count)"
        // A slice in the middle and the last one lose their ends.
        let clear = [UInt8](try f.data("clear.hevc"))
        var damaged: [UInt8] = []
        let units = try AnnexBReader.units(of: clear)
        let slices = units.indices.filter { units[$0].header.nalUnitType.isSlice }
        for (i, unit) in units.enumerated() {
            var cut = unit
            if i == slices[slices.count / 2] || i == slices.last { cut.bytes.removeLast(3) }
            damaged.append(annexB: cut)
        }
        try Data(damaged).write(to: URL(fileURLWithPath: f.path("\(name)-clear.hevc")))
        let made = try Run(
            ["encrypt", f.path("\(name)-clear.hevc"), "-o", f.path("\(name).hevc"), "--keys", f.path("keys.json")]
                + ["--damaged", "seal"] + options)
        try #require(made.status == 0 && made.errors.contains("2 slices were sealed"), "\(made.errors)")
        let run = try decryptor(f, "\(name).hevc", "\(name)-python.hevc")
        try #require(run.status == 0, "\(run.errors)")
        #expect(try [UInt8](f.data("\(name)-python.hevc")) == damaged)
        try veil(
            "decrypt", f.path("\(name).hevc"), "-o", f.path("\(name)-own.hevc"), "--keys", f.path("keys.json"))
        #expect(try [UInt8](f.data("\(name)-own.hevc")) == damaged)
        // Decoding with keys shows what decoding the clear stream shows.
        let (own, direct) = (f.path("\(name)-own.y4m"), f.path("\(name)-clear.y4m"))
        _ = try Run(["decode", f.path("\(name).hevc"), "-o", own, "--keys", f.path("keys.json")])
        _ = try Run(["decode", f.path("\(name)-clear.hevc"), "-o", direct])
        let pictures = try Data(contentsOf: URL(fileURLWithPath: own))
        #expect(pictures == (try Data(contentsOf: URL(fileURLWithPath: direct))) && pictures.count > 1000)
    }

    /// Parameter sets and ends of sequences put in between pictures with tags: both decryptors refuse, report or take
    /// the same ones, and give out the same bytes.
    @Test(.enabled(if: Fixture.canEncode, "libx265 is not built in"))
    func bothKnowExchangedSets() throws {
        let f = try Fixture.shared.get()
        try veil(
            "encrypt", f.path("clear.hevc"), "-o", f.path("tagged.hevc"), "--keys", f.path("keys.json"),
            "--authenticate")
        let units = try AnnexBReader.units(of: [UInt8](f.data("tagged.hevc")))
        let pictures = units.indices.filter {
            units[$0].header.nuhLayerId == 0 && units[$0].header.nalUnitType.isSlice
                && !units[$0].header.nalUnitType.isIRAP
        }
        let place = try #require(pictures.dropFirst(2).first)
        var statuses: [Int32] = []
        for (type, byte, bit) in [(NALUnitType.vps, 1, 0x01), (.sps, 0, 0x01), (.pps, 0, 0x20), (.endOfSequence, 0, 0)]
        {
            let layer = type == .endOfSequence ? 5 : 0
            var insertions: [[NALUnit]] = [
                [NALUnit(header: NALUnitHeader(nalUnitType: type, nuhLayerId: layer), rbsp: [])]
            ]
            if let own = units.first(where: { $0.header.nalUnitType == type && $0.header.nuhLayerId == 0 }) {
                var rbsp = own.rbsp
                rbsp[byte] ^= UInt8(bit)
                let changed = NALUnit(header: own.header, rbsp: rbsp)
                insertions = [[own], [changed], [changed, own]]
            }
            for insertion in insertions {
                var forged: [UInt8] = []
                for unit in units[..<place] + insertion + units[place...] { forged.append(annexB: unit) }
                try Data(forged).write(to: URL(fileURLWithPath: f.path("exchanged.hevc")))
                let theirs = try decryptor(f, "exchanged.hevc", "exchanged-python.hevc")
                let ours = try Run(
                    ["decrypt", f.path("exchanged.hevc"), "-o", f.path("exchanged-own.hevc"), "--keys"]
                        + [f.path("keys.json")])
                #expect(theirs.status == ours.status, "\(type): \(theirs.errors) \(ours.errors)")
                if ours.status != 1 {
                    #expect(try f.data("exchanged-python.hevc") == f.data("exchanged-own.hevc"))
                }
                statuses.append(ours.status)
            }
        }
        // A VPS is refused; SPS and PPS replaced in turn, and ends of layers that there are not, are reported.
        #expect(statuses == [0, 1, 1, 0, 1, 2, 0, 1, 2, 2], "\(statuses)")
    }

    /// What cannot be read takes the place of a set that is in use: both refuse the pictures.
    @Test(.enabled(if: Fixture.canEncode, "libx265 is not built in"))
    func bothKnowUnreadableSets() throws {
        let f = try Fixture.shared.get()
        try veil(
            "encrypt", f.path("clear.hevc"), "-o", f.path("whole.hevc"), "--keys", f.path("keys.json"),
            "--authenticate", "--irap-only")
        let units = try AnnexBReader.units(of: [UInt8](f.data("whole.hevc")))
        // Behind all parameter sets.
        let place = try #require(units.firstIndex { $0.header.nalUnitType == .prefixSEI })
        for (type, rbsp) in [(NALUnitType.sps, [0x0F] as [UInt8]), (.pps, [0x80])] {
            let own = try #require(units.first { $0.header.nalUnitType == type && $0.header.nuhLayerId == 1 })
            var forged: [UInt8] = []
            let unreadable = NALUnit(header: own.header, rbsp: rbsp)
            for unit in units[..<place] + [unreadable, own] + units[place...] { forged.append(annexB: unit) }
            try Data(forged).write(to: URL(fileURLWithPath: f.path("unreadable.hevc")))
            let theirs = try decryptor(f, "unreadable.hevc", "unreadable-python.hevc")
            let ours = try Run(
                ["decrypt", f.path("unreadable.hevc"), "-o", f.path("unreadable-own.hevc"), "--keys"]
                    + [f.path("keys.json")])
            #expect(ours.status == 1 && ours.errors.contains("is missing"), "\(type): \(ours.errors)")
            #expect(theirs.status == 1, "\(type): \(theirs.errors)")
        }
    }

    /// Extensions that are not taken, and an identifier that cannot be, in the middle of a clear stream: both
    /// decryptors read the same slices.
    @Test(
        .enabled(if: Fixture.canEncode, "libx265 is not built in"),
        arguments: [["--damaged", "seal", "--authenticate"], ["--damaged", "pass"]])
    func bothReadTheSameSets(options: [String]) throws {
        let f = try Fixture.shared.get()
        let units = try AnnexBReader.units(of: [UInt8](f.data("clear.hevc")))
        let pictures = units.indices.filter {
            units[$0].header.nuhLayerId == 0 && units[$0].header.nalUnitType.isSlice
                && !units[$0].header.nalUnitType.isIRAP
        }
        let place = try #require(pictures.dropFirst(2).first)
        let sps = try #require(units.first { $0.header.nalUnitType == .sps && $0.header.nuhLayerId == 0 })
        let pps = try #require(units.first { $0.header.nalUnitType == .pps && $0.header.nuhLayerId == 0 })
        // A PPS like the other one, but for its identifier.
        var strange = BitWriter()
        strange.ue(300)
        strange.copy(pps.rbsp, from: 1, count: BitReader(pps.rbsp).trailingBitsPosition - 1)
        strange.trailingBits()
        func path(_ what: String) -> String { f.path("sets\(options.count)-\(what).hevc") }
        // sps_scc_extension_flag, pps_3d_extension_flag.
        for set in [extended(sps, by: "00010000"), extended(pps, by: "00100000")] {
            var clear: [UInt8] = []
            let inserted = [NALUnit(header: pps.header, rbsp: strange.bytes), set]
            for unit in units[..<place] + inserted + units[place...] { clear.append(annexB: unit) }
            try Data(clear).write(to: URL(fileURLWithPath: path("clear")))
            let made = try Run(
                ["encrypt", path("clear"), "-o", path("encrypted"), "--keys", f.path("keys.json")] + options)
            let isLeft = options.contains("pass")
            try #require(made.status == (isLeft ? 3 : 0), "\(made.errors)")
            let ours = try Run(["decrypt", path("encrypted"), "-o", path("own"), "--keys", f.path("keys.json")])
            let theirs = try Run(
                try #require(python), [script, path("encrypted"), path("python"), "--keys", f.path("keys.json")])
            #expect(ours.status == (isLeft ? 2 : 0), "\(ours.errors)")
            #expect(theirs.status == ours.status, "\(theirs.errors)")
            for name in ["own", "python"] {
                #expect(try [UInt8](Data(contentsOf: URL(fileURLWithPath: path(name)))) == clear)
            }
        }
    }

    /// A parameter set without extensions, with these flags of extensions at its end.
    private func extended(_ set: NALUnit, by flags: String) -> NALUnit {
        var w = BitWriter()
        w.copy(set.rbsp, from: 0, count: BitReader(set.rbsp).trailingBitsPosition - 1)
        w.flag(true)
        for flag in flags { w.flag(flag == "1") }
        w.trailingBits()
        return NALUnit(header: set.header, rbsp: w.bytes)
    }

    /// Whoever has the base layer's key only is given no upper layer in the clear: the encryption says that it protects
    /// it. Without any upper layer the base is whole, and the other one missing.
    @Test(.enabled(if: Fixture.canEncode, "libx265 is not built in"))
    func clearSlicesInPlaceOfALockedLayer() throws {
        let f = try Fixture.shared.get()
        try veil(
            "encrypt", f.path("clear.hevc"), "-o", f.path("locked.hevc"), "--keys", f.path("keys.json"),
            "--authenticate")
        var keys = try #require(JSONSerialization.jsonObject(with: f.data("keys.json")) as? [String: Any])
        let all = try #require(keys["layers"] as? [[String: Any]])
        keys["layers"] = all.filter { $0["layer"] as? Int == 0 }
        try JSONSerialization.data(withJSONObject: keys).write(to: URL(fileURLWithPath: f.path("base-key.json")))
        let units = try AnnexBReader.units(of: [UInt8](f.data("locked.hevc")))
        var clear = try AnnexBReader.units(of: [UInt8](f.data("clear.hevc"))).filter {
            $0.header.nuhLayerId == 1 && $0.header.nalUnitType.isSlice
        }[...]
        for isForged in [false, true] {
            var stream: [UInt8] = []
            for unit in units {
                let type = unit.header.nalUnitType
                if unit.header.nuhLayerId == 0 || [.sps, .pps].contains(type) {
                    stream.append(annexB: unit)
                } else if isForged, type.isSlice, let slice = clear.popFirst() {
                    stream.append(annexB: slice)
                }
            }
            try Data(stream).write(to: URL(fileURLWithPath: f.path("locked-forged.hevc")))
            let status: Int32 = isForged ? 1 : 2
            for options in [[], ["--require-authentication"]] {
                let arguments = [f.path("locked-forged.hevc"), "--keys", f.path("base-key.json")] + options + ["-o"]
                let run = try Run(["decrypt"] + arguments + [f.path("locked-own.hevc")])
                #expect(run.status == status && run.errors.contains("layer 1"), "\(isForged): \(run.errors)")
                // Asked for, the base layer is shown all the same.
                let layer = isForged ? [] : ["--layer", "0"]
                let decode = try Run(["decode"] + arguments + ["-"] + layer)
                #expect(
                    decode.status == (isForged ? 1 : 0) && decode.output.isEmpty == isForged,
                    "\(isForged): \(decode.status) \(decode.errors)")
            }
            let theirs = try decryptor(f, "locked-forged.hevc", "locked-python.hevc", keys: "base-key.json")
            #expect(theirs.status == status, "\(isForged): \(theirs.errors)")
        }
        #expect(clear.isEmpty)
    }

    /// Layers are encrypted first and clear later, whoever is left with them: of one encryption, and of two that are
    /// joined.
    @Test(.enabled(if: Fixture.canEncode, "libx265 is not built in"), arguments: [false, true])
    func layersThatAreClearLater(isJoined: Bool) throws {
        let f = try Fixture.shared.get()
        let vectors = Run.root.appendingPathComponent("Tests/Vectors")
        let sources = ["ldp_2x", "three_layers"].map { vectors.appendingPathComponent("\($0).bit").path }
        func path(_ what: String) -> String { f.path("later-\(isJoined)-\(what)") }
        try veil("keygen", "-o", path("keys.json"), "--layers", "3")
        func encrypt(_ source: String, _ target: String) throws {
            try veil("encrypt", source, "-o", target, "--keys", path("keys.json"), "--scheme", "el")
        }
        try veil("join", sources[0], sources[1], "-o", path("clear.hevc"))
        if isJoined {
            for i in 0...1 { try encrypt(sources[i], path("\(i).hevc")) }
            try veil("join", path("0.hevc"), path("1.hevc"), "-o", path("all.hevc"))
        } else {
            try encrypt(path("clear.hevc"), path("all.hevc"))
        }
        for name in ["clear", "all"] {
            try veil("extract", path("\(name).hevc"), "-o", path("\(name)-1.hevc"), "--layer", "1")
        }
        try veil("decrypt", path("all-1.hevc"), "-o", path("own.hevc"), "--keys", path("keys.json"))
        let clear = try Data(contentsOf: URL(fileURLWithPath: path("clear-1.hevc")))
        #expect(try Data(contentsOf: URL(fileURLWithPath: path("own.hevc"))) == clear)
        let run = try Run(
            try #require(python), [script, path("all-1.hevc"), path("python.hevc"), "--keys", path("keys.json")])
        #expect(run.status == 0, "\(run.errors)")
        #expect(try Data(contentsOf: URL(fileURLWithPath: path("python.hevc"))) == clear)
    }

    /// Hidden as they are encoded: the same bytes as hidden afterwards.
    @Test(.enabled(if: Fixture.canEncode, "libx265 is not built in"), arguments: [1, 2, 3])
    func picturesHiddenInTheLoop(level: Int) throws {
        let f = try Fixture.shared.get()
        let options = [
            "--hide", String(level), "--scheme", "all", "--keys", f.path("keys.json"), "--nonce",
            "000102030405060708090a0b0c0d0e0f",
        ]
        let names = ["clear", "inside", "after"].map { "hidden\(level)-\($0).hevc" }
        try f.encode(names[0], [])
        try f.encode(names[1], options)
        let after = try Run(["encrypt", f.path(names[0]), "-o", f.path(names[2])] + options)
        try #require(after.status == 0, "\(after.errors)")
        #expect(try f.data(names[1]) == f.data(names[2]))
        try veil("decrypt", f.path(names[1]), "-o", f.path("hidden\(level)-back.hevc"), "--keys", f.path("keys.json"))
        #expect(try f.data("hidden\(level)-back.hevc") == f.data(names[0]))
        let mine = try Run([
            "decode", f.path(names[1]), "-o", f.path("hidden\(level).yuv"), "--keys", f.path("keys.json"),
        ])
        let open = try Run(["decode", f.path(names[0]), "-o", f.path("hidden\(level)-open.yuv")])
        #expect(mine.status == 0 && open.status == 0, "\(mine.errors)")
        #expect(try f.data("hidden\(level).yuv") == f.data("hidden\(level)-open.yuv"))
        // A layer taken out, and a movie.
        let part = { (name: String) in f.path("hidden\(level)-\(name)") }
        try veil("extract", f.path(names[1]), "-o", part("base.hevc"), "--layer", "0")
        try veil("decrypt", part("base.hevc"), "-o", part("base-back.hevc"), "--keys", f.path("keys.json"))
        try veil("extract", f.path(names[0]), "-o", part("base-clear.hevc"), "--layer", "0")
        #expect(try f.data("hidden\(level)-base-back.hevc") == f.data("hidden\(level)-base-clear.hevc"))
        try veil("extract", f.path(names[0]), "-o", part("clear.mp4"))
        try veil(
            "encrypt", part("clear.mp4"), "-o", part("movie.mp4"), "--keys", f.path("keys.json"), "--hide", "\(level)")
        try veil("decrypt", part("movie.mp4"), "-o", part("back.mp4"), "--keys", f.path("keys.json"))
        try veil("extract", part("back.mp4"), "-o", part("movie-back.hevc"))
        try veil("extract", part("clear.mp4"), "-o", part("there.hevc"))
        #expect(try f.data("hidden\(level)-movie-back.hevc") == f.data("hidden\(level)-there.hevc"))
    }

    @Test(.enabled(if: Fixture.canEncode, "libx265 is not built in"))
    func itDecryptsInLoopStreamsAndKnowsAWrongKey() throws {
        let f = try Fixture.shared.get()
        let run = try decryptor(f, "all.hevc", "python.hevc")
        try #require(run.status == 0, "\(run.errors)")
        #expect(try f.data("python.hevc") == f.data("clear.hevc"))
        let wrong = String(decoding: try f.data("keys.json"), as: UTF8.self)
            .replacingOccurrences(of: "\"key\" : \"", with: "\"key\" : \"00")
        try Data(wrong.utf8).write(to: URL(fileURLWithPath: f.path("wrong.json")))
        let told = try decryptor(f, "all.hevc", "never.hevc", keys: "wrong.json")
        #expect(told.status == 1)
        #expect(told.errors.contains("wrong key"))
    }
}
