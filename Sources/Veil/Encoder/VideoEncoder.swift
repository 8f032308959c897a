// SPDX-License-Identifier: GPL-2.0-or-later
import DequeModule
import VeilBitstream
import VeilEncoder
import VeilMedia
import VeilProtection

/// Encodes pictures to a scalable stream (Annexes F and H), encrypted inside the coding loop when it has keys.
///
/// Push pictures in display order with ``push(_:layers:)`` and end with ``finish()``, or wrap an asynchronous sequence
/// of pictures with ``accessUnits(of:settings:)``. Access units come out in decoding order, some pictures later than
/// they went in. One encoder serves one stream and must be used from one task at a time.
public final class VideoEncoder {
    /// Whether this build can encode at all (libx265's development files were there).
    public static var isAvailable: Bool { BaseLayerEncoder.isAvailable }

    public let settings: Settings
    /// What is being encrypted and how much, when there are keys.
    public let encryption: Encryption?
    /// Why the base layer is encrypted after libx265 and not inside it, with the same bytes; nil when it is not so.
    public let baseEncryptionNote: String?
    private let encoder: ScalableEncoder
    private let sources: LayerSources
    private let colours: [ColourDescription]
    private let statistics: PassStatistics?
    /// Of an authenticated stream, the access unit that may be the last.
    private var waiting: CodedAccessUnit?
    private let finishing: AccessUnitFinishing?
    private var hasCoded = false

    /// Throws ``SettingsError``, ``EncoderError``, ``BaseLayerError`` or ``KeyError`` when the settings cannot be met,
    /// and ``MediaError`` for statistics of passes.
    public init(settings: Settings) throws {
        self.settings = settings
        let plan = try LayerPlan(settings)
        var inner = try ScalableSettings(settings, plan: plan)
        encryption = try settings.makeEncryption()
        baseEncryptionNote = encryption.flatMap { inner.protect(with: $0, signals: settings.signalsEncryption) }
        let signals = settings.signalsEncryption
        finishing = encryption.map { AccessUnitFinishing($0, signals: signals) }
        if case .first(let path)? = settings.pass {
            let statistics = try PassStatistics(path: path)
            inner.base.options.append(("stats", statistics.ownPath))
            self.statistics = statistics
        } else {
            statistics = nil
        }
        encoder = try ScalableEncoder(settings: inner)
        colours = plan.layers.indices.map { inner.colour(ofLayer: $0) }
        sources = LayerSources(
            plan: plan,
            format: VideoFormat(
                width: settings.width, height: settings.height, fps: settings.frameRate, bitDepth: settings.bitDepth,
                chromaFormat: settings.chromaFormat))
    }

    /// Takes the next picture in display order. Returns the access units that became ready.
    /// - Parameter layers: pictures of the layers with sources of their own, of those layers' sizes.
    public func push(_ picture: VideoPicture, layers: [Int: VideoPicture] = [:]) throws -> [AccessUnit] {
        try push(SourceFrame(VideoFrame(picture)), own: layers.mapValues { SourceFrame(VideoFrame($0)) })
    }

    /// The same with frames of files.
    package func push(_ frame: SourceFrame, own: [Int: SourceFrame] = [:]) throws -> [AccessUnit] {
        let pictures = try sources.pictures(frame, own: own)
        let coded = try encoder.push(
            base: pictures.base, enhancements: pictures.enhancements, userData: frame.frame.userData)
        guard let coded else { return [] }
        guard finishing?.marksEnd ?? false else { return [try accessUnit(coded)] }
        // The last access unit ends the run: which one that is shows later.
        defer { waiting = coded }
        return try waiting.map { [try accessUnit($0)] } ?? []
    }

    /// The next access unit that is left when there are no more pictures; nil after the last. What ``finish()``
    /// gathers.
    public func nextAtEnd() throws -> AccessUnit? {
        while let coded = try encoder.flush() {
            guard finishing?.marksEnd ?? false else { return try accessUnit(coded) }
            let earlier = waiting
            waiting = coded
            if let earlier { return try accessUnit(earlier) }
        }
        if let last = waiting {
            waiting = nil
            return try accessUnit(last, isLast: true)
        }
        encoder.close()
        try statistics?.finish()
        if let encryption, encryption.options.selects, hasCoded, encryption.encryptedBits == 0 {
            try ProtectionError.checkHidden(encryption.options.hiding)
        }
        return nil
    }

    /// Ends the stream and returns the access units left.
    public func finish() throws -> [AccessUnit] {
        var result: [AccessUnit] = []
        while let unit = try nextAtEnd() { result.append(unit) }
        return result
    }

    /// Pictures that were hidden so far (`--hide`), and the bytes that this added.
    public var hidden: (pictures: Int, bytes: Int) { finishing?.hidden ?? (0, 0) }

    private func accessUnit(_ coded: CodedAccessUnit, isLast: Bool = false) throws -> AccessUnit {
        try statistics?.add(coded)
        hasCoded = true
        var unit = AccessUnit(try finishing?.finish(coded.nals, isLast: isLast) ?? coded.nals)
        unit.displayIndex = coded.displayIndex
        if settings.keepsReconstructions {
            unit.reconstructions = zip(coded.pictures, sources.layerSizes).enumerated().map { i, layer in
                VideoPicture(
                    layer.0, width: layer.1.width, height: layer.1.height, layer: i, colour: colours[i])
            }
        }
        return unit
    }

    /// The access units of an asynchronous sequence of pictures.
    ///
    /// The sequence pulls: a picture is read only when an access unit is asked for, so that a slow consumer holds
    /// back its source.
    public static func accessUnits<Pictures: AsyncSequence>(
        of pictures: Pictures, settings: Settings
    ) throws -> EncodedAccessUnits<Pictures>
    where Pictures.Element == VideoPicture {
        EncodedAccessUnits(pictures: pictures, encoder: WorkQueue(try VideoEncoder(settings: settings)))
    }
}

/// Puts tags into access units as they are made, and hides pictures.
private final class AccessUnitFinishing {
    private var finished: [NALUnit] = []
    private var authenticator: StreamAuthenticator?
    private var hiding: PictureHiding?

    init(_ encryption: Encryption, signals: Bool) {
        if encryption.options.hiding != .none {
            hiding = PictureHiding(encryption) { [unowned self] in finished.append($0) }
        }
        if encryption.options.authenticates && signals {
            authenticator = StreamAuthenticator(encryption) { [unowned self] in try leave($0) }
        }
    }

    var hidden: (pictures: Int, bytes: Int) { hiding.map { ($0.count, $0.bytes) } ?? (0, 0) }

    /// Whether the last access unit is another for being the last.
    var marksEnd: Bool { authenticator != nil }

    private func leave(_ nal: NALUnit) throws {
        if let hiding { try hiding.push(nal) } else { finished.append(nal) }
    }

    /// - Parameter isLast: no more access units come.
    func finish(_ units: [NALUnit], isLast: Bool) throws -> [NALUnit] {
        defer { finished.removeAll() }
        for unit in units { if let authenticator { try authenticator.push(unit) } else { try leave(unit) } }
        // The next picture's units are another access unit's: this one is whole.
        try authenticator?.finishPicture()
        if isLast { try authenticator?.finish() }
        return finished
    }
}

/// See ``VideoEncoder/accessUnits(of:settings:)``. Can be iterated once.
public struct EncodedAccessUnits<Pictures: AsyncSequence>: AsyncSequence where Pictures.Element == VideoPicture {
    public typealias Element = AccessUnit
    let pictures: Pictures
    let encoder: WorkQueue<VideoEncoder>

    public struct AsyncIterator: AsyncIteratorProtocol {
        var pictures: Pictures.AsyncIterator
        let encoder: WorkQueue<VideoEncoder>
        var ready: Deque<AccessUnit> = []
        var ended = false

        public mutating func next() async throws -> AccessUnit? {
            while ready.isEmpty && !ended {
                try Task.checkCancellation()
                if let picture = try await pictures.next() {
                    ready = Deque(try await encoder.run { try $0.push(picture) })
                } else {
                    ended = true
                    ready = Deque(try await encoder.run { try $0.finish() })
                }
            }
            return ready.popFirst()
        }
    }

    public func makeAsyncIterator() -> AsyncIterator {
        AsyncIterator(pictures: pictures.makeAsyncIterator(), encoder: encoder)
    }
}
