// SPDX-License-Identifier: GPL-2.0-or-later
import VeilBitstream

/// What the layers of a stream are for, as its VPS and the messages before its pictures tell.
struct LayerRoles {
    private let sets = ParameterSetCollection()
    private var displays: ReferenceDisplays?

    mutating func observe(_ unit: NALUnit) {
        switch unit.header.nalUnitType {
        case .vps: _ = try? sets.insert(unit)
        case .prefixSEI: displays = ReferenceDisplays(of: unit) ?? displays
        default: break
        }
    }

    /// Layers of the VPS, or the base layer where there is none.
    private var layers: [Int] { sets.anyVps?.layerIds ?? [0] }
    private func auxId(_ layer: Int) -> Int { sets.anyVps?.auxId(ofLayer: layer) ?? 0 }
    private func viewId(_ layer: Int) -> Int { sets.anyVps?.viewId(ofLayer: layer) ?? 0 }

    /// The layer of alpha: AuxId 1 (Table F.2).
    var alpha: Int? { layers.first { auxId($0) == 1 } }

    /// Whether it is told which view is for which eye.
    var tellsEyes: Bool { displays != nil }

    /// The highest layer for an eye.
    func layer(of view: VideoDecoder.StereoView) -> Int? {
        guard let displays else { return nil }
        let wanted = view == .left ? displays.leftViewId : displays.rightViewId
        return layers.last { auxId($0) == 0 && viewId($0) == wanted }
    }

    /// What a layer is for, in words; nil of one that shows the same as others.
    func name(of layer: Int) -> String? {
        switch auxId(layer) {
        case 0: break
        case 1: return "alpha"
        case 2: return "depth"
        default: return "auxiliary pictures"
        }
        guard Set(layers.filter { auxId($0) == 0 }.map(viewId)).count > 1 else { return nil }
        let view = viewId(layer)
        if let displays {
            if view == displays.leftViewId { return "left eye" }
            if view == displays.rightViewId { return "right eye" }
        }
        return "view \(view)"
    }
}
