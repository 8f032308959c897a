// SPDX-License-Identifier: GPL-2.0-or-later
import Veil
import VeilMedia

/// Reads the frames of the top layer, and of lower ones with files of their own.
final class LayerSources {
    private let top: VideoSource
    private let own: [Int: VideoSource]

    /// - Parameter sizes: luma size of each layer.
    init(plan: LayerPlan, top: VideoSource, sizes: [(width: Int, height: Int)], depth: Int, threads: Int) throws {
        self.top = top
        var own: [Int: VideoSource] = [:]
        for (i, layer) in plan.layers.enumerated() {
            guard let path = layer.source else { continue }
            let size = sizes[i]
            let source = try SourceInput.open(
                path: path, size: size, fps: nil, bitDepth: layer.settings.bitDepth ?? depth, threads: threads)
            guard source.format.width == size.width, source.format.height == size.height else {
                throw MediaError.notSupported(
                    path: path,
                    what: "is \(source.format.width)x\(source.format.height), the layer \(size.width)x\(size.height)")
            }
            own[i] = source
        }
        self.own = own
    }

    /// What one of the sources ended with in place of a whole frame.
    var damage: MediaError? { top.damage ?? own.values.lazy.compactMap(\.damage).first }

    /// The next frames; nil when one of the sources ends.
    func next() throws -> (top: SourceFrame, own: [Int: SourceFrame])? {
        guard let frame = try top.nextFrame() else { return nil }
        var frames: [Int: SourceFrame] = [:]
        for (i, source) in own.sorted(by: { $0.key < $1.key }) {
            guard let frame = try source.nextFrame() else { return nil }
            frames[i] = SourceFrame(frame, stored: source.lastFrameInFile)
        }
        return (SourceFrame(frame, stored: top.lastFrameInFile), frames)
    }
}
