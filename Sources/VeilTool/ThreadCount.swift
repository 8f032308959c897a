// SPDX-License-Identifier: GPL-2.0-or-later
import ArgumentParser

/// What `--threads` takes.
enum ThreadCount {
    @Sendable static func parse(_ text: String) throws -> Int {
        guard let count = Int(text), count > 0 else { throw ValidationError("--threads takes 1 or more: '\(text)'") }
        return count
    }
}
