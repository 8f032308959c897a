// SPDX-License-Identifier: GPL-2.0-or-later
import ArgumentParser
import VeilCrypto

extension Scheme: ExpressibleByArgument {
    public init?(argument: String) { self.init(name: argument) }
    public static var allValueStrings: [String] { allCases.map(\.name) }
    public static var allValueDescriptions: [String: String] { [:] }
    public var defaultValueDescription: String { name }
}

extension CipherKind: ExpressibleByArgument {
    public init?(argument: String) { self.init(name: argument) }
    public static var allValueStrings: [String] { allCases.map(\.name) }
    public static var allValueDescriptions: [String: String] { [:] }
    public var defaultValueDescription: String { name }
}

extension Profile: ExpressibleByArgument {
    public init?(argument: String) { self.init(name: argument) }
    public static var allValueStrings: [String] { allCases.map(\.name) }
    public static var allValueDescriptions: [String: String] { [:] }
    public var defaultValueDescription: String { name }
}

extension Resynchronisation: ExpressibleByArgument {
    public init?(argument: String) { self.init(name: argument) }
    public static var allValueStrings: [String] { allCases.map(\.name) }
    public static var allValueDescriptions: [String: String] { [:] }
    public var defaultValueDescription: String { name }
}

/// How a stream is encrypted.
struct ProtectionOptions: ParsableArguments {
    @Option(help: "Layers to encrypt: none, bl, all, el (default: all when keys are given).")
    var scheme: Scheme?
    @Option(help: "Key file, env:NAME or fd:N.")
    var keys: String?
    @Option(help: "In place of the key file's: chaotic, aes-128-ctr, aes-256-ctr, chacha20.")
    var cipher: CipherKind?
    @Option(help: "In place of the key file's: paper or maximal.")
    var profile: Profile?
    @Option(help: "Syntax elements, comma separated: mvd, mvd-sign, coeff, coeff-sign, dqp-sign, sao-sign, sao-band, sao-class.")
    var elements: String?
    @Option(help: "Where keystreams restart: substream, or stream (one chain over a layer, as in the paper).")
    var resync: Resynchronisation = .substream
    @Flag(inversion: .prefixedNo, help: "Equation (3)'s feedback (default: with the chaotic generator).")
    var feedback: Bool?
    @Option(help: "Nonce, 32 hexadecimal digits; random by default. Never use one twice with the same keys.")
    var nonce: String?

    /// Nil when nothing is to be encrypted.
    func encryption(layers: [Int], selection: Selection = Selection()) throws -> Encryption? {
        let scheme = self.scheme ?? (keys == nil ? .none : .all)
        if scheme == .none { return nil }
        guard let keys else { throw ValidationError("--scheme \(scheme.name) needs --keys") }
        var options = Encryption.Options()
        options.scheme = scheme
        options.resynchronisation = resync
        options.selection = selection
        options.cipher = cipher
        options.profile = profile
        options.feedback = feedback
        if let elements {
            guard let set = ElementSet(names: elements) else {
                throw ValidationError("--elements takes names out of \(ElementSet.allNames.joined(separator: ", "))")
            }
            options.elements = set
        }
        if let nonce {
            guard let bytes = bytes(hexadecimal: nonce), bytes.count == 16 else {
                throw ValidationError("--nonce takes 32 hexadecimal digits")
            }
            options.nonce = bytes
        }
        return try Encryption(options: options, layers: layers, keys: KeyRing(reference: keys))
    }

    private func bytes(hexadecimal text: String) -> [UInt8]? {
        let digits = text.map(\.hexDigitValue)
        guard digits.count % 2 == 0, !digits.contains(nil) else { return nil }
        return stride(from: 0, to: digits.count, by: 2).map { UInt8((digits[$0] ?? 0) << 4 | (digits[$0 + 1] ?? 0)) }
    }
}
