// SPDX-License-Identifier: GPL-2.0-or-later
import TestSupport
import Testing
import VeilCore
import VeilEntropy

@testable import VeilRecon

/// 8.7.3 sample by sample, on a copy of the whole deblocked picture.
private func referenceSAO(_ picture: PictureReconstruction, cIdx: Int, bitDepth: Int) -> Image {
    let source = Image(picture.picture.frame.plane(cIdx))
    var result = source
    let grid = picture.grid
    let shift = cIdx == 0 ? 0 : 1
    func ctb(_ x: Int, _ y: Int) -> Int {
        ((y << shift) >> grid.log2CtbSize) * grid.widthInCtbs + ((x << shift) >> grid.log2CtbSize)
    }
    for y in 0..<source.height {
        for x in 0..<source.width {
            let rs = ctb(x, y)
            let record = picture.maps.ctbs[rs]
            let c = [record.sao.components.0, record.sao.components.1, record.sao.components.2][cIdx]
            let offsets = [0, Int(c.offsets.0), Int(c.offsets.1), Int(c.offsets.2), Int(c.offsets.3)]
            let cell = ((y << shift) >> 3) * picture.maps.width8 + ((x << shift) >> 3)
            if picture.maps.cuFlags[cell] & PictureMaps.noFilter != 0 { continue }
            var index = 0
            if c.saoTypeIdx == 1 {
                let band = source[x, y] >> (bitDepth - 5)
                for k in 0..<4 where (k + Int(c.saoBandPosition)) & 31 == band { index = k + 1 }
            } else if c.saoTypeIdx == 2 {
                let h = [[-1, 1], [0, 0], [-1, 1], [1, -1]][Int(c.saoEoClass)]
                let v = [[0, 0], [-1, 1], [-1, 1], [-1, 1]][Int(c.saoEoClass)]
                var edge = 2
                var allowed = true
                for k in 0..<2 {
                    let nx = x + h[k]
                    let ny = y + v[k]
                    if !source.contains(nx, ny) {
                        allowed = false
                        continue
                    }
                    let other = ctb(nx, ny)
                    let slice = record.slice!.takeUnretainedValue()
                    let theirs = picture.maps.ctbs[other].slice!.takeUnretainedValue()
                    if slice !== theirs {
                        let earlier = grid.ctbAddrRsToTs[other] < grid.ctbAddrRsToTs[rs]
                        let judge = earlier ? slice : theirs
                        if !judge.constants.sliceLoopFilterAcrossSlicesEnabledFlag { allowed = false }
                    }
                    if !slice.constants.loopFilterAcrossTilesEnabledFlag && grid.tileIdRs[rs] != grid.tileIdRs[other] {
                        allowed = false
                    }
                    edge += (source[x, y] - source[nx, ny]).signum()
                }
                index = !allowed ? 0 : edge == 2 ? 0 : edge < 2 ? edge + 1 : edge
            }
            result[x, y] = min((1 << bitDepth) - 1, max(0, source[x, y] + offsets[index]))
        }
    }
    return result
}

@Suite struct SAOTests {
    @Test(
        arguments: [
            (8, 4, false, false), (8, 5, true, false), (8, 6, false, true), (10, 5, true, true), (10, 6, true, false),
            (8, 4, true, true),
        ], [false, true])
    func agreesWithTheWholePictureProcess(_ c: (Int, Int, Bool, Bool), isNarrow: Bool) {
        let (bitDepth, log2CtbSize, tiles, across) = c
        if isNarrow && bitDepth > 8 { return }
        var random = Random(UInt64(bitDepth * 100 + log2CtbSize))
        let ctb = 1 << log2CtbSize
        let width = 4 * ctb + 8
        let height = 3 * ctb + 8
        let grid = CTBGrid(
            width: width, height: height, log2CtbSize: log2CtbSize, columnWidths: tiles ? [2, 3] : [],
            rowHeights: tiles ? [1, 3] : [])
        let picture = PictureReconstruction(grid: grid, bitDepth: bitDepth, isNarrow: isNarrow)
        picture.randomize(&random, noise: false)
        var slices: [SliceContext] = []
        for (i, ts) in [0, 4, 11, 13].enumerated() {
            var k = SliceConstants(SliceParameters(grid: grid))
            k.parameters.bitDepthY = bitDepth
            k.parameters.bitDepthC = bitDepth
            k.parameters.sliceAddrRs = Int(grid.ctbAddrTsToRs[ts])
            k.sliceLoopFilterAcrossSlicesEnabledFlag = i % 2 == 0
            k.loopFilterAcrossTilesEnabledFlag = across
            slices.append(SliceContext(constants: k, sliceIndex: i))
        }
        picture.assign(slices)
        for rs in 0..<grid.count {
            func component() -> SAOParameters.Component {
                var c = SAOParameters.Component()
                c.saoTypeIdx = UInt8(random.below(4) == 0 ? 0 : 1 + random.below(4) / 3)
                if c.saoTypeIdx != 0 { c.saoTypeIdx = 3 - c.saoTypeIdx }
                c.saoEoClass = UInt8(random.below(4))
                c.saoBandPosition = UInt8(random.below(32))
                let limit = (1 << (min(bitDepth, 10) - 5))
                func o(_ sign: Int) -> Int16 { Int16(sign * random.below(limit)) }
                c.offsets = c.saoTypeIdx == 2 ? (o(1), o(1), o(-1), o(-1)) : (o(1), o(-1), o(-1), o(1))
                return c
            }
            picture.maps.ctbs[rs].sao.components = (component(), component(), component())
        }
        for i in 0..<picture.maps.width8 * picture.maps.height8 where random.below(9) == 0 {
            picture.maps.cuFlags[i] |= PictureMaps.noFilter
        }
        for rs in 0..<grid.count { picture.maps.ctbs[rs].hasNoFilter = true }
        let wanted = (0..<3).map { referenceSAO(picture, cIdx: $0, bitDepth: bitDepth) }
        let sao = SampleAdaptiveOffset(picture: picture)
        for row in 0..<grid.heightInCtbs { sao.filter(ctbRow: row) }
        for cIdx in 0..<3 {
            let same = Image(picture.picture.frame.plane(cIdx)) == wanted[cIdx]
            #expect(same, "component \(cIdx)")
        }
    }
}
