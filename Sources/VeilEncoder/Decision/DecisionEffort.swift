// SPDX-License-Identifier: GPL-2.0-or-later

/// What the mode decision of an enhancement layer tries.
package struct DecisionEffort: Equatable, Sendable {
    /// Decisions by Hadamard costs, only the chosen units being coded; or by rate and distortion of all that is tried.
    package var rateDistortion = true
    package var search = SearchEffort()
    /// Largest and smallest coding block tried, log2.
    package var maxCbLog2 = 6
    package var minCbLog2 = 3
    /// Merge candidates compared by Hadamard cost, and those of them that get a full rate-distortion check.
    package var mergeCandidates = 5
    package var mergeChecks = 2
    /// References searched in each list, besides the inter-layer one.
    package var references = 2
    /// Searched motion that gets a full check (the best of each reference first).
    package var bidirectional = true
    /// Partitions of inter units: 0 none, 1 halves, 2 quarters as well.
    package var partitions = 0
    /// No split below a block that is best skipped or has no residual.
    package var earlySkip = true
    /// Intra modes: 0 none, 1 a few, 2 a coarse search refined, 3 all with rate-distortion checks of the best.
    package var intra = 2
    /// Bits of residuals by the syntax itself, or by a formula.
    package var countsBits = true
    /// Rate-distortion optimised levels.
    package var optimisesLevels = false
    package init() {}
}
