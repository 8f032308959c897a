// SPDX-License-Identifier: GPL-2.0-or-later
import VeilSystem

/// Whether a container ends where its structure says, or was cut off in the middle of something: programs that read it
/// take what is whole, and few say so.
package enum ContainerEnd {
    /// Bytes of a file from a place on, fewer where it ends.
    typealias Reader = (_ offset: Int, _ count: Int) throws -> [UInt8]

    /// What a regular file ends in the middle of; nil where it does not or that cannot be told.
    package static func damage(of input: InputFile) throws -> String? {
        guard let size = input.size else { return try damage(ofPipe: input) }
        let descriptor = input.descriptor
        // Elements may be many and small.
        var window: (start: Int, bytes: [UInt8]) = (0, [])
        let reader: Reader = { offset, count in
            if Interruption.isRequested { return [] }
            if offset < window.start || offset + count > window.start + window.bytes.count, count < Self.windowSize {
                window = (offset, try read(offset, Self.windowSize))
            }
            guard count < Self.windowSize else { return try read(offset, count) }
            let at = offset - window.start
            return Array(window.bytes[min(at, window.bytes.count)..<min(at + count, window.bytes.count)])
        }
        func read(_ offset: Int, _ count: Int) throws -> [UInt8] {
            try [UInt8](unsafeUninitializedCapacity: count) { buffer, read in
                guard let base = buffer.baseAddress else { return }
                let got = pread(descriptor, base, count, off_t(offset))
                guard got >= 0 else { throw MediaError.cannotOpen(path: input.name, reason: "read error") }
                read = got
            }
        }
        let found = try damage(try input.kind(), size: size, reader)
        return Interruption.isRequested ? nil : found
    }

    /// A transport stream consists of packets, wherever it comes from.
    private static func damage(ofPipe input: InputFile) throws -> String? {
        guard try input.kind() == .transportStream,
            let form = TransportPackets.all.first(where: { $0.fits(input.head) }),
            case let rest = input.bytesRead % form.size, rest > 0
        else { return nil }
        return "ends inside the packet at byte \(input.bytesRead - rest)"
    }

    private static let windowSize = 1 << 16

    /// - Complexity: of Matroska and ISO base media by their uppermost elements, of a transport stream its last 4 MiB.
    static func damage(_ kind: InputFile.Kind, size: Int, _ read: Reader) throws -> String? {
        switch kind {
        case .matroska: return try matroska(size, read)
        case .transportStream: return try transportStream(size, read)
        case .isoMedia: return try isoMedia(size, read)
        case .y4m, .byteStream, .other: return nil
        }
    }

    // MARK: Matroska (RFC 8794, RFC 9559)

    private enum ID {
        static let segment = 0x1853_8067
        static let cluster = 0x1F43_B675
    }

    private struct Element {
        let id: Int
        let payload: Int
        /// Nil where it is not known, as in what was written to a pipe.
        let end: Int?
    }

    private static func matroska(_ size: Int, _ read: Reader) throws -> String? {
        var at = 0
        while at < size {
            guard let element = element(try read(at, 12), at) else { return "ends inside the element at byte \(at)" }
            if let end = element.end {
                if end > size { return "ends inside the element at byte \(at), which goes to byte \(end)" }
                at = end
            } else if element.id == ID.segment || element.id == ID.cluster {
                // What is in it comes next, as far as there is something.
                at = element.payload
            } else {
                return nil
            }
        }
        return nil
    }

    /// Nil where the bytes do not hold its ID and size.
    private static func element(_ bytes: [UInt8], _ at: Int) -> Element? {
        guard let first = bytes.first else { return nil }
        let idLength = first.leadingZeroBitCount + 1
        guard idLength <= 4, bytes.count > idLength else { return nil }
        let id = bytes[..<idLength].reduce(0) { $0 << 8 | Int($1) }
        let sizeLength = bytes[idLength].leadingZeroBitCount + 1
        guard sizeLength <= 8, bytes.count >= idLength + sizeLength else { return nil }
        let marked = bytes[idLength..<idLength + sizeLength].reduce(0) { $0 << 8 | Int($1) }
        let size = marked & (1 << (7 * sizeLength) - 1)
        let payload = at + idLength + sizeLength
        // All ones: not known.
        let isKnown = size != 1 << (7 * sizeLength) - 1
        return Element(id: id, payload: payload, end: isKnown ? payload + size : nil)
    }

    // MARK: MPEG-TS (ISO/IEC 13818-1, 2.4.3)

    private static let tail = 4 << 20

    private static func transportStream(_ size: Int, _ read: Reader) throws -> String? {
        let head = try read(0, 3 * 204)
        guard let form = TransportPackets.all.first(where: { $0.fits(head) }) else { return nil }
        let packetSize = form.size
        let start = max(size - tail, 0) / packetSize * packetSize
        var bytes: [UInt8] = []
        while start + bytes.count < size {
            let more = try read(start + bytes.count, min(size - start - bytes.count, 1 << 20))
            if more.isEmpty { break }
            bytes += more
        }
        // Where bytes were lost, packets begin elsewhere.
        guard
            let phase = (0..<min(packetSize, bytes.count)).first(where: { phase in
                stride(from: phase + form.prefix, to: bytes.count, by: packetSize).allSatisfy { bytes[$0] == 0x47 }
            })
        else { return nil }
        let rest = (bytes.count - phase) % packetSize
        if rest > 0 { return "ends inside the packet at byte \(start + bytes.count - rest)" }
        // PES packets that tell their length: bytes that are still to come, by PID.
        var missing: [Int: Int] = [:]
        for at in stride(from: phase + form.prefix, to: bytes.count, by: packetSize) {
            let packet = bytes[at..<at + 188]
            let control = packet[at + 3] >> 4 & 3
            guard control & 1 != 0 else { continue }
            let pid = Int(packet[at + 1] & 0x1F) << 8 | Int(packet[at + 2])
            let payload = packet.dropFirst(control == 3 ? 5 + Int(packet[at + 4]) : 4)
            if packet[at + 1] & 0x40 != 0 {
                missing[pid] = nil
                let header = Array(payload.prefix(6))
                guard header.count == 6, header.starts(with: [0, 0, 1]) else { continue }
                let length = Int(header[4]) << 8 | Int(header[5])
                if length > 0 { missing[pid] = length + 6 - payload.count }
            } else if let left = missing[pid] {
                missing[pid] = left - payload.count
            }
        }
        guard let pid = missing.filter({ $0.value > 0 }).keys.min() else { return nil }
        return "ends inside a PES packet of PID \(pid)"
    }

    // MARK: ISO base media (ISO/IEC 14496-12, 4.2)

    private static func isoMedia(_ size: Int, _ read: Reader) throws -> String? {
        var at = 0
        var types: Set<FourCC> = []
        // Fewer bytes at the end are padding that some writers leave.
        while size - at >= 8 {
            var header = Box(type: "file", bytes: try read(at, 16)[...], offset: at)
            guard var length = try? header.u32(), let type = try? header.fourCC() else { return nil }
            if length == 1 {
                guard let long = try? header.u64() else { return "ends inside the box '\(type)' at byte \(at)" }
                length = long
            }
            // To the end of the file, or no box.
            if length < 8 { return nil }
            if length > size - at {
                // Text that was put behind a whole file.
                if types.isSuperset(of: ["moov", "mdat"]), !types.contains("moof"), !uppermostBoxes.contains(type) {
                    return nil
                }
                return "ends inside the box '\(type)' at byte \(at), which is \(length) bytes long"
            }
            types.insert(type)
            at += length
        }
        return nil
    }

    /// Boxes that files consist of, and those that programs leave behind them.
    static let uppermostBoxes: Set<FourCC> = [
        "ftyp", "styp", "moov", "moof", "mdat", "mfra", "sidx", "ssix", "prft", "emsg", "pdin", "meta", "meco", "imda",
        "free", "skip", "wide", "junk", "uuid", "udta", "pnot", "PICT", "pict",
    ]
}

/// How packets of a transport stream, which begin with 0x47, follow each other: as they are, with a time in front of
/// each (M2TS of discs and cameras), or with check bytes behind it.
struct TransportPackets {
    let size: Int
    /// Bytes in front of a packet.
    let prefix: Int

    static let all = [
        TransportPackets(size: 188, prefix: 0), TransportPackets(size: 192, prefix: 4),
        TransportPackets(size: 204, prefix: 0),
    ]

    /// Where the first packets begin.
    var places: [Int] { (0..<3).map { prefix + $0 * size } }

    /// Whether they do, as far as they are there.
    func fits(_ bytes: [UInt8]) -> Bool {
        let places = places.filter { $0 < bytes.count }
        return !places.isEmpty && places.allSatisfy { bytes[$0] == 0x47 }
    }
}
