// SPDX-License-Identifier: GPL-2.0-or-later
import Foundation
import VeilMedia
import VeilSystem

/// Writes small files of ISO base media, box by box as ISO/IEC 14496-12 and -15 have them, for the reader's tests.
enum IsoMediaWriting {
    static func number(_ value: Int, _ bytes: Int) -> [UInt8] {
        (0..<bytes).map { UInt8(truncatingIfNeeded: value >> (8 * (bytes - 1 - $0))) }
    }

    static func box(_ type: String, _ payload: [UInt8]...) -> [UInt8] {
        let body = payload.flatMap { $0 }
        return number(body.count + 8, 4) + Array(type.utf8) + body
    }

    static func fullBox(_ type: String, version: Int = 0, flags: Int = 0, _ payload: [UInt8]...) -> [UInt8] {
        box(type, number(version, 1), number(flags, 3), payload.flatMap { $0 })
    }

    /// A sample: each NAL unit behind its length in 4 bytes.
    static func sample(_ units: [[UInt8]]) -> [UInt8] { units.flatMap { number($0.count, 4) + $0 } }

    private static func arrays(_ units: [[UInt8]]) -> [UInt8] {
        [UInt8(units.count)] + units.flatMap { [$0[0] >> 1] + number(1, 2) + number($0.count, 2) + $0 }
    }

    /// `hvcC` or `lhvC` with lengths of 4 bytes.
    static func configuration(_ type: String, _ units: [[UInt8]]) -> [UInt8] {
        let fixed = type == "hvcC" ? 21 : 4
        return box(type, [1] + [UInt8](repeating: 0, count: fixed - 1) + [3], arrays(units))
    }

    static func sampleEntry(_ type: String, _ configurations: [UInt8]...) -> [UInt8] {
        box(type, [UInt8](repeating: 0, count: 78), configurations.flatMap { $0 })
    }

    /// A track of video. `tables`: the boxes of `stbl` behind `stsd`.
    static func track(
        id: Int, timeScale: Int = 25, entries: [[UInt8]], references: [UInt8] = [], tables: [UInt8]
    )
        -> [UInt8]
    {
        let stsd = fullBox("stsd", number(entries.count, 4), entries.flatMap { $0 })
        return box(
            "trak",
            fullBox("tkhd", number(0, 8), number(id, 4), [UInt8](repeating: 0, count: 68)),
            references,
            box(
                "mdia", fullBox("mdhd", number(0, 8), number(timeScale, 4), number(0, 8)),
                fullBox("hdlr", number(0, 4), Array("vide".utf8), [UInt8](repeating: 0, count: 13)),
                box("minf", box("stbl", stsd, tables))))
    }

    /// Tables of samples that lie one after the other, `duration` ticks each.
    static func tables(sizes: [Int], offset: Int, duration: Int = 1) -> [UInt8] {
        fullBox("stts", number(1, 4), number(sizes.count, 4), number(duration, 4))
            + fullBox("stsc", number(1, 4), number(1, 4), number(sizes.count, 4), number(1, 4))
            + fullBox("stsz", number(0, 4), number(sizes.count, 4), sizes.flatMap { number($0, 4) })
            + fullBox("stco", number(1, 4), number(offset, 4))
    }

    static let fileType = box("ftyp", Array("isom".utf8), number(0, 4), Array("isom".utf8))

    /// Everything that a reader makes of a file's bytes: type and bytes of each NAL unit.
    static func read(_ bytes: [UInt8]) throws -> [[UInt8]] {
        try reading(bytes) { reader in
            var units: [[UInt8]] = []
            while let unit = try reader.nextUnit() { units.append(unit.bytes) }
            return units
        }
    }

    static func reading<R>(_ bytes: [UInt8], _ body: (inout IsoMediaReader) throws -> R) throws -> R {
        let path = NSTemporaryDirectory() + "veil-iso-\(UUID().uuidString).mp4"
        guard FileManager.default.createFile(atPath: path, contents: Data(bytes)) else {
            throw CocoaError(.fileWriteUnknown)
        }
        defer { try? FileManager.default.removeItem(atPath: path) }
        guard let file = OpenFile(forReadingAtPath: path) else { throw CocoaError(.fileReadUnknown) }
        var reader = try IsoMediaReader(file: file)
        return try body(&reader)
    }
}
