// SPDX-License-Identifier: GPL-2.0-or-later
import VeilBitstream
import VeilProtection

/// All coded pictures of one instant, one a layer, with the parameter sets and messages that belong to them
/// (7.4.2.4.4, F.7.4.2.4.4).
public struct AccessUnit: Sendable {
    package let units: [NALUnit]
    /// Of an encoder's: the place of its pictures in display order, from 0; nil of others.
    public internal(set) var displayIndex: Int?
    /// Of an encoder that keeps them: the reconstruction of each layer, which is what decoders will see.
    public internal(set) var reconstructions: [VideoPicture] = []

    init(_ units: [NALUnit]) { self.units = units }

    /// The bytes of the access unit in byte stream format (Annex B). Access units one after the other are a stream.
    public var bytes: [UInt8] {
        var result: [UInt8] = []
        for unit in units { result.append(annexB: unit) }
        return result
    }

    /// Whether its lowest layer is an IRAP picture, at which decoding can begin.
    public var isRandomAccessPoint: Bool {
        units.first { $0.header.nalUnitType.isSlice }?.header.nalUnitType.isIRAP ?? false
    }

    /// nuh_layer_ids of the pictures, ascending.
    public var layers: [Int] { Set(units.filter { $0.header.nalUnitType.isSlice }.map(\.header.nuhLayerId)).sorted() }

    /// nuh_temporal_id_plus1 - 1 of the pictures.
    public var temporalId: Int { units.first { $0.header.nalUnitType.isSlice }?.header.temporalId ?? 0 }

    /// Bytes of a layer's slices, sealed ones of hidden pictures included, start codes excluded.
    public func sliceBytes(layer: Int) -> Int {
        units.filter { $0.header.nuhLayerId == layer && SealedUnit.isSliceOrOne($0) }.reduce(0) { $0 + $1.bytes.count }
    }
}
