// SPDX-License-Identifier: GPL-2.0-or-later

extension Recognition {
    /// Heads of the columns of a table that ``cells(_:)`` fills.
    static let head = ["rank 1, % (95 %)", "mean rank", "of", "edges", "unrelated"]

    static func cells(_ r: Recognition?) -> [String] {
        let interval = r.map {
            " (\(number(100 * $0.rankOneInterval.lowerBound, 0)) to \(number(100 * $0.rankOneInterval.upperBound, 0)))"
        }
        return [
            number(r.map { 100 * $0.rankOne }, 0) + (interval ?? ""), number(r?.meanRank, 1),
            r.map { String($0.gallery) } ?? number(nil),
            number(r?.edges, 3), number(r?.unrelatedEdges, 3),
        ]
    }

    /// What the columns mean.
    static let explanation =
        "Rank 1: how often the right picture was found among so many clear ones, by its gradients, and Wilson's "
        + "interval for as many trials as there are pictures; mean rank: where "
        + "it stood among them (1 at best). Edges: likeness of edges over three sizes to the right picture's, and to "
        + "those of unrelated ones."
}
