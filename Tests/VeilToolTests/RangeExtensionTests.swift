// SPDX-License-Identifier: GPL-2.0-or-later
import Crypto
import Foundation
import TestSupport
import Testing
import Veil

@testable import VeilBitstream

/// Other chroma formats, views and alpha, from the stream to files and through encryption.
@Suite struct RangeExtensionTests {
    private func decode(
        _ bytes: some Collection<UInt8>, _ output: VideoDecoder.Output = .highestLayer, keys: KeyRing? = nil
    ) throws -> (pictures: [VideoPicture], report: VideoDecoder.Report) {
        var options = VideoDecoder.Options()
        options.output = output
        options.keys = keys
        options.verify = keys != nil
        options.threads = 2
        let decoder = VideoDecoder(options: options)
        let pictures = try decoder.push(bytes) + decoder.finish()
        return (pictures, decoder.report)
    }

    private func md5(_ pictures: [VideoPicture]) -> String {
        var hash = Insecure.MD5()
        for picture in pictures { hash.update(data: picture.i420) }
        return hash.finalize().map { String(format: "%02x", $0) }.joined()
    }

    /// With keys the decode is the reference decoder's; without them it is another, of which nothing is missing.
    @Test(
        .enabled(if: Fixture.canEncode, "libx265 is not built in"),
        arguments: ReferenceStream.rangeExtensions.filter { !$0.name.hasSuffix("/extended") })
    func encryptedStreamsDecode(stream: ReferenceStream) throws {
        let f = try Fixture.shared.get()
        let name = stream.url.lastPathComponent
        try veil(
            "encrypt", stream.url.path, "-o", f.path("rext-\(name)"), "--keys", f.path("keys.json"), "--profile",
            "maximal")
        let encrypted = try f.data("rext-\(name)")
        let locked = try decode(encrypted)
        #expect(locked.report.isClean, "\(locked.report.messages)")
        #expect(md5(locked.pictures) != stream.md5[0])
        let open = try decode(encrypted, keys: KeyRing(reference: f.path("keys.json")))
        #expect(open.report.isClean && open.report.hashesChecked > 0, "\(open.report.messages)")
        #expect(md5(open.pictures) == stream.md5[0])
    }

    /// The tags that ffmpeg has, and the samples behind them.
    @Test(arguments: [
        ("mono", "mono"), ("f422", "422 XYSCSS=422"), ("f444_12", "444p12 XYSCSS=444P12"),
        ("f422_10", "422p10 XYSCSS=422P10"),
    ])
    func filesTellTheirFormat(stream: String, tag: String) throws {
        let path = Run.root.appendingPathComponent("Tests/Vectors/RangeExtensions/\(stream).bit")
        let file = try veil("decode", path.path, "-o", "-").output
        let end = try #require(file.firstIndex(of: 10))
        #expect(String(decoding: file[..<end], as: UTF8.self) == "YUV4MPEG2 W128 H80 F25:1 Ip A1:1 C\(tag)")
        let pictures = try decode([UInt8](Data(contentsOf: path))).pictures
        var samples = Data()
        for picture in pictures { samples += Data("FRAME\n".utf8) + picture.i420 }
        #expect(file[(end + 1)...] == samples)
        let format = pictures[0].chromaFormat
        #expect(pictures[0].planes.count == format.planeCount)
        #expect(pictures[0].size(ofComponent: 1).width == (format == .yuv422 ? 64 : format == .yuv444 ? 128 : 0))
    }

    /// Streams are sources of a single layer, in the format that they have.
    @Test(.enabled(if: Fixture.canEncode, "libx265 is not built in")) func sourcesOfOtherFormats() throws {
        let f = try Fixture.shared.get()
        let path = Run.root.appendingPathComponent("Tests/Vectors/RangeExtensions/f422.bit").path
        let run = try Run(["encode", path, "-o", "-"])
        #expect(run.status != 0 && run.output.isEmpty)
        #expect(run.errors.contains("4:2:2 is coded in a single layer"), "\(run.errors)")
        try veil("encode", path, "-o", f.path("again.hevc"), "--layers", "1", "--x265-options", "lossless")
        try veil("decode", f.path("again.hevc"), "-o", f.path("again.yuv"))
        try veil("decode", path, "-o", f.path("first.yuv"))
        #expect(try f.data("again.yuv") == f.data("first.yuv"))
        // Experiments are about layers.
        try veil("decode", path, "-o", f.path("first.y4m"))
        let attack = try Run(["attack", f.path("first.y4m"), "-o", f.path("no-attack")])
        #expect(attack.errors.contains("is 4:2:2 of 8 bits: 4:2:0 of 8 or 10 bits is encoded"), "\(attack.errors)")
        let stream = try Run(["attack", f.path("again.hevc"), "-o", f.path("no-attack")])
        #expect(
            stream.status == 1
                && stream.errors.contains(
                    "again.hevc: is 4:2:2 of 8 bits: streams of 4:2:0 of 8 or 10 bits are attacked"),
            "\(stream.errors)")
        #expect(!stream.errors.contains("[2/"), "\(stream.errors)")
        let locked = try Run(["attack", f.path("all.hevc"), "-o", f.path("no-attack")])
        #expect(
            locked.status == 1 && locked.errors.contains("all.hevc: layer 0: is encrypted already"), "\(locked.errors)")
    }

    /// A folder whose name has one character.
    @Test(.enabled(if: Fixture.canEncode, "libx265 is not built in")) func foldersOfOneCharacter() throws {
        let f = try Fixture.shared.get()
        let script = "cd '\(f.folder.path)' && '\(Run.veil.path)' encode clip.y4m -o - --recon q --frames 1 >/dev/null"
        let run = try Run(URL(fileURLWithPath: "/bin/sh"), ["-c", script])
        #expect(run.status == 0, "\(run.errors)")
        #expect(try !f.data("q/layer0.y4m").isEmpty)
    }

    @Test func views() throws {
        let stereo = ForeignStreams.stereo
        #expect(try md5(decode(stereo, .view(.left)).pictures) == md5(decode(stereo, .layer(0)).pictures))
        let right = try decode(stereo, .view(.right))
        #expect(try md5(right.pictures) == md5(decode(stereo, .layer(1)).pictures))
        #expect(right.pictures.allSatisfy { $0.layer == 1 } && right.report.isClean)
        // Without the message that tells them apart neither is known.
        var untold: [UInt8] = []
        for unit in try AnnexBReader.units(of: stereo) {
            let messages = (try? SEIMessage.messages(rbsp: unit.rbsp)) ?? []
            let tells = messages.contains { $0.payloadType == ReferenceDisplays.payloadType }
            if unit.header.nalUnitType == .prefixSEI && tells { continue }
            untold.append(annexB: unit)
        }
        #expect(untold.count < stereo.count)
        for view in VideoDecoder.StereoView.allCases {
            #expect(throws: (any Error).self) { try decode(untold, .view(view)) }
        }
        #expect(throws: (any Error).self) { try decode(stereo, .alpha) }
    }

    @Test func referenceDisplays() throws {
        // prec_ref_display_width 31, no viewing distance, one display, views 0 and 1; as a phone writes it.
        let displays = try ReferenceDisplays(payload: [0x04, 0x0d, 0x00, 0x20])
        #expect(displays.leftViewId == 0 && displays.rightViewId == 1)
    }

    @Test func alpha() throws {
        var bytes: [UInt8] = []
        for unit in try AnnexBReader.units(of: ParallelStreams.wppSegments) {
            var unit = unit
            if unit.header.nalUnitType == .vps {
                let vps = try VideoParameterSet(rbsp: unit.rbsp)
                vps.ext?.scalabilityMask = 1 << 3
                vps.ext?.dimensionIdLenMinus1 = [0]
                vps.ext?.dimensionId = [[0], [1]]
                unit = NALUnit(header: unit.header, rbsp: vps.rbsp())
            }
            bytes.append(annexB: unit)
        }
        let alpha = try decode(bytes, .alpha)
        #expect(alpha.pictures.count == 3 && alpha.pictures.allSatisfy { $0.layer == 1 })
        #expect(try md5(alpha.pictures) == md5(decode(bytes, .layer(1)).pictures))
    }
}
