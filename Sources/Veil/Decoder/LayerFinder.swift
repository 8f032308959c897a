// SPDX-License-Identifier: GPL-2.0-or-later
import VeilBitstream
import VeilDecoder

/// Finds the layer of a view, or of alpha, by what comes before a stream's first slice.
struct LayerFinder {
    enum Wanted {
        case view(VideoDecoder.StereoView)
        case alpha
    }

    private let wanted: Wanted
    private let sets = ParameterSetCollection()
    private var displays: ReferenceDisplays?
    /// What came so far: the decoder gets it when the layer is known.
    private(set) var held: [NALUnit] = []

    init(_ wanted: Wanted) { self.wanted = wanted }

    /// The layer, where this is the first slice. Throws where the stream has no such layer.
    mutating func take(_ unit: NALUnit) throws -> Int? {
        held.append(unit)
        switch unit.header.nalUnitType {
        case .vps: _ = try? sets.insert(unit)
        case .prefixSEI:
            let messages = (try? SEIMessage.messages(rbsp: unit.rbsp)) ?? []
            if let message = messages.last(where: { $0.payloadType == ReferenceDisplays.payloadType }) {
                displays = try? ReferenceDisplays(payload: message.payload)
            }
        default: if unit.header.nalUnitType.isSlice { return try layer() }
        }
        return nil
    }

    private func layer() throws -> Int {
        let vps = sets.anyVps
        let layers = vps?.layerIds ?? [0]
        switch wanted {
        case .alpha:
            // AuxId 1 (Table F.2).
            guard let id = layers.first(where: { vps?.auxId(ofLayer: $0) == 1 }) else { throw SelectionError.noAlpha }
            return id
        case .view(let view):
            guard let displays else { throw SelectionError.viewsUntold }
            let viewId = view == .left ? displays.leftViewId : displays.rightViewId
            let found = layers.last { vps?.auxId(ofLayer: $0) ?? 0 == 0 && vps?.viewId(ofLayer: $0) ?? 0 == viewId }
            guard let found else { throw SelectionError.noView(view.rawValue) }
            return found
        }
    }
}
