// SPDX-License-Identifier: GPL-2.0-or-later
import VeilMedia
import VeilProtection
import VeilSystem

/// Evaluates one clear stream: encrypts it in every way, decodes each result without a key, and measures.
package final class StreamEvaluation {
    package struct Settings {
        package var name = "clip"
        package var structure = "stream"
        package var qp: [Int] = []
        package var threads = 1
        /// The frame that pictures show, from 0.
        package var figureFrame = 8
        /// VIF, edges and correlations are measured on this many frames at most, evenly spread.
        package var detailFrames = 8
        /// Schemes, profiles and ciphers to try.
        package var variants: [(profile: ElementProfile, cipher: CipherKind)] = [
            (.paper, .chaotic), (.maximal, .chaotic), (.paper, .aes128),
        ]
        /// Keys and nonces a case is tried with: PSNR, EQ and HD are measured for each, everything else for the first.
        package var draws = 3
        /// Where temporary files may stand.
        package var folder = "."
        package var keepsStreams = false
        /// Clips whose pictures the right ones are to be told from, and how many pictures.
        package var gallery: [String] = []
        package var gallerySize = 100
        package init() {}
    }

    /// What the report shows besides figures.
    package struct Pictures {
        /// Caption and picture: the figure's frame, clear and under each scheme.
        package var frames: [(caption: String, frame: VideoFrame)] = []
        /// Horizontal neighbours of the frame's luma: clear and encrypted.
        package var neighbours: [(name: String, pairs: [(Int, Int)])] = []
        package init() {}
    }

    private let settings: Settings
    private let source: (() throws -> VideoSource)?
    private let progress: Progress
    private var bench = RecognitionBench(truths: [:], others: [])

    /// - Parameter source: opens the clip the stream was made of, from its first frame; nil when it is not at hand.
    package init(settings: Settings, source: (() throws -> VideoSource)?, progress: Progress) {
        self.settings = settings
        self.source = source
        self.progress = progress
    }

    /// How many steps of progress one stream takes.
    package static func steps(layers: Int, variants: Int) -> Int { 1 + (layers > 1 ? 3 : 1) * variants }

    /// - Parameter stream: path of a clear stream.
    package func run(stream: String, commands: [String]) throws -> (EvaluationReport.Run, Pictures) {
        let layers = try StreamWork.layers(stream)
        let ids = layers.map(\.id)
        guard let baseId = ids.first, let topId = ids.last else {
            throw MediaError.notSupported(path: stream, what: "no pictures")
        }
        progress.step("\(settings.name): decoding the clear stream")
        let files = LayerFiles(folder: settings.folder, name: "clear\(getpid())")
        defer { for id in ids { try? FileManager.default.removeItem(atPath: files.path(id)) } }
        var formats: [Int: VideoFormat] = [:]
        let clearReport = try StreamWork.decode(stream, threads: settings.threads) { layer, frame in
            formats[layer] = frame.format
            try files.add(layer, frame)
        }
        try files.finish()
        guard clearReport.isClean, let top = formats[topId] else {
            throw MediaError.notSupported(
                path: stream, what: clearReport.messages.first ?? "the clear stream does not decode")
        }
        let frames = files.frames[topId] ?? 0
        let figure = min(settings.figureFrame, frames - 1)
        let stride = max((frames + settings.detailFrames - 1) / max(settings.detailFrames, 1), 1)
        var pictures = Pictures()
        var run = EvaluationReport.Run(
            name: settings.name, structure: structure(formats, baseId, topId), qp: settings.qp, frames: frames,
            detailFrames: 0,
            bitDepth: top.bitDepth,
            layers: layers.map { layer in
                EvaluationReport.Layer(
                    layer: layer.id, width: formats[layer.id]?.width ?? 0, height: formats[layer.id]?.height ?? 0,
                    bytes: layer.bytes)
            },
            streamBytes: StreamWork.size(stream), original: nil, clearCorrelation: [], clearHistogram: [], cases: [],
            commands: commands)
        // The clear decode: against the source, and what it looks like.
        let clear = try VideoSource.open(path: files.path(topId))
        let original = try source?()
        var comparison = PictureComparison(format: top, stride: stride)
        var index = 0
        var truths: [Int: VideoFrame] = [:]
        while let frame = try clear.nextFrame() {
            if index % stride == 0 { truths[index] = frame }
            if let original {
                guard let reference = try original.nextFrame(), reference.format.width == top.width,
                    reference.format.height == top.height, reference.format.chromaFormat == top.chromaFormat,
                    reference.format.bitDepth == top.bitDepth
                else {
                    throw MediaError.notSupported(
                        path: settings.name,
                        what: "the source is no \(top.width)x\(top.height) clip of \(frames) frames, "
                            + "\(top.chromaFormat) of \(top.bitDepth) bits")
                }
                comparison.add(reference, frame)
            }
            if index == figure {
                run.clearHistogram = ByteMeasures.histogram(frame.planes[0], bitDepth: top.bitDepth)
                run.clearCorrelation = Self.correlations(frame)
                pictures.frames.append(("clear", frame))
                pictures.neighbours.append(("clear", Self.neighbours(frame)))
            }
            index += 1
        }
        if original != nil { run.original = comparison.quality }
        bench = RecognitionBench(
            truths: truths,
            others: try GalleryPictures.gather(
                count: settings.gallerySize - 1, clips: settings.gallery,
                own: truths.sorted { $0.key < $1.key }.map(\.value), format: top))
        run.detailFrames = (frames + stride - 1) / stride
        let schemes: [Scheme] = ids.count > 1 ? [.bl, .all, .el] : [.all]
        for (v, variant) in settings.variants.enumerated() {
            for scheme in schemes {
                progress.step(
                    "\(settings.name): \(scheme.name), \(variant.profile.name) elements, \(variant.cipher.name)")
                let result = try evaluate(
                    stream: stream, scheme: scheme, variant: variant, ids: ids, files: files, top: top, stride: stride,
                    figure: figure)
                var found = result.0
                for _ in 1..<max(settings.draws, 1) {
                    found.draws.append(
                        try draw(stream: stream, scheme: scheme, variant: variant, ids: ids, files: files, top: top))
                }
                run.cases.append(found)
                if v == 0, let frame = result.topFrame {
                    pictures.frames.append((ids.count > 1 ? "\(scheme.name), highest layer" : "encrypted", frame))
                    pictures.neighbours.append((scheme.name, Self.neighbours(frame)))
                    if ids.count > 1, scheme != .all, let base = result.baseFrame {
                        pictures.frames.append(("\(scheme.name), base layer", base))
                    }
                }
            }
        }
        return (run, pictures)
    }

    /// The relation of the layers, from their sizes where it was not said.
    private func structure(_ formats: [Int: VideoFormat], _ base: Int, _ top: Int) -> String {
        guard settings.structure == "stream", let a = formats[base], let b = formats[top] else {
            return settings.structure
        }
        if base == top { return "1" }
        if a.width == b.width { return "snr" }
        if abs(b.width - 2 * a.width) <= 8 { return "2x" }
        return abs(2 * b.width - 3 * a.width) <= 16 ? "1.5x" : "stream"
    }

    private func evaluate(
        stream: String, scheme: Scheme, variant: (profile: ElementProfile, cipher: CipherKind), ids: [Int],
        files: LayerFiles,
        top: VideoFormat,
        stride: Int, figure: Int
    ) throws -> (EvaluationReport.Case, topFrame: VideoFrame?, baseFrame: VideoFrame?) {
        let encrypted =
            "\(settings.folder)/\(settings.name).\(settings.structure).\(scheme.name)"
            + ".\(variant.profile.name).\(variant.cipher.name).hevc"
        defer { if !settings.keepsStreams { try? FileManager.default.removeItem(atPath: encrypted) } }
        let encryption = try StreamWork.encryption(
            scheme: scheme, cipher: variant.cipher, profile: variant.profile, layers: ids)
        let report = try StreamWork.transcode(
            stream, to: encrypted, mode: .encrypt(encryption), threads: settings.threads)
        let streamBytes = StreamWork.size(stream)
        let topId = ids[ids.count - 1]
        let baseId = ids[0]
        let clearTop = try VideoSource.open(path: files.path(topId))
        let clearBase = topId == baseId ? nil : try VideoSource.open(path: files.path(baseId))
        let original = try source?()
        var blind = PictureComparison(format: top, stride: stride)
        var againstClear = Metrics(format: top)
        var base: (metrics: Metrics, distance: Double, frames: Int)?
        var quality = 0.0
        var distance = 0.0
        var index = 0
        var baseIndex = 0
        var topFrame: VideoFrame?
        var baseFrame: VideoFrame?
        var correlation: [Double] = []
        var histogram: [Int] = []
        var looked: [Int: VideoFrame] = [:]
        let decoded = try StreamWork.decode(encrypted, threads: settings.threads) { [bench] layer, frame in
            if layer == topId {
                guard let clear = try clearTop.nextFrame() else { return }
                if bench.truths[index] != nil { looked[index] = frame }
                blind.add(try original?.nextFrame() ?? clear, frame)
                againstClear.add(clear, frame)
                quality += ByteMeasures.encryptionQuality(clear.planes[0], frame.planes[0], bitDepth: top.bitDepth)
                distance += ByteMeasures.hammingDistance(clear.planes[0], frame.planes[0], bitDepth: top.bitDepth)
                if index == figure {
                    topFrame = frame
                    correlation = Self.correlations(frame)
                    histogram = ByteMeasures.histogram(frame.planes[0], bitDepth: top.bitDepth)
                }
                index += 1
            } else if layer == baseId, let clear = try clearBase?.nextFrame() {
                if base == nil { base = (Metrics(format: clear.format), 0, 0) }
                base?.metrics.add(clear, frame)
                base?.distance += ByteMeasures.hammingDistance(
                    clear.planes[0], frame.planes[0], bitDepth: clear.format.bitDepth)
                base?.frames += 1
                if baseIndex == figure { baseFrame = frame }
                baseIndex += 1
            }
        }
        guard index > 0 else {
            throw MediaError.notSupported(path: encrypted, what: "the encrypted stream gives no pictures")
        }
        let bits = encryption.encryptedLayers.compactMap { layer -> EvaluationReport.LayerBits? in
            guard let counts = encryption.statistics(layer: layer),
                let message = encryption.message(layer: layer, period: 0)
            else { return nil }
            return EvaluationReport.LayerBits(
                layer: layer,
                elements: Dictionary(uniqueKeysWithValues: message.elements.counts(counts).map { ($0.name, $0.bits) }),
                total: counts.total)
        }
        let against = againstClear.result
        let baseResult = base?.metrics.result ?? against
        let n = Double(index)
        let share = quality / n / ByteMeasures.largestEncryptionQuality(samples: top.width * top.height)
        let result = EvaluationReport.Case(
            scheme: scheme.name, profile: variant.profile.name, cipher: variant.cipher.name, bits: bits,
            encryptionSpace: 100 * Double(bits.reduce(0) { $0 + $1.total }) / Double(max(streamBytes * 8, 1)),
            sizeChange: StreamWork.size(encrypted) - report.messageBytes - streamBytes,
            messageBytes: report.messageBytes,
            draws: [
                EvaluationReport.Draw(
                    psnrY: blind.quality.psnrY, encryptionQuality: quality / n, hammingDistance: distance / n)
            ],
            top: blind.quality,
            topPsnrAgainstClear: against.psnrY, basePsnrY: baseResult.psnrY, baseSsim: baseResult.ssimY,
            encryptionQuality: quality / n,
            encryptionQualityShare: share, hammingDistance: distance / n,
            baseHammingDistance: base.map { $0.distance / Double(max($0.frames, 1)) } ?? distance / n,
            correlation: correlation,
            histogram: histogram, recognition: bench.recognize(looked),
            damage: decoded.failedSlices + decoded.concealedCTUs + decoded.damagedUnits)
        return (result, topFrame, baseFrame)
    }

    /// The highest layer under one more key and nonce.
    private func draw(
        stream: String, scheme: Scheme, variant: (profile: ElementProfile, cipher: CipherKind), ids: [Int],
        files: LayerFiles,
        top: VideoFormat
    ) throws -> EvaluationReport.Draw {
        let encrypted = "\(settings.folder)/draw\(getpid()).hevc"
        defer { try? FileManager.default.removeItem(atPath: encrypted) }
        let encryption = try StreamWork.encryption(
            scheme: scheme, cipher: variant.cipher, profile: variant.profile, layers: ids)
        try StreamWork.transcode(stream, to: encrypted, mode: .encrypt(encryption), threads: settings.threads)
        let clear = try VideoSource.open(path: files.path(ids[ids.count - 1]))
        let original = try source?()
        var error = 0.0
        var quality = 0.0
        var distance = 0.0
        var frames = 0.0
        try StreamWork.decode(encrypted, output: .highest, threads: settings.threads) { _, frame in
            guard let plain = try clear.nextFrame() else { return }
            error += ByteMeasures.meanSquaredError(
                try original?.nextFrame()?.planes[0] ?? plain.planes[0], frame.planes[0])
            quality += ByteMeasures.encryptionQuality(plain.planes[0], frame.planes[0], bitDepth: top.bitDepth)
            distance += ByteMeasures.hammingDistance(plain.planes[0], frame.planes[0], bitDepth: top.bitDepth)
            frames += 1
        }
        guard frames > 0 else {
            throw MediaError.notSupported(path: encrypted, what: "the encrypted stream gives no pictures")
        }
        return EvaluationReport.Draw(
            psnrY: Metrics.psnr(meanSquaredError: error / frames, bitDepth: top.bitDepth),
            encryptionQuality: quality / frames,
            hammingDistance: distance / frames)
    }

    static func correlations(_ frame: VideoFrame) -> [Double] {
        ByteMeasures.Direction.allCases.map {
            ByteMeasures.neighbourCorrelation(
                frame.planes[0], width: frame.format.width, height: frame.format.height, $0)
        }
    }

    /// A few hundred horizontal pairs of neighbours, on a fixed grid.
    private static func neighbours(_ frame: VideoFrame) -> [(Int, Int)] {
        let (w, h) = (frame.format.width, frame.format.height)
        let shift = UInt16(frame.format.bitDepth - 8)
        var pairs: [(Int, Int)] = []
        for y in Swift.stride(from: h / 30, to: h, by: max(h / 15, 1)) {
            for x in Swift.stride(from: w / 60, to: w - 1, by: max(w / 30, 1)) {
                let at = y * w + x
                pairs.append((Int(frame.planes[0][at] >> shift), Int(frame.planes[0][at + 1] >> shift)))
            }
        }
        return pairs
    }
}

/// Quality of frames against a reference, as they come: PSNR and SSIM on all, VIF and edges on every `stride`th.
struct PictureComparison {
    private var metrics: Metrics
    private let format: VideoFormat
    private let stride: Int
    private var index = 0
    private var vif = (sum: 0.0, count: 0)
    private var edges = (sum: 0.0, count: 0)

    init(format: VideoFormat, stride: Int) {
        metrics = Metrics(format: format)
        self.format = format
        self.stride = stride
    }

    mutating func add(_ reference: VideoFrame, _ frame: VideoFrame) {
        metrics.add(reference, frame)
        if index % stride == 0 {
            let (a, b) = (reference.planes[0], frame.planes[0])
            if let value = VisualInformation.fidelity(
                a, b, width: format.width, height: format.height, bitDepth: format.bitDepth)
            {
                vif = (vif.sum + value, vif.count + 1)
            }
            edges.sum += EdgeMeasures.differentialRatio(
                a, b, width: format.width, height: format.height, bitDepth: format.bitDepth)
            edges.count += 1
        }
        index += 1
    }

    var quality: EvaluationReport.Quality {
        let m = metrics.result
        return EvaluationReport.Quality(
            psnrY: m.psnrY, psnrCb: m.psnrCb, psnrCr: m.psnrCr, ssim: m.ssimY,
            vif: vif.count > 0 ? vif.sum / Double(vif.count) : nil,
            edgeDifferentialRatio: edges.count > 0 ? edges.sum / Double(edges.count) : nil, framePsnrY: m.framePsnrY)
    }
}
