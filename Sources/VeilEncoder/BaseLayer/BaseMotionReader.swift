// SPDX-License-Identifier: GPL-2.0-or-later
import VeilBitstream
import VeilCore
import VeilEntropy
import VeilRecon

/// Gives the base layer's pictures their motion, as inter-layer motion prediction reads it: from what the encoder's
/// hook handed over, or else by parsing the coded slices. Both give the same.
package final class BaseMotionReader {
    private var pictures: [Int32: CodedPicture] = [:]

    /// A slice of the base layer, and what it refers to.
    private struct Slice: @unchecked Sendable {
        let context: SliceContext
        let rbsp: [UInt8]
        let headerBytes: Int
        let address: Int
    }

    package init() {}

    /// Prepares the motion of a picture. Returns what is left to do, by any thread, before `picture` can be published.
    /// - Parameter hasMotion: the picture's motion field is filled but for the references.
    package func prepare(
        _ picture: CodedPicture, slices: [NALUnit], hasMotion: Bool, poc: Int32, sets: ParameterSetCollection
    ) throws -> (@Sendable () -> Void)? {
        var parsed: [Slice] = []
        var previous: SliceSegmentHeader?
        picture.motion.slices = []
        for nal in slices {
            let rbsp = nal.rbsp
            let header = try SliceSegmentHeader(nal: nal.header, rbsp: rbsp, sets: sets, previous: previous)
            if previous == nil {
                if nal.header.nalUnitType.isIDR { pictures.removeAll() }
                let kept = Set(
                    (header.shortTermRefPicSet.s0 + header.shortTermRefPicSet.s1).map { poc &+ Int32($0.deltaPoc) })
                pictures = pictures.filter { kept.contains($0.key) }
            }
            previous = header
            let pps = try sets.pictureParameterSet(id: header.slicePicParameterSetId)
            let sps = try sets.sequenceParameterSet(id: pps.ppsSeqParameterSetId, layerId: 0)
            let parameters = SliceParameters(
                header: header, sps: sps, pps: pps, grid: try CTBGrid(sps: sps, pps: pps))
            let context = context(
                header, SliceConstants(parameters, sps: sps, pps: pps, header: header, scalingFactors: nil), poc: poc,
                index: picture.motion.slices.count - (header.dependentSliceSegmentFlag ? 1 : 0))
            if !header.dependentSliceSegmentFlag { picture.motion.slices.append(context.motionReferences) }
            // All slices of a picture of libx265 refer to the same pictures.
            if hasMotion { break }
            parsed.append(
                Slice(
                    context: context, rbsp: rbsp, headerBytes: header.byteCount, address: header.sliceSegmentAddress))
        }
        pictures[poc] = picture
        if hasMotion { return nil }
        return { [parsed] in Self.read(parsed, into: picture) }
    }

    private func context(
        _ h: SliceSegmentHeader, _ constants: SliceConstants, poc: Int32, index: Int
    ) -> SliceContext {
        let before = h.shortTermRefPicSet.s0.filter(\.used).map { poc &+ Int32($0.deltaPoc) }
        let after = h.shortTermRefPicSet.s1.filter(\.used).map { poc &+ Int32($0.deltaPoc) }
        return SliceContext(h, constants: constants, sliceIndex: max(index, 0), currPoc: poc) {
            switch $0 {
            case .stCurrBefore(let i): return pictures[before[i]]
            case .stCurrAfter(let i): return pictures[after[i]]
            case .ltCurr, .interLayer: return nil
            }
        }
    }

    private static func read(_ slices: [Slice], into picture: CodedPicture) {
        let ctu = CodingTreeUnit()
        let scratch = SyntaxScratch()
        let contexts = ContextSet()
        guard let first = slices.first else { return }
        let grid = first.context.grid
        let store = ContextStore(picHeightInCtbs: grid.heightInCtbs)
        let lines = AboveContext(picWidthInMinCbs: grid.width >> first.context.parameters.minCbLog2SizeY)
        for slice in slices where slice.context.sliceType != .i {
            slice.rbsp.withUnsafeBufferPointer { rbsp in
                let reader = SliceData.reader(
                    parameters: slice.context.parameters,
                    data: UnsafeBufferPointer(rebasing: rbsp[min(slice.headerBytes, rbsp.count)...]),
                    store: store, lines: lines, scratch: scratch, contexts: contexts, hook: nil, unit: nil)
                var begin = true
                for rs in slice.address..<grid.count {
                    ctu.reset(
                        ctbAddrRs: rs, xCtb: (rs % grid.widthInCtbs) << grid.log2CtbSize,
                        yCtb: (rs / grid.widthInCtbs) << grid.log2CtbSize)
                    if begin { reader.begin(ctbAddrRs: rs, first: rs == slice.address) }
                    let step = reader.code(ctu)
                    if step == .failed { return }
                    keepMotion(of: ctu, slice.context, picture)
                    if step == .endOfSegment { return }
                    begin = step == .endOfSubstream
                }
            }
        }
    }

    private static func keepMotion(of ctu: CodingTreeUnit, _ slice: SliceContext, _ picture: CodedPicture) {
        guard let candidates = MotionCandidates(slice: slice, picture: picture, ctbAddrRs: ctu.ctbAddrRs) else {
            return
        }
        picture.motion.sliceIndex[ctu.ctbAddrRs] = UInt16(truncatingIfNeeded: slice.sliceIndex)
        for i in 0..<ctu.cuCount {
            let cu = ctu.cus[i]
            guard cu.predMode == .inter else { continue }
            for k in 0..<Int(cu.puCount) {
                let pu = ctu.pus[Int(cu.firstPU) + k]
                let block = MotionBlock(
                    xCb: Int(cu.x0), yCb: Int(cu.y0), nCbS: 1 << Int(cu.log2CbSize), xPb: Int(pu.x0), yPb: Int(pu.y0),
                    nPbW: Int(pu.width), nPbH: Int(pu.height), partIdx: k, partMode: cu.partMode)
                InterPredictor.store(InterPredictor.motion(of: pu, block, candidates), block, picture.motion)
            }
        }
    }
}
