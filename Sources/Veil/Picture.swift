// SPDX-License-Identifier: GPL-2.0-or-later
import VeilDecoder
import VeilRecon

/// A 4:2:0 picture: what an ``VideoEncoder`` takes and a ``VideoDecoder`` gives.
public struct Picture: Sendable {
    /// Luma samples. Odd sizes are allowed; chroma planes then have the half rounded up.
    public var width: Int
    public var height: Int
    /// Bits a sample, 8 or 10.
    public var bitDepth: Int
    /// Y, Cb, Cr: rows of samples without gaps, `width * height` of luma and `((width + 1) / 2) * ((height + 1) / 2)`
    /// of each chroma.
    public var planes: [[UInt16]]
    /// nuh_layer_id of the layer it was decoded from; 0 for pictures to encode.
    public var layer = 0
    /// PicOrderCntVal (8.3.1) of a decoded picture.
    public var pictureOrderCount = 0
    /// Frames a second as the stream tells them (VUI or VPS timing), as a fraction.
    public var frameRate: (numerator: Int, denominator: Int)?

    /// - Precondition: `planes` have the sizes that ``planes`` describes.
    public init(width: Int, height: Int, bitDepth: Int = 8, planes: [[UInt16]]) {
        precondition(
            width > 0 && height > 0 && (bitDepth == 8 || bitDepth == 10), "a picture of 8 or 10 bit with a size")
        let chroma = ((width + 1) / 2) * ((height + 1) / 2)
        precondition(planes.map(\.count) == [width * height, chroma, chroma], "planes of a 4:2:0 picture")
        self.width = width
        self.height = height
        self.bitDepth = bitDepth
        self.planes = planes
    }

    /// A picture of 8-bit planar I420 bytes: Y, Cb, Cr one after the other. Nil when the count does not fit the size.
    public init?(i420 bytes: some Collection<UInt8>, width: Int, height: Int) {
        guard width > 0, height > 0 else { return nil }
        let luma = width * height
        let chroma = ((width + 1) / 2) * ((height + 1) / 2)
        guard bytes.count == luma + 2 * chroma else { return nil }
        let first = bytes.index(bytes.startIndex, offsetBy: luma)
        let second = bytes.index(first, offsetBy: chroma)
        self.init(
            width: width, height: height,
            planes: [
                bytes[..<first].map(UInt16.init), bytes[first..<second].map(UInt16.init),
                bytes[second...].map(UInt16.init),
            ])
    }

    /// Planar bytes: one a sample for 8 bits, two (least significant first) for 10.
    public var i420: [UInt8] {
        if bitDepth == 8 { return planes.flatMap { $0.map { UInt8(truncatingIfNeeded: $0) } } }
        return planes.flatMap { $0.flatMap { [UInt8(truncatingIfNeeded: $0), UInt8(truncatingIfNeeded: $0 >> 8)] } }
    }
}

extension Picture {
    /// The conformance window of a decoded picture.
    init(_ frame: DecodedFrame) {
        let buffer = frame.picture.frame
        let window = frame.info.window
        width = frame.width
        height = frame.height
        bitDepth = buffer.bitDepthLuma
        layer = frame.info.nuhLayerId
        pictureOrderCount = Int(frame.info.poc)
        if let timing = frame.timing, timing.timeScale > 0, timing.numUnitsInTick > 0 {
            frameRate = (timing.timeScale, timing.numUnitsInTick)
        }
        planes = []
        for c in 0..<3 {
            let s = c == 0 ? 0 : 1
            let w = (width + s) >> s
            let h = (height + s) >> s
            let plane = buffer.plane(c)
            planes.append(
                [UInt16](unsafeUninitializedCapacity: w * h) { out, count in
                    for y in 0..<h {
                        let row = plane.at(window.left >> s, y + (window.top >> s))
                        (out.baseAddress! + y * w).initialize(from: row, count: w)
                    }
                    count = w * h
                })
        }
    }
}
