// SPDX-License-Identifier: GPL-2.0-or-later
import VeilBitstream
import VeilCore
import VeilEntropy

/// What a slice's reconstruction reads from its SPS, PPS and header beyond what its syntax needs, by the names of their
/// syntax elements and variables.
///
/// The defaults are those of a plain intra slice, so that tests and an encoder set only what differs.
package struct SliceConstants {
    /// What the syntax needs of the same sets and header.
    package var parameters: SliceParameters
    // SPS
    package var strongIntraSmoothingEnabledFlag = false
    package var pcmLoopFilterDisabledFlag = false
    package var scalingFactors: ScalingFactors?
    package var rangeExtension = SequenceParameterSet.RangeExtension()
    // PPS
    package var ppsRangeExtension = PictureParameterSet.RangeExtension()
    package var constrainedIntraPredFlag = false
    package var log2ParMrgLevel = 2
    package var loopFilterAcrossTilesEnabledFlag = true
    // Slice header
    /// pps_cb_qp_offset + slice_cb_qp_offset, and the same for Cr.
    package var cbQpOffset = 0
    package var crQpOffset = 0
    /// pps_cb_qp_offset and pps_cr_qp_offset alone: what deblocking uses.
    package var ppsCbQpOffset = 0
    package var ppsCrQpOffset = 0
    package var sliceDeblockingFilterDisabledFlag = false
    package var sliceBetaOffsetDiv2 = 0
    package var sliceTcOffsetDiv2 = 0
    package var sliceLoopFilterAcrossSlicesEnabledFlag = true
    package var sliceTemporalMvpEnabledFlag = false
    package var collocatedFromL0Flag = true
    package var collocatedRefIdx = 0
    /// Explicit weighted prediction applies: weighted_pred_flag in P slices, weighted_bipred_flag in B slices.
    package var weightedPredFlag = false
    package var lumaLog2WeightDenom = 0
    package var chromaLog2WeightDenom = 0

    package init(_ parameters: SliceParameters) { self.parameters = parameters }
}

/// One entry of a reference picture list, flattened for the hot loops.
package struct ReferenceEntry {
    /// Y, Cb, Cr of the reference. The slice context keeps the picture alive. First of all, for `planes(of:)`.
    package var planes: (Plane, Plane, Plane)
    package var picture: Unmanaged<CodedPicture>
    /// Equal for two entries exactly when they are the same picture: deblocking compares pictures, not indices.
    package var pictureId: Int
    package var poc: Int32
    package var isLongTerm: Bool
    package var isInterLayer: Bool

    /// The planes of an entry where they are: whole ones are larger than what a block needs to know of them.
    @inline(__always)
    static func planes(of entry: MutableBufferView<Self>) -> BufferView<Plane> {
        BufferView(UnsafeRawPointer(entry.pointer(for: 1)).assumingMemoryBound(to: Plane.self), count: 3)
    }
}

/// Weight and offset of one component of one reference (7.4.7.3): the offset already shifted to the bit depth.
package struct PredictionWeight: Equatable, Sendable {
    package var weight: Int16
    package var offset: Int16
    @inlinable package init(weight: Int16, offset: Int16) {
        self.weight = weight
        self.offset = offset
    }

    /// The weight of a reference that has none of its own.
    @inline(__always)
    func isOne(_ log2WeightDenom: Int32) -> Bool { offset == 0 && Int32(weight) == 1 &<< log2WeightDenom }
}

/// One slice, prepared for reconstruction: its constants, its references and weights as flat tables.
/// Immutable, hence shared by all workers. A slice and its dependent slice segments have one context.
package final class SliceContext: @unchecked Sendable {
    package let constants: SliceConstants
    package let grid: CTBGrid
    /// Index of the slice within its picture, 0 for the first; also the index into `MotionField.slices`.
    package let sliceIndex: Int
    package let currPoc: Int32
    /// RefPicList0 and 1, `num_ref_idx_active` entries each; nil where a picture was missing or of another format.
    package let refPicList: ([CodedPicture?], [CodedPicture?])
    package let numRefIdxActive: (Int, Int)
    /// Entry list * 16 + refIdx; every one of the 32 is valid: missing and out-of-range ones repeat the first
    /// reference present. Nil in slices without any reference.
    package let references: MutableBufferView<ReferenceEntry>?
    private let referenceTable: Buffer<ReferenceEntry>
    /// `pictureId` of every entry of `references`; zeros without references.
    package let referenceIds: Buffer<Int>
    /// Entry (list * 16 + refIdx) * 3 + cIdx; nil unless `weightedPredFlag`.
    package let weights: MutableBufferView<PredictionWeight>?
    private let weightTable: Buffer<PredictionWeight>
    package let collocatedPicture: CodedPicture?
    /// Whether no reference has a POC beyond the current picture's: NoBackwardPredFlag of 8.5.3.2.8 (all
    /// DiffPicOrderCnt <= 0).
    package let noBackwardPredFlag: Bool

    package let sliceAddrTs: Int

    // Under the names of reconstruction.
    package var parameters: SliceParameters { constants.parameters }
    package var sliceType: SliceType { constants.parameters.sliceType }
    package var sliceQpY: Int { constants.parameters.sliceQpY }
    package var bitDepthLuma: Int { constants.parameters.bitDepthY }
    package var bitDepthChroma: Int { constants.parameters.bitDepthC }
    package var log2CtbSize: Int { grid.log2CtbSize }
    package var width: Int { grid.width }
    package var height: Int { grid.height }
    package var widthInCtbs: Int { grid.widthInCtbs }
    package var sliceAddrRs: Int { constants.parameters.sliceAddrRs }
    package var log2ParMrgLevel: Int { constants.log2ParMrgLevel }
    package var maxNumMergeCand: Int { constants.parameters.maxNumMergeCand }
    package var weightedPredFlag: Bool { constants.weightedPredFlag }
    /// `ScalingFactors.tables`, nil when scaling is flat.
    package var scalingTables: BufferView<UInt8>? { constants.scalingFactors?.tables }

    /// - Parameters:
    ///   - refPicList: `num_ref_idx_active` entries each; nil where a picture is missing (the decoder should give a
    ///     substitute). Pictures of another size or depth than the slice's are taken as missing.
    ///   - isLongTerm, isInterLayer: marking of each entry; missing entries mean false.
    ///   - weights: per list, per refIdx: Y, Cb, Cr; used when `constants.weightedPredFlag`.
    package init(
        constants: SliceConstants,
        sliceIndex: Int = 0,
        currPoc: Int32 = 0,
        refPicList: ([CodedPicture?], [CodedPicture?]) = ([], []),
        isLongTerm: ([Bool], [Bool]) = ([], []),
        isInterLayer: ([Bool], [Bool]) = ([], []),
        weights: ([[PredictionWeight]], [[PredictionWeight]]) = ([], [])
    ) {
        self.constants = constants
        let parameters = constants.parameters
        grid = parameters.grid
        self.sliceIndex = sliceIndex
        self.currPoc = currPoc
        // A picture of another size or depth is none: its samples and motion are looked up by the places of this one.
        let format = PictureFormat(
            width: grid.width, height: grid.height, bitDepthLuma: parameters.bitDepthY,
            bitDepthChroma: parameters.bitDepthC, chromaFormat: parameters.chromaFormat)
        func fitting(_ list: [CodedPicture?]) -> [CodedPicture?] {
            list.map { $0?.frame.format == format ? $0 : nil }
        }
        let refPicList = (fitting(refPicList.0), fitting(refPicList.1))
        self.refPicList = refPicList
        numRefIdxActive = (min(refPicList.0.count, 16), min(refPicList.1.count, 16))
        sliceAddrTs = Int(grid.ctbAddrRsToTs[min(max(parameters.sliceAddrRs, 0), grid.count - 1)])

        let lists = [refPicList.0, refPicList.1]
        let longTerm = [isLongTerm.0, isLongTerm.1]
        let interLayer = [isInterLayer.0, isInterLayer.1]
        let present = lists[0].compactMap { $0 }.first ?? lists[1].compactMap { $0 }.first
        var noBackward = true
        if let present {
            let fallbacks = lists.map { $0.compactMap { $0 }.first ?? present }
            referenceTable = Buffer(count: 32) { at in
                let (list, i) = (at / 16, at % 16)
                let own = i < lists[list].count ? lists[list][i] : nil
                let picture = own ?? fallbacks[list]
                if own != nil && picture.referencePoc > currPoc { noBackward = false }
                return ReferenceEntry(
                    planes: picture.frame.planes, picture: Unmanaged.passUnretained(picture),
                    pictureId: Int(bitPattern: ObjectIdentifier(picture)), poc: picture.referencePoc,
                    isLongTerm: i < longTerm[list].count && longTerm[list][i],
                    isInterLayer: i < interLayer[list].count && interLayer[list][i])
            }
            references = referenceTable.view
        } else {
            referenceTable = Buffer(count: 0) { _ in fatalError("an entry of an empty list") }
            references = nil
        }
        noBackwardPredFlag = noBackward
        let entries = references
        referenceIds = Buffer(count: 32) { entries?[$0].pictureId ?? 0 }

        if constants.weightedPredFlag {
            let lumaDefault = PredictionWeight(weight: Int16(1 << constants.lumaLog2WeightDenom), offset: 0)
            let chromaDefault = PredictionWeight(weight: Int16(1 << constants.chromaLog2WeightDenom), offset: 0)
            let given = [weights.0, weights.1]
            weightTable = Buffer(count: 96) { at in
                let (list, i, c) = (at / 48, at / 3 % 16, at % 3)
                let own = i < given[list].count && c < given[list][i].count
                return own ? given[list][i][c] : c == 0 ? lumaDefault : chromaDefault
            }
            self.weights = weightTable.view
        } else {
            weightTable = Buffer(repeating: PredictionWeight(weight: 0, offset: 0), count: 0)
            self.weights = nil
        }

        if constants.sliceTemporalMvpEnabledFlag {
            let list = parameters.sliceType == .b && !constants.collocatedFromL0Flag ? refPicList.1 : refPicList.0
            collocatedPicture =
                list.indices.contains(constants.collocatedRefIdx) ? list[constants.collocatedRefIdx] : nil
        } else {
            collocatedPicture = nil
        }
    }

    /// What `MotionField.slices` is to hold for this slice.
    package var motionReferences: MotionField.SliceReferences {
        var poc: ([Int32], [Int32]) = ([], [])
        var longTerm: ([Bool], [Bool]) = ([], [])
        if let references {
            for i in 0..<numRefIdxActive.0 {
                poc.0.append(references[i].poc)
                longTerm.0.append(references[i].isLongTerm)
            }
            for i in 0..<numRefIdxActive.1 {
                poc.1.append(references[16 + i].poc)
                longTerm.1.append(references[16 + i].isLongTerm)
            }
        }
        return .init(poc: poc, isLongTerm: longTerm)
    }

    /// Which neighbouring CTBs are available (6.4.1) to the blocks of the CTB at raster address `rs`: in the picture,
    /// in the same tile and in the same slice. Blocks of one CTB are available to each other in z-scan order
    /// (``ZScan``).
    @inline(__always)
    package func neighbours(ofCtb rs: Int) -> CTBNeighbours {
        var n = grid.sameTile[rs]
        let toTs = grid.ctbAddrRsToTs.view
        let first = sliceAddrTs
        // Whatever precedes the CTB in tile scan is in its slice from the slice's first CTB on.
        if n.hasLeft && Int(toTs[rs &- 1]) < first { n.bits &= ~CTBNeighbours.left }
        if n.hasUp && Int(toTs[rs &- widthInCtbs]) < first { n.bits &= ~CTBNeighbours.up }
        if n.hasUpRight && Int(toTs[rs &- widthInCtbs &+ 1]) < first { n.bits &= ~CTBNeighbours.upRight }
        if n.hasUpLeft && Int(toTs[rs &- widthInCtbs &- 1]) < first { n.bits &= ~CTBNeighbours.upLeft }
        return n
    }
}
