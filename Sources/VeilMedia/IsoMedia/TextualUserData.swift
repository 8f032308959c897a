// SPDX-License-Identifier: GPL-2.0-or-later

/// What goes along of a movie's `udta` where the video is encrypted: text and numbers. Pictures lie there under many
/// names (covers, thumbnails of cameras, images as items of `meta`), and show what the video does; so may what is not
/// known.
enum TextualUserData {
    /// Titles of QuickTime (©...) and of 3GPP (TS 26.244, clause 8), a track's name, the list of chapters.
    private static let texts: Set<FourCC> = [
        "titl", "auth", "perf", "dscp", "gnre", "albm", "yrrc", "cprt", "loci", "kywd", "clsf", "rtng", "name", "chpl",
    ]
    /// Longer ones are none that people wrote.
    private static let longestText = 16384

    /// A `udta` box of what may stay; and the names of the boxes that were left out.
    static func of(_ userData: [UInt8]) throws -> (kept: [UInt8], left: [FourCC]) {
        var w = BoxWriter()
        var left: [FourCC] = []
        for udta in try Box(type: "file", bytes: userData[...], offset: 0).children() {
            try w.box("udta") { w in
                for child in try udta.children() {
                    if child.type == "meta" {
                        try metadata(child, into: &w, &left)
                    } else if (texts.contains(child.type) || child.type.isText) && child.whole.count <= longestText {
                        w.append(child.whole)
                    } else {
                        left.append(child.type)
                    }
                }
            }
        }
        return (w.bytes, left)
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
                case "hdlr", "keys": w.append(child.whole)
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
            case "mean", "name": return true
            case "data":
                var data = child
                let type = try data.u32()
                switch type {
                // UTF-8, UTF-16 and their sort keys.
                case 1, 2, 4, 5: return true
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
