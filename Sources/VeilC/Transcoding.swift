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
            operation = .encrypt(keys: keys, options: try s.encryptionOptions())
        case VEIL_DECRYPT.rawValue:
            operation = .decrypt(
                keys: keys, partial: try flag(s.partial, "partial"), verification: try s.verification())
        case VEIL_REKEY.rawValue:
            guard let old = try ring(s.old_keys) else { throw UsageError("exchanging keys needs old_keys") }
            operation = .rekey(
                from: old, verification: try s.verification(), keys: keys, options: try s.encryptionOptions())
        default: throw UsageError("operation is no veil_operation: \(s.operation)")
        }
        return TranscoderHandle(
            VideoTranscoder(
                operation, threads: try number(s.threads, 1...Int32.max, "threads"), damaged: try s.damagePolicy()))
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

@_cdecl("veil_transcoder_get_report")
public func veilTranscoderGetReport(
    _ transcoder: OpaquePointer?, _ report: UnsafeMutablePointer<veil_transcoder_report>?
) -> Int32 {
    status {
        let r = try object(transcoder, TranscoderHandle.self).transcoder.report
        var out = veil_transcoder_report()
        out.pictures = Int64(r.pictures)
        out.passed = Int64(r.failedSlices)
        out.dropped = Int64(r.droppedSlices)
        out.sealed = Int64(r.sealedSlices)
        out.unchanged = r.unchangedSlices.values.reduce(0) { $0 + Int64($1) }
        out.verified_pictures = Int64(r.verification?.verifiedPictures ?? 0)
        out.missing_pictures = r.verification?.missingPictures.values.reduce(0) { $0 + Int64($1) } ?? 0
        out.joins = Int64(r.verification?.joins ?? 0)
        let isWhole = r.verification?.isWhole ?? true
        out.is_whole = isWhole && r.failedSlices == 0 && r.droppedSlices == 0 ? 1 : 0
        try out.write(report, "the report")
    }
}

@_cdecl("veil_transcoder_close")
public func veilTranscoderClose(_ transcoder: OpaquePointer?) { release(transcoder, TranscoderHandle.self) }

/// What a decoder or transcoder lets through.
func verification(clear: Int32, joined: Int32, strict: Int32, tags: Int32) throws -> VerificationOptions {
    var options = VerificationOptions()
    options.allowsClear = try flag(clear, "allow_clear")
    options.allowsJoined = try flag(joined, "allow_joined")
    options.requiresTags = try flag(tags, "require_authentication")
    options.isStrict = try flag(strict, "strict")
    return options
}

extension veil_transcoder_settings {
    fileprivate func encryptionOptions() throws -> Encryption.Options {
        var options = try protection.options()
        if let scheme = try protection.schemeNamed() { options.scheme = scheme }
        guard options.scheme != .none else { throw UsageError("scheme none encrypts nothing") }
        return options
    }

    fileprivate func verification() throws -> VerificationOptions {
        try VeilC.verification(clear: allow_clear, joined: allow_joined, strict: strict, tags: require_authentication)
    }

    fileprivate func damagePolicy() throws -> DamagePolicy {
        switch UInt32(bitPattern: damaged) {
        case VEIL_DAMAGE_ERROR.rawValue: return .error
        case VEIL_DAMAGE_DROP.rawValue: return .drop
        case VEIL_DAMAGE_SEAL.rawValue: return .seal
        case VEIL_DAMAGE_PASS.rawValue: return .pass
        default: throw UsageError("damaged is no veil_damage: \(damaged)")
        }
    }
}
