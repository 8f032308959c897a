// SPDX-License-Identifier: GPL-2.0-or-later
import CVeilKernels
import VeilCore
import VeilEntropy

/// What the horizontal pass of resampling leaves for the vertical one: memory of one thread, kept from block to block.
final class LinesBetweenPasses {
    private var memory = Buffer<Int16>(repeating: 0, count: 0)

    /// At least `count` elements, whatever they hold.
    func lines(_ count: Int) -> UnsafeMutablePointer<Int16> {
        if memory.count < count { memory = Buffer(repeating: 0, count: count) }
        return memory.base
    }
}

/// Makes inter-layer reference pictures (H.8.1.4) for one pair of layers: holds the position tables, which depend on
/// sizes only.
package final class InterLayerReference: @unchecked Sendable {
    package let parameters: ResamplingParameters
    private let columns: (Axis, Axis)
    private let rows: (Axis, Axis)

    /// Reference position and phase of every column or row of a component.
    private final class Axis: Sendable {
        /// Taps stay within the margins: further out all samples are the border's anyway.
        static let reach: Int32 = 32
        let position: Buffer<Int32>
        let phase: Buffer<UInt8>
        init(_ sixteenths: [Int32], length: Int) {
            let last = Int32(length) + Self.reach
            position = Buffer(count: sixteenths.count) { min(max(sixteenths[$0] >> 4, -Self.reach), last) }
            phase = Buffer(count: sixteenths.count) { UInt8(sixteenths[$0] & 15) }
        }
    }

    package init(parameters p: ResamplingParameters) {
        parameters = p
        func axis(_ horizontal: Bool, _ chroma: Bool) -> Axis {
            Axis(
                p.positions(horizontal: horizontal, chroma: chroma),
                length: (horizontal ? p.refWidth : p.refHeight) >> (chroma ? 1 : 0))
        }
        columns = (axis(true, false), axis(true, true))
        rows = (axis(false, false), axis(false, true))
    }

    /// Resamples `source` into `target` (of the current layer's size and depth), waiting for rows of the source as it
    /// goes, and publishes the target. `motion` off leaves the target without motion.
    package func make(from source: CodedPicture, into target: CodedPicture, samples: Bool = true, motion: Bool = true) {
        target.poc = source.poc
        if samples { resampleAll(source, target.frame) }
        if motion {
            source.wait(rows: source.frame.height)
            target.motion.slices = source.motion.slices
            resampleMotion(source.motion, target.motion, rows: 0..<motionRows)
        } else {
            target.motion.clear()
        }
        target.publishAll()
    }

    /// A picture fit to be the target: `frame` of the current layer, motion on the 16x16 grid.
    package static func target(width: Int, height: Int, bitDepthLuma: Int, bitDepthChroma: Int) -> CodedPicture {
        CodedPicture(
            frame: FrameBuffer(
                width: width, height: height, bitDepthLuma: bitDepthLuma, bitDepthChroma: bitDepthChroma),
            motion: MotionField(width: width, height: height, ctbLog2Size: 4))
    }

    // MARK: Samples (H.8.1.4.1)

    /// Everything, margins included.
    package func resampleAll(_ source: CodedPicture, _ target: FrameBuffer) {
        // Strips narrow enough for a cache to hold what is between the passes.
        let between = LinesBetweenPasses()
        for y in stride(from: 0, to: target.height, by: 64) {
            for x in stride(from: 0, to: target.width, by: 256) {
                resample(
                    source, target.view, x: x, y: y, width: min(256, target.width - x),
                    height: min(64, target.height - y), between: between)
            }
        }
        target.extendMargins(lumaRows: 0..<target.height)
    }

    /// A block of all components; position and size in luma samples, even. `between` is of the calling thread alone.
    func resample(
        _ source: CodedPicture, _ target: FrameView, x: Int, y: Int, width: Int, height: Int,
        between: LinesBetweenPasses
    ) {
        if parameters.isIdentity {
            source.wait(rows: y + height)
            for cIdx in 0..<3 { copy(source, target, cIdx, x: x, y: y, width: width, height: height) }
            return
        }
        for cIdx in 0..<3 {
            let shift = cIdx == 0 ? 0 : 1
            filter(
                source, target, cIdx, x: x >> shift, y: y >> shift, width: width >> shift, height: height >> shift,
                between)
        }
    }

    private func copy(_ source: CodedPicture, _ target: FrameView, _ cIdx: Int, x: Int, y: Int, width: Int, height: Int)
    {
        let from = source.frame.plane(cIdx)
        let to = target.plane(cIdx)
        let shift = cIdx == 0 ? 0 : 1
        let depths = (source.frame.bitDepth(cIdx), target.bitDepth(cIdx))
        func copy<A: UnsignedInteger & FixedWidthInteger, B: UnsignedInteger & FixedWidthInteger>(_: A.Type, _: B.Type)
        {
            Self.copy(
                from.view(x >> shift, y >> shift, as: A.self), from.stride,
                to.view(x >> shift, y >> shift, as: B.self), to.stride, width: width >> shift,
                height: height >> shift, depths)
        }
        switch (from.isNarrow, to.isNarrow) {
        case (false, false): copy(UInt16.self, UInt16.self)
        case (true, false): copy(UInt8.self, UInt16.self)
        case (false, true): copy(UInt16.self, UInt8.self)
        case (true, true): copy(UInt8.self, UInt8.self)
        }
    }

    private static func copy<A: UnsignedInteger & FixedWidthInteger, B: UnsignedInteger & FixedWidthInteger>(
        _ from: MutableBufferView<A>, _ fromStride: Int, _ to: MutableBufferView<B>, _ toStride: Int, width: Int,
        height: Int, _ depths: (Int, Int)
    ) {
        let up = UInt16(max(depths.1 - depths.0, 0))
        // To fewer bits as the filters of equal positions round (equations H-38 and H-40).
        let down = UInt16(max(depths.0 - depths.1, 0))
        let half: UInt16 = down > 0 ? 1 << (down - 1) : 0
        let largest = UInt16(1 << depths.1 - 1)
        for row in 0..<height {
            let a = from + row * fromStride
            let b = to + row * toStride
            if down == 0 {
                for i in 0..<width { b[i] = B(truncatingIfNeeded: UInt16(truncatingIfNeeded: a[i]) &<< up) }
            } else {
                for i in 0..<width {
                    b[i] = B(truncatingIfNeeded: min((UInt16(truncatingIfNeeded: a[i]) &+ half) &>> down, largest))
                }
            }
        }
    }

    private func filter(
        _ source: CodedPicture, _ target: FrameView, _ cIdx: Int, x: Int, y: Int, width: Int, height: Int,
        _ between: LinesBetweenPasses
    ) {
        let chroma = cIdx > 0
        let from = source.frame.plane(cIdx)
        let to = target.plane(cIdx)
        let refDepth = source.frame.bitDepth(cIdx)
        let depth = target.bitDepth(cIdx)
        let axisX = chroma ? columns.1 : columns.0
        let axisY = chroma ? rows.1 : rows.0
        // Reference rows that the taps reach, and those of them that exist.
        let first = Int(axisY.position[y]) - (chroma ? 1 : 3)
        let last = Int(axisY.position[y + height - 1]) + (chroma ? 2 : 4)
        let firstReal = min(max(first, 0), from.height - 1)
        let lastReal = min(max(last, 0), from.height - 1)
        source.wait(rows: (lastReal + 1) << (chroma ? 1 : 0))
        let stride = (width + 15) & ~15
        let lines = between.lines((last - first + 1) * stride)
        // Rows before the first that exists; of a block wholly above the reference all are copies of its first row.
        let lead = min(max(firstReal - first, 0), last - first)
        let count = lastReal - firstReal + 1
        (chroma ? veil_any_resample_h_chroma : veil_any_resample_h_luma)(
            from.isNarrow, lines + lead * stride, stride, from.address(0, firstReal), from.stride, Int32(width),
            Int32(count), (axisX.position + x).base, (axisX.phase + x).base, Int32(refDepth - 8))
        for i in 0..<lead { (lines + i * stride).update(from: lines + lead * stride, count: width) }
        for i in (lead + count)..<max(last - first + 1, lead + count) {
            (lines + i * stride).update(from: lines + (lead + count - 1) * stride, count: width)
        }
        (chroma ? veil_any_resample_v_chroma : veil_any_resample_v_luma)(
            to.isNarrow, to.address(x, y), to.stride, lines - first * stride, stride, Int32(width), Int32(height),
            (axisY.position + y).base, (axisY.phase + y).base, Int32(depth))
    }

    // MARK: Motion (H.8.1.4.2)

    /// Rows of 16x16 blocks.
    var motionRows: Int { (parameters.height + 15) / 16 }

    /// The luma rows of the reference layer picture that rows of 16x16 blocks up to `row` take their motion from.
    func sourceRows(motionRow row: Int, _ mapping: MotionMapping) -> Int {
        let p = parameters
        if p.keepsMotion { return min(row * 16 + 16, p.refHeight) }
        let (top, refTop) = mapping == .standard ? (p.scaledRefLayer.top, p.refRegion.top) : (0, 0)
        let y = (((row * 16 + 8 - top) * p.scaleFactorY + (1 << 15)) >> 16) + refTop
        return min(max((((y + 4) >> 4) << 4) + 4, 1), p.refHeight)
    }

    /// Which reference layer block the motion of a 16x16 block comes from where the layers' regions have offsets.
    package enum MotionMapping: Sendable {
        /// Equations H-67 and H-68.
        case standard
        /// As SHM-8.1 and its encoder do: it takes the offsets from the reference layer's PPS, where there are none.
        case withoutOffsets
    }

    /// Whether the two mappings differ: only the left and top offsets enter, the scale factors are the same.
    var hasOffsets: Bool {
        let p = parameters
        return p.scaledRefLayer.left != 0 || p.scaledRefLayer.top != 0 || p.refRegion.left != 0 || p.refRegion.top != 0
    }

    /// `to` has one "CTB" per 16x16 block, so that every block can keep the slice of the reference layer it comes
    /// from. `rows` counts rows of such blocks.
    func resampleMotion(_ from: MotionField, _ to: MotionField, rows: Range<Int>, _ mapping: MotionMapping = .standard)
    {
        let p = parameters
        let (left, top, refLeft, refTop) =
            mapping == .standard
            ? (p.scaledRefLayer.left, p.scaledRefLayer.top, p.refRegion.left, p.refRegion.top) : (0, 0, 0, 0)
        let scaleMvX = min(
            max(((p.scaledRefRegionWidth << 8) + (p.refLayerRegionWidth >> 1)) / p.refLayerRegionWidth, -4096), 4095)
        let scaleMvY = min(
            max(((p.scaledRefRegionHeight << 8) + (p.refLayerRegionHeight >> 1)) / p.refLayerRegionHeight, -4096), 4095)
        let sx = p.scaleFactorX
        let sy = p.scaleFactorY
        func scaled(_ v: Int16, _ factor: Int) -> Int16 {
            let product = factor * Int(v)
            let magnitude = (abs(product) + 127) >> 8
            return Int16(truncatingIfNeeded: min(max(product < 0 ? -magnitude : magnitude, -32768), 32767))
        }
        for by in rows {
            for bx in 0..<((p.width + 15) / 16) {
                var x = bx * 16
                var y = by * 16
                if !p.keepsMotion {
                    x = (((x + 8 - left) * sx + (1 << 15)) >> 16) + refLeft
                    y = (((y + 8 - top) * sy + (1 << 15)) >> 16) + refTop
                    x = ((x + 4) >> 4) << 4
                    y = ((y + 4) >> 4) << 4
                }
                var info = MotionInfo()
                var slice: UInt16 = 0
                if x >= 0 && y >= 0 && x < p.refWidth && y < p.refHeight {
                    info = from.blocks[from.index(x: x, y: y)]
                    slice = from.sliceIndex[(y >> from.ctbLog2Size) * from.widthInCtbs + (x >> from.ctbLog2Size)]
                    if !p.keepsMotion {
                        info.mv0 = MotionVector(x: scaled(info.mv0.x, scaleMvX), y: scaled(info.mv0.y, scaleMvY))
                        info.mv1 = MotionVector(x: scaled(info.mv1.x, scaleMvX), y: scaled(info.mv1.y, scaleMvY))
                    }
                }
                to.sliceIndex[by * to.widthInCtbs + bx] = slice
                // TMVP only ever looks at the corner of a 16x16 block.
                to.blocks[to.index(x: bx * 16, y: by * 16)] = info
            }
        }
    }
}
