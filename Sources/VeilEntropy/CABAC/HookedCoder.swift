// SPDX-License-Identifier: GPL-2.0-or-later
import VeilCore

/// Keeps a hook reachable from coder structs without reference counting in hot loops.
package final class HookBox {
    package let hook: any BinHook
    package init(_ hook: any BinHook) { self.hook = hook }

    /// What a run is replaced by; bits that a hook has no business with do not count.
    @inline(__always)
    func replacement(_ run: BinRun) -> UInt32 { hook.replace(run) & (UInt32.max &>> (32 &- UInt32(run.count))) }
}

/// A reader or writer whose replaceable runs pass through a hook: encryption while encoding, decryption while decoding.
package struct HookedCoder<Base: BinCoder>: BinCoder {
    package static var reads: Bool { Base.reads }
    package static var hooked: Bool { true }
    package var base: Base
    private let box: Unmanaged<HookBox>

    /// `box` must outlive the coder.
    package init(_ base: Base, box: HookBox) {
        self.base = base
        self.box = Unmanaged.passUnretained(box)
    }

    @inline(__always) package var contexts: MutableBufferView<UInt8> { base.contexts }
    @inline(__always) package var mark: Int { base.mark }
    @inline(__always) package mutating func decision(_ bin: Int, _ context: Int) -> Int { base.decision(bin, context) }
    @inline(__always) package mutating func significance(
        _ bins: Int, from n: Int, _ table: BufferView<UInt8>, _ base: Int
    ) -> Int {
        self.base.significance(bins, from: n, table, base)
    }
    @inline(__always) package mutating func greater1(_ bins: Int, _ n: Int, _ base: Int) -> Int {
        self.base.greater1(bins, n, base)
    }
    @inline(__always) package mutating func unary(_ value: Int, _ cMax: Int, _ base: Int, shift: Int) -> Int {
        self.base.unary(value, cMax, base, shift: shift)
    }
    @inline(__always) package mutating func bypass(_ bin: Int) -> Int { base.bypass(bin) }
    @inline(__always) package mutating func bypassBits(_ bins: UInt32, _ count: Int) -> UInt32 {
        base.bypassBits(bins, count)
    }
    package mutating func align() { base.align() }
    @inline(__always) package mutating func terminate(_ bin: Int) -> Int { base.terminate(bin) }

    @inline(__always)
    package mutating func run(_ run: BinRun) -> UInt32 {
        if Base.reads {
            var parsed = run
            parsed.bins = base.bypassBits(0, Int(run.count))
            parsed.complete()
            return box._withUnsafeGuaranteedRef { $0.replacement(parsed) }
        } else {
            var plain = run
            plain.complete()
            _ = base.bypassBits(box._withUnsafeGuaranteedRef { $0.replacement(plain) }, Int(run.count))
            return run.bins
        }
    }

    package static var peeks: Bool { Base.peeks }
    @inline(__always) package mutating func peek16() -> UInt32 { base.peek16() }
    @inline(__always) package mutating func consume(_ count: Int, of peeked: UInt32) { base.consume(count, of: peeked) }

    @inline(__always)
    package mutating func emitRun(_ run: BinRun, at mark: Int) -> UInt32 {
        var parsed = run
        parsed.complete()
        return box._withUnsafeGuaranteedRef { $0.replacement(parsed) }
    }

    package mutating func pcmSamples(
        _ samples: MutableBufferView<UInt16>, lumaCount: Int, lumaBits: Int, chromaCount: Int, chromaBits: Int
    ) {
        let count = lumaCount + chromaCount
        func replaced(_ i: Int) -> UInt16 {
            let run = BinRun.pcmSample(samples[i], bits: i < lumaCount ? lumaBits : chromaBits)
            return UInt16(truncatingIfNeeded: box._withUnsafeGuaranteedRef { $0.replacement(run) })
        }
        if Base.reads {
            base.pcmSamples(
                samples, lumaCount: lumaCount, lumaBits: lumaBits, chromaCount: chromaCount, chromaBits: chromaBits)
            for i in 0..<count { samples[i] = replaced(i) }
        } else {
            // The records stay clear: the encoder predicts from them.
            let coded = Buffer<UInt16>(repeating: 0, count: count)
            for i in 0..<count { coded[i] = replaced(i) }
            base.pcmSamples(
                coded.view, lumaCount: lumaCount, lumaBits: lumaBits, chromaCount: chromaCount, chromaBits: chromaBits)
        }
    }

    package mutating func endSubstream() { base.endSubstream() }
    package mutating func begin(_ unit: BinUnit) { box._withUnsafeGuaranteedRef { $0.hook.begin(unit) } }
    package var output: UnsafeBufferPointer<UInt8> { base.output }
    package var overrun: Bool { base.overrun }

    package mutating func beginCTU(address: Int, x: Int, y: Int) {
        box._withUnsafeGuaranteedRef { $0.hook.beginCTU(address: address, x: x, y: y) }
    }
}

extension BinRun {
    /// Fills in what follows from the bins themselves: `value` of suffix elements, and bins that must not change
    /// because the mirrored or neighbouring value would leave its range.
    @inline(__always)
    package mutating func complete() {
        switch element {
        case .coeffSuffix:
            let escape = prefix > 3
            let base = escape ? ((1 << (Int(prefix) &- 3)) &+ 2) << Int(riceParam) : Int(prefix) << Int(riceParam)
            value = Int32(truncatingIfNeeded: base &+ Int(bins))
        case .mvdSuffix:
            value = Int32(truncatingIfNeeded: (1 << Int(count)) &+ Int(bins))
        case .dqpSuffix:
            value = Int32(truncatingIfNeeded: 4 &+ (1 << Int(count)) &+ Int(bins))
        default:
            break
        }
    }

    /// One pcm_sample_luma or pcm_sample_chroma.
    @inline(__always)
    static func pcmSample(_ sample: UInt16, bits: Int) -> BinRun {
        BinRun(.pcmSample, bins: UInt32(sample), count: bits, value: Int32(truncatingIfNeeded: bits))
    }
}
