// SPDX-License-Identifier: GPL-2.0-or-later
import VeilCore
import VeilEntropy

/// A prediction block whose motion is being derived: its place, its coding block, and what surrounds it.
package struct MotionBlock {
    package var xCb: Int
    package var yCb: Int
    package var nCbS: Int
    package var xPb: Int
    package var yPb: Int
    package var nPbW: Int
    package var nPbH: Int
    package var partIdx: Int
    package var partMode: PartMode

    package init(
        xCb: Int, yCb: Int, nCbS: Int, xPb: Int, yPb: Int, nPbW: Int, nPbH: Int, partIdx: Int, partMode: PartMode
    ) {
        self.xCb = xCb
        self.yCb = yCb
        self.nCbS = nCbS
        self.xPb = xPb
        self.yPb = yPb
        self.nPbW = nPbW
        self.nPbH = nPbH
        self.partIdx = partIdx
        self.partMode = partMode
    }
}

/// Motion vector prediction (8.5.3.2) for the blocks of one CTB: neighbours, their availability, merge and AMVP
/// candidates.
///
/// A plain view over the slice's and the picture's tables, made once per CTB; used by decoder and encoder alike.
package struct MotionCandidates {
    let blocks: MutableBufferView<MotionInfo>
    let width4: Int
    let references: MutableBufferView<ReferenceEntry>
    let neighbours: CTBNeighbours
    let log2Ctb: Int
    let xCtb: Int
    let yCtb: Int
    let width: Int
    let height: Int
    let parMrgLevel: Int
    let maxNumMergeCand: Int
    let isB: Bool
    let numRefIdx: (Int, Int)
    let currPoc: Int32
    let noBackwardPredFlag: Bool
    let collocatedFromL0: Bool
    let temporal: Unmanaged<CodedPicture>?

    /// The slice must have references (P or B).
    package init?(slice: SliceContext, picture: CodedPicture, ctbAddrRs: Int) {
        guard let references = slice.references else { return nil }
        self.references = references
        blocks = picture.motion.blocks
        width4 = picture.motion.width4
        neighbours = slice.neighbours(ofCtb: ctbAddrRs)
        log2Ctb = slice.log2CtbSize
        xCtb = (ctbAddrRs % slice.widthInCtbs) << slice.log2CtbSize
        yCtb = (ctbAddrRs / slice.widthInCtbs) << slice.log2CtbSize
        width = slice.width
        height = slice.height
        parMrgLevel = slice.log2ParMrgLevel
        maxNumMergeCand = slice.maxNumMergeCand
        isB = slice.sliceType == .b
        numRefIdx = slice.numRefIdxActive
        currPoc = slice.currPoc
        noBackwardPredFlag = slice.noBackwardPredFlag
        collocatedFromL0 = slice.constants.collocatedFromL0Flag
        temporal = slice.collocatedPicture.map { Unmanaged.passUnretained($0) }
    }

    @inline(__always)
    func motion(_ x: Int, _ y: Int) -> MutableBufferView<MotionInfo> { blocks + ((y &>> 2) &* width4 &+ (x &>> 2)) }

    /// Availability of a neighbouring luma location in z-scan order (6.4.1) for the block at (x, y), which lies in
    /// this CTB.
    @inline(__always)
    func isAvailable(_ x: Int, _ y: Int, _ xN: Int, _ yN: Int) -> Bool {
        if xN < 0 || yN < 0 || xN >= width || yN >= height { return false }
        let dx = (xN &>> log2Ctb) &- (xCtb &>> log2Ctb)
        let dy = (yN &>> log2Ctb) &- (yCtb &>> log2Ctb)
        if dy == 0 {
            if dx == 0 {
                let mask = (1 &<< log2Ctb) &- 1
                return ZScan.index((xN & mask) &>> 2, (yN & mask) &>> 2)
                    < ZScan.index((x & mask) &>> 2, (y & mask) &>> 2)
            }
            return dx == -1 && neighbours.hasLeft
        }
        if dy == -1 {
            return dx == 0 ? neighbours.hasUp : dx == 1 ? neighbours.hasUpRight : dx == -1 && neighbours.hasUpLeft
        }
        return false
    }

    /// The motion at a neighbouring location of a prediction block, or nil when it is not available or intra (6.4.2).
    @inline(__always)
    func neighbour(_ b: MotionBlock, _ xN: Int, _ yN: Int) -> MutableBufferView<MotionInfo>? {
        if b.xCb <= xN && b.yCb <= yN && b.xCb &+ b.nCbS > xN && b.yCb &+ b.nCbS > yN {
            if b.nPbW &<< 1 == b.nCbS && b.nPbH &<< 1 == b.nCbS && b.partIdx == 1 && b.yCb &+ b.nPbH <= yN
                && b.xCb &+ b.nPbW > xN
            {
                return nil
            }
        } else if !isAvailable(b.xPb, b.yPb, xN, yN) {
            return nil
        }
        let m = motion(xN, yN)
        return m.pointee.isInter ? m : nil
    }

    // MARK: Merge (8.5.3.2.2 to 8.5.3.2.5)

    /// The merge candidate `mergeIdx`, before the restriction of 8x4 and 4x8 blocks to one list.
    package func merge(_ given: MotionBlock, mergeIdx: Int) -> MotionInfo {
        var found = MotionInfo()
        _ = mergeList(given, until: mergeIdx) { index, info in if index == mergeIdx { found = info } }
        return found
    }

    /// Builds mergeCandList up to index `until` and hands every candidate to `body`. Returns how many there were.
    @inline(__always)
    package func mergeList(_ given: MotionBlock, until: Int, _ body: (Int, MotionInfo) -> Void) -> Int {
        var b = given
        if parMrgLevel > 2 && b.nCbS == 8 {
            b.xPb = b.xCb
            b.yPb = b.yCb
            b.nPbW = 8
            b.nPbH = 8
            b.partIdx = 0
            b.partMode = .part2Nx2N
        }
        return withUnsafeTemporaryAllocation(of: MotionInfo.self, capacity: 6) { list in
            var count = 0
            let p = list.baseAddress!
            func add(_ info: MotionInfo) {
                p[count] = info
                body(count, info)
                count &+= 1
            }
            @inline(__always)
            func sameRegion(_ xN: Int, _ yN: Int) -> Bool {
                (b.xPb &>> parMrgLevel) == (xN &>> parMrgLevel) && (b.yPb &>> parMrgLevel) == (yN &>> parMrgLevel)
            }
            @inline(__always)
            func candidate(_ xN: Int, _ yN: Int) -> MutableBufferView<MotionInfo>? {
                sameRegion(xN, yN) ? nil : neighbour(b, xN, yN)
            }
            let right = b.xPb &+ b.nPbW
            let bottom = b.yPb &+ b.nPbH
            let verticalSecond =
                b.partIdx == 1 && (b.partMode == .partNx2N || b.partMode == .partnLx2N || b.partMode == .partnRx2N)
            let horizontalSecond =
                b.partIdx == 1 && (b.partMode == .part2NxN || b.partMode == .part2NxnU || b.partMode == .part2NxnD)

            let a1 = verticalSecond ? nil : candidate(b.xPb &- 1, bottom &- 1)
            if let a1 {
                add(a1.pointee)
                if count > until { return count }
            }
            let b1 = horizontalSecond ? nil : candidate(right &- 1, b.yPb &- 1)
            let b1Kept = b1 != nil && !(a1 != nil && a1!.pointee == b1!.pointee)
            if b1Kept {
                add(b1!.pointee)
                if count > until { return count }
            }
            var kept = (a1 != nil ? 1 : 0) &+ (b1Kept ? 1 : 0)
            if let b0 = candidate(right, b.yPb &- 1), !(b1 != nil && b1!.pointee == b0.pointee) {
                add(b0.pointee)
                kept &+= 1
                if count > until { return count }
            }
            if let a0 = candidate(b.xPb &- 1, bottom), !(a1 != nil && a1!.pointee == a0.pointee) {
                add(a0.pointee)
                kept &+= 1
                if count > until { return count }
            }
            if kept < 4, let b2 = candidate(b.xPb &- 1, b.yPb &- 1), !(a1 != nil && a1!.pointee == b2.pointee),
                !(b1 != nil && b1!.pointee == b2.pointee)
            {
                add(b2.pointee)
                if count > until { return count }
            }
            if count < maxNumMergeCand, let temporal {
                var info = MotionInfo()
                if let mv = temporalVector(b, list: 0, refIdx: 0, temporal) {
                    info.mv0 = mv
                    info.refIdx0 = 0
                }
                if isB, let mv = temporalVector(b, list: 1, refIdx: 0, temporal) {
                    info.mv1 = mv
                    info.refIdx1 = 0
                }
                if info.isInter {
                    add(info)
                    if count > until { return count }
                }
            }
            if isB && count > 1 && count < maxNumMergeCand {
                let original = count
                var comb = 0
                while comb < original &* (original &- 1) && count < maxNumMergeCand {
                    let pair = Self.combination(comb)
                    comb &+= 1
                    let c0 = p[pair.0]
                    let c1 = p[pair.1]
                    if c0.refIdx0 < 0 || c1.refIdx1 < 0 { continue }
                    if references[Int(c0.refIdx0)].poc == references[16 &+ Int(c1.refIdx1)].poc && c0.mv0 == c1.mv1 {
                        continue
                    }
                    var info = MotionInfo()
                    info.mv0 = c0.mv0
                    info.refIdx0 = c0.refIdx0
                    info.mv1 = c1.mv1
                    info.refIdx1 = c1.refIdx1
                    add(info)
                    if count > until { return count }
                }
            }
            let numRefs = isB ? min(numRefIdx.0, numRefIdx.1) : numRefIdx.0
            var zero = 0
            while count < maxNumMergeCand {
                var info = MotionInfo()
                info.refIdx0 = zero < numRefs ? Int8(truncatingIfNeeded: zero) : 0
                if isB { info.refIdx1 = info.refIdx0 }
                zero &+= 1
                add(info)
                if count > until { return count }
            }
            return count
        }
    }

    /// l0CandIdx and l1CandIdx by combIdx (Table 8-7).
    @inline(__always)
    private static func combination(_ combIdx: Int) -> (Int, Int) {
        switch combIdx {
        case 0: return (0, 1)
        case 1: return (1, 0)
        case 2: return (0, 2)
        case 3: return (2, 0)
        case 4: return (1, 2)
        case 5: return (2, 1)
        case 6: return (0, 3)
        case 7: return (3, 0)
        case 8: return (1, 3)
        case 9: return (3, 1)
        case 10: return (2, 3)
        default: return (3, 2)
        }
    }

    // MARK: AMVP (8.5.3.2.6, 8.5.3.2.7)

    /// mvpListLX: the two motion vector predictors for a reference.
    package func amvp(_ b: MotionBlock, list: Int, refIdx: Int) -> (MotionVector, MotionVector) {
        let target = references[list &* 16 &+ refIdx]
        let bottom = b.yPb &+ b.nPbH
        let right = b.xPb &+ b.nPbW
        let a0 = neighbour(b, b.xPb &- 1, bottom)
        let a1 = neighbour(b, b.xPb &- 1, bottom &- 1)
        let isScaled = a0 != nil || a1 != nil
        var mvA = unscaled(a0, list, target) ?? unscaled(a1, list, target)
        if mvA == nil { mvA = scaled(a0, list, target) ?? scaled(a1, list, target) }
        let b0 = neighbour(b, right, b.yPb &- 1)
        let b1 = neighbour(b, right &- 1, b.yPb &- 1)
        let b2 = neighbour(b, b.xPb &- 1, b.yPb &- 1)
        var mvB = unscaled(b0, list, target) ?? unscaled(b1, list, target) ?? unscaled(b2, list, target)
        if !isScaled {
            if mvB != nil { mvA = mvB }
            mvB = scaled(b0, list, target) ?? scaled(b1, list, target) ?? scaled(b2, list, target)
        }
        if let mvA, let mvB, mvA != mvB { return (mvA, mvB) }
        let first = mvA ?? mvB
        let col = temporal.flatMap { temporalVector(b, list: list, refIdx: refIdx, $0) }
        if let first { return (first, col ?? MotionVector()) }
        return (col ?? MotionVector(), MotionVector())
    }

    /// A neighbour's vector to the very same reference picture.
    @inline(__always)
    private func unscaled(
        _ n: MutableBufferView<MotionInfo>?, _ list: Int, _ target: ReferenceEntry
    ) -> MotionVector? {
        guard let n else { return nil }
        let x = list == 0 ? n.pointee.refIdx0 : n.pointee.refIdx1
        if x >= 0 && references[list &* 16 &+ Int(x)].poc == target.poc {
            return list == 0 ? n.pointee.mv0 : n.pointee.mv1
        }
        let y = list == 0 ? n.pointee.refIdx1 : n.pointee.refIdx0
        if y >= 0 && references[(1 &- list) &* 16 &+ Int(y)].poc == target.poc {
            return list == 0 ? n.pointee.mv1 : n.pointee.mv0
        }
        return nil
    }

    /// A neighbour's vector to another reference of the same kind, scaled by POC distance when both are short-term.
    @inline(__always)
    private func scaled(_ n: MutableBufferView<MotionInfo>?, _ list: Int, _ target: ReferenceEntry) -> MotionVector? {
        guard let n else { return nil }
        for k in 0..<2 {
            let l = k == 0 ? list : 1 &- list
            let idx = l == 0 ? n.pointee.refIdx0 : n.pointee.refIdx1
            if idx < 0 { continue }
            let entry = references[l &* 16 &+ Int(idx)]
            if entry.isLongTerm != target.isLongTerm { continue }
            let mv = l == 0 ? n.pointee.mv0 : n.pointee.mv1
            if entry.isLongTerm { return mv }
            return Self.scale(mv, td: Int(currPoc) &- Int(entry.poc), tb: Int(currPoc) &- Int(target.poc))
        }
        return nil
    }

    /// Equations 8-179 to 8-183.
    @inline(__always)
    static func scale(_ mv: MotionVector, td: Int, tb: Int) -> MotionVector {
        let td = min(max(td, -128), 127)
        let tb = min(max(tb, -128), 127)
        if td == 0 { return mv }
        let tx = (16384 &+ (abs(td) &>> 1)) / td
        let factor = min(max((tb &* tx &+ 32) &>> 6, -4096), 4095)
        @inline(__always)
        func component(_ v: Int16) -> Int16 {
            let product = factor &* Int(v)
            let magnitude = (abs(product) &+ 127) &>> 8
            return Int16(truncatingIfNeeded: min(max(product < 0 ? 0 &- magnitude : magnitude, -32768), 32767))
        }
        return MotionVector(x: component(mv.x), y: component(mv.y))
    }

    // MARK: Temporal (8.5.3.2.8, 8.5.3.2.9)

    private func temporalVector(
        _ b: MotionBlock, list: Int, refIdx: Int, _ col: Unmanaged<CodedPicture>
    ) -> MotionVector? {
        col._withUnsafeGuaranteedRef { picture in
            let xBr = b.xPb &+ b.nPbW
            let yBr = b.yPb &+ b.nPbH
            if b.yCb &>> log2Ctb == yBr &>> log2Ctb && yBr < height && xBr < width,
                let mv = collocated(picture, (xBr &>> 4) &<< 4, (yBr &>> 4) &<< 4, list, refIdx)
            {
                return mv
            }
            let xC = b.xPb &+ (b.nPbW &>> 1)
            let yC = b.yPb &+ (b.nPbH &>> 1)
            return collocated(picture, (xC &>> 4) &<< 4, (yC &>> 4) &<< 4, list, refIdx)
        }
    }

    @inline(__always)
    private func collocated(_ picture: CodedPicture, _ x: Int, _ y: Int, _ list: Int, _ refIdx: Int) -> MotionVector? {
        let field = picture.motion
        if field.width4 != width4 { return nil }
        picture.prepareMotion(rows: y &+ 16)
        let m = field.blocks[field.index(x: x, y: y)]
        if !m.isInter { return nil }
        let useL1: Bool
        if m.refIdx0 < 0 {
            useL1 = true
        } else if m.refIdx1 < 0 {
            useL1 = false
        } else {
            useL1 = noBackwardPredFlag ? list == 1 : collocatedFromL0
        }
        let ctb = (y &>> field.ctbLog2Size) &* field.widthInCtbs &+ (x &>> field.ctbLog2Size)
        let slice = Int(field.sliceIndex[ctb])
        let idx = Int(useL1 ? m.refIdx1 : m.refIdx0)
        guard let (poc, isLongTerm) = field.reference(slice: slice, list: useL1 ? 1 : 0, refIdx: idx) else {
            return nil
        }
        let target = references[list &* 16 &+ refIdx]
        if target.isLongTerm != isLongTerm { return nil }
        let mv = useL1 ? m.mv1 : m.mv0
        let colDiff = Int(picture.poc) &- Int(poc)
        let currDiff = Int(currPoc) &- Int(target.poc)
        if target.isLongTerm || colDiff == currDiff { return mv }
        return Self.scale(mv, td: colDiff, tb: currDiff)
    }
}
