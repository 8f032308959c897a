// SPDX-License-Identifier: GPL-2.0-or-later
import Foundation
import Testing
import VeilBitstream

/// Settings with which libx265 stops the program or never ends, and what decoders pass over.
@Suite(.enabled(if: Fixture.canEncode, "libx265 is not built in"))
struct RefusedSettingsTests {
    let f: Fixture

    init() throws { f = try Fixture.shared.get() }

    /// Four pictures of four by two CTUs of 32x32.
    private func low() throws -> String {
        var bytes = Array("YUV4MPEG2 W128 H40 F25:1\n".utf8)
        for n in 0..<4 {
            bytes += Array("FRAME\n".utf8)
            for i in 0..<128 * 60 { bytes.append(UInt8(truncatingIfNeeded: i * (n + 3) / 5)) }
        }
        let path = f.path("low-\(UUID().uuidString).y4m")
        try Data(bytes).write(to: URL(fileURLWithPath: path))
        return path
    }

    @Test(arguments: [
        (["--x265-options", "intra-refresh=1", "--keyint", "2", "--bframes", "2"], "intra-refresh takes intervals"),
        (["--x265-options", "no-deblock,ctu=32"], "libx265 never ends on pictures of two CTU rows"),
    ])
    func settingsThatStopLibx265(options: [String], message: String) throws {
        let path = f.path("refused-\(UUID().uuidString).hevc")
        let run = try Run(["encode", try low(), "--layers", "1", "--qp", "30", "-o", path] + options)
        #expect(run.status != 0 && run.errors.contains(message), "\(run.status): \(run.errors)")
        #expect(run.errors.split(separator: "\n").count == 1 && !FileManager.default.fileExists(atPath: path))
    }

    /// Near these settings it ends.
    @Test(arguments: [
        ["--x265-options", "intra-refresh=1", "--keyint", "3", "--bframes", "2"],
        ["--x265-options", "no-deblock,ctu=32,no-sao"], ["--x265-options", "no-deblock,ctu=16"],
        ["--x265-options", "no-deblock,ctu=32,no-wpp"],
    ])
    func settingsBesideThem(options: [String]) throws {
        let path = f.path("allowed-\(UUID().uuidString).hevc")
        try veil(["encode", low(), "--layers", "1", "--qp", "30", "-o", path] + options)
        let run = try veil("decode", path, "-o", "/dev/null", "--verify")
        #expect(run.errors.isEmpty || run.errors.contains("0 differ"), "\(run.errors)")
    }

    /// A slice segment that comes twice: the pictures are right, and what was wrong is said.
    @Test func segmentsThatComeAgain() throws {
        let path = f.path("slices.hevc")
        try veil(
            "encode", f.path("clip.y4m"), "--layers", "1", "-o", path, "--x265-options", "slices=2,ctu=16", "--preset",
            "ultrafast")
        let units = try AnnexBReader.units(of: [UInt8](f.data("slices.hevc")))
        let second = try #require(units.firstIndex { $0.header.nalUnitType.isSlice && !$0.beginsPicture })
        var bytes: [UInt8] = []
        for (i, unit) in units.enumerated() {
            bytes.append(annexB: unit)
            if i == second { bytes.append(annexB: unit) }
        }
        try Data(bytes).write(to: URL(fileURLWithPath: f.path("slices-twice.hevc")))
        let whole = try veil("decode", path, "-o", "-")
        let twice = try Run(["decode", f.path("slices-twice.hevc"), "-o", "-"])
        #expect(twice.status == 2 && twice.output == whole.output)
        #expect(twice.errors.contains("1 slice segments of what others have already"), "\(twice.errors)")
    }
}
