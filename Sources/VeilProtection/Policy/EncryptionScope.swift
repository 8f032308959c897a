// SPDX-License-Identifier: GPL-2.0-or-later
import VeilBitstream
import VeilEntropy

/// Which pictures and CTUs of a layer are encrypted.
public struct EncryptionScope: Hashable, Sendable {
    /// Only IRAP pictures.
    public var irapOnly = false
    /// Only pictures of this temporal sub-layer and above.
    public var minTemporalId = 0
    /// Only CTUs that touch one of these regions; empty: all.
    public var regions: [Region] = []
    /// As many regions as a message holds.
    public static let maxRegions = 255

    /// A rectangle of luma samples: `x ..< x + width`, `y ..< y + height`.
    public struct Region: Hashable, Sendable {
        public var x: Int
        public var y: Int
        public var width: Int
        public var height: Int
        public init(x: Int, y: Int, width: Int, height: Int) {
            self.x = x
            self.y = y
            self.width = width
            self.height = height
        }
        func contains(_ other: Region) -> Bool {
            x <= other.x && y <= other.y && x + width >= other.x + other.width
                && y + height >= other.y + other.height
        }
        /// Whether the square of `size` samples at (px, py) has samples in common with the region.
        @inline(__always)
        func touches(_ px: Int, _ py: Int, size: Int) -> Bool {
            px + size > x && px < x + width && py + size > y && py < y + height
        }
    }

    public init() {}

    /// Every CTU of every picture.
    public var isEverything: Bool { self == EncryptionScope() }

    /// Whether a CTB has samples in common with a region.
    @inline(__always)
    func touches(_ x: Int, _ y: Int, size: Int) -> Bool { regions.contains { $0.touches(x, y, size: size) } }

    /// Whether it selects all that another scope does.
    func covers(_ other: EncryptionScope) -> Bool {
        (!irapOnly || other.irapOnly) && minTemporalId <= other.minTemporalId
            && (regions.isEmpty
                || !other.regions.isEmpty
                    && other.regions.allSatisfy { region in regions.contains { $0.contains(region) } })
    }

    /// Whether units of a picture may be encrypted at all.
    package func includes(_ unit: BinUnit) -> Bool {
        (!irapOnly || unit.isIRAP) && unit.temporalId >= minTemporalId
    }

    /// The same, as far as the NAL unit header of a slice tells: all of it.
    func includes(_ h: NALUnitHeader) -> Bool {
        (!irapOnly || h.nalUnitType.isIRAP) && h.temporalId >= minTemporalId
    }
}
