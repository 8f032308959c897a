// SPDX-License-Identifier: GPL-2.0-or-later
import ArgumentParser
import Veil
import VeilMedia
import VeilSystem

struct InspectCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "inspect", abstract: "Show layers, pictures, sizes and encryption.",
        discussion: """
            EXAMPLES
              veil inspect out.hevc
              veil inspect - --json <out.hevc
            """)

    @Argument(help: "Annex B stream, '-' for standard input.")
    var input: String
    @Flag(help: "Print JSON.")
    var json = false
    @Flag(help: "Read headers only: no encryption space, which takes a pass over all slice data.")
    var headers = false
    @Option(help: "Sidecar file of a stream without messages.")
    var sidecar: String?
    @OptionGroup var logging: LoggingOptions

    func run() throws {
        let inspector = StreamInspector(
            countsSpace: !headers, sidecar: try sidecar.map { try DecryptCommand.sidecar($0) },
            threads: ProcessInfo.processInfo.activeProcessorCount)
        var times: FrameTimes?
        var container: ContainerContents?
        func opened(_ chunks: StreamChunks) { (times, container) = (chunks.times, chunks.container) }
        try StreamInput.chunks(input, opened: opened) { try inspector.push($0) }
        let summary = try StreamInput.named(input) { try inspector.finish() }
        defer { for message in summary.notes { warn("\(input): \(message)") } }
        if summary.layers.isEmpty { throw MediaError.notSupported(path: input, what: "no pictures") }
        if json {
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
            print(
                String(decoding: try encoder.encode(Inspected(summary: summary, container: container)), as: UTF8.self))
        } else {
            show(summary, container, times)
        }
        if summary.damagedSlices ?? 0 > 0 { throw ExitCode(2) }
    }

    private func show(_ summary: StreamSummary, _ container: ContainerContents?, _ times: FrameTimes?) {
        print(
            "\(input): \(summary.bytes) bytes, \(summary.nalUnits) NAL units, \(summary.layers.count) "
                + "layer\(summary.layers.count == 1 ? "" : "s")"
        )
        if let container { print("container: \(container.line)") }
        if let times, let rate = times.frameRate {
            print("container: \(rate.numerator)/\(rate.denominator) frames a second\(times.varies ? ", varying" : "")")
        }
        for layer in summary.layers {
            print(
                "layer \(layer.layer): \(layer.width)x\(layer.height), \(layer.bitDepth) bit, "
                    + (layer.role.map { "\($0), " } ?? "") + "\(layer.pictures) "
                    + "pictures "
                    + "(\(layer.irapPictures) IRAP), \(layer.slices) slices, \(layer.bytes) bytes")
            let told = [layer.frameRate.map { "\($0) frames a second" }, layer.colour?.line].compactMap { $0 }
            if !told.isEmpty { print("  " + told.joined(separator: ", ")) }
            if let data = layer.userData {
                let counts = data.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)" }
                print("  messages of user data: \(counts.joined(separator: ", "))")
            }
            if let e = layer.encryption {
                print(
                    "  encrypted: scheme \(e.scheme), \(e.cipher), \(e.profile) profile, elements "
                        + "\(e.elements.joined(separator: ",")), "
                        + "restart \(e.resynchronization), key id \(e.keyId), \(e.messages) messages"
                        + (e.hide.map { ", pictures hidden as by --hide \($0)" } ?? "")
                        + (e.irapOnly == true ? ", IRAP pictures only" : "")
                        + (e.minTemporalId.map { ", TemporalId \($0) and above only" } ?? "")
                        + (e.authenticated ? ", authenticated" : "")
                        + (e.regions.map { ", \($0.count) regions only" } ?? ""))
            } else {
                print("  clear")
            }
            if let sealed = layer.sealedBytes {
                let share = 100 * Double(sealed) / Double(max(layer.bytes, 1))
                print("  sealed whole: \(sealed) bytes, " + String(printf: "%.2f %% of the layer", share))
            }
            if let space = layer.encryptionSpace {
                let elements = space.bits.sorted { $0.value > $1.value }.map { "\($0.key) \($0.value)" }.joined(
                    separator: ", ")
                let what =
                    layer.encryption == nil
                    ? "the paper's profile would encrypt"
                    : layer.sealedBytes == nil ? "encryption space" : "encryption space of what is not sealed"
                print(
                    "  \(what): \(space.total) bits, "
                        + String(
                            printf: "%.2f %% of the stream, %.2f %% of the layer", space.percentOfStream,
                            space.percentOfLayer)
                        + (elements.isEmpty ? "" : " (\(elements))"))
            }
        }
    }
}

/// A summary, and what the stream lies in beside its own keys.
private struct Inspected: Encodable {
    var summary: StreamSummary
    var container: ContainerContents?

    enum CodingKeys: CodingKey { case container }

    func encode(to encoder: any Encoder) throws {
        try summary.encode(to: encoder)
        var values = encoder.container(keyedBy: CodingKeys.self)
        try values.encodeIfPresent(container, forKey: .container)
    }
}
