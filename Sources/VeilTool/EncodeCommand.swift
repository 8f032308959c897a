// SPDX-License-Identifier: GPL-2.0-or-later
import ArgumentParser
import Veil
import VeilMedia
import VeilSystem

struct EncodeCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "encode", abstract: "Encode clear video, encrypted or not.",
        discussion: """
            Access units go out as they are ready, so that a camera's pipe comes
            through at its pace. Ctrl-C ends the input: what was coded by then is
            finished and plays.

            EXAMPLES
              veil encode in.y4m -o out.hevc --layers 2x --qp 26,26 --keys keys.json
              veil encode in.mp4 -o - --layers snr --qp 32,26 --preset fast >out.hevc
              veil encode in.y4m -o out.hevc --layers 2x,snr --bitrate 800,2000,3000
              ffmpeg -i /dev/video0 -f yuv4mpegpipe - | veil encode - -o cam.hevc
              veil encode in.y4m -o out.hevc --layer-file layers.yaml
              veil encode left.y4m right.y4m -o stereo.hevc --layers view
              veil encode left.y4m right.y4m -o stereo.mp4 --layers view,2x --qp 28
              veil encode in.mov -o out.hevc --layers 1 --pix-fmt yuv422p10le
              veil encode in.y4m -o out.hevc --alpha alpha.y4m --qp 26,20

            A LAYER FILE (YAML or JSON), bottom up
              layers:
                - {ratio: 2x, bitrate: 800, keys: base.json}
                - {qp: 26, keys: env:PREMIUM, references: [0], preset: slow}
            Further keys: size, depth, crf, vbv-maxrate, vbv-bufsize, source,
            view (true, of a second view; the last one's source is the right eye's).
            Layers with keys of their own are encrypted; without ratio and size
            the top layer has the input's size.
            """)

    @OptionGroup var input: InputOptions
    @Argument(help: "With --layers view: the source for the right eye, of the input's size, depth and rate.")
    var right: String?
    @Option(name: .shortAndLong, help: "Output stream, '-' for standard output.")
    var output: String
    @Option(
        help:
            """
            Each enhancement layer relative to the one below it, bottom up: 2x, 1.5x, any ratio, snr (2x,snr makes \
            three layers); the size of every layer (640x360,1280x720); 1 for a single layer; view for two views, left \
            and right (MV-HEVC); or view,2x for both views in two sizes: left small, left, right small, right (any \
            ratio or snr, and more of them) (default: 2x).
            """
    )
    var layers: String?
    @Option(
        help:
            """
            Alpha of the pictures, for an auxiliary layer: y4m, or what ffmpeg reads, of the input's size and rate. Of \
            files with a plane of alpha (the input may be named once more) that plane is taken, of others luma. The \
            pictures then have a single layer.
            """
    )
    var alpha: String?
    @Option(help: "YAML or JSON file with the size, rate, keys, preset and references of every layer.")
    var layerFile: String?
    @OptionGroup var rate: RateOptions
    @Option(help: "Source of each lower layer, bottom up, comma separated; without it they are made from the input.")
    var lowerSources: String?
    @Option(
        help:
            """
            Bits per sample of each layer (8 or 10; 12 of a single layer), comma separated: 8,10 puts a 10-bit layer \
            upon an 8-bit base layer. As many as the source has without it.
            """
    )
    var depth: String?
    @Option(
        help:
            """
            Samples of raw input, and what ffmpeg decodes others to, by ffmpeg's names: gray, yuv420p, yuv422p, \
            yuv444p, and those with 10le and 12le behind (default: 4:2:0). All but 4:2:0 of 8 and 10 bits are coded \
            in a single layer.
            """
    )
    var pixFmt: String?
    @OptionGroup var colour: ColourOptions
    @OptionGroup var protection: ProtectionOptions
    @OptionGroup var form: StreamOutputOptions
    @Option(help: "Code at most this many frames.")
    var frames: Int?
    @OptionGroup var coding: CodingOptions
    @Option(help: "Worker threads. The stream depends on them with --bitrate only.")
    var threads: Int = ProcessInfo.processInfo.activeProcessorCount
    @Option(help: "Write the reconstruction of each layer to this folder (layer0.y4m, layer1.y4m).")
    var recon: String?
    @OptionGroup var logging: LoggingOptions

    func validate() throws {
        if layerFile != nil && layers != nil { throw ValidationError("--layers and --layer-file exclude each other") }
        try checkViews()
        try checkAlpha()
        if let pixFmt {
            guard SampleFormat(name: pixFmt) != nil else {
                throw ValidationError("--pix-fmt takes \(SampleFormat.list); not '\(pixFmt)'")
            }
            if input.inputDepth != nil { throw ValidationError("--pix-fmt and --input-depth exclude each other") }
        }
        if let frames, frames < 1 { throw ValidationError("--frames takes 1 or more") }
    }

    private var isStereo: Bool { layers?.lowercased().split(separator: ",").contains("view") ?? false }

    private func checkViews() throws {
        guard isStereo else {
            if let right {
                throw ValidationError("a second input ('\(right)') is the right eye's view, and takes --layers view")
            }
            return
        }
        guard let right else {
            throw ValidationError("--layers view takes two inputs: the views for the left and the right eye")
        }
        if right == "-" && input.input == "-" { throw ValidationError("both views from standard input") }
        if lowerSources != nil { throw ValidationError("--layers view takes a second input, and no --lower-sources") }
    }

    private func checkAlpha() throws {
        guard let alpha else {
            if layers?.lowercased() == "alpha" { throw ValidationError("--layers alpha takes --alpha") }
            return
        }
        guard ["1", "alpha"].contains(layers?.lowercased() ?? "1"), layerFile == nil else {
            throw ValidationError("--alpha goes with a single layer of pictures (--layers 1)")
        }
        if lowerSources != nil { throw ValidationError("--alpha goes with no --lower-sources") }
        if alpha == "-" && input.input == "-" { throw ValidationError("pictures and alpha from standard input") }
    }

    /// Layers of the stream.
    private func plan() throws -> LayerPlan {
        let named = alpha == nil ? layers ?? "2x" : "alpha"
        var plan = try layerFile.map { try LayerFile(path: $0).plan() } ?? LayerPlan(named)
        if let alpha { plan.layers[1].source = alpha }
        if let depth {
            let values = depth.split(separator: ",").compactMap { Int($0) }
            guard values.count == 1 || values.count == plan.layers.count else {
                throw ValidationError("--depth takes one value, or one a layer (\(plan.layers.count)): '\(depth)'")
            }
            for i in plan.layers.indices { plan.layers[i].settings.bitDepth = values[min(i, values.count - 1)] }
        }
        if let right { plan.layers[plan.layers.count - 1].source = right }
        if let lowerSources {
            let paths = lowerSources.split(separator: ",").map(String.init)
            guard paths.count < plan.layers.count else {
                throw ValidationError(
                    "--lower-sources names \(paths.count) files for \(plan.layers.count - 1) lower layers")
            }
            for (i, path) in paths.enumerated() { plan.layers[i].source = path }
        }
        try rate.apply(to: &plan)
        return plan
    }

    /// All that the options say, for a source of a format.
    private func settings(_ plan: LayerPlan, _ format: VideoFormat) throws -> VideoEncoder.Settings {
        var settings = VideoEncoder.Settings(width: format.width, height: format.height)
        settings.bitDepth = format.bitDepth
        settings.chromaFormat = format.chromaFormat
        settings.colour = try colour.description(of: format)
        settings.frameRate = input.fps?.fraction ?? format.fps
        settings.layers = try plan.settings()
        settings.threads = max(threads, 1)
        settings.pass = rate.encoderPass
        settings.keepsReconstructions = recon != nil
        coding.apply(to: &settings)
        try colour.check(depths: settings.layers.map { $0.bitDepth ?? format.bitDepth })
        settings.scheme = protection.scheme
        if protection.keys == nil, plan.layers.allSatisfy({ $0.keys == nil }), let option = protection.needsKeys {
            throw ValidationError("\(option) needs --keys")
        }
        if protection.scheme != Scheme.none {
            settings.keys = try protection.keys.map { try KeyRing(reference: $0) }
        }
        settings.protection = try protection.options()
        settings.signalsEncryption = protection.signal == .sei
        return settings
    }

    /// No output is something that is read.
    private func checkFiles(_ plan: LayerPlan) throws {
        try CommandFiles.checkPipes([input.input] + plan.layers.compactMap(\.source))
        var files = CommandFiles()
        files.reads([input.input] + plan.layers.compactMap(\.source))
        files.reads(layerFile)
        files.readsKeys(protection.keys)
        for layer in plan.layers { files.readsKeys(layer.keys) }
        files.writes(output)
        files.writes(protection.sidecar)
        for layer in plan.layers.indices { files.writes(recon.map { "\($0)/layer\(layer).y4m" }) }
        let statistics = [rate.stats, rate.stats + ".x265", rate.stats + ".x265.cutree"]
        if rate.pass == 1 { for path in statistics { files.writes(path) } }
        if rate.pass == 2 { files.reads(statistics) }
        try files.check()
    }

    func run() throws {
        do { try encode() } catch let error as SettingsError { throw ValidationError(error.description) }
    }

    private func encode() throws {
        let plan = try plan()
        try checkFiles(plan)
        let source = try SourceInput.open(
            input, beside: right ?? alpha, samples: .any(pixFmt.flatMap { SampleFormat(name: $0) }), threads: threads,
            keepsTimes: carriesOthers && plan.layers.allSatisfy { $0.source == nil })
        for note in source.notes where alpha != input.input || !note.hasPrefix("its alpha") {
            warn("\(input.input): \(note)")
        }
        if let lost = source.lostSamples, pixFmt == nil, plan.layers.count == 1 {
            warn("\(input.input): --pix-fmt \(lost) keeps its samples")
        }
        let settings = try settings(plan, source.format)
        let sizes = try settings.layerSizes()
        let sources = try LayerSources(
            plan: plan, input: input, top: source, sizes: sizes, depth: settings.bitDepth, threads: threads)
        for (i, size) in sizes.enumerated() {
            let format = settings.chromaFormat
            let whole = format.wholeSize(width: size.width, height: size.height)
            guard whole != size else { continue }
            warn(
                "layer \(i): \(format) pictures of HEVC have even \(format == .yuv420 ? "sizes" : "widths"): "
                    + "\(size.width)x\(size.height) is decoded as \(whole.width)x\(whole.height)")
        }
        let encoder = try VideoEncoder(settings: settings)
        if let reason = encoder.baseEncryptionNote {
            warn("\(reason): the base layer is encrypted after it, not inside it (the bytes are the same)")
        }
        let file = try StreamOutput(path: output, fps: settings.frameRate, fragmented: form.fragmented)
        if encoder.encryption != nil { file.leaveCoverOut() }
        file.keep(source.times, start: source.start)
        let recons = try recon.map { try ReconstructionWriters(folder: $0, frameRate: settings.frameRate) }
        if let encryption = encoder.encryption { try protection.writeSidecar(encryption) }
        let fps = settings.frameRate
        let expected = [source.expectedFrames, frames].compactMap { $0 }.min()
        var progress = Progress(total: expected, framesPerSecond: Double(fps.numerator) / Double(fps.denominator))
        var latency = Latency()
        func write(_ unit: AccessUnit) throws {
            try file.write(unit.units, displayIndex: unit.displayIndex ?? progress.frames)
            progress.add(sizes.indices.map { unit.sliceBytes(layer: $0) })
            if let index = unit.displayIndex { latency.leave(index) }
            try recons?.add(unit)
        }
        var read = 0
        while read < frames ?? .max, let pictures = try sources.next() {
            latency.arrive(read)
            read += 1
            for unit in try encoder.push(pictures.top, own: pictures.own) { try write(unit) }
        }
        while let unit = try encoder.nextAtEnd() { try write(unit) }
        if progress.frames == 0, let damage = sources.damage { throw damage }
        if progress.frames == 0 { throw MediaError.notSupported(path: input.input, what: "no frames") }
        if source.isPipedContainer {
            let why = carriesOthers ? ": sound is kept of files, which can be read once more" : ""
            warn("\(output): takes the video only\(why)")
        }
        if !carriesOthers { try nameWhatIsLeft() }
        try file.finish(soundOf: input.input, isCut: frames.map { $0 == read } ?? false)
        try recons?.finish()
        if let encryption = encoder.encryption {
            let bytes = Dictionary(
                uniqueKeysWithValues: progress.layerBytes.enumerated().map { ($0.offset, $0.element) })
            for line in EncryptionSpace.lines(encryption, layerBytes: bytes) { info(line) }
            for layer in encryption.encryptedLayers {
                let count = encryption.unchangedPictures(layer: layer)
                if count > 0 {
                    info("layer \(layer): \(count) pictures are as in the clear: no bin, or none that changed")
                }
            }
        }
        tellHidden(encoder.hidden)
        report(progress, latency, file.bytesWritten, fps)
        try tellSpeed()
        if let damage = sources.damage {
            warn("\(damage): what is whole was coded")
            throw ExitCode(2)
        }
        if let ended = sources.endedFirst {
            let other = alpha == nil ? "view" : "input"
            warn("\(ended) ends before the other \(other): \(progress.frames) pictures of both were coded")
            throw ExitCode(2)
        }
    }

    /// Whether the output holds what plays beside the pictures, and tells when each is shown.
    private var carriesOthers: Bool {
        MovieOutput.isMovie(output) && !form.fragmented || ContainerOutput.isContainer(output)
    }

    /// A byte stream, and a file in fragments, holds the video only.
    private func nameWhatIsLeft() throws {
        guard let source = try CarriedFile.container(input.input), let contents = try FFmpeg.contents(of: source)
        else { return }
        var left = contents.tracks.map(\.kind)
        if contents.hasChapters { left.append("chapters") }
        if contents.hasTitles { left.append("titles") }
        if !left.isEmpty { warn("\(output): takes the video only; left out: \(left.joined(separator: ", "))") }
    }

    /// A rate of its own moves pictures away from the sound that goes along.
    private func tellSpeed() throws {
        guard let fps = input.fps, carriesOthers, let source = try CarriedFile.container(input.input),
            try FFmpeg.contents(of: source)?.tracks.contains(where: { $0.kind == "audio" }) ?? false
        else { return }
        warn(
            "\(output): pictures are shown at \(fps.numerator)/\(fps.denominator) a second, as --fps asks; "
                + "the sound keeps its own pace")
    }

    private func report(
        _ progress: Progress, _ latency: Latency, _ bytesWritten: Int, _ fps: (numerator: Int, denominator: Int)
    ) {
        let seconds = Double(progress.frames) * Double(fps.denominator) / Double(fps.numerator)
        let sizes = progress.layerBytes.enumerated().map { layer, bytes in
            "layer \(layer) \(bytes) bytes" + String(printf: " (%.1f kb/s)", Double(bytes) * 8 / 1000 / seconds)
        }
        info(
            "\(progress.frames) frames, \(sizes.joined(separator: ", ")), "
                + "\(MovieOutput.isMovie(output) ? "file" : "stream") \(bytesWritten) bytes, "
                + String(printf: "%.1f kb/s, %.1f fps", Double(bytesWritten) * 8 / 1000 / seconds, progress.speed))
        info(
            String(
                printf: "latency from picture to access unit: mean %.0f ms, at most %.0f ms", latency.mean * 1000,
                latency.largest * 1000))
    }
}

/// Writes reconstructions in output order, which is what access units are not in.
private final class ReconstructionWriters {
    private let folder: String
    private let frameRate: (numerator: Int, denominator: Int)
    private var writers: [VideoWriter] = []
    private var waiting: [Int: [VideoPicture]] = [:]
    private var next = 0

    init(folder: String, frameRate: (numerator: Int, denominator: Int)) throws {
        self.folder = folder
        self.frameRate = frameRate
        try OutputFolder.make(folder)
    }

    func add(_ unit: AccessUnit) throws {
        guard let index = unit.displayIndex else { return }
        waiting[index] = unit.reconstructions
        while let pictures = waiting.removeValue(forKey: next) {
            for (i, picture) in pictures.enumerated() {
                if i == writers.count {
                    let format = VideoFormat(
                        width: picture.width, height: picture.height, fps: frameRate, bitDepth: picture.bitDepth,
                        chromaFormat: picture.chromaFormat, colour: picture.colour)
                    writers.append(try VideoWriter(path: "\(folder)/layer\(i).y4m", format: format))
                }
                try writers[i].write(picture)
            }
            next += 1
        }
    }

    func finish() throws { for writer in writers { try writer.finish() } }
}

extension VideoWriter {
    /// Writes a picture of the writer's size; of two depths, samples as they are or all at the larger one.
    func write(_ picture: VideoPicture, asTheyAre: Bool = false) throws {
        let needsScaling = picture.bitDepthLuma != picture.bitDepthChroma && !asTheyAre
        if picture.chromaFormat == .monochrome { return try write(VideoFrame(picture)) }
        try picture.withRawSamples(ofComponent: 0) { y, yStride, bytes in
            try picture.withRawSamples(ofComponent: 1) { cb, cbStride, _ in
                try picture.withRawSamples(ofComponent: 2) { cr, crStride, _ in
                    guard !needsScaling, let y = y.baseAddress, let cb = cb.baseAddress, let cr = cr.baseAddress else {
                        return try write(VideoFrame(picture))
                    }
                    try writeFrame(bytesPerSample: bytes) { c, row in
                        c == 0
                            ? y + row * yStride * bytes
                            : c == 1 ? cb + row * cbStride * bytes : cr + row * crStride * bytes
                    }
                }
            }
        }
    }
}
