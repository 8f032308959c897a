// SPDX-License-Identifier: GPL-2.0-or-later

/// Options of libx265 as they are written on a command line: `name=value`, comma separated.
package enum X265Options {
    /// Options that would make a base layer that upper ones do not go with, or that take libx265 where nobody can
    /// follow: other sizes and formats than the memory it is given has, files of its own in and out, other encoders.
    private static let refusals: [String: String] = {
        let sizes = "the source's size, format and rate are what Veil says they are"
        let fields = "fields are not supported"
        let windows = "all layers show what the source has"
        let files = "libx265 reads and writes no such files under Veil"
        let passes = "passes and their files are Veil's (--pass, --stats)"
        let waits = "nothing gives what it would wait for"
        let packets = "Veil makes the NAL units"
        var reasons: [String: String] = [:]
        func refuse(_ names: [String], _ reason: String) { for name in names { reasons[name] = reason } }
        refuse(["interlace", "interlacemode", "field"], fields)
        refuse(["display-window", "crop-rect"], windows)
        refuse(
            [
                "input-res", "input-csp", "input-depth", "output-depth", "fps", "frames", "seek", "frame-skip", "y4m",
                "svt", "frame-dup", "multiview-config", "num-views", "alpha", "scc", "format",
            ], sizes)
        refuse(
            [
                "input", "output", "recon", "nalu-file", "analysis-load", "analysis-save", "analysis-reuse-file",
                "analysis-reuse-mode", "dolby-vision-rpu", "abr-ladder", "film-grain", "aom-film-grain", "qpfile",
                "recon-y4m-exec", "csv", "csv-log-level", "dhdr10-info", "dhdr10-opt",
            ], files)
        refuse(["pass", "stats", "multi-pass-opt-analysis", "multi-pass-opt-distortion"], passes)
        refuse(["ctu-info"], waits)
        refuse(["annexb", "repeat-headers", "copy-pic"], packets)
        return reasons
    }()

    /// Options that are refused to be switched off: the rest is, switched on.
    private static let wanted: Set<String> = ["annexb", "repeat-headers", "copy-pic"]

    /// Why options cannot be taken, in one line; nil where they can.
    package static func refused(_ options: [(name: String, value: String?)]) -> String? {
        for option in options {
            // As libx265 reads names.
            var name = option.name.lowercased().replacing("_", with: "-")
            var isOff = ["0", "false", "no"].contains(option.value?.lowercased())
            while name.hasPrefix("-") { name.removeFirst() }
            if name.hasPrefix("no-") {
                name.removeFirst(3)
                isOff.toggle()
            }
            if let reason = refusals[name], isOff == wanted.contains(name) { return "x265's \(option.name): \(reason)" }
        }
        return nil
    }

    /// Commas inside parentheses or quotes belong to the value, as does what follows one without being a name:
    /// `master-display=G(13250,34500)B(7500,3000)`, `zones="0,10,q=20"`, `max-cll=1000,400`. Quotes are left out.
    package static func parse(_ text: String) -> [(name: String, value: String?)] {
        var parts: [String] = []
        var part = ""
        var depth = 0
        var quote: Character?
        for c in text {
            if let open = quote {
                if c == open { quote = nil } else { part.append(c) }
                continue
            }
            switch c {
            case "\"", "'":
                quote = c
                continue
            case "(": depth += 1
            case ")": depth = max(depth - 1, 0)
            case "," where depth == 0:
                parts.append(part)
                part = ""
                continue
            default: break
            }
            part.append(c)
        }
        parts.append(part)
        var options: [(name: String, value: String?)] = []
        for part in parts where !part.isEmpty {
            if let last = options.last, let value = last.value, part.first?.isLetter != true {
                options[options.count - 1].value = value + "," + part
                continue
            }
            let sides = part.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
            options.append((sides[0], sides.count > 1 ? sides[1] : nil))
        }
        return options
    }
}
