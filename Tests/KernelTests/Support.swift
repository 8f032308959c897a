// SPDX-License-Identifier: GPL-2.0-or-later
import CVeilKernels
import TestSupport
import Testing

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

typealias Table = UnsafePointer<veil_kernels>

// Tables never change.

/// The plain path, against which all others are held.
nonisolated(unsafe) let plain: Table = veil_kernels_of(VEIL_SIMD_PLAIN)!
/// The processor's SIMD path: AVX2, NEON, or none.
nonisolated(unsafe) let simd: Table? = veil_kernels_of(VEIL_SIMD_AVX2) ?? veil_kernels_of(VEIL_SIMD_NEON)

let depths: [Int32] = [8, 9, 10, 12]

typealias Random = SplitMix

extension SplitMix {
    init(_ seed: UInt64) { self.init(state: seed) }
    mutating func in32(_ range: ClosedRange<Int>) -> Int32 { Int32(Int.random(in: range, using: &self)) }
}

/// How a block of test samples is made.
enum Content: CaseIterable {
    /// Any value.
    case noise
    /// Only the lowest and the highest value: overflow shows.
    case extremes
    /// Small differences around one level: decisions of the filters vary.
    case smooth
}

/// Owned memory, 64-byte aligned, freed with the object.
final class Buffer<Element: FixedWidthInteger> {
    let base: UnsafeMutablePointer<Element>
    let count: Int

    init(_ count: Int, _ value: Element = 0) {
        self.count = count
        base = UnsafeMutableRawPointer.allocate(byteCount: count * MemoryLayout<Element>.stride, alignment: 64)
            .bindMemory(to: Element.self, capacity: count)
        base.initialize(repeating: value, count: count)
    }

    convenience init(copy other: Buffer) {
        self.init(other.count)
        base.update(from: other.base, count: count)
    }

    deinit { base.deallocate() }

    func fill(_ low: Int, _ high: Int, _ content: Content, _ random: inout Random) {
        let middle = Int.random(in: low...high, using: &random)
        let spread = max(1, (high - low) >> 5)
        for i in 0..<count {
            switch content {
            case .noise: base[i] = Element(Int.random(in: low...high, using: &random))
            case .extremes: base[i] = Element(random.next() & 1 == 0 ? low : high)
            case .smooth:
                base[i] = Element(min(high, max(low, middle + Int.random(in: -spread...spread, using: &random))))
            }
        }
    }

    /// The index of the first element that differs, if any.
    func difference(_ other: Buffer) -> Int? {
        if memcmp(base, other.base, count * MemoryLayout<Element>.stride) == 0 { return nil }
        return (0..<count).first { base[$0] != other.base[$0] }
    }
}

typealias Samples = Buffer<UInt16>
typealias Residuals = Buffer<Int16>

func samples(_ count: Int, depth: Int32, _ content: Content, _ random: inout Random) -> Samples {
    let b = Samples(count)
    b.fill(0, (1 << Int(depth)) - 1, content, &random)
    return b
}

/// Sizes of luma prediction blocks, and chroma ones (all that 4:2:0 has, and more).
let lumaSizes: [Int32] = [4, 8, 12, 16, 24, 32, 48, 64]
let chromaSizes: [Int32] = [2, 4, 6, 8, 12, 16, 24, 32, 64]
