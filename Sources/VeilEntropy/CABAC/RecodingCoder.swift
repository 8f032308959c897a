// SPDX-License-Identifier: GPL-2.0-or-later
import VeilCore

/// A byte string to whose binary number small multiples of powers of two are added.
package struct CodeString {
    private let memory: MutableBufferView<UInt8>
    package let count: Int
    /// Zero bytes in front, so that whole words can be loaded.
    private static let margin = 8

    /// The string in `memory`, which must outlive it: coders are copied for each block, and count no references.
    package init(in memory: SharedBuffer<UInt8>) {
        self.memory = memory.buffer.view
        count = memory.buffer.count - Self.margin
    }

    /// Memory with a copy of `data`.
    package static func copy(_ data: BufferView<UInt8>, count: Int) -> SharedBuffer<UInt8> {
        let copy = SharedBuffer(Buffer<UInt8>(repeating: 0, count: count + margin))
        (copy.buffer.view + margin).update(from: data, count: count)
        return copy
    }

    package var bytes: MutableBufferView<UInt8> { memory + Self.margin }

    /// Adds `delta` (less than 2^48 in size) at the bit of index `bit`, counted from the string's first.
    @inline(__always)
    func add(_ delta: Int, at bit: Int) {
        let byte = bit >> 3
        guard byte < count, byte >= 0 else { return }
        let at = memory + (byte &+ 1)
        let old = at.bytes(8).loadUnaligned(as: UInt64.self).bigEndian
        let scaled = delta &<< (7 &- (bit & 7))
        let new = old &+ UInt64(bitPattern: Int64(truncatingIfNeeded: scaled))
        at.bytes(8).storeBytes(of: new.bigEndian, as: UInt64.self)
        if scaled >= 0 ? new < old : new > old { carry(scaled >= 0 ? 1 : 255, from: byte &- 8) }
    }

    /// Adds one (or takes one away, `step` 255) at a byte and as far up as it carries.
    @inline(never)
    private func carry(_ step: UInt8, from byte: Int) {
        var i = byte &+ Self.margin
        while i >= Self.margin {
            memory[i] &+= step
            if memory[i] != (step == 1 ? 0 : 255) { return }
            i &-= 1
        }
    }

    @inline(__always)
    func bit(_ index: Int) -> Bool {
        index >> 3 < count && bytes[index >> 3] >> UInt8(truncatingIfNeeded: 7 &- (index & 7)) & 1 != 0
    }

    @inline(__always)
    func set(_ index: Int) {
        if index >> 3 < count { bytes[index >> 3] |= 1 << UInt8(truncatingIfNeeded: 7 &- (index & 7)) }
    }

    /// Replaces `length` bits from `index` on.
    func replace(_ value: UInt32, _ length: Int, at index: Int) {
        for i in 0..<length {
            let at = index + i
            guard at >> 3 < count else { return }
            let mask = UInt8(1) << UInt8(7 - (at & 7))
            if value >> UInt32(length - 1 - i) & 1 != 0 { bytes[at >> 3] |= mask } else { bytes[at >> 3] &= ~mask }
        }
    }
}

/// Reads a stream and makes another with the same bins, but for the runs that a hook replaces: the transcoder's coder.
///
/// Nothing is encoded again. Up to its last bit an arithmetic code is the number ivlLow that an encoder arrives at
/// (9.3.5), a sum to which each bypass bin of 1 adds the current range at its place. Bypass bins leave ranges and
/// contexts alone, so that replacing some adds (new - old) * range at their place and changes no other summand: the
/// new code is the old one plus these differences. What is left is the end of each code, where an encoder writes
/// rbsp_stop_one_bit (or its like) over the lowest bit of ivlLow: a decoder knows that bit from where ivlOffset ends
/// up in the last interval.
///
/// The way back adds the opposite differences to the same code. It arrives at the bytes there were if each code of
/// theirs ended as an encoder ends it, with that bit 1: of codes that do not, nothing tells afterwards what it was.
package struct RecodingCoder: BinCoder {
    package static var reads: Bool { true }
    package static var hooked: Bool { true }
    package static var records: Bool { false }
    package static var peeks: Bool { true }
    package var decoder: CABACDecoder
    package let code: CodeString
    private let box: Unmanaged<HookBox>?
    /// All codes so far ended as an encoder ends them.
    package private(set) var isRegular = true

    /// `box` must outlive the coder. Without one the stream stays as it is.
    package init(decoder: CABACDecoder, code: CodeString, box: HookBox?) {
        self.decoder = decoder
        self.code = code
        self.box = box.map { Unmanaged.passUnretained($0) }
    }

    @inline(__always) package var contexts: MutableBufferView<UInt8> { decoder.contexts }
    @inline(__always) package mutating func decision(_ bin: Int, _ context: Int) -> Int { decoder.decision(0, context) }
    @inline(__always) package mutating func significance(
        _ bins: Int, from n: Int, _ table: BufferView<UInt8>, _ base: Int
    ) -> Int {
        decoder.significance(bins, from: n, table, base)
    }
    @inline(__always) package mutating func greater1(_ bins: Int, _ n: Int, _ base: Int) -> Int {
        decoder.greater1(bins, n, base)
    }
    @inline(__always) package mutating func unary(_ value: Int, _ cMax: Int, _ base: Int, shift: Int) -> Int {
        decoder.unary(value, cMax, base, shift: shift)
    }
    @inline(__always) package mutating func bypass(_ bin: Int) -> Int { decoder.bypass(0) }
    @inline(__always) package mutating func bypassBits(_ bins: UInt32, _ count: Int) -> UInt32 {
        decoder.bypassBits(0, count)
    }
    @inline(__always) package mutating func peek16() -> UInt32 { decoder.peek16() }
    @inline(__always) package mutating func consume(_ count: Int, of peeked: UInt32) {
        decoder.consume(count, of: peeked)
    }
    package mutating func align() { decoder.align() }
    @inline(__always) package var mark: Int { decoder.mark }

    @inline(__always)
    package mutating func run(_ run: BinRun) -> UInt32 {
        var parsed = run
        parsed.bins = decoder.bypassBits(0, Int(run.count))
        return emitRun(parsed, at: mark)
    }

    @inline(__always)
    package mutating func emitRun(_ run: BinRun, at mark: Int) -> UInt32 {
        guard let box else { return run.bins }
        var parsed = run
        parsed.complete()
        let wanted = box._withUnsafeGuaranteedRef { $0.replacement(parsed) }
        let difference = Int(wanted) &- Int(run.bins)
        if difference != 0 { code.add(difference &* Int(decoder.range), at: mark &- 1) }
        return run.bins
    }

    @inline(__always)
    package mutating func terminate(_ bin: Int) -> Int {
        let end = decoder.terminate(0)
        if end != 0 { finishCode() }
        return end
    }

    /// The last bit: ivlLow's own where the stop bit stands is the code less `excess`; whatever it is, a 1 is written
    /// over it.
    @inline(never)
    private mutating func finishCode() {
        let last = decoder.bitPosition &- 1
        if !decoder.bit(last) { isRegular = false }
        if code.bit(last) { return }
        if decoder.excess != 0 { code.add(-1, at: last) } else { code.set(last) }
    }

    package mutating func pcmSamples(
        _ samples: MutableBufferView<UInt16>, lumaCount: Int, lumaBits: Int, chromaCount: Int, chromaBits: Int
    ) {
        var at = decoder.bytePosition * 8
        decoder.pcmSamples(
            samples, lumaCount: lumaCount, lumaBits: lumaBits, chromaCount: chromaCount, chromaBits: chromaBits)
        guard let box else { return }
        for i in 0..<(lumaCount + chromaCount) {
            let bits = i < lumaCount ? lumaBits : chromaBits
            let run = BinRun.pcmSample(samples[i], bits: bits)
            let wanted = box._withUnsafeGuaranteedRef { $0.replacement(run) }
            if wanted != run.bins { code.replace(wanted, bits, at: at) }
            at += bits
        }
    }

    package mutating func endSubstream() { decoder.endSubstream() }
    package mutating func begin(_ unit: BinUnit) { box?._withUnsafeGuaranteedRef { $0.hook.begin(unit) } }
    /// What the whole input has become.
    package var output: UnsafeBufferPointer<UInt8> { UnsafeBufferPointer(start: code.bytes.base, count: code.count) }
    package var outputEnd: Int { decoder.origin }
    package var overrun: Bool { decoder.overrun }

    package mutating func beginCTU(address: Int, x: Int, y: Int) {
        box?._withUnsafeGuaranteedRef { $0.hook.beginCTU(address: address, x: x, y: y) }
    }
}
