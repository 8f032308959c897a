// SPDX-License-Identifier: GPL-2.0-or-later
import CVeil
import DequeModule
import Veil

// Functions of veil.h that decode.

final class DecoderHandle: StreamObject {
    let decoder: VideoDecoder
    var ready: Deque<VideoPicture> = []
    /// The samples of the picture given out last.
    private var planes: [UnsafeMutableRawPointer] = []
    /// Other chroma formats than 4:2:0 are given out.
    private let allFormats: Bool

    init(_ decoder: VideoDecoder, allFormats: Bool) {
        self.decoder = decoder
        self.allFormats = allFormats
    }
    deinit { for plane in planes { plane.deallocate() } }

    func next(_ out: UnsafeMutablePointer<veil_picture>?) throws -> Bool {
        var p = try veil_picture.read(out.map { UnsafePointer($0) }, "the picture")
        if ready.isEmpty { return false }
        let format = ready[0].chromaFormat
        if format != .yuv420 && !allFormats {
            throw SyntaxError.unsupported(element: "chroma_format_idc", value: Int(format.rawValue))
        }
        let picture = ready.removeFirst()
        for plane in planes { plane.deallocate() }
        planes = (0..<format.planeCount).map { Self.copy(picture, component: $0) }
        let size = picture.bitDepth > 8 ? 2 : 1
        p.width = Int32(picture.width)
        p.height = Int32(picture.height)
        p.bit_depth = Int32(picture.bitDepth)
        p.bit_depth_luma = Int32(picture.bitDepthLuma)
        p.bit_depth_chroma = Int32(picture.bitDepthChroma)
        p.layer = Int32(picture.layer)
        p.order = Int64(picture.pictureOrderCount)
        let hasChroma = planes.count == 3
        p.planes = (
            UnsafeRawPointer(planes[0]), hasChroma ? UnsafeRawPointer(planes[1]) : nil,
            hasChroma ? UnsafeRawPointer(planes[2]) : nil
        )
        switch format {
        case .yuv420: p.chroma_format = Int32(bitPattern: VEIL_CHROMA_420.rawValue)
        case .yuv422: p.chroma_format = Int32(bitPattern: VEIL_CHROMA_422.rawValue)
        case .yuv444: p.chroma_format = Int32(bitPattern: VEIL_CHROMA_444.rawValue)
        case .monochrome: p.chroma_format = Int32(bitPattern: VEIL_CHROMA_NONE.rawValue)
        }
        let chroma = picture.size(ofComponent: 1).width * size
        p.strides = (picture.width * size, chroma, chroma)
        p.fps_num = Int32(clamping: picture.frameRate?.numerator ?? 0)
        p.fps_den = Int32(clamping: picture.frameRate?.denominator ?? 0)
        try p.write(out, "the picture")
        return true
    }

    private static func copy(_ picture: VideoPicture, component: Int) -> UnsafeMutableRawPointer {
        let size = picture.size(ofComponent: component)
        let count = size.width * size.height
        if picture.bitDepth > 8 {
            let samples = picture.samples(ofComponent: component, bitDepth: picture.bitDepth)
            let memory = UnsafeMutablePointer<UInt16>.allocate(capacity: max(count, 1))
            samples.withUnsafeBufferPointer {
                if let first = $0.baseAddress { memory.initialize(from: first, count: $0.count) }
            }
            return UnsafeMutableRawPointer(memory)
        }
        let memory = UnsafeMutableRawPointer.allocate(byteCount: max(count, 1), alignment: 16)
        picture.withRawSamples(ofComponent: component) { samples, stride, bytes in
            guard let first = samples.baseAddress else { return }
            for y in 0..<size.height {
                let row = first + y * stride * bytes
                let to = memory + y * size.width
                if bytes == 1 {
                    to.copyMemory(from: row, byteCount: size.width)
                } else {
                    for x in 0..<size.width {
                        let sample = row.load(fromByteOffset: 2 * x, as: UInt16.self)
                        to.storeBytes(of: UInt8(truncatingIfNeeded: sample), toByteOffset: x, as: UInt8.self)
                    }
                }
            }
        }
        return memory
    }
}

private var decoderDefaults: veil_decoder_settings {
    var settings = veil_decoder_settings()
    settings.struct_size = MemoryLayout<veil_decoder_settings>.size
    settings.threads = 1
    settings.max_temporal_id = 6
    return settings
}

@_cdecl("veil_decoder_settings_init")
public func veilDecoderSettingsInit(_ settings: UnsafeMutablePointer<veil_decoder_settings>?, _ size: Int) -> Int32 {
    status { try decoderDefaults.initialize(settings, size: size) }
}

@_cdecl("veil_decoder_open")
public func veilDecoderOpen(
    _ decoder: UnsafeMutablePointer<OpaquePointer?>?, _ settings: UnsafePointer<veil_decoder_settings>?
) -> Int32 {
    open(decoder) {
        let s = try settings == nil ? decoderDefaults : veil_decoder_settings.read(settings, "the settings")
        var options = VideoDecoder.Options()
        switch UInt32(bitPattern: s.output) {
        case VEIL_OUTPUT_HIGHEST.rawValue: options.output = .highestLayer
        case VEIL_OUTPUT_LAYER.rawValue: options.output = .layer(try number(s.output_index, 0...62, "output_index"))
        case VEIL_OUTPUT_LAYER_SET.rawValue:
            options.output = .outputLayerSet(try number(s.output_index, 0...Int32.max, "output_index"))
        case VEIL_OUTPUT_ALL.rawValue: options.output = .allLayers
        default: throw UsageError("output is no veil_output: \(s.output)")
        }
        options.threads = try number(s.threads, 1...Int32.max, "threads")
        options.verify = try flag(s.verify, "verify")
        options.maxTemporalId = try number(s.max_temporal_id, 0...6, "max_temporal_id")
        options.keys = try ring(s.keys)
        options.verification = try verification(
            clear: s.allow_clear, joined: s.allow_joined, strict: s.strict, tags: s.require_authentication)
        if options.verification.requiresTags && options.keys == nil {
            throw UsageError("require_authentication needs keys")
        }
        return DecoderHandle(
            VideoDecoder(options: options), allFormats: try flag(s.all_chroma_formats, "all_chroma_formats"))
    }
}

@_cdecl("veil_decoder_push")
public func veilDecoderPush(_ decoder: OpaquePointer?, _ data: UnsafePointer<UInt8>?, _ size: Int) -> Int32 {
    status {
        let handle = try object(decoder, DecoderHandle.self)
        let bytes = try bytes(data, size)
        try handle.work { try handle.decoder.push(bytes) { handle.ready.append($0) } }
    }
}

@_cdecl("veil_decoder_finish")
public func veilDecoderFinish(_ decoder: OpaquePointer?) -> Int32 {
    status {
        let handle = try object(decoder, DecoderHandle.self)
        try handle.work(ends: true) { try handle.decoder.finish { handle.ready.append($0) } }
    }
}

@_cdecl("veil_decoder_picture")
public func veilDecoderPicture(_ decoder: OpaquePointer?, _ picture: UnsafeMutablePointer<veil_picture>?) -> Int32 {
    answer { try object(decoder, DecoderHandle.self).next(picture) }
}

@_cdecl("veil_decoder_get_report")
public func veilDecoderGetReport(
    _ decoder: OpaquePointer?, _ report: UnsafeMutablePointer<veil_decoder_report>?
) -> Int32 {
    status {
        let r = try object(decoder, DecoderHandle.self).decoder.report
        var out = veil_decoder_report()
        out.pictures_decoded = Int64(r.picturesDecoded)
        out.hashes_checked = Int64(r.hashesChecked)
        out.hash_mismatches = Int64(r.hashMismatches)
        out.concealed_ctus = Int64(r.concealedCTUs)
        out.missing_references = Int64(r.missingReferences)
        out.concealed_pictures = Int64(r.concealedPictures)
        out.verified_pictures = Int64(r.verification?.verifiedPictures ?? 0)
        out.missing_pictures = r.verification?.missingPictures.values.reduce(0) { $0 + Int64($1) } ?? 0
        out.joins = Int64(r.verification?.joins ?? 0)
        out.is_clean = r.isClean && r.verification?.isWhole ?? true ? 1 : 0
        try out.write(report, "the report")
    }
}

@_cdecl("veil_decoder_close")
public func veilDecoderClose(_ decoder: OpaquePointer?) { release(decoder, DecoderHandle.self) }
