// SPDX-License-Identifier: GPL-2.0-or-later
import ArgumentParser
import VeilLab
import VeilMedia
import VeilSystem

struct AttackCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "attack",
        abstract: "What someone without the key gets out of a clip, or a clear stream, once it is encrypted.",
        discussion: """
            veil attack clip.y4m -o attack --layers 2x --qp 26,26
            veil attack layers.mp4 -o attack
            """)

    @OptionGroup var input: InputOptions
    @OptionGroup var kind: ExperimentInputOptions
    @OptionGroup var experiment: ExperimentOptions
    @Option(help: "Layers: 2x, 1.5x, snr, or 1 (for clips).")
    var layers: LayerStructure = .double
    @Option(help: "QP of base and enhancement layer (for clips); 26 of each by default.")
    var qp: String?
    private var rates: String { qp ?? (layers == .single ? "26" : "26,26") }
    @Option(help: "Code at most this many frames of a clip.")
    var frames: Int = 9
    @Option(help: "x265 options; by default P pictures between the I pictures.")
    var x265Options: String = "bframes=0,scenecut=0"
    @Option(help: "Most pictures between intra pictures (for clips).")
    var keyint: Int = 4
    @Option(
        parsing: .upToNextOption,
        help: "Clips whose pictures the right ones are to be told from; by default windows of the clip itself.")
    var gallery: [String] = []
    @Option(help: "How many pictures the right one is to be found among.")
    var gallerySize: Int = 100
    @Option(help: "How many keys to try; figures are means over them.")
    var keys: Int = 1
    @Option(help: "The frame that pictures show, from 0.")
    var figure: Int = 4
    @OptionGroup var logging: LoggingOptions

    func run() throws {
        Interruption.endAtOnce()
        guard frames > 0, figure >= 0 else { throw ValidationError("--frames takes 1 or more, --figure 0 or more") }
        guard (2...10000).contains(gallerySize), keyint > 0 else {
            throw ValidationError("--gallery-size takes 2 to 10000, --keyint 1 or more")
        }
        try layers.check(qp: rates)
        guard (1...100).contains(keys) else { throw ValidationError("--keys takes 1 to 100") }
        guard input.input != "-" else { throw ValidationError("attack reads its clip several times: a file is needed") }
        guard FileManager.default.fileExists(atPath: input.input) else {
            throw MediaError.cannotOpen(path: input.input, reason: "no such file")
        }
        try OutputFolder.makeForReport(experiment.output)
        let isStream = try kind.isStream(input.input)
        let steps = Attack.steps(layers: layers == .single ? 1 : 2) + (isStream ? 0 : 2)
        let progress = VeilLab.Progress(steps: steps, quiet: experiment.quiet)
        var settings = Attack.Settings()
        settings.clip = input.input.lastOfPath
        settings.threads = max(experiment.threads, 1)
        settings.figureFrame = figure
        settings.folder = experiment.output
        settings.gallery = gallery
        settings.gallerySize = gallerySize
        settings.keys = keys
        var stream = input.input
        var known: String?
        let temporary = ["attack-clear.hevc", "attack-known.y4m", "attack-known.hevc"].map {
            experiment.output + "/" + $0
        }
        defer { for path in temporary { unlink(path) } }
        if isStream {
            settings.layers = "as in the stream"
            stream = try kind.byteStream(of: input.input, copiedTo: temporary[0])
        } else {
            settings.layers = layers.rawValue
            settings.qp = rates
            stream = temporary[0]
            let source = try SourceInput.open(input, threads: experiment.threads)
            progress.step("encoding \(settings.clip)")
            try encode(input.input, stream, rates, raw: true)
            // What the attacker knows: a drawn clip of the same size, finely quantized, so that its units reach far.
            if source.format.bitDepth == 8 {
                progress.step("encoding a known clip")
                let clip = DemoClip(width: source.format.width, height: source.format.height)
                let writer = try VideoWriter(path: temporary[1], format: clip.format)
                for n in 0..<min(frames, 9) { try writer.write(clip.frame(n)) }
                try writer.finish()
                let fine = rates.split(separator: ",").map { String(max((Int($0) ?? 26) - 14, 2)) }.joined(
                    separator: ",")
                try encode(temporary[1], temporary[2], fine, raw: false)
                known = temporary[2]
            }
        }
        let (report, pictures) = try Attack(settings: settings, progress: progress).run(
            stream: stream, known: known, version: VeilProgram.configuration.version, command: CommandLine.commandText)
        progress.finish()
        let files = try AttackPage.write(report, pictures: pictures, folder: experiment.output)
        for line in AttackPage.conclusions(report) { warn(line) }
        print(#"{"report":"\#(files.html)","json":"\#(files.json)","attempts":\#(report.attempts.count)}"#)
    }

    private func encode(_ clip: String, _ stream: String, _ qp: String, raw: Bool) throws {
        var arguments = [
            "encode", clip, "-o", stream, "--layers", layers.rawValue, "--qp", qp, "--scheme", "none", "--frames",
            String(frames), "--keyint", String(keyint),
            "--preset", experiment.preset,
            "--threads", String(experiment.threads),
        ]
        if !x265Options.isEmpty { arguments += ["--x265-options", x265Options] }
        if raw, let size = input.size { arguments += ["--size", "\(size.width)x\(size.height)"] }
        if raw, let fps = input.fps { arguments += ["--fps", "\(fps.numerator)/\(fps.denominator)"] }
        if raw, let depth = input.inputDepth { arguments += ["--input-depth", String(depth)] }
        try MeasuredProcess.runSelf(arguments)
    }
}
