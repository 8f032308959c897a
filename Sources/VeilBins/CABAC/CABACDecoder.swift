// SPDX-License-Identifier: GPL-2.0-or-later

/// The arithmetic decoding engine (9.3.4.3) over one substream.
///
/// ivlOffset sits in the bits of a 64-bit window from bit 54 up, with up to 54 bits of look-ahead below, so that bytes are
/// loaded four at a time. Reading beyond the end yields zero bits and is noticed through `overrun`.
package struct CABACDecoder: BinCoder {
    package static var reads: Bool { true }
    package let contexts: UnsafeMutablePointer<UInt8>
    private let lps: UnsafePointer<UInt8>
    private let next: UnsafePointer<UInt8>
    private let reciprocal: UnsafePointer<UInt64>
    private let data: UnsafePointer<UInt8>
    private let count: Int
    /// Next byte to load.
    private var position = 0
    private(set) var range: UInt64 = 510
    private var value: UInt64 = 0
    /// Look-ahead bits below bit 54.
    private var available = 0

    /// `data` must stay valid while the decoder is used.
    package init(contexts: UnsafeMutablePointer<UInt8>, data: UnsafePointer<UInt8>, count: Int) {
        self.contexts = contexts
        self.data = data
        self.count = count
        lps = CABACTables.shared.lps
        next = CABACTables.shared.next
        reciprocal = CABACTables.shared.reciprocal
        start(at: 0)
    }

    /// Initialises the engine at a byte position (9.3.2.5).
    package mutating func start(at byte: Int) {
        origin = byte
        position = byte
        range = 510
        value = 0
        available = -9
        refill()
    }

    @inline(__always)
    private mutating func refill() {
        // available < 23 here: 32 more bits fit below bit 54.
        if position &+ 4 <= count {
            let word = UnsafeRawPointer(data + position).loadUnaligned(as: UInt32.self).bigEndian
            value |= UInt64(word) &<< UInt64(truncatingIfNeeded: 22 &- available)
        } else {
            refillAtEnd()
        }
        position &+= 4
        available &+= 32
    }

    @inline(never)
    private mutating func refillAtEnd() {
        var word: UInt32 = 0
        for i in 0..<4 {
            let at = position &+ i
            word = word << 8 | (at < count ? UInt32(data[at]) : 0)
        }
        value |= UInt64(word) &<< UInt64(truncatingIfNeeded: 22 &- available)
    }

    /// Bits consumed so far, the nine of the register included.
    @inline(__always)
    var bitPosition: Int { position &* 8 &- available }

    @inline(__always)
    package var mark: Int { bitPosition }

    /// After a terminating bin of 1: what ivlOffset is above the interval's lower end.
    private(set) var excess: UInt64 = 0
    /// The byte at which the engine was started last.
    private(set) var origin = 0

    /// First byte after the bits consumed: where PCM samples or the next substream begin.
    package var bytePosition: Int { (bitPosition &+ 7) >> 3 }

    /// True when more bits were consumed than the substream has.
    package var overrun: Bool { bitPosition > count &* 8 }

    package mutating func endSubstream() { start(at: bytePosition) }

    @inline(__always)
    package mutating func decision(_ bin: Int, _ context: Int) -> Int {
        if available < 8 { refill() }
        let state = Int(contexts[context])
        let rLps = UInt64(lps[(state >> 1) << 2 | Int(truncatingIfNeeded: range >> 6) & 3])
        let rMps = range &- rLps
        let scaled = rMps << 54
        let isLps = value >= scaled ? 1 : 0
        let mask = 0 &- UInt64(truncatingIfNeeded: isLps)
        value &-= scaled & mask
        let r = rMps ^ ((rMps ^ rLps) & mask)
        let shift = (r | 1).leadingZeroBitCount &- 55
        range = r &<< UInt64(truncatingIfNeeded: shift)
        value = value &<< UInt64(truncatingIfNeeded: shift)
        available &-= shift
        contexts[context] = next[state << 1 | isLps]
        return (state & 1) ^ isLps
    }

    @inline(__always)
    package mutating func bypass(_ bin: Int) -> Int {
        if available < 8 { refill() }
        value <<= 1
        available &-= 1
        let scaled = range << 54
        let one = value >= scaled ? 1 : 0
        value &-= scaled & (0 &- UInt64(truncatingIfNeeded: one))
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
        if available < 16 { refill() }
        let n = UInt64(truncatingIfNeeded: count)
        let quotient = ((value &>> (54 &- n)) &* reciprocal[Int(truncatingIfNeeded: range &- 256)]) >> 40
        value = (value &<< n) &- ((quotient &* range) << 54)
        available &-= count
        return UInt32(truncatingIfNeeded: quotient)
    }

    package static var peeks: Bool { true }

    @inline(__always)
    package mutating func peek16() -> UInt32 {
        if available < 16 { refill() }
        return UInt32(truncatingIfNeeded: ((value &>> 38) &* reciprocal[Int(truncatingIfNeeded: range &- 256)]) >> 40)
    }

    @inline(__always)
    package mutating func consume(_ count: Int, of peeked: UInt32) {
        let n = UInt64(truncatingIfNeeded: count)
        let quotient = UInt64(truncatingIfNeeded: peeked) &>> (16 &- n)
        value = (value &<< n) &- ((quotient &* range) << 54)
        available &-= count
    }

    package mutating func terminate(_ bin: Int) -> Int {
        if available < 8 { refill() }
        range &-= 2
        let scaled = range << 54
        if value >= scaled {
            excess = (value &- scaled) >> 54
            return 1
        }
        if range < 256 {
            range <<= 1
            value <<= 1
            available &-= 1
        }
        return 0
    }

    package mutating func pcmSamples(
        _ samples: UnsafeMutablePointer<UInt16>, lumaCount: Int, lumaBits: Int, chromaCount: Int, chromaBits: Int
    ) {
        var bit = bytePosition &* 8
        func take(_ bits: Int) -> UInt16 {
            var v: UInt16 = 0
            for _ in 0..<bits {
                let byte = bit >> 3
                let b = byte < count ? (data[byte] >> UInt8(truncatingIfNeeded: 7 &- (bit & 7))) & 1 : 0
                v = v << 1 | UInt16(b)
                bit &+= 1
            }
            return v
        }
        for i in 0..<lumaCount { samples[i] = take(lumaBits) }
        for i in lumaCount..<(lumaCount + chromaCount) { samples[i] = take(chromaBits) }
        start(at: (bit &+ 7) >> 3)
    }
}
