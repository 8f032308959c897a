// SPDX-License-Identifier: GPL-2.0-or-later
import VeilCore

/// What the reconstruction of the blocks of one CTU reads over and over, as plain words: set up once per CTU.
package struct BlockContext {
    package let planes: (Plane, Plane, Plane)
    package let maps: PictureMaps
    package let width: Int
    package let height: Int
    package let xCtb: Int
    package let yCtb: Int
    package let ctbMask: Int
    package let log2CtbSize: Int
    package let widthInCtbs: Int
    package let neighbours: CTBNeighbours
    package let bitDepthLuma: Int
    package let bitDepthChroma: Int
    /// pps_cX_qp_offset + slice_cX_qp_offset.
    package let cbQpOffset: Int
    package let crQpOffset: Int
    /// See `SliceContext.scalingTables`.
    package let scalingTables: BufferView<UInt8>?
    package let motion: MutableBufferView<MotionInfo>
    package let motionStride: Int
    package let pcmLoopFilterDisabled: Bool
    package let strongIntraSmoothing: Bool
    /// constrained_intra_pred_flag matters only where a neighbour may be inter predicted.
    package let constrainedIntra: Bool
    package let chromaFormat: ChromaFormat
    /// Transform units have what the range extensions add beside them: `CTUReconstructor.extendedCU` is for them.
    package let isExtended: Bool

    @inline(__always)
    package init(slice: SliceContext, picture: PictureReconstruction, ctbAddrRs: Int) {
        let coded = picture.picture
        planes = coded.frame.planes
        motion = coded.motion.blocks
        motionStride = coded.motion.width4
        maps = picture.maps
        width = slice.width
        height = slice.height
        let column = ctbAddrRs % slice.widthInCtbs
        xCtb = column &<< slice.log2CtbSize
        yCtb = (ctbAddrRs / slice.widthInCtbs) &<< slice.log2CtbSize
        log2CtbSize = slice.log2CtbSize
        widthInCtbs = slice.widthInCtbs
        ctbMask = (1 &<< slice.log2CtbSize) &- 1
        neighbours = slice.neighbours(ofCtb: ctbAddrRs)
        bitDepthLuma = slice.bitDepthLuma
        bitDepthChroma = slice.bitDepthChroma
        cbQpOffset = slice.constants.cbQpOffset
        crQpOffset = slice.constants.crQpOffset
        scalingTables = slice.scalingTables
        pcmLoopFilterDisabled = slice.constants.pcmLoopFilterDisabledFlag
        strongIntraSmoothing = slice.constants.strongIntraSmoothingEnabledFlag
        constrainedIntra = slice.constants.constrainedIntraPredFlag && slice.sliceType != .i
        chromaFormat = coded.frame.chromaFormat
        isExtended = slice.constants.parameters.extendsRecords
    }

    @inline(__always)
    package func plane(_ cIdx: Int) -> Plane { cIdx == 0 ? planes.0 : cIdx == 1 ? planes.1 : planes.2 }

    @inline(__always)
    package func bitDepth(_ cIdx: Int) -> Int { cIdx == 0 ? bitDepthLuma : bitDepthChroma }
}
