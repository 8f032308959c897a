// SPDX-License-Identifier: GPL-2.0-or-later
import Foundation

/// ffmpeg, which opens what Veil does not know itself, where it is installed.
package enum FFmpeg {
    package static var program: String? { ChildProcess.find("ffmpeg") }

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
