// SPDX-License-Identifier: GPL-2.0-or-later

/// A four-character code (ISO/IEC 14496-12, 4.2).
package struct FourCC: Equatable, Hashable, Sendable, CustomStringConvertible, ExpressibleByStringLiteral {
    package let value: UInt32

    package init(_ value: UInt32) { self.value = value }
    package init(stringLiteral text: String) { value = text.utf8.prefix(4).reduce(0) { $0 << 8 | UInt32($1) } }

    /// The characters; what is not printable is shown as a dot.
    package var description: String {
        let bytes = (0..<4).map { UInt8(truncatingIfNeeded: value >> UInt32(24 - 8 * $0)) }
        return String(decoding: bytes.map { (0x20..<0x7F).contains($0) ? $0 : 0x2E }, as: UTF8.self)
    }
}

extension FourCC {
    /// What a track of this handler holds, in words.
    package var kind: String {
        switch self {
        case "soun": "audio"
        case "sbtl", "subt", "text", "clcp": "subtitle"
        case "vide": "video"
        case "tmcd": "time code"
        case "meta": "metadata"
        default: description
        }
    }
}

/// What is wrong with a file of ISO base media, by box.
package enum IsoMediaError: Error, Equatable, Sendable, CustomStringConvertible {
    /// A field or a child lies beyond the end of its box.
    case truncated(box: FourCC, offset: Int)
    case invalid(box: FourCC, offset: Int, what: String)
    /// Something that a box tells of lies outside the file, as where the file was cut off.
    case cut(box: FourCC, offset: Int, what: String)
    /// More samples than the file has bytes.
    case impossible(box: FourCC, offset: Int, samples: Int)
    /// A box that is needed is not there.
    case missing(box: FourCC, in: FourCC)
    case notSupported(what: String)

    package var description: String {
        switch self {
        case .truncated(let box, let offset): return "box '\(box)' at byte \(offset) ends too early"
        case .invalid(let box, let offset, let what), .cut(let box, let offset, let what):
            return "box '\(box)' at byte \(offset): \(what)"
        case .impossible(let box, let offset, let samples):
            return "box '\(box)' at byte \(offset): claims \(samples) samples, more than the file has bytes"
        case .missing(let box, let parent): return "no box '\(box)' in '\(parent)'"
        case .notSupported(let what): return what
        }
    }
}

/// One box whose payload is in memory, read from front to back. Every read is checked against the box's end.
package struct Box: Sendable {
    package let type: FourCC
    /// Of the box's first byte in the file.
    package let offset: Int
    private let bytes: ArraySlice<UInt8>
    private var at: Int
    /// The file ends in it, or it is damaged: a child that is not whole is not there, nor such of its children.
    private let isCut: Bool

    /// - Parameters:
    ///   - bytes: the payload, behind size and type.
    ///   - offset: where the box begins in the file, for messages.
    package init(type: FourCC, bytes: ArraySlice<UInt8>, offset: Int, isCut: Bool = false) {
        self.isCut = isCut
        self.type = type
        self.bytes = bytes
        self.offset = offset
        at = bytes.startIndex
    }

    package var bytesLeft: Int { bytes.endIndex - at }

    /// The box as it would be written: size, type and payload.
    var whole: [UInt8] {
        var w = BoxWriter()
        w.box(type) { $0.append(bytes) }
        return w.bytes
    }

    /// A number of `count` bytes, at most 8, big endian.
    package mutating func read(_ count: Int) throws -> UInt64 {
        guard count <= bytesLeft else { throw IsoMediaError.truncated(box: type, offset: offset) }
        var value: UInt64 = 0
        for i in at..<at + count { value = value << 8 | UInt64(bytes[i]) }
        at += count
        return value
    }

    package mutating func u8() throws -> UInt8 { UInt8(truncatingIfNeeded: try read(1)) }
    package mutating func u16() throws -> Int { Int(try read(2)) }
    package mutating func u32() throws -> Int { Int(try read(4)) }
    package mutating func fourCC() throws -> FourCC { FourCC(UInt32(truncatingIfNeeded: try read(4))) }

    /// 64 bits that count bytes or ticks: what does not fit a signed number is refused.
    package mutating func u64() throws -> Int {
        guard let value = Int(exactly: try read(8)) else {
            throw IsoMediaError.invalid(box: type, offset: offset, what: "a value exceeds 63 bits")
        }
        return value
    }

    package mutating func bytes(_ count: Int) throws -> [UInt8] {
        guard count >= 0, count <= bytesLeft else { throw IsoMediaError.truncated(box: type, offset: offset) }
        defer { at += count }
        return Array(bytes[at..<at + count])
    }

    package mutating func skip(_ count: Int) throws {
        guard count >= 0, count <= bytesLeft else { throw IsoMediaError.truncated(box: type, offset: offset) }
        at += count
    }

    /// version and flags of a full box (4.2).
    package mutating func versionAndFlags() throws -> (version: UInt8, flags: Int) {
        let value = try read(4)
        return (UInt8(truncatingIfNeeded: value >> 24), Int(value & 0xFF_FFFF))
    }

    /// The next child, or nil at the end. Fewer than 8 bytes at the end are padding that some writers leave.
    package mutating func nextChild() throws -> Box? {
        guard bytesLeft >= 8 else { return nil }
        let start = at
        let place = offset + 8 + (start - bytes.startIndex)
        var size = try u32()
        let type = try fourCC()
        var header = 8
        if size == 1 {
            size = try u64()
            header = 16
        } else if size == 0 {
            size = bytes.endIndex - start
        }
        guard size >= header, size <= bytes.endIndex - start else {
            if isCut {
                at = bytes.endIndex
                return nil
            }
            throw IsoMediaError.truncated(box: type, offset: place)
        }
        at = start + size
        return Box(type: type, bytes: bytes[start + header..<start + size], offset: place, isCut: isCut)
    }

    /// The same, of which children that are not whole are not there.
    var tolerant: Box { with(isCut: true) }
    /// The same, of which children that are not whole are damage.
    var strict: Box { with(isCut: false) }

    private func with(isCut: Bool) -> Box {
        var copy = Box(type: type, bytes: bytes, offset: offset, isCut: isCut)
        copy.at = at
        return copy
    }

    /// All children from here on.
    package func children() throws -> [Box] {
        var rest = self
        var result: [Box] = []
        while let child = try rest.nextChild() { result.append(child) }
        return result
    }

    /// The first child of a type, or nil.
    package func child(_ type: FourCC) throws -> Box? { try children().first { $0.type == type } }

    /// The first child of a type, which must be there.
    package func required(_ type: FourCC) throws -> Box {
        guard let box = try child(type) else { throw IsoMediaError.missing(box: type, in: self.type) }
        return box
    }
}
