// SPDX-License-Identifier: GPL-2.0-or-later
import Foundation
import Testing

private let python = Run.find("python3")
private let library = Run.veil.deletingLastPathComponent().appendingPathComponent("libVeilC.so")

/// The documentation: its commands do what it says, and its links lead somewhere.
struct PageTests {
    private static let canRun =
        Run.hasNumPy && Run.find("ffmpeg") != nil && Run.find("bash") != nil
        && FileManager.default.fileExists(atPath: library.path)

    @Test(
        .enabled(if: Fixture.canEncode && canRun, "python3 with NumPy, ffmpeg, bash or libVeilC.so is not here"),
        arguments: ["Tutorial", "Researcher", "Streaming", "Integrator"])
    func commands(page: String) throws {
        let script = Run.root.appendingPathComponent("Scripts/try-pages").path
        let run = try Run(
            try #require(python), [script, "Docs/\(page).md"],
            environment: ProcessInfo.processInfo.environment.merging([
                "VEIL": Run.veil.path, "VEIL_LIBRARY": library.path, "PYTHONDONTWRITEBYTECODE": "1",
            ]) { $1 })
        let said = String(decoding: run.output, as: UTF8.self)
        #expect(run.status == 0 && said.hasSuffix("blocks ran\n") && !said.contains("skipped"), "\(said)\(run.errors)")
    }

    @Test(.enabled(if: python != nil, "python3 is not here"))
    func site() throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("veil-site-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: folder) }
        let script = Run.root.appendingPathComponent("Scripts/make-docs").path
        let run = try Run(try #require(python), [script, folder.path])
        #expect(run.status == 0, "\(run.errors)")
        let index = try String(contentsOf: folder.appendingPathComponent("index.html"), encoding: .utf8)
        #expect(index.contains("<h1 id=\"veil\">") && index.contains("href=\"tutorial.html\""))
        let header = try String(contentsOf: folder.appendingPathComponent("c.html"), encoding: .utf8)
        #expect(header.contains("veil_encoder_settings_init"))
        let names = try String(contentsOf: folder.appendingPathComponent("python-reference.html"), encoding: .utf8)
        #expect(names.contains("veil.Transcoder") && names.contains("Y4MReader.pictures"))
    }
}
