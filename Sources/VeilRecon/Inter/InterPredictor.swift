// SPDX-License-Identifier: GPL-2.0-or-later
import VeilCore
import VeilEntropy

/// Decoding of prediction units in inter mode (8.5.3): derives the motion, stores it, predicts the samples. One per
/// worker thread.
package final class InterPredictor {
    private let compensation = MotionCompensation()
    /// The CTB's view of its neighbours' motion, initialized while `isEntered`.
    private let candidates: UnsafeMutablePointer<MotionCandidates>
    @exclusivity(unchecked) private var isEntered = false

    package init() { candidates = .allocate(capacity: 1) }

    // The view holds plain words only: nothing to deinitialize.
    deinit { candidates.deallocate() }

    /// Turns to the CTB at a raster address.
    package func enter(ctbAddrRs: Int, slice: SliceContext, picture: CodedPicture) {
        isEntered = false
        guard let view = MotionCandidates(slice: slice, picture: picture, ctbAddrRs: ctbAddrRs) else { return }
        candidates.initialize(to: view)
        isEntered = true
    }

    /// Predicts one PU of the CTB entered, partition `partIdx` of its CU.
    package func predict(
        cu: BufferView<CodingUnit>, pu: BufferView<PredictionUnit>, partIdx: Int, slice: SliceContext,
        picture: CodedPicture
    ) {
        if !isEntered { return }
        let block = MotionBlock(
            xCb: Int(cu.pointee.x0), yCb: Int(cu.pointee.y0), nCbS: 1 &<< Int(cu.pointee.log2CbSize),
            xPb: Int(pu.pointee.x0),
            yPb: Int(pu.pointee.y0), nPbW: Int(pu.pointee.width), nPbH: Int(pu.pointee.height), partIdx: partIdx,
            partMode: cu.pointee.partMode)
        let motion = Self.motion(of: pu.pointee, block, candidates.pointee)
        Self.store(motion, block, picture.motion)
        compensation.predict(
            motion, x: block.xPb, y: block.yPb, width: block.nPbW, height: block.nPbH, slice: slice, into: picture.frame
        )
    }

    /// MvLX, RefIdxLX of a PU (8.5.3.2.1).
    package static func motion(
        of pu: PredictionUnit, _ block: MotionBlock, _ candidates: MotionCandidates
    ) -> MotionInfo {
        if pu.mergeFlag {
            var info = candidates.merge(block, mergeIdx: Int(pu.mergeIdx))
            if info.refIdx0 >= 0 && info.refIdx1 >= 0 && block.nPbW &+ block.nPbH == 12 {
                info.refIdx1 = -1
                info.mv1 = MotionVector()
            }
            return info
        }
        var info = MotionInfo()
        if pu.interPredIdc != 1 {
            let predictors = candidates.amvp(block, list: 0, refIdx: Int(pu.refIdxL0))
            let mvp = pu.mvpL0Flag == 0 ? predictors.0 : predictors.1
            info.mv0 = MotionVector(x: mvp.x &+ pu.mvdL0.x, y: mvp.y &+ pu.mvdL0.y)
            info.refIdx0 = pu.refIdxL0
        }
        if pu.interPredIdc != 0 {
            let predictors = candidates.amvp(block, list: 1, refIdx: Int(pu.refIdxL1))
            let mvp = pu.mvpL1Flag == 0 ? predictors.0 : predictors.1
            info.mv1 = MotionVector(x: mvp.x &+ pu.mvdL1.x, y: mvp.y &+ pu.mvdL1.y)
            info.refIdx1 = pu.refIdxL1
        }
        return info
    }

    /// Writes a block's motion to the 4x4 grid.
    package static func store(_ motion: MotionInfo, _ block: MotionBlock, _ field: MotionField) {
        let columns = block.nPbW &>> 2
        let rows = block.nPbH &>> 2
        let first = field.blocks + ((block.yPb &>> 2) &* field.width4 &+ (block.xPb &>> 2))
        // A row is written in two words a block, the others are copies of it.
        let (low, high) = withUnsafeBytes(of: motion) {
            ($0.loadUnaligned(as: UInt64.self), $0.loadUnaligned(fromByteOffset: 8, as: UInt16.self))
        }
        var at = UnsafeMutableRawPointer(first.pointer(for: columns))
        for _ in 0..<columns {
            at.storeBytes(of: low, as: UInt64.self)
            at.storeBytes(of: high, toByteOffset: 8, as: UInt16.self)
            at += MemoryLayout<MotionInfo>.stride
        }
        var row = first + field.width4
        for _ in 1..<max(rows, 1) {
            row.update(from: first, count: columns)
            row += field.width4
        }
    }
}
