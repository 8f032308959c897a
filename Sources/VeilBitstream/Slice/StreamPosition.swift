// SPDX-License-Identifier: GPL-2.0-or-later

/// Where a picture stands in its layer: what encryption units are named by.
package struct PicturePosition: Equatable, Sendable {
    /// PicOrderCntVal.
    package var poc: Int32
    /// Number of the period that the picture belongs to: the pictures from one announced picture, as a rule an IRAP
    /// picture, to the next.
    package var period: Int
    /// PicOrderCntVal of the picture that the period begins with.
    package var periodPoc: Int32
    /// Whether the picture begins the period.
    package var beginsPeriod = false
    /// What a POC reset takes off the counts of all earlier pictures of the layer.
    package var decrement: Int32 = 0
    /// The picture begins an access unit.
    package var beginsAccessUnit = false
    /// An IRAP picture with NoRaslOutputFlag = 1.
    package var restarts = false
    /// No IRAP picture of the layer came yet, this one included.
    package var precedesIRAP = false

    package init(poc: Int32, period: Int, periodPoc: Int32) {
        self.poc = poc
        self.period = period
        self.periodPoc = periodPoc
    }

    /// PicOrderCntVal relative to that of the period's first picture.
    package var pocDelta: Int { Int(poc) - Int(periodPoc) }
}

/// What a stream says of a period of a layer before the picture that begins it.
public struct PeriodStart: Equatable, Sendable {
    public var period: UInt32
    /// slice_pic_order_cnt_lsb of the picture that begins it, by which the loss of that picture is noticed; nil: it
    /// is the next one.
    public var pocLsb: Int?

    public init(period: UInt32, pocLsb: Int? = nil) {
        self.period = period
        self.pocLsb = pocLsb
    }
}

/// Follows the positions of the pictures of all layers of a stream, from first slice headers in decoding order:
/// picture order counts (8.3.1, F.8.3.1), access units, and the periods as they are announced, or counted from IRAP
/// picture to IRAP picture. The one place where these are derived.
package struct StreamPosition: Sendable {
    private struct Layer {
        var order = PictureOrderCount()
        var periodPoc: Int32 = 0
        var period = -1
        /// The next IRAP picture has NoRaslOutputFlag = 1.
        var begins = true
        var hadIRAP = false
    }

    private var layers: [Int: Layer] = [:]
    private var accessUnits = AccessUnitBoundary()
    private var accessUnitPoc: Int32?

    package init() {}

    /// An access unit ended: a delimiter came. Parameter sets and SEI messages end none.
    package mutating func boundary() { accessUnits.end() }

    /// An end of sequence NAL unit of a layer came.
    package mutating func endOfSequence(layer: Int) {
        for id in layers.keys where id >= layer { layers[id]?.begins = true }
        accessUnits.end()
    }

    /// The position of the picture that a first slice segment begins.
    /// - Parameter start: asked whether the stream announced a period; nil: IRAP pictures and the first one begin it.
    package mutating func next(
        _ h: SliceSegmentHeader, log2MaxPicOrderCntLsb: Int,
        start: (_ layer: Int, _ isIRAP: Bool) -> PeriodStart? = { _, _ in nil }
    ) -> PicturePosition {
        let id = h.nuhLayerId
        let type = h.nalUnitType
        var beginsAccessUnit = false
        if accessUnits.begins(pictureOf: id) {
            accessUnitPoc = nil
            beginsAccessUnit = true
        }
        var layer = layers[id] ?? Layer()
        defer { layers[id] = layer }
        let restarts = type.isIRAP && (type.isIDR || type.isBLA || layer.begins)
        let maxLsb = Int32(1) << Int32(log2MaxPicOrderCntLsb)
        let lsb = Int32(truncatingIfNeeded: h.slicePicOrderCntLsb)
        var (poc, decrement) = layer.order.next(h, log2MaxLsb: log2MaxPicOrderCntLsb, restarts: restarts)
        layer.periodPoc &-= decrement
        // All pictures of an access unit have one count. Where the lower bits tell another, the access unit is
        // another one, whose lower pictures were lost.
        if id > 0, let shared = accessUnitPoc {
            if type.isIDR || h.pocResetIdc > 0 || shared & (maxLsb - 1) == lsb {
                poc = shared
            } else {
                accessUnitPoc = nil
                beginsAccessUnit = true
            }
        }
        accessUnitPoc = accessUnitPoc ?? poc
        layer.order.remember(h, poc: poc)
        if type.isIRAP {
            layer.begins = false
            layer.hadIRAP = true
        }
        var beginsPeriod = true
        if let start = start(id, type.isIRAP) {
            layer.period = Int(start.period)
            layer.periodPoc = poc
            if let announced = start.pocLsb.map({ Int32(truncatingIfNeeded: $0) }), announced != lsb {
                // The picture that was announced is lost.
                layer.periodPoc = PictureOrderCount.nearest(to: poc, lsb: announced, maxLsb: maxLsb)
                beginsPeriod = false
            }
        } else if type.isIRAP || layer.period < 0 {
            layer.period += 1
            layer.periodPoc = poc
        } else {
            beginsPeriod = false
        }
        var position = PicturePosition(poc: poc, period: layer.period, periodPoc: layer.periodPoc)
        position.beginsPeriod = beginsPeriod
        position.decrement = decrement
        position.beginsAccessUnit = beginsAccessUnit
        position.restarts = restarts
        position.precedesIRAP = !layer.hadIRAP
        return position
    }
}

/// Why a picture cannot be given a position of its own.
package enum PositionError: Error, Sendable, CustomStringConvertible {
    case periodsExhausted(layer: Int)
    case unannounced(layer: Int, poc: Int)
    case repeatedUnit(layer: Int, ctuAddress: Int)

    package var description: String {
        switch self {
        case .periodsExhausted(let layer): return "layer \(layer): no period numbers are left; begin a new run"
        case .unannounced(let layer, let poc):
            return
                "layer \(layer), POC \(poc): a picture repeats a picture order count, which takes a message in the "
                + "stream to encrypt"
        case .repeatedUnit(let layer, let address):
            return "layer \(layer): a second unit of one picture begins at CTU \(address)"
        }
    }
}

/// Numbers the periods of one run of encryption, for its encryptor: no two pictures of a layer ever get the same
/// period and relative picture order count. What an earlier encryption numbered does not matter.
package struct PeriodNumbering: Sendable {
    private struct Layer {
        var next: Int
        var poc: Int32 = 0
        var used = IntervalSet()
    }

    private var layers: [Int: Layer] = [:]
    private let first: Int
    /// Periods can begin at IRAP pictures and the layer's first picture only: nothing in the stream announces them.
    private let isSilent: Bool

    package init(first: Int = 0, isSilent: Bool = false) {
        self.first = first
        self.isSilent = isSilent
    }

    /// Pieces that the set of a period's counts may fall into before another period begins.
    static let largestSet = 4096

    /// The position of the layer's next picture in the encryptor's own numbering.
    /// - Parameter position: where the stream has it: its picture order count and what was reset.
    package mutating func next(_ position: PicturePosition, layer id: Int, isIRAP: Bool) throws -> PicturePosition {
        var layer = layers[id] ?? Layer(next: first)
        let isFirst = layers[id] == nil
        defer { layers[id] = layer }
        layer.poc &-= position.decrement
        var own = position
        own.beginsPeriod = isFirst || isIRAP
        if !own.beginsPeriod {
            let isFresh =
                position.decrement == 0 && layer.used.pieces < Self.largestSet
                && layer.used.insert(Int(position.poc) - Int(layer.poc))
            if !isFresh {
                if isSilent { throw PositionError.unannounced(layer: id, poc: Int(position.poc)) }
                own.beginsPeriod = true
            }
        }
        if own.beginsPeriod {
            guard layer.next <= Int(UInt32.max) else { throw PositionError.periodsExhausted(layer: id) }
            layer.next += 1
            layer.poc = position.poc
            layer.used = IntervalSet()
            _ = layer.used.insert(0)
        }
        own.period = layer.next - 1
        own.periodPoc = layer.poc
        return own
    }
}

/// A set of integers that mostly follow each other.
package struct IntervalSet: Sendable {
    private var intervals: [(first: Int, last: Int)] = []

    package init() {}

    var pieces: Int { intervals.count }

    /// Whether the value was not there.
    package mutating func insert(_ value: Int) -> Bool {
        // The last interval that begins at the value or before it: most values come near the end.
        var at = intervals.count - 1
        while at >= 0, intervals[at].first > value { at -= 1 }
        if at >= 0, value <= intervals[at].last { return false }
        let joinsBefore = at >= 0 && intervals[at].last + 1 == value
        let joinsAfter = at + 1 < intervals.count && intervals[at + 1].first - 1 == value
        switch (joinsBefore, joinsAfter) {
        case (true, true):
            intervals[at].last = intervals[at + 1].last
            intervals.remove(at: at + 1)
        case (true, false): intervals[at].last = value
        case (false, true): intervals[at + 1].first = value
        case (false, false): intervals.insert((value, value), at: at + 1)
        }
        return true
    }
}

/// The periods of pictures that an encoder works on in display order: leading pictures belong to the next IRAP
/// picture in display order, all others to the last one.
package struct DisplayOrderPeriods: Sendable {
    /// Display positions of the IRAP pictures so far, ascending.
    private var iraps: [Int] = []

    package init() {}

    /// An IRAP picture is going to be coded. IRAP pictures are announced before any picture of their period.
    package mutating func announce(irap position: Int) {
        if !iraps.contains(position) {
            iraps.insert(position, at: iraps.firstIndex { $0 > position } ?? iraps.count)
        }
    }

    /// The number of a picture's period and its count in it.
    package func period(of position: Int, type: NALUnitType) -> (period: Int, pocDelta: Int) {
        let isLeading = type.isRASL || type.isRADL
        let index =
            (isLeading ? iraps.firstIndex { $0 > position } : iraps.lastIndex { $0 <= position })
            ?? max(iraps.count - 1, 0)
        return (index, position - (iraps.indices.contains(index) ? iraps[index] : 0))
    }
}
