// SPDX-License-Identifier: GPL-2.0-or-later
import CVeil
import Veil

// Functions of veil.h that encode.

final class EncoderHandle: PacketQueue {
    let encoder: VideoEncoder
    init(_ encoder: VideoEncoder) { self.encoder = encoder }
}

@_cdecl("veil_encoder_settings_init")
public func veilEncoderSettingsInit(_ settings: UnsafeMutablePointer<veil_encoder_settings>?, _ size: Int) -> Int32 {
    status {
        var defaults = veil_encoder_settings()
        (defaults.fps_num, defaults.fps_den) = (25, 1)
        defaults.bit_depth = 8
        defaults.threads = 1
        (defaults.bframes, defaults.pyramid, defaults.wavefront) = (-1, -1, -1)
        (defaults.aq_mode, defaults.aq_strength) = (-1, -1)
        (defaults.hierarchy, defaults.inter_layer_prediction, defaults.signal_encryption) = (1, 1, 1)
        try defaults.initialize(settings, size: size)
    }
}

extension veil_encoder_settings {
    /// What the library is told. NULL for `layers` and `preset` stands for the defaults that the header names.
    func librarySettings() throws -> VideoEncoder.Settings {
        var settings = VideoEncoder.Settings(width: Int(width), height: Int(height))
        settings.frameRate = (Int(fps_num), Int(fps_den))
        settings.bitDepth = Int(bit_depth)
        settings.chromaFormat = try ChromaFormat(chroma_format)
        settings.threads = try number(threads, 1...Int32.max, "threads")
        settings.layers = try [VideoEncoder.LayerSettings](text(layers) ?? "2x")
        try setLayers(&settings)
        if let preset = text(preset) { settings.preset = preset }
        settings.enhancementPreset = text(enhancement_preset)
        settings.tune = text(tune)
        settings.x265Options = (text(x265_options) ?? "").split(separator: ":").map { option in
            let parts = option.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
            return (parts[0], parts.count > 1 ? parts[1] : nil)
        }
        try setPass(&settings)
        if keyint != 0 { settings.keyint = Int(keyint) }
        if bframes != -1 { settings.bframes = Int(bframes) }
        settings.pyramid = try choice(pyramid, "pyramid")
        if slices != 0 { settings.slices = Int(slices) }
        settings.wavefront = try choice(wavefront, "wavefront")
        settings.sendsHashes = try flag(hashes, "hashes")
        settings.repeatsHeaders = try flag(repeat_headers, "repeat_headers")
        if aq_mode != -1 {
            guard let mode = VideoEncoder.AdaptiveQuantizationMode(rawValue: Int(aq_mode)) else {
                throw UsageError("aq_mode is -1, 0, 1 or 2, not \(aq_mode)")
            }
            settings.adaptiveQuantization = mode
        }
        if !(aq_strength < 0) { settings.adaptiveQuantizationStrength = aq_strength }
        settings.hierarchy = try flag(hierarchy, "hierarchy")
        settings.interLayerPrediction = try flag(inter_layer_prediction, "inter_layer_prediction")
        settings.keys = try ring(keys)
        settings.scheme = try protection.schemeNamed()
        settings.protection = try protection.options()
        settings.signalsEncryption = try flag(signal_encryption, "signal_encryption")
        return settings
    }

    /// -1 leaves it open.
    private func choice(_ value: Int32, _ name: String) throws -> Bool? {
        guard (-1...1).contains(value) else { throw UsageError("\(name) is -1, 0 or 1, not \(value)") }
        return value < 0 ? nil : value == 1
    }

    private func setPass(_ settings: inout VideoEncoder.Settings) throws {
        switch pass {
        case 0: break
        case 1: settings.pass = .first(statistics: try text(stats, "the file of statistics"))
        case 2: settings.pass = .second(statistics: try text(stats, "the file of statistics"))
        default: throw UsageError("pass is 0, 1 or 2, not \(pass)")
        }
    }

    private func setLayers(_ settings: inout VideoEncoder.Settings) throws {
        var all = layer
        try withUnsafeBytes(of: &all) { raw in
            let given = raw.bindMemory(to: veil_layer_settings.self)
            for i in settings.layers.indices { try given[i].apply(to: &settings.layers[i], index: i) }
        }
    }
}

extension veil_layer_settings {
    fileprivate func apply(to layer: inout VideoEncoder.LayerSettings, index: Int) throws {
        if width != 0 || height != 0 { layer.size = .exactly(width: Int(width), height: Int(height)) }
        if bit_depth != 0 { layer.bitDepth = Int(bit_depth) }
        switch UInt32(bitPattern: rate_mode) {
        case VEIL_RATE_DEFAULT.rawValue: break
        case VEIL_RATE_QP.rawValue:
            guard let qp = Int(exactly: rate) else {
                throw UsageError("layer \(index): a QP is a whole number, not \(rate)")
            }
            layer.rate = .qp(qp)
        case VEIL_RATE_CRF.rawValue: layer.rate = .crf(rate)
        case VEIL_RATE_BITRATE.rawValue: layer.rate = .bitrate(rate)
        default: throw UsageError("layer \(index): rate_mode is no veil_rate: \(rate_mode)")
        }
        if vbv_maxrate != 0 || vbv_bufsize != 0 { layer.buffer = .init(maxRate: vbv_maxrate, size: vbv_bufsize) }
        layer.preset = text(preset)
        if references != 0 { layer.references = (0..<32).filter { references & 1 << UInt32($0) != 0 } }
        // The largest view, and alpha, has one anyway.
        if try flag(own_source, "layer \(index): own_source") { layer.hasOwnSource = true }
        layer.keys = try ring(keys)
    }
}

extension ChromaFormat {
    /// Of a veil_chroma_format.
    fileprivate init(_ value: Int32) throws {
        switch UInt32(bitPattern: value) {
        case VEIL_CHROMA_420.rawValue: self = .yuv420
        case VEIL_CHROMA_422.rawValue: self = .yuv422
        case VEIL_CHROMA_444.rawValue: self = .yuv444
        case VEIL_CHROMA_NONE.rawValue: self = .monochrome
        default: throw UsageError("chroma_format is no veil_chroma_format: \(value)")
        }
    }
}

extension veil_picture {
    /// The picture, copied.
    fileprivate func picture() throws -> VideoPicture {
        let (width, height) = (Int(width), Int(height))
        guard (1...16384).contains(width), (1...16384).contains(height) else {
            throw PictureError.size(width: width, height: height)
        }
        guard [8, 10, 12].contains(bit_depth) else { throw PictureError.bitDepth(Int(bit_depth)) }
        let format = try ChromaFormat(chroma_format)
        let given = [planes.0, planes.1, planes.2]
        let strides = [strides.0, strides.1, strides.2]
        let bytesPerSample = bit_depth > 8 ? 2 : 1
        let samples = try (0..<format.planeCount).map { c in
            guard let plane = given[c] else { throw UsageError("a plane is missing") }
            let (columns, rows) = format.size(ofComponent: c, width: width, height: height)
            guard (columns * bytesPerSample...1 << 30).contains(strides[c]) else {
                throw UsageError(
                    "component \(c): a stride of \(strides[c]) bytes is shorter than a row, or beyond all reason")
            }
            return [UInt16](unsafeUninitializedCapacity: columns * rows) { out, count in
                for row in 0..<rows {
                    let line = UnsafeRawBufferPointer(
                        start: plane + row * strides[c], count: columns * bytesPerSample)
                    for x in 0..<columns {
                        out[row * columns + x] =
                            bytesPerSample == 1
                            ? UInt16(line[x]) : line.loadUnaligned(fromByteOffset: 2 * x, as: UInt16.self)
                    }
                }
                count = columns * rows
            }
        }
        return try VideoPicture(
            width: width, height: height, bitDepth: Int(bit_depth), chromaFormat: format, planes: samples)
    }
}

@_cdecl("veil_encoder_open")
public func veilEncoderOpen(
    _ encoder: UnsafeMutablePointer<OpaquePointer?>?, _ settings: UnsafePointer<veil_encoder_settings>?
) -> Int32 {
    open(encoder) {
        let given = try veil_encoder_settings.read(settings, "the settings")
        return EncoderHandle(try VideoEncoder(settings: try given.librarySettings()))
    }
}

@_cdecl("veil_encoder_push")
public func veilEncoderPush(_ encoder: OpaquePointer?, _ picture: UnsafePointer<veil_picture>?) -> Int32 {
    veilEncoderPushLayers(encoder, picture, nil, 0)
}

@_cdecl("veil_encoder_push_layers")
public func veilEncoderPushLayers(
    _ encoder: OpaquePointer?, _ picture: UnsafePointer<veil_picture>?,
    _ own: UnsafePointer<UnsafePointer<veil_picture>?>?, _ count: Int32
) -> Int32 {
    status {
        let handle = try object(encoder, EncoderHandle.self)
        let source = try veil_picture.read(picture, "the picture").picture()
        guard own != nil || count == 0 else { throw UsageError("the layers' pictures are missing") }
        var layers: [Int: VideoPicture] = [:]
        for i in 0..<(try number(count, 0...VEIL_MAX_LAYERS, "the number of layers' pictures")) {
            guard let given = own?[i] else { continue }
            layers[i] = try veil_picture.read(given, "layer \(i)'s picture").picture()
        }
        try handle.work { handle.ready += try handle.encoder.push(source, layers: layers) }
    }
}

@_cdecl("veil_encoder_finish")
public func veilEncoderFinish(_ encoder: OpaquePointer?) -> Int32 {
    status {
        let handle = try object(encoder, EncoderHandle.self)
        try handle.work(ends: true) { while let unit = try handle.encoder.nextAtEnd() { handle.ready.append(unit) } }
    }
}

@_cdecl("veil_encoder_packet")
public func veilEncoderPacket(_ encoder: OpaquePointer?, _ packet: UnsafeMutablePointer<veil_packet>?) -> Int32 {
    answer { try object(encoder, EncoderHandle.self).next(packet) }
}

@_cdecl("veil_encoder_close")
public func veilEncoderClose(_ encoder: OpaquePointer?) { release(encoder, EncoderHandle.self) }
