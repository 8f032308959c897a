// SPDX-License-Identifier: GPL-2.0-or-later
import ArgumentParser
import Veil
import VeilMedia
import VeilSystem

/// The files that a command reads and those that it writes, compared before anything is written: no output is a file
/// that is read, or another output, whatever their names.
struct CommandFiles {
    private var inputs: [(identity: FileIdentity, name: String)] = []
    private var outputs: [(identity: FileIdentity, name: String)] = []

    /// A file, or "-" for standard input; nil is none.
    mutating func reads(_ path: String?) {
        guard let path else { return }
        add(path, path == "-" ? FileIdentity(descriptor: 0) : FileIdentity(path: path), to: &inputs)
    }

    mutating func reads(_ paths: [String]) { for path in paths { reads(path) } }

    /// Throws where two of the files are one pipe, which can be read once.
    static func checkPipes(_ paths: [String]) throws {
        var seen: [(device: UInt64, inode: UInt64, path: String)] = []
        for path in paths {
            var info = stat()
            guard (path == "-" ? fstat(0, &info) : stat(path, &info)) == 0,
                [S_IFIFO, S_IFSOCK].contains(info.st_mode & S_IFMT)
            else {
                continue
            }
            let pipe = (UInt64(truncatingIfNeeded: info.st_dev), UInt64(truncatingIfNeeded: info.st_ino), path)
            if let first = seen.first(where: { $0.device == pipe.0 && $0.inode == pipe.1 }) {
                throw ValidationError("'\(first.path)' and '\(path)' are one pipe, which can be read once")
            }
            seen.append(pipe)
        }
    }

    /// Keys: a file, env:NAME or fd:N.
    mutating func readsKeys(_ reference: String?) {
        guard let reference, !reference.hasPrefix("env:") else { return }
        if reference.hasPrefix("fd:") {
            guard let number = Int32(reference.dropFirst(3)) else { return }
            add(reference, FileIdentity(descriptor: number), to: &inputs)
        } else {
            reads(reference)
        }
    }

    /// A file, or "-" for standard output; nil is none.
    mutating func writes(_ path: String?) {
        guard let path else { return }
        add(path, path == "-" ? FileIdentity(descriptor: 1) : FileIdentity(path: path), to: &outputs)
    }

    private func add(_ name: String, _ identity: FileIdentity?, to list: inout [(identity: FileIdentity, name: String)])
    {
        if let identity { list.append((identity, name)) }
    }

    func check() throws {
        for output in outputs where Self.isKeyFile(output.name) {
            throw MediaError.writeFailed(path: output.name, reason: "it is a key file")
        }
        for (i, output) in outputs.enumerated() {
            if let input = inputs.first(where: { $0.identity == output.identity }) {
                throw MediaError.writeFailed(
                    path: output.name,
                    reason: input.name == output.name ? "it is read, too" : "it is \(input.name), which is read, too")
            }
            if outputs[..<i].contains(where: { $0.identity == output.identity }) {
                throw MediaError.writeFailed(path: output.name, reason: "two outputs would go there")
            }
        }
    }

    /// Whether a file is one of keys, which nothing but `keygen` may make anew.
    private static func isKeyFile(_ path: String) -> Bool {
        var info = stat()
        guard path != "-", stat(path, &info) == 0, info.st_mode & S_IFMT == S_IFREG, info.st_size < 1 << 20,
            let data = FileManager.default.contents(atPath: path),
            // White space and a byte order mark may come first.
            data.first(where: { ![0x20, 0x09, 0x0A, 0x0D, 0xEF, 0xBB, 0xBF].contains($0) }) == UInt8(ascii: "{")
        else { return false }
        return (try? KeyRing(json: data, source: path)) != nil
    }

    /// Reads and writes are few: of a command with one input and one output, and its keys.
    static func check(reads: [String?], keys: [String?] = [], writes: [String?]) throws {
        var files = CommandFiles()
        for path in reads { files.reads(path) }
        for reference in keys { files.readsKeys(reference) }
        for path in writes { files.writes(path) }
        try files.check()
    }
}
