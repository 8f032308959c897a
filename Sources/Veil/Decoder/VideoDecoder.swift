// SPDX-License-Identifier: GPL-2.0-or-later
import DequeModule
import VeilBitstream
import VeilDecoder
import VeilEntropy
import VeilProtection

/// Decodes a byte stream (Annex B) of HEVC or SHVC into pictures in output order, decrypting on the fly when it has
/// keys.
///
/// Feed chunks as they come with ``push(_:)`` and end with ``finish()``, or wrap an asynchronous sequence of chunks
/// with ``pictures(of:options:)``. One decoder serves one stream; it must be used from one task at a time.
///
/// Output conforms to clauses 8, C.5 and F.8: bit-exact, in output order, cropped to the conformance window.
public final class VideoDecoder {
    /// Which pictures are wanted.
    public enum Output: Sendable, Equatable {
        /// Those of the highest layer that the VPS names; of stereo and other multiview video the highest of the base
        /// layer's view.
        case highestLayer
        /// Those of a nuh_layer_id.
        case layer(Int)
        /// Those of the output layers of an output layer set of the VPS.
        case outputLayerSet(Int)
        /// Those of all layers: ``VideoPicture/layer`` tells which one a picture is of.
        case allLayers
        /// Those for one eye, of stereo video whose stream tells which view is for which eye (3D reference displays
        /// message).
        case view(StereoView)
        /// Those of the auxiliary layer that holds the alpha of the others.
        case alpha
    }

    /// An eye.
    public enum StereoView: String, Sendable, CaseIterable {
        case left
        case right
    }

    public struct Options: Sendable {
        public var output = Output.highestLayer
        /// Ignore temporal sub-layers above this one, 0 to 6.
        public var maxTemporalId = 6
        /// Keys of encrypted layers. Without them the stream decodes to what someone without keys sees.
        public var keys: KeyRing?
        /// Of a stream without messages, what they would say.
        public var sidecar: Sidecar?
        /// What is let through that somebody without keys may have done to the stream.
        public var verification = VerificationOptions()
        /// Worker threads, 1 or more. Output does not depend on it.
        public var threads = 1
        /// Check decoded picture hash SEI messages (D.3.19); see ``Report``.
        public var verify = false
        /// A hook of your own that sees, and may replace, the bins of the stream while it is decoded. Beside ``keys``
        /// it comes second: it is shown the bins as they are decrypted, and what it replaces them by is decoded.
        public var hooks: (any BinHookProvider)?
        /// Luma samples of the largest picture that is decoded; a stream of larger ones is refused.
        public var maxPixels = 35_651_584
        /// Refuse streams whose pictures, or buffers for them, are larger than the level they state allows (pictures
        /// of up to 1920x1088 and a little more are always taken).
        public var keepsToLevel = true
        public init() {}
    }

    /// What happened so far.
    public struct Report: Sendable {
        public var picturesDecoded = 0
        public var picturesOutput = 0
        public var hashesChecked = 0
        public var hashMismatches = 0
        /// Slices that could not be parsed to their end.
        public var failedSlices = 0
        /// CTUs that were lost and made up.
        public var concealedCTUs = 0
        /// Reference pictures that were not there and made up.
        public var missingReferences = 0
        /// Pictures of which nothing came, put out as made up.
        public var concealedPictures = 0
        /// NAL units that could not be read.
        public var damagedUnits = 0
        /// Pictures of lower layers where nothing came of the highest one, which the VPS names and which was to be
        /// shown.
        public var unseenPictures = 0
        /// RASL pictures left out since decoding began after what they refer to (8.1.3).
        public var skippedRASL = 0
        /// Nothing was lost, damaged or concealed.
        public var isClean = true
        /// What was found about where an encrypted stream comes from; nil without keys. What is missing does not count
        /// in ``isClean``.
        public var verification: VerificationReport?
        /// The first messages about damage, one line each.
        public var messages: [String] = []
        public init() {}
    }

    private let options: Options
    private var output = VeilDecoder.Decoder.OutputLayers.highest
    /// Until the layer is known that was asked for by what it is.
    private var finder: LayerFinder?
    private var decoder: VeilDecoder.Decoder?
    private var input: DecryptingInput?
    private var decryption: Decryption?
    /// By VPS: layers that need no key.
    private var unneeded: [Int: Set<Int>] = [:]
    private var splitter: ByteStreamSplitter
    private let sink = Sink()

    /// Pictures on their way out, and how many layers there were to put out when the last one came.
    private final class Sink {
        var pictures: [VideoPicture] = []
        var outputLayerCount: Int?
        weak var decoder: VeilDecoder.Decoder?
    }

    public init(options: Options = Options()) {
        self.options = options
        // Where tags are checked nothing is passed over before.
        splitter = ByteStreamSplitter(options.keys == nil ? .reading : .editing)
        switch options.output {
        case .highestLayer: begin(.highest)
        case .layer(let layer): begin(.layer(layer))
        case .outputLayerSet(let set): begin(.outputLayerSet(set))
        case .allLayers: begin(.all)
        case .view(let view): finder = LayerFinder(.view(view))
        case .alpha: finder = LayerFinder(.alpha)
        }
    }

    /// The layers are known.
    private func begin(_ output: VeilDecoder.Decoder.OutputLayers) {
        var inner = VeilDecoder.Decoder.Options()
        inner.output = output
        inner.threads = max(options.threads, 1)
        inner.verify = options.verify
        inner.maxTemporalId = options.maxTemporalId
        inner.limits = StreamLimits(maxPixels: options.maxPixels, keepsToLevel: options.keepsToLevel)
        inner.hooks = options.hooks
        let decryption = options.keys.map { keys in
            // Only the layers that are decoded need keys; which those are, the layer asked for bounds.
            var wanted: Set<Int>?
            if case .layer(let layer) = output { wanted = Set(0...min(max(layer, 0), 62)) }
            return Decryption(
                keys: keys, wanted: wanted, verification: options.verification, sidecar: options.sidecar)
        }
        self.decryption = decryption
        self.output = output
        if let decryption {
            inner.hooks = options.hooks.map { HooksInTurn(decryption.restarting, $0) } ?? decryption.restarting
        }
        let sink = sink
        let made = VeilDecoder.Decoder(options: inner) {
            sink.pictures.append(VideoPicture($0))
            sink.outputLayerCount = sink.decoder?.outputLayerCount
        }
        sink.decoder = made
        decoder = made
        input = decryption.map {
            DecryptingInput($0, threads: inner.threads) { if !$0.isMalformed { try made.push($0) } }
        }
    }

    /// Takes the next bytes of the stream, however they are cut, and delivers pictures as they become ready.
    ///
    /// Throws ``KeyError`` when a key is missing or wrong (before the first picture it would matter to),
    /// ``StreamError``, and errors that name what a stream asks for and Veil does not support; and what `deliver`
    /// throws. Damaged data is concealed and reported instead.
    public func push(_ bytes: some Sequence<UInt8>, deliver: (VideoPicture) throws -> Void) throws {
        for unit in try splitter.push(bytes) { try decode(unit, deliver) }
    }

    /// Ends the stream and delivers the pictures left.
    /// - Parameter isCut: what came last may be half a NAL unit, and is left out.
    public func finish(isCut: Bool = false, deliver: (VideoPicture) throws -> Void) throws {
        if let unit = try splitter.finish(), !isCut { try decode(unit, deliver) }
        try input?.finish(isCut: isCut)
        try decoder?.finish()
        try deliverReady(deliver)
    }

    /// Takes the next bytes of the stream, however they are cut. Returns the pictures that became ready: all of them at
    /// once, of which a few bytes may make many.
    public func push(_ bytes: some Sequence<UInt8>) throws -> [VideoPicture] {
        var pictures: [VideoPicture] = []
        try push(bytes) { pictures.append($0) }
        return pictures
    }

    /// Ends the stream and returns the pictures left.
    public func finish() throws -> [VideoPicture] {
        var pictures: [VideoPicture] = []
        try finish { pictures.append($0) }
        return pictures
    }

    /// How many layers are put out where the last picture is from, as far as the VPS tells; nil for as many as there
    /// are.
    public var outputLayerCount: Int? { sink.outputLayerCount }

    public var report: Report {
        var report = Report()
        guard let r = decoder?.report else { return report }
        report.picturesDecoded = r.picturesDecoded
        report.picturesOutput = r.picturesOutput
        report.hashesChecked = r.hashesChecked
        report.hashMismatches = r.hashMismatches
        report.failedSlices = r.failedSlices
        report.concealedCTUs = r.concealedCTUs
        report.missingReferences = r.missingReferences
        report.concealedPictures = r.concealedPictures
        report.damagedUnits = r.damagedUnits + splitter.skipped.badHeaders
        report.unseenPictures = r.unseenPictures
        report.skippedRASL = r.skippedRasl
        report.isClean = r.isClean && splitter.skipped.badHeaders == 0
        report.verification = decryption?.report
        report.messages = splitter.skipped.messages + r.messages
        return report
    }

    private func decode(_ unit: NALUnit, _ deliver: (VideoPicture) throws -> Void) throws {
        if finder != nil {
            guard let layer = try finder?.observe(unit) else { return }
            let held = finder?.held ?? []
            finder = nil
            begin(.layer(layer))
            for unit in held { try push(unit) }
        } else {
            try push(unit)
        }
        try deliverReady(deliver)
    }

    private func push(_ unit: NALUnit) throws {
        if let decryption, unit.header.nalUnitType == .vps, unit.header.nuhLayerId == 0,
            let vps = try? VideoParameterSet(rbsp: unit.rbsp)
        {
            unneeded[vps.vpsVideoParameterSetId] = VeilDecoder.Decoder.unneededLayers(output, vps: vps)
            let all = unneeded.values
            decryption.leave(all.dropFirst().reduce(all.first ?? []) { $0.intersection($1) })
        }
        if let input { try input.push(unit) } else { try decoder?.push(unit) }
    }

    private func deliverReady(_ deliver: (VideoPicture) throws -> Void) throws {
        defer { sink.pictures.removeAll() }
        for picture in sink.pictures { try deliver(picture) }
    }

    /// The pictures of an asynchronous stream of bytes.
    ///
    /// The sequence pulls: a chunk is read only when a picture is asked for, so that a slow consumer holds back its
    /// source.
    public static func pictures<Chunks: AsyncSequence>(
        of chunks: Chunks, options: Options = Options()
    ) -> DecodedPictures<Chunks> where Chunks.Element: Sequence<UInt8> & Sendable {
        DecodedPictures(chunks: chunks, options: options)
    }
}

/// See ``VideoDecoder/pictures(of:options:)``.
public struct DecodedPictures<Chunks: AsyncSequence>: AsyncSequence where Chunks.Element: Sequence<UInt8> & Sendable {
    public typealias Element = VideoPicture
    let chunks: Chunks
    let options: VideoDecoder.Options

    public struct AsyncIterator: AsyncIteratorProtocol {
        var chunks: Chunks.AsyncIterator
        let decoder: WorkQueue<VideoDecoder>
        var ready: Deque<VideoPicture> = []
        var ended = false

        public mutating func next() async throws -> VideoPicture? {
            while ready.isEmpty && !ended {
                try Task.checkCancellation()
                if let chunk = try await chunks.next() {
                    ready = Deque(try await decoder.run { try $0.push(chunk) })
                } else {
                    ended = true
                    ready = Deque(try await decoder.run { try $0.finish() })
                }
            }
            return ready.popFirst()
        }
    }

    public func makeAsyncIterator() -> AsyncIterator {
        AsyncIterator(chunks: chunks.makeAsyncIterator(), decoder: WorkQueue(VideoDecoder(options: options)))
    }
}
