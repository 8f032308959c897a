// SPDX-License-Identifier: GPL-2.0-or-later
import ArgumentParser
import Veil
import VeilMedia

extension Scheme: ExpressibleByArgument {
    public init?(argument: String) { self.init(name: argument) }
    public static var allValueStrings: [String] { allCases.map(\.name) }
    public static var allValueDescriptions: [String: String] { [:] }
    public var defaultValueDescription: String { name }
}

extension CipherKind: ExpressibleByArgument {
    public init?(argument: String) {
        self.init(name: argument)
        if self == .custom { return nil }
    }
    public static var allValueStrings: [String] { allCases.map(\.name) }
    public static var allValueDescriptions: [String: String] { [:] }
    public var defaultValueDescription: String { name }
}

extension ElementProfile: ExpressibleByArgument {
    public init?(argument: String) { self.init(name: argument) }
    public static var allValueStrings: [String] { allCases.map(\.name) }
    public static var allValueDescriptions: [String: String] { [:] }
    public var defaultValueDescription: String { name }
}

extension Resynchronization: ExpressibleByArgument {
    public init?(argument: String) { self.init(name: argument) }
    public static var allValueStrings: [String] { allCases.map(\.name) }
    public static var allValueDescriptions: [String: String] { [:] }
    public var defaultValueDescription: String { name }
}

/// A value that help shows by its name where it is the default; of enumerations ArgumentParser shows the raw value.
struct Named<Value: ExpressibleByArgument & Sendable>: ExpressibleByArgument, Sendable {
    let value: Value

    init(_ value: Value) { self.value = value }

    init?(argument: String) {
        guard let value = Value(argument: argument) else { return nil }
        self.value = value
    }

    static var allValueStrings: [String] { Value.allValueStrings }
    static var defaultCompletionKind: CompletionKind { Value.defaultCompletionKind }
    var defaultValueDescription: String { value.defaultValueDescription }
}

/// How a stream is encrypted.
struct ProtectionOptions: ParsableArguments {
    @Option(help: "Layers to encrypt: none, bl, all, el (default: all when keys are given; rekey: as it was).")
    var scheme: Scheme?
    @Option(help: "Key file, env:NAME or fd:N.")
    var keys: String?
    @Option(help: "In place of the key file's: chaotic, aes-128-ctr, aes-256-ctr, chacha20.")
    var cipher: CipherKind?
    @Option(help: "In place of the key file's: paper or maximal.")
    var profile: ElementProfile?
    @Option(
        help: """
            Syntax elements, comma separated: mvd, mvd-sign, coeff, coeff-sign, dqp-sign (the paper's), sao-sign, \
            sao-band, sao-class, sao-offset, pcm, merge, ref, part, dqp, intra-luma, intra-chroma.
            """)
    var elements: String?
    @Option(help: "Where keystreams restart: substream, or stream (one chain over a layer, as in the paper).")
    var resync = Named(Resynchronization.substream)
    @Flag(inversion: .prefixedNo, help: "Equation (3)'s feedback (default: with the chaotic generator).")
    var feedback: Bool?
    @Option(
        help: ArgumentHelp("For tests only: the nonce of the first run, 32 hexadecimal digits.", visibility: .hidden))
    var nonce: String?
    @Flag(help: "Add an authentication tag to each picture of each encrypted layer, so that changes are detected.")
    var authenticate = false
    @Option(
        help: """
            Pictures to seal whole, with a stand-in for who has no key: 0 none (people and things can be recognized), \
            1 IRAP pictures (what moves can be), 2 those of the lowest temporal sub-layer too, 3 all (grey; only \
            types, sizes and timing of pictures can be seen).
            """)
    var hide: Int?
    @Option(
        help: "Where decryptors learn how the stream is encrypted: sei (messages in the stream) or none (--sidecar).")
    var signal: Signal = .sei
    @Option(help: "With --signal none: file for what decryptors need beside the keys.")
    var sidecar: String?
    @Flag(help: "Encrypt IRAP pictures only.")
    var irapOnly = false
    @Option(help: "Encrypt pictures of this temporal sub-layer and above only.")
    var minTemporalId: Int = 0
    @Option(
        help:
            """
            Encrypt CTUs only that touch this region, x,y,w,h in luma samples of the highest layer; may be given \
            several times.
            """
    )
    var roi: [String] = []

    enum Signal: String, ExpressibleByArgument, CaseIterable { case sei, none }

    func validate() throws {
        guard (0...6).contains(minTemporalId) else { throw ValidationError("--min-temporal-id takes 0 to 6") }
        guard HiddenPictures(rawValue: hide ?? 0) != nil else { throw ValidationError("--hide takes 0 to 3") }
        if hide ?? 0 > 0 && !roi.isEmpty {
            throw ValidationError("--hide seals whole pictures, which have no --roi")
        }
        if hide ?? 0 > 0 && minTemporalId > 0 {
            throw ValidationError("--hide seals IRAP pictures, which --min-temporal-id leaves clear")
        }
        if hide ?? 0 > 1 && irapOnly {
            throw ValidationError("--hide \(hide ?? 0) seals pictures that --irap-only leaves clear: take --hide 1")
        }
        if signal == .none && sidecar == nil { throw ValidationError("--signal none needs --sidecar FILE") }
        if signal == .sei && sidecar != nil { throw ValidationError("--sidecar goes with --signal none") }
        if signal == .none && authenticate {
            throw ValidationError("--authenticate puts tags into the stream, --signal none nothing")
        }
        _ = try regions()
    }

    private func regions() throws -> [EncryptionScope.Region] {
        guard roi.count <= EncryptionScope.maxRegions else {
            throw ValidationError("--roi can be given \(EncryptionScope.maxRegions) times")
        }
        return try roi.map { text in
            let v = text.split(separator: ",").map { Int($0) ?? -1 }
            guard v.count == 4, v.allSatisfy({ (0...65535).contains($0) }), v[2] > 0, v[3] > 0 else {
                throw ValidationError("--roi takes x,y,w,h in luma samples")
            }
            return EncryptionScope.Region(x: v[0], y: v[1], width: v[2], height: v[3])
        }
    }

    /// The first option given that says how to encrypt, for commands that do not where there are no keys; nil, too,
    /// where `--scheme none` says that nothing is to be.
    var needsKeys: String? {
        if let scheme { return scheme == .none ? nil : "--scheme \(scheme.name)" }
        let given: [(String, Bool)] = [
            ("--cipher", cipher != nil), ("--profile", profile != nil), ("--elements", elements != nil),
            ("--resync", resync.value != .substream), ("--feedback", feedback != nil), ("--nonce", nonce != nil),
            ("--authenticate", authenticate), ("--hide", hide ?? 0 > 0), ("--signal", signal == .none),
            ("--irap-only", irapOnly), ("--min-temporal-id", minTemporalId > 0), ("--roi", !roi.isEmpty),
        ]
        return given.first { $0.1 }?.0
    }

    /// Writes the sidecar file, where one is wanted. It is no secret.
    func writeSidecar(_ encryption: Encryption) throws {
        guard let sidecar else { return }
        let file = try OutputFile(path: sidecar)
        try file.write(encryption.sidecar.text.utf8)
        try file.finish()
    }

    /// How finished streams are encrypted, and with which keys.
    /// - Parameter command: whose options these are.
    func transcoding(_ command: String) throws -> (keys: KeyRing, options: Encryption.Options) {
        guard let keys, scheme != Scheme.none else {
            throw ValidationError("\(command) needs --keys and a --scheme other than none")
        }
        var options = try options()
        options.scheme = scheme ?? .all
        options.keepsScheme = scheme == nil
        options.keepsHiding = hide == nil
        return (try KeyRing(reference: keys), options)
    }

    /// All but the scheme.
    func options() throws -> Encryption.Options {
        var options = Encryption.Options()
        options.resynchronization = resync.value
        options.selection.irapOnly = irapOnly
        options.selection.minTemporalId = minTemporalId
        options.selection.regions = try regions()
        options.authenticates = authenticate
        options.hiding = HiddenPictures(rawValue: hide ?? 0) ?? .none
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
            warn("--nonce is for tests: two streams under one key and nonce give each other's contents away")
            options.nonce = bytes
        }
        return options
    }

    private func bytes(hexadecimal text: String) -> [UInt8]? {
        let digits = text.map(\.hexDigitValue)
        guard digits.count % 2 == 0, !digits.contains(nil) else { return nil }
        return stride(from: 0, to: digits.count, by: 2).map { UInt8((digits[$0] ?? 0) << 4 | (digits[$0 + 1] ?? 0)) }
    }
}

/// Says how many pictures were hidden, and how many bytes that added.
func tellHidden(_ hidden: (pictures: Int, bytes: Int)) {
    if hidden.pictures > 0 { info("\(hidden.pictures) pictures hidden, \(hidden.bytes) bytes more") }
}
