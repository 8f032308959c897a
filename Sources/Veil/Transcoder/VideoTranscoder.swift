// SPDX-License-Identifier: GPL-2.0-or-later
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
        /// come from the VPS.
        case encrypt(keys: KeyRing, options: Encryption.Options)
        /// Decrypt. Layers for which the keys are not there throw ``KeyError``, or stay encrypted when `partial`.
        case decrypt(keys: KeyRing, partial: Bool)
        /// Show all bins to hooks of your own, which may replace them: a watermark, statistics, another cipher.
        ///
        /// A hook that changes bins is responsible for the stream staying decodable: see ``EncryptableBins`` for
        /// which bins may change.
        case hooks(any BinHookProvider)
    }

    /// What happened so far.
    public struct Report: Sendable {
        public var pictures = 0
        /// Slices that could not be parsed and passed through as they were.
        public var failedSlices = 0
        /// Bytes of encryption messages put in or taken out.
        public var messageBytes = 0
        /// The first messages about damage, one line each.
        public var messages: [String] = []
    }

    private let operation: Operation
    private let threads: Int
    private var splitter = ByteStreamSplitter()
    private var grouping = AccessUnitGrouping()
    private var transcoder: StreamTranscoder?
    /// Units that wait for the VPS, which tells what layers there are.
    private var waiting: [NALUnit] = []
    private let sink = Sink()

    private final class Sink { var units: [NALUnit] = [] }

    /// - Parameter threads: worker threads, 1 or more; output does not depend on it. At most that many pictures are
    ///   held.
    public init(_ operation: Operation, threads: Int = 1) {
        self.operation = operation
        self.threads = max(threads, 1)
    }

    /// Takes the next bytes of the stream, however they are cut. Returns the access units that became ready.
    public func push(_ bytes: some Sequence<UInt8>) throws -> [AccessUnit] {
        for unit in try splitter.push(bytes) { try take(unit) }
        return group()
    }

    /// Ends the stream and returns the access units left.
    public func finish() throws -> [AccessUnit] {
        if let unit = try splitter.finish() { try take(unit) }
        if transcoder == nil { try begin(layers: [0]) }
        try transcoder?.finish()
        var result = group()
        if let last = grouping.finish() { result.append(AccessUnit(last)) }
        return result
    }

    public var report: Report {
        guard let r = transcoder?.report else { return Report() }
        return Report(
            pictures: r.pictures, failedSlices: r.failedSlices, messageBytes: r.messageBytes, messages: r.messages)
    }

    private func group() -> [AccessUnit] {
        defer { sink.units = [] }
        return sink.units.compactMap { grouping.push($0) }.map { AccessUnit($0) }
    }

    private func take(_ unit: NALUnit) throws {
        if let transcoder {
            try transcoder.push(unit)
            return
        }
        waiting.append(unit)
        if unit.header.nalUnitType == .vps {
            let layers = try VideoParameterSet(rbsp: unit.rbsp).layerIds
            try begin(layers: layers.isEmpty ? [0] : layers)
        } else if unit.header.nalUnitType.isVCL {
            try begin(layers: [0])
        }
    }

    private func begin(layers: [Int]) throws {
        let mode: StreamTranscoder.Mode
        switch operation {
        case .encrypt(let keys, let options):
            mode = .encrypt(try Encryption(options: options, layers: layers, keys: keys))
        case .decrypt(let keys, let partial): mode = .decrypt(Decryption(keys: keys, lenient: partial))
        case .hooks(let provider): mode = .hooks(provider)
        }
        let sink = sink
        let made = StreamTranscoder(mode: mode, threads: threads) { sink.units.append($0) }
        transcoder = made
        for unit in waiting { try made.push(unit) }
        waiting = []
    }

    /// The access units of an asynchronous stream of bytes, transcoded. Pulls: see
    /// ``VideoDecoder/pictures(of:options:)``.
    public static func accessUnits<Chunks: AsyncSequence>(
        of chunks: Chunks, _ operation: Operation, threads: Int = 1
    ) -> TranscodedAccessUnits<Chunks> where Chunks.Element: Sequence<UInt8> & Sendable {
        TranscodedAccessUnits(chunks: chunks, operation: operation, threads: threads)
    }
}

/// See ``VideoTranscoder/accessUnits(of:_:threads:)``.
public struct TranscodedAccessUnits<Chunks: AsyncSequence>: AsyncSequence
where Chunks.Element: Sequence<UInt8> & Sendable {
    public typealias Element = AccessUnit
    let chunks: Chunks
    let operation: VideoTranscoder.Operation
    let threads: Int

    public struct AsyncIterator: AsyncIteratorProtocol {
        var chunks: Chunks.AsyncIterator
        let transcoder: WorkQueue<VideoTranscoder>
        var ready: [AccessUnit] = []
        var ended = false

        public mutating func next() async throws -> AccessUnit? {
            while ready.isEmpty && !ended {
                try Task.checkCancellation()
                if let chunk = try await chunks.next() {
                    ready = try await transcoder.run { try $0.push(chunk) }
                } else {
                    ended = true
                    ready = try await transcoder.run { try $0.finish() }
                }
            }
            return ready.isEmpty ? nil : ready.removeFirst()
        }
    }

    public func makeAsyncIterator() -> AsyncIterator {
        AsyncIterator(
            chunks: chunks.makeAsyncIterator(), transcoder: WorkQueue(VideoTranscoder(operation, threads: threads)))
    }
}
