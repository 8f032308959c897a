// SPDX-License-Identifier: GPL-2.0-or-later

/// What is wrong with a syntax structure, in one line.
public enum SyntaxError: Error, Equatable, Sendable, CustomStringConvertible {
    /// The data ended in the middle of an element, at a bit offset of its RBSP.
    case truncated(element: String, bit: Int)
    /// A value the standard does not allow.
    case outOfRange(element: String, value: Int)
    /// A value that stands for a tool Veil does not have.
    case unsupported(element: String, value: Int)
    /// A parameter set that was never sent.
    case missing(set: String, id: Int)

    public var description: String {
        switch self {
        case .truncated(let element, let bit): return "data ends at bit \(bit), in \(element)"
        case .outOfRange(let element, let value): return "\(element) = \(value) is out of range"
        case .unsupported(let element, let value): return "\(element) = \(value) is not supported"
        case .missing(let set, let id): return "\(set) \(id) is missing"
        }
    }
}
