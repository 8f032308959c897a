// SPDX-License-Identifier: GPL-2.0-or-later

import VeilBitstream

/// How a reference layer picture maps onto the current layer's (H.8.1.4, F.7.4.3.3): regions, scale factors, phases.
package struct ResamplingParameters: Equatable, Sendable {
    /// Size of the reference layer picture and of the current picture in luma samples.
    package var refWidth: Int
    package var refHeight: Int
    package var width: Int
    package var height: Int
    /// scaled_ref_layer offsets in luma samples of the current picture: left, top, right, bottom.
    package var scaledRefLayer = (left: 0, top: 0, right: 0, bottom: 0)
    /// ref_region offsets in luma samples of the reference layer picture.
    package var refRegion = (left: 0, top: 0, right: 0, bottom: 0)
    /// PhaseHorY, PhaseVerY, PhaseHorC, PhaseVerC; nil for the defaults.
    package var phases: (horY: Int, verY: Int, horC: Int, verC: Int)?

    package init(refWidth: Int, refHeight: Int, width: Int, height: Int) {
        self.refWidth = refWidth
        self.refHeight = refHeight
        self.width = width
        self.height = height
    }

    package static func == (a: Self, b: Self) -> Bool {
        a.refWidth == b.refWidth && a.refHeight == b.refHeight && a.width == b.width && a.height == b.height
            && a.scaledRefLayer == b.scaledRefLayer && a.refRegion == b.refRegion
            && (a.phases == nil) == (b.phases == nil) && (a.phases.map { $0 == b.phases! } ?? true)
    }

    package var scaledRefRegionWidth: Int { width - scaledRefLayer.left - scaledRefLayer.right }
    package var scaledRefRegionHeight: Int { height - scaledRefLayer.top - scaledRefLayer.bottom }
    package var refLayerRegionWidth: Int { refWidth - refRegion.left - refRegion.right }
    package var refLayerRegionHeight: Int { refHeight - refRegion.top - refRegion.bottom }

    /// Whether the regions have a size and a ratio that the process is defined for.
    package var isValid: Bool {
        scaledRefRegionWidth > 0 && scaledRefRegionHeight > 0 && refLayerRegionWidth > 0 && refLayerRegionHeight > 0
            && scaledRefRegionWidth < 1 << 15 && scaledRefRegionHeight < 1 << 15 && refLayerRegionWidth < 1 << 15
            && refLayerRegionHeight < 1 << 15
            // Layers are scaled up. Far down, a block would take most of the picture below it.
            && refLayerRegionWidth <= 4 * scaledRefRegionWidth && refLayerRegionHeight <= 4 * scaledRefRegionHeight
    }

    /// ScaleFactorX and ScaleFactorY, 16 fractional bits.
    package var scaleFactorX: Int { ((refLayerRegionWidth << 16) + (scaledRefRegionWidth >> 1)) / scaledRefRegionWidth }
    package var scaleFactorY: Int {
        ((refLayerRegionHeight << 16) + (scaledRefRegionHeight >> 1)) / scaledRefRegionHeight
    }

    /// Equal sizes and regions: samples and motion are taken over position by position.
    package var isIdentity: Bool {
        keepsMotion && (phases.map { $0 == (0, 0, 0, 0) } ?? true)
    }

    /// Equal sizes and regions, whatever the phases: motion is taken over block by block.
    var keepsMotion: Bool {
        refWidth == width && refHeight == height && scaledRefLayer == (0, 0, 0, 0) && refRegion == (0, 0, 0, 0)
    }

    /// Reference position in 1/16 sample of every column (or row) of a component of the current picture.
    func positions(horizontal: Bool, chroma: Bool) -> [Int32] {
        let count = (horizontal ? width : height) >> (chroma ? 1 : 0)
        let scale = horizontal ? scaleFactorX : scaleFactorY
        let offset = (horizontal ? scaledRefLayer.left : scaledRefLayer.top) >> (chroma ? 1 : 0)
        let region = (horizontal ? refRegion.left : refRegion.top) >> (chroma ? 1 : 0)
        let phase: Int
        if let phases {
            phase = horizontal ? (chroma ? phases.horC : phases.horY) : (chroma ? phases.verC : phases.verY)
        } else if chroma && !horizontal {
            phase = (4 * scaledRefRegionHeight + refLayerRegionHeight / 2) / refLayerRegionHeight - 4
        } else {
            phase = 0
        }
        let add = (1 << 11) - ((phase * scale + 8) >> 4)
        return (0..<count).map { Int32(truncatingIfNeeded: (((($0 - offset) * scale + add) >> 12) + (region << 4))) }
    }
}

extension ResamplingParameters {
    /// The parameters that a PPS gives for a reference layer (F.7.4.3.3): offsets in its units of two luma samples.
    package init(refWidth: Int, refHeight: Int, width: Int, height: Int, offsets: PictureParameterSet.RefLocOffset?) {
        self.init(refWidth: refWidth, refHeight: refHeight, width: width, height: height)
        if let s = offsets?.scaledRefLayerOffset { scaledRefLayer = (2 * s[0], 2 * s[1], 2 * s[2], 2 * s[3]) }
        if let s = offsets?.refRegionOffset { refRegion = (2 * s[0], 2 * s[1], 2 * s[2], 2 * s[3]) }
        if let p = offsets?.resamplePhaseSet { phases = (p[0], p[1], p[2] - 8, p[3] - 8) }
    }
}
