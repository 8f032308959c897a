// SPDX-License-Identifier: GPL-2.0-or-later
import ArgumentParser
import Veil
import VeilMedia
import VeilSystem

struct DecodeCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "decode", abstract: "Decode a layer to y4m or raw video.",
        discussion: """
            EXAMPLES
              veil decode out.hevc -o out.y4m --keys keys.json
              veil decode out.hevc -o base.yuv --layer 0
              veil decode stereo.mp4 -o right.y4m --view right
              veil decode out.hevc -o layer%d.yuv --output-layer-set 1
              veil decode - -o - --keys keys.json <out.hevc | ffplay -
              veil decode out.hevc -o - | ffmpeg -i - out.mp4
            """)

    @Argument(help: "Annex B stream, '-' for standard input.")
    var input: String
    @Option(
        name: .shortAndLong,
        help: "y4m, or raw when the name ends in .yuv; '-' for standard output (y4m). %d is replaced by the layer.")
    var output: String
    @Option(help: "nuh_layer_id to decode; the highest by default, of stereo video the base view's.")
    var layer: Int?
    @Option(help: "Decode the view for one eye: left or right.")
    var view: VideoDecoder.StereoView?
    @Flag(help: "Decode the layer of alpha.")
    var alpha = false
    @Option(help: "Decode the output layers of this output layer set of the VPS.")
    var outputLayerSet: Int?
    @Option(help: "Decrypt with these keys: key file, env:NAME or fd:N.")
    var keys: String?
    @Option(help: "Sidecar file of a stream without messages.")
    var sidecar: String?
    @OptionGroup var verification: VerificationFlags
    @Option(help: "Worker threads.")
    var threads: Int = ProcessInfo.processInfo.activeProcessorCount
    @Option(help: "Frames per second of y4m, in place of what the stream or its container tells.")
    var fps: FrameRate?
    @Flag(help: "Check decoded picture hashes; the exit status is 2 when one differs.")
    var verify = false
    @Option(help: "Refuse pictures of more luma samples than this.")
    var maxPixels = 35_651_584
    @Flag(help: "Decode pictures, and keep as many, as are too large for the level that the stream states.")
    var anyLevel = false
    @OptionGroup var logging: LoggingOptions

    func validate() throws {
        guard layer.map({ (0...62).contains($0) }) ?? true else { throw ValidationError("--layer takes 0 to 62") }
        let choices = [layer != nil, outputLayerSet != nil, view != nil, alpha]
        if choices.filter({ $0 }).count > 1 {
            throw ValidationError("--layer, --output-layer-set, --view and --alpha exclude each other")
        }
    }

    func run() throws {
        try FileNames.checkPictures(output)
        try CommandFiles.check(reads: [input, sidecar], keys: [keys], writes: [output])
        var options = VideoDecoder.Options()
        options.output =
            view.map { .view($0) } ?? (alpha ? .alpha : nil) ?? outputLayerSet.map { .outputLayerSet($0) }
            ?? layer.map { .layer($0) } ?? .highestLayer
        options.threads = max(threads, 1)
        options.verify = verify
        options.maxPixels = maxPixels
        options.keepsToLevel = !anyLevel
        options.keys = try keys.map { try KeyRing(reference: $0) }
        options.verification = verification.options
        options.sidecar = try sidecar.map(DecryptCommand.sidecar)
        guard let unreadable = try decode(options) else { return }
        // A base layer that came alone, of a package say.
        guard options.output == .highestLayer, let highest = try StreamInput.highestLayer(of: input) else {
            for message in unreadable.messages where options.output == .highestLayer { warn("\(input): \(message)") }
            throw MediaError.notSupported(
                path: input, what: layer.map { "no pictures of layer \($0)" } ?? "no pictures")
        }
        warn("\(input): layer \(highest) is decoded, the highest that is there")
        options.output = .layer(highest)
        if try decode(options) != nil { throw MediaError.notSupported(path: input, what: "no pictures") }
        if unreadable.units > 0 {
            warn("\(input): \(unreadable.units) units of higher layers cannot be read")
            throw ExitCode(2)
        }
    }

    /// Nil where there were pictures, else how many units could not be read, and what there is to say where nothing
    /// is decoded in place of them.
    private func decode(_ options: VideoDecoder.Options) throws -> (units: Int, messages: [String])? {
        let files = LayerFiles(output, input: input, keys: keys, frameRate: fps)
        let decoder = VideoDecoder(options: options)
        // What its layers are for, as far as the first picture, where nobody chose.
        var inspector = options.output == .highestLayer ? StreamInspector(countsSpace: false) : nil
        func write(_ picture: VideoPicture) throws {
            if let summary = try? inspector?.finish() {
                for note in summary.rolesLeft(taken: picture.layer, option: "--layer", alpha: "--alpha") {
                    warn("\(input): \(note)")
                }
            }
            inspector = nil
            try files.write(picture, outputLayers: decoder.outputLayerCount)
        }
        try StreamInput.decode(
            input, decoder, opened: files.begin, looked: { try? inspector?.push($0) }, deliver: write)
        let messages = decoder.report.messages
        // Of what another layer is decoded for in its place nothing needs to be told.
        if files.isEmpty && options.output == .highestLayer { return (decoder.report.damagedUnits, messages) }
        for message in messages { warn("\(input): \(message)") }
        if files.isEmpty { return (decoder.report.damagedUnits, []) }
        try files.finish()
        let report = decoder.report
        if verify {
            info("\(report.hashesChecked) picture hashes checked, \(report.hashMismatches) differ")
        }
        let isWhole = VerificationFlags.tell(report.verification, of: input)
        if !report.isClean || !isWhole { throw ExitCode(2) }
        return nil
    }
}

extension VideoDecoder.StereoView: ExpressibleByArgument {}

extension StreamInput {
    /// Pushes a whole stream through a decoder.
    static func decode(
        _ path: String, _ decoder: VideoDecoder, opened: (StreamChunks) -> Void = { _ in },
        looked: (ArraySlice<UInt8>) -> Void = { _ in }, deliver: (VideoPicture) throws -> Void
    ) throws {
        try chunks(path, namesGarbage: false, opened: opened) { chunk in
            // In pieces, so that whoever looks on to the first picture only reads little more than that twice.
            for piece in stride(from: 0, to: chunk.count, by: 1 << 16) {
                let bytes = chunk[piece..<min(piece + 1 << 16, chunk.count)]
                looked(bytes)
                try decoder.push(bytes, deliver: deliver)
            }
        }
        try named(path) { try decoder.finish(isCut: Interruption.hasCut, deliver: deliver) }
    }

    /// The highest layer that has pictures, of a file that can be read once more.
    static func highestLayer(of path: String) throws -> Int? {
        var info = stat()
        guard path != "-", stat(path, &info) == 0, info.st_mode & S_IFMT == S_IFREG else { return nil }
        let inspector = StreamInspector(countsSpace: false)
        try chunks(path) { try inspector.push($0) }
        return try inspector.finish().layers.filter { $0.pictures > 0 }.map(\.layer).max()
    }
}

/// The file, or files by layer, that decoded pictures go to.
private final class LayerFiles {
    private let output: String
    private let input: String
    private let keys: String?
    /// What was asked for, or of the container that the stream is in.
    private var frameRate: FrameRate?
    private var writers: [Int: (writer: VideoWriter, format: VideoFormat)] = [:]

    /// `input` and `keys` are what the files must not be.
    init(_ output: String, input: String, keys: String?, frameRate: FrameRate?) {
        self.frameRate = frameRate
        self.output = output
        self.input = input
        self.keys = keys
    }

    var isEmpty: Bool { writers.isEmpty }

    func begin(_ chunks: StreamChunks) {
        frameRate = frameRate ?? chunks.frameRate
        if let turning = chunks.movie?.turning {
            warn("\(input): players show its pictures \(turning); the decoded ones are as they are coded")
        }
        if chunks.times?.varies ?? false, !output.lowercased().hasSuffix(".yuv") {
            warn("\(input): its frame rate varies, which y4m cannot tell: all pictures are there, evenly apart")
        }
    }

    /// - Parameter outputLayers: how many layers are put out; nil for as many as there are.
    func write(_ picture: VideoPicture, outputLayers: Int?) throws {
        let isByLayer = output.contains("%d")
        if !isByLayer && outputLayers != 1 {
            throw MediaError.notSupported(
                path: output, what: "several layers are put out: %d in the name stands for the layer")
        }
        let format = VideoFormat(
            width: picture.width, height: picture.height, fps: frameRate?.fraction ?? picture.frameRate ?? (25, 1),
            bitDepth: picture.bitDepth, chromaFormat: picture.chromaFormat, colour: picture.colour)
        if picture.colour.matrix == 0, picture.chromaFormat == .yuv444, !output.lowercased().hasSuffix(".yuv") {
            throw MediaError.notSupported(
                path: output,
                what: "its samples are green, blue and red, which y4m cannot tell: with a name that ends in .yuv they "
                    + "come as they are, plane by plane")
        }
        let path = isByLayer ? output.with("\(picture.layer)", for: "%d") : output
        let index = isByLayer ? picture.layer : 0
        let known = try writers[index] ?? open(path, format)
        writers[index] = known
        if (known.format.width, known.format.height, known.format.bitDepth, known.format.chromaFormat)
            != (format.width, format.height, format.bitDepth, format.chromaFormat)
        {
            try known.writer.change(to: format)
            writers[index]?.format = format
            warn("\(path): pictures are \(format.width)x\(format.height) from here on, of \(format.bitDepth) bits")
        }
        // y4m has one depth: the component of fewer bits is scaled. Raw samples stay as they are.
        try known.writer.write(picture, asTheyAre: path.lowercased().hasSuffix(".yuv"))
    }

    private func open(_ path: String, _ format: VideoFormat) throws -> (VideoWriter, VideoFormat) {
        try CommandFiles.check(reads: [input], keys: [keys], writes: [path])
        return (try VideoWriter(path: path, format: format), format)
    }

    func finish() throws { for (_, file) in writers.sorted(by: { $0.key < $1.key }) { try file.writer.finish() } }
}
