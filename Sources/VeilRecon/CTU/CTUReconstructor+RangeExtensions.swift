// SPDX-License-Identifier: GPL-2.0-or-later
import VeilCore
import VeilEntropy

// Transform units of chroma formats other than 4:2:0 and of the tools of the range extensions. They have a way of their
// own, so that the plain ones stay as fast as they are.

extension CTUReconstructor {
    /// Intra prediction and residual of a CU, transform unit by transform unit.
    @inline(never)
    func extendedCU(
        _ cu: MutableBufferView<CodingUnit>, _ ctu: CodingTreeUnit, _ c: BlockContext, _ slice: SliceContext,
        qpY: Int, strength: BoundaryStrength, deblock: Bool
    ) {
        let isIntra = cu.pointee.predMode == .intra
        let modes = cu.pointee.intraPredModeY
        let bypass = cu.pointee.cuTransquantBypassFlag
        let tools = slice.constants.rangeExtension
        let intraTools = IntraTools(
            smoothingDisabled: tools.intraSmoothingDisabledFlag,
            boundaryFilterDisabled: tools.implicitRdpcmEnabledFlag && bypass)
        for k in Int(cu.pointee.firstTU)..<Int(cu.pointee.firstTU) + Int(cu.pointee.tuCount) {
            let tu = ctu.tus + k
            let unit = ExtendedUnit(
                tu: tu, e: ctu.extensions + k, coefficients: ctu.coefficients.view.reading, isIntra: isIntra,
                bypass: bypass, rotates: isIntra && tools.transformSkipRotationEnabledFlag, intraTools: intraTools,
                parameters: ResidualParameters(
                    c, slice, qpY: qpY, isIntra: isIntra, offset: Int(ctu.extensions[k].cuChromaQpOffset)))
            let x = Int(tu.pointee.x0)
            let y = Int(tu.pointee.y0)
            let log2 = Int(tu.pointee.log2TrafoSize)
            if isIntra {
                let partition = tu.pointee.partition
                let mode = partition == 0 ? modes.0 : partition == 1 ? modes.1 : partition == 2 ? modes.2 : modes.3
                intra.predictExtended(c, cIdx: 0, x: x, y: y, log2Size: log2, mode: Int(mode), intraTools)
            }
            let cbf = unit.e.pointee.cbf & 1 != 0
            if cbf {
                let keeps = unit.e.pointee.resScaleVal != (0, 0)
                residual.addExtended(
                    unit, block: 0, tu.pointee.residual.0, to: c.planes.0.block(x, y), cIdx: 0, log2Size: log2,
                    resScaleVal: 0, keeps: keeps)
                if !isIntra {
                    c.maps.markCoded(x: x, y: y, log2Size: log2)
                }
            }
            if tu.pointee.hasChroma { extendedChroma(unit, c) }
            if deblock {
                if isIntra {
                    strength.markIntra(x: x, y: y, size: 1 &<< log2)
                } else {
                    strength.markInter(x: x, y: y, size: 1 &<< log2, cbf: cbf)
                }
            }
        }
    }

    /// The chroma blocks of a transform unit: of 4:2:2 two of each component, one below the other.
    private func extendedChroma(_ unit: ExtendedUnit, _ c: BlockContext) {
        let tu = unit.tu
        let log2 = Int(tu.pointee.log2TrafoSizeC)
        let x = Int(tu.pointee.xBase) >> c.chromaFormat.chromaShiftX
        let y = Int(tu.pointee.yBase) >> c.chromaFormat.chromaShiftY
        let e = unit.e
        for cIdx in 1...2 {
            let plane = c.plane(cIdx)
            let scale = Int(cIdx == 1 ? e.pointee.resScaleVal.0 : e.pointee.resScaleVal.1)
            for i in 0..<(c.chromaFormat == .yuv422 ? 2 : 1) {
                let yBlock = y + i << log2
                if unit.isIntra {
                    intra.predictExtended(
                        c, cIdx: cIdx, x: x, y: yBlock, log2Size: log2, mode: Int(e.pointee.intraPredModeC),
                        unit.intraTools)
                }
                let block = 2 * cIdx - 1 + i
                let hasResidual = e.pointee.cbf >> UInt8(block) & 1 != 0
                if !hasResidual && scale == 0 { continue }
                var levels = ResidualBlock()
                if hasResidual {
                    switch block {
                    case 1: levels = tu.pointee.residual.1
                    case 2: levels = e.pointee.lower.0
                    case 3: levels = tu.pointee.residual.2
                    default: levels = e.pointee.lower.1
                    }
                }
                residual.addExtended(
                    unit, block: block, levels, to: plane.block(x, yBlock), cIdx: cIdx, log2Size: log2,
                    resScaleVal: scale, keeps: false)
            }
        }
    }
}

/// A transform unit and what its blocks have in common.
struct ExtendedUnit {
    let tu: MutableBufferView<TransformUnit>
    let e: MutableBufferView<TransformUnitExtension>
    let coefficients: BufferView<CoefficientEntry>
    let isIntra: Bool
    /// cu_transquant_bypass_flag
    let bypass: Bool
    /// 4x4 blocks without a transform are turned round.
    let rotates: Bool
    let intraTools: IntraTools
    let parameters: ResidualParameters
}

extension ResidualParameters {
    /// The parameters of a transform unit of any chroma format; `offset`: entry of the chroma QP offset lists, from 1.
    init(_ c: BlockContext, _ slice: SliceContext, qpY: Int, isIntra: Bool, offset: Int) {
        let list = slice.constants.ppsRangeExtension.chromaQpOffsetList
        let own = offset > 0 && offset <= list.count ? list[offset - 1] : [0, 0]
        func qp(_ offset: Int) -> Int {
            QuantizationParameters.qpChroma(
                qpY: qpY, offset: offset, bitDepthChroma: c.bitDepthChroma, format: c.chromaFormat)
        }
        self.init(
            qpLuma: qpY + 6 * (c.bitDepthLuma - 8), qpCb: qp(c.cbQpOffset + own[0]), qpCr: qp(c.crQpOffset + own[1]),
            bitDepthLuma: c.bitDepthLuma, bitDepthChroma: c.bitDepthChroma, isIntra: isIntra,
            scalingTables: c.scalingTables)
    }
}
