// SPDX-License-Identifier: GPL-2.0-or-later
import VeilBitstream

/// Where a picture stands in its layer's own hierarchy.
package struct GOPPosition: Equatable, Sendable {
    /// What is added to the QP that the base layer's picture suggests.
    package var qpOffset = 0.0
    /// Squared error that a bit is worth, relative to that of P pictures in a row, at QP 22; and what is added to it
    /// over 15 QPs.
    package var lambdaFactor = 1.0
    package var lambdaSlope = 0.0
    /// In a row of P pictures: what is kept and referred to besides the picture before, in place of what the base
    /// layer refers to.
    package var key: Int32?
    /// Besides what the base layer's picture refers to or keeps: a picture before, nearer than all of those, that the
    /// base layer refers to nowhere.
    package var neighbour: Int32?
    /// The layer may refer to the picture where the base layer refers to none of its access unit.
    package var isReferred = false
    /// Sample adaptive offset costs more than it gives where hardly anything depends on the picture.
    package var hasSAO = true

    /// Factor of the Lagrangian multiplier. Where less depends on a picture bits weigh more, above all at low rates,
    /// where skipping pays.
    func lambdaFactor(qp: Int) -> Double {
        lambdaFactor * (1 + lambdaSlope * min(max(Double(qp - 22) / 15, -0.5), 1.5))
    }
}

/// The hierarchy of a layer's pictures: the fewer pictures depend on one, the higher its QP.
///
/// Among P pictures in a row, which x265 codes all at one QP, every fourth is a key picture, which the next ones
/// refer to besides the picture before them; half of the rest is in between. Where x265 codes B pictures the layer
/// has the same pyramid, with QPs further apart.
struct PictureHierarchy {
    /// Off: x265's QPs and references, but for the weight of bits in B pictures.
    let isOn: Bool
    private var key: Int32 = 0
    private var sinceKey = 0
    private var irapPoc = Int32.min
    /// The last picture in decoding order if nothing in the base layer refers to it.
    private var least: Int32?
    /// How many B pictures deep the references of a B picture go, itself included; of those since the last other
    /// picture.
    private var levels: [Int32: Int] = [:]

    /// From key picture to key picture.
    private static let period = 4

    init(isOn: Bool) { self.isOn = isOn }

    /// The place of the next picture in decoding order, whose base layer picture has the header `base`.
    mutating func place(_ base: SliceSegmentHeader, _ position: PicturePosition) -> GOPPosition {
        var place = GOPPosition()
        let set = base.shortTermRefPicSet
        let before = least
        least = nil
        let level = set.s1.contains(where: \.used) ? self.level(position.poc, set) : 0
        if level == 0 { levels.removeAll() }
        if base.nalUnitType.isIRAP {
            // Pictures after an IRAP picture in output order refer to none before it.
            key = position.poc
            irapPoc = position.poc
            sinceKey = 0
        } else if level > 0 {
            let isLeast = base.nalUnitType.isSubLayerNonReference
            if isOn {
                if isLeast {
                    least = position.poc
                    place.hasSAO = false
                    // Unless what comes next in output order is there already.
                    place.isReferred = !set.s1.contains { $0.deltaPoc == 1 }
                    let nearest = set.s0.first.map { position.poc &+ Int32($0.deltaPoc) } ?? Int32.min
                    if let before, before < position.poc, before > nearest { place.neighbour = before }
                }
                // x265 itself sets the third level further apart.
                place.qpOffset = isLeast && level < 3 ? 2 : 1
                place.lambdaSlope = isLeast ? 0.6 : 0.3
            } else {
                place.lambdaFactor = isLeast ? 1.5 : 1.1
            }
        } else if isOn && position.poc > irapPoc && !base.nalUnitType.isSubLayerNonReference {
            let isInRow = set.s0.first(where: \.used)?.deltaPoc == -1
            if isInRow { place.key = key }
            sinceKey += 1
            if !isInRow || base.sliceType == .i || sinceKey == Self.period {
                sinceKey = 0
                key = position.poc
                place.qpOffset = -1
                place.lambdaFactor = isInRow ? 0.9 : 1
            } else {
                let isMiddle = sinceKey == Self.period / 2
                place.qpOffset = isMiddle ? 1 : 2
                place.lambdaSlope = isMiddle ? 0.6 : 0.8
            }
        }
        return place
    }

    private mutating func level(_ poc: Int32, _ set: ShortTermRefPicSet) -> Int {
        let nearest = [set.s0, set.s1].compactMap { $0.first { $0.used } }.map {
            levels[poc &+ Int32($0.deltaPoc)] ?? 0
        }
        let level = (nearest.max() ?? 0) + 1
        levels[poc] = level
        return level
    }
}
