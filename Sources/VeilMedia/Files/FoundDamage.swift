// SPDX-License-Identifier: GPL-2.0-or-later
import Synchronization

/// What was found to be missing from the files that are read, whatever goes on without it: whoever ends the program
/// says so.
package enum FoundDamage {
    private static let most = 100
    private static let found = Mutex<[String]>([])

    package static func note(_ line: String) {
        found.withLock { if $0.count < most, !$0.contains(line) { $0.append(line) } }
    }

    /// A line each, each once.
    package static func take() -> [String] {
        found.withLock { lines in
            defer { lines = [] }
            return lines
        }
    }
}
