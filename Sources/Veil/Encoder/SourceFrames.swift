// SPDX-License-Identifier: GPL-2.0-or-later
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

    init(plan: LayerPlan, format: VideoFormat) {
        self.plan = plan
        self.format = format
        downsamplers = plan.layers.map { layer in
            layer.hasOwnSource || (layer.width == format.width && layer.height == format.height)
                ? nil
                : Downsampler(
                    source: format,
                    target: VideoFormat(
                        width: layer.width, height: layer.height, fps: format.fps, bitDepth: format.bitDepth))
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
            var from = source
            if layer.hasOwnSource {
                guard let picture = own[i] else {
                    throw SettingsError(": a picture of its own source is missing", layer: i)
                }
                try check(picture, layer.width, layer.height, picture.frame.format.bitDepth, layer: i)
                from = picture
            } else if let downsampler = downsamplers[i], let small = smaller[i] {
                downsampler(source.frame, into: small)
                from = SourceFrame(small)
            }
            if i == 0 {
                base = FrameBuffer(from.frame, bitDepth: layer.bitDepth)
            } else if let stored = from.stored, stored.format.bitDepth == layer.bitDepth {
                enhancements.append(WaitingFrame(stored))
            } else {
                enhancements.append(PackedPicture(FrameBuffer(from.frame, bitDepth: layer.bitDepth)))
            }
        }
        guard let base else { throw SettingsError("no layers") }
        return (base, enhancements)
    }

    private func check(
        _ source: SourceFrame, _ width: Int, _ height: Int, _ bitDepth: Int, layer: Int? = nil
    ) throws {
        let f = source.frame.format
        if f.chromaFormat != .yuv420 {
            throw SettingsError(
                (layer == nil ? "" : ": ") + "a \(f.chromaFormat) picture, where 4:2:0 is coded", layer: layer)
        }
        guard f.width == width, f.height == height, f.bitDepth == bitDepth else {
            throw SettingsError(
                (layer == nil ? "" : ": ")
                    + "a picture of \(f.width)x\(f.height), \(f.bitDepth) bit, where \(width)x\(height), "
                    + "\(bitDepth) bit is coded", layer: layer)
        }
    }
}

extension FrameBuffer {
    /// A padded picture of a source frame: sizes rounded up to whole coding blocks of 8, borders repeated; samples
    /// shifted to `bitDepth`, rounded when it is the smaller one.
    package convenience init(_ frame: VideoFrame, bitDepth: Int) {
        let f = frame.format
        self.init(
            width: (f.width + 7) & ~7, height: (f.height + 7) & ~7, bitDepthLuma: bitDepth, bitDepthChroma: bitDepth)
        let up = UInt16(max(bitDepth - f.bitDepth, 0))
        let down = UInt16(max(f.bitDepth - bitDepth, 0))
        let half: UInt16 = down > 0 ? 1 << (down - 1) : 0
        let limit = UInt16((1 << bitDepth) - 1)
        for c in 0..<3 {
            let to = plane(c)
            let s = f.size(ofComponent: c)
            precondition(frame.planes[c].count >= s.width * s.height, "a plane of the frame's size")
            frame.planes[c].withUnsafeBufferPointer { from in
                guard let first = from.baseAddress else { return }
                for y in 0..<s.height {
                    let row = to.row(y)
                    let line = first + y * s.width
                    if up == 0 && down == 0 {
                        row.update(from: line, count: s.width)
                    } else {
                        for x in 0..<s.width { row[x] = min(((line[x] &+ half) &>> down) &<< up, limit) }
                    }
                }
            }
            to.repeatBorder(width: s.width, height: s.height)
        }
    }
}

extension Plane {
    /// Fills what lies right of and below the first `width` x `height` samples with the nearest of them.
    fileprivate func repeatBorder(width filled: Int, height rows: Int) {
        for y in 0..<rows {
            let row = self.row(y)
            for x in filled..<max(width, filled) { row[x] = row[filled - 1] }
        }
        for y in rows..<max(height, rows) { row(y).update(from: row(rows - 1), count: width) }
    }
}

/// A frame of a file as the source of an enhancement layer of the same depth.
struct WaitingFrame: WaitingPicture {
    private let frame: FrameInFile

    init(_ frame: FrameInFile) { self.frame = frame }

    func unpacked() throws -> FrameBuffer {
        let f = frame.format
        let picture = FrameBuffer(
            width: (f.width + 7) & ~7, height: (f.height + 7) & ~7, bitDepthLuma: f.bitDepth,
            bitDepthChroma: f.bitDepth,
            margin: FrameBuffer.sourceMargin)
        for c in 0..<3 {
            let plane = picture.plane(c)
            let s = f.size(ofComponent: c)
            try frame.read(component: c, into: plane.origin, stride: plane.stride)
            plane.repeatBorder(width: s.width, height: s.height)
        }
        return picture
    }
}
