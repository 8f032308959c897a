// SPDX-License-Identifier: GPL-2.0-or-later

/// What a stream holds, as ``StreamInspector`` finds it.
public struct StreamSummary: Codable, Sendable {
    public struct Encryption: Codable, Sendable {
        public internal(set) var scheme: String
        public internal(set) var cipher: String
        public internal(set) var profile: String
        public internal(set) var elements: [String]
        public internal(set) var resynchronization: String
        public internal(set) var feedback: Bool
        public internal(set) var keyId: String
        public internal(set) var messages: Int
    }
    public struct Layer: Codable, Sendable {
        public internal(set) var layer: Int
        public internal(set) var width = 0
        public internal(set) var height = 0
        public internal(set) var bitDepth = 8
        public internal(set) var pictures = 0
        public internal(set) var irapPictures = 0
        public internal(set) var slices = 0
        /// Bytes of slice NAL units, start codes excluded.
        public internal(set) var bytes = 0
        public internal(set) var encryption: Encryption?
        /// What is encrypted, or in clear layers what the paper's profile would encrypt.
        public internal(set) var encryptionSpace: Space?
    }
    /// Encrypted bits, by syntax element, and their share of the bits of all slices (ES) and of those of the layer.
    public struct Space: Codable, Sendable {
        public internal(set) var bits: [String: Int]
        public internal(set) var total: Int
        public internal(set) var percentOfStream: Double
        public internal(set) var percentOfLayer: Double
    }
    public internal(set) var bytes = 0
    public internal(set) var nalUnits = 0
    public internal(set) var layers: [Layer] = []
    public internal(set) var notes: [String] = []
}
