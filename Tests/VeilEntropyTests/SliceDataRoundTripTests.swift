// SPDX-License-Identifier: GPL-2.0-or-later
import TestSupport
import Testing
import VeilCore

@testable import VeilEntropy

/// A stand-in for a cipher: flips every bin that is not frozen, keeping mvd and level ranges by leaving their widest
/// classes alone.
private final class FlippingHook: BinHook {
    var runs = 0
    func begin(_ unit: BinUnit) {}
    func replace(_ run: BinRun) -> UInt32 {
        runs += 1
        switch run.element {
        case .mvdSuffix: return run.count >= 15 ? run.bins : ~run.bins & (1 << UInt32(run.count) - 1)
        case .mvdSign: return run.value >= 32768 ? run.bins : run.bins ^ 1
        case .coeffSuffix:
            // Escapes lie wholly above the Rice threshold; those that reach 32768 stay.
            if run.prefix <= 3 || Int(run.prefix) - 3 + Int(run.riceParam) >= 14 { return run.bins }
            return ~run.bins & UInt32((UInt64(1) << UInt64(run.count)) - 1)
        case .coeffSign, .dqpSign: return (run.bins ^ ~run.frozen) & UInt32((UInt64(1) << UInt64(run.count)) - 1)
        default: return run.bins
        }
    }
}

private func parameters(_ variant: Int) -> SliceParameters {
    let ctbLog2 = [6, 5, 4][variant % 3]
    var p = pictureParameters(width: 200, height: 136, ctbLog2: ctbLog2, firstTile: variant % 5 == 3 ? (2, 1) : nil)
    p.sliceType = [.b, .p, .i][variant % 3]
    p.initType = [2, 1, 0][variant % 3]
    p.sliceQpY = 20 + variant
    p.maxTransformHierarchyDepthInter = variant % 4
    p.maxTransformHierarchyDepthIntra = (variant + 1) % 3
    p.ampEnabledFlag = variant % 2 == 0
    p.pcmEnabledFlag = variant % 2 == 1
    p.pcmBitDepthLuma = 7
    p.pcmBitDepthChroma = 5
    p.sliceSaoChromaFlag = variant % 4 != 1
    p.log2MinCuQpDeltaSize = max(3, ctbLog2 - variant % 3)
    p.transformSkipEnabledFlag = true
    p.numRefIdxL0Active = 4
    p.numRefIdxL1Active = 3
    p.mvdL1ZeroFlag = variant % 7 == 0
    p.entropyCodingSyncEnabledFlag = variant % 5 == 2
    return p
}

private func lines(_ p: SliceParameters) -> AboveContext {
    AboveContext(picWidthInMinCbs: p.picWidthInLumaSamples >> 3)
}

private func write(_ p: SliceParameters, seed: UInt64, hook: HookBox?) -> [UInt8] {
    let store = ContextStore(picHeightInCtbs: p.picHeightInCtbsY)
    let writer = SliceData.writer(
        parameters: p, store: store, lines: lines(p), scratch: SyntaxScratch(), contexts: ContextSet(), hook: hook,
        unit: BinUnit(layer: 0, period: 0, pocDelta: 0, ctuAddress: 0))
    var generator = RandomCTU(seed: seed, parameters: p)
    #expect(code(writer, p, before: { generator.fill($1, address: $0) }))
    return writer.outputBytes()
}

private func recode(_ p: SliceParameters, _ bytes: [UInt8], hook: HookBox?) -> [UInt8] {
    bytes.withUnsafeBufferPointer { data in
        let recoder = SliceData.recoder(
            parameters: p, data: data, store: ContextStore(picHeightInCtbs: p.picHeightInCtbsY), lines: lines(p),
            scratch: SyntaxScratch(), contexts: ContextSet(), hook: hook,
            unit: BinUnit(layer: 0, period: 0, pocDelta: 0, ctuAddress: 0))
        #expect(code(recoder, p))
        return recoder.outputBytes()
    }
}

@Test(arguments: 0..<30)
func writtenCTUsReadBack(variant: Int) {
    let p = parameters(variant)
    let seed = UInt64(variant + 1)
    let bytes = write(p, seed: seed, hook: nil)
    // Reading gives the same records.
    var generator = RandomCTU(seed: seed, parameters: p)
    let expected = CodingTreeUnit()
    bytes.withUnsafeBufferPointer { data in
        let reader = SliceData.reader(
            parameters: p, data: data, store: ContextStore(picHeightInCtbs: p.picHeightInCtbsY), lines: lines(p),
            scratch: SyntaxScratch(), contexts: ContextSet())
        let ok = code(
            reader, p,
            after: { ctu in
                generator.fill(expected, address: ctu.ctbAddrRs)
                compare(ctu, expected, p)
            })
        #expect(ok)
    }
    // Recoding without a hook gives the same bytes.
    #expect(recode(p, bytes, hook: nil) == bytes)
}

@Test(arguments: 0..<30)
func hookedWritingEqualsHookedRecoding(variant: Int) {
    let p = parameters(variant)
    let seed = UInt64(variant + 1)
    let clear = write(p, seed: seed, hook: nil)
    let hook = FlippingHook()
    let inLoop = write(p, seed: seed, hook: HookBox(hook))
    #expect(hook.runs > 100)
    #expect(inLoop.count == clear.count)
    #expect(inLoop != clear)
    #expect(recode(p, clear, hook: HookBox(FlippingHook())) == inLoop)
    #expect(recode(p, inLoop, hook: HookBox(FlippingHook())) == clear)
}

/// Sign data hiding: what is read, written again, gives the same bytes.
@Test(arguments: 0..<12)
func signDataHidingIsStable(variant: Int) {
    var p = parameters(variant)
    p.signDataHidingEnabledFlag = true
    let bytes = write(p, seed: 99, hook: nil)
    let flipped = recode(p, bytes, hook: HookBox(FlippingHook()))
    #expect(flipped.count == bytes.count)
    #expect(recode(p, flipped, hook: HookBox(FlippingHook())) == bytes)
}

@Test func truncatedDataFails() {
    let p = parameters(1)
    let bytes = write(p, seed: 5, hook: nil)
    for length in stride(from: 0, to: bytes.count - 2, by: max(1, bytes.count / 50)) {
        bytes.prefix(length).withUnsafeBufferPointer { data in
            let reader = SliceData.reader(
                parameters: p, data: UnsafeBufferPointer(rebasing: data[...]),
                store: ContextStore(picHeightInCtbs: p.picHeightInCtbsY),
                lines: lines(p), scratch: SyntaxScratch(), contexts: ContextSet())
            #expect(!code(reader, p))
        }
    }
}

/// Random bytes never trap.
@Test(arguments: 0..<60)
func noiseIsSurvived(variant: Int) {
    let p = parameters(variant)
    var random = SplitMix(state: UInt64(variant) + 1000)
    let noise = (0..<3000).map { _ in UInt8(truncatingIfNeeded: random.next()) }
    noise.withUnsafeBufferPointer { data in
        for hook in [nil, HookBox(FlippingHook())] {
            let reader = SliceData.reader(
                parameters: p, data: data, store: ContextStore(picHeightInCtbs: p.picHeightInCtbsY), lines: lines(p),
                scratch: SyntaxScratch(), contexts: ContextSet(), hook: hook)
            _ = code(reader, p)
        }
    }
}

private func compare(_ a: CodingTreeUnit, _ b: CodingTreeUnit, _ p: SliceParameters) {
    #expect(a.cuCount == b.cuCount && a.puCount == b.puCount && a.tuCount == b.tuCount)
    if a.cuCount != b.cuCount || a.tuCount != b.tuCount || a.puCount != b.puCount { return }
    if !a.sao.saoMergeLeftFlag && !a.sao.saoMergeUpFlag {
        #expect(a.sao.components.0 == b.sao.components.0)
        if p.sliceSaoChromaFlag {
            #expect(a.sao.components.1 == b.sao.components.1 && a.sao.components.2 == b.sao.components.2)
        }
    }
    for i in 0..<a.cuCount {
        let (c, d) = (a.cus[i], b.cus[i])
        #expect(
            c.x0 == d.x0 && c.y0 == d.y0 && c.log2CbSize == d.log2CbSize && c.predMode == d.predMode
                && c.partMode == d.partMode)
        #expect(c.cuSkipFlag == d.cuSkipFlag && c.pcmFlag == d.pcmFlag && c.rqtRootCbf == d.rqtRootCbf)
        if c.predMode == .intra && !c.pcmFlag {
            #expect(c.intraPredModeY == d.intraPredModeY && c.intraPredModeC == d.intraPredModeC)
        }
        if c.pcmFlag {
            let n = 3 << (2 * Int(c.log2CbSize) - 1)
            #expect((0..<n).allSatisfy { a.pcmSamples[Int(c.pcmStart) + $0] == b.pcmSamples[Int(d.pcmStart) + $0] })
        }
        if d.cuQpDeltaVal != 0 { #expect(c.cuQpDeltaVal == d.cuQpDeltaVal) }
    }
    for i in 0..<a.puCount {
        let (c, d) = (a.pus[i], b.pus[i])
        #expect(c.mergeFlag == d.mergeFlag)
        if c.mergeFlag {
            #expect(c.mergeIdx == d.mergeIdx)
        } else {
            #expect(c.interPredIdc == d.interPredIdc && c.refIdxL0 == d.refIdxL0 && c.refIdxL1 == d.refIdxL1)
            #expect(
                c.mvdL0 == d.mvdL0 && c.mvdL1 == d.mvdL1 && c.mvpL0Flag == d.mvpL0Flag && c.mvpL1Flag == d.mvpL1Flag)
        }
    }
    func blocks(_ t: TransformUnit) -> [(ResidualBlock, Int)] {
        [
            (t.residual.0, Int(t.log2TrafoSize)), (t.residual.1, Int(t.log2TrafoSizeC)),
            (t.residual.2, Int(t.log2TrafoSizeC)),
        ]
    }
    for i in 0..<a.tuCount {
        let (c, d) = (a.tus[i], b.tus[i])
        #expect(c.x0 == d.x0 && c.y0 == d.y0 && c.log2TrafoSize == d.log2TrafoSize && c.cbf == d.cbf)
        #expect(c.partition == d.partition && c.transformSkip == d.transformSkip && c.hasChroma == d.hasChroma)
        for cIdx in 0..<3 where c.cbf >> UInt8(cIdx) & 1 != 0 {
            let (r, _) = blocks(c)[cIdx]
            let (w, log2) = blocks(d)[cIdx]
            var dense = [Int16](repeating: 0, count: 1 << (2 * log2))
            for k in 0..<Int(r.count) {
                let entry = a.coefficients[Int(r.start) + k]
                dense[Int(entry.position)] = entry.level
            }
            #expect((0..<dense.count).allSatisfy { dense[$0] == b.levels[Int(w.start) + $0] })
        }
    }
}
