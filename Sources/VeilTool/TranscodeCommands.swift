// SPDX-License-Identifier: GPL-2.0-or-later
import ArgumentParser
import Foundation
import VeilBitstream
import VeilMedia
import VeilProtection

struct DecryptCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "decrypt", abstract: "Decrypt a stream without decoding it.",
        discussion: """
            EXAMPLES
              veil decrypt secret.hevc -o clear.hevc --keys keys.json
              veil decrypt - -o - --keys fd:3 3<keys.json <secret.hevc >clear.hevc
            """)

    @Argument(help: "Encrypted stream, '-' for standard input.")
    var input: String
    @Option(name: .shortAndLong, help: "Clear stream, '-' for standard output.")
    var output: String
    @Option(help: "Key file, env:NAME or fd:N.")
    var keys: String
    @Flag(help: "Leave layers encrypted for which the keys are not there.")
    var partial = false
    @Option(help: "Sidecar file of a stream without messages.")
    var sidecar: String?
    @OptionGroup var verification: VerificationFlags
    @Option(help: "Worker threads.")
    var threads: Int = ProcessInfo.processInfo.activeProcessorCount
    @OptionGroup var logging: LoggingOptions

    static func sidecar(_ path: String) throws -> Sidecar {
        try Sidecar(
            text: String(decoding: try InputFile(path: path).readAll(limit: 1 << 24), as: UTF8.self), source: path)
    }

    func run() throws {
        try CommandFiles.check(reads: [input, sidecar], keys: [keys], writes: [output])
        let decryption = Decryption(
            keys: try KeyRing(reference: keys), lenient: partial, verification: verification.options)
        if let sidecar { try decryption.take(try Self.sidecar(sidecar)) }
        let writer = try StreamWriter(path: output)
        let transcoder = StreamTranscoder(mode: .decrypt(decryption), threads: threads) { try writer.write($0) }
        try StreamInput.read(input, for: .passingOn, to: writer.output) { try transcoder.push($0) }
        try transcoder.finish()
        if decryption.signalledLayers.isEmpty { throw KeyError.notEncrypted(stream: input) }
        try writer.finish()
        transcoder.report.warn(input)
        for layer in decryption.lockedLayers { warn("\(input): layer \(layer) stays encrypted") }
        let isWhole = VerificationFlags.tell(decryption.report, of: input)
        if transcoder.report.failedSlices > 0 || !isWhole { throw ExitCode(2) }
    }
}

extension ProtectionOptions {
    /// Pushes a stream through a transcoder that encrypts what there is of it, following its parameter sets, and
    /// writes what it makes.
    /// - Parameters:
    ///   - tiles: the tiles to encrypt, in tile scan; nil: all.
    ///   - old: decrypts what is encrypted already.
    fileprivate func transcode(
        _ input: String, command: String, tiles: [Int]? = nil, from old: Decryption? = nil, threads: Int,
        damaged: DamagePolicy, to writer: StreamWriter
    ) throws -> (StreamTranscoder, ProtectionPlan) {
        guard let keys, scheme != Scheme.none else {
            throw ValidationError("\(command) needs --keys and a --scheme other than none")
        }
        let ring = try KeyRing(reference: keys)
        let plan = ProtectionPlan(tiles: tiles, followsSizes: !roi.isEmpty) { stream in
            let made = try encryption(
                layers: stream.layers, sizes: stream.layout.sizes(stream.layers),
                tiles: try tiles.map { try stream.layout.regions(tiles: $0, layers: stream.layers) } ?? [:],
                ring: ring, nonce: stream.nonce)
            guard let made else { throw ValidationError("\(command) needs --keys") }
            return made
        }
        let transcoder = StreamTranscoder(
            mode: old.map { .rekeyPlan($0, plan) } ?? .plan(plan), threads: threads, signals: signal == .sei,
            damaged: damaged
        ) { try writer.write($0) }
        do {
            try StreamInput.read(input, for: .passingOn, to: writer.output) { try transcoder.push($0) }
            try transcoder.finish()
            if plan.encryption == nil { throw MediaError.notSupported(path: input, what: "no pictures") }
            if let old, old.signalledLayers.isEmpty { throw KeyError.notEncrypted(stream: input) }
            try transcoder.checkSelection()
        } catch let error as ProtectionError {
            // What was found on the way may tell more.
            transcoder.report.warn(input)
            throw NamedError(name: input, error: error)
        }
        if let encryption = plan.encryption { try writeSidecar(encryption) }
        try writer.finish()
        transcoder.report.warn(input)
        let report = transcoder.report
        for (layer, count) in report.unchangedSlices.sorted(by: { $0.key < $1.key }) {
            info("layer \(layer): \(count) slices have no bin that can be encrypted, or too few to change")
        }
        if report.droppedSlices > 0 { warn("\(input): \(report.droppedSlices) slices were left out") }
        if report.sealedSlices > 0 { warn("\(input): \(report.sealedSlices) slices were sealed") }
        return (transcoder, plan)
    }
}

/// An error of a file.
struct NamedError: Error, CustomStringConvertible {
    let name: String
    let error: any Error
    var description: String { "\(name): \(error)" }
}

extension DamagePolicy: ExpressibleByArgument {}

/// What to do with slices that cannot be encrypted.
struct DamageOptions: ParsableArguments {
    @Option(
        help: """
            What becomes of slices that cannot be encrypted (damaged, or of a kind not understood): error, drop (left \
            out), seal (replaced by a unit that decoders ignore and decryption opens), pass (left in the clear; exit \
            status 3).
            """)
    var damaged: DamagePolicy = .error

    static let discussion = """
        A slice that cannot be encrypted stops the program, and no output is left.
        With --damaged drop, seal or pass it goes on: see there.

        EXIT STATUS
          0 all that was asked for is encrypted; 1 an error, no output;
          3 slices were left in the clear, as --damaged pass allows
        """

    func check(_ report: TranscodeReport, _ input: String) throws {
        if report.failedSlices > 0 {
            warn("\(input): \(report.failedSlices) slices were left IN THE CLEAR")
            throw ExitCode(3)
        }
    }
}

struct EncryptCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "encrypt", abstract: "Encrypt any stream without decoding it.",
        discussion: """
            EXAMPLES
              veil encrypt clear.hevc -o secret.hevc --keys keys.json --scheme all
              veil encrypt movie.mp4 -o secret.mp4 --keys keys.json --cipher chacha20
              veil encrypt clear.hevc -o secret.hevc --keys keys.json --roi 200,100,320,240
              veil encrypt cut.hevc -o secret.hevc --keys keys.json --damaged seal

            \(DamageOptions.discussion)
            """)

    @Argument(help: "Clear stream, '-' for standard input.")
    var input: String
    @Option(name: .shortAndLong, help: "Encrypted stream, '-' for standard output.")
    var output: String
    @OptionGroup var protection: ProtectionOptions
    @Option(help: "Encrypt these tiles only: indices in tile scan, comma separated.")
    var tiles: String?
    @OptionGroup var damage: DamageOptions
    @Option(help: "Worker threads.")
    var threads: Int = ProcessInfo.processInfo.activeProcessorCount
    @OptionGroup var logging: LoggingOptions

    func run() throws {
        try CommandFiles.check(reads: [input], keys: [protection.keys], writes: [output, protection.sidecar])
        let wantedTiles = try tiles.map { text in
            let list = text.split(separator: ",").map { Int($0) ?? -1 }
            guard !list.isEmpty, list.allSatisfy({ $0 >= 0 }) else {
                throw ValidationError("--tiles takes indices, as 0,2")
            }
            return list
        }
        let writer = try StreamWriter(path: output)
        let (transcoder, plan) = try protection.transcode(
            input, command: "encrypt", tiles: wantedTiles, threads: threads, damaged: damage.damaged, to: writer)
        let report = transcoder.report
        info(
            "\(report.pictures) pictures, \(writer.bytesWritten) bytes, of which \(report.messageBytes) are "
                + "encryption messages"
        )
        for (index, run) in plan.runs.enumerated() {
            if plan.runs.count > 1 { info("run \(index + 1) of \(plan.runs.count), as the layers change:") }
            for line in EncryptionSpace.lines(run, layerBytes: report.layerBytes) { info(line) }
        }
        try damage.check(report, input)
    }
}

struct RekeyCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "rekey", abstract: "Exchange the keys of an encrypted stream in one pass.",
        discussion: """
            EXAMPLES
              veil rekey old.hevc -o new.hevc --old-keys old.json --keys new.json

            \(DamageOptions.discussion)
            """)

    @Argument(help: "Encrypted stream, '-' for standard input.")
    var input: String
    @Option(name: .shortAndLong, help: "Stream encrypted anew, '-' for standard output.")
    var output: String
    @Option(help: "Keys of the stream as it is: key file, env:NAME or fd:N.")
    var oldKeys: String
    @Option(help: "Sidecar file of a stream without messages.")
    var oldSidecar: String?
    @OptionGroup var verification: VerificationFlags
    @OptionGroup var protection: ProtectionOptions
    @OptionGroup var damage: DamageOptions
    @Option(help: "Worker threads.")
    var threads: Int = ProcessInfo.processInfo.activeProcessorCount
    @OptionGroup var logging: LoggingOptions

    func run() throws {
        try CommandFiles.check(
            reads: [input, oldSidecar], keys: [oldKeys, protection.keys], writes: [output, protection.sidecar])
        let decryption = Decryption(keys: try KeyRing(reference: oldKeys), verification: verification.options)
        if let oldSidecar { try decryption.take(try DecryptCommand.sidecar(oldSidecar)) }
        let writer = try StreamWriter(path: output)
        let (transcoder, _) = try protection.transcode(
            input, command: "rekey", from: decryption, threads: threads, damaged: damage.damaged, to: writer)
        let isWhole = VerificationFlags.tell(decryption.report, of: input)
        try damage.check(transcoder.report, input)
        if !isWhole { throw ExitCode(2) }
    }
}

extension TranscodeReport {
    func warn(_ name: String) { for message in messages { VeilTool.warn("\(name): \(message)") } }
}

/// Writes NAL units to a file, complete or not at all, or to standard output. Nothing is written before the second
/// access unit begins, so that what is wrong with the keys of any layer shows first.
final class StreamWriter {
    let output: StreamOutput
    private var held: [NALUnit]? = []
    private var basePictures = 0

    init(path: String) throws { output = try StreamOutput(path: path) }

    var bytesWritten: Int { output.bytesWritten }

    func write(_ nal: NALUnit) throws {
        guard held != nil else { return try output.write(nal) }
        if nal.header.nalUnitType.isSlice, nal.header.nuhLayerId == 0, nal.bytes.count > 2, nal.bytes[2] & 0x80 != 0 {
            basePictures += 1
        }
        held?.append(nal)
        if basePictures == 2 { try release() }
    }

    private func release() throws {
        for nal in held ?? [] { try output.write(nal) }
        held = nil
    }

    func finish() throws {
        try release()
        try output.finish()
    }
}
