// SPDX-License-Identifier: GPL-2.0-or-later
import VeilSystem

/// What `veil attack` found: how much someone without the key gets out of an encrypted stream.
public struct AttackReport: Codable, Sendable {
    /// One attack on one way of encrypting: the best picture it gives, against the clear decode of the highest layer.
    public struct Attempt: Codable, Sendable {
        public var scheme: String
        public var profile: String
        public var attack: String
        /// Number of the key, from 0.
        public var key: Int
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

    /// The sketch that tells pictures best.
    public struct Strongest: Codable, Sendable {
        public var source: String
        public var recognition: Recognition
    }

    /// What is left when elements beyond bypass bins are replaced too, and what that costs.
    public struct Replaced: Codable, Sendable {
        public var elements: String
        public var bytes: Int
        public var clearBytes: Int
        /// The decoded pictures; nil where no stream can be made.
        public var seen: Recognition?
        /// Of pictures of the lowest layer.
        public var intra: Strongest?
        public var inter: Strongest?
        /// In percent of the clear stream.
        public var increase: Double { 100 * (Double(bytes) / Double(max(clearBytes, 1)) - 1) }
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
    public var replaced: [Replaced]
    public var hidden: [Hidden]
    public var keyBits: [KeyBit]
    public var reuse: [Reuse]

    /// Attempts with one attack on one way of encrypting under all keys, their figures' means.
    var means: [(attempt: Attempt, all: [Attempt])] {
        var groups: [[Attempt]] = []
        for attempt in attempts {
            func isAlike(_ group: [Attempt]) -> Bool {
                group[0].scheme == attempt.scheme && group[0].profile == attempt.profile
                    && group[0].attack == attempt.attack
            }
            if let at = groups.firstIndex(where: isAlike) {
                groups[at].append(attempt)
            } else {
                groups.append([attempt])
            }
        }
        return groups.map { group in
            var result = group[0]
            func mean(_ value: (Attempt) -> Double) -> Double {
                group.reduce(0) { $0 + value($1) } / Double(group.count)
            }
            result.psnrY = mean { $0.psnrY }
            result.ssim = mean { $0.ssim }
            if result.vif != nil { result.vif = mean { $0.vif ?? 0 } }
            result.edgeSimilarity = mean { $0.edgeSimilarity }
            result.recognition = Recognition.mean(group.compactMap(\.recognition))
            return (result, group)
        }
    }
}
