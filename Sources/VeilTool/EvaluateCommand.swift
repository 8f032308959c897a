// SPDX-License-Identifier: GPL-2.0-or-later
import ArgumentParser
import VeilLab
import VeilMedia
import VeilSystem

/// The layer structures that are compared.
enum LayerStructure: String, ExpressibleByArgument {
    case single = "1"
    case double = "2x"
    case oneAndAHalf = "1.5x"
    case snr
}

struct EvaluateCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "evaluate",
        abstract: "Run the paper's experiment on clips or ready-made streams: report.html and report.json.",
        discussion: """
            veil evaluate clip.y4m other.mp4 -o evaluation --layers snr,2x,1.5x,1 --qp 22
            veil evaluate reference.bit -o evaluation --reference clip.y4m
            veil evaluate layers.mp4 -o evaluation
            """)

    @Argument(
        help: """
            Clips (anything encode reads), or clear HEVC or SHVC streams (.hevc, .265, .h265, .bit, .bin, and MP4 with \
            several layers).
            """)
    var inputs: [String]
    @OptionGroup var kind: ExperimentInputOptions
    @OptionGroup var experiment: ExperimentOptions
    @Option(help: "Layer structures for clips: snr, 2x, 1.5x, 1, comma separated.")
    var layers: String = "snr,2x,1.5x,1"
    @Option(
        help:
            """
            QPs of the enhancement layer, comma separated; as B/E with the base layer's (default: E + 4 for snr, \
            else E).
            """
    )
    var qp: String = "22"
    @Option(help: "Code at most this many frames of a clip.")
    var frames: Int = 25
    @Option(help: "x265 options; the default is the paper's structure: one I picture, then P pictures.")
    var x265Options: String = "bframes=0,scenecut=0"
    @Option(help: "Size of raw clips, as WxH.")
    var size: Size?
    @Option(help: "Clip that a stream was made of (for one stream).")
    var reference: String?
    @Option(help: "Keys and nonces to try each way of encrypting with.")
    var draws: Int = 3
    @Option(
        parsing: .upToNextOption,
        help: "Clips whose pictures the right ones are to be told from; by default windows of the clip itself.")
    var gallery: [String] = []
    @Option(help: "The frame that pictures show, from 0.")
    var figure: Int = 8
    @Flag(help: "Keep the streams.")
    var keep = false

    private struct Job {
        let input: String
        let structure: LayerStructure?
        let qp: (base: Int, enhancement: Int)
    }
    @OptionGroup var logging: LoggingOptions

    func run() throws {
        Interruption.endAtOnce()
        let jobs = try self.jobs()
        guard frames > 0, figure >= 0, (1...100).contains(draws) else {
            throw ValidationError("--frames takes 1 or more, --figure 0 or more, --draws 1 to 100")
        }
        guard reference == nil || jobs.count == 1 && jobs[0].structure == nil else {
            throw ValidationError("--reference goes with one stream")
        }
        try OutputFolder.makeForReport(experiment.output)
        let steps = jobs.reduce(0) {
            $0 + StreamEvaluation.steps(layers: $1.structure == .single ? 1 : 2, variants: 3)
                + ($1.structure == nil ? 0 : 1)
        }
        let progress = VeilLab.Progress(steps: steps, quiet: experiment.quiet)
        var report = EvaluationReport(
            version: VeilProgram.configuration.version, command: CommandLine.commandText, machine: Machine.description,
            runs: [])
        var pictures: [StreamEvaluation.Pictures] = []
        for job in jobs {
            let (run, shown) = try evaluate(job, progress)
            report.runs.append(run)
            pictures.append(shown)
            // The report grows with every stream, so that what was measured is there when a later one fails.
            try EvaluationPage.write(report, pictures: pictures, folder: experiment.output)
        }
        progress.finish()
        let folder = experiment.output
        print(#"{"report":"\#(folder)/report.html","json":"\#(folder)/report.json","streams":\#(report.runs.count)}"#)
    }

    private func jobs() throws -> [Job] {
        let structures = try layers.split(separator: ",").map { name -> LayerStructure in
            guard let structure = LayerStructure(rawValue: String(name)) else {
                throw ValidationError("--layers takes snr, 2x, 1.5x and 1")
            }
            return structure
        }
        let qps = try qp.split(separator: ",", omittingEmptySubsequences: false).map { item -> (Int?, Int) in
            let parts = item.split(separator: "/", omittingEmptySubsequences: false).map { Int($0) }
            guard let last = parts.last, let e = last, (0...51).contains(e), parts.count <= 2 else {
                throw ValidationError("--qp takes values of 0 to 51, as 22,26 or 26/22")
            }
            if parts.count == 1 { return (nil, e) }
            guard let b = parts[0], (0...51).contains(b) else {
                throw ValidationError("--qp takes values of 0 to 51, as 22,26 or 26/22")
            }
            return (b, e)
        }
        var result: [Job] = []
        for input in inputs {
            guard FileManager.default.fileExists(atPath: input) else {
                throw MediaError.cannotOpen(path: input, reason: "no such file")
            }
            if try kind.isStream(input) {
                result.append(Job(input: input, structure: nil, qp: (0, 0)))
                continue
            }
            for (base, enhancement) in qps {
                for structure in structures {
                    let b =
                        structure == .single
                        ? enhancement : base ?? (structure == .snr ? min(enhancement + 4, 51) : enhancement)
                    result.append(Job(input: input, structure: structure, qp: (b, enhancement)))
                }
            }
        }
        if result.isEmpty { throw ValidationError("nothing to evaluate") }
        return result
    }

    private func evaluate(
        _ job: Job, _ progress: VeilLab.Progress
    ) throws -> (EvaluationReport.Run, StreamEvaluation.Pictures) {
        var settings = StreamEvaluation.Settings()
        settings.name = job.input.lastOfPath.withoutSuffix
        settings.threads = max(experiment.threads, 1)
        settings.figureFrame = figure
        settings.draws = draws
        settings.gallery = gallery
        settings.folder = experiment.output
        settings.keepsStreams = keep
        guard let structure = job.structure else {
            let evaluation = StreamEvaluation(
                settings: settings, source: reference.map { path in { try self.open(path) } }, progress: progress)
            let copy = "\(experiment.output)/\(settings.name).clear.hevc"
            let stream = try kind.byteStream(of: job.input, copiedTo: copy)
            defer { if !keep, stream == copy { unlink(copy) } }
            return try evaluation.run(
                stream: stream,
                commands: [
                    "veil keygen -o keys.json --layers 3",
                    "veil encrypt \(job.input) -o bl.hevc --scheme bl --keys keys.json",
                    "veil decode bl.hevc -o bl.y4m", "veil measure \(reference ?? "clear.y4m") bl.y4m",
                ])
        }
        settings.structure = structure.rawValue
        settings.qp = structure == .single ? [job.qp.enhancement] : [job.qp.base, job.qp.enhancement]
        let stream = "\(experiment.output)/\(settings.name).\(structure.rawValue).qp\(job.qp.enhancement).clear.hevc"
        defer { if !keep { try? FileManager.default.removeItem(atPath: stream) } }
        var arguments = [
            job.input, "-o", stream, "--layers", structure.rawValue, "--qp",
            settings.qp.map(String.init).joined(separator: ","), "--scheme", "none",
            "--frames", String(frames), "--preset", experiment.preset, "--threads", String(experiment.threads),
        ]
        if !x265Options.isEmpty { arguments += ["--x265-options", x265Options] }
        if let size { arguments += ["--size", "\(size.width)x\(size.height)"] }
        progress.step(
            "\(settings.name): encoding \(structure.rawValue) at QP "
                + "\(settings.qp.map(String.init).joined(separator: "/"))"
        )
        try MeasuredProcess.runSelf(["encode"] + arguments)
        let evaluation = StreamEvaluation(settings: settings, source: { try self.open(job.input) }, progress: progress)
        return try evaluation.run(
            stream: stream,
            commands: [
                "veil keygen -o keys.json --layers 2",
                "veil encode " + arguments.map(CommandLine.quoted).joined(separator: " "),
                "veil encrypt \(stream) -o bl.hevc --scheme bl --cipher chaotic --profile paper --keys keys.json   # "
                    + "and all, el; maximal; aes-128-ctr",
                "veil decode bl.hevc -o bl.y4m", "veil measure \(job.input) bl.y4m --json",
            ])
    }

    private func open(_ path: String) throws -> VideoSource {
        try SourceInput.open(
            InputFile(path: path), size: size.map { ($0.width, $0.height) }, fps: nil, bitDepth: nil,
            threads: experiment.threads)
    }
}

extension CommandLine {
    /// An argument as a shell would take it.
    static func quoted(_ argument: String) -> String {
        argument.allSatisfy { $0.isLetter || $0.isNumber || "-_./,=:+@%".contains($0) } && !argument.isEmpty
            ? argument : "'" + argument.with("'\\''", for: "'") + "'"
    }

    /// The command that runs now.
    static var commandText: String { "veil " + arguments.dropFirst().map(quoted).joined(separator: " ") }
}
