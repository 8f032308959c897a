// SPDX-License-Identifier: GPL-2.0-or-later
import Testing

@testable import VeilBitstream
@testable import VeilEncoder

@Suite("Hierarchy of an enhancement layer's pictures")
struct PictureHierarchyTests {
    private func header(
        _ type: NALUnitType, _ slice: SliceType, before: [Int] = [], after: [Int] = []
    ) -> SliceSegmentHeader {
        var header = SliceSegmentHeader()
        header.nalUnitType = type
        header.sliceType = slice
        header.shortTermRefPicSet.s0 = before.map { ($0, true) }
        header.shortTermRefPicSet.s1 = after.map { ($0, true) }
        return header
    }

    private func position(_ poc: Int32, irap: Int32 = 0) -> PicturePosition {
        PicturePosition(poc: poc, period: 0, periodPoc: irap)
    }

    @Test("In a row of P pictures every fourth is a key picture, which the next four refer to")
    func rowsHaveKeyPictures() {
        var hierarchy = PictureHierarchy(isOn: true)
        #expect(hierarchy.place(header(.idrWRADL, .i), position(0)).key == nil)
        var offsets: [Double] = []
        var keys: [Int32?] = []
        for poc in 1...9 {
            let place = hierarchy.place(header(.trailR, .p, before: [-1, -2, -3]), position(Int32(poc)))
            offsets.append(place.qpOffset)
            keys.append(place.key)
        }
        #expect(offsets == [2, 1, 2, -1, 2, 1, 2, -1, 2])
        #expect(keys == [0, 0, 0, 0, 4, 4, 4, 4, 8])
    }

    @Test("Pyramids keep the base layer's references, and rows begin anew after them")
    func pyramidsKeepTheirReferences() {
        var hierarchy = PictureHierarchy(isOn: true)
        _ = hierarchy.place(header(.idrWRADL, .i), position(0))
        let pyramid = [
            hierarchy.place(header(.trailR, .p, before: [-4]), position(4)),
            hierarchy.place(header(.trailR, .b, before: [-2], after: [2]), position(2)),
            hierarchy.place(header(.trailN, .b, before: [-1], after: [1, 3]), position(1)),
            hierarchy.place(header(.trailN, .b, before: [-1], after: [1]), position(3)),
        ]
        #expect(pyramid.map(\.qpOffset) == [-1, 1, 2, 2])
        #expect(pyramid.allSatisfy { $0.key == nil })
        let next = hierarchy.place(header(.trailR, .p, before: [-1, -5]), position(5))
        #expect(next.key == 4)
        #expect(next.qpOffset == 2)
        // Leading pictures of a CRA picture refer to what the base layer's do.
        _ = hierarchy.place(header(.cra, .i), position(12, irap: 12))
        #expect(hierarchy.place(header(.raslR, .p, before: [-1]), position(10, irap: 12)).key == nil)
        #expect(hierarchy.place(header(.trailR, .p, before: [-1]), position(13, irap: 12)).key == 12)
    }

    @Test("The third level of a pyramid of eight keeps close to the base layer's QPs, which are further apart there")
    func thirdLevel() {
        var hierarchy = PictureHierarchy(isOn: true)
        _ = hierarchy.place(header(.idrWRADL, .i), position(0))
        let pyramid = [
            hierarchy.place(header(.trailR, .p, before: [-8]), position(8)),
            hierarchy.place(header(.trailR, .b, before: [-4], after: [4]), position(4)),
            hierarchy.place(header(.trailR, .b, before: [-2], after: [2, 6]), position(2)),
            hierarchy.place(header(.trailN, .b, before: [-1], after: [1, 3, 7]), position(1)),
            hierarchy.place(header(.trailN, .b, before: [-1, -3], after: [1, 5]), position(3)),
            hierarchy.place(header(.trailR, .b, before: [-2, -4, -6], after: [2]), position(6)),
            hierarchy.place(header(.trailN, .b, before: [-1, -3], after: [1, 3]), position(5)),
            hierarchy.place(header(.trailN, .b, before: [-1, -3], after: [1]), position(7)),
            // The next group begins at the first level again.
            hierarchy.place(header(.trailR, .p, before: [-2]), position(10)),
            hierarchy.place(header(.trailN, .b, before: [-1], after: [1]), position(9)),
        ]
        #expect(pyramid.map(\.qpOffset) == [-1, 1, 1, 1, 1, 1, 1, 1, -1, 2])
        #expect(pyramid.allSatisfy { $0.neighbour == nil && !$0.isReferred })
    }

    @Test("B pictures that nothing in the base layer refers to are referred to by the next one beside them")
    func leastPicturesAreReferredTo() {
        var hierarchy = PictureHierarchy(isOn: true)
        _ = hierarchy.place(header(.idrWRADL, .i), position(0))
        let pyramid = [
            hierarchy.place(header(.trailR, .p, before: [-6]), position(6)),
            hierarchy.place(header(.trailR, .b, before: [-3], after: [3]), position(3)),
            hierarchy.place(header(.trailN, .b, before: [-1], after: [2, 5]), position(1)),
            hierarchy.place(header(.trailN, .b, before: [-2], after: [1, 4]), position(2)),
            hierarchy.place(header(.trailN, .b, before: [-1], after: [2]), position(4)),
            hierarchy.place(header(.trailN, .b, before: [-2], after: [1]), position(5)),
            hierarchy.place(header(.trailR, .p, before: [-1]), position(7)),
        ]
        #expect(pyramid.map(\.neighbour) == [nil, nil, nil, 1, nil, 4, nil])
        #expect(pyramid.map(\.hasSAO) == [true, true, false, false, false, false, true])
        #expect(pyramid.map(\.isReferred) == [false, false, true, false, true, false, false])
        #expect(
            NALUnitType.trailN.referred == .trailR && NALUnitType.raslN.referred == .raslR
                && NALUnitType.cra.referred == .cra)
    }

    @Test("Off leaves QPs and references to x265")
    func offFollowsTheBaseLayer() {
        var hierarchy = PictureHierarchy(isOn: false)
        _ = hierarchy.place(header(.idrWRADL, .i), position(0))
        for poc in 1...5 {
            let place = hierarchy.place(header(.trailR, .p, before: [-1]), position(Int32(poc)))
            #expect(place == GOPPosition())
        }
    }

    @Test("Bits weigh more where less depends on a picture, the more so at low rates")
    func lambdaGrows() {
        var place = GOPPosition()
        place.lambdaSlope = 0.6
        #expect(place.lambdaFactor(qp: 22) == 1)
        #expect(abs(place.lambdaFactor(qp: 37) - 1.6) < 1e-9)
        #expect(place.lambdaFactor(qp: 51) == place.lambdaFactor(qp: 50))
    }
}
