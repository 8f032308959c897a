// SPDX-License-Identifier: GPL-2.0-or-later
import CVeil
import Veil
import VeilSystem

// Functions of veil.h that are about the library, errors and keys.

private nonisolated(unsafe) let versionText = UnsafePointer(strdup(VeilLibrary.version))

@_cdecl("veil_version")
public func veilVersion() -> UnsafePointer<CChar>? { versionText }

@_cdecl("veil_abi_version")
public func veilABIVersion() -> Int32 { VEIL_ABI_VERSION }

@_cdecl("veil_last_error")
public func veilLastError() -> UnsafePointer<CChar>? { LastError.text }

@_cdecl("veil_last_status")
public func veilLastStatus() -> Int32 { LastError.status }

final class KeysHandle {
    let ring: KeyRing
    init(_ ring: KeyRing) { self.ring = ring }
}

@_cdecl("veil_keys_open")
public func veilKeysOpen(
    _ keys: UnsafeMutablePointer<OpaquePointer?>?, _ reference: UnsafePointer<CChar>?
) -> Int32 { open(keys) { KeysHandle(try KeyRing(reference: text(reference, "the key reference"))) } }

@_cdecl("veil_keys_generate")
public func veilKeysGenerate(
    _ keys: UnsafeMutablePointer<OpaquePointer?>?, _ layers: Int32, _ cipher: UnsafePointer<CChar>?
) -> Int32 {
    open(keys) {
        let name = try text(cipher, "the cipher")
        guard let kind = CipherKind(name: name) else { throw UsageError("unknown cipher '\(name)'") }
        return KeysHandle(KeyRing.generate(layers: try number(layers, 1...63, "layers"), cipher: kind))
    }
}

@_cdecl("veil_keys_write")
public func veilKeysWrite(_ keys: OpaquePointer?, _ path: UnsafePointer<CChar>?) -> Int32 {
    status { try object(keys, KeysHandle.self).ring.write(path: text(path, "the path")) }
}

@_cdecl("veil_keys_close")
public func veilKeysClose(_ keys: OpaquePointer?) { release(keys, KeysHandle.self) }

/// The keys behind a handle that may be NULL.
func ring(_ keys: OpaquePointer?) throws -> KeyRing? { try keys.map { try object($0, KeysHandle.self).ring } }

extension veil_protection {
    /// The layers to encrypt; nil where it does not say.
    func schemeNamed() throws -> Scheme? {
        try text(scheme).map { name in
            guard let scheme = Scheme(name: name) else { throw UsageError("unknown scheme '\(name)'") }
            return scheme
        }
    }

    /// All but the scheme.
    func options() throws -> Encryption.Options {
        var options = Encryption.Options()
        if let name = text(cipher) {
            guard let kind = CipherKind(name: name) else { throw UsageError("unknown cipher '\(name)'") }
            options.cipher = kind
        }
        if let name = text(profile) {
            guard let profile = ElementProfile(name: name) else { throw UsageError("unknown profile '\(name)'") }
            options.profile = profile
        }
        if let names = text(elements) {
            guard let elements = ElementSet(names: names) else {
                throw UsageError("elements are out of \(ElementSet.allNames.joined(separator: ", ")), not '\(names)'")
            }
            options.elements = elements
        }
        options.authenticates = try flag(authenticate, "authenticate")
        options.selection.irapOnly = try flag(irap_only, "irap_only")
        options.selection.minTemporalId = try number(min_temporal_id, 0...6, "min_temporal_id")
        // 0 is what nobody asked for: new keys leave it as it was.
        let hide = try number(hide, -1...3, "hide")
        if hide != 0 { options.hiding = HiddenPictures(rawValue: max(hide, 0)) ?? .none }
        options.resynchronization = try flag(chained, "chained") ? .stream : .substream
        return options
    }
}
