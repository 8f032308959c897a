// SPDX-License-Identifier: GPL-2.0-or-later

/// Intra sample prediction (8.4.4.2), with its working memory. One per worker.
package final class IntraPredictor {
    package let references = IntraReferences()

    package init() {}

    deinit { references.deallocate() }

    /// Predicts a block in place. `x`, `y`: position in samples of the component; `mode`: predModeIntra, 0...34.
    @inline(__always)
    package func predict(_ c: BlockContext, cIdx: Int, x: Int, y: Int, log2Size: Int, mode: Int) {
        let plane = c.plane(cIdx)
        let at = plane.at(x, y)
        gather(c, cIdx: cIdx, x: x, y: y, log2Size: log2Size)
        predict(
            mode: mode, cIdx: cIdx, log2Size: log2Size, bitDepth: c.bitDepth(cIdx), strongSmoothing: c.strongIntraSmoothing, to: at,
            stride: plane.stride)
    }

    /// Collects the neighbouring samples of a block into `references`: once per block, whatever number of modes is then tried.
    @inline(__always)
    package func gather(_ c: BlockContext, cIdx: Int, x: Int, y: Int, log2Size: Int) {
        let plane = c.plane(cIdx)
        let shift = cIdx == 0 ? 0 : 1
        let n = 1 &<< log2Size
        let xLuma = x &<< shift
        let yLuma = y &<< shift
        let available = IntraAvailability(c, x: xLuma, y: yLuma, size: n &<< shift, shift: shift)
        if c.constrainedIntra {
            references.gatherConstrained(
                plane.at(x, y), stride: plane.stride, n: n, available: available, bitDepth: c.bitDepth(cIdx), maps: c.maps,
                x: xLuma, y: yLuma, shift: shift)
        } else {
            references.gather(plane.at(x, y), stride: plane.stride, n: n, available: available, bitDepth: c.bitDepth(cIdx))
        }
    }

    /// Predicts a block from the collected neighbours into any memory.
    @inline(__always)
    package func predict(
        mode: Int, cIdx: Int, log2Size: Int, bitDepth: Int, strongSmoothing: Bool, to: UnsafeMutablePointer<UInt16>, stride: Int
    ) {
        var left = references.left
        var top = references.top
        if cIdx == 0 && Self.filters(mode: mode, log2Size: log2Size) {
            filter(log2Size: log2Size, bitDepth: bitDepth, strong: strongSmoothing)
            left = references.filteredLeft
            top = references.filteredTop
        }
        // Edge filters of DC, horizontal and vertical prediction (8.4.4.2.5, 8.4.4.2.6).
        let edge = cIdx == 0 && log2Size < 5
        switch mode {
        case 0: Kernels.planar(to, stride: stride, left: left, top: top, log2Size: log2Size)
        case 1: Kernels.dc(to, stride: stride, left: left, top: top, log2Size: log2Size, edge: edge)
        default:
            Kernels.angular(
                to, stride: stride, left: left, top: top, log2Size: log2Size, mode: mode, edge: edge, bitDepth: bitDepth)
        }
    }

    /// filterFlag (8.4.4.2.3): minDistVerHor > intraHorVerDistThres[nTbS].
    @inline(__always)
    package static func filters(mode: Int, log2Size: Int) -> Bool {
        if mode == 1 || log2Size == 2 { return false }
        if mode == 0 { return true }
        let distance = min(abs(mode &- 26), abs(mode &- 10))
        return distance > (log2Size == 3 ? 7 : log2Size == 4 ? 1 : 0)
    }

    /// Smooths `references` (8.4.4.2.3). `strong`: strong_intra_smoothing_enabled_flag.
    @inline(__always)
    private func filter(log2Size: Int, bitDepth: Int, strong: Bool) {
        let r = references
        if strong && log2Size == 5 {
            let corner = Int(r.top[-1])
            let threshold = 1 &<< (bitDepth &- 5)
            let topRight = Int(r.top[63])
            let bottomLeft = Int(r.left[63])
            if abs(corner &+ topRight &- 2 &* Int(r.top[31])) < threshold && abs(corner &+ bottomLeft &- 2 &* Int(r.left[31])) < threshold {
                for i in 0..<63 {
                    r.filteredTop[i] = UInt16(truncatingIfNeeded: ((63 &- i) &* corner &+ (i &+ 1) &* topRight &+ 32) &>> 6)
                    r.filteredLeft[i] = UInt16(truncatingIfNeeded: ((63 &- i) &* corner &+ (i &+ 1) &* bottomLeft &+ 32) &>> 6)
                }
                r.filteredTop[63] = r.top[63]
                r.filteredLeft[63] = r.left[63]
                r.filteredTop[-1] = r.top[-1]
                r.filteredLeft[-1] = r.top[-1]
                return
            }
        }
        let last = (2 &<< log2Size) &- 1
        Self.smooth(r.top, r.filteredTop, last)
        Self.smooth(r.left, r.filteredLeft, last)
        let corner = (UInt32(r.left[0]) &+ 2 &* UInt32(r.top[-1]) &+ UInt32(r.top[0]) &+ 2) &>> 2
        r.filteredTop[-1] = UInt16(truncatingIfNeeded: corner)
        r.filteredLeft[-1] = UInt16(truncatingIfNeeded: corner)
    }

    /// The [1 2 1] filter on samples 0 ..< last; sample `last` is copied.
    @inline(__always)
    private static func smooth(_ from: UnsafeMutablePointer<UInt16>, _ to: UnsafeMutablePointer<UInt16>, _ last: Int) {
        var i = 0
        while i &+ 8 <= last &+ 1 {
            let base = UnsafeRawPointer(from + i)
            let a = base.loadUnaligned(fromByteOffset: -2, as: SIMD8<UInt16>.self)
            let b = base.loadUnaligned(as: SIMD8<UInt16>.self)
            let c = base.loadUnaligned(fromByteOffset: 2, as: SIMD8<UInt16>.self)
            // Samples have at most 10 bits: no sum overflows.
            let sum = (a &+ b &+ b &+ c &+ SIMD8(repeating: 2)) &>> SIMD8(repeating: 2)
            UnsafeMutableRawPointer(to + i).storeBytes(of: sum, as: SIMD8<UInt16>.self)
            i &+= 8
        }
        to[last] = from[last]
    }
}
