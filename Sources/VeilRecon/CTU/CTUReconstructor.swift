// SPDX-License-Identifier: GPL-2.0-or-later
import VeilCore
import VeilEntropy

/// Turns CTU records into samples: prediction, residual, and what deblocking needs to know. One per worker thread.
package final class CTUReconstructor {
    package let residual: ResidualDecoder
    package let intra: IntraPredictor
    package let inter: InterPredictor
    private let qp = Buffer(repeating: QpDerivation(), count: 1)

    /// A CTB's width of blocks without motion.
    private let noMotion: Buffer<MotionInfo>

    package init() {
        residual = ResidualDecoder()
        intra = IntraPredictor()
        inter = InterPredictor()
        noMotion = Buffer(repeating: MotionInfo(), count: 16)
    }

    /// Reconstructs one CTU whose record is complete, up to but not including the in-loop filters.
    ///
    /// The CTUs that 6.4.1 makes available to it must have been reconstructed (by whichever thread): the one before
    /// it in its tile's row and those above it as far as one to the right. The slice must have been added to the
    /// picture.
    package func reconstruct(ctu: CodingTreeUnit, slice: SliceContext, picture: PictureReconstruction) {
        let rs = ctu.ctbAddrRs
        let maps = picture.maps
        enterCTB(rs, ctu: ctu, slice: slice, picture: picture)
        let c = BlockContext(slice: slice, picture: picture, ctbAddrRs: rs)
        let strength = BoundaryStrength(slice: slice, picture: picture, ctbAddrRs: rs)
        let deblock = !slice.constants.sliceDeblockingFilterDisabledFlag
        qp.pointee = QpDerivation(ctbAddrRs: rs, slice: slice, maps: maps)

        let coded = picture.picture
        if slice.sliceType != .i { inter.enter(ctbAddrRs: rs, slice: slice, picture: coded) }

        let cus = ctu.cus.view
        let count = ctu.cuCount
        var i = 0
        while i < count {
            let cu = cus + i
            let x = Int(cu.pointee.x0)
            let y = Int(cu.pointee.y0)
            let size = 1 &<< Int(cu.pointee.log2CbSize)
            let qpY = qp.pointee.next(cu, ctbMask: c.ctbMask, bitDepthLuma: c.bitDepthLuma, maps)
            markCU(cu, c, qpY: qpY)
            if cu.pointee.predMode == .intra {
                clearMotion(c, x: x, y: y, size: size)
                if cu.pointee.pcmFlag {
                    pcm(cu, ctu, c, slice)
                    if deblock { strength.markIntra(x: x, y: y, size: size) }
                } else if c.isExtended {
                    extendedCU(cu, ctu, c, slice, qpY: qpY, strength: strength, deblock: deblock)
                } else {
                    intraCU(cu, ctu, c, qpY: qpY, strength: strength, deblock: deblock)
                }
            } else {
                var k = 0
                while k < Int(cu.pointee.puCount) {
                    inter.predict(
                        cu: cu.reading, pu: (ctu.pus + (Int(cu.pointee.firstPU) &+ k)).reading, partIdx: k,
                        slice: slice,
                        picture: coded)
                    k &+= 1
                }
                interResidual(cu, ctu, c, slice, qpY: qpY, strength: strength, deblock: deblock)
            }
            i &+= 1
        }
    }

    /// Fills the CTB's record and its SAO parameters (merging resolved, 7.4.9.3.2).
    private func enterCTB(_ rs: Int, ctu: CodingTreeUnit, slice: SliceContext, picture: PictureReconstruction) {
        var sao = ctu.sao
        if sao.saoMergeLeftFlag && rs % slice.widthInCtbs > 0 {
            sao = picture.maps.ctbs[rs - 1].sao
        } else if sao.saoMergeUpFlag && rs >= slice.widthInCtbs {
            sao = picture.maps.ctbs[rs - slice.widthInCtbs].sao
        }
        picture.enter(ctb: rs, slice: slice, sao: sao)
    }

    /// Writes the CU into the 8x8 maps. They are zero to begin with, as an inter CU that may be filtered has them.
    @inline(__always)
    private func markCU(_ cu: MutableBufferView<CodingUnit>, _ c: BlockContext, qpY: Int) {
        let maps = c.maps
        let x = Int(cu.pointee.x0)
        let y = Int(cu.pointee.y0)
        let log2 = Int(cu.pointee.log2CbSize)
        var flags: UInt8 = cu.pointee.predMode == .intra ? PictureMaps.intra : 0
        if cu.pointee.cuTransquantBypassFlag || (cu.pointee.pcmFlag && c.pcmLoopFilterDisabled) {
            flags |= PictureMaps.noFilter
            maps.ctbs[(y &>> c.log2CtbSize) &* c.widthInCtbs &+ (x &>> c.log2CtbSize)].hasNoFilter = true
        }
        maps.mark(qpY: qpY, x: x, y: y, log2Size: log2)
        if flags != 0 { maps.mark(flags: flags, x: x, y: y, log2Size: log2) }
    }

    private func clearMotion(_ c: BlockContext, x: Int, y: Int, size: Int) {
        var at = c.motion + ((y &>> 2) &* c.motionStride &+ (x &>> 2))
        let n = size &>> 2
        for _ in 0..<n {
            at.update(from: noMotion.view, count: n)
            at += c.motionStride
        }
    }

    // MARK: Intra

    private func intraCU(
        _ cu: MutableBufferView<CodingUnit>, _ ctu: CodingTreeUnit, _ c: BlockContext, qpY: Int,
        strength: BoundaryStrength, deblock: Bool
    ) {
        let bypass = cu.pointee.cuTransquantBypassFlag
        let modes = cu.pointee.intraPredModeY
        let tus = ctu.tus + Int(cu.pointee.firstTU)
        let coefficients = ctu.coefficients.view.reading
        let parameters = ResidualParameters(c, qpY: qpY, isIntra: true)
        var i = 0
        while i < Int(cu.pointee.tuCount) {
            let tu = tus + i
            let x = Int(tu.pointee.x0)
            let y = Int(tu.pointee.y0)
            let log2 = Int(tu.pointee.log2TrafoSize)
            let partition = tu.pointee.partition
            let mode = partition == 0 ? modes.0 : partition == 1 ? modes.1 : partition == 2 ? modes.2 : modes.3
            intra.predict(c, cIdx: 0, x: x, y: y, log2Size: log2, mode: Int(mode))
            if tu.pointee.cbf & 1 != 0 {
                residual.add(
                    tu.pointee.residual.0, coefficients, to: c.planes.0.block(x, y), cIdx: 0, log2Size: log2,
                    kind: kind(tu, 0, bypass), parameters)
            }
            if tu.pointee.hasChroma {
                chroma(tu, c, coefficients, bypass: bypass, parameters, mode: Int(cu.pointee.intraPredModeC))
            }
            if deblock { strength.markIntra(x: x, y: y, size: 1 &<< log2) }
            i &+= 1
        }
    }

    /// The two chroma blocks of a TU; `mode` < 0 for inter CUs.
    @inline(__always)
    private func chroma(
        _ tu: MutableBufferView<TransformUnit>, _ c: BlockContext, _ coefficients: BufferView<CoefficientEntry>,
        bypass: Bool,
        _ parameters: ResidualParameters, mode: Int
    ) {
        let xC = Int(tu.pointee.xBase) &>> 1
        let yC = Int(tu.pointee.yBase) &>> 1
        let log2C = Int(tu.pointee.log2TrafoSizeC)
        var cIdx = 1
        while cIdx < 3 {
            if mode >= 0 { intra.predict(c, cIdx: cIdx, x: xC, y: yC, log2Size: log2C, mode: mode) }
            if tu.pointee.cbf &>> UInt8(truncatingIfNeeded: cIdx) & 1 != 0 {
                let plane = cIdx == 1 ? c.planes.1 : c.planes.2
                residual.add(
                    cIdx == 1 ? tu.pointee.residual.1 : tu.pointee.residual.2, coefficients,
                    to: plane.block(xC, yC), cIdx: cIdx,
                    log2Size: log2C, kind: kind(tu, UInt8(truncatingIfNeeded: cIdx), bypass), parameters)
            }
            cIdx &+= 1
        }
    }

    @inline(__always)
    private func kind(_ tu: MutableBufferView<TransformUnit>, _ cIdx: UInt8, _ bypass: Bool) -> ResidualKind {
        bypass ? .bypass : tu.pointee.transformSkip &>> cIdx & 1 != 0 ? .transformSkip : .transform
    }

    /// Samples of a PCM CU (8.4.4.1).
    private func pcm(
        _ cu: MutableBufferView<CodingUnit>, _ ctu: CodingTreeUnit, _ c: BlockContext, _ slice: SliceContext
    ) {
        var from = ctu.pcmSamples + Int(cu.pointee.pcmStart)
        for cIdx in 0..<c.chromaFormat.planeCount {
            let shiftX = c.chromaFormat.shiftX(cIdx)
            let shiftY = c.chromaFormat.shiftY(cIdx)
            let width = (1 << Int(cu.pointee.log2CbSize)) >> shiftX
            let height = (1 << Int(cu.pointee.log2CbSize)) >> shiftY
            let up =
                cIdx == 0
                ? slice.bitDepthLuma - slice.constants.parameters.pcmBitDepthLuma
                : slice.bitDepthChroma - slice.constants.parameters.pcmBitDepthChroma
            let plane = c.plane(cIdx)
            let x0 = Int(cu.pointee.x0) >> shiftX
            let y0 = Int(cu.pointee.y0) >> shiftY
            func copy<Sample: UnsignedInteger & FixedWidthInteger>(_ type: Sample.Type) {
                var to = plane.view(x0, y0, as: type)
                for _ in 0..<height {
                    for x in 0..<width {
                        to[x] = Sample(truncatingIfNeeded: from[x] << UInt16(truncatingIfNeeded: up))
                    }
                    from += width
                    to += plane.stride
                }
            }
            if plane.isNarrow { copy(UInt8.self) } else { copy(UInt16.self) }
        }
    }

    // MARK: Inter

    private func interResidual(
        _ cu: MutableBufferView<CodingUnit>, _ ctu: CodingTreeUnit, _ c: BlockContext, _ slice: SliceContext,
        qpY: Int,
        strength: BoundaryStrength, deblock: Bool
    ) {
        let xCu = Int(cu.pointee.x0)
        let yCu = Int(cu.pointee.y0)
        let size = 1 &<< Int(cu.pointee.log2CbSize)
        if !cu.pointee.rqtRootCbf || cu.pointee.tuCount == 0 {
            if deblock {
                strength.markInter(x: xCu, y: yCu, size: size, cbf: false)
                strength.markPartitions(x: xCu, y: yCu, size: size, partMode: cu.pointee.partMode)
            }
            return
        }
        if c.isExtended {
            extendedCU(cu, ctu, c, slice, qpY: qpY, strength: strength, deblock: deblock)
            if deblock { strength.markPartitions(x: xCu, y: yCu, size: size, partMode: cu.pointee.partMode) }
            return
        }
        let bypass = cu.pointee.cuTransquantBypassFlag
        let tus = ctu.tus + Int(cu.pointee.firstTU)
        let coefficients = ctu.coefficients.view.reading
        let parameters = ResidualParameters(c, qpY: qpY, isIntra: false)
        var i = 0
        while i < Int(cu.pointee.tuCount) {
            let tu = tus + i
            let x = Int(tu.pointee.x0)
            let y = Int(tu.pointee.y0)
            let log2 = Int(tu.pointee.log2TrafoSize)
            let cbf = tu.pointee.cbf & 1 != 0
            if cbf {
                residual.add(
                    tu.pointee.residual.0, coefficients, to: c.planes.0.block(x, y), cIdx: 0, log2Size: log2,
                    kind: kind(tu, 0, bypass), parameters)
                c.maps.markCoded(x: x, y: y, log2Size: log2)
            }
            if tu.pointee.hasChroma && tu.pointee.cbf & 6 != 0 {
                chroma(tu, c, coefficients, bypass: bypass, parameters, mode: -1)
            }
            if deblock { strength.markInter(x: x, y: y, size: 1 &<< log2, cbf: cbf) }
            i &+= 1
        }
        if deblock { strength.markPartitions(x: xCu, y: yCu, size: size, partMode: cu.pointee.partMode) }
    }
}
