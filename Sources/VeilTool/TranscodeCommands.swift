// SPDX-License-Identifier: GPL-2.0-or-later
import ArgumentParser
import Veil
import VeilMedia
import VeilSystem

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
    @OptionGroup var form: StreamOutputOptions
    @Option(help: "Worker threads.")
    var threads: Int = ProcessInfo.processInfo.activeProcessorCount
    @OptionGroup var logging: LoggingOptions

    static func sidecar(_ path: String) throws -> Sidecar {
        try Sidecar(
            text: String(decoding: try InputFile(path: path).readAll(limit: 1 << 24), as: UTF8.self), source: path)
    }

    func run() throws {
        try CommandFiles.check(reads: [input, sidecar], keys: [keys], writes: [output])
        let transcoder = VideoTranscoder(
            .decrypt(
                keys: try KeyRing(reference: keys), partial: partial, verification: verification.options,
                sidecar: try sidecar.map(Self.sidecar)),
            threads: max(threads, 1))
        let file = try HeldOutput(path: output, form)
        try file.transcode(input, transcoder)
        let report = transcoder.report
        for message in report.messages { warn("\(input): \(message)") }
        for layer in report.lockedLayers { warn("\(input): layer \(layer) stays encrypted") }
        let isWhole = VerificationFlags.tell(report.verification, of: input)
        if report.failedSlices > 0 || !isWhole { throw ExitCode(2) }
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

    /// Encrypts a stream: all of it, or as far as the policy allows. Says what became of its slices.
    func encrypt(
        _ input: String, _ transcoder: VideoTranscoder, _ protection: ProtectionOptions, to file: HeldOutput
    )
        throws
    {
        try file.transcode(input, transcoder) {
            if let encryption = transcoder.encryptions.last { try protection.writeSidecar(encryption) }
        }
        let report = transcoder.report
        for message in report.messages { warn("\(input): \(message)") }
        for (layer, count) in report.unchangedSlices.sorted(by: { $0.key < $1.key }) {
            info("layer \(layer): \(count) slices have no bin that can be encrypted, or too few to change")
        }
        tellHidden((report.hiddenPictures, report.hidingBytes))
        if report.droppedSlices > 0 { warn("\(input): \(report.droppedSlices) slices were left out") }
        if report.sealedSlices > 0 { warn("\(input): \(report.sealedSlices) slices were sealed") }
    }

    /// Ends the program with a status of its own where something was left in the clear.
    func check(_ report: VideoTranscoder.Report, _ input: String) throws {
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
    @OptionGroup var form: StreamOutputOptions
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
        var (keys, options) = try protection.transcoding("encrypt")
        options.tiles = wantedTiles
        if options.hiding != .none && wantedTiles != nil {
            throw ValidationError("--hide seals whole pictures, which have no --tiles")
        }
        let transcoder = VideoTranscoder(
            .encrypt(keys: keys, options: options), threads: max(threads, 1), damaged: damage.damaged,
            signals: protection.signal == .sei)
        let file = try HeldOutput(path: output, form)
        try damage.encrypt(input, transcoder, protection, to: file)
        let report = transcoder.report
        info(
            "\(report.pictures) pictures, \(file.bytesWritten) bytes, of which \(report.messageBytes) are "
                + "encryption messages"
        )
        let runs = transcoder.encryptions
        for (index, run) in runs.enumerated() {
            if runs.count > 1 { info("run \(index + 1) of \(runs.count), as the layers change:") }
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

            Tags, scheme, elements, selected and hidden pictures stay as they were where no option says otherwise (where
            keystreams restart does not: --resync); of a stream encrypted in regions, --roi says which are. Less than
            was encrypted is refused. Exit status 2: pictures of an authenticated stream are missing, or streams were
            joined.

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
    @OptionGroup var form: StreamOutputOptions
    @Option(help: "Worker threads.")
    var threads: Int = ProcessInfo.processInfo.activeProcessorCount
    @OptionGroup var logging: LoggingOptions

    func run() throws {
        try CommandFiles.check(
            reads: [input, oldSidecar], keys: [oldKeys, protection.keys], writes: [output, protection.sidecar])
        let (keys, options) = try protection.transcoding("rekey")
        let transcoder = VideoTranscoder(
            .rekey(
                from: try KeyRing(reference: oldKeys), verification: verification.options,
                sidecar: try oldSidecar.map(DecryptCommand.sidecar), keys: keys, options: options),
            threads: max(threads, 1), damaged: damage.damaged, signals: protection.signal == .sei)
        try damage.encrypt(input, transcoder, protection, to: try HeldOutput(path: output, form))
        let isWhole = VerificationFlags.tell(transcoder.report.verification, of: input)
        try damage.check(transcoder.report, input)
        if !isWhole { throw ExitCode(2) }
    }
}
