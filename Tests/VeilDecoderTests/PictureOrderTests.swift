// SPDX-License-Identifier: GPL-2.0-or-later
import Testing
import VeilBitstream
import VeilCore
import VeilRecon

@testable import VeilDecoder

private func entry(_ poc: Int32, output: Bool = false) -> DPBEntry {
    let picture = CodedPicture(
        frame: FrameBuffer(width: 16, height: 16, bitDepthLuma: 8, bitDepthChroma: 8),
        motion: MotionField(width: 16, height: 16, ctbLog2Size: 4))
    picture.poc = poc
    return DPBEntry(
        picture: picture, poc: poc, neededForOutput: output, isGenerated: false, temporalId: 0, output: OutputInfo())
}

/// Picture order counts and reference picture sets (8.3.1, 8.3.2).
@Suite struct PictureOrderTests {
    /// LSBs run over in both directions around the previous picture's.
    @Test func orderCountFollowsTheLSBs() {
        var h = SliceSegmentHeader()
        func count(_ lsb: Int, after previous: Int32, resets: Bool = false) -> Int32 {
            var order = PictureOrderCount(previous: previous)
            h.slicePicOrderCntLsb = lsb
            return order.next(h, log2MaxLsb: 4, restarts: resets).poc
        }
        #expect(count(5, after: 3) == 5)
        #expect(count(1, after: 14) == 17)
        #expect(count(14, after: 17) == 14)
        #expect(count(8, after: 16) == 24)
        #expect(count(9, after: 16) == 9)
        #expect(count(15, after: -1) == -1)
        #expect(count(0, after: -1) == 0)
        #expect(count(7, after: 100, resets: true) == 7)
    }

    /// Pictures the RPS leaves out are given up; long-term ones are found by LSBs or whole counts and stay long-term.
    @Test func referenceSetsMarkTheBuffer() {
        let layer = LayerState(layerId: 0)
        for poc in [0, 4, 8, 12, 15] as [Int32] { layer.dpb.insert(entry(poc)) }
        var h = SliceSegmentHeader()
        h.nalUnitType = .trailR
        h.shortTermRefPicSet.s0 = [(deltaPoc: -4, used: true), (deltaPoc: -8, used: false), (deltaPoc: -9, used: true)]
        var byLsb = LongTermRefPic()
        byLsb.pocLsbLt = 4
        byLsb.usedByCurrPicLt = true
        var whole = LongTermRefPic()
        whole.pocLsbLt = 0
        whole.deltaPocMsbPresentFlag = true
        whole.deltaPocMsbCycleLt = 1
        whole.usedByCurrPicLt = true
        h.longTermRefPics = [byLsb, whole]
        let sets = layer.referenceSets(h, poc: 16, log2MaxLsb: 4)
        #expect(sets.stCurrBefore.map(\.poc) == [12, 7])
        #expect(sets.stCurrBefore[0].entry?.poc == 12)
        #expect(sets.stCurrBefore[1].entry == nil, "POC 7 is missing")
        #expect(sets.ltCurr.map { $0.entry?.poc } == [4, 0])
        #expect(layer.dpb.entries.map(\.marking) == [.longTerm, .longTerm, .shortTerm, .shortTerm, .unused])
        // A long-term picture never serves as a short-term one again.
        h.longTermRefPics = []
        h.shortTermRefPicSet.s0 = [(deltaPoc: -13, used: true)]
        #expect(layer.referenceSets(h, poc: 17, log2MaxLsb: 4).stCurrBefore[0].entry == nil)
        #expect(layer.dpb.entries.allSatisfy { $0.marking == .unused })
    }

    /// Initial lists (8.3.4, F.8.3.4): inter-layer pictures after those before in list 0, at the end of list 1.
    @Test func initialListsHoldInterLayerPicturesWhereTheyBelong() {
        var h = SliceSegmentHeader()
        h.sliceType = .b
        h.shortTermRefPicSet.s0 = [(deltaPoc: -1, used: true), (deltaPoc: -2, used: true)]
        h.shortTermRefPicSet.s1 = [(deltaPoc: 1, used: true)]
        h.refPicLayerId = [0]
        var long = LongTermRefPic()
        long.usedByCurrPicLt = true
        h.longTermRefPics = [long]
        h.numRefIdxActive = (6, 5)
        func names(_ list: Int) -> [String] {
            h.refPicList(list).map {
                switch $0 {
                case .stCurrBefore(let i): return "b\(i)"
                case .stCurrAfter(let i): return "a\(i)"
                case .ltCurr(let i): return "l\(i)"
                case .interLayer(let i): return "i\(i)"
                }
            }
        }
        #expect(names(0) == ["b0", "b1", "i0", "a0", "l0", "b0"])
        #expect(names(1) == ["a0", "b0", "b1", "l0", "i0"])
        h.listEntryL0 = [4, 2, 0, 1, 1, 3]
        #expect(names(0) == ["l0", "i0", "b0", "b1", "b1", "a0"])
    }
}

/// Output order (C.5.2).
@Suite struct OutputOrderTests {
    @Test func picturesLeaveInOrderOfPOC() {
        var dpb = DecodedPictureBuffer()
        dpb.maxNumReorderPics = 2
        dpb.maxDecPicBuffering = 5
        var output: [Int32] = []
        for poc in [0, 8, 4, 2, 6] as [Int32] {
            output += dpb.bumpBeforeDecoding().map(\.poc)
            dpb.insert(entry(poc, output: true))
            output += dpb.bumpAfterDecoding().map(\.poc)
        }
        #expect(output == [0, 2, 4])
        output += dpb.flush().map(\.poc)
        #expect(output == [0, 2, 4, 6, 8])
    }

    /// A full buffer puts pictures out before the current one is decoded.
    @Test func fullBufferIsEmptied() {
        var dpb = DecodedPictureBuffer()
        dpb.maxNumReorderPics = 4
        dpb.maxDecPicBuffering = 2
        for poc in [5, 3] as [Int32] { dpb.insert(entry(poc, output: true)) }
        for entry in dpb.entries { entry.marking = .unused }
        #expect(dpb.bumpBeforeDecoding().map(\.poc) == [3])
        #expect(dpb.entries.map(\.poc) == [5])
    }

    /// POC resetting (F.8.3.1), with four bits of LSB.
    @Test func countsAreReset() {
        func header(
            _ lsb: Int, reset: Int = 0, period: Int = 0, lsbVal: Int = 0, full: Bool = false
        ) -> SliceSegmentHeader {
            var h = SliceSegmentHeader()
            h.slicePicOrderCntLsb = lsb
            h.pocResetIdc = reset
            h.pocResetPeriodId = period
            h.pocLsbVal = lsbVal
            h.fullPocResetFlag = full
            return h
        }
        func run(_ headers: [SliceSegmentHeader]) -> [[Int32]] {
            var order = PictureOrderCount()
            return headers.enumerated().map { i, h in
                let (poc, decrement) = order.next(h, log2MaxLsb: 4, restarts: i == 0)
                order.remember(h, poc: poc)
                return [poc, decrement]
            }
        }
        let start = [header(0), header(7), header(13)]
        let counts: [[Int32]] = [[0, 0], [7, 0], [13, 0]]
        // At 24 only the MSBs, then all bits are taken off.
        #expect(run(start + [header(4), header(8, reset: 1, period: 1)]) == counts + [[20, 0], [8, 16]])
        #expect(
            run(start + [header(4), header(8, reset: 2, period: 1), header(3)]) == counts + [
                [20, 0], [0, 24], [3, 0],
            ])
        // The picture that began the period was lost; its LSBs are told. A second picture of the period resets nothing.
        let full = [
            header(2, reset: 3, period: 1, lsbVal: 14, full: true),
            header(4, reset: 3, period: 1, lsbVal: 14, full: true),
        ]
        #expect(run(start + full) == counts + [[2, 14], [4, 0]])
        #expect(
            run(start + [header(4), header(12, reset: 3, period: 1, lsbVal: 8)]) == counts + [[20, 0], [12, 16]])
    }
}
