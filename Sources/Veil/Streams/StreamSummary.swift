// SPDX-License-Identifier: GPL-2.0-or-later
import VeilBitstream

/// What a stream holds, as ``StreamInspector`` finds it.
public struct StreamSummary: Codable, Sendable {
    /// What its units that hold data of pictures are called among ``Layer/userData``.
    package static let dolbyVision = "Dolby Vision"

    public struct Encryption: Codable, Sendable {
        public internal(set) var scheme: String
        public internal(set) var cipher: String
        public internal(set) var profile: String
        public internal(set) var elements: [String]
        public internal(set) var resynchronization: String
        public internal(set) var feedback: Bool
        /// Which pictures are sealed whole, as `--hide` takes it; nil: none.
        public internal(set) var hide: Int?
        /// Only IRAP pictures are encrypted; nil: others too.
        public internal(set) var irapOnly: Bool?
        /// Only pictures of this TemporalId and above are; nil: all.
        public internal(set) var minTemporalId: Int?
        /// Whether pictures have tags.
        public internal(set) var authenticated: Bool
        /// Regions that alone are encrypted, each x, y, width, height in luma samples; nil: all of a picture.
        public internal(set) var regions: [[Int]]?
        public internal(set) var keyId: String
        public internal(set) var messages: Int
    }
    /// What the samples of a layer mean, as VUI and SEI messages tell it, by the names that x265 and ffmpeg have; nil
    /// where nothing is told.
    public struct Colour: Codable, Sendable, Equatable {
        public internal(set) var primaries: String?
        public internal(set) var transfer: String?
        public internal(set) var alternativeTransfer: String?
        public internal(set) var matrix: String?
        public internal(set) var range: String?
        public internal(set) var chromaLocation: String?
        /// As 4:3.
        public internal(set) var sampleAspect: String?
        /// As x265 has it.
        public internal(set) var masteringDisplay: String?
        /// As 1000,400.
        public internal(set) var contentLight: String?

        init(_ colour: ColourDescription) {
            primaries = colour.primaries.map { ColourNames.primaries.name(of: $0) }
            transfer = colour.transfer.map { ColourNames.transfer.name(of: $0) }
            alternativeTransfer = colour.alternativeTransfer.map { ColourNames.transfer.name(of: $0) }
            matrix = colour.matrix.map { ColourNames.matrix.name(of: $0) }
            range = colour.isFullRange.map { $0 ? "full" : "limited" }
            chromaLocation = colour.chromaLocation.map { ColourNames.chromaLocation.name(of: $0) }
            sampleAspect = colour.sampleAspect.map { "\($0.width):\($0.height)" }
            masteringDisplay = colour.masteringDisplay?.text
            contentLight = colour.contentLight.map { "\($0.maximum),\($0.average)" }
        }

        /// One line, empty where nothing is told.
        public var line: String {
            [
                primaries.map { "primaries \($0)" }, transfer.map { "transfer \($0)" },
                alternativeTransfer.map { "or \($0)" }, matrix.map { "matrix \($0)" }, range.map { "\($0) range" },
                chromaLocation.map { "chroma \($0)" }, sampleAspect.map { "sample aspect \($0)" },
                masteringDisplay.map { "mastering display \($0)" }, contentLight.map { "content light \($0)" },
            ].compactMap { $0 }.joined(separator: ", ")
        }
    }

    public struct Layer: Codable, Sendable {
        public internal(set) var layer: Int
        public internal(set) var width = 0
        public internal(set) var height = 0
        public internal(set) var bitDepth = 8
        /// Which eye, view or else its pictures are for; nil where they show what those of other layers do.
        public internal(set) var role: String?
        /// Frames a second by VUI or VPS, as 30000/1001.
        public internal(set) var frameRate: String?
        public internal(set) var colour: Colour?
        public internal(set) var pictures = 0
        public internal(set) var irapPictures = 0
        public internal(set) var slices = 0
        /// Bytes of slice NAL units, sealed ones of hidden pictures included, start codes excluded.
        public internal(set) var bytes = 0
        /// Those of sealed units, whose bits are all encrypted and are not counted in ``encryptionSpace``; nil: none.
        public internal(set) var sealedBytes: Int?
        /// How many messages of user data there are of each kind (captions, HDR10+, ITU-T T.35, unregistered); nil:
        /// none, those of Veil's own aside.
        public internal(set) var userData: [String: Int]?
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
    /// Slices that cannot be read to their end, of which ``notes`` tell; nil where slice data was not looked at.
    public internal(set) var damagedSlices: Int?
}
