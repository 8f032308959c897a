// SPDX-License-Identifier: GPL-2.0-or-later
import Foundation
import Testing
import VeilBitstream

/// Films that other programs make, and what Veil makes of them.
enum MetadataFilm {
    /// The film, its base layer, one that says what its upper layer says, MP4 and y4m.
    static let all: Result<[String: [String]], any Error> = Result {
        try [
            "hdr": film("hdr", "film.mp4"), "turned": film("turned", "turned.mp4"), "varying": film("varying", "v.mkv"),
        ]
    }

    /// Which picture in decoding order is shown at each place.
    static let shown = [0, 3, 2, 1, 4, 7, 6, 5]

    /// A caption (ATSC A/53 in ITU-T T.35) of a picture in decoding order.
    static func captions(_ picture: Int) -> [UInt8] {
        [0xB5, 0, 0x31] + Array("GA94".utf8) + [3, 0xC1, 0xFF, 0xFC, 0x94, UInt8(0x20 + picture), 0xFF]
    }

    /// HDR10+ (SMPTE ST 2094-40 in ITU-T T.35): one window, and an average that tells pictures apart.
    private static func dynamic(_ picture: Int) -> [UInt8] {
        var fields = [(0xB5, 8), (0x3C, 16), (1, 16), (4, 8), (1, 8), (1, 2), (400, 27), (0, 1)]
        fields += [(1000, 17), (2000, 17), (3000, 17), (500 + picture, 17), (1, 4), (50, 7), (2500, 17)]
        fields += [(100, 10), (0, 1), (0, 1), (0, 1)]
        var bits = fields.flatMap { value, count in (0..<count).reversed().map { UInt8(value >> $0 & 1) } }
        bits += Array(repeating: 0, count: (8 - bits.count % 8) % 8)
        return stride(from: 0, to: bits.count, by: 8).map { bits[$0..<$0 + 8].reduce(0) { $0 << 1 | $1 } }
    }

    private static func path(_ name: String) throws -> String { try Fixture.shared.get().path("table-" + name) }

    private static func ffmpeg(_ arguments: String...) throws {
        let run = try Run(try #require(Run.find("ffmpeg")), ["-v", "error", "-y"] + arguments)
        try #require(run.status == 0, "\(run.errors)")
    }

    private static func units(_ path: String) throws -> [NALUnit] {
        try AnnexBReader.units(of: [UInt8](Data(contentsOf: URL(fileURLWithPath: path))))
    }

    private static func write(_ units: [NALUnit], _ path: String) throws {
        var bytes: [UInt8] = []
        for unit in units { bytes.append(annexB: unit) }
        try Data(bytes).write(to: URL(fileURLWithPath: path))
    }

    private static func film(_ kind: String, _ name: String) throws -> [String] {
        let source = try path(name)
        switch kind {
        case "hdr": try makeFilm(source)
        case "turned":
            try ffmpeg("-i", path("film.mp4"), "-map", "0:v", "-c", "copy", "-metadata:s:v", "rotate=90", source)
        default:
            try ffmpeg(
                "-f", "lavfi", "-i", "testsrc2=size=64x48:rate=25", "-frames:v", "8", "-vf",
                "setpts=if(lt(N\\,4)\\,N\\,N*3-6)/25/TB", "-fps_mode", "vfr", "-c:v", "ffv1", source)
        }
        let files = try ["base.hevc", "upper.hevc", "out.mp4", "out.y4m"].map { try path(kind + "-" + $0) }
        try veil("encode", source, "-o", files[2], "--layers", "snr", "--keyint", "4", "--qp", "30,28")
        try veil("extract", files[2], "-o", files[0], "--layer", "0")
        try veil("extract", files[2], "-o", files[1] + ".all.hevc")
        try write(upper(of: units(files[1] + ".all.hevc")), files[1])
        try veil("decode", files[2], "-o", files[3])
        return [source] + files
    }

    /// Coded by libx265 alone, with messages of each picture, sound, chapters and titles.
    private static func makeFilm(_ film: String) throws {
        let coded = try path("coded.hevc")
        try ffmpeg(
            "-f", "lavfi", "-i", "testsrc2=size=64x48:rate=24000/1001", "-frames:v", "8", "-pix_fmt", "yuv420p10le",
            "-c:v", "libx265", "-x265-params",
            "log-level=error:keyint=4:bframes=2:colorprim=bt2020:transfer=smpte2084:"
                + "colormatrix=bt2020nc:range=full:chromaloc=2:sar=4\\:3:max-cll=1000,400:hdr10=1:atc-sei=18:"
                + "master-display=G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,50)",
            "-f", "hevc", coded)
        var result: [NALUnit] = []
        var picture = 0
        for unit in try units(coded) {
            if unit.beginsPicture {
                for payload in [dynamic(picture), captions(picture)] {
                    let message = SEIMessage(payloadType: SEIMessage.userDataRegistered, payload: payload)
                    result.append(
                        NALUnit(header: NALUnitHeader(nalUnitType: .prefixSEI), rbsp: SEIMessage.rbsp([message])))
                }
                picture += 1
            }
            result.append(unit)
        }
        try write(result, coded)
        try veil("extract", coded, "-o", coded + ".mp4")
        let chapters = try path("chapters.txt")
        let chapter = "[CHAPTER]\nTIMEBASE=1/1000\n"
        try
            (";FFMETADATA1\ntitle=Film\n" + chapter + "START=0\nEND=150\ntitle=One\n" + chapter
            + "START=150\nEND=330\ntitle=Two\n").write(toFile: chapters, atomically: true, encoding: .utf8)
        try ffmpeg(
            "-i", coded + ".mp4", "-f", "lavfi", "-i", "sine=duration=0.3336667", "-i", chapters, "-map", "0:v", "-map",
            "1:a", "-map_metadata", "2", "-map_chapters", "2", "-c:v", "copy", "-c:a", "aac", "-metadata:s:v",
            "language=deu", "-metadata:s:a", "language=fra", film)
    }

    /// The base layer with VUI and messages of the upper one, for programs that read one layer.
    private static func upper(of units: [NALUnit]) throws -> [NALUnit] {
        let own = units.first { $0.header.nalUnitType == .sps && $0.header.nuhLayerId == 1 }
        let vui = try own.map { try SequenceParameterSet(rbsp: $0.rbsp, nuhLayerId: 1).vui } ?? nil
        try #require(vui != nil)
        var grouping = AccessUnitGrouping()
        var all = try units.compactMap { grouping.push($0) }
        if let last = grouping.finish() { all.append(last) }
        return try all.flatMap { unit in
            let messages = unit.filter { $0.header.nalUnitType == .prefixSEI && $0.header.nuhLayerId == 1 }.map {
                NALUnit(header: NALUnitHeader(nalUnitType: .prefixSEI), rbsp: $0.rbsp)
            }
            return try unit.filter { $0.header.nuhLayerId == 0 && $0.header.nalUnitType != .prefixSEI }
                .flatMap { nal -> [NALUnit] in
                    if nal.beginsPicture { return messages + [nal] }
                    guard nal.header.nalUnitType == .sps else { return [nal] }
                    let sps = try SequenceParameterSet(rbsp: nal.rbsp, nuhLayerId: 0)
                    sps.vui = vui
                    return [NALUnit(header: nal.header, rbsp: sps.rbsp())]
                }
        }
    }
}
