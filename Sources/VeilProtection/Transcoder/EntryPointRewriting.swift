// SPDX-License-Identifier: GPL-2.0-or-later
import VeilBitstream

/// The slice segment header for slice data in which emulation prevention bytes moved: its entry points count them.
///
/// offset_len_minus1 stays what it is unless it was the shortest possible: then it is the shortest again, so that the
/// way back restores it. Entry points that were not true stay as they are: the way back leaves them alone as well.
struct EntryPointRewriting {
    private let bytes: ArraySlice<UInt8>
    private let entryPointsPosition: Int
    private let afterEntryPointsPosition: Int
    private let alignmentPosition: Int
    private let offsets: [Int]
    private let length: Int
    /// What the entry points had to say.
    private let truth: [Int]

    private init(
        _ bytes: ArraySlice<UInt8>, _ before: Int, _ after: Int, _ alignment: Int, offsets: [Int], length: Int,
        truth: [Int]
    ) {
        self.bytes = bytes
        entryPointsPosition = before
        afterEntryPointsPosition = after
        alignmentPosition = alignment
        self.offsets = offsets
        self.length = length
        self.truth = truth
    }

    /// - Parameter ends: where the substreams end in the slice data.
    init(_ segment: RecodingSegment, ends: [Int]) {
        let h = segment.header
        var truth: [Int] = []
        if !h.entryPointOffsets.isEmpty {
            // Of what was removed: how much between a substream's first byte and its end.
            var at = 0
            var start = h.byteCount
            for end in ends.dropLast() {
                while at < segment.removed.count && segment.removed[at] <= start { at += 1 }
                let before = at
                while at < segment.removed.count && segment.removed[at] < h.byteCount + end { at += 1 }
                truth.append(h.byteCount + end - start + at - before)
                start = h.byteCount + end
            }
        }
        self.init(
            segment.rbsp[..<h.byteCount], h.entryPointsPosition, h.afterEntryPointsPosition,
            segment.alignmentPosition ?? 0,
            offsets: h.entryPointOffsets, length: h.offsetLenMinus1 + 1, truth: truth)
    }

    /// The header for new data; nil where the way back would not restore this one.
    func header(for data: [UInt8], ends: [Int], restores: Bool) -> [UInt8]? {
        if offsets.isEmpty { return Array(bytes) }
        let new = Array(SliceAssembly.escapedLengths(of: data, ends: ends).dropLast())
        if offsets != truth {
            // The way back would take them for true.
            if restores && offsets == new { return nil }
            return Array(bytes)
        }
        if new == offsets { return Array(bytes) }
        let made = rewritten(new)
        if restores {
            // Bits after the alignment's 1 are 0.
            let isAligned = bytes[bytes.endIndex - 1].trailingZeroBitCount == bytes.count * 8 - 1 - alignmentPosition
            if !isAligned || made.rewritten(truth).bytes != bytes { return nil }
        }
        return Array(made.bytes)
    }

    private func rewritten(_ new: [Int]) -> EntryPointRewriting {
        func bits(_ offsets: [Int]) -> Int { max(Int.bitWidth - ((offsets.max() ?? 1) - 1).leadingZeroBitCount, 1) }
        let minimum = length == bits(offsets) ? 1 : length
        var w = BitWriter()
        let source = Array(bytes)
        w.copy(source, from: 0, count: entryPointsPosition)
        SliceSegmentHeader.writeEntryPoints(new, minimumLength: minimum, to: &w)
        let after = w.bitCount
        // The slice header extension up to the alignment, whose length changes with what stands before.
        w.copy(source, from: afterEntryPointsPosition, count: alignmentPosition - afterEntryPointsPosition)
        let alignment = w.bitCount
        w.trailingBits()
        return EntryPointRewriting(
            w.bytes[...], entryPointsPosition, after, alignment, offsets: new, length: max(bits(new), minimum),
            truth: new)
    }
}
