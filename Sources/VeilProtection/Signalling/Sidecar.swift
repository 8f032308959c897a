// SPDX-License-Identifier: GPL-2.0-or-later
import VeilSystem

/// The messages of a stream that carries none, as a file beside it: the first message of each layer, one payload a
/// line in hexadecimal digits. It holds no key.
public struct Sidecar: Sendable, Equatable {
    public var messages: [ProtectionMessage]

    public init(messages: [ProtectionMessage]) { self.messages = messages }

    /// - Parameter source: named in errors.
    public init(text: String, source: String) throws {
        messages = try text.split(whereSeparator: \.isNewline).enumerated().map { line, digits in
            let reason: String
            do {
                if let bytes = Hexadecimal.decode(String(digits)), let message = try ProtectionMessage(payload: bytes) {
                    return message
                }
                reason = "line \(line + 1) is no encryption message"
            } catch let error as ProtectionMessage.ParseError {
                reason = "line \(line + 1): \(error)"
            }
            throw KeyError.malformed(source: source, reason: reason)
        }
        if messages.isEmpty { throw KeyError.malformed(source: source, reason: "holds no messages") }
        // The last one would count, and give garbage where it is another stream's.
        var lines: [Int: Int] = [:]
        for (i, message) in messages.enumerated() {
            if let other = lines.updateValue(i, forKey: message.layer), messages[other] != message {
                throw KeyError.malformed(
                    source: source,
                    reason: "lines \(other + 1) and \(i + 1) are of layer \(message.layer), of two encryptions")
            }
        }
    }

    public var text: String { messages.map { Hexadecimal.encode($0.payload) + "\n" }.joined() }
}
