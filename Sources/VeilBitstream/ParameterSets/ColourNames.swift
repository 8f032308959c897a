// SPDX-License-Identifier: GPL-2.0-or-later

/// Code points of H.273 by the names that x265 and ffmpeg have for them.
public enum ColourNames {
    /// colour_primaries (H.273, 8.1).
    public static let primaries = Table([
        1: ["bt709"], 4: ["bt470m"], 5: ["bt470bg"], 6: ["smpte170m"], 7: ["smpte240m"], 8: ["film"], 9: ["bt2020"],
        10: ["smpte428"], 11: ["smpte431"], 12: ["smpte432"], 22: ["ebu3213", "jedec-p22"],
    ])
    /// transfer_characteristics (8.2).
    public static let transfer = Table([
        1: ["bt709"], 4: ["bt470m", "gamma22"], 5: ["bt470bg", "gamma28"], 6: ["smpte170m"], 7: ["smpte240m"],
        8: ["linear"], 9: ["log100", "log"], 10: ["log316", "log_sqrt"], 11: ["iec61966-2-4", "iec61966_2_4"],
        12: ["bt1361e", "bt1361"], 13: ["iec61966-2-1", "iec61966_2_1", "srgb"], 14: ["bt2020-10", "bt2020_10bit"],
        15: ["bt2020-12", "bt2020_12bit"], 16: ["smpte2084"], 17: ["smpte428"], 18: ["arib-std-b67", "hlg"],
    ])
    /// matrix_coeffs (8.3).
    public static let matrix = Table([
        0: ["gbr", "rgb"], 1: ["bt709"], 4: ["fcc"], 5: ["bt470bg"], 6: ["smpte170m"], 7: ["smpte240m"],
        8: ["ycgco", "ycocg"], 9: ["bt2020nc", "bt2020_ncl"], 10: ["bt2020c", "bt2020_cl"], 11: ["smpte2085"],
        12: ["chroma-derived-nc"], 13: ["chroma-derived-c"], 14: ["ictcp"],
    ])
    /// chroma_sample_loc_type (Figure E.1).
    public static let chromaLocation = Table([
        0: ["left"], 1: ["center", "centre"], 2: ["topleft"], 3: ["top"], 4: ["bottomleft"], 5: ["bottom"],
    ])

    public struct Table: Sendable {
        private let names: [Int: [String]]

        init(_ names: [Int: [String]]) { self.names = names }

        /// The first name of a value; the number where it has none.
        public func name(of value: Int) -> String { names[value]?.first ?? String(value) }

        /// The value of a name or of a number that has one.
        public func value(of text: String) -> Int? {
            let text = text.lowercased()
            if let number = Int(text) { return names[number] == nil ? nil : number }
            return names.first { $0.value.contains(text) }?.key
        }

        /// All of them, for messages.
        public var list: String { names.sorted { $0.key < $1.key }.map { $0.value[0] }.joined(separator: ", ") }
    }
}
