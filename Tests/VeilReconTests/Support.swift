// SPDX-License-Identifier: GPL-2.0-or-later
import Foundation
import TestSupport
import VeilCore
import VeilEntropy

@testable import VeilRecon

typealias Random = SplitMix

extension SplitMix {
    init(_ seed: UInt64) { self.init(state: seed) }
    mutating func below(_ n: Int) -> Int { Int(next() % UInt64(n)) }
    mutating func bool() -> Bool { next() & 1 != 0 }
}

/// A plain copy of a plane, for reference implementations.
struct Image: Equatable {
    var width: Int
    var height: Int
    var samples: [Int]

    init(width: Int, height: Int, fill: Int = 0) {
        self.width = width
        self.height = height
        samples = .init(repeating: fill, count: width * height)
    }

    init(_ plane: Plane) {
        self.init(width: plane.width, height: plane.height)
        for y in 0..<height { for x in 0..<width { self[x, y] = plane[x, y] } }
    }

    subscript(_ x: Int, _ y: Int) -> Int {
        get { samples[y * width + x] }
        set { samples[y * width + x] = newValue }
    }

    func contains(_ x: Int, _ y: Int) -> Bool { x >= 0 && y >= 0 && x < width && y < height }
}

extension Plane {
    func set(_ x: Int, _ y: Int, _ value: Int) {
        if isNarrow {
            samples(x, y, as: UInt8.self).pointee = UInt8(value)
        } else {
            at(x, y).pointee = UInt16(value)
        }
    }
}

/// Bit depths and whether samples have one byte.
let sampleKinds = [(8, false), (10, false), (8, true)]

extension PictureReconstruction {
    convenience init(grid: CTBGrid, bitDepth: Int = 8, isNarrow: Bool = false) {
        let frame = FrameBuffer(
            width: grid.width, height: grid.height, bitDepthLuma: bitDepth, bitDepthChroma: bitDepth,
            isNarrow: isNarrow)
        let motion = MotionField(width: grid.width, height: grid.height, ctbLog2Size: grid.log2CtbSize)
        self.init(picture: CodedPicture(frame: frame, motion: motion), grid: grid)
    }

    /// Random samples: smooth areas with steps, so that filters find work, or noise.
    func randomize(_ random: inout Random, noise: Bool = false) {
        let frame = picture.frame
        for cIdx in 0..<3 {
            let plane = frame.plane(cIdx)
            let top = (1 << frame.bitDepth(cIdx)) - 1
            var value = top / 2
            for y in 0..<plane.height {
                for x in 0..<plane.width {
                    if noise {
                        plane.set(x, y, random.below(top + 1))
                    } else {
                        if x % 4 == 0 { value += random.below(13) - 6 }
                        value = min(top, max(0, value))
                        plane.set(x, y, min(top, max(0, value + random.below(3) - 1)))
                    }
                }
            }
        }
    }

    /// Registers slices and puts every CTB into its slice (the last one that begins at or before it in tile scan).
    func assign(_ slices: [SliceContext]) {
        for slice in slices { add(slice: slice) }
        for rs in 0..<grid.count {
            let ts = Int(grid.ctbAddrRsToTs[rs])
            let slice = slices.last { $0.sliceAddrTs <= ts }!
            let record = maps.ctbs + rs
            record.pointee.slice = Unmanaged.passUnretained(slice)
            record.pointee.sliceAddrTs = Int32(slice.sliceAddrTs)
            record.pointee.loopFilterAcrossSlices = slice.constants.sliceLoopFilterAcrossSlicesEnabledFlag
            record.pointee.betaOffset = Int8(slice.constants.sliceBetaOffsetDiv2 * 2)
            record.pointee.tcOffset = Int8(slice.constants.sliceTcOffsetDiv2 * 2)
            record.pointee.cbQpOffset = Int8(slice.constants.ppsCbQpOffset)
            record.pointee.crQpOffset = Int8(slice.constants.ppsCrQpOffset)
        }
    }
}
