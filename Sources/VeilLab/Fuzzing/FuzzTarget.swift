// SPDX-License-Identifier: GPL-2.0-or-later

/// What an input of unknown kind is run through, by its first bytes: one corpus serves all targets.
package enum FuzzTarget: Equatable, Sendable {
    case stream
    case file(FileFuzzCase.Kind)

    package init(bytes: [UInt8]) {
        if bytes.starts(with: Array("YUV4".utf8)) {
            self = .file(.y4m)
        } else if bytes.count >= 8, bytes[4..<8].elementsEqual("ftyp".utf8) {
            self = .file(.isoMedia)
        } else if bytes.starts(with: [0x1A, 0x45, 0xDF, 0xA3]) || bytes.first == 0x47 {
            self = .file(.container)
        } else if bytes.first == UInt8(ascii: "{") {
            self = .file(.keys)
        } else if bytes.count > 32, bytes[..<32].allSatisfy(Self.isDigit) {
            self = .file(.sidecar)
        } else {
            self = .stream
        }
    }

    private static func isDigit(_ byte: UInt8) -> Bool { (0x30...0x39).contains(byte) || (0x61...0x66).contains(byte) }

    @discardableResult
    package func run(_ bytes: [UInt8], scratch: FuzzScratch) -> FuzzCase.Outcome {
        switch self {
        case .stream: return FuzzCase(stream: bytes).run()
        case .file(let kind): return FileFuzzCase(kind: kind, bytes: bytes, scratch: scratch).run()
        }
    }
}
