// SPDX-License-Identifier: GPL-2.0-or-later
import ArgumentParser
import Veil
import VeilMedia
import VeilSystem

struct ViewCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "view", abstract: "Draw each layer, without and with keys (PNG).",
        discussion: """
            One row a layer: pictures from all over the stream as seen without keys,
            and beside them, when keys are given, as their owner sees them. Pictures of MP4
            files are turned as players turn them.

            EXAMPLES
              veil view out.hevc -o sheet.png --keys keys.json
              veil view out.hevc -o blind.png --columns 4 --width 320
            """)

    @Argument(help: "Stream: a byte stream, or a file that holds one.")
    var input: String
    @Option(name: .shortAndLong, help: "PNG to write, '-' for standard output.")
    var output: String = "sheet.png"
    @Option(help: "Key file, env:NAME or fd:N.")
    var keys: String?
    @Option(help: "Pictures of each layer.")
    var columns: Int = 3
    @Option(help: "Width of a picture on the sheet in pixels; larger ones are made smaller.")
    var width: Int = 480
    @Option(help: "Worker threads.")
    var threads: Int = ProcessInfo.processInfo.activeProcessorCount
    @OptionGroup var logging: LoggingOptions

    func run() throws {
        guard (1...16).contains(columns) else { throw ValidationError("--columns takes 1 to 16") }
        guard (16...4096).contains(width) else { throw ValidationError("--width takes 16 to 4096") }
        if input == "-" {
            throw ValidationError("view reads its input more than once and cannot take it from standard input")
        }
        try CommandFiles.check(reads: [input], keys: [keys], writes: [output])
        let ring = try keys.map { try KeyRing(reference: $0) }
        let counts = try pictureCounts()
        guard !counts.isEmpty else { throw MediaError.notSupported(path: input, what: "no pictures") }
        var cells: [RGBImage] = []
        var verification: VerificationReport?
        for (layer, count) in counts.sorted(by: { $0.key < $1.key }) {
            let wanted = Set((0..<columns).map { count * (2 * $0 + 1) / (2 * columns) })
            cells += try pictures(layer: layer, wanted: wanted, keys: nil).images
            if let ring {
                do {
                    let seen = try pictures(layer: layer, wanted: wanted, keys: ring)
                    cells += seen.images
                    // What holds for a layer holds for those below.
                    verification = seen.verification
                } catch let error as KeyError where error.isLocked {
                    warn("\(error): layer \(layer) is shown as without keys")
                    cells += cells.suffix(columns)
                }
            }
        }
        let sheet = RGBImage.sheet(cells, columns: ring == nil ? columns : 2 * columns)
        let file = try OutputFile(path: output)
        try file.write(sheet.png())
        try file.finish()
        info(
            "\(output): \(sheet.width)x\(sheet.height), layers "
                + "\(counts.keys.sorted().map(String.init).joined(separator: ", "))"
                + (ring == nil ? ", without keys" : ", left without keys, right with them"))
        if !VerificationFlags.tell(verification, of: input) { throw ExitCode(2) }
    }

    /// How many pictures each layer has.
    private func pictureCounts() throws -> [Int: Int] {
        let inspector = StreamInspector(countsSpace: false)
        try StreamInput.chunks(
            input,
            opened: {
                if let turning = $0.movie?.turning, $0.movie?.quarterTurn == nil {
                    warn("\(input): players show its pictures \(turning); here they are as they are coded")
                }
            }
        ) { try inspector.push($0) }
        let summary = try StreamInput.named(input) { try inspector.finish() }
        return Dictionary(
            uniqueKeysWithValues: summary.layers.filter { $0.pictures > 0 }.map { ($0.layer, $0.pictures) })
    }

    /// Pictures of a layer by their place in output order, made small, with as many cells as there are columns.
    private func pictures(
        layer: Int, wanted: Set<Int>, keys: KeyRing?
    ) throws -> (images: [RGBImage], verification: VerificationReport?) {
        var result: [RGBImage] = []
        var index = 0
        var options = VideoDecoder.Options()
        options.output = .layer(layer)
        options.keys = keys
        options.threads = max(threads, 1)
        let decoder = VideoDecoder(options: options)
        // As players turn them.
        var turn: QuarterTurn?
        try StreamInput.decode(input, decoder, opened: { turn = $0.movie?.quarterTurn }) { picture in
            if wanted.contains(index) {
                var image = RGBImage(VideoFrame(picture))
                var aspect = picture.colour.sampleAspect
                if let turn {
                    image = image.turned(turn)
                    if turn.swapsSides { aspect = aspect.map { ($0.height, $0.width) } }
                }
                result.append(image.shown(sampleAspect: aspect, toWidth: width))
            }
            index += 1
        }
        while result.count < columns { result.append(RGBImage(width: 1, height: 1)) }
        return (result, decoder.report.verification)
    }
}
