// SPDX-License-Identifier: GPL-2.0-or-later

/// One sei_message() (7.3.5).
package struct SEIMessage: Equatable, Sendable {
    package var payloadType: Int
    package var payload: [UInt8]

    package init(payloadType: Int, payload: [UInt8]) {
        self.payloadType = payloadType
        self.payload = payload
    }

    package static let userDataRegistered = 4
    package static let userDataUnregistered = 5
    package static let recoveryPoint = 6
    package static let activeParameterSets = 129
    package static let decodedPictureHash = 132

    /// Whether it is a registered message with captions (ATSC A/53 part 4, 6.2.3): country (United States), provider,
    /// and what the provider goes by.
    package var isCaptions: Bool { payloadType == Self.userDataRegistered && Self.areCaptions(payload) }

    package static func areCaptions(_ userData: [UInt8]) -> Bool {
        userData.starts(with: [0xB5, 0x00, 0x31] + Array("GA94".utf8) + [3])
    }

    /// The messages of an SEI RBSP.
    package static func messages(rbsp: [UInt8]) throws -> [SEIMessage] {
        var result: [SEIMessage] = []
        var i = 0
        // The last byte that is not zero holds the trailing bits.
        guard let last = rbsp.lastIndex(where: { $0 != 0 }) else { return [] }
        let end = rbsp[last] == 0x80 ? last : last + 1
        while i < end {
            func coded(_ element: String) throws -> Int {
                var value = 0
                while true {
                    guard i < end else { throw SyntaxError.truncated(element: element, bit: i * 8) }
                    let byte = Int(rbsp[i])
                    i += 1
                    value += byte
                    if byte != 255 { return value }
                }
            }
            let type = try coded("last_payload_type_byte")
            let size = try coded("last_payload_size_byte")
            guard size <= end - i else { throw SyntaxError.truncated(element: "sei_payload", bit: i * 8) }
            result.append(SEIMessage(payloadType: type, payload: Array(rbsp[i..<(i + size)])))
            i += size
        }
        return result
    }

    /// The message of an SEI RBSP that holds just one, and nothing that `rbsp` would not write; nil for all else,
    /// damaged or not.
    package static func only(rbsp: [UInt8]) -> SEIMessage? {
        guard let messages = try? messages(rbsp: rbsp), messages.count == 1, Self.rbsp(messages) == rbsp else {
            return nil
        }
        return messages[0]
    }

    /// The RBSP of some messages, trailing bits included.
    package static func rbsp(_ messages: [SEIMessage]) -> [UInt8] {
        var bytes: [UInt8] = []
        func code(_ value: Int) {
            bytes.append(contentsOf: repeatElement(255, count: value / 255))
            bytes.append(UInt8(value % 255))
        }
        for message in messages {
            code(message.payloadType)
            code(message.payload.count)
            bytes.append(contentsOf: message.payload)
        }
        bytes.append(0x80)
        return bytes
    }
}

/// decoded_picture_hash() (D.2.19).
package enum DecodedPictureHash: Equatable, Sendable {
    case md5([[UInt8]])
    case crc([Int])
    case checksum([Int])

    /// Nil for an unknown hash_type.
    package init?(payload: [UInt8]) throws {
        var r = BitReader(payload)
        let type = try r.u(8, "hash_type")
        switch type {
        case 0:
            var hashes: [[UInt8]] = []
            // Monochrome pictures have one.
            for _ in 0..<(payload.count > 17 ? 3 : 1) {
                var hash: [UInt8] = []
                for _ in 0..<16 { hash.append(UInt8(try r.u(8, "picture_md5"))) }
                hashes.append(hash)
            }
            self = .md5(hashes)
        case 1: self = .crc(try (0..<(payload.count > 3 ? 3 : 1)).map { _ in try r.u(16, "picture_crc") })
        case 2: self = .checksum(try (0..<(payload.count > 5 ? 3 : 1)).map { _ in try r.u(32, "picture_checksum") })
        default: return nil
        }
    }

    /// How many components it is of.
    package var count: Int {
        switch self {
        case .md5(let hashes): return hashes.count
        case .crc(let values), .checksum(let values): return values.count
        }
    }

    /// The payload of an MD5 message.
    package static func payload(md5 hashes: [[UInt8]]) -> [UInt8] { [0] + hashes.flatMap { $0 } }
}
