// SPDX-License-Identifier: GPL-2.0-or-later
import ArgumentParser
import Foundation
import VeilBitstream
import VeilEntropy
import VeilMedia
import VeilProtection

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
        var inspection = StreamInspection()
        let space = SpaceCounting()
        let counter =
            headers
            ? nil
            : StreamTranscoder(mode: .hooks(space), threads: ProcessInfo.processInfo.activeProcessorCount) { _ in }
        for message in try sidecar.map({ try DecryptCommand.sidecar($0).messages }) ?? [] {
            space.take(message)
            inspection.take(message)
        }
        try StreamInput.read(input) { nal in
            try inspection.take(nal)
            if nal.header.nalUnitType == .prefixSEI, let message = try ProtectionSEI.message(in: nal) {
                space.take(message)
            }
            try counter?.push(nal)
        }
        try counter?.finish()
        if counter != nil { inspection.takeSpace(space) }
        let summary = inspection.summary
        if summary.layers.isEmpty { throw MediaError.notSupported(path: input, what: "no pictures") }
        if json {
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
            print(String(decoding: try encoder.encode(summary), as: UTF8.self))
            return
        }
        print(
            "\(input): \(summary.bytes) bytes, \(summary.nalUnits) NAL units, \(summary.layers.count) "
                + "layer\(summary.layers.count == 1 ? "" : "s")"
        )
        for layer in summary.layers {
            print(
                "layer \(layer.layer): \(layer.width)x\(layer.height), \(layer.bitDepth) bit, \(layer.pictures) "
                    + "pictures "
                    + "(\(layer.irapPictures) IRAP), \(layer.slices) slices, \(layer.bytes) bytes")
            if let e = layer.encryption {
                print(
                    "  encrypted: scheme \(e.scheme), \(e.cipher), \(e.profile) profile, elements "
                        + "\(e.elements.joined(separator: ",")), "
                        + "restart \(e.resynchronization), key id \(e.keyId), \(e.messages) messages")
            } else {
                print("  clear")
            }
            if let space = layer.encryptionSpace {
                let elements = space.bits.sorted { $0.value > $1.value }.map { "\($0.key) \($0.value)" }.joined(
                    separator: ", ")
                let what = layer.encryption == nil ? "the paper's profile would encrypt" : "encryption space"
                print(
                    "  \(what): \(space.total) bits, "
                        + String(
                            format: "%.2f %% of the stream, %.2f %% of the layer", space.percentOfStream,
                            space.percentOfLayer)
                        + (elements.isEmpty ? "" : " (\(elements))"))
            }
        }
        for message in summary.notes { warn("\(input): \(message)") }
    }
}

/// What a stream holds.
struct StreamSummary: Codable {
    struct Encryption: Codable {
        var scheme: String
        var cipher: String
        var profile: String
        var elements: [String]
        var resynchronization: String
        var feedback: Bool
        var keyId: String
        var messages: Int
    }
    struct Layer: Codable {
        var layer: Int
        var width = 0
        var height = 0
        var bitDepth = 8
        var pictures = 0
        var irapPictures = 0
        var slices = 0
        /// Bytes of slice NAL units, start codes excluded.
        var bytes = 0
        var encryption: Encryption?
        /// What is encrypted, or in clear layers what the paper's profile would encrypt.
        var encryptionSpace: Space?
    }
    /// Encrypted bits, by syntax element, and their share of the bits of all slices (ES) and of those of the layer.
    struct Space: Codable {
        var bits: [String: Int]
        var total: Int
        var percentOfStream: Double
        var percentOfLayer: Double
    }
    var bytes = 0
    var nalUnits = 0
    var layers: [Layer] = []
    var notes: [String] = []
}

/// Gathers a summary from the headers of a stream.
struct StreamInspection {
    private(set) var summary = StreamSummary()
    private let sets = ParameterSetCollection()

    mutating func take(_ nal: NALUnit) throws {
        summary.nalUnits += 1
        summary.bytes += nal.bytes.count + nal.startCodeLength + nal.trailingZeros
        do {
            switch nal.header.nalUnitType {
            case .vps, .sps, .pps: try sets.take(nal)
            case .prefixSEI:
                if let message = try ProtectionSEI.message(in: nal) { update(message.layer) { $0.take(message) } }
            default:
                if nal.header.nalUnitType.isSlice { try takeSlice(nal) }
            }
        } catch let error as SyntaxError {
            if summary.notes.count < 20 {
                summary.notes.append("\(nal.header.nalUnitType) at byte \(nal.offset): \(error)")
            }
        }
    }

    /// Takes a message kept beside the stream.
    mutating func take(_ message: ProtectionMessage) { update(message.layer) { $0.take(message) } }

    /// Takes what was counted, once the stream is over.
    mutating func takeSpace(_ space: SpaceCounting) {
        let all = Double(max(summary.layers.reduce(0) { $0 + $1.bytes } * 8, 1))
        for i in summary.layers.indices {
            let counts = space.counts(layer: summary.layers[i].layer)
            let named = ElementSet.maximal.counts(counts).filter { $0.bits > 0 }
            summary.layers[i].encryptionSpace = StreamSummary.Space(
                bits: Dictionary(uniqueKeysWithValues: named.map { ($0.name, $0.bits) }), total: counts.total,
                percentOfStream: 100 * Double(counts.total) / all,
                percentOfLayer: 100 * Double(counts.total) / Double(max(summary.layers[i].bytes * 8, 1)))
        }
    }

    private mutating func takeSlice(_ nal: NALUnit) throws {
        let rbsp = nal.rbsp
        var r = BitReader(Array(rbsp.prefix(32)))
        let first = try r.flag("first_slice_segment_in_pic_flag")
        if nal.header.nalUnitType.isIRAP { _ = try r.flag("no_output_of_prior_pics_flag") }
        let ppsId = try r.ue("slice_pic_parameter_set_id", in: 0...63)
        let pps = try sets.pictureParameterSet(id: ppsId)
        let sps = try sets.sequenceParameterSet(id: pps.ppsSeqParameterSetId, layerId: nal.header.nuhLayerId)
        update(nal.header.nuhLayerId) { layer in
            layer.width = sps.picWidthInLumaSamples - sps.window.left - sps.window.right
            layer.height = sps.picHeightInLumaSamples - sps.window.top - sps.window.bottom
            layer.bitDepth = sps.bitDepthY
            layer.slices += 1
            layer.bytes += nal.bytes.count
            if first {
                layer.pictures += 1
                if nal.header.nalUnitType.isIRAP { layer.irapPictures += 1 }
            }
        }
    }

    private mutating func update(_ id: Int, _ change: (inout StreamSummary.Layer) -> Void) {
        let index =
            summary.layers.firstIndex { $0.layer == id }
            ?? {
                let at = summary.layers.firstIndex { $0.layer > id } ?? summary.layers.count
                summary.layers.insert(StreamSummary.Layer(layer: id), at: at)
                return at
            }()
        change(&summary.layers[index])
    }
}

extension StreamSummary.Layer {
    fileprivate mutating func take(_ message: ProtectionMessage) {
        let count = (encryption?.messages ?? 0) + 1
        encryption = StreamSummary.Encryption(
            scheme: message.scheme.name, cipher: message.cipher.name, profile: message.profile.name,
            elements: message.elements.names,
            resynchronization: message.resynchronization.name, feedback: message.feedback, keyId: message.keyId,
            messages: count)
    }
}
