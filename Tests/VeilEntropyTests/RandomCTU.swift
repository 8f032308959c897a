// SPDX-License-Identifier: GPL-2.0-or-later
import TestSupport
import VeilCore

@testable import VeilEntropy

extension SplitMix {
    mutating func upTo(_ n: Int) -> Int { Int(next() % UInt64(n)) }
    mutating func chance(_ n: Int) -> Bool { upTo(n) == 0 }
}

/// Fills CTU records with random but syntactically valid content.
struct RandomCTU {
    var random: SplitMix
    let p: SliceParameters
    /// Prefer values at the ends of their ranges and at thresholds.
    var edges = false
    private var deltaPending = false

    init(seed: UInt64, parameters: SliceParameters) {
        random = SplitMix(state: seed)
        p = parameters
    }

    mutating func fill(_ ctu: CodingTreeUnit, address: Int) {
        let size = 1 << p.ctbLog2SizeY
        let x = address % p.picWidthInCtbsY * size
        let y = address / p.picWidthInCtbsY * size
        ctu.reset(ctbAddrRs: address, xCtb: x, yCtb: y)
        fillSao(ctu)
        quadtree(ctu, x, y, p.ctbLog2SizeY)
    }

    private mutating func fillSao(_ ctu: CodingTreeUnit) {
        func component(_ r: inout SplitMix) -> SAOParameters.Component {
            var c = SAOParameters.Component()
            c.saoTypeIdx = UInt8(r.upTo(3))
            if c.saoTypeIdx == 1 {
                c.saoBandPosition = UInt8(r.upTo(32))
                c.offsets = (Int16(r.upTo(15) - 7), Int16(r.upTo(15) - 7), Int16(r.upTo(15) - 7), Int16(r.upTo(15) - 7))
            } else if c.saoTypeIdx == 2 {
                c.saoEoClass = UInt8(r.upTo(4))
                c.offsets = (Int16(r.upTo(8)), Int16(r.upTo(8)), Int16(-r.upTo(8)), Int16(-r.upTo(8)))
            }
            return c
        }
        ctu.sao.components.0 = component(&random)
        ctu.sao.components.1 = component(&random)
        ctu.sao.components.2 = component(&random)
        while ctu.sao.components.2.saoTypeIdx != ctu.sao.components.1.saoTypeIdx {
            ctu.sao.components.2 = component(&random)
        }
        ctu.sao.components.2.saoEoClass = ctu.sao.components.1.saoEoClass
    }

    private mutating func quadtree(_ ctu: CodingTreeUnit, _ x: Int, _ y: Int, _ log2: Int) {
        if x >= p.picWidthInLumaSamples || y >= p.picHeightInLumaSamples { return }
        let size = 1 << log2
        let fits = x + size <= p.picWidthInLumaSamples && y + size <= p.picHeightInLumaSamples
        if p.cuQpDeltaEnabledFlag && log2 >= p.log2MinCuQpDeltaSize { deltaPending = true }
        if log2 > p.minCbLog2SizeY && (!fits || random.chance(2)) {
            for i in 0..<4 { quadtree(ctu, x + (i & 1) * size / 2, y + (i >> 1) * size / 2, log2 - 1) }
            return
        }
        codingUnit(ctu, x, y, log2)
    }

    private mutating func codingUnit(_ ctu: CodingTreeUnit, _ x: Int, _ y: Int, _ log2: Int) {
        var cu = CodingUnit()
        cu.x0 = Int32(x)
        cu.y0 = Int32(y)
        cu.log2CbSize = UInt8(log2)
        cu.firstPU = Int32(ctu.puCount)
        cu.firstTU = Int32(ctu.tuCount)
        cu.predMode = p.sliceType == .i || random.chance(3) ? .intra : .inter
        cu.cuSkipFlag = cu.predMode == .inter && random.chance(3)
        if cu.predMode == .intra {
            if p.pcmEnabledFlag && log2 <= p.log2MaxIpcmCbSizeY && random.chance(6) {
                cu.pcmFlag = true
                cu.pcmStart = Int32(ctu.pcmCount)
                let count = 3 << (2 * log2 - 1)
                for i in 0..<count {
                    let bits = i < 1 << (2 * log2) ? p.pcmBitDepthLuma : p.pcmBitDepthChroma
                    ctu.pcmSamples[ctu.pcmCount + i] = UInt16(random.upTo(1 << bits))
                }
                ctu.pcmCount += count
            } else {
                if log2 == p.minCbLog2SizeY && random.chance(2) { cu.partMode = .partNxN }
                cu.intraPredModeY.0 = UInt8(random.upTo(35))
                if cu.partMode == .partNxN {
                    cu.intraPredModeY.1 = UInt8(random.upTo(35))
                    cu.intraPredModeY.2 = UInt8(random.upTo(35))
                    cu.intraPredModeY.3 = UInt8(random.upTo(35))
                } else {
                    let m = cu.intraPredModeY.0
                    cu.intraPredModeY = (m, m, m, m)
                }
                cu.intraChromaPredMode = UInt8(random.upTo(5))
                cu.intraPredModeC = SliceDataSyntax<BitCounter>.intraPredModeC(
                    intraChromaPredMode: Int(cu.intraChromaPredMode), intraPredModeY: cu.intraPredModeY.0)
            }
        } else {
            if !cu.cuSkipFlag {
                var modes: [PartMode] = [.part2Nx2N, .part2NxN, .partNx2N]
                if log2 > p.minCbLog2SizeY {
                    if p.ampEnabledFlag { modes += [.part2NxnU, .part2NxnD, .partnLx2N, .partnRx2N] }
                } else if log2 > 3 {
                    modes.append(.partNxN)
                }
                cu.partMode = modes[random.upTo(modes.count)]
            }
            let parts = cu.partMode == .part2Nx2N ? 1 : cu.partMode == .partNxN ? 4 : 2
            for i in 0..<parts { predictionUnit(ctu, cu, i) }
        }
        let merged = cu.predMode == .inter && cu.partMode == .part2Nx2N && ctu.pus[Int(cu.firstPU)].mergeFlag
        cu.rqtRootCbf = cu.predMode == .intra ? !cu.pcmFlag : !cu.cuSkipFlag && (merged || random.chance(2))
        if cu.rqtRootCbf {
            let split = cu.predMode == .intra && cu.partMode == .partNxN
            let depth =
                cu.predMode == .intra
                ? p.maxTransformHierarchyDepthIntra + (split ? 1 : 0) : p.maxTransformHierarchyDepthInter
            let before = ctu.tuCount
            transformTree(ctu, &cu, x, y, x, y, log2, 0, depth, 0, split)
            if cu.predMode == .inter && (before..<ctu.tuCount).allSatisfy({ ctu.tus[$0].cbf == 0 }) {
                // rqt_root_cbf says that something is coded.
                ctu.tus[before].cbf = 1
                ctu.tus[before].residual.0 = block(ctu, Int(ctu.tus[before].log2TrafoSize))
            }
            if deltaPending && (before..<ctu.tuCount).contains(where: { ctu.tus[$0].cbf != 0 }) {
                cu.cuQpDeltaVal = Int8(random.upTo(52) - 26)
                if edges && random.chance(2) { cu.cuQpDeltaVal = [-26, 25, -25, 24, 20, -20, 19, 12][random.upTo(8)] }
                deltaPending = false
                lastDelta = cu.cuQpDeltaVal
            }
        }
        ctu.cus[ctu.cuCount] = cu
        ctu.cuCount += 1
    }

    private var lastDelta: Int8 = 0

    private mutating func predictionUnit(_ ctu: CodingTreeUnit, _ cu: CodingUnit, _ index: Int) {
        var pu = PredictionUnit()
        pu.mergeFlag = cu.cuSkipFlag || random.chance(2)
        let size = 1 << Int(cu.log2CbSize)
        let small = size == 8 && cu.partMode != .part2Nx2N
        if pu.mergeFlag {
            pu.mergeIdx = UInt8(random.upTo(p.maxNumMergeCand))
        } else {
            pu.interPredIdc = p.sliceType == .b ? UInt8(random.upTo(small ? 2 : 3)) : 0
            func vector(_ r: inout SplitMix) -> MotionVector {
                func part(_ r: inout SplitMix) -> Int16 {
                    if edges && r.chance(2) {
                        return [Int16.min, .max, -.max, 16384, -16384, 16383, 32766, 2, -3, 1][r.upTo(10)]
                    }
                    switch r.upTo(4) {
                    case 0: return 0
                    case 1: return Int16(r.upTo(7) - 3)
                    case 2: return Int16(r.upTo(400) - 200)
                    default: return Int16(truncatingIfNeeded: r.upTo(65536))
                    }
                }
                return MotionVector(x: part(&r), y: part(&r))
            }
            pu.refIdxL0 = pu.interPredIdc != 1 ? Int8(random.upTo(p.numRefIdxL0Active)) : -1
            pu.refIdxL1 = pu.interPredIdc != 0 ? Int8(random.upTo(p.numRefIdxL1Active)) : -1
            if pu.interPredIdc != 1 {
                pu.mvdL0 = vector(&random)
                pu.mvpL0Flag = UInt8(random.upTo(2))
            }
            if pu.interPredIdc != 0 {
                if !(p.mvdL1ZeroFlag && pu.interPredIdc == 2) { pu.mvdL1 = vector(&random) }
                pu.mvpL1Flag = UInt8(random.upTo(2))
            }
        }
        ctu.pus[ctu.puCount] = pu
        ctu.puCount += 1
    }

    private mutating func block(_ ctu: CodingTreeUnit, _ log2: Int) -> ResidualBlock {
        var b = ResidualBlock()
        b.start = Int32(ctu.levelCount)
        let count = 1 << (2 * log2)
        let base = ctu.levels + ctu.levelCount
        base.update(repeating: 0, count: count)
        let density = [2, 4, 20, 200][random.upTo(4)]
        let big = random.chance(8)
        for i in 0..<count where random.chance(density) {
            let magnitude = big ? random.upTo(32768) : random.chance(3) ? random.upTo(60) : random.upTo(4)
            base[i] = Int16(random.chance(2) ? magnitude : -magnitude)
            if edges && random.chance(3) {
                let near = 3 << random.upTo(5)
                base[i] =
                    [
                        Int16.min, .max, -.max, 32766, Int16(near), Int16(near + 1), Int16(-near), Int16(near - 1), 4,
                        -5,
                    ][random.upTo(10)]
            }
        }
        if (0..<count).allSatisfy({ base[$0] == 0 }) { base[random.upTo(count)] = 1 }
        ctu.levelCount += count
        return b
    }

    private mutating func transformTree(
        _ ctu: CodingTreeUnit, _ cu: inout CodingUnit, _ x: Int, _ y: Int, _ xBase: Int, _ yBase: Int, _ log2: Int,
        _ depth: Int,
        _ maxDepth: Int, _ blkIdx: Int, _ intraSplit: Bool
    ) {
        let interSplit =
            p.maxTransformHierarchyDepthInter == 0 && cu.predMode == .inter && cu.partMode != .part2Nx2N && depth == 0
        let free =
            log2 <= p.maxTbLog2SizeY && log2 > p.minTbLog2SizeY && depth < maxDepth && !(intraSplit && depth == 0)
        let forced = (log2 > p.maxTbLog2SizeY || (intraSplit && depth == 0) || interSplit) && log2 > p.minTbLog2SizeY
        if free ? random.chance(2) : forced {
            let half = 1 << (log2 - 1)
            for i in 0..<4 {
                transformTree(
                    ctu, &cu, x + (i & 1) * half, y + (i >> 1) * half, x, y, log2 - 1, depth + 1, maxDepth, i,
                    intraSplit)
            }
            return
        }
        var tu = TransformUnit()
        tu.x0 = Int32(x)
        tu.y0 = Int32(y)
        tu.log2TrafoSize = UInt8(log2)
        tu.hasChroma = log2 > 2 || blkIdx == 3
        tu.log2TrafoSizeC = UInt8(max(2, log2 - 1))
        let half = p.minCbLog2SizeY - 1
        tu.partition = intraSplit ? UInt8((y >> half & 1) << 1 | (x >> half & 1)) : 0
        if random.chance(2) {
            tu.cbf |= 1
            tu.residual.0 = block(ctu, log2)
        }
        if tu.hasChroma && random.chance(2) {
            tu.cbf |= 2
            tu.residual.1 = block(ctu, Int(tu.log2TrafoSizeC))
        }
        if tu.hasChroma && random.chance(2) {
            tu.cbf |= 4
            tu.residual.2 = block(ctu, Int(tu.log2TrafoSizeC))
        }
        // A lone 2Nx2N inter TU without chroma infers cbf_luma = 1.
        if cu.predMode == .inter && depth == 0 && tu.cbf == 0 {
            tu.cbf = 1
            tu.residual.0 = block(ctu, log2)
        }
        if p.transformSkipEnabledFlag {
            if log2 == 2 && tu.cbf & 1 != 0 && random.chance(2) { tu.transformSkip |= 1 }
            if tu.log2TrafoSizeC == 2 && tu.cbf & 2 != 0 && random.chance(2) { tu.transformSkip |= 2 }
            if tu.log2TrafoSizeC == 2 && tu.cbf & 4 != 0 && random.chance(2) { tu.transformSkip |= 4 }
        }
        ctu.tus[ctu.tuCount] = tu
        ctu.tuCount += 1
    }
}
