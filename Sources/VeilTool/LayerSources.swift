// SPDX-License-Identifier: GPL-2.0-or-later
import Veil
import VeilCore
import VeilEncoder
import VeilMedia
import VeilRecon

/// Reads the frames of all layers: of the top one, and of lower ones from their own files or made from the top one.
final class LayerSources {
    let format: VideoFormat
    private let plan: LayerPlan
    private let top: VideoSource
    private let own: [VideoSource?]
    private let downsamplers: [Downsampler?]
    /// Where each downsampler writes, picture after picture.
    private let smaller: [VideoFrame?]

    /// `plan` has one layer at least; `top` is the source of the last.
    init(plan: LayerPlan, top: VideoSource) throws {
        self.plan = plan
        self.top = top
        format = top.format
        own = try plan.layers.map { layer in
            guard let path = layer.source else { return nil }
            let source = try VideoSource.open(path: path, size: (layer.width, layer.height), bitDepth: layer.bitDepth)
            guard source.format.width == layer.width, source.format.height == layer.height else {
                throw MediaError.notSupported(
                    path: path,
                    what: "is \(source.format.width)x\(source.format.height), the layer \(layer.width)x\(layer.height)")
            }
            return source
        }
        downsamplers = plan.layers.map { layer in
            layer.source != nil || (layer.width == top.format.width && layer.height == top.format.height)
                ? nil
                : Downsampler(
                    source: top.format,
                    target: VideoFormat(
                        width: layer.width, height: layer.height, fps: top.format.fps, bitDepth: top.format.bitDepth))
        }
        smaller = downsamplers.map { $0.map { VideoFrame(format: $0.target) } }
    }

    /// The next frame of every layer; nil when one of the sources ends.
    func next() throws -> (base: FrameBuffer, enhancements: [any WaitingPicture])? {
        guard let frame = try top.nextFrame() else { return nil }
        var base: FrameBuffer?
        var enhancements: [any WaitingPicture] = []
        func add(_ i: Int, _ frame: VideoFrame, from source: VideoSource?) {
            let depth = plan.layers[i].bitDepth
            if i == 0 {
                base = FrameBuffer(frame, bitDepth: depth)
            } else if let stored = source?.lastFrameInFile, stored.format.bitDepth == depth {
                enhancements.append(WaitingFrame(stored))
            } else {
                enhancements.append(PackedPicture(FrameBuffer(frame, bitDepth: depth)))
            }
        }
        for i in plan.layers.indices {
            if let source = own[i] {
                guard let frame = try source.nextFrame() else { return nil }
                add(i, frame, from: source)
            } else if let downsampler = downsamplers[i], let small = smaller[i] {
                downsampler(frame, into: small)
                add(i, small, from: nil)
            } else {
                add(i, frame, from: top)
            }
        }
        return base.map { ($0, enhancements) }
    }
}
