// SPDX-License-Identifier: GPL-2.0-or-later
import CVeilKernels
import VeilCore
import VeilEntropy

extension ResidualDecoder {
    /// Adds the residual of a block of a transform unit (8.6.2) to the prediction at `to`, with the tools of the range
    /// extensions. `resScaleVal`: what of the luma residual kept before is added to it (8.6.6). `keeps`: the residual
    /// is kept for that.
    func addExtended(
        _ unit: ExtendedUnit, block index: Int, _ levels: ResidualBlock, to: SampleBlock, cIdx: Int, log2Size: Int,
        resScaleVal: Int, keeps: Bool
    ) {
        let p = unit.parameters
        let isSkipped = unit.e.pointee.transformSkip >> UInt8(index) & 1 != 0
        let kind: ResidualKind = unit.bypass ? .bypass : isSkipped ? .transformSkip : .transform
        let rdpcm = unit.e.pointee.rdpcm >> UInt8(index) & 1 != 0
        let rotates = unit.rotates && log2Size == 2 && kind != .transform
        if !keeps && resScaleVal == 0 && !rdpcm && !rotates {
            add(
                levels, unit.coefficients, to: to, cIdx: cIdx, log2Size: log2Size, kind: kind, p)
            return
        }
        let size = 1 << log2Size
        let r = keeps ? lumaSamples : samples.view
        residual(levels, unit.coefficients, into: r, cIdx: cIdx, log2Size: log2Size, kind: kind, rotates: rotates, p)
        if rdpcm {
            accumulate(r, size: size, isVertical: unit.e.pointee.rdpcmIsVertical >> UInt8(index) & 1 != 0)
        }
        if resScaleVal != 0 {
            for i in 0..<size * size {
                let luma = (Int(lumaSamples[i]) << p.bitDepthChroma) >> p.bitDepthLuma
                r[i] = Int16(clamping: Int(r[i]) + (resScaleVal * luma) >> 3)
            }
        }
        veil_any_add_residual(
            to.isNarrow, to.base, to.stride, r.base, size, Int32(size), Int32(size), Int32(p.bitDepth(cIdx)))
    }

    /// Residual samples of a block (8.6.4.2), before those of other blocks play a part.
    private func residual(
        _ levels: ResidualBlock, _ coefficients: BufferView<CoefficientEntry>, into r: MutableBufferView<Int16>,
        cIdx: Int, log2Size: Int, kind: ResidualKind, rotates: Bool, _ p: ResidualParameters
    ) {
        let samples = 1 << (2 * log2Size)
        let entries = coefficients + Int(levels.start)
        let count = Int(levels.count)
        let bitDepth = p.bitDepth(cIdx)
        if kind == .transform && count > 0 {
            transformed(entries, count, into: r, cIdx: cIdx, log2Size: log2Size, p)
            return
        }
        r.update(repeating: 0, count: samples)
        if count == 0 { return }
        let scaler = Scaler(p, cIdx: cIdx, log2Size: log2Size, transformSkip: kind == .transformSkip)
        let down = 20 - bitDepth
        for i in 0..<count {
            let position = Int(entries[i].position) & (samples - 1)
            let at = rotates ? samples - 1 - position : position
            if kind == .bypass {
                r[at] = entries[i].level
            } else {
                let d = Int(scaler(entries[i].level, position)) << (5 + log2Size)
                r[at] = Int16(clamping: (d + 1 << (down - 1)) >> down)
            }
        }
    }

    private func transformed(
        _ entries: BufferView<CoefficientEntry>, _ count: Int, into r: MutableBufferView<Int16>, cIdx: Int,
        log2Size: Int, _ p: ResidualParameters
    ) {
        let scaler = Scaler(p, cIdx: cIdx, log2Size: log2Size, transformSkip: false)
        var used = 0
        for i in 0..<count {
            let position = Int(entries[i].position) & 1023
            used |= position
            block[position] = scaler(entries[i].level, position)
        }
        let size = 1 << log2Size
        let maxX = Int32(used & (size - 1))
        let maxY = Int32(used >> log2Size)
        let depth = Int32(p.bitDepth(cIdx))
        if log2Size == 2 && cIdx == 0 && p.isIntra {
            veil_idst4(r.base, size, block.base, maxX, maxY, depth)
        } else {
            veil_idct(r.base, size, block.base, Int32(log2Size), maxX, maxY, depth)
        }
        block.view.update(repeating: 0, count: (Int(maxY) + 1) << log2Size)
    }

    /// Directional residual modification (8.6.8): every sample is the sum of those before it.
    private func accumulate(_ r: MutableBufferView<Int16>, size: Int, isVertical: Bool) {
        let (along, across) = isVertical ? (size, 1) : (1, size)
        for line in 0..<size {
            var sum = 0
            for i in 0..<size {
                let at = line * across + i * along
                sum += Int(r[at])
                r[at] = Int16(clamping: sum)
            }
        }
    }
}
