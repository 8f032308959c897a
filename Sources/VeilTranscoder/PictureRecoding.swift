// SPDX-License-Identifier: GPL-2.0-or-later
import Foundation
import VeilBins
import VeilSyntax

/// What one worker needs for itself.
final class RecodingWorkspace {
    let ctu = CodingTreeUnit()
    let scratch = SyntaxScratch()
    let contexts = ContextSet()
}

/// Workspaces that are not in use.
final class RecodingWorkspacePool: @unchecked Sendable {
    private let lock = NSLock()
    private var free: [RecodingWorkspace] = []
    func take() -> RecodingWorkspace { lock.withLock { free.popLast() } ?? RecodingWorkspace() }
    func giveBack(_ workspace: RecodingWorkspace) { lock.withLock { free.append(workspace) } }
}

/// The slice segments of one picture, parsed and coded again with their encryptable bins replaced. No sample is touched.
final class PictureRecoding: @unchecked Sendable {
    private struct Segment {
        let nal: NALUnit
        let header: SliceSegmentHeader
        let rbsp: [UInt8]
        let parameters: SliceParameters
    }

    private let hook: HookBox
    private let unit: BinUnit
    private let layout: CTBLayout
    private let sps: SequenceParameterSet
    private var segments: [Segment] = []
    /// What came of each segment: nil where the slice data could not be parsed.
    private(set) var results: [NALUnit?] = []

    init(hook: HookBox, unit: BinUnit, layout: CTBLayout, sps: SequenceParameterSet) {
        self.hook = hook
        self.unit = unit
        self.layout = layout
        self.sps = sps
    }

    /// Adds a slice segment; its result will stand at the index returned.
    func add(_ nal: NALUnit, header: SliceSegmentHeader, rbsp: [UInt8], pps: PictureParameterSet) -> Int {
        segments.append(
            Segment(
                nal: nal, header: header, rbsp: rbsp,
                parameters: SliceParameters(header: header, sps: sps, pps: pps, layout: layout)))
        return segments.count - 1
    }

    /// The segment as it came.
    func original(_ index: Int) -> NALUnit { segments[index].nal }

    func run(_ workspaces: RecodingWorkspacePool) {
        let workspace = workspaces.take()
        defer { workspaces.giveBack(workspace) }
        let store = ContextStore(picHeightInCtbs: sps.picHeightInCtbsY)
        let lines = SyntaxLines(picWidthInMinCbs: sps.picWidthInMinCbsY)
        results = segments.map { recode($0, store, lines, workspace) }
    }

    private func recode(_ segment: Segment, _ store: ContextStore, _ lines: SyntaxLines, _ workspace: RecodingWorkspace) -> NALUnit? {
        let h = segment.header
        // cabac_zero_words after the slice data stay as they are.
        let end = (segment.rbsp.lastIndex { $0 != 0 } ?? -1) + 1
        guard h.byteCount < end else { return nil }
        let width = sps.picWidthInCtbsY
        var ends: [Int] = []
        let data: [UInt8]? = segment.rbsp.withUnsafeBufferPointer { rbsp in
            let substream = Substream.recoder(
                parameters: segment.parameters, data: UnsafeBufferPointer(rebasing: rbsp[h.byteCount..<end]), store: store, lines: lines,
                scratch: workspace.scratch, contexts: workspace.contexts, hook: hook, unit: unit)
            var ts = Int(layout.ctbAddrRsToTs[h.sliceSegmentAddress])
            var begins = true
            var first = true
            while ts < layout.ctbCount {
                let rs = Int(layout.ctbAddrTsToRs[ts])
                workspace.ctu.reset(
                    ctbAddrRs: rs, xCtb: (rs % width) << sps.ctbLog2SizeY, yCtb: (rs / width) << sps.ctbLog2SizeY)
                if begins { substream.begin(ctbAddrRs: rs, first: first) }
                first = false
                switch substream.code(workspace.ctu) {
                case .failed: return nil
                case .more: begins = false
                case .endOfSubstream:
                    begins = true
                    ends.append(substream.outputCount)
                case .endOfSegment:
                    ends.append(substream.outputCount)
                    return substream.outputBytes()
                }
                ts += 1
            }
            return nil
        }
        guard let data else { return nil }
        var rbsp = Self.header(of: segment.rbsp, h, entryPoints: SliceAssembly.escapedLengths(of: data, ends: ends))
        rbsp += data
        rbsp += segment.rbsp[end...]
        var nal = NALUnit(header: segment.nal.header, rbsp: rbsp, startCodeLength: segment.nal.startCodeLength)
        nal.trailingZeros = segment.nal.trailingZeros
        nal.offset = segment.nal.offset
        return nal
    }

    /// The header with the entry points of the new data. Where they did not change, nor does the header.
    ///
    /// offset_len_minus1 stays what it is unless it was the shortest possible: then it is the shortest again, so that the way back
    /// restores it.
    private static func header(of rbsp: [UInt8], _ h: SliceSegmentHeader, entryPoints lengths: [Int]) -> [UInt8] {
        let offsets = Array(lengths.dropLast())
        if h.entryPointOffsets.isEmpty || h.entryPointOffsets.count != offsets.count || h.entryPointOffsets == offsets {
            return Array(rbsp[..<h.byteCount])
        }
        let shortest = max(Int.bitWidth - ((h.entryPointOffsets.max() ?? 1) - 1).leadingZeroBitCount, 1)
        let length = h.offsetLenMinus1 + 1
        var w = BitWriter()
        w.copy(rbsp, from: 0, count: h.entryPointsPosition)
        SliceSegmentHeader.writeEntryPoints(offsets, minimumLength: length == shortest ? 1 : length, to: &w)
        // The slice header extension up to the alignment, whose length changes with what stands before.
        let last = rbsp[h.byteCount - 1].trailingZeroBitCount
        w.copy(rbsp, from: h.afterEntryPointsPosition, count: h.byteCount * 8 - 1 - last - h.afterEntryPointsPosition)
        w.trailingBits()
        return w.bytes
    }
}
