// SPDX-License-Identifier: GPL-2.0-or-later
import Foundation
import Testing
import VeilBitstream

private let programs = ["ffmpeg", "ffprobe", "mediainfo"]

/// The table of Docs/Metadata.md, as other programs read it: each field in the source, in VUI and SEI of either layer,
/// in MP4 and in y4m.
@Suite(
    .enabled(if: Fixture.canEncode, "libx265 is not built in"),
    .enabled(if: programs.allSatisfy { Run.find($0) != nil }, "ffmpeg, ffprobe or mediainfo is not here"))
struct MetadataTableTests {
    struct Row: Sendable, CustomTestStringConvertible {
        let field: String
        var film = "hdr"
        /// In the source, base and upper layer, MP4 and y4m; nil: nothing is said there.
        let wanted: [String?]
        /// What MediaInfo says of the MP4 file.
        var mediaInfo: [String: String] = [:]
        let told: @Sendable (ToldFile) throws -> String?
        var testDescription: String { field }
    }

    private static func same(_ text: String, y4m: String? = nil) -> [String?] { [text, text, text, text, y4m] }
    private static func file(_ text: String, y4m: String? = nil) -> [String?] { [text, nil, nil, text, y4m] }
    /// Those of upper layers are the base layer's: decoders that read all would show them twice.
    private static func captions(of pictures: Range<Int>) -> [String?] {
        let all = pictures.map { MetadataFilm.captions($0).map(String.init).joined(separator: " ") }
        let text = all.sorted().joined()
        return [text, text, "", text, nil]
    }
    private static let stated = "Container / Stream"

    static let rows: [Row] = [
        Row(
            field: "colour primaries", wanted: same("bt2020"),
            mediaInfo: ["colour_primaries": "BT.2020", "colour_primaries_Source": stated]
        ) { $0.video("color_primaries") },
        Row(
            field: "transfer", wanted: same("16"),
            mediaInfo: ["transfer_characteristics": "PQ", "transfer_characteristics_Source": "Container"]
        ) { try $0.elements("transfer_characteristics").first },
        Row(
            field: "matrix", wanted: same("bt2020nc"),
            mediaInfo: ["matrix_coefficients": "BT.2020 non-constant", "matrix_coefficients_Source": stated]
        ) { $0.video("color_space") },
        Row(
            field: "range", wanted: same("pc", y4m: "pc"),
            mediaInfo: ["colour_range": "Full", "colour_range_Source": stated]
        ) { $0.video("color_range") },
        Row(field: "chroma location", wanted: same("topleft"), mediaInfo: ["ChromaSubsampling_Position": "Type 2"]) {
            $0.video("chroma_location")
        },
        Row(
            field: "sample aspect ratio", wanted: same("4:3", y4m: "4:3"), mediaInfo: ["PixelAspectRatio": "1.333"]
        ) { $0.video("sample_aspect_ratio") },
        Row(
            field: "frame rate", wanted: same("24000/1001", y4m: "24000/1001"), mediaInfo: ["FrameRate": "23.976"]
        ) { $0.video("r_frame_rate") },
        Row(field: "bit depth", wanted: same("yuv420p10le", y4m: "yuv420p10le"), mediaInfo: ["BitDepth": "10"]) {
            $0.video("pix_fmt")
        },
        Row(
            field: "mastering display",
            wanted: same(
                "34000/50000 16000/50000 13250/50000 34500/50000 7500/50000 3000/50000 15635/50000 "
                    + "16450/50000 50/10000 10000000/10000"),
            mediaInfo: [
                "MasteringDisplay_Luminance": "min: 0.0050 cd/m2, max: 1000 cd/m2",
                "MasteringDisplay_Luminance_Source": stated,
            ]
        ) {
            $0.pictures(
                "Mastering display",
                "red_x red_y green_x green_y blue_x blue_y white_point_x white_point_y min_luminance max_luminance"
            ).first
        },
        Row(
            field: "max CLL", wanted: same("1000 400"),
            mediaInfo: ["MaxCLL": "1000 cd/m2", "MaxFALL": "400 cd/m2", "MaxCLL_Source": stated]
        ) { $0.pictures("Content light", "max_content max_average").first },
        // Of pictures in display order: of their own, not of others.
        Row(
            field: "HDR10+",
            wanted: same((0..<8).map { "\(500 + MetadataFilm.shown[$0])/100000" }.joined(separator: " "))
        ) {
            $0.pictures("2094-40", "average_maxrgb").joined(separator: " ")
        },
        Row(
            field: "captions", wanted: captions(of: 0..<8)
        ) { try $0.registered(beginning: MetadataFilm.captions(0).prefix(7)).sorted().joined() },
        Row(field: "alternative transfer", wanted: same("18")) {
            try $0.elements("preferred_transfer_characteristics").first
        },
        // Of pictures that ffmpeg decodes.
        Row(field: "alternative transfer of a turned film", film: "turned", wanted: same("18")) {
            try $0.elements("preferred_transfer_characteristics").first
        },
        // Upright pictures of a turned file, whose samples have the other aspect then.
        Row(
            field: "rotation", film: "turned", wanted: ["64x48 4:3 90"] + Array(repeating: "48x64 3:4 -", count: 4),
            mediaInfo: ["Rotation": "0.000"]
        ) {
            let numbers = ["width", "height"].compactMap($0.video).joined(separator: "x")
            return "\(numbers) \($0.video("sample_aspect_ratio") ?? "-") \($0.trackData("rotation") ?? "-")"
        },
        Row(field: "durations", wanted: file("0.33 0.33", y4m: "0.33")) { $0.durations },
        Row(
            field: "variable frame times", film: "varying",
            wanted: file("0 40 80 120 240 360 480 600", y4m: "0 120 240 360 480 600 720 840")
        ) { $0.times },
        Row(field: "language", wanted: file("deu fra"), mediaInfo: ["Language": "de"]) {
            let all = ["video", "audio"].compactMap($0.language)
            return all.isEmpty ? nil : all.joined(separator: " ")
        },
        Row(field: "title", wanted: file("Film")) { $0.title },
        Row(field: "chapters", wanted: file("One 0.000000-0.150000 Two 0.150000-0.330000")) { $0.chapters },
        Row(field: "audio", wanted: file("aac 44100 1")) { $0.sound },
    ]

    @Test(arguments: rows) func everyPlaceSaysTheSame(row: Row) throws {
        let films = try MetadataFilm.all.get()
        let paths = try #require(films[row.film])
        for (place, path) in zip(["in", "base", "upper", "MP4", "y4m"], paths) {
            let told = try row.told(ToldFile.of(path))
            let wanted = row.wanted[try #require(paths.firstIndex(of: path))]
            #expect((told ?? "") == (wanted ?? ""), "\(row.field), \(place)")
        }
        for (key, value) in row.mediaInfo {
            let run = try Run(try #require(Run.find("mediainfo")), ["--Output=Video;%\(key)%", paths[3]])
            let said = String(decoding: run.output, as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines)
            #expect(said == value, "\(row.field): \(key)")
        }
    }

    /// Depth is not in what the file of the upper layer takes of it.
    @Test func depthOfTheUpperLayer() throws {
        let films = try MetadataFilm.all.get()
        let path = try #require(films["hdr"]?[3])
        #expect(try MetadataTests.inspect(path).map(\.bitDepth) == [10, 10])
    }
}

/// What ffprobe says of a file.
struct ToldFile: @unchecked Sendable {
    private let path: String
    private let answer: [String: Any]
    private static let known = Known()

    private final class Known: @unchecked Sendable {
        let lock = NSLock()
        var files: [String: ToldFile] = [:]
    }

    /// Each file is asked about once.
    static func of(_ path: String) throws -> ToldFile {
        try known.lock.withLock {
            if let file = known.files[path] { return file }
            let file = try ToldFile(path)
            known.files[path] = file
            return file
        }
    }

    private init(_ path: String) throws {
        self.path = path
        let what = ["-show_streams", "-show_format", "-show_chapters", "-show_frames"]
        let run = try Run(
            try #require(Run.find("ffprobe")), ["-v", "error", "-of", "json"] + what + Self.form(path) + [path])
        try #require(run.status == 0, "\(run.errors)")
        answer = try #require(JSONSerialization.jsonObject(with: run.output) as? [String: Any])
    }

    private static func form(_ path: String) -> [String] { path.hasSuffix("hevc") ? ["-f", "hevc"] : [] }

    private func list(_ key: String) -> [[String: Any]] { answer[key] as? [[String: Any]] ?? [] }

    /// Nil where it says that it does not know.
    private func text(_ value: Any?) -> String? {
        value.map { "\($0)" }.flatMap { ["unknown", "unspecified", "N/A"].contains($0) ? nil : $0 }
    }

    private func tags(_ of: [String: Any]) -> [String: Any] { of["tags"] as? [String: Any] ?? [:] }
    private func track(_ kind: String) -> [String: Any] {
        list("streams").first { $0["codec_type"] as? String == kind } ?? [:]
    }
    private var frames: [[String: Any]] { list("frames").filter { $0["media_type"] as? String == "video" } }

    func video(_ key: String) -> String? { text(track("video")[key]) }
    func language(_ kind: String) -> String? { text(tags(track(kind))["language"]) }
    var title: String? { text(tags(answer["format"] as? [String: Any] ?? [:])["title"]) }

    var sound: String? {
        let track = track("audio")
        let all = ["codec_name", "sample_rate", "channels"].compactMap { text(track[$0]) }
        return all.isEmpty ? nil : all.joined(separator: " ")
    }

    var chapters: String? {
        let all = list("chapters").map { chapter in
            "\(text(tags(chapter)["title"]) ?? "") \(chapter["start_time"] ?? "")-\(chapter["end_time"] ?? "")"
        }
        return all.isEmpty ? nil : all.joined(separator: " ")
    }

    /// Of video and sound, in seconds.
    var durations: String? {
        let all = ["video", "audio"].compactMap { text(track($0)["duration"]).flatMap(Double.init) }
        return all.isEmpty ? nil : all.map { String(format: "%.2f", $0) }.joined(separator: " ")
    }

    /// When pictures are shown, in milliseconds.
    var times: String? {
        let all = frames.compactMap { text($0["pts_time"]).flatMap(Double.init) }
        return all.isEmpty ? nil : all.map { "\(Int((1000 * ($0 - all[0])).rounded()))" }.joined(separator: " ")
    }

    /// Fields of some side data of the pictures that have it, in display order.
    func pictures(_ kind: String, _ keys: String) -> [String] {
        frames.compactMap { frame in
            let data = frame["side_data_list"] as? [[String: Any]] ?? []
            return data.first { ($0["side_data_type"] as? String ?? "").contains(kind) }.map { side in
                keys.split(separator: " ").map { text(side[String($0)]) ?? "-" }.joined(separator: " ")
            }
        }
    }

    /// A field of the track's side data.
    func trackData(_ key: String) -> String? {
        (track("video")["side_data_list"] as? [[String: Any]] ?? []).lazy.compactMap { text($0[key]) }.first
    }

    /// Syntax elements, as ffmpeg reads them out of headers and messages.
    private func trace() throws -> [(name: String, value: String)] {
        let run = try Run(
            try #require(Run.find("ffmpeg")),
            ["-v", "verbose"] + Self.form(path) + ["-i", path, "-map", "0:v", "-c", "copy", "-bsf:v", "trace_headers"]
                + ["-f", "null", "-"])
        return run.errors.split(separator: "\n").compactMap { line in
            let words = line.split(separator: " ")
            guard line.hasPrefix("[trace_headers"), words.count > 4, words[words.count - 2] == "=" else { return nil }
            return (String(words[words.count - 4]), String(words[words.count - 1]))
        }
    }

    func elements(_ name: String) throws -> [String] { try trace().filter { $0.name == name }.map(\.value) }

    /// Payloads of the registered user data that begin with some bytes.
    func registered(beginning: ArraySlice<UInt8>) throws -> [String] {
        var messages: [[UInt8]] = []
        for (name, value) in try trace() where name.hasPrefix("itu_t_t35_") {
            if name == "itu_t_t35_country_code" { messages.append([]) }
            messages[messages.count - 1].append(UInt8(value) ?? 0)
        }
        return messages.filter { $0.starts(with: beginning) }.map { $0.map(String.init).joined(separator: " ") }
    }
}
