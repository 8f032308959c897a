// SPDX-License-Identifier: GPL-2.0-or-later
import ArgumentParser
import VeilMedia
import VeilSystem

/// What the verbs that run experiments and write a report have in common.
struct ExperimentOptions: ParsableArguments {
    @Option(name: .shortAndLong, help: "Folder of the report.")
    var output: String
    @Option(help: "x265 preset of the base layer.")
    var preset: String = "medium"
    @Option(help: "Worker threads of each step.")
    var threads: Int = ProcessInfo.processInfo.activeProcessorCount
    @Flag(help: "No progress.")
    var quiet = false
}

extension LayerStructure {
    /// Throws where `--qp` is not as many numbers as there are layers.
    func check(qp: String) throws {
        let count = self == .single ? 1 : 2
        let values = qp.split(separator: ",", omittingEmptySubsequences: false).map { Int($0) }
        guard values.count == count, values.allSatisfy({ $0.map((0...51).contains) ?? false }) else {
            throw ValidationError(
                "--qp takes \(count == 1 ? "a number of 0 to 51" : "two numbers of 0 to 51, as 26,26"); not '\(qp)'")
        }
    }
}

/// Of the verbs that take clips, which they encode, and clear streams, which they take as they are.
struct ExperimentInputOptions: ParsableArguments {
    @Flag(
        help: """
            Take MP4, Matroska and MPEG-TS as the stream that they hold, not as clips; so without it where they \
            hold several layers.
            """)
    var stream = false

    /// Whether a file is taken as a stream.
    func isStream(_ path: String) throws -> Bool {
        if FileNames.isByteStream(path) { return true }
        let input = try InputFile(path: path)
        if try VideoSource.isRaw(input, size: nil) { return false }
        switch try input.kind() {
        case .isoMedia:
            if stream { return true }
            let file = try input.seekable()
            return (try? IsoMediaReader(file: file))?.hasSeveralLayers ?? false
        case .byteStream, .matroska, .transportStream: return stream
        case .y4m, .other: return false
        }
    }

    /// Its byte stream: the file itself, or a copy without what is around it, which the caller removes.
    /// - Parameter path: of the copy.
    func byteStream(of input: String, copiedTo path: String) throws -> String {
        let kind = try InputFile(path: input).kind()
        guard [.isoMedia, .matroska, .transportStream].contains(kind) else { return input }
        let file = try OutputFile(path: path)
        try StreamInput.chunks(input) { try file.write($0) }
        try file.finish()
        return path
    }
}
