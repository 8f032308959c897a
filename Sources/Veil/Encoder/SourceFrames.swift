// SPDX-License-Identifier: GPL-2.0-or-later
import CVeilKernels
import VeilCore
import VeilEncoder
import VeilMedia

/// A frame to be coded, and where it can be read again, if it comes from a file: what waits for the base layer then
/// takes no memory.
package struct SourceFrame {
    package let frame: VideoFrame
    package let stored: FrameInFile?

    package init(_ frame: VideoFrame, stored: FrameInFile? = nil) {
        self.frame = frame
        self.stored = stored
    }
}

/// Makes what each layer codes out of the source's frames and those of layers with sources of their own.
final class LayerSources {
    private let plan: LayerPlan
    private let format: VideoFormat
    /// Of each layer; nil where it has the source's size, or a source of its own.
    private let downsamplers: [Downsampler?]
    /// Where each downsampler writes, picture after picture.
    private let smaller: [VideoFrame?]
    /// The layer whose pictures those of the second view's others are made of, and what these are then.
    private let viewSource: Int?
    private let viewFormat: VideoFormat

    init(plan: LayerPlan, format: VideoFormat) {
        self.plan = plan
        self.format = format
        viewSource = plan.layers.lastIndex { $0.isView && $0.hasOwnSource }
        var ofView = format
        if let viewSource {
            (ofView.width, ofView.height) = (plan.layers[viewSource].width, plan.layers[viewSource].height)
        }
        viewFormat = ofView
        downsamplers = plan.layers.map { layer in
            let source = layer.isView ? ofView : format
            return layer.hasOwnSource || (layer.width == source.width && layer.height == source.height)
                ? nil
                : Downsampler(
                    source: source,
                    target: VideoFormat(
                        width: layer.width, height: layer.height, fps: format.fps, bitDepth: format.bitDepth,
                        chromaFormat: format.chromaFormat))
        }
        smaller = downsamplers.map { $0.map { VideoFrame(format: $0.target) } }
    }

    /// Luma size of each layer.
    var layerSizes: [(width: Int, height: Int)] { plan.layers.map { ($0.width, $0.height) } }

    /// - Parameter own: frames of the layers with sources of their own. Throws ``SettingsError`` where one is missing
    ///   or a frame is not as the settings say.
    func pictures(
        _ source: SourceFrame, own: [Int: SourceFrame]
    ) throws -> (base: FrameBuffer, enhancements: [any WaitingPicture]) {
        try check(source, format.width, format.height, format.bitDepth)
        if let extra = own.keys.first(where: { !plan.layers.indices.contains($0) || !plan.layers[$0].hasOwnSource }) {
            throw SettingsError(": is given a picture and has no source of its own", layer: extra)
        }
        var base: FrameBuffer?
        var enhancements: [any WaitingPicture] = []
        for (i, layer) in plan.layers.enumerated() {
            var from = try layer.isView ? viewPicture(own, for: i) : source
            if layer.hasOwnSource {
                guard let picture = own[i] else {
                    throw SettingsError(": a picture of its own source is missing", layer: i)
                }
                let given = picture.frame.format
                try check(
                    picture, layer.width, layer.height, given.bitDepth, layer.isAlpha ? given.chromaFormat : nil,
                    layer: i)
                from = layer.isAlpha ? SourceFrame(VideoFrame(alpha: picture.frame, bitDepth: layer.bitDepth)) : picture
            } else if let downsampler = downsamplers[i], let small = smaller[i] {
                downsampler(from.frame, into: small)
                from = SourceFrame(small)
            }
            if i == 0 {
                base = FrameBuffer(from.frame, bitDepth: layer.bitDepth)
            } else if let stored = from.stored, stored.format.bitDepth == layer.bitDepth {
                enhancements.append(WaitingFrame(stored))
            } else {
                enhancements.append(FrameBuffer(from.frame, bitDepth: layer.bitDepth).waiting)
            }
        }
        guard let base else { throw SettingsError("no layers") }
        return (base, enhancements)
    }

    /// The picture of the second view that a layer's is made of.
    private func viewPicture(_ own: [Int: SourceFrame], for layer: Int) throws -> SourceFrame {
        guard let viewSource, let picture = own[viewSource] else {
            throw SettingsError(": a picture of its own source is missing", layer: viewSource ?? layer)
        }
        if layer != viewSource {
            try check(picture, viewFormat.width, viewFormat.height, viewFormat.bitDepth, layer: viewSource)
        }
        return picture
    }

    private func check(
        _ source: SourceFrame, _ width: Int, _ height: Int, _ bitDepth: Int, _ chromaFormat: ChromaFormat? = nil,
        layer: Int? = nil
    ) throws {
        let f = source.frame.format
        if f.chromaFormat != chromaFormat ?? format.chromaFormat {
            throw SettingsError(
                (layer == nil ? "" : ": ") + "a \(f.chromaFormat) picture, where \(format.chromaFormat) is coded",
                layer: layer)
        }
        guard f.width == width, f.height == height, f.bitDepth == bitDepth else {
            throw SettingsError(
                (layer == nil ? "" : ": ")
                    + "a picture of \(f.width)x\(f.height), \(f.bitDepth) bit, where \(width)x\(height), "
                    + "\(bitDepth) bit is coded", layer: layer)
        }
    }
}

extension VideoFrame {
    /// The luma of a frame as the luma of a 4:2:0 picture without colour, which is what decoders of alpha take: its
    /// greatest value stays the greatest one of another depth.
    fileprivate convenience init(alpha frame: VideoFrame, bitDepth: Int) {
        var format = frame.format
        let depth = format.bitDepth
        format.bitDepth = bitDepth
        format.chromaFormat = .yuv420
        let chroma = format.size(ofComponent: 1)
        let grey = [UInt16](repeating: 1 << UInt16(bitDepth - 1), count: chroma.width * chroma.height)
        let (from, to) = (UInt32(1 << depth) - 1, UInt32(1 << bitDepth) - 1)
        let luma =
            depth == bitDepth
            ? frame.planes[0]
            : frame.planes[0].map { UInt16(truncatingIfNeeded: (UInt32($0) * to + from / 2) / from) }
        self.init(format: format, planes: [luma, grey, grey])
    }
}

extension FrameBuffer {
    /// A padded picture of a source frame: sizes rounded up to whole coding blocks of 8, borders repeated; samples
    /// shifted to `bitDepth`, rounded when it is the smaller one.
    package convenience init(_ frame: VideoFrame, bitDepth: Int) {
        let f = frame.format
        self.init(f.coded(bitDepth: bitDepth), margin: Self.sourceMargin)
        for c in 0..<f.chromaFormat.planeCount {
            let to = plane(c)
            let s = f.size(ofComponent: c)
            precondition(frame.planes[c].count >= s.width * s.height, "a plane of the frame's size")
            frame.planes[c].withUnsafeBufferPointer { from in
                guard let first = from.baseAddress else { return }
                if f.bitDepth == bitDepth && to.isNarrow {
                    veil_narrow(
                        to.samples(0, 0, as: UInt8.self), to.stride, first, s.width, Int32(s.width), Int32(s.height), 0)
                } else if f.bitDepth == bitDepth {
                    veil_copy(to.origin, to.stride, first, s.width, Int32(s.width), Int32(s.height))
                } else if to.isNarrow {
                    to.fill(UInt8.self, first, width: s.width, height: s.height, bitDepths: (f.bitDepth, bitDepth))
                } else {
                    to.fill(UInt16.self, first, width: s.width, height: s.height, bitDepths: (f.bitDepth, bitDepth))
                }
            }
            to.repeatBorder(width: s.width, height: s.height)
        }
    }
}

extension VideoFormat {
    /// The pictures that are coded of a source: sizes rounded up to whole coding blocks of 8.
    fileprivate func coded(bitDepth: Int) -> PictureFormat {
        PictureFormat(
            width: (width + 7) & ~7, height: (height + 7) & ~7, bitDepthLuma: bitDepth, bitDepthChroma: bitDepth,
            chromaFormat: chromaFormat)
    }
}

extension Plane {
    /// Takes samples of another depth, rows without gaps: shifted, and rounded to fewer bits.
    fileprivate func fill<Sample: UnsignedInteger & FixedWidthInteger>(
        _ type: Sample.Type, _ from: UnsafePointer<UInt16>, width: Int, height: Int, bitDepths: (Int, Int)
    ) {
        let up = UInt16(max(bitDepths.1 - bitDepths.0, 0))
        let down = UInt16(max(bitDepths.0 - bitDepths.1, 0))
        let half: UInt16 = down > 0 ? 1 << (down - 1) : 0
        let limit = UInt16((1 << bitDepths.1) - 1)
        for y in 0..<height {
            let row = samples(0, y, as: type)
            let line = from + y * width
            for x in 0..<width {
                row[x] = Sample(truncatingIfNeeded: min(((line[x] &+ half) &>> down) &<< up, limit))
            }
        }
    }

    /// Fills what lies right of and below the first `width` x `height` samples with the nearest of them.
    fileprivate func repeatBorder(width filled: Int, height rows: Int) {
        if filled < width {
            veil_any_extend_rows(isNarrow, base, stride, Int32(filled), Int32(rows), Int32(width - filled))
        }
        for y in rows..<max(height, rows) {
            address(0, y).copyMemory(from: address(0, rows - 1), byteCount: width * bytesPerSample)
        }
    }
}

/// A frame of a file as the source of an enhancement layer of the same depth.
struct WaitingFrame: WaitingPicture {
    private let frame: FrameInFile

    init(_ frame: FrameInFile) { self.frame = frame }

    func unpacked() throws -> FrameBuffer {
        let f = frame.format
        let picture = FrameBuffer(f.coded(bitDepth: f.bitDepth), margin: FrameBuffer.sourceMargin)
        for c in 0..<3 {
            let plane = picture.plane(c)
            let s = f.size(ofComponent: c)
            if plane.isNarrow {
                try frame.read(component: c, into: plane.samples(0, 0, as: UInt8.self), stride: plane.stride)
            } else {
                try frame.read(component: c, into: plane.origin, stride: plane.stride)
            }
            plane.repeatBorder(width: s.width, height: s.height)
        }
        return picture
    }
}
