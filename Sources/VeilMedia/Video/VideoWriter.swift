// SPDX-License-Identifier: GPL-2.0-or-later
import CVeilKernels
import VeilCore
import VeilSystem

/// Writes frames as y4m, or raw when the name ends in .yuv.
public final class VideoWriter {
    private let file: OutputFile
    private let isY4M: Bool
    private var begun = false
    private var format: VideoFormat
    /// One frame as it is written.
    private var bytes: UnsafeMutableRawBufferPointer

    public init(path: String, format: VideoFormat) throws {
        file = try OutputFile(path: path)
        bytes = .allocate(byteCount: format.frameBytes, alignment: 64)
        isY4M = !path.lowercased().hasSuffix(".yuv")
        self.format = format
    }

    /// Frames of another format follow, which a raw file can hold; nothing in it tells.
    /// Throws ``MediaError/notSupported(path:what:)`` of y4m.
    package func change(to format: VideoFormat) throws {
        guard !isY4M else {
            throw MediaError.notSupported(
                path: file.path, what: "the picture size changes in the stream; y4m holds one size only")
        }
        self.format = format
        bytes.deallocate()
        bytes = .allocate(byteCount: format.frameBytes, alignment: 64)
    }

    deinit { bytes.deallocate() }

    /// One row at a time: `row(component, y)` gives the samples, `width` of the component at least, of two bytes or,
    /// in a format of 8 bits, of one.
    public func writeFrame(bytesPerSample: Int = 2, row: (Int, Int) -> UnsafeRawPointer) throws {
        if isY4M {
            if !begun {
                try file.write(header.utf8)
                begun = true
            }
            try file.write("FRAME\n".utf8)
        }
        if bytesPerSample == format.bytesPerSample {
            // As they are (little endian), where they are.
            var rows: [iovec] = []
            for c in 0..<format.chromaFormat.planeCount {
                let s = format.size(ofComponent: c)
                for y in 0..<s.height {
                    rows.append(
                        iovec(iov_base: UnsafeMutableRawPointer(mutating: row(c, y)), iov_len: s.width * bytesPerSample)
                    )
                }
            }
            try file.write(pieces: rows)
            return try file.endUnit()
        }
        // Samples of 8 bits in two bytes are packed, for one write a frame.
        guard var at = bytes.baseAddress else { return }
        for c in 0..<format.chromaFormat.planeCount {
            let s = format.size(ofComponent: c)
            for y in 0..<s.height {
                veil_narrow(
                    at.assumingMemoryBound(to: UInt8.self), s.width, row(c, y).assumingMemoryBound(to: UInt16.self),
                    s.width, Int32(s.width), 1, 0)
                at += s.width
            }
        }
        try file.write(UnsafeRawBufferPointer(bytes))
        try file.endUnit()
    }

    /// Tags as ffmpeg writes them. Where chroma samples lie is told by the tag of 8-bit samples only, and of three
    /// places only; 420jpeg, which says that they are in the middle, stands for places that are not known, too. So does
    /// an aspect of 1:1.
    private var header: String {
        let colour = format.colour
        let bits = format.bitDepth
        let sampling: String
        switch format.chromaFormat {
        case .monochrome: sampling = bits > 8 ? "mono\(bits)" : "mono"
        case .yuv420 where bits == 8:
            sampling = colour.chromaLocation == 0 ? "420mpeg2" : colour.chromaLocation == 2 ? "420paldv" : "420jpeg"
        case .yuv420: sampling = "420p\(bits) XYSCSS=420P\(bits)"
        case .yuv422: sampling = bits > 8 ? "422p\(bits) XYSCSS=422P\(bits)" : "422 XYSCSS=422"
        case .yuv444: sampling = bits > 8 ? "444p\(bits) XYSCSS=444P\(bits)" : "444 XYSCSS=444"
        }
        let aspect = colour.sampleAspect ?? (1, 1)
        let range = colour.isFullRange.map { $0 ? " XCOLORRANGE=FULL" : " XCOLORRANGE=LIMITED" } ?? ""
        return "YUV4MPEG2 W\(format.width) H\(format.height) F\(format.fps.numerator):\(format.fps.denominator) Ip "
            + "A\(aspect.width):\(aspect.height) C\(sampling)\(range)\n"
    }

    public func write(_ frame: VideoFrame) throws {
        guard frame.format.width == format.width, frame.format.height == format.height else {
            throw MediaError.notSupported(
                path: file.path, what: "the picture size changes to \(frame.format.width)x\(frame.format.height)")
        }
        guard frame.format.chromaFormat == format.chromaFormat, frame.format.bitDepth == format.bitDepth else {
            throw MediaError.notSupported(
                path: file.path,
                what: "the sample format changes to \(frame.format.chromaFormat) of \(frame.format.bitDepth) bits")
        }
        try writeFrame { c, y in
            frame.planes[c].withUnsafeBytes { $0.baseAddress! + 2 * y * frame.format.size(ofComponent: c).width }
        }
    }

    public func finish() throws { try file.finish() }
}
