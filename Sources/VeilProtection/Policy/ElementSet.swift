// SPDX-License-Identifier: GPL-2.0-or-later
import VeilEntropy

/// Which syntax elements are encrypted.
public struct ElementSet: OptionSet, Hashable, Sendable {
    public let rawValue: UInt16
    public init(rawValue: UInt16) { self.rawValue = rawValue }
    public init(_ element: BinElement) { rawValue = 1 << UInt16(element.rawValue) }

    /// The paper's elements: MVD suffix and sign, coefficient sign and suffix, dQP sign.
    public static let paper: ElementSet = [
        .init(.mvdSuffix), .init(.mvdSign), .init(.coeffSign), .init(.coeffSuffix), .init(.dqpSign),
    ]
    /// Every element that ``EncryptableBins`` knows.
    public static let maximal = ElementSet(rawValue: .max)

    static let names: [(BinElement, String)] = [
        (.mvdSuffix, "mvd"), (.mvdSign, "mvd-sign"), (.coeffSuffix, "coeff"), (.coeffSign, "coeff-sign"),
        (.dqpSign, "dqp-sign"),
        (.saoOffsetSign, "sao-sign"), (.saoBandPosition, "sao-band"), (.saoEoClass, "sao-class"),
        (.saoOffset, "sao-offset"), (.pcmSample, "pcm"), (.mergeIdx, "merge"), (.refIdx, "ref"), (.partMode, "part"),
        (.dqpSuffix, "dqp"),
        (.intraLumaMode, "intra-luma"), (.intraChromaMode, "intra-chroma"),
    ]

    /// A comma-separated list of names, as ``names`` writes it.
    public init?(names list: String) {
        var set: ElementSet = []
        for part in list.split(separator: ",") {
            guard let known = Self.names.first(where: { $0.1 == part }) else { return nil }
            set.insert(ElementSet(known.0))
        }
        if set.isEmpty { return nil }
        self = set
    }

    /// What the command line and `keys.json` call the elements.
    public var names: [String] { Self.names.filter { contains(ElementSet($0.0)) }.map(\.1) }

    /// All names that ``init(names:)`` takes.
    public static var allNames: [String] { names.map(\.1) }

    /// The encrypted bits of each element of the set, by name.
    public func counts(_ counts: ElementCounts) -> [(name: String, bits: Int)] {
        Self.names.filter { contains(ElementSet($0.0)) }.map { ($0.1, counts[$0.0]) }
    }
}
