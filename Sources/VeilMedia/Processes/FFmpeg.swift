// SPDX-License-Identifier: GPL-2.0-or-later
import Foundation

/// ffmpeg, which opens what Veil does not know itself, where it is installed.
package enum FFmpeg {
    package static var program: String? { ChildProcess.find("ffmpeg") }

    /// What ffprobe prints of a regular file (its "compact" form, without names); nil where it is not installed or the
    /// input is none.
    static func probe(_ input: InputFile, _ what: [String], limit: Int = 1 << 20) throws -> String? {
        guard let program = ChildProcess.find("ffprobe"), input.isRegular, input.path != "-" else { return nil }
        let process: ChildProcess
        do {
            process = try ChildProcess(
                program,
                ["-v", "error", "-protocol_whitelist", "file,pipe"] + what
                    + ["-of", "compact=nk=1", "-i", "file:" + input.path], output: .pipe)
        } catch is ChildError { return nil }
        return String(decoding: try process.outputBytes(limit: limit), as: UTF8.self)
    }

    /// Kinds of the tracks of a container beside the first of video; nil where that cannot be told.
    package static func otherTracks(of input: InputFile) throws -> [String]? {
        guard let text = try probe(input, ["-show_entries", "stream=codec_type"]) else { return nil }
        var kinds = text.split(separator: "\n").compactMap { line -> String? in
            let fields = line.split(separator: "|")
            return fields.first == "stream" && fields.count > 1 ? String(fields[1]) : nil
        }
        if let video = kinds.firstIndex(of: "video") { kinds.remove(at: video) }
        return kinds
    }

    /// Runs ffmpeg on a file, or on what a pipe gives.
    /// - Parameters:
    ///   - output: arguments of what it makes, on standard output.
    ///   - missing: thrown where it is not installed.
    package static func read(_ input: InputFile, as output: [String], missing: MediaError) throws -> ChildProcess {
        guard let program else { throw missing }
        // A name is a file's, whatever it looks like; and what a playlist names is no reason to ask the network.
        let common = ["-nostdin", "-v", "error", "-protocol_whitelist", "file,pipe"]
        do {
            if input.isRegular && input.path != "-" {
                return try ChildProcess(
                    program, common + ["-i", "file:" + input.path] + output, output: .pipe)
            }
            if try input.isRegular || input.kind() == .isoMedia {
                // Its index may be at the end.
                let file = try input.seekable()
                lseek(file.fileDescriptor, 0, SEEK_SET)
                return try ChildProcess(
                    program, common + ["-i", "file:/dev/stdin"] + output, input: .descriptor(file.fileDescriptor),
                    output: .pipe)
            }
            let process = try ChildProcess(program, common + ["-i", "pipe:0"] + output, input: .pipe, output: .pipe)
            process.feed(input)
            return process
        } catch let error as ChildError {
            throw MediaError.ffmpegFailed(path: input.name, reason: error.description)
        }
    }
}
