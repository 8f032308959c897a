// SPDX-License-Identifier: GPL-2.0-or-later
import VeilBitstream
import VeilCore
import VeilEntropy

/// One slice segment to be recoded.
struct RecodingSegment {
    let nal: NALUnit
    let header: SliceSegmentHeader
    let rbsp: [UInt8]
    /// RBSP positions before which emulation prevention bytes stood.
    let removed: [Int]
    let parameters: SliceParameters
    /// The slice data in the RBSP, without the cabac_zero_words after it, which stay as they are.
    let data: Range<Int>
    /// Its header may have an extension.
    var hasExtension = false
    /// Why it is not to be recoded at all.
    var failure: RecodingFailure?

    init(
        _ nal: NALUnit, header: SliceSegmentHeader, payload: EmulationPrevention.Parts, parameters: SliceParameters
    ) {
        self.nal = nal
        self.header = header
        rbsp = payload.rbsp
        removed = payload.removed
        self.parameters = parameters
        let end = (rbsp.lastIndex { $0 != 0 } ?? -1) + 1
        data = header.byteCount < end ? header.byteCount..<end : 0..<0
    }

    /// Bit position of byte_alignment(), which ends the header.
    var alignmentPosition: Int? {
        if !hasExtension { return header.afterEntryPointsPosition }
        var r = BitReader(rbsp)
        guard (try? r.skip(header.afterEntryPointsPosition, "slice_segment_header")) != nil,
            let length = try? r.ue("slice_segment_header_extension_length")
        else { return nil }
        return r.position + length * 8
    }

    /// Where in the slice data the substreams begin, as the entry points say; nil where they cannot be true.
    var substreamStarts: [Int]? {
        let starts = header.substreamStarts(removed: removed).map { $0 - header.byteCount }
        let ascend = zip(starts, starts.dropFirst()).allSatisfy { $0 < $1 && $1 < data.count }
        return ascend ? starts : nil
    }
}

/// Why a slice segment is not recoded.
enum RecodingFailure: Error, CustomStringConvertible {
    case sliceData
    case codeEnd
    case emulationPrevention
    case entryPoints
    case overlap
    case sealed

    var description: String {
        switch self {
        case .sliceData: return "the slice data cannot be parsed to its end"
        case .codeEnd: return "its arithmetic code does not end as an encoder ends it"
        case .emulationPrevention: return "emulation prevention bytes stand where none belong, or are missing"
        case .entryPoints: return "its entry points could not be restored"
        case .overlap: return "it repeats coding tree units of a slice before it"
        case .sealed: return "it is sealed"
        }
    }
}

/// What came of a slice segment.
enum RecodedSegment {
    case recoded(NALUnit)
    case failed(RecodingFailure)
}

/// A substream, or a slice segment's only one, as the headers announce it.
struct SubstreamPiece {
    let segment: Int
    /// First CTB, tile-scan address.
    let start: Int
    /// In the segment's slice data.
    let data: Range<Int>
    let beginsSegment: Bool
    let endsSegment: Bool
}

/// How the substreams of a picture's slice segments can be recoded side by side: those in one task follow each other,
/// tasks wait for nothing but CTBs above them, which belong to tasks before them.
struct SubstreamPlan {
    /// Indices of segments: an independent one and the dependent ones after it.
    let slices: [Range<Int>]
    /// By task; all empty when nothing is gained.
    private(set) var tasks: [[SubstreamPiece]] = []
    /// The slice of each task.
    private(set) var sliceOfTask: [Int] = []
    /// The tile-scan addresses that each task is to cover.
    private(set) var ranges: [Range<Int>] = []

    /// - Parameter isParallel: look for tasks at all.
    init(_ segments: [RecodingSegment], grid: CTBGrid, isParallel: Bool) {
        var slices: [Range<Int>] = []
        for (i, segment) in segments.enumerated() {
            if segment.header.dependentSliceSegmentFlag, let last = slices.last {
                slices[slices.count - 1] = last.lowerBound..<(i + 1)
            } else {
                slices.append(i..<(i + 1))
            }
        }
        self.slices = slices
        if isParallel { plan(segments, grid) }
    }

    private mutating func plan(_ segments: [RecodingSegment], _ grid: CTBGrid) {
        for (slice, members) in slices.enumerated() {
            for index in members {
                let segment = segments[index]
                guard segment.failure == nil, segment.header.sliceSegmentAddress < grid.count,
                    let starts = segment.substreamStarts
                else { return giveUp() }
                let wpp = segment.parameters.entropyCodingSyncEnabledFlag
                var ts = Int(grid.ctbAddrRsToTs[segment.header.sliceSegmentAddress])
                // Addresses ascend, or what waits for what is not known.
                if let last = ranges.last, ts <= last.lowerBound { return giveUp() }
                for (i, start) in starts.enumerated() {
                    if i > 0 {
                        repeat {
                            ts += 1
                        } while ts < grid.count && !grid.beginsSubstream(ts, wpp: wpp)
                        if ts >= grid.count { return giveUp() }
                    }
                    let isLast = i == starts.count - 1
                    let piece = SubstreamPiece(
                        segment: index, start: ts, data: start..<(isLast ? segment.data.count : starts[i + 1]),
                        beginsSegment: i == 0,
                        endsSegment: isLast)
                    if index == members.lowerBound && i == 0 || grid.beginsSubstream(ts, wpp: wpp) {
                        if let last = ranges.popLast() { ranges.append(last.lowerBound..<ts) }
                        tasks.append([piece])
                        sliceOfTask.append(slice)
                        ranges.append(ts..<grid.count)
                    } else {
                        tasks[tasks.count - 1].append(piece)
                    }
                }
            }
        }
        if tasks.count < 2 { giveUp() }
    }

    /// Tile-scan address after the last CTB of a segment, as it was recoded in tasks.
    func end(of segment: Int) -> Int? {
        for (task, pieces) in tasks.enumerated().reversed() {
            guard let last = pieces.lastIndex(where: { $0.segment == segment }) else { continue }
            return last + 1 < pieces.count ? pieces[last + 1].start : ranges[task].upperBound
        }
        return nil
    }

    private mutating func giveUp() {
        tasks = []
        sliceOfTask = []
        ranges = []
    }
}
