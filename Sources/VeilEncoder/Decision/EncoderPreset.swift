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
        e.mergeCandidates = rank < Self.superfast.rank ? 2 : rank < Self.medium.rank ? 3 : 5
        e.mergeChecks = rank < Self.faster.rank ? 1 : rank < Self.slow.rank ? 2 : 4
        e.mergeRatio = rank < Self.slow.rank ? 1.05 : self == .slow ? 1.25 : 2
        e.references = rank < Self.faster.rank ? 1 : rank < Self.slower.rank ? 2 : 3
        e.intra = rank < Self.medium.rank ? 1 : self == .veryslow ? 3 : 2
        e.intraChecks = rank < Self.slow.rank ? 1 : self == .veryslow ? 4 : 2
        e.intraParts = rank >= Self.slow.rank
        e.triesChromaModes = rank >= Self.slow.rank
        e.search.pattern = rank < Self.faster.rank ? .diamond : .hexagon
        e.search.steps = rank < Self.superfast.rank ? 6 : rank < Self.medium.rank ? 12 : rank < Self.slow.rank ? 16 : 32
        e.search.square = rank >= Self.slow.rank
        e.searchChecks = rank < Self.superfast.rank ? 1 : self == .veryslow ? 3 : 2
        if rank < Self.slow.rank {
            e.searchRatio = 1.05
            e.search.refineRatio = rank < Self.medium.rank ? 1.3 : 2
            e.mixRatio = 1.25
            e.leastResidualBits = 7
        }
        e.partitions = rank < Self.slow.rank ? 0 : self == .veryslow ? 2 : 1
        // Most units of B pictures leave nothing to code as a whole: those pictures gain by what their parts leave.
        switch self {
        case .ultrafast, .superfast: break
        case .veryfast: (e.earlySkipBits, e.earlyEndBits) = (60, 90)
        case .faster: (e.earlySkipBits, e.earlyEndBits) = (40, 60)
        case .fast: (e.earlySkipBits, e.earlyEndBits) = (30, 45)
        case .medium: (e.earlySkipBits, e.earlyEndBits) = (20, 30)
        case .slow: (e.earlySkipBits, e.earlyEndBits) = (5, 10)
        case .slower: (e.earlySkipBits, e.earlyEndBits) = (2.5, 5)
        case .veryslow: (e.earlySkipBits, e.earlyEndBits) = (2, 4)
        }
        e.mixesLayers = rank >= Self.superfast.rank
        e.pairRounds = rank < Self.slow.rank ? 0 : self == .slow ? 1 : 2
        e.adaptsRates = rank >= Self.slow.rank
        e.splitsBestTree = self != .veryslow
        e.optimizesLevels = rank >= Self.fast.rank
        return e
    }

    /// The coding tools that the layer's parameter sets allow.
    package var tools: LayerTools {
        var t = LayerTools()
        t.signDataHiding = true
        // Substreams of a row each take 2 to 4 % of the bits.
        t.wavefront = rank < Self.slow.rank
        t.sao = rank >= Self.veryfast.rank
        t.maxTransformHierarchyDepthInter = self == .veryslow ? 2 : rank >= Self.slow.rank ? 1 : 0
        t.maxTransformHierarchyDepthIntra = rank >= Self.slow.rank ? 1 : 0
        t.transformSkip = rank >= Self.slow.rank
        t.asymmetricPartitions = self == .veryslow
        return t
    }
}
