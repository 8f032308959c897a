// SPDX-License-Identifier: GPL-2.0-or-later
import ArgumentParser
import Foundation

@main
struct Veil: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "veil",
        abstract: "Encrypted scalable video: HEVC and SHVC, selectively encrypted, decrypted, decoded, measured.",
        version: "0.1.0",
        subcommands: [
            KeygenCommand.self, EncodeCommand.self, EncryptCommand.self, DecryptCommand.self, DecodeCommand.self, InspectCommand.self,
            MeasureCommand.self, EvaluateCommand.self, DemoCommand.self,
        ])
}

/// A size given as WxH.
struct Size: ExpressibleByArgument {
    let width: Int
    let height: Int
    init?(argument: String) {
        let parts = argument.lowercased().split(separator: "x").compactMap { Int($0) }
        guard parts.count == 2, parts[0] > 0, parts[1] > 0 else { return nil }
        width = parts[0]
        height = parts[1]
    }
}

/// A frame rate given as N, N/D or a decimal number.
struct FrameRate: ExpressibleByArgument {
    let numerator: Int
    let denominator: Int
    init?(argument: String) {
        let parts = argument.split(separator: "/").compactMap { Int($0) }
        if parts.count == 2, parts[0] > 0, parts[1] > 0 {
            (numerator, denominator) = (parts[0], parts[1])
        } else if let whole = Int(argument), whole > 0 {
            (numerator, denominator) = (whole, 1)
        } else if let value = Double(argument), value > 0, value < 1000 {
            (numerator, denominator) = (Int((value * 1001).rounded()), 1001)
        } else {
            return nil
        }
    }
}

/// How raw input is described.
struct InputOptions: ParsableArguments {
    @Argument(help: "y4m, raw yuv, '-' for standard input, or any container ffmpeg reads.")
    var input: String
    @Option(help: "Size of raw input, as WxH.")
    var size: Size?
    @Option(help: "Frames per second of raw input: 25, 30000/1001, 29.97.")
    var fps: FrameRate?
    @Option(help: "Bits per sample of raw input (8 or 10).")
    var inputDepth: Int?
}

func warn(_ message: String) { FileHandle.standardError.write(Data("veil: \(message)\n".utf8)) }
