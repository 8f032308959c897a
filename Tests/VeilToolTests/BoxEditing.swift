// SPDX-License-Identifier: GPL-2.0-or-later
import Foundation

/// Changes boxes of an MP4 file whose tables come last, so that no sample moves.
struct BoxEditing {
    private(set) var file: [UInt8]

    init(_ path: String) throws { file = [UInt8](try Data(contentsOf: URL(fileURLWithPath: path))) }

    func write(_ path: String) throws { try Data(file).write(to: URL(fileURLWithPath: path)) }

    static func number(_ bytes: some Collection<UInt8>) -> Int { bytes.reduce(0) { $0 << 8 | Int($1) } }

    static func bytes(_ value: Int, _ count: Int = 4) -> [UInt8] {
        (0..<count).map { UInt8(truncatingIfNeeded: value >> (8 * (count - 1 - $0))) }
    }

    static func box(_ type: String, _ payload: [UInt8]) -> [UInt8] {
        bytes(payload.count + 8) + Array(type.utf8) + payload
    }

    private static func children(_ bytes: [UInt8]) -> [(type: String, payload: [UInt8])] {
        var result: [(String, [UInt8])] = []
        var at = 0
        while at + 8 <= bytes.count {
            let size = number(bytes[at..<at + 4])
            guard size >= 8, at + size <= bytes.count else { break }
            result.append((String(decoding: bytes[at + 4..<at + 8], as: UTF8.self), Array(bytes[at + 8..<at + size])))
            at += size
        }
        return result
    }

    private static func changed(
        _ bytes: [UInt8], _ path: ArraySlice<(type: String, index: Int)>, _ body: ([UInt8]) -> [UInt8]
    ) -> [UInt8] {
        guard let step = path.first else { return body(bytes) }
        var seen = 0
        return children(bytes).flatMap { child -> [UInt8] in
            guard child.type == step.type else { return box(child.type, child.payload) }
            seen += 1
            return box(
                child.type, seen - 1 == step.index ? changed(child.payload, path.dropFirst(), body) : child.payload)
        }
    }

    /// Changes the payload of a box of a track.
    mutating func change(track: Int, _ path: String..., body: ([UInt8]) -> [UInt8]) {
        let steps = [(type: "moov", index: 0), (type: "trak", index: track)] + path.map { (type: $0, index: 0) }
        file = Self.changed(file, steps[...], body)
    }

    /// The payload of a box of a track; empty where it is not there.
    func payload(track: Int, _ path: String...) -> [UInt8] {
        var result: [UInt8] = []
        let steps = [(type: "moov", index: 0), (type: "trak", index: track)] + path.map { (type: $0, index: 0) }
        _ = Self.changed(file, steps[...]) {
            result = $0
            return $0
        }
        return result
    }

    /// Pieces of an edit list: duration in ticks of the movie, where it begins in ticks of the track, and rate.
    mutating func setEdits(track: Int, _ edits: [(Int, Int)]) {
        change(track: track, "edts", "elst") { _ in
            Self.bytes(0) + Self.bytes(edits.count)
                + edits.flatMap { Self.bytes($0.0) + Self.bytes($0.1) + Self.bytes(0x10000) }
        }
    }
}
