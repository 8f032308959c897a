// SPDX-License-Identifier: GPL-2.0-or-later
import TestSupport
import Testing
import VeilCore
import VeilEntropy
import VeilRecon

@testable import VeilEncoder

@Suite struct SAODecisionTests {
    private let lambda = 12.0

    private func picture(width: Int, height: Int, _ random: inout SplitMix) -> PictureReconstruction {
        let grid = CTBGrid(width: width, height: height, log2CtbSize: 4)
        let frame = FrameBuffer(width: width, height: height, bitDepthLuma: 8, bitDepthChroma: 8)
        for cIdx in 0..<3 {
            let plane = frame.plane(cIdx)
            for y in 0..<plane.height {
                for x in 0..<plane.width {
                    plane.at(x, y).pointee = UInt16(40 + x * 3 + y * 2 + Int.random(in: -6...6, using: &random))
                }
            }
        }
        let motion = MotionField(width: width, height: height, ctbLog2Size: 4)
        let picture = PictureReconstruction(picture: CodedPicture(frame: frame, motion: motion), grid: grid)
        let slice = SliceContext(constants: SliceConstants(SliceParameters(grid: grid)))
        picture.add(slice: slice)
        for rs in 0..<grid.count {
            picture.maps.ctbs[rs].slice = Unmanaged.passUnretained(slice)
            picture.maps.ctbs[rs].sliceAddrTs = 0
        }
        return picture
    }

    /// The class of a sample: of its edge (8.7.3.2; 0 where there is none), or of its band.
    private func edgeIdx(_ plane: Plane, _ x: Int, _ y: Int, _ eoClass: Int) -> Int {
        let (h, v) = ([1, 0, 1, -1][eoClass], [0, 1, 1, 1][eoClass])
        for s in [-1, 1] {
            let (u, w) = (x + s * h, y + s * v)
            if u < 0 || w < 0 || u >= plane.width || w >= plane.height { return 0 }
        }
        let own = Int(plane.at(x, y).pointee)
        let sum = [-1, 1].reduce(2) { $0 + (own - Int(plane.at(x + $1 * h, y + $1 * v).pointee)).signum() }
        return [1, 2, 0, 3, 4][sum]
    }

    private func offset(_ c: SAOParameters.Component, _ plane: Plane, _ x: Int, _ y: Int) -> Int {
        let offsets = [c.offsets.0, c.offsets.1, c.offsets.2, c.offsets.3].map(Int.init)
        if c.saoTypeIdx == 1 {
            let k = (Int(plane.at(x, y).pointee) >> 3 - Int(c.saoBandPosition)) & 31
            return k < 4 ? offsets[k] : 0
        }
        let index = c.saoTypeIdx == 2 ? edgeIdx(plane, x, y, Int(c.saoEoClass)) : 0
        return index > 0 ? offsets[index - 1] : 0
    }

    private func error(_ source: Plane, _ plane: Plane, _ c: SAOParameters.Component) -> Int {
        var total = 0
        for y in 0..<plane.height {
            for x in 0..<plane.width {
                let d = Int(source.at(x, y).pointee) - Int(plane.at(x, y).pointee) - offset(c, plane, x, y)
                total += d * d
            }
        }
        return total
    }

    /// Bits of a component's offsets (7.3.8.3), type and class apart.
    private func bits(_ c: SAOParameters.Component) -> Int {
        if c.saoTypeIdx == 0 { return 0 }
        return [c.offsets.0, c.offsets.1, c.offsets.2, c.offsets.3].reduce(0) {
            let size = abs(Int($1))
            return $0 + min(size + 1, 7) + (c.saoTypeIdx == 1 && size > 0 ? 1 : 0)
        }
    }

    /// Nothing is chosen where nothing is wrong.
    @Test func leavesGoodPicturesAlone() {
        var random = SplitMix(state: 1)
        let picture = picture(width: 48, height: 32, &random)
        let decision = SAODecision(source: picture.picture.frame, picture: picture, lambda: lambda)
        for rs in 0..<picture.grid.count {
            let p = decision.decide(ctbAddrRs: rs)
            #expect(p.components.0.saoTypeIdx == 0 && p.components.1.saoTypeIdx == 0)
        }
    }

    /// Of a picture of one CTB: no other luma parameters would cost less, and those of luma and chroma pay.
    @Test func choosesTheCheapest() {
        var random = SplitMix(state: 2)
        var types: Set<UInt8> = []
        for trial in 0..<30 {
            let picture = picture(width: 16, height: 16, &random)
            let frame = picture.picture.frame
            // A source that differs where edges are, in some bands, or at random.
            let source = FrameBuffer(width: 16, height: 16) { cIdx, x, y in
                let plane = frame.plane(cIdx)
                let own = Int(plane.at(x, y).pointee)
                switch trial % 3 {
                case 0: return own + [0, 3, 1, -2, -4][edgeIdx(plane, x, y, trial / 3 % 4)]
                case 1: return own + ([2, -5, 0, 7][own >> 3 & 3])
                default: return own + Int.random(in: -1...1, using: &random)
                }
            }
            let chosen = SAODecision(source: source, picture: picture, lambda: lambda).decide(ctbAddrRs: 0)
            types.insert(chosen.components.0.saoTypeIdx)
            // Samples of one byte lead to the same.
            let narrow = PictureReconstruction(
                picture: CodedPicture(frame: frame.narrowed(), motion: picture.picture.motion), grid: picture.grid)
            narrow.maps.ctbs[0] = picture.maps.ctbs[0]
            let same = SAODecision(source: source.narrowed(), picture: narrow, lambda: lambda).decide(ctbAddrRs: 0)
            #expect(same.components == chosen.components)
            func cost(_ c: SAOParameters.Component) -> Double {
                let head = c.saoTypeIdx == 0 ? 1 : c.saoTypeIdx == 1 ? 2 + 5 : 4
                return Double(error(source.plane(0), frame.plane(0), c)) + lambda * Double(head + bits(c))
            }
            let own = cost(chosen.components.0)
            #expect(own <= cost(SAOParameters.Component()))
            // Everything one offset, class or band away, and bands and edges made from nothing.
            for type in UInt8(1)...2 {
                for place in 0..<(type == 1 ? 29 : 4) {
                    for change in 0..<4 {
                        for value in -7...7 {
                            var other =
                                chosen.components.0.saoTypeIdx == type
                                ? chosen.components.0 : SAOParameters.Component()
                            other.saoTypeIdx = type
                            if type == 1 {
                                other.saoBandPosition = UInt8(place)
                            } else {
                                other.saoEoClass = UInt8(place)
                                // The first two kinds are raised, the others lowered.
                                if change < 2 ? value < 0 : value > 0 { continue }
                            }
                            withUnsafeMutableBytes(of: &other.offsets) {
                                $0.bindMemory(to: Int16.self)[change] = Int16(value)
                            }
                            let theirs = cost(other)
                            #expect(own <= theirs + 1e-6, "trial \(trial): \(chosen.components.0) and \(other)")
                        }
                    }
                }
            }
            let (cb, cr) = (chosen.components.1, chosen.components.2)
            #expect(cb.saoTypeIdx == cr.saoTypeIdx && cb.saoEoClass == cr.saoEoClass)
            if cb.saoTypeIdx != 0 {
                let none = SAOParameters.Component()
                let before = error(source.plane(1), frame.plane(1), none) + error(source.plane(2), frame.plane(2), none)
                let after = error(source.plane(1), frame.plane(1), cb) + error(source.plane(2), frame.plane(2), cr)
                #expect(Double(after) + lambda * Double(bits(cb) + bits(cr)) < Double(before))
            }
        }
        #expect(types == [0, 1, 2])
    }

    /// What a neighbour has costs a flag only.
    @Test func mergesWithNeighbours() {
        var random = SplitMix(state: 3)
        let picture = picture(width: 32, height: 16, &random)
        let frame = picture.picture.frame
        let source = FrameBuffer(width: 32, height: 16) { cIdx, x, y in Int(frame.plane(cIdx).at(x, y).pointee) + 3 }
        let decision = SAODecision(source: source, picture: picture, lambda: 400)
        var first = SAOParameters()
        first.components.0.saoTypeIdx = 1
        first.components.0.saoBandPosition = 12
        first.components.0.offsets = (3, 3, 3, 3)
        picture.maps.ctbs[0].sao = first
        let second = decision.decide(ctbAddrRs: 1)
        #expect(second.saoMergeLeftFlag && second.components == first.components)
    }
}
