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
    private let data: UnsafePointer<UInt8>
    private let count: Int
    /// Next byte to load.
    private var position = 0
    private var range: UInt64 = 510
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
        start(at: 0)
    }

    /// Initialises the engine at a byte position (9.3.2.5).
    package mutating func start(at byte: Int) {
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
    private var bitPosition: Int { position &* 8 &- available }

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
        var result: UInt32 = 0
        var left = count
        let scaled = range << 54
        while left > 0 {
            if available < 16 { refill() }
            let n = min(left, 16)
            for _ in 0..<n {
                value <<= 1
                let one = value >= scaled ? 1 : 0
                value &-= scaled & (0 &- UInt64(truncatingIfNeeded: one))
                result = result << 1 | UInt32(truncatingIfNeeded: one)
            }
            available &-= n
            left &-= n
        }
        return result
    }

    package mutating func terminate(_ bin: Int) -> Int {
        if available < 8 { refill() }
        range &-= 2
        let scaled = range << 54
        if value >= scaled { return 1 }
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
