// SPDX-License-Identifier: GPL-2.0-or-later
import CVeil
import Foundation
import Veil

@_cdecl("veil_api_version")
public func veilAPIVersion() -> Int32 { VEIL_API_VERSION }

@_cdecl("veil_last_error")
public func veilLastError() -> UnsafePointer<CChar>? { LastError.pointer }

// MARK: Keys

final class KeysHandle {
    let ring: KeyRing
    init(_ ring: KeyRing) { self.ring = ring }
}

@_cdecl("veil_keys_open")
public func veilKeysOpen(_ reference: UnsafePointer<CChar>?) -> OpaquePointer? {
    handle { KeysHandle(try KeyRing(reference: text(reference, "the key reference"))) }
}

@_cdecl("veil_keys_generate")
public func veilKeysGenerate(_ layers: Int32, _ cipher: UnsafePointer<CChar>?) -> OpaquePointer? {
    handle {
        let name = try text(cipher, "the cipher")
        guard let kind = CipherKind(name: name) else { throw UsageError("unknown cipher '\(name)'") }
        guard (1...63).contains(layers) else { throw UsageError("1 to 63 layers can have keys") }
        return KeysHandle(KeyRing.generate(layers: Int(layers), cipher: kind))
    }
}

@_cdecl("veil_keys_write")
public func veilKeysWrite(_ keys: OpaquePointer?, _ path: UnsafePointer<CChar>?) -> Int32 {
    status { try object(keys, KeysHandle.self).ring.write(path: text(path, "the path")) }
}

@_cdecl("veil_keys_close")
public func veilKeysClose(_ keys: OpaquePointer?) { release(keys, KeysHandle.self) }

private func ring(_ keys: OpaquePointer?) throws -> KeyRing? { try keys.map { try object($0, KeysHandle.self).ring } }

private func scheme(_ name: UnsafePointer<CChar>?) throws -> Scheme {
    guard let name else { return .all }
    guard let scheme = Scheme(name: String(cString: name)), scheme != .none else {
        throw UsageError("unknown scheme '\(String(cString: name))'")
    }
    return scheme
}

// MARK: Decoding

final class DecoderHandle {
    let decoder: VideoDecoder
    var ready: [VideoPicture] = []
    /// The samples of the picture given out last.
    private var planes: [UnsafeMutableRawPointer] = []

    init(_ decoder: VideoDecoder) { self.decoder = decoder }
    deinit { for plane in planes { plane.deallocate() } }

    func next(_ out: UnsafeMutablePointer<veil_picture>) -> Bool {
        if ready.isEmpty { return false }
        let picture = ready.removeFirst()
        for plane in planes { plane.deallocate() }
        let size = picture.bitDepth > 8 ? 2 : 1
        planes = picture.planes.map { samples in
            let memory = UnsafeMutableRawPointer.allocate(byteCount: max(samples.count * size, 1), alignment: 16)
            if size == 1 {
                let bytes = memory.assumingMemoryBound(to: UInt8.self)
                for i in samples.indices { bytes[i] = UInt8(truncatingIfNeeded: samples[i]) }
            } else {
                samples.withUnsafeBytes { memory.copyMemory(from: $0.baseAddress!, byteCount: $0.count) }
            }
            return memory
        }
        out.pointee.width = Int32(picture.width)
        out.pointee.height = Int32(picture.height)
        out.pointee.bit_depth = Int32(picture.bitDepth)
        out.pointee.layer = Int32(picture.layer)
        out.pointee.order = Int64(picture.pictureOrderCount)
        out.pointee.planes = (UnsafeRawPointer(planes[0]), UnsafeRawPointer(planes[1]), UnsafeRawPointer(planes[2]))
        let chroma = (picture.width + 1) / 2 * size
        out.pointee.strides = (picture.width * size, chroma, chroma)
        out.pointee.fps_num = Int32(clamping: picture.frameRate?.numerator ?? 0)
        out.pointee.fps_den = Int32(clamping: picture.frameRate?.denominator ?? 0)
        return true
    }
}

@_cdecl("veil_decoder_open")
public func veilDecoderOpen(_ keys: OpaquePointer?, _ layer: Int32, _ threads: Int32) -> OpaquePointer? {
    handle {
        var options = VideoDecoder.Options()
        options.keys = try ring(keys)
        if layer >= 0 { options.output = .layer(Int(layer)) }
        options.threads = max(Int(threads), 1)
        return DecoderHandle(VideoDecoder(options: options))
    }
}

@_cdecl("veil_decoder_push")
public func veilDecoderPush(_ decoder: OpaquePointer?, _ data: UnsafePointer<UInt8>?, _ size: Int) -> Int32 {
    status {
        let handle = try object(decoder, DecoderHandle.self)
        handle.ready += try handle.decoder.push(bytes(data, size))
    }
}

@_cdecl("veil_decoder_finish")
public func veilDecoderFinish(_ decoder: OpaquePointer?) -> Int32 {
    status {
        let handle = try object(decoder, DecoderHandle.self)
        handle.ready += try handle.decoder.finish()
    }
}

@_cdecl("veil_decoder_picture")
public func veilDecoderPicture(_ decoder: OpaquePointer?, _ picture: UnsafeMutablePointer<veil_picture>?) -> Int32 {
    guard let picture, let handle = try? object(decoder, DecoderHandle.self) else { return 0 }
    return handle.next(picture) ? 1 : 0
}

@_cdecl("veil_decoder_close")
public func veilDecoderClose(_ decoder: OpaquePointer?) { release(decoder, DecoderHandle.self) }

// MARK: Access units

/// Access units on their way out.
class PacketQueue {
    var ready: [AccessUnit] = []
    private var current: UnsafeMutableBufferPointer<UInt8>?
    deinit { current?.deallocate() }

    func next(_ out: UnsafeMutablePointer<veil_packet>) -> Bool {
        if ready.isEmpty { return false }
        let unit = ready.removeFirst()
        let bytes = unit.bytes
        current?.deallocate()
        let memory = UnsafeMutableBufferPointer<UInt8>.allocate(capacity: bytes.count)
        _ = memory.initialize(from: bytes)
        current = memory
        out.pointee.data = UnsafePointer(memory.baseAddress)
        out.pointee.size = bytes.count
        out.pointee.is_random_access = unit.isRandomAccessPoint ? 1 : 0
        return true
    }
}

// MARK: Transcoding

final class TranscoderHandle: PacketQueue {
    let transcoder: VideoTranscoder
    init(_ transcoder: VideoTranscoder) { self.transcoder = transcoder }
}

@_cdecl("veil_encryptor_open")
public func veilEncryptorOpen(_ keys: OpaquePointer?, _ name: UnsafePointer<CChar>?, _ threads: Int32) -> OpaquePointer?
{
    handle {
        guard let keys = try ring(keys) else { throw UsageError("encryption needs keys") }
        var options = Encryption.Options()
        options.scheme = try scheme(name)
        return TranscoderHandle(VideoTranscoder(.encrypt(keys: keys, options: options), threads: Int(threads)))
    }
}

@_cdecl("veil_decryptor_open")
public func veilDecryptorOpen(_ keys: OpaquePointer?, _ threads: Int32) -> OpaquePointer? {
    handle {
        guard let keys = try ring(keys) else { throw UsageError("decryption needs keys") }
        return TranscoderHandle(VideoTranscoder(.decrypt(keys: keys, partial: false), threads: Int(threads)))
    }
}

@_cdecl("veil_transcoder_push")
public func veilTranscoderPush(_ transcoder: OpaquePointer?, _ data: UnsafePointer<UInt8>?, _ size: Int) -> Int32 {
    status {
        let handle = try object(transcoder, TranscoderHandle.self)
        handle.ready += try handle.transcoder.push(bytes(data, size))
    }
}

@_cdecl("veil_transcoder_finish")
public func veilTranscoderFinish(_ transcoder: OpaquePointer?) -> Int32 {
    status {
        let handle = try object(transcoder, TranscoderHandle.self)
        handle.ready += try handle.transcoder.finish()
    }
}

@_cdecl("veil_transcoder_packet")
public func veilTranscoderPacket(_ transcoder: OpaquePointer?, _ packet: UnsafeMutablePointer<veil_packet>?) -> Int32 {
    guard let packet, let handle = try? object(transcoder, TranscoderHandle.self) else { return 0 }
    return handle.next(packet) ? 1 : 0
}

@_cdecl("veil_transcoder_close")
public func veilTranscoderClose(_ transcoder: OpaquePointer?) { release(transcoder, TranscoderHandle.self) }

// MARK: Encoding

final class EncoderHandle: PacketQueue {
    let encoder: VideoEncoder
    init(_ encoder: VideoEncoder) { self.encoder = encoder }
}

@_cdecl("veil_encoder_open")
public func veilEncoderOpen(_ given: UnsafePointer<veil_encoder_settings>?, _ keys: OpaquePointer?) -> OpaquePointer? {
    handle {
        guard let s = given?.pointee else { throw UsageError("the settings are missing") }
        let structure = s.layers.map { String(cString: $0) } ?? "2x"
        guard (0...51).contains(s.base_qp), (0...51).contains(s.enhancement_qp) else {
            throw UsageError("QPs are 0 to 51")
        }
        var settings = VideoEncoder.Settings(width: Int(s.width), height: Int(s.height))
        if s.fps_num > 0 && s.fps_den > 0 { settings.frameRate = (Int(s.fps_num), Int(s.fps_den)) }
        settings.bitDepth = s.bit_depth == 0 ? 8 : Int(s.bit_depth)
        settings.layers = try [VideoEncoder.LayerSettings](structure)
        settings.layers.setRates(.qp(Int(s.base_qp)), .qp(Int(s.enhancement_qp)))
        guard let mode = VideoEncoder.AdaptiveQuantizationMode(rawValue: Int(s.aq_mode)) else {
            throw UsageError("aq_mode is 0, 1 or 2")
        }
        settings.adaptiveQuantization = mode
        if mode != .off { settings.adaptiveQuantizationStrength = s.aq_strength }
        if let preset = s.preset { settings.preset = String(cString: preset) }
        settings.threads = max(Int(s.threads), 1)
        settings.keys = try ring(keys)
        settings.scheme = settings.keys == nil ? nil : try scheme(s.scheme)
        return EncoderHandle(try VideoEncoder(settings: settings))
    }
}

@_cdecl("veil_encoder_push")
public func veilEncoderPush(_ encoder: OpaquePointer?, _ picture: UnsafePointer<veil_picture>?) -> Int32 {
    status {
        let handle = try object(encoder, EncoderHandle.self)
        guard let p = picture?.pointee, let y = p.planes.0, let cb = p.planes.1, let cr = p.planes.2 else {
            throw UsageError("the picture is missing")
        }
        let settings = handle.encoder.settings
        guard Int(p.width) == settings.width, Int(p.height) == settings.height,
            p.bit_depth == 0 || Int(p.bit_depth) == settings.bitDepth
        else {
            throw UsageError("a picture of \(p.width)x\(p.height), where \(settings.width)x\(settings.height) is coded")
        }
        let strides = [p.strides.0, p.strides.1, p.strides.2]
        let planes = [y, cb, cr].enumerated().map { c, plane in
            let width = c == 0 ? settings.width : (settings.width + 1) / 2
            let height = c == 0 ? settings.height : (settings.height + 1) / 2
            var samples: [UInt16] = []
            samples.reserveCapacity(width * height)
            for row in 0..<height {
                let line = plane + row * strides[c]
                if settings.bitDepth == 8 {
                    samples += UnsafeBufferPointer(start: line.assumingMemoryBound(to: UInt8.self), count: width).map(
                        UInt16.init)
                } else {
                    samples += UnsafeBufferPointer(start: line.assumingMemoryBound(to: UInt16.self), count: width)
                }
            }
            return samples
        }
        handle.ready += try handle.encoder.push(
            VideoPicture(width: settings.width, height: settings.height, bitDepth: settings.bitDepth, planes: planes))
    }
}

@_cdecl("veil_encoder_finish")
public func veilEncoderFinish(_ encoder: OpaquePointer?) -> Int32 {
    status {
        let handle = try object(encoder, EncoderHandle.self)
        handle.ready += try handle.encoder.finish()
    }
}

@_cdecl("veil_encoder_packet")
public func veilEncoderPacket(_ encoder: OpaquePointer?, _ packet: UnsafeMutablePointer<veil_packet>?) -> Int32 {
    guard let packet, let handle = try? object(encoder, EncoderHandle.self) else { return 0 }
    return handle.next(packet) ? 1 : 0
}

@_cdecl("veil_encoder_close")
public func veilEncoderClose(_ encoder: OpaquePointer?) { release(encoder, EncoderHandle.self) }
