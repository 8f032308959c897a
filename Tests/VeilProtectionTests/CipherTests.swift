// SPDX-License-Identifier: GPL-2.0-or-later
import Foundation
import Testing
import VeilEntropy

@testable import VeilProtection

private func randomRuns(_ count: Int, seed: UInt64) -> [BinRun] {
    var state = seed
    func next(_ n: Int) -> Int {
        state = state &* 6364136223846793005 &+ 1442695040888963407
        return Int((state >> 33) % UInt64(n))
    }
    return (0..<count).map { _ in
        switch next(7) {
        case 0:
            let n = 1 + next(15)
            let bins = UInt32(next(1 << n))
            return BinRun(.mvdSuffix, bins: bins, count: n, value: Int32((1 << n) + Int(bins)), prefix: UInt8(n - 1))
        case 1: return BinRun(.mvdSign, bins: UInt32(next(2)), count: 1, value: 7)
        case 2:
            let n = 1 + next(16)
            return BinRun(
                .coeffSign, bins: UInt32(next(1 << n)), count: n, frozen: next(9) == 0 ? UInt32(next(1 << n)) : 0)
        case 3:
            let p = next(5)
            let prefix = next(4)
            let bins = p == 0 ? 0 : UInt32(next(1 << p))
            return BinRun(
                .coeffSuffix, bins: bins, count: p, value: Int32(prefix << p + Int(bins)), riceParam: UInt8(p),
                baseLevel: UInt8(1 + next(3)),
                prefix: UInt8(prefix), flags: next(4) == 0 ? .lastInSubBlock : [])
        case 4:
            let n = 2 + next(10)
            let bins = UInt32(next(1 << n))
            return BinRun(
                .coeffSuffix, bins: bins, count: n, value: Int32((1 << n) + Int(bins)), riceParam: 1, baseLevel: 1,
                prefix: UInt8(n + 2))
        case 5: return BinRun(.saoBandPosition, bins: UInt32(next(32)), count: 5)
        default: return BinRun(.dqpSign, bins: UInt32(next(2)), count: 1, value: 3)
        }
    }
}

private let keys = KeyRing(layers: [
    LayerKey(layer: 0, id: "zero", key: SecretBytes(Array(0..<32))),
    LayerKey(layer: 1, id: "one", key: SecretBytes(Array(0..<32))),
])

@Test(arguments: CipherKind.allCases, ElementProfile.allCases)
func decryptionUndoesEncryption(cipher: CipherKind, profile: ElementProfile) throws {
    for feedback in [false, true] {
        var options = Encryption.Options()
        options.cipher = cipher
        options.profile = profile
        options.feedback = feedback
        let encryption = try Encryption(options: options, layers: [0, 1], keys: keys)
        let decryption = Decryption(keys: keys)
        for layer in 0...1 { try decryption.add(try #require(encryption.message(layer: layer, period: 4))) }
        #expect(decryption.periodStart(layer: 0, isIRAP: true)?.period == 4)
        #expect(decryption.periodStart(layer: 0, isIRAP: true)?.period == nil)
        var outputs: [[UInt32]] = []
        for layer in 0...1 {
            let e = try #require(encryption.makeHook(layer: layer))
            let d = try #require(decryption.makeHook(layer: layer))
            var changed: [UInt32] = []
            for unit in 0..<4 {
                let id = BinUnit(layer: layer, period: 4, pocDelta: unit / 2, ctuAddress: unit % 2)
                e.begin(id)
                d.begin(id)
                // The same runs in every unit: what differs is the keystream.
                for run in randomRuns(3000, seed: 5) {
                    let cipherText = e.replace(run)
                    var received = run
                    received.bins = cipherText
                    if run.element == .coeffSuffix || run.element == .mvdSuffix {
                        received.value = run.value - Int32(run.bins) + Int32(cipherText)
                    }
                    #expect(d.replace(received) == run.bins)
                    #expect((cipherText ^ run.bins) & run.frozen == 0)
                    changed.append(cipherText)
                }
            }
            outputs.append(changed)
            // No two units have the same encrypted values.
            let units = (0..<4).map { Array(changed[($0 * 3000)..<($0 * 3000 + 3000)]) }
            #expect(Set(units).count == 4)
        }
        // Nor have two layers, though their keys are the same.
        #expect(outputs[0] != outputs[1])
    }
}

@Test func signsFlipHalfOfTheTime() throws {
    let encryption = try Encryption(options: .init(), layers: [0], keys: keys)
    let hook = try #require(encryption.makeHook(layer: 0))
    hook.begin(BinUnit(layer: 0, period: 0, pocDelta: 0, ctuAddress: 0))
    var flips = 0
    for i in 0..<20000 {
        flips += Int(hook.replace(BinRun(.mvdSign, bins: UInt32(i & 1), count: 1, value: 3))) ^ (i & 1)
    }
    #expect(abs(flips - 10000) < 400)
}

@Test func schemesCoverTheirLayers() {
    #expect([0, 1, 2].map { Scheme.bl.covers($0, of: [0, 1, 2]) } == [true, false, false])
    #expect([0, 1, 2].map { Scheme.el.covers($0, of: [0, 1, 2]) } == [false, false, true])
    #expect([0, 1, 2].map { Scheme.all.covers($0, of: [0, 1, 2]) } == [true, true, true])
    #expect([0, 1, 2].map { Scheme.none.covers($0, of: [0, 1, 2]) } == [false, false, false])
}

@Test func wrongAndMissingKeysAreNamed() throws {
    let encryption = try Encryption(options: .init(), layers: [0, 1], keys: keys)
    let message = try #require(encryption.message(layer: 1, period: 0))
    let wrong = Decryption(keys: KeyRing(layers: [LayerKey(layer: 1, id: "one", key: SecretBytes(Array(1..<33)))]))
    #expect(throws: KeyError.wrong(layer: 1, id: "one", source: "keys")) { try wrong.add(message) }
    let missing = Decryption(keys: KeyRing(layers: [LayerKey(layer: 0, id: "zero", key: SecretBytes(Array(0..<32)))]))
    #expect(throws: KeyError.missing(layer: 1, id: "one", source: "keys")) { try missing.add(message) }
    let partial = Decryption(keys: KeyRing(layers: []), lenient: true)
    try partial.add(message)
    #expect(partial.lockedLayers == [1])
    #expect(partial.makeHook(layer: 1) == nil)
    #expect(throws: KeyError.noKeyForLayer(layer: 2, source: "keys")) {
        try Encryption(options: .init(), layers: [0, 1, 2], keys: keys)
    }
}

@Test func messagesRoundTripAndNeverTrap() throws {
    var options = Encryption.Options()
    options.resynchronization = .stream
    options.selection.irapOnly = true
    options.selection.minTemporalId = 2
    options.selection.regions = [
        EncryptionScope.Region(x: 8, y: 16, width: 300, height: 65535),
        EncryptionScope.Region(x: 0, y: 0, width: 1, height: 2),
    ]
    options.authenticates = true
    let encryption = try Encryption(options: options, layers: [0, 1], keys: keys)
    let message = try #require(encryption.message(layer: 1, period: 0xFFFF_FFFE))
    let payload = message.payload
    #expect(try ProtectionMessage(payload: payload) == message)
    for count in 0..<16 { #expect(try ProtectionMessage(payload: Array(payload.prefix(count))) == nil) }
    for count in 16..<payload.count {
        #expect(throws: ProtectionMessage.ParseError.self) {
            try ProtectionMessage(payload: Array(payload.prefix(count)))
        }
    }
    for at in 16..<payload.count {
        for value in 0...255 {
            var damaged = payload
            damaged[at] = UInt8(value)
            _ = try? ProtectionMessage(payload: damaged)
        }
    }
}

@Test func keyFilesRoundTripAndHideKeys() throws {
    var ring = KeyRing.generate(layers: 3, cipher: .aes256, profile: .maximal, keyBytes: 24)
    ring.source = "test"
    let again = try KeyRing(json: try ring.json(), source: "test")
    #expect(again.layers == ring.layers)
    let secret = Hexadecimal.encode(ring.layers[0].key.bytes)
    for text in ["\(ring)", "\(ring.layers[0])", String(reflecting: ring)] { #expect(!text.contains(secret)) }
    var dumped = ""
    dump(ring, to: &dumped)
    #expect(!dumped.contains(secret))

    let folder = FileManager.default.temporaryDirectory.appendingPathComponent("veil-keys-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    let path = folder.appendingPathComponent("keys.json").path
    try ring.write(path: path)
    #expect(try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int == 0o600)
    #expect(throws: KeyError.exists(path: path)) { try ring.write(path: path) }
    #expect(try KeyRing(reference: path).layers == ring.layers)
    #expect(throws: KeyError.self) { try KeyRing(reference: folder.appendingPathComponent("none.json").path) }
}

@Test func malformedKeyFilesAreRefused() throws {
    for text in [
        "", "{}", "[]", "{\"version\": 2, \"layers\": []}", "{\"version\": 1, \"layers\": []}",
        "{\"version\": 1, \"layers\": [{\"layer\": 0, \"id\": \"a\", \"key\": \"00\"}]}",
        "{\"version\": 1, \"layers\": [{\"layer\": 0, \"id\": \"a\", \"key\": \"zz112233445566778899aabbccddeeff\"}]}",
        "{\"version\": 1, \"layers\": [{\"layer\": 99, \"id\": \"a\", \"key\": \"00112233445566778899aabbccddeeff\"}]}",
        "{\"version\": 1, \"layers\": [{\"layer\": 0, \"id\": \"\", \"key\": \"00112233445566778899aabbccddeeff\"}]}",
        """
        {\"version\": 1, \"layers\": [{\"layer\": 0, \"id\": \"a\", \"key\": \"00112233445566778899aabbccddeeff\", \
        \"cipher\": \"rot13\"}]}
        """,
    ] {
        #expect(throws: KeyError.self) { try KeyRing(json: Data(text.utf8), source: "k") }
    }
}

@Test func derivedKeysDifferByLayer() throws {
    let text =
        "{\"version\": 1, \"master\": {\"id\": \"m\", \"key\": \"000102030405060708090a0b0c0d0e0f\", \"layers\": 3}}"
    let ring = try KeyRing(json: Data(text.utf8), source: "k")
    #expect(ring.layers.map(\.id) == ["m/0", "m/1", "m/2"])
    #expect(Set(ring.layers.map(\.key)).count == 3)
}

/// Key files that would not do what they seem to.
@Suite struct KeyFileTests {
    private static let key = "f00102030405060708090a0b0c0d0e0f"

    @Test(arguments: [
        #"{"version": 1, "layers": [{"layer": 0, "id": "a", "key": "KEY", "ciphr": "aes-256-ctr"}]}"#,
        #"{"version": 1, "layer": [], "layers": [{"layer": 0, "id": "a", "key": "KEY"}]}"#,
        #"{"version": 1, "master": {"id": "a", "key": "KEY", "layers": 2, "Profile": "maximal"}}"#,
        #"{"version": 1, "layers": [{"layer": 0, "id": "a", "key": "00000000000000000000000000000000"}]}"#,
        #"{"version": 1, "layers": [{"layer": 0, "id": "kUPPER", "key": "KEY"}]}"#,
        #"{"version": 1, "master": {"id": "KEY", "key": "KEY", "layers": 2}}"#,
    ])
    func refused(text: String) {
        let text = text.replacingOccurrences(of: "KEY", with: Self.key)
            .replacingOccurrences(of: "UPPER", with: Self.key.uppercased())
        #expect(throws: KeyError.self) { try KeyRing(json: Data(text.utf8), source: "k") }
    }

    @Test func taken() throws {
        let text =
            #"{"version": 1, "layers": [{"layer": 0, "id": "a", "key": "KEY", "cipher": "aes-128-ctr", "#
            + #""profile": "paper", "elements": "coeff-sign", "feedback": false}]}"#
        let ring = try KeyRing(json: Data(text.replacingOccurrences(of: "KEY", with: Self.key).utf8), source: "k")
        #expect(ring.layers.count == 1)
    }
}
