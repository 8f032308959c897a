// SPDX-License-Identifier: GPL-2.0-or-later
import VeilBitstream
import VeilCore
import VeilDecoder
import VeilMedia
import VeilRecon

/// A picture: what a ``VideoEncoder`` takes and a ``VideoDecoder`` gives. Its samples do not change.
public struct VideoPicture: Sendable {
    /// Luma samples. Odd sizes are allowed; chroma planes of half the size are then rounded up.
    public let width: Int
    public let height: Int
    /// Bits a sample of luma and of chroma, 8, 10 or 12 to encode. The two may differ in decoded pictures.
    public let bitDepthLuma: Int
    public let bitDepthChroma: Int
    /// Which chroma samples there are.
    public let chromaFormat: ChromaFormat
    /// nuh_layer_id of the layer it was decoded from; 0 for pictures to encode.
    public let layer: Int
    /// PicOrderCntVal (8.3.1) of a decoded picture.
    public let pictureOrderCount: Int
    /// Frames a second as the stream tells them (VUI or VPS timing), as a fraction.
    public let frameRate: (numerator: Int, denominator: Int)?
    /// What the samples of a decoded picture mean, as its layer tells it.
    public let colour: ColourDescription
    /// Payloads of registered user data messages (H.265, D.2.6; ITU-T T.35): captions, dynamic metadata as HDR10+. An
    /// encoder puts them into each layer.
    public var userData: [[UInt8]] = []
    /// Whether the picture is one field of two, of interlaced video.
    public let isField: Bool
    private let storage: Storage

    private enum Storage: Sendable {
        case planes([[UInt16]])
        /// A window of a coded picture, which is finished and never written again.
        case window(FrameBuffer, left: Int, top: Int)
    }

    /// The larger of the two depths: that of ``i420`` and of all that has room for one.
    public var bitDepth: Int { max(bitDepthLuma, bitDepthChroma) }

    /// A picture to encode: Y, Cb, Cr (or Y alone), rows of samples without gaps, `width * height` of luma and of each
    /// chroma as many as the format has of them, in 4:2:0 `((width + 1) / 2) * ((height + 1) / 2)`. Throws
    /// ``PictureError``.
    public init(
        width: Int, height: Int, bitDepth: Int = 8, chromaFormat: ChromaFormat = .yuv420, planes: [[UInt16]]
    ) throws {
        try Self.check(width, height, bitDepth)
        let sizes = Self.counts(width, height, chromaFormat)
        guard planes.map(\.count) == sizes else {
            throw PictureError.planes(
                width: width, height: height, samples: planes.map(\.count), chromaFormat: chromaFormat)
        }
        let limit = UInt16((1 << bitDepth) - 1)
        for (component, plane) in planes.enumerated() {
            if let sample = plane.first(where: { $0 > limit }) {
                throw PictureError.sample(component: component, value: Int(sample), bitDepth: bitDepth)
            }
        }
        self.init(width, height, bitDepth, chromaFormat, planes)
    }

    /// A picture of 8-bit planar I420 bytes: Y, Cb, Cr one after the other. Throws ``PictureError``.
    public init(i420 bytes: some Collection<UInt8>, width: Int, height: Int) throws {
        try Self.check(width, height, 8)
        let sizes = Self.counts(width, height, .yuv420)
        guard bytes.count == sizes.reduce(0, +) else {
            throw PictureError.planes(width: width, height: height, samples: [bytes.count])
        }
        var rest = bytes[...]
        let planes = sizes.map { count in
            defer { rest = rest.dropFirst(count) }
            return rest.prefix(count).map(UInt16.init)
        }
        self.init(width, height, 8, .yuv420, planes)
    }

    private init(
        _ width: Int, _ height: Int, _ bitDepth: Int, _ chromaFormat: ChromaFormat, _ planes: [[UInt16]]
    ) {
        self.width = width
        self.height = height
        bitDepthLuma = bitDepth
        bitDepthChroma = bitDepth
        self.chromaFormat = chromaFormat
        layer = 0
        pictureOrderCount = 0
        frameRate = nil
        colour = ColourDescription()
        isField = false
        storage = .planes(planes)
    }

    private static func check(_ width: Int, _ height: Int, _ bitDepth: Int) throws {
        guard (1...16384).contains(width), (1...16384).contains(height) else {
            throw PictureError.size(width: width, height: height)
        }
        guard [8, 10, 12].contains(bitDepth) else { throw PictureError.bitDepth(bitDepth) }
    }

    /// Samples of each component of a picture.
    private static func counts(_ width: Int, _ height: Int, _ format: ChromaFormat) -> [Int] {
        (0..<format.planeCount).map { format.size(ofComponent: $0, width: width, height: height) }
            .map { $0.width * $0.height }
    }

    // MARK: Samples

    /// Width and height of a component in samples: 0 is Y, 1 Cb, 2 Cr (which have none in monochrome pictures).
    public func size(ofComponent component: Int) -> (width: Int, height: Int) {
        chromaFormat.size(ofComponent: component, width: width, height: height)
    }

    /// Bits a sample of a component.
    public func bitDepth(ofComponent component: Int) -> Int { component == 0 ? bitDepthLuma : bitDepthChroma }

    /// Y, Cb, Cr, or Y alone: rows of samples without gaps, each component at its own depth. Copies, of decoded
    /// pictures.
    public var planes: [[UInt16]] {
        if case .planes(let planes) = storage { return planes }
        return (0..<chromaFormat.planeCount).map { samples(ofComponent: $0, bitDepth: bitDepth(ofComponent: $0)) }
    }

    /// The samples of a component where they are, with no copy: rows of `size(ofComponent:).width` samples of
    /// `bytesPerSample` bytes (1, or 2 in the machine's order) that begin every `stride` samples. Decoded pictures of 8
    /// bits have samples of one byte.
    public func withRawSamples<R>(
        ofComponent component: Int,
        _ body: (_ samples: UnsafeRawBufferPointer, _ stride: Int, _ bytesPerSample: Int) throws -> R
    ) rethrows -> R {
        let size = size(ofComponent: component)
        if size.height == 0 { return try body(UnsafeRawBufferPointer(start: nil, count: 0), 0, 1) }
        switch storage {
        case .planes(let planes): return try planes[component].withUnsafeBytes { try body($0, size.width, 2) }
        case .window(let frame, let left, let top):
            let plane = frame.plane(component)
            let samples = UnsafeRawBufferPointer(
                start: plane.address(left >> chromaFormat.shiftX(component), top >> chromaFormat.shiftY(component)),
                count: ((size.height - 1) * plane.stride + size.width) * plane.bytesPerSample)
            return try withExtendedLifetime(frame) { try body(samples, plane.stride, plane.bytesPerSample) }
        }
    }

    /// The samples of a component as numbers of 16 bits: rows of `size(ofComponent:).width` samples that begin every
    /// `stride`. With no copy where they have two bytes (see ``withRawSamples(ofComponent:_:)``).
    public func withSamples<R>(
        ofComponent component: Int, _ body: (_ samples: UnsafeBufferPointer<UInt16>, _ stride: Int) throws -> R
    ) rethrows -> R {
        let wide: R? = try withRawSamples(ofComponent: component) { samples, stride, bytes in
            bytes == 2 || samples.isEmpty ? try body(samples.assumingMemoryBound(to: UInt16.self), stride) : nil
        }
        if let wide { return wide }
        return try samples(ofComponent: component, bitDepth: bitDepth(ofComponent: component))
            .withUnsafeBufferPointer { try body($0, size(ofComponent: component).width) }
    }

    /// The samples of a component without gaps, at a depth no smaller than its own: the one way in which components of
    /// different depths are brought to one.
    public func samples(ofComponent component: Int, bitDepth wanted: Int) -> [UInt16] {
        let size = size(ofComponent: component)
        let shift = UInt16(max(wanted - bitDepth(ofComponent: component), 0))
        if shift == 0, case .planes(let planes) = storage { return planes[component] }
        return withRawSamples(ofComponent: component) { samples, stride, bytes in
            [UInt16](unsafeUninitializedCapacity: size.width * size.height) { out, count in
                func copy<Sample: UnsignedInteger & FixedWidthInteger>(_ type: Sample.Type) {
                    let from = samples.assumingMemoryBound(to: type)
                    for y in 0..<size.height {
                        for x in 0..<size.width {
                            out[y &* size.width &+ x] =
                                UInt16(truncatingIfNeeded: from[y &* stride &+ x]) &<< shift
                        }
                    }
                }
                if bytes == 1 { copy(UInt8.self) } else { copy(UInt16.self) }
                count = size.width * size.height
            }
        }
    }

    /// Planar bytes at ``bitDepth``: one a sample for 8 bits, two (least significant first) for more. Other chroma
    /// formats than 4:2:0 have the planes that they have.
    public var i420: [UInt8] {
        var bytes: [UInt8] = []
        for component in 0..<chromaFormat.planeCount {
            if bitDepth == 8 {
                let size = size(ofComponent: component)
                withRawSamples(ofComponent: component) { samples, stride, bytesPerSample in
                    for y in 0..<size.height {
                        let row = samples[(y * stride * bytesPerSample)...].prefix(size.width * bytesPerSample)
                        if bytesPerSample == 1 {
                            bytes.append(contentsOf: row)
                        } else {
                            let row = UnsafeRawBufferPointer(rebasing: row).assumingMemoryBound(to: UInt16.self)
                            bytes.append(contentsOf: row.lazy.map { UInt8(truncatingIfNeeded: $0) })
                        }
                    }
                }
            } else {
                let samples = samples(ofComponent: component, bitDepth: bitDepth)
                bytes.append(
                    contentsOf: samples.lazy.flatMap {
                        [UInt8(truncatingIfNeeded: $0), UInt8(truncatingIfNeeded: $0 >> 8)]
                    })
            }
        }
        return bytes
    }
}

/// What is wrong with a picture's samples, in one line.
public enum PictureError: Error, Sendable, Equatable, CustomStringConvertible {
    case size(width: Int, height: Int)
    case bitDepth(Int)
    /// Samples that do not make planes of the size.
    case planes(width: Int, height: Int, samples: [Int], chromaFormat: ChromaFormat = .yuv420)
    case sample(component: Int, value: Int, bitDepth: Int)

    public var description: String {
        switch self {
        case .size(let width, let height): return "a size of \(width)x\(height) cannot be coded"
        case .bitDepth(let depth): return "\(depth) bits a sample cannot be coded: 8, 10 and 12 can"
        case .planes(let width, let height, let samples, let format):
            let counts = samples.map(String.init).joined(separator: ", ")
            return "\(counts) samples are no \(format) picture of \(width)x\(height)"
        case .sample(let component, let value, let depth):
            return "component \(component): a sample of \(value) is beyond \(depth) bits"
        }
    }
}

extension VideoPicture {
    /// The conformance window of a decoded picture.
    init(_ frame: DecodedFrame) {
        let buffer = frame.picture.frame
        width = frame.width
        height = frame.height
        bitDepthLuma = buffer.bitDepthLuma
        // Monochrome pictures have no samples of the other depth.
        bitDepthChroma = buffer.chromaFormat == .monochrome ? buffer.bitDepthLuma : buffer.bitDepthChroma
        chromaFormat = buffer.chromaFormat
        layer = frame.info.nuhLayerId
        pictureOrderCount = Int(frame.info.poc)
        if let timing = frame.timing, timing.timeScale > 0, timing.numUnitsInTick > 0 {
            frameRate = (timing.timeScale, timing.numUnitsInTick)
        } else {
            frameRate = nil
        }
        colour = frame.colour
        isField = frame.isField
        userData = frame.info.userData
        storage = .window(buffer, left: frame.info.window.left, top: frame.info.window.top)
    }

    /// What an encoder reconstructed, as decoders will see it.
    init(_ picture: CodedPicture, width: Int, height: Int, layer: Int, colour: ColourDescription) {
        self.width = width
        self.height = height
        bitDepthLuma = picture.frame.bitDepthLuma
        bitDepthChroma = picture.frame.bitDepthChroma
        chromaFormat = picture.frame.chromaFormat
        self.layer = layer
        pictureOrderCount = Int(picture.poc)
        frameRate = nil
        self.colour = colour
        isField = false
        storage = .window(picture.frame, left: 0, top: 0)
    }
}

extension VideoFrame {
    /// A picture's samples at its larger depth, to be coded, written or drawn.
    package convenience init(_ picture: VideoPicture) {
        let fps = picture.frameRate ?? (25, 1)
        self.init(
            format: VideoFormat(
                width: picture.width, height: picture.height, fps: fps, bitDepth: picture.bitDepth,
                chromaFormat: picture.chromaFormat, colour: picture.colour),
            planes: (0..<picture.chromaFormat.planeCount).map {
                picture.samples(ofComponent: $0, bitDepth: picture.bitDepth)
            })
        userData = picture.userData
    }
}
