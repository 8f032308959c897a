// SPDX-License-Identifier: GPL-2.0-or-later
import Veil
import VeilMedia

/// Where a transcoded stream goes: a file, complete or not at all, or standard output. Nothing is written before the
/// second access unit begins, so that what is wrong with the keys of any layer shows first.
final class HeldOutput {
    private let output: StreamOutput
    private var held: [StreamUnit]? = []
    private var basePictures = 0

    init(path: String, _ form: StreamOutputOptions) throws {
        output = try StreamOutput(path: path, fragmented: form.fragmented)
    }

    var bytesWritten: Int { output.bytesWritten }

    /// Passes a whole stream through a transcoder.
    /// - Parameter beforeEnding: when all went well, before the file gets its name.
    func transcode(_ input: String, _ transcoder: VideoTranscoder, beforeEnding: () throws -> Void = {}) throws {
        if transcoder.isEncrypting { output.leaveCoverOut() }
        do {
            try StreamInput.chunks(input, isExact: true, opened: { try output.begin(from: $0, keepsSamples: true) }) {
                try transcoder.push($0, deliver: write)
                try output.flush()
            }
            try StreamInput.named(input) {
                // A request to stop comes in the middle of the last unit.
                try transcoder.finish(isCut: Interruption.hasCut, deliver: write)
            }
        } catch KeyError.notEncrypted {
            throw KeyError.notEncrypted(stream: input)
        } catch let error as ProtectionError {
            // What was found on the way may tell more.
            for message in transcoder.report.messages { warn("\(input): \(message)") }
            throw NamedError(name: input, error: error)
        }
        try beforeEnding()
        try release()
        try output.finish()
    }

    private func write(_ unit: StreamUnit) throws {
        guard held != nil else { return try output.write(unit.nal) }
        if unit.layer == 0, unit.beginsPicture { basePictures += 1 }
        held?.append(unit)
        if basePictures == 2 { try release() }
    }

    private func release() throws {
        for unit in held ?? [] { try output.write(unit.nal) }
        held = nil
    }
}
