// SPDX-License-Identifier: GPL-2.0-or-later
import VeilSystem

/// `keys.json`:
///
///     {"version": 1, "layers": [{"layer": 0, "id": "…", "key": "<hex>", "cipher": "chaotic", "profile": "paper"}]}
///
/// or, with one key for all, `{"version": 1, "master": {"id": "…", "key": "<hex>", "layers": 2}}`.
private struct KeyFile: Codable {
    struct Layer: Codable {
        var layer: Int
        var id: String
        var key: String
        var cipher: String?
        var profile: String?
        var elements: String?
        var feedback: Bool?
    }
    struct Master: Codable {
        var id: String
        var key: String
        var layers: Int
        var cipher: String?
        var profile: String?
    }
    var version: Int
    var layers: [Layer]?
    var master: Master?
}

extension KeyRing {
    /// Reads `keys.json`.
    /// - Parameter source: named in errors.
    public init(json: Data, source: String) throws {
        // In other encodings a key file would not be known as one by its first bytes.
        guard !json.contains(0), String(validating: json, as: UTF8.self) != nil else {
            throw KeyError.malformed(source: source, reason: "not a key file: it is not text in UTF-8")
        }
        let file: KeyFile
        do {
            file = try JSONDecoder().decode(KeyFile.self, from: json)
        } catch {
            throw KeyError.malformed(source: source, reason: "not a key file: \(Self.reason(error))")
        }
        try Self.checkFields(json, source: source)
        guard file.version == 1 else {
            throw KeyError.malformed(source: source, reason: "key file version \(file.version) is unknown")
        }
        func secret(_ hex: String, _ what: String) throws -> SecretBytes {
            guard hex.utf8.count <= 64, let bytes = Hexadecimal.decode(hex), (16...32).contains(bytes.count) else {
                throw KeyError.malformed(
                    source: source, reason: "the key of \(what) is not 32 to 64 hexadecimal digits")
            }
            guard bytes.contains(where: { $0 != 0 }) else {
                throw KeyError.malformed(source: source, reason: "the key of \(what) is all zeros")
            }
            return SecretBytes(bytes)
        }
        func cipher(_ name: String?, _ what: String) throws -> CipherKind {
            guard let kind = CipherKind(name: name ?? CipherKind.chaotic.name) else {
                throw KeyError.malformed(source: source, reason: "unknown cipher '\(name ?? "")' of \(what)")
            }
            return kind
        }
        func profile(_ name: String?, _ what: String) throws -> ElementProfile {
            guard let profile = ElementProfile(name: name ?? ElementProfile.paper.name) else {
                throw KeyError.malformed(source: source, reason: "unknown profile '\(name ?? "")' of \(what)")
            }
            return profile
        }
        func checked(_ id: String, _ what: String) throws -> String {
            guard ProtectionMessage.isKeyId(id) else {
                throw KeyError.malformed(
                    source: source, reason: "the key id of \(what) is not 1 to 64 visible characters")
            }
            return id
        }
        var keys: [LayerKey] = []
        if let master = file.master {
            let what = "the master key"
            guard (1...63).contains(master.layers) else {
                throw KeyError.malformed(source: source, reason: "\(what) names \(master.layers) layers")
            }
            for layer in 0..<master.layers {
                keys.append(
                    KeyRing.derive(
                        master: try secret(master.key, what), id: try checked(master.id, what), layer: layer,
                        cipher: try cipher(master.cipher, what), profile: try profile(master.profile, what)))
            }
        }
        for entry in file.layers ?? [] {
            let what = "layer \(entry.layer)"
            guard (0...62).contains(entry.layer) else {
                throw KeyError.malformed(source: source, reason: "\(what) is not 0 to 62")
            }
            var elements: ElementSet?
            if let names = entry.elements {
                guard let set = ElementSet(names: names) else {
                    throw KeyError.malformed(source: source, reason: "unknown elements '\(names)' of \(what)")
                }
                elements = set
            }
            keys.append(
                LayerKey(
                    layer: entry.layer, id: try checked(entry.id, what), key: try secret(entry.key, what),
                    cipher: try cipher(entry.cipher, what), profile: try profile(entry.profile, what),
                    elements: elements,
                    feedback: entry.feedback))
        }
        guard !keys.isEmpty else { throw KeyError.malformed(source: source, reason: "holds no keys") }
        let hexadecimal = (file.layers ?? []).map { ($0.id, $0.key) } + (file.master.map { [($0.id, $0.key)] } ?? [])
        if hexadecimal.contains(where: { id, key in hexadecimal.contains { id.lowercased().contains($0.1.lowercased()) }
        }) {
            throw KeyError.malformed(
                source: source, reason: "a key id holds a key: ids stand in streams, readable by all")
        }
        var byId: [String: SecretBytes] = [:]
        for key in keys {
            if let other = byId.updateValue(key.key, forKey: key.id), other != key.key {
                throw KeyError.malformed(source: source, reason: "two keys have the id \(key.id)")
            }
        }
        self.init(layers: keys)
        self.source = source
    }

    /// A field that is not known may be one that is misspelt, in whose place a default would be taken.
    private static func checkFields(_ json: Data, source: String) throws {
        let object = try? JSONDecoder().decode(FieldNames.self, from: json)
        func check(_ object: FieldNames?, _ known: [String], _ what: String) throws {
            for name in (object?.fields ?? [:]).keys.sorted() where !known.contains(name) {
                throw KeyError.malformed(source: source, reason: "unknown field '\(name.prefix(32))' of \(what)")
            }
        }
        try check(object, ["version", "layers", "master"], "the key file")
        try check(object?.fields["master"], ["id", "key", "layers", "cipher", "profile"], "the master key")
        for (i, entry) in (object?.fields["layers"]?.entries ?? []).enumerated() {
            try check(
                entry, ["layer", "id", "key", "cipher", "profile", "elements", "feedback"], "entry \(i) of 'layers'")
        }
    }

    /// What of a decoding error tells about the file and nothing about its values.
    private static func reason(_ error: any Error) -> String {
        switch error {
        case DecodingError.keyNotFound(let key, _): return "'\(key.stringValue)' is missing"
        case DecodingError.typeMismatch(_, let context), DecodingError.valueNotFound(_, let context):
            return "'\(context.codingPath.last?.stringValue ?? "")' has the wrong type"
        default: return "no valid JSON"
        }
    }

    /// Reads a key file or pipe, standard input (`-`), an environment variable (`env:NAME`) or a file descriptor
    /// (`fd:N`).
    public init(reference: String) throws {
        if reference.hasPrefix("env:") {
            let name = String(reference.dropFirst(4))
            guard let text = ProcessInfo.processInfo.environment[name] else {
                throw KeyError.malformed(source: reference, reason: "the environment has no such variable")
            }
            try self.init(json: Data(text.utf8), source: reference)
        } else if reference == "-" || reference.hasPrefix("fd:") {
            guard let number = reference == "-" ? 0 : Int32(reference.dropFirst(3)), number >= 0 else {
                throw KeyError.malformed(source: reference, reason: "not a file descriptor number")
            }
            let handle = OpenFile(fileDescriptor: number, closeOnDealloc: false)
            try self.init(json: try Self.contents(of: handle, source: reference), source: reference)
        } else {
            guard let handle = OpenFile(forReadingAtPath: reference) else {
                let exists = FileManager.default.fileExists(atPath: reference)
                throw KeyError.malformed(source: reference, reason: exists ? "cannot be read" : "no such key file")
            }
            try self.init(json: try Self.contents(of: handle, source: reference), source: reference)
        }
    }

    /// Several thousand keys.
    private static let largestFile = 1 << 20

    /// What a file or pipe holds; of an endless one no more than a key file can be long.
    private static func contents(of handle: OpenFile, source: String) throws -> Data {
        var data = Data()
        do {
            while data.count <= largestFile, let more = try handle.read(upToCount: 1 << 16), !more.isEmpty {
                data += more
            }
        } catch {
            throw KeyError.malformed(source: source, reason: "cannot be read")
        }
        if data.isEmpty { throw KeyError.malformed(source: source, reason: "is empty") }
        if data.count > largestFile {
            throw KeyError.malformed(source: source, reason: "is longer than \(largestFile) bytes: no key file")
        }
        return data
    }

    /// The keys as `keys.json`.
    public func json() throws -> Data {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
        let entries = layers.map {
            KeyFile.Layer(
                layer: $0.layer, id: $0.id, key: Hexadecimal.encode($0.key.bytes), cipher: $0.cipher.name,
                profile: $0.profile.name,
                elements: $0.elements?.names.joined(separator: ","), feedback: $0.feedback)
        }
        return try encoder.encode(KeyFile(version: 1, layers: entries, master: nil)) + Data("\n".utf8)
    }

    /// `keys.json` with a fresh master key, from which every layer's key is derived.
    public static func masterFile(
        layers: Int, cipher: CipherKind, profile: ElementProfile, keyBytes: Int = 32
    ) throws -> Data {
        let master = KeyFile.Master(
            id: randomId(), key: Hexadecimal.encode(SecretBytes.random(keyBytes).bytes), layers: layers,
            cipher: cipher.name,
            profile: profile.name)
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
        return try encoder.encode(KeyFile(version: 1, layers: nil, master: master)) + Data("\n".utf8)
    }

    /// Writes a new file that only its owner can read. An existing one is left alone.
    public func write(path: String) throws { try Self.write(try json(), path: path) }

    /// Writes the contents of a key file.
    public static func write(_ data: Data, path: String) throws {
        let descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL, 0o600)
        if descriptor < 0 {
            if errno == EEXIST { throw KeyError.exists(path: path) }
            throw KeyError.malformed(source: path, reason: "cannot be written: \(String(cString: strerror(errno)))")
        }
        let handle = OpenFile(fileDescriptor: descriptor, closeOnDealloc: true)
        do {
            try handle.write(contentsOf: data)
            try handle.close()
        } catch {
            unlink(path)
            throw KeyError.malformed(source: path, reason: "cannot be written")
        }
    }
}
