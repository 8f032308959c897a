// SPDX-License-Identifier: GPL-2.0-or-later
import VeilBitstream
import VeilCore

/// Which parts of a picture can be read beside each other, and in which order they must begin.
///
/// It follows from headers alone: what comes of a damaged picture does not depend on the number of threads.
package struct SubstreamPlan {
    /// What a slice segment's header says of its substreams.
    package struct Segment {
        package let ctbAddrRs: Int
        package let isDependent: Bool
        package let entropyCodingSyncEnabledFlag: Bool
        /// Where they begin in the segment's bytes.
        package let starts: [Int]

        package init(_ header: SliceSegmentHeader, _ parameters: SliceParameters, starts: [Int]) {
            ctbAddrRs = header.sliceSegmentAddress
            isDependent = header.dependentSliceSegmentFlag
            entropyCodingSyncEnabledFlag = parameters.entropyCodingSyncEnabledFlag
            self.starts = starts
        }
    }

    /// A run of CTUs, consecutive in tile scan, that is read without a break: one substream of a slice segment (a WPP
    /// row, a tile), or a whole segment.
    package struct Piece {
        /// Index of the segment.
        package let segment: Int
        /// Tile-scan addresses. The run may end earlier, but it never goes further.
        package let firstTs: Int
        package let endTs: Int
        package let firstByte: Int
        /// Where the next substream of the segment begins; nil for its last.
        package let endByte: Int?
        package let beginsSegment: Bool
        /// The segment is to end with this run: its last entry point, or the next segment comes.
        package let endsSegment: Bool
    }

    /// What one worker reads in one go: a piece, and those that go on from its contexts (dependent slice segments
    /// beginning amid a row). In tile scan: a job never waits for a later one.
    package private(set) var jobs: [[Piece]] = []
    /// Job of each CTU in tile scan; -1 where no slice covers it.
    package private(set) var jobOf: [Int32]
    /// First CTU of each job.
    package private(set) var firstTs: [Int] = []
    /// Segments whose first CTU another segment has already taken.
    package private(set) var repeated = 0
    /// Segments come in order, have room for all of their substreams, and leave nothing out between them.
    package private(set) var isRegular = true

    package init(_ segments: [Segment], grid: CTBGrid) {
        jobOf = Array(repeating: -1, count: grid.count)
        var order: [(firstTs: Int, segment: Int)] = []
        var taken = Set<Int>()
        for (i, segment) in segments.enumerated() {
            let ts = Int(grid.ctbAddrRsToTs[segment.ctbAddrRs])
            if let last = order.last, ts <= last.firstTs { isRegular = false }
            if taken.insert(ts).inserted { order.append((ts, i)) } else { repeated += 1 }
        }
        order.sort { $0.firstTs < $1.firstTs }
        for (k, (firstTs, i)) in order.enumerated() {
            let endTs = k + 1 < order.count ? order[k + 1].firstTs : grid.count
            add(i, segments[i], firstTs: firstTs, endTs: endTs, grid)
        }
    }

    private mutating func add(_ index: Int, _ segment: Segment, firstTs: Int, endTs: Int, _ grid: CTBGrid) {
        let starts = segment.starts
        let wpp = segment.entropyCodingSyncEnabledFlag
        var ts = firstTs
        var k = 0
        // Without entry points the run goes on through whatever rows or tiles follow.
        let splits = starts.count > 1
        while ts < endTs && k < starts.count {
            let end = splits ? Self.boundary(after: ts, before: endTs, wpp: wpp, grid) : endTs
            let piece = Piece(
                segment: index, firstTs: ts, endTs: end, firstByte: starts[k],
                endByte: k + 1 < starts.count ? starts[k + 1] : nil, beginsSegment: k == 0,
                endsSegment: end == endTs || k + 1 == starts.count)
            let continues = k == 0 && segment.isDependent && !grid.beginsSubstream(ts, wpp: wpp)
            let predecessor = continues && ts > 0 ? jobOf[ts - 1] : -1
            if predecessor >= 0 {
                jobs[Int(predecessor)].append(piece)
            } else {
                jobs.append([piece])
                self.firstTs.append(ts)
            }
            let job = predecessor >= 0 ? predecessor : Int32(jobs.count - 1)
            for at in ts..<end { jobOf[at] = job }
            ts = end
            k += 1
        }
        // What follows the last segment nobody needs.
        if k < starts.count || (ts < endTs && endTs < grid.count) { isRegular = false }
    }

    /// Whether a piece reaches into another tile than it begins in: only without entry points, which such a segment
    /// should have.
    package static func spansTiles(_ piece: Piece, _ grid: CTBGrid) -> Bool {
        !grid.areInSameTile(Int(grid.ctbAddrTsToRs[piece.firstTs]), Int(grid.ctbAddrTsToRs[piece.endTs - 1]))
    }

    private static func boundary(after ts: Int, before endTs: Int, wpp: Bool, _ grid: CTBGrid) -> Int {
        var end = ts + 1
        while end < endTs && !grid.beginsSubstream(end, wpp: wpp) { end += 1 }
        return end
    }
}
