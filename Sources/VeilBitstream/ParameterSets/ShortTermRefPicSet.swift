// SPDX-License-Identifier: GPL-2.0-or-later

/// st_ref_pic_set() (7.3.7) in its derived form (7.4.8).
package struct ShortTermRefPicSet: Equatable, Sendable {
    /// DeltaPocS0 (negative, nearest first) and DeltaPocS1 (positive, nearest first), with UsedByCurrPic.
    package var s0: [(deltaPoc: Int, used: Bool)] = []
    package var s1: [(deltaPoc: Int, used: Bool)] = []

    package init() {}

    package static func == (a: Self, b: Self) -> Bool {
        a.s0.elementsEqual(b.s0, by: ==) && a.s1.elementsEqual(b.s1, by: ==)
    }

    package var numDeltaPocs: Int { s0.count + s1.count }

    /// `index` in `setCount` sets of the SPS; equal to `setCount` for a set in a slice header. How many pictures a
    /// set may name is what the largest buffer holds: some encoders state a smaller one than they refer to.
    package init(_ r: inout BitReader, index: Int, previous: [ShortTermRefPicSet], setCount: Int) throws {
        let inter = index != 0 ? try r.flag("inter_ref_pic_set_prediction_flag") : false
        if inter {
            var delta = 1
            if index == setCount { delta = try r.ue("delta_idx_minus1", in: 0...(index - 1)) + 1 }
            let negative = try r.flag("delta_rps_sign")
            let magnitude = try r.ue("abs_delta_rps_minus1", in: 0...32767) + 1
            let deltaRps = negative ? -magnitude : magnitude
            let ref = previous[index - delta]
            var used: [Bool] = []
            var useDelta: [Bool] = []
            for _ in 0...ref.numDeltaPocs {
                let u = try r.flag("used_by_curr_pic_flag")
                used.append(u)
                useDelta.append(u ? true : try r.flag("use_delta_flag"))
            }
            let n0 = ref.s0.count
            for (i, e) in ref.s1.enumerated().reversed() {
                let d = e.deltaPoc + deltaRps
                if d < 0 && useDelta[n0 + i] { s0.append((d, used[n0 + i])) }
            }
            if deltaRps < 0 && useDelta[ref.numDeltaPocs] { s0.append((deltaRps, used[ref.numDeltaPocs])) }
            for (i, e) in ref.s0.enumerated() {
                let d = e.deltaPoc + deltaRps
                if d < 0 && useDelta[i] { s0.append((d, used[i])) }
            }
            for (i, e) in ref.s0.enumerated().reversed() {
                let d = e.deltaPoc + deltaRps
                if d > 0 && useDelta[i] { s1.append((d, used[i])) }
            }
            if deltaRps > 0 && useDelta[ref.numDeltaPocs] { s1.append((deltaRps, used[ref.numDeltaPocs])) }
            for (i, e) in ref.s1.enumerated() {
                let d = e.deltaPoc + deltaRps
                if d > 0 && useDelta[n0 + i] { s1.append((d, used[n0 + i])) }
            }
            if numDeltaPocs > 16 { throw SyntaxError.outOfRange(element: "NumDeltaPocs", value: numDeltaPocs) }
        } else {
            let negatives = try r.ue("num_negative_pics", in: 0...15)
            let positives = try r.ue("num_positive_pics", in: 0...(15 - negatives))
            var poc = 0
            for _ in 0..<negatives {
                poc -= try r.ue("delta_poc_s0_minus1", in: 0...32767) + 1
                s0.append((poc, try r.flag("used_by_curr_pic_s0_flag")))
            }
            poc = 0
            for _ in 0..<positives {
                poc += try r.ue("delta_poc_s1_minus1", in: 0...32767) + 1
                s1.append((poc, try r.flag("used_by_curr_pic_s1_flag")))
            }
        }
    }

    /// Writes the set without prediction from another.
    package func write(to w: inout BitWriter, index: Int) {
        if index != 0 { w.flag(false) }
        w.ue(s0.count)
        w.ue(s1.count)
        var poc = 0
        for e in s0 {
            w.ue(poc - e.deltaPoc - 1)
            w.flag(e.used)
            poc = e.deltaPoc
        }
        poc = 0
        for e in s1 {
            w.ue(e.deltaPoc - poc - 1)
            w.flag(e.used)
            poc = e.deltaPoc
        }
    }
}
