// SPDX-License-Identifier: GPL-2.0-or-later
import CYaml
import VeilSystem

/// A node of a YAML document, as libyaml reads it. Yams, which brings libyaml, would have all of Foundation linked.
struct YAMLNode {
    /// Counted from 1.
    var line: Int
    var string: String?
    var sequence: [YAMLNode]?
    var mapping: [Pair]?

    struct Pair {
        var key: YAMLNode
        var value: YAMLNode
    }

    var int: Int? { string.flatMap { Int($0) } }
    /// Decimal: Swift takes hexadecimal numbers, too, and names of what is no number.
    var double: Double? {
        string.flatMap { $0.allSatisfy { "0123456789.+-eE".contains($0) } ? Double($0) : nil }
    }
    var bool: Bool? {
        switch string?.lowercased() {
        case "true", "yes", "on": true
        case "false", "no", "off": false
        default: nil
        }
    }

    subscript(key: String) -> YAMLNode? { mapping?.first { $0.key.string == key }?.value }
}

/// Why a text is not taken, and where.
struct YAMLError: Error {
    var line: Int
    var problem: String
}

/// Reads a text that is one document. References to other nodes are not taken: a few lines of them multiply for ever.
struct YAMLReader: ~Copyable {
    private let parser = UnsafeMutablePointer<yaml_parser_t>.allocate(capacity: 1)
    private var event = yaml_event_t()
    /// Lists within lists.
    private static let deepest = 32

    /// Nil of a text without a document.
    static func document(_ text: String) throws -> YAMLNode? {
        var text = text
        return try text.withUTF8 { bytes in
            var reader = try YAMLReader(bytes)
            return try reader.document()
        }
    }

    private init(_ bytes: UnsafeBufferPointer<UInt8>) throws {
        guard yaml_parser_initialize(parser) == 1 else { throw YAMLError(line: 1, problem: "out of memory") }
        yaml_parser_set_encoding(parser, YAML_UTF8_ENCODING)
        yaml_parser_set_input_string(parser, bytes.baseAddress, bytes.count)
    }

    deinit {
        var event = event
        yaml_event_delete(&event)
        yaml_parser_delete(parser)
        parser.deallocate()
    }

    private mutating func next() throws {
        yaml_event_delete(&event)
        guard yaml_parser_parse(parser, &event) == 1 else {
            throw YAMLError(
                line: Int(parser.pointee.problem_mark.line) + 1,
                problem: parser.pointee.problem.map { String(cString: $0) } ?? "not UTF-8")
        }
    }

    private mutating func document() throws -> YAMLNode? {
        try next()
        try next()
        if event.type == YAML_STREAM_END_EVENT { return nil }
        try next()
        let root = try node(depth: 0)
        try next()
        try next()
        guard event.type == YAML_STREAM_END_EVENT else {
            throw YAMLError(line: Int(event.start_mark.line) + 1, problem: "a second document")
        }
        return root
    }

    /// The node that begins with the event that was read last.
    private mutating func node(depth: Int) throws -> YAMLNode {
        let line = Int(event.start_mark.line) + 1
        guard depth < Self.deepest else { throw YAMLError(line: line, problem: "lists within lists") }
        switch event.type {
        case YAML_SCALAR_EVENT:
            let scalar = event.data.scalar
            let bytes = UnsafeBufferPointer(start: scalar.value, count: scalar.length)
            return YAMLNode(line: line, string: String(decoding: bytes, as: UTF8.self))
        case YAML_SEQUENCE_START_EVENT:
            var nodes: [YAMLNode] = []
            try next()
            while event.type != YAML_SEQUENCE_END_EVENT {
                nodes.append(try node(depth: depth + 1))
                try next()
            }
            return YAMLNode(line: line, sequence: nodes)
        case YAML_MAPPING_START_EVENT:
            var pairs: [YAMLNode.Pair] = []
            var names: Set<String> = []
            try next()
            while event.type != YAML_MAPPING_END_EVENT {
                let key = try node(depth: depth + 1)
                if let name = key.string, !names.insert(name).inserted {
                    throw YAMLError(line: key.line, problem: "'\(name)' stands there twice")
                }
                try next()
                pairs.append(YAMLNode.Pair(key: key, value: try node(depth: depth + 1)))
                try next()
            }
            return YAMLNode(line: line, mapping: pairs)
        default:
            throw YAMLError(line: line, problem: "references (*name) are not taken in layer files")
        }
    }
}
