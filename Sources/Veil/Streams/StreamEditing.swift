// SPDX-License-Identifier: GPL-2.0-or-later
import VeilBitstream
import VeilProtection

/// A NAL unit of a stream.
public struct StreamUnit: Sendable {
    package let nal: NALUnit

    /// Its bytes in byte stream format (Annex B), start code included.
    public var bytes: [UInt8] {
        var result: [UInt8] = []
        result.append(annexB: nal)
        return result
    }

    /// nuh_layer_id.
    public var layer: Int { nal.header.nuhLayerId }
    /// nuh_temporal_id_plus1 - 1.
    public var temporalId: Int { nal.header.temporalId }
    /// Whether it holds a slice segment of a picture.
    public var isSlice: Bool { nal.header.nalUnitType.isSlice }
    /// Whether it holds the first slice segment of a picture (first_slice_segment_in_pic_flag).
    public var beginsPicture: Bool { nal.beginsPicture }
}

/// Keeps some layers or temporal sub-layers of a stream, encrypted or not, and leaves the rest (clauses 10 and F.10).
/// No slice is touched and no key needed: what is left of an encrypted stream decrypts to what is left of the clear
/// one.
public final class LayerExtractor {
    private var extraction: LayerExtraction
    private var splitter = ByteStreamSplitter(.editing)
    /// Of layers that stay, the message in force.
    private var messages: [Int: ProtectionMessage] = [:]
    /// Units from a VPS of two views in several sizes on, to the end of its access unit: messages among them tell
    /// whether tags are over it.
    private var held: [NALUnit] = []

    /// - Parameters:
    ///   - layer: the nuh_layer_id to keep, with those it is predicted from; nil for all.
    ///   - maxTemporalId: the highest temporal sub-layer to keep, 0 to 6.
    public init(layer: Int? = nil, maxTemporalId: Int = 6) {
        extraction = LayerExtraction(layer: layer, maxTemporalId: maxTemporalId)
    }

    /// nuh_layer_ids that the last VPS of the stream names.
    public var streamLayers: [Int] { extraction.streamLayers }
    /// Those that the VPS of what stays names: of two views in several sizes the VPS becomes that of what stays, unless
    /// there are tags, which are over it.
    public var namedLayers: [Int] { extraction.namedLayers }

    /// Takes the next bytes of the stream, however they are cut, and delivers what stays of them.
    public func push(_ bytes: some Sequence<UInt8>, deliver: (StreamUnit) throws -> Void) throws {
        for nal in try splitter.push(bytes) { try take(nal, deliver) }
    }

    /// Ends the stream.
    public func finish(deliver: (StreamUnit) throws -> Void) throws {
        if let nal = try splitter.finish() { try take(nal, deliver) }
        try release(deliver)
    }

    private func take(_ nal: NALUnit, _ deliver: (StreamUnit) throws -> Void) throws {
        let isBase = nal.header.nuhLayerId == 0 && !nal.isMalformed
        if isBase, nal.header.nalUnitType.isSlice, nal.beginsPicture,
            held.contains(where: { $0.header.nuhLayerId == 0 && $0.header.nalUnitType.isSlice })
        {
            try release(deliver)
        }
        let begins =
            isBase && nal.header.nalUnitType == .vps
            && (try? VideoParameterSet(rbsp: nal.rbsp))?.ext?.hasViewsInSizes ?? false
        if held.count == Self.mostHeld { try release(deliver) }
        if begins || !held.isEmpty { held.append(nal) } else { try extract(nal, deliver) }
    }

    private static let mostHeld = 1 << 12

    private func release(_ deliver: (StreamUnit) throws -> Void) throws {
        let units = held
        held = []
        if units.isEmpty { return }
        extraction.reducesVPS = !units.contains {
            $0.header.nalUnitType == .prefixSEI && !$0.isMalformed
                && (try? ProtectionSEI.message(in: $0))?.isAuthenticated ?? false
        }
        for unit in units { try extract(unit, deliver) }
    }

    private func extract(_ nal: NALUnit, _ deliver: (StreamUnit) throws -> Void) throws {
        let kept = extraction.extract(nal)
        var told: NALUnit?
        if nal.header.nalUnitType == .prefixSEI, !nal.isMalformed, let message = try? ProtectionSEI.message(in: nal) {
            told = follow(message, isKept: kept != nil)
        }
        if let unit = kept ?? told { try deliver(StreamUnit(nal: unit)) }
    }

    /// Streams joined one after the other need not encrypt the same layers: what a message that goes says of layers
    /// that stay, and that one before it told about, stays with them.
    private func follow(_ message: ProtectionMessage, isKept: Bool) -> NALUnit? {
        let over = messages.filter { $0.value.nonce != message.nonce && message.leavesClear(layer: $0.key) }.keys
        for layer in over { messages[layer] = nil }
        if isKept { messages[message.layer] = message }
        guard !isKept, message.version > 1, let layer = over.min() else { return nil }
        return ProtectionSEI.unit(message, carriedBy: layer)
    }
}

/// Cuts a stream before IRAP pictures of its base layer, without keys. Each part begins with the parameter sets in
/// force, so that it plays and decrypts alone.
public final class StreamSplitter {
    private var splitting: StreamSplitting
    private var splitter = ByteStreamSplitter(.editing)
    /// Whether the stream's keystream never restarts: parts after the first then decrypt only when joined again.
    public private(set) var isChained = false

    /// - Parameter every: IRAP pictures a part, 1 or more.
    public init(every: Int = 1) { splitting = StreamSplitting(every: every) }

    /// Takes the next bytes of the stream, however they are cut, and delivers access units with the number of the part
    /// that they belong to, from 0.
    public func push(_ bytes: some Sequence<UInt8>, deliver: (AccessUnit, _ part: Int) throws -> Void) throws {
        for nal in try splitter.push(bytes) { try split(nal, deliver) }
    }

    /// Ends the stream.
    public func finish(deliver: (AccessUnit, _ part: Int) throws -> Void) throws {
        if let nal = try splitter.finish() { try split(nal, deliver) }
        if let unit = splitting.finish() { try deliver(AccessUnit(unit), splitting.part) }
    }

    private func split(_ nal: NALUnit, _ deliver: (AccessUnit, _ part: Int) throws -> Void) throws {
        if nal.header.nalUnitType == .prefixSEI, try ProtectionSEI.message(in: nal)?.resynchronization == .stream {
            isChained = true
        }
        if let unit = splitting.push(nal) { try deliver(AccessUnit(unit), splitting.part) }
    }
}

/// Puts streams one after the other, without keys: parts of one, or different ones, encrypted or not, under any keys.
public final class StreamJoiner {
    private var joining: StreamJoining
    private var splitter = ByteStreamSplitter(.editing)

    /// - Parameter continuous: the streams are parts of one: leading pictures (RASL) refer across the joints, so that
    ///   no end of sequence is put there.
    public init(continuous: Bool = false) { joining = StreamJoining(continuous: continuous) }

    /// A stream begins.
    public func begin() {
        joining.begin()
        splitter = ByteStreamSplitter(.editing)
    }

    /// Takes the next bytes of the stream, however they are cut, and delivers what goes on. Throws ``CutError``.
    public func push(_ bytes: some Sequence<UInt8>, deliver: (StreamUnit) throws -> Void) throws {
        for nal in try splitter.push(bytes) { try join(nal, deliver) }
    }

    /// Ends the stream.
    public func end(deliver: (StreamUnit) throws -> Void) throws {
        if let nal = try splitter.finish() { try join(nal, deliver) }
        for unit in try joining.end() { try deliver(StreamUnit(nal: unit)) }
    }

    private func join(_ nal: NALUnit, _ deliver: (StreamUnit) throws -> Void) throws {
        for unit in try joining.push(nal) { try deliver(StreamUnit(nal: unit)) }
    }
}
