// SPDX-License-Identifier: GPL-2.0-or-later
import VeilSystem

/// What `veil evaluate` found: the model behind `report.html`, and `report.json` itself.
public struct EvaluationReport: Codable, Sendable {
    /// The encrypted bits of one layer by syntax element.
    public struct LayerBits: Codable, Sendable {
        public var layer: Int
        public var elements: [String: Int]
        public var total: Int
    }

    /// How pictures differ from a reference. PSNR in dB from the mean squared error of the whole clip.
    public struct Quality: Codable, Sendable {
        public var psnrY: Double
        public var psnrCb: Double
        public var psnrCr: Double
        public var ssim: Double
        /// Mean over the frames that were looked at closely (see `detailFrames`).
        public var vif: Double?
        public var edgeDifferentialRatio: Double?
        public var framePsnrY: [Double]
    }

    /// One key and nonce: what a clip looks like without the key is a matter of chance too.
    public struct Draw: Codable, Sendable {
        public var psnrY: Double
        public var encryptionQuality: Double
        public var hammingDistance: Double
    }

    /// One way of encrypting a stream.
    public struct Case: Codable, Sendable {
        public var scheme: String
        public var profile: String
        public var cipher: String
        public var bits: [LayerBits]
        /// Encrypted bits over the bits of the clear stream, in percent.
        public var encryptionSpace: Double
        /// Bytes of the encrypted stream without its encryption messages, minus those of the clear one.
        public var sizeChange: Int
        public var messageBytes: Int
        /// Several keys and nonces, the first of which the rest of this record is about.
        public var draws: [Draw]
        /// Without a key: the highest layer against the source (against its clear decode where there is no source).
        public var top: Quality
        /// The same against the clear decode of the highest layer.
        public var topPsnrAgainstClear: Double
        /// The base layer without a key against its clear decode.
        public var basePsnrY: Double
        public var baseSsim: Double
        /// Table 2, between clear and encrypted decode of the highest layer's luma: mean over the frames.
        public var encryptionQuality: Double
        /// Over what it can be at most.
        public var encryptionQualityShare: Double
        public var hammingDistance: Double
        /// The same for the base layer, which is what the encryption acts on first.
        public var baseHammingDistance: Double
        /// Adjacent-sample correlation of the figure's frame: horizontal, vertical, diagonal.
        public var correlation: [Double]
        public var histogram: [Int]
        /// Whether its pictures can be told among others, as they stand.
        public var recognition: Recognition?
        /// Slices that a decoder could not parse; 0 for a compliant encryption.
        public var damage: Int

        func mean(_ value: (Draw) -> Double) -> Double {
            draws.reduce(0) { $0 + value($1) } / Double(max(draws.count, 1))
        }
        /// Lowest and highest of the draws.
        func range(_ value: (Draw) -> Double) -> (low: Double, high: Double) {
            (draws.map(value).min() ?? .nan, draws.map(value).max() ?? .nan)
        }
    }

    public struct Layer: Codable, Sendable {
        public var layer: Int
        public var width: Int
        public var height: Int
        public var bytes: Int
    }

    /// One stream under all its cases.
    public struct Run: Codable, Sendable {
        public var name: String
        /// "snr", "2x", "1.5x", "1" (a single layer), or "stream" where it could not be told.
        public var structure: String
        /// QPs of the layers; empty for ready-made streams.
        public var qp: [Int]
        public var frames: Int
        /// Frames on which VIF, edges and the like were measured.
        public var detailFrames: Int
        public var bitDepth: Int
        public var layers: [Layer]
        public var streamBytes: Int
        /// The clear decode of the highest layer against the source; nil where there is no source.
        public var original: Quality?
        public var clearCorrelation: [Double]
        public var clearHistogram: [Int]
        public var cases: [Case]
        public var commands: [String]
        public var title: String {
            "\(name), \(Run.structureName(structure))"
                + (qp.isEmpty ? "" : ", QP \(qp.map(String.init).joined(separator: "/"))")
        }

        static func structureName(_ s: String) -> String { s == "1" ? "single layer" : s == "snr" ? "SNR" : s }
        func find(_ scheme: String, _ profile: String = "paper", _ cipher: String = "chaotic") -> Case? {
            cases.first { $0.scheme == scheme && $0.profile == profile && $0.cipher == cipher }
        }
    }

    public var version: String
    public var command: String
    public var machine: String
    public var runs: [Run]

    public init(version: String, command: String, machine: String, runs: [Run]) {
        self.version = version
        self.command = command
        self.machine = machine
        self.runs = runs
    }
}

/// The figures that the paper prints.
enum PaperFigures {
    struct Row {
        let label: String
        let structure: String
        let original: Double
        /// PSNR Y and ES by scheme.
        let schemes: [String: (psnr: Double, space: Double)]
    }

    /// Table 1, at QP 22 in the enhancement layer. The row of a single layer (HEVC) is printed under SE-SHVC-EL.
    static let table1: [Row] = [
        Row(
            label: "paper, class A", structure: "snr", original: 41.12,
            schemes: ["bl": (8.28, 7.27), "all": (8.25, 15.06), "el": (23.69, 7.79)]),
        Row(
            label: "paper, class A", structure: "2x", original: 41,
            schemes: ["bl": (9.04, 5.62), "all": (8.96, 16.61), "el": (17.72, 10.98)]),
        Row(label: "paper, class A", structure: "1", original: 41.25, schemes: ["all": (8.55, 17.83)]),
        Row(
            label: "paper, class B", structure: "snr", original: 39.54,
            schemes: ["bl": (9.18, 6.23), "all": (9.13, 15.72), "el": (25.77, 9.49)]),
        Row(
            label: "paper, class B", structure: "2x", original: 39.6,
            schemes: ["bl": (9.82, 4.11), "all": (9.66, 17), "el": (18.65, 12.89)]),
        Row(
            label: "paper, class B", structure: "1.5x", original: 39.57,
            schemes: ["bl": (9.11, 6.31), "all": (9.03, 16.41), "el": (21.97, 10.1)]),
        Row(label: "paper, class B", structure: "1", original: 39.6, schemes: ["all": (9.29, 18.27)]),
    ]

    /// Table 2, sequence Traffic, 2560x1600: EQ and HD.
    static let table2: [(scheme: String, structure: String, quality: Double, distance: Double)] = [
        ("bl", "2x", 10942, 0.48), ("bl", "snr", 15499, 0.51), ("all", "2x", 11056, 0.48), ("all", "snr", 15439, 0.51),
        ("el", "2x", 2880, 0.37),
        ("el", "snr", 1561, 0.32),
    ]
    static let table2Samples = 2560 * 1600

    /// What the reader expects at QP 22.
    static func expects(scheme: String, structure: String, psnr: Double) -> Bool {
        scheme == "el" && structure != "1" || psnr <= 10
    }
}
