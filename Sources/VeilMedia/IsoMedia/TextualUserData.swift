// SPDX-License-Identifier: GPL-2.0-or-later

/// What goes along of a movie's `udta` where the video is encrypted: text and numbers. Pictures lie there under many
/// names (covers, thumbnails of cameras, images as items of `meta`), and show what the video does; so may what is not
/// known.
enum TextualUserData {
    /// Titles of QuickTime (©...) and of 3GPP (TS 26.244, clause 8), a track's name, the list of chapters.
    private static let texts: Set<FourCC> = [
        "titl", "auth", "perf", "dscp", "gnre", "albm", "yrrc", "cprt", "loci", "kywd", "clsf", "rtng", "name",
    ]
    /// Longer ones are none that people wrote.
    private static let longestText = 16384
    private static let longestHandler = 256
    private static let numbered: Set<FourCC> = ["yrrc", "loci", "kywd", "clsf", "rtng"]

    /// A `udta` box of what may stay; and the names of the boxes that were left out.
    static func of(_ userData: [UInt8]) throws -> (kept: [UInt8], left: [FourCC]) {
        var w = BoxWriter()
        var left: [FourCC] = []
        for udta in try Box(type: "file", bytes: userData[...], offset: 0).children() {
            try w.box("udta") { w in
                for child in try udta.children() {
                    if child.type == "meta" {
                        try metadata(child, into: &w, &left)
                    } else if child.type == "chpl", let chapters = ChapterList(userData: userData)?.chapters,
                        chapters.allSatisfy({ isText($0.name[...]) })
                    {
                        // Made anew: nothing lies behind the list.
                        var list = ChapterList()
                        list.chapters = chapters
                        w.append(list.box)
                    } else if texts.contains(child.type) || child.type.isText, holdsText(child) {
                        w.append(child.whole)
                    } else {
                        left.append(child.type)
                    }
                }
            }
        }
        return (w.bytes, left)
    }

    /// Whether all of a box is text, but for a few numbers: versions, languages, lengths, places and dates. What is
    /// coded, as pictures are, has a control character in every tenth byte.
    private static func holdsText(_ box: Box) -> Bool {
        guard box.whole.count <= longestText else { return false }
        let payload = box.whole.dropFirst(8)
        let controls = payload.count { $0 < 0x20 && ![9, 10, 13].contains($0) }
        if box.type == "keys" { return controls <= 8 + payload.count / 4 }
        if controls <= (numbered.contains(box.type) ? 24 : 8) + payload.count / 32 { return true }
        // UTF-16, behind a mark of its byte order.
        let mark = payload.indices.prefix(12).first { payload[$0...].starts(with: [0xFE, 0xFF]) }
        return mark.map { isText(payload[$0...], isWide: true) } ?? false
    }

    /// Whether bytes are UTF-8, or UTF-16, without control characters but those of lines and a zero at the end.
    private static func isText(_ bytes: ArraySlice<UInt8>, isWide: Bool = false) -> Bool {
        let isPlain = { (scalar: Unicode.Scalar) in
            scalar.value >= 0x20 && scalar.value != 0x7F || [9, 10, 13].contains(scalar.value)
        }
        guard isWide else {
            let text = String(validating: bytes.last == 0 ? bytes.dropLast() : bytes, as: UTF8.self)
            return text?.unicodeScalars.allSatisfy(isPlain) ?? false
        }
        guard bytes.count % 2 == 0 else { return false }
        var units = stride(from: bytes.startIndex, to: bytes.endIndex, by: 2).map {
            UInt16(bytes[$0]) << 8 | UInt16(bytes[$0 + 1])
        }
        if units.first == 0xFFFE { units = units.map(\.byteSwapped) }
        if units.last == 0 { units.removeLast() }
        return String(validating: units, as: UTF16.self)?.unicodeScalars.allSatisfy(isPlain) ?? false
    }

    /// Of `meta` the names of keys and the items of `ilst` that are text or numbers.
    private static func metadata(_ box: Box, into w: inout BoxWriter, _ left: inout [FourCC]) throws {
        var meta = box
        // QuickTime has neither version nor flags.
        let isPlain = box.whole.dropFirst(12).starts(with: Array("hdlr".utf8))
        let version = isPlain ? [] : try meta.bytes(4)
        let children = try meta.children()
        try w.box("meta") { w in
            w.append(version)
            for child in children {
                switch child.type {
                case "hdlr" where child.whole.count <= longestHandler: w.append(child.whole)
                case "keys" where holdsText(child): w.append(child.whole)
                case "ilst":
                    let items = try child.children()
                    try w.box("ilst") { w in
                        for item in items {
                            if try isTextual(item) { w.append(item.whole) } else { left.append(item.type) }
                        }
                    }
                case "free": break
                default: left.append(child.type)
                }
            }
        }
    }

    /// Whether all values of an item are text or numbers by their type indicator.
    private static func isTextual(_ item: Box) throws -> Bool {
        guard item.whole.count <= longestText else { return false }
        return try item.children().allSatisfy { child in
            switch child.type {
            case "mean", "name": return isText(child.whole.dropFirst(12))
            case "data":
                var data = child
                let type = try data.u32()
                switch type {
                // UTF-8, UTF-16 and their sort keys.
                case 1, 2, 4, 5:
                    try data.skip(4)
                    return isText(try data.bytes(data.bytesLeft)[...], isWide: type == 2 || type == 5)
                // Integers and floats; and what has no type: numbers of tracks.
                case 0, 21...24, 65...78: return data.bytesLeft <= 4 + 16
                default: return false
                }
            default: return false
            }
        }
    }
}

extension FourCC {
    /// ©...
    fileprivate var isText: Bool { value >> 24 == 0xA9 }
}
