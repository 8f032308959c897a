// SPDX-License-Identifier: GPL-2.0-or-later

/// Keeps a hook reachable from coder structs without reference counting in hot loops.
package final class HookBox {
    package let hook: any BinHook
    package init(_ hook: any BinHook) { self.hook = hook }
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

    @inline(__always) package var contexts: UnsafeMutablePointer<UInt8> { base.contexts }
    @inline(__always) package mutating func decision(_ bin: Int, _ context: Int) -> Int { base.decision(bin, context) }
    @inline(__always) package mutating func bypass(_ bin: Int) -> Int { base.bypass(bin) }
    @inline(__always) package mutating func bypassBits(_ bins: UInt32, _ count: Int) -> UInt32 { base.bypassBits(bins, count) }
    @inline(__always) package mutating func terminate(_ bin: Int) -> Int { base.terminate(bin) }

    @inline(__always)
    package mutating func run(_ run: BinRun) -> UInt32 {
        if Base.reads {
            var parsed = run
            parsed.bins = base.bypassBits(0, Int(run.count))
            parsed.complete()
            return box._withUnsafeGuaranteedRef { $0.hook.replace(parsed) }
        } else {
            var plain = run
            plain.complete()
            _ = base.bypassBits(box._withUnsafeGuaranteedRef { $0.hook.replace(plain) }, Int(run.count))
            return run.bins
        }
    }

    @inline(__always)
    package mutating func emitRun(_ run: BinRun) -> UInt32 {
        var parsed = run
        parsed.complete()
        return box._withUnsafeGuaranteedRef { $0.hook.replace(parsed) }
    }

    package mutating func pcmSamples(
        _ samples: UnsafeMutablePointer<UInt16>, lumaCount: Int, lumaBits: Int, chromaCount: Int, chromaBits: Int
    ) {
        base.pcmSamples(samples, lumaCount: lumaCount, lumaBits: lumaBits, chromaCount: chromaCount, chromaBits: chromaBits)
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
    /// Fills in what follows from the bins themselves: `value` of suffix elements, and bins that must not change because the mirrored
    /// or neighbouring value would leave its range.
    @inline(__always)
    package mutating func complete() {
        switch element {
        case .coeffSuffix:
            let escape = prefix > 3
            let base = escape ? ((1 << (Int(prefix) &- 3)) &+ 2) << Int(riceParam) : Int(prefix) << Int(riceParam)
            value = Int32(truncatingIfNeeded: base &+ Int(bins))
        case .mvdSuffix:
            value = Int32(truncatingIfNeeded: (1 << Int(count)) &+ Int(bins))
        default:
            break
        }
    }
}

/// Reads one stream and writes another with the same bins, but for the runs that a hook replaces: the transcoder's coder.
/// Both streams share one set of contexts, since replaceable bins never touch any.
package struct RecodingCoder: BinCoder {
    package static var reads: Bool { true }
    package static var hooked: Bool { true }
    package var decoder: CABACDecoder
    package var encoder: CABACEncoder
    private let next: UnsafePointer<UInt8>
    private let box: Unmanaged<HookBox>?

    /// `box` must outlive the coder. Without one the stream is recoded as it is.
    package init(decoder: CABACDecoder, encoder: CABACEncoder, box: HookBox?) {
        self.decoder = decoder
        self.encoder = encoder
        self.box = box.map { Unmanaged.passUnretained($0) }
        next = CABACTables.shared.next
    }

    @inline(__always) package var contexts: UnsafeMutablePointer<UInt8> { decoder.contexts }

    @inline(__always)
    package mutating func decision(_ bin: Int, _ context: Int) -> Int {
        let state = Int(decoder.contexts[context])
        let parsed = decoder.decision(0, context)
        _ = encoder.encode(parsed, state: state)
        return parsed
    }

    @inline(__always)
    package mutating func bypass(_ bin: Int) -> Int { encoder.bypass(decoder.bypass(0)) }

    @inline(__always)
    package mutating func bypassBits(_ bins: UInt32, _ count: Int) -> UInt32 {
        encoder.bypassBits(decoder.bypassBits(0, count), count)
    }

    @inline(__always)
    package mutating func run(_ run: BinRun) -> UInt32 {
        var parsed = run
        parsed.bins = decoder.bypassBits(0, Int(run.count))
        return emitRun(parsed)
    }

    @inline(__always)
    package mutating func take(_ count: Int) -> UInt32 { decoder.bypassBits(0, count) }

    @inline(__always)
    package mutating func emit(_ bins: UInt32, _ count: Int) { _ = encoder.bypassBits(bins, count) }

    @inline(__always)
    package mutating func emitRun(_ run: BinRun) -> UInt32 {
        guard let box else { return encoder.bypassBits(run.bins, Int(run.count)) }
        var parsed = run
        parsed.complete()
        _ = encoder.bypassBits(box._withUnsafeGuaranteedRef { $0.hook.replace(parsed) }, Int(run.count))
        return run.bins
    }

    @inline(__always)
    package mutating func terminate(_ bin: Int) -> Int { encoder.terminate(decoder.terminate(0)) }

    package mutating func pcmSamples(
        _ samples: UnsafeMutablePointer<UInt16>, lumaCount: Int, lumaBits: Int, chromaCount: Int, chromaBits: Int
    ) {
        decoder.pcmSamples(samples, lumaCount: lumaCount, lumaBits: lumaBits, chromaCount: chromaCount, chromaBits: chromaBits)
        encoder.pcmSamples(samples, lumaCount: lumaCount, lumaBits: lumaBits, chromaCount: chromaCount, chromaBits: chromaBits)
    }

    package mutating func endSubstream() {
        decoder.endSubstream()
        encoder.endSubstream()
    }
    package mutating func begin(_ unit: BinUnit) { box?._withUnsafeGuaranteedRef { $0.hook.begin(unit) } }
    package var output: UnsafeBufferPointer<UInt8> { encoder.output }
    package var overrun: Bool { decoder.overrun }

    package mutating func beginCTU(address: Int, x: Int, y: Int) {
        box?._withUnsafeGuaranteedRef { $0.hook.beginCTU(address: address, x: x, y: y) }
    }
}
