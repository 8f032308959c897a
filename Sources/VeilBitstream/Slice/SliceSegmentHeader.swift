// SPDX-License-Identifier: GPL-2.0-or-later

/// slice_type (Table 7-7).
package enum SliceType: Int, Sendable {
    case b = 0
    case p = 1
    case i = 2
}

/// One entry of pred_weight_table() (7.3.6.3): flags resolved, offsets as derived (in units of 8-bit samples).
package struct PredWeight: Equatable, Sendable {
    package var lumaWeightFlag = false
    package var chromaWeightFlag = false
    /// LumaWeightLX and luma_offset_lX.
    package var luma = (weight: 0, offset: 0)
    /// ChromaWeightLX and ChromaOffsetLX of Cb and Cr.
    package var chroma = ((weight: 0, offset: 0), (weight: 0, offset: 0))
    package init() {}
    package static func == (a: Self, b: Self) -> Bool {
        a.lumaWeightFlag == b.lumaWeightFlag && a.chromaWeightFlag == b.chromaWeightFlag && a.luma == b.luma
            && a.chroma.0 == b.chroma.0 && a.chroma.1 == b.chroma.1
    }
}

/// A long-term picture of a slice header (7.4.7.1).
package struct LongTermRefPic: Equatable, Sendable {
    package var pocLsbLt = 0
    package var usedByCurrPicLt = false
    package var deltaPocMsbPresentFlag = false
    /// DeltaPocMsbCycleLt.
    package var deltaPocMsbCycleLt = 0
    package init() {}
}

/// slice_segment_header() (7.3.6.1, F.7.3.6.1). A dependent slice segment's header has the fields of its slice.
package struct SliceSegmentHeader: Sendable {
    package var nalUnitType = NALUnitType.trailR
    package var nuhLayerId = 0
    package var temporalId = 0
    package var firstSliceSegmentInPicFlag = true
    package var noOutputOfPriorPicsFlag = false
    package var slicePicParameterSetId = 0
    package var dependentSliceSegmentFlag = false
    package var sliceSegmentAddress = 0
    /// SliceAddrRs: slice_segment_address of the slice's independent segment.
    package var sliceAddrRs = 0
    package var discardableFlag = false
    package var crossLayerBlaFlag = false
    package var sliceType = SliceType.i
    package var picOutputFlag = true
    package var slicePicOrderCntLsb = 0
    package var shortTermRefPicSetSpsFlag = false
    package var shortTermRefPicSetIdx = 0
    package var shortTermRefPicSet = ShortTermRefPicSet()
    package var longTermRefPics: [LongTermRefPic] = []
    package var sliceTemporalMvpEnabledFlag = false
    package var interLayerPredEnabledFlag = false
    /// RefPicLayerId: nuh_layer_id of every active inter-layer reference picture.
    package var refPicLayerId: [Int] = []
    package var sliceSaoLumaFlag = false
    package var sliceSaoChromaFlag = false
    /// num_ref_idx_lX_active_minus1 + 1, 0 where a list is not used.
    package var numRefIdxActive = (0, 0)
    /// list_entry_lX when a list is modified.
    package var listEntryL0: [Int]?
    package var listEntryL1: [Int]?
    package var mvdL1ZeroFlag = false
    package var cabacInitFlag = false
    package var collocatedFromL0Flag = true
    package var collocatedRefIdx = 0
    package var lumaLog2WeightDenom = 0
    package var chromaLog2WeightDenom = 0
    package var predWeights: ([PredWeight], [PredWeight])?
    package var maxNumMergeCand = 5
    package var sliceQpDelta = 0
    package var sliceCbQpOffset = 0
    package var sliceCrQpOffset = 0
    package var cuChromaQpOffsetEnabledFlag = false
    package var deblockingFilterOverrideFlag = false
    package var sliceDeblockingFilterDisabledFlag = false
    package var sliceBetaOffsetDiv2 = 0
    package var sliceTcOffsetDiv2 = 0
    package var sliceLoopFilterAcrossSlicesEnabledFlag = false
    package var offsetLenMinus1 = 0
    /// entry_point_offset_minus1 + 1, in bytes with emulation prevention.
    package var entryPointOffsets: [Int] = []
    package var pocResetIdc = 0
    package var pocResetPeriodId = 0
    package var fullPocResetFlag = false
    package var pocLsbVal = 0
    package var pocMsbCycleVal: Int?

    /// Bit position of num_entry_point_offsets (or, without entry points, where it would stand), of what follows
    /// them, and the length of the header with its byte_alignment() in bytes; all in the RBSP.
    package var entryPointsPosition = 0
    package var afterEntryPointsPosition = 0
    package var byteCount = 0

    package init() {}

    /// NumPicTotalCurr (F.7.4.7.1).
    package var numPicTotalCurr: Int {
        shortTermRefPicSet.s0.filter(\.used).count + shortTermRefPicSet.s1.filter(\.used).count
            + longTermRefPics.filter(\.usedByCurrPicLt).count + refPicLayerId.count
    }

    /// Where a reference picture list entry comes from.
    package enum ReferenceSource: Equatable, Sendable {
        /// Index into RefPicSetStCurrBefore, StCurrAfter, LtCurr, or the active inter-layer pictures.
        case stCurrBefore(Int)
        case stCurrAfter(Int)
        case ltCurr(Int)
        case interLayer(Int)

        /// Marked "used for long-term reference" while the current picture is decoded.
        package var isLongTerm: Bool {
            switch self {
            case .ltCurr, .interLayer: return true
            default: return false
            }
        }

        package var isInterLayer: Bool {
            if case .interLayer = self { return true }
            return false
        }
    }

    /// RefPicList0 or 1 (8.3.4, F.8.3.4), by source.
    package func refPicList(_ list: Int) -> [ReferenceSource] {
        let count = list == 0 ? numRefIdxActive.0 : numRefIdxActive.1
        let before = (0..<shortTermRefPicSet.s0.filter(\.used).count).map(ReferenceSource.stCurrBefore)
        let after = (0..<shortTermRefPicSet.s1.filter(\.used).count).map(ReferenceSource.stCurrAfter)
        let longTerm = (0..<longTermRefPics.filter(\.usedByCurrPicLt).count).map(ReferenceSource.ltCurr)
        let interLayer = refPicLayerId.indices.map(ReferenceSource.interLayer)
        let initial = list == 0 ? before + interLayer + after + longTerm : after + before + longTerm + interLayer
        guard !initial.isEmpty, count > 0 else { return [] }
        if let entries = list == 0 ? listEntryL0 : listEntryL1 {
            return entries.prefix(count).map { initial[$0 % initial.count] }
        }
        return (0..<count).map { initial[$0 % initial.count] }
    }
}
