// SPDX-License-Identifier: GPL-2.0-or-later
import Veil
import VeilMedia

/// Reads the frames of the top layer, and of lower ones with files of their own; or those of two views, or of pictures
/// and their alpha.
final class LayerSources {
    private let top: VideoSource
    private let own: [Int: VideoSource]
    /// What the files of the views, or of pictures and alpha, are called.
    private let views: (left: String, right: String)?
    /// The file of the one that ended while the other one went on.
    private(set) var endedFirst: String?

    /// - Parameters:
    ///   - top: what `input` names.
    ///   - sizes: luma size of each layer.
    init(
        plan: LayerPlan, input: InputOptions, top: VideoSource, sizes: [(width: Int, height: Int)], depth: Int,
        threads: Int
    ) throws {
        self.top = top
        views = plan.layers.last { $0.settings.isView || $0.settings.isAlpha }?.source.map { (input.input, $0) }
        var own: [Int: VideoSource] = [:]
        for (i, layer) in plan.layers.enumerated() {
            guard let path = layer.source else { continue }
            if layer.settings.isView {
                own[i] = try Self.view(path, input, left: top, threads: threads)
                continue
            }
            if layer.settings.isAlpha {
                own[i] = try Self.alpha(path, input, of: top, threads: threads)
                continue
            }
            let size = sizes[i]
            let source = try SourceInput.open(
                InputFile(path: path), size: size, fps: nil, bitDepth: layer.settings.bitDepth ?? depth,
                threads: threads)
            guard source.format.width == size.width, source.format.height == size.height else {
                throw MediaError.notSupported(
                    path: path,
                    what: "is \(source.format.width)x\(source.format.height), the layer \(size.width)x\(size.height)")
            }
            own[i] = source
        }
        self.own = own
    }

    /// The right eye's view, which is as the left eye's is.
    private static func view(
        _ path: String, _ input: InputOptions, left: VideoSource, threads: Int
    ) throws -> VideoSource {
        let source = try SourceInput.open(
            InputFile(path: path), size: input.size.map { ($0.width, $0.height) }, fps: input.fps?.fraction,
            bitDepth: input.inputDepth, layer: input.sourceLayer, threads: threads)
        for note in source.notes { warn("\(path): \(note)") }
        func text(_ f: VideoFormat) -> String { "\(f.width)x\(f.height), \(f.bitDepth) bit" }
        let (l, r) = (left.format, source.format)
        guard l.width == r.width, l.height == r.height, l.bitDepth == r.bitDepth else {
            throw MediaError.notSupported(path: path, what: "is \(text(r)), the other view \(text(l))")
        }
        // One description goes for both.
        if (l.colour.isFullRange ?? false) != (r.colour.isFullRange ?? false) {
            let ranges = r.colour.isFullRange == true ? ("full", "limited") : ("limited", "full")
            throw MediaError.notSupported(path: path, what: "has \(ranges.0) range, the other view \(ranges.1) range")
        }
        let (a, b) = (l.colour.sampleAspect ?? (1, 1), r.colour.sampleAspect ?? (1, 1))
        if a.0 * b.1 != a.1 * b.0 {
            throw MediaError.notSupported(
                path: path, what: "has samples of \(b.0):\(b.1), the other view of \(a.0):\(a.1)")
        }
        if input.fps == nil { try checkRates(path, r, "the other view", l) }
        return source
    }

    /// Alpha of pictures, of their size and rate.
    private static func alpha(
        _ path: String, _ input: InputOptions, of pictures: VideoSource, threads: Int
    ) throws -> VideoSource {
        let source = try SourceInput.open(
            InputFile(path: path), size: input.size.map { ($0.width, $0.height) }, fps: input.fps?.fraction,
            bitDepth: input.inputDepth, samples: .alpha, threads: threads)
        if !source.isAlphaPlane {
            if let file = FileIdentity(path: path), file == FileIdentity(path: input.input) {
                throw MediaError.notSupported(path: path, what: "has no plane of alpha")
            }
            if source.format.colour.isFullRange == false {
                warn(
                    "\(path): its luma is of limited range and taken as it is: 16 is not quite transparent, 235 not "
                        + "quite opaque")
            }
        }
        let (p, a) = (pictures.format, source.format)
        guard p.width == a.width, p.height == a.height else {
            throw MediaError.notSupported(
                path: path, what: "is \(a.width)x\(a.height), the pictures \(p.width)x\(p.height)")
        }
        if input.fps == nil { try checkRates(path, a, "the pictures", p) }
        return source
    }

    private static func checkRates(_ path: String, _ a: VideoFormat, _ name: String, _ b: VideoFormat) throws {
        func rate(_ f: VideoFormat) -> String { "\(f.fps.numerator)/\(f.fps.denominator)" }
        guard a.fps.numerator * b.fps.denominator == b.fps.numerator * a.fps.denominator else {
            throw MediaError.notSupported(
                path: path,
                what: "has \(rate(a)) frames a second, \(name) \(rate(b)) (--fps takes both at one rate)")
        }
    }

    /// What one of the sources ended with in place of a whole frame.
    var damage: MediaError? { top.damage ?? own.values.lazy.compactMap(\.damage).first }

    /// The next frames; nil when one of the sources ends.
    func next() throws -> (top: SourceFrame, own: [Int: SourceFrame])? {
        guard let frame = try top.nextFrame() else {
            if let views, try own.values.contains(where: { try $0.nextFrame() != nil }) { endedFirst = views.left }
            return nil
        }
        var frames: [Int: SourceFrame] = [:]
        for (i, source) in own.sorted(by: { $0.key < $1.key }) {
            guard let frame = try source.nextFrame() else {
                endedFirst = views?.right
                return nil
            }
            frames[i] = SourceFrame(frame, stored: source.lastFrameInFile)
        }
        return (SourceFrame(frame, stored: top.lastFrameInFile), frames)
    }
}
