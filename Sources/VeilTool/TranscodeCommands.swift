// SPDX-License-Identifier: GPL-2.0-or-later
import ArgumentParser
import Foundation
import VeilBitstream
import VeilMedia
import VeilProtection

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
    @Option(help: "Sidecar file of a stream without messages.")
    var sidecar: String?
    @Option(help: "Worker threads.")
    var threads: Int = ProcessInfo.processInfo.activeProcessorCount
    @OptionGroup var logging: LoggingOptions

    static func sidecar(_ path: String) throws -> Sidecar {
        try Sidecar(text: String(decoding: try InputFile(path: path).readAll(), as: UTF8.self), source: path)
    }

    func run() throws {
        try CommandFiles.check(reads: [input, sidecar], keys: [keys], writes: [output])
        let decryption = Decryption(keys: try KeyRing(reference: keys), lenient: partial)
        if let sidecar { try decryption.take(try Self.sidecar(sidecar)) }
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

extension ProtectionOptions {
    /// Pushes a stream through a transcoder, which is made once the parameter sets before the first picture have told
    /// which layers there are, and how large: units wait for it. The caller finishes it.
    /// - Parameter tiles: the tiles to encrypt, in tile scan; nil: all.
    fileprivate func transcode(
        _ input: String, command: String, tiles: [Int]? = nil, threads: Int, to writer: StreamWriter,
        mode: (Encryption) -> StreamTranscoder.Mode
    ) throws -> (StreamTranscoder, Encryption) {
        var made: (transcoder: StreamTranscoder, encryption: Encryption)?
        var waiting: [NALUnit] = []
        let layout = StreamLayout()
        try StreamInput.read(input) { nal in
            if let made {
                try made.transcoder.push(nal)
                return
            }
            waiting.append(nal)
            layout.take(nal)
            guard nal.header.nalUnitType.isVCL else { return }
            let regions = try tiles.map { try layout.regions(tiles: $0) } ?? [:]
            guard let encryption = try encryption(layers: layout.layers, sizes: layout.sizes, tiles: regions) else {
                throw ValidationError("\(command) needs --keys and a --scheme other than none")
            }
            let transcoder = StreamTranscoder(mode: mode(encryption), threads: threads, signals: signal == .sei) {
                try writer.write($0)
            }
            for nal in waiting { try transcoder.push(nal) }
            waiting.removeAll()
            made = (transcoder, encryption)
        }
        guard let made else { throw MediaError.notSupported(path: input, what: "no pictures") }
        return made
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
    @Option(help: "Encrypt these tiles only: indices in tile scan, comma separated.")
    var tiles: String?
    @Option(help: "Worker threads.")
    var threads: Int = ProcessInfo.processInfo.activeProcessorCount
    @OptionGroup var logging: LoggingOptions

    func run() throws {
        try CommandFiles.check(reads: [input], keys: [protection.keys], writes: [output, protection.sidecar])
        let wantedTiles = try tiles.map { text in
            let list = text.split(separator: ",").map { Int($0) ?? -1 }
            guard !list.isEmpty, list.allSatisfy({ $0 >= 0 }) else {
                throw ValidationError("--tiles takes indices, as 0,2")
            }
            return list
        }
        let writer = try StreamWriter(path: output)
        let (transcoder, encryption) = try protection.transcode(
            input, command: "encrypt", tiles: wantedTiles, threads: threads, to: writer
        ) {
            .encrypt($0)
        }
        try transcoder.finish()
        try protection.writeSidecar(encryption)
        try writer.finish()
        transcoder.report.warn(input)
        let report = transcoder.report
        info(
            "\(report.pictures) pictures, \(writer.bytesWritten) bytes, of which \(report.messageBytes) are "
                + "encryption messages"
        )
        for line in EncryptionSpace.lines(encryption, layerBytes: report.layerBytes) { info(line) }
        if report.failedSlices > 0 { throw ExitCode(2) }
    }
}

struct RekeyCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "rekey", abstract: "Exchange the keys of an encrypted stream in one pass.",
        discussion: "veil rekey old.hevc -o new.hevc --old-keys old.json --keys new.json")

    @Argument(help: "Encrypted stream, '-' for standard input.")
    var input: String
    @Option(name: .shortAndLong, help: "Stream encrypted anew, '-' for standard output.")
    var output: String
    @Option(help: "Keys of the stream as it is: key file, env:NAME or fd:N.")
    var oldKeys: String
    @Option(help: "Sidecar file of a stream without messages.")
    var oldSidecar: String?
    @OptionGroup var protection: ProtectionOptions
    @Option(help: "Worker threads.")
    var threads: Int = ProcessInfo.processInfo.activeProcessorCount
    @OptionGroup var logging: LoggingOptions

    func run() throws {
        try CommandFiles.check(
            reads: [input, oldSidecar], keys: [oldKeys, protection.keys], writes: [output, protection.sidecar])
        let decryption = Decryption(keys: try KeyRing(reference: oldKeys))
        if let oldSidecar { try decryption.take(try DecryptCommand.sidecar(oldSidecar)) }
        let writer = try StreamWriter(path: output)
        let (transcoder, encryption) = try protection.transcode(input, command: "rekey", threads: threads, to: writer) {
            .rekey(Rekeying(from: decryption, to: $0))
        }
        try transcoder.finish()
        if decryption.signalledLayers.isEmpty { throw KeyError.notEncrypted(stream: input) }
        try protection.writeSidecar(encryption)
        try writer.finish()
        transcoder.report.warn(input)
        if transcoder.report.failedSlices > 0 { throw ExitCode(2) }
    }
}

extension TranscodeReport {
    func warn(_ name: String) { for message in messages { VeilTool.warn("\(name): \(message)") } }
}

/// Writes NAL units to a file, complete or not at all, or to standard output. Nothing is written before the second
/// access unit begins, so that what is wrong with the keys of any layer shows first.
final class StreamWriter {
    private let file: OutputFile?
    private let container: ContainerOutput?
    private var held: [UInt8]? = []
    private var basePictures = 0

    init(path: String) throws {
        let isContainer = ContainerOutput.isContainer(path)
        container = isContainer ? try ContainerOutput(path: path, fps: nil) : nil
        file = isContainer ? nil : try OutputFile(path: path)
    }

    var bytesWritten: Int { file?.bytesWritten ?? container?.bytesWritten ?? 0 }

    func write(_ nal: NALUnit) throws {
        if let container { return try container.write(nal) }
        guard var bytes = held else {
            var out: [UInt8] = []
            out.append(annexB: nal)
            try file?.write(out)
            return
        }
        if nal.header.nalUnitType.isSlice, nal.header.nuhLayerId == 0, nal.bytes.count > 2, nal.bytes[2] & 0x80 != 0 {
            basePictures += 1
        }
        held = nil
        bytes.append(annexB: nal)
        if basePictures < 2 {
            held = bytes
        } else {
            try file?.write(bytes)
        }
    }

    func finish() throws {
        if let held { try file?.write(held) }
        held = nil
        try file?.finish()
        try container?.finish()
    }
}
