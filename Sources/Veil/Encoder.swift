// SPDX-License-Identifier: GPL-2.0-or-later
import VeilBitstream
import VeilCore
import VeilEncoder
import VeilEntropy
import VeilMedia
import VeilProtection
import VeilRecon

/// Encodes pictures to a scalable stream (Annexes F and H), encrypted inside the coding loop when it has keys.
///
/// Push pictures in display order with ``push(_:)`` and end with ``finish()``, or wrap an asynchronous sequence of
/// pictures with ``accessUnits(of:settings:)``. Access units come out in decoding order, some pictures later than
/// they went in. One encoder serves one stream and must be used from one task at a time.
public final class VideoEncoder {
    /// Whether this build can encode at all (libx265's development files were there).
    public static var isAvailable: Bool { BaseLayerEncoder.isAvailable }

    public let settings: Settings
    /// What is being encrypted and how much, when there are keys.
    public let encryption: Encryption?
    private let encoder: ScalableEncoder
    private let format: VideoFormat
    /// Of each layer; nil where it has the source's size.
    private let downsamplers: [Downsampler?]

    /// Throws ``EncoderError``, ``BaseLayerError`` or ``KeyError`` when the settings cannot be met.
    public init(settings: Settings) throws {
        try Self.check(settings)
        self.settings = settings
        let format = VideoFormat(
            width: settings.width, height: settings.height, fps: settings.frameRate, bitDepth: settings.bitDepth)
        let sizes = settings.layers.sizes(width: settings.width, height: settings.height)
        var inner = ScalableSettings()
        (inner.base.width, inner.base.height) = sizes[0]
        inner.base.fps = settings.frameRate
        inner.base.bitDepth = settings.bitDepth
        inner.base.preset = settings.preset
        inner.base.pyramid = settings.pyramid
        inner.base.options = [("qp", String(settings.qp(0)))] + BaseLayerSettings.sharing(among: settings.threads)
        inner.base.options += [(settings.usesWavefront ? "wpp" : "no-wpp", nil)] + settings.baseLayerOptions
        inner.enhancements = (1..<sizes.count).map { Self.enhancement(settings, layer: $0, size: sizes[$0]) }
        inner.threads = max(settings.threads, 1)
        inner.repeatsHeaders = settings.repeatsHeaders
        if let keys = settings.keys {
            let made = try Encryption(options: settings.protection, layers: Array(sizes.indices), keys: keys)
            _ = inner.protect(with: made)
            encryption = made
        } else {
            encryption = nil
        }
        encoder = try ScalableEncoder(settings: inner)
        downsamplers = sizes.map { size in
            size == (format.width, format.height)
                ? nil
                : Downsampler(
                    source: format,
                    target: VideoFormat(
                        width: size.width, height: size.height, fps: settings.frameRate, bitDepth: settings.bitDepth))
        }
        self.format = format
    }

    private static func check(_ settings: Settings) throws {
        guard (1...16384).contains(settings.width), (1...16384).contains(settings.height) else {
            throw EncoderError.settings("a size of \(settings.width)x\(settings.height) cannot be coded")
        }
        guard settings.bitDepth == 8 || settings.bitDepth == 10 else {
            throw EncoderError.settings("\(settings.bitDepth) bits a sample cannot be coded")
        }
        guard !settings.qps.isEmpty, settings.qps.count <= settings.layers.count,
            settings.qps.allSatisfy({ (0...51).contains($0) })
        else {
            throw EncoderError.settings("QPs are 0 to 51, one a layer at most")
        }
        if let strength = settings.adaptiveQuantization?.strength, !(0...3).contains(strength) {
            throw EncoderError.settings("a strength of adaptive quantization is 0 to 3")
        }
    }

    private static func enhancement(
        _ settings: Settings, layer: Int, size: (width: Int, height: Int)
    ) -> EnhancementSettings {
        var result = EnhancementSettings(
            format: LayerFormat(width: size.width, height: size.height, bitDepth: settings.bitDepth))
        result.references = [layer - 1]
        result.rate = .offset(Double(settings.qp(layer) - settings.qp(0)), initial: settings.qp(layer))
        if let preset = EncoderPreset(name: settings.preset) {
            result.effort = preset.effort
            result.tools = preset.tools
        }
        result.tools.wavefront = settings.usesWavefront
        result.adaptiveQuantization = settings.adaptiveQuantization
        return result
    }

    /// Takes the next picture in display order. Returns the access units that became ready.
    public func push(_ picture: Picture) throws -> [AccessUnit] {
        guard picture.width == settings.width, picture.height == settings.height, picture.bitDepth == settings.bitDepth
        else {
            throw EncoderError.settings(
                "a picture of \(picture.width)x\(picture.height), \(picture.bitDepth) bit, "
                    + "where \(settings.width)x\(settings.height), \(settings.bitDepth) bit is coded")
        }
        let frame = VideoFrame(format: format, planes: picture.planes)
        let sources = downsamplers.map { FrameBuffer($0?(frame) ?? frame, bitDepth: settings.bitDepth) }
        return try encoder.push(sources).map { [AccessUnit($0.nals)] } ?? []
    }

    /// Ends the stream and returns the access units left.
    public func finish() throws -> [AccessUnit] {
        var result: [AccessUnit] = []
        while let unit = try encoder.flush() { result.append(AccessUnit(unit.nals)) }
        return result
    }

    /// The access units of an asynchronous sequence of pictures.
    ///
    /// The sequence pulls: a picture is read only when an access unit is asked for, so that a slow consumer holds
    /// back its source.
    public static func accessUnits<Pictures: AsyncSequence>(
        of pictures: Pictures, settings: Settings
    ) throws -> EncodedAccessUnits<Pictures>
    where Pictures.Element == Picture {
        EncodedAccessUnits(pictures: pictures, encoder: try VideoEncoder(settings: settings))
    }
}

/// See ``VideoEncoder/accessUnits(of:settings:)``. Can be iterated once.
public struct EncodedAccessUnits<Pictures: AsyncSequence>: AsyncSequence where Pictures.Element == Picture {
    public typealias Element = AccessUnit
    let pictures: Pictures
    let encoder: VideoEncoder

    public struct AsyncIterator: AsyncIteratorProtocol {
        var pictures: Pictures.AsyncIterator
        let encoder: VideoEncoder
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

    public func makeAsyncIterator() -> AsyncIterator {
        AsyncIterator(pictures: pictures.makeAsyncIterator(), encoder: encoder)
    }
}
