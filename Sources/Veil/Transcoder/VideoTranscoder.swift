// SPDX-License-Identifier: GPL-2.0-or-later
import DequeModule
import VeilBitstream
import VeilProtection

/// Encrypts or decrypts a finished stream in the domain of bins: slice data is parsed, encryptable bins are replaced,
/// and the arithmetic code (9.3) is written again. No sample is reconstructed, and everything else passes through
/// byte for byte.
///
/// Decrypting what was encrypted gives the stream there was, byte for byte; encrypting gives what an ``VideoEncoder``
/// with the same keys and nonce writes. One transcoder serves one stream and must be used from one task at a time.
public final class VideoTranscoder {
    /// What to do with the stream.
    public enum Operation {
        /// Encrypt layers as the options say: scheme, cipher, profile, elements, resynchronization, nonce. Layers
        /// come from the VPS, which is followed to the end: where it tells of others, a new nonce is chosen.
        case encrypt(keys: KeyRing, options: Encryption.Options)
        /// Decrypt. Layers for which the keys are not there throw ``KeyError``, or stay encrypted when `partial`. A
        /// stream without messages takes a sidecar.
        case decrypt(
            keys: KeyRing, partial: Bool, verification: VerificationOptions = VerificationOptions(),
            sidecar: Sidecar? = nil)
        /// Decrypt with old keys and encrypt with new ones in one pass; each encryption that the stream is made of
        /// gets a nonce of its own.
        case rekey(
            from: KeyRing, verification: VerificationOptions = VerificationOptions(), sidecar: Sidecar? = nil,
            keys: KeyRing, options: Encryption.Options)
        /// Show all bins to hooks of your own, which may replace them: a watermark, statistics, another cipher.
        ///
        /// A hook that changes bins is responsible for the stream staying decodable: see ``EncryptableBins`` for
        /// which bins may change.
        case hooks(any BinHookProvider)
    }

    /// What happened so far.
    public struct Report: Sendable {
        public var pictures = 0
        /// Slices that could not be recoded and passed through as they were: in the clear, of an encryption.
        public var failedSlices = 0
        /// Slices that could not be encrypted and were left out or sealed instead.
        public var droppedSlices = 0
        public var sealedSlices = 0
        /// Pictures sealed whole (``Encryption/Options/hiding``), and how many bytes that added.
        public var hiddenPictures = 0
        public var hidingBytes = 0
        /// By layer: slices to be encrypted in which nothing can be, or so little that they are the same as before.
        public var unchangedSlices: [Int: Int] = [:]
        /// Bytes of encryption messages put in or taken out.
        public var messageBytes = 0
        /// Bytes of slice NAL units, by layer.
        public var layerBytes: [Int: Int] = [:]
        /// Decrypting: layers that stay encrypted for want of a key.
        public var lockedLayers: [Int] = []
        /// What was found about where a stream comes from that is decrypted.
        public var verification: VerificationReport?
        /// The first messages about damage, one line each.
        public var messages: [String] = []
    }

    private var splitter = ByteStreamSplitter(.passingOn)
    private var grouping = AccessUnitGrouping()
    private let transcoder: StreamTranscoder
    private let sink = Sink()

    private final class Sink { var units: [NALUnit] = [] }

    /// Encrypts with hooks that ``Encryption`` makes, decrypts with such of a ``KeyRing``, or shows bins to hooks.
    /// - Parameters:
    ///   - threads: worker threads, 1 or more; output does not depend on it. At most that many pictures are held.
    ///   - damaged: encrypting or exchanging keys, what becomes of slices that cannot be encrypted; by default
    ///     ``ProtectionError`` is thrown.
    ///   - signals: encrypting, put messages into the stream that tell decryptors; else they need a ``Sidecar``.
    public init(_ operation: Operation, threads: Int = 1, damaged: DamagePolicy = .error, signals: Bool = true) {
        let mode: StreamTranscoder.Mode
        switch operation {
        case .encrypt(let keys, let options): mode = .plan(ProtectionPlan(options: options, keys: keys))
        case .decrypt(let keys, let partial, let verification, let sidecar):
            mode = .decrypt(
                Decryption(keys: keys, lenient: partial, verification: verification, sidecar: sidecar))
        case .rekey(let old, let verification, let sidecar, let keys, let options):
            mode = .rekeyPlan(
                Decryption(keys: old, verification: verification, sidecar: sidecar),
                ProtectionPlan(options: options, keys: keys))
        case .hooks(let provider): mode = .hooks(provider)
        }
        let sink = sink
        transcoder = StreamTranscoder(mode: mode, threads: threads, signals: signals, damaged: damaged) {
            sink.units.append($0)
        }
    }

    /// Takes the next bytes of the stream, however they are cut. Returns the access units that became ready.
    public func push(_ bytes: some Sequence<UInt8>) throws -> [AccessUnit] {
        try transcode(bytes)
        return group()
    }

    /// Ends the stream and returns the access units left. Throws ``ProtectionError`` where nothing was encrypted, and
    /// ``KeyError/notEncrypted(stream:)`` where nothing was decrypted since nothing says that it is encrypted.
    public func finish() throws -> [AccessUnit] {
        try end()
        var result = group()
        if let last = grouping.finish() { result.append(AccessUnit(last)) }
        return result
    }

    /// Takes the next bytes of the stream, however they are cut, and delivers NAL units as soon as they are ready.
    public func push(_ bytes: some Sequence<UInt8>, deliver: (StreamUnit) throws -> Void) throws {
        try transcode(bytes)
        try handOn(deliver)
    }

    /// Ends the stream and delivers the NAL units left. Throws as ``finish()`` does.
    /// - Parameter isCut: what came last may be half a NAL unit, and is left out.
    public func finish(isCut: Bool = false, deliver: (StreamUnit) throws -> Void) throws {
        try end(isCut: isCut)
        try handOn(deliver)
    }

    private func transcode(_ bytes: some Sequence<UInt8>) throws {
        for unit in try splitter.push(bytes) { try transcoder.push(unit) }
    }

    private func end(isCut: Bool = false) throws {
        if let unit = try splitter.finish(), !isCut { try transcoder.push(unit) }
        try transcoder.finish(isCut: isCut)
        if let decryption = transcoder.decryption, decryption.signalledLayers.isEmpty {
            throw KeyError.notEncrypted(stream: "the stream")
        }
        try transcoder.checkSelection()
    }

    private func handOn(_ deliver: (StreamUnit) throws -> Void) throws {
        defer { sink.units = [] }
        for unit in sink.units { try deliver(StreamUnit(nal: unit)) }
    }

    /// Whether the stream leaves encrypted that may come in the clear.
    public var isEncrypting: Bool { transcoder.plan != nil }

    /// Encrypting, the encryption of each run of the stream so far: one, unless the stream's layers change.
    public var encryptions: [Encryption] { transcoder.plan?.runs ?? [] }

    public var report: Report {
        let r = transcoder.report
        var report = Report(
            pictures: r.pictures, failedSlices: r.failedSlices, droppedSlices: r.droppedSlices,
            sealedSlices: r.sealedSlices, hiddenPictures: transcoder.hidden.pictures,
            hidingBytes: transcoder.hidden.bytes, unchangedSlices: r.unchangedSlices, messageBytes: r.messageBytes,
            layerBytes: r.layerBytes,
            lockedLayers: transcoder.decryption?.lockedLayers ?? [], messages: r.messages)
        report.verification = transcoder.decryption?.report
        return report
    }

    private func group() -> [AccessUnit] {
        defer { sink.units = [] }
        return sink.units.compactMap { grouping.push($0) }.map { AccessUnit($0) }
    }

    /// The access units of an asynchronous stream of bytes, transcoded. Pulls: see
    /// ``VideoDecoder/pictures(of:options:)``.
    public static func accessUnits<Chunks: AsyncSequence>(
        of chunks: Chunks, _ operation: Operation, threads: Int = 1, damaged: DamagePolicy = .error
    ) -> TranscodedAccessUnits<Chunks> where Chunks.Element: Sequence<UInt8> & Sendable {
        TranscodedAccessUnits(chunks: chunks, operation: operation, threads: threads, damaged: damaged)
    }
}

/// See ``VideoTranscoder/accessUnits(of:_:threads:damaged:)``.
public struct TranscodedAccessUnits<Chunks: AsyncSequence>: AsyncSequence
where Chunks.Element: Sequence<UInt8> & Sendable {
    public typealias Element = AccessUnit
    let chunks: Chunks
    let operation: VideoTranscoder.Operation
    let threads: Int
    let damaged: DamagePolicy

    public struct AsyncIterator: AsyncIteratorProtocol {
        var chunks: Chunks.AsyncIterator
        let transcoder: WorkQueue<VideoTranscoder>
        var ready: Deque<AccessUnit> = []
        var ended = false

        public mutating func next() async throws -> AccessUnit? {
            while ready.isEmpty && !ended {
                try Task.checkCancellation()
                if let chunk = try await chunks.next() {
                    ready = Deque(try await transcoder.run { try $0.push(chunk) })
                } else {
                    ended = true
                    ready = Deque(try await transcoder.run { try $0.finish() })
                }
            }
            return ready.popFirst()
        }
    }

    public func makeAsyncIterator() -> AsyncIterator {
        AsyncIterator(
            chunks: chunks.makeAsyncIterator(),
            transcoder: WorkQueue(VideoTranscoder(operation, threads: threads, damaged: damaged)))
    }
}
