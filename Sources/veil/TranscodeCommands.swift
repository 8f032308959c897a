// SPDX-License-Identifier: GPL-2.0-or-later
import ArgumentParser
import Foundation
import VeilCrypto
import VeilMedia
import VeilSyntax
import VeilTranscoder

struct DecryptCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "decrypt", abstract: "Decrypt a stream without decoding it.",
        discussion: """
            EXAMPLES
              veil decrypt secret.hevc -o clear.hevc --keys keys.json
              veil decrypt - -o - --keys fd:3 3<keys.json <secret.hevc >clear.hevc
            """)

    @Argument(help: "Encrypted stream, '-' for standard input.")
    var input: String
    @Option(name: .shortAndLong, help: "Clear stream, '-' for standard output.")
    var output: String
    @Option(help: "Key file, env:NAME or fd:N.")
    var keys: String
    @Flag(help: "Leave layers encrypted for which the keys are not there.")
    var partial = false
    @Option(help: "Worker threads.")
    var threads: Int = ProcessInfo.processInfo.activeProcessorCount
    @OptionGroup var logging: LoggingOptions

    func run() throws {
        let decryption = Decryption(keys: try KeyRing(reference: keys), lenient: partial)
        let writer = try StreamWriter(path: output)
        let transcoder = StreamTranscoder(mode: .decrypt(decryption), threads: threads) { try writer.write($0) }
        try StreamInput.read(input) { try transcoder.push($0) }
        try transcoder.finish()
        if decryption.signalledLayers.isEmpty { throw KeyError.notEncrypted(stream: input) }
        try writer.finish()
        transcoder.report.warn(input)
        for layer in decryption.lockedLayers { warn("\(input): layer \(layer) stays encrypted") }
        if transcoder.report.failedSlices > 0 { throw ExitCode(2) }
    }
}

struct EncryptCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "encrypt", abstract: "Encrypt any stream without decoding it.",
        discussion: """
            EXAMPLES
              veil encrypt clear.hevc -o secret.hevc --keys keys.json --scheme all
              veil encrypt movie.mp4 -o secret.hevc --keys keys.json --cipher chacha20
              veil encrypt clear.hevc -o secret.hevc --keys keys.json --roi 200,100,320,240
            """)

    @Argument(help: "Clear stream, '-' for standard input.")
    var input: String
    @Option(name: .shortAndLong, help: "Encrypted stream, '-' for standard output.")
    var output: String
    @OptionGroup var protection: ProtectionOptions
    @Flag(help: "Encrypt IRAP pictures only.")
    var irapOnly = false
    @Option(help: "Encrypt pictures of this temporal sub-layer and above only.")
    var minTemporalId: Int = 0
    @Option(help: "Encrypt CTUs that touch this region of luma samples only, as x,y,w,h.")
    var roi: String?
    @Option(help: "Worker threads.")
    var threads: Int = ProcessInfo.processInfo.activeProcessorCount
    @OptionGroup var logging: LoggingOptions

    func run() throws {
        guard (0...6).contains(minTemporalId) else { throw ValidationError("--min-temporal-id takes 0 to 6") }
        var selection = Selection()
        selection.irapOnly = irapOnly
        selection.minTemporalId = minTemporalId
        if let roi {
            let v = roi.split(separator: ",").compactMap { Int($0) }
            guard v.count == 4, v.allSatisfy({ (0...65535).contains($0) }), v[2] > 0, v[3] > 0 else {
                throw ValidationError("--roi takes x,y,w,h in luma samples")
            }
            selection.region = Selection.Region(x: v[0], y: v[1], width: v[2], height: v[3])
        }
        let writer = try StreamWriter(path: output)
        // Which layers there are, the VPS tells: units wait for it.
        var transcoder: StreamTranscoder?
        var waiting: [NALUnit] = []
        func begin(_ layers: [Int]) throws -> StreamTranscoder {
            guard let encryption = try protection.encryption(layers: layers, selection: selection) else {
                throw ValidationError("encrypt needs --keys and a --scheme other than none")
            }
            let made = StreamTranscoder(mode: .encrypt(encryption), threads: threads) { try writer.write($0) }
            for nal in waiting { try made.push(nal) }
            waiting.removeAll()
            transcoder = made
            return made
        }
        try StreamInput.read(input) { nal in
            if let transcoder {
                try transcoder.push(nal)
                return
            }
            if nal.header.nalUnitType == .vps {
                let layers = try VideoParameterSet(rbsp: nal.rbsp).layerIds
                waiting.append(nal)
                _ = try begin(layers.isEmpty ? [0] : layers)
            } else if nal.header.nalUnitType.isVCL {
                waiting.append(nal)
                _ = try begin([0])
            } else {
                waiting.append(nal)
            }
        }
        guard let transcoder else { throw MediaError.notSupported(path: input, what: "no pictures") }
        try transcoder.finish()
        try writer.finish()
        transcoder.report.warn(input)
        let report = transcoder.report
        info("\(report.pictures) pictures, \(writer.bytesWritten) bytes, of which \(report.messageBytes) are encryption messages")
        if report.failedSlices > 0 { throw ExitCode(2) }
    }
}

extension TranscodeReport {
    func warn(_ name: String) { for message in messages { VeilCommand.warn("\(name): \(message)") } }
}

/// Writes NAL units to a file, complete or not at all, or to standard output. Nothing is written before the second access unit begins,
/// so that what is wrong with the keys of any layer shows first.
final class StreamWriter {
    private let file: OutputFile
    private var held: [UInt8]? = []
    private var basePictures = 0

    init(path: String) throws { file = try OutputFile(path: path) }

    var bytesWritten: Int { file.bytesWritten }

    func write(_ nal: NALUnit) throws {
        guard var bytes = held else {
            var out: [UInt8] = []
            out.append(annexB: nal)
            try file.write(out)
            return
        }
        if nal.header.nalUnitType.isSlice, nal.header.nuhLayerId == 0, nal.bytes.count > 2, nal.bytes[2] & 0x80 != 0 { basePictures += 1 }
        held = nil
        bytes.append(annexB: nal)
        if basePictures < 2 {
            held = bytes
        } else {
            try file.write(bytes)
        }
    }

    func finish() throws {
        if let held { try file.write(held) }
        held = nil
        try file.finish()
    }
}
