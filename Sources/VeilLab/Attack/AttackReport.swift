// SPDX-License-Identifier: GPL-2.0-or-later
import Foundation

/// What `veil attack` found: how much someone without the key gets out of an encrypted stream.
public struct AttackReport: Codable, Sendable {
    /// One attack on one way of encrypting: the best picture it gives, against the clear decode of the highest layer.
    public struct Attempt: Codable, Sendable {
        public var scheme: String
        public var profile: String
        public var attack: String
        public var psnrY: Double
        public var ssim: Double
        public var vif: Double?
        /// 1 - edge differential ratio.
        public var edgeSimilarity: Double
        /// Whether the picture can be told among others.
        public var recognition: Recognition?
    }

    /// What a sketch drawn from elements that are not encrypted shows.
    public struct Drawing: Codable, Sendable {
        public var layer: Int
        /// The elements it is drawn from.
        public var source: String
        public var isIntra: Bool
        /// `HiddenPictures` of the stream; 0 for selective encryption alone.
        public var hiding: Int
        public var recognition: Recognition
    }

    /// What hiding pictures costs.
    public struct Hidden: Codable, Sendable {
        public var level: Int
        public var bytes: Int
        public var clearBytes: Int
        /// In percent of the clear stream, messages included.
        public var increase: Double { 100 * (Double(bytes) / Double(max(clearBytes, 1)) - 1) }
    }

    /// What the unencrypted structure tells of a picture.
    public struct Structure: Codable, Sendable {
        public var layer: Int
        public var picture: String
        public var correlation: Double
        public var edgeSimilarity: Double
        public var chance: Double
    }

    /// One bit of a key.
    public struct KeyBit: Codable, Sendable {
        public var cipher: String
        public var bit: Int
        /// Share of the encrypted bits that differ when the bit is flipped; 0.5 is ideal.
        public var changed: Double
        /// The decryptor named the key as wrong before writing anything.
        public var refused: Bool
        /// Luma PSNR of what the wrong key decrypts to, when the check is overridden.
        public var psnrY: Double
    }

    /// Known plaintext under one nonce used twice.
    public struct Reuse: Codable, Sendable {
        public var cipher: String
        public var frames: Int
        public var bits: Int
        /// Share of the secret stream's encrypted bits within reach of the known stream's keystream.
        public var reached: Double
        /// Share of all its encrypted bits that the attack gets right.
        public var right: Double
        public var psnrBefore: Double
        public var psnrAfter: Double
        public var ssimAfter: Double
    }

    public var version: String
    public var command: String
    public var machine: String
    public var clip: String
    public var width: Int
    public var height: Int
    public var frames: Int
    public var layers: String
    public var qp: String
    public var attempts: [Attempt]
    public var structures: [Structure]
    public var drawings: [Drawing]
    public var hidden: [Hidden]
    public var keyBits: [KeyBit]
    public var reuse: [Reuse]
}
