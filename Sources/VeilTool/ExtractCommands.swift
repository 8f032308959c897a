// SPDX-License-Identifier: GPL-2.0-or-later
import ArgumentParser
import Veil
import VeilBitstream
import VeilMedia
import VeilSystem

struct ExtractCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "extract", abstract: "Keep some layers or sub-layers; no keys.",
        discussion: """
            EXAMPLES
              veil extract out.hevc -o base.hevc --layer 0   # plays in any HEVC decoder
              veil extract out.mp4 -o base.mp4 --layer 0     # with its sound; or .mov
              veil extract out.hevc -o base.mkv --layer 0    # or .ts
              veil extract out.hevc -o half.hevc --max-temporal-id 1
              veil extract out.hevc -o - --layer 0 | ffplay -
            """)

    @Argument(help: "Annex B stream, '-' for standard input.")
    var input: String
    @Option(
        name: .shortAndLong,
        help: "Stream to write, '-' for standard output; .mp4 and .mov for MP4; .mkv and .ts through ffmpeg.")
    var output: String
    @Option(help: "Keep this layer and those it is predicted from.")
    var layer: Int?
    @Option(help: "Keep temporal sub-layers up to this one, 0 to 6.")
    var maxTemporalId: Int = 6
    @Option(help: "Frames per second in a container, where the stream does not tell.")
    var fps: FrameRate?
    @OptionGroup var form: StreamOutputOptions
    @OptionGroup var logging: LoggingOptions

    func run() throws {
        guard (0...6).contains(maxTemporalId) else { throw ValidationError("--max-temporal-id takes 0 to 6") }
        guard layer.map({ (0...62).contains($0) }) ?? true else { throw ValidationError("--layer takes 0 to 62") }
        try CommandFiles.check(reads: [input], writes: [output])
        let file = try StreamOutput(
            path: output, fps: fps?.fraction, fragmented: form.fragmented)
        let extractor = LayerExtractor(layer: layer, maxTemporalId: maxTemporalId)
        var slices = 0
        var sets = SequenceSets()
        func write(_ unit: StreamUnit) throws {
            sets.observe([unit.nal])
            if unit.isSlice, layer == nil || unit.layer == layer { slices += 1 }
            try file.write(unit.nal)
        }
        try StreamInput.chunks(input, opened: { try file.begin(from: $0, maxTemporalId: maxTemporalId) }) {
            try extractor.push($0, deliver: write)
            try file.flush()
        }
        try StreamInput.named(input) { try extractor.finish(deliver: write) }
        if slices == 0 {
            throw MediaError.notSupported(
                path: input, what: layer.map { "no pictures of layer \($0)" } ?? "no pictures")
        }
        try sets.check(input)
        try file.finish()
        if let layer, layer > 0, layer != extractor.namedLayers.last {
            warn("\(output): the VPS still names higher layers: decode with --layer \(layer)")
        }
    }
}

struct SplitCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "split", abstract: "Cut a stream before IRAP pictures; no keys.",
        discussion: """
            Every part plays and decrypts alone. Leading pictures at the beginning of a
            part that refer to the part before it (RASL) are skipped by decoders until
            the parts are joined again.

            EXAMPLES
              veil split out.hevc -o part-%03d.hevc           # one part an IRAP picture
              veil split out.hevc -o part-%d.hevc --every 4   # four of them a part
              veil split movie.mp4 -o part-%d.mp4             # each with its sound
            """)

    @Argument(help: "Annex B stream, '-' for standard input.")
    var input: String
    @Option(name: .shortAndLong, help: "Names of the parts, with %d or %03d for their number from 0.")
    var output: String
    @Option(help: "IRAP pictures a part.")
    var every: Int = 1
    @OptionGroup var logging: LoggingOptions

    func run() throws {
        guard every > 0 else { throw ValidationError("--every takes 1 or more") }
        guard let pattern = NumberedName(output) else {
            throw ValidationError("-o needs %d (or %03d) once, for the number of the part")
        }
        let splitter = StreamSplitter(every: every)
        var current: (part: Int, file: StreamOutput)?
        var finished: [String] = []
        var source: StreamChunks?
        var units = 0
        var sets = SequenceSets()
        func end() throws {
            guard let current else { return }
            try current.file.finish()
            finished.append(pattern.name(current.part))
        }
        func write(_ unit: AccessUnit, _ part: Int) throws {
            if current?.part != part {
                try end()
                let path = pattern.name(part)
                try CommandFiles.check(reads: [input], writes: [path])
                let file = try StreamOutput(path: path)
                if let source { try file.begin(from: source, first: units) }
                current = (part, file)
            }
            sets.observe(unit.units)
            try current?.file.write(unit.units)
            units += 1
        }
        do {
            try StreamInput.chunks(input, opened: { source = $0 }) { try splitter.push($0, deliver: write) }
            try StreamInput.named(input) { try splitter.finish(deliver: write) }
            try sets.check(input)
            try end()
        } catch {
            // Some of the parts would look like all of them.
            for path in finished { try? FileManager.default.removeItem(atPath: path) }
            throw error
        }
        guard let current else { throw MediaError.notSupported(path: input, what: "no pictures") }
        info("\(current.part + 1) part\(current.part == 0 ? "" : "s")")
        if splitter.isChained && current.part > 0 {
            warn(
                "\(input): the keystream never restarts (--resync stream): parts after the first decrypt only when "
                    + "joined again"
            )
        }
    }
}

struct JoinCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "join", abstract: "Put streams one after the other; no keys.",
        discussion: """
            Streams of different encodes, keys and nonces join: each announces its own.
            To decrypt the whole, the key file must hold the keys of all.

            EXAMPLES
              veil join one.hevc two.hevc -o both.hevc
              veil join part-*.hevc -o whole.hevc --continuous   # parts of one stream
              veil join one.mp4 two.mp4 -o both.mp4              # with their sound
            """)

    @Argument(help: "Annex B streams, in order.")
    var inputs: [String]
    @Option(name: .shortAndLong, help: "Stream to write, '-' for standard output.")
    var output: String
    @Flag(help: "The streams are parts of one: keep leading pictures that refer across the joints.")
    var continuous = false
    @OptionGroup var form: StreamOutputOptions
    @OptionGroup var logging: LoggingOptions

    func run() throws {
        try CommandFiles.check(reads: inputs, writes: [output])
        let file = try StreamOutput(path: output, fragmented: form.fragmented)
        let joiner = StreamJoiner(continuous: continuous)
        var slices = 0
        var sets = SequenceSets()
        // Of a stream that begins with a CRA picture, those before it in display order that refer to what came before.
        var leading = 0
        var beginsOpen = false
        func write(_ unit: StreamUnit) throws {
            sets.observe([unit.nal])
            if unit.isSlice {
                let type = unit.nal.header.nalUnitType
                if slices == 0 { beginsOpen = type == .cra }
                if beginsOpen && type.isRASL && unit.beginsPicture && unit.layer == 0 { leading += 1 }
                if slices > 0 && type.isIRAP && unit.layer == 0 { beginsOpen = false }
                slices += 1
            }
            try file.write(unit.nal)
        }
        var joints = 0
        for (i, input) in inputs.enumerated() {
            joiner.begin()
            slices = 0
            leading = 0
            beginsOpen = false
            do {
                try StreamInput.chunks(input, opened: file.join) { try joiner.push($0, deliver: write) }
                try StreamInput.named(input) { try joiner.end(deliver: write) }
            } catch let error as CutError {
                throw MediaError.notSupported(path: input, what: error.description)
            }
            if slices == 0 { throw MediaError.notSupported(path: input, what: "no pictures") }
            if i > 0 && leading > 0 { joints += 1 }
        }
        try sets.check(inputs[0])
        if joints > 0 && !continuous {
            warn(
                "\(output): at \(joints) joint\(joints == 1 ? "" : "s") decoders leave pictures out that refer to what "
                    + "came before, and such that wait to be shown; parts of one stream take --continuous")
        }
        try file.finish()
    }
}

/// Whether a stream has a sequence parameter set: what has none is no video, whatever its bytes look like.
private struct SequenceSets {
    private var known = false

    mutating func observe(_ units: [NALUnit]) {
        guard !known else { return }
        known = units.contains { nal in
            nal.header.nalUnitType == .sps
                && (try? SequenceParameterSet(rbsp: nal.rbsp, nuhLayerId: nal.header.nuhLayerId)) != nil
        }
    }

    func check(_ input: String) throws {
        if !known { throw MediaError.notSupported(path: input, what: "no pictures: there is no SPS in it") }
    }
}

/// A file name with %d, %3d or %03d in it for a number.
struct NumberedName {
    private let before: String
    private let after: String
    private let width: Int
    private let zeros: Bool

    init?(_ pattern: String) {
        guard let percent = pattern.firstIndex(of: "%"), let end = pattern[percent...].firstIndex(of: "d"),
            !pattern[end...].contains("%")
        else { return nil }
        let digits = pattern[pattern.index(after: percent)..<end]
        guard digits.isEmpty || (Int(digits) ?? 100) < 20 else { return nil }
        before = String(pattern[..<percent])
        after = String(pattern[pattern.index(after: end)...])
        width = Int(digits) ?? 0
        zeros = digits.hasPrefix("0")
    }

    func name(_ number: Int) -> String {
        let text = String(number)
        return before + String(repeating: zeros ? "0" : " ", count: max(width - text.count, 0)) + text + after
    }
}
