// SPDX-License-Identifier: GPL-2.0-or-later
import VeilCore

/// One side of the bin level: reads bins, writes them, counts their bits, or reads and writes at once.
///
/// The slice-data syntax is written once against this protocol. Every call passes the bin a writer should code and
/// returns the bin that stands in the stream: a writer returns its argument, a reader ignores it and returns what it
/// parsed. The compiler specializes the syntax for each coder, so a reader's unused arguments and a writer's unused
/// results cost nothing.
package protocol BinCoder {
    /// True when values come from a stream, false when the caller supplies them.
    static var reads: Bool { get }
    /// True when a hook may replace runs. Readers with a hook parse a whole sub-block before they show its runs,
    /// because what may change in the signs depends on the levels coded after them.
    static var hooked: Bool { get }
    /// False for readers whose values nobody looks at: the records of coefficients are then left out.
    static var records: Bool { get }
    /// Whether `peek16` and `consume` are there: readers only.
    static var peeks: Bool { get }
    /// The next sixteen bypass bins, the first one highest; they are not consumed.
    mutating func peek16() -> UInt32
    /// Consumes the first `count` (1...16) of the bins that `peek16` gave.
    mutating func consume(_ count: Int, of peeked: UInt32)
    /// Where a reader stands: given back to `emitRun`.
    var mark: Int { get }
    /// Shows a run, read before by `bypassBits` or `consume`, to the hook and returns the bins that are meant. `mark`
    /// is where the reader stood after the run; between it and here no bin but bypass bins was read.
    mutating func emitRun(_ run: BinRun, at mark: Int) -> UInt32
    /// The context variables, `Context.count` bytes.
    var contexts: MutableBufferView<UInt8> { get }
    /// A context-coded bin (9.3.4.3.2).
    mutating func decision(_ bin: Int, _ context: Int) -> Int
    /// sig_coeff_flags of the scan positions from `n` down to 1: bit i of the mask is position i's, with context
    /// `base + table[i]`.
    mutating func significance(_ bins: Int, from n: Int, _ table: BufferView<UInt8>, _ base: Int) -> Int
    /// `n` coeff_abs_level_greater1_flags, the first in bit 0; `base` is the first of the context set's four contexts.
    mutating func greater1(_ bins: Int, _ n: Int, _ base: Int) -> Int
    /// A truncated unary prefix of at most `cMax` bins, bin i with context `base + (i >> shift)`.
    mutating func unary(_ value: Int, _ cMax: Int, _ base: Int, shift: Int) -> Int
    /// A bypass bin (9.3.4.3.4).
    mutating func bypass(_ bin: Int) -> Int
    /// `count` (0...32) bypass bins, the first in the most significant place.
    mutating func bypassBits(_ bins: UInt32, _ count: Int) -> UInt32
    /// A run of bypass bins that a hook may replace.
    mutating func run(_ run: BinRun) -> UInt32
    /// Makes the interval 256 wide before bypass bins (9.3.4.3.6, cabac_bypass_alignment_enabled_flag).
    mutating func align()
    /// A bin before termination (9.3.4.3.5).
    mutating func terminate(_ bin: Int) -> Int
    /// After a terminating bin of 1 for pcm_flag: aligns, codes `count` raw samples of `bits` bits each, and starts
    /// the engine again.
    mutating func pcmSamples(
        _ samples: MutableBufferView<UInt16>, lumaCount: Int, lumaBits: Int, chromaCount: Int, chromaBits: Int)
    /// After a terminating bin of 1: a writer finishes the substream up to a byte, a reader starts again at the next
    /// byte.
    mutating func endSubstream()
    /// A substream begins; for coders with a hook.
    mutating func begin(_ unit: BinUnit)
    /// Bytes written so far; empty for coders that write none.
    var output: UnsafeBufferPointer<UInt8> { get }
    /// How many bytes the finished substreams take.
    var outputEnd: Int { get }
    /// Bits have been read beyond the end of the input.
    var overrun: Bool { get }
    /// A CTU begins; for coders with a hook.
    mutating func beginCTU(address: Int, x: Int, y: Int)
    /// Whether recoding what was made gives back the input.
    var isRegular: Bool { get }
}

extension BinCoder {
    package static var hooked: Bool { false }
    package static var records: Bool { true }
    package static var peeks: Bool { false }
    @inline(__always)
    package mutating func significance(_ bins: Int, from n: Int, _ table: BufferView<UInt8>, _ base: Int) -> Int {
        var i = n
        var result = 0
        while i > 0 {
            result |= decision(bins &>> i & 1, base &+ Int(table[i])) &<< i
            i &-= 1
        }
        return result
    }
    /// greater1Ctx counts up to 3 as long as bins are 0, and stays 0 after a 1 (9.3.4.2.6).
    @inline(__always)
    static func nextGreater1Context(_ context: Int, after bin: Int) -> Int {
        (0b11_11_10_00 &>> (context &<< 1)) & 3 & (bin &- 1)
    }
    @inline(__always)
    package mutating func greater1(_ bins: Int, _ n: Int, _ base: Int) -> Int {
        var result = 0
        var context = 1
        for k in 0..<n {
            let bin = decision(bins &>> k & 1, base &+ context)
            result |= bin &<< k
            context = Self.nextGreater1Context(context, after: bin)
        }
        return result
    }
    @inline(__always)
    package mutating func unary(_ value: Int, _ cMax: Int, _ base: Int, shift: Int) -> Int {
        var n = 0
        while n < cMax, decision(n < value ? 1 : 0, base &+ n &>> shift) != 0 { n &+= 1 }
        return n
    }
    @inline(__always)
    package mutating func peek16() -> UInt32 { 0 }
    @inline(__always)
    package mutating func consume(_ count: Int, of peeked: UInt32) {}
    @inline(__always)
    package var mark: Int { 0 }
    @inline(__always)
    package mutating func emitRun(_ run: BinRun, at mark: Int) -> UInt32 { run.bins }
    @inline(__always)
    package mutating func run(_ run: BinRun) -> UInt32 { bypassBits(run.bins, Int(run.count)) }
    package mutating func align() {}
    package mutating func endSubstream() {}
    package mutating func begin(_ unit: BinUnit) {}
    package var output: UnsafeBufferPointer<UInt8> { UnsafeBufferPointer(start: nil, count: 0) }
    package var outputEnd: Int { output.count }
    package var overrun: Bool { false }
    package var isRegular: Bool { true }
    @inline(__always)
    package mutating func beginCTU(address: Int, x: Int, y: Int) {}
}
