// SPDX-License-Identifier: GPL-2.0-or-later
import VeilBaseLayer
import VeilBins
import VeilCrypto
import VeilEncoder
import VeilMedia
import VeilPipeline
import VeilRecon
import VeilSyntax
import VeilTranscoder

/// Encodes pictures to a scalable stream (Annexes F and H), encrypted inside the coding loop when it has keys.
///
/// Push pictures in display order with ``push(_:)`` and end with ``finish()``, or wrap an asynchronous sequence of pictures with
/// ``accessUnits(of:settings:)``. Access units come out in decoding order, some pictures later than they went in. One encoder serves one
/// stream and must be used from one task at a time.
public final class Encoder {
    /// How the enhancement layer relates to the base layer.
    public enum Layers: String, Sendable, CaseIterable {
        /// One layer: an HEVC version 1 stream.
        case single = "1"
        /// The base layer has half the width and height (spatial scalability).
        case double = "2x"
        /// The base layer has two thirds of the width and height.
        case oneAndAHalf = "1.5x"
        /// Both layers have the source's size (quality scalability).
        case snr = "snr"

        /// Base layer size for a source size: even, so that 4:2:0 windows can show it.
        public func baseSize(width: Int, height: Int) -> (width: Int, height: Int) {
            func even(_ v: Double) -> Int { max(Int((v / 2).rounded()) * 2, 2) }
            switch self {
            case .single, .snr: return (width, height)
            case .double: return (even(Double(width) / 2), even(Double(height) / 2))
            case .oneAndAHalf: return (even(Double(width) / 1.5), even(Double(height) / 1.5))
            }
        }
    }

    public struct Settings: Sendable {
        /// Luma samples; may be odd.
        public var width: Int
        public var height: Int
        public var frameRate = (numerator: 25, denominator: 1)
        /// Bits a sample, 8 or 10.
        public var bitDepth = 8
        public var layers = Layers.double
        /// QPs of base and enhancement layer, 0 ... 51.
        public var baseQP = 28
        public var enhancementQP = 28
        /// Speed against efficiency: `ultrafast` to `veryslow`, as x265 has them.
        public var preset = "medium"
        /// Worker threads, 1 or more. The stream does not depend on it.
        public var threads = 1
        /// Send parameter sets before every IRAP picture, for receivers that join.
        public var repeatsHeaders = false
        /// Keys to encrypt with; nil writes a clear stream.
        public var keys: KeyRing?
        /// Scheme, cipher, profile, elements, resynchronisation, nonce.
        public var protection = Encryption.Options()
        /// Further options of the base layer by their names on the x265 command line.
        public var baseLayerOptions: [(name: String, value: String?)] = []

        public init(width: Int, height: Int) {
            self.width = width
            self.height = height
        }
    }

    /// Whether this build can encode at all (libx265's development files were there).
    public static var isAvailable: Bool { BaseLayerEncoder.isAvailable }

    public let settings: Settings
    /// What is being encrypted and how much, when there are keys.
    public let encryption: Encryption?
    private let encoder: ScalableEncoder
    private let format: VideoFormat
    private let downsampler: Downsampler

    /// Throws ``EncoderError``, ``BaseLayerError`` or ``KeyError`` when the settings cannot be met.
    public init(settings: Settings) throws {
        guard settings.width > 0, settings.height > 0, settings.width <= 16384, settings.height <= 16384 else {
            throw EncoderError.settings("a size of \(settings.width)x\(settings.height) cannot be coded")
        }
        guard settings.bitDepth == 8 || settings.bitDepth == 10 else {
            throw EncoderError.settings("\(settings.bitDepth) bits a sample cannot be coded")
        }
        self.settings = settings
        format = VideoFormat(width: settings.width, height: settings.height, fps: settings.frameRate, bitDepth: settings.bitDepth)
        let base = settings.layers.baseSize(width: settings.width, height: settings.height)
        var inner = ScalableSettings()
        inner.base.width = base.width
        inner.base.height = base.height
        inner.base.fps = settings.frameRate
        inner.base.bitDepth = settings.bitDepth
        inner.base.preset = settings.preset
        inner.base.options = [("qp", String(settings.baseQP)), ("pools", String(max(settings.threads, 1)))] + settings.baseLayerOptions
        if settings.threads <= 1 { inner.base.options.insert(("frame-threads", "1"), at: 0) }
        if settings.layers != .single {
            var layer = EnhancementSettings(format: LayerFormat(width: settings.width, height: settings.height, bitDepth: settings.bitDepth))
            layer.rate = .offset(Double(settings.enhancementQP - settings.baseQP), initial: settings.enhancementQP)
            if let preset = EncoderPreset(name: settings.preset) {
                layer.effort = preset.effort
                layer.tools = preset.tools
            }
            inner.enhancements = [layer]
        }
        inner.threads = max(settings.threads, 1)
        inner.repeatsHeaders = settings.repeatsHeaders
        if let keys = settings.keys {
            let made = try Encryption(options: settings.protection, layers: settings.layers == .single ? [0] : [0, 1], keys: keys)
            _ = inner.protect(with: made)
            encryption = made
        } else {
            encryption = nil
        }
        encoder = try ScalableEncoder(settings: inner)
        downsampler = Downsampler(
            source: format,
            target: VideoFormat(width: base.width, height: base.height, fps: settings.frameRate, bitDepth: settings.bitDepth))
    }

    /// Takes the next picture in display order. Returns the access units that became ready.
    public func push(_ picture: Picture) throws -> [AccessUnit] {
        guard picture.width == settings.width, picture.height == settings.height, picture.bitDepth == settings.bitDepth else {
            throw EncoderError.settings(
                "a picture of \(picture.width)x\(picture.height), \(picture.bitDepth) bit, where \(settings.width)x\(settings.height), \(settings.bitDepth) bit is coded")
        }
        let frame = VideoFrame(format: format, planes: picture.planes)
        let whole = FrameBuffer(frame, bitDepth: settings.bitDepth)
        let small = settings.layers == .single || settings.layers == .snr ? whole : FrameBuffer(downsampler(frame), bitDepth: settings.bitDepth)
        return try encoder.push(settings.layers == .single ? [small] : [small, whole]).map { [AccessUnit($0.nals)] } ?? []
    }

    /// Ends the stream and returns the access units left.
    public func finish() throws -> [AccessUnit] {
        var result: [AccessUnit] = []
        while let unit = try encoder.flush() { result.append(AccessUnit(unit.nals)) }
        return result
    }

    /// The access units of an asynchronous sequence of pictures.
    ///
    /// The sequence pulls: a picture is read only when an access unit is asked for, so that a slow consumer holds back its source.
    public static func accessUnits<Pictures: AsyncSequence>(of pictures: Pictures, settings: Settings) throws -> EncodedAccessUnits<Pictures>
    where Pictures.Element == Picture {
        EncodedAccessUnits(pictures: pictures, encoder: try Encoder(settings: settings))
    }
}

/// See ``Encoder/accessUnits(of:settings:)``. Can be iterated once.
public struct EncodedAccessUnits<Pictures: AsyncSequence>: AsyncSequence where Pictures.Element == Picture {
    public typealias Element = AccessUnit
    let pictures: Pictures
    let encoder: Encoder

    public struct AsyncIterator: AsyncIteratorProtocol {
        var pictures: Pictures.AsyncIterator
        let encoder: Encoder
        var ready: [AccessUnit] = []
        var ended = false

        public mutating func next() async throws -> AccessUnit? {
            while ready.isEmpty && !ended {
                try Task.checkCancellation()
                if let picture = try await pictures.next() {
                    ready = try encoder.push(picture)
                } else {
                    ended = true
                    ready = try encoder.finish()
                }
            }
            return ready.isEmpty ? nil : ready.removeFirst()
        }
    }

    public func makeAsyncIterator() -> AsyncIterator { AsyncIterator(pictures: pictures.makeAsyncIterator(), encoder: encoder) }
}
