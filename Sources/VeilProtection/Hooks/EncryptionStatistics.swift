// SPDX-License-Identifier: GPL-2.0-or-later
import VeilEntropy
import VeilSystem

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

/// The encryption space (ES) of a stream, in lines: encrypted bits by layer and element, and their share of all bits.
public enum EncryptionSpace {
    /// - Parameter layerBytes: bytes of the slices of each layer. ES counts against the whole stream, and against the
    ///   layer.
    public static func lines(_ encryption: Encryption, layerBytes: [Int: Int]) -> [String] {
        let all = Double(max(layerBytes.values.reduce(0, +) * 8, 1))
        return encryption.encryptedLayers.compactMap { layer in
            guard let message = encryption.message(layer: layer, period: 0),
                let counts = encryption.statistics(layer: layer)
            else {
                return nil
            }
            let own = Double(max((layerBytes[layer] ?? 0) * 8, 1))
            let elements = message.elements.counts(counts).filter { $0.bits > 0 }.map { "\($0.name) \($0.bits)" }
                .joined(separator: ", ")
            if counts.total == 0 && message.hiding == .none {
                return "layer \(layer) HAS NOTHING that could be encrypted with the \(message.profile.name) profile's "
                    + "elements, as selected: it is in the clear"
            }
            let shares = [all, own].map { String(printf: "%.2f %%", 100 * Double(counts.total) / $0) }
            return "layer \(layer) encrypted with \(message.cipher.name), \(message.profile.name) profile, key id "
                + "\(message.keyId): \(counts.total) bits, ES \(shares[0]) of the stream, \(shares[1]) "
                + "of the layer (\(elements))" + (message.hiding == .none ? "" : ", hidden pictures included")
        }
    }
}

/// What was encrypted in one layer. Hooks add to it from any thread.
public final class EncryptionStatistics: @unchecked Sendable {
    private let lock = Lock()
    private var storage = ElementCounts()
    /// Of the last pictures, whether encryption changed anything in them; and which came first.
    private var pictures: [Picture: Bool] = [:]
    private var order: [Picture] = []
    private var unchangedBefore = 0
    /// As many as are never coded at once.
    private static let mostPictures = 4096

    private struct Picture: Hashable {
        let period: Int
        let pocDelta: Int
    }

    public init() {}

    /// - Parameter unit: what they are of, where something in it was to be encrypted.
    func add(_ counts: ElementCounts, of unit: BinUnit?, hasChanged: Bool) {
        lock.withLock {
            storage.add(counts)
            guard let unit else { return }
            let picture = Picture(period: unit.period, pocDelta: unit.pocDelta)
            if pictures[picture] == nil { order.append(picture) }
            pictures[picture] = pictures[picture] ?? false || hasChanged
            if order.count < Self.mostPictures { return }
            for old in order.prefix(Self.mostPictures / 2) where pictures.removeValue(forKey: old) == false {
                unchangedBefore += 1
            }
            order.removeFirst(Self.mostPictures / 2)
        }
    }

    public var counts: ElementCounts { lock.withLock { storage } }
    /// Pictures whose bins are as they were.
    var unchangedPictures: Int { lock.withLock { unchangedBefore + pictures.values.count { !$0 } } }
}
