// SPDX-License-Identifier: GPL-2.0-or-later
import VeilCore
import VeilEntropy

/// Edges and boundary strengths (8.7.2.3 to 8.7.2.5), derived CU by CU as soon as the CU's motion is known.
package struct BoundaryStrength {
    let maps: PictureMaps
    let motion: MutableBufferView<MotionInfo>
    let motionStride: Int
    let referenceIds: MutableBufferView<Int>
    let ctbMask: Int
    /// Whether the CTB's own left and top edge lie inside its slice and tile. Between slices and tiles, which may be
    /// decoded at the same time, ``OuterEdges`` takes over.
    let filterLeft: Bool
    let filterTop: Bool

    /// To be made once per CTU, after its `CTBRecord` was filled.
    package init(slice: SliceContext, picture: PictureReconstruction, ctbAddrRs rs: Int) {
        maps = picture.maps
        motion = picture.picture.motion.blocks
        motionStride = picture.picture.motion.width4
        referenceIds = slice.referenceIds.view
        ctbMask = (1 << slice.log2CtbSize) - 1
        let neighbours = slice.neighbours(ofCtb: rs)
        filterLeft = neighbours.hasLeft
        filterTop = neighbours.hasUp
    }

    /// Edges of an intra CU: every transform edge on the 8x8 grid has strength 2.
    @inline(__always)
    package func markIntra(x: Int, y: Int, size: Int) {
        let cells = size &>> 3
        let at = maps.edges + ((y &>> 3) &* maps.width8 &+ (x &>> 3)) &* 4
        if x & 7 == 0 && (x & ctbMask != 0 || filterLeft) {
            if size == 4 {
                at[(y &>> 2) & 1] = 2
            } else {
                for i in 0..<cells {
                    at[i &* maps.width8 &* 4] = 2
                    at[i &* maps.width8 &* 4 &+ 1] = 2
                }
            }
        }
        if y & 7 == 0 && (y & ctbMask != 0 || filterTop) {
            if size == 4 {
                at[2 &+ ((x &>> 2) & 1)] = 2
            } else {
                for i in 0..<cells {
                    at[i &* 4 &+ 2] = 2
                    at[i &* 4 &+ 3] = 2
                }
            }
        }
    }

    /// Left and top edge of a transform block (or of a CU without any) of an inter CU. The CU's motion is stored
    /// already, its `cbfLuma` as far as this block.
    @inline(__always)
    package func markInter(x: Int, y: Int, size: Int, cbf: Bool) {
        let segments = size &>> 2
        if x & 7 == 0 && (x & ctbMask != 0 || filterLeft) { left(x, y, segments, cbf) }
        if y & 7 == 0 && (y & ctbMask != 0 || filterTop) { top(x, y, segments, cbf) }
    }

    @inline(__always)
    private func left(_ x: Int, _ y: Int, _ segments: Int, _ cbf: Bool) {
        let width8 = maps.width8
        let width4 = maps.width4
        var segment = 0
        while segment < segments {
            let ys = y &+ segment &* 4
            let cell = (ys &>> 3) &* width8 &+ (x &>> 3)
            let block = (ys &>> 2) &* width4 &+ (x &>> 2)
            var strength: UInt8
            if maps.cuFlags[cell &- 1] & PictureMaps.intra != 0 {
                strength = 2
            } else if cbf || maps.cbfLuma[block &- 1] != 0 {
                strength = 1
            } else {
                let q = motion + ((ys &>> 2) &* motionStride &+ (x &>> 2))
                strength = Self.compare(q - 1, referenceIds, q, referenceIds)
            }
            maps.edges[cell &* 4 &+ (segment & 1 ^ ((y &>> 2) & 1))] = strength
            segment &+= 1
        }
    }

    @inline(__always)
    private func top(_ x: Int, _ y: Int, _ segments: Int, _ cbf: Bool) {
        let width8 = maps.width8
        let width4 = maps.width4
        var segment = 0
        while segment < segments {
            let xs = x &+ segment &* 4
            let cell = (y &>> 3) &* width8 &+ (xs &>> 3)
            let block = (y &>> 2) &* width4 &+ (xs &>> 2)
            var strength: UInt8
            if maps.cuFlags[cell &- width8] & PictureMaps.intra != 0 {
                strength = 2
            } else if cbf || maps.cbfLuma[block &- width4] != 0 {
                strength = 1
            } else {
                let q = motion + ((y &>> 2) &* motionStride &+ (xs &>> 2))
                strength = Self.compare(q - motionStride, referenceIds, q, referenceIds)
            }
            maps.edges[cell &* 4 &+ 2 &+ (segment & 1 ^ ((x &>> 2) & 1))] = strength
            segment &+= 1
        }
    }

    /// Prediction edges inside a CU, on the 8x8 grid: strength 1 where the motion differs and no transform edge
    /// already has it.
    package func markPartitions(x: Int, y: Int, size: Int, partMode: PartMode) {
        let quarter = size &>> 2
        switch partMode {
        case .part2Nx2N: break
        case .part2NxN: horizontalPartition(x, y &+ 2 &* quarter, size)
        case .part2NxnU: horizontalPartition(x, y &+ quarter, size)
        case .part2NxnD: horizontalPartition(x, y &+ 3 &* quarter, size)
        case .partNx2N: verticalPartition(x &+ 2 &* quarter, y, size)
        case .partnLx2N: verticalPartition(x &+ quarter, y, size)
        case .partnRx2N: verticalPartition(x &+ 3 &* quarter, y, size)
        case .partNxN:
            horizontalPartition(x, y &+ 2 &* quarter, size)
            verticalPartition(x &+ 2 &* quarter, y, size)
        }
    }

    private func verticalPartition(_ x: Int, _ y: Int, _ size: Int) {
        if x & 7 != 0 { return }
        for segment in 0..<size &>> 2 {
            let at = maps.edges + (((y &>> 3) &+ (segment &>> 1)) &* maps.width8 &+ (x &>> 3)) &* 4 + (segment & 1)
            if at[0] == 0 {
                let q = motion + (((y &>> 2) &+ segment) &* motionStride &+ (x &>> 2))
                at[0] = Self.compare(q - 1, referenceIds, q, referenceIds)
            }
        }
    }

    private func horizontalPartition(_ x: Int, _ y: Int, _ size: Int) {
        if y & 7 != 0 { return }
        for segment in 0..<size &>> 2 {
            let at = maps.edges + ((y &>> 3) &* maps.width8 &+ (x &>> 3) &+ (segment &>> 1)) &* 4 + (2 &+ (segment & 1))
            if at[0] == 0 {
                let q = motion + ((y &>> 2) &* motionStride &+ (x &>> 2) &+ segment)
                at[0] = Self.compare(q - motionStride, referenceIds, q, referenceIds)
            }
        }
    }

    /// 1 when the two inter blocks use different reference pictures, a different number of vectors, or vectors that
    /// differ by a whole luma sample or more in a component; else 0.
    @inline(__always)
    static func compare(
        _ p: MutableBufferView<MotionInfo>, _ pIds: MutableBufferView<Int>, _ q: MutableBufferView<MotionInfo>,
        _ qIds: MutableBufferView<Int>
    ) -> UInt8 {
        // Most neighbours share one motion: compare it as words first.
        let a = UnsafeRawPointer(p.pointer(for: 1))
        let b = UnsafeRawPointer(q.pointer(for: 1))
        if a.loadUnaligned(as: UInt64.self) == b.loadUnaligned(as: UInt64.self)
            && a.loadUnaligned(fromByteOffset: 8, as: UInt16.self)
                == b.loadUnaligned(fromByteOffset: 8, as: UInt16.self)
            && pIds == qIds
        {
            return 0
        }
        return differ(p.pointee, pIds, q.pointee, qIds) ? 1 : 0
    }

    private static func differ(
        _ a: MotionInfo, _ pIds: MutableBufferView<Int>, _ b: MotionInfo, _ qIds: MutableBufferView<Int>
    ) -> Bool {
        let aBoth = a.refIdx0 >= 0 && a.refIdx1 >= 0
        let bBoth = b.refIdx0 >= 0 && b.refIdx1 >= 0
        if aBoth != bBoth { return true }
        if !aBoth {
            let aFirst = a.refIdx0 >= 0
            let bFirst = b.refIdx0 >= 0
            let aId = pIds[aFirst ? Int(a.refIdx0) & 15 : 16 &+ (Int(a.refIdx1) & 15)]
            let bId = qIds[bFirst ? Int(b.refIdx0) & 15 : 16 &+ (Int(b.refIdx1) & 15)]
            return aId != bId || far(aFirst ? a.mv0 : a.mv1, bFirst ? b.mv0 : b.mv1)
        }
        let a0 = pIds[Int(a.refIdx0) & 15]
        let a1 = pIds[16 &+ (Int(a.refIdx1) & 15)]
        let b0 = qIds[Int(b.refIdx0) & 15]
        let b1 = qIds[16 &+ (Int(b.refIdx1) & 15)]
        if a0 != a1 {
            if a0 == b0 && a1 == b1 { return far(a.mv0, b.mv0) || far(a.mv1, b.mv1) }
            if a0 == b1 && a1 == b0 { return far(a.mv0, b.mv1) || far(a.mv1, b.mv0) }
            return true
        }
        if b0 != a0 || b1 != a0 { return true }
        return (far(a.mv0, b.mv0) || far(a.mv1, b.mv1)) && (far(a.mv0, b.mv1) || far(a.mv1, b.mv0))
    }

    @inline(__always)
    private static func far(_ a: MotionVector, _ b: MotionVector) -> Bool {
        abs(Int32(a.x) &- Int32(b.x)) >= 4 || abs(Int32(a.y) &- Int32(b.y)) >= 4
    }
}
