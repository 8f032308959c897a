// SPDX-License-Identifier: GPL-2.0-or-later
import Foundation
import VeilBins

/// Encrypted bits by syntax element.
public struct ElementCounts: Equatable, Sendable {
    private var bits = SIMD16<UInt64>()
    public init() {}

    @inline(__always)
    mutating func add(_ element: BinElement, _ count: Int) { bits[Int(element.rawValue)] &+= UInt64(count) }

    mutating func add(_ other: ElementCounts) { bits &+= other.bits }

    public subscript(_ element: BinElement) -> Int { Int(bits[Int(element.rawValue)]) }

    /// All elements together.
    public var total: Int { Int(bits.wrappedSum()) }
}

/// What was encrypted in one layer. Hooks add to it from any thread.
public final class EncryptionStatistics: @unchecked Sendable {
    private let lock = NSLock()
    private var storage = ElementCounts()
    public init() {}
    func add(_ counts: ElementCounts) { lock.withLock { storage.add(counts) } }
    public var counts: ElementCounts { lock.withLock { storage } }
}
