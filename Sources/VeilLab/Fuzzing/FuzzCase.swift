// SPDX-License-Identifier: GPL-2.0-or-later
import VeilBitstream
import VeilDecoder
import VeilEntropy
import VeilProtection

/// Runs a stream, whole or damaged, through everything that reads streams. Errors are expected; traps, hangs and
/// growth are not.
package struct FuzzCase {
    /// How the parts ended.
    package struct Outcome: Equatable, Sendable {
        package var pictures = 0
        package var output = 0
        package var concealedCTUs = 0
        package var hashMismatches = 0
        package var errors = 0
        package init() {}

        package mutating func add(_ other: Outcome) {
            pictures += other.pictures
            output += other.output
            concealedCTUs += other.concealedCTUs
            hashMismatches += other.hashMismatches
            errors += other.errors
        }
    }

    package let stream: [UInt8]
    package var threads = 1

    package init(stream: [UInt8], threads: Int = 1) {
        self.stream = stream
        self.threads = threads
    }

    /// Fixed keys for layers 0 to 2.
    package static let keys = KeyRing(
        layers: (0..<3).map {
            LayerKey(layer: $0, id: "fuzz\($0)", key: SecretBytes([UInt8](repeating: UInt8($0 + 1), count: 32)))
        })

    package func run() -> Outcome {
        var outcome = Outcome()
        decode(&outcome)
        inspect(&outcome)
        decrypt(&outcome)
        encrypt(&outcome)
        rekey(&outcome)
        edit(&outcome)
        return outcome
    }

    private func attempt(_ outcome: inout Outcome, _ body: () throws -> Void) {
        do { try body() } catch { outcome.errors += 1 }
    }

    /// Decodes all layers, decrypting where the stream says so and checking hashes.
    private func decode(_ outcome: inout Outcome) {
        let decryption = Decryption(keys: Self.keys, lenient: true)
        var options = Decoder.Options()
        options.output = .all
        options.verify = true
        options.threads = threads
        options.hooks = decryption.restarting
        options.prefixSEI = { nal in
            if let message = try ProtectionSEI.message(in: nal) { try decryption.add(message) }
        }
        var delivered = 0
        let decoder = Decoder(options: options) { _ in delivered += 1 }
        attempt(&outcome) { try eachUnit { try decoder.push($0) } }
        attempt(&outcome) { try decoder.finish() }
        outcome.output += delivered
        outcome.pictures += decoder.report.picturesDecoded
        outcome.concealedCTUs += decoder.report.concealedCTUs
        outcome.hashMismatches += decoder.report.hashMismatches
    }

    private func eachUnit(_ body: (NALUnit) throws -> Void) throws {
        var reader = AnnexBReader(bytes: stream)
        while let unit = try reader.nextUnit() { try body(unit) }
    }

    /// Reads all headers, unit by unit.
    private func inspect(_ outcome: inout Outcome) {
        let sets = ParameterSetCollection()
        var previous: SliceSegmentHeader?
        var errors = 0
        attempt(&outcome) {
            try eachUnit { nal in
                do {
                    let type = nal.header.nalUnitType
                    switch type {
                    case .vps, .sps, .pps: try sets.insert(nal)
                    case .prefixSEI, .suffixSEI:
                        _ = try ProtectionSEI.message(in: nal)
                        for message in try SEIMessage.messages(rbsp: nal.rbsp)
                        where message.payloadType == SEIMessage.decodedPictureHash {
                            _ = try DecodedPictureHash(payload: message.payload)
                        }
                    default:
                        if type.isSlice {
                            previous = try SliceSegmentHeader(
                                nal: nal.header, rbsp: nal.rbsp, sets: sets, previous: previous)
                        }
                    }
                } catch { errors += 1 }
            }
        }
        outcome.errors += errors
    }

    private func decrypt(_ outcome: inout Outcome) {
        // Clear pictures are let through: refused, they would end most cases at their first access unit.
        var verification = VerificationOptions()
        verification.allowsClear = true
        recode(&outcome, .decrypt(Decryption(keys: Self.keys, lenient: true, verification: verification)))
    }

    private func encrypt(_ outcome: inout Outcome) {
        var options = Encryption.Options()
        options.nonce = [UInt8](repeating: 7, count: 16)
        options.cipher = .aes128
        guard let encryption = try? Encryption(options: options, layers: [0, 1, 2], keys: Self.keys) else { return }
        recode(&outcome, .encrypt(encryption))
    }

    private func rekey(_ outcome: inout Outcome) {
        var options = Encryption.Options()
        options.nonce = [UInt8](repeating: 8, count: 16)
        options.cipher = .chacha20
        var verification = VerificationOptions()
        verification.allowsClear = true
        let old = Decryption(keys: Self.keys, lenient: true, verification: verification)
        recode(&outcome, .rekeyPlan(old, ProtectionPlan(options: options, keys: Self.keys)))
    }

    /// Leaves layers out, cuts, and joins to itself.
    private func edit(_ outcome: inout Outcome) {
        var bytes = 0
        func count(_ units: [NALUnit]) { bytes += units.reduce(0) { $0 + $1.bytes.count } }
        var extraction = LayerExtraction(layer: stream.count % 3, maxTemporalId: stream.count % 7)
        var splitting = StreamSplitting(every: 1 + stream.count % 2)
        var joining = StreamJoining(continuous: stream.count % 2 == 0)
        attempt(&outcome) {
            for unit in try AnnexBReader.units(of: stream, for: .editing) {
                count(extraction.extract(unit).map { [$0] } ?? [])
                count(splitting.push(unit) ?? [])
            }
            count(splitting.finish() ?? [])
        }
        attempt(&outcome) {
            for _ in 0..<2 {
                joining.begin()
                for unit in try AnnexBReader.units(of: stream, for: .editing) { count(try joining.push(unit)) }
                count(try joining.end())
            }
        }
    }

    private func recode(_ outcome: inout Outcome, _ mode: StreamTranscoder.Mode) {
        var bytes = 0
        let transcoder = StreamTranscoder(mode: mode, threads: threads) { bytes += $0.bytes.count }
        attempt(&outcome) { try eachUnit { try transcoder.push($0) } }
        attempt(&outcome) { try transcoder.finish() }
    }
}
