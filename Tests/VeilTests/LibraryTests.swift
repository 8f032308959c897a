// SPDX-License-Identifier: GPL-2.0-or-later
import Foundation
import Testing

private let built = Run.veil.deletingLastPathComponent()
private let library = built.appendingPathComponent("libVeilC.so")
private let compiler = Run.find("cc") ?? Run.find("gcc") ?? Run.find("clang")
private let python = Run.find("python3")

/// The examples of the Swift library, of the C library, and of the latter from Python.
@Suite(.enabled(if: Fixture.canEncode, "libx265 is not built in"))
struct LibraryTests {
    @Test func swiftRoundTrip() throws {
        let run = try Run(built.appendingPathComponent("veil-examples"), ["roundtrip"])
        try #require(run.status == 0, "\(run.errors)")
        let lines = String(decoding: run.output, as: UTF8.self).split(separator: "\n").map(String.init)
        try #require(lines.count == 3)
        func decibels(_ line: String) -> Double { Double(line.split(separator: " ").dropLast().last ?? "") ?? 0 }
        #expect(lines[0].contains("without keys: 12 pictures") && decibels(lines[0]) < 20)
        #expect(lines[1].contains("with keys: 12 pictures") && decibels(lines[1]) > 35)
        #expect(lines[2] == "decrypted: the clear stream")
    }

    @Test func swiftHook() throws {
        let run = try Run(built.appendingPathComponent("veil-examples"), ["statistics"])
        try #require(run.status == 0, "\(run.errors)")
        let text = String(decoding: run.output, as: UTF8.self)
        #expect(text.contains("coeffSign: "))
        #expect(text.contains("unchanged: true"))
    }

    @Test func swiftCipher() throws {
        let run = try Run(built.appendingPathComponent("veil-examples"), ["cipher"])
        try #require(run.status == 0, "\(run.errors)")
        #expect(
            String(decoding: run.output, as: UTF8.self)
                == "decrypted: the clear pictures\nwithout keys: something else\n")
    }

    @Test(
        .enabled(
            if: compiler != nil && FileManager.default.fileExists(atPath: library.path),
            "a C compiler or libVeilC.so is not here"))
    func cDecodes() throws {
        let f = try Fixture.shared.get()
        // Programs ask for the soname.
        let soname = f.path("libVeilC.so.1")
        try FileManager.default.createSymbolicLink(atPath: soname, withDestinationPath: library.path)
        let made = try Run(
            try #require(compiler),
            [
                "-Wall", "-Wextra", "-Werror", "-I", Run.root.appendingPathComponent("CModules/CVeil/include").path,
                Run.root.appendingPathComponent("Examples/c/decode.c").path, library.path,
                "-Wl,-rpath,\(f.folder.path):\(built.path)",
                "-Wl,--allow-shlib-undefined",
                "-o", f.path("decode"),
            ])
        try #require(made.status == 0, "\(made.errors)")
        let program = URL(fileURLWithPath: f.path("decode"))
        let with = try Run(program, [f.path("all.hevc"), f.path("keys.json")])
        let without = try Run(program, [f.path("all.hevc")])
        try #require(with.status == 0 && without.status == 0, "\(with.errors)\(without.errors)")
        try veil("decode", f.path("clear.hevc"), "-o", f.path("clear.yuv"))
        try veil("decode", f.path("all.hevc"), "-o", f.path("blind.yuv"))
        #expect(try with.output == f.data("clear.yuv"))
        #expect(try without.output == f.data("blind.yuv"))
        let missing = try Run(program, [f.path("all.hevc"), f.path("nothing.json")])
        #expect(missing.status == 1 && missing.errors.contains("no such key file"))
    }

    @Test(
        .enabled(
            if: python != nil && FileManager.default.fileExists(atPath: library.path),
            "python3 or libVeilC.so is not here"))
    func pythonRoundTrip() throws {
        let run = try Run(
            try #require(python), [Run.root.appendingPathComponent("Examples/python/veil.py").path],
            environment: ProcessInfo.processInfo.environment.merging([
                "VEIL_LIBRARY": library.path, "PYTHONDONTWRITEBYTECODE": "1",
            ]) { $1 })
        try #require(run.status == 0, "\(run.errors)")
        #expect(
            String(decoding: run.output, as: UTF8.self).split(separator: "\n").map(String.init) == [
                "decrypted equals clear: True", "decoded with keys equals clear: True",
                "decoded without keys equals clear: False",
                "other keys: refused",
            ])
    }

    @Test(
        .enabled(
            if: Run.hasNumPy && FileManager.default.fileExists(atPath: library.path),
            "python3 with NumPy, or libVeilC.so, is not here"))
    func pythonPackage() throws { try runPython("test_veil.py") }

    private static let hasDask = (try? Run(python ?? library, ["-c", "import dask.distributed"]))?.status == 0

    /// Films on several workers.
    @Test(
        .enabled(
            if: Run.hasNumPy && hasDask && FileManager.default.fileExists(atPath: library.path),
            "python3 with NumPy and Dask distributed, or libVeilC.so, is not here"))
    func distributedEncoding() throws { try runPython("test_distributed.py") }

    private func runPython(_ name: String) throws {
        let tests = Run.root.appendingPathComponent("Python/tests/\(name)").path
        let run = try Run(
            try #require(python), [tests],
            environment: ProcessInfo.processInfo.environment.merging([
                "VEIL": Run.veil.path, "VEIL_LIBRARY": library.path, "PYTHONDONTWRITEBYTECODE": "1",
            ]) { $1 })
        #expect(run.status == 0 && run.errors.contains("\nOK"), "\(run.errors)")
    }
}

/// The binary interface of the C library: the symbols that it shows are those of the carried list, and the functions of
/// the header.
@Suite struct SymbolTests {
    @Test func theListIsTheHeaders() throws {
        let folder = Run.root.appendingPathComponent("CModules/CVeil")
        let header = try String(contentsOf: folder.appendingPathComponent("include/veil.h"), encoding: .utf8)
        let functions = /^(?:int|void|const char) [*]?(veil_\w+)\(/.anchorsMatchLineEndings()
        let declared = header.matches(of: functions).map { String($0.1) }
        #expect(declared.count > 25)
        #expect(Set(try listed()) == Set(declared))
    }

    @Test(
        .enabled(
            if: Run.find("nm") != nil && FileManager.default.fileExists(atPath: library.path),
            "nm or libVeilC.so is not here"))
    func theLibraryShowsTheList() throws {
        let run = try Run(try #require(Run.find("nm")), ["-D", "-g", "--defined-only", library.path])
        let shown = String(decoding: run.output, as: UTF8.self).split(separator: "\n")
            .compactMap { $0.split(separator: " ").last?.split(separator: "@").first.map(String.init) }
            .filter { $0 != "VEIL_1" }
        #expect(shown.sorted() == (try listed()).sorted())
    }

    private func listed() throws -> [String] {
        let list = Run.root.appendingPathComponent("CModules/CVeil/symbols.map")
        return try String(contentsOf: list, encoding: .utf8).split(separator: "\n")
            .map { $0.trimmingCharacters(in: .whitespaces) }.filter { $0.hasPrefix("veil_") && $0.hasSuffix(";") }
            .map { String($0.dropLast()) }
    }
}
