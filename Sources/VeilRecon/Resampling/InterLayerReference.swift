// SPDX-License-Identifier: GPL-2.0-or-later
import Foundation
import VeilBins

/// Makes inter-layer reference pictures (H.8.1.4) for one pair of layers: holds the position tables, which depend on sizes only.
package final class InterLayerReference: @unchecked Sendable {
    package let parameters: ResamplingParameters
    private let columns: ([Int32], [Int32])
    private let rows: ([Int32], [Int32])

    package init(parameters: ResamplingParameters) {
        self.parameters = parameters
        columns = (parameters.positions(horizontal: true, chroma: false), parameters.positions(horizontal: true, chroma: true))
        rows = (parameters.positions(horizontal: false, chroma: false), parameters.positions(horizontal: false, chroma: true))
    }

    /// Resamples `source` into `target` (of the current layer's size and depth), waiting for rows of the source as it goes, and publishes
    /// the target. `motion` off leaves the target without motion.
    package func make(from source: CodedPicture, into target: CodedPicture, samples: Bool = true, motion: Bool = true) {
        target.poc = source.poc
        if samples {
            for cIdx in 0..<3 { resample(source, target, cIdx) }
            target.frame.extendMargins(lumaRows: 0..<target.frame.height)
        }
        if motion {
            source.wait(rows: source.frame.height)
            resampleMotion(source.motion, target.motion)
        } else {
            target.motion.blocks.update(repeating: MotionInfo(), count: target.motion.width4 * target.motion.height4)
        }
        target.publishAll()
    }

    // MARK: Samples (H.8.1.4.1)

    private func resample(_ source: CodedPicture, _ target: CodedPicture, _ cIdx: Int) {
        let from = source.frame.plane(cIdx)
        let to = target.frame.plane(cIdx)
        let refDepth = source.frame.bitDepth(cIdx)
        let depth = target.frame.bitDepth(cIdx)
        let chroma = cIdx > 0
        if parameters.isIdentity {
            let up = UInt16(max(depth - refDepth, 0))
            source.wait(rows: source.frame.height)
            for y in 0..<to.height {
                let a = from.row(y)
                let b = to.row(y)
                if up == 0 {
                    b.update(from: a, count: to.width)
                } else {
                    for x in 0..<to.width { b[x] = a[x] &<< up }
                }
            }
            return
        }
        let taps = chroma ? 4 : 8
        let before = taps / 2 - 1
        let filter = ResamplingFilters.shared.table(taps: taps)
        let shift1 = Int32(refDepth - 8)
        let shift2 = Int32(20 - depth)
        let round: Int32 = 1 << (shift2 - 1)
        let limit = Int32((1 << depth) - 1)
        let width = to.width
        let xs = chroma ? columns.1 : columns.0
        let ys = chroma ? rows.1 : rows.0
        // A ring of horizontally filtered reference rows.
        let ring = 16
        let lines = UnsafeMutablePointer<Int16>.allocate(capacity: ring * width)
        lines.initialize(repeating: 0, count: ring * width)
        defer { lines.deallocate() }
        var filtered = -1
        xs.withUnsafeBufferPointer { xs in
            func horizontal(_ r: Int) {
                let line = lines + (r & (ring - 1)) * width
                let row = from.row(r)
                for x in 0..<width {
                    let position = Int(xs[x])
                    let at = min(max((position >> 4) - before, -40), from.width + 40 - taps)
                    let f = filter + (position & 15) * taps
                    let s = row + at
                    var sum: Int32 = 0
                    for k in 0..<taps { sum &+= Int32(f[k]) &* Int32(s[k]) }
                    line[x] = Int16(truncatingIfNeeded: sum &>> shift1)
                }
            }
            for y in 0..<to.height {
                let position = Int(ys[y])
                let first = (position >> 4) - before
                let f = filter + (position & 15) * taps
                let last = min(max(first + taps - 1, 0), from.height - 1)
                if filtered < last {
                    source.wait(rows: min((last + 1) << (chroma ? 1 : 0), source.frame.height))
                    var r = max(filtered + 1, min(max(first, 0), from.height - 1))
                    while r <= last {
                        horizontal(r)
                        r += 1
                    }
                    filtered = last
                }
                withUnsafeTemporaryAllocation(of: UnsafeMutablePointer<Int16>.self, capacity: 8) { line in
                    for k in 0..<taps { line[k] = lines + (min(max(first + k, 0), from.height - 1) & (ring - 1)) * width }
                    let out = to.row(y)
                    for x in 0..<width {
                        var sum = round
                        for k in 0..<taps { sum &+= Int32(f[k]) &* Int32(line[k][x]) }
                        out[x] = UInt16(truncatingIfNeeded: min(max(sum &>> shift2, 0), limit))
                    }
                }
            }
        }
    }

    // MARK: Motion (H.8.1.4.2)

    /// `to` has one "CTB" per 16x16 block, so that every block can keep the slice of the reference layer it comes from.
    private func resampleMotion(_ from: MotionField, _ to: MotionField) {
        to.slices = from.slices
        let p = parameters
        let identity = p.refWidth == p.width && p.refHeight == p.height && p.scaledRefLayer == (0, 0, 0, 0) && p.refRegion == (0, 0, 0, 0)
        let scaleMvX = min(max(((p.scaledRefRegionWidth << 8) + (p.refLayerRegionWidth >> 1)) / p.refLayerRegionWidth, -4096), 4095)
        let scaleMvY = min(max(((p.scaledRefRegionHeight << 8) + (p.refLayerRegionHeight >> 1)) / p.refLayerRegionHeight, -4096), 4095)
        let sx = p.scaleFactorX
        let sy = p.scaleFactorY
        func scaled(_ v: Int16, _ factor: Int) -> Int16 {
            let product = factor * Int(v)
            let magnitude = (abs(product) + 127) >> 8
            return Int16(truncatingIfNeeded: min(max(product < 0 ? -magnitude : magnitude, -32768), 32767))
        }
        for by in 0..<((p.height + 15) / 16) {
            for bx in 0..<((p.width + 15) / 16) {
                var x = bx * 16
                var y = by * 16
                if !identity {
                    x = (((x + 8 - p.scaledRefLayer.left) * sx + (1 << 15)) >> 16) + p.refRegion.left
                    y = (((y + 8 - p.scaledRefLayer.top) * sy + (1 << 15)) >> 16) + p.refRegion.top
                    x = ((x + 4) >> 4) << 4
                    y = ((y + 4) >> 4) << 4
                }
                var info = MotionInfo()
                var slice: UInt16 = 0
                if x >= 0 && y >= 0 && x < p.refWidth && y < p.refHeight {
                    info = from.blocks[(y >> 2) * from.width4 + (x >> 2)]
                    slice = from.sliceIndex[(y >> from.ctbLog2Size) * from.widthInCtbs + (x >> from.ctbLog2Size)]
                    if !identity {
                        info.mv0 = MotionVector(x: scaled(info.mv0.x, scaleMvX), y: scaled(info.mv0.y, scaleMvY))
                        info.mv1 = MotionVector(x: scaled(info.mv1.x, scaleMvX), y: scaled(info.mv1.y, scaleMvY))
                    }
                }
                to.sliceIndex[by * to.widthInCtbs + bx] = slice
                // TMVP only ever looks at the corner of a 16x16 block.
                to.blocks[by * 4 * to.width4 + bx * 4] = info
            }
        }
    }

    /// A picture fit to be the target: `frame` of the current layer, motion on the 16x16 grid.
    package static func target(width: Int, height: Int, bitDepthLuma: Int, bitDepthChroma: Int) -> CodedPicture {
        CodedPicture(
            frame: FrameBuffer(width: width, height: height, bitDepthLuma: bitDepthLuma, bitDepthChroma: bitDepthChroma),
            motion: MotionField(width: width, height: height, ctbLog2Size: 4))
    }
}

/// The 16-phase filters of Tables H.1 and H.2, rows of 8 (luma) and 4 (chroma) taps.
struct ResamplingFilters: @unchecked Sendable {
    static let shared = ResamplingFilters()
    private let luma: UnsafePointer<Int16>
    private let chroma: UnsafePointer<Int16>

    func table(taps: Int) -> UnsafePointer<Int16> { taps == 8 ? luma : chroma }

    private init() {
        func make(_ half: [[Int16]]) -> UnsafePointer<Int16> {
            // Phase 16 - p is phase p backwards.
            let taps = half[0].count
            let memory = UnsafeMutablePointer<Int16>.allocate(capacity: 16 * taps)
            for p in 0..<16 {
                for k in 0..<taps { memory[p * taps + k] = p <= 8 ? half[p][k] : half[16 - p][taps - 1 - k] }
            }
            return UnsafePointer(memory)
        }
        luma = make([
            [0, 0, 0, 64, 0, 0, 0, 0], [0, 1, -3, 63, 4, -2, 1, 0], [-1, 2, -5, 62, 8, -3, 1, 0], [-1, 3, -8, 60, 13, -4, 1, 0],
            [-1, 4, -10, 58, 17, -5, 1, 0], [-1, 4, -11, 52, 26, -8, 3, -1], [-1, 3, -9, 47, 31, -10, 4, -1],
            [-1, 4, -11, 45, 34, -10, 4, -1], [-1, 4, -11, 40, 40, -11, 4, -1],
        ])
        chroma = make([
            [0, 64, 0, 0], [-2, 62, 4, 0], [-2, 58, 10, -2], [-4, 56, 14, -2], [-4, 54, 16, -2], [-6, 52, 20, -2], [-6, 46, 28, -4],
            [-4, 42, 30, -4], [-4, 36, 36, -4],
        ])
    }
}
