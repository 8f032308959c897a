// SPDX-License-Identifier: GPL-2.0-or-later

/// How much time an enhancement layer may take: x265's names, fastest first.
package enum EncoderPreset: String, CaseIterable, Sendable {
    case ultrafast, superfast, veryfast, faster, fast, medium, slow, slower, veryslow

    /// The preset of an x265 preset's name (`placebo` counts as the slowest), nil for other names.
    package init?(name: String) {
        if name == "placebo" { self = .veryslow } else { self.init(rawValue: name) }
    }

    private var rank: Int { Self.allCases.firstIndex(of: self)! }

    /// What the mode decision tries.
    package var effort: DecisionEffort {
        var e = DecisionEffort()
        let rank = rank
        switch self {
        case .ultrafast, .superfast, .veryfast, .faster, .fast:
            e.mergeCandidates = rank < 2 ? 2 : 3
            e.mergeChecks = rank < 3 ? 1 : 2
            e.references = 1
            e.intra = 1
            e.search.pattern = rank < 3 ? .diamond : .hexagon
            e.search.steps = rank < 1 ? 6 : 12
            e.searchChecks = rank < 1 ? 1 : 2
        case .medium:
            e.mergeCandidates = 4
            e.splitsBestTree = true
            e.references = 2
        case .slow, .slower, .veryslow:
            e.search.square = true
            e.search.steps = 32
            e.references = self == .slow ? 2 : 3
            e.partitions = self == .slow ? 1 : 2
            e.mergeChecks = rank - 4
            e.mergeRatio = self == .slow ? 1.25 : 2
            e.intra = 3
            e.earlySkip = self != .veryslow
        }
        e.mixesLayers = rank >= Self.veryfast.rank
        e.refinesBoth = rank >= Self.slow.rank
        e.optimisesLevels = rank >= Self.fast.rank
        return e
    }

    /// The coding tools that the layer's parameter sets allow.
    package var tools: LayerTools {
        var t = LayerTools()
        t.signDataHiding = true
        t.sao = rank >= Self.veryfast.rank
        t.maxTransformHierarchyDepthInter = rank >= Self.slow.rank ? 2 : rank >= Self.medium.rank ? 1 : 0
        t.maxTransformHierarchyDepthIntra = rank >= Self.slow.rank ? 1 : 0
        t.asymmetricPartitions = rank >= Self.slower.rank
        return t
    }
}
