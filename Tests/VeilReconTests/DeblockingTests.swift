// SPDX-License-Identifier: GPL-2.0-or-later
import TestSupport
import Testing
import VeilCore
import VeilEntropy

@testable import VeilRecon

/// 8.7.2.5.3 and following, for whole pictures held in `Image`s: all vertical edges first, then all horizontal ones.
private struct ReferenceDeblocking {
    let picture: PictureReconstruction
    let bitDepth: Int
    static let tc = [
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4,
        4, 5, 5, 6, 6, 7, 8,
        9, 10, 11, 13, 14, 16, 18, 20, 22, 24,
    ]
    static func beta(_ q: Int) -> Int { q < 16 ? 0 : q < 29 ? q - 10 : 2 * q - 38 }

    func strength(_ x: Int, _ y: Int, vertical: Bool) -> Int {
        let byte = vertical ? (y >> 2) & 1 : 2 + ((x >> 2) & 1)
        return Int(picture.maps.edges[((y >> 3) * picture.maps.width8 + (x >> 3)) * 4 + byte])
    }
    func cell(_ x: Int, _ y: Int) -> Int { (y >> 3) * picture.maps.width8 + (x >> 3) }
    func ctb(_ x: Int, _ y: Int) -> CTBRecord {
        picture.maps.ctbs[(y >> picture.grid.log2CtbSize) * picture.grid.widthInCtbs + (x >> picture.grid.log2CtbSize)]
    }

    func filter(cIdx: Int) -> Image {
        var image = Image(picture.picture.frame.plane(cIdx))
        let s = cIdx == 0 ? 0 : 1
        for vertical in [true, false] {
            for y in stride(from: 0, to: picture.grid.height, by: vertical ? 4 : cIdx == 0 ? 8 : 16) {
                for x in stride(from: 0, to: picture.grid.width, by: vertical ? (cIdx == 0 ? 8 : 16) : 4) {
                    let bs = strength(x, y, vertical: vertical)
                    if bs == 0 || (cIdx > 0 && bs < 2) { continue }
                    let p = vertical ? cell(x - 1, y) : cell(x, y - 1)
                    let q = cell(x, y)
                    let record = ctb(x, y)
                    let qp = (Int(picture.maps.qpY[p]) + Int(picture.maps.qpY[q]) + 1) >> 1
                    let noP = picture.maps.cuFlags[p] & PictureMaps.noFilter != 0
                    let noQ = picture.maps.cuFlags[q] & PictureMaps.noFilter != 0
                    let lines = cIdx == 0 ? 4 : 2
                    let x0 = x >> s
                    let y0 = y >> s
                    func at(_ i: Int, _ k: Int) -> (Int, Int) { vertical ? (x0 + i, y0 + k) : (x0 + k, y0 + i) }
                    if cIdx == 0 {
                        let q = min(53, max(0, qp + 2 * (bs - 1) + Int(record.tcOffset)))
                        let beta = Self.beta(min(51, max(0, qp + Int(record.betaOffset)))) << (bitDepth - 8)
                        luma(&image, at, beta: beta, tc: Self.tc[q] << (bitDepth - 8), noP, noQ)
                    } else {
                        let qpC = QuantizationParameters.qpC(
                            qp + Int(cIdx == 1 ? record.cbQpOffset : record.crQpOffset))
                        let tc = Self.tc[min(53, max(0, qpC + 2 + Int(record.tcOffset)))] << (bitDepth - 8)
                        for k in 0..<lines {
                            func v(_ i: Int) -> Int { image[at(i, k).0, at(i, k).1] }
                            let delta = min(tc, max(-tc, (((v(0) - v(-1)) << 2) + v(-2) - v(1) + 4) >> 3))
                            let p0 = clip(v(-1) + delta)
                            let q0 = clip(v(0) - delta)
                            if !noP { image[at(-1, k).0, at(-1, k).1] = p0 }
                            if !noQ { image[at(0, k).0, at(0, k).1] = q0 }
                        }
                    }
                }
            }
        }
        return image
    }

    func clip(_ v: Int) -> Int { min((1 << bitDepth) - 1, max(0, v)) }

    func luma(_ image: inout Image, _ at: (Int, Int) -> (Int, Int), beta: Int, tc: Int, _ noP: Bool, _ noQ: Bool) {
        // v[k] = p3 p2 p1 p0 q0 q1 q2 q3 of line k.
        let v = (0..<4).map { k in (-4..<4).map { image[at($0, k).0, at($0, k).1] } }
        func second(_ k: Int, _ a: Int, _ b: Int, _ c: Int) -> Int { abs(v[k][a] - 2 * v[k][b] + v[k][c]) }
        let dp = [0, 3].map { second($0, 1, 2, 3) }
        let dq = [0, 3].map { second($0, 6, 5, 4) }
        if dp[0] + dp[1] + dq[0] + dq[1] >= beta { return }
        let strong = [0, 3].enumerated().allSatisfy { i, k in
            2 * (dp[i] + dq[i]) < beta >> 2 && abs(v[k][0] - v[k][3]) + abs(v[k][4] - v[k][7]) < beta >> 3
                && abs(v[k][3] - v[k][4]) < (5 * tc + 1) >> 1
        }
        let dEp = dp[0] + dp[1] < (beta + (beta >> 1)) >> 3
        let dEq = dq[0] + dq[1] < (beta + (beta >> 1)) >> 3
        for k in 0..<4 {
            var n = v[k]
            let (p3, p2, p1, p0, q0, q1, q2, q3) = (n[0], n[1], n[2], n[3], n[4], n[5], n[6], n[7])
            if strong {
                n[3] = (p2 + 2 * p1 + 2 * p0 + 2 * q0 + q1 + 4) >> 3
                n[2] = (p2 + p1 + p0 + q0 + 2) >> 2
                n[1] = (2 * p3 + 3 * p2 + p1 + p0 + q0 + 4) >> 3
                n[4] = (p1 + 2 * p0 + 2 * q0 + 2 * q1 + q2 + 4) >> 3
                n[5] = (p0 + q0 + q1 + q2 + 2) >> 2
                n[6] = (p0 + q0 + q1 + 3 * q2 + 2 * q3 + 4) >> 3
                for i in 1..<7 { n[i] = min(v[k][i] + 2 * tc, max(v[k][i] - 2 * tc, n[i])) }
            } else {
                var delta = (9 * (q0 - p0) - 3 * (q1 - p1) + 8) >> 4
                if abs(delta) < tc * 10 {
                    delta = min(tc, max(-tc, delta))
                    n[3] = clip(p0 + delta)
                    n[4] = clip(q0 - delta)
                    let half = tc >> 1
                    if dEp { n[2] = clip(p1 + min(half, max(-half, (((p2 + p0 + 1) >> 1) - p1 + delta) >> 1))) }
                    if dEq { n[5] = clip(q1 + min(half, max(-half, (((q2 + q0 + 1) >> 1) - q1 - delta) >> 1))) }
                }
            }
            for i in -3..<3 where i < 0 ? !noP : !noQ { image[at(i, k).0, at(i, k).1] = n[i + 4] }
        }
    }
}

@Suite struct DeblockingTests {
    @Test(arguments: [(8, 4, false), (8, 6, false), (10, 5, false), (8, 4, true), (8, 6, true)])
    func agreesWithTheWholePictureProcess(bitDepth: Int, log2CtbSize: Int, isNarrow: Bool) {
        var random = Random(UInt64(bitDepth + log2CtbSize))
        let ctb = 1 << log2CtbSize
        let grid = CTBGrid(width: 3 * ctb + 8, height: 2 * ctb + 8, log2CtbSize: log2CtbSize)
        let picture = PictureReconstruction(grid: grid, bitDepth: bitDepth, isNarrow: isNarrow)
        picture.randomize(&random)
        let slices = [0, 5].enumerated().map { i, rs in
            var k = SliceConstants(SliceParameters(grid: grid))
            k.parameters.sliceAddrRs = rs
            k.sliceBetaOffsetDiv2 = i == 0 ? -1 : 3
            k.sliceTcOffsetDiv2 = i == 0 ? 2 : -2
            k.ppsCbQpOffset = 4
            k.ppsCrQpOffset = -3
            return SliceContext(constants: k, sliceIndex: i)
        }
        picture.assign(slices)
        let maps = picture.maps
        for y8 in 0..<maps.height8 {
            for x8 in 0..<maps.width8 {
                let i = y8 * maps.width8 + x8
                maps.qpY[i] = Int8(20 + random.below(32))
                maps.cuFlags[i] = random.below(8) == 0 ? PictureMaps.noFilter : 0
                for b in 0..<4 where b < 2 ? x8 > 0 : y8 > 0 { maps.edges[i * 4 + b] = UInt8(random.below(3)) }
            }
        }
        let reference = ReferenceDeblocking(picture: picture, bitDepth: bitDepth)
        let before = (0..<3).map { Image(picture.picture.frame.plane($0)) }
        let wanted = (0..<3).map { reference.filter(cIdx: $0) }
        let filter = DeblockingFilter(picture: picture)
        for row in 0..<grid.heightInCtbs { filter.filter(ctbRow: row) }
        for cIdx in 0..<3 {
            let same = Image(picture.picture.frame.plane(cIdx)) == wanted[cIdx]
            #expect(same, "component \(cIdx)")
            let changed = zip(before[cIdx].samples, wanted[cIdx].samples).filter { $0 != $1 }.count
            #expect(changed * 50 > before[cIdx].samples.count, "too little to filter")
        }
    }

    /// The row pipeline gives the same samples however the rows come in, publishes rows in order and fills the margins.
    @Test(arguments: [false, true]) func pipelineDoesNotDependOnTheSteps(isNarrow: Bool) {
        let grid = CTBGrid(width: 88, height: 72, log2CtbSize: 4)
        func run(_ steps: [Int]) -> [Image] {
            var random = Random(77)
            let picture = PictureReconstruction(grid: grid, isNarrow: isNarrow)
            picture.randomize(&random)
            picture.assign([SliceContext(constants: SliceConstants(SliceParameters(grid: grid)))])
            for y8 in 0..<9 {
                for x8 in 0..<11 {
                    let i = y8 * 11 + x8
                    picture.maps.qpY[i] = Int8(25 + random.below(20))
                    for b in 0..<4 where b < 2 ? x8 > 0 : y8 > 0 {
                        picture.maps.edges[i * 4 + b] = UInt8(random.below(3))
                    }
                }
            }
            for rs in 0..<grid.count {
                var c = SAOParameters.Component()
                c.saoTypeIdx = UInt8(random.below(3))
                c.saoEoClass = UInt8(random.below(4))
                c.offsets = (3, 2, -1, -4)
                picture.maps.ctbs[rs].sao.components = (c, c, c)
            }
            let filter = InLoopFilter(picture: picture)
            for step in steps { filter.advance(reconstructedRows: step) }
            picture.picture.wait(rows: grid.height)
            let frame = picture.picture.frame
            for cIdx in 0..<3 {
                let p = frame.plane(cIdx)
                let m = p.margin
                for (x, y) in [
                    (-m, -m), (p.width + m - 1, -m), (-1, 5), (p.width, p.height - 1), (-m, p.height + m - 1),
                    (7, p.height),
                ] {
                    #expect(p[x, y] == p[min(max(x, 0), p.width - 1), min(max(y, 0), p.height - 1)])
                }
            }
            return (0..<3).map { Image(frame.plane($0)) }
        }
        let whole = run([5])
        let same = run([1, 2, 3, 4, 5]) == whole && run([2, 2, 4, 5]) == whole
        #expect(same)
    }
}
