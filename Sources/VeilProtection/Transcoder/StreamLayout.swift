// SPDX-License-Identifier: GPL-2.0-or-later
import VeilBitstream
import VeilCore
import VeilEntropy

/// The layers of a stream and their sizes, as its parameter sets tell so far.
package final class StreamLayout {
    private let sets = ParameterSetCollection()
    /// By layer: the PPS that its last picture used, or else the first that came.
    var activePPS: [Int: Int] = [:]
    private var firstPPS: [Int: Int] = [:]
    /// nuh_layer_ids, ascending; [0] without a VPS that tells.
    package private(set) var layers = [0]

    package init() {}

    package func observe(_ nal: NALUnit) {
        let layer = nal.header.nuhLayerId
        // What cannot be read is told of where it is used.
        do {
            try sets.insert(nal)
            switch nal.header.nalUnitType {
            case .vps: layers = Self.layers(try VideoParameterSet(rbsp: nal.rbsp))
            case .pps:
                let id = try PictureParameterSet(rbsp: nal.rbsp, nuhLayerId: layer).ppsPicParameterSetId
                if firstPPS[layer] == nil { firstPPS[layer] = id }
            default: break
            }
        } catch {}
    }

    /// nuh_layer_ids, ascending.
    package static func layers(_ vps: VideoParameterSet?) -> [Int] {
        let ids = vps?.layerIds ?? []
        return ids.isEmpty ? [0] : ids.sorted()
    }

    /// The PPS and SPS that a layer's pictures use, or, before the first one, most likely will: the first of the layer;
    /// nil where they are not known.
    private func parameterSets(_ layer: Int) -> (PictureParameterSet, SequenceParameterSet)? {
        guard let id = activePPS[layer] ?? firstPPS[layer],
            let pps = try? sets.pictureParameterSet(id: id),
            let sps = try? sets.sequenceParameterSet(id: pps.ppsSeqParameterSetId, layerId: layer)
        else { return nil }
        return (pps, sps)
    }

    /// Luma size of each layer's pictures, as they are shown; of layers without parameter sets yet as the VPS has it.
    package var sizes: [Int: (width: Int, height: Int)] { sizes(layers) }

    package func sizes(_ layers: [Int]) -> [Int: (width: Int, height: Int)] {
        layers.reduce(into: [:]) { $0[$1] = shape($1)?.shownSize }
    }

    /// Where the samples that are shown begin in each layer's pictures.
    func origins(_ layers: [Int]) -> [Int: (x: Int, y: Int)] {
        layers.reduce(into: [:]) { result, layer in
            if let window = shape(layer)?.window { result[layer] = (window.left, window.top) }
        }
    }

    private func shape(_ layer: Int) -> SequenceParameterSet? {
        if let (_, sps) = parameterSets(layer) { return sps }
        guard let (_, base) = parameterSets(0), let vps = sets.videoParameterSet(of: base), let ext = vps.ext,
            let index = vps.layerIndex(ofLayer: layer), let format = ext.repFormat(ofLayerIndex: index)
        else { return nil }
        let made = SequenceParameterSet()
        made.apply(format)
        return made
    }

    /// The rectangles of tiles (indices in tile scan) in each layer.
    package func regions(tiles: [Int]) throws -> [Int: [EncryptionScope.Region]] {
        try regions(tiles: tiles, layers: layers)
    }

    package func regions(tiles: [Int], layers: [Int]) throws -> [Int: [EncryptionScope.Region]] {
        try layers.reduce(into: [:]) { result, layer in
            guard let (pps, sps) = parameterSets(layer) else { return }
            let grid = try CTBGrid(sps: sps, pps: pps)
            let count = grid.tileCount
            result[layer] = try tiles.map { tile in
                guard tile < count else {
                    throw KeyError.unsupported(
                        layer: layer, reason: "has \(count) tile\(count == 1 ? "" : "s"), no tile \(tile)")
                }
                var (left, top, right, bottom) = (Int.max, Int.max, 0, 0)
                for rs in 0..<grid.count where Int(grid.tileIdRs[rs]) == tile {
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
