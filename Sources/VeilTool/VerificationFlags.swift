// SPDX-License-Identifier: GPL-2.0-or-later
import ArgumentParser
import VeilProtection

/// What decryption lets through that somebody without keys may have done to a stream.
struct VerificationFlags: ParsableArguments {
    @Flag(help: "Accept slices in the clear of layers that there are keys for.")
    var allowClear = false
    @Flag(help: "Accept authenticated streams joined with others.")
    var allowJoined = false
    @Flag(help: "Refuse streams that are not authenticated, of layers that there are keys for.")
    var requireAuthentication = false
    @Flag(help: "Refuse an authenticated stream of which anything is missing, instead of reporting it (exit status 2).")
    var strict = false

    var options: VerificationOptions {
        var options = VerificationOptions()
        options.allowsClear = allowClear
        options.allowsJoined = allowJoined
        options.requiresTags = requireAuthentication
        options.isStrict = strict
        return options
    }

    /// Says what was found. Returns whether nothing is missing.
    static func tell(_ report: VerificationReport?, of name: String) -> Bool {
        guard let report else { return true }
        for line in report.lines { warn("\(name): \(line)") }
        return report.isWhole
    }
}
