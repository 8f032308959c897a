// SPDX-License-Identifier: GPL-2.0-or-later
import VeilSystem

/// What fields the objects of a JSON text have, without their values.
struct FieldNames: Decodable {
    var fields: [String: FieldNames] = [:]
    /// Of a list.
    var entries: [FieldNames] = []

    private struct Name: CodingKey {
        let stringValue: String
        var intValue: Int? { nil }
        init(stringValue: String) { self.stringValue = stringValue }
        init?(intValue: Int) { nil }
    }

    init(from decoder: any Decoder) throws {
        if let object = try? decoder.container(keyedBy: Name.self) {
            for name in object.allKeys { fields[name.stringValue] = try object.decode(FieldNames.self, forKey: name) }
        } else if var list = try? decoder.unkeyedContainer() {
            while !list.isAtEnd { entries.append(try list.decode(FieldNames.self)) }
        }
    }
}
