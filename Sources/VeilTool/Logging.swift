// SPDX-License-Identifier: GPL-2.0-or-later
import ArgumentParser
import VeilMedia
import VeilSystem

/// How much goes to standard error.
enum LogLevel: String, Comparable, ExpressibleByArgument, CaseIterable {
    case quiet, error, warning, info, debug

    private var rank: Int { Self.allCases.firstIndex(of: self) ?? 0 }
    static func < (a: Self, b: Self) -> Bool { a.rank < b.rank }

    nonisolated(unsafe) static var current = LogLevel.info
}

struct LoggingOptions: ParsableArguments {
    @Option(help: "What to say on standard error: quiet, error, warning, info or debug.")
    var logLevel: LogLevel = .info

    func validate() { LogLevel.current = logLevel }
}

private func say(_ message: String, _ level: LogLevel) {
    guard level <= LogLevel.current else { return }
    ProgressLine.clear()
    StandardError.write("veil: \(message)\n")
}

/// Something is wrong, or less than was asked for.
func warn(_ message: String) { say(message, .warning) }

/// What was done.
func info(_ message: String) { say(message, .info) }

/// What went wrong, before the program ends.
func fail(_ message: String) { say(message, .error) }
