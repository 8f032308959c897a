// SPDX-License-Identifier: GPL-2.0-or-later
import VeilBitstream
import VeilDecoder
import VeilProtection

/// Decodes a byte stream (Annex B) of HEVC or SHVC into pictures in output order, decrypting on the fly when it has
/// keys.
///
/// Feed chunks as they come with ``push(_:)`` and end with ``finish()``, or wrap an asynchronous sequence of chunks
/// with ``pictures(of:options:)``. One decoder serves one stream; it must be used from one task at a time.
///
/// Output conforms to clauses 8, C.5 and F.8: bit-exact, in output order, cropped to the conformance window.
public final class VideoDecoder {
    public struct Options: Sendable {
        /// nuh_layer_id to decode; nil for the highest layer that the VPS names.
        public var layer: Int?
        /// Keys of encrypted layers. Without them the stream decodes to what someone without keys sees.
        public var keys: KeyRing?
        /// Worker threads, 1 or more. Output does not depend on it.
        public var threads = 1
        /// Check decoded picture hash SEI messages (D.3.19); see ``Report``.
        public var verify = false
        /// A hook of your own that sees, and may replace, the bins of the stream while it is decoded. Not together
        /// with ``keys``.
        public var hooks: (any BinHookProvider)?
        public init() {}
    }

    /// What happened so far.
    public struct Report: Sendable {
        public var picturesDecoded = 0
        public var hashesChecked = 0
        public var hashMismatches = 0
        /// Nothing was lost, damaged or concealed.
        public var isClean = true
        /// The first messages about damage, one line each.
        public var messages: [String] = []
    }

    private let decoder: VeilDecoder.Decoder
    private let input: DecryptingInput?
    private var splitter = ByteStreamSplitter()
    private let sink = Sink()

    private final class Sink { var pictures: [Picture] = [] }

    public init(options: Options = Options()) {
        var inner = VeilDecoder.Decoder.Options()
        inner.output = options.layer.map { .layer($0) } ?? .highest
        inner.threads = max(options.threads, 1)
        inner.verify = options.verify
        inner.hooks = options.hooks
        let decryption = options.keys.map { Decryption(keys: $0, wanted: options.layer.map { Set(0...max($0, 0)) }) }
        if let decryption { inner.hooks = decryption.restarting }
        let sink = sink
        let made = VeilDecoder.Decoder(options: inner) { sink.pictures.append(Picture($0)) }
        decoder = made
        input = decryption.map { DecryptingInput($0, threads: inner.threads) { try made.push($0) } }
    }

    /// Takes the next bytes of the stream, however they are cut. Returns the pictures that became ready.
    ///
    /// Throws ``KeyError`` when a key is missing or wrong (before the first picture it would matter to), and errors
    /// that name what a stream asks for and Veil does not support. Damaged data is concealed and reported instead.
    public func push(_ bytes: some Sequence<UInt8>) throws -> [Picture] {
        for unit in try splitter.push(bytes) { try take(unit) }
        return drain()
    }

    /// Ends the stream and returns the pictures left.
    public func finish() throws -> [Picture] {
        if let unit = try splitter.finish() { try take(unit) }
        try input?.finish()
        try decoder.finish()
        return drain()
    }

    public var report: Report {
        let r = decoder.report
        return Report(
            picturesDecoded: r.picturesDecoded, hashesChecked: r.hashesChecked, hashMismatches: r.hashMismatches,
            isClean: r.isClean,
            messages: r.messages)
    }

    private func take(_ unit: NALUnit) throws {
        if let input { try input.push(unit) } else { try decoder.push(unit) }
    }

    private func drain() -> [Picture] {
        defer { sink.pictures = [] }
        return sink.pictures
    }

    /// The pictures of an asynchronous stream of bytes.
    ///
    /// The sequence pulls: a chunk is read only when a picture is asked for, so that a slow consumer holds back its
    /// source.
    public static func pictures<Chunks: AsyncSequence>(
        of chunks: Chunks, options: Options = Options()
    ) -> DecodedPictures<Chunks> where Chunks.Element: Sequence<UInt8> {
        DecodedPictures(chunks: chunks, options: options)
    }
}

/// See ``VideoDecoder/pictures(of:options:)``.
public struct DecodedPictures<Chunks: AsyncSequence>: AsyncSequence where Chunks.Element: Sequence<UInt8> {
    public typealias Element = Picture
    let chunks: Chunks
    let options: VideoDecoder.Options

    public struct AsyncIterator: AsyncIteratorProtocol {
        var chunks: Chunks.AsyncIterator
        let decoder: VideoDecoder
        var ready: [Picture] = []
        var ended = false

        public mutating func next() async throws -> Picture? {
            while ready.isEmpty && !ended {
                try Task.checkCancellation()
                if let chunk = try await chunks.next() {
                    ready = try decoder.push(chunk)
                } else {
                    ended = true
                    ready = try decoder.finish()
                }
            }
            return ready.isEmpty ? nil : ready.removeFirst()
        }
    }

    public func makeAsyncIterator() -> AsyncIterator {
        AsyncIterator(chunks: chunks.makeAsyncIterator(), decoder: VideoDecoder(options: options))
    }
}
