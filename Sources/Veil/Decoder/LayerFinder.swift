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
    private var roles = LayerRoles()
    /// What came so far: the decoder gets it when the layer is known.
    private(set) var held: [NALUnit] = []

    init(_ wanted: Wanted) { self.wanted = wanted }

    /// The layer, where this is the first slice. Throws where the stream has no such layer.
    mutating func observe(_ unit: NALUnit) throws -> Int? {
        held.append(unit)
        roles.observe(unit)
        return unit.header.nalUnitType.isSlice ? try layer() : nil
    }

    private func layer() throws -> Int {
        switch wanted {
        case .alpha:
            guard let id = roles.alpha else { throw SelectionError.noAlpha }
            return id
        case .view(let view):
            guard roles.tellsEyes else { throw SelectionError.viewsUntold }
            guard let found = roles.layer(of: view) else { throw SelectionError.noView(view.rawValue) }
            return found
        }
    }
}
