// SPDX-License-Identifier: GPL-2.0-or-later
import Foundation
import Testing

private let ffmpeg = Run.find("ffmpeg")
private let ffprobe = Run.find("ffprobe")

/// Containers some boxes or packets of which are damaged or not there: what is whole is taken, a line names the rest,
/// and the exit status says that there is a rest.
@Suite(.enabled(if: Fixture.canEncode && ffmpeg != nil && ffprobe != nil, "libx265 or ffmpeg is not here"))
struct BrokenContainerTests: OtherPrograms {
    private let f: Fixture

    init() throws { f = try Fixture.shared.get() }

    private func p(_ name: String) -> String { f.path("broken-" + name) }
    private func data(_ name: String) throws -> Data { try Data(contentsOf: URL(fileURLWithPath: p(name))) }

    private func write(_ bytes: some Sequence<UInt8>, _ name: String) throws {
        try Data(bytes).write(to: URL(fileURLWithPath: p(name)))
    }

    /// One layer beside sound, as ffmpeg writes it: tables behind the samples.
    private func film(_ name: String, _ options: String...) throws {
        let (bare, base) = (name + ".hevc", name + ".base.mp4")
        try veil(
            "encode", f.path("clip.y4m"), "-o", p(bare), "--layers", "1", "--preset", "ultrafast", "--x265-options",
            "keyint=3,min-keyint=3,bframes=0,scenecut=0,open-gop=0")
        try veil("extract", p(bare), "-o", p(base))
        try make(
            ["-i", p(base), "-f", "lavfi", "-i", "sine=duration=0.36", "-c:v", "copy", "-c:a", "aac"] + options
                + [p(name)])
    }

    private func kinds(_ name: String) throws -> [String] {
        try Set(told(p(name), "-show_entries", "stream=codec_type")).sorted()
    }

    /// A transport stream that announces sound which never comes, whole and cut off.
    @Test func soundThatNeverComes() throws {
        try film("mute.film.ts")
        let bytes = [UInt8](try data("mute.film.ts"))
        let packets = stride(from: 0, to: bytes.count, by: 188).map { bytes[$0..<$0 + 188] }
        // ffmpeg gives the second track PID 0x101.
        let mute = packets.filter { $0[$0.startIndex + 1] & 0x1F != 1 || $0[$0.startIndex + 2] != 1 }
        #expect(mute.count < packets.count)
        try write(mute.joined(), "mute.ts")
        try write(mute.joined().prefix(mute.count * 188 * 2 / 3), "mute.cut.ts")
        let verbs = [
            ["extract"], ["encrypt", "--keys", f.path("keys.json")],
            ["encode", "--layers", "1", "--preset", "ultrafast"],
        ]
        for verb in verbs {
            for (input, status) in [("mute.ts", Int32(0)), ("mute.cut.ts", 2)] {
                for output in ["mute.out.ts", "mute.out.mkv", "mute.out.mp4"] {
                    let run = try Run([verb[0], p(input), "-o", p(output)] + verb.dropFirst())
                    #expect(run.status == status, "\(verb[0]) \(input) \(output): \(run.errors)")
                    #expect(run.errors.contains("of which no packet was found"), "\(output): \(run.errors)")
                    #expect(!run.errors.contains("Error"), "\(output): \(run.errors)")
                    #expect(try kinds(output) == ["video"])
                }
            }
        }
    }
}
