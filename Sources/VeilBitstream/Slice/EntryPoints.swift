// SPDX-License-Identifier: GPL-2.0-or-later

extension SliceSegmentHeader {
    /// First byte of each substream in the RBSP, as the entry points say, which may lie: one where there are none.
    ///
    /// entry_point_offset_minus1 counts emulation prevention bytes (7.4.7.1), which an RBSP does not have.
    /// - Parameter removed: RBSP positions before which such bytes stood, ascending.
    package func substreamStarts(removed: [Int]) -> [Int] {
        var starts = [byteCount]
        if entryPointOffsets.isEmpty { return starts }
        starts.reserveCapacity(entryPointOffsets.count + 1)
        // RBSP position p stands at p + (removed positions <= p) in the NAL unit's payload.
        var before = 0
        while before < removed.count && removed[before] <= byteCount { before += 1 }
        var escaped = byteCount + before
        for offset in entryPointOffsets {
            escaped += offset
            while before < removed.count && removed[before] + before < escaped { before += 1 }
            starts.append(escaped - before)
        }
        return starts
    }
}
