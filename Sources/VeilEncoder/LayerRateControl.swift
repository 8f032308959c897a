// SPDX-License-Identifier: GPL-2.0-or-later
import Foundation
import VeilSyntax

/// How the rate of an enhancement layer is set. All ways follow the base layer's QP from picture to picture: what libx265's lookahead
/// found out about types, pyramid and content holds for the layers above as well.
package enum LayerRate: Equatable, Sendable {
    /// SliceQpY is the base layer picture's plus an offset. `initial` is what the base layer begins with, plus the offset.
    case offset(Double, initial: Int)
    /// An average bit rate.
    case bitrate(AverageRate)

    package struct AverageRate: Equatable, Sendable {
        /// Bits per second.
        package var target: Double
        /// The buffer model: maximum rate in bits per second and size in bits; nil for none.
        package var buffer: (maxRate: Double, size: Double)?
        /// What a first pass found, in decoding order.
        package var firstPass: [FirstPassPicture] = []
        /// Luma samples of the layer over those of the base layer: a first guess before anything is coded.
        package var pixelRatio = 4.0

        package init(target: Double) { self.target = target }

        package static func == (a: Self, b: Self) -> Bool {
            a.target == b.target && a.buffer?.maxRate == b.buffer?.maxRate && a.buffer?.size == b.buffer?.size
                && a.firstPass == b.firstPass && a.pixelRatio == b.pixelRatio
        }
    }

    /// init_qp of the layer's PPS.
    package var initialQp: Int {
        if case .offset(_, let initial) = self { return min(max(initial, 0), 51) }
        return 26
    }
}

/// What a layer's picture cost in a first pass.
package struct FirstPassPicture: Equatable, Sendable {
    package var baseQp: Int
    package var qp: Int
    package var bits: Int
    package init(baseQp: Int, qp: Int, bits: Int) {
        self.baseQp = baseQp
        self.qp = qp
        self.bits = bits
    }
}

/// What is known of the base layer's picture when the layer's is about to be coded.
package struct RatedPicture: Sendable {
    package let baseQp: Int
    package let type: SliceType
    package let baseBits: Int
}

/// Chooses the QP of one layer's pictures in decoding order.
///
/// Complexity is bits * 2^(QP / 6). A layer's is predicted from the base layer's of the same picture by their ratio so far. What pictures
/// cost is used `delay` pictures later, finished or not by then: the outcome must not depend on how many threads there are.
package struct LayerRateControl {
    private let rate: LayerRate
    private let framesPerSecond: Double
    private var pictures: [(picture: RatedPicture, qp: Int, predicted: Double)] = []
    private var bits: [Int: Int] = [:]
    /// Pictures whose cost has been taken into account.
    private var seen = 0
    private var spent = 0.0
    /// Sums of complexity of this layer and the base layer, by slice type, of late weighing more.
    private var own: [SliceType: Double] = [:]
    private var base: [SliceType: Double] = [:]
    /// The weights that `own` and `base` are sums of.
    private var seenWeight: [SliceType: Double] = [:]
    /// Running mean of what a picture costs when its QP is the base layer's.
    private var meanAtBaseQp = 0.0
    private var weight = 0.0
    private let passOffset: Double?

    package init(rate: LayerRate, fps: (numerator: Int, denominator: Int)) {
        self.rate = rate
        framesPerSecond = Double(fps.numerator) / Double(fps.denominator)
        if case .bitrate(let average) = rate, !average.firstPass.isEmpty {
            let total = average.firstPass.reduce(0.0) { $0 + Double($1.bits) * exp2(Double($1.qp - $1.baseQp) / 6) }
            let wanted = average.target / framesPerSecond * Double(average.firstPass.count)
            passOffset = 6 * log2(max(total, 1) / max(wanted, 1))
        } else {
            passOffset = nil
        }
    }

    /// How many pictures later than coded a cost is used, the first picture's excepted: that of the first is used at once. Nil when costs
    /// are of no interest.
    package var delay: Int? {
        guard case .bitrate(let average) = rate else { return nil }
        guard let buffer = average.buffer else { return 10 }
        // A small buffer leaves no room for what is not known yet.
        return buffer.size < 0.4 * buffer.maxRate ? 1 : 3
    }

    /// What picture `index` (in decoding order) cost.
    package mutating func record(index: Int, bits count: Int) { if delay != nil { bits[index] = count } }

    /// Whether the cost of a picture must be recorded before the next QP is asked for.
    package func needs(index: Int) -> Bool {
        guard let delay, bits[index] == nil else { return false }
        return index >= seen && (index == 0 || index <= pictures.count - delay)
    }

    /// SliceQpY of the next picture.
    package mutating func qp(_ picture: RatedPicture) -> Int {
        guard case .bitrate(let average) = rate else {
            if case .offset(let offset, _) = rate { return clip(Double(picture.baseQp) + offset) }
            return 26
        }
        learn()
        let perPicture = average.target / framesPerSecond
        let ratio = ratio(picture.type, average.pixelRatio)
        let baseComplexity = Double(picture.baseBits) * exp2(Double(picture.baseQp) / 6)
        let atBaseQp = ratio * Double(picture.baseBits)
        let window = 2 * framesPerSecond
        weight = weight * (1 - 1 / window) + 1
        meanAtBaseQp += (atBaseQp - meanAtBaseQp) / weight
        // What was spent too much (pictures on their way as predicted) is saved over the next two seconds.
        let expected = spent + pictures[seen...].reduce(0) { $0 + $1.predicted }
        let excess = expected - perPicture * Double(pictures.count)
        let aim = min(max(perPicture - excess / window, perPicture * 0.4), perPicture * 2.5)
        var offset: Double
        if let passOffset {
            offset = passOffset + 6 * log2(perPicture / aim)
        } else {
            offset = 6 * log2(max(meanAtBaseQp, 1) / aim)
        }
        offset = min(max(offset, -24), 24)
        var qp = Double(picture.baseQp) + offset
        if let buffer = average.buffer {
            let refill = buffer.maxRate / framesPerSecond
            var fill = buffer.size * 0.9
            for (i, coded) in pictures.enumerated() {
                fill = min(fill + refill, buffer.size)
                fill -= i < seen ? Double(bits[i] ?? 0) : coded.predicted
            }
            fill = min(fill + refill, buffer.size)
            let most = max(fill * 0.5, refill * 0.25)
            // Where the base layer found little to code, this layer may still find what it does as a rule.
            let usual = (own[picture.type] ?? 0) / max(seenWeight[picture.type] ?? 0, 1)
            qp = max(qp, 6 * log2(max(ratio * baseComplexity, usual * 0.7, 1) / most))
        }
        let chosen = clip(qp)
        pictures.append((picture, chosen, ratio * baseComplexity * exp2(-Double(chosen) / 6)))
        return chosen
    }

    /// What the layer costs at the base layer's QP, over what the base layer costs.
    private func ratio(_ type: SliceType, _ pixelRatio: Double) -> Double {
        if let own = own[type], let base = base[type], base > 0 { return own / base }
        let (o, b) = (own.values.reduce(0, +), base.values.reduce(0, +))
        return b > 0 ? o / b : 0.4 * pixelRatio
    }

    private mutating func learn() {
        guard let delay else { return }
        while seen < pictures.count, seen == 0 || seen <= pictures.count - delay, let count = bits[seen] {
            let (picture, qp, _) = pictures[seen]
            own[picture.type] = (own[picture.type] ?? 0) * 0.9 + Double(count) * exp2(Double(qp) / 6)
            base[picture.type] = (base[picture.type] ?? 0) * 0.9 + Double(picture.baseBits) * exp2(Double(picture.baseQp) / 6)
            seenWeight[picture.type] = (seenWeight[picture.type] ?? 0) * 0.9 + 1
            spent += Double(count)
            seen += 1
        }
    }

    private func clip(_ qp: Double) -> Int { min(max(Int(qp.rounded()), 0), 51) }
}
