// SPDX-License-Identifier: GPL-2.0-or-later
import VeilBitstream
import VeilEncoder

@testable import VeilProtection

/// Suites that encrypt clips of up to three layers, change them, and decrypt them again.
protocol ProtectedClips: LayeredClips {}

extension ProtectedClips {
    static func keys(_ fill: UInt8 = 1) -> KeyRing {
        KeyRing(
            layers: (0..<3).map {
                LayerKey(
                    layer: $0, id: "k\(fill)\($0)", key: SecretBytes([UInt8](repeating: fill + UInt8($0), count: 32)),
                    cipher: .aes256)
            })
    }

    func clip(_ layers: Int = 2, qp: String = "30") throws -> [NALUnit] {
        let sizes = [
            ClipLayer(width: 64, height: 48), ClipLayer(width: 96, height: 72), ClipLayer(width: 128, height: 96),
        ]
        return try encode(
            Array(sizes.prefix(layers)), frames: 8,
            options: [("keyint", "4"), ("min-keyint", "4"), ("bframes", "0"), ("qp", qp), ("open-gop", "0")]
        ) { $0.sendsHashes = false }.nals
    }

    func transcode(
        _ nals: [NALUnit], _ mode: StreamTranscoder.Mode, damaged: DamagePolicy = .error
    ) throws -> [NALUnit] {
        var result: [NALUnit] = []
        let transcoder = StreamTranscoder(mode: mode, threads: 2, damaged: damaged) { result.append($0) }
        for nal in nals { try transcoder.push(nal) }
        try transcoder.finish()
        return result
    }

    func encrypt(
        _ nals: [NALUnit], damaged: DamagePolicy = .error, _ change: (inout Encryption.Options) -> Void
    ) throws -> [NALUnit] {
        var options = Encryption.Options()
        change(&options)
        return try transcode(nals, .plan(ProtectionPlan(options: options, keys: Self.keys())), damaged: damaged)
    }

    func elOnly(_ options: inout Encryption.Options) {
        options.scheme = .el
        options.authenticates = true
    }

    /// Nil: refused.
    func decrypt(_ nals: [NALUnit], strict: Bool = false) -> (given: [NALUnit], report: VerificationReport)? {
        var options = VerificationOptions()
        options.isStrict = strict
        let decryption = Decryption(keys: Self.keys(), verification: options)
        guard let given = try? transcode(nals, .decrypt(decryption)) else { return nil }
        return (given, decryption.report)
    }

    func accessUnits(_ nals: [NALUnit]) -> [[NALUnit]] {
        var grouping = AccessUnitGrouping()
        var result = nals.compactMap { grouping.push($0) }
        if let last = grouping.finish() { result.append(last) }
        return result
    }

    func isSlice(_ nal: NALUnit, _ layer: Int) -> Bool {
        nal.header.nalUnitType.isSlice && nal.header.nuhLayerId == layer
    }

    func decryption(
        _ keys: KeyRing = Self.keys(), lenient: Bool = false, _ change: (inout VerificationOptions) -> Void = { _ in }
    ) -> Decryption {
        var options = VerificationOptions()
        change(&options)
        return Decryption(keys: keys, lenient: lenient, verification: options)
    }

    func tagged(_ options: inout Encryption.Options) { options.authenticates = true }
}
