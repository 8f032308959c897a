// SPDX-License-Identifier: GPL-2.0-or-later
import Foundation

/// The messages of a stream that carries none, as a file beside it: `{"version": 1, "messages": ["<payload in hexadecimal>", …]}`,
/// one message a layer. It holds no key.
public struct Sidecar: Sendable, Equatable {
    public var messages: [ProtectionMessage]

    public init(messages: [ProtectionMessage]) { self.messages = messages }

    private struct File: Codable {
        var version: Int
        var messages: [String]
    }

    /// - Parameter source: named in errors.
    public init(json: Data, source: String) throws {
        guard let file = try? JSONDecoder().decode(File.self, from: json), file.version == 1 else {
            throw KeyError.malformed(source: source, reason: "not a sidecar file of version 1")
        }
        messages = try file.messages.map { text in
            guard let bytes = Hexadecimal.decode(text) else { throw KeyError.malformed(source: source, reason: "a message is not hexadecimal") }
            do {
                guard let message = try ProtectionMessage(payload: bytes) else {
                    throw KeyError.malformed(source: source, reason: "a message is none of Veil's")
                }
                return message
            } catch let error as ProtectionMessage.ParseError {
                throw KeyError.malformed(source: source, reason: error.description)
            }
        }
        if messages.isEmpty { throw KeyError.malformed(source: source, reason: "holds no messages") }
    }

    public func json() throws -> Data {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
        return try encoder.encode(File(version: 1, messages: messages.map { Hexadecimal.encode($0.payload) })) + Data("\n".utf8)
    }
}
