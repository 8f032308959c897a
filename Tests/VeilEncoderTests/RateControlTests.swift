// SPDX-License-Identifier: GPL-2.0-or-later
import Foundation
import Testing
import VeilBitstream

@testable import VeilEncoder

/// Rate control against a source whose pictures cost complexity * 2^(-QP / 6) bits.
struct RateControlTests {
    /// Bits of every picture of a drawn source under a rate, in decoding order.
    private func code(_ rate: LayerRate, pictures count: Int, fps: (Int, Int) = (25, 1)) -> [Double] {
        var control = LayerRateControl(rate: rate, fps: fps)
        var noise: UInt32 = 7
        var costs: [Int] = []
        var recorded = 0
        for n in 0..<count {
            noise = noise &* 1_664_525 &+ 1_013_904_223
            let type: SliceType = n % 50 == 0 ? .i : n % 3 == 0 ? .p : .b
            let content =
                (type == .i ? 6.0 : type == .p ? 1.5 : 0.7) * (n / 100 % 2 == 0 ? 1 : 2)
                * (0.8 + Double(noise >> 24) / 640)
            let baseQp = 30 + (type == .b ? 2 : 0)
            let baseBits = 400_000 * content * exp2(-Double(baseQp) / 6)
            let picture = RatedPicture(baseQp: baseQp, type: type, baseBits: Int(baseBits))
            control.prepare(picture)
            // Now and then the layer finds much more to code than the base layer lets expect.
            let surprise = n % 41 == 40 ? 2.5 : 1
            func cost(_ qp: Int) -> Int {
                Int(1_100_000 * surprise * content * (0.85 + Double(noise >> 16 & 255) / 850) * exp2(-Double(qp) / 6))
            }
            // What is late by the control's own measure is handed in first.
            while recorded < n, control.needs(index: recorded) {
                control.record(index: recorded, bits: costs[recorded])
                recorded += 1
            }
            var qp = control.qp(picture)
            while let higher = control.higherQp(bits: cost(qp)) { qp = higher }
            costs.append(cost(qp))
        }
        return costs.map(Double.init)
    }

    @Test func theAverageIsKept() {
        for target in [200_000.0, 800_000] {
            let bits = code(.bitrate(.init(target: target)), pictures: 600)
            let mean = bits.reduce(0, +) / 600 * 25
            #expect(abs(mean / target - 1) < 0.05, "\(mean) for \(target)")
        }
    }

    /// A picture every four seconds, or far fewer: no average is over less than a picture.
    @Test(arguments: [4, 2, 1000])
    func slowClips(seconds: Int) {
        let bits = code(.bitrate(.init(target: 50_000 / Double(seconds))), pictures: 60, fps: (1, seconds))
        #expect(bits.allSatisfy { $0 > 0 && $0.isFinite })
    }

    @Test(arguments: [1.0, 0.5, 0.2])
    func theBufferIsNeverEmpty(seconds: Double) {
        let rate = 700_000.0
        var average = LayerRate.AverageRate(target: rate)
        average.buffer = (rate, rate * seconds)
        let bits = code(.bitrate(average), pictures: 600)
        let size = rate * seconds
        var fill = size * 0.9
        for (n, count) in bits.enumerated() {
            if n > 0 { fill = min(fill + rate / 25, size) }
            fill -= count
            #expect(fill >= 0, "picture \(n)")
        }
    }

    @Test func offsetsFollowTheBaseLayer() {
        var control = LayerRateControl(rate: .offset(-4, initial: 22), fps: (25, 1))
        #expect(control.qp(RatedPicture(baseQp: 30, type: .p, baseBits: 1000)) == 26)
        #expect(control.qp(RatedPicture(baseQp: 2, type: .p, baseBits: 1000)) == 0)
        #expect(control.delay == nil)
    }
}
