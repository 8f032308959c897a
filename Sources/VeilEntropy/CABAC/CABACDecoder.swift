// SPDX-License-Identifier: GPL-2.0-or-later
import VeilCore

/// The registers of the arithmetic decoding engine (9.3.4.3). Loops over bins work on a copy, which stays in the
/// processor's.
///
/// ivlOffset sits in the bits of a 64-bit window from bit 54 up, with up to 54 bits of look-ahead below, so that
/// bytes are loaded four at a time.
struct CABACRegisters {
    var range: UInt64 = 510
    var value: UInt64 = 0
    /// Look-ahead bits below bit 54.
    var available = -9
    /// Next byte to load.
    var position: Int

    @inline(__always)
    mutating func refill(_ data: BufferView<UInt8>, _ count: Int) {
        // available < 23 here: 32 more bits fit below bit 54.
        let word =
            position &+ 4 <= count
            ? (data + position).bytes(4).loadUnaligned(as: UInt32.self).bigEndian
            : Self.lastWord(data, count, at: position)
        value |= UInt64(word) &<< UInt64(truncatingIfNeeded: 22 &- available)
        position &+= 4
        available &+= 32
    }

    /// Three words that functions can return in the processor's registers, with a result of less than 32 bits.
    typealias Packed = (value: UInt64, position: Int, rest: UInt64)

    @inline(__always)
    func packed(_ result: Int) -> Packed {
        (
            value, position,
            UInt64(truncatingIfNeeded: result) &<< 32 | range &<< 8 | UInt64(truncatingIfNeeded: available)
        )
    }

    @inline(__always)
    mutating func unpack(_ packed: Packed) -> Int {
        value = packed.value
        position = packed.position
        range = packed.rest &>> 8 & 511
        available = Int(truncatingIfNeeded: packed.rest & 255)
        return Int(truncatingIfNeeded: packed.rest &>> 32)
    }

    /// The last bytes and zeros after them.
    @inline(never)
    private static func lastWord(_ data: BufferView<UInt8>, _ count: Int, at position: Int) -> UInt32 {
        var word: UInt32 = 0
        for i in position..<(position &+ 4) { word = word << 8 | (i < count ? UInt32(data[i]) : 0) }
        return word
    }

    /// A context-coded bin (9.3.4.3.2); at least 8 bits must be available. `states` is ``CABACTables/decoding``.
    @inline(__always)
    mutating func decision(_ context: MutableBufferView<UInt8>, _ states: BufferView<UInt8>) -> Int {
        let state = Int(context.pointee)
        // Whatever depends on the state alone is loaded before the range is looked at: bins wait for each other's
        // ranges.
        let row = (states + state &* 8).bytes(8).load(as: UInt64.self) &>> ((range &>> 3) & 24)
        let pair = UInt64((states + (CABACTables.pairs &+ state &* 2)).bytes(2).load(as: UInt16.self))
        let rLps = row & 255
        let lpsShift = (row &>> 32) & 7
        let rMps = range &- rLps
        let scaled = rMps &<< 54
        let mpsShift = (rMps &>> 8) ^ 1
        let mpsRange = rMps &<< mpsShift
        let lpsRange = rLps &<< lpsShift
        let isLps = value >= scaled ? 1 : 0
        // No branch: which way it goes is what cannot be predicted.
        let mask = 0 &- UInt64(truncatingIfNeeded: isLps)
        let shift = mpsShift ^ ((mpsShift ^ lpsShift) & mask)
        range = mpsRange ^ ((mpsRange ^ lpsRange) & mask)
        value = (value &- (scaled & mask)) &<< shift
        available &-= Int(truncatingIfNeeded: shift)
        context.pointee = UInt8(truncatingIfNeeded: pair ^ (pair &>> 8 & mask))
        return (state & 1) ^ isLps
    }
}

/// The arithmetic decoding engine (9.3.4.3) over one substream. Reading beyond the end yields zero bits and is
/// noticed through `overrun`.
package struct CABACDecoder: BinCoder {
    package static var reads: Bool { true }
    package let contexts: MutableBufferView<UInt8>
    private let states: BufferView<UInt8>
    private let reciprocal: ConstantTable<UInt64>
    private let data: BufferView<UInt8>
    private let count: Int
    private var r = CABACRegisters(position: 0)
    /// The engine was started with an ivlOffset of 510 or 511, which no encoder makes (9.3.2.5).
    private var isBroken = false
    var range: UInt64 { r.range }

    /// `data` must stay valid while the decoder is used.
    package init(contexts: MutableBufferView<UInt8>, data: BufferView<UInt8>, count: Int) {
        self.contexts = contexts
        self.data = data
        self.count = count
        states = CABACTables.shared.decoding.view
        reciprocal = CABACTables.shared.reciprocal
        start(at: 0)
    }

    /// Initializes the engine at a byte position (9.3.2.5).
    package mutating func start(at byte: Int) {
        origin = byte
        r = CABACRegisters(position: byte)
        r.refill(data, count)
        // All that follows relies on ivlOffset being less than ivlCurrRange.
        if r.value &>> 54 >= r.range {
            isBroken = true
            r.value = 0
        }
    }

    @inline(__always)
    private mutating func refill() { r.refill(data, count) }

    /// Bits consumed so far, the nine of the register included.
    @inline(__always)
    var bitPosition: Int { r.position &* 8 &- r.available }

    @inline(__always)
    package var mark: Int { bitPosition }

    /// After a terminating bin of 1: what ivlOffset is above the interval's lower end.
    private(set) var excess: UInt64 = 0
    /// The byte at which the engine was started last.
    private(set) var origin = 0

    /// A bit of the data, counted from its first.
    func bit(_ index: Int) -> Bool {
        index >> 3 < count && data[index >> 3] >> UInt8(truncatingIfNeeded: 7 &- (index & 7)) & 1 != 0
    }

    /// First byte after the bits consumed: where PCM samples or the next substream begin.
    package var bytePosition: Int { (bitPosition &+ 7) >> 3 }

    /// True when more bits were consumed than the substream has, or what it began with was no arithmetic code.
    package var overrun: Bool { bitPosition > count &* 8 || isBroken }

    package mutating func endSubstream() { start(at: bytePosition) }

    @inline(__always)
    package mutating func decision(_ bin: Int, _ context: Int) -> Int {
        if r.available < 8 { refill() }
        return r.decision(contexts + context, states)
    }

    @inline(__always)
    package mutating func significance(_ bins: Int, from n: Int, _ table: BufferView<UInt8>, _ base: Int) -> Int {
        r.unpack(Self.significance(r, from: n, table, contexts + base, states, data, count))
    }

    @inline(never)
    private static func significance(
        _ registers: CABACRegisters, from first: Int, _ table: BufferView<UInt8>,
        _ contexts: MutableBufferView<UInt8>,
        _ states: BufferView<UInt8>, _ data: BufferView<UInt8>, _ count: Int
    ) -> CABACRegisters.Packed {
        var r = registers
        var bins = 0
        var n = first
        while n > 0 {
            if r.available < 8 { r.refill(data, count) }
            bins = bins &<< 1 | r.decision(contexts + Int(table[n]), states)
            n &-= 1
        }
        return r.packed(bins &<< 1)
    }

    @inline(__always)
    package mutating func greater1(_ bins: Int, _ n: Int, _ base: Int) -> Int {
        r.unpack(Self.greater1(r, n, contexts + base, states, data, count))
    }

    @inline(never)
    private static func greater1(
        _ registers: CABACRegisters, _ n: Int, _ contexts: MutableBufferView<UInt8>, _ states: BufferView<UInt8>,
        _ data: BufferView<UInt8>, _ count: Int
    ) -> CABACRegisters.Packed {
        var r = registers
        var bins = 0
        var context = 1
        for k in 0..<n {
            if r.available < 8 { r.refill(data, count) }
            let bin = r.decision(contexts + context, states)
            bins |= bin &<< k
            context = nextGreater1Context(context, after: bin)
        }
        return r.packed(bins)
    }

    @inline(__always)
    package mutating func unary(_ value: Int, _ cMax: Int, _ base: Int, shift: Int) -> Int {
        r.unpack(Self.unary(r, cMax, contexts + base, shift, states, data, count))
    }

    @inline(never)
    private static func unary(
        _ registers: CABACRegisters, _ cMax: Int, _ contexts: MutableBufferView<UInt8>, _ shift: Int,
        _ states: BufferView<UInt8>,
        _ data: BufferView<UInt8>, _ count: Int
    ) -> CABACRegisters.Packed {
        var r = registers
        var n = 0
        while n < cMax {
            if r.available < 8 { r.refill(data, count) }
            if r.decision(contexts + n &>> shift, states) == 0 { break }
            n &+= 1
        }
        return r.packed(n)
    }

    @inline(__always)
    package mutating func bypass(_ bin: Int) -> Int {
        if r.available < 8 { refill() }
        r.value <<= 1
        r.available &-= 1
        let scaled = r.range << 54
        let one = r.value >= scaled ? 1 : 0
        r.value &-= scaled & (0 &- UInt64(truncatingIfNeeded: one))
        return one
    }

    @inline(__always)
    package mutating func bypassBits(_ bins: UInt32, _ count: Int) -> UInt32 {
        if count <= 16 { return upTo16(count) }
        let high = upTo16(count &- 16)
        return high << 16 | upTo16(16)
    }

    /// `count` (0...16) bins at once: they are the quotient of ivlOffset and as many more bits by ivlCurrRange.
    @inline(__always)
    private mutating func upTo16(_ count: Int) -> UInt32 {
        if r.available < 16 { refill() }
        let n = UInt64(truncatingIfNeeded: count)
        let quotient = ((r.value &>> (54 &- n)) &* reciprocal[Int(truncatingIfNeeded: r.range &- 256)]) >> 40
        r.value = (r.value &<< n) &- ((quotient &* r.range) << 54)
        r.available &-= count
        return UInt32(truncatingIfNeeded: quotient)
    }

    package static var peeks: Bool { true }

    @inline(__always)
    package mutating func peek16() -> UInt32 {
        if r.available < 16 { refill() }
        return UInt32(
            truncatingIfNeeded: ((r.value &>> 38) &* reciprocal[Int(truncatingIfNeeded: r.range &- 256)]) >> 40)
    }

    @inline(__always)
    package mutating func consume(_ count: Int, of peeked: UInt32) {
        let n = UInt64(truncatingIfNeeded: count)
        let quotient = UInt64(truncatingIfNeeded: peeked) &>> (16 &- n)
        r.value = (r.value &<< n) &- ((quotient &* r.range) << 54)
        r.available &-= count
    }

    package mutating func align() {
        r.range = 256
        if r.value &>> 54 >= r.range {
            isBroken = true
            r.value = 0
        }
    }

    package mutating func terminate(_ bin: Int) -> Int {
        if r.available < 8 { refill() }
        r.range &-= 2
        let scaled = r.range << 54
        if r.value >= scaled {
            excess = (r.value &- scaled) >> 54
            return 1
        }
        if r.range < 256 {
            r.range <<= 1
            r.value <<= 1
            r.available &-= 1
        }
        return 0
    }

    package mutating func pcmSamples(
        _ samples: MutableBufferView<UInt16>, lumaCount: Int, lumaBits: Int, chromaCount: Int, chromaBits: Int
    ) {
        var bit = bytePosition &* 8
        func read(_ bits: Int) -> UInt16 {
            var v: UInt16 = 0
            for _ in 0..<bits {
                let byte = bit >> 3
                let b = byte < count ? (data[byte] >> UInt8(truncatingIfNeeded: 7 &- (bit & 7))) & 1 : 0
                v = v << 1 | UInt16(b)
                bit &+= 1
            }
            return v
        }
        for i in 0..<lumaCount { samples[i] = read(lumaBits) }
        for i in lumaCount..<(lumaCount + chromaCount) { samples[i] = read(chromaBits) }
        start(at: (bit &+ 7) >> 3)
    }
}
