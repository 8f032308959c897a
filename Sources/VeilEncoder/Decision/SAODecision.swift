// SPDX-License-Identifier: GPL-2.0-or-later
import CVeilKernels
import VeilCore
import VeilEntropy
import VeilRecon

/// Chooses sample adaptive offsets of CTBs by rate and distortion, from deblocked samples and the source.
final class SAODecision {
    private let source: FrameBuffer
    private let picture: PictureReconstruction
    private let lambda: Double
    /// Differences and numbers of samples: for each component four classes of four kinds of edge, then 32 bands.
    private let sums: Buffer<Int32>
    private let counts: Buffer<Int32>
    private static let perComponent = 48

    init(source: FrameBuffer, picture: PictureReconstruction, lambda: Double) {
        precondition(source.isNarrow == picture.picture.frame.isNarrow, "samples of different sizes")
        self.source = source
        self.picture = picture
        self.lambda = lambda
        sums = Buffer(repeating: 0, count: 3 * Self.perComponent)
        counts = Buffer(repeating: 0, count: 3 * Self.perComponent)
    }

    /// Decides the parameters of one CTB, whose row is deblocked and did not go through SAO yet; `ctbs` has those of
    /// its neighbours.
    func decide(ctbAddrRs rs: Int) -> SAOParameters {
        collect(rs)
        let width = picture.grid.widthInCtbs
        var best = SAOParameters()
        var luma = 0.0
        best.components.0 = single(&luma)
        var chroma = 0.0
        (best.components.1, best.components.2) = pair(&chroma)
        // Merge flags that say no.
        let hasLeft = rs % width > 0
        let hasUp = rs >= width && picture.maps.ctbs[rs - width].sliceAddrTs == picture.maps.ctbs[rs].sliceAddrTs
        var cost = luma + chroma + lambda * ((hasLeft ? 1 : 0) + (hasUp ? 1 : 0))
        func merge(_ neighbour: Int, _ bits: Double) -> SAOParameters? {
            var p = SAOParameters()
            p.components = picture.maps.ctbs[neighbour].sao.components
            let c = change(0, p.components.0) + change(1, p.components.1) + change(2, p.components.2) + lambda * bits
            if c > cost { return nil }
            cost = c
            return p
        }
        if hasLeft, var p = merge(rs - 1, 1) {
            p.saoMergeLeftFlag = true
            best = p
        }
        if hasUp, var p = merge(rs - width, hasLeft ? 2 : 1) {
            p.saoMergeUpFlag = true
            best = p
        }
        return best
    }

    // MARK: Statistics

    private func collect(_ rs: Int) {
        sums.view.update(repeating: 0, count: 3 * Self.perComponent)
        counts.view.update(repeating: 0, count: 3 * Self.perComponent)
        let grid = picture.grid
        let column = rs % grid.widthInCtbs
        let row = rs / grid.widthInCtbs
        let frame = picture.picture.frame
        for cIdx in 0..<3 {
            let log2 = grid.log2CtbSize - (cIdx == 0 ? 0 : 1)
            let rec = frame.plane(cIdx)
            let from = source.plane(cIdx)
            let x0 = column << log2
            let y0 = row << log2
            let w = min(1 << log2, rec.width - x0)
            let h = min(1 << log2, rec.height - y0)
            let sum = sums + cIdx * Self.perComponent
            let count = counts + cIdx * Self.perComponent
            // Nothing is changed at the picture's borders. The line above the CTB has changed already: the first line
            // does without.
            let left = column == 0 ? 1 : 0
            let right = x0 + w == rec.width ? 1 : 0
            let bottom = y0 + h == rec.height ? 1 : 0
            for eoClass in 0..<4 {
                let l = eoClass == 1 ? 0 : left
                let r = eoClass == 1 ? 0 : right
                let t = eoClass == 0 ? 0 : 1
                let b = eoClass == 0 ? 0 : bottom
                if w - l - r <= 0 || h - t - b <= 0 { continue }
                veil_any_sao_edge_statistics(
                    rec.isNarrow, (sum + eoClass * 4).base, (count + eoClass * 4).base, from.address(x0 + l, y0 + t),
                    from.stride,
                    rec.address(x0 + l, y0 + t), rec.stride,
                    Int32(w - l - r), Int32(h - t - b), Int32(eoClass))
            }
            veil_any_sao_band_statistics(
                rec.isNarrow, (sum + 16).base, (count + 16).base, from.address(x0, y0), from.stride,
                rec.address(x0, y0), rec.stride,
                Int32(w), Int32(h), Int32(depth(cIdx)))
        }
    }

    private func depth(_ cIdx: Int) -> Int {
        cIdx == 0 ? picture.picture.frame.bitDepthLuma : picture.picture.frame.bitDepthChroma
    }

    /// Greatest magnitude of an offset.
    private func maxOffset(_ cIdx: Int) -> Int { (1 << (min(depth(cIdx), 10) - 5)) - 1 }

    // MARK: Costs

    /// What an offset changes of the squared error of samples with given differences.
    @inline(__always)
    private func change(_ sum: Int32, _ count: Int32, _ offset: Int) -> Double {
        Double(Int(count) * offset * offset - 2 * offset * Int(sum))
    }

    /// What given parameters change of a component's squared error.
    private func change(_ cIdx: Int, _ c: SAOParameters.Component) -> Double {
        if c.saoTypeIdx == 0 { return 0 }
        let first = cIdx * Self.perComponent + (c.saoTypeIdx == 1 ? 16 : 4 * Int(c.saoEoClass))
        func at(_ i: Int) -> Int { c.saoTypeIdx == 1 ? first + ((Int(c.saoBandPosition) + i) & 31) : first + i }
        return change(sums[at(0)], counts[at(0)], Int(c.offsets.0))
            + change(sums[at(1)], counts[at(1)], Int(c.offsets.1))
            + change(sums[at(2)], counts[at(2)], Int(c.offsets.2))
            + change(sums[at(3)], counts[at(3)], Int(c.offsets.3))
    }

    /// The offset of one kind of sample that costs least. `sign`: 1 and -1 for kinds of edges, 0 for bands.
    private func offset(_ at: Int, limit: Int, sign: Int) -> (offset: Int, cost: Double) {
        let sum = sums[at]
        let count = counts[at]
        if count == 0 { return (0, lambda) }
        var wanted = Int((Double(sum) / Double(count)).rounded())
        wanted = min(max(wanted, -limit), limit)
        if sign > 0 { wanted = max(wanted, 0) }
        if sign < 0 { wanted = min(wanted, 0) }
        var best = (0, lambda)
        while wanted != 0 {
            let bits = Double(min(abs(wanted) + 1, limit) + (sign == 0 ? 1 : 0))
            let cost = change(sum, count, wanted) + lambda * bits
            if cost < best.1 { best = (wanted, cost) }
            wanted += wanted > 0 ? -1 : 1
        }
        return best
    }

    private func edge(_ cIdx: Int, _ eoClass: Int) -> (SAOParameters.Component, Double) {
        let first = cIdx * Self.perComponent + 4 * eoClass
        let limit = maxOffset(cIdx)
        let a = offset(first, limit: limit, sign: 1)
        let b = offset(first + 1, limit: limit, sign: 1)
        let c = offset(first + 2, limit: limit, sign: -1)
        let d = offset(first + 3, limit: limit, sign: -1)
        var result = SAOParameters.Component()
        result.saoTypeIdx = 2
        result.saoEoClass = UInt8(eoClass)
        result.offsets = (Int16(a.offset), Int16(b.offset), Int16(c.offset), Int16(d.offset))
        return (result, a.cost + b.cost + c.cost + d.cost)
    }

    private func band(_ cIdx: Int) -> (SAOParameters.Component, Double) {
        let first = cIdx * Self.perComponent + 16
        let limit = maxOffset(cIdx)
        return withUnsafeTemporaryAllocation(of: (offset: Int, cost: Double).self, capacity: 32) { bands in
            for i in 0..<32 { bands[i] = offset(first + i, limit: limit, sign: 0) }
            var position = 0
            var best = Double.infinity
            for i in 0...28 {
                let cost = bands[i].cost + bands[i + 1].cost + bands[i + 2].cost + bands[i + 3].cost
                if cost < best {
                    best = cost
                    position = i
                }
            }
            var result = SAOParameters.Component()
            result.saoTypeIdx = 1
            result.saoBandPosition = UInt8(position)
            result.offsets = (
                Int16(bands[position].offset), Int16(bands[position + 1].offset), Int16(bands[position + 2].offset),
                Int16(bands[position + 3].offset)
            )
            return (result, best + lambda * 5)
        }
    }

    /// Luma: off, an edge class or bands.
    private func single(_ cost: inout Double) -> SAOParameters.Component {
        var best = SAOParameters.Component()
        cost = lambda
        for eoClass in 0..<4 {
            let (c, value) = edge(0, eoClass)
            if value + lambda * 4 < cost {
                cost = value + lambda * 4
                best = c
            }
        }
        let (c, value) = band(0)
        if value + lambda * 2 < cost {
            cost = value + lambda * 2
            best = c
        }
        return best
    }

    /// Both chroma components, which share type and class.
    private func pair(_ cost: inout Double) -> (SAOParameters.Component, SAOParameters.Component) {
        var best = (SAOParameters.Component(), SAOParameters.Component())
        cost = lambda
        for eoClass in 0..<4 {
            let (cb, first) = edge(1, eoClass)
            let (cr, second) = edge(2, eoClass)
            if first + second + lambda * 4 < cost {
                cost = first + second + lambda * 4
                best = (cb, cr)
            }
        }
        let (cb, first) = band(1)
        let (cr, second) = band(2)
        if first + second + lambda * 2 < cost {
            cost = first + second + lambda * 2
            best = (cb, cr)
        }
        return best
    }
}
