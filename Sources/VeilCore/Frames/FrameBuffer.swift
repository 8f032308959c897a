// SPDX-License-Identifier: GPL-2.0-or-later
import VeilSystem

/// One sample plane with margins on every side, so that prediction may read beyond the picture.
///
/// Rows are `stride` samples apart. Samples have two bytes, or one where `isNarrow`: as pictures of 8 bits have them
/// that were decoded.
package struct Plane: @unchecked Sendable {
    /// Sample (0, 0).
    package let base: UnsafeMutableRawPointer
    package let stride: Int
    package let width: Int
    package let height: Int
    /// Samples allocated beyond each side.
    package let margin: Int
    package let isNarrow: Bool

    @inlinable
    package init(
        base: UnsafeMutableRawPointer, isNarrow: Bool, stride: Int, width: Int, height: Int, margin: Int
    ) {
        self.base = base
        self.isNarrow = isNarrow
        self.stride = stride
        self.width = width
        self.height = height
        self.margin = margin
    }

    @inlinable
    package init(origin: UnsafeMutablePointer<UInt16>, stride: Int, width: Int, height: Int, margin: Int) {
        self.init(base: origin, isNarrow: false, stride: stride, width: width, height: height, margin: margin)
    }

    @inlinable package var bytesPerSample: Int { isNarrow ? 1 : 2 }

    /// Where a sample lies, whatever its size.
    @inlinable @inline(__always)
    package func address(_ x: Int, _ y: Int) -> UnsafeMutableRawPointer {
        base + (y &* stride &+ x) &<< (isNarrow ? 0 : 1)
    }

    /// The same as one of `Sample`, which must be what the plane holds.
    @inlinable @inline(__always)
    package func samples<Sample>(_ x: Int, _ y: Int, as type: Sample.Type) -> UnsafeMutablePointer<Sample> {
        assert(MemoryLayout<Sample>.size == bytesPerSample, "samples of another size")
        return address(x, y).assumingMemoryBound(to: type)
    }

    /// The same with the memory around it that the plane has.
    @inlinable @inline(__always)
    package func view<Sample>(_ x: Int, _ y: Int, as type: Sample.Type) -> MutableBufferView<Sample> {
        #if DEBUG
            let all = MutableBufferView(
                samples(-margin, -margin, as: type), count: (height + 2 * margin - 1) * stride + width + 2 * margin)
            return all + ((y + margin) * stride + x + margin)
        #else
            return MutableBufferView(samples(x, y, as: type), count: 0)
        #endif
    }

    /// One sample, for those who are in no hurry.
    package subscript(x: Int, y: Int) -> Int {
        isNarrow
            ? Int(address(x, y).load(as: UInt8.self)) : Int(address(x, y).load(as: UInt16.self))
    }

    /// The samples of a row, without its margins.
    package func values(row y: Int) -> [UInt16] { (0..<width).map { UInt16(self[$0, y]) } }

    // Of planes whose samples have two bytes.

    @inlinable package var origin: UnsafeMutablePointer<UInt16> { samples(0, 0, as: UInt16.self) }
    @inlinable package func row(_ y: Int) -> UnsafeMutablePointer<UInt16> { samples(0, y, as: UInt16.self) }
    @inlinable package func at(_ x: Int, _ y: Int) -> UnsafeMutablePointer<UInt16> { samples(x, y, as: UInt16.self) }
}

/// Where the samples of a block lie, row by row, whatever their size: what kernels for samples of either size take.
package struct SampleBlock {
    /// Its first sample.
    package let base: UnsafeMutableRawPointer
    package let stride: Int
    package let isNarrow: Bool

    @inlinable @inline(__always)
    package init(_ base: UnsafeMutableRawPointer, stride: Int, isNarrow: Bool) {
        self.base = base
        self.stride = stride
        self.isNarrow = isNarrow
    }
}

extension Plane {
    /// The block whose first sample is (x, y).
    @inlinable @inline(__always)
    package func block(_ x: Int, _ y: Int) -> SampleBlock {
        SampleBlock(address(x, y), stride: stride, isNarrow: isNarrow)
    }
}

/// What two pictures have in common when the samples and motion of one can be looked up by places of the other.
package struct PictureFormat: Hashable, Sendable {
    /// In luma samples.
    package let width: Int
    package let height: Int
    package let bitDepthLuma: Int
    package let bitDepthChroma: Int
    package let chromaFormat: ChromaFormat

    package init(
        width: Int, height: Int, bitDepthLuma: Int, bitDepthChroma: Int, chromaFormat: ChromaFormat = .yuv420
    ) {
        self.chromaFormat = chromaFormat
        self.width = width
        self.height = height
        self.bitDepthLuma = bitDepthLuma
        self.bitDepthChroma = bitDepthChroma
    }

    package var lumaSamples: Int { width * height }

    /// Whether all samples fit into a byte. Frames then have samples of one byte.
    package var fitsBytes: Bool { bitDepthLuma == 8 && (bitDepthChroma == 8 || chromaFormat == .monochrome) }
}

/// Owner of the memory of a picture: three planes, or one of monochrome.
package final class FrameBuffer: @unchecked Sendable {
    /// Of 4:2:0 chroma planes half.
    package static let lumaMargin = 96
    /// Of pictures that nothing is predicted from: what kernels may read beyond a block.
    package static let sourceMargin = 32

    package let width: Int
    package let height: Int
    package let bitDepthLuma: Int
    package let bitDepthChroma: Int
    package let chromaFormat: ChromaFormat
    /// Y, Cb, Cr; of monochrome the last two hold nothing.
    package let planes: (Plane, Plane, Plane)
    /// Samples have one byte.
    package var isNarrow: Bool { planes.0.isNarrow }
    private let memory: UnsafeMutableRawPointer
    private let byteCount: Int
    private let isPooled: Bool

    /// - Parameters:
    ///   - width, height: in luma samples, both even (pic_width_in_luma_samples is a multiple of MinCbSizeY).
    ///   - margin: luma samples beyond each side, a multiple of 32; 4:2:0 chroma planes have half of it.
    ///   - isNarrow: one byte a sample, of pictures whose samples fit.
    ///   - isPooled: the memory was used before and will be used again. Not for pictures that are hardly ever
    ///     touched: untouched memory costs nothing unless it is taken from those who would have touched it.
    package init(
        width: Int, height: Int, bitDepthLuma: Int, bitDepthChroma: Int, chromaFormat: ChromaFormat = .yuv420,
        margin: Int = lumaMargin, isNarrow: Bool = false, isPooled: Bool = true
    ) {
        self.chromaFormat = chromaFormat
        self.width = width
        self.height = height
        self.bitDepthLuma = bitDepthLuma
        self.bitDepthChroma = bitDepthChroma
        precondition(
            !isNarrow || (bitDepthLuma == 8 && (bitDepthChroma == 8 || chromaFormat == .monochrome)),
            "samples that do not fit into a byte")
        let bytes = isNarrow ? 1 : 2
        // Rows and their first samples lie on 64-byte boundaries.
        let unit = 64 / bytes
        func aligned(_ samples: Int) -> Int { (samples + unit - 1) / unit * unit }
        func layout(_ w: Int, _ h: Int, _ margin: Int) -> (stride: Int, samples: Int) {
            let stride = aligned(aligned(margin) + w + margin)
            return (stride, stride * (h + 2 * margin) + 64)
        }
        let luma = layout(width, height, margin)
        let hasChroma = chromaFormat != .monochrome
        let chromaMargin = !hasChroma ? 0 : chromaFormat == .yuv420 ? margin / 2 : margin
        let chromaWidth = hasChroma ? width >> chromaFormat.chromaShiftX : 0
        let chromaHeight = hasChroma ? height >> chromaFormat.chromaShiftY : 0
        let chroma = layout(chromaWidth, chromaHeight, chromaMargin)
        let total = (luma.samples + 2 * chroma.samples) * bytes
        byteCount = total
        self.isPooled = isPooled
        let memory = isPooled ? MemoryPool.shared.borrow(byteCount: total) : MemoryPool.allocate(total)
        self.memory = memory
        func plane(_ start: Int, _ l: (stride: Int, samples: Int), _ w: Int, _ h: Int, _ margin: Int) -> Plane {
            Plane(
                base: memory + (start + margin * l.stride + aligned(margin)) * bytes, isNarrow: isNarrow,
                stride: l.stride, width: w, height: h, margin: margin)
        }
        planes = (
            plane(0, luma, width, height, margin),
            plane(luma.samples, chroma, chromaWidth, chromaHeight, chromaMargin),
            plane(luma.samples + chroma.samples, chroma, chromaWidth, chromaHeight, chromaMargin)
        )
    }

    deinit {
        if isPooled { MemoryPool.shared.giveBack(memory, byteCount: byteCount) } else { free(memory) }
    }

    @inlinable package func plane(_ cIdx: Int) -> Plane {
        cIdx == 0 ? planes.0 : cIdx == 1 ? planes.1 : planes.2
    }

    @inlinable package func bitDepth(_ cIdx: Int) -> Int { cIdx == 0 ? bitDepthLuma : bitDepthChroma }

    package var format: PictureFormat {
        PictureFormat(
            width: width, height: height, bitDepthLuma: bitDepthLuma, bitDepthChroma: bitDepthChroma,
            chromaFormat: chromaFormat)
    }

    /// A frame of a format, with samples as small as serves.
    package convenience init(_ format: PictureFormat, margin: Int = lumaMargin) {
        self.init(
            width: format.width, height: format.height, bitDepthLuma: format.bitDepthLuma,
            bitDepthChroma: format.bitDepthChroma, chromaFormat: format.chromaFormat, margin: margin,
            isNarrow: format.fitsBytes)
    }
}

/// The planes of a frame, or of a part of one, with their depths.
package struct FrameView {
    package let planes: (Plane, Plane, Plane)
    package let bitDepthLuma: Int
    package let bitDepthChroma: Int

    @inlinable package init(planes: (Plane, Plane, Plane), bitDepthLuma: Int, bitDepthChroma: Int) {
        self.planes = planes
        self.bitDepthLuma = bitDepthLuma
        self.bitDepthChroma = bitDepthChroma
    }

    @inlinable package func plane(_ cIdx: Int) -> Plane { cIdx == 0 ? planes.0 : cIdx == 1 ? planes.1 : planes.2 }
    @inlinable package func bitDepth(_ cIdx: Int) -> Int { cIdx == 0 ? bitDepthLuma : bitDepthChroma }
}

extension FrameBuffer {
    @inlinable package var view: FrameView {
        FrameView(planes: planes, bitDepthLuma: bitDepthLuma, bitDepthChroma: bitDepthChroma)
    }
}
