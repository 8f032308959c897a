// SPDX-License-Identifier: GPL-2.0-or-later
import Testing

@testable import VeilMedia

/// Containers that were cut off are told from whole ones, wherever they end.
struct ContainerEndTests {
    private func damage(_ kind: InputFile.Kind, _ bytes: some Collection<UInt8>) throws -> String? {
        let bytes = Array(bytes)
        return try ContainerEnd.damage(kind, size: bytes.count) { offset, count in
            offset < bytes.count ? Array(bytes[offset..<min(offset + count, bytes.count)]) : []
        }
    }

    /// At every place but those of `ends` something is cut.
    private func check(_ kind: InputFile.Kind, _ bytes: [UInt8], ends: Set<Int>) throws {
        for count in 1...bytes.count {
            let told = try damage(kind, bytes.prefix(count))
            #expect((told == nil) == ends.contains(count), "\(count) of \(bytes.count): \(told ?? "whole")")
        }
    }

    private let header: [UInt8] = [0x1A, 0x45, 0xDF, 0xA3, 0x84, 1, 2, 3, 4]
    private let cluster: [UInt8] = [0x1F, 0x43, 0xB6, 0x75]
    private let block: [UInt8] = [0xA3, 0x85, 9, 9, 9, 9, 9]

    /// A segment that tells its size ends where it says.
    @Test func matroska() throws {
        let inside = cluster + [0x87] + block
        let file = header + [0x18, 0x53, 0x80, 0x67, 0x40, UInt8(inside.count)] + inside
        try check(.matroska, file, ends: [header.count, file.count])
        // Of eight bytes, as most programs write it.
        let long = header + [0x18, 0x53, 0x80, 0x67, 0x01, 0, 0, 0, 0, 0, 0, UInt8(inside.count)] + inside
        try check(.matroska, long, ends: [header.count, long.count])
    }

    /// One that was written to a pipe ends behind any of its elements.
    @Test func matroskaOfUnknownSize() throws {
        let open: [UInt8] = [0x18, 0x53, 0x80, 0x67, 0x01, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF]
        let start = header + open
        let first = start + cluster + [0xFF]
        let file = first + block + block + cluster + [0x87] + block
        try check(
            .matroska, file,
            ends: [
                header.count, start.count, first.count, first.count + block.count, first.count + 2 * block.count,
                file.count,
            ])
    }

    /// Packets are whole, and so are the PES packets that tell their length.
    @Test func transportStream() throws {
        func packet(pid: UInt8, starts: Bool, _ payload: [UInt8]) -> [UInt8] {
            let stuffing = 184 - payload.count
            let adaptation =
                stuffing == 0
                ? [] : [UInt8(stuffing - 1)] + (stuffing > 1 ? [0] + [UInt8](repeating: 0xFF, count: stuffing - 2) : [])
            return [0x47, starts ? 0x41 : 0x01, pid, stuffing == 0 ? 0x10 : 0x30] + adaptation + payload
        }
        let length = 300
        let pes: [UInt8] =
            [0, 0, 1, 0xC0, UInt8(length >> 8), UInt8(length & 255)] + [UInt8](repeating: 7, count: length)
        let open: [UInt8] = [0, 0, 1, 0xE0, 0, 0] + [UInt8](repeating: 7, count: 100)
        let file =
            packet(pid: 1, starts: true, open) + packet(pid: 2, starts: true, Array(pes.prefix(184)))
            + packet(pid: 1, starts: false, [1, 2, 3]) + packet(pid: 2, starts: false, Array(pes.dropFirst(184)))
            + packet(pid: 2, starts: true, Array(pes.prefix(184)))
        let whole = file.prefix(4 * 188)
        try check(.transportStream, Array(whole), ends: [188, 4 * 188])
        #expect(try damage(.transportStream, file) == "ends inside a PES packet of PID 258")
        #expect(try damage(.transportStream, whole + [0x47, 1]) == "ends inside the packet at byte 752")
        // Bytes that were lost before are no end.
        #expect(try damage(.transportStream, whole.dropFirst(100)) == nil)
    }

    /// The last box ends with the file.
    @Test func isoMedia() throws {
        let ftyp: [UInt8] = [0, 0, 0, 12] + Array("ftypisom".utf8)
        let free: [UInt8] = [0, 0, 0, 8] + Array("free".utf8)
        let large: [UInt8] = [0, 0, 0, 1] + Array("mdat".utf8) + [0, 0, 0, 0, 0, 0, 0, 20, 1, 2, 3, 4]
        let file = ftyp + free + large
        // Fewer than eight bytes are padding.
        let ends = [Array(1..<8), Array(12..<28), [40]].joined()
        try check(.isoMedia, file, ends: Set(ends))
        #expect(
            try damage(.isoMedia, file.dropLast()) == "ends inside the box 'mdat' at byte 20, which is 20 bytes long")
        // To the end of the file, wherever that is.
        #expect(try damage(.isoMedia, ftyp + [0, 0, 0, 0] + Array("mdat".utf8) + [1]) == nil)
    }
}
