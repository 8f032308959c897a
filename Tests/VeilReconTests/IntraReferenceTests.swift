// SPDX-License-Identifier: GPL-2.0-or-later
import TestSupport
import Testing
import VeilCore
import VeilEntropy

@testable import VeilRecon

/// 6.4.1 and 8.4.4.2.2 sample by sample.
private struct ReferenceNeighbours {
    let grid: CTBGrid
    let slices: [SliceContext]

    /// MinTbAddrZs (6.5.2) for 4x4 blocks.
    func order(_ x: Int, _ y: Int) -> Int {
        let rs = (y >> grid.log2CtbSize) * grid.widthInCtbs + (x >> grid.log2CtbSize)
        var z = 0
        for bit in 0..<grid.log2CtbSize - 2 {
            z |= (x >> (2 + bit) & 1) << (2 * bit) | (y >> (2 + bit) & 1) << (2 * bit + 1)
        }
        return Int(grid.ctbAddrRsToTs[rs]) << (2 * (grid.log2CtbSize - 2)) | z
    }

    func ctb(_ x: Int, _ y: Int) -> Int { (y >> grid.log2CtbSize) * grid.widthInCtbs + (x >> grid.log2CtbSize) }
    func slice(_ rs: Int) -> Int { slices.lastIndex { $0.sliceAddrTs <= Int(grid.ctbAddrRsToTs[rs]) }! }

    func available(_ x: Int, _ y: Int, _ nx: Int, _ ny: Int) -> Bool {
        if nx < 0 || ny < 0 || nx >= grid.width || ny >= grid.height || order(nx, ny) > order(x, y) { return false }
        let a = ctb(x, y)
        let b = ctb(nx, ny)
        return slice(a) == slice(b) && grid.tileIdRs[a] == grid.tileIdRs[b]
    }
}

@Suite struct IntraReferenceTests {
    @Test(arguments: [(4, false, false), (5, true, false), (6, false, true), (6, true, true)], [false, true])
    func agreesWithTheSampleBySampleProcess(_ c: (Int, Bool, Bool), isNarrow: Bool) {
        let (log2CtbSize, tiles, constrained) = c
        var random = Random(UInt64(log2CtbSize))
        let ctb = 1 << log2CtbSize
        let grid = CTBGrid(
            width: 3 * ctb + 8, height: 2 * ctb + ctb / 2, log2CtbSize: log2CtbSize, columnWidths: tiles ? [1, 3] : [],
            rowHeights: tiles ? [2, 1] : [])
        let picture = PictureReconstruction(grid: grid, isNarrow: isNarrow)
        picture.randomize(&random, noise: true)
        let slices = [0, 3, 5, 10].enumerated().map { i, ts in
            var k = SliceConstants(SliceParameters(grid: grid))
            k.parameters.sliceAddrRs = Int(grid.ctbAddrTsToRs[ts])
            k.parameters.sliceType = .p
            k.constrainedIntraPredFlag = constrained
            return SliceContext(constants: k, sliceIndex: i)
        }
        let reference = ReferenceNeighbours(grid: grid, slices: slices)
        for i in 0..<picture.maps.width8 * picture.maps.height8 {
            picture.maps.cuFlags[i] = random.below(3) == 0 ? 0 : PictureMaps.intra
        }
        let predictor = IntraPredictor()
        var checked = 0
        for _ in 0..<1500 {
            let log2Luma = 2 + random.below(min(4, log2CtbSize - 1))
            let cIdx = log2Luma == 2 ? 0 : random.below(3)
            let shift = cIdx == 0 ? 0 : 1
            let size = 1 << log2Luma
            let x = random.below(grid.width / size) * size
            let y = random.below(grid.height / size) * size
            let n = size >> shift
            let plane = picture.picture.frame.plane(cIdx)
            func sample(_ i: Int, _ j: Int) -> Int? {
                let px = (x >> shift) + i
                let py = (y >> shift) + j
                if !reference.available(x, y, px << shift, py << shift) { return nil }
                if constrained
                    && picture.maps.cuFlags[((py << shift) >> 3) * picture.maps.width8 + ((px << shift) >> 3)] == 0
                {
                    return nil
                }
                return plane[px, py]
            }
            // From p[-1][2N-1] up to the corner, then to p[2N-1][-1].
            var path: [Int?] = (0..<2 * n).map { sample(-1, 2 * n - 1 - $0) }
            path.append(sample(-1, -1))
            path += (0..<2 * n).map { sample($0, -1) }
            if let first = path.compactMap({ $0 }).first {
                if path[0] == nil { path[0] = first }
                for i in 1..<path.count where path[i] == nil { path[i] = path[i - 1] }
            } else {
                path = path.map { _ in 128 }
            }
            let c = BlockContext(
                slice: slices[reference.slice(reference.ctb(x, y))], picture: picture, ctbAddrRs: reference.ctb(x, y))
            predictor.gather(c, cIdx: cIdx, x: x >> shift, y: y >> shift, log2Size: log2Luma - shift)
            func side(_ memory: UnsafeMutableRawPointer) -> [Int] {
                (-1..<2 * n).map {
                    isNarrow
                        ? Int(memory.load(fromByteOffset: $0, as: UInt8.self))
                        : Int(memory.load(fromByteOffset: 2 * $0, as: UInt16.self))
                }
            }
            let left = side(predictor.references.left)
            let top = side(predictor.references.top)
            let same = left.reversed() + top.dropFirst() == path.map { $0! } && top[0] == left[0]
            #expect(same, "cIdx \(cIdx) at \(x), \(y), size \(size)")
            if !same { return }
            checked += 1
        }
        #expect(checked == 1500)
    }
}
