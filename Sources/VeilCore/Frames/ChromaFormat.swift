// SPDX-License-Identifier: GPL-2.0-or-later

/// chroma_format_idc (Table 6-1): how many chroma samples go with the luma samples.
public enum ChromaFormat: UInt8, Hashable, Sendable, CustomStringConvertible {
    case monochrome = 0
    case yuv420 = 1
    case yuv422 = 2
    case yuv444 = 3

    public var description: String {
        switch self {
        case .monochrome: return "monochrome"
        case .yuv420: return "4:2:0"
        case .yuv422: return "4:2:2"
        case .yuv444: return "4:4:4"
        }
    }

    /// Components: three, or luma alone.
    @inlinable public var planeCount: Int { self == .monochrome ? 1 : 3 }

    /// log2 of SubWidthC and SubHeightC; 0 for monochrome, which has no chroma samples.
    @inlinable package var chromaShiftX: Int { self == .yuv420 || self == .yuv422 ? 1 : 0 }
    @inlinable package var chromaShiftY: Int { self == .yuv420 ? 1 : 0 }

    /// By how many bits luma positions are shifted to be those of a component.
    @inlinable @inline(__always)
    package func shiftX(_ cIdx: Int) -> Int { cIdx == 0 ? 0 : chromaShiftX }
    @inlinable @inline(__always)
    package func shiftY(_ cIdx: Int) -> Int { cIdx == 0 ? 0 : chromaShiftY }

    /// A luma size rounded up to whole chroma samples, which is what conformance windows can show.
    package func wholeSize(width: Int, height: Int) -> (width: Int, height: Int) {
        ((width + chromaShiftX) & ~chromaShiftX, (height + chromaShiftY) & ~chromaShiftY)
    }

    /// Width and height of a component of pictures of a size: odd sizes are rounded up.
    public func size(ofComponent cIdx: Int, width: Int, height: Int) -> (width: Int, height: Int) {
        if cIdx > 0 && self == .monochrome { return (0, 0) }
        let x = shiftX(cIdx)
        let y = shiftY(cIdx)
        return ((width + x) >> x, (height + y) >> y)
    }
}
