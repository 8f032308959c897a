// SPDX-License-Identifier: GPL-2.0-or-later
import Foundation

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
            // Foundation's own way to the folder above traps on a name of one character.
            var above = at[...]
            while above.last == "/" { above.removeLast() }
            above = above[..<(above.lastIndex(of: "/") ?? above.startIndex)]
            at = String(above)
        }
        self.missing = missing
    }

    package func removeIfEmpty() { for path in missing where rmdir(path) != 0 { return } }
}
