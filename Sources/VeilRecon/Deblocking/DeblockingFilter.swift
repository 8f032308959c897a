// SPDX-License-Identifier: GPL-2.0-or-later
import CVeilKernels
import VeilCore

/// The deblocking filter (8.7.2), one row of CTBs at a time.
package struct DeblockingFilter {
    let planes: (Plane, Plane, Plane)
    let maps: PictureMaps
    let log2CtbSize: Int
    let widthInCtbs: Int
    let height: Int
    let bitDepthLuma: Int
    let bitDepthChroma: Int
    let chromaFormat: ChromaFormat
    /// Samples have one byte.
    let isNarrow: Bool

    package init(picture: PictureReconstruction) {
        let frame = picture.picture.frame
        planes = frame.planes
        maps = picture.maps
        log2CtbSize = picture.grid.log2CtbSize
        widthInCtbs = picture.grid.widthInCtbs
        height = picture.grid.height
        bitDepthLuma = frame.bitDepthLuma
        bitDepthChroma = frame.bitDepthChroma
        chromaFormat = frame.chromaFormat
        isNarrow = frame.isNarrow
    }

    /// β' and tC' (Table 8-12), by Q.
    private static let betaTable = ConstantTable<UInt8>([
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 20, 22, 24, 26,
        28, 30, 32, 34,
        36, 38, 40, 42, 44, 46, 48, 50, 52, 54, 56, 58, 60, 62, 64,
    ])
    private static let tcTable = ConstantTable<UInt8>([
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4,
        4, 5, 5, 6, 6, 7, 8,
        9, 10, 11, 13, 14, 16, 18, 20, 22, 24,
    ])

    /// Filters all vertical edges of a CTB row, then all its horizontal edges, the row's top edge included. The row
    /// and, for its top edge, the row above must be reconstructed and no longer be needed by intra prediction; the
    /// row above was filtered before.
    package func filter(ctbRow: Int) {
        let first = (ctbRow << log2CtbSize) >> 3
        let last = min(((ctbRow + 1) << log2CtbSize) >> 3, maps.height8)
        let run = Run(
            filter: self, beta: Self.betaTable, tc: Self.tcTable, ctbs: maps.ctbs + ctbRow * widthInCtbs)
        for y8 in first..<last { run.vertical(y8) }
        for y8 in first..<last { run.horizontal(y8) }
    }

    /// An edge of an 8x8 block: which one, the strengths of its halves, and on which sides it is left alone.
    private struct Edge {
        let x8: Int
        let y8: Int
        let vertical: Bool
        let bs0: UInt8
        let bs1: UInt8
        let noP: Int32
        let noQ: Int32
    }

    /// The tables and the row at hand.
    private struct Run {
        let filter: DeblockingFilter
        let beta: ConstantTable<UInt8>
        let tc: ConstantTable<UInt8>
        let ctbs: MutableBufferView<CTBRecord>

        /// tC of an edge of strength 2; `less` is 2 for those of strength 1.
        @inline(__always)
        func tcOf(_ qp: Int, less: Int = 0, _ bitDepth: Int) -> Int32 {
            let q = min(53, max(0, qp &+ 2 &- less))
            return Int32(truncatingIfNeeded: tc[q]) &<< Int32(truncatingIfNeeded: bitDepth &- 8)
        }

        @inline(__always)
        func betaOf(_ qp: Int) -> Int32 {
            Int32(truncatingIfNeeded: beta[min(51, max(0, qp))])
                &<< Int32(truncatingIfNeeded: filter.bitDepthLuma &- 8)
        }

        @inline(__always)
        func vertical(_ y8: Int) { edges(y8, vertical: true) }
        @inline(__always)
        func horizontal(_ y8: Int) { edges(y8, vertical: false) }

        @inline(__always)
        private func edges(_ y8: Int, vertical: Bool) {
            let maps = filter.maps
            let width8 = maps.width8
            let row = y8 &* width8
            let shift = filter.log2CtbSize &- 3
            let lumaAt = filter.planes.0.address(0, y8 &* 8)
            let lumaStride = filter.planes.0.stride
            let lumaStep = 8 &* filter.planes.0.bytesPerSample
            let bitDepth = filter.bitDepthLuma
            let depth = Int32(truncatingIfNeeded: bitDepth)
            let isNarrow = filter.isNarrow
            let qpY = maps.qpY + row
            let cuFlags = maps.cuFlags + row
            let toP = vertical ? -1 : 0 &- width8
            let words = UnsafeRawPointer((maps.edges + row &* 4).base)
            // Two cells at a time where neither has an edge. (Behind the last cell lie the next row, or the CTBs.)
            let mask: UInt64 = vertical ? 0x0000_ffff_0000_ffff : 0xffff_0000_ffff_0000
            var x8 = 0
            while x8 < width8 {
                let both = words.loadUnaligned(fromByteOffset: x8 &* 4, as: UInt64.self) & mask
                if both == 0 {
                    x8 &+= 2
                    continue
                }
                let pair = UInt32(truncatingIfNeeded: vertical ? both & 0xffff : both &>> 16 & 0xffff)
                if pair == 0 {
                    x8 &+= 1
                    continue
                }
                let bs0 = UInt8(truncatingIfNeeded: pair)
                let bs1 = UInt8(truncatingIfNeeded: pair &>> 8)
                let p = x8 &+ toP
                let ctb = ctbs + (x8 &>> shift)
                let qp = (Int(qpY[p]) &+ Int(qpY[x8]) &+ 1) &>> 1
                let noP = Int32(truncatingIfNeeded: (cuFlags[p] & PictureMaps.noFilter) &>> 1)
                let noQ = Int32(truncatingIfNeeded: (cuFlags[x8] & PictureMaps.noFilter) &>> 1)
                let tcOffset = Int(ctb.pointee.tcOffset)
                let beta = betaOf(qp &+ Int(ctb.pointee.betaOffset))
                if beta != 0 {
                    let weak = tcOf(qp &+ tcOffset, less: 2, bitDepth)
                    let strong = tcOf(qp &+ tcOffset, bitDepth)
                    let tc0 = bs0 == 0 ? 0 : bs0 == 1 ? weak : strong
                    let tc1 = bs1 == 0 ? 0 : bs1 == 1 ? weak : strong
                    if tc0 | tc1 != 0 {
                        let at = lumaAt + x8 &* lumaStep
                        if vertical {
                            veil_any_deblock_luma_v(isNarrow, at, lumaStride, beta, tc0, tc1, noP, noQ, depth)
                        } else {
                            veil_any_deblock_luma_h(isNarrow, at, lumaStride, beta, tc0, tc1, noP, noQ, depth)
                        }
                    }
                }
                // Chroma: the 8x8 grid of chroma samples, strength 2 only.
                if filter.chromaFormat != .yuv420 {
                    if bs0 == 2 || bs1 == 2 {
                        let edge = Edge(
                            x8: x8, y8: y8, vertical: vertical, bs0: bs0, bs1: bs1, noP: noP, noQ: noQ)
                        otherChroma(edge, qp, ctb)
                    }
                } else if (vertical ? x8 : y8) & 1 == 0 && (bs0 == 2 || bs1 == 2) {
                    let edge = Edge(x8: x8, y8: y8, vertical: vertical, bs0: bs0, bs1: bs1, noP: noP, noQ: noQ)
                    chroma(filter.planes.1, edge, qp &+ Int(ctb.pointee.cbQpOffset), tcOffset)
                    chroma(filter.planes.2, edge, qp &+ Int(ctb.pointee.crQpOffset), tcOffset)
                }
                x8 &+= 1
            }
        }

        /// The chroma edges of formats other than 4:2:0: QpC is not taken from the table, and the two halves of a
        /// luma edge may be 4 chroma samples long.
        @inline(never)
        private func otherChroma(_ e: Edge, _ qp: Int, _ ctb: MutableBufferView<CTBRecord>) {
            let vertical = e.vertical
            let format = filter.chromaFormat
            if format == .monochrome { return }
            let x = (e.x8 * 8) >> format.chromaShiftX
            let y = (e.y8 * 8) >> format.chromaShiftY
            if (vertical ? x : y) & 7 != 0 { return }
            let half = 4 >> (vertical ? format.chromaShiftY : format.chromaShiftX)
            let depth = Int32(filter.bitDepthChroma)
            for cIdx in 1...2 {
                let plane = cIdx == 1 ? filter.planes.1 : filter.planes.2
                let offset = Int(cIdx == 1 ? ctb.pointee.cbQpOffset : ctb.pointee.crQpOffset)
                let tc = tcOf(min(qp + offset, 51) + Int(ctb.pointee.tcOffset), filter.bitDepthChroma)
                let tc0 = e.bs0 == 2 ? tc : 0
                let tc1 = e.bs1 == 2 ? tc : 0
                func filterEdge(_ at: UnsafeMutableRawPointer, _ tc0: Int32, _ tc1: Int32) {
                    if tc0 | tc1 == 0 { return }
                    if vertical {
                        veil_any_deblock_chroma_v(filter.isNarrow, at, plane.stride, tc0, tc1, e.noP, e.noQ, depth)
                    } else {
                        veil_any_deblock_chroma_h(filter.isNarrow, at, plane.stride, tc0, tc1, e.noP, e.noQ, depth)
                    }
                }
                if half == 2 {
                    filterEdge(plane.address(x, y), tc0, tc1)
                } else {
                    filterEdge(plane.address(x, y), tc0, tc0)
                    filterEdge(vertical ? plane.address(x, y + 4) : plane.address(x + 4, y), tc1, tc1)
                }
            }
        }

        @inline(__always)
        private func chroma(_ plane: Plane, _ e: Edge, _ qPi: Int, _ tcOffset: Int) {
            let qpC = QuantizationParameters.qpC(qPi)
            let tc = tcOf(qpC &+ tcOffset, filter.bitDepthChroma)
            let tc0 = e.bs0 == 2 ? tc : 0
            let tc1 = e.bs1 == 2 ? tc : 0
            if tc0 | tc1 != 0 {
                let at = plane.address(e.x8 &* 4, e.y8 &* 4)
                let depth = Int32(truncatingIfNeeded: filter.bitDepthChroma)
                if e.vertical {
                    veil_any_deblock_chroma_v(filter.isNarrow, at, plane.stride, tc0, tc1, e.noP, e.noQ, depth)
                } else {
                    veil_any_deblock_chroma_h(filter.isNarrow, at, plane.stride, tc0, tc1, e.noP, e.noQ, depth)
                }
            }
        }
    }
}
