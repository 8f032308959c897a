// SPDX-License-Identifier: GPL-2.0-or-later

/// What the mode decision of an enhancement layer tries.
package struct DecisionEffort: Equatable, Sendable {
    package var search = SearchEffort()
    /// Largest and smallest coding block tried, log2.
    package var maxCbLog2 = 6
    package var minCbLog2 = 3
    /// Merge candidates compared by Hadamard cost, and those of them that get a full rate-distortion check.
    package var mergeCandidates = 5
    package var mergeChecks = 2
    /// Candidates whose Hadamard cost is this much greater than the least get no full check.
    package var mergeRatio = 1.1
    /// References searched in each list, besides the inter-layer one.
    package var references = 2
    package var bidirectional = true
    /// Prediction from the inter-layer reference and another picture at once, for which all pictures become B pictures.
    package var mixesLayers = false
    /// Layers are not mixed where the Hadamard cost of one alone is this much greater than that of the other.
    package var mixRatio = Double.infinity
    /// Most rounds in which the vectors of a pair are refined in turn.
    package var pairRounds = 0
    /// Searched motion, the inter-layer reference included, that gets a full check.
    package var searchChecks = 2
    /// Searched motion whose Hadamard cost is this much greater than the least so far gets no full check.
    package var searchRatio = 1.2
    /// Partitions of inter units: 0 none, 1 halves, 2 quarters as well.
    package var partitions = 0
    /// No further motion, partitions or intra modes where the best merge candidate leaves nothing to code and the
    /// errors of none of its 8x8 blocks weigh more than so many bits.
    package var earlySkipBits = Double.infinity
    /// No split below an inter unit that leaves nothing to code and of which the errors of no 8x8 block weigh more
    /// than so many bits.
    package var earlyEndBits = Double.infinity
    /// Intra modes: 0 none, 1 a few, 2 a coarse search refined, 3 all with rate-distortion checks of the best.
    package var intra = 2
    /// Luma modes compared by rate and distortion, and the Hadamard cost up to which they are, relative to the least.
    package var intraChecks = 1
    package var intraRatio = 1.2
    /// Intra units of 8x8 in four parts with modes of their own.
    package var intraParts = false
    /// Chroma modes besides that of luma.
    package var triesChromaModes = false
    /// Transform blocks whose squared error is worth no more bits are not transformed at all.
    package var leastResidualBits = 5.0
    /// Rate-distortion optimized levels.
    package var optimizesLevels = false
    /// Rates follow the contexts from unit to unit, not only from CTU to CTU.
    package var adaptsRates = false
    /// Transform trees are split for the best unit only, and not for everything that is compared.
    package var splitsBestTree = false
    /// Quantization by the source's activity; the layer's PPS must allow cu_qp_delta_abs.
    package var adaptiveQuantization: AdaptiveQuantization?
    /// An inter-layer reference is another view: vectors into it are disparities, and searched for.
    package var hasDisparity = false
    package init() {}

    /// For the search of a unit's parts, of which there are many.
    var ofPartitions: DecisionEffort {
        var e = self
        e.references = 1
        return e
    }
}
