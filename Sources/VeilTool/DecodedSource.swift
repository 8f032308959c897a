// SPDX-License-Identifier: GPL-2.0-or-later
import ArgumentParser
import Veil
import VeilBitstream
import VeilMedia

/// Sources of clear video: besides what the media module opens, HEVC streams, which Veil decodes itself.
enum SourceInput {
    /// Which samples a command takes.
    enum Samples {
        /// 4:2:0 of 8 or 10 bits.
        case scalable
        /// All that is coded in a single layer too; of what does not say what it is, those named.
        case any(SampleFormat?)
        /// Alpha, or the luma of what has none.
        case alpha
        /// Whatever can be read: it is not coded.
        case all

        var named: SampleFormat? {
            if case .any(let format) = self { return format }
            return nil
        }
    }

    /// - Parameters:
    ///   - other: a further source that the options describe.
    ///   - keepsTimes: frames that are not evenly apart stay as they are, unless a rate is asked for.
    static func open(
        _ options: InputOptions, beside other: String? = nil, samples: Samples = .scalable, threads: Int,
        keepsTimes: Bool = false
    ) throws -> VideoSource {
        let input = try InputFile(path: options.input)
        let size = options.size.map { ($0.width, $0.height) }
        if size != nil || options.inputDepth != nil, other == nil, try !VideoSource.isRaw(input, size: size) {
            let option = size != nil ? "--size" : "--input-depth"
            throw ValidationError("\(option) is for raw samples, and \(input.name) says itself what it holds")
        }
        return try open(
            input, size: size, fps: options.fps?.fraction, bitDepth: options.inputDepth, samples: samples,
            layer: options.sourceLayer, threads: threads, keepsTimes: keepsTimes && options.fps == nil)
    }

    static func open(
        _ input: InputFile, size: (width: Int, height: Int)?, fps: (numerator: Int, denominator: Int)?, bitDepth: Int?,
        samples: Samples = .scalable, layer: Int? = nil, threads: Int, keepsTimes: Bool = false
    ) throws -> VideoSource {
        let isRaw = try VideoSource.isRaw(input, size: size)
        if !isRaw, try isStream(input, keepsTimes: keepsTimes) {
            let source = try decoded(
                input, layer: layer, fps: fps, threads: threads, samples: samples, keepsTimes: keepsTimes)
            source.isPipedContainer = try (!input.isRegular || input.path == "-") && input.kind() != .byteStream
            return try checked(source, samples, input)
        }
        if layer != nil {
            throw MediaError.notSupported(
                path: input.name, what: "--source-layer is of byte streams and containers with several layers")
        }
        return try checked(
            VideoSource.open(
                input, size: size, fps: fps, bitDepth: bitDepth, samples: samples.named,
                takesAlpha: { if case .alpha = samples { true } else { false } }(), keepsTimes: keepsTimes),
            samples, input)
    }

    /// Throws where a source is of what can be read, and not encoded.
    private static func checked(_ source: VideoSource, _ samples: Samples, _ input: InputFile) throws -> VideoSource {
        let format = source.format
        func refused(_ why: String) -> MediaError {
            .notSupported(path: input.name, what: "is \(format.chromaFormat) of \(format.bitDepth) bits\(why)")
        }
        switch samples {
        case .alpha, .all: break
        case .scalable:
            guard format.chromaFormat == .yuv420, [8, 10].contains(format.bitDepth) else {
                throw refused(": 4:2:0 of 8 or 10 bits is encoded")
            }
        case .any(let named):
            guard [8, 10, 12].contains(format.bitDepth) else { throw refused(": 8, 10 and 12 bits are encoded") }
            guard named.map({ ($0.chromaFormat, $0.bitDepth) == (format.chromaFormat, format.bitDepth) }) ?? true
            else { throw refused(", and not \(named?.description ?? "")") }
        }
        return source
    }

    /// Whether Veil decodes it: a byte stream, and of containers those with several layers of HEVC, of which others
    /// would take what they know, and those of which nothing needs to be turned, cut or resampled: what their pictures
    /// carry (HDR10+, captions) goes along then.
    private static func isStream(_ input: InputFile, keepsTimes: Bool) throws -> Bool {
        switch try input.kind() {
        case .matroska, .transportStream: return try isProtected(input)
        case .byteStream: return true
        case .isoMedia:
            let file = try input.seekable()
            defer { try? file.seek(toOffset: 0) }
            let reader: IsoMediaReader
            do { reader = try IsoMediaReader(file: file) } catch let error as IsoMediaError {
                // What others make of it lacks that, too.
                if case .notSupported = error { return false }
                FoundDamage.note("\(input.name): \(error)")
                return false
            }
            StreamChunks.tell(of: reader, input.name)
            if reader.hasSeveralLayers { return true }
            return reader.isPlain && (keepsTimes || !(reader.times?.varies ?? true))
        default: return false
        }
    }

    /// Whether a container's stream says that it is encrypted, which others do not understand, or holds several layers.
    private static func isProtected(_ input: InputFile) throws -> Bool {
        guard input.isRegular, try FFmpeg.contents(of: input)?.videoCodec == "hevc" else { return false }
        let inspector = StreamInspector(countsSpace: false)
        do { if let chunk = try StreamChunks(InputFile(path: input.path)).next() { try inspector.push(chunk) } } catch {
            return false
        }
        let layers = (try? inspector.finish())?.layers ?? []
        return layers.count > 1 || layers.contains { $0.encryption != nil }
    }

    private static func decoded(
        _ input: InputFile, layer: Int?, fps: (numerator: Int, denominator: Int)?, threads: Int, samples: Samples,
        keepsTimes: Bool
    ) throws -> VideoSource {
        var options = VideoDecoder.Options()
        options.output = layer.map { .layer($0) } ?? .highestLayer
        options.threads = max(threads, 1)
        let decoder = VideoDecoder(options: options)
        let chunks = try StreamChunks(input)
        // What its layers are for, as far as the first picture.
        let inspector = StreamInspector(countsSpace: false)
        var waiting: [VideoPicture] = []
        var ended = false
        var isInspected = false
        // In small pieces: all pictures of one wait, and a few bytes may make a large one.
        let piece = 1 << 10
        var rest: ArraySlice<UInt8> = []
        func next() throws -> VideoPicture? {
            while waiting.isEmpty && !ended {
                try StreamInput.named(input.name) {
                    if rest.isEmpty, let chunk = try chunks.next() {
                        rest = chunk[...]
                        if !isInspected { try? inspector.push(chunk) }
                    }
                    if !rest.isEmpty {
                        try decoder.push(rest.prefix(piece)) { waiting.append($0) }
                        rest = rest.dropFirst(piece)
                    } else {
                        ended = true
                        try decoder.finish { waiting.append($0) }
                    }
                }
            }
            return waiting.isEmpty ? nil : waiting.removeFirst()
        }
        guard let first = try next() else {
            throw MediaError.notSupported(
                path: input.name,
                what: layer.map { "no pictures of layer \($0)" } ?? "no pictures"
                    + (decoder.report.unseenPictures > 0
                        ? " of the highest layer that its VPS names: lower ones are there (veil extract --layer 0)"
                        : ""))
        }
        if first.isField {
            throw MediaError.notSupported(path: input.name, what: "its pictures are fields of interlaced video")
        }
        let rate =
            fps ?? (chunks.frameRate ?? first.frameRate.flatMap { FrameRate($0.0, $0.1) })
            .map(\.fraction) ?? (25, 1)
        var format = VideoFormat(
            width: first.width, height: first.height, fps: rate, bitDepth: first.bitDepth,
            chromaFormat: first.chromaFormat, colour: first.colour)
        let container = try chunks.movie.map { _ in try VideoSource.meaning(of: input, decodedAs: format) }
        if let container { format.colour = first.colour.completed(by: container.colour) }
        var pending: VideoPicture? = first
        let source = VideoSource(path: input.name, format: format) { [format] in
            guard let picture = try pending ?? next() else {
                if !decoder.report.isClean {
                    for message in decoder.report.messages { warn("\(input.name): \(message)") }
                    throw MediaError.damaged(path: input.name)
                }
                return nil
            }
            pending = nil
            guard picture.width == format.width, picture.height == format.height,
                picture.chromaFormat == format.chromaFormat
            else {
                throw MediaError.notSupported(path: input.name, what: "the picture size changes in the stream")
            }
            return try VideoFrame(picture)
        }
        source.notes += container?.notes ?? []
        isInspected = true
        if let summary = try? inspector.finish() {
            if let encrypted = summary.layers.first(where: { $0.encryption != nil && $0.layer <= first.layer }) {
                throw MediaError.notSupported(
                    path: input.name,
                    what: "layer \(encrypted.layer) is encrypted (key id \(encrypted.encryption?.keyId ?? "")): "
                        + "decrypt it first")
            }
            if case .alpha = samples, summary.layers.contains(where: { $0.role == "alpha" }) {
                throw MediaError.notSupported(
                    path: input.name,
                    what: "has a layer of alpha: make a file of it first (veil decode FILE --alpha -o alpha.y4m)")
            }
            source.notes += summary.rolesLeft(taken: first.layer, option: layer == nil ? "--source-layer" : nil)
            // Files say so as well.
            let dolby = SourceProbe.notCarried(StreamSummary.dolbyVision)
            if summary.layers.contains(where: { $0.userData?[StreamSummary.dolbyVision] != nil }),
                !source.notes.contains(dolby)
            {
                source.notes.append(dolby)
            }
        }
        if let lost = chunks.movie?.lostEdits { source.notes.append(lost) }
        if let times = chunks.decodedTimes {
            source.start = times.start
            if times.varies && keepsTimes { source.times = times }
            if times.varies && !keepsTimes {
                source.notes.append("its frame rate varies: it is coded at a constant one")
            }
        }
        return source
    }
}

extension StreamSummary {
    /// What a stream shows in other layers than the one that is taken: another eye's view, alpha; a line each.
    /// - Parameters:
    ///   - option: takes another layer; nil where one was asked for.
    ///   - alpha: takes alpha, where there is an option for that.
    func rolesLeft(taken: Int, option: String?, alpha: String? = nil) -> [String] {
        let own = layers.first { $0.layer == taken }?.role
        return layers.compactMap { layer in
            // Of several layers that show the same the highest.
            guard let role = layer.role, role != own, layers.last(where: { $0.role == role })?.layer == layer.layer
            else { return nil }
            let choice = role == "alpha" ? alpha : nil
            return (own.map { "\($0) is taken (layer \(taken)), " } ?? "")
                + "\(role) is left out (layer \(layer.layer))"
                + (option.map { ": \(choice ?? "\($0) \(layer.layer)") takes it" } ?? "")
        }
    }
}
