// SPDX-License-Identifier: GPL-2.0-or-later
import VeilSystem

/// A folder that is about to be made, with those above it that are not there either: where nothing comes to be in them
/// they go again.
package struct MadeFolder {
    /// The deepest first.
    private let missing: [String]

    package init(_ path: String) {
        var missing: [String] = []
        var at = path
        while !at.isEmpty, !FileManager.default.fileExists(atPath: at) {
            missing.append(at)
            at = at.folderAbove
        }
        self.missing = missing
    }

    package func removeIfEmpty() { for path in missing where rmdir(path) != 0 { return } }
}

extension String {
    /// The folder that a path lies in, empty where it names none. Foundation's own traps on relative names of one
    /// character.
    var folderAbove: String {
        let name = split(separator: "/", omittingEmptySubsequences: false)
        var parts = name[...]
        while parts.last?.isEmpty ?? false { parts.removeLast() }
        parts = parts.dropLast()
        while parts.count > 1, parts.last?.isEmpty ?? false { parts.removeLast() }
        let above = parts.joined(separator: "/")
        return above.isEmpty && hasPrefix("/") && contains(where: { $0 != "/" }) ? "/" : above
    }
}
