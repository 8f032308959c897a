// SPDX-License-Identifier: GPL-2.0-or-later
import VeilBitstream
import VeilSystem

/// How the rate of an enhancement layer is set. All ways follow the base layer's QP from picture to picture: what
/// libx265's lookahead found out about types, pyramid and content holds for the layers above as well.
package enum LayerRate: Equatable, Sendable {
    /// SliceQpY is the base layer picture's plus an offset. `initial` is what the base layer begins with, plus the
    /// offset.
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
    /// SliceQpY, less what the layer's own hierarchy adds.
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
    /// What the layer's own hierarchy adds to the QP.
    package var qpOffset = 0.0
}

/// Chooses the QP of one layer's pictures in decoding order.
///
/// Complexity is bits * 2^(QP / 6). A layer's is predicted from the base layer's of the same picture by their ratio
/// so far. What pictures cost is used `delay` pictures later, finished or not by then: the outcome must not depend on
/// how many threads there are. A picture that could empty the decoder's buffer is coded when all costs before it are
/// known, and again where it does not fit.
package struct LayerRateControl {
    private let rate: LayerRate
    private let framesPerSecond: Double
    private var pictures: [(picture: RatedPicture, qp: Int, predicted: Double)] = []
    private var bits: [Int: Int] = [:]
    /// Pictures whose cost has been taken into account.
    private var seen = 0
    private var spent = 0.0
    /// What the buffer holds when those pictures have been taken out of it.
    private var fill = 0.0
    /// Pictures whose cost was waited for, whatever `delay` is.
    private var awaited = 0
    /// Whether the next picture, or the last that a QP was asked for, may have to be coded again.
    package private(set) var isGuarded = false
    /// Sums of complexity of this layer and the base layer, by slice type, of late weighing more.
    private var own: [SliceType: Double] = [:]
    private var base: [SliceType: Double] = [:]
    /// The weights that `own` and `base` are sums of.
    private var seenWeight: [SliceType: Double] = [:]
    /// Running mean of what a picture costs when its QP is the base layer's but for the layer's own hierarchy.
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

    private var average: LayerRate.AverageRate? {
        if case .bitrate(let average) = rate { return average }
        return nil
    }

    /// How many pictures later than coded a cost is used, the first picture's excepted: that of the first is used at
    /// once. Nil when costs are of no interest.
    package var delay: Int? {
        guard let average else { return nil }
        guard let buffer = average.buffer else { return 10 }
        // A small buffer leaves no room for what is not known yet.
        return buffer.size < 0.4 * buffer.maxRate ? 1 : 3
    }

    /// What picture `index` (in decoding order) cost.
    package mutating func record(index: Int, bits count: Int) {
        if delay != nil && index >= seen { bits[index] = count }
    }

    /// Whether the cost of a picture must be recorded before the next QP is asked for.
    package func needs(index: Int) -> Bool {
        guard delay != nil, bits[index] == nil else { return false }
        return index >= seen && isDue(index)
    }

    /// Whether the cost of a picture is to be known by now.
    private func isDue(_ index: Int) -> Bool { index == 0 || index < awaited || index <= pictures.count - (delay ?? 0) }

    /// Looks at the next picture, before costs are recorded for it and its QP is asked for.
    package mutating func prepare(_ picture: RatedPicture) {
        guard let average, average.buffer != nil else { return }
        learn()
        let plan = plan(picture, average)
        // Several times what is expected has been seen where content changes. In a small buffer hardly anything is
        // safe.
        isGuarded = pictures.isEmpty || delay == 1 || 3 * plan.expected > plan.lowestFill
        if isGuarded { awaited = pictures.count }
    }

    /// SliceQpY of the next picture.
    package mutating func qp(_ picture: RatedPicture) -> Int {
        guard let average else {
            if case .offset(let offset, _) = rate { return clip(Double(picture.baseQp) + offset + picture.qpOffset) }
            return 26
        }
        learn()
        let plan = plan(picture, average)
        (weight, meanAtBaseQp) = (plan.weight, plan.meanAtBaseQp)
        pictures.append((picture, plan.qp, plan.predicted))
        return plan.qp
    }

    /// The QP with which a guarded picture, the last that a QP was asked for, is to be coded again since it takes
    /// more bits than the buffer holds; nil when it may stay as it is.
    package mutating func higherQp(bits count: Int) -> Int? {
        guard isGuarded, let buffer = average?.buffer, let last = pictures.last else { return nil }
        // All pictures before this one are known.
        let room = refilled(fill, buffer, isFirst: pictures.count == 1) - Self.margin * buffer.size
        guard Double(count) > room, last.qp < 51 else {
            awaited = pictures.count
            return nil
        }
        let more = 6 * log2(Double(count) / max(0.9 * room, 1))
        let qp = min(max(last.qp + 1, clip(Double(last.qp) + more)), 51)
        pictures[pictures.count - 1].qp = qp
        return qp
    }

    /// What is kept of a buffer for all that is sent besides slices.
    private static let margin = 0.01

    private struct Plan {
        var qp = 0
        /// Bits by what the base layer took.
        var predicted = 0.0
        /// Bits, for the buffer: where the base layer found little to code, this layer may still find what it does as
        /// a rule.
        var expected = 0.0
        /// What the buffer holds before the picture when those whose costs are not known took twice what was predicted.
        var lowestFill = 0.0
        var weight = 0.0
        var meanAtBaseQp = 0.0
    }

    private func plan(_ picture: RatedPicture, _ average: LayerRate.AverageRate) -> Plan {
        var plan = Plan()
        let perPicture = average.target / framesPerSecond
        let ratio = ratio(picture.type, average.pixelRatio)
        let complexity = ratio * Double(picture.baseBits) * exp2(Double(picture.baseQp) / 6)
        // Two seconds, and of slow clips two pictures.
        let window = max(2 * framesPerSecond, 2)
        plan.weight = weight * (1 - 1 / window) + 1
        let atBaseQp = ratio * Double(picture.baseBits) * exp2(-picture.qpOffset / 6)
        plan.meanAtBaseQp = meanAtBaseQp + (atBaseQp - meanAtBaseQp) / plan.weight
        // What was spent too much (pictures on their way as predicted) is saved over the next two seconds.
        let expected = spent + pictures[seen...].reduce(0) { $0 + $1.predicted }
        let excess = expected - perPicture * Double(pictures.count)
        let aim = min(max(perPicture - excess / window, perPicture * 0.4), perPicture * 2.5)
        let offset = passOffset.map { $0 + 6 * log2(perPicture / aim) } ?? 6 * log2(max(plan.meanAtBaseQp, 1) / aim)
        var qp = Double(picture.baseQp) + min(max(offset, -24), 24) + picture.qpOffset
        if let buffer = average.buffer {
            var likely = fill
            plan.lowestFill = fill
            for i in seen..<pictures.count {
                likely = refilled(likely, buffer, isFirst: i == 0) - pictures[i].predicted
                plan.lowestFill = refilled(plan.lowestFill, buffer, isFirst: i == 0) - 2 * pictures[i].predicted
            }
            likely = refilled(likely, buffer, isFirst: pictures.isEmpty)
            plan.lowestFill = refilled(plan.lowestFill, buffer, isFirst: pictures.isEmpty)
            // Where every picture may be coded again there is less need for care.
            let allowed = max(likely * (delay == 1 ? 0.7 : 0.5), buffer.maxRate / framesPerSecond * 0.25)
            let usual = (own[picture.type] ?? 0) / max(seenWeight[picture.type] ?? 0, 1)
            let safe = max(complexity, usual * 0.7, 1)
            qp = max(qp, 6 * log2(safe / allowed))
            plan.expected = safe * exp2(-qp / 6)
        }
        plan.qp = clip(qp)
        plan.predicted = complexity * exp2(-Double(plan.qp) / 6)
        return plan
    }

    /// What the buffer holds before a picture is taken out of it, from what it held after the one before. It begins
    /// nine tenths full.
    private func refilled(_ fill: Double, _ buffer: (maxRate: Double, size: Double), isFirst: Bool) -> Double {
        isFirst ? buffer.size * 0.9 : min(max(fill, 0) + buffer.maxRate / framesPerSecond, buffer.size)
    }

    /// What the layer costs at the base layer's QP, over what the base layer costs.
    private func ratio(_ type: SliceType, _ pixelRatio: Double) -> Double {
        if let own = own[type], let base = base[type], base > 0 { return own / base }
        let (o, b) = (own.values.reduce(0, +), base.values.reduce(0, +))
        return b > 0 ? o / b : 0.4 * pixelRatio
    }

    private mutating func learn() {
        while seen < pictures.count, isDue(seen), let count = bits.removeValue(forKey: seen) {
            let (picture, qp, _) = pictures[seen]
            own[picture.type] = (own[picture.type] ?? 0) * 0.9 + Double(count) * exp2(Double(qp) / 6)
            base[picture.type] =
                (base[picture.type] ?? 0) * 0.9 + Double(picture.baseBits) * exp2(Double(picture.baseQp) / 6)
            seenWeight[picture.type] = (seenWeight[picture.type] ?? 0) * 0.9 + 1
            spent += Double(count)
            if let buffer = average?.buffer { fill = refilled(fill, buffer, isFirst: seen == 0) - Double(count) }
            seen += 1
        }
    }

    private func clip(_ qp: Double) -> Int { qp.isFinite ? Int(min(max(qp.rounded(), 0), 51)) : 51 }
}
