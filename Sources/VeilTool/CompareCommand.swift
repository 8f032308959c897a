// SPDX-License-Identifier: GPL-2.0-or-later
import ArgumentParser
import VeilLab
import VeilMedia
import VeilProtection
import VeilSystem

struct CompareCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "compare",
        abstract:
            """
            Encryption in the loop against encryption after it, a whole-stream cipher, and decoding and encoding \
            again.
            """,
        discussion: "veil compare clip.y4m -o comparison --layers 2x --qp 26,26 --rounds 5")

    @OptionGroup var input: InputOptions
    @OptionGroup var experiment: ExperimentOptions
    @Option(help: "Layers: 2x, 1.5x, snr, or 1.")
    var layers: LayerStructure = .double
    @Option(help: "QP of each layer; 26 by default.")
    var qp: String?
    @Option(help: "Layers to encrypt: bl, all, el.")
    var scheme = Named(Scheme.all)
    @Option(help: "chaotic, aes-128-ctr, aes-256-ctr, chacha20.")
    var cipher = Named(CipherKind.aes128)
    @Option(help: "paper or maximal.")
    var profile = Named(ElementProfile.paper)
    @Option(help: "Code at most this many frames.")
    var frames: Int = 25
    @Option(help: "How often everything is run.")
    var rounds: Int = 5
    @Option(help: "Further x265 options for the base layer, as name=value, comma separated.")
    var x265Options: String = ""
    @Flag(help: "Keep the streams.")
    var keep = false
    @OptionGroup var logging: LoggingOptions

    func run() throws {
        Interruption.endAtOnce()
        guard scheme.value != .none else { throw ValidationError("--scheme takes bl, all or el") }
        guard (1...100).contains(rounds), frames > 0 else {
            throw ValidationError("--rounds takes 1 to 100, --frames 1 or more")
        }
        guard input.input != "-" else {
            throw ValidationError("compare reads its clip several times: a file is needed")
        }
        if let qp { try layers.check(qp: qp) }
        var settings = Comparison.Settings()
        settings.clip = input.input
        settings.layers = layers.rawValue
        settings.qp = qp ?? (layers == .single ? "26" : "26,26")
        settings.scheme = scheme.value
        settings.cipher = cipher.value
        settings.profile = profile.value
        settings.frames = frames
        settings.rounds = rounds
        settings.preset = experiment.preset
        settings.x265Options = x265Options
        settings.threads = max(experiment.threads, 1)
        settings.folder = experiment.output
        try OutputFolder.makeForReport(experiment.output)
        settings.keepsStreams = keep
        if let size = input.size { settings.inputArguments += ["--size", "\(size.width)x\(size.height)"] }
        if let fps = input.fps { settings.inputArguments += ["--fps", "\(fps.numerator)/\(fps.denominator)"] }
        if let depth = input.inputDepth { settings.inputArguments += ["--input-depth", String(depth)] }
        let progress = VeilLab.Progress(steps: Comparison.steps(rounds: rounds), quiet: experiment.quiet)
        let report = try Comparison(settings: settings, progress: progress).run(
            version: VeilProgram.configuration.version, command: CommandLine.commandText)
        progress.finish()
        let files = try ComparisonPage.write(report, folder: experiment.output)
        for m in report.methods {
            let text = m.name.padded(to: 42)
            warn(
                "(\(m.id)) \(text) "
                    + String(
                        printf: "CPU %.2f s, x%.3f of clear, %d bytes", m.cpuSeconds.median, m.cpuRatio.median, m.bytes)
            )
        }
        print(
            #"{"report":"\#(files.html)","json":"\#(files.json)","inLoopEqualsPostHoc":\#(report.inLoopEqualsPostHoc)}"#
        )
        if !report.inLoopEqualsPostHoc {
            warn("in-loop and post-hoc encryption differ from byte \(report.firstDifference ?? 0) on")
            throw ExitCode(2)
        }
    }
}

/// The whole-stream cipher that `compare` measures against; of no other use.
struct NALCipherCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "nal-cipher", abstract: "AES over every NAL payload, for comparison.", shouldDisplay: false)

    @Argument var input: String
    @Option(name: .shortAndLong) var output: String
    @Option var keys: String
    @Option var nonce: String
    @Flag var decrypt = false

    func run() throws {
        let digits = nonce.compactMap(\.hexDigitValue)
        guard digits.count == 32 else { throw ValidationError("--nonce takes 32 hexadecimal digits") }
        let bytes = (0..<16).map { UInt8(digits[2 * $0] << 4 | digits[2 * $0 + 1]) }
        try WholeStreamCipher.run(
            input, to: output, keys: try KeyRing(reference: keys), nonce: bytes, decrypts: decrypt)
    }
}
