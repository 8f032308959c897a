// SPDX-License-Identifier: GPL-2.0-or-later
import VeilBitstream
import VeilCore
import VeilEntropy
import VeilRecon

/// A run of CTUs, consecutive in tile scan, that is decoded without a break: one substream of a slice segment (a WPP
/// row, a tile), or a whole segment.
struct SubstreamRange {
    /// Index of the segment.
    let segment: Int
    /// Tile-scan addresses. The run may end earlier, but it never goes further.
    let firstTs: Int
    let endTs: Int
    /// First byte in the segment's RBSP.
    let firstByte: Int
    let beginsSegment: Bool
    /// The segment is to end with this run: its last entry point, or the next segment comes.
    let endsSegment: Bool
}

/// Which parts of a picture can be decoded beside each other, and in which order they must begin.
///
/// It follows from headers alone, hence what is decoded of a damaged picture does not depend on the number of threads.
struct SubstreamPlan {
    /// What one worker decodes in one go: a range, and those that go on from its contexts (dependent slice segments
    /// beginning amid a row). In tile scan: a job never waits for a later one.
    private(set) var jobs: [[SubstreamRange]] = []
    /// Job of each CTU in tile scan; -1 where no slice covers it.
    private(set) var jobOf: [Int32]
    /// First CTU of each job.
    private(set) var firstTs: [Int] = []
    /// Segments whose first CTU another segment has already taken.
    private(set) var repeated = 0

    init(segments: [SliceSegmentJob], grid: CTBGrid) {
        jobOf = Array(repeating: -1, count: grid.count)
        var order: [(firstTs: Int, segment: Int)] = []
        var taken = Set<Int>()
        for (i, segment) in segments.enumerated() {
            let ts = Int(grid.ctbAddrRsToTs[segment.header.sliceSegmentAddress])
            if taken.insert(ts).inserted { order.append((ts, i)) } else { repeated += 1 }
        }
        order.sort { $0.firstTs < $1.firstTs }
        for (k, (firstTs, i)) in order.enumerated() {
            let endTs = k + 1 < order.count ? order[k + 1].firstTs : grid.count
            add(i, segments[i], firstTs: firstTs, endTs: endTs, grid)
        }
    }

    private mutating func add(_ index: Int, _ segment: SliceSegmentJob, firstTs: Int, endTs: Int, _ grid: CTBGrid) {
        let starts = segment.header.substreamStarts(removed: segment.removedBytes).map { min($0, segment.rbsp.count) }
        let wpp = segment.parameters.entropyCodingSyncEnabledFlag
        var ts = firstTs
        var k = 0
        // Without entry points the run goes on through whatever rows or tiles follow.
        let splits = starts.count > 1
        while ts < endTs && k < starts.count {
            let end = splits ? Self.boundary(after: ts, before: endTs, wpp: wpp, grid) : endTs
            let range = SubstreamRange(
                segment: index, firstTs: ts, endTs: end, firstByte: starts[k], beginsSegment: k == 0,
                endsSegment: end == endTs || k + 1 == starts.count)
            let continues = k == 0 && segment.header.dependentSliceSegmentFlag && !grid.beginsSubstream(ts, wpp: wpp)
            let predecessor = continues && ts > 0 ? jobOf[ts - 1] : -1
            if predecessor >= 0 {
                jobs[Int(predecessor)].append(range)
            } else {
                jobs.append([range])
                self.firstTs.append(ts)
            }
            let job = predecessor >= 0 ? predecessor : Int32(jobs.count - 1)
            for at in ts..<end { jobOf[at] = job }
            ts = end
            k += 1
        }
    }

    /// Whether a range reaches into another tile than it begins in: only without entry points, which such a segment
    /// should have.
    static func spansTiles(_ range: SubstreamRange, _ grid: CTBGrid) -> Bool {
        !grid.areInSameTile(Int(grid.ctbAddrTsToRs[range.firstTs]), Int(grid.ctbAddrTsToRs[range.endTs - 1]))
    }

    private static func boundary(after ts: Int, before endTs: Int, wpp: Bool, _ grid: CTBGrid) -> Int {
        var end = ts + 1
        while end < endTs && !grid.beginsSubstream(end, wpp: wpp) { end += 1 }
        return end
    }
}
