// SPDX-License-Identifier: GPL-2.0-or-later
import VeilBitstream
import VeilEntropy

/// The layers of a stream and their sizes, from the parameter sets before its first picture.
package final class StreamLayout {
    private let sets = ParameterSetCollection()
    private var spss: [(layer: Int, id: Int)] = []
    private var ppss: [(layer: Int, id: Int)] = []
    /// nuh_layer_ids, ascending; [0] without a VPS that tells.
    package private(set) var layers = [0]

    package init() {}

    package func take(_ nal: NALUnit) {
        let layer = nal.header.nuhLayerId
        // What cannot be read is told of where it is used.
        do {
            try sets.take(nal)
            switch nal.header.nalUnitType {
            case .vps:
                let ids = try VideoParameterSet(rbsp: nal.rbsp).layerIds
                if !ids.isEmpty { layers = ids.sorted() }
            case .sps:
                spss.append((layer, try SequenceParameterSet(rbsp: nal.rbsp, nuhLayerId: layer).spsSeqParameterSetId))
            case .pps:
                ppss.append((layer, try PictureParameterSet(rbsp: nal.rbsp, nuhLayerId: layer).ppsPicParameterSetId))
            default: break
            }
        } catch {}
    }

    /// The PPS and SPS that a layer's pictures most likely use: the first ones of the nearest layer not above it.
    private func parameterSets(_ layer: Int) -> (PictureParameterSet, SequenceParameterSet)? {
        let nearest = ppss.filter { $0.layer <= layer }.map(\.layer).max()
        guard let known = ppss.first(where: { $0.layer == nearest }),
            let pps = try? sets.pictureParameterSet(id: known.id),
            let sps = try? sets.sequenceParameterSet(id: pps.ppsSeqParameterSetId, layerId: layer)
        else { return nil }
        return (pps, sps)
    }

    /// Luma size of each layer's pictures, as they are shown.
    package var sizes: [Int: (width: Int, height: Int)] {
        layers.reduce(into: [:]) { result, layer in
            if let (_, sps) = parameterSets(layer) {
                let window = sps.window
                result[layer] = (
                    sps.picWidthInLumaSamples - window.left - window.right,
                    sps.picHeightInLumaSamples - window.top - window.bottom
                )
            }
        }
    }

    /// The rectangles of tiles (indices in tile scan) in each layer.
    package func regions(tiles: [Int]) throws -> [Int: [EncryptionScope.Region]] {
        try layers.reduce(into: [:]) { result, layer in
            guard let (pps, sps) = parameterSets(layer) else { return }
            let layout = try CTBLayout(sps: sps, pps: pps)
            let count = Int(layout.tileId.last ?? 0) + 1
            result[layer] = try tiles.map { tile in
                guard tile < count else {
                    throw KeyError.unsupported(
                        layer: layer, reason: "has \(count) tile\(count == 1 ? "" : "s"), no tile \(tile)")
                }
                var (left, top, right, bottom) = (Int.max, Int.max, 0, 0)
                for ts in 0..<layout.ctbCount where Int(layout.tileId[ts]) == tile {
                    let rs = Int(layout.ctbAddrTsToRs[ts])
                    let (x, y) = (rs % sps.picWidthInCtbsY, rs / sps.picWidthInCtbsY)
                    (left, top, right, bottom) = (min(left, x), min(top, y), max(right, x + 1), max(bottom, y + 1))
                }
                let shift = sps.ctbLog2SizeY
                return EncryptionScope.Region(
                    x: left << shift, y: top << shift, width: (right - left) << shift, height: (bottom - top) << shift)
            }
        }
    }
}
