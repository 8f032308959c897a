// SPDX-License-Identifier: GPL-2.0-or-later
import VeilBitstream

/// What was asked for is not in the stream.
package enum SelectionError: Error, Equatable, CustomStringConvertible {
    case outputLayerSet(Int, count: Int)
    case noAlpha
    case noView(String)
    case viewsUntold

    package var description: String {
        switch self {
        case .noAlpha: return "no layer of alpha"
        case .noView(let view): return "no layer of the \(view) view"
        case .viewsUntold:
            return "the stream does not tell which view is for which eye (no 3D reference displays message)"
        case .outputLayerSet(let index, let count): return "no output layer set \(index): the VPS has \(count), from 0"
        }
    }
}

/// Which layers are decoded and which of them are put out.
struct LayerSelection {
    /// Layers to decode; nil for all.
    private let needed: Set<Int>?
    /// Layers to put out; nil for all.
    let output: Set<Int>?
    /// Layers of auxiliary pictures that nobody asked for.
    let auxiliary: Set<Int>
    /// The only output layer of a set with alt_output_layer_flag, and the layers whose pictures stand in for its
    /// missing ones.
    let alternatives: (layer: Int, layers: Set<Int>)?

    init(_ wanted: Decoder.OutputLayers, vps: VideoParameterSet?) throws {
        var auxiliary = Set((vps?.layerIds ?? []).filter { vps?.auxId(ofLayer: $0) ?? 0 > 0 })
        // Asked for by its number, a layer is decoded whatever its pictures are.
        if case .layer(let id) = wanted { auxiliary.remove(id) }
        self.auxiliary = auxiliary
        func layers(for outputs: [Int]) -> Set<Int> {
            outputs.reduce(into: []) { $0.formUnion(vps?.layersNeeded(for: $1) ?? [$1]) }
        }
        switch wanted {
        case .all:
            needed = nil
            output = nil
            alternatives = nil
        case .highest:
            // Of several views the base layer's, as every player shows it: pictures of another are no better ones.
            let view = vps?.viewId(ofLayer: 0)
            let highest = vps?.layerIds.last { !auxiliary.contains($0) && vps?.viewId(ofLayer: $0) == view } ?? 0
            needed = layers(for: [highest])
            output = [highest]
            alternatives = nil
        case .layer(let id):
            needed = layers(for: [id])
            output = [id]
            alternatives = nil
        case .outputLayerSet(let index):
            // Set 0 is the base layer.
            let sets = vps?.ext?.outputLayerSets ?? []
            let count = max(sets.count, 1)
            guard (0..<count).contains(index) else { throw SelectionError.outputLayerSet(index, count: count) }
            var outputs = [0]
            var standIns: (layer: Int, layers: Set<Int>)?
            if index > 0 {
                let set = sets[index]
                outputs = zip(set.layers, set.outputLayerFlags).filter { $0.1 && !auxiliary.contains($0.0) }.map(\.0)
                if set.altOutputLayerFlag, let only = outputs.first, outputs.count == 1 {
                    standIns = (only, layers(for: [only]).subtracting([only]))
                }
            }
            needed = layers(for: outputs)
            output = Set(outputs)
            alternatives = standIns
        }
    }

    /// Layers of a VPS of which nothing is decoded for what is wanted; none where it does not have what is wanted.
    static func unneeded(_ wanted: Decoder.OutputLayers, vps: VideoParameterSet) -> Set<Int> {
        guard let selection = try? LayerSelection(wanted, vps: vps) else { return [] }
        return Set(vps.layerIds.filter { !selection.isNeeded($0) })
    }

    func isNeeded(_ layer: Int) -> Bool { !auxiliary.contains(layer) && needed?.contains(layer) ?? true }
    func isOutput(_ layer: Int) -> Bool { !auxiliary.contains(layer) && output?.contains(layer) ?? true }
    /// How many layers are put out; nil when that depends on the stream.
    var outputCount: Int? { output?.count }
}
