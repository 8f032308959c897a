// SPDX-License-Identifier: GPL-2.0-or-later

/// Sample entries of sound (`stsd`), with what MPEG-4 says in `esds` (ISO/IEC 14496-1, 7.2.6).
struct SoundDescription {
    /// Bits a second, and the decoder's buffer in bytes: encoders tell those of each file that they make.
    struct Rates: Equatable {
        var buffer = 0
        var most = 0
    }

    private let box: Box

    /// - Parameter descriptions: a whole `stsd`.
    init?(_ descriptions: [UInt8]) {
        guard let box = try? Box(type: "file", bytes: descriptions[...], offset: 0).child("stsd") else { return nil }
        self.box = box
    }

    /// Of the first sample entry.
    var rates: Rates {
        guard let entry = try? entries().first, let esds = try? Self.children(of: entry).child("esds"),
            let bytes = try? Self.payload(esds), let at = Self.decoderConfiguration(bytes), at + 13 <= bytes.count
        else { return Rates() }
        return Rates(
            buffer: bytes[at + 2..<at + 5].reduce(0) { $0 << 8 | Int($1) },
            most: bytes[at + 5..<at + 9].reduce(0) { $0 << 8 | Int($1) })
    }

    /// The same with other rates, and no average ones: 0 says that they vary; and with ES_ID 0, which else is the
    /// number of a file's track (ISO/IEC 14496-14, 3.1.2). What decoders begin with stays.
    func with(_ rates: Rates) -> [UInt8] {
        var w = BoxWriter()
        do {
            var stsd = box
            try w.box("stsd") {
                $0.append(try stsd.bytes(8))
                for entry in try stsd.children() {
                    var (entry, children) = (entry, try Self.children(of: entry))
                    try $0.box(entry.type) {
                        $0.append(try entry.bytes(entry.bytesLeft - children.bytesLeft))
                        while let child = try children.nextChild() {
                            if child.type == "esds" {
                                let bytes = Self.replacing(rates, in: try Self.payload(child))
                                $0.box("esds") { $0.append(bytes) }
                            } else if child.type != "btrt" {
                                $0.append(child.whole)
                            }
                        }
                    }
                }
            }
        } catch { return box.whole }
        return w.bytes
    }

    /// The `codecs` parameter (RFC 6381): the sample entry's name; of MPEG-4 also what its descriptor says.
    var codecs: String? {
        guard let entry = try? entries().first else { return nil }
        guard entry.type == "mp4a", let esds = try? Self.children(of: entry).child("esds"),
            let bytes = try? Self.payload(esds)
        else { return entry.type.description }
        guard let decoder = Self.decoderConfiguration(bytes) else { return "mp4a" }
        let object = String(bytes[decoder], radix: 16)
        // DecoderSpecificInfo (tag 5) is behind 13 bytes. Of AAC its first five bits name the kind.
        guard object == "40", let info = Self.content(of: 5, in: bytes, at: decoder + 13) else {
            return "mp4a.\(object)"
        }
        return "mp4a.40.\(bytes[info] >> 3)"
    }

    private func entries() throws -> [Box] {
        var stsd = box
        try stsd.skip(8)
        return try stsd.children()
    }

    /// A sample entry behind its own fields: QuickTime's versions 1 and 2 have more of them.
    private static func children(of entry: Box) throws -> Box {
        var (entry, fields) = (entry, entry)
        try fields.skip(8)
        let version = try fields.u16()
        try entry.skip(28 + (version == 1 ? 16 : version == 2 ? 36 : 0))
        return entry
    }

    private static func payload(_ box: Box) throws -> [UInt8] {
        var box = box
        return try box.bytes(box.bytesLeft)
    }

    private static func replacing(_ rates: Rates, in esds: [UInt8]) -> [UInt8] {
        guard let at = decoderConfiguration(esds), at + 13 <= esds.count, let id = content(of: 3, in: esds, at: 4)
        else { return esds }
        var w = BoxWriter()
        w.append(esds[..<id])
        w.u16(0)
        w.append(esds[(id + 2)..<(at + 2)])
        w.u32(rates.buffer << 8)
        var result = Array(w.bytes.dropLast())
        w = BoxWriter()
        w.u32(rates.most)
        w.u32(0)
        result += w.bytes
        return result + esds[(at + 13)...]
    }

    /// ES_Descriptor (tag 3) has three bytes before DecoderConfigDescriptor (tag 4), which begins with the object type,
    /// a byte more, the buffer's size in three, and the greatest and average bit rates in four each.
    private static func decoderConfiguration(_ esds: [UInt8]) -> Int? {
        content(of: 3, in: esds, at: 4).flatMap { content(of: 4, in: esds, at: $0 + 3) }
    }

    /// Where a descriptor's content begins.
    private static func content(of tag: UInt8, in bytes: [UInt8], at start: Int) -> Int? {
        guard bytes.indices.contains(start), bytes[start] == tag else { return nil }
        var at = start + 1
        while bytes.indices.contains(at), bytes[at] & 0x80 != 0 { at += 1 }
        return bytes.indices.contains(at + 1) ? at + 1 : nil
    }
}
