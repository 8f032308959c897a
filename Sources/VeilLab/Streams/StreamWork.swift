// SPDX-License-Identifier: GPL-2.0-or-later
import VeilBitstream
import VeilDecoder
import VeilEntropy
import VeilMedia
import VeilProtection
import VeilSystem

/// What an evaluation does with streams in files.
enum StreamWork {
    /// All NAL units of a file, one after the other.
    static func units(_ path: String, _ body: (NALUnit) throws -> Void) throws {
        guard let file = OpenFile(forReadingAtPath: path) else {
            throw MediaError.cannotOpen(path: path, reason: "cannot be read")
        }
        do {
            var reader = AnnexBReader(file: file)
            while let nal = try reader.nextUnit() { try body(nal) }
        } catch let error as StreamError {
            throw MediaError.notSupported(path: path, what: error.description)
        } catch let error as SyntaxError {
            throw MediaError.notSupported(path: path, what: error.description)
        }
    }

    /// nuh_layer_ids of the stream's slices, ascending, and the bytes of each layer's slices; without auxiliary ones
    /// (alpha, depth), which nobody is shown.
    static func layers(_ path: String) throws -> [(id: Int, bytes: Int)] {
        var bytes: [Int: Int] = [:]
        var vps: VideoParameterSet?
        try units(path) { nal in
            if nal.header.nalUnitType == .vps { vps = (try? VideoParameterSet(rbsp: nal.rbsp)) ?? vps }
            let layer = nal.header.nuhLayerId
            if nal.header.nalUnitType.isSlice, vps?.auxId(ofLayer: layer) ?? 0 == 0 {
                bytes[layer, default: 0] += nal.bytes.count
            }
        }
        guard !bytes.isEmpty else { throw MediaError.notSupported(path: path, what: "no pictures") }
        return bytes.keys.sorted().map { ($0, bytes[$0] ?? 0) }
    }

    /// Bytes of a file.
    static func size(_ path: String) -> Int {
        (try? FileManager.default.attributesOfItem(atPath: path)[.size] as? Int) ?? 0
    }

    /// A stream file in the making.
    final class FileSink {
        private let file: OutputFile
        init(path: String) throws { file = try OutputFile(path: path) }

        func put(_ nal: NALUnit) throws {
            var bytes: [UInt8] = []
            bytes.append(annexB: nal)
            try file.write(bytes)
        }

        func finish() throws { try file.finish() }
    }

    /// Writes the units that `transform` hands on to a new file.
    static func rewrite(
        _ input: String, to output: String, _ transform: (NALUnit, (NALUnit) throws -> Void) throws -> Void
    ) throws {
        let sink = try FileSink(path: output)
        try units(input) { try transform($0) { try sink.put($0) } }
        try sink.finish()
    }

    /// Recodes a stream with a transcoder.
    @discardableResult
    static func transcode(
        _ input: String, to output: String?, mode: StreamTranscoder.Mode, threads: Int, signals: Bool = true
    ) throws -> TranscodeReport {
        let sink = try output.map { try FileSink(path: $0) }
        let transcoder = StreamTranscoder(mode: mode, threads: threads, signals: signals) { try sink?.put($0) }
        do {
            try units(input) { try transcoder.push($0) }
            try transcoder.finish()
        } catch let error as KeyError { throw MediaError.notSupported(path: input, what: error.description) }
        try sink?.finish()
        if transcoder.report.failedSlices > 0 {
            throw MediaError.notSupported(
                path: input, what: transcoder.report.messages.first ?? "slices that cannot be parsed")
        }
        return transcoder.report
    }

    /// Decodes layers of a stream; frames come in output order of their layer, cropped.
    @discardableResult
    static func decode(
        _ path: String, output: Decoder.OutputLayers = .all, threads: Int, hooks: (any BinHookProvider)? = nil,
        keep: (NALUnit) -> Bool = { _ in true }, frame: @escaping (_ layer: Int, VideoFrame) throws -> Void
    ) throws -> DecodeReport {
        var options = Decoder.Options()
        options.output = output
        options.threads = max(threads, 1)
        options.hooks = hooks
        if let decryption = hooks as? Decryption {
            options.prefixSEI = { nal in
                if let message = try ProtectionSEI.message(in: nal) { try decryption.add(message) }
            }
        }
        let decoder = Decoder(options: options) { try frame($0.info.nuhLayerId, VideoFrame($0)) }
        try units(path) { if keep($0) { try decoder.push($0) } }
        try decoder.finish()
        return decoder.report
    }

    /// Keys that nobody needs afterwards.
    static func throwAwayKeys(_ cipher: CipherKind, _ profile: ElementProfile) -> KeyRing {
        KeyRing.generate(layers: 63, cipher: cipher, profile: profile)
    }

    /// An encryption of all of a stream's layers that `scheme` covers.
    static func encryption(
        scheme: Scheme, cipher: CipherKind, profile: ElementProfile, layers: [Int], keys: KeyRing? = nil,
        nonce: [UInt8]? = nil, hiding: HiddenPictures = .none
    ) throws -> Encryption {
        var options = Encryption.Options()
        options.scheme = scheme
        options.cipher = cipher
        options.profile = profile
        options.nonce = nonce
        options.hiding = hiding
        return try Encryption(options: options, layers: layers, keys: keys ?? throwAwayKeys(cipher, profile))
    }
}

extension VideoFrame {
    /// The cropped samples of a decoded picture.
    convenience init(_ decoded: DecodedFrame) {
        let buffer = decoded.picture.frame
        let window = decoded.info.window
        let fps = decoded.timing.map { ($0.timeScale, $0.numUnitsInTick) } ?? (25, 1)
        let format = VideoFormat(
            width: decoded.width, height: decoded.height, fps: fps.0 > 0 && fps.1 > 0 ? fps : (25, 1),
            bitDepth: buffer.bitDepthLuma, chromaFormat: buffer.chromaFormat, colour: decoded.colour)
        self.init(
            format: format,
            planes: (0..<buffer.chromaFormat.planeCount).map { c in
                let size = format.size(ofComponent: c)
                let left = window.left >> buffer.chromaFormat.shiftX(c)
                let top = window.top >> buffer.chromaFormat.shiftY(c)
                let plane = buffer.plane(c)
                var samples: [UInt16] = []
                samples.reserveCapacity(size.width * size.height)
                for y in 0..<size.height {
                    if plane.isNarrow {
                        samples += UnsafeBufferPointer(
                            start: plane.samples(left, y + top, as: UInt8.self), count: size.width
                        ).lazy.map { UInt16($0) }
                    } else {
                        samples += UnsafeBufferPointer(start: plane.at(left, y + top), count: size.width)
                    }
                }
                return samples
            })
    }
}

/// Writes each layer's frames to a file of its own, so that they can be compared with other decodes without being held.
final class LayerFiles {
    private let folder: String
    private let name: String
    private var writers: [Int: VideoWriter] = [:]
    private(set) var frames: [Int: Int] = [:]

    init(folder: String, name: String) {
        self.folder = folder
        self.name = name
    }

    func path(_ layer: Int) -> String { "\(folder)/\(name).layer\(layer).y4m" }

    func add(_ layer: Int, _ frame: VideoFrame) throws {
        let writer = try writers[layer] ?? VideoWriter(path: path(layer), format: frame.format)
        writers[layer] = writer
        try writer.write(frame)
        frames[layer, default: 0] += 1
    }

    func finish() throws {
        for writer in writers.values { try writer.finish() }
        writers.removeAll()
    }
}
