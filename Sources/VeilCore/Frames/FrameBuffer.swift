// SPDX-License-Identifier: GPL-2.0-or-later
import Foundation

/// One sample plane with margins on every side, so that prediction may read beyond the picture.
///
/// `origin` points at sample (0, 0); rows are `stride` samples apart. Samples are UInt16 whatever the bit depth.
package struct Plane: @unchecked Sendable {
    package let origin: UnsafeMutablePointer<UInt16>
    package let stride: Int
    package let width: Int
    package let height: Int
    /// Samples allocated beyond each side.
    package let margin: Int

    @inlinable
    package init(origin: UnsafeMutablePointer<UInt16>, stride: Int, width: Int, height: Int, margin: Int) {
        self.origin = origin
        self.stride = stride
        self.width = width
        self.height = height
        self.margin = margin
    }

    @inlinable package func row(_ y: Int) -> UnsafeMutablePointer<UInt16> { origin + y &* stride }
    @inlinable package func at(_ x: Int, _ y: Int) -> UnsafeMutablePointer<UInt16> { origin + (y &* stride &+ x) }
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
    private let memory: UnsafeMutableRawPointer
    private let byteCount: Int
    private let isPooled: Bool

    /// - Parameters:
    ///   - width, height: in luma samples, both even (pic_width_in_luma_samples is a multiple of MinCbSizeY).
    ///   - margin: luma samples beyond each side, a multiple of 32; 4:2:0 chroma planes have half of it.
    ///   - isPooled: the memory was used before and will be used again. Not for pictures that are hardly ever
    ///     touched: untouched memory costs nothing unless it is taken from those who would have touched it.
    package init(
        width: Int, height: Int, bitDepthLuma: Int, bitDepthChroma: Int, chromaFormat: ChromaFormat = .yuv420,
        margin: Int = lumaMargin, isPooled: Bool = true
    ) {
        self.chromaFormat = chromaFormat
        self.width = width
        self.height = height
        self.bitDepthLuma = bitDepthLuma
        self.bitDepthChroma = bitDepthChroma
        // Rows start on 64-byte boundaries; both margins are multiples of 16 samples.
        func layout(_ w: Int, _ h: Int, _ margin: Int) -> (stride: Int, samples: Int) {
            let stride = (w + 2 * margin + 31) & ~31
            return (stride, stride * (h + 2 * margin) + 64)
        }
        let luma = layout(width, height, margin)
        let hasChroma = chromaFormat != .monochrome
        let chromaMargin = !hasChroma ? 0 : chromaFormat == .yuv420 ? margin / 2 : margin
        let chromaWidth = hasChroma ? width >> chromaFormat.chromaShiftX : 0
        let chromaHeight = hasChroma ? height >> chromaFormat.chromaShiftY : 0
        let chroma = layout(chromaWidth, chromaHeight, chromaMargin)
        let total = (luma.samples + 2 * chroma.samples) * 2
        byteCount = total
        self.isPooled = isPooled
        memory = isPooled ? MemoryPool.shared.borrow(byteCount: total) : MemoryPool.allocate(total)
        let base = memory.bindMemory(to: UInt16.self, capacity: total / 2)
        func plane(_ start: Int, _ l: (stride: Int, samples: Int), _ w: Int, _ h: Int, _ margin: Int) -> Plane {
            Plane(
                origin: base + start + margin * l.stride + margin, stride: l.stride, width: w, height: h, margin: margin
            )
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

    /// A frame of a format.
    package convenience init(_ format: PictureFormat) {
        self.init(
            width: format.width, height: format.height, bitDepthLuma: format.bitDepthLuma,
            bitDepthChroma: format.bitDepthChroma, chromaFormat: format.chromaFormat)
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
