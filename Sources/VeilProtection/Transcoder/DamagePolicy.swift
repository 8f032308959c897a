// SPDX-License-Identifier: GPL-2.0-or-later

/// What encryption does with a slice that it cannot encrypt so that decryption restores it byte for byte: it cannot
/// be parsed to its end, asks for tools that are not understood, comes before its parameter sets, repeats parts of its
/// picture, or has another form than any encoder gives it.
public enum DamagePolicy: String, Sendable, CaseIterable {
    /// Stop with an error.
    case error
    /// Leave it out.
    case drop
    /// Put a sealed unit in its place: all of it under AES-256-GCM, in a NAL unit that decoders ignore. Decryption puts
    /// it back.
    case seal
    /// Leave it as it is, in the clear.
    case pass
}

/// Why a stream cannot be encrypted as asked.
public enum ProtectionError: Error, Equatable, Sendable, CustomStringConvertible {
    /// A unit of a layer that was to be encrypted.
    case damaged(layer: Int, offset: Int, type: String, reason: String)
    /// Nothing of the whole stream was to be encrypted.
    case nothing(reason: String)
    /// A combination of options that cannot be kept.
    case unsupported(reason: String)

    /// Throws where no bin is among what was selected, unless all pictures are sealed whole anyway.
    package static func checkHidden(_ hiding: HiddenPictures) throws {
        if hiding == .all { return }
        let pictures = hiding == .none ? "the stream" : "the pictures that are not hidden"
        throw ProtectionError.nothing(reason: "no bin of \(pictures) is among what was selected")
    }

    public var description: String {
        switch self {
        case .damaged(let layer, let offset, let type, let reason):
            return "layer \(layer), \(type) at byte \(offset): cannot be encrypted: \(reason)"
        case .nothing(let reason): return "nothing is encrypted: \(reason)"
        case .unsupported(let reason): return reason
        }
    }
}
