// SPDX-License-Identifier: GPL-2.0-or-later
import VeilMedia
import VeilSystem

/// Says on standard error how far a long run has got: a bar that moves on a terminal, one line a step elsewhere.
public final class Progress {
    private let total: Int
    private var done = 0
    private let isTerminal = isatty(2) != 0
    private let quiet: Bool
    private let begin = Date()

    public init(steps: Int, quiet: Bool = false) {
        total = max(steps, 1)
        self.quiet = quiet
    }

    /// A step begins.
    public func step(_ text: String) {
        if quiet { return }
        if isTerminal {
            let filled = min(done * 30 / total, 30)
            let bar = String(repeating: "█", count: filled) + String(repeating: "·", count: 30 - filled)
            write("\r\u{1B}[K\(bar) \(done)/\(total) \(text)")
        } else {
            write("veil: [\(done + 1)/\(total)] \(text)\n")
        }
        done += 1
    }

    public func finish() {
        if quiet { return }
        let seconds = String(printf: "%.0f s", Date().timeIntervalSince(begin))
        write(
            isTerminal
                ? "\r\u{1B}[K\(String(repeating: "█", count: 30)) \(total)/\(total) \(seconds)\n"
                : "veil: done in \(seconds)\n")
    }

    private func write(_ text: String) { StandardError.write(text) }
}
