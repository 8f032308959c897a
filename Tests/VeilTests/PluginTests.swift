// SPDX-License-Identifier: GPL-2.0-or-later
import Foundation
import Testing

private let python = Run.find("python3")
private let library = Run.veil.deletingLastPathComponent().appendingPathComponent("libVeilC.so")

/// The GStreamer plugin, built and run by a script of pipelines.
struct PluginTests {
    private static let isPossible: Bool = {
        guard let configuration = Run.find("pkg-config"), python != nil, Run.find("gst-launch-1.0") != nil else {
            return false
        }
        let modules = try? Run(configuration, ["--exists", "gstreamer-1.0", "gstreamer-video-1.0"])
        return modules?.status == 0 && Run.find("make") != nil && FileManager.default.fileExists(atPath: library.path)
    }()

    @Test(
        .enabled(if: Fixture.canEncode && isPossible, "GStreamer's development files and gst-launch-1.0 are not here"))
    func pipelines() throws {
        let script = Run.root.appendingPathComponent("GStreamer/test_gstreamer.py").path
        let run = try Run(
            try #require(python), [script],
            environment: ProcessInfo.processInfo.environment.merging([
                "VEIL": Run.veil.path, "VEIL_LIBRARY": library.path, "PYTHONDONTWRITEBYTECODE": "1",
            ]) { $1 })
        #expect(run.status == 0 && run.errors.contains("\nOK"), "\(run.errors)")
    }
}
