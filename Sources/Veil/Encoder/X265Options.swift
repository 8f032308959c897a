// SPDX-License-Identifier: GPL-2.0-or-later

/// Options of libx265 as they are written on a command line: `name=value`, comma separated.
package enum X265Options {
    /// Options that would make a base layer that upper ones do not go with.
    private static let refusals = [
        "interlace": "fields are not supported", "interlacemode": "fields are not supported",
        "field": "fields are not supported", "display-window": "all layers show what the source has",
        "crop-rect": "all layers show what the source has", "input-csp": "pictures are 4:2:0",
    ]

    /// Why options cannot be taken, in one line; nil where they can.
    static func refused(_ options: [(name: String, value: String?)]) -> String? {
        for option in options where !["0", "false", "no"].contains(option.value) {
            if let reason = refusals[option.name.lowercased()] { return "x265's \(option.name): \(reason)" }
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
