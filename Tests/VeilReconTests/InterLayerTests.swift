// SPDX-License-Identifier: GPL-2.0-or-later
import CVeilKernels
import Testing
import VeilCore
import VeilEntropy

@testable import VeilRecon

/// Inter-layer reference pictures (H.8.1.4): samples and motion by the equations, whole and piece by piece.
@Suite struct InterLayerTests {
    struct Case: CustomTestStringConvertible, Sendable {
        var from: (Int, Int), to: (Int, Int)
        var scaled = (left: 0, top: 0, right: 0, bottom: 0)
        var region = (left: 0, top: 0, right: 0, bottom: 0)
        var phases: (horY: Int, verY: Int, horC: Int, verC: Int)?
        var depths = (8, 8)
        var parameters: ResamplingParameters {
            var p = ResamplingParameters(refWidth: from.0, refHeight: from.1, width: to.0, height: to.1)
            p.scaledRefLayer = scaled
            p.refRegion = region
            p.phases = phases
            return p
        }
        var testDescription: String {
            "\(from) to \(to), \(scaled), \(region), \(String(describing: phases)), \(depths)"
        }
    }

    static let cases = [
        Case(from: (40, 24), to: (80, 48)),
        Case(from: (48, 32), to: (72, 48), depths: (8, 10)),
        Case(from: (64, 40), to: (64, 40), depths: (8, 10)),
        Case(from: (64, 40), to: (64, 40)),
        Case(from: (64, 40), to: (64, 40), depths: (10, 8)),
        Case(from: (40, 24), to: (80, 48), depths: (10, 8)),
        Case(from: (40, 32), to: (104, 72), depths: (10, 10)),
        Case(from: (40, 24), to: (96, 64), scaled: (8, 4, 8, 12)),
        Case(from: (56, 40), to: (72, 56), scaled: (-4, -2, -6, -8), region: (2, 4, 6, 2)),
        Case(from: (40, 24), to: (60, 36), phases: (5, 9, -5, 3)),
        // Far outside of the reference: borders only.
        Case(from: (16, 16), to: (128, 128), scaled: (100, 96, 8, 4)),
    ]

    static func noise(_ width: Int, _ height: Int, _ depth: Int, isNarrow: Bool = false) -> CodedPicture {
        let frame = FrameBuffer(
            width: width, height: height, bitDepthLuma: depth, bitDepthChroma: depth, isNarrow: isNarrow)
        var state: UInt32 = 99
        for c in 0..<3 {
            let plane = frame.plane(c)
            for y in 0..<plane.height {
                for x in 0..<plane.width {
                    state = state &* 1_664_525 &+ 1_013_904_223
                    plane.set(x, y, Int(state >> UInt32(32 - depth)))
                }
            }
        }
        frame.extendMargins(lumaRows: 0..<height)
        let motion = MotionField(width: width, height: height, ctbLog2Size: 4)
        for i in 0..<motion.width4 * motion.height4 {
            state = state &* 1_664_525 &+ 1_013_904_223
            motion.blocks[i].refIdx0 = Int8(state >> 30) - 1
            motion.blocks[i].mv0 = MotionVector(
                x: Int16(truncatingIfNeeded: state >> 16) / 64, y: Int16(truncatingIfNeeded: state >> 8) / 64)
        }
        motion.slices = [.init(poc: ([0, 1, 2], []), isLongTerm: ([false, false, false], []))]
        let picture = CodedPicture(frame: frame, motion: motion)
        picture.publishAll()
        return picture
    }

    /// H.8.1.4.1, one sample at a time.
    static func sample(
        _ source: CodedPicture, _ p: ResamplingParameters, _ cIdx: Int, _ x: Int, _ y: Int, depth: Int
    ) -> Int {
        let plane = source.frame.plane(cIdx)
        let refDepth = source.frame.bitDepth(cIdx)
        if p.isIdentity && depth >= refDepth { return plane[x, y] << (depth - refDepth) }
        let chroma = cIdx > 0
        let s = chroma ? 1 : 0
        func position(_ at: Int, _ scale: Int, _ offset: Int, _ region: Int, _ phase: Int) -> Int {
            ((((at - (offset >> s)) * scale + (1 << 11)) - ((phase * scale + 8) >> 4)) >> 12) + ((region >> s) << 4)
        }
        let verC = (4 * p.scaledRefRegionHeight + p.refLayerRegionHeight / 2) / p.refLayerRegionHeight - 4
        let hor = p.phases.map { chroma ? $0.horC : $0.horY } ?? 0
        let ver = p.phases.map { chroma ? $0.verC : $0.verY } ?? (chroma ? verC : 0)
        let xRef = position(x, p.scaleFactorX, p.scaledRefLayer.left, p.refRegion.left, hor)
        let yRef = position(y, p.scaleFactorY, p.scaledRefLayer.top, p.refRegion.top, ver)
        let taps = chroma ? 4 : 8
        func coefficient(_ phase: Int, _ k: Int) -> Int {
            withUnsafeBytes(of: veil_resample_taps_luma) { luma in
                withUnsafeBytes(of: veil_resample_taps_chroma) { c in
                    Int((chroma ? c : luma).load(fromByteOffset: (phase * taps + k) * 2, as: Int16.self))
                }
            }
        }
        var sum = 0
        for j in 0..<taps {
            let row = min(max((yRef >> 4) + j - (taps / 2 - 1), 0), plane.height - 1)
            var line = 0
            for i in 0..<taps {
                line +=
                    coefficient(xRef & 15, i)
                    * plane[min(max((xRef >> 4) + i - (taps / 2 - 1), 0), plane.width - 1), row]
            }
            sum += coefficient(yRef & 15, j) * (line >> (refDepth - 8))
        }
        let shift = 20 - depth
        return min(max((sum + (1 << (shift - 1))) >> shift, 0), (1 << depth) - 1)
    }

    /// Samples of one byte, where they have 8 bits, of the reference layer and of the one above it.
    @Test(arguments: cases, [(false, false), (true, true), (true, false), (false, true)])
    func samplesFollowTheEquations(_ c: Case, isNarrow: (Bool, Bool)) {
        if isNarrow.0 && c.depths.0 > 8 || isNarrow.1 && c.depths.1 > 8 { return }
        let p = c.parameters
        let source = Self.noise(c.from.0, c.from.1, c.depths.0, isNarrow: isNarrow.0)
        let reference = InterLayerReference(parameters: p)
        let whole = CodedPicture(
            frame: FrameBuffer(
                width: p.width, height: p.height, bitDepthLuma: c.depths.1, bitDepthChroma: c.depths.1,
                isNarrow: isNarrow.1),
            motion: MotionField(width: p.width, height: p.height, ctbLog2Size: 4))
        reference.make(from: source, into: whole)
        let grid = CTBGrid(width: p.width, height: p.height, log2CtbSize: 4)
        let pieces = InterLayerProducer.picture(
            reference, from: source, grid: grid, poc: 3, bitDepthLuma: c.depths.1, bitDepthChroma: c.depths.1,
            isNarrow: isNarrow.1, motion: true)
        for y in stride(from: 0, to: p.height, by: 16) {
            for x in stride(from: 0, to: p.width, by: 16) {
                pieces.producer?.prepare(mv: MotionVector(), x: x, y: y, height: 16)
            }
        }
        var wrong = 0
        for cIdx in 0..<3 {
            let plane = whole.frame.plane(cIdx)
            for y in 0..<plane.height {
                for x in 0..<plane.width {
                    let expected = Self.sample(source, p, cIdx, x, y, depth: c.depths.1)
                    if plane[x, y] != expected || pieces.frame.plane(cIdx)[x, y] != expected {
                        wrong += 1
                    }
                }
            }
        }
        #expect(wrong == 0)
    }

    @Test(arguments: cases) func motionFollowsTheEquations(_ c: Case) {
        let p = c.parameters
        let source = Self.noise(c.from.0, c.from.1, c.depths.0)
        let reference = InterLayerReference(parameters: p)
        let grid = CTBGrid(width: p.width, height: p.height, log2CtbSize: 4)
        let made = InterLayerProducer.picture(
            reference, from: source, grid: grid, poc: 3, bitDepthLuma: c.depths.1, bitDepthChroma: c.depths.1,
            motion: true)
        func scaled(_ v: Int16, _ to: Int, _ from: Int) -> Int16 {
            if to == from { return v }
            let product = min(max(((to << 8) + (from >> 1)) / from, -4096), 4095) * Int(v)
            return Int16(clamping: product.signum() * ((abs(product) + 127) >> 8))
        }
        for y in stride(from: 0, to: p.height, by: 16) {
            made.prepareMotion(rows: y + 16)
            for x in stride(from: 0, to: p.width, by: 16) {
                // H-65 to H-70
                let xRef = (((x + 8 - p.scaledRefLayer.left) * p.scaleFactorX + (1 << 15)) >> 16) + p.refRegion.left
                let yRef = (((y + 8 - p.scaledRefLayer.top) * p.scaleFactorY + (1 << 15)) >> 16) + p.refRegion.top
                let xRL = ((xRef + 4) >> 4) << 4
                let yRL = ((yRef + 4) >> 4) << 4
                var expected = MotionInfo()
                if xRL >= 0 && yRL >= 0 && xRL < p.refWidth && yRL < p.refHeight {
                    expected = source.motion.blocks[(yRL >> 2) * source.motion.width4 + (xRL >> 2)]
                    expected.mv0 = MotionVector(
                        x: scaled(expected.mv0.x, p.scaledRefRegionWidth, p.refLayerRegionWidth),
                        y: scaled(expected.mv0.y, p.scaledRefRegionHeight, p.refLayerRegionHeight))
                }
                let own = made.motion.blocks[made.motion.index(x: x, y: y)]
                #expect(own == expected, "block \(x), \(y)")
            }
        }
        #expect(made.motion.reference(slice: 0, list: 0, refIdx: 2)?.poc == 2)
    }
}
