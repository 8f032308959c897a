// SPDX-License-Identifier: GPL-2.0-or-later
import CVeilKernels
import VeilBins
import VeilRecon

/// Intra modes, and the rate and distortion of intra coding units.
extension CTUDecision {
    /// Bits of an intra luma mode.
    @inline(__always)
    func modeBits(_ mode: Int, _ c: (UInt8, UInt8, UInt8)) -> Double {
        let mode = UInt8(truncatingIfNeeded: mode)
        if mode == c.0 { return bits(rate.bin(1, Context.prevIntraLumaPredFlag)) + 1 }
        if mode == c.1 || mode == c.2 { return bits(rate.bin(1, Context.prevIntraLumaPredFlag)) + 2 }
        return bits(rate.bin(0, Context.prevIntraLumaPredFlag)) + 5
    }

    /// The best luma mode of a block by Hadamard cost.
    /// Gives up after the simplest modes when they are worse than `stop`.
    func estimateIntra(x: Int, y: Int, log2: Int, stop: Double) -> (mode: Int, cost: Double) {
        let n = 1 << log2
        let at = source.planes.0.at(x, y)
        let stride = source.planes.0.stride
        intra.gather(context, cIdx: 0, x: x, y: y, log2Size: log2)
        let mpm = maps.candidateModes(x, y, yCtb: context.yCtb)
        var bestMode = 0
        var best = Double.infinity
        @inline(__always)
        func consider(_ mode: Int) {
            intra.predict(
                mode: mode, cIdx: 0, log2Size: log2, bitDepth: slice.bitDepthLuma,
                strongSmoothing: slice.constants.strongIntraSmoothingEnabledFlag, to: modeBlock, stride: n)
            let satd = Double(
                veil_satd(at, stride, modeBlock, n, Int32(truncatingIfNeeded: n), Int32(truncatingIfNeeded: n)))
                + lambdaSatd * modeBits(mode, mpm)
            if satd < best {
                best = satd
                bestMode = mode
            }
        }
        consider(0)
        consider(1)
        if stop < best * 0.5 { return (bestMode, best) }
        if effort.intra == 1 {
            consider(10)
            consider(26)
            return (bestMode, best)
        }
        if effort.intra >= 3 {
            for mode in 2..<35 { consider(mode) }
            return (bestMode, best)
        }
        var mode = 2
        while mode < 35 {
            consider(mode)
            mode += 4
        }
        if bestMode >= 2 {
            var step = 2
            while step > 0 {
                let centre = bestMode
                if centre - step >= 2 { consider(centre - step) }
                if centre + step <= 34 { consider(centre + step) }
                step /= 2
            }
        }
        return (bestMode, best)
    }

    /// intra_chroma_pred_mode of a unit by Hadamard cost: that of luma, or one of the four others where they are tried.
    private func chromaMode(_ w: DecisionWorkspace, x: Int, y: Int, log2: Int, luma: Int) -> Int {
        if !effort.triesChromaModes { return 4 }
        let derived = bits(rate.bin(0, Context.intraChromaPredMode))
        let explicit = bits(rate.bin(1, Context.intraChromaPredMode)) + 2
        var costs = (0..<5).map { lambdaSatd * ($0 == 4 ? derived : explicit) }
        let n = Int32(truncatingIfNeeded: 1 << (log2 - 1))
        for cIdx in 1..<3 {
            let from = source.plane(cIdx)
            intra.gather(context, cIdx: cIdx, x: x >> 1, y: y >> 1, log2Size: log2 - 1)
            for i in 0..<5 {
                intra.predict(
                    mode: Int(SliceDataSyntax<BitCounter>.intraPredModeC(intraChromaPredMode: i, intraPredModeY: UInt8(luma))), cIdx: cIdx,
                    log2Size: log2 - 1, bitDepth: slice.bitDepthChroma,
                    strongSmoothing: slice.constants.strongIntraSmoothingEnabledFlag, to: modeBlock, stride: Int(n))
                costs[i] += Double(veil_satd(from.at(x >> 1, y >> 1), from.stride, modeBlock, Int(n), n, n))
            }
        }
        return (0..<5).min { costs[$0] < costs[$1] } ?? 4
    }

    /// Rate and distortion of an intra unit in one piece; keeps it when it is the best so far.
    func checkIntra(_ w: DecisionWorkspace, x: Int, y: Int, log2: Int, interSatd: Double) {
        let (mode, satd) = estimateIntra(x: x, y: y, log2: log2, stop: interSatd)
        if interSatd * 1.3 < satd { return }
        let chroma = chromaMode(w, x: x, y: y, log2: log2, luma: mode)
        let modeC = SliceDataSyntax<BitCounter>.intraPredModeC(intraChromaPredMode: chroma, intraPredModeY: UInt8(mode))
        let record = w.workRecord
        record.levelCount = 0
        var tu = transformUnit(x, y, log2)
        var distortion = 0.0
        var total = 0.0
        for cIdx in 0..<3 {
            let s = cIdx == 0 ? 0 : 1
            let log2Block = cIdx == 0 ? log2 : Int(tu.log2TrafoSizeC)
            let from = source.plane(cIdx)
            let stride = BlockSamples.stride(cIdx)
            intra.gather(context, cIdx: cIdx, x: x >> s, y: y >> s, log2Size: log2Block)
            intra.predict(
                mode: cIdx == 0 ? mode : Int(modeC), cIdx: cIdx, log2Size: log2Block, bitDepth: cIdx == 0 ? slice.bitDepthLuma : slice.bitDepthChroma,
                strongSmoothing: slice.constants.strongIntraSmoothingEnabledFlag, to: w.prediction.plane(cIdx), stride: stride)
            let scan = log2 == 3 ? SliceDataSyntax<BitCounter>.scanIdx(cIdx == 0 ? UInt8(mode) : modeC) : 0
            let block = codeBlock(
                quantisation.intra, record, source: from.at(x >> s, y >> s), sourceStride: from.stride,
                prediction: w.prediction.plane(cIdx), predictionStride: stride, out: w.work.plane(cIdx), outStride: stride,
                log2: log2Block, cIdx: cIdx, isDST: cIdx == 0 && log2Block == 2, scanIdx: scan, trafoDepth: 0)
            distortion += block.distortion
            total += block.bits
            if block.coded {
                tu.cbf |= 1 << UInt8(cIdx)
                if cIdx == 0 { tu.residual.0 = block.residual } else if cIdx == 1 { tu.residual.1 = block.residual } else { tu.residual.2 = block.residual }
            }
        }
        total += bits(rate.bin(chroma == 4 ? 0 : 1, Context.intraChromaPredMode)) + (chroma == 4 ? 0 : 2)
        total += modeBits(mode, maps.candidateModes(x, y, yCtb: context.yCtb))
        if slice.sliceType != .i {
            total += bits(rate.bin(0, Context.cuSkipFlag + maps.skipContext(x, y))) + bits(rate.bin(1, Context.predModeFlag))
        }
        if log2 == p.minCbLog2SizeY { total += bits(rate.bin(1, Context.partMode)) }
        let cost = distortion + lambda * total
        if cost >= w.bestCost { return }
        var cu = CodingUnit()
        cu.x0 = Int32(x)
        cu.y0 = Int32(y)
        cu.log2CbSize = UInt8(log2)
        cu.predMode = .intra
        let m = UInt8(mode)
        cu.intraPredModeY = (m, m, m, m)
        cu.intraChromaPredMode = UInt8(chroma)
        cu.intraPredModeC = modeC
        cu.rqtRootCbf = true
        cu.tuCount = 1
        record.tus[0] = tu
        record.cus[0] = cu
        w.bestCost = cost
        w.bestMotion[0] = MotionInfo()
        w.bestIsZero = false
        w.bestSatd = satd
        swap(&w.work, &w.best)
        swap(&w.workRecord, &w.bestRecord)
    }
}
