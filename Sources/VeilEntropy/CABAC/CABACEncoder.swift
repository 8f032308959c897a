// SPDX-License-Identifier: GPL-2.0-or-later
import VeilCore

/// A growing byte buffer that hot loops can append to without checks or reference counting.
package struct ByteSink {
    /// Keeps `bytes`.
    private var memory: SharedBuffer<UInt8>
    package private(set) var bytes: MutableBufferView<UInt8>
    package private(set) var count = 0
    private var capacity: Int

    package init(capacity: Int = 4096) {
        self.capacity = capacity
        memory = SharedBuffer(Buffer(repeating: 0, count: capacity))
        bytes = memory.buffer.view
    }

    package mutating func removeAll() { count = 0 }

    @inline(__always)
    mutating func reserve(_ extra: Int) {
        if count &+ extra > capacity { grow(extra) }
    }

    @inline(never)
    private mutating func grow(_ extra: Int) {
        let larger = max(capacity * 2, count + extra)
        let moved = SharedBuffer(Buffer<UInt8>(repeating: 0, count: larger))
        moved.buffer.view.update(from: bytes, count: count)
        memory = moved
        bytes = moved.buffer.view
        capacity = larger
    }

    @inline(__always)
    mutating func append(_ byte: UInt8) {
        reserve(1)
        bytes[count] = byte
        count &+= 1
    }

    @inline(__always)
    mutating func append(bigEndian word: UInt32) {
        reserve(4)
        (bytes + count).bytes(4).storeBytes(of: word.bigEndian, as: UInt32.self)
        count &+= 4
    }

    /// Adds one to the number formed by the bytes so far: a carry out of the arithmetic coder.
    @inline(never)
    mutating func propagateCarry() {
        var i = count &- 1
        while i >= 0 {
            bytes[i] &+= 1
            if bytes[i] != 0 { return }
            i &-= 1
        }
    }
}

/// The arithmetic encoding engine (9.3.4.x as run by an encoder, informative 9.3.5) writing one substream.
///
/// ivlLow is kept as one integer of 9 register bits, `pending` finished bits above them and a carry bit on top; 32
/// bits leave at a time. A carry that comes later walks back through the bytes written, which is rare.
package struct CABACEncoder: BinCoder {
    package static var reads: Bool { false }
    package let contexts: MutableBufferView<UInt8>
    package var sink: ByteSink
    private let lps: ConstantTable<UInt8>
    private let next: ConstantTable<UInt8>
    private var low: UInt64 = 0
    private var range: UInt64 = 510
    private var pending = 0

    package init(contexts: MutableBufferView<UInt8>, sink: ByteSink) {
        self.contexts = contexts
        self.sink = sink
        lps = CABACTables.shared.lps
        next = CABACTables.shared.next
    }

    @inline(__always)
    private mutating func flushWords() {
        if pending >= 32 {
            let shift = UInt64(truncatingIfNeeded: pending &- 23)
            let top = low &>> shift
            if top >> 32 != 0 { sink.propagateCarry() }
            sink.append(bigEndian: UInt32(truncatingIfNeeded: top))
            low &= (1 &<< shift) &- 1
            pending &-= 32
        }
    }

    /// Codes a bin from a given context state; the caller moves the state on.
    @inline(__always)
    mutating func encode(_ bin: Int, state: Int) -> Int {
        let rLps = UInt64(lps[(state >> 1) << 2 | Int(truncatingIfNeeded: range >> 6) & 3])
        let rMps = range &- rLps
        let isLps = (state & 1) ^ bin
        let mask = 0 &- UInt64(truncatingIfNeeded: isLps)
        low &+= rMps & mask
        let r = rMps ^ ((rMps ^ rLps) & mask)
        let shift = (r | 1).leadingZeroBitCount &- 55
        range = r &<< UInt64(truncatingIfNeeded: shift)
        low &<<= UInt64(truncatingIfNeeded: shift)
        pending &+= shift
        flushWords()
        return isLps
    }

    @inline(__always)
    package mutating func decision(_ bin: Int, _ context: Int) -> Int {
        let state = Int(contexts[context])
        let isLps = encode(bin, state: state)
        contexts[context] = next[state << 1 | isLps]
        return bin
    }

    @inline(__always)
    package mutating func bypass(_ bin: Int) -> Int {
        low = low << 1 &+ (range & (0 &- UInt64(truncatingIfNeeded: bin)))
        pending &+= 1
        flushWords()
        return bin
    }

    @inline(__always)
    package mutating func bypassBits(_ bins: UInt32, _ count: Int) -> UInt32 {
        var left = count
        while left > 0 {
            // pending < 32 on entry: with 16 more bits and the register the window holds at most 58.
            let n = min(left, 16)
            left &-= n
            let part = UInt64(bins &>> UInt32(truncatingIfNeeded: left)) & ((1 &<< UInt64(truncatingIfNeeded: n)) &- 1)
            low = low &<< UInt64(truncatingIfNeeded: n) &+ range &* part
            pending &+= n
            flushWords()
        }
        return bins
    }

    package mutating func align() { range = 256 }

    package mutating func terminate(_ bin: Int) -> Int {
        range &-= 2
        if bin != 0 {
            low &+= range
            low <<= 7
            range = 2 << 7
            pending &+= 7
            flushWords()
        } else if range < 256 {
            range <<= 1
            low <<= 1
            pending &+= 1
            flushWords()
        }
        return bin
    }

    /// After a terminating bin of 1: writes what is left, a 1 bit (rbsp_stop_one_bit or bit_equal_to_one) and zeros
    /// up to a byte.
    package mutating func finish() {
        var bits = low >> 7 | 1
        var count = pending &+ 2
        if bits >> UInt64(truncatingIfNeeded: count) != 0 {
            sink.propagateCarry()
            bits &= (1 << UInt64(truncatingIfNeeded: count)) &- 1
        }
        let pad = (8 &- (count & 7)) & 7
        bits <<= UInt64(truncatingIfNeeded: pad)
        count &+= pad
        while count > 0 {
            count &-= 8
            sink.append(UInt8(truncatingIfNeeded: bits >> UInt64(truncatingIfNeeded: count)))
        }
        low = 0
        range = 510
        pending = 0
    }

    package mutating func endSubstream() { finish() }

    package var output: UnsafeBufferPointer<UInt8> { UnsafeBufferPointer(start: sink.bytes.base, count: sink.count) }

    package mutating func pcmSamples(
        _ samples: MutableBufferView<UInt16>, lumaCount: Int, lumaBits: Int, chromaCount: Int, chromaBits: Int
    ) {
        finish()
        var accumulator: UInt32 = 0
        var filled = 0
        func put(_ sample: UInt16, _ bits: Int, _ sink: inout ByteSink) {
            accumulator = accumulator << UInt32(bits) | UInt32(sample)
            filled += bits
            while filled >= 8 {
                filled -= 8
                sink.append(UInt8(truncatingIfNeeded: accumulator >> UInt32(filled)))
            }
        }
        for i in 0..<lumaCount { put(samples[i], lumaBits, &sink) }
        for i in lumaCount..<(lumaCount + chromaCount) { put(samples[i], chromaBits, &sink) }
        if filled > 0 { put(0, 8 - filled, &sink) }
    }

    /// Bits written so far, for rate control: whole bytes plus what is pending.
    package var bitCount: Int { sink.count &* 8 &+ pending }
}
