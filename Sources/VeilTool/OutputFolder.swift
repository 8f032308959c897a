// SPDX-License-Identifier: GPL-2.0-or-later
import VeilMedia
import VeilSystem

/// Folders that commands write several files into.
enum OutputFolder {
    nonisolated(unsafe) private static var made: [MadeFolder] = []

    /// What was made and holds nothing goes again: the command failed.
    static func removeEmpty() { for folder in made { folder.removeIfEmpty() } }

    /// Makes a folder, unless it is there.
    /// - Parameter files: names that are written in it: none of them may be a file of keys.
    static func make(_ folder: String, files: [String] = []) throws {
        try CommandFiles.check(reads: [], writes: files.map { "\(folder)/\($0)" })
        made.append(MadeFolder(folder))
        do { try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true) } catch {
            throw MediaError.writeFailed(path: folder, reason: "the folder cannot be made")
        }
    }

    /// The same for a report.
    static func makeForReport(_ folder: String) throws { try make(folder, files: ["report.html", "report.json"]) }
}
