// SPDX-License-Identifier: GPL-2.0-or-later
import VeilBitstream
import VeilMedia
import VeilProtection

/// Finds out what a stream holds: layers, pictures, sizes, how it is encrypted; no keys needed.
///
/// Feed chunks as they come with ``push(_:)`` and end with ``finish()``.
public final class StreamInspector {
    private var headers: HeaderSummary
    private var splitter = ByteStreamSplitter()
    private let space = SpaceCounting()
    private let counter: StreamTranscoder?

    /// - Parameters:
    ///   - countsSpace: count the bits that are, or could be, encrypted, which takes a pass over all slice data.
    ///   - sidecar: the messages of a stream that carries none.
    ///   - threads: worker threads of the counting, 1 or more.
    public init(countsSpace: Bool = true, sidecar: Sidecar? = nil, threads: Int = 1) {
        headers = HeaderSummary(readsSlices: countsSpace)
        counter = countsSpace ? StreamTranscoder(mode: .hooks(space), threads: max(threads, 1)) { _ in } : nil
        for message in sidecar?.messages ?? [] {
            space.setProtection(of: message)
            headers.add(message)
        }
    }

    /// Takes the next bytes of the stream, however they are cut. Throws ``StreamError``, and ``KeyError`` for messages
    /// that are not understood; what cannot be read of headers is noted in the summary.
    public func push(_ bytes: some Sequence<UInt8>) throws { for unit in try splitter.push(bytes) { try add(unit) } }

    /// Ends the stream.
    public func finish() throws -> StreamSummary {
        if let unit = try splitter.finish() { try add(unit) }
        try counter?.finish()
        if let counter {
            headers.addSpace(space)
            headers.addDamage(counter.report)
        }
        return headers.finished()
    }

    private func add(_ nal: NALUnit) throws {
        try headers.add(nal)
        guard let counter else { return }
        if nal.header.nalUnitType == .prefixSEI, let message = try ProtectionSEI.message(in: nal) {
            space.setProtection(of: message)
        }
        try counter.push(nal)
    }
}

/// Gathers a summary from the headers of a stream.
private struct HeaderSummary {
    private(set) var summary = StreamSummary()
    private let sets = ParameterSetCollection()
    private var roles = LayerRoles()
    /// Whether somebody else reads slices to their end.
    private let readsSlices: Bool
    /// How many messages of each kind a layer has.
    private var userData: [Int: [String: Int]] = [:]
    /// What messages say of each layer.
    private var described: [Int: ColourDescription] = [:]

    init(readsSlices: Bool) { self.readsSlices = readsSlices }

    mutating func add(_ nal: NALUnit) throws {
        summary.nalUnits += 1
        summary.bytes += nal.bytes.count + nal.startCodeLength + nal.trailingZeros
        roles.observe(nal)
        do {
            switch nal.header.nalUnitType {
            case .vps, .sps, .pps: try sets.insert(nal)
            case .prefixSEI:
                SEIMessage.describe(nal, &described[nal.header.nuhLayerId, default: ColourDescription()])
                addUserData(nal)
                if let message = try ProtectionSEI.message(in: nal) { update(message.layer) { $0.add(message) } }
            case .suffixSEI: addUserData(nal)
            case SealedUnit.type where SealedUnit.isSliceOrOne(nal):
                // Its stand-in came before it, with the layer's size.
                guard summary.layers.contains(where: { $0.layer == nal.header.nuhLayerId }) else { break }
                update(nal.header.nuhLayerId) {
                    $0.bytes += nal.bytes.count
                    $0.sealedBytes = ($0.sealedBytes ?? 0) + nal.bytes.count
                }
            default:
                if nal.isDolbyVision { userData[0, default: [:]][StreamSummary.dolbyVision, default: 0] += 1 }
                if nal.header.nalUnitType.isSlice { try addSlice(nal) }
            }
        } catch let error as SyntaxError {
            // Of slices whose data is looked at, that tells.
            if summary.notes.count < 20, !(readsSlices && nal.header.nalUnitType.isSlice) {
                summary.notes.append("\(nal.header.nalUnitType) at byte \(nal.offset): \(error)")
            }
        }
    }

    private mutating func addUserData(_ nal: NALUnit) {
        for message in (try? SEIMessage.messages(rbsp: nal.rbsp)) ?? [] {
            guard let kind = ProtectionSEI.userDataKind(message) else { continue }
            userData[nal.header.nuhLayerId, default: [:]][kind, default: 0] += 1
        }
    }

    /// The summary, once the stream is over.
    mutating func finished() -> StreamSummary {
        for i in summary.layers.indices {
            summary.layers[i].role = roles.name(of: summary.layers[i].layer)
            summary.layers[i].userData = userData[summary.layers[i].layer]
        }
        return summary
    }

    /// Adds a message kept beside the stream.
    mutating func add(_ message: ProtectionMessage) { update(message.layer) { $0.add(message) } }

    /// Adds what was counted, once the stream is over.
    mutating func addSpace(_ space: SpaceCounting) {
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

    /// Adds what was found in the data of slices.
    mutating func addDamage(_ report: TranscodeReport) {
        summary.damagedSlices = report.failedSlices
        summary.notes += report.messages
    }

    private mutating func addSlice(_ nal: NALUnit) throws {
        let rbsp = nal.rbsp
        var r = BitReader(Array(rbsp.prefix(32)))
        let first = try r.flag("first_slice_segment_in_pic_flag")
        if nal.header.nalUnitType.isIRAP { _ = try r.flag("no_output_of_prior_pics_flag") }
        let ppsId = try r.ue("slice_pic_parameter_set_id", in: 0...63)
        let pps = try sets.pictureParameterSet(id: ppsId)
        let sps = try sets.sequenceParameterSet(id: pps.ppsSeqParameterSetId, layerId: nal.header.nuhLayerId)
        let colour = (sps.vui?.colour ?? ColourDescription()).completed(
            by: described[nal.header.nuhLayerId] ?? ColourDescription())
        let rate = FrameRate(timing: sps.vui?.timing ?? sets.anyVps?.timing)
        update(nal.header.nuhLayerId) { layer in
            (layer.width, layer.height) = sps.shownSize
            if !colour.isEmpty { layer.colour = StreamSummary.Colour(colour) }
            if let rate { layer.frameRate = "\(rate.numerator)/\(rate.denominator)" }
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
    fileprivate mutating func add(_ message: ProtectionMessage) {
        let count = (encryption?.messages ?? 0) + 1
        encryption = StreamSummary.Encryption(
            scheme: message.scheme.name, cipher: message.cipher.name, profile: message.profile.name,
            elements: message.elements.names,
            resynchronization: message.resynchronization.name, feedback: message.feedback,
            hide: message.hiding == .none ? nil : message.hiding.rawValue,
            irapOnly: message.selection.irapOnly ? true : nil,
            minTemporalId: message.selection.minTemporalId > 0 ? message.selection.minTemporalId : nil,
            authenticated: message.isAuthenticated,
            regions: message.selection.regions.isEmpty
                ? nil : message.selection.regions.map { [$0.x, $0.y, $0.width, $0.height] }, keyId: message.keyId,
            messages: count)
    }
}
