// SPDX-License-Identifier: GPL-2.0-or-later

extension String {
    /// Numbers as `printf` writes them, in the C locale.
    package init(printf format: String, _ values: any CVarArg...) {
        let length = Swift.max(0, withVaList(values) { Int(vsnprintf(nil, 0, format, $0)) })
        var text = [CChar](repeating: 0, count: length + 1)
        _ = withVaList(values) { vsnprintf(&text, text.count, format, $0) }
        self = String(decoding: text[..<length].map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}

extension StringProtocol {
    /// Without white space around it.
    package var trimmed: String {
        var rest = self[...]
        while rest.first?.isWhitespace == true { rest.removeFirst() }
        while rest.last?.isWhitespace == true { rest.removeLast() }
        return String(rest)
    }
}

extension StringProtocol {
    /// With another text in the place of each that is found, from left to right.
    package func with(_ other: String, for text: String) -> String {
        precondition(!text.isEmpty, "nothing is everywhere")
        var result: [UInt8] = []
        let (own, wanted) = (Array(utf8), Array(text.utf8))
        var at = 0
        while at < own.count {
            if own[at...].starts(with: wanted) {
                result += other.utf8
                at += wanted.count
            } else {
                result.append(own[at])
                at += 1
            }
        }
        return String(decoding: result, as: UTF8.self)
    }

    /// With spaces behind it, or cut, so that it has a length.
    package func padded(to length: Int) -> String {
        String(prefix(length)) + String(repeating: " ", count: Swift.max(0, length - count))
    }
}

extension String {
    /// Of a path: what is behind the last slash.
    package var lastOfPath: String {
        var rest = self[...]
        while rest.count > 1 && rest.last == "/" { rest.removeLast() }
        return rest == "/" ? "/" : String(rest[(rest.lastIndex(of: "/").map(rest.index(after:)) ?? rest.startIndex)...])
    }

    /// Of a path: what its last name has behind its last point, "" where that name begins with it or has none.
    package var suffixOfPath: String {
        let name = lastOfPath
        guard let point = name.lastIndex(of: "."), point != name.startIndex else { return "" }
        return String(name[name.index(after: point)...])
    }

    /// A name without its suffix and the point.
    package var withoutSuffix: String {
        guard let point = lastIndex(of: "."), point != startIndex else { return self }
        return String(self[..<point])
    }
}
