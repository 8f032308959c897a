// SPDX-License-Identifier: GPL-2.0-or-later
import CVeilKernels
import VeilCore
import VeilEntropy
import VeilRecon

/// An intra luma mode under consideration.
struct IntraChoice {
    var mode = 0
    /// Hadamard cost plus rate.
    var cost = Double.infinity
}

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

    /// Puts the best luma modes of a block by Hadamard cost into `intraChoices`, as many as are to be compared by
    /// rate and distortion. Returns how many; gives up after the simplest modes when they are worse than `stop`.
    func estimateIntra(x: Int, y: Int, log2: Int, stop: Double) -> Int {
        let n = 1 << log2
        let at = source.planes.0.address(x, y)
        let stride = source.planes.0.stride
        let narrow = isNarrow
        intra.gather(context, cIdx: 0, x: x, y: y, log2Size: log2)
        let mpm = maps.candidateModes(x, y, yCtb: context.yCtb)
        let choices = memory.intraChoices.view
        let limit = effort.intraChecks
        var count = 0
        @inline(__always)
        func consider(_ mode: Int) {
            intra.predict(
                mode: mode, cIdx: 0, log2Size: log2, bitDepth: slice.bitDepthLuma,
                strongSmoothing: slice.constants.strongIntraSmoothingEnabledFlag,
                to: SampleBlock(modeBlock, stride: n, isNarrow: narrow))
            let cost =
                Double(
                    veil_any_satd(
                        narrow, at, stride, modeBlock, n, Int32(truncatingIfNeeded: n), Int32(truncatingIfNeeded: n)))
                + lambdaSatd * modeBits(mode, mpm)
            if count == limit {
                if cost >= choices[count &- 1].cost { return }
                count &-= 1
            }
            var i = count
            while i > 0 && choices[i &- 1].cost > cost {
                choices[i] = choices[i &- 1]
                i &-= 1
            }
            choices[i] = IntraChoice(mode: mode, cost: cost)
            count &+= 1
        }
        consider(0)
        consider(1)
        if stop < choices[0].cost * 0.5 { return count }
        if effort.intra == 1 {
            consider(10)
            consider(26)
            return count
        }
        if effort.intra >= 3 {
            for mode in 2..<35 { consider(mode) }
            return count
        }
        var mode = 2
        while mode < 35 {
            consider(mode)
            mode += 4
        }
        if choices[0].mode >= 2 {
            var step = 2
            while step > 0 {
                let centre = choices[0].mode
                if centre - step >= 2 { consider(centre - step) }
                if centre + step <= 34 { consider(centre + step) }
                step /= 2
            }
        }
        return count
    }

    /// intra_chroma_pred_mode of a unit by Hadamard cost: that of luma, or one of the four others where they are tried.
    private func chromaMode(x: Int, y: Int, log2: Int, luma: Int) -> Int {
        if !effort.triesChromaModes { return 4 }
        let derived = bits(rate.bin(0, Context.intraChromaPredMode))
        let explicit = bits(rate.bin(1, Context.intraChromaPredMode)) + 2
        var costs = (0..<5).map { lambdaSatd * ($0 == 4 ? derived : explicit) }
        let n = Int32(truncatingIfNeeded: 1 << (log2 - 1))
        for cIdx in 1..<3 {
            let from = source.plane(cIdx)
            intra.gather(context, cIdx: cIdx, x: x >> 1, y: y >> 1, log2Size: log2 - 1)
            for i in 0..<5 {
                let mode = SliceDataSyntax<BitCounter>.intraPredModeC(
                    intraChromaPredMode: i, intraPredModeY: UInt8(luma))
                intra.predict(
                    mode: Int(mode), cIdx: cIdx,
                    log2Size: log2 - 1, bitDepth: slice.bitDepthChroma,
                    strongSmoothing: slice.constants.strongIntraSmoothingEnabledFlag,
                    to: SampleBlock(modeBlock, stride: Int(n), isNarrow: isNarrow))
                costs[i] += Double(
                    veil_any_satd(isNarrow, from.address(x >> 1, y >> 1), from.stride, modeBlock, Int(n), n, n))
            }
        }
        return (0..<5).min { costs[$0] < costs[$1] } ?? 4
    }

    // MARK: Units

    /// Rate and distortion of intra units, in one piece and, where they may be, in four; keeps the best one so far.
    func checkIntra(_ w: DecisionWorkspace, x: Int, y: Int, log2: Int, interSatd: Double) {
        let count = estimateIntra(x: x, y: y, log2: log2, stop: interSatd)
        let satd = memory.intraChoices[0].cost
        if interSatd * 1.3 < satd { return }
        let root = TreeNode(x: x, y: y, log2: log2)
        let mode = bestMode(w, root, count: count)
        let record = w.workRecord
        record.levelCount = 0
        record.tuCount = 0
        let luma = intraLuma(w, root, mode: mode)
        let header =
            modeBits(mode, maps.candidateModes(x, y, yCtb: context.yCtb))
            + intraHeader(x: x, y: y, log2: log2, parts: false)
        let m = UInt8(truncatingIfNeeded: mode)
        let cu = intraUnit(x: x, y: y, log2: log2, .part2Nx2N, modes: (m, m, m, m))
        let cost = finishIntra(w, cu, luma: luma, header: header, satd: satd)
        if effort.intraParts && log2 == 3 && p.minCbLog2SizeY == 3 && cost < w.bestCost * 1.25 {
            checkIntraParts(w, x: x, y: y, satd: satd)
        }
    }

    /// An 8x8 unit in four parts, each with its own mode.
    private func checkIntraParts(_ w: DecisionWorkspace, x: Int, y: Int, satd: Double) {
        let record = w.workRecord
        record.levelCount = 0
        record.tuCount = 0
        var header = intraHeader(x: x, y: y, log2: 3, parts: true)
        var luma = TreeOutcome()
        var modes = (UInt8(1), UInt8(1), UInt8(1), UInt8(1))
        for i in 0..<4 {
            let node = TreeNode(x: x, y: y, log2: 3).part(i)
            let count = estimateIntra(x: x + node.dx, y: y + node.dy, log2: 2, stop: .infinity)
            let mode = bestMode(w, node, count: count)
            header += modeBits(mode, maps.candidateModes(x + node.dx, y + node.dy, yCtb: context.yCtb))
            let part = intraLuma(w, node, mode: mode)
            record.tus[i].partition = UInt8(truncatingIfNeeded: i)
            luma.distortion += part.distortion
            luma.bits += part.bits
            luma.cbf |= part.cbf
            let m = UInt8(truncatingIfNeeded: mode)
            switch i {
            case 0: modes.0 = m
            case 1: modes.1 = m
            case 2: modes.2 = m
            default: modes.3 = m
            }
            if luma.distortion + lambda * (luma.bits + header) >= w.bestCost { return }
            // The next part's candidates come from it.
            maps.set(mode: m, x + node.dx, y + node.dy, size: 4)
        }
        let cu = intraUnit(x: x, y: y, log2: 3, .partNxN, modes: modes)
        _ = finishIntra(w, cu, luma: luma, header: header, satd: satd)
    }

    /// Bits of an intra unit's flags before its modes.
    private func intraHeader(x: Int, y: Int, log2: Int, parts: Bool) -> Double {
        var total = 0.0
        if slice.sliceType != .i {
            total +=
                bits(rate.bin(0, Context.cuSkipFlag + maps.skipContext(x, y))) + bits(rate.bin(1, Context.predModeFlag))
        }
        if log2 == p.minCbLog2SizeY { total += bits(rate.bin(parts ? 0 : 1, Context.partMode)) }
        return total
    }

    /// An intra unit with the modes of its luma.
    private func intraUnit(
        x: Int, y: Int, log2: Int, _ partMode: PartMode, modes: (UInt8, UInt8, UInt8, UInt8)
    ) -> CodingUnit {
        var cu = CodingUnit(x: x, y: y, log2: log2, .intra, partMode)
        cu.intraPredModeY = modes
        return cu
    }

    /// Adds chroma to an intra unit whose luma is coded, and keeps the unit when it is the best so far. Returns its
    /// cost.
    private func finishIntra(
        _ w: DecisionWorkspace, _ unit: CodingUnit, luma: TreeOutcome, header: Double, satd: Double
    ) -> Double {
        let (x, y, log2, modes) = (Int(unit.x0), Int(unit.y0), Int(unit.log2CbSize), unit.intraPredModeY)
        let chroma = chromaMode(x: x, y: y, log2: log2, luma: Int(modes.0))
        let modeC = SliceDataSyntax<BitCounter>.intraPredModeC(intraChromaPredMode: chroma, intraPredModeY: modes.0)
        let outcome = intraChroma(w, x: x, y: y, log2: log2, mode: modeC)
        let total =
            header + luma.bits + outcome.bits + bits(rate.bin(chroma == 4 ? 0 : 1, Context.intraChromaPredMode))
            + (chroma == 4 ? 0 : 2)
        let cost = luma.distortion + outcome.distortion + lambda * total
        if cost >= w.bestCost { return cost }
        let record = w.workRecord
        var cu = unit
        cu.intraChromaPredMode = UInt8(truncatingIfNeeded: chroma)
        cu.intraPredModeC = modeC
        cu.rqtRootCbf = true
        cu.tuCount = Int32(truncatingIfNeeded: record.tuCount)
        record.cus[0] = cu
        w.bestCost = cost
        w.bestMotion[0] = MotionInfo()
        w.bestIsZero = false
        w.bestSatd = satd
        swap(&w.work, &w.best)
        swap(&w.workRecord, &w.bestRecord)
        return cost
    }

    // MARK: Transform trees

    /// The best of the first `count` modes of `intraChoices` by rate and distortion, the transform tree not being
    /// split.
    private func bestMode(_ w: DecisionWorkspace, _ node: TreeNode, count: Int) -> Int {
        let choices = memory.intraChoices.view
        if count <= 1 { return choices[0].mode }
        let (x, y) = (node.x + node.dx, node.y + node.dy)
        let mpm = maps.candidateModes(x, y, yCtb: context.yCtb)
        let record = w.workRecord
        let levelCount = record.levelCount
        intra.gather(context, cIdx: 0, x: x, y: y, log2Size: node.log2)
        var best = 0
        var least = Double.infinity
        for i in 0..<count {
            if i > 0 && choices[i].cost > choices[0].cost * effort.intraRatio { break }
            let mode = choices[i].mode
            let block = intraBlock(w, node, cIdx: 0, mode: mode)
            record.levelCount = levelCount
            let cost = block.distortion + lambda * (block.bits + modeBits(mode, mpm))
            if cost < least {
                least = cost
                best = mode
            }
        }
        return best
    }

    /// Codes luma of a node of an intra unit's transform tree into the work buffers and record
    /// of a workspace. Parts go to the frame as well, from which those after them are predicted.
    private func intraLuma(_ w: DecisionWorkspace, _ node: TreeNode, mode: Int) -> TreeOutcome {
        let log2 = node.log2
        let (x, y) = (node.x &+ node.dx, node.y &+ node.dy)
        let record = w.workRecord
        let firstTU = record.tuCount
        let at = w.work.address(0, node.dy &* 64 &+ node.dx)
        let n = Int32(truncatingIfNeeded: 1 &<< log2)
        let plane = frame.planes.0
        intra.gather(context, cIdx: 0, x: x, y: y, log2Size: log2)
        let block = intraBlock(w, node, cIdx: 0, mode: mode)
        var tu = transformUnit(node)
        var whole = TreeOutcome()
        whole.distortion = block.distortion
        whole.bits = block.bits
        if block.coded {
            tu.cbf = 1
            tu.residual.0 = block.residual
            if block.skipsTransform { tu.transformSkip = 1 }
            whole.cbf = 1
        }
        record.tus[firstTU] = tu
        record.tuCount = firstTU &+ 1
        let canSplit = node.depth < p.maxTransformHierarchyDepthIntra && log2 > 2
        let splitContext = Context.splitTransformFlag &+ 5 &- log2
        if canSplit { whole.bits += bits(rate.bin(0, splitContext)) }
        if canSplit && block.coded {
            let levelCount = record.levelCount
            let spare = treeSamples[node.depth].address(0)
            veil_any_copy(isNarrow, spare, 64, at, 64, n, n)
            record.tuCount = firstTU
            var split = TreeOutcome()
            split.bits = bits(rate.bin(1, splitContext))
            for i in 0..<4 {
                let part = intraLuma(w, node.part(i), mode: mode)
                split.distortion += part.distortion
                split.bits += part.bits
                split.cbf |= part.cbf
            }
            if split.distortion + lambda * split.bits < whole.distortion + lambda * whole.bits { return split }
            record.tus[firstTU] = tu
            record.tuCount = firstTU &+ 1
            record.levelCount = levelCount
            veil_any_copy(isNarrow, at, 64, spare, 64, n, n)
        }
        if node.depth > 0 {
            veil_any_copy(isNarrow, plane.address(x, y), plane.stride, at, 64, n, n)
        }
        return whole
    }

    /// Codes chroma of an intra unit, block by block of the transform tree that luma has chosen.
    private func intraChroma(_ w: DecisionWorkspace, x: Int, y: Int, log2: Int, mode: UInt8) -> TreeOutcome {
        let record = w.workRecord
        var outcome = TreeOutcome()
        var i = 0
        while i < record.tuCount {
            let first = record.tus[i]
            let isSmall = first.log2TrafoSize == 2
            // Four luma blocks of 4x4 share the chroma blocks, which belong to the last of them.
            let last = isSmall ? i &+ 3 : i
            let blockLog2 = isSmall ? 3 : Int(first.log2TrafoSize)
            if isSmall {
                for k in i...last {
                    record.tus[k].xBase = first.x0
                    record.tus[k].yBase = first.y0
                }
                record.tus[last].hasChroma = true
            }
            let dx = Int(first.x0) &- x
            let dy = Int(first.y0) &- y
            for cIdx in 1..<3 {
                intra.gather(
                    context, cIdx: cIdx, x: Int(first.x0) &>> 1, y: Int(first.y0) &>> 1, log2Size: blockLog2 &- 1)
                let node = TreeNode(x: x, y: y, dx: dx, dy: dy, log2: blockLog2, depth: log2 &- blockLog2)
                let block = intraBlock(w, node, cIdx: cIdx, mode: Int(mode))
                outcome.distortion += block.distortion
                outcome.bits += block.bits
                if block.coded {
                    let bit = UInt8(1) &<< UInt8(truncatingIfNeeded: cIdx)
                    record.tus[last].cbf |= bit
                    if block.skipsTransform { record.tus[last].transformSkip |= bit }
                    if cIdx == 1 {
                        record.tus[last].residual.1 = block.residual
                    } else {
                        record.tus[last].residual.2 = block.residual
                    }
                }
                if blockLog2 < log2 {
                    let plane = frame.plane(cIdx)
                    let n = Int32(truncatingIfNeeded: 1 &<< (blockLog2 &- 1))
                    veil_any_copy(
                        isNarrow, plane.address(Int(first.x0) &>> 1, Int(first.y0) &>> 1), plane.stride,
                        w.work.address(cIdx, (dy &>> 1) &* 32 &+ (dx &>> 1)), 32, n, n)
                }
            }
            i = last &+ 1
        }
        return outcome
    }

    /// Predicts one block from the neighbours collected last and codes what is left.
    @inline(__always)
    private func intraBlock(_ w: DecisionWorkspace, _ node: TreeNode, cIdx: Int, mode: Int) -> BlockOutcome {
        let s = cIdx == 0 ? 0 : 1
        let size = node.log2 &- s
        let (dx, dy) = (node.dx &>> s, node.dy &>> s)
        let prediction = w.prediction.block(cIdx, dx, dy)
        intra.predict(
            mode: mode, cIdx: cIdx, log2Size: size, bitDepth: cIdx == 0 ? slice.bitDepthLuma : slice.bitDepthChroma,
            strongSmoothing: slice.constants.strongIntraSmoothingEnabledFlag, to: prediction)
        let scan =
            size == 2 || (cIdx == 0 && size == 3)
            ? SliceDataSyntax<BitCounter>.scanIdx(UInt8(truncatingIfNeeded: mode)) : 0
        let block = TransformBlock(
            quantizer: quantization.intra,
            source: source.plane(cIdx).block((node.x &+ node.dx) &>> s, (node.y &+ node.dy) &>> s),
            prediction: prediction, out: w.work.block(cIdx, dx, dy), log2: size, cIdx: cIdx, scanIdx: scan,
            trafoDepth: node.depth)
        return codeBlock(block, w.workRecord, transform: cIdx == 0 && size == 2 ? .sine : .cosine)
    }
}
