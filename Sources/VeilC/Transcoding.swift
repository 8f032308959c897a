// SPDX-License-Identifier: GPL-2.0-or-later
import CVeil
import Veil

// Functions of veil.h that encrypt and decrypt finished streams.

final class TranscoderHandle: PacketQueue {
    let transcoder: VideoTranscoder
    init(_ transcoder: VideoTranscoder) { self.transcoder = transcoder }
}

@_cdecl("veil_transcoder_settings_init")
public func veilTranscoderSettingsInit(
    _ settings: UnsafeMutablePointer<veil_transcoder_settings>?, _ size: Int
) -> Int32 {
    status {
        var defaults = veil_transcoder_settings()
        defaults.threads = 1
        try defaults.initialize(settings, size: size)
    }
}

@_cdecl("veil_transcoder_open")
public func veilTranscoderOpen(
    _ transcoder: UnsafeMutablePointer<OpaquePointer?>?, _ settings: UnsafePointer<veil_transcoder_settings>?
) -> Int32 {
    open(transcoder) {
        let s = try veil_transcoder_settings.read(settings, "the settings")
        guard let keys = try ring(s.keys) else { throw UsageError("encryption and decryption need keys") }
        let operation: VideoTranscoder.Operation
        switch UInt32(bitPattern: s.operation) {
        case VEIL_ENCRYPT.rawValue:
            var options = try s.protection.options()
            options.scheme = try s.protection.schemeNamed() ?? .all
            guard options.scheme != .none else { throw UsageError("scheme none encrypts nothing") }
            operation = .encrypt(keys: keys, options: options)
        case VEIL_DECRYPT.rawValue: operation = .decrypt(keys: keys, partial: try flag(s.partial, "partial"))
        default: throw UsageError("operation is no veil_operation: \(s.operation)")
        }
        return TranscoderHandle(
            VideoTranscoder(operation, threads: try number(s.threads, 1...Int32.max, "threads")))
    }
}

@_cdecl("veil_transcoder_push")
public func veilTranscoderPush(_ transcoder: OpaquePointer?, _ data: UnsafePointer<UInt8>?, _ size: Int) -> Int32 {
    status {
        let handle = try object(transcoder, TranscoderHandle.self)
        let bytes = try bytes(data, size)
        try handle.work { handle.ready += try handle.transcoder.push(bytes) }
    }
}

@_cdecl("veil_transcoder_finish")
public func veilTranscoderFinish(_ transcoder: OpaquePointer?) -> Int32 {
    status {
        let handle = try object(transcoder, TranscoderHandle.self)
        try handle.work(ends: true) { handle.ready += try handle.transcoder.finish() }
    }
}

@_cdecl("veil_transcoder_packet")
public func veilTranscoderPacket(_ transcoder: OpaquePointer?, _ packet: UnsafeMutablePointer<veil_packet>?) -> Int32 {
    answer { try object(transcoder, TranscoderHandle.self).next(packet) }
}

@_cdecl("veil_transcoder_close")
public func veilTranscoderClose(_ transcoder: OpaquePointer?) { release(transcoder, TranscoderHandle.self) }
