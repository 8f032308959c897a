// SPDX-License-Identifier: GPL-2.0-or-later

/// What the tables of a track say of its samples by their numbers, beside times and places: which of them belong
/// together (`sgpd`, `sbgp`), and which others need (`sdtp`, `stps`). Of what has the same samples it is true as well.
struct SampleDetails {
    /// Boxes of `stbl`, whole.
    private(set) var boxes: [UInt8] = []
    /// Their names.
    private(set) var kept: [String] = []
    /// Names of such boxes that are not known, and stay behind: they may hold anything, pictures, too.
    private(set) var left: [String] = []

    /// Groups that tell where decoding can begin, and what sub-layers are (14496-12, 10; 14496-15, 8.4.7 to 8.4.9).
    private static let groups: Set<FourCC> = [
        "rap ", "sync", "roll", "prol", "tele", "sap ", "tscl", "tsas", "stsa", "alst",
    ]
    /// Those that are made anew of the stream.
    private static let madeAnew: Set<FourCC> = ["oinf", "linf"]
    /// Descriptions of a group that are longer describe nothing.
    private static let longestDescription = 4096

    init() {}

    /// - Parameter samples: how many there are.
    init(_ stbl: Box, samples: Int) throws {
        for box in try stbl.children() {
            var body = box
            switch box.type {
            case "sgpd", "sbgp":
                _ = try body.versionAndFlags()
                let group = try body.fourCC()
                if Self.madeAnew.contains(group) { continue }
                let longest = box.type == "sgpd" ? Self.longestDescription : 16 + 8 * samples
                add(box, "group '\(group)'", isKnown: Self.groups.contains(group) && box.bytesLeft <= longest)
            case "sdtp": add(box, "sdtp", isKnown: box.bytesLeft == 4 + samples)
            case "stps": add(box, "stps", isKnown: box.bytesLeft <= 8 + 4 * samples)
            case "subs", "padb", "stdp", "csgp": add(box, box.type.description, isKnown: false)
            default: break
            }
        }
    }

    private mutating func add(_ box: Box, _ name: String, isKnown: Bool) {
        if isKnown { boxes += box.whole }
        let names = isKnown ? kept : left
        guard !names.contains(name) else { return }
        if isKnown { kept.append(name) } else { left.append(name) }
    }
}
