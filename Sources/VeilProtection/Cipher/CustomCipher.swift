// SPDX-License-Identifier: GPL-2.0-or-later
import Foundation

/// A keystream generator of your own, for the streams of your own program: cipher 255 in messages,
/// ``CipherKind/custom`` in key rings.
///
/// Install it once, before the first encoder, decoder or transcoder is made. Programs that have none refuse such
/// streams by name.
///
/// `fill` is asked for a multiple of 16 words at a time; `start` is called at the beginning of every unit and must
/// give a sequence that depends on the key and on all 96 bits of the nonce. Several instances are used at once, from
/// several threads.
public enum CustomCipher {
    private static let lock = NSLock()
    private nonisolated(unsafe) static var type: (any Keystream.Type)?

    public static func install(_ type: any Keystream.Type) { lock.withLock { Self.type = type } }

    /// Whether one is installed.
    public static var isInstalled: Bool { lock.withLock { type != nil } }

    static func make(key: [UInt8]) -> any Keystream {
        guard let type = lock.withLock({ type }) else {
            preconditionFailure("CustomCipher.install must be called before streams use it")
        }
        return type.init(key: key)
    }
}
